"""Features: eq. 6-2 by hand and by another implementation, and the same rows however they are computed."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from phantom_stores import PhantomStores
from torch import Tensor, nn

from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.errors import ConfigError
from lesslabel.features import ImageFeatures, extract_features, feature_vectors, iterate_features
from lesslabel.methods import (
    DMPLS,
    DTC,
    CrossPseudoSupervision,
    Inference,
    MeanTeacher,
    SegmentationMethod,
    Supervised,
)
from lesslabel.networks import UNet

CLASSES = 4
COLUMNS = ("features", "foreground_voxel", "entropy", "margin", "least_confidence")


@pytest.fixture(scope="session")
def store(phantom_store: PhantomStores) -> Path:
    """Four cases of two patients, 3×32×32."""
    return phantom_store(cases=4, size=32, depth=3)


def data_of(store: Path, dimensions: int = 2) -> SegmentationDataModule:
    return SegmentationDataModule(str(store), dimensions=dimensions)


def method_of(
    kind: type[SegmentationMethod] = Supervised, dimensions: int = 2, **settings: object
) -> SegmentationMethod:
    torch.manual_seed(0)
    shape = UNet(dimensions=dimensions, channels=(6, 8), encoder_dropout=(0.5, 0.5), normalisation="instance")
    method = kind(num_classes=CLASSES, network=shape, **settings)
    # untrained networks are sure of nothing; sharper ones predict every class somewhere
    for part in method.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d) and part.out_channels == CLASSES:
            nn.init.normal_(part.weight, std=3.0)
            nn.init.zeros_(part.bias)
    return method


def uids_of(data: SegmentationDataModule) -> list[str]:
    return sorted(data.store.records)


def require_equal(first: ImageFeatures, second: ImageFeatures) -> None:
    assert first.uid.tolist() == second.uid.tolist()
    np.testing.assert_array_equal(first.slice, second.slice)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


def draw_case(shape: tuple[int, ...], seed: int, images: int = 2) -> tuple[Tensor, Tensor]:
    """Penultimate maps B×5×shape, and probabilities B×3×shape."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(images, 5, *shape, generator=generator)
    return maps, torch.randn(images, 3, *shape, generator=generator).mul(3).softmax(dim=1)


def reference(maps: NDArray, probabilities: NDArray, cells: tuple[int, ...], background: bool) -> NDArray:
    """Eq. 6-2 for one image whose sides the cells divide: mask, channel mean, max-pool, flatten, divide."""
    mask = probabilities[0] if background else probabilities.argmax(axis=0) != 0
    mean = (maps * mask).mean(axis=0)
    blocks = [side for size, count in zip(mean.shape, cells, strict=True) for side in (count, size // count)]
    pooled = mean.reshape(blocks).max(axis=tuple(range(1, len(blocks), 2)))
    return pooled.reshape(-1) / (mask.mean() if background else mask.sum())


@given(seed=st.integers(0, 10_000), dimensions=st.sampled_from([2, 3]), background=st.booleans())
@settings(max_examples=25)
def test_features_agree_with_another_implementation(seed: int, dimensions: int, background: bool) -> None:
    shape, cells = {2: ((48, 32), (16, 16)), 3: ((8, 16, 24), (4, 8, 8))}[dimensions]
    maps, probabilities = draw_case(shape, seed)
    found = feature_vectors(maps.mean(dim=1), probabilities, "background-softmax" if background else "predicted")
    assert found.shape == (2, 256)
    expected = [
        reference(one.double().numpy(), p.double().numpy(), cells, background)
        for one, p in zip(maps, probabilities, strict=True)
    ]
    np.testing.assert_allclose(found.numpy(), np.stack(expected), rtol=1e-4, atol=1e-7)


def test_at_256_pixels_the_kernel_is_16() -> None:
    maps, probabilities = draw_case((256, 256), 3, images=1)
    foreground = probabilities.argmax(dim=1) != 0
    pooled = nn.functional.max_pool2d((maps * foreground[:, None]).mean(dim=1), 16)
    expected = pooled.flatten(1) / foreground.sum()
    torch.testing.assert_close(feature_vectors(maps.mean(dim=1), probabilities), expected)


def test_two_foreground_pixels_by_hand() -> None:
    probabilities = torch.tensor([0.9, 0.1]).view(1, 2, 1, 1).repeat(1, 1, 16, 16)
    probabilities[0, :, 2, 3] = torch.tensor([0.4, 0.6])
    probabilities[0, :, 15, 0] = torch.tensor([0.0, 1.0])
    maps = torch.full((1, 16, 16), 7.0)
    maps[0, 2, 3], maps[0, 15, 0] = 3.0, -5.0
    expected = torch.zeros(1, 256)
    expected[0, 2 * 16 + 3], expected[0, 15 * 16] = 3.0 / 2, -5.0 / 2
    assert torch.equal(feature_vectors(maps, probabilities), expected)
    unit = feature_vectors(maps, probabilities, scale="unit-length")
    torch.testing.assert_close(unit, expected * 2 / 34**0.5)
    torch.testing.assert_close(feature_vectors(9 * maps, probabilities, scale="unit-length"), unit)


def test_the_background_softmax_divides_by_its_mean() -> None:
    probabilities = torch.tensor([0.75, 0.25]).view(1, 2, 1, 1).repeat(1, 1, 16, 16)
    maps = torch.arange(256.0).view(1, 16, 16)
    expected = torch.arange(256.0)[None] * 0.75 / 0.75
    assert torch.equal(feature_vectors(maps, probabilities, "background-softmax"), expected)


def test_an_image_without_foreground_has_no_feature() -> None:
    maps, probabilities = draw_case((16, 16), 1)
    probabilities[1] = torch.tensor([0.5, 0.25, 0.25]).view(3, 1, 1)
    found = feature_vectors(maps.mean(dim=1), probabilities)
    assert not found[0].isnan().any()
    assert found[1].isnan().all()
    assert feature_vectors(maps.mean(dim=1), probabilities, scale="unit-length")[1].isnan().all()
    assert not feature_vectors(maps.mean(dim=1), probabilities, "background-softmax").isnan().any()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_rows_of_a_store(store: Path, dimensions: int) -> None:
    data, method = data_of(store, dimensions), method_of(dimensions=dimensions)
    found = extract_features(method, data, uids_of(data)[::-1])
    depth = 3 if dimensions == 2 else 1
    assert found.uid.tolist() == [uid for uid in uids_of(data) for _ in range(depth)]
    assert found.slice.tolist() == ([0, 1, 2] if dimensions == 2 else [-1]) * 4
    assert {name: getattr(found, name).dtype for name in COLUMNS} == {
        "features": np.float32,
        "foreground_voxel": np.int64,
        "entropy": np.float32,
        "margin": np.float32,
        "least_confidence": np.float32,
    }
    assert found.features.shape == (4 * depth, 256)
    assert found.has_feature.all()
    method.eval()
    for case in data.evaluation_loader(tuple(uids_of(data)), with_reference=False):
        image = case["image"][0].transpose(0, 1) if dimensions == 2 else case["image"]
        with torch.no_grad():
            logits, maps = method.network(image), method.network.features(image)
        rows = found.uid == case["uid"]
        p = logits.softmax(dim=1)
        np.testing.assert_allclose(found.features[rows], feature_vectors(maps.mean(dim=1), p), rtol=1e-4, atol=1e-7)
        assert found.foreground_voxel[rows].tolist() == (logits.argmax(dim=1) != 0).flatten(1).sum(dim=1).tolist()
        axes = tuple(range(1, p.ndim - 1))
        sorted_p = np.sort(p.double().numpy(), axis=1)
        entropy = torch.special.entr(p.double()).sum(dim=1).mean(dim=axes)
        np.testing.assert_allclose(found.entropy[rows], entropy, rtol=1e-4)
        np.testing.assert_allclose(found.margin[rows], (sorted_p[:, -1] - sorted_p[:, -2]).mean(axis=axes), rtol=1e-4)
        np.testing.assert_allclose(found.least_confidence[rows], 1 - sorted_p[:, -1].mean(axis=axes), rtol=1e-4)


def test_rows_do_not_depend_on_order_training_mode_or_chance(store: Path) -> None:
    data, method = data_of(store), method_of().train()
    method.network.encoder.eval()
    uids = uids_of(data)
    first = extract_features(method, data, uids)
    assert method.training
    assert not method.network.encoder.training
    assert method.network.decoder.training
    torch.manual_seed(99)
    require_equal(first, extract_features(method.eval(), data, [*reversed(uids), uids[0]]))
    require_equal(first, ImageFeatures.join(list(iterate_features(method, data, uids))[::-1]))
    one_by_one = method_of(inference=Inference(slices_at_once=1))
    np.testing.assert_allclose(extract_features(one_by_one, data, uids).features, first.features, rtol=1e-4, atol=1e-8)


def test_a_case_is_read_when_its_rows_are_asked_for(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, read = data_of(store), []
    original = type(data.store).read
    monkeypatch.setattr(type(data.store), "read", lambda self, uid: (read.append(uid), original(self, uid))[1])
    rows = iterate_features(method_of(), data, uids_of(data))
    assert len(next(rows)) == 3
    assert read == uids_of(data)[:1]


@pytest.mark.parametrize(
    ("kind", "settings", "predicting"),
    [
        (MeanTeacher, {"predict_with": "student"}, "network"),
        (MeanTeacher, {"predict_with": "teacher"}, "teacher.network"),
        (DMPLS, {}, "network.network"),
        (DTC, {"predict_with": "level_set"}, "network.network"),
        (CrossPseudoSupervision, {"predict_with": "both"}, "network"),
    ],
)
def test_the_map_is_that_of_the_network_that_predicts(
    store: Path, kind: type[SegmentationMethod], settings: dict[str, object], predicting: str
) -> None:
    data, method = data_of(store), method_of(kind, **settings).eval()
    if kind is MeanTeacher:  # both start alike
        nn.init.normal_(method.teacher.network.encoder.levels[0][0].weight)
    uid = uids_of(data)[0]
    (case,) = data.evaluation_loader((uid,), with_reference=False)
    image = case["image"][0].transpose(0, 1)
    with torch.no_grad():
        maps = method.get_submodule(predicting).features(image).mean(dim=1)
        expected = feature_vectors(maps, method.probabilities(image))
    np.testing.assert_allclose(extract_features(method, data, [uid]).features, expected, rtol=1e-4, atol=1e-8)


def test_windows_lie_side_by_side(store: Path) -> None:
    data = data_of(store, 3)
    inference = Inference(window_voxel=(3, 16, 32), stride_voxel=(1, 2, 2))
    method = method_of(dimensions=3, inference=inference).eval()
    uid = uids_of(data)[0]
    (case,) = data.evaluation_loader((uid,), with_reference=False)
    halves = case["image"].split(16, dim=3)
    with torch.no_grad():
        maps = torch.cat([method.network.features(half).mean(dim=1) for half in halves], dim=2)
        probabilities = torch.cat([method.probabilities(half) for half in halves], dim=3)
    expected = feature_vectors(maps, probabilities)
    np.testing.assert_allclose(extract_features(method, data, [uid]).features, expected, rtol=1e-4, atol=1e-7)


def test_no_case_gives_no_row(store: Path) -> None:
    found = extract_features(method_of(), data_of(store), [])
    assert len(found) == 0
    assert found.features.shape == (0, 256)
    assert found.has_feature.shape == (0,)


def test_what_does_not_fit_is_refused(store: Path) -> None:
    with pytest.raises(ConfigError, match="mask: 'foreground' is not one of 'predicted', 'background-softmax'"):
        extract_features(method_of(), data_of(store), [], mask="foreground")
    with pytest.raises(ConfigError, match="scale: 'unit' is not one of 'published', 'unit-length'"):
        extract_features(method_of(), data_of(store), [], scale="unit")
    with pytest.raises(ConfigError, match=r"model\.network\.dimensions is 3"):
        extract_features(method_of(dimensions=3), data_of(store), [])


class _Flat(SegmentationMethod):
    """Predicts by a single convolution."""

    def __init__(self) -> None:
        super().__init__(num_classes=CLASSES)
        self.network = nn.Conv2d(1, CLASSES, 1)

    def losses(self, batch: object) -> dict[str, Tensor]:
        raise AssertionError(batch)


def test_a_method_without_a_map_is_refused(store: Path) -> None:
    data = data_of(store)
    with pytest.raises(ConfigError, match="_Flat predicts without a U-shaped network"):
        extract_features(_Flat(), data, uids_of(data))


def test_two_processes_see_what_one_sees(store: Path, tmp_path: Path) -> None:
    data, method = data_of(store), method_of()
    uids = uids_of(data)[:3]  # one has two cases, the other one
    alone = extract_features(method, data, uids)
    torch.save(method, tmp_path / "method.pt")
    other = multiprocessing.get_context("spawn").Process(target=_work, args=(1, store, uids, tmp_path))
    other.start()
    _work(0, store, uids, tmp_path)
    other.join(timeout=900)
    assert other.exitcode == 0
    for rank in range(2):
        with np.load(tmp_path / f"{rank}.npz") as together:
            require_equal(alone, ImageFeatures(**together))


def _work(rank: int, store: Path, uids: list[str], folder: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    method = torch.load(folder / "method.pt", weights_only=False)  # our own method, written a moment ago
    found = extract_features(method, data_of(store), uids)
    np.savez(
        folder / f"{rank}.npz", uid=found.uid, slice=found.slice, **{name: getattr(found, name) for name in COLUMNS}
    )
    torch.distributed.destroy_process_group()
    torch.set_num_threads(threads)
