"""HRNet-W18 with object-contextual representations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, cast

import torch
from torch import Tensor, nn

from lesslabel.errors import ConfigError
from lesslabel.networks.description import Dimensions, Network, check_common
from lesslabel.networks.layers import CONVOLUTION, Normalisation, convolved, enlarge, normalise
from lesslabel.networks.object_context import ObjectContextDecoder
from lesslabel.networks.pretrained import check_pretrained, load_pretrained
from lesslabel.networks.resnet import MONAI_NORMALISATION, initialise_residual, residual_block, residual_stage
from lesslabel.networks.u_shaped import Encoder, UShaped

_STEM: Final = 64
_WIDTHS: Final = (18, 36, 72, 144)
_MODULES: Final = (1, 4, 3)
"""Number of exchanges between the branches of stages 2, 3 and 4."""

_BLOCKS: Final = 4


@dataclass(frozen=True)
class HRNet(Network):
    """HRNet-W18 with OCR: parallel branches at a quarter to a 32nd of the size, and context from object regions.

    "Deep high-resolution representation learning for visual recognition" (Wang et al., TPAMI 2021, arXiv:1908.07919)
    and "Object-contextual representations for semantic segmentation" (Yuan et al., ECCV 2020, arXiv:1909.11065). The
    regions are soft, one for each class. The paper supervises them by an additional loss with weight 0.4; here they are
    learned through their context, unless a method uses `ObjectContextDecoder.region_logits` in its loss.

    Attributes:
        dimensions: 2 for slices, 3 for volumes.
        decoder_channels: of the context and of the penultimate map; 512 in the paper, 64 in interactive networks.
        normalisation: batch, instance (for batches of one) or group normalisation; ImageNet's weights are for batch.
        pretrained: file of ImageNet's weights for the encoder, in 2D; see `load_pretrained`.

    Raises:
        ConfigError: if a value is out of its range.
    """

    dimensions: Dimensions = 2
    decoder_channels: int = 64
    normalisation: Normalisation = "batch"
    pretrained: str | None = None

    def __post_init__(self) -> None:
        check_common(self.dimensions, self.normalisation)
        if self.decoder_channels < 2:
            raise ConfigError(f"network.decoder_channels: {self.decoder_channels} must be at least 2")
        check_pretrained(self.pretrained, self.dimensions)

    @property
    def feature_channels(self) -> int:
        """The width of the decoder."""
        return self.decoder_channels

    def _build(self, in_channels: int, out_channels: int) -> UShaped:
        encoder = HRNetEncoder(self.dimensions, in_channels, self.normalisation)
        decoder = ObjectContextDecoder(
            self.dimensions, encoder.channels[2:], out_channels, self.decoder_channels, self.normalisation
        )
        head = CONVOLUTION[self.dimensions](self.feature_channels, out_channels, kernel_size=1)
        network = UShaped(encoder, decoder, head)
        load_pretrained(encoder, self.pretrained)
        return network


class HRNetEncoder(Encoder):
    """The body of HRNet-W18, initialised as in its paper; layers have the names of the published ImageNet weights.

    Its maps are the image itself, the first convolution at half size, and the four branches of the last stage, 18, 36,
    72 and 144 channels wide, at a quarter to a 32nd of the size.

    Args:
        dimensions: 2 or 3.
        in_channels: channels of the image.
        normalisation: of every layer.
    """

    transition1: nn.ModuleList
    transition2: nn.ModuleList
    transition3: nn.ModuleList
    stage2: nn.Sequential
    stage3: nn.Sequential
    stage4: nn.Sequential

    def __init__(self, dimensions: Dimensions, in_channels: int, normalisation: Normalisation) -> None:
        super().__init__((in_channels, _STEM, *_WIDTHS), (1, 2, 4, 8, 16, 32))
        self.conv1 = _halving(dimensions, in_channels, _STEM)
        self.bn1 = normalise(dimensions, _STEM, normalisation)
        self.conv2 = _halving(dimensions, _STEM, _STEM)
        self.bn2 = normalise(dimensions, _STEM, normalisation)
        self.relu = nn.ReLU()
        self.layer1 = residual_stage("bottleneck", dimensions, _STEM, 64, _BLOCKS, 1, normalisation)
        coming: tuple[int, ...] = (256,)
        for index, modules in enumerate(_MODULES):
            widths = _WIDTHS[: index + 2]
            transition = _transition(dimensions, coming, widths, normalisation)
            stage = nn.Sequential(*(_Exchange(dimensions, widths, normalisation) for _ in range(modules)))
            setattr(self, f"transition{index + 1}", transition)
            setattr(self, f"stage{index + 2}", stage)
            coming = widths
        initialise_residual(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute the six maps of an image B×C×[D×]H×W."""
        half = self.relu(self.bn1(self.conv1(image)))
        branches: list[Tensor] = [self.layer1(self.relu(self.bn2(self.conv2(half))))]
        for transition, stage in (
            (self.transition1, self.stage2),
            (self.transition2, self.stage3),
            (self.transition3, self.stage4),
        ):
            steps = list(transition)
            given = [*branches, *[branches[-1]] * (len(steps) - len(branches))]
            branches = stage([step(each) for step, each in zip(steps, given, strict=True)])
        return [image, half, *branches]


class _Exchange(nn.Module):
    """Four residual blocks on every branch, then an exchange between all branches."""

    def __init__(self, dimensions: Dimensions, widths: Sequence[int], normalisation: Normalisation) -> None:
        super().__init__()
        block, norm = residual_block("plain"), MONAI_NORMALISATION[normalisation]
        self.branches = nn.ModuleList(
            nn.Sequential(*(block(width, width, dimensions, norm=norm) for _ in range(_BLOCKS))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_path(dimensions, widths, source, target, normalisation) for source in range(len(widths)))
            for target in range(len(widths))
        )
        self.relu = nn.ReLU()

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        branch_maps = [branch(each) for branch, each in zip(self.branches, features, strict=True)]
        result = []
        for target, paths in zip(branch_maps, cast(Iterable[nn.ModuleList], self.fuse_layers), strict=True):
            converted = [path(each) for path, each in zip(paths, branch_maps, strict=True)]
            fitting = [each if each.shape == target.shape else enlarge(each, target) for each in converted]
            result.append(self.relu(reduce(torch.add, fitting)))
        return result


def _path(
    dimensions: Dimensions, widths: Sequence[int], source: int, target: int, normalisation: Normalisation
) -> nn.Module:
    """The layers from one branch to another: identity, one before upsampling, or one halving per level."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            CONVOLUTION[dimensions](widths[source], widths[target], kernel_size=1, bias=False),
            normalise(dimensions, widths[target], normalisation),
        )
    steps = []
    for level in range(source, target):
        going = widths[target] if level == target - 1 else widths[source]
        layers = [_halving(dimensions, widths[source], going), normalise(dimensions, going, normalisation)]
        steps.append(nn.Sequential(*layers, *([] if level == target - 1 else [nn.ReLU()])))
    return nn.Sequential(*steps)


def _transition(
    dimensions: Dimensions, coming: Sequence[int], going: Sequence[int], normalisation: Normalisation
) -> nn.ModuleList:
    """The layers that add one branch and set the width of each."""
    steps: list[nn.Module] = []
    for index, width in enumerate(going):
        if index >= len(coming):
            halved = [_halving(dimensions, coming[-1], width), normalise(dimensions, width, normalisation), nn.ReLU()]
            steps.append(nn.Sequential(nn.Sequential(*halved)))
        elif coming[index] == width:
            steps.append(nn.Identity())
        else:
            steps.append(convolved(dimensions, coming[index], width, normalisation))
    return nn.ModuleList(steps)


def _halving(dimensions: Dimensions, in_channels: int, out_channels: int) -> nn.Module:
    return CONVOLUTION[dimensions](in_channels, out_channels, kernel_size=3, stride=2, padding=1, bias=False)
