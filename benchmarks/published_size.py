"""What a quarter of an hour on one GPU gives at the published size: DMPLS and pCE on ACDC, 256×256, batch 24.

    python benchmarks/published_size.py stores/acdc --fold 2 --minutes 13 --out rows.csv

Two short trainings measure what a step of each configuration costs. The minutes then give the number of iterations,
the published 30 000 at most; the learning rate falls over just these. Cases stay on the device, the precision is bf16
where the device has it. The last iteration is tested, and every finished configuration is a row of the file at once.

``--config``, ``--probe`` and ``--longest`` are there to try it on a small machine.
"""

import argparse
import csv
import math
import tempfile
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import torch

import lesslabel
from lesslabel.errors import ConfigError

CONFIGS = (Path("configs/acdc/dmpls.yaml"), Path("configs/acdc/pce.yaml"))
PUBLISHED = 30_000
VALIDATIONS = 4
"""Rounds of validation in a training; each costs seconds that train nothing."""
SPARE = 0.9
"""Share of the minutes that is planned: the rest is for steps that are slower than measured."""


@dataclass(frozen=True)
class Cost:
    """What a training costs.

    Attributes:
        start_s: before its first step and after its last.
        step_s: of a step.
        test_s: of the test part.
    """

    start_s: float
    step_s: float
    test_s: float

    def iterations(self, seconds: float, longest: int) -> int:
        """How many steps fit into the seconds, with start and test.

        Raises:
            ConfigError: if not one does.
        """
        steps = math.floor((seconds - self.start_s - self.test_s) / self.step_s)
        if steps < 1:
            raise ConfigError(f"--minutes: {seconds / 60:.1f} a configuration are too few; start and test take longer")
        return min(steps, longest)


@dataclass(frozen=True)
class Row:
    """A line of the file: mean over labels and patients, distances in mm."""

    method: str
    fold: int
    seed: int
    iterations: int
    minutes: float
    milliseconds_a_step: float
    dice: float
    hd95_mm: float
    precision: str
    device: str


def main() -> None:
    options = parse_arguments()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.runs or Path(temporary)
        costs = {config: measure(config, folder / f"{config.stem}-probe", options) for config in options.config}
        for index, config in enumerate(options.config):
            left = SPARE * 60 * options.minutes - (time.monotonic() - began)
            steps = costs[config].iterations(left / (len(options.config) - index), options.longest)
            print(f"{config.stem}: {1000 * costs[config].step_s:.1f} ms a step, {steps} iterations", flush=True)
            write(options.out, trained(config, steps, costs[config], folder / config.stem, options))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="prepared ACDC")
    parser.add_argument("--fold", type=int, default=2, help="whose test part is tested")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=13.0, help="of everything, both configurations together")
    parser.add_argument("--out", type=Path, required=True, help="CSV file to which rows are added")
    parser.add_argument("--runs", type=Path, help="keep the runs in this folder")
    parser.add_argument("--config", type=Path, nargs="+", default=CONFIGS)
    parser.add_argument("--probe", type=int, nargs=2, default=(20, 80), help="steps of the short trainings")
    parser.add_argument("--longest", type=int, default=PUBLISHED, help="iterations at the most")
    return parser.parse_args()


def settings(options: argparse.Namespace, steps: int) -> dict[str, Any]:
    """The settings that differ from the configuration's."""
    return {
        "seed": options.seed,
        "data.store": str(options.store),
        "data.fold": options.fold,
        "data.resident": True,
        "data.steps_per_epoch": max(1, math.ceil(steps / VALIDATIONS)),
        "trainer.precision": "auto",
        "trainer.max_steps": steps,
    }


def measure(config: Path, folder: Path, options: argparse.Namespace) -> Cost:
    """Train shortly and a little longer, and test once."""
    seconds = []
    for steps in options.probe:
        since = time.monotonic()
        run = lesslabel.fit(config, overrides=settings(options, steps), run=folder.with_name(f"{folder.name}{steps}"))
        seconds.append(time.monotonic() - since)
    since = time.monotonic()
    lesslabel.test(run.path, checkpoint="last")
    few, many = options.probe
    step_s = max((seconds[1] - seconds[0]) / (many - few), 1e-4)
    return Cost(max(seconds[0] - few * step_s, 0.0), step_s, time.monotonic() - since)


def trained(config: Path, steps: int, cost: Cost, folder: Path, options: argparse.Namespace) -> Row:
    """Train for so many steps, test the last one, and describe both."""
    since = time.monotonic()
    run = lesslabel.fit(config, overrides=settings(options, steps), run=folder)
    summary = lesslabel.test(run.path, checkpoint="last")
    mean = summary[summary["label"] == "mean"].set_index("metric")["mean"]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return Row(
        method=config.stem,
        fold=options.fold,
        seed=options.seed,
        iterations=steps,
        minutes=round((time.monotonic() - since) / 60, 2),
        milliseconds_a_step=round(1000 * cost.step_s, 2),
        dice=round(float(mean["dice"]), 4),
        hd95_mm=round(float(mean["hd95"]), 2),
        precision=precision_of(run.path),
        device=device,
    )


def precision_of(run: Path) -> str:
    """The precision that a run took."""
    import yaml

    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    return str(config["trainer"]["precision"])


def write(path: Path, row: Row) -> None:
    """Add a row to the file, which gets its header with the first one."""
    new = not path.is_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow([field.name for field in fields(Row)])
        writer.writerow(astuple(row))


if __name__ == "__main__":
    main()
