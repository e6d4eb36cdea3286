"""A store with bright disks to point at, a desk over it, and a client that speaks to it as the page does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import numpy as np
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from lesslabel.annotating.app import make_app
from lesslabel.annotating.desk import Desk
from lesslabel.annotating.models import open_model
from lesslabel.annotating.security import Guard
from lesslabel.annotating.task import Task
from lesslabel.annotating.wire import Change, Runs
from lesslabel.data.case import Annotation, Case, Kind
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare

SHAPE = (5, 40, 32)
SPACING_MM = (5.0, 1.5, 1.25)
CENTRES = {1: (12, 10), 2: (28, 20)}
RADIUS = 6
TOKENS = MappingProxyType({f"token-of-{author}": author for author in ("ann", "ben", "cem", "dan")})


class Disks(Source):
    """Cases with two bright disks, the labels left and right; the first slice holds neither."""

    name = "disks"
    labels: Mapping[int, str] = MappingProxyType({1: "left", 2: "right"})

    def __init__(self, cases: Sequence[Case]) -> None:
        self.raw = Path("disks")
        self.cases = {case.uid: case for case in cases}

    def list_cases(self) -> list[RawCase]:
        return [RawCase(uid=case.uid, patient=case.patient) for case in self.cases.values()]

    def read(self, raw: RawCase) -> Case:
        return self.cases[raw.uid]


def truth() -> NDArray[np.uint8]:
    labels = np.zeros(SHAPE, np.uint8)
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    for code, (middle_y, middle_x) in CENTRES.items():
        labels[1:, (y - middle_y) ** 2 + (x - middle_x) ** 2 <= RADIUS**2] = code
    return labels


def make_case(number: int) -> Case:
    labels = truth()
    noise = np.random.default_rng(number).normal(0, 4, SHAPE)
    image = (np.array([20, 100, 160])[labels] + noise).round().astype(np.float32)[None]
    return Case(
        f"case{number}",
        f"patient{number}",
        image,
        SPACING_MM,
        np.diag([*SPACING_MM[::-1], 1.0]),
        modality="CT",
        annotations={"dense": Annotation(labels, Kind.DENSE)},
    )


def make_store(path: Path, cases: Sequence[Case] | None = None) -> Store:
    return prepare(Disks([make_case(number) for number in range(3)] if cases is None else cases), path)[0]


def make_desk(store: Store, **task: Any) -> Desk:
    return Desk(store, Task("drawn", **task), open_model("training-free", store))


class Page:
    """What the page sends, without the page."""

    def __init__(self, desk: Desk, token: str = "token-of-ann", tab: str = "tab1") -> None:
        self.client = TestClient(
            Guard(make_app(desk), TOKENS),
            base_url="http://127.0.0.1:8000",
            headers={"Authorization": f"Bearer {token}"},
            raise_server_exceptions=False,
        )
        self.tab = tab
        self.key = ""
        self.labels: NDArray[np.uint8] = np.zeros(SHAPE, np.uint8)

    def body(self, **more: Any) -> dict[str, Any]:
        return {"tab": self.tab, "id": uuid4().hex, "active_s": 1.5, **more}

    def post(self, what: str, **more: Any) -> Any:
        return self.client.post(f"/api/cases/{self.key}/{what}", json=self.body(**more))

    def done(self, what: str, **more: Any) -> Any:
        answer = self.post(what, **more)
        assert answer.status_code == 200, answer.text
        content = answer.json()
        self.draw(content.get("changes", ()))
        return content

    def open(self, key: str | None = None, **more: Any) -> Any:
        self.key = self.client.get("/api/next").json()["key"] if key is None else key
        content = self.done("open", **more)
        self.labels = np.full(content["shape"], content["rest"], np.uint8)
        self.draw(content["labels"])
        return content

    def draw(self, changes: Sequence[dict[str, Any]]) -> None:
        flat = self.labels.reshape(-1)
        for change in changes:
            read = Change.from_json(change, flat.size)
            flat[read.runs.voxels] = read.value

    def paint(self, mask: NDArray[np.bool_], value: int, tool: str = "brush", **more: Any) -> Any:
        runs = Runs.of_voxels(np.flatnonzero(mask)).encode()
        return self.done("turns", turn={"type": "paint", "tool": tool, "value": value, "runs": runs}, **more)

    def click(self, z: int, position: tuple[float, float], label: int, side: str = "foreground") -> Any:
        return self.done("turns", turn=click_turn(z, position, label, side))


def click_turn(z: int, position: Sequence[float], label: int, side: str = "foreground") -> dict[str, Any]:
    click = {"type": "click", "version": 1, "position": list(position), "side": side}
    return {"type": "prompts", "label": label, "plane": {"axis": 0, "index": z}, "prompts": [click]}


def seen_all(axis: int = 0) -> list[list[int]]:
    return [[axis, index] for index in range(SHAPE[axis])]
