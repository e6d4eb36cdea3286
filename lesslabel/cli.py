"""One command, `lesslabel <verb>`. Thin: it parses and calls; nothing heavy is imported before a verb needs it."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lesslabel import __version__
from lesslabel.errors import LesslabelError

Verb = Callable[[list[str]], int]

_RUN_SETTINGS = """
settings, from --config FILE.yaml or one by one (the command line wins):
  --run DIR                  the run folder
  --seed N                   weights, sampling, augmentation
  --model.pseudo_label_weight 1.0, --data.store DIR, --data.fold 2, --trainer.max_steps 1500, …
  --print_config             the whole resolved configuration
  --help-all                 every setting with its description
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 0 done, 1 something to mend (said in one line), 2 not understood."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    verbs: dict[str, tuple[Verb, str]] = {
        "prepare": (_prepare, "read a public layout or your own table into a store"),
        "verify": (_verify, "check a store: cause and fix for every flawed case"),
        "scribble": (_scribble, "draw scribbles, points or boxes from the dense labels of a store"),
        "export": (_export, "write cases for 3D Slicer, ITK-SNAP, nnU-Net or MONAI Label"),
        "import": (_import, "bring label maps that people drew into a store"),
        "fit": (_fit, "train, or resume with --ckpt_path last"),
        "validate": (_validate, "score a run on its validation part"),
        "test": (_test, "score a run on its test part and keep its predictions"),
        "predict": (_predict, "write label maps as NIfTI, geometry kept"),
        "clicks": (_clicks, "how many clicks an interactive method needs, by robots or from people's scribbles"),
        "evaluate": (_evaluate, "score label maps against references, file by file"),
        "raters": (_raters, "how far several raters of a store agree, pair by pair"),
        "report": (_report, "one HTML page with tables and pictures for one or more runs"),
        "bundle": (_bundle, "export, inspect or verify what may leave a hospital: weights, never an image"),
        "select": (_select, "choose what to annotate in a store of another hospital: a queue"),
        "adapt": (_adapt, "adapt a bundle's model to a store, by a queue's labels or without any"),
        "reproduce": (_reproduce, "run a declared study, job by job, and write its table"),
        "curve": (_curve, "Dice over label budgets: declare such a study and run it"),
        "demo": (_demo, "the whole way on a generated phantom, in a few minutes"),
    }
    parser = argparse.ArgumentParser(
        "lesslabel",
        description="Medical image segmentation from few labels.",
        epilog="verbs:\n" + "\n".join(f"  {name:11}{text}" for name, (_, text) in verbs.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lesslabel {__version__}")
    parser.add_argument("verb", choices=verbs, metavar="verb", help="what to do; `lesslabel VERB --help` says how")
    verb = parser.parse_args(given[:1]).verb
    try:
        return verbs[verb][0](given[1:])
    except LesslabelError as error:
        return _fail(verb, str(error))
    except OSError as error:
        return _fail(verb, f"{error.filename or 'disk'}: {error.strerror or error}; check the free space and rights")
    except KeyboardInterrupt as error:
        return _fail(verb, str(error) or "interrupted", 130)


def _fail(verb: str, message: str, code: int = 1) -> int:
    """Say what is wrong in one line; what a loader process raised comes with its traceback, of which the end counts."""
    line = message.strip().splitlines()[-1]
    print(f"lesslabel {verb}: {re.sub(r'^lesslabel[.]errors[.][A-Za-z]+: ', '', line)}", file=sys.stderr)
    return code


def _prepare(given: list[str]) -> int:
    from lesslabel.data.sources import SOURCES

    parser = argparse.ArgumentParser("lesslabel prepare", description="Read raw data into a store.")
    parser.add_argument("source", choices=SOURCES, metavar="source", help=f"layout: {', '.join(SOURCES)}")
    parser.add_argument("raw", type=Path, help="raw folder, table for 'folder', '-' for 'phantom'")
    parser.add_argument("store", type=Path, help="folder to make")
    parser.add_argument("--workers", type=int, default=None, help="processes; default all cores, 0 reads in this one")
    parser.add_argument("--skip-damaged", action="store_true", help="leave damaged cases out and list them")
    source = SOURCES[given[0]] if given and given[0] in SOURCES else None
    from lesslabel.commands import add_source_arguments, prepare_store

    if source is not None:
        add_source_arguments(parser, source)
    return prepare_store(parser.parse_args(given))


def _verify(given: list[str]) -> int:
    parser = argparse.ArgumentParser("lesslabel verify", description="Check a store; exit code 1 if anything is wrong.")
    parser.add_argument("store", type=Path)
    parser.add_argument("--split", default=None, help="also check this split")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--workers", type=int, default=None, help="processes; default all cores, 0 reads in this one")
    parser.add_argument("--cases", action="store_true", help="also print a row for every case")
    parser.add_argument("--json", type=Path, default=None, help="also write cases and findings here")
    parser.add_argument("--fix", action="store_true", help="first restore what the store's hashes vouch for")
    parser.add_argument("--propose", type=Path, default=None, help="write a configuration to begin with here")
    options = parser.parse_args(given)
    from lesslabel.commands import verify

    return verify(options)


def _scribble(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "lesslabel scribble",
        description="Draw a weak annotation from a dense one, so that any dense set can be a benchmark of few labels.",
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--annotation", default="dense", help="the dense annotation (default dense)")
    parser.add_argument("--name", required=True, help="of the new annotation; no case may have it")
    parser.add_argument("--kind", choices=("scribble", "points", "box"), default="scribble")
    parser.add_argument("--style", choices=("skeleton", "loop"), default="skeleton", help="of scribbles")
    parser.add_argument("--slices", type=float, default=1.0, help="share of the axial slices (default 1)")
    parser.add_argument("--length", type=float, default=0.8, help="share of a middle line (default 0.8)")
    parser.add_argument("--points", type=int, default=1, help="for each part of a label (default 1)")
    parser.add_argument("--thickness", type=int, default=1, help="of strokes and points, in voxels (default 1)")
    parser.add_argument("--minimum-area", type=int, default=4, help="smaller parts are left out, in voxels (default 4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0, help="processes that draw")
    options = parser.parse_args(given)
    from lesslabel.commands import draw_scribbles

    return draw_scribbles(options)


def _export(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "lesslabel export",
        description="Write cases as another program reads them; `lesslabel import` takes back what it saves.",
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--to", choices=("slicer", "itksnap", "nnunet", "monailabel"), required=True, help="program")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--annotation", default=None, help="also write this one; else images alone")
    parser.add_argument("--part", choices=("train", "validation", "test", "all"), default="all")
    parser.add_argument("--split", default="random", help="which says what --part is")
    parser.add_argument("--fold", type=int, default=0)
    options = parser.parse_args(given)
    from lesslabel.commands import export_cases

    return export_cases(options)


def _import(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "lesslabel import", description="Check label maps drawn on a store's images, then add all of them or none."
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--queue", type=Path, default=None, help="queue.csv: take what it asked for, and all of it")
    parser.add_argument("--from", type=Path, required=True, dest="folder", help="folder of the label maps")
    parser.add_argument("--annotation", required=True, help="name of the new annotation")
    parser.add_argument("--author", required=True, help="who drew it, without patient data")
    parser.add_argument("--kind", choices=("dense", "scribble", "points", "box"), default="dense")
    parser.add_argument(
        "--overlaps", choices=("refuse", "unknown", "last"), default="refuse", help="where segments of Slicer overlap"
    )
    parser.add_argument("--allow-empty", action="store_true", help="also take units without any label")
    parser.add_argument("--replace", action="store_true", help="keep an annotation of that name as NAME@1 and go on")
    options = parser.parse_args(given)
    from lesslabel.commands import import_label_maps

    return import_label_maps(options)


def _fit(given: list[str]) -> int:
    if _wants_short_help(given):
        print("usage: lesslabel fit --config FILE.yaml --run DIR [settings]\n\nTrain a method.\n" + _RUN_SETTINGS)
        return 0
    from lesslabel.runs.verbs import is_main_process, run_fit

    folder = run_fit(_full_help(given))
    if is_main_process():
        print(f"trained: {folder.path}\nnext: lesslabel test --run {folder.path}")
    return 0


def _validate(given: list[str]) -> int:
    parser = _run_parser("validate", "Score a run on its validation part.")
    _, rest = parser.parse_known_args(given)
    from lesslabel.runs.verbs import run_validate

    for name, value in run_validate(rest).items():
        print(f"{name} {value:.4f}")
    return 0


def _test(given: list[str]) -> int:
    parser = _run_parser("test", "Score a run on its test part; writes RUN/test.")
    parser.add_argument("--part", choices=("test", "validation"), default="test")
    parser.add_argument("--unit", choices=("mm", "voxel"), default="mm", help="of distances")
    parser.add_argument("--hd95", choices=("pooled", "max-of-directed"), default="pooled")
    parser.add_argument("--empty", choices=("diagonal", "nan", "inf"), default="diagonal", help="empty-mask policy")
    options, rest = parser.parse_known_args(given)
    from lesslabel.printing import print_summary
    from lesslabel.runs.verbs import run_test

    summary = run_test(rest, part=options.part, unit=options.unit, hd95=options.hd95, empty=options.empty)
    print_summary(summary, options.unit)
    return 0


def _predict(given: list[str]) -> int:
    parser = _run_parser("predict", "Predict the cases of a store; another one with --data.store.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the NIfTI files")
    parser.add_argument("--part", choices=("train", "validation", "test", "all"), default="test")
    parser.add_argument("--probabilities", action="store_true", help="also write class probabilities")
    options, rest = parser.parse_known_args(given)
    from lesslabel.runs.verbs import run_predict

    count = run_predict(rest, output=options.output, part=options.part, probabilities=options.probabilities)
    print(f"predicted {count} cases: {options.output}")
    return 0


def _clicks(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "lesslabel clicks",
        description="Let robots point at every object and correct it click by click: Dice, ASSD, seconds. Further "
        "settings override those of the run: --model.refinement graph_cut …",
        allow_abbrev=False,
    )
    parser.add_argument("--run", type=Path, required=True, help="finished run of an interactive method")
    parser.add_argument("--out", type=Path, default=None, help="folder to make; default RUN/clicks")
    parser.add_argument("--part", choices=("train", "validation", "test", "all"), default="test")
    parser.add_argument("--labels", nargs="+", default=[], metavar="NAME", help="of these classes alone")
    parser.add_argument("--first", default="robot", help="who points first: robot (default), or annotation:NAME")
    parser.add_argument("--robot", default="error-centre", help="who corrects; a wrong name lists them all")
    parser.add_argument("--cap", type=int, default=20, help="clicks at most, the first ones included (default 20)")
    parser.add_argument("--turns", type=int, default=None, help="turns at most, the first one included")
    parser.add_argument("--jitter", type=float, default=None, metavar="VOXELS", help="how much the hand slips")
    parser.add_argument("--min-voxels", type=int, default=20, help="smaller objects are left out (default 20)")
    parser.add_argument("--slices", type=int, default=None, help="of a case and class at most, evenly spaced")
    parser.add_argument("--seed", type=int, default=0, help="of the robots")
    other = parser.add_argument_group("another store than the run's")
    other.add_argument("--store", type=Path, default=None, help="its organs may be unseen")
    other.add_argument("--split", default="random")
    other.add_argument("--fold", type=int, default=0)
    other.add_argument("--reference", default=None, help="annotation that holds the objects; default that of the run")
    options, settings = parser.parse_known_args(given)
    from lesslabel.commands import clicks

    return clicks(options, settings)


def _evaluate(given: list[str]) -> int:
    parser = argparse.ArgumentParser("lesslabel evaluate", description="Score label maps against references.")
    parser.add_argument("pred", type=Path, help="NIfTI file, or folder of files")
    parser.add_argument("ref", type=Path, help="file, or folder with the same names")
    parser.add_argument("--unit", choices=("mm", "voxel"), default="mm")
    parser.add_argument("--hd95", choices=("pooled", "max-of-directed"), default="pooled")
    parser.add_argument("--empty", choices=("diagonal", "nan", "inf"), default="diagonal")
    parser.add_argument("--csv", type=Path, default=None, help="also write the table here")
    options = parser.parse_args(given)
    from lesslabel.commands import evaluate

    return evaluate(options.pred, options.ref, options.unit, options.hd95, options.empty, options.csv)


def _raters(given: list[str]) -> int:
    parser = argparse.ArgumentParser("lesslabel raters", description="Dice and HD95 between the raters of a store.")
    parser.add_argument("store", type=Path)
    parser.add_argument("--annotations", nargs="+", default=[], help="names of two or more; default every dense one")
    parser.add_argument("--output", type=Path, default=None, help="also write the table here, .md or .csv")
    options = parser.parse_args(given)
    from lesslabel.commands import raters

    return raters(options.store, options.annotations, options.output)


def _report(given: list[str]) -> int:
    parser = argparse.ArgumentParser("lesslabel report", description="One HTML page for one or more tested runs.")
    parser.add_argument(
        "runs", type=Path, nargs="+", help="run folders with the same test cases, one adaptation, or folders of clicks"
    )
    parser.add_argument("--output", type=Path, default=None, help="HTML file; default RUN/report.html of the first")
    parser.add_argument("--experiment", type=Path, default=None, help="also add the runs to this experiment folder")
    adaptation = parser.add_argument_group("of an adaptation", "a page of what was chosen; --experiment is only read")
    adaptation.add_argument("--bundle", type=Path, default=None, help="what the adaptation began with")
    adaptation.add_argument("--store", type=Path, default=None, help="where the store lies now, if it moved")
    adaptation.add_argument("--map", choices=["pca", "tsne"], default="pca", help="how features become a map")
    options = parser.parse_args(given)
    from lesslabel.commands import report, report_adaptation, report_clicks

    if (options.runs[0] / "clicks.csv").is_file():
        return report_clicks(options.runs, options.output)
    if options.bundle is not None:
        return report_adaptation(options)
    return report(options.runs, options.output, options.experiment)


def _bundle(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "lesslabel bundle", description="A trained model for another hospital: weights, references, recipe; no image."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="export|inspect|verify")
    export = actions.add_parser("export", help="make a bundle from a finished run")
    export.add_argument("run", type=Path, help="run folder")
    export.add_argument("out", type=Path, help="folder to make")
    export.add_argument("--store", type=Path, required=True, help="the store that the run was trained on")
    export.add_argument("--references", type=int, default=10, help="how many references (default 10)")
    export.add_argument("--seed", type=int, default=0, help="of the clustering")
    export.add_argument("--mask", choices=("predicted", "background-softmax"), default="predicted", help="of features")
    export.add_argument("--scale", choices=("published", "unit-length"), default="published", help="of features")
    export.add_argument("--min-patients", type=int, default=2, help="behind each reference (default 2; published 1)")
    for name, text in (("inspect", "check a bundle and print its card"), ("verify", "check a bundle")):
        actions.add_parser(name, help=text).add_argument("bundle", type=Path)
    options = parser.parse_args(given)
    from lesslabel.commands import bundle

    return bundle(options)


def _select(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "lesslabel select", description="Rank the training part of a store; writes queue.csv and queue.json."
    )
    parser.add_argument("--bundle", type=Path, required=True, help="what the source handed over")
    parser.add_argument("--store", type=Path, required=True, help="the target; labels are not looked at")
    parser.add_argument("--strategy", default="stdr", help="stdr, random, entropy …; a wrong name lists them all")
    parser.add_argument("--budget", required=True, help="20%%, 0.2, or a count")
    parser.add_argument("--unit", choices=("slice", "case"), default="slice", help="what is chosen")
    parser.add_argument("--out", type=Path, required=True, help="the queue.csv to write")
    parser.add_argument("--images", type=Path, default=None, help="also write the images and prelabels, to this folder")
    parser.add_argument("--previous", type=Path, default=None, help="queue of earlier rounds, continued in the new one")
    parser.add_argument("--diversity", action="store_true", help="spread the choice inside each end of stdr")
    parser.add_argument("--seed", type=int, default=0, help="of the strategy")
    parser.add_argument("--split", default="random", help="of the target; only its training part is chosen from")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--allow-missing", action="store_true", help="drop patients of the split that are not there")
    parser.add_argument("--centres", nargs="+", default=None, help="choose from these hospitals of the store alone")
    parser.add_argument("--workers", type=int, default=0, help="processes that read")
    options = parser.parse_args(given)
    from lesslabel.adaptation.verbs import run_select

    return run_select(options)


def _adapt(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "lesslabel adapt",
        description="Fine-tune on what a queue shows, pseudo-label the rest, train on both. Further settings are those "
        "of `lesslabel fit`: --trainer.max_steps 400, --data.split, --config FILE.yaml …",
        allow_abbrev=False,
    )
    parser.add_argument("--bundle", type=Path, required=True, help="what the source handed over")
    parser.add_argument("--store", type=Path, required=True, help="the target")
    parser.add_argument("--queue", type=Path, default=None, help="what was annotated")
    parser.add_argument("--annotation", default=None, help="its name in the store")
    parser.add_argument("--out", type=Path, required=True, help="folder to make; the same command goes on with it")
    parser.add_argument("--stages", type=int, choices=(1, 3), default=3, help="1 ends after fine-tuning (default 3)")
    parser.add_argument("--confidence", type=float, default=0.0, help="pseudo-labels below it are unknown (default 0)")
    parser.add_argument("--restart-from-source", action="store_true", help="third stage from the source's weights")
    parser.add_argument("--name", default="Fine-tuned", help="of the method in tables")
    parser.add_argument(
        "--without-labels", choices=("none", "histogram", "tent", "adami"), default=None, help="instead of a queue"
    )
    options, settings = parser.parse_known_args(given)
    from lesslabel.adaptation.verbs import run_adapt

    return run_adapt(options, settings)


def _reproduce(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "lesslabel reproduce", description="Run the jobs of a study that are not done; write its table and figures."
    )
    parser.add_argument("experiment", type=Path, help="folder with study.yaml, protocol.yaml and published.csv")
    _add_study_arguments(parser)
    parser.add_argument("--only", default=None, metavar="PATTERN", help="methods of such names, and what they need")
    parser.add_argument("--folds", type=int, nargs="+", default=None, help="some of the study's")
    parser.add_argument("--seeds", type=int, nargs="+", default=None, help="some of the study's")
    parser.add_argument("--dry-run", action="store_true", help="print the jobs and run none")
    parser.add_argument("--table", action="store_true", help="run none; take in what is done")
    parser.add_argument("--zoo", type=Path, default=None, help="also add the models to the zoo in this folder")
    options = parser.parse_args(given)
    from lesslabel.studies.reproduce import run_reproduce

    return run_reproduce(options)


def _curve(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "lesslabel curve", description="Train methods at several label budgets and draw Dice over cases and minutes."
    )
    parser.add_argument("experiment", type=Path, help="folder to make, or that this command made before")
    parser.add_argument("--config", action="append", required=True, help="a method; several may be given")
    parser.add_argument("--overlay", action="append", default=[], help="configuration for all of them")
    parser.add_argument("--order", required=True, help="which patients come first: acdc/order_seed0, or a file")
    parser.add_argument("--budgets", nargs="+", default=["1", "2", "4", "8", "all"], help="labelled patients")
    parser.add_argument("--folds", type=int, nargs="+", default=[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--checkpoint", choices=("best", "last"), default="best", help="best on validation, or the last"
    )
    _add_study_arguments(parser)
    options = parser.parse_args(given)
    from lesslabel.studies.budget_study import run_curve

    return run_curve(options)


def _add_study_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--launcher", choices=("local", "slurm", "submitit-local"), default="local")
    parser.add_argument("--jobs", type=int, default=1, help="how many run, or are queued, at a time")
    parser.add_argument(
        "--devices", type=int, default=1, help="accelerators of each job on a machine; they share a batch"
    )
    parser.add_argument("--nodes", type=int, default=1, help="machines of each job (SLURM)")
    parser.add_argument("--slurm", nargs="+", default=[], metavar="NAME=VALUE", help="settings of submitit")
    parser.add_argument("--store", type=Path, default=None, help="where the data lie, if not where the study says")
    parser.add_argument("--output", type=Path, default=None, help="folder of the jobs; default runs/NAME")


def _demo(given: list[str]) -> int:
    parser = argparse.ArgumentParser("lesslabel demo", description="Phantom, pCE and DMPLS, test, report: 4 minutes.")
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder to make")
    parser.add_argument("--iterations", type=int, default=None, help="training iterations per method")
    options = parser.parse_args(given)
    from lesslabel.demo import run_demo

    return run_demo(options.output, options.iterations)


def _run_parser(verb: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        f"lesslabel {verb}",
        usage=f"lesslabel {verb} --run DIR [--ckpt_path best|last|FILE] [settings]",
        description=description + " The run's own configuration applies; further settings override it.",
        allow_abbrev=False,
    )


def _wants_short_help(given: list[str]) -> bool:
    return "--help" in given or "-h" in given


def _full_help(given: list[str]) -> list[str]:
    return ["--help" if argument == "--help-all" else argument for argument in given]


if __name__ == "__main__":
    sys.exit(main())
