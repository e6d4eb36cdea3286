"""Training of the general clicker: rounds of turns on drawn tasks, resumable at every round."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lesslabel.data.store.store import Store
from lesslabel.errors import RunError
from lesslabel.files import read_json, write_json, written_aside
from lesslabel.general.pictures import read_label_maps, read_pictures
from lesslabel.general.tasks import Task, Tasks
from lesslabel.general.turns import TaskInTurns, losses_in_turns
from lesslabel.methods.interactive.general_clicker import GeneralClicker
from lesslabel.runs.weights import save_weights

CHECKPOINT, WEIGHTS, CURVE, DATA = "last.pt", "weights.safetensors", "curve.json", "data.json"


@dataclass(frozen=True)
class Schedule:
    """How long and how the network is trained.

    The learning rate is constant after the warm-up and falls to 0 in a straight line in the last part, which alone sees
    the larger grid. A training that has not come to that part can therefore be made longer or shorter, and ends as if
    it had been begun so.

    Attributes:
        rounds: each round draws a batch of tasks and gives them one to five turns; every turn is a step.
        batch_size: tasks of a round.
        size: side of the tasks' grid.
        last_size: the same in the last part.
        last_share: share of the rounds that the last part has.
        learning_rate: after the warm-up.
        warm_up: rounds in which it rises.
        weight_decay: of AdamW.
        average: decay of the average of the weights, which is what is kept.
        seed: of weights and tasks.
    """

    rounds: int = 1600
    batch_size: int = 12
    size: int = 64
    last_size: int = 96
    last_share: float = 0.3
    learning_rate: float = 1.5e-3
    warm_up: int = 60
    weight_decay: float = 1e-2
    average: float = 0.998
    seed: int = 0

    @property
    def last_begins(self) -> int:
        """The first round of the last part."""
        return round(self.rounds * (1 - self.last_share))

    def size_in(self, index: int) -> int:
        """Side of the grid in a round."""
        return self.size if index < self.last_begins else self.last_size

    def rate_in(self, index: int) -> float:
        """Learning rate in a round."""
        risen = min(1.0, (index + 1) / self.warm_up)
        left = min(1.0, (self.rounds - index) / max(1, self.rounds - self.last_begins))
        return self.learning_rate * risen * left


class Training:
    """A training in a folder, from its beginning or from where it stopped.

    Args:
        tasks: to train on.
        validation: tasks of left-out patients, for the curve alone.
        schedule: how long and how.
        folder: of checkpoint, weights and curve; a checkpoint there is continued.

    Raises:
        RunError: if the checkpoint there has another schedule.
    """

    def __init__(self, tasks: Tasks, validation: Sequence[Task], schedule: Schedule, folder: Path) -> None:
        self.tasks, self.validation, self.schedule, self.folder = tasks, validation, schedule, folder
        torch.manual_seed(schedule.seed)
        self.method = GeneralClicker(in_channels=None)
        self.average = {name: value.clone() for name, value in self.method.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.method.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        self.done, self.seconds, self.steps = 0, 0.0, 0
        self.curve: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).is_file():
            self._resume(torch.load(folder / CHECKPOINT, weights_only=True))

    def run(self, tell: Callable[[dict[str, Any]], None], every: int, stop: int | None = None) -> None:
        """Train to the end or a round; every so many rounds write a checkpoint and a point of the curve."""
        end = self.schedule.rounds if stop is None else min(stop, self.schedule.rounds)
        sums: dict[str, float] = {}
        count, since = 0, time.perf_counter()
        while self.done < end:
            for name, value in self._round(self.done).items():
                sums[name] = sums.get(name, 0.0) + value
            self.done, count = self.done + 1, count + 1
            if self.done % every == 0 or self.done == end:
                self.seconds += time.perf_counter() - since
                since = time.perf_counter()
                means = {name: round(value / count, 4) for name, value in sums.items()}
                point = {
                    "round": self.done,
                    "steps": self.steps,
                    "seconds": round(self.seconds),
                    **means,
                    **self._validate(),
                }
                self.curve.append(point)
                self._save()
                tell(point)
                sums, count = {}, 0

    def _round(self, index: int) -> dict[str, float]:
        """One round: as many steps as it has turns, drawn from (seed, round)."""
        plan, size = self.schedule, self.schedule.size_in(index)
        turns = int(np.random.default_rng((plan.seed, index)).choice([1, 2, 3, 4, 5], p=[0.25, 0.3, 0.2, 0.15, 0.1]))
        slots = []
        for place in range(plan.batch_size):
            rng = np.random.default_rng((plan.seed, index, place))
            slots.append(TaskInTurns.begin(self.tasks.draw(size, rng), self.method.encoding, rng))
        for group in self.optimiser.param_groups:
            group["lr"] = plan.rate_in(index)
        first: dict[str, float] = {}
        self.method.train()
        for losses in losses_in_turns(self.method, slots, turns):
            self._step(sum(losses.values(), torch.zeros(())))
            first = first or {name: value.item() for name, value in losses.items()}
        return first

    def _step(self, loss: Tensor) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.method.parameters(), 5.0)
        self.optimiser.step()
        self.steps += 1
        decay = min(self.schedule.average, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for name, value in self.method.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)

    def _validate(self) -> dict[str, float]:
        """Dice of the average after one and three prompts of tasks of left-out patients."""
        if not self.validation:
            return {}
        own = {name: value.clone() for name, value in self.method.state_dict().items()}
        self.method.load_state_dict(self.average)
        self.method.eval()
        scores: dict[str, list[float]] = {"dice_1": [], "dice_3": []}
        with torch.no_grad():
            for index, task in enumerate(self.validation):
                turns = TaskInTurns.begin(task, self.method.encoding, np.random.default_rng(index))
                for turn in (1, 2, 3):
                    logits = self.method.object_logits(task.image[None], turns.cues[None])
                    answer = logits.softmax(dim=1)[0, 1]
                    if f"dice_{turn}" in scores:
                        truth, seen = task.target == 1, (answer.numpy() > 0.5) & (task.target != 255)
                        scores[f"dice_{turn}"].append(2 * float((truth & seen).sum()) / float(truth.sum() + seen.sum()))
                    turns.answered(answer, self.method.encoding)
        self.method.load_state_dict(own)
        return {name: round(float(np.mean(values)), 4) for name, values in scores.items()}

    def _save(self) -> None:
        content = {
            "schedule": asdict(self.schedule),
            "method": self.method.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
            "curve": self.curve,
            "seconds": self.seconds,
            "steps": self.steps,
        }
        with written_aside(self.folder / CHECKPOINT) as aside:
            torch.save(content, aside)
        half = {name: value.half() if value.is_floating_point() else value for name, value in self.average.items()}
        with written_aside(self.folder / WEIGHTS) as aside:
            save_weights(half, aside)
        write_json(self.folder / CURVE, self.curve)

    def _resume(self, content: dict[str, Any]) -> None:
        begun = Schedule(**content["schedule"])
        plan = self.schedule
        same = replace(begun, rounds=plan.rounds, last_size=plan.last_size, last_share=plan.last_share) == plan
        constant = content["done"] <= min(begun.last_begins, self.schedule.last_begins)
        if not same or not (constant or begun == self.schedule):
            raise RunError(f"{self.folder}: was begun with {content['schedule']}; give the same, or another folder")
        self.method.load_state_dict(content["method"])
        self.average = content["average"]
        self.optimiser.load_state_dict(content["optimiser"])
        self.done, self.curve = content["done"], content["curve"]
        self.seconds, self.steps = content["seconds"], content["steps"]


def train_general(
    stores: Sequence[Path],
    label_maps: Path | None,
    folder: Path,
    schedule: Schedule,
    tell: Callable[[dict[str, Any]], None],
    *,
    stop: int | None = None,
    every: int = 50,
) -> None:
    """Train on the pictures of stores, and on images made from label maps; continue what the folder holds.

    Args:
        stores: prepared stores; every tenth patient of each is left out, for the curve.
        label_maps: folder of label maps (NIfTI) without images; None for those of the stores alone.
        folder: of the training.
        schedule: how long and how.
        tell: called with every point of the curve.
        stop: round after which to stop, as if killed there; None for the end.
        every: rounds between two points.

    Raises:
        DataError: if a store has no dense labels, or the folder no label maps.
        RunError: if the folder holds a training of another schedule, or on other data.
    """
    opened = [Store(path) for path in stores]
    pictures = [read_pictures(store) for store in opened]
    maps = [] if label_maps is None else read_label_maps(label_maps)
    sets = [[each for each in found if not each.validation] for found in pictures]
    held = Tasks(
        [part for found in pictures if (part := [each for each in found if each.validation])], (), (1, 0, 0, 0)
    )
    validation = [held.draw(96, np.random.default_rng((1, index))) for index in range(64)] if held.sets else []
    data = {
        "stores": [
            {"source": store.source, "data_hash": store.data_hash, "pictures": len(part)}
            for store, part in zip(opened, sets, strict=True)
        ],
        "label_maps": len(maps),
    }
    if (folder / CHECKPOINT).is_file() and read_json(folder / DATA, "the data of a training") != data:
        raise RunError(f"{folder}: was begun on other data, see {DATA}; give the same stores, or another folder")
    write_json(folder / DATA, data)
    Training(Tasks([part for part in sets if part], maps), validation, schedule, folder).run(tell, every, stop)
