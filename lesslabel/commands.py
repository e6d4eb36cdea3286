"""The commands of the command line by name, and the function that runs one.

The list holds names only and imports a command when it is run. So a study can run its steps, which are commands, from a
package that the commands import.
"""

from collections.abc import Callable
from importlib import import_module

COMMANDS = {
    "prepare": ("store:prepare", "read a public layout or your own table into a store"),
    "verify": ("store:verify", "check a store: cause and fix for every flawed case"),
    "scribble": ("store:scribble", "draw scribbles, points or boxes from the dense labels of a store"),
    "spread": ("store:spread", "spread scribbles over whole slices by a random walker: pseudo-labels"),
    "export": ("drawing:export", "write cases for 3D Slicer, ITK-SNAP, nnU-Net or MONAI Label"),
    "import": ("drawing:import_drawn", "bring label maps that people drew into a store"),
    "annotate": ("annotate:annotate", "draw in the browser: work off a queue with scribbles, clicks, boxes"),
    "fit": ("training:fit", "train, or resume with --ckpt_path last"),
    "validate": ("training:validate", "score a run on its validation part"),
    "test": ("training:test", "score a run on its test part and keep its predictions"),
    "predict": ("training:predict", "write label maps as NIfTI, geometry kept"),
    "pseudo": ("training:pseudo", "expand the labels of a run by certain predictions, for a second stage"),
    "clicks": ("clicks:clicks", "how many clicks an interactive method needs, by robots or from people's scribbles"),
    "clicker": ("clicker:clicker", "train the general clicker of the package from stores, or resume"),
    "evaluate": ("scoring:evaluate", "score label maps against references, file by file"),
    "raters": ("scoring:raters", "how far several raters of a store agree, pair by pair"),
    "report": ("report:report", "one HTML page with tables and pictures for one or more runs"),
    "bundle": ("adaptation:bundle", "export, inspect or verify what may leave a hospital: weights, never an image"),
    "select": ("adaptation:select", "choose what to annotate in a store of another hospital: a queue"),
    "expect": ("adaptation:expect", "how good a model is on a store without labels: the expected Dice of each case"),
    "adapt": ("adaptation:adapt", "adapt a bundle's model to a store, by a queue's labels or without any"),
    "reproduce": ("studies:reproduce", "run a declared study, job by job, and write its table"),
    "compare": ("studies:compare", "train every method for a store's labels briefly, and say what to use next"),
    "curve": ("studies:curve", "Dice over label budgets: declare such a study and run it"),
    "campaign": ("studies:campaign", "simulate rounds of annotation by several strategies, and compare them"),
    "plan": ("studies:plan", "what the next minutes of annotation would buy, by the rounds so far"),
    "demo": ("demo:demo", "the whole way on a generated phantom, in a few minutes"),
}
"""Module and function of each command, and its description."""


def run_command(command: str, given: list[str]) -> int:
    """Run a command of `COMMANDS` with its arguments.

    Returns:
        The exit code.

    Raises:
        LesslabelError: with a message of one line.
        SystemExit: if the arguments are wrong, or ask for help.
    """
    module, _, name = COMMANDS[command][0].partition(":")
    action: Callable[[list[str]], int] = getattr(import_module(f"lesslabel.verbs.{module}"), name)
    return action(given)
