"""A bundle in memory, as the receiving hospital uses it."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lesslabel.bundle.contents import (
    WEIGHTS,
    check_files,
    read_manifest,
    read_quantiles,
    read_references,
    read_weights,
)
from lesslabel.bundle.manifest import BundleManifest, LabelClass, to_json
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.store import Store
from lesslabel.data.view import View
from lesslabel.errors import ConfigError, DataError
from lesslabel.files import hash_file
from lesslabel.methods import SegmentationMethod


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained model with references to compare images with, and the description of both.

    Attributes:
        path: its folder.
        manifest: the content of `bundle.json`.
        references: (K, 256) float32, means of the features of the images that the model was trained on.
        quantiles: (channels, 256) float32, quantiles 0, 1/255 … 1 of the intensity before normalisation, each the mean
            over the cases that the model was trained on.
        model_sha256: hash of the weights.
    """

    path: Path
    manifest: BundleManifest
    references: NDArray[np.float32]
    quantiles: NDArray[np.float32]
    model_sha256: str

    @property
    def recipe(self) -> BundleManifest:
        """The old name of `manifest`, for one version more."""
        warnings.warn("Bundle.recipe is now Bundle.manifest; the old name will go", FutureWarning, stacklevel=2)
        return self.manifest

    @property
    def label_names(self) -> tuple[str, ...]:
        """Class names, background first."""
        return self.manifest.label_names

    @property
    def weights(self) -> Path:
        """The weights' file, which `lesslabel fit --weights` takes."""
        return self.path / WEIGHTS

    def build_method(self) -> SegmentationMethod:
        """Make the method with the bundle's weights, in evaluation mode, on the CPU.

        Raises:
            DataError: if the weights changed since the bundle was loaded.
        """
        if hash_file(self.weights) != self.model_sha256:
            raise DataError(f"{self.weights}: changed since the bundle was loaded; fetch the bundle again")
        with torch.random.fork_rng(devices=[]):  # the fresh weights are not the caller's random numbers
            method = self.manifest.build_method()
        method.load_state_dict(read_weights(self.path, self.manifest))
        return method.eval()

    def model_settings(self) -> dict[str, Any]:
        """The key ``model`` of a run's configuration that trains this method on."""
        method = self.manifest.method
        return {"class_path": f"lesslabel.methods.{method.name}", "init_args": dict(method.settings)}

    def channels_in(self, store: Store) -> list[int]:
        """The indices of the bundle's channels in another store, found by name; a single one whatever it is called.

        Raises:
            ConfigError: if the store lacks one.
        """
        return _find_channels(self.manifest.channels, store)

    def data_settings(self, store: Path | str) -> dict[str, Any]:
        """The bundle's preprocessing of another store, as settings of the data module; plain values.

        Labels and channels are found by name. A single channel is taken whatever it is called.

        Args:
            store: a prepared store.

        Raises:
            ConfigError: if the store lacks a label or a channel.
        """
        opened = Store(store)
        settings: dict[str, Any] = json.loads(to_json(asdict(self.manifest.preprocessing)))
        labels = {entry.name: _find_codes(entry, opened) for entry in self.manifest.classes}
        channels = self.channels_in(opened)
        return {"store": str(store), **settings, "view": {"labels": labels, "channels": channels}}

    def data_module(
        self,
        store: Path | str,
        *,
        split: str = "random",
        fold: int = 0,
        allow_missing: bool = False,
        centres: list[str] | None = None,
        workers: int = 0,
        reference: str | None = None,
    ) -> SegmentationDataModule:
        """Make the data module that shows another store to the bundle's method.

        Args:
            store: a prepared store; it may have no annotation.
            split: see `SegmentationDataModule`.
            fold: the same.
            allow_missing: the same.
            centres: the same.
            workers: the same.
            reference: annotation to score against; None takes that of a `View`.

        Raises:
            ConfigError: if the store lacks a label or a channel.
        """
        settings, preprocessing = self.data_settings(store), self.manifest.preprocessing
        view = View(**settings["view"])
        return SegmentationDataModule(
            str(store),
            split=split,
            fold=fold,
            allow_missing=allow_missing,
            centres=centres,
            view=view if reference is None else replace(view, reference=reference),
            dimensions=preprocessing.dimensions,
            size_voxel=preprocessing.size_voxel,
            spacing_mm=preprocessing.spacing_mm,
            patch_voxel=None if preprocessing.patch_voxel is None else list(preprocessing.patch_voxel),
            interpolation=preprocessing.interpolation,
            intensity=preprocessing.intensity,
            workers=workers,
        )


def load_bundle(path: Path | str) -> Bundle:
    """Check all files of a bundle (checksums, manifest, card, tables, weights) and load it. No code is run.

    Raises:
        DataError: if a file is missing, damaged, changed or unexpected; names it.
    """
    folder = Path(path)
    check_files(folder)
    manifest = read_manifest(folder)
    references, quantiles = read_references(folder, manifest), read_quantiles(folder, manifest)
    read_weights(folder, manifest)
    return Bundle(folder, manifest, references, quantiles, hash_file(folder / WEIGHTS))


def verify_bundle(path: Path | str) -> None:
    """Check a bundle as `load_bundle` does.

    A valid bundle holds six files of known names, unchanged since the export: numbers of the shapes that the method and
    the manifest ask for, keys of a fixed list, and names of labels, channels and versions of at most 64 letters, digits
    and a few signs, no slash among them. There is no place for an image, a path or a record of a patient.

    Raises:
        DataError: as `load_bundle`.
    """
    load_bundle(path)


def _find_codes(entry: LabelClass, store: Store) -> list[int]:
    codes = {name: code for code, name in store.labels.items()}
    if set(entry.labels) <= codes.keys():
        return [codes[label] for label in entry.labels]
    if entry.name in codes:
        return [codes[entry.name]]
    known = ", ".join(f"{code} {name}" for code, name in store.labels.items()) or "none"
    raise ConfigError(
        f"{store.path}: no label '{entry.name}' of the bundle's classes, it has {known}; prepare it with that name"
    )


def _find_channels(names: Sequence[str], store: Store) -> list[int]:
    if len(names) == len(store.channels) == 1:
        return [0]
    places = {name: index for index, name in enumerate(store.channels)}
    if missing := [name for name in names if name not in places]:
        raise ConfigError(
            f"{store.path}: no channel '{missing[0]}' of the bundle, it has {', '.join(store.channels)}; prepare it "
            "with that name"
        )
    return [places[name] for name in names]
