"""Every robot by its name."""

from collections.abc import Mapping

from lesslabel.interaction.robots.base import Robot
from lesslabel.interaction.robots.boundaries import BoundaryScatter, BoundaryScribbleRobot
from lesslabel.interaction.robots.centre_edge import CentreEdgeRobot
from lesslabel.interaction.robots.cut_lines import CutLineRobot
from lesslabel.interaction.robots.enclosures import BoxRobot, EnclosingScribbleRobot, PolygonRobot
from lesslabel.interaction.robots.error_clicks import BoundaryClickRobot, DeepestErrorRobot, ErrorCentreRobot
from lesslabel.interaction.robots.extreme_points import ExtremePointsRobot
from lesslabel.interaction.robots.margin_points import InteriorMarginRobot
from lesslabel.interaction.robots.mixed import EnclosureRobot, RepairRobot
from lesslabel.interaction.robots.random_clicks import RandomClicksRobot
from lesslabel.interaction.robots.scribbles import ScribbleRobot

ROBOTS: Mapping[str, type[Robot]] = {
    robot.name: robot
    for robot in (
        InteriorMarginRobot,
        CentreEdgeRobot,
        ExtremePointsRobot,
        ErrorCentreRobot,
        DeepestErrorRobot,
        BoundaryClickRobot,
        BoundaryScribbleRobot,
        BoundaryScatter,
        RandomClicksRobot,
        ScribbleRobot,
        CutLineRobot,
        BoxRobot,
        PolygonRobot,
        EnclosingScribbleRobot,
        EnclosureRobot,
        RepairRobot,
    )
}
