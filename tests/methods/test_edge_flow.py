"""EdgeFlow: its edges, its terms, its two stages of training and its published ablations."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from test_interactive_contract import FLOW, Row, image_of, make, prompts_of, sample_of, session_on
from torch.nn import functional as F

from lesslabel.data.batch import collate
from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.interaction import Click
from lesslabel.losses import balanced_cross_entropy, normalised_focal_loss
from lesslabel.methods import EdgeFlow
from lesslabel.methods.interactive.base import standardise
from lesslabel.methods.interactive.edges import boundary, edge_target, sobel_edges
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.players import configure_all
from lesslabel.runs.weights import load_weights, save_weights


def edge_flow(dimensions: int = 2, **settings) -> EdgeFlow:
    return make(Row("edge flow", EdgeFlow), dimensions, **FLOW, **settings)


def test_the_edge_lies_on_both_sides_of_the_boundary() -> None:
    mask = torch.zeros(1, 7, 9, dtype=torch.bool)
    mask[0, :, :4] = True
    assert boundary(mask, 1)[0, 3].nonzero().flatten().tolist() == [3, 4]
    assert boundary(mask, 2)[0, 3].nonzero().flatten().tolist() == [2, 3, 4, 5]
    target = mask.long()
    target[0, 0, :] = IGNORE
    edge = edge_target(target, 1)
    assert (edge[0, 0] == IGNORE).all()
    assert edge[0, 5].nonzero().flatten().tolist() == [3, 4]


def test_what_lies_beside_the_unknown_is_an_edge_only_where_both_sides_are_known() -> None:
    target = torch.tensor([[[1, 1, 1, IGNORE, 0, 0, 0, 1, 1]]]).expand(1, 5, 9).contiguous()
    assert edge_target(target, 1)[0, 2].tolist() == [0, 0, IGNORE, IGNORE, IGNORE, 0, 1, 1, 0]
    assert edge_target(target, 2)[0, 2].tolist() == [0, IGNORE, 1, IGNORE, 1, 1, 1, 1, 1]
    unknown = torch.full((1, 4, 4), IGNORE)
    assert (edge_target(unknown, 1) == IGNORE).all()


@pytest.mark.parametrize("size", [(9, 12), (5, 7, 8)])
def test_the_edge_of_an_image_is_its_sobel_gradient(size: tuple[int, ...]) -> None:
    image = torch.randn(2, 3, *size, dtype=torch.float64)
    expected = [
        np.mean([np.sqrt(sum(ndimage.sobel(channel, axis, mode="nearest") ** 2 for axis in range(len(size))))
                 for channel in sample], axis=0)
        for sample in image.numpy()
    ]  # fmt: skip
    for found, one in zip(sobel_edges(image), expected, strict=True):
        np.testing.assert_allclose(found[0], one / one.max(), atol=1e-12)
    assert not sobel_edges(torch.full((1, 1, *size), 3.0)).any()


def test_the_terms_weigh_one_and_two_times_four_tenths() -> None:
    method = edge_flow().eval()
    batch = collate([sample_of(method, seed) for seed in range(2)])
    terms, target = method.losses(batch), batch["target"]
    out = method.network(standardise(batch["image"]), batch["cues"])
    expected = {
        "normalised_focal": normalised_focal_loss(out.coarse, target, focus=2.0),
        "normalised_focal_fine": normalised_focal_loss(out.fine, target, focus=2.0),
        "edge": 0.4 * balanced_cross_entropy(out.edge[:, 0], edge_target(target, 2)),
        "auxiliary": 0.4 * F.cross_entropy(out.auxiliary, target, ignore_index=IGNORE),
    }
    assert {name: float(term) for name, term in terms.items()} == pytest.approx(
        {name: float(term) for name, term in expected.items()}, rel=1e-5
    )


def heard_by(method: EdgeFlow) -> list[torch.Tensor]:
    heard: list[torch.Tensor] = []
    method.network.click_stem.register_forward_pre_hook(lambda _, given: heard.append(given[0].clone()))
    return heard


@pytest.mark.parametrize("edge", ["head", "mask", "sobel", "none"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_edge_is_zero_at_first_then_that_of_the_answer_and_undo_restores_it(edge: str, dimensions: int) -> None:
    method = edge_flow(dimensions, edge=edge)
    heard = heard_by(method)
    session = session_on(method)
    first = session.add(*prompts_of(method))
    click = Click(tuple(length / 2 for length in image_of(dimensions).shape[1:]))
    second = session.add(click)
    session.add(click)
    np.testing.assert_array_equal(session.undo().probability, second.probability)
    session.add(click)
    assert (first.memory is not None) == (edge in ("head", "mask"))
    assert torch.equal(heard[-1], heard[2])
    assert [each.shape[1] for each in heard] == [2 if edge == "none" else 3] * 4
    if edge in ("head", "mask"):
        assert not heard[0][:, 2].any()
        assert heard[1][:, 2].any() or not first.memory.any()
    if edge == "sobel":
        assert all(torch.equal(each[:, 2], heard[0][:, 2]) for each in heard)
        assert float(heard[0][:, 2].max()) == pytest.approx(1)


def test_the_published_baseline_has_no_edge_no_late_fusion_and_no_fine_network() -> None:
    method = edge_flow(edge="none", late_fusion=False, stage="coarse")
    assert {name for name, _ in method.network.named_children()} == {
        "image_stem", "click_stem", "network", "fusions", "auxiliary_head",
    }  # fmt: skip
    assert not method.network.fusions
    terms = method.losses(collate([sample_of(method, seed) for seed in range(2)]))
    assert set(terms) == {"normalised_focal", "auxiliary"}


def test_the_second_stage_starts_from_the_weights_of_the_first(tmp_path) -> None:
    first = edge_flow(stage="coarse")
    with torch.no_grad():
        for weight in first.parameters():
            weight += 1.0
    save_weights(first.state_dict(), tmp_path / "coarse.safetensors")
    second = edge_flow(stage="whole")
    fine = {name: tensor.clone() for name, tensor in second.network.fine.state_dict().items()}
    load_weights(second, tmp_path / "coarse.safetensors")
    found = second.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in first.state_dict().items())
    assert all(torch.equal(tensor, found[f"network.fine.{name}"]) for name, tensor in fine.items())
    assert second.complete_weights(found) is found


def test_the_coarse_network_may_learn_at_a_tenth_of_the_rate_beside_the_fine_one() -> None:
    optimiser = Optimiser(learning_rate=0.1, encoder_share=0.5)
    for stage, rates in (
        ("whole", {"fine": 0.1, "encoder": 0.005, "other": 0.01}),
        ("coarse", {"encoder": 0.05, "other": 0.1}),
    ):
        method = edge_flow(stage=stage, coarse_share=0.1, optimiser=optimiser)
        groups = configure_all(method, 10)["optimizer"].param_groups
        learned_at = {id(weight): group["lr"] for group in groups for weight in group["params"]}
        for name, weight in method.named_parameters():
            part = "fine" if ".fine." in name else "encoder" if ".encoder." in name else "other"
            assert learned_at[id(weight)] == pytest.approx(rates[part]), name
    with pytest.raises(ConfigError, match="coarse_share"):
        edge_flow(coarse_share=0.0)
