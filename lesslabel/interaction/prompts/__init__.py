"""Prompts: what a person gives on an image; stored in voxels, rasterised to seed masks, written as JSON."""

from lesslabel.interaction.prompts.base import Prompt, rasterise
from lesslabel.interaction.prompts.clicks import CentreEdgePoints, Click, ExtremePoints, InteriorMarginPoints
from lesslabel.interaction.prompts.regions import Box, EnclosingScribble, Polygon
from lesslabel.interaction.prompts.registry import KINDS, PROMPTS, prompt_from_json
from lesslabel.interaction.prompts.seeds import Seeds, Side
from lesslabel.interaction.prompts.strokes import CutLine, Scribble

__all__ = [
    "KINDS",
    "PROMPTS",
    "Box",
    "CentreEdgePoints",
    "Click",
    "CutLine",
    "EnclosingScribble",
    "ExtremePoints",
    "InteriorMarginPoints",
    "Polygon",
    "Prompt",
    "Scribble",
    "Seeds",
    "Side",
    "prompt_from_json",
    "rasterise",
]
