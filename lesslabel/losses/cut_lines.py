"""Losses of KnifeCut: weighted cross-entropies of a line, of a refined result and of the mask that it repairs."""

from torch import Tensor
from torch.nn import functional as F

from lesslabel.losses.rules import at_least_float32

_EPSILON = 1e-6


def weighted_binary_cross_entropy(logits: Tensor, target: Tensor, weight: Tensor, known: Tensor) -> Tensor:
    """Average a weighted cross-entropy over all known voxels, ``l(P, G, W)`` of KnifeCut (eq. 5.12).

    Args:
        logits: B×[D×]H×W of P.
        target: G, the same shape, in [0, 1].
        weight: W, the same shape, not negative.
        known: the same shape, bool; other voxels do not count.

    Returns:
        Scalar, float32 or wider: the weighted sum divided by the number of known voxels, at least 1, and not by the sum
        of the weights.
    """
    loss = F.binary_cross_entropy_with_logits(at_least_float32(logits), target.float(), reduction="none")
    return (loss * weight * known).sum() / known.sum().clamp(min=1)


def repaired(refined: Tensor, repair: Tensor, before: Tensor) -> Tensor:
    """Repair a mask: ``P = M · R + (1 − M) · P′`` (KnifeCut, eq. 5.11).

    Args:
        refined: R, probabilities of any shape.
        repair: M, the same shape, in [0, 1]; where it is 0 the mask stays as it was, bit for bit.
        before: P′, the same shape, the mask to repair.
    """
    return repair * refined + (1 - repair) * before


def repair_loss(
    refined: Tensor,
    repair: Tensor,
    *,
    before: Tensor,
    truth: Tensor,
    body: Tensor,
    region: Tensor,
    known: Tensor,
    balanced: bool = False,
) -> Tensor:
    """Compute the loss of one branch of KnifeCut (eq. 5.14–5.16).

    The refined result R learns the object everywhere but in its body, and there too where the branch repairs; the
    repaired mask P learns the object inside the region, and outside it the mask as it was. The weight of R is computed
    from M without gradient, which the text does not state: else a smaller M would lower the loss.

    As published, the loss of P is averaged over the image. In an image of a hundred thin parts the region of one is a
    hundredth of it, so M learns almost nothing from P: its gradient then comes from R, which uses M as a map, and
    repairs nothing. `balanced` averages inside the region and outside it apart, and adds both.

    Args:
        refined: logits of R, B×[D×]H×W.
        repair: logits of M, the same shape.
        before: P′, the same shape, in [0, 1].
        truth: G, the same shape, 0 or 1.
        body: G without its thin parts, the same shape, 0 or 1.
        region: E* of the chosen thin part, or E of all, the same shape, 0 or 1.
        known: the same shape, bool; other voxels do not count.
        balanced: whether the region counts as much as the rest of the image.

    Returns:
        Scalar, float32 or wider.
    """
    refined, repair = at_least_float32(refined), at_least_float32(repair)
    share = repair.sigmoid()
    weight = 1 - body + share.detach()
    target = before * (1 - region) + truth * region
    result = repaired(refined.sigmoid(), share, before).clamp(_EPSILON, 1 - _EPSILON)
    of_result = -(target * result.log() + (1 - target) * (1 - result).log())
    if balanced:
        places = region * known, (1 - region) * known
        whole = sum(((of_result * place).sum() / place.sum().clamp(min=1) for place in places), refined.new_zeros(()))
    else:
        whole = (of_result * known).sum() / known.sum().clamp(min=1)
    return weighted_binary_cross_entropy(refined, truth, weight, known) + whole
