"""The networks of the click methods: what their equations promise."""

import pytest
import torch
from torch.nn import functional as F

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.losses import balanced_cross_entropy
from lesslabel.networks import DeepLab, UNet, VNet
from lesslabel.networks.click_attention import ClickAttention, FeatureAwareAttention, click_distances
from lesslabel.networks.edge_flow import EdgeFlowNetwork, FlowFusion, warped
from lesslabel.networks.first_click import FirstClickAttention, FirstClickNetwork, low_level_of


@pytest.mark.parametrize("size", [(7, 9), (3, 5, 6)])
def test_no_flow_warps_nothing_and_a_flow_of_one_voxel_moves_by_one(size: tuple[int, ...]) -> None:
    features = torch.randn(2, 3, *size)
    still = torch.zeros(2, len(size), *size)
    torch.testing.assert_close(warped(features, still), features, atol=1e-5, rtol=1e-5)
    for axis in range(len(size)):
        flow = still.clone()
        flow[:, axis] = 1.0
        moved = warped(features, flow).movedim(2 + axis, 2)
        torch.testing.assert_close(moved[:, :, :-1], features.movedim(2 + axis, 2)[:, :, 1:], atol=1e-5, rtol=1e-5)


def test_a_fresh_fusion_adds_the_projected_interaction() -> None:
    torch.manual_seed(0)
    fusion = FlowFusion(2, 3, 4, 2, "instance")
    image, interaction = torch.randn(1, 4, 6, 6), torch.randn(1, 3, 12, 12)
    fused, said = fusion(image, interaction)
    torch.testing.assert_close(fused, image + fusion.project(said), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "network", [UNet(channels=(4, 8, 8)), VNet(dimensions=3, channels=(2, 4, 4)), DeepLab(depth=10, decoder_channels=8)]
)
def test_edge_flow_works_around_any_network(network) -> None:
    torch.manual_seed(0)
    whole = EdgeFlowNetwork(network, 1, stem_channels=4, normalisation="instance").eval()
    size = (32, 48) if network.dimensions == 2 else (8, 16, 16)
    out = whole(torch.randn(2, 1, *size), torch.rand(2, 3, *size))
    for logits, channels in ((out.coarse, 2), (out.fine, 2), (out.edge, 1), (out.auxiliary, 2)):
        assert logits.shape == (2, channels, *size)
    without = EdgeFlowNetwork(network, 1, late_fusion=False, edge=False, refine=False)
    assert without.fine is None
    assert not without.fusions
    assert without(torch.randn(2, 1, *size), torch.rand(2, 2, *size)).edge is None


def test_the_published_attention_has_six_layers_of_which_the_first_and_the_fourth_halve() -> None:
    attention = FirstClickAttention(2, 256, 2, (256, 512), "batch")
    layers = [layer for layer in attention.layers if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.stride[0] for layer in layers] == [2, 1, 1, 2, 1, 1]
    assert [layer.out_channels for layer in layers] == [256, 256, 256, 512, 512, 512]
    assert layers[0].in_channels == 257


def test_the_first_click_network_sees_the_map_at_a_quarter_and_joins_at_the_last() -> None:
    network = FirstClickNetwork(DeepLab(depth=10, decoder_channels=8).build(5, 2), 2, 2, (8, 12), "instance")
    assert network.network.encoder.strides[network.low_level] == 4
    image = torch.randn(1, 5, 64, 64)
    first, other = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    first[..., 10, 10] = other[..., 50, 50] = 1.0
    network.eval()
    logits, of_first = network(image, first)
    assert logits.shape == of_first.shape == (1, 2, 64, 64)
    assert not torch.equal(logits, network(image, other)[0])
    assert low_level_of((1, 2, 4, 8, 16, 16)) == 2
    with pytest.raises(ConfigError, match="low-level"):
        low_level_of((8, 16))


def test_distances_are_to_the_nearest_click_in_the_space_of_features() -> None:
    embedded = torch.randn(2, 3, 4, 5)
    clicked = torch.zeros(2, 4, 5, dtype=torch.bool)
    clicked[0, 1, 2] = clicked[0, 3, 4] = True
    distances = click_distances(embedded, clicked, torch.tensor(-0.7))
    each = torch.stack([(embedded[0] - embedded[0, :, y, x, None, None]).norm(dim=0) for y, x in ((1, 2), (3, 4))])
    torch.testing.assert_close(distances[0, 0], each.amin(dim=0), atol=1e-5, rtol=1e-5)
    assert torch.allclose(distances[1], torch.tensor(0.7))  # nothing is clicked there
    assert distances.min() >= 0


def test_attention_is_a_softmax_over_pooled_voxels() -> None:
    torch.manual_seed(0)
    attention = ClickAttention(2, 8).eval()
    torch.nn.init.constant_(attention.gain, 0.5)
    features, embedded = torch.randn(1, 8, 4, 6), torch.randn(1, 8, 4, 6)
    inside, outside = torch.zeros(2, 1, 4, 6, dtype=torch.bool)
    inside[0, 1, 1] = True
    near, far = click_distances(embedded, inside, attention.unclicked[0]), attention.unclicked[1].expand(1, 1, 4, 6)
    said = torch.cat([torch.sigmoid(far - near), near / (1 + near), far / (1 + far)], dim=1)
    pooled = F.max_pool2d(features, 2)
    query, key, value = attention.query(said), attention.key(pooled), attention.value(pooled)
    result = features.clone()
    for y in range(4):
        for x in range(6):
            scores = (query[0, :, y, x] @ key[0].flatten(1)) / query.shape[1] ** 0.5
            result[0, :, y, x] += 0.5 * (value[0].flatten(1) @ scores.softmax(dim=0))
    expected = attention.guide(result)
    torch.testing.assert_close(attention(features, embedded, inside, outside), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_click_runs_nothing_that_depends_on_the_image_alone(dimensions) -> None:
    size = (8, 8, 8)[:dimensions]
    module = FeatureAwareAttention(dimensions, (4, 6), 5, 4, "instance").eval()
    maps = [torch.randn(1, 4, *size), torch.randn(1, 6, *(each // 2 for each in size))]
    features = module.image_features(maps, torch.randn(1, 5, *size), torch.rand(1, 1, *size), size)
    runs = []
    for part in (module.scales, module.all_scales, module.integrate, module.embed, module.context):
        for layer in part.modules():
            layer.register_forward_hook(lambda *_: runs.append(1))
    clicked = torch.zeros(1, *size, dtype=torch.bool)
    logits, guidance = module(features, clicked, clicked)
    assert logits.shape == (1, 2, *size)
    assert len(guidance) == 2
    assert not runs


def test_edges_and_all_else_weigh_the_same_together() -> None:
    target = torch.zeros(1, 10, 10, dtype=torch.long)
    target[0, :, 0] = 1
    loss = balanced_cross_entropy(torch.zeros(1, 10, 10), target)
    assert float(loss) == pytest.approx(2 * 0.1 * 0.9 * 0.6931472, rel=1e-5)
    unknown = torch.cat([target, torch.full_like(target, IGNORE)])
    assert float(balanced_cross_entropy(torch.zeros(2, 10, 10), unknown)) == pytest.approx(float(loss))
