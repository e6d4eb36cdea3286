"""Losses: pure functions that average over known voxels. `IGNORE` voxels never count, whatever their prediction."""

from lesslabel.losses.consistency import consistency_loss, cross_pseudo_loss
from lesslabel.losses.cross_entropy import partial_cross_entropy
from lesslabel.losses.dice import dice_loss
from lesslabel.losses.pseudo_label import hard_label, mixed_pseudo_label, pseudo_label_loss
from lesslabel.losses.ramps import gaussian_ramp, poly

__all__ = [
    "consistency_loss",
    "cross_pseudo_loss",
    "dice_loss",
    "gaussian_ramp",
    "hard_label",
    "mixed_pseudo_label",
    "partial_cross_entropy",
    "poly",
    "pseudo_label_loss",
]
