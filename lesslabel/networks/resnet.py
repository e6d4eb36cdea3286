"""Residual encoders of 10 to 101 layers, 2D and 3D."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from torch import Tensor, nn

from lesslabel.networks.description import Dimensions, check_choices, check_common
from lesslabel.networks.layers import CONVOLUTION, MAX_POOLING, Normalisation, normalise
from lesslabel.networks.u_shaped import Encoder

Depth = Literal[10, 18, 34, 50, 101]
OutputStride = Literal[8, 16, 32]
BlockKind = Literal["plain", "bottleneck"]


@dataclass(frozen=True)
class _Plan:
    block: BlockKind
    blocks: tuple[int, int, int, int]


_PLANS: Final[Mapping[Depth, _Plan]] = {
    10: _Plan("plain", (1, 1, 1, 1)),
    18: _Plan("plain", (2, 2, 2, 2)),
    34: _Plan("plain", (3, 4, 6, 3)),
    50: _Plan("bottleneck", (3, 4, 6, 3)),
    101: _Plan("bottleneck", (3, 4, 23, 3)),
}
_EXPANSION: Final[Mapping[BlockKind, int]] = {"plain": 1, "bottleneck": 4}
_WIDTHS: Final = (64, 128, 256, 512)
MONAI_NORMALISATION: Final[Mapping[Normalisation, Any]] = {
    "batch": "batch",
    "instance": ("instance", {"affine": True}),
    "group": ("group", {"num_groups": 8}),
}


class ResNetEncoder(Encoder):
    """ResNet (He et al., "Deep residual learning for image recognition", CVPR 2016) on MONAI's blocks.

    Its maps are the image itself, the first convolution of size 7 at half size, and the four stages, at a quarter to a
    32nd. With a smaller output stride the last stages keep the size and are dilated instead, so that every filter of a
    pretrained file keeps its field of view (Chen et al., "Rethinking atrous convolution for semantic
    image segmentation", arXiv:1706.05587). Layers have the names of torchvision's, ``conv1`` to ``layer4``.

    Args:
        dimensions: 2 for images B×C×H×W, 3 for B×C×D×H×W.
        in_channels: channels of the image.
        depth: layers; 50 and 101 have bottlenecks.
        output_stride: of the last stage; 16 dilates the last one, 8 the last two.
        normalisation: of every layer; pretrained files are for ``batch``.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(
        self,
        dimensions: Dimensions,
        in_channels: int,
        depth: Depth,
        output_stride: OutputStride = 32,
        normalisation: Normalisation = "batch",
    ) -> None:
        plan = _PLANS[depth]
        expansion = _EXPANSION[plan.block]
        strides = tuple(min(stride, output_stride) for stride in (4, 8, 16, 32))
        super().__init__((in_channels, _WIDTHS[0], *(width * expansion for width in _WIDTHS)), (1, 2, *strides))
        self.conv1 = CONVOLUTION[dimensions](in_channels, _WIDTHS[0], kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = normalise(dimensions, _WIDTHS[0], normalisation)
        self.relu = nn.ReLU()
        self.maxpool = MAX_POOLING[dimensions](kernel_size=3, stride=2, padding=1)
        coming, dilation = _WIDTHS[0], 1
        for index, (width, blocks) in enumerate(zip(_WIDTHS, plan.blocks, strict=True)):
            stage = residual_stage(plan.block, dimensions, coming, width, blocks, 2 if index else 1, normalisation)
            if 4 * 2**index > output_stride:
                _dilate(stage, dilation, 2 * dilation)
                dilation *= 2
            setattr(self, f"layer{index + 1}", stage)
            coming = width * expansion
        initialise_residual(self)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute the six maps of an image B×C×[D×]H×W."""
        features = [image, self.relu(self.bn1(self.conv1(image)))]
        result = self.maxpool(features[-1])
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            result = stage(result)
            features.append(result)
        return features


def check_residual(
    dimensions: Dimensions, depth: Depth, output_stride: OutputStride, normalisation: Normalisation
) -> None:
    """Raise an error for unknown settings of a residual encoder.

    Raises:
        ConfigError: names the setting.
    """
    check_common(dimensions, normalisation)
    check_choices(depth=(depth, get_args(Depth)), output_stride=(output_stride, get_args(OutputStride)))


def initialise_residual(module: nn.Module) -> None:
    """Initialise convolutions as He et al. (ICCV 2015, arXiv:1502.01852) for ReLU, by fan-out."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def residual_block(kind: BlockKind) -> Callable[..., nn.Module]:
    """Find MONAI's residual block of a kind: two convolutions of size 3, or a bottleneck that widens fourfold."""
    from monai.networks.nets.resnet import ResNetBlock, ResNetBottleneck  # slow to import

    return ResNetBlock if kind == "plain" else ResNetBottleneck


def residual_stage(
    kind: BlockKind,
    dimensions: Dimensions,
    coming: int,
    width: int,
    blocks: int,
    stride: int,
    normalisation: Normalisation,
) -> nn.Sequential:
    """Build a stage of residual blocks; the shortcut of the first adapts size and width.

    Args:
        kind: of its blocks; a bottleneck's output is four times as wide as `width`.
        dimensions: 2 or 3.
        coming: channels of the input.
        width: of the convolutions of size 3.
        blocks: number of blocks.
        stride: of the first block.
        normalisation: of every layer.
    """
    block, going, norm = residual_block(kind), width * _EXPANSION[kind], MONAI_NORMALISATION[normalisation]
    shortcut = None
    if stride != 1 or coming != going:
        shortcut = nn.Sequential(
            CONVOLUTION[dimensions](coming, going, kernel_size=1, stride=stride, bias=False),
            normalise(dimensions, going, normalisation),
        )
    first = block(coming, width, dimensions, stride, shortcut, norm=norm)
    return nn.Sequential(first, *(block(going, width, dimensions, norm=norm) for _ in range(1, blocks)))


def _dilate(stage: nn.Sequential, before: int, after: int) -> None:
    """Replace the stride of a stage by dilation; its filters keep their field of view.

    The former strided convolution gets the dilation before the stage, the others the dilation after it.
    """
    for layer in stage.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            dilation = before if layer.stride[0] > 1 else after
            each = len(layer.stride)
            layer.stride = (1,) * each
            if layer.kernel_size[0] > 1:
                layer.dilation = layer.padding = (dilation,) * each
