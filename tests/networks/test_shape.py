"""The form in which networks were described before: it gives the descriptions of today."""

from typing import Any

import pytest
import torch
from torch import nn

from lesslabel.errors import ConfigError
from lesslabel.networks import Network, NetworkShape, UNet, VNet
from lesslabel.networks.shape import current_form, same_networks, with_current_name, with_current_network

OLD = {
    "dimensions": 3,
    "channels": [4, 8],
    "encoder_dropout": [0.0, 0.0],
    "upsampling": "transposed",
    "normalisation": "batch",
    "decoder_dropout": 0.0,
}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, UNet()),
        ({"name": "unet", "upsampling": "linear", "decoder_dropout": 0.0}, UNet(upsampling="linear")),
        ({"name": "vnet", "decoder_dropout": 0.5, "upsampling": "transposed"}, VNet(decoder_dropout=0.5)),
    ],
)
def test_what_described_both_describes_one(settings: dict[str, Any], expected: Network) -> None:
    with pytest.warns(DeprecationWarning, match="NetworkShape is deprecated"):
        made = NetworkShape(**settings)
    assert made == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "vnet", "upsampling": "linear"}, "network.upsampling: VNet has none, it has dimensions, channels"),
        ({"name": "unet", "decoder_dropout": 0.5}, "network.decoder_dropout: UNet has none"),
        ({"name": "wnet"}, "network.name: 'wnet' is not one of 'unet', 'vnet'"),
    ],
)
@pytest.mark.filterwarnings("ignore:NetworkShape")
def test_settings_of_the_other_architecture_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NetworkShape(**settings)


def test_positions_stay_as_they_were() -> None:
    with pytest.warns(DeprecationWarning, match="NetworkShape"):
        made = NetworkShape("vnet", 3, (4, 8), (0.0, 0.5), "transposed", "group", 0.25)
    assert made == VNet(3, (4, 8), (0.0, 0.5), normalisation="group", decoder_dropout=0.25)


def test_a_resolved_configuration_of_before_says_the_same() -> None:
    network = current_form({"name": "vnet", **OLD})
    assert network["class_path"] == "lesslabel.networks.VNet"
    assert network["init_args"].keys() == OLD.keys() - {"upsampling"}
    assert current_form({"name": "unet", **OLD})["init_args"].keys() == OLD.keys() - {"decoder_dropout"}
    assert current_form(network) == network


def test_only_networks_are_touched() -> None:
    overlay = {"model": {"init_args": {"network": {"channels": [4, 8]}}}, "name": "vnet"}
    assert with_current_network(overlay) == overlay
    for other in ({}, {"model": "lesslabel.methods.DMPLS"}, {"model": {"init_args": None}}):
        assert with_current_network(other) == other


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("model.network.name", "vnet"), ("model.network", "lesslabel.networks.VNet")),
        (("model.init_args.network.name", "unet"), ("model.init_args.network", "lesslabel.networks.UNet")),
        (("name", "unet"), ("name", "unet")),
        (("model.network.name", "resnet"), ("model.network.name", "resnet")),
        (("seed", "1"), ("seed", "1")),
    ],
)
def test_a_name_in_a_setting_becomes_a_class(given: tuple[str, str], expected: tuple[str, str]) -> None:
    assert with_current_name(*given) == expected


def test_no_dropout_is_the_same_however_it_is_written() -> None:
    def config(dropout: list[float]) -> dict[str, Any]:
        settings = {"channels": [4, 8], "encoder_dropout": dropout}
        return {"model": {"init_args": {"network": {"class_path": "lesslabel.networks.UNet", "init_args": settings}}}}

    assert same_networks(config([])) == same_networks(config([0.0, 0.0]))
    assert same_networks(config([])) != same_networks(config([0.0, 0.5]))


def test_dropout_of_nothing_draws_the_same_weights() -> None:
    weights = []
    for dropout in ((), (0.0, 0.0)):
        torch.manual_seed(0)
        network = UNet(channels=(4, 8), encoder_dropout=dropout).build(1, 2)
        weights.append(nn.utils.parameters_to_vector(network.parameters()))
    assert torch.equal(*weights)
