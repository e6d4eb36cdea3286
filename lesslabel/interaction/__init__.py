"""Interaction: what a person gives on an image, turned into what a network or a cut can use.

Importing this needs no PyTorch; `lesslabel.interaction.learned_cue` does.
"""

from lesslabel.interaction.cues import (
    CUES,
    EGD_BOUND,
    Cue,
    disk_cue,
    euclidean_cue,
    exponential_geodesic_cue,
    gaussian_cue,
    gaussian_geodesic_cue,
    geodesic_cue,
)
from lesslabel.interaction.geodesic import Scale, geodesic_distance

__all__ = [
    "CUES",
    "EGD_BOUND",
    "Cue",
    "Scale",
    "disk_cue",
    "euclidean_cue",
    "exponential_geodesic_cue",
    "gaussian_cue",
    "gaussian_geodesic_cue",
    "geodesic_cue",
    "geodesic_distance",
]
