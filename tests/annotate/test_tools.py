"""Every kind of prompt that a model takes can be given in the page, and the page is told which these are."""

import json
from pathlib import Path

import numpy as np
import pytest
from desks import Page, make_desk
from test_interactive_contract import ROWS, Row, make

from lesslabel.annotating.desk import Desk
from lesslabel.annotating.models import PageModel, general_model
from lesslabel.annotating.task import Task
from lesslabel.data.store import Store
from lesslabel.general.corrected_network import CorrectedNetwork
from lesslabel.interaction.model import kinds_of
from lesslabel.interaction.prompts import KINDS
from lesslabel.interaction.training_free import TrainingFree

TOOLBOX = Path(__file__).resolve().parents[2] / "page" / "src" / "toolbox.json"
AS_FIRST_POINTS = "the tool 'points' gives that kind of points which a model was trained to be given first"
WITHOUT_A_TOOL_OF_ITS_OWN = {
    "interior-margin-points": AS_FIRST_POINTS,
    "centre-edge-points": AS_FIRST_POINTS,
    "extreme-points": AS_FIRST_POINTS,
}
CROSSING = {"type": "polygon", "version": 1, "vertices": [[5, 4], [18, 16], [5, 16], [18, 4]]}

tools = json.loads(TOOLBOX.read_text(encoding="utf-8"))


def shipped_kinds(store: Store) -> set[str]:
    models = [*(make(row, 2) for row in ROWS), TrainingFree(), general_model(store).model]
    return {*CorrectedNetwork.kinds, *(kind for model in models for kind in kinds_of(model))}


def test_every_kind_that_a_model_of_the_package_takes_has_a_tool(store: Store) -> None:
    taken = shipped_kinds(store)
    given = {tool["prompt"] for tool in tools.values() if "prompt" in tool}
    assert given <= set(KINDS)
    assert taken == given | set(WITHOUT_A_TOOL_OF_ITS_OWN)
    assert "points" in tools


def test_tools_differ_in_name_and_key() -> None:
    for what in ("text", "key"):
        assert len({tool[what] for tool in tools.values()}) == len(tools)


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in ("mmiis", "knife cut", "click maps")])
def test_the_desk_tells_the_kinds_of_its_model(store: Store, row: Row) -> None:
    method = make(row, 2)
    told = Desk(store, Task("drawn"), PageModel(method)).overview("ann")["model"]["prompts"]
    assert told == list(method.kinds)
    assert ("boundary-scribble" in told) == (row.name == "mmiis")


def test_a_polygon_that_crosses_itself_is_refused_and_changes_nothing(store: Store, page: Page) -> None:
    page.open()
    page.click(2, (12, 10), 1)
    before = page.labels.copy()
    turn = {"type": "prompts", "label": 1, "plane": {"axis": 0, "index": 2}, "prompts": [CROSSING]}
    answer = page.post("turns", turn=turn)
    assert answer.status_code == 422
    said = answer.json()["error"]
    assert said == "polygon: crosses itself, side 1 and side 3; draw it around the object once"
    again = Page(make_desk(store)).open(page.key)
    assert len(again["turns"]) == 1
    content = page.open(page.key)
    assert (content["revision"], np.array_equal(page.labels, before)) == (1, True)
    assert page.click(2, (28, 20), 2)["number"] == 2


@pytest.mark.parametrize(
    "prompt",
    [
        {"type": "enclosing-scribble", "version": 1, "vertices": [[4, 2], [4, 18], [20, 18], [20, 2]]},
        {"type": "click", "version": 1, "position": [12, 4], "side": "boundary"},
        {"type": "scribble", "version": 1, "strokes": [[[6, 10], [8, 14]]], "side": "boundary"},
    ],
    ids=["lasso", "edge click", "edge stroke"],
)
def test_what_the_hand_gives_on_edges_and_around_is_answered(store: Store, prompt: dict[str, object]) -> None:
    method = make(next(row for row in ROWS if row.name == "mmiis"), 2)
    page = Page(Desk(store, Task("drawn"), PageModel(method)))
    page.open()
    turn = {"type": "prompts", "label": 1, "plane": {"axis": 0, "index": 2}, "prompts": [prompt]}
    shown = page.done("turns", turn=turn)["turn"]["prompts"][0]
    assert (shown["type"], shown.get("side")) == (prompt["type"], prompt.get("side"))
