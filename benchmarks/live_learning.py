"""Does a model that learns between two cases of the page need fewer clicks? A robot clicks with and without.

    python benchmarks/live_learning.py stores/hippocampus --cases 12 --steps 12

The cases come in the order of a queue, or of the store. Of each the slice that the queue asks for first, or the one
with the most labels, is worked off label by label: the first click at the centre of the label, each further one at the
centre of the largest error, until Dice is at the goal or the clicks are at the cap. What then stands is what was drawn.
Once with the weights of the package, and once with weights that after every case took a few steps on all that was drawn
so far, as with `lesslabel annotate --learn`. The robot's hand trembles differently with each seed.
"""

import argparse
import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lesslabel.annotating.items import list_items
from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.store import Store
from lesslabel.errors import DataError
from lesslabel.evaluation import bootstrap_interval
from lesslabel.general.fine_tuning import fine_tune
from lesslabel.general.loading import AnyChannels, load_model
from lesslabel.general.pictures import Picture, pictures_of
from lesslabel.interaction import InteractiveSession
from lesslabel.interaction.robots import ErrorCentreRobot
from lesslabel.interaction.simulated_turns import simulate_turns
from lesslabel.markdown import markdown_table
from lesslabel.methods.interactive.general_clicker import GeneralClicker

LEAST_VOXELS = 30


@dataclass(frozen=True)
class Setting:
    """Of the robot and of learning."""

    steps: int = 12
    goal: float = 0.9
    cap: int = 15
    jitter_voxel: float = 1.0


@dataclass(frozen=True, eq=False)
class Sheet:
    """One slice of a case, with its truth."""

    case: Case
    slice: int
    truth: NDArray[np.uint8]

    @property
    def labels(self) -> list[int]:
        counts = np.bincount(self.truth.ravel(), minlength=IGNORE + 1)
        counts[[0, IGNORE]] = 0
        return np.flatnonzero(counts >= LEAST_VOXELS).tolist()


@dataclass(frozen=True)
class Worked:
    """What a slice took: means over its labels."""

    clicks: float
    dice_first: float


def sheets(store: Store, queue: Path | None, count: int, reference: str) -> Iterator[Sheet]:
    """The first slices of the queue that have a label."""
    found = 0
    for item in list_items(store, queue):
        case = store.read(item.uid)
        if reference not in case.annotations:
            continue
        truth = case.annotations[reference].labels
        place = int(((truth > 0) & (truth != IGNORE)).sum(axis=(1, 2)).argmax())
        place = place if item.slices is None else item.slices[0]
        sheet = Sheet(case, place, truth[place])
        if sheet.labels and found < count:
            found += 1
            yield sheet
    if found < 2:
        raise DataError(f"{store.path}: {found} cases with labels; two or more are needed")


def work_off(model: AnyChannels, sheet: Sheet, setting: Setting, seed: int) -> tuple[Worked, NDArray[np.uint8]]:
    """Click every label of a slice; returns what it took, and the drawn label map."""
    session = InteractiveSession(model).set_image(sheet.case.image[:3, sheet.slice])
    robot, known = ErrorCentreRobot(setting.jitter_voxel), sheet.truth != IGNORE
    drawn = np.where(known, 0, IGNORE).astype(np.uint8)
    clicks, first = [], []
    for label in sheet.labels:
        truth, rng = sheet.truth == label, np.random.default_rng((seed, label))
        turns = simulate_turns(session, truth, robot, robot, rng, object=str(label), cap=setting.cap, known=known)
        needed = setting.cap
        for number, turn in enumerate(turns, start=1):
            mask = turn.mask & known
            score = 2 * float((mask & truth).sum()) / float(mask.sum() + truth.sum())
            if number == 1:
                first.append(score)
            if score >= setting.goal:
                needed = number
                break
        clicks.append(needed)
        drawn[mask & (drawn == 0)] = label
    return Worked(float(np.mean(clicks)), float(np.mean(first))), drawn


def drawn_pictures(sheet: Sheet, drawn: NDArray[np.uint8]) -> list[Picture]:
    """What learning sees of a finished case: the drawn slice, all else unknown."""
    labels = np.full(sheet.case.shape, IGNORE, np.uint8)
    labels[sheet.slice] = drawn
    return [each for each in pictures_of(sheet.case, Annotation(labels, Kind.DENSE)) if each.classes]


def in_order(model: AnyChannels, queue: Sequence[Sheet], setting: Setting, seed: int, *, learns: bool) -> list[Worked]:
    """Work the slices off one after the other."""
    model, pictures, found = copy.deepcopy(model), [], []
    assert isinstance(model.model, GeneralClicker)
    for number, sheet in enumerate(queue):
        worked, drawn = work_off(model, sheet, setting, seed * 1000 + number)
        found.append(worked)
        pictures += drawn_pictures(sheet, drawn)
        if learns and pictures and number + 1 < len(queue):
            fine_tune(model.model, pictures, steps=setting.steps, seed=seed * 1000 + number)
            kept = {name: value.half() for name, value in model.model.state_dict().items()}  # as the page keeps them
            model.model.load_state_dict(kept)
    return found


def compare(queue: Sequence[Sheet], setting: Setting, seeds: Sequence[int]) -> str:
    """The table of the cases, and the differences over the cases after the first."""
    model = load_model("general")
    clicks, dice = np.zeros((2, len(seeds), len(queue))), np.zeros((2, len(seeds), len(queue)))
    for place, seed in enumerate(seeds):
        for arm, learns in enumerate((False, True)):
            found = in_order(model, queue, setting, seed, learns=learns)
            clicks[arm, place] = [worked.clicks for worked in found]
            dice[arm, place] = [worked.dice_first for worked in found]
    rows = [
        [str(number + 1), *(f"{value:.1f}" for value in clicks.mean(axis=1)[:, number]),
         *(f"{value:.3f}" for value in dice.mean(axis=1)[:, number])]
        for number in range(len(queue))
    ]  # fmt: skip
    lines = [markdown_table(["case", "clicks, fixed", "clicks, learning", "Dice 1, fixed", "Dice 1, learning"], rows)]
    lines.append("\nlearning − fixed, cases after the first, mean of the seeds, 95 % interval over cases")
    for name, values in (("clicks", clicks), ("Dice after one click", dice)):
        change = (values[1] - values[0])[:, 1:]
        low, high = bootstrap_interval(change.mean(axis=0), seed=0)
        by_seed = ", ".join(f"{value:+.3f}" for value in change.mean(axis=1))
        lines.append(f"{name}: {change.mean():+.3f} [{low:+.3f}, {high:+.3f}]; by seed {by_seed}")
    half = len(queue) // 2
    for name, arm in (("fixed", 0), ("learning", 1)):
        early, late = clicks[arm, :, :half].mean(), clicks[arm, :, -half:].mean()
        lines.append(f"clicks of the first and the last {half} cases, {name}: {early:.2f}, {late:.2f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--queue", type=Path, default=None, help="queue.csv; else the order of the store")
    parser.add_argument("--reference", default="dense", help="the annotation that is the truth")
    parser.add_argument("--cases", type=int, default=12)
    parser.add_argument("--steps", type=int, default=Setting.steps, help="after each case")
    parser.add_argument("--goal", type=float, default=Setting.goal, help="Dice")
    parser.add_argument("--cap", type=int, default=Setting.cap, help="clicks of a label")
    parser.add_argument("--jitter", type=float, default=Setting.jitter_voxel, help="of the robot's hand, voxels")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    since = time.process_time()
    queue = list(sheets(Store(options.store), options.queue, options.cases, options.reference))
    print(compare(queue, Setting(options.steps, options.goal, options.cap, options.jitter), options.seeds))
    print(f"{time.process_time() - since:.0f} CPU seconds")


if __name__ == "__main__":
    main()
