"""Losses: pure functions that average over known voxels. They ignore voxels with the target `IGNORE`."""

from lesslabel.lazy import renamed_names
from lesslabel.losses.certainty import certain_consistency_loss, certain_voxels, certainty_threshold
from lesslabel.losses.clicks import (
    balanced_cross_entropy,
    click_influence,
    click_weighted_cross_entropy,
    normalised_focal_loss,
)
from lesslabel.losses.confidence import class_balanced_label, confident_cross_entropy, confident_label
from lesslabel.losses.consistency import (
    consistency_loss,
    cross_pseudo_loss,
    soft_dice_distance,
    uncertainty_rectified_loss,
)
from lesslabel.losses.cross_entropy import partial_cross_entropy
from lesslabel.losses.cut_lines import repair_loss, repaired, weighted_binary_cross_entropy
from lesslabel.losses.dice import dice_loss
from lesslabel.losses.entropy import class_share_divergence, entropy_loss, voxel_entropy
from lesslabel.losses.level_set import (
    LevelSetDerivation,
    level_set,
    level_set_loss,
    level_set_targets,
    level_set_to_probability,
    level_sets,
)
from lesslabel.losses.pairwise import dense_crf_loss, gated_crf_loss
from lesslabel.losses.pseudo_label import hard_label, mixed_pseudo_label, pseudo_label_loss, sharpened, soft_label_loss
from lesslabel.losses.ramps import gaussian_ramp, poly
from lesslabel.losses.variation import mumford_shah_loss, total_variation_loss

__all__ = [
    "LevelSetDerivation",
    "balanced_cross_entropy",
    "certain_consistency_loss",
    "certain_voxels",
    "certainty_threshold",
    "class_balanced_label",
    "class_share_divergence",
    "click_influence",
    "click_weighted_cross_entropy",
    "confident_cross_entropy",
    "confident_label",
    "consistency_loss",
    "cross_pseudo_loss",
    "dense_crf_loss",
    "dice_loss",
    "entropy_loss",
    "gated_crf_loss",
    "gaussian_ramp",
    "hard_label",
    "level_set",
    "level_set_loss",
    "level_set_targets",
    "level_set_to_probability",
    "level_sets",
    "mixed_pseudo_label",
    "mumford_shah_loss",
    "normalised_focal_loss",
    "partial_cross_entropy",
    "poly",
    "pseudo_label_loss",
    "repair_loss",
    "repaired",
    "sharpened",
    "soft_dice_distance",
    "soft_label_loss",
    "total_variation_loss",
    "uncertainty_rectified_loss",
    "voxel_entropy",
    "weighted_binary_cross_entropy",
]

__getattr__ = renamed_names(__name__, {"LevelSetRecipe": "LevelSetDerivation"})
