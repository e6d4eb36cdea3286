"""The penultimate maps are those of the network that predicts, and listening leaves no trace."""

import pytest
import torch
from torch import Tensor, nn

from lesslabel.networks import DualDecoder, TwoHeads, UNet, UShaped, build_network, penultimate_maps


def network(dimensions: int = 2) -> UShaped:
    torch.manual_seed(0)
    shape = UNet(dimensions=dimensions, channels=(4, 6), normalisation="instance")
    return build_network(shape, 1, 3).eval()


def image(dimensions: int = 2) -> Tensor:
    return torch.randn(2, 1, *(8,) * dimensions, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_map_is_what_the_head_sees(dimensions: int) -> None:
    net = network(dimensions)
    with penultimate_maps(net) as maps:
        logits = net(image(dimensions))
    assert [tuple(found.shape) for found in maps] == [(2, 4, *(8,) * dimensions)]
    assert torch.equal(maps[0], net.features(image(dimensions)))
    assert torch.equal(net.head(maps[0]), logits)


@pytest.mark.parametrize("wrap", [DualDecoder, lambda net: TwoHeads(net, 4, 2, 2)], ids=["dual-decoder", "two-heads"])
def test_a_wrapper_gives_the_map_of_its_main_branch(wrap: type[nn.Module]) -> None:
    net = network()
    with penultimate_maps(wrap(net).eval()) as maps:
        pass
    assert maps == []
    wrapper = wrap(net).eval()
    with penultimate_maps(wrapper) as maps:
        wrapper(image())
    assert len(maps) == 1
    assert torch.equal(maps[0], net.features(image()))


def test_only_the_network_that_runs_is_heard() -> None:
    both = nn.ModuleDict({"student": network(), "teacher": network()})
    nn.init.normal_(both["teacher"].encoder.levels[0][0].weight)
    with penultimate_maps(both) as maps:
        both["teacher"](image())
    assert len(maps) == 1
    assert torch.equal(maps[0], both["teacher"].features(image()))


def test_nothing_is_heard_after_the_block_even_if_it_failed() -> None:
    net = network()
    with pytest.raises(RuntimeError), penultimate_maps(net) as maps:
        raise RuntimeError
    net(image())
    assert maps == []
