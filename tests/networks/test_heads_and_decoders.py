"""Discriminators, heads at several scales, and decoders that upsample differently."""

import pytest
import torch
from torch import nn

from lesslabel.networks import (
    DeepLab,
    Discriminator,
    PyramidHeads,
    ResNetUNet,
    UNet,
    VariedDecoders,
    VNet,
    encoder_maps,
)

DESCRIPTIONS = [
    UNet(channels=(4, 6, 8)),
    UNet(dimensions=3, channels=(4, 6, 8), normalisation="instance"),
    VNet(dimensions=3, channels=(4, 6, 8), normalisation="instance"),
    ResNetUNet(depth=10, decoder_channels=(4, 6, 8, 10, 12)),
]
every_network = pytest.mark.parametrize(
    "description", DESCRIPTIONS, ids=lambda one: f"{type(one).__name__}{one.dimensions}"
)


def built(description):
    torch.manual_seed(0)
    image = torch.randn(2, 1, *(17, 14, 9)[-description.dimensions :])
    return description.build(1, 3).eval(), image


@every_network
@torch.no_grad()
def test_the_last_level_of_a_decoder_is_its_result(description) -> None:
    network, image = built(description)
    features = network.encoder(image)
    maps = network.decoder.level_maps(features)
    assert torch.equal(maps[-1], network.decoder(features))
    assert torch.equal(maps[0], features[-1])
    assert tuple(level.shape[1] for level in maps) == network.decoder.level_channels
    sizes = [level[0, 0].numel() for level in maps]
    assert sizes == sorted(sizes)


@every_network
@torch.no_grad()
def test_heads_at_every_scale_predict_at_the_size_of_the_image(description) -> None:
    network, image = built(description)
    heads = PyramidHeads(network, 3, description.dimensions, scales=3).eval()
    logits = heads(image)
    assert [tuple(one.shape) for one in logits] == [(2, 3, *image.shape[2:])] * 3
    assert torch.equal(logits[0], network(image))
    assert torch.equal(logits[0], heads.finest(image))
    assert [head.in_channels for head in heads.heads] == list(network.decoder.level_channels[-3:-1])


def test_a_decoder_without_levels_has_one_scale() -> None:
    network = DeepLab(depth=10, decoder_channels=8).build(1, 3)
    assert network.decoder.level_channels == (8,)
    assert not PyramidHeads(network, 3, 2, scales=4).heads


@every_network
@torch.no_grad()
def test_further_decoders_interpolate_where_the_first_convolves(description) -> None:
    network, image = built(description)
    varied = VariedDecoders(network, description.dimensions, ("linear", "nearest")).eval()
    logits = varied(image)
    assert len(logits) == 3
    assert torch.equal(logits[0], varied.main(image))
    assert not torch.equal(logits[1], logits[2])
    transposed = (nn.ConvTranspose2d, nn.ConvTranspose3d)
    assert not any(isinstance(module, transposed) for module in varied.decoders.modules())
    modes = [module.mode for module in varied.decoders.modules() if isinstance(module, nn.Upsample)]
    replaced = sum(isinstance(module, transposed) for module in network.decoder.modules())
    linear = "bilinear" if description.dimensions == 2 else "trilinear"
    assert modes == [linear] * replaced + ["nearest"] * replaced


@pytest.mark.parametrize("grid", [(5, 7), (64, 64), (1, 1), (4, 16, 16), (3, 5, 9)])
def test_a_discriminator_scores_samples_of_any_size(grid: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(len(grid), 3)
    judged = torch.randn(2, 3, *grid)
    scores = discriminator(judged)
    assert scores.shape == (2,)
    torch.testing.assert_close(discriminator(judged[:1]), scores[:1])


@torch.no_grad()
def test_encoder_maps_are_those_of_the_pass_that_runs() -> None:
    network, image = built(DESCRIPTIONS[0])
    with encoder_maps(network) as maps:
        logits = network(image)
    assert len(maps) == 1
    assert torch.equal(network.head(network.decoder(maps[0])), logits)
    network(image)
    assert len(maps) == 1
