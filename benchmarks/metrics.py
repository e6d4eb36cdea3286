"""Our segmentation metrics beside medpy's: same maps, same process, one thread each.

    python benchmarks/metrics.py --labels labels.zip --pairs 2 --organs 4

Ours computes all its columns for every organ. medpy computes Dice, HD95 and ASD on the whole map, organ by organ, the
way it is commonly called. Where ``--organs`` limits medpy to the largest few, ours is timed on the same few for the
ratio. Prints one line per organ, then a Markdown row per map.
"""

import argparse
import resource
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from medpy.metric import binary
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.data.formats.nifti import read_label_map
from lesslabel.evaluation import segmentation_metrics

GENERATED_SHAPE = (200, 512, 512)
GENERATED_SPACING_MM = (3.0, 0.976, 0.976)
RELATIVE_TOLERANCE = 1e-6

LabelMap = NDArray[np.integer]
Spacing = tuple[float, float, float]


def main() -> None:
    arguments = parse_arguments()
    reference_of = {name: (labels, spacing) for name, labels, spacing in label_maps(arguments.labels, arguments.pairs)}
    rng = np.random.default_rng(arguments.seed)
    prediction_of = {name: plausible_prediction(labels, rng) for name, (labels, _) in reference_of.items()}
    before_gib = peak_gib()
    seconds_to_compile = warm_up()
    ours = {
        name: time_ours(prediction_of[name], labels, spacing, None) for name, (labels, spacing) in reference_of.items()
    }
    after_gib = peak_gib()  # medpy comes later, so this peak is ours
    print(f"compiling or loading the kernels: {seconds_to_compile:.1f} s")
    print(
        f"peak memory of the process: {before_gib:.2f} GiB with the maps made, {after_gib:.2f} GiB after our metrics\n"
    )
    rows = []
    for name, (labels, spacing) in reference_of.items():
        organs = largest_labels(labels)[: arguments.organs]
        theirs, medpy_seconds = time_medpy(prediction_of[name], labels, spacing, organs)
        frame, our_seconds = time_ours(prediction_of[name], labels, spacing, organs)
        difference = largest_relative_difference(frame.set_index("label"), theirs)
        voxels = "×".join(map(str, labels.shape))
        frame_of_all, seconds_of_all = ours[name]
        rows.append(
            f"| {name} | {voxels} | {len(frame_of_all)} | {seconds_of_all:.2f} | {len(organs)} | {our_seconds:.2f} "
            f"| {medpy_seconds:.1f} | {medpy_seconds / our_seconds:.0f}× | {difference:.1e} | {after_gib:.2f} |"
        )
        if difference > RELATIVE_TOLERANCE:
            raise SystemExit(f"{name}: ours and medpy differ by {difference:.2e}")
    print(
        "\n| map | voxels (z, y, x) | organs | ours, all (s) | organs compared | ours (s) | medpy (s) | ratio "
        "| largest relative difference | peak memory (GiB) |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    print("\n".join(rows))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, help="a NIfTI label map or a zip of them; without it a map is generated")
    parser.add_argument("--pairs", type=int, default=1, help="how many maps of the zip to use")
    parser.add_argument("--organs", type=int, help="how many organs medpy computes, the largest first; default all")
    parser.add_argument("--seed", type=int, default=0, help="seed of the generated predictions")
    return parser.parse_args()


def label_maps(path: Path | None, count: int) -> Iterator[tuple[str, LabelMap, Spacing]]:
    if path is None:
        yield "generated", generated_map(), GENERATED_SPACING_MM
        return
    if path.suffix != ".zip":
        volume = read_label_map(path)
        yield path.name, np.ascontiguousarray(volume.array), volume.spacing_mm
        return
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        members = sorted(name for name in archive.namelist() if name.endswith((".nii", ".nii.gz")))
        for member in members[:count]:
            volume = read_label_map(Path(archive.extract(member, folder)))
            yield Path(member).name, np.ascontiguousarray(volume.array), volume.spacing_mm


def generated_map() -> NDArray[np.uint8]:
    """Sixteen ellipsoids of different size on a 4 × 4 lattice."""
    labels = np.zeros(GENERATED_SHAPE, np.uint8)
    grid = np.ogrid[tuple(slice(0, size) for size in GENERATED_SHAPE)]
    for label in range(1, 17):
        row, column = divmod(label - 1, 4)
        centre = (60 + 5 * label, 64 + 128 * row, 64 + 128 * column)
        radii = (20 + 2 * label, 25 + 2 * label, 60 - 2 * label)
        inside = sum(((axis - c) / r) ** 2 for axis, c, r in zip(grid, centre, radii, strict=True)) <= 1
        labels[inside] = label
    return labels


def plausible_prediction(reference: LabelMap, rng: np.random.Generator) -> LabelMap:
    """The reference with every organ eroded or dilated by a voxel or two and shifted by a few."""
    prediction = np.zeros_like(reference)
    ball = ndimage.generate_binary_structure(3, 1)
    for label, box in enumerate(ndimage.find_objects(reference), start=1):
        if box is None:
            continue
        organ = np.pad(reference[box] == label, 6)
        change = ndimage.binary_erosion if rng.random() < 0.5 else ndimage.binary_dilation
        changed = change(organ, ball, iterations=int(rng.integers(1, 3)))
        voxels = np.argwhere(changed if changed.any() else organ) - 6 + [side.start for side in box]
        voxels += rng.integers((-1, -3, -3), (2, 4, 4))
        z, y, x = voxels[((voxels >= 0) & (voxels < reference.shape)).all(axis=1)].T
        prediction[z, y, x] = label
    return prediction


def largest_labels(labels: LabelMap) -> list[int]:
    sizes = np.zeros(int(labels.max()) + 1, np.int64)
    for plane in labels:
        sizes += np.bincount(plane.ravel(), minlength=len(sizes))
    return [int(label) for label in np.argsort(-sizes[1:], kind="stable") + 1 if sizes[label]]


def warm_up() -> float:
    """Compile the kernels, or load them from the disk; a process pays this once."""
    begin = time.perf_counter()
    cube = np.zeros((4, 4, 4), np.uint8)
    cube[1:3, 1:3, 1:3] = 1
    segmentation_metrics(cube, cube, spacing=(1.0, 1.0, 1.0))
    return time.perf_counter() - begin


def time_ours(prediction: LabelMap, reference: LabelMap, spacing: Spacing, organs: list[int] | None):
    begin = time.perf_counter()
    frame = segmentation_metrics(prediction, reference, spacing=spacing, labels=organs)
    return frame, time.perf_counter() - begin


def time_medpy(prediction: LabelMap, reference: LabelMap, spacing: Spacing, organs: list[int]):
    scores, total = {}, 0.0
    for label in organs:
        begin = time.perf_counter()
        pred, ref = prediction == label, reference == label
        scores[label] = (
            binary.dc(pred, ref),
            binary.hd95(pred, ref, voxelspacing=spacing),
            binary.asd(pred, ref, voxelspacing=spacing),
        )
        total += time.perf_counter() - begin
        print(f"medpy, label {label}: {time.perf_counter() - begin:.1f} s", flush=True)
    return scores, total


def largest_relative_difference(ours, theirs: dict[int, tuple[float, float, float]]) -> float:
    differences = [
        abs(mine - other) / max(abs(other), 1e-12)
        for label, scores in theirs.items()
        for mine, other in zip(ours.loc[label, ["dice", "hd95", "asd"]], scores, strict=True)
    ]
    return max(differences)


def peak_gib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
