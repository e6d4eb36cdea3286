"""What strategies without a model choose from a real store, measured without any training.

    python benchmarks/cold_start.py stores/acdc --budget 40 --seeds 3

Features come from the images alone. Printed are means over the random seeds: the mean and the largest distance of the
training slices to the nearest chosen one (features of unit length), the number of patients, and, from the dense labels,
the share of the chosen slices that show any structure, and how often a structure is in a chosen slice. No number is a
Dice: it says how the choices differ, not which is best.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from lesslabel.adaptation.choosing import rank_queue
from lesslabel.adaptation.cold_start import describe_images
from lesslabel.data.case import IGNORE
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import WHOLE_CASE
from lesslabel.markdown import markdown_table
from lesslabel.selection import STRATEGIES
from lesslabel.selection.scaling import to_unit_length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--unit", choices=("slice", "case"), default="slice")
    options = parser.parse_args()
    data = SegmentationDataModule(str(options.store), allow_missing=True)
    uids = [record.uid for record in data.records("train")]
    begin = time.process_time()
    features = describe_images(data.store, uids)
    print(f"{len(features)} slices of {len(uids)} cases described in {time.process_time() - begin:.1f} s of CPU\n")
    shown = {uid: labels_by_slice(data.store.read(uid).annotations["dense"].labels) for uid in uids}
    patients = {record.uid: record.patient for record in data.records("train")}
    scaled = to_unit_length(features.features)
    scaled = np.nan_to_num(scaled)
    rows = []
    for name, strategy in STRATEGIES.items():
        if strategy.needs:
            continue
        begin, measured = time.process_time(), []
        for seed in range(options.seeds):
            queue = rank_queue(features, data, strategy(seed), options.budget, unit=options.unit)
            measured.append(measure(queue.slices, features, scaled, patients, shown))
        seconds = (time.process_time() - begin) / options.seeds
        rows.append([name, *(f"{value:.3g}" for value in np.mean(measured, axis=0)), f"{seconds:.2f}"])
    header = [
        "strategy",
        "mean distance",
        "largest distance",
        "patients",
        "shows a structure",
        "structures a slice",
        "s",
    ]
    print(markdown_table(header, rows))


def labels_by_slice(labels: np.ndarray) -> list[int]:
    """How many structures each slice shows."""
    return [len(set(np.unique(plane).tolist()) - {0, IGNORE}) for plane in labels]


def measure(slices, features, scaled, patients, shown) -> list[float]:
    """The measures of one queue, in the order of the table."""
    places = zip(features.uid.tolist(), features.slice.tolist(), strict=True)
    chosen = np.array([uid in slices and (slices[uid] is None or index in slices[uid]) for uid, index in places])
    nearest = np.full(len(scaled), np.inf)
    for row in np.flatnonzero(chosen):
        nearest = np.minimum(nearest, np.square(scaled - scaled[row]).sum(axis=1))
    distance = np.sqrt(np.maximum(nearest, 0.0))
    picked = zip(features.uid[chosen].tolist(), features.slice[chosen].tolist(), strict=True)
    structures = [shown[uid][index] for uid, index in picked if index != WHOLE_CASE]
    return [
        distance.mean(),
        distance.max(),
        len({patients[uid] for uid in slices}),
        np.mean(np.array(structures) > 0),
        np.mean(structures),
    ]


if __name__ == "__main__":
    main()
