"""The V-Net as DTC and UA-MT use it."""

import pytest
import torch
from torch import nn

from lesslabel.errors import ConfigError
from lesslabel.networks import VNet, build_network
from lesslabel.networks.vnet import VNetModule

PUBLISHED = VNet(dimensions=3, encoder_dropout=(0.0, 0.0, 0.0, 0.0, 0.5), decoder_dropout=0.5)


def convolutions(module: nn.Module) -> list[tuple[int, int, int]]:
    """(from, to, side) of every convolution, in order."""
    kinds = nn.Conv3d | nn.ConvTranspose3d
    return [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in module.modules() if isinstance(c, kinds)]


@pytest.fixture(scope="module")
def published() -> VNet:
    network = build_network(PUBLISHED, 1, 1)
    assert isinstance(network, VNetModule)
    return network


def test_the_published_widths_and_depths(published: VNet) -> None:
    levels = [(1, 16, 1), (32, 32, 2), (64, 64, 3), (128, 128, 3), (256, 256, 3)]
    expected = [[(first, width, 3)] + [(width, width, 3)] * (count - 1) for first, width, count in levels]
    assert [convolutions(level) for level in published.encoder.levels] == expected
    assert [convolutions(level) for level in published.decoder.levels] == [
        [(width, width, 3)] * count for width, count in ((128, 3), (64, 3), (32, 2), (16, 1))
    ]
    assert [convolutions(step) for step in published.encoder.halvings] == [
        [(width, 2 * width, 2)] for width in (16, 32, 64, 128)
    ]
    assert [convolutions(step) for step in published.decoder.doublings] == [
        [(2 * width, width, 2)] for width in (128, 64, 32, 16)
    ]
    assert convolutions(published.head) == [(16, 1, 1)]


def test_it_has_9_4_million_parameters(published: VNet) -> None:
    assert sum(parameter.numel() for parameter in published.parameters()) / 1e6 == pytest.approx(9.4, abs=0.05)


def test_dropout_is_after_the_last_level_of_the_encoder_and_of_the_decoder(published: VNet) -> None:
    places = {name: module.p for name, module in published.named_modules() if isinstance(module, nn.Dropout3d)}
    assert places == {"encoder.levels.4.9": 0.5, "decoder.levels.3.3": 0.5}


def test_dropout_drops_whole_channels() -> None:
    torch.manual_seed(0)
    network = build_network(VNet(3, (8, 4), (0.0, 0.0), decoder_dropout=0.5), 1, 2).train()
    features = network.features(torch.randn(4, 1, 6, 6, 6)).flatten(2)
    dropped = (features == 0).all(dim=2)
    assert 0 < dropped.sum() < dropped.numel()


def test_skips_are_added_not_joined() -> None:
    """With the doubling silenced, the level of the decoder sees the skip map alone."""
    network = build_network(VNet(2, (4, 6), (0.0, 0.0)), 1, 2).eval()
    nn.init.zeros_(network.decoder.doublings[0][0].weight)
    features = network.encoder(torch.randn(1, 1, 8, 8))
    torch.testing.assert_close(network.decoder(features), network.decoder.levels[0](features[0]))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"decoder_dropout": 1.0}, r"network.decoder_dropout: 1.0 must lie in \[0, 1\)"),
        ({"encoder_dropout": (0.5,)}, "1 values for 5 levels"),
        ({"normalisation": "layer"}, "network.normalisation: 'layer' is not one of"),
    ],
)
def test_settings_that_do_not_fit_are_named(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VNet(**setting)
