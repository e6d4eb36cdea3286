"""What a person waits for in the page: the server's share, over loopback, as the page asks for it.

    python -P benchmarks/annotate.py    # -P, since uvicorn imports a package that is named as benchmarks/click.py

A generated CT of 200×512×512 voxels with bright disks, int16. Rows: opening the case (its state and its image), a click
that the training-free model answers, a stroke of the brush, taking a turn back, and clicks of four annotators at once.
A row is the median and the 95th percentile over the turns, and the mean of the bytes of an answer. Drawing on the
screen is not in it.
"""

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import uvicorn

from lesslabel.annotating.app import make_app
from lesslabel.annotating.desk import Desk
from lesslabel.annotating.models import open_model
from lesslabel.annotating.security import Guard
from lesslabel.annotating.task import Task
from lesslabel.annotating.wire import Runs
from lesslabel.data.case import Annotation, Case, Kind
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.store.prepare import prepare

SHAPE = (200, 512, 512)
AUTHORS = ("ann", "ben", "cem", "dan")


class OneCT(Source):
    """One case with a bright tube through all slices."""

    name = "ct"
    labels: Mapping[int, str] = MappingProxyType({1: "organ"})

    def __init__(self) -> None:
        self.raw = Path("ct")

    def list_cases(self) -> list[RawCase]:
        return [RawCase(uid=f"ct{number}", patient=f"ct{number}") for number in range(len(AUTHORS))]

    def read(self, raw: RawCase) -> Case:
        rng = np.random.default_rng(0)
        y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
        image = rng.integers(-40, 40, SHAPE, dtype=np.int16).astype(np.float32)
        image[:, (y - 256) ** 2 + (x - 230) ** 2 < 70**2] += 150
        nothing = Annotation(np.zeros(SHAPE, np.uint8), Kind.DENSE)
        case = Case(raw.uid, raw.patient, image[None], (1.5, 0.8, 0.8), modality="CT", annotations={"none": nothing})
        return replace(case, affine=np.diag([0.8, 0.8, 1.5, 1.0]))


class Client:
    """One annotator on a connection of their own."""

    def __init__(self, port: int, author: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.headers = {"Authorization": f"Bearer {author}", "Content-Type": "application/json"}
        self.key = ""

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> tuple[bytes, float]:
        content = None if body is None else json.dumps({"tab": "tab", "id": uuid.uuid4().hex, **body})
        since = time.perf_counter()
        self.connection.request("GET" if body is None else "POST", path, content, self.headers)
        answer = self.connection.getresponse()
        read = answer.read()
        seconds = time.perf_counter() - since
        assert answer.status == 200, read
        return read, seconds

    def open(self) -> float:
        self.key = json.loads(self.ask("/api/next")[0])["key"]
        return self.ask(f"/api/cases/{self.key}/open", {})[1] + self.ask(f"/api/cases/{self.key}/image")[1]

    def click(self, rng: np.random.Generator) -> tuple[bytes, float]:
        position = (rng.normal((256, 230), 15)).tolist()
        click = {"type": "click", "version": 1, "position": position, "side": "foreground"}
        plane = {"axis": 0, "index": int(rng.integers(0, SHAPE[0]))}
        return self.turn({"type": "prompts", "label": 1, "plane": plane, "prompts": [click]})

    def brush(self, rng: np.random.Generator) -> tuple[bytes, float]:
        mask = np.zeros(SHAPE, np.bool_)
        y, x = rng.integers(0, 400, 2)
        mask[int(rng.integers(0, SHAPE[0])), y : y + 8, x : x + 80] = True
        runs = Runs.of_voxels(np.flatnonzero(mask)).encode()
        return self.turn({"type": "paint", "tool": "brush", "value": 1, "runs": runs})

    def turn(self, turn: Mapping[str, Any]) -> tuple[bytes, float]:
        return self.ask(f"/api/cases/{self.key}/turns", {"turn": turn})

    def undo(self) -> tuple[bytes, float]:
        self.last -= 1
        return self.ask(f"/api/cases/{self.key}/remove", {"number": self.last + 1})

    last = 0


def row(name: str, answers: Sequence[tuple[bytes, float]]) -> str:
    seconds = sorted(1000 * each[1] for each in answers)
    size = statistics.mean(len(each[0]) for each in answers) / 1000
    return f"| {name} | {statistics.median(seconds):.0f} | {seconds[int(0.95 * len(seconds))]:.0f} | {size:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=200)
    turns = parser.parse_args().turns
    with tempfile.TemporaryDirectory() as folder:
        store = prepare(OneCT(), Path(folder) / "store")[0]
        desk = Desk(store, Task("drawn"), open_model("training-free", store))
        guard = Guard(make_app(desk), {author: author for author in AUTHORS})
        server = uvicorn.Server(
            uvicorn.Config(guard, port=0, log_level="warning", lifespan="off", timeout_keep_alive=600)
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        measure(server.servers[0].sockets[0].getsockname()[1], turns)
        server.should_exit = True
        thread.join()


def measure(port: int, turns: int) -> None:
    rng = np.random.default_rng(0)
    clients = [Client(port, author) for author in AUTHORS]
    print(f"opening, state and image: {clients[0].open():.2f} s; again: {clients[0].open():.2f} s")
    clients[0].click(rng)  # kernels are compiled or loaded once
    print("| turn | median, ms | p95, ms | kB |\n| --- | --- | --- | --- |")
    print(row("click, one annotator", [clients[0].click(rng) for _ in range(turns)]))
    brushed = [clients[0].brush(rng) for _ in range(turns)]
    print(row("brush", brushed))
    clients[0].last = json.loads(brushed[-1][0])["number"]
    print(row("undo", [clients[0].undo() for _ in range(turns)]))
    for client in clients[1:]:
        client.open()
    together: list[tuple[bytes, float]] = []

    def work(client: Client, seed: int) -> None:
        own = np.random.default_rng(seed)
        together.extend([client.click(own) for _ in range(turns // 4)])

    threads = [threading.Thread(target=work, args=(client, seed)) for seed, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(row("click, four annotators", together))


if __name__ == "__main__":
    main()
