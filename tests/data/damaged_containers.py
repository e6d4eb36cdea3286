"""Damaged files that hold more than one image: HDF5, stores and lists in JSON; by seed, as `damaged_files`.

Each maker writes something sound into a folder and each damage changes it there.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import replicas
from damaged_files import arrays, empty, flip, noise, nothing_but_zeros, truncate
from handmade_store import make_case, make_store

FileDamage = Callable[[Path, np.random.Generator], None]

LONG = "9" * 5000
"""More digits than Python turns into a number."""
DEEP = "[" * 100_000
"""Deeper than Python goes."""
STRANGE_TEXTS: tuple[Any, ...] = (
    "a" * 5000,
    "a\0b",
    "a\nb",
    "\ud800",
    "",
    ".",
    "..",
    3,
    None,
    True,
    1e400,
    ["a"],
    {"a": "b"},
)
STRANGE_CODES = ("-1", "256", "255", LONG, "1.5", "one", "", "٣٠٠")


@dataclass(frozen=True)
class Wreck:
    """Something sound with one damage.

    Attributes:
        container: one of `CONTAINERS`.
        kind: what was done.
        seed: of it.
    """

    container: str
    kind: str
    seed: int

    def write(self, folder: Path) -> None:
        """Write it into a folder of its own."""
        folder.mkdir(parents=True)
        target = CONTAINERS[self.container](folder)
        if self.kind != "none":
            # by the bytes of its name, which Python's hash is not the same for twice
            DAMAGES[self.container][self.kind](target, np.random.default_rng([self.seed, *self.kind.encode()]))


def wrecks() -> Iterator[Wreck]:
    """All of them, in a fixed order."""
    for container, damages in DAMAGES.items():
        for kind in damages:
            for seed in range(SEEDS.get(kind, 1)):
                yield Wreck(container, kind, seed)


def acdc(folder: Path) -> Path:
    """A volume of the scribble benchmark, compressed as it is there; (z, y, x)."""
    image, label = arrays(flat=False)
    path = folder / "patient001_frame01.h5"
    with h5py.File(path, "w") as file:
        for name, array in (
            ("image", image.astype(np.float32)),
            ("label", label),
            ("scribble", label.astype(np.uint16)),
        ):
            file.create_dataset(name, data=array, compression="gzip", chunks=(2, 12, 10))
    (folder / "acdc_spacing.json").write_text(json.dumps({"patient001_frame01": replicas.SPACING_MM}))
    return path


def la(folder: Path) -> Path:
    """A left atrium as the field ships it, compressed as it is there; (x, y, z)."""
    image, label = arrays(flat=False)
    path = folder / "A" / "mri_norm2.h5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file.create_dataset("image", data=image.T.astype(np.float32), compression="gzip", chunks=(5, 12, 6))
        file.create_dataset("label", data=(label.T > 0).astype(np.uint8), compression="gzip", chunks=(5, 12, 6))
    return path


def store(folder: Path) -> Path:
    """A prepared store; the path is that of its first case."""
    return make_store(folder / "store", [make_case(number) for number in range(2)]).case_path("case0")


def msd(folder: Path) -> Path:
    """A task of the Decathlon; the path is that of its description."""
    image, label = arrays(flat=False)
    for name, array in (("imagesTr", image), ("labelsTr", label)):
        replicas.write_nifti(folder / name / "a.nii.gz", array)
    return _write_json(
        folder / "dataset.json", {"labels": {"0": "background", "1": "RV", "2": "Myo"}, "modality": {"0": "MR"}}
    )


def nnunet(folder: Path) -> Path:
    """A data set of nnU-Net whose description names the files; the path is that of the description."""
    image, label = arrays(flat=False)
    replicas.write_nifti(folder / "imagesTr" / "a_0000.nii.gz", image)
    replicas.write_nifti(folder / "labelsTr" / "a.nii.gz", label)
    content = {
        "channel_names": {"0": "MR"},
        "labels": {"background": 0, "RV": 1, "Myo": 2},
        "file_ending": ".nii.gz",
        "dataset": {"a": {"images": ["imagesTr/a_0000.nii.gz"], "label": "labelsTr/a.nii.gz"}},
    }
    return _write_json(folder / "dataset.json", content)


def datalist(folder: Path) -> Path:
    """A data list of MONAI."""
    msd(folder)
    content = json.loads((folder / "dataset.json").read_text())
    content["training"] = [{"image": "imagesTr/a.nii.gz", "label": "labelsTr/a.nii.gz", "patient": "a", "case": "a"}]
    return _write_json(folder / "dataset.json", content)


def _write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def of_bytes(damage: Callable[[bytes, np.random.Generator], bytes]) -> FileDamage:
    """A damage of a file's bytes."""

    def change(path: Path, generator: np.random.Generator) -> None:
        path.write_bytes(damage(path.read_bytes(), generator))

    return change


def pipe(path: Path, _generator: np.random.Generator) -> None:
    """A pipe that nobody writes to: opening it never ends."""
    path.unlink()
    os.mkfifo(path)


def endless(path: Path, _generator: np.random.Generator) -> None:
    """A link to a device that never ends."""
    path.unlink()
    path.symlink_to("/dev/zero")


def flip_structure(path: Path, generator: np.random.Generator) -> None:
    """One bit outside of the compressed chunks: formats before 1.10 have no checksum of what describes them."""
    chunks: list[tuple[int, int]] = []
    with h5py.File(path) as file:
        for name in file:
            for number in range(file[name].id.get_num_chunks()):
                info = file[name].id.get_chunk_info(number)
                chunks.append((info.byte_offset, info.byte_offset + info.size))
    starts = [0, *(end for _, end in sorted(chunks))]
    ends = [*(start for start, _ in sorted(chunks)), path.stat().st_size]
    path.write_bytes(flip(path.read_bytes(), generator, tuple(zip(starts, ends, strict=True))))


def h5_change(change: Callable[[h5py.File, np.random.Generator], None]) -> FileDamage:
    """A damage of what an HDF5 file holds."""

    def damage(path: Path, generator: np.random.Generator) -> None:
        with h5py.File(path, "r+", libver=("v110", "v110")) as file:
            change(file, generator)

    return damage


def pick(file: h5py.File, generator: np.random.Generator) -> str:
    """The path of one of its arrays."""
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return str(generator.choice(sorted(names)))


def huge(file: h5py.File, generator: np.random.Generator) -> None:
    """Terabytes of nothing: no chunk of it is stored."""
    name = pick(file, generator)
    dtype, rank = file[name].dtype, file[name].ndim
    del file[name]
    shape = (1,) * (rank - 3) + (40_000,) * 3
    file.create_dataset(name, shape, dtype, chunks=(1,) * (rank - 3) + (8, 64, 64), compression="lzf", fletcher32=True)


def blown_up(file: h5py.File, generator: np.random.Generator) -> None:
    """One chunk of gibibytes, declared whole, stored in a hundred bytes."""
    name = pick(file, generator)
    dtype, rank = file[name].dtype, file[name].ndim
    del file[name]
    shape = (1,) * (rank - 3) + (900,) * 3
    made = file.create_dataset(name, shape, dtype, chunks=shape, compression="lzf")
    made.id.write_direct_chunk((0,) * rank, bytes(100))


def chunk_lost(file: h5py.File, generator: np.random.Generator) -> None:
    """HDF5 gives zeros in place of a chunk that was never written."""
    name = pick(file, generator)
    whole = file[name][()]
    del file[name]
    chunk = (*whole.shape[:-3], *(max(side // 2, 1) for side in whole.shape[-3:]))
    made = file.create_dataset(name, whole.shape, whole.dtype, chunks=chunk, fletcher32=True)
    first = tuple(slice(0, side) for side in chunk)
    made[first] = whole[first]


def never_written(file: h5py.File, generator: np.random.Generator) -> None:
    name = pick(file, generator)
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    file.create_dataset(name, shape, dtype)


def of_type(file: h5py.File, generator: np.random.Generator) -> None:
    name = pick(file, generator)
    values = file[name][()]
    del file[name]
    dtypes = ("c16", "S3", h5py.string_dtype(), [("a", "i4")], h5py.vlen_dtype(np.int8))
    dtype = dtypes[int(generator.integers(len(dtypes)))]
    file.create_dataset(name, values.shape, dtype)


def of_shape(file: h5py.File, generator: np.random.Generator) -> None:
    name = pick(file, generator)
    values = file[name][()]
    del file[name]
    cut = (values[..., :0], values[..., 0], values[..., :-1], values[None], values[..., ::-1, :, :].T)
    file[name] = cut[int(generator.integers(len(cut)))]


def elsewhere(file: h5py.File, generator: np.random.Generator) -> None:
    """A link out of the file, in each way that HDF5 has."""
    name = pick(file, generator)
    values, other = file[name][()], Path(file.filename).with_name("other.hdf5")
    del file[name]
    with h5py.File(other, "w") as target:
        target["a"] = values[..., ::-1]
    way = int(generator.integers(4))
    if way == 0:
        file[name] = h5py.ExternalLink(other, "a")
    elif way == 1:
        file[name] = h5py.SoftLink("/nothing")
    elif way == 2:
        layout = h5py.VirtualLayout(values.shape, values.dtype)
        layout[...] = h5py.VirtualSource(other, "a", values.shape)
        file.create_virtual_dataset(name, layout)
    else:
        raw = other.with_suffix(".raw")
        raw.write_bytes(values[..., ::-1].tobytes())
        file.create_dataset(name, values.shape, values.dtype, external=[(str(raw), 0, values.nbytes)])


def groups_elsewhere(file: h5py.File, generator: np.random.Generator) -> None:
    """An annotation, or all of them, from another file."""
    other = Path(file.filename).parents[2] / "other.hdf5"
    with h5py.File(other, "w", libver=("v110", "v110")) as target:
        file.copy("annotations", target)
    whole = bool(generator.integers(2))
    name = "annotations" if whole else "annotations/dense"
    del file[name]
    file[name] = h5py.ExternalLink(other, name)


def attribute(file: h5py.File, generator: np.random.Generator) -> None:
    """What describes a case is of another type or value."""
    group = (file, file["annotations/dense"])[int(generator.integers(2))]
    key = str(generator.choice(sorted(group.attrs)))
    values = (
        3,
        "x",
        np.nan,
        np.zeros((2, 2)),
        np.full(3, np.inf),
        h5py.Empty("f4"),
        np.bytes_(b"\xff\xfe"),
        np.arange(3),
    )
    group.attrs[key] = values[int(generator.integers(len(values)))]


def covered(file: h5py.File, generator: np.random.Generator) -> None:
    key = ("covered_slices", "covered_labels")[int(generator.integers(2))]
    values = ([-1], [2**62], [np.nan], [], "x", 7)
    file["annotations/dense"].attrs[key] = values[int(generator.integers(len(values)))]


def gone(file: h5py.File, generator: np.random.Generator) -> None:
    """An array, or an attribute, that is not there."""
    if generator.integers(2) and file.attrs:
        del file.attrs[str(generator.choice(sorted(file.attrs)))]
    else:
        del file[pick(file, generator)]


def table_says(path: Path, generator: np.random.Generator) -> None:
    """The table of cases says another number."""
    table = path.parents[1] / "cases.csv"
    header, first, *rest = table.read_text().splitlines()
    cells = first.split(",")
    column = int(generator.integers(len(cells)))
    values = ("", "-3", "0", "1e9", "999999999999", "nan", "x", LONG, "../../x")
    cells[column] = values[int(generator.integers(len(values)))]
    table.write_text("\n".join([header, ",".join(cells), *rest]) + "\n")


def fingerprint_says(path: Path, generator: np.random.Generator) -> None:
    file = path.parents[1] / "fingerprint.json"
    content = json.loads(file.read_text())
    key = str(generator.choice(sorted(content)))
    values = (None, 3, [], {}, "x", {LONG: "a"}, {"1": 3}, [3], [None], {"-1": "a"}, {"300": "a"})
    content[key] = values[int(generator.integers(len(values)))]
    file.write_text(json.dumps(content))


def text(*contents: str) -> FileDamage:
    """The file holds something else."""

    def change(path: Path, generator: np.random.Generator) -> None:
        path.write_bytes(contents[int(generator.integers(len(contents)))].encode("utf-8", "surrogatepass"))

    return change


def key_takes(values: tuple[Any, ...], *keys: str | int) -> FileDamage:
    """A value below some keys of a JSON becomes each of others in turn."""

    def change(path: Path, generator: np.random.Generator) -> None:
        content = json.loads(path.read_text())
        below = content
        for key in keys[:-1]:
            below = below[key]
        below[keys[-1]] = values[int(generator.integers(len(values)))]
        _write_json(path, content)

    return change


def image_gone(file: h5py.File, _generator: np.random.Generator) -> None:
    """The other arrays of a source's volume may be absent."""
    del file["image"]


def key_missing(path: Path, generator: np.random.Generator) -> None:
    content = json.loads(path.read_text())
    del content[str(generator.choice(sorted(content)))]
    _write_json(path, content)


def path_leads(*keys: str | int) -> FileDamage:
    """A path leads to another image, to no image, or nowhere."""

    def change(path: Path, generator: np.random.Generator) -> None:
        other = replicas.write_nifti(
            path.parents[1] / f"outside-{path.parent.name}.nii.gz", arrays(flat=False)[0][::-1] % 3
        )
        ways = (
            f"../{other.name}",
            str(other),
            "../" * 40 + str(other)[1:],
            f"imagesTr/../../{other.name}",
            "/dev/zero",
            "/",
        )
        key_takes((ways[int(generator.integers(len(ways)))],), *keys)(path, generator)

    return change


def linked(path: Path, generator: np.random.Generator) -> None:
    """An image is a link: to itself, to nothing, to a folder, to a device."""
    (image,) = (path.parent / "imagesTr").iterdir()
    image.unlink()
    image.symlink_to((image, "/nothing", path.parent, "/dev/zero", "/dev/null")[int(generator.integers(5))])


def image_pipe(path: Path, generator: np.random.Generator) -> None:
    (image,) = (path.parent / "imagesTr").iterdir()
    pipe(image, generator)


CONTAINERS: dict[str, Callable[[Path], Path]] = {
    "acdc": acdc, "la": la, "store": store, "msd": msd, "nnunet": nnunet, "datalist": datalist
}  # fmt: skip
_BYTES = {
    "truncated": of_bytes(truncate),
    "noise": of_bytes(noise),
    "empty": of_bytes(empty),
    "zeros": of_bytes(nothing_but_zeros),
    "pipe": pipe,
    "endless": endless,
}
_H5 = {
    **_BYTES,
    "huge": h5_change(huge),
    "blown up": h5_change(blown_up),
    "chunk lost": h5_change(chunk_lost),
    "never written": h5_change(never_written),
    "type": h5_change(of_type),
    "shape": h5_change(of_shape),
    "elsewhere": h5_change(elsewhere),
    "gone": h5_change(image_gone),
}
_JSON = {
    **_BYTES,
    "text": text("[]", "{}", "null", "3", '"a"', DEEP, '{"a":' * 50_000, f"[{LONG}]", "NaN", '"\ud800"'),
    "missing": key_missing,
    "linked": linked,
    "image is a pipe": image_pipe,
}
_NAMED = {
    "labels": key_takes(tuple({code: "a"} for code in STRANGE_CODES), "labels"),
    "labels are": key_takes(STRANGE_TEXTS, "labels"),
    "label name": key_takes(STRANGE_TEXTS, "labels", "1"),
    "channels are": key_takes(STRANGE_TEXTS, "modality"),
    "channel name": key_takes(STRANGE_TEXTS, "modality", "0"),
}
_NO_NAMES = tuple(text for text in STRANGE_TEXTS if text not in (None, 3, ""))  # these say: none, a number, none
_HUGE_LIST = tuple({"image": "imagesTr/a.nii.gz"} for _ in range(3_000))
DAMAGES: dict[str, dict[str, FileDamage]] = {
    "acdc": {**_H5, "structure flipped": flip_structure, "flipped": of_bytes(flip)},
    "la": {**_H5, "structure flipped": flip_structure},
    "store": {
        **_H5,
        "flipped": of_bytes(flip),
        "gone": h5_change(gone),
        "groups elsewhere": h5_change(groups_elsewhere),
        "attribute": h5_change(attribute),
        "covered": h5_change(covered),
        "table": table_says,
        "fingerprint": fingerprint_says,
    },
    "msd": {**_JSON, **_NAMED},
    "nnunet": {
        **_JSON,
        "labels": key_takes(
            tuple({"a": code} for code in (-1, 255, 1.5, True, None, [], [1, -1], "1", 10**400)), "labels"
        ),
        "labels of version 1": key_takes(tuple({code: "a"} for code in STRANGE_CODES if code), "labels"),
        "labels are": key_takes(STRANGE_TEXTS, "labels"),
        "one code twice": key_takes((1,), "labels", "Myo"),
        "channels are": key_takes(STRANGE_TEXTS, "channel_names"),
        "channel name": key_takes(STRANGE_TEXTS, "channel_names", "0"),
        "ending": key_takes((*STRANGE_TEXTS, ".exe"), "file_ending"),
        "dataset is": key_takes(STRANGE_TEXTS, "dataset"),
        "case is": key_takes(STRANGE_TEXTS, "dataset", "a"),
        "case name": key_takes(
            tuple({name: {"images": ["imagesTr/a_0000.nii.gz"]}} for name in ("../x", "a" * 300, "\ud800", "")),
            "dataset",
        ),
        "images are": key_takes(STRANGE_TEXTS, "dataset", "a", "images"),
        "image is": key_takes(STRANGE_TEXTS, "dataset", "a", "images", 0),
        "label is": key_takes(_NO_NAMES, "dataset", "a", "label"),
        "image leads": path_leads("dataset", "a", "images", 0),
        "label leads": path_leads("dataset", "a", "label"),
    },
    "datalist": {
        **_JSON,
        **_NAMED,
        "training is": key_takes(STRANGE_TEXTS, "training"),
        "huge list": key_takes((_HUGE_LIST,), "training"),
        "entry is": key_takes(STRANGE_TEXTS, "training", 0),
        "image is": key_takes(STRANGE_TEXTS, "training", 0, "image"),
        "label is": key_takes(STRANGE_TEXTS, "training", 0, "label"),
        "patient is": key_takes(STRANGE_TEXTS, "training", 0, "patient"),
        "case is": key_takes((*_NO_NAMES, "../x", "a/b"), "training", 0, "case"),
        "image leads": path_leads("training", 0, "image"),
        "label leads": path_leads("training", 0, "label"),
    },
}
SEEDS = {
    **dict.fromkeys(("truncated", "linked", "huge", "chunk lost", "gone"), 4),
    **dict.fromkeys(("type", "elsewhere", "shape", "image leads", "label leads", "labels"), 6),
    **dict.fromkeys(("text", "labels are", "label name", "channels are", "channel name", "dataset is", "case is"), 10),
    **dict.fromkeys(("images are", "image is", "label is", "training is", "entry is", "patient is", "ending"), 10),
    **dict.fromkeys(("flipped", "structure flipped", "attribute", "table", "fingerprint"), 12),
}
"""How often each kind is made, where it is not once."""
