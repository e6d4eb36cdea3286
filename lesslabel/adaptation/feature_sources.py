"""What features are computed with: the model of a bundle, the model of a run, or no model at all."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.adaptation.choosing import features_of_training_part
from lesslabel.adaptation.cold_start import describe_images
from lesslabel.adaptation.pseudo_labels import predict_codes
from lesslabel.bundle import Bundle, load_bundle
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.disagreement import FurtherColumns, Predictor
from lesslabel.errors import ConfigError
from lesslabel.features import extract_features
from lesslabel.files import hash_file
from lesslabel.image_features import ImageFeatures
from lesslabel.methods import SegmentationMethod
from lesslabel.runs.folder import read_data
from lesslabel.runs.reopening import FinishedRun, reopen_run
from lesslabel.runs.trainer import evaluation_trainer

PatchSize = tuple[int, int, int] | None
"""Size of the patches that are the images, (z, y, x) in voxels of the store; None for slices and volumes."""


@dataclass(frozen=True)
class Part:
    """The part of a store to choose from: the training part of its split.

    Attributes:
        split: of the store; None is that of the run, ``random`` without a run.
        fold: of the split; None is that of the run, 0 without a run.
        allow_missing: drop patients of the split that are not there.
        centres: choose from these hospitals of the store alone.
        workers: processes that read.
    """

    split: str | None = None
    fold: int | None = None
    allow_missing: bool = False
    centres: Sequence[str] | None = None
    workers: int = 0

    def settings(self) -> dict[str, Any]:
        """The settings of a data module, with the defaults of a store without a run."""
        return {
            "split": self.split or "random",
            "fold": self.fold or 0,
            "allow_missing": self.allow_missing,
            "centres": None if self.centres is None else list(self.centres),
            "workers": self.workers,
        }


@dataclass(frozen=True)
class FeatureSource:
    """Computes features of the images of a store.

    Attributes:
        data: the store, with the preprocessing of the model.
        extract: features of cases, with further columns, in patches of a size or as the model sees them.
        model_sha256: hash of the weights, of an ensemble that of their hashes; empty without a model.
        bundle: the bundle, if there is one.
        method: builds the model, if there is one.
        geometry: of the training images, see `lesslabel.runs.geometry.list_differences`; None where nobody knows.
        members: further models of an ensemble.
    """

    data: SegmentationDataModule
    extract: Callable[[Sequence[str], FurtherColumns, PatchSize], ImageFeatures]
    model_sha256: str = ""
    bundle: Bundle | None = None
    method: Callable[[], SegmentationMethod] | None = None
    geometry: Mapping[str, Any] | None = None
    members: tuple[Predictor, ...] = ()

    def prelabels(self, uids: Iterable[str]) -> Mapping[str, NDArray[np.uint8]]:
        """Predictions of the model for cases, in the codes of the store; none without a model."""
        if self.method is None:
            return {}
        return {uid: labels for uid, labels, _ in predict_codes(self.method(), self.data, list(uids))}


def open_source(
    bundle: str | Path | None,
    run: str | Path | None,
    store: str | Path,
    part: Part,
    ensemble: Sequence[str | Path] = (),
) -> FeatureSource:
    """Open what features are computed with.

    Args:
        bundle: a bundle, if any.
        run: the folder of a finished run, if any.
        store: the store to choose from.
        part: the part of it.
        ensemble: further finished runs, whose models see the images as that of `run` does.

    Raises:
        ConfigError: if both a bundle and a run are given, an ensemble without a run or of runs that prepare images
            differently, or the store lacks a label or a channel.
        LesslabelError: if one of them cannot be read.
    """
    if bundle is not None and run is not None:
        raise ConfigError("--bundle and --run exclude each other; leave one out")
    if ensemble and run is None:
        raise ConfigError("--ensemble goes with --run RUN, the first of the ensemble; add it, or leave --ensemble out")
    if bundle is not None:
        return _of_bundle(load_bundle(bundle), Path(store), part)
    if run is None:
        return _of_images(Path(store), part)
    source = _of_run(Path(run), Path(store), part)
    others = [_reopen(Path(other), Path(store), part) for other in ensemble]
    for other in others:
        _require_same_images(other, source.data)
    hashes = [source.model_sha256, *(hash_file(other.checkpoint) for other in others)]
    return replace(
        source,
        members=tuple(_on_its_device(other).probabilities for other in others),
        model_sha256=hashlib.sha256("".join(hashes).encode()).hexdigest() if others else source.model_sha256,
    )


def _of_bundle(bundle: Bundle, store: Path, part: Part) -> FeatureSource:
    data = bundle.data_module(store, **part.settings())

    def extract(uids: Sequence[str], further: FurtherColumns, patch_voxel: PatchSize) -> ImageFeatures:
        return features_of_training_part(bundle, data, uids, further, patch_voxel)

    return FeatureSource(
        data, extract, bundle.model_sha256, bundle, bundle.build_method, bundle.manifest.geometry_settings()
    )


def _of_images(store: Path, part: Part) -> FeatureSource:
    data = SegmentationDataModule(str(store), **part.settings())
    workers = part.workers or None
    return FeatureSource(
        data, lambda uids, _, patch_voxel: describe_images(data.store, uids, patch_voxel, workers=workers)
    )


def _of_run(run: Path, store: Path, part: Part) -> FeatureSource:
    finished = _reopen(run, store, part)
    data: SegmentationDataModule = finished.parsed.datamodule

    def method() -> SegmentationMethod:
        return _on_its_device(finished)

    def extract(uids: Sequence[str], further: FurtherColumns, patch_voxel: PatchSize) -> ImageFeatures:
        return extract_features(method(), data, uids, scale="unit-length", further=further, patch_voxel=patch_voxel)

    trained = read_data(finished.folder).get("geometry")
    return FeatureSource(data, extract, hash_file(finished.checkpoint), None, method, trained)


def _require_same_images(member: FinishedRun, data: SegmentationDataModule) -> None:
    """Check that a further model sees images as the data module gives them.

    Raises:
        ConfigError: names what differs.
    """
    own: SegmentationDataModule = member.parsed.datamodule
    different = [name for name in ("dimensions", "grid", "intensity") if getattr(own, name) != getattr(data, name)]
    if own.mapping.names != data.mapping.names:
        different.append("view.labels")
    if own.in_channels != data.in_channels:
        different.append("view.channels")
    if different:
        raise ConfigError(
            f"--ensemble {member.folder.path}: its data.{different[0]} differs from that of --run; name runs that "
            "share it"
        )


def _reopen(run: Path, store: Path, part: Part) -> FinishedRun:
    given = {"split": part.split, "fold": part.fold, "centres": None if part.centres is None else list(part.centres)}
    overrides: dict[str, Any] = {f"data.{name}": value for name, value in given.items() if value is not None}
    overrides |= {"data.store": str(store), "data.workers": part.workers}
    if part.allow_missing:
        overrides["data.allow_missing"] = True
    finished = reopen_run(run, overrides)
    finished.load_weights()
    return finished


def _on_its_device(finished: FinishedRun) -> SegmentationMethod:
    device = evaluation_trainer(finished.parsed, []).strategy.root_device
    model: SegmentationMethod = finished.parsed.model.to(device)
    return model.eval()
