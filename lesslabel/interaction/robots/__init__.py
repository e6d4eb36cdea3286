"""Robots: simulated annotators for training and tests, and recorded scribbles of people."""

from lesslabel.interaction.robots.base import Robot
from lesslabel.interaction.robots.boundaries import BoundaryScatter, BoundaryScribbleRobot
from lesslabel.interaction.robots.centre_edge import CentreEdgeRobot
from lesslabel.interaction.robots.cut_lines import CutLineRobot
from lesslabel.interaction.robots.enclosures import BoxRobot, EnclosingScribbleRobot, PolygonRobot
from lesslabel.interaction.robots.error_clicks import BoundaryClickRobot, DeepestErrorRobot, ErrorCentreRobot
from lesslabel.interaction.robots.extreme_points import ExtremePointsRobot
from lesslabel.interaction.robots.margin_points import InteriorMarginRobot
from lesslabel.interaction.robots.medscribble import MedScribbleExample, read_medscribble
from lesslabel.interaction.robots.mixed import EnclosureRobot, RepairRobot
from lesslabel.interaction.robots.random_clicks import RandomClicksRobot
from lesslabel.interaction.robots.registry import ROBOTS
from lesslabel.interaction.robots.scribbles import ScribbleRobot
from lesslabel.interaction.robots.thin_parts import ThinPart, ThinParts, expanded_parts, expanded_region

__all__ = [
    "ROBOTS",
    "BoundaryClickRobot",
    "BoundaryScatter",
    "BoundaryScribbleRobot",
    "BoxRobot",
    "CentreEdgeRobot",
    "CutLineRobot",
    "DeepestErrorRobot",
    "EnclosingScribbleRobot",
    "EnclosureRobot",
    "ErrorCentreRobot",
    "ExtremePointsRobot",
    "InteriorMarginRobot",
    "MedScribbleExample",
    "PolygonRobot",
    "RandomClicksRobot",
    "RepairRobot",
    "Robot",
    "ScribbleRobot",
    "ThinPart",
    "ThinParts",
    "expanded_parts",
    "expanded_region",
    "read_medscribble",
]
