"""Optimisers: which weights learn at which rate."""

import pytest
import torch

from lesslabel.errors import ConfigError
from lesslabel.methods import FCANet, Optimiser, Supervised
from lesslabel.methods.players import configure_all
from lesslabel.networks import UNet

NETWORK = UNet(channels=(4, 8))


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_encoders_can_learn_at_a_share_of_the_rate(name: str) -> None:
    optimiser = Optimiser(name=name, learning_rate=0.1, encoder_share=0.01)  # type: ignore[arg-type]
    method = FCANet(network=NETWORK, size_voxel=(16, 16), attention_channels=(2, 2), optimiser=optimiser)
    configured = configure_all(method, 100)
    rates = {id(weight): group["lr"] for group in configured["optimizer"].param_groups for weight in group["params"]}
    inside = {id(weight) for weight in method.network.encoder.parameters()}
    assert sorted(set(rates.values())) == pytest.approx([0.001, 0.1])
    assert all((rates[id(weight)] < 0.01) == (id(weight) in inside) for weight in method.parameters())
    assert len(rates) == len(list(method.parameters()))
    for _ in range(50):
        configured["optimizer"].step()
        configured["lr_scheduler"]["scheduler"].step()
    high, low = (group["lr"] for group in configured["optimizer"].param_groups)
    assert low == pytest.approx(0.01 * high)
    assert high < 0.1


def test_a_frozen_encoder_has_its_group_too_so_that_a_checkpoint_goes_on() -> None:
    optimiser = Optimiser(encoder_share=0.1)
    outside, encoder = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    built = optimiser.build(outside.parameters(), encoder.parameters())
    assert [len(group["params"]) for group in built.param_groups] == [2, 0]
    again = optimiser.build(outside.parameters(), encoder.parameters())
    again.load_state_dict(built.state_dict())


def test_without_a_share_there_is_one_group() -> None:
    method = Supervised(num_classes=2, network=NETWORK)
    (group,) = configure_all(method, 10)["optimizer"].param_groups
    assert [id(weight) for weight in group["params"]] == [id(weight) for weight in method.parameters()]
    assert torch.optim.SGD is type(configure_all(method, 10)["optimizer"])


def test_a_share_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="encoder_share must be positive"):
        Optimiser(encoder_share=0.0)
