"""From raw CT to a store, and from the store to patches: what is ours beside what reading and writing alone cost.

    python benchmarks/stores.py
    python benchmarks/stores.py --cases 6 --clock cpu

Makes cases of WORD's layout, 200×512×512 voxels of int16 with noise everywhere, 16 organs and scribbles, as ``.nii.gz``
in a temporary folder, and removes them. Preparing one is timed in turns with its floors: inflating the files, reading
them with nibabel, and writing the case or its bare arrays. Patches of 80×96×96 are drawn as configs/word/pce.yaml does:
through `WORDDataModule`, uniformly, seven organs, scribbles, a window of 400 HU at 50; with flips, turns and small
rotations on top where ``--augment`` is given. A process of its own draws them, so that its peak is that of a worker.

``--clock cpu`` counts the seconds that the process itself computed, for a machine busy with other work.
"""

import argparse
import gzip
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np

from lesslabel.data import WORDDataModule
from lesslabel.data.loading.augment import Augmentation
from lesslabel.data.loading.intensity import Intensity
from lesslabel.data.sources import WORD
from lesslabel.data.store.case_file import read_case, write_case
from lesslabel.data.store.prepare import prepare
from lesslabel.data.view import Supervision, View

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
SHAPE_VOXEL = (200, 512, 512)
SPACING_MM = (2.5, 0.976, 0.976)
COARSE = 16
ORGANS = {"liver": 1, "spleen": 2, "left kidney": 3, "right kidney": 4, "stomach": 5, "gallbladder": 6, "pancreas": 8}
MIB = 2**20


def main() -> None:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        raw = folder / "raw"
        for number in range(1, arguments.cases + 1):
            generate_case(raw, number, arguments.shape)
        report_preparing(raw, folder, arguments)
        store = folder / "store"
        prepare(WORD(raw), store)
        shutil.rmtree(raw)
        report_patches(store, arguments)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=4, help="volumes in the store that patches are drawn from")
    parser.add_argument("--shape", type=int, nargs=3, default=SHAPE_VOXEL, help="of a volume, (z, y, x) in voxels")
    parser.add_argument("--repeats", type=int, default=3, help="of each preparation, the fastest of which counts")
    parser.add_argument("--patches", type=int, default=100, help="in each round, the fastest of --repeats counts")
    parser.add_argument("--augment", action="store_true", help="the library's default augmentation on each patch")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="whose seconds count")
    return parser.parse_args()


def generate_case(raw: Path, number: int, shape: tuple[int, int, int]) -> None:
    """An ellipse of tissue in air, organs where a smooth field is high, scribbles on two voxels in a thousand."""
    generator = np.random.default_rng(number)
    coarse = generator.normal(size=[-(-side // COARSE) for side in shape]).astype(np.float32)
    field = coarse
    for axis, side in enumerate(shape):
        field = np.repeat(field, COARSE, axis=axis).take(range(side), axis=axis)
    y, x = np.ogrid[-1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
    body = (y / 0.7) ** 2 + (x / 0.9) ** 2 < 1
    noise = generator.integers(-20, 21, shape, dtype=np.int16)
    image = np.where(body, (60 * field).astype(np.int16), np.int16(-1000)) + noise
    steps = np.quantile(coarse, np.linspace(0.6, 0.95, 16)).astype(np.float32)
    labels = np.where(body, np.searchsorted(steps, field), 0).astype(np.uint8)
    scribbles = np.where(generator.random(shape, dtype=np.float32) < 0.002, labels, np.uint8(255))
    for name, array in (("images", image), ("labels", labels), ("scribbles", scribbles)):
        path = raw / f"{name}Tr" / f"word_{number:04d}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.Nifti1Image(array.T, np.diag([*SPACING_MM[::-1], 1.0])).to_filename(path)


def report_preparing(raw: Path, folder: Path, arguments: argparse.Namespace) -> None:
    """Rows of one case: prepared, inflated, read, written."""
    clock, one = CLOCKS[arguments.clock], folder / "one"
    for part in ("images", "labels", "scribbles"):
        (one / f"{part}Tr").mkdir(parents=True)
        shutil.copy(raw / f"{part}Tr" / "word_0001.nii.gz", one / f"{part}Tr")
    files, store = sorted(one.rglob("*.nii.gz")), folder / "prepared"
    steps: dict[str, Callable[[], object]] = {
        "prepare": lambda: prepare(WORD(one), store),
        "inflate alone": lambda: [gzip.decompress(path.read_bytes()) for path in files],
        "read with nibabel": lambda: [np.asarray(nib.load(path).dataobj) for path in files],
        "write alone": lambda: write_case(folder / "case.h5", case),
        "write with h5py, contiguous": lambda: write_plain(folder / "plain.h5", case.image, labels),
    }
    prepare(WORD(one), store)  # numpy, h5py and the kernel warm up
    case = read_case(store / "cases" / "word_0001.h5")
    labels = [annotation.labels for annotation in case.annotations.values()]
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(arguments.repeats):
        for name, step in steps.items():
            if name == "prepare":
                shutil.rmtree(store)
            begin = clock()
            step()
            seconds[name].append(clock() - begin)
    raw_mib = sum(path.stat().st_size for path in files) / MIB
    stored_mib = (store / "cases" / "word_0001.h5").stat().st_size / MIB
    print(f"one case {case.shape}, {raw_mib:.0f} MiB raw, {stored_mib:.0f} MiB prepared, {arguments.clock} clock\n")
    print("| | fastest, s | of prepare |\n|---|---|---|")
    whole = min(seconds["prepare"])
    for name, values in seconds.items():
        print(f"| {name} | {min(values):.2f} | {min(values) / whole:.2f} |")


def write_plain(path: Path, image: np.ndarray, labels: list[np.ndarray]) -> None:
    """The same arrays, neither in chunks nor packed nor with a checksum."""
    with h5py.File(path, "w") as file:
        file["image"] = image
        for index, array in enumerate(labels):
            file[f"labels{index}"] = array


def report_patches(store: Path, arguments: argparse.Namespace) -> None:
    """Rows of patches read in parts, and from cases held in memory."""
    print("\n| patches of 80×96×96 | a second | peak memory grows by, MiB |\n|---|---|---|")
    for name, cache_gib in (("read in parts", 0.0), ("whole cases held", 16.0)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rate, grown_mib = pool.apply(draw_patches, (store, cache_gib, arguments))
        print(f"| {name} | {rate:.1f} | {grown_mib:.0f} |")


def draw_patches(store: Path, cache_gib: float, arguments: argparse.Namespace) -> tuple[float, float]:
    """Patches a second in the fastest round, and MiB that the peak grows beyond what imports took."""
    still = Augmentation(turn_flip_probability=0.0, rotation_probability=0.0)
    data = WORDDataModule(
        str(store),
        split=str(everything_in_training(store)),
        view=View([Supervision("scribble")], labels={name: [code] for name, code in ORGANS.items()}),
        dimensions=3,
        patch_voxel=[80, 96, 96],
        intensity=Intensity("window", window=(-150.0, 250.0)),
        augmentation=Augmentation() if arguments.augment else still,
        batch_size=1,
        steps_per_epoch=arguments.patches,
        cache_gib=cache_gib,
    )
    before_kib = peak_kib()
    clock, seconds = CLOCKS[arguments.clock], []
    loader = data.train_dataloader()
    for _ in range(arguments.repeats):
        begin = clock()
        for batch in loader:
            assert batch["image"].shape == (1, 1, 80, 96, 96)
        seconds.append(clock() - begin)
    return arguments.patches / min(seconds), (peak_kib() - before_kib) / 1024


def peak_kib() -> int:
    """Of this process alone: what getrusage says begins at its parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0])


def everything_in_training(store: Path) -> Path:
    """A split with every case in training."""
    path = store.parent / "split.yaml"
    names = ", ".join(sorted(file.stem for file in (store / "cases").iterdir()))
    path.write_text(f"folds:\n  0:\n    train: [{names}]\n    validation: []\n    test: []\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
