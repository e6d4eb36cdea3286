"""Training with `--trainer.precision bf16-mixed` beside float32: what a step costs, and what becomes of the Dice.

    python benchmarks/precision.py --config configs/hippocampus/dtc.yaml --seeds 0 1 2

Every argument that is not listed below overrides the configuration, as for `lesslabel fit`. First one batch is learnt
from in turns, in float32 and under autocast, each by a twin of the method. Then every seed trains and tests twice
through `fit` and `test`, once in each precision: same first weights, samples, crops and dropout, so that a difference
is one of precision, or of what training makes of it. A loss that is not finite ends the program. ``--seeds`` without a
value measures the steps alone.

``--clock cpu`` counts the seconds that the process itself computed, for a machine busy with other work.
"""

import argparse
import copy
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from training import CLOCKS, configured, endless, introduce

from lesslabel.command_words import read_settings
from lesslabel.data.batch import Batch
from lesslabel.evaluation import compare
from lesslabel.methods import SegmentationMethod
from lesslabel.runs import testing
from lesslabel.runs.fitting import fit

PRECISIONS = {"float32": "32-true", "bf16": "bf16-mixed"}


def main() -> None:
    arguments, overrides = parse_arguments()
    steps_in_turns(arguments, overrides)
    if not arguments.seeds:
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.runs or Path(temporary)
        scores = {
            name: [tested(arguments, overrides, name, seed, folder) for seed in arguments.seeds] for name in PRECISIONS
        }
    report_dice(arguments.seeds, scores)


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """What this program understands, and what overrides the configuration."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--config", action="append", required=True, help="configuration; may be given several times")
    parser.add_argument("--seeds", type=int, nargs="*", default=(0, 1, 2), help="seeds to train with in each precision")
    parser.add_argument("--runs", type=Path, help="keep the runs in this folder, and take those that it holds already")
    parser.add_argument("--rounds", type=int, default=6, help="steps in each precision, after one to warm up")
    parser.add_argument("--accelerator", choices=("cpu", "cuda"), default="cpu", help="where everything runs")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="whose seconds count")
    return parser.parse_known_args()


def steps_in_turns(arguments: argparse.Namespace, overrides: list[str]) -> None:
    """Learn from one batch in both precisions, in turns, and report the seconds."""
    method, data = configured(arguments.config, overrides)
    introduce(method, data)
    device = torch.device(arguments.accelerator)
    batch = {name: value if name == "uid" else value.to(device) for name, value in next(endless(data)).items()}
    steps = {name: Step(copy.deepcopy(method).to(device), batch, name == "bf16") for name in PRECISIONS}
    seconds = {name: [] for name in steps}
    for _ in range(arguments.rounds + 1):
        for name, step in steps.items():
            seconds[name].append(step.timed(CLOCKS[arguments.clock]))
    float32, bf16 = (np.array(seconds[name][1:]) for name in ("float32", "bf16"))
    print(
        f"{type(method).__name__}, batch {'×'.join(map(str, batch['image'].shape))} on {device}, {arguments.rounds} "
        f"rounds, {torch.get_num_threads()} threads, {arguments.clock} clock\n\n"
        "| | median | quarter | three quarters |\n|---|---|---|---|"
    )
    for name, values in (
        ("step in float32 (ms)", 1000 * float32),
        ("step in bf16 (ms)", 1000 * bf16),
        ("bf16 / float32", bf16 / float32),
    ):
        median, low, high = np.quantile(values, [0.5, 0.25, 0.75])
        print(f"| {name} | {median:.4g} | {low:.4g} | {high:.4g} |")


class Step:
    """A training step on one batch."""

    def __init__(self, method: SegmentationMethod, batch: Batch, is_bf16: bool) -> None:
        self.method = method.train()
        self.batch = batch
        self.is_bf16 = is_bf16
        self.optimiser = method.optimiser.build(weight for weight in method.parameters() if weight.requires_grad)

    def timed(self, clock: Callable[[], float]) -> float:
        """Take the step; seconds."""
        device = self.batch["image"].device.type
        begin = clock()
        self.optimiser.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=self.is_bf16):
            total = torch.stack(list(self.method.losses(self.batch).values())).sum()
        total.backward()
        self.optimiser.step()
        self.method.after_update()
        if not torch.isfinite(total):  # reads the value, so that an accelerator has finished
            raise SystemExit(f"the loss is {total.item()} in {'bf16' if self.is_bf16 else 'float32'}")
        return clock() - begin


def tested(arguments: argparse.Namespace, overrides: list[str], name: str, seed: int, folder: Path) -> pd.DataFrame:
    """Train and test in one precision; the scores of every case and label."""
    run, scores = folder / f"{name}-{seed}", folder / f"{name}-{seed}" / "test" / "metrics.csv"
    if not scores.exists():
        configs = [argument for config in arguments.config for argument in ("--config", config)]
        machine = ["--trainer.accelerator", arguments.accelerator, "--trainer.precision", PRECISIONS[name]]
        fit(read_settings([*configs, *overrides, "--seed", str(seed), *machine, "--run", str(run)]))
        testing.test(run)
    return pd.read_csv(scores)


def report_dice(seeds: list[int], scores: dict[str, list[pd.DataFrame]]) -> None:
    print("\n| seed | Dice, float32 | Dice, bf16 | difference |\n|---|---|---|---|")
    for seed, *frames in zip(seeds, scores["float32"], scores["bf16"], strict=True):
        float32, bf16 = (frame.groupby("uid")["dice"].mean().mean() for frame in frames)
        print(f"| {seed} | {float32:.4f} | {bf16:.4f} | {bf16 - float32:+.4f} |")
    paired = compare(pd.concat(scores["bf16"]), pd.concat(scores["float32"]), "dice").set_index("label").loc["mean"]
    print(
        f"\nbf16 − float32, paired over {paired['patients']} patients, seeds averaged: {paired['difference']:+.4f} "
        f"({paired['low']:+.4f} to {paired['high']:+.4f}); the interval knows nothing of other seeds"
    )


if __name__ == "__main__":
    main()
