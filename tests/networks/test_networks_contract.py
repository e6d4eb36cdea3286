"""What every network promises; a new architecture adds a row to ROWS."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pytest
import torch
from torch import nn

from lesslabel.bundle.plain import read_value
from lesslabel.networks import (
    VGG16,
    DeepLab,
    DualDecoder,
    HRNet,
    Network,
    ResidualUNet,
    ResNetUNet,
    TwoHeads,
    UNet,
    UShaped,
    VNet,
    penultimate_maps,
)

NARROW = (4, 6, 8)
NORMALISATIONS = ("batch", "instance", "group")


@dataclass(frozen=True)
class Row:
    """An architecture, and sizes of images in 2D and in 3D that suit its number of levels; the second is odd."""

    network: Network
    sizes: Sequence[tuple[int, ...]]

    @property
    def name(self) -> str:
        """Every setting that is not the default, in words."""
        settings = [str(value) for key, value in asdict(self.network).items() if key != "channels"]
        return "-".join([type(self.network).__name__, *settings])


SMALL = {2: [(16, 16), (13, 18), (5, 7), (21, 1)], 3: [(8, 8, 8), (5, 9, 7), (1, 11, 6)]}
LARGE = {2: [(64, 64), (35, 50), (33, 64)], 3: [(32, 32, 64), (17, 33, 35)]}
WIDTHS = (4, 6, 8, 10, 12)
ROWS = [
    *(
        Row(UNet(dimensions, NARROW, upsampling=upsampling, normalisation=normalisation), SMALL[dimensions])
        for dimensions in (2, 3)
        for upsampling in ("transposed", "linear")
        for normalisation in NORMALISATIONS
    ),
    *(
        Row(VNet(dimensions, NARROW, normalisation=normalisation), SMALL[dimensions])
        for dimensions in (2, 3)
        for normalisation in NORMALISATIONS
    ),
    Row(ResNetUNet(2, 10, WIDTHS), LARGE[2]),
    Row(ResNetUNet(2, 18, WIDTHS, "instance"), LARGE[2]),
    Row(ResNetUNet(2, 50, WIDTHS, "group"), LARGE[2]),
    Row(ResNetUNet(3, 10, WIDTHS, "instance"), LARGE[3]),
    Row(ResidualUNet(2, WIDTHS), SMALL[2]),
    Row(ResidualUNet(3, (4, 6, 8), (0.1, 0.2, 0.3), 1, "instance"), SMALL[3]),
    Row(DeepLab(2, 10, decoder_channels=8), LARGE[2]),
    Row(DeepLab(2, 10, 8, (1, 2), 8, "instance"), LARGE[2]),
    Row(DeepLab(2, 10, 32, (1, 2), 8, "group"), LARGE[2]),
    Row(DeepLab(3, 10, 16, (1, 2), 8, "instance"), LARGE[3]),
    Row(HRNet(2, 16), LARGE[2]),
    Row(HRNet(2, 16, "instance"), LARGE[2]),
    Row(VGG16(2, WIDTHS[:4]), LARGE[2]),
    Row(VGG16(2, WIDTHS[:4], "batch"), LARGE[2]),
    Row(VGG16(3, WIDTHS[:4]), [(5, 9, 17)]),
]
CLASSES = 3


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


@pytest.fixture
def network(row: Row) -> UShaped:
    torch.manual_seed(0)
    return row.network.build(in_channels=2, out_channels=CLASSES)


def image_for(row: Row, size: tuple[int, ...] | None = None, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 2, *(size or row.sizes[min(1, len(row.sizes) - 1)]), generator=generator)


def test_logits_have_the_size_of_the_image_for_even_and_odd_sizes(row: Row, network: UShaped) -> None:
    for size in row.sizes:
        assert network(image_for(row, size)).shape == (2, CLASSES, *size)


def test_the_encoder_gives_the_maps_that_it_declares(row: Row, network: UShaped) -> None:
    encoder = network.encoder
    assert encoder.strides[0] == 1
    assert list(encoder.strides) == sorted(encoder.strides)
    for size in row.sizes:
        maps = network.encoder(image_for(row, size))
        assert [level.shape[1] for level in maps] == list(encoder.channels)
        sides = [[math.ceil(side / stride) for side in size] for stride in encoder.strides]
        assert [list(level.shape[2:]) for level in maps] == sides


def test_the_penultimate_map_is_as_wide_as_declared(row: Row, network: UShaped) -> None:
    image = image_for(row)
    with penultimate_maps(network) as maps:
        network(image)
    assert [found.shape for found in maps] == [(2, row.network.feature_channels, *image.shape[2:])]
    assert network.feature_channels == row.network.feature_channels


def test_a_batch_of_one_trains_where_nothing_depends_on_the_batch(row: Row, network: UShaped) -> None:
    if row.network.normalisation == "batch":
        pytest.skip("batch normalisation needs more than one value of a channel")
    network(image_for(row, row.sizes[0], batch=1)).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())


def test_a_description_is_built_from_its_class_path(row: Row) -> None:
    kind = type(row.network)
    plain = {
        "class_path": f"lesslabel.networks.{kind.__name__}",
        "init_args": json.loads(json.dumps(asdict(row.network))),
    }
    assert read_value(Network, plain, "network") == row.network


def test_forward_is_head_of_decoder_of_encoder(row: Row, network: UShaped) -> None:
    network.eval()
    image = image_for(row)
    features = network.features(image)
    assert features.shape[2:] == image.shape[2:]
    assert torch.equal(features, network.decoder(network.encoder(image)))
    assert torch.equal(network(image), network.head(features))


def test_decoder_leaves_the_features_as_they_were(row: Row, network: UShaped) -> None:
    features = network.encoder(image_for(row))
    before = [level.clone() for level in features]
    network.decoder(features)
    assert len(features) == len(before)
    assert all(torch.equal(level, copy) for level, copy in zip(features, before, strict=True))


def test_a_gradient_reaches_every_parameter(row: Row, network: UShaped) -> None:
    assert_every_gradient_is_alive(network, network(image_for(row)).square().mean())


def test_evaluation_treats_every_sample_alone(row: Row, network: UShaped) -> None:
    network.double().eval()
    image = image_for(row).double()
    torch.testing.assert_close(network(image)[:1], network(image[:1]), rtol=1e-5, atol=1e-5)


def test_weights_depend_on_the_seed_alone(row: Row) -> None:
    weights = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        weights.append(nn.utils.parameters_to_vector(row.network.build(1, 2).parameters()))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_dual_decoder_keeps_the_main_branch_and_adds_another(row: Row, network: UShaped) -> None:
    dual = DualDecoder(network).eval()
    image = image_for(row)
    main, auxiliary = dual(image)
    assert torch.equal(main, network(image))
    assert torch.equal(main, dual.main(image))
    assert auxiliary.shape == main.shape
    assert not torch.allclose(auxiliary, main)


def test_dual_decoder_sends_a_gradient_to_every_parameter(row: Row, network: UShaped) -> None:
    dual = DualDecoder(network, dropout=0.2)
    main, auxiliary = dual(image_for(row))
    assert_every_gradient_is_alive(dual, main.square().mean() + auxiliary.square().mean())


def test_two_heads_keep_the_first_and_add_another_on_the_same_features(row: Row, network: UShaped) -> None:
    heads = TwoHeads(
        network, features=row.network.feature_channels, out_channels=5, dimensions=row.network.dimensions
    ).eval()
    image = image_for(row)
    first, second = heads(image)
    assert torch.equal(first, network(image))
    assert torch.equal(second, heads.second_head(network.features(image)))
    assert second.shape == (2, 5, *image.shape[2:])


def test_two_heads_send_a_gradient_to_every_parameter(row: Row, network: UShaped) -> None:
    heads = TwoHeads(network, features=row.network.feature_channels, out_channels=2, dimensions=row.network.dimensions)
    first, second = heads(image_for(row))
    assert_every_gradient_is_alive(heads, first.square().mean() + second.square().mean())


def assert_every_gradient_is_alive(module: nn.Module, loss: torch.Tensor) -> None:
    loss.backward()
    dead = [key for key, value in module.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert dead == []
