"""The losses of KnifeCut, by hand and by loops over voxels."""

import math

import pytest
import torch

from lesslabel.losses import repair_loss, repaired, weighted_binary_cross_entropy


def maps(*grid: int, seed: int = 0):
    """Logits of R and M, then P′, G, body, region and known."""
    generator = torch.Generator().manual_seed(seed)
    refined, repair = 2 * torch.randn(2, 2, *grid, generator=generator)
    before, truth, thin, region, known = (torch.rand(5, 2, *grid, generator=generator) < 0.5).float()
    return (
        refined,
        repair,
        {
            "before": before,
            "truth": truth,
            "body": truth * (1 - thin),
            "region": region * (1 - truth * (1 - thin)),
            "known": known.bool(),
        },
    )


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def entropy(p: float, g: float) -> float:
    return -(g * math.log(p) + (1 - g) * math.log(1 - p))


def test_the_cross_entropy_is_divided_by_the_number_of_voxels_and_not_by_weights() -> None:
    logits = torch.tensor([[0.0, 0.0, 2.0, 5.0]])
    target, weight = torch.tensor([[1.0, 0.0, 1.0, 0.0]]), torch.tensor([[1.0, 0.0, 2.0, 1.0]])
    known = torch.tensor([[True, True, True, False]])
    expected = (math.log(2) + 2 * math.log(1 + math.exp(-2))) / 3
    assert float(weighted_binary_cross_entropy(logits, target, weight, known)) == pytest.approx(expected)


@pytest.mark.parametrize("grid", [(3, 4), (2, 3, 2)])
def test_the_loss_of_a_branch_is_that_of_the_equations(grid: tuple[int, ...]) -> None:
    refined, repair, given = maps(*grid)
    total, count = 0.0, 0
    for place in torch.nonzero(given["known"]).tolist():
        voxel = tuple(place)
        before, truth, body, region = (float(given[name][voxel]) for name in ("before", "truth", "body", "region"))
        result, share = logistic(float(refined[voxel])), logistic(float(repair[voxel]))
        total += (1 - body + share) * entropy(result, truth)  # eq. 5.14, first term of 5.16
        final = share * result + (1 - share) * before  # eq. 5.11
        total += entropy(final, before * (1 - region) + truth * region)  # eq. 5.15, second term
        count += 1
    assert float(repair_loss(refined, repair, **given)) == pytest.approx(total / count, rel=1e-5)


def test_a_balanced_repair_counts_the_region_as_much_as_the_rest() -> None:
    refined, repair, given = maps(4, 5)
    given["region"][:] = 0
    given["region"][0, 1, 2] = 1
    given["known"][0, 1, 2] = True
    mean = {0.0: [], 1.0: []}
    of_result, count = 0.0, int(given["known"].sum())
    for place in torch.nonzero(given["known"]).tolist():
        voxel = tuple(place)
        before, truth, body, region = (float(given[name][voxel]) for name in ("before", "truth", "body", "region"))
        result, share = logistic(float(refined[voxel])), logistic(float(repair[voxel]))
        of_result += (1 - body + share) * entropy(result, truth) / count
        final = min(max(share * result + (1 - share) * before, 1e-6), 1 - 1e-6)
        mean[region].append(entropy(final, before * (1 - region) + truth * region))
    assert len(mean[1.0]) == 1
    expected = of_result + mean[1.0][0] + sum(mean[0.0]) / len(mean[0.0])
    assert float(repair_loss(refined, repair, balanced=True, **given)) == pytest.approx(expected, rel=1e-5)
    given["region"][:] = 0
    assert float(repair_loss(refined, repair, balanced=True, **given)) == pytest.approx(
        float(repair_loss(refined, repair, **given)), rel=1e-5
    )


def test_a_repair_of_nothing_changes_nothing_and_of_all_gives_the_result() -> None:
    refined, before = torch.rand(2, 5, 6), (torch.rand(2, 5, 6) < 0.5).float()
    assert torch.equal(repaired(refined, torch.zeros_like(refined), before), before)
    assert torch.equal(repaired(refined, torch.ones_like(refined), before), refined)


def test_the_weight_of_the_result_gives_the_repair_no_gradient() -> None:
    refined, repair, given = maps(4, 5)
    repair.requires_grad_()
    known = given["known"]
    share = repair.sigmoid()
    final = repaired(refined.sigmoid(), share, given["before"]).clamp(1e-6, 1 - 1e-6)
    target = given["before"] * (1 - given["region"]) + given["truth"] * given["region"]
    alone = (torch.nn.functional.binary_cross_entropy(final, target, reduction="none") * known).sum() / known.sum()
    (expected,) = torch.autograd.grad(alone, repair)
    (gradient,) = torch.autograd.grad(repair_loss(refined, repair, **given), repair)
    torch.testing.assert_close(gradient, expected)


def test_unknown_voxels_and_unlabelled_samples_add_nothing() -> None:
    refined, repair, given = maps(4, 5)
    given["known"][1] = False
    both = repair_loss(refined, repair, **given)
    alone = repair_loss(refined[:1], repair[:1], **{name: each[:1] for name, each in given.items()})
    torch.testing.assert_close(both, alone)
    given["known"][:] = False
    refined.requires_grad_()
    nothing = repair_loss(refined, repair, **given)
    nothing.backward()
    assert nothing == 0
    assert not refined.grad.any()
