"""Prototypes of classes in feature space, and the class of the nearest one."""

import torch
from torch import Tensor
from torch.nn import functional as F

from lesslabel.losses.rules import without_autocast


@torch.no_grad()
def class_prototypes(features: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean feature of each class over a batch.

    Args:
        features: B×F×[D×]H×W.
        weights: B×C×[D×]H×W, 0 or more.

    Returns:
        C×F; NaN for a class without weight.
    """
    with without_autocast(features):  # a product in bf16 moves a prototype by a third of a percent
        total = torch.einsum("bcn,bfn->cf", weights.flatten(2).float(), features.flatten(2).float())
    return total / weights.float().transpose(0, 1).flatten(1).sum(dim=1, keepdim=True)


@torch.no_grad()
def nearest_prototype(features: Tensor, prototypes: Tensor, *, cosine: bool = False) -> Tensor:
    """The class whose prototype is nearest to each voxel's feature.

    Args:
        features: B×F×[D×]H×W.
        prototypes: C×F; a class with NaN is never the nearest.
        cosine: by the angle between them instead of the Euclidean distance.

    Returns:
        B×[D×]H×W int64; class 0 if there is no prototype at all.
    """
    if cosine:
        features, prototypes = F.normalize(features.float(), dim=1), F.normalize(prototypes, dim=1)
    with without_autocast(features):  # and gives a quarter of all voxels to another one
        product = torch.einsum("cf,bf...->bc...", prototypes, features.float())
    # |f|² is the same for all classes
    squared = prototypes.square().sum(dim=1).view(1, -1, *[1] * (features.ndim - 2))
    return (squared - 2.0 * product).nan_to_num(torch.inf).min(dim=1).indices
