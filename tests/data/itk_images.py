"""Images and segmentations made by SimpleITK, an independent reader and writer."""

from pathlib import Path

import numpy as np
import replicas
import SimpleITK


def to_itk(array: np.ndarray, affine: np.ndarray = replicas.OBLIQUE_AFFINE, channels: bool = False) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(array, isVector=channels)
    axes = np.diag([-1.0, -1.0, 1.0]) @ affine[:3]
    spacing_mm = np.linalg.norm(axes[:, :3], axis=0)
    image.SetSpacing(spacing_mm.tolist())
    image.SetDirection((axes[:, :3] / spacing_mm).ravel().tolist())
    image.SetOrigin(axes[:, 3].tolist())
    return image


def write_segmentation(path: Path, layers: np.ndarray, names: list[tuple[str, int, int]]) -> Path:
    """A segmentation as 3D Slicer saves it: layers (C, z, y, x), and name, layer and value of each segment."""
    single = len(layers) == 1
    image = to_itk(layers[0] if single else np.moveaxis(layers, 0, -1), channels=not single)
    for number, (name, layer, value) in enumerate(names):
        for key, text in (("Name", name), ("Layer", layer), ("LabelValue", value)):
            image.SetMetaData(f"Segment{number}_{key}", str(text))
    SimpleITK.WriteImage(image, path, useCompression=True)
    return path
