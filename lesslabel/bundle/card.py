"""The card of a bundle: its manifest as text, without further content; loading compares the two."""

from lesslabel.bundle.manifest import BundleManifest, TrainedGeometry
from lesslabel.data.loading.intensity import Intensity
from lesslabel.expectation.calibration import Calibration


def write_card(manifest: BundleManifest, model_sha256: str) -> str:
    """Write a manifest as text.

    A bundle with a different card is refused, so a change of this text needs a new format number.

    Args:
        manifest: the content of `bundle.json`.
        model_sha256: hash of the weights.

    Returns:
        Markdown.
    """
    training, versions, classes = manifest.training, manifest.versions, ", ".join(manifest.label_names)
    checkpoint = "highest validation Dice" if training.checkpoint == "best" else "end of the training"
    images = "slices" if manifest.preprocessing.dimensions == 2 else "volumes"
    seed = manifest.references.seed
    support = ", ".join(map(str, manifest.references.patients))
    features = (
        f"{training.images_with_feature} {images}, {manifest.features.mask} mask, {_by(manifest.features.grid)} cells"
        f"{'' if manifest.features.scale == 'published' else ', ' + manifest.features.scale}"
    )
    return f"""# Bundle: {manifest.method.name} for {", ".join(manifest.label_names[1:])}

A trained segmentation model with what is needed to choose images of another hospital and to adapt the model to them. It
holds no image, no path and no name of a patient.

## Model

- method: {manifest.method.name}, {manifest.preprocessing.dimensions}D
- classes: {classes}
{_list_shares(manifest.class_shares)}- image channels: {", ".join(manifest.channels)}
- weights: iteration {training.iteration}, {checkpoint}; sha256 {model_sha256}
- training data: {training.source}, {training.cases} cases of {training.patients} patients, {training.images} {images}
{_list_geometry(manifest.geometry)}
## Preprocessing

{_list_preprocessing(manifest)}

## Tables

- `references.npy`: {len(manifest.references.patients)} means of image features (K-means, seed {seed})
  - made from {features}
  - patients behind each mean: {support}; a mean over one patient tells of that patient alone
- `quantiles.npy`: 256 quantiles of each channel's intensity before normalisation, averaged over the cases

{_describe_expectation(manifest)}## Limits

For research; no medical device. The model was made for images like those it was trained on. Weights can remember what
they were trained on: who hands them on decides whether that is permitted.

## Made with

- lesslabel {versions.lesslabel}, Python {versions.python}
- torch {versions.torch}, numpy {versions.numpy}
- scikit-learn {versions.scikit_learn}, safetensors {versions.safetensors}
"""


def _list_shares(shares: tuple[float, ...]) -> str:
    return f"- share of each class: {', '.join(f'{100 * share:.3g} %' for share in shares)}\n" if shares else ""


def _list_geometry(geometry: TrainedGeometry | None) -> str:
    if geometry is None:
        return ""
    low, high = (_by(end) for end in (geometry.spacing_mm.smallest, geometry.spacing_mm.largest))
    axes = f"; axes (z, y, x) run to {', '.join(geometry.axes)}" if geometry.axes else ""
    return f"- training images: voxels of {low} to {high} mm (z, y, x){axes}\n"


def _describe_expectation(manifest: BundleManifest) -> str:
    found: Calibration | None = manifest.expectation
    if found is None:
        return ""
    lines = [
        f"- {found.cases} validation cases of {found.patients} patients: mean Dice {found.dice:g}, standard deviation "
        f"{found.deviation:g}; the expected Dice was off by {found.error:g} (root mean square)"
    ]
    for entry, one in zip(manifest.classes, found.classes, strict=True):
        factor = "" if one.error_factor is None else f", error {one.error_factor:g} times the disagreement of dropout"
        lines.append(f"- {entry.name}: mean Dice {one.dice:g}, confidence right above logit {one.threshold:g}{factor}")
    return "\n".join(["## Expected Dice", "", *lines, "", ""])


def _list_preprocessing(manifest: BundleManifest) -> str:
    preprocessing = manifest.preprocessing
    if preprocessing.size_voxel is not None:
        grid = f"slices of {_by(preprocessing.size_voxel)} pixels"
    elif preprocessing.spacing_mm is not None:
        grid = f"voxels of {_by(preprocessing.spacing_mm)} mm (z, y, x)"
    else:
        grid = "the image's own"
    lines = [f"grid: {grid}, {preprocessing.interpolation} interpolation"]
    if preprocessing.patch_voxel is not None:
        lines.append(f"trained on patches of {_by(preprocessing.patch_voxel)} voxels")
    lines.append(f"intensity: {_describe_intensity(preprocessing.intensity)}")
    return "\n".join(f"- {line}" for line in lines)


def _describe_intensity(intensity: Intensity) -> str:
    if intensity.name == "percentile":
        return f"clipped at percentile {intensity.upper_percentile:g} of the volume, then 0 to 1"
    if intensity.name == "window" and intensity.window is not None:
        return f"clipped to {intensity.window[0]:g} to {intensity.window[1]:g}, then 0 to 1"
    return "zero mean and unit variance by volume" if intensity.name == "zscore" else "as it is"


def _by(sides: tuple[float, ...]) -> str:
    return "×".join(f"{side:g}" for side in sides)
