"""What `lesslabel fit` adds to a step of every method of a study.

    python benchmarks/rivals.py experiments/semi-acdc --store stores/acdc --clock cpu

Each method that is trained by configurations, as its study trains it but on slices of ``--size`` voxels: a step through
Lightning beside a bare PyTorch loop of the same networks, losses, optimiser and batches, see `benchmarks/training.py`.
The goal is 5 %. Methods with several steps or stages in the study (recipes) are left out.
"""

import argparse
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
from training import CLOCKS, BlocksByHand, configured, endless, introduce, train_in_turns

from lesslabel.runs.settings import settings_of
from lesslabel.studies.declaration import Study, StudyMethod, read_study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder of an experiment")
    parser.add_argument("--store", type=Path, required=True, help="the prepared data of the study")
    parser.add_argument("--only", nargs="+", default=[], help="names of methods")
    parser.add_argument("--size", type=int, default=96, help="side of the square slices in voxels")
    parser.add_argument("--steps", type=int, default=4, help="steps in a block")
    parser.add_argument("--rounds", type=int, default=6, help="blocks of each kind, after one to warm up")
    parser.add_argument("--accelerator", default="cpu", help="as Lightning names it")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="whose seconds count")
    arguments = parser.parse_args()
    study = read_study(arguments.study)
    print("| method | bare step, ms | fit / bare, median (quartiles) |\n| --- | --- | --- |")
    for method in study.methods:
        if method.configs and (not arguments.only or method.name in arguments.only):
            print(row(method.name, train(study, method, arguments), arguments.steps), flush=True)


def train(study: Study, method: StudyMethod, arguments: argparse.Namespace) -> BlocksByHand:
    pl.seed_everything(0, verbose=False)
    settings = {**study.settings, **method.settings, "data.size_voxel": [arguments.size] * 2}
    words = settings_of(overrides={**settings, "data.store": str(arguments.store), "data.workers": 0}).words()
    model, data = configured([*method.configs, *study.configs], words)
    introduce(model, data)
    load = endless(data)
    batches = list(islice(load, arguments.steps))
    with tempfile.TemporaryDirectory() as folder:
        return train_in_turns(arguments, model, batches, load, Path(folder))


def row(name: str, blocks: BlocksByHand, steps: int) -> str:
    median, low, high = np.quantile(blocks.ratios(), [0.5, 0.25, 0.75])
    return f"| {name} | {1000 * np.median(blocks.bare[1:]) / steps:.0f} | {median:.3f} ({low:.3f} – {high:.3f}) |"


if __name__ == "__main__":
    main()
