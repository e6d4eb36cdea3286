"""The verbs of the command line by name, and how one is run.

This list knows the verbs by name alone and imports one when it is run. So a step of a study, which is a command, can be
run from a room that verbs themselves import.
"""

from collections.abc import Callable
from importlib import import_module

VERBS = {
    "prepare": ("store:prepare", "read a public layout or your own table into a store"),
    "verify": ("store:verify", "check a store: cause and fix for every flawed case"),
    "scribble": ("store:scribble", "draw scribbles, points or boxes from the dense labels of a store"),
    "export": ("drawing:export", "write cases for 3D Slicer, ITK-SNAP, nnU-Net or MONAI Label"),
    "import": ("drawing:import_drawn", "bring label maps that people drew into a store"),
    "annotate": ("annotate:annotate", "draw in the browser: work off a queue with scribbles, clicks, boxes"),
    "fit": ("training:fit", "train, or resume with --ckpt_path last"),
    "validate": ("training:validate", "score a run on its validation part"),
    "test": ("training:test", "score a run on its test part and keep its predictions"),
    "predict": ("training:predict", "write label maps as NIfTI, geometry kept"),
    "clicks": ("clicks:clicks", "how many clicks an interactive method needs, by robots or from people's scribbles"),
    "evaluate": ("scoring:evaluate", "score label maps against references, file by file"),
    "raters": ("scoring:raters", "how far several raters of a store agree, pair by pair"),
    "report": ("report:report", "one HTML page with tables and pictures for one or more runs"),
    "bundle": ("adaptation:bundle", "export, inspect or verify what may leave a hospital: weights, never an image"),
    "select": ("adaptation:select", "choose what to annotate in a store of another hospital: a queue"),
    "adapt": ("adaptation:adapt", "adapt a bundle's model to a store, by a queue's labels or without any"),
    "reproduce": ("studies:reproduce", "run a declared study, job by job, and write its table"),
    "curve": ("studies:curve", "Dice over label budgets: declare such a study and run it"),
    "demo": ("demo:demo", "the whole way on a generated phantom, in a few minutes"),
}
"""Where each verb is, and what it does."""


def run_verb(verb: str, given: list[str]) -> int:
    """Do what a verb of `VERBS` does with its words.

    Returns:
        The exit code.

    Raises:
        LesslabelError: says in one line what is wrong.
        SystemExit: if the words are not understood, or ask for help.
    """
    module, _, name = VERBS[verb][0].partition(":")
    action: Callable[[list[str]], int] = getattr(import_module(f"lesslabel.verbs.{module}"), name)
    return action(given)
