"""FCA-Net: its two losses, from the clicks and from the map of the first one."""

import pytest
import torch
from test_interactive_contract import FIRST_CLICK, Row, image_of, make, sample_of

from lesslabel.data.batch import collate
from lesslabel.losses import click_influence, click_weighted_cross_entropy
from lesslabel.methods import FCANet


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_first_click_loss_is_weighed_around_the_first_click_of_its_map_alone(dimensions: int) -> None:
    method = make(Row("fca-net", FCANet), dimensions, **FIRST_CLICK, first_click_weight=0.5, distance_scale=0.1).eval()
    batch = collate([sample_of(method, seed) for seed in range(3)])
    marked = method._first_click(batch["cues"])
    assert marked.flatten(1).sum(dim=1).tolist() == [1, 1, 1]
    assert (batch["clicks"] == 1).sum() > 3  # later clicks on the object do not count
    centre = torch.tensor([length / 2 for length in image_of(dimensions).shape[1:]])
    sides = torch.tensor(image_of(dimensions).shape[1:]) / torch.tensor(marked.shape[1:])
    assert all(((voxel[1:] + 0.5) * sides - centre).abs().max() < 2 * sides.max() for voxel in marked.nonzero())
    terms = method.losses(batch)
    logits, first = method._logits(batch["image"], batch["cues"])
    near = click_influence(marked, method.reach_voxel)
    assert float(terms["first_click"]) == pytest.approx(
        0.5 * float(click_weighted_cross_entropy(first, batch["target"], near)), rel=1e-6
    )
    both = [click_influence(batch["clicks"] == side, method.reach_voxel) for side in (1, 0)]
    assert float(terms["click"]) == pytest.approx(
        float(click_weighted_cross_entropy(logits, batch["target"], *both)), rel=1e-6
    )


def test_the_first_click_weighs_by_eq_3_6_and_3_7() -> None:
    method = make(Row("fca-net", FCANet), 2, **FIRST_CLICK).eval()
    cues = torch.zeros(1, 3, 16, 16)
    cues[0, 2, 4, 5] = 1.0
    cues[0, 0, 12, 12] = 1.0  # a later click
    weight = 0.8 + 1.2 * click_influence(method._first_click(cues), method.reach_voxel)[0]
    distance = torch.dist(torch.tensor([4.0, 5.0]), torch.tensor([12.0, 12.0]))
    assert float(weight[4, 5]) == 2
    assert float(weight[12, 12]) == pytest.approx(0.8 + 1.2 * max(0.0, 1 - float(distance) / method.reach_voxel))
