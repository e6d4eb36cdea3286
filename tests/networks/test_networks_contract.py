"""What every network shape promises; a new architecture adds a row to SHAPES."""

import itertools

import pytest
import torch
from torch import nn

from lesslabel.networks import DualDecoder, NetworkShape, TwoHeads, UShaped, build_network

NARROW = (4, 6, 8)
NO_DROPOUT = (0.0, 0.0, 0.0)
SHAPES = [
    NetworkShape(
        dimensions=dimensions,
        channels=NARROW,
        encoder_dropout=NO_DROPOUT,
        upsampling=upsampling,
        normalisation=normalisation,
    )
    for dimensions in (2, 3)
    for upsampling in ("transposed", "linear")
    for normalisation in ("batch", "instance", "group")
] + [
    NetworkShape(
        name="vnet", dimensions=dimensions, channels=NARROW, encoder_dropout=NO_DROPOUT, normalisation=normalisation
    )
    for dimensions in (2, 3)
    for normalisation in ("batch", "instance", "group")
]
SIZES = {2: [(16, 16), (13, 18), (5, 7), (21, 1)], 3: [(8, 8, 8), (5, 9, 7), (1, 11, 6)]}
CLASSES = 3


def name(shape: NetworkShape) -> str:
    return f"{shape.name}-{shape.dimensions}d-{shape.upsampling}-{shape.normalisation}"


@pytest.fixture(params=SHAPES, ids=name)
def shape(request: pytest.FixtureRequest) -> NetworkShape:
    return request.param


@pytest.fixture
def network(shape: NetworkShape) -> UShaped:
    torch.manual_seed(0)
    return build_network(shape, in_channels=2, out_channels=CLASSES)


def image_for(shape: NetworkShape, size: tuple[int, ...] | None = None, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 2, *(size or SIZES[shape.dimensions][1]), generator=generator)


def test_logits_have_the_size_of_the_image_for_even_and_odd_sizes(shape: NetworkShape, network: UShaped) -> None:
    for size in SIZES[shape.dimensions]:
        assert network(image_for(shape, size)).shape == (2, CLASSES, *size)


def test_encoder_gives_one_map_per_level_finest_first(shape: NetworkShape, network: UShaped) -> None:
    image = image_for(shape)
    features = network.encoder(image)
    assert [level.shape[1] for level in features] == list(shape.channels)
    assert features[0].shape[2:] == image.shape[2:]
    for fine, coarse in itertools.pairwise(features):
        assert [(size + 1) // 2 for size in fine.shape[2:]] == list(coarse.shape[2:])


def test_forward_is_head_of_decoder_of_encoder(shape: NetworkShape, network: UShaped) -> None:
    network.eval()
    image = image_for(shape)
    features = network.features(image)
    assert features.shape[2:] == image.shape[2:]
    assert torch.equal(features, network.decoder(network.encoder(image)))
    assert torch.equal(network(image), network.head(features))


def test_decoder_leaves_the_features_as_they_were(shape: NetworkShape, network: UShaped) -> None:
    features = network.encoder(image_for(shape))
    before = [level.clone() for level in features]
    network.decoder(features)
    assert len(features) == len(before)
    assert all(torch.equal(level, copy) for level, copy in zip(features, before, strict=True))


def test_a_gradient_reaches_every_parameter(shape: NetworkShape, network: UShaped) -> None:
    assert_every_gradient_is_alive(network, network(image_for(shape)).square().mean())


def test_evaluation_treats_every_sample_alone(shape: NetworkShape, network: UShaped) -> None:
    network.eval()
    image = image_for(shape)
    torch.testing.assert_close(network(image)[:1], network(image[:1]), rtol=1e-5, atol=1e-5)


def test_weights_depend_on_the_seed_alone(shape: NetworkShape) -> None:
    weights = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        weights.append(nn.utils.parameters_to_vector(build_network(shape, 1, 2).parameters()))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_dual_decoder_keeps_the_main_branch_and_adds_another(shape: NetworkShape, network: UShaped) -> None:
    dual = DualDecoder(network).eval()
    image = image_for(shape)
    main, auxiliary = dual(image)
    assert torch.equal(main, network(image))
    assert torch.equal(main, dual.main(image))
    assert auxiliary.shape == main.shape
    assert not torch.allclose(auxiliary, main)


def test_dual_decoder_sends_a_gradient_to_every_parameter(shape: NetworkShape, network: UShaped) -> None:
    dual = DualDecoder(network, dropout=0.2)
    main, auxiliary = dual(image_for(shape))
    assert_every_gradient_is_alive(dual, main.square().mean() + auxiliary.square().mean())


def test_two_heads_keep_the_first_and_add_another_on_the_same_features(shape: NetworkShape, network: UShaped) -> None:
    heads = TwoHeads(network, features=NARROW[0], out_channels=5, dimensions=shape.dimensions).eval()
    image = image_for(shape)
    first, second = heads(image)
    assert torch.equal(first, network(image))
    assert torch.equal(second, heads.second_head(network.features(image)))
    assert second.shape == (2, 5, *image.shape[2:])


def test_two_heads_send_a_gradient_to_every_parameter(shape: NetworkShape, network: UShaped) -> None:
    heads = TwoHeads(network, features=NARROW[0], out_channels=2, dimensions=shape.dimensions)
    first, second = heads(image_for(shape))
    assert_every_gradient_is_alive(heads, first.square().mean() + second.square().mean())


def assert_every_gradient_is_alive(module: nn.Module, loss: torch.Tensor) -> None:
    loss.backward()
    dead = [key for key, value in module.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert dead == []
