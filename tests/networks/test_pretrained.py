"""Encoders that start from a file: names, other channel counts, what did not match, and no code run."""

import pickle
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from lesslabel.errors import ConfigError
from lesslabel.networks import VGG16, DeepLab, HRNet, Network, ResNetUNet, UShaped
from lesslabel.networks.pretrained import load_pretrained, without_pretrained
from lesslabel.networks.resnet import ResNetEncoder


def torchvision_resnet18(channels: int = 3) -> dict[str, Tensor]:
    """The names and shapes of torchvision's resnet18, written down by hand; random numbers."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, channels, 7, 7), **_norm("bn1", 64)}
    widths = (64, 64, 128, 256, 512)
    for stage in range(1, 5):
        going = widths[stage]
        for block in range(2):
            coming = widths[stage - 1] if block == 0 else going
            prefix = f"layer{stage}.{block}"
            shapes[f"{prefix}.conv1.weight"] = (going, coming, 3, 3)
            shapes |= _norm(f"{prefix}.bn1", going)
            shapes[f"{prefix}.conv2.weight"] = (going, going, 3, 3)
            shapes |= _norm(f"{prefix}.bn2", going)
            if coming != going:
                shapes[f"{prefix}.downsample.0.weight"] = (going, coming, 1, 1)
                shapes |= _norm(f"{prefix}.downsample.1", going)
    shapes |= {"fc.weight": (1000, 512), "fc.bias": (1000,)}
    return _random(shapes)


def torchvision_vgg16(normalised: bool) -> dict[str, Tensor]:
    """The names and shapes of torchvision's vgg16 or vgg16_bn; random numbers."""
    shapes: dict[str, tuple[int, ...]] = {}
    place, coming = 0, 3
    for width, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            shapes |= {f"features.{place}.weight": (width, coming, 3, 3), f"features.{place}.bias": (width,)}
            if normalised:
                shapes |= _norm(f"features.{place + 1}", width)
            place, coming = place + (3 if normalised else 2), width
        place += 1
    return _random({**shapes, "classifier.0.weight": (8, 8), "classifier.0.bias": (8,)})


def timm_hrnet_w18() -> dict[str, Tensor]:
    """Some names and shapes of timm's hrnet_w18, one of every kind of layer; random numbers."""
    shapes = {
        "conv1.weight": (64, 3, 3, 3),
        "conv2.weight": (64, 64, 3, 3),
        "bn2.weight": (64,),
        "layer1.0.conv3.weight": (256, 64, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer1.3.conv1.weight": (64, 256, 1, 1),
        "transition1.0.0.weight": (18, 256, 3, 3),
        "transition1.1.0.0.weight": (36, 256, 3, 3),
        "transition2.2.0.0.weight": (72, 36, 3, 3),
        "transition3.3.0.1.running_var": (144,),
        "stage2.0.branches.1.3.conv2.weight": (36, 36, 3, 3),
        "stage2.0.fuse_layers.0.1.0.weight": (18, 36, 1, 1),
        "stage2.0.fuse_layers.1.0.0.0.weight": (36, 18, 3, 3),
        "stage3.3.fuse_layers.2.0.0.0.weight": (18, 18, 3, 3),
        "stage3.3.fuse_layers.2.0.1.0.weight": (72, 18, 3, 3),
        "stage4.2.branches.3.0.bn1.weight": (144,),
        "stage4.2.fuse_layers.3.0.2.1.bias": (144,),
        "incre_modules.0.0.conv1.weight": (32, 18, 1, 1),
        "classifier.weight": (1000, 2048),
    }
    return _random(shapes)


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{kind}": (width,) for kind in ("weight", "bias", "running_mean", "running_var")}


def _random(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {name: torch.rand(shape, generator=generator) + 0.1 for name, shape in shapes.items()}


def write(state: object, path: Path) -> str:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)  # type: ignore[arg-type]
    else:
        torch.save(state, path)
    return str(path)


@pytest.fixture
def said() -> Iterator[Callable[[], str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lambda: "\n".join(str(each.message) for each in caught)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_file_with_the_names_of_torchvision_is_taken(tmp_path: Path, suffix: str, said: Callable[[], str]) -> None:
    state = torchvision_resnet18()
    network = ResNetUNet(depth=18, pretrained=write(state, tmp_path / f"resnet18.{suffix}")).build(3, 2)
    mine = network.encoder.state_dict()
    assert all(torch.equal(mine[name], state[name]) for name in mine if "num_batches" not in name)
    assert said() == f"{tmp_path / f'resnet18.{suffix}'}: 100 tensors taken; not used: fc.bias, fc.weight (2)"


def test_wrappers_and_prefixes_of_training_programs_are_seen_through(tmp_path: Path) -> None:
    state = torchvision_resnet18()
    wrapped = {"epoch": 3, "state_dict": {f"module.backbone.{name}": tensor for name, tensor in state.items()}}
    with pytest.warns(UserWarning, match="100 tensors taken"):
        network = DeepLab(depth=18, pretrained=write(wrapped, tmp_path / "run.pt")).build(3, 2)
    assert torch.equal(network.encoder.state_dict()["layer4.1.bn2.bias"], state["layer4.1.bn2.bias"])


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_grey_image_on_all_channels_gets_the_same_answer(tmp_path: Path, channels: int) -> None:
    path = write(torchvision_resnet18(), tmp_path / "resnet18.pt")
    grey = torch.rand(1, 1, 32, 32, dtype=torch.float64)
    with pytest.warns(UserWarning, match="tensors taken"):
        three, other = (DeepLab(depth=18, pretrained=path).build(count, 2).encoder.double() for count in (3, channels))
    answers = [encoder.conv1(grey.expand(-1, encoder.channels[0], -1, -1)) for encoder in (three, other)]
    torch.testing.assert_close(*answers, rtol=1e-6, atol=1e-5)  # the filters are divided in single precision


def test_all_else_is_drawn_as_without_the_file(tmp_path: Path) -> None:
    path = write(torchvision_resnet18(), tmp_path / "resnet18.pt")
    built: list[UShaped] = []
    for pretrained in (None, path):
        torch.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built.append(ResNetUNet(depth=18, pretrained=pretrained).build(1, 2))
    for part in ("decoder", "head"):
        for mine, theirs in zip(
            getattr(built[0], part).parameters(), getattr(built[1], part).parameters(), strict=True
        ):
            assert torch.equal(mine, theirs)


def test_what_did_not_match_is_listed(tmp_path: Path, said: Callable[[], str]) -> None:
    state = torchvision_resnet18()
    del state["bn1.weight"]
    state["layer1.0.conv1.weight"] = torch.zeros(64, 64, 1, 1)
    ResNetUNet(depth=18, pretrained=write(state, tmp_path / "cut.pt")).build(1, 2)
    assert "98 tensors taken; not set: bn1.weight (1); other shape: layer1.0.conv1.weight (1); not used: " in said()


def test_a_deeper_network_takes_what_there_is_and_counts_the_rest(tmp_path: Path, said: Callable[[], str]) -> None:
    ResNetUNet(depth=34, pretrained=write(torchvision_resnet18(), tmp_path / "resnet18.pt")).build(3, 2)
    here, there = (ResNetEncoder(2, 3, depth).state_dict().keys() for depth in (34, 18))
    missing = [name for name in here - there if not name.endswith("num_batches_tracked")]
    assert f"… ({len(missing)})" in said()


def test_the_names_of_timm_are_those_of_the_high_resolution_network(tmp_path: Path, said: Callable[[], str]) -> None:
    state = timm_hrnet_w18()
    network = HRNet(decoder_channels=4, pretrained=write(state, tmp_path / "hrnet_w18.safetensors")).build(3, 2)
    mine = network.encoder.state_dict()
    body = [name for name in state if not name.startswith(("incre", "classifier"))]
    assert all(torch.equal(mine[name], state[name]) for name in body)
    assert said().endswith("not used: classifier.weight, incre_modules.0.0.conv1.weight (2)")


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize("normalisation", [None, "batch"])
def test_vgg_takes_files_with_and_without_normalisation(
    tmp_path: Path, in_file: bool, normalisation: str | None, said: Callable[[], str]
) -> None:
    state = torchvision_vgg16(in_file)
    path = write(state, tmp_path / "vgg16.pt")
    network = VGG16(normalisation=normalisation, pretrained=path).build(3, 2)  # type: ignore[arg-type]
    convolutions = [layer for layer in network.encoder.features if isinstance(layer, nn.Conv2d)]
    given = [name for name, tensor in state.items() if name.startswith("features") and tensor.ndim == 4]
    assert len(given) == len(convolutions) == 13
    for layer, name in zip(convolutions, given, strict=True):
        assert torch.equal(layer.weight, state[name])
        assert layer.bias is not None
        assert torch.equal(layer.bias, state[name.replace("weight", "bias")])
    if in_file and normalisation:
        norms = [layer for layer in network.encoder.features if isinstance(layer, nn.BatchNorm2d)]
        assert torch.equal(norms[-1].running_var, state["features.41.running_var"])  # type: ignore[arg-type]
    assert "classifier.0.weight" in said()


class _Opens:
    """A pickle that would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


def test_a_pickle_with_code_does_nothing(tmp_path: Path) -> None:
    trap, path = tmp_path / "opened", tmp_path / "trap.pt"
    for save in (torch.save, lambda content, file: file.write_bytes(pickle.dumps(content))):
        save({"conv1.weight": _Opens(trap)}, path)
        with pytest.raises(ConfigError, match=r"trap\.pt holds more than tensors"):
            ResNetUNet(depth=10, pretrained=str(path)).build(1, 2)
        assert not trap.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.pt", None, "no file .*none.pt; name a file of weights"),
        ("none.safetensors", None, "no file .*none.safetensors"),
        ("cut.safetensors", b"\x10\x00", "cut.safetensors cannot be read"),
        ("cut.pt", b"PK\x03\x04half of a file", "cut.pt"),
        ("text.pt", b"not weights", "text.pt"),
        ("empty.pt", b"", "empty.pt"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^network\.pretrained: .*{message}") as error:
        DeepLab(depth=10, pretrained=str(path)).build(1, 2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("state", [{"a.weight": torch.zeros(2)}, {}, [torch.zeros(2)], torch.zeros(2)])
def test_a_file_in_which_nothing_matches_is_refused(tmp_path: Path, state: object) -> None:
    path = write(state, tmp_path / "other.pt")
    with pytest.raises(ConfigError, match=r"nothing in .*other\.pt fits ResNetEncoder"):
        ResNetUNet(depth=10, pretrained=path).build(1, 2)


@pytest.mark.parametrize("kind", [ResNetUNet, DeepLab, HRNet, VGG16])
def test_slices_give_no_weights_to_volumes(kind: type[Network]) -> None:
    with pytest.raises(ConfigError, match=re.escape("network.pretrained: files of ImageNet hold filters for slices")):
        kind(dimensions=3, pretrained="resnet18.pt")  # type: ignore[call-arg]


def test_none_changes_nothing() -> None:
    encoder = ResNetEncoder(2, 1, 10)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    load_pretrained(encoder, None)
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())


def test_settings_without_the_file() -> None:
    network = {"class_path": "lesslabel.networks.VGG16", "init_args": {"dimensions": 2, "pretrained": "weights/vgg.pt"}}
    assert without_pretrained({"network": network, "num_classes": 2}) == {
        "network": {"class_path": "lesslabel.networks.VGG16", "init_args": {"dimensions": 2, "pretrained": None}},
        "num_classes": 2,
    }
    for other in ({}, {"network": {"channels": [4, 8]}}, {"network": None}):
        assert without_pretrained(other) == other
