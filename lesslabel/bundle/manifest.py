"""The content of `bundle.json`: all that a receiver needs to use the model, and nothing else."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import lesslabel.methods
from lesslabel.bundle.plain import build
from lesslabel.data.loading.intensity import Intensity
from lesslabel.data.loading.resize import Interpolation
from lesslabel.errors import ConfigError, DataError
from lesslabel.expectation.calibration import LEAST_PATIENTS, Calibration
from lesslabel.features import FEATURE_GRIDS, Mask, Scale
from lesslabel.files import parse_json
from lesslabel.methods import SegmentationMethod

FORMAT: Final = 1
SMALLEST_NUMBER_OF_PATIENTS: Final = LEAST_PATIENTS
"""Least number of patients for mean intensities, so that no value is that of a single patient."""


@dataclass(frozen=True)
class MethodConfig:
    """The method and its settings.

    Attributes:
        name: its class in `lesslabel.methods`.
        settings: the constructor's arguments, as plain values.
    """

    name: str
    settings: dict[str, Any]

    def build(self) -> SegmentationMethod:
        """Make the method with fresh weights.

        Raises:
            DataError: if there is no such method, or it does not take such settings.
        """
        kind = vars(lesslabel.methods).get(self.name) if self.name in lesslabel.methods.__all__ else None
        if not isinstance(kind, type) or not issubclass(kind, SegmentationMethod) or kind is SegmentationMethod:
            raise DataError(f"method.name: '{self.name}' is not among lesslabel.methods, the only ones a bundle knows")
        try:
            return build(kind, self.settings, "method.settings")
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:  # sizes too large for torch
            raise DataError(f"method.settings: {self.name} cannot be made with them") from error


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of a case: settings of the data module of the same names."""

    dimensions: Literal[2, 3]
    size_voxel: tuple[int, int] | None
    spacing_mm: tuple[float, float, float] | None
    patch_voxel: tuple[int, ...] | None
    interpolation: Interpolation
    intensity: Intensity

    def __post_init__(self) -> None:
        if self.intensity.match:
            raise ConfigError("intensity.match: names a file, which a bundle does not hold; use a run without it")


@dataclass(frozen=True)
class LabelClass:
    """A class of the model, background left out.

    Attributes:
        name: of the class.
        labels: names of the labels that it consists of.
        codes: their codes in the store of the training.
    """

    name: str
    labels: tuple[str, ...]
    codes: tuple[int, ...]


@dataclass(frozen=True)
class FeatureSettings:
    """Settings of the references' features: see `lesslabel.features.feature_vectors`."""

    mask: Mask
    grid: tuple[int, ...]
    scale: Scale = "published"


@dataclass(frozen=True)
class ReferenceSettings:
    """Settings of the references.

    Attributes:
        seed: of the clustering.
        patients: for each reference, the number of patients of its images.
    """

    seed: int
    patients: tuple[int, ...]


@dataclass(frozen=True)
class Training:
    """The training data, in numbers.

    Attributes:
        source: name of the data's layout (``acdc``, ``folder`` …).
        patients: of the training part.
        cases: of the training part.
        images: slices in 2D, volumes in 3D.
        images_with_feature: images that the references are made from.
        checkpoint: highest validation Dice, or end of the last finished epoch.
        iteration: of the checkpoint.
    """

    source: str
    patients: int
    cases: int
    images: int
    images_with_feature: int
    checkpoint: Literal["best", "last"]
    iteration: int


@dataclass(frozen=True)
class SpacingRange:
    """The smallest and the largest voxel side along z, y, x, in mm, to two digits, so that none is a patient's own."""

    smallest: tuple[float, float, float]
    largest: tuple[float, float, float]


@dataclass(frozen=True)
class TrainedGeometry:
    """The geometry of the training images, to tell a receiver whose images lie otherwise.

    Attributes:
        axes: every orientation that occurs, as `lesslabel.data.geometry.axis_codes` names it.
        spacing_mm: the range of the voxel sides.
    """

    axes: tuple[str, ...]
    spacing_mm: SpacingRange

    def __post_init__(self) -> None:
        if not all(len(codes) == 3 and set(codes) <= set("LRAPSI") for codes in self.axes):
            raise ConfigError("geometry.axes: an orientation is three letters of L R A P S I, for z, y, x")
        pairs = zip(self.spacing_mm.smallest, self.spacing_mm.largest, strict=True)
        if not all(0 < low <= high for low, high in pairs):
            raise ConfigError("geometry.spacing_mm: sides are positive, and none is above the largest")


@dataclass(frozen=True)
class Versions:
    """The packages that made the bundle."""

    python: str
    lesslabel: str
    torch: str
    numpy: str
    scikit_learn: str
    safetensors: str


@dataclass(frozen=True)
class BundleManifest:
    """The content of `bundle.json`.

    Attributes:
        format: number of the format.
        method: the method and its settings.
        preprocessing: the preprocessing of a case.
        classes: of the model, background left out.
        class_shares: share of the voxels of each class, background first; empty if the run had too few dense labels.
        channels: names of the image channels, in the network's order.
        features: settings of the references' features.
        references: settings of the references.
        training: the training data, in numbers.
        versions: the packages that made the bundle.
        geometry: of the training images; None in bundles of older versions.
        expectation: calibration of the expected Dice; None if the run had too few labelled validation patients.
    """

    format: Literal[1]
    method: MethodConfig
    preprocessing: Preprocessing
    classes: tuple[LabelClass, ...]
    class_shares: tuple[float, ...]
    channels: tuple[str, ...]
    features: FeatureSettings
    references: ReferenceSettings
    training: Training
    versions: Versions
    geometry: TrainedGeometry | None = None
    expectation: Calibration | None = None

    def __post_init__(self) -> None:
        names, shares = self.label_names, self.class_shares
        if len(set(names)) != len(names) or any(len(entry.labels) != len(entry.codes) for entry in self.classes):
            raise ConfigError("classes: names must differ, and every label needs one code")
        if not all(free_words(self.training.source, self.channels, self.classes)):
            raise ConfigError("classes, channels and source: every one needs a name")
        if shares and (len(shares) != len(names) or min(shares) <= 0.0 or not math.isclose(sum(shares), 1.0)):
            raise ConfigError("class_shares: one positive share for each class, background first, that sum to 1")
        if self.features.grid != FEATURE_GRIDS[self.preprocessing.dimensions]:
            raise ConfigError(f"features.grid: {list(self.features.grid)} is not that of this version")
        if self.training.patients < SMALLEST_NUMBER_OF_PATIENTS:
            raise ConfigError(
                f"training.patients: {self.training.patients}; a bundle needs {SMALLEST_NUMBER_OF_PATIENTS} at "
                "least, so that no mean is that of a single patient"
            )
        if self.expectation is not None and len(self.expectation.classes) != len(self.classes):
            raise ConfigError("expectation.classes: one calibration for each class, background left out")
        if not self.references.patients:
            raise ConfigError("references.patients: there must be one reference at least")

    @property
    def label_names(self) -> tuple[str, ...]:
        """Class names, background first."""
        return ("background", *(entry.name for entry in self.classes))

    def geometry_settings(self) -> dict[str, Any] | None:
        """The geometry of the training images, as `lesslabel.runs.geometry.list_differences` takes it."""
        return None if self.geometry is None else asdict(self.geometry)

    def build_method(self) -> SegmentationMethod:
        """Make the method with fresh weights.

        Raises:
            DataError: if there is no such method, or it fits neither its settings nor the rest of the manifest.
        """
        method = self.method.build()
        try:
            method.require_data(self.label_names, len(self.channels), self.preprocessing.dimensions)
        except ConfigError as error:
            raise DataError(f"method.settings: {error}") from error
        return method

    def to_json(self) -> str:
        """The text of `bundle.json`."""
        return to_json(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "BundleManifest":
        """Read `bundle.json`.

        Raises:
            DataError: if it is not a manifest, or is formatted in another way than by `to_json`.
        """
        try:
            content = parse_json(text)
            written_alike = to_json(content) == text
        except (ValueError, RecursionError) as error:
            raise DataError(f"not readable as JSON ({error})") from error
        if isinstance(content, dict) and content.get("format") != FORMAT:
            raise DataError(f"format {ascii(content.get('format'))[:40]}, this version reads {FORMAT}")
        if not written_alike:
            raise DataError("not written as lesslabel writes it")
        return build(cls, content, "manifest")


def free_words(source: str, channels: Iterable[str], classes: Iterable[LabelClass]) -> list[str]:
    """The words of a manifest that come from the data and not from the library."""
    return [source, *channels, *(word for entry in classes for word in (entry.name, *entry.labels))]


def to_json(content: Mapping[str, Any]) -> str:
    """The JSON text of a bundle's files."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
