"""The card of a bundle: its recipe in words. It says nothing that `bundle.json` does not, which loading checks."""

from lesslabel.bundle.recipe import BundleRecipe
from lesslabel.data.loading.intensity import Intensity


def write_card(recipe: BundleRecipe, model_sha256: str) -> str:
    """Put a recipe into words.

    A bundle whose card differs is refused. Another wording therefore needs another format number.

    Args:
        recipe: the content of `bundle.json`.
        model_sha256: hash of the weights.

    Returns:
        Markdown.
    """
    training, versions, classes = recipe.training, recipe.versions, ", ".join(recipe.label_names)
    checkpoint = "highest validation Dice" if training.checkpoint == "best" else "end of the training"
    images = "slices" if recipe.preprocessing.dimensions == 2 else "volumes"
    support = ", ".join(map(str, recipe.references.patients))
    features = (
        f"{training.images_with_feature} {images}, {recipe.features.mask} mask, {_by(recipe.features.grid)} cells"
        f"{'' if recipe.features.scale == 'published' else ', ' + recipe.features.scale}"
    )
    return f"""# Bundle: {recipe.method.name} for {", ".join(recipe.label_names[1:])}

A trained segmentation model with what is needed to choose images of another hospital and to adapt the model to them. It
holds no image, no path and no name of a patient.

## Model

- method: {recipe.method.name}, {recipe.preprocessing.dimensions}D
- classes: {classes}
{_list_shares(recipe.class_shares)}- image channels: {", ".join(recipe.channels)}
- weights: iteration {training.iteration}, {checkpoint}; sha256 {model_sha256}
- training data: {training.source}, {training.cases} cases of {training.patients} patients, {training.images} {images}

## Preprocessing

{_list_preprocessing(recipe)}

## Tables

- `references.npy`: {len(recipe.references.patients)} means of image features (K-means, seed {recipe.references.seed})
  - made from {features}
  - patients behind each mean: {support}; a mean over one patient tells of that patient alone
- `quantiles.npy`: 256 quantiles of each channel's intensity before normalisation, averaged over the cases

## Limits

For research; no medical device. The model was made for images like those it was trained on. Weights can remember what
they were trained on: who hands them on decides whether that is permitted.

## Made with

- lesslabel {versions.lesslabel}, Python {versions.python}
- torch {versions.torch}, numpy {versions.numpy}
- scikit-learn {versions.scikit_learn}, safetensors {versions.safetensors}
"""


def _list_shares(shares: tuple[float, ...]) -> str:
    return f"- share of each class: {', '.join(f'{100 * share:.3g} %' for share in shares)}\n" if shares else ""


def _list_preprocessing(recipe: BundleRecipe) -> str:
    preprocessing = recipe.preprocessing
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
