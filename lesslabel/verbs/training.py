"""``fit``, ``validate``, ``test``, ``predict`` and ``pseudo``: commands of a run."""

import argparse
from pathlib import Path

from lesslabel.command_words import read_settings
from lesslabel.errors import ConfigError
from lesslabel.runs.config_files import config_files, read_config
from lesslabel.runs.settings import Settings
from lesslabel.verbs.next_step import after_training

_RUN_SETTINGS = """
settings, from --config FILE.yaml or one by one (the command line wins):
  --run DIR                  the run folder
  --seed N                   weights, sampling, augmentation
  --model.pseudo_label_weight 1.0, --data.store DIR, --data.fold 2, --trainer.max_steps 1500, …
  --print_config             the whole resolved configuration
  --help-all                 every setting with its description
"""


def fit(given: list[str]) -> int:
    """Train a method, or resume a training."""
    if _wants_short_help(given):
        print("usage: lesslabel fit --config FILE.yaml --run DIR [settings]\n\nTrain a method.\n" + _RUN_SETTINGS)
        return 0
    settings = read_settings(_full_help(given))
    for config in config_files(settings):
        read_config(config)  # a misspelt name is an error before PyTorch is imported
    from lesslabel.runs.fitting import fit as train
    from lesslabel.runs.fitting import is_main_process

    folder = train(settings)
    if is_main_process():
        print(f"trained: {folder.path}\nnext: {after_training(folder.path)}")
    return 0


def validate(given: list[str]) -> int:
    """Score a run on its validation part."""
    parser = _run_parser("validate", "Score a run on its validation part.")
    _add_skip_damaged(parser)
    options, rest = parser.parse_known_args(given)
    run, checkpoint, overrides = _of_a_run(rest)
    from lesslabel.runs.testing import validate as score

    scores = score(run, overrides=overrides, checkpoint=checkpoint, skip_damaged=options.skip_damaged)
    for name, value in scores.items():
        print(f"{name} {value:.4f}")
    return 0


def test(given: list[str]) -> int:
    """Score a run on its test part."""
    parser = _run_parser("test", "Score a run on its test part; writes RUN/test.")
    parser.add_argument("--part", choices=("test", "validation"), default="test")
    parser.add_argument("--unit", choices=("mm", "voxel"), default="mm", help="of distances")
    parser.add_argument("--hd95", choices=("pooled", "max-of-directed"), default="pooled")
    parser.add_argument("--empty", choices=("diagonal", "nan", "inf"), default="diagonal", help="empty-mask policy")
    _add_skip_damaged(parser)
    options, rest = parser.parse_known_args(given)
    run, checkpoint, overrides = _of_a_run(rest)
    from lesslabel.printing import print_summary
    from lesslabel.runs.testing import test as score

    summary = score(
        run,
        overrides=overrides,
        checkpoint=checkpoint,
        part=options.part,
        unit=options.unit,
        hd95=options.hd95,
        empty=options.empty,
        skip_damaged=options.skip_damaged,
    )
    print_summary(summary, options.unit)
    return 0


def predict(given: list[str]) -> int:
    """Write label maps."""
    parser = _run_parser(
        "predict",
        "Predict the cases of a store; another one with --data.store. Label maps hold class indices, not label codes.",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the NIfTI files")
    parser.add_argument("--part", choices=("train", "validation", "test", "all"), default="test")
    parser.add_argument("--probabilities", action="store_true", help="also write class probabilities")
    _add_skip_damaged(parser)
    options, rest = parser.parse_known_args(given)
    run, checkpoint, overrides = _of_a_run(rest)
    from lesslabel.runs.testing import predict as write_predictions

    written = write_predictions(
        run,
        options.output,
        overrides=overrides,
        checkpoint=checkpoint,
        part=options.part,
        probabilities=options.probabilities,
        skip_damaged=options.skip_damaged,
    )
    print(f"predicted {len(written)} cases: {options.output}")
    return 0


def pseudo(given: list[str]) -> int:
    """Write pseudo-labels."""
    parser = _run_parser(
        "pseudo", "Expand the labels of a run's training cases by certain predictions, for a second stage of training."
    )
    parser.add_argument("--out", type=Path, required=True, help="annotation folder to make, for data.view.overlays")
    parser.add_argument("--name", default="expanded", help="of the annotation (default expanded)")
    parser.add_argument(
        "--uncertainty",
        type=float,
        default=0.1,
        help="largest entropy of a known voxel, as a share of ln C (default 0.1)",
    )
    parser.add_argument("--largest-component", action="store_true", help="keep only the largest part of each class")
    options, rest = parser.parse_known_args(given)
    run, checkpoint, overrides = _of_a_run(rest)
    from lesslabel.runs.expanding import expand_labels

    count = expand_labels(
        run,
        options.out,
        name=options.name,
        uncertainty=options.uncertainty,
        largest_component=options.largest_component,
        overrides=overrides,
        checkpoint=checkpoint,
    )
    print(f"{options.out}: '{options.name}' of {count} cases")
    print(f"next: lesslabel fit … --data.view.overlays '[{options.out}]'")
    return 0


def _of_a_run(words: list[str]) -> tuple[Path, str, Settings]:
    """Parse arguments: the run, the checkpoint, and the settings that override the run's own."""
    settings = read_settings(words)
    run = settings.last_of("run")
    if run is None:
        raise ConfigError("--run is missing: name the folder of the run")
    checkpoint = settings.last_of("ckpt_path") or "auto"
    return Path(run), checkpoint, settings.without("run").without("ckpt_path")


def _run_parser(command: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        f"lesslabel {command}",
        usage=f"lesslabel {command} --run DIR [--ckpt_path best|last|FILE] [settings]",
        description=description + " The run's own configuration applies; further settings override it.",
        allow_abbrev=False,
    )


def _add_skip_damaged(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--skip-damaged", action="store_true", help="leave cases with errors of verify out, list them")


def _wants_short_help(given: list[str]) -> bool:
    return "--help" in given or "-h" in given


def _full_help(given: list[str]) -> list[str]:
    return ["--help" if argument == "--help-all" else argument for argument in given]
