"""Write the files of a bundle, and read and check untrusted ones. No code in them is run."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from lesslabel.bundle.card import write_card
from lesslabel.bundle.manifest import FORMAT, BundleManifest
from lesslabel.bundle.statistics import QUANTILE_COUNT
from lesslabel.errors import DataError
from lesslabel.features import FEATURE_LENGTH
from lesslabel.files import hash_file, parse_json

MANIFEST, CARD, CHECKSUMS = "bundle.json", "CARD.md", "SHA256SUMS"
REFERENCES, QUANTILES, WEIGHTS = "references.npy", "quantiles.npy", "weights.safetensors"
CHECKED = (CARD, MANIFEST, QUANTILES, REFERENCES, WEIGHTS)

_LARGEST_TEXT_BYTES = 2**16
_LARGEST_TABLE_BYTES = 2**24


def write_contents(
    folder: Path,
    manifest: BundleManifest,
    weights: Mapping[str, Tensor],
    references: NDArray[np.float32],
    quantiles: NDArray[np.float32],
) -> None:
    """Fill a new folder with the files of a bundle."""
    folder.mkdir(parents=True)
    # save_file would make a file that only its owner can read
    tensors = {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
    (folder / WEIGHTS).write_bytes(safetensors.torch.save(tensors))
    np.save(folder / REFERENCES, references, allow_pickle=False)
    np.save(folder / QUANTILES, quantiles, allow_pickle=False)
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    (folder / CARD).write_text(write_card(manifest, hash_file(folder / WEIGHTS)), encoding="utf-8")
    (folder / CHECKSUMS).write_text(_checksums(folder), encoding="utf-8")


def check_files(folder: Path) -> None:
    """Check that a folder holds exactly the files of a bundle, undamaged.

    Raises:
        DataError: names the first flaw.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no bundle here; make one with `lesslabel bundle export RUN {folder} --store STORE`")
    _check_format(folder)
    found = {entry.name: entry for entry in folder.iterdir()}
    for name in (*CHECKED, CHECKSUMS):
        if name not in found:
            raise DataError(f"{folder}: {name} is missing; fetch the bundle again")
    for name, entry in sorted(found.items()):
        if name not in (*CHECKED, CHECKSUMS):
            raise DataError(f"{folder}: {name!a} is no part of a bundle; fetch the bundle again")
        if entry.is_symlink() or not entry.is_file():
            raise DataError(f"{entry}: a link or a folder, where a bundle has a file; fetch the bundle again")
        largest = _LARGEST_TABLE_BYTES if entry.suffix == ".npy" else _LARGEST_TEXT_BYTES
        if name != WEIGHTS and entry.stat().st_size > largest:
            raise DataError(f"{entry}: larger than {largest} bytes, which no bundle needs; fetch the bundle again")
    expected = _checksums(folder).encode().splitlines(keepends=True)
    written = (folder / CHECKSUMS).read_bytes().splitlines(keepends=True)
    if written != expected:
        differing = [name for name, ours, theirs in zip(CHECKED, expected, written, strict=False) if ours != theirs]
        damaged = differing[0] if len(written) == len(expected) else CHECKSUMS
        raise DataError(f"{folder / damaged}: changed since it was exported; fetch the bundle again")


def read_manifest(folder: Path) -> BundleManifest:
    """Read the manifest, and check that its method exists and that the card agrees.

    Raises:
        DataError: names the rule that is broken.
    """
    path = folder / MANIFEST
    try:
        manifest = BundleManifest.from_json(path.read_bytes().decode("utf-8"))
        with torch.device("meta"):  # shapes only: needs no memory and no random numbers
            manifest.build_method()
    except (UnicodeDecodeError, DataError) as error:
        raise DataError(f"{path}: {error}; a bundle of this version holds no such thing") from error
    if (folder / CARD).read_bytes() != write_card(manifest, hash_file(folder / WEIGHTS)).encode():
        raise DataError(f"{folder / CARD}: differs from {MANIFEST}; fetch the bundle again")
    return manifest


def read_references(folder: Path, manifest: BundleManifest) -> NDArray[np.float32]:
    """Read the references, (K, 256).

    Raises:
        DataError: if they have another shape or type.
    """
    return _read_table(folder / REFERENCES, (len(manifest.references.patients), FEATURE_LENGTH))


def read_quantiles(folder: Path, manifest: BundleManifest) -> NDArray[np.float32]:
    """Read the quantiles of the intensity, (channels, 256), rising.

    Raises:
        DataError: if they have another shape or type.
    """
    quantiles = _read_table(folder / QUANTILES, (len(manifest.channels), QUANTILE_COUNT))
    if (np.diff(quantiles, axis=1) < 0).any():
        raise DataError(f"{folder / QUANTILES}: quantiles that fall; fetch the bundle again")
    return quantiles


def read_weights(folder: Path, manifest: BundleManifest) -> dict[str, Tensor]:
    """Read the weights: exactly the tensors of the manifest's method, all finite.

    Raises:
        DataError: if a tensor is missing or unexpected, or a value is not finite.
    """
    path = folder / WEIGHTS
    content = path.read_bytes()
    try:
        weights = safetensors.torch.load(content)
        header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError, KeyError) as error:
        raise DataError(f"{path}: not a safetensors file ({error}); fetch the bundle again") from error
    if extra := sorted(header.keys() - weights.keys()):
        raise DataError(f"{path}: holds {ascii(extra[0])[:40]} beside its tensors; fetch the bundle again")
    with torch.device("meta"):
        state = manifest.build_method().state_dict()
    expected = {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}
    for name in sorted(expected.keys() | weights.keys()):
        found = weights.get(name)
        if found is None or name not in expected or (found.shape, found.dtype) != expected[name]:
            raise DataError(
                f"{path}: {ascii(name)[:80]} is not what {manifest.method.name} has; fetch the bundle again"
            )
        if not torch.isfinite(found).all():
            raise DataError(f"{path}: {name} is not finite; export a run that trained well")
    return weights


def _check_format(folder: Path) -> None:
    """Distinguish a bundle of another format from a damaged one, if possible."""
    if not (folder / MANIFEST).is_file():
        return
    with (folder / MANIFEST).open("rb") as file:
        text = file.read(_LARGEST_TEXT_BYTES)
    try:
        content = parse_json(text)
    except (ValueError, RecursionError):
        return
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found != FORMAT:
        raise DataError(
            f"{folder}: a bundle of format {found}, this version reads {FORMAT}; use the lesslabel it needs"
        )


def _checksums(folder: Path) -> str:
    """The output of `sha256sum`."""
    return "".join(f"{hash_file(folder / name)}  {name}\n" for name in CHECKED)


def _read_table(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    stream = io.BytesIO(path.read_bytes())
    try:
        table: NDArray[np.float32] = np.lib.format.read_array(stream, allow_pickle=False)
    except (ValueError, EOFError, MemoryError, OverflowError) as error:
        raise DataError(f"{path}: not a table of numbers ({error}); fetch the bundle again") from error
    if table.shape != shape or table.dtype != np.float32 or stream.read(1) or not np.isfinite(table).all():
        raise DataError(f"{path}: not {shape[0]}×{shape[1]} finite float32 values; fetch the bundle again")
    return table
