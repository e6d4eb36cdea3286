"""Where the auxiliary branch's dropout acts, and that its weights are its own."""

import pytest
import torch
from torch import Tensor, nn

from lesslabel.errors import ConfigError
from lesslabel.networks import DualDecoder, UNet, UShaped, build_network

CHANNELS = (4, 6, 8)


def build(dimensions: int = 2) -> UShaped:
    torch.manual_seed(0)
    return build_network(UNet(dimensions=dimensions, channels=CHANNELS), 1, 2)


def image(dimensions: int = 2) -> Tensor:
    return torch.randn(2, 1, *(16,) * dimensions, generator=torch.Generator().manual_seed(1))


def seen_by_decoders(dual: DualDecoder, dimensions: int = 2) -> tuple[list[Tensor], list[Tensor]]:
    """Run the network and record the maps that the main and the auxiliary decoder were given."""
    seen: list[list[Tensor]] = []

    def record(_module: nn.Module, inputs: tuple[list[Tensor]]) -> None:
        seen.append(list(inputs[0]))

    handles = [module.register_forward_pre_hook(record) for module in (dual.network.decoder, dual.auxiliary_decoder)]
    dual(image(dimensions))
    for handle in handles:
        handle.remove()
    main, auxiliary = seen
    return main, auxiliary


@pytest.mark.parametrize("dimensions", [2, 3])
def test_bottleneck_dropout_leaves_the_skips_untouched(dimensions: int) -> None:
    main, auxiliary = seen_by_decoders(DualDecoder(build(dimensions)), dimensions)
    assert all(torch.equal(skip, same) for skip, same in zip(main[:-1], auxiliary[:-1], strict=True))
    assert_dropped(main[-1], auxiliary[-1], probability=0.5)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_dropout_on_all_maps_reaches_every_map_of_the_auxiliary_path(dimensions: int) -> None:
    main, auxiliary = seen_by_decoders(DualDecoder(build(dimensions), dropout_at="all"), dimensions)
    for before, after in zip(main, auxiliary, strict=True):
        assert_dropped(before, after, probability=0.5)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_channel_dropout_drops_whole_channels(dimensions: int) -> None:
    dual = DualDecoder(build(dimensions), dropout_at="all", element="channel")
    main, auxiliary = seen_by_decoders(dual, dimensions)
    dropped = 0
    for before, after in zip(main, auxiliary, strict=True):
        gone = (after == 0).flatten(2).all(2)
        kept = ~gone
        assert torch.allclose(after[kept], 2 * before[kept])
        dropped += int(gone.sum())
    assert 0 < dropped < 2 * sum(CHANNELS)


def test_voxel_dropout_drops_the_stated_share() -> None:
    main, auxiliary = seen_by_decoders(DualDecoder(build(), dropout=0.2, dropout_at="all"))
    share = torch.cat([(after == 0).flatten() for after in auxiliary]).double().mean().item()
    assert all((before != 0).all() for before in main)
    assert share == pytest.approx(0.2, abs=0.03)


def test_evaluation_is_deterministic_by_default() -> None:
    dual = DualDecoder(build(), dropout_at="all").eval()
    main, auxiliary = seen_by_decoders(dual)
    assert all(torch.equal(before, after) for before, after in zip(main, auxiliary, strict=True))


def test_dropout_in_evaluation_makes_only_the_auxiliary_branch_random() -> None:
    dual = DualDecoder(build(), dropout_at="all", element="channel", in_evaluation=True).eval()
    first_main, first_auxiliary = dual(image())
    second_main, second_auxiliary = dual(image())
    assert torch.equal(first_main, second_main)
    assert not torch.equal(first_auxiliary, second_auxiliary)


def test_auxiliary_weights_are_drawn_anew_with_the_same_law() -> None:
    dual = DualDecoder(build())
    pairs = [(dual.network.decoder, dual.auxiliary_decoder), (dual.network.head, dual.auxiliary_head)]
    for main, auxiliary in pairs:
        for (name, ours), (_, theirs) in zip(main.named_parameters(), auxiliary.named_parameters(), strict=True):
            assert ours.shape == theirs.shape
            assert ours.data_ptr() != theirs.data_ptr()
            if ours.ndim > 1:
                assert not torch.equal(ours, theirs), name
                assert theirs.std().item() == pytest.approx(ours.std().item(), rel=0.35)


def test_wrapping_leaves_the_network_as_it_was() -> None:
    network = build()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    DualDecoder(network)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_only_the_main_branch_runs_at_inference() -> None:
    dual = DualDecoder(build()).eval()

    def refuse(_module: nn.Module, _inputs: object) -> None:
        raise AssertionError("the auxiliary decoder ran")

    dual.auxiliary_decoder.register_forward_pre_hook(refuse)
    assert dual.main(image()).shape == (2, 2, 16, 16)


def test_a_layer_that_cannot_be_drawn_anew_is_refused() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

    network = build()
    network.head = nn.Sequential(network.head, Scale())
    with pytest.raises(ConfigError, match=r"Scale has parameters but no reset_parameters\(\)"):
        DualDecoder(network)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dropout": 1.0}, r"dropout: 1.0 must lie in \[0, 1\)"),
        ({"dropout": -0.1}, r"dropout: -0.1 must lie in \[0, 1\)"),
        ({"dropout_at": "skips"}, "dropout_at: 'skips'"),
        ({"element": "pixel"}, "element: 'pixel'"),
    ],
)
def test_wrong_settings_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DualDecoder(build(), **values)


def assert_dropped(before: Tensor, after: Tensor, probability: float) -> None:
    gone = (after == 0) & (before != 0)
    assert 0 < int(gone.sum()) < gone.numel()
    assert torch.allclose(after[~gone], before[~gone] / (1 - probability))
