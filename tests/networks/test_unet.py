import itertools

import pytest
import torch
from jsonargparse import ArgumentParser
from torch import nn

from lesslabel.errors import ConfigError
from lesslabel.networks import Network, UNet, build_network
from lesslabel.networks.unet import UNetModule


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def expected_parameters(channels: tuple[int, ...], in_channels: int, classes: int, dimensions: int) -> int:
    """Count by formula: two convolutions and two (scale, shift) pairs per level, transposed convolutions, the head."""
    three, two = 3**dimensions, 2**dimensions
    total = 0
    for coming, going in zip((in_channels, *channels), channels, strict=False):
        total += three * (coming * going + going * going) + 4 * going
    for fine, coarse in itertools.pairwise(channels):
        total += two * coarse * fine + fine
        total += three * (2 * fine * fine + fine * fine) + 4 * fine
    return total + three * channels[0] * classes + classes


def test_default_unet_has_the_published_size() -> None:
    network = build_network(UNet(), in_channels=1, out_channels=4)
    assert count(network) == 1_942_852
    assert count(network) == expected_parameters((16, 32, 64, 128, 256), 1, 4, dimensions=2)


def test_default_3d_unet_size() -> None:
    network = build_network(UNet(dimensions=3), in_channels=1, out_channels=8)
    assert count(network) == expected_parameters((16, 32, 64, 128, 256), 1, 8, dimensions=3)


def test_level_is_two_convolutions_with_dropout_between() -> None:
    network = build_network(UNet(channels=(2, 4), encoder_dropout=(0.25, 0.5)), 1, 2)
    encoder_level, decoder_level = network.encoder.levels[1], network.decoder.levels[0]
    kinds = [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU, nn.Dropout, nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]
    assert [type(layer) for layer in encoder_level] == kinds
    assert [level[3].p for level in network.encoder.levels] == [0.25, 0.5]
    assert not any(isinstance(layer, nn.Dropout) for layer in decoder_level)


def test_one_level_up_by_hand() -> None:
    """The decoder joins (skip, upsampled) in this order, for either upsampling."""
    for upsampling in ("transposed", "linear"):
        network = UNetModule(2, 1, 2, (2, 3), (0.0, 0.0), upsampling).eval()
        fine, coarse = torch.randn(1, 2, 6, 6), torch.randn(1, 3, 3, 3)
        upsampled = network.decoder.upsamplings[0](coarse)
        assert upsampled.shape == (1, 2, 6, 6)
        expected = network.decoder.levels[0](torch.cat([fine, upsampled], dim=1))
        assert torch.equal(network.decoder([fine, coarse]), expected)


def test_linear_upsampling_of_a_ramp_stays_a_ramp() -> None:
    """Pooled voxels sit between their sources: a ramp of step 2 comes back as one of step 1, half a voxel in."""
    upsample = UNetModule(2, 1, 2, (1, 1), (0.0, 0.0), "linear").decoder.upsamplings[0]
    with torch.no_grad():
        upsample.convolution.weight.fill_(1.0)
        upsample.convolution.bias.zero_()
    ramp = (2 * torch.arange(4.0) + 0.5).expand(1, 1, 4, 4)
    assert torch.allclose(upsample(ramp)[0, 0, 3, 1:-1], torch.arange(1.0, 7.0))


def test_group_normalisation_divides_any_width() -> None:
    network = UNetModule(2, 1, 2, (6, 9, 16), (0.0, 0.0, 0.0), normalisation="group")
    assert [level[1].num_groups for level in network.encoder.levels] == [2, 1, 8]


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    network = UNetModule(2, 1, 2, (4, 4), (0.5, 0.5), normalisation="instance")
    image = torch.randn(1, 1, 8, 8)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))


def test_channels_last_gives_the_same_logits() -> None:
    torch.manual_seed(0)
    network = UNetModule(2, 1, 2, (4, 4), (0.0, 0.0)).eval()
    image = torch.randn(2, 1, 8, 8)
    expected = network(image)
    network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(network(image.to(memory_format=torch.channels_last)), expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"channels": (16,), "encoder_dropout": (0.0,)}, "two or more positive widths"),
        ({"channels": (16, 0), "encoder_dropout": (0.0, 0.0)}, "two or more positive widths"),
        ({"channels": (16, 32), "encoder_dropout": (0.1,)}, "1 values for 2 levels"),
        ({"encoder_dropout": (0.0, 0.0, 0.0, 0.0, 1.0)}, r"must lie in \[0, 1\)"),
        ({"encoder_dropout": (0.0, 0.0, -0.1, 0.0, 0.0)}, r"must lie in \[0, 1\)"),
        ({"dimensions": 4}, "network.dimensions: 4 is not one of 2, 3"),
        ({"upsampling": "cubic"}, "network.upsampling"),
        ({"normalisation": "layer"}, "network.normalisation"),
    ],
)
def test_a_wrong_shape_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UNet(**values)


@pytest.mark.parametrize(("in_channels", "out_channels"), [(0, 2), (1, 0)])
def test_a_network_without_channels_is_refused(in_channels: int, out_channels: int) -> None:
    with pytest.raises(ConfigError, match="both must be at least 1"):
        build_network(UNet(), in_channels, out_channels)


def test_a_description_is_a_class_path_of_a_config() -> None:
    parser = ArgumentParser()
    parser.add_argument("--network", type=Network)
    parsed = parser.parse_args(["--network=UNet", "--network.channels=[4, 8]", "--network.encoder_dropout=[0, 0.1]"])
    assert parsed.network.class_path == "lesslabel.networks.UNet"
    assert parser.instantiate_classes(parsed).network == UNet(channels=(4, 8), encoder_dropout=(0.0, 0.1))
