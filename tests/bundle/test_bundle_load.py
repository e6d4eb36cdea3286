"""A bundle is whole, unchanged and as the schema says, or it is refused in one line."""

import hashlib
import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lesslabel.bundle import Bundle, load_bundle, verify_bundle
from lesslabel.bundle.card import write_card
from lesslabel.bundle.manifest import BundleManifest, to_json
from lesslabel.cli import main
from lesslabel.errors import DataError

NAMES = ("CARD.md", "SHA256SUMS", "bundle.json", "quantiles.npy", "references.npy", "weights.safetensors")


@pytest.fixture
def copy(bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle.path, tmp_path / "bundle"))


def seal(folder: Path, *, card: bool = True) -> None:
    """Make card and checksums fit, as somebody would who wants to smuggle something in."""
    if card:
        weights = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
        try:
            text = write_card(BundleManifest.from_json((folder / "bundle.json").read_text()), weights)
            (folder / "CARD.md").write_text(text)
        except DataError:
            pass  # no card fits a manifest that cannot be read
    names = [name for name in NAMES if name != "SHA256SUMS"]
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        verify_bundle(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message.replace(str(folder), "")) < 300
    assert str(folder) in message
    return message


def test_what_was_exported_loads_with_equal_content(bundle: Bundle, copy: Path) -> None:
    found = load_bundle(str(copy))
    assert found.manifest == bundle.manifest
    np.testing.assert_array_equal(found.references, bundle.references)
    np.testing.assert_array_equal(found.quantiles, bundle.quantiles)
    assert found.model_sha256 == bundle.model_sha256
    assert found.model_sha256 == hashlib.sha256((copy / "weights.safetensors").read_bytes()).hexdigest()
    assert verify_bundle(copy) is None


def test_loading_and_building_draw_no_random_number(bundle: Bundle) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    load_bundle(bundle.path).build_method()
    assert torch.equal(torch.get_rng_state(), before)


@given(name=st.sampled_from(NAMES), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_flipped_bit_is_refused(bundle: Bundle, copy: Path, name: str, where: float, bit: int) -> None:
    content = bytearray((bundle.path / name).read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    try:
        (copy / name).write_bytes(content)
        refused(copy)
    finally:
        shutil.copyfile(bundle.path / name, copy / name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["cut", "empty", "longer", "missing", "link", "folder"])
def test_a_damaged_file_is_refused(copy: Path, name: str, damage: str) -> None:
    path = copy / name
    content = path.read_bytes()
    path.unlink()
    if damage == "link":
        (copy.parent / "elsewhere").write_bytes(content)
        path.symlink_to(copy.parent / "elsewhere")
    elif damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"cut": content[:-1], "empty": b"", "longer": content + b"\n"}[damage])
    assert name in refused(copy) or damage == "cut"


@pytest.mark.parametrize("name", [".DS_Store", "slice.png", "Weights.safetensors", "sub/folder"])
def test_a_file_too_many_is_refused(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).touch()
    assert f"'{name.partition('/')[0]}' is no part of a bundle" in refused(copy)


def test_a_giant_file_is_refused_before_it_is_read(copy: Path) -> None:
    with (copy / "bundle.json").open("r+b") as file:
        file.truncate(2**40)
    assert "larger than" in refused(copy)


@pytest.mark.parametrize("kind", ["absent", "file", "empty folder"])
def test_what_is_no_bundle_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "place"
    {"absent": lambda: None, "file": path.touch, "empty folder": path.mkdir}[kind]()
    assert ("no bundle here" in refused(path)) == (kind != "empty folder")


def edited(folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """The reason why a bundle with a changed manifest, but fitting card and checksums, is refused."""
    content = json.loads((folder / "bundle.json").read_text())
    change(content)
    (folder / "bundle.json").write_text(to_json(content))
    seal(folder)
    return refused(folder)


CHANGES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("unknown key 'patient'", lambda r: r.update(patient="Jane Doe")),
    ("unknown key 'note'", lambda r: r["training"].update(note="of ward 7")),
    ("manifest.training.source: ", lambda r: r["training"].update(source="/home/jane/data")),
    ("manifest.training.source: ", lambda r: r["training"].update(source="a\nb")),
    ("manifest.channels[0]: ", lambda r: r.update(channels=["x" * 65])),
    ("manifest.classes[0].name: ", lambda r: r["classes"][0].update(name="<b>heart</b>")),
    ("every one needs a name", lambda r: r.update(channels=[""])),
    ("training.patients: 4", lambda r: r["training"].update(patients=4)),
    ("manifest.training.images: expected int", lambda r: r["training"].update(images=True)),
    ("manifest: training is missing", lambda r: r.pop("training")),
    ("class_shares: ", lambda r: r.update(class_shares=[0.5, 0.5])),
    ("geometry.axes: ", lambda r: r["geometry"].update(axes=["Jane"])),
    ("geometry.spacing_mm: ", lambda r: r["geometry"]["spacing_mm"].update(smallest=[9.0, 9.0, 9.0])),
    ("geometry.spacing_mm: ", lambda r: r["geometry"]["spacing_mm"].update(smallest=[0.0, 1.0, 1.0])),
    ("features.grid: ", lambda r: r["features"].update(grid=[8, 32])),
    ("'guess' is not one of", lambda r: r["features"].update(mask="guess")),
    ("format 2, this version reads 1", lambda r: r.update(format=2)),
    ("format '1', this version reads 1", lambda r: r.update(format="1")),
    ("intensity.match: ", lambda r: r["preprocessing"]["intensity"].update(match="quantiles.npy")),
    ("manifest.preprocessing.dimensions: 4", lambda r: r["preprocessing"].update(dimensions=4)),
    ("'SegmentationMethod' is not among", lambda r: r["method"].update(name="SegmentationMethod")),
    ("'Inference' is not among", lambda r: r["method"].update(name="Inference")),
    ("'os.system' is not among", lambda r: r["method"].update(name="os.system")),
    ("unknown key 'class_path'", lambda r: r["method"]["settings"].update(class_path="os.system")),
    ("'os.system' is not a network", lambda r: r["method"]["settings"]["network"].update(class_path="os.system")),
    ("network: expected an object", lambda r: r["method"]["settings"].update(network="unet")),
    ("Supervised cannot be made", lambda r: network_of(r).update(channels=[2**70, 2**70])),
    ("num_classes is 4, but the data has 3", lambda r: r["method"]["settings"].update(num_classes=4)),
    ("is not what Supervised has", lambda r: network_of(r).update(channels=[4, 9])),
    ("is not what DMPLS has", lambda r: r.update(method={"name": "DMPLS", "settings": own_settings(r)})),
    ("not 5×256 finite", lambda r: r["references"].update(patients=[1, 1, 1, 1, 1])),
    ("there must be one reference", lambda r: r["references"].update(patients=[])),
]


def network_of(manifest: dict[str, Any]) -> dict[str, Any]:
    return manifest["method"]["settings"]["network"]["init_args"]


def own_settings(manifest: dict[str, Any]) -> dict[str, Any]:
    return {key: manifest["method"]["settings"][key] for key in ("num_classes", "network")}


@pytest.mark.parametrize(
    ("reason", "change"), CHANGES, ids=[f"{index}-{r[:24]}" for index, (r, _) in enumerate(CHANGES)]
)
def test_a_manifest_outside_the_schema_is_refused_though_sealed(
    copy: Path, reason: str, change: Callable[[dict[str, Any]], object]
) -> None:
    assert reason in edited(copy, change)


@pytest.mark.parametrize(
    "write",
    [
        lambda text: text.replace('"seed": 3', '"seed": NaN'),
        lambda text: text.replace('"seed": 3', '"seed": 3, "seed": 3'),
        lambda text: text + " " * 100,
        lambda text: text.replace("\n", "\n\n", 1),
        lambda text: text[:0] + "[" * 30_000,
        lambda text: text.replace("heart", "\\ud800"),
        lambda text: text[:0] + "7",
    ],
    ids=["nan", "twice", "trailing", "blank", "deep", "surrogate", "number"],
)
def test_json_that_lesslabel_does_not_write_is_refused_though_sealed(copy: Path, write: Callable[[str], str]) -> None:
    path = copy / "bundle.json"
    path.write_text(write(path.read_text()))
    seal(copy)
    refused(copy)


def test_a_key_that_is_there_twice_is_named(copy: Path) -> None:
    path = copy / "bundle.json"
    path.write_text(path.read_text().replace('"seed": 3', '"seed": 4, "seed": 3'))
    seal(copy)
    assert "key 'seed' is there twice; keep one" in refused(copy)


def with_a_key_twice(weights: dict[str, torch.Tensor]) -> bytes:
    content = safetensors.torch.save(weights)
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    name, entry = next(iter(header.items()))
    text = f"{{{json.dumps(name)}: {json.dumps(entry)}, {json.dumps(header)[1:]}".encode()
    return len(text).to_bytes(8, "little") + text + content[start:]


class _Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def npy(array: NDArray[Any], *, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=pickled)
    return stream.getvalue()


def zipped(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, array)
    return stream.getvalue()


def falling(array: NDArray[Any]) -> NDArray[Any]:
    array = array.copy()
    array[0, 100] = array[0, 101] + 1
    return array


@pytest.mark.parametrize("name", ["references.npy", "quantiles.npy"])
@pytest.mark.parametrize(
    "write",
    [
        lambda table: npy(table.astype(np.float64)),
        lambda table: npy(table[:, :255]),
        lambda table: npy(np.vstack([table, table])),
        lambda table: npy(np.where(table == table.max(), np.nan, table)),
        lambda table: npy(table) + b"Jane",
        lambda table: npy(table)[:-4],
        lambda table: zipped(table),
        lambda table: npy(table)[:0],
    ],
    ids=["float64", "narrow", "long", "nan", "trailing", "cut", "zip", "empty"],
)
def test_another_table_is_refused_though_sealed(
    copy: Path, name: str, write: Callable[[NDArray[np.float32]], bytes]
) -> None:
    (copy / name).write_bytes(write(np.load(copy / name)))
    seal(copy)
    assert name in refused(copy)


def test_quantiles_that_fall_are_refused_though_sealed(copy: Path) -> None:
    (copy / "quantiles.npy").write_bytes(npy(falling(np.load(copy / "quantiles.npy"))))
    seal(copy)
    assert "quantiles that fall" in refused(copy)


def test_a_pickle_is_refused_and_not_run(copy: Path) -> None:
    mark = copy.parent / "ran"
    payload = np.empty((4, 256), dtype=object)
    payload[0, 0] = _Payload(mark)
    for name, content in (
        ("references.npy", npy(payload, pickled=True)),
        ("references.npy", pickle.dumps(_Payload(mark))),
        ("weights.safetensors", pickle.dumps(_Payload(mark))),
        ("bundle.json", pickle.dumps(_Payload(mark), 0)),
    ):
        before = (copy / name).read_bytes()
        (copy / name).write_bytes(content)
        seal(copy)
        assert name in refused(copy)
        (copy / name).write_bytes(before)
    assert not mark.exists()


def without_first(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return dict(sorted(weights.items())[1:])


def first_changed(weights: dict[str, torch.Tensor], change: Callable[[torch.Tensor], torch.Tensor]) -> bytes:
    name = min(weights)
    return safetensors.torch.save({**weights, name: change(weights[name]).contiguous()})


@pytest.mark.parametrize(
    ("reason", "write"),
    [
        ("'image' is not what", lambda w: safetensors.torch.save({**w, "image": torch.zeros(64, 64)})),
        ("is not what Supervised has", lambda w: safetensors.torch.save(without_first(w))),
        ("is not what Supervised has", lambda w: first_changed(w, lambda t: t.double())),
        ("is not what Supervised has", lambda w: first_changed(w, lambda t: t[None])),
        ("is not finite", lambda w: first_changed(w, lambda t: t / 0)),
        ("holds '__metadata__'", lambda w: safetensors.torch.save(w, {"patient": "Jane"})),
        ("not a safetensors file", lambda w: safetensors.torch.save(w)[:-1]),
        ("not a safetensors file", lambda w: safetensors.torch.save(w) + b"Jane"),
        ("not a safetensors file", lambda _: b"Jane"),
        ("not a safetensors file", with_a_key_twice),
    ],
)
def test_other_weights_are_refused_though_sealed(
    copy: Path, reason: str, write: Callable[[dict[str, torch.Tensor]], bytes]
) -> None:
    path = copy / "weights.safetensors"
    path.write_bytes(write(safetensors.torch.load_file(path)))
    seal(copy)
    assert reason in refused(copy)


def test_a_card_that_says_more_is_refused_though_sealed(copy: Path) -> None:
    with (copy / "CARD.md").open("a") as file:
        file.write("\nPatient: Jane Doe\n")
    seal(copy, card=False)
    assert "differs from bundle.json" in refused(copy)


def test_weights_that_change_after_loading_are_refused(copy: Path) -> None:
    found = load_bundle(copy)
    path = copy / "weights.safetensors"
    path.write_bytes(first_changed(safetensors.torch.load_file(path), lambda t: t + 1))
    with pytest.raises(DataError, match="changed since the bundle was loaded"):
        found.build_method()


def test_the_command_line_inspects_and_verifies(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "inspect", str(copy)]) == 0
    assert capsys.readouterr().out == (copy / "CARD.md").read_text()
    assert main(["bundle", "verify", str(copy)]) == 0
    assert capsys.readouterr().out.startswith(f"{copy}: whole and unchanged")
    (copy / "CARD.md").write_text("# Another\n")
    for action in ("inspect", "verify"):
        assert main(["bundle", action, str(copy)]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert (
            printed.err
            == f"lesslabel bundle: {copy / 'CARD.md'}: changed since it was exported; fetch the bundle again\n"
        )
