"""HRNet-W18 and object-contextual representations."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from lesslabel.errors import ConfigError
from lesslabel.networks import HRNet
from lesslabel.networks.hrnet import HRNetEncoder
from lesslabel.networks.object_context import ObjectContextDecoder


def test_it_has_the_parameters_of_the_published_body() -> None:
    """timm's hrnet_w18 has 21 299 004; what follows the last stage (classification) is taken off as it is defined."""
    body = sum(weight.numel() for weight in HRNetEncoder(2, 3, "batch").parameters())
    widths, head = (18, 36, 72, 144), (32, 64, 128, 256)
    bottleneck = sum(
        width * mid + 2 * mid + 9 * mid * mid + 2 * mid + mid * 4 * mid + 2 * 4 * mid + width * 4 * mid + 2 * 4 * mid
        for width, mid in zip(widths, head, strict=True)
    )
    down = sum(9 * 4 * a * 4 * b + 4 * b + 2 * 4 * b for a, b in pairwise(head))
    final = 1024 * 2048 + 2048 + 2 * 2048
    classifier = 2048 * 1000 + 1000
    assert body + bottleneck + down + final + classifier == 21_299_004


def test_every_branch_hears_of_every_other() -> None:
    torch.manual_seed(0)
    encoder = HRNetEncoder(2, 1, "batch").eval()
    image = torch.randn(1, 1, 64, 64)
    before = encoder(image)
    with torch.no_grad():
        encoder.stage4[-1].branches[3][0].conv1.weight.mul_(3)
    assert not any(torch.allclose(a, b) for a, b in zip(before[2:], encoder(image)[2:], strict=True))


def naive(decoder: ObjectContextDecoder, features: list[torch.Tensor]) -> torch.Tensor:
    """The equations of the paper with loops over regions and voxels, for one image."""
    finest = features[-decoder.maps]
    enlarged = [
        nn.functional.interpolate(each, finest.shape[2:], mode="bilinear") for each in features[-decoder.maps :]
    ]
    joined = torch.cat(enlarged, dim=1)
    scores, voxels = decoder.regions(joined)[0].flatten(1), decoder.features(joined)[0].flatten(1)
    objects = []
    for score in scores:
        share = score.exp() / score.exp().sum()
        objects.append(sum(share[i] * voxels[:, i] for i in range(voxels.shape[1])))
    keys = [decoder.key(each[None, :, None])[0, :, 0] for each in objects]
    values = [decoder.value(each[None, :, None])[0, :, 0] for each in objects]
    query = decoder.query(decoder.features(joined))[0].flatten(1)
    context = torch.zeros_like(query)
    for i in range(query.shape[1]):
        relation = torch.stack([(query[:, i] @ key) / len(key) ** 0.5 for key in keys]).softmax(0)
        context[:, i] = sum(w * value for w, value in zip(relation, values, strict=True))
    shaped = decoder.context(context.view(1, -1, *finest.shape[2:]))
    fused = decoder.fuse(torch.cat([shaped, decoder.features(joined)], dim=1))
    return nn.functional.interpolate(fused, features[0].shape[2:], mode="bilinear")


def test_the_context_is_that_of_the_equations() -> None:
    torch.manual_seed(0)
    decoder = ObjectContextDecoder(2, (3, 4), 3, 6, "batch").double().eval()
    features = [torch.randn(1, channels, side, side).double() for channels, side in ((2, 12), (3, 4), (4, 2))]
    torch.testing.assert_close(decoder(features), naive(decoder, features))


def test_regions_can_be_supervised() -> None:
    network = HRNet(decoder_channels=4).build(1, 3)
    features = network.encoder(torch.randn(1, 1, 35, 50))
    regions = network.decoder.region_logits(features)
    assert regions.shape == (1, 3, 35, 50)
    regions.square().mean().backward()
    assert network.decoder.regions[-1].weight.grad.abs().sum() > 0


def test_widths_that_do_not_fit_are_named() -> None:
    with pytest.raises(ConfigError, match=r"network\.decoder_channels: 1 must be at least 2"):
        HRNet(decoder_channels=1)
