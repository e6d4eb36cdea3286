"""Which slices of another hospital to annotate: every strategy at 10 % and 20 %, five folds, three seeds.

    python experiments/sfada-cardiac/run.py --source-runs runs/acdc-full-seed{seed} --source stores/acdc \
        --target stores/mscmr --output runs/sfada-cardiac

A job that is done is skipped, so the script can be stopped and started again. `protocol.yaml` says what is compared.
"""

import argparse
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

import torch

from lesslabel.adaptation.choosing import choose_queue, features_of_training_part, make_strategy
from lesslabel.adaptation.stages import FINE_TUNE, SELF_TRAIN, adapt, adapt_without_labels
from lesslabel.bundle import Bundle, export_bundle, load_bundle
from lesslabel.data.queue import write_queue
from lesslabel.evaluation import add_run, write_table
from lesslabel.features import ImageFeatures, Scale
from lesslabel.runs.verbs import run_test

EXPERIMENT = Path(__file__).parent
POOL, SPLIT = "mscmr/five_fold_pool", "mscmr/five_fold"
BUDGETS = (0.1, 0.2)
COMPARED = ("random", "foreground-random", "entropy", "coreset", "stdr")
AT_THE_LARGER_BUDGET = ("stdr-specific", "stdr-diverse", "stdr-unit", "stdr-unit-diverse")
WITH_SELF_TRAINING = ("random", "stdr")
RIVALS = ("none", "histogram")
ITERATIONS = 60


def main() -> None:
    """Run the jobs of the chosen folds and seeds, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source-runs", required=True, help="folder of the source's runs, with {seed}")
    parser.add_argument("--source", type=Path, required=True, help="the source's store")
    parser.add_argument("--target", type=Path, required=True, help="the target's store")
    parser.add_argument("--output", type=Path, required=True, help="folder for bundles, queues and runs")
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", default="*", help="strategies and budgets to run, as a pattern: 'stdr*, 20%%'")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--table", action="store_true", help="only write results and table of what is done")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.table:
        for seed in options.seeds:
            source_run = Path(options.source_runs.format(seed=seed))
            bundles = make_bundles(options.output, source_run, options.source, seed)
            for fold in options.folds:
                run_fold(bundles, options.target, options.output, fold, seed, options.only)
    for run in sorted(options.output.glob("*/*/*/test")):
        add_run(EXPERIMENT, run.parent)
    print(write_table(EXPERIMENT))


def make_bundles(output: Path, run: Path, store: Path, seed: int) -> Mapping[Scale, Bundle]:
    """What the source hands over, with references as published and with references of unit length."""
    bundles: dict[Scale, Bundle] = {}
    names: dict[Scale, str] = {"published": f"bundle-seed{seed}", "unit-length": f"bundle-unit-seed{seed}"}
    for scale, name in names.items():
        path = output / name
        bundles[scale] = (
            load_bundle(path) if path.is_dir() else export_bundle(run, path, store, scale=scale, min_patients=1)
        )
    return bundles


def run_fold(bundles: Mapping[Scale, Bundle], target: Path, output: Path, fold: int, seed: int, only: str) -> None:
    """The strategies whose name fits the pattern on one fold with one seed."""
    work = output / f"fold{fold}-seed{seed}"
    settings = ["--data.split", SPLIT, "--data.fold", str(fold), "--seed", str(seed), "--trainer.accelerator", "cpu"]
    length = str(ITERATIONS)
    trained = ["--data.batch_size", "4", "--data.steps_per_epoch", length, "--trainer.max_steps", length]
    for rival in RIVALS:
        if not tested(work / rival / rival):
            test(adapt_without_labels(bundles["published"], target, rival, work / rival, settings=settings).path)
    jobs = [(name, budget) for budget in BUDGETS for name in COMPARED]
    jobs += [(name, BUDGETS[-1]) for name in AT_THE_LARGER_BUDGET] + [("random", 1.0)]
    features: dict[Scale, ImageFeatures] = {}
    for strategy, budget in jobs:
        name = f"{strategy}, {budget:.0%}" if budget < 1.0 else "all slices"
        out = work / name.replace(", ", "-").replace(" ", "-").replace("%", "")
        self_train = strategy in WITH_SELF_TRAINING and budget < 1.0
        if not fnmatch(name, only) or tested(out / (SELF_TRAIN if self_train else FINE_TUNE)):
            continue
        scale: Scale = "unit-length" if "-unit" in strategy else "published"
        bundle = bundles[scale]
        data = bundle.data_module(target, split=POOL, fold=fold)
        if scale not in features:
            features[scale] = features_of_training_part(bundle, data)
        ranked = strategy.removesuffix("-diverse").removesuffix("-unit")
        chooser = make_strategy(ranked, bundle, seed, diversity=strategy.endswith("-diverse"))
        queue = work / f"{out.name}.csv"
        write_queue(queue, choose_queue(bundle, data, chooser, budget, features=features[scale]))
        adapt(bundle, target, queue, "dense", out, self_train=self_train, name=name, settings=[*settings, *trained])
        for stage in (FINE_TUNE, SELF_TRAIN)[: 1 + self_train]:
            test(out / stage)


def tested(run: Path) -> bool:
    """Whether a run was trained and tested before."""
    return (run / "test" / "metrics.csv").is_file()


def test(run: Path) -> None:
    """Score a run on the two test subjects of its fold."""
    if not tested(run):
        run_test(["--run", str(run)])


if __name__ == "__main__":
    main()
