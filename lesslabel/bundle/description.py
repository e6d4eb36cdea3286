"""Describe a run for the manifest of a bundle: method, preprocessing, classes, training and versions."""

import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import asdict

import lesslabel.methods
from lesslabel import __version__
from lesslabel.bundle.manifest import (
    LabelClass,
    MethodConfig,
    Preprocessing,
    SpacingRange,
    TrainedGeometry,
    Training,
    Versions,
)
from lesslabel.bundle.plain import build
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.view import select_channels
from lesslabel.errors import ConfigError
from lesslabel.features import ImageFeatures
from lesslabel.networks.pretrained import without_pretrained
from lesslabel.runs.geometry import describe_geometry
from lesslabel.runs.parsing import RunCLI
from lesslabel.runs.reopening import FinishedRun


def describe_method(run: RunCLI) -> MethodConfig:
    """Describe the method and its settings.

    Raises:
        ConfigError: if it is not a method of the library, or an interactive one.
    """
    name = type(run.model).__name__
    if name not in lesslabel.methods.__all__ or getattr(lesslabel.methods, name) is not type(run.model):
        raise ConfigError(
            f"{type(run.model).__module__}.{name}: only the methods of lesslabel.methods can be bundled, since "
            "loading a bundle imports nothing else; train one of these"
        )
    if isinstance(run.model, lesslabel.methods.InteractiveMethod):
        raise ConfigError(
            f"{name}: an interactive method segments what it is pointed at, so it cannot choose what to annotate; "
            "bundle a method that segments images by itself"
        )
    return MethodConfig(name, without_pretrained(run.plain_config()["model"]["init_args"]))


def describe_preprocessing(data: SegmentationDataModule) -> Preprocessing:
    """Describe the preprocessing.

    Raises:
        DataError: if it needs a file that the bundle does not hold.
    """
    plain = {
        "dimensions": data.dimensions,
        "size_voxel": data.grid.size_voxel,
        "spacing_mm": data.grid.spacing_mm,
        "patch_voxel": data.patch_voxel,
        "interpolation": data.grid.interpolation,
        "intensity": asdict(data.intensity),
    }
    return build(Preprocessing, plain, "data")


def list_classes(data: SegmentationDataModule) -> tuple[LabelClass, ...]:
    """List the classes of the network without background, with the store's labels of each."""
    names, labels = data.mapping, data.store.labels
    return tuple(
        LabelClass(name, tuple(labels[code] for code in codes), tuple(codes))
        for name, codes in zip(names.names[1:], names.codes[1:], strict=True)
    )


def list_channels(data: SegmentationDataModule) -> tuple[str, ...]:
    """List the names of the network's input channels, in order."""
    return tuple(data.store.channels[index] for index in select_channels(data.view, data.store.channels))


def describe_training(run: FinishedRun, images: ImageFeatures) -> Training:
    """Describe the training data in numbers.

    Args:
        run: the run.
        images: features of its training part.
    """
    data = run.parsed.datamodule
    records = data.records("train")
    return Training(
        source=data.store.source,
        patients=len({record.patient for record in records}),
        cases=len(records),
        images=len(images),
        images_with_feature=int(images.has_feature.sum()),
        checkpoint="best" if run.checkpoint.stem == "best" else "last",
        iteration=run.read_iteration(),
    )


def describe_trained_geometry(data: SegmentationDataModule) -> TrainedGeometry:
    """Describe the geometry of the training images."""
    found = describe_geometry(data)
    spacing = found["spacing_mm"]
    return TrainedGeometry(
        tuple(found["axes"]), SpacingRange(_rounded(spacing["smallest"]), _rounded(spacing["largest"]))
    )


def _rounded(sides_mm: Sequence[float]) -> tuple[float, float, float]:
    z, y, x = (float(f"{side:.2g}") for side in sides_mm)
    return z, y, x


def find_versions() -> Versions:
    """Find the versions of the packages."""
    torch, numpy, scikit_learn, safetensors = map(
        importlib.metadata.version, ("torch", "numpy", "scikit-learn", "safetensors")
    )
    return Versions(platform.python_version(), __version__, torch, numpy, scikit_learn, safetensors)
