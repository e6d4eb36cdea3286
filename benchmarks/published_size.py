"""What a quarter of an hour on one GPU gives at the published size: DMPLS and pCE on ACDC, 256×256, batch 24.

    python benchmarks/published_size.py stores/acdc --fold 2 --minutes 13 --out rows.csv

Of each configuration one training only warms up and compiles, and two short ones measure what a step costs. The
minutes then give the number of iterations, the published 30 000 at most; the learning rate falls over just these. Cases
stay on the device, the precision is bf16 where the device has it, networks are compiled unless ``--eager``. A training
that is slower than measured stops at its share of the minutes. The last iteration is tested, and every finished
configuration is at once a row of the file and, with ``--experiment``, among the scores of that study. What fails is
told at the end and costs the others nothing; the same command goes on where it was stopped, and takes no row twice.

``--config``, ``--probe`` and ``--longest`` are there to try it on a small machine.
"""

import argparse
import csv
import math
import shutil
import tempfile
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import torch

import lesslabel
from lesslabel.errors import ConfigError
from lesslabel.runs.reading import RunFiles
from lesslabel.runs.reopening import parse_again
from lesslabel.tables.results import add_run

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
    """A line of the file: mean over labels and test patients, distances in mm; minutes of this call alone."""

    method: str
    fold: int
    seed: int
    iterations: int
    minutes_now: float
    patients: int
    dice: float
    hd95_mm: float
    precision: str
    device: str


def main() -> None:
    options = parse_arguments()
    began = time.monotonic()
    done = {(row["method"], row["fold"], row["seed"]) for row in read_rows(options.out)}
    asked = [config for config in options.config if (config.stem, str(options.fold), str(options.seed)) not in done]
    if not asked:
        print(f"{options.out} has every row; nothing to do")
        return
    costs, failed = {}, []
    with tempfile.TemporaryDirectory() as temporary:
        for config in asked:
            try:
                costs[config] = measure(config, Path(temporary) / config.stem, options)
            except Exception as error:  # memory, compiler: whatever it is, the other one still gets its row
                failed.append(f"{config.stem}: {error}")
    for index, (config, cost) in enumerate(costs.items()):
        left = SPARE * 60 * options.minutes - (time.monotonic() - began)
        seconds = left / (len(costs) - index)
        try:
            steps = cost.iterations(seconds, options.longest)
            print(f"{config.stem}: {1000 * cost.step_s:.1f} ms a step, {steps} iterations", flush=True)
            write(options.out, trained(config, steps, seconds - cost.test_s, options))
        except Exception as error:
            failed.append(f"{config.stem}: {error}")
    if failed:
        raise SystemExit("\n".join(failed))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="prepared ACDC")
    parser.add_argument("--fold", type=int, default=2, help="whose test part is tested")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=13.0, help="of everything, both configurations together")
    parser.add_argument("--out", type=Path, required=True, help="CSV file to which rows are added")
    parser.add_argument("--runs", type=Path, default=Path("runs/published-size"), help="folder of the runs")
    parser.add_argument("--experiment", type=Path, help="folder of the study that takes the scores of the cases")
    parser.add_argument("--split", default="acdc/five_fold_published", help="absent patients are left out and counted")
    parser.add_argument("--eager", action="store_true", help="do not compile the networks")
    parser.add_argument("--config", type=Path, nargs="+", default=CONFIGS)
    parser.add_argument("--probe", type=int, nargs=2, default=(20, 80), help="steps of the short trainings")
    parser.add_argument("--longest", type=int, default=PUBLISHED, help="iterations at the most")
    return parser.parse_args()


def settings(options: argparse.Namespace, steps: int, seconds: float | None = None) -> dict[str, Any]:
    """The settings that differ from the configuration's, for so many steps and at most so many seconds."""
    limit = None if seconds is None else {"seconds": max(math.floor(seconds), 1)}
    compiled = [] if options.eager else [{"class_path": "lesslabel.runs.compilation.CompiledNetworks"}]
    return {
        "seed": options.seed,
        "data.store": str(options.store),
        "data.split": options.split,
        "data.fold": options.fold,
        "data.allow_missing": True,
        "data.resident": True,
        "data.steps_per_epoch": max(1, math.ceil(steps / VALIDATIONS)),
        "trainer.precision": "auto",
        "trainer.max_steps": steps,
        "trainer.max_time": limit,
        "trainer.callbacks": compiled,
    }


def measure(config: Path, folder: Path, options: argparse.Namespace) -> Cost:
    """Train once to warm up and compile, then shortly and a little longer, and test once.

    Raises:
        ConfigError: if the longer training was not slower, so that a step cannot be told from the start.
    """
    seconds = []
    lesslabel.fit(config, overrides=settings(options, options.probe[0]), run=folder.with_name(f"{folder.name}-warm-up"))
    for steps in options.probe:
        since = time.monotonic()
        run = lesslabel.fit(config, overrides=settings(options, steps), run=folder.with_name(f"{folder.name}{steps}"))
        seconds.append(time.monotonic() - since)
    since = time.monotonic()
    lesslabel.test(run.path, checkpoint="last")
    few, many = options.probe
    step_s = (seconds[1] - seconds[0]) / (many - few)
    if step_s <= 0.0:
        raise ConfigError(f"--probe {few} {many}: the longer training took no longer; take more steps")
    return Cost(max(seconds[0] - few * step_s, 0.0), step_s, time.monotonic() - since)


def trained(config: Path, steps: int, seconds: float, options: argparse.Namespace) -> Row:
    """Train for so many steps or seconds, or go on with a training, test the last step, and describe both."""
    since = time.monotonic()
    folder = options.runs / f"{config.stem}-fold{options.fold}-seed{options.seed}"
    if (folder / "checkpoints" / "last.ckpt").is_file():  # with the iterations that were planned when it began
        run = lesslabel.fit(folder / "config.yaml", run=folder, resume=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)  # of a training that was stopped before it had saved anything
        run = lesslabel.fit(config, overrides=settings(options, steps, seconds), run=folder)
    summary = lesslabel.test(run.path, checkpoint="last")
    if options.experiment is not None:
        add_run(options.experiment, run.path, fold=str(options.fold))
    mean = summary[summary["label"] == "mean"].set_index("metric")["mean"]
    return Row(
        method=config.stem,
        fold=options.fold,
        seed=options.seed,
        iterations=parse_again(run.path, checkpoint="last").read_iteration(),
        minutes_now=round((time.monotonic() - since) / 60, 2),
        patients=patients_of(run.path),
        dice=round(float(mean["dice"]), 4),
        hd95_mm=round(float(mean["hd95"]), 2),
        precision=precision_of(run.path),
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    )


def precision_of(run: Path) -> str:
    """The precision that a run took."""
    return str(RunFiles(run).config["trainer"]["precision"])


def patients_of(run: Path) -> int:
    """The number of patients in the test part."""
    data = RunFiles(run).data
    return len({data["patients"][uid] for uid in data["parts"]["test"]})


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of the file; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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
