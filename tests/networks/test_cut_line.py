"""KnifeCut's modules: what their equations promise."""

import pytest
import torch
from torch.nn import functional as F

from lesslabel.networks.cut_line import ConvolutionBlock, CutLineModule, line_on_grid, similarity_map


def module(dimensions=2, **settings) -> CutLineModule:
    torch.manual_seed(0)
    return CutLineModule(dimensions, 5, 4, 3, "instance", **settings).eval()


def line_of(*size: int) -> torch.Tensor:
    line = torch.zeros(1, 1, *size)
    line[..., 2:5, 3] = 1
    return line


def test_similarity_is_the_cosine_to_the_weighted_mean_feature() -> None:
    torch.manual_seed(0)
    features, share = torch.randn(2, 3, 4, 5), torch.rand(2, 1, 4, 5) * (torch.rand(2, 1, 4, 5) < 0.4)
    found = similarity_map(features, share)
    for sample in range(2):
        mean = (features[sample] * share[sample]).flatten(1).sum(dim=1) / share[sample].sum()
        for y in range(4):
            for x in range(5):
                feature = features[sample, :, y, x]
                expected = mean @ feature / (mean.norm() * feature.norm())
                assert found[sample, 0, y, x] == pytest.approx(float(expected), abs=1e-4)
    assert found.abs().max() <= 1 + 1e-6
    features[0] = features[0, :, :1, :1] * torch.rand(1, 4, 5).add(0.5)  # parallel everywhere
    torch.testing.assert_close(similarity_map(features, share)[0], torch.ones(1, 4, 5), atol=1e-4, rtol=0)
    assert not similarity_map(features, torch.zeros_like(share)).any()


@pytest.mark.parametrize("maps", [0, 1, 2])
def test_a_block_is_a_network_on_the_concatenation(maps: int) -> None:
    torch.manual_seed(0)
    block = ConvolutionBlock(2, 5, maps, 4, 7, "batch").eval()
    features, others = torch.randn(1, 5, 8, 9), torch.randn(1, maps, 8, 9)
    weights = [block.of_features.weight] + ([] if block.of_maps is None else [block.of_maps.weight])
    first = F.conv2d(torch.cat([features, others], dim=1), torch.cat(weights, dim=1), padding=1)
    got = block(block.of_features(features), *others.split(1, dim=1))
    torch.testing.assert_close(got, block.later(first), atol=1e-5, rtol=1e-5)
    convolutions = [layer for layer in block.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert len(convolutions) == 7 + (maps > 0)  # seven layers, the first of them in two


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("settings", [{}, {"similarity": False}, {"similarity": False, "distance": False}])
def test_every_output_lies_on_the_grid_of_the_features(dimensions, settings) -> None:
    size = (8, 10, 9)[-dimensions:]
    cutter = module(dimensions, **settings)
    features = cutter.image_features(torch.randn(2, 5, *size), tuple(-(-n // 2) for n in size))
    line = line_of(*size).expand(2, -1, *size)
    out = cutter(features, line, torch.rand(2, 1, *size))
    for logits in (out.line, out.similarity, *out.repair.values(), *out.refined.values()):
        assert logits.shape == (2, 1, *features.features.shape[2:])
    assert list(out.repair) == list(out.refined) == ["local", "global"]


def test_a_line_on_a_coarser_grid_marks_every_cell_that_it_crosses() -> None:
    line = torch.zeros(1, 1, 9, 10)
    line[..., 0, :] = line[..., 8, 9] = 1
    coarse = line_on_grid(line, (3, 3))
    assert coarse[0, 0].tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 1]]
    assert line_on_grid(line, (9, 10)) is line


def test_only_the_local_branch_sees_the_distance_and_both_see_the_line_by_its_similarity() -> None:
    cutter = module()
    features = cutter.image_features(torch.randn(1, 5, 8, 8), (8, 8))
    line, other = line_of(8, 8), line_of(8, 8).flip(-1)
    near, far = torch.rand(2, 1, 1, 8, 8)
    first, moved, elsewhere = cutter(features, line, near), cutter(features, line, far), cutter(features, other, near)
    assert torch.equal(first.repair["global"], moved.repair["global"])
    assert not torch.equal(first.repair["local"], moved.repair["local"])
    assert not torch.equal(first.repair["global"], elsewhere.repair["global"])
    blind = module(similarity=False)
    features = blind.image_features(torch.randn(1, 5, 8, 8), (8, 8))
    assert torch.equal(blind(features, line, near).repair["global"], blind(features, other, far).repair["global"])


def test_a_line_runs_nothing_that_depends_on_the_image_alone() -> None:
    cutter = module()
    features = cutter.image_features(torch.randn(1, 5, 8, 8), (4, 4))
    runs = []
    for block in cutter.blocks.values():
        block.of_features.register_forward_hook(lambda *_: runs.append(1))
    cutter(features, line_of(8, 8), torch.rand(1, 1, 8, 8))
    assert not runs
