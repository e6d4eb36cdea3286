"""EdgeFlow's network: early and late fusion of image and clicks, aligned by a flow, and a refinement network."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.networks.description import Network
from lesslabel.networks.first_click import low_level_of
from lesslabel.networks.layers import CONVOLUTION, Normalisation, convolved, enlarge, normalise

_FINE_DILATIONS = (1, 2, 4)
_FINE_WIDTH = 32


@dataclass(frozen=True, eq=False)
class EdgeFlowOutput:
    """The outputs of the network, each at the image's size.

    Attributes:
        coarse: logits B×2×[D×]H×W of the coarse network.
        fine: logits of the refined result; without refinement the coarse ones.
        edge: logits B×1×[D×]H×W of the object's edge; None without an edge head.
        auxiliary: logits B×2×[D×]H×W of the encoder's last map.
    """

    coarse: Tensor
    fine: Tensor
    edge: Tensor | None
    auxiliary: Tensor


class EdgeFlowNetwork(nn.Module):
    """CoarseNet and FineNet (Hao et al., "EdgeFlow", ICCV workshops 2021), around any network of this library.

    The interaction is the clicks of both sides and an edge, such as that of the previous answer. It is fused with the
    image three times: each has its own convolution, and their sum is the input of the network; `FlowFusion` adds the
    interaction's features to the encoder's low-level map and to its last one. In the published network, HRNet-W18 with
    OCR, the second fusion lies inside, between the first transition and the second stage; here the map that the decoder
    takes is fused, so that any encoder can be used. Layers that only figures show are chosen here: the stems are
    convolutions of size 3, the edge head is two convolutions on the penultimate map.

    Args:
        description: of the network.
        in_channels: of the image.
        stem_channels: of the sum before the network.
        normalisation: of all layers outside the network.
        late_fusion: whether to use the second and the third fusion, with their flow.
        edge: whether an edge is part of the interaction, and whether it is predicted.
        refine: whether to use the FineNet.
    """

    def __init__(
        self,
        description: Network,
        in_channels: int,
        *,
        stem_channels: int = 16,
        normalisation: Normalisation = "batch",
        late_fusion: bool = True,
        edge: bool = True,
        refine: bool = True,
    ) -> None:
        super().__init__()
        dimensions = description.dimensions
        convolution = CONVOLUTION[dimensions]
        self.image_stem = convolution(in_channels, stem_channels, kernel_size=3, padding=1)
        self.click_stem = convolution(2 + edge, stem_channels, kernel_size=3, padding=1)
        self.network = description.build(stem_channels, 2)
        encoder = self.network.encoder
        self.low_level = low_level_of(encoder.strides)
        low, last = encoder.channels[self.low_level], encoder.channels[-1]
        self.fusions = nn.ModuleList()
        if late_fusion:
            steps = encoder.strides[self.low_level], encoder.strides[-1] // encoder.strides[self.low_level]
            self.fusions.append(FlowFusion(dimensions, stem_channels, low, steps[0], normalisation))
            self.fusions.append(FlowFusion(dimensions, low, last, steps[1], normalisation))
        features = self.network.feature_channels
        head = [convolved(dimensions, features, features, normalisation), convolution(features, 1, kernel_size=1)]
        self.edge_head = nn.Sequential(*head) if edge else None
        self.auxiliary_head = convolution(last, 2, kernel_size=1)
        self.fine = _fine_network(dimensions, in_channels + 3 + edge, normalisation) if refine else None

    @property
    def encoder(self) -> nn.Module:
        """The encoder of the coarse network."""
        return self.network.encoder

    def forward(self, image: Tensor, interaction: Tensor) -> EdgeFlowOutput:
        """Segment.

        Args:
            image: B×C×[D×]H×W.
            interaction: B×3×[D×]H×W: clicks on the object, on the background, edge; without an edge B×2×[D×]H×W.
        """
        click_maps = self.click_stem(interaction)
        maps = list(self.network.encoder(self.image_stem(image) + click_maps))
        for index, fusion in zip((self.low_level, len(maps) - 1), self.fusions, strict=False):
            maps[index], click_maps = fusion(maps[index], click_maps)
        features = self.network.decoder(maps)
        coarse = self.network.head(features)
        edge = None if self.edge_head is None else self.edge_head(features)
        auxiliary = enlarge(self.auxiliary_head(maps[-1]), coarse)
        fine = coarse
        if self.fine is not None:
            predicted = [coarse.softmax(dim=1)[:, 1:], *([] if edge is None else [edge.sigmoid()])]
            fine = coarse + self.fine(torch.cat([*predicted, image, interaction[:, :2]], dim=1))
        return EdgeFlowOutput(coarse, fine, edge, auxiliary)


class FlowFusion(nn.Module):
    """Adds the features of the interaction to those of the image, warped onto them by a flow that both predict.

    After the alignment module of Li et al., "Semantic flow for fast and accurate scene parsing", ECCV 2020; EdgeFlow
    states that optical flow inspired its module, and gives only a figure of it. The interaction is warped, so that
    the image is not moved. The flow is 0 at first, which warps nothing.

    On CUDA the gradient of the warping is not deterministic.

    Args:
        dimensions: 2 or 3.
        coming: channels of the interaction's features.
        channels: of the image's features.
        step: the factor by which the interaction's grid is finer, a power of 2.
        normalisation: of the layers that resample the interaction to the image's grid.
    """

    def __init__(self, dimensions: int, coming: int, channels: int, step: int, normalisation: Normalisation) -> None:
        super().__init__()
        convolution = CONVOLUTION[dimensions]
        halvings = step.bit_length() - 1
        layers: list[nn.Module] = []
        for index in range(max(halvings, 1)):
            stride = 2 if index < halvings else 1
            layers += [
                convolution(coming if index == 0 else channels, channels, 3, stride=stride, padding=1, bias=False),
                normalise(dimensions, channels, normalisation),
                nn.ReLU(),
            ]
        self.shrink = nn.Sequential(*layers)
        narrow = max(1, channels // 2)
        self.of_image = convolution(channels, narrow, kernel_size=1)
        self.of_interaction = convolution(channels, narrow, kernel_size=1)
        self.flow = convolution(2 * narrow, dimensions, kernel_size=3, padding=1)
        nn.init.zeros_(self.flow.weight)
        if self.flow.bias is not None:
            nn.init.zeros_(self.flow.bias)
        self.project = convolution(channels, channels, kernel_size=1)

    def forward(self, image: Tensor, interaction: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse.

        Args:
            image: B×C×[D×]H×W features.
            interaction: B×K×[D×]H×W features on a finer grid.

        Returns:
            The fused features, and those of the interaction on their grid.
        """
        click_maps = self.shrink(interaction)
        if click_maps.shape[2:] != image.shape[2:]:
            click_maps = enlarge(click_maps, image)
        flow = self.flow(torch.cat([self.of_image(image), self.of_interaction(click_maps)], dim=1))
        return image + self.project(warped(click_maps, flow)), click_maps


def warped(features: Tensor, flow: Tensor) -> Tensor:
    """Sample features at other positions by (bi/tri)linear interpolation; outside, the value of the border.

    Args:
        features: B×C×[D×]H×W.
        flow: B×axes×[D×]H×W, the shift of each position in voxels along each axis, in their order.
    """
    sizes = features.shape[2:]
    axes = [torch.linspace(-1, 1, size, device=flow.device, dtype=flow.dtype) for size in sizes]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    per_voxel = torch.tensor([2 / max(size - 1, 1) for size in sizes], device=flow.device, dtype=flow.dtype)
    moved = grid + flow.movedim(1, -1) * per_voxel
    places = moved.flip(-1)  # torch names x first
    return F.grid_sample(features, places, mode="bilinear", padding_mode="border", align_corners=True)


def _fine_network(dimensions: int, in_channels: int, normalisation: Normalisation) -> nn.Sequential:
    """Three dilated blocks of separable convolutions at full size, and the correction of the logits."""
    convolution = CONVOLUTION[dimensions]
    layers: list[nn.Module] = [convolution(in_channels, _FINE_WIDTH, kernel_size=1)]
    for dilation in _FINE_DILATIONS:
        layers += [
            convolution(
                _FINE_WIDTH, _FINE_WIDTH, 3, padding=dilation, dilation=dilation, groups=_FINE_WIDTH, bias=False
            ),
            convolution(_FINE_WIDTH, _FINE_WIDTH, kernel_size=1, bias=False),
            normalise(dimensions, _FINE_WIDTH, normalisation),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, convolution(_FINE_WIDTH, 2, kernel_size=1))
