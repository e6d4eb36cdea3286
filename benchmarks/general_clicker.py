"""The general clicker and the training-free model on sets that nothing was trained on, beside classical ones.

    python benchmarks/general_clicker.py stores/drishti stores/openist --out experiments/general-clicker/results.csv
    python benchmarks/general_clicker.py --table experiments/general-clicker/results.csv
    python benchmarks/general_clicker.py stores/medscribble --people --out …
    python benchmarks/general_clicker.py --time
    python benchmarks/general_clicker.py --picture docs/general_clicker.png

An object is one label on one slice; of a volume the slice where it is largest. The first click is at its centre, each
further one at the centre of the largest error, up to the cap. With ``--people`` the first prompts are the scribbles of
people, on either side. Rows are added to what the file holds; a row that is there is not computed again.
"""

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import ndimage

import lesslabel
from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.store import Store
from lesslabel.interaction import Click, InteractiveSession, Prompt, Scribble, Side
from lesslabel.interaction.robots import ErrorCentreRobot
from lesslabel.interaction.simulated_turns import simulate_turns
from lesslabel.interaction.wrappers import wrapped

COLUMNS = ("set", "uid", "slice", "label", "share", "model", "seed", "turn", "dice", "seconds")
SHOWN = (1, 3, 5, 10)
SIZES = ((0.0, 0.03), (0.03, 0.1), (0.1, 1.0))
"""Shares of the image that objects are told apart by."""
BRANCHES = ((0.0, 6.0), (0.35, 4.0), (-0.4, 5.0))
"""Slope and bend of the thin lines of the picture."""


@dataclass(frozen=True, eq=False)
class Object:
    """One label on one slice, and what people drew on it."""

    uid: str
    slice: int
    label: str
    image: NDArray[np.float32]
    truth: NDArray[np.bool_]
    known: NDArray[np.bool_]
    drawn: tuple[tuple[Prompt, ...], ...]


def objects(store: Store, count: int, without: Sequence[str], least: int = 30) -> Iterator[Object]:
    """The first label-and-slice objects of a random order of the cases, the same for every model."""
    uids = sorted(uid for uid in store.records if not uid.startswith(tuple(without)))
    order = np.random.default_rng(0).permutation(len(uids))
    left = count
    for uid in [uids[index] for index in order]:
        case = store.read(uid)
        dense = next((each for each in case.annotations.values() if each.kind is Kind.DENSE), None)
        for code, name in store.labels.items() if dense is not None else ():
            truth = dense.labels == code
            place = int(truth.sum(axis=(1, 2)).argmax())
            if not left or np.count_nonzero(truth[place]) < least:
                continue
            left -= 1
            known = dense.labels[place] != IGNORE
            yield Object(uid, place, name, case.image[:3, place], truth[place], known, tuple(drawn(case, place)))


def drawn(case: lesslabel.Case, place: int) -> Iterator[tuple[Prompt, ...]]:
    """The scribbles of each person on both sides."""
    for annotation in case.annotations.values():
        if annotation.kind is Kind.SCRIBBLE:
            labels = annotation.labels[place]
            sides = [(Side.FOREGROUND, labels == 1), (Side.BACKGROUND, labels == 0)]
            if sides[0][1].any():
                yield tuple(Scribble.from_mask(mask, side) for side, mask in sides if mask.any())


def models(names: Sequence[str]) -> Iterator[tuple[str, object]]:
    for name in names:
        known, *around = name.split("+")
        yield name, wrapped(lesslabel.load_model(known), around)


def clicked(model: object, each: Object, cap: int, seed: int, jitter: float) -> Iterator[tuple[int, float, float]]:
    session = InteractiveSession(model).set_image(each.image)  # type: ignore[arg-type]
    robot = ErrorCentreRobot(jitter)
    rng = np.random.default_rng(seed)
    turns = simulate_turns(session, each.truth & each.known, robot, robot, rng, cap=cap, known=each.known)
    for number, turn in enumerate(turns, start=1):
        yield number, score(turn.mask, each), turn.seconds


def score(mask: NDArray[np.bool_], each: Object) -> float:
    seen, truth = mask & each.known, each.truth & each.known
    return float(2 * (seen & truth).sum() / (seen.sum() + truth.sum()))


def run(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    there = set()
    if options.out.is_file():
        with options.out.open(newline="", encoding="utf-8") as file:
            there = {
                tuple(row[name] for name in ("set", "uid", "label", "model", "seed")) for row in csv.DictReader(file)
            }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if not there:
            writer.writerow(COLUMNS)
        for path in options.stores:
            for each in objects(Store(path), options.objects, options.without):
                share = round(float(each.truth.mean()), 5)
                for name, model in models(options.models):
                    key = [path.name, each.uid, each.slice, each.label, share]
                    if (path.name, each.uid, each.label, name, str(options.seed)) in there:
                        continue
                    for number, dice, seconds in clicked(model, each, options.cap, options.seed, options.jitter):
                        writer.writerow([*key, name, options.seed, number, round(dice, 4), round(seconds, 4)])
                    for person, prompts in enumerate(each.drawn if options.people else ()):
                        session = InteractiveSession(model).set_image(each.image)  # type: ignore[arg-type]
                        dice = score(session.add(*prompts).mask, each)
                        writer.writerow([*key, name, f"person {person}", 1, round(dice, 4), ""])
                file.flush()
            print(path.name, flush=True)


def summarise(path: Path, cap: int) -> str:
    """The table: Dice after so many clicks, clicks to a Dice, objects that never reach it, median seconds."""
    frame = pd.read_csv(path)
    rows = [
        "| set | model | objects | "
        + " | ".join(f"Dice {k}" for k in SHOWN)
        + " | NoC@85 (Dice) | NoC@90 (Dice), median | never 0.90 | NoC@85 (IoU) | NoC@90 (IoU) | s |"
    ]
    rows.append("| --- | --- |" + " --- |" * (len(SHOWN) + 7))
    robots = frame[~frame["seed"].astype(str).str.startswith("person")]
    sizes = [part for end in SIZES for part in _all(robots, end)]
    for (name, model), part in [*robots.groupby(["set", "model"], sort=False), *_all(robots), *sizes]:
        dice = _curves(part, cap)
        by_dice, by_iou = (
            [_needed(dice, goal, cap) for goal in goals]
            for goals in ((0.85, 0.9), tuple(2 * iou / (1 + iou) for iou in (0.85, 0.9)))
        )
        shown = [f"{dice[:, k - 1].mean():.3f}" for k in SHOWN]
        never = int((dice < 0.9).all(axis=1).sum())
        shown += [f"{by_dice[0].mean():.1f}", f"{by_dice[1].mean():.1f}, {np.median(by_dice[1]):.0f}"]
        shown += [f"{never}/{len(dice)}", *(f"{each.mean():.1f}" for each in by_iou)]
        rows.append(f"| {name} | {model} | {len(dice)} | {' | '.join(shown)} | {part['seconds'].median():.2f} |")
    people = frame[frame["seed"].astype(str).str.startswith("person")]
    if len(people):
        rows += ["", "| set | model | scribbles of people | Dice |", "| --- | --- | --- | --- |"]
        kinds = [*people.groupby(["set", "model"], sort=False), *_all(people)]
        for (name, model), part in kinds:
            rows.append(f"| {name} | {model} | {len(part)} | {part['dice'].mean():.3f} |")
    return "\n".join(rows)


def _curves(rows: pd.DataFrame, cap: int) -> NDArray[np.float64]:
    """The Dice of each object after 1, 2 … cap clicks."""
    curves = rows.groupby(["set", "uid", "label", "seed"])["dice"]
    return np.array([np.pad(one.to_numpy(), (0, max(0, cap - len(one))), mode="edge")[:cap] for _, one in curves])


def _needed(dice: NDArray[np.float64], goal: float, cap: int) -> NDArray[np.int64]:
    reached = dice >= goal
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, cap)


def is_vessel(frame: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows are of vessels, by the set or the data set of MedScribble."""
    return (frame["set"] == "chase") | frame["uid"].str.startswith(("OCTA500", "STARE"))


def _all(frame: pd.DataFrame, size: tuple[float, float] = (0.0, 1.0)) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """The rows of every model without vessels, of objects between two shares of the image."""
    least, most = size
    chosen = frame[~is_vessel(frame) & (frame["share"] >= least) & (frame["share"] < most)]
    which = "" if size == (0.0, 1.0) else f", {least:.0%} to {most:.0%} of the image"
    for model, part in chosen.groupby("model", sort=False):
        yield (f"all but the vessels{which}", str(model)), part


def measure_time() -> None:
    """Median CPU seconds of a click at 512×512, and of the training-free one in a volume of 64×256×256."""
    torch.set_num_threads(1)
    for name, shape in (("general", (512, 512)), ("training-free", (512, 512)), ("training-free", (64, 256, 256))):
        image = np.random.default_rng(0).random(shape, dtype=np.float32)
        taken = []
        for turn in range(6):
            session = InteractiveSession(lesslabel.load_model(name, dimensions=len(shape))).set_image(image)
            since = time.process_time()
            session.add(Click(tuple(side / 2 for side in shape)))
            session.add(Click(tuple(side / 3 for side in shape), Side.BACKGROUND))
            if turn:
                taken.append((time.process_time() - since) / 2)
        print(f"{name} {'×'.join(map(str, shape))}: {1000 * float(np.median(taken)):.0f} ms")


def generated() -> Iterator[Object]:
    """Generated pictures of what succeeds and what fails: a body, two parts, a ring, and branching lines."""
    side = 192
    y, x = np.mgrid[:side, :side] - side / 2
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    branches = [np.abs(x - slope * (y + 70) - bend * np.sin(y / 17)) < 1.7 for slope, bend in BRANCHES]
    truths = {
        "a body": radius < 48 + 8 * np.sin(3 * angle),
        "two parts": (np.hypot(x - 42, y) < 28) | (np.hypot(x + 42, y / 1.3) < 30),
        "a ring": (radius < 52) & (radius > 36),
        "thin lines": np.logical_or.reduce(branches) & (y > -70),
    }
    rng = np.random.default_rng(0)
    for name, truth in truths.items():
        shade = ndimage.gaussian_filter(rng.normal(size=(side, side)), 20)
        image = 0.4 + 0.25 * ndimage.gaussian_filter(truth.astype(np.float64), 1.0) + 0.06 * shade / shade.std()
        image += rng.normal(0, 0.04, image.shape)
        yield Object(name, 0, name, image[None].astype(np.float32), truth, np.ones_like(truth), ())


def picture(path: Path) -> None:
    """Draw what both models find in generated pictures after 1, 3 and 10 clicks."""
    import matplotlib.pyplot as plt

    turns = (1, 3, 10)
    figure, axes = plt.subplots(4, 2 * len(turns), figsize=(12, 8.4))
    for row, each in zip(axes, generated(), strict=True):
        for offset, (name, model) in enumerate(models(["general", "training-free"])):
            session = InteractiveSession(model).set_image(each.image)  # type: ignore[arg-type]
            robot = ErrorCentreRobot(1.0)
            masks = [
                turn.mask
                for turn in simulate_turns(session, each.truth, robot, robot, np.random.default_rng(0), cap=10)
            ]
            for axis, number in zip(row[len(turns) * offset :], turns, strict=False):
                mask = masks[min(number, len(masks)) - 1]
                axis.imshow(each.image[0], cmap="gray")
                axis.contour(each.truth, [0.5], colors="#35b779", linewidths=0.8)
                axis.contour(mask, [0.5], colors="#fde725", linewidths=1.2)
                axis.set_title(f"{name}, {number}: {score(mask, each):.2f}", fontsize=8)
                axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", type=Path, nargs="*")
    parser.add_argument("--models", nargs="+", default=["general", "training-free", "random-walker"])
    parser.add_argument("--objects", type=int, default=20, help="of a store")
    parser.add_argument("--without", nargs="*", default=[], help="cases whose name begins so")
    parser.add_argument("--cap", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jitter", type=float, default=0.0, help="of the robot's hand, voxels")
    parser.add_argument("--people", action="store_true", help="also the scribbles of people")
    parser.add_argument("--out", type=Path, default=Path("experiments/general-clicker/results.csv"))
    parser.add_argument("--table", type=Path, default=None)
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--picture", type=Path, default=None)
    options = parser.parse_args()
    if options.time:
        measure_time()
    elif options.picture is not None:
        picture(options.picture)
    elif options.table is not None:
        print(summarise(options.table, options.cap))
    else:
        run(options)


if __name__ == "__main__":
    main()
