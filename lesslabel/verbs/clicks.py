"""``clicks``: how many clicks an interactive method needs."""

import argparse
from pathlib import Path
from typing import Any

from lesslabel.command_words import read_settings
from lesslabel.errors import ConfigError
from lesslabel.printing import print_clicks, show_progress
from lesslabel.runs.settings import Settings


def clicks(given: list[str]) -> int:
    """Simulate a click protocol."""
    parser = argparse.ArgumentParser(
        "lesslabel clicks",
        description="Let robots point at every object and correct it click by click: Dice, ASSD, seconds. Further "
        "settings override those of the run: --model.refinement graph_cut …",
        allow_abbrev=False,
    )
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--run", type=Path, default=None, help="finished run of an interactive method")
    whose.add_argument(
        "--model",
        default="general",
        help="without a run, for a --store: general, training-free, grabcut, graph-cut, random-walker, or a bundle",
    )
    parser.add_argument("--dimensions", type=int, choices=(2, 3), default=2, help="of a model without a run")
    parser.add_argument("--out", type=Path, default=None, help="folder to make; default RUN/clicks")
    parser.add_argument("--part", choices=("train", "validation", "test", "all"), default="test")
    parser.add_argument("--labels", nargs="+", default=[], metavar="NAME", help="of these classes alone")
    parser.add_argument("--first", default="robot", help="who points first: robot (default), annotation:NAME, box, …")
    parser.add_argument(
        "--wrap", nargs="+", default=[], metavar="NAME", help="around the method: focus, structure-integrity"
    )
    parser.add_argument(
        "--start",
        default="nothing",
        help="mask to correct: nothing (default), thin-parts-missing, annotation:NAME, a folder of predictions",
    )
    parser.add_argument("--thin", type=float, default=None, metavar="SHARE", help="measure parts thinner than that")
    parser.add_argument("--robot", default="error-centre", help="who corrects; a wrong name lists them all")
    parser.add_argument("--cap", type=int, default=20, help="clicks at most, the first ones included (default 20)")
    parser.add_argument("--turns", type=int, default=None, help="turns at most, the first one included")
    parser.add_argument("--jitter", type=float, default=None, metavar="VOXELS", help="how much the hand slips")
    parser.add_argument("--min-voxels", type=int, default=20, help="smaller objects are left out (default 20)")
    parser.add_argument("--slices", type=int, default=None, help="of a case and class at most, evenly spaced")
    parser.add_argument("--seed", type=int, default=0, help="of the robots")
    parser.add_argument("--keep-masks", action="store_true", help="write the last masks, for --start of another model")
    parser.add_argument("--skip-damaged", action="store_true", help="leave cases with errors of verify out, list them")
    other = parser.add_argument_group("another store than the run's")
    other.add_argument("--store", type=Path, default=None, help="its organs may be unseen")
    other.add_argument("--split", default="random")
    other.add_argument("--fold", type=int, default=0)
    other.add_argument("--reference", default=None, help="annotation that holds the objects; default that of the run")
    options, settings = parser.parse_known_args(given)
    return _play(options, read_settings(settings))


def _start_of(given: str) -> tuple[str, Path | None]:
    """What objects start from, and the folder of their predictions if that is what was given."""
    from lesslabel.clicks.simulator import PREDICTIONS

    if given == PREDICTIONS or Path(given).is_dir():
        return PREDICTIONS, Path(given)
    return given, None


def _play(options: argparse.Namespace, overrides: Settings) -> int:
    """Simulate a click protocol and print its results."""
    from lesslabel.clicks.chosen_data import OtherStore
    from lesslabel.clicks.named import model_clicks
    from lesslabel.clicks.protocol import run_clicks
    from lesslabel.clicks.simulator import ClickProtocol
    from lesslabel.interaction.robots import ThinParts

    start, predictions = _start_of(options.start)
    protocol = ClickProtocol(
        first=options.first,
        robot=options.robot,
        cap=options.cap,
        turns=options.turns,
        jitter_voxel=options.jitter,
        seed=options.seed,
        min_voxels=options.min_voxels,
        slices=options.slices,
        start=start,
        thin=None if options.thin is None else ThinParts(options.thin),
    )
    store = None
    if options.store is not None:
        store = OtherStore(options.store, options.split, options.fold, options.reference)
    elif options.reference is not None:
        raise ConfigError("--reference: goes with --store; the run's own store has the reference of its view")
    if options.run is None and (store is None or options.out is None):
        raise ConfigError(f"--model {options.model}: name --store and --out, or a run with --run")
    out = options.out or options.run / "clicks"
    chosen: dict[str, Any] = {
        "part": options.part,
        "labels": options.labels,
        "wrappers": options.wrap,
        "predictions": predictions,
        "keep_masks": options.keep_masks,
        "skip_damaged": options.skip_damaged,
    }
    with show_progress("clicking") as progress:
        if options.run is None:
            assert store is not None  # checked above
            summary = model_clicks(
                options.model, protocol, out, store, dimensions=options.dimensions, progress=progress, **chosen
            )
        else:
            summary = run_clicks(
                options.run, protocol, out, store=store, overrides=overrides, progress=progress, **chosen
            )
    print_clicks(summary)
    print(f"clicks: {out}\nnext: lesslabel report {out}")
    return 0
