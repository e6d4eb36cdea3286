"""Interaction: prompts of a person, and their conversion to inputs of networks and graph cuts.

Importing this package does not import PyTorch; `learned_cue`, `crop`, `encoding` and `training_objects` do.
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
from lesslabel.interaction.graph_cut import cut_energy, graph_cut
from lesslabel.interaction.information_fusion import information_fusion, information_fusion_graph_cut
from lesslabel.interaction.model import History, ImageModel, InteractiveModel, ObjectModel, Segmentation
from lesslabel.interaction.prompts import (
    KINDS,
    PROMPTS,
    Box,
    CentreEdgePoints,
    Click,
    CutLine,
    EnclosingScribble,
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
from lesslabel.interaction.robots import ROBOTS, Robot, ThinParts
from lesslabel.interaction.session import InteractiveSession, replay
from lesslabel.interaction.session_log import SessionLog, Turn
from lesslabel.interaction.session_start import StartMask
from lesslabel.interaction.structure import StructureIntegrity, clicked_parts
from lesslabel.lazy import renamed_names

__all__ = [
    "CUES",
    "EGD_BOUND",
    "KINDS",
    "PROMPTS",
    "ROBOTS",
    "Box",
    "CentreEdgePoints",
    "Click",
    "Cue",
    "CutLine",
    "EnclosingScribble",
    "ExtremePoints",
    "History",
    "ImageModel",
    "InteractiveModel",
    "InteractiveSession",
    "InteriorMarginPoints",
    "ObjectModel",
    "Polygon",
    "Prompt",
    "Robot",
    "Scale",
    "Scribble",
    "Seeds",
    "Segmentation",
    "SessionLog",
    "Side",
    "StartMask",
    "StructureIntegrity",
    "ThinParts",
    "Turn",
    "clicked_parts",
    "cut_energy",
    "disk_cue",
    "euclidean_cue",
    "exponential_geodesic_cue",
    "gaussian_cue",
    "gaussian_geodesic_cue",
    "geodesic_cue",
    "geodesic_distance",
    "graph_cut",
    "information_fusion",
    "information_fusion_graph_cut",
    "prompt_from_json",
    "rasterise",
    "replay",
]

__getattr__ = renamed_names(__name__, {"Start": "StartMask"})
