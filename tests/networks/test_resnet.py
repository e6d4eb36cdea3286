"""Residual encoders: the layers of torchvision's, and dilation that changes no filter's view."""

import pytest
import torch

from lesslabel.errors import ConfigError
from lesslabel.networks import DeepLab, ResNetUNet
from lesslabel.networks.deeplab import ASPP
from lesslabel.networks.resnet import ResNetEncoder


@pytest.mark.parametrize(
    ("depth", "parameters", "last"),
    [(18, 11_176_512, 512), (34, 21_284_672, 512), (50, 23_508_032, 2048), (101, 42_500_160, 2048)],
)
def test_it_has_the_parameters_of_the_published_ones_without_their_classifier(
    depth: int, parameters: int, last: int
) -> None:
    """torchvision's documentation: 11 689 512, 21 797 672, 25 557 032 and 44 549 160, with 1000·(width + 1) of fc."""
    encoder = ResNetEncoder(2, 3, depth)
    assert sum(weight.numel() for weight in encoder.parameters()) == parameters
    assert encoder.channels[-1] == last


def test_its_layers_have_the_names_of_torchvision() -> None:
    names = ResNetEncoder(2, 3, 50).state_dict().keys()
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.downsample.0.weight", "layer4.2.conv3.weight"} <= names
    assert "layer3.0.downsample.1.bias" in names
    assert "layer3.1.downsample.0.weight" not in names
    assert "layer1.0.downsample.0.weight" not in ResNetEncoder(2, 3, 18).state_dict()


@pytest.mark.parametrize("depth", [10, 50])
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize(("output_stride", "strides"), [(16, (4, 8, 16, 16)), (8, (4, 8, 8, 8))])
def test_a_dilated_stage_sees_what_the_halving_one_saw(
    depth: int, dimensions: int, output_stride: int, strides: tuple[int, ...]
) -> None:
    """At every second (fourth) voxel the maps are those of the encoder that halves, also at odd sizes."""
    torch.manual_seed(0)
    halving = ResNetEncoder(dimensions, 1, depth).double().eval()
    dilated = ResNetEncoder(dimensions, 1, depth, output_stride).double().eval()
    dilated.load_state_dict(halving.state_dict())
    assert dilated.strides == (1, 2, *strides)
    image = torch.randn(1, 1, *((67, 90) if dimensions == 2 else (33, 40, 35)), dtype=torch.float64)
    with torch.no_grad():
        for stride, expected, found in zip(halving.strides, halving(image), dilated(image), strict=True):
            every = stride // dilated.strides[halving.strides.index(stride)]
            thinned = found[(..., *(slice(None, None, every),) * dimensions)]
            torch.testing.assert_close(thinned, expected)


def test_the_pyramid_sees_a_constant_as_a_constant() -> None:
    """Away from the border every branch gives one value; the mean of the whole map joins as such."""
    torch.manual_seed(0)
    pyramid = ASPP(2, 3, 4, (2, 3), "batch").eval()
    result = pyramid(torch.ones(1, 3, 21, 21))
    inside = result[..., 3:-3, 3:-3]
    torch.testing.assert_close(inside, inside[..., :1, :1].expand_as(inside))
    assert not torch.allclose(result[..., 0, 0], result[..., 10, 10])


def test_the_head_commutes_with_the_enlargement() -> None:
    """The logits are those that a head at a quarter of the size gives, enlarged."""
    torch.manual_seed(0)
    network = DeepLab(depth=10, rates=(1,), decoder_channels=4).build(1, 2).eval()
    features = network.encoder(torch.randn(1, 1, 35, 50))
    fused = network.decoder.fuse(
        torch.cat(
            [
                network.decoder.low_level(features[2]),
                torch.nn.functional.interpolate(
                    network.decoder.aspp(features[-1]), features[2].shape[2:], mode="bilinear"
                ),
            ],
            dim=1,
        )
    )
    coarse = torch.nn.functional.interpolate(network.head(fused), (35, 50), mode="bilinear")
    torch.testing.assert_close(network.head(network.decoder(features)), coarse, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (ResNetUNet, {"depth": 20}, "network.depth: 20 is not one of 10, 18, 34, 50, 101"),
        (ResNetUNet, {"decoder_channels": (8, 16)}, "network.decoder_channels: .* must be 5 positive widths"),
        (DeepLab, {"output_stride": 4}, "network.output_stride: 4 is not one of 8, 16, 32"),
        (DeepLab, {"rates": ()}, "network.rates and decoder_channels"),
        (DeepLab, {"decoder_channels": 0}, "network.rates and decoder_channels"),
        (DeepLab, {"dimensions": 4}, "network.dimensions: 4 is not one of 2, 3"),
    ],
)
def test_settings_that_do_not_fit_are_named(kind: type, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(**settings)
