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
from lesslabel.interaction.prompts import (
    PROMPTS,
    Box,
    CentreEdgePoints,
    Click,
    CutLine,
    ExtremePoints,
    InteriorMarginPoints,
    Polygon,
    Prompt,
    Scribble,
    Seeds,
    Side,
    prompt_from_json,
    rasterise,
)
from lesslabel.interaction.robots import ROBOTS, Robot

__all__ = [
    "CUES",
    "EGD_BOUND",
    "PROMPTS",
    "ROBOTS",
    "Box",
    "CentreEdgePoints",
    "Click",
    "Cue",
    "CutLine",
    "ExtremePoints",
    "InteriorMarginPoints",
    "Polygon",
    "Prompt",
    "Robot",
    "Scale",
    "Scribble",
    "Seeds",
    "Side",
    "disk_cue",
    "euclidean_cue",
    "exponential_geodesic_cue",
    "gaussian_cue",
    "gaussian_geodesic_cue",
    "geodesic_cue",
    "geodesic_distance",
    "prompt_from_json",
    "rasterise",
]
