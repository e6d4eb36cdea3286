"""Predict the class probabilities of a whole case with a network, in 2D and 3D."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lesslabel.errors import ConfigError, DataError

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Inference:
    """Settings of the prediction of a whole case.

    Attributes:
        window_voxel: sliding window, (h, w) or (d, h, w), on the network's grid; None predicts whole slices or volumes.
        stride_voxel: step of the window; None is half the window.
        slices_at_once: slices, or windows, in one forward pass.
        largest_component: keep the largest connected component of each class.
    """

    window_voxel: tuple[int, ...] | None = None
    stride_voxel: tuple[int, ...] | None = None
    slices_at_once: int = 16
    largest_component: bool = False

    def __post_init__(self) -> None:
        if self.slices_at_once < 1:
            raise ConfigError(f"inference: slices_at_once must be at least 1, got {self.slices_at_once}")
        if min((*(self.window_voxel or (1,)), *(self.stride_voxel or (1,)))) < 1:
            raise ConfigError(f"inference: window {self.window_voxel} and stride {self.stride_voxel} must be positive")
        if self.stride_voxel is not None and len(self.stride_voxel) != len(self.window_voxel or ()):
            raise ConfigError(f"inference: stride {self.stride_voxel} and window {self.window_voxel} differ in length")


def predict_volume(forward: Forward, image: Tensor, dimensions: int, inference: Inference) -> Tensor:
    """Predict a whole case.

    Args:
        forward: images (B, C, [D], H, W) to probabilities (B, K, [D], H, W).
        image: (C, z, y, x) on the network's grid.
        dimensions: 2 predicts slice by slice and stacks the slices, 3 predicts the volume.
        inference: window and batch size.

    Returns:
        (K, z, y, x) probabilities on the same grid.
    """
    batch = image.transpose(0, 1) if dimensions == 2 else image[None]
    if inference.window_voxel is not None:
        probabilities = _slide(forward, batch, inference)
    else:
        chunks = torch.split(batch, inference.slices_at_once)
        probabilities = torch.cat([forward(chunk.contiguous()) for chunk in chunks])
    return probabilities.transpose(0, 1) if dimensions == 2 else probabilities[0]


def keep_largest_components(labels: Tensor, classes: int) -> Tensor:
    """Keep the largest face-connected component of each class of a map ([z,] y, x); the rest becomes background."""
    from scipy import ndimage

    kept = torch.zeros_like(labels)
    for index in range(1, classes):
        components, count = ndimage.label((labels == index).cpu().numpy())
        if count:
            sizes = torch.from_numpy(components).flatten().bincount()
            sizes[0] = 0
            kept[torch.from_numpy(components == int(sizes.argmax())).to(labels.device)] = index
    return kept


def _slide(forward: Forward, batch: Tensor, inference: Inference) -> Tensor:
    # MONAI takes two seconds to import, so only runs with a window import it
    from monai.inferers.utils import sliding_window_inference

    window = inference.window_voxel or ()
    stride = inference.stride_voxel or tuple(max(1, side // 2) for side in window)
    # MONAI steps by int(side · (1 − overlap)); half a voxel more keeps rounding from losing one
    overlap = [max(0.0, 1.0 - (step + 0.5) / side) for step, side in zip(stride, window, strict=True)]
    result = sliding_window_inference(
        batch, window, inference.slices_at_once, forward, overlap=overlap, mode="constant"
    )
    assert isinstance(result, Tensor)  # the network has one output
    return result


def require_finite_output(probabilities: Tensor, uid: str) -> Tensor:
    """Refuse a network's output that holds numbers which are not finite, of which a label map would be empty.

    Args:
        probabilities: any shape.
        uid: of the case, for the message.

    Returns:
        The same.

    Raises:
        DataError: names the case.
    """
    if not torch.isfinite(probabilities).all():
        raise DataError(
            f"case {uid}: the network's output is NaN or infinite; compare the intensities of the case with those "
            "it was trained on, or use another checkpoint"
        )
    return probabilities
