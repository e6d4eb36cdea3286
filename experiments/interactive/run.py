"""Interactive segmentation of objects seen and never seen in training: encodings, refinements and heads.

    python experiments/interactive/run.py --output runs/interactive

Run it where `stores/` holds acdc, hippocampus, la and medscribble. It trains what is missing, plays the click protocols
that are missing, and writes `results.csv` and `table.md`; so it can be stopped and started again. `protocol.yaml` says
what is compared.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tables import collect, write_tables

from lesslabel.runs.click_player import ClickProtocol
from lesslabel.runs.clicks import OtherStore, run_clicks
from lesslabel.runs.verbs import run_fit

EXPERIMENT = Path(__file__).parent
CUES = {
    "EGD": "exponential_geodesic",
    "box only": "none",
    "Euclid": "euclidean",
    "Gauss": "gaussian",
    "geodesic": "geodesic",
    "Gaussian geodesic": "gaussian_geodesic",
}
CORRECTED = ("MIDeepSeg EGD", "GP", "GP, CNN head")
"""Methods that are also corrected click by click; of the others the first segmentation counts."""
DRAWN = ("MIDeepSeg EGD", "GP")
"""Methods that people's scribbles are given to."""


@dataclass(frozen=True)
class TestSet:
    """Objects to segment.

    Attributes:
        name: of the folder.
        store: None for the test part of the run's own store.
        part: of the store.
        slices: of each case and class.
        first: who gives the first prompts.
        turns: most turns; None for no limit but the clicks.
    """

    name: str
    store: OtherStore | None
    slices: int | None
    first: str = "robot"
    turns: int | None = None


SLICES = (
    TestSet("left ventricle, trained", None, 1),
    TestSet("left atrium", OtherStore(Path("stores/la"), "la/subset_32_8"), 3),
    TestSet("hippocampus", OtherStore(Path("stores/hippocampus"), "hippocampus/random_160_16_32"), 1),
    TestSet("MedScribble", OtherStore(Path("stores/medscribble"), str(EXPERIMENT / "medscribble.yaml")), None),
)
PEOPLE = tuple(
    TestSet(
        f"MedScribble, annotator {number}",
        OtherStore(Path("stores/medscribble"), str(EXPERIMENT / "medscribble.yaml")),
        None,
        f"annotation:scribble{number}",
        turns=4,
    )
    for number in range(3)
)
VOLUMES = (
    TestSet("hippocampus, trained", None, None, turns=4),
    TestSet("left atrium", OtherStore(Path("stores/la"), "la/subset_32_8"), None, turns=4),
)


def main() -> None:
    """Train and click what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", default="*", help="methods to run, as a pattern")
    parser.add_argument("--no-clicks", action="store_true", help="train only")
    parser.add_argument("--table", action="store_true", help="only write results and tables of what is done")
    options = parser.parse_args()
    for seed in [] if options.table else options.seeds:
        for name, arguments in trainings(seed):
            run = options.output / f"{name.replace(' ', '-').replace(',', '')}-seed{seed}"
            if not fnmatch(name, options.only):
                continue
            if not (run / "checkpoints/last.ckpt").is_file():
                run_fit([*arguments, "--name", name, "--seed", str(seed), "--run", str(run)])
            if not options.no_clicks:
                click(run, name, seed)
    collect(options.output, EXPERIMENT)
    write_tables(EXPERIMENT)


def trainings(seed: int) -> Iterator[tuple[str, list[str]]]:
    """Every method by name, with the arguments that train it; volumes with the first seed alone, for their minutes."""
    mideepseg, gaussian_process = "configs/acdc/mideepseg.yaml", "configs/acdc/gp_interactive.yaml"
    for name, cue in CUES.items():
        yield f"MIDeepSeg {name}", [*configs(mideepseg, "small.yaml"), "--model.cue", cue]
    yield "MIDeepSeg EGD x20", [*configs(mideepseg, "small.yaml"), "--model.cue_weight", "20"]
    yield "GP", configs(gaussian_process, "small.yaml")
    yield "GP, CNN head", [*configs(gaussian_process, "small.yaml"), "--model.head", "cnn"]
    if seed == 0:
        yield "MIDeepSeg 3D", configs("configs/hippocampus/mideepseg.yaml", "small_3d.yaml")
        yield "GP 3D", configs("configs/hippocampus/gp_interactive.yaml", "small_3d.yaml")


def configs(method: str, size: str) -> list[str]:
    """A method's configuration under the overlay of this experiment's size."""
    return ["--config", method, "--config", str(EXPERIMENT / size)]


def click(run: Path, name: str, seed: int) -> None:
    """Play what is missing of a run's protocols."""
    if name.endswith("3D"):
        for objects in VOLUMES:
            play(run, objects, objects.turns, seed)
        return
    for objects in SLICES:
        play(run, objects, None if name in CORRECTED else 1, seed)
        if name == "MIDeepSeg EGD":
            play(run, objects, None, seed, " GC", ["--model.refinement", "graph_cut"])
    for objects in PEOPLE if name in DRAWN else ():
        play(run, objects, objects.turns, seed)


def play(
    run: Path, objects: TestSet, turns: int | None, seed: int, variant: str = "", settings: list[str] | None = None
) -> None:
    """Play one protocol, unless it is done."""
    out = run / "clicks" / f"{objects.name}{variant}"
    if not out.is_dir():
        protocol = ClickProtocol(first=objects.first, turns=turns, seed=seed, slices=objects.slices)
        run_clicks(run, protocol, out, store=objects.store, settings=settings or [])


if __name__ == "__main__":
    main()
