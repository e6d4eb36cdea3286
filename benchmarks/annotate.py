"""What a person waits for in the page: the server's share, over loopback, as the page asks for it.

    python -P benchmarks/annotate.py    # -P, since uvicorn imports a package that is named as benchmarks/click.py
    python -P benchmarks/annotate.py --model mideepseg-3d --turns 50

A generated CT of 200×512×512 voxels with bright disks, int16. Rows: opening the case (its state and its image), a click
that the model answers, a stroke of the brush, taking a turn back, and clicks of four annotators at once. ``mideepseg``
and ``mideepseg-3d`` are networks of the sizes of `configs/acdc` and `configs/la` with fresh weights: every click of
theirs corrects the answer to first points, which is a row of its own. A row is the median and the 95th percentile over
the turns, and the mean of the bytes of an answer. Drawing on the screen is not in it.
"""

import argparse
import http.client
import json
import multiprocessing
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import uvicorn

from lesslabel.annotating.app import make_app
from lesslabel.annotating.desk import Desk
from lesslabel.annotating.models import PageModel, open_model
from lesslabel.annotating.security import Guard
from lesslabel.annotating.serving import LOOPBACK, listen
from lesslabel.annotating.task import Task
from lesslabel.annotating.wire import Runs
from lesslabel.data.case import Annotation, Case, Kind
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare
from lesslabel.methods import MIDeepSeg
from lesslabel.networks import UNet

SHAPE = (200, 512, 512)
AUTHORS = ("ann", "ben", "cem", "dan")
Answered = tuple[bytes, float]
"""What came back, and after how many seconds."""
ANGLES = np.arange(8) * np.pi / 4


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

    def __init__(self, port: int, author: str, model: PageModel) -> None:
        self.dimensions, self.points_first = model.model.dimensions, bool(model.first)
        self.slice = 0
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
        """A click on a slice; on the last one if the model takes points first."""
        inside = rng.normal((256, 230), 15).tolist()
        position = inside if self.dimensions == 2 else [float(self.slice), *inside]
        return self.prompt({"type": "click", "version": 1, "position": position, "side": "foreground"}, rng)

    def points(self, rng: np.random.Generator) -> tuple[bytes, float]:
        """Eight points around the tube on a fresh slice, or at both ends of a part of it in the volume."""
        self.slice = int(rng.integers(10, SHAPE[0] - 10))
        around = np.array([256, 230]) + 66 * np.stack([np.sin(ANGLES), np.cos(ANGLES)], axis=1)
        if self.dimensions == 3:
            ends = self.slice + np.where(np.arange(len(ANGLES)) % 2, 10, -10)
            around = np.concatenate([ends[:, None], around], axis=1)
        points = {"type": "interior-margin-points", "version": 1, "positions": around.tolist()}
        return self.prompt(points, rng)

    def prompt(self, prompt: Mapping[str, Any], rng: np.random.Generator) -> tuple[bytes, float]:
        index = self.slice if self.points_first else int(rng.integers(0, SHAPE[0]))
        plane = {"axis": 0, "index": index} if self.dimensions == 2 else None
        return self.turn({"type": "prompts", "label": 1, "plane": plane, "prompts": [prompt]})

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
    parser.add_argument("--model", default="training-free", help="training-free, general, mideepseg or mideepseg-3d")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = prepare(OneCT(), Path(folder) / "store")[0]
        spawned = multiprocessing.get_context("spawn")
        told, telling = spawned.Pipe(duplex=False)
        server = spawned.Process(target=serve, args=(store.path, arguments.model, telling), daemon=True)
        server.start()
        try:
            measure(told.recv(), model_named(arguments.model, store), arguments.turns)
        finally:
            server.terminate()
            server.join()


def serve(path: Path, model: str, telling: Connection) -> None:
    """The server in a process of its own, as annotators have it; it tells its port."""
    store = Store(path)
    torch.manual_seed(0)  # of the fresh weights
    desk = Desk(store, Task("drawn"), model_named(model, store))
    guard = Guard(make_app(desk), {author: author for author in AUTHORS})
    listening = listen(LOOPBACK, 0)
    telling.send(listening.getsockname()[1])
    config = uvicorn.Config(guard, log_level="warning", lifespan="off", timeout_keep_alive=600)
    uvicorn.Server(config).run(sockets=[listening])


def model_named(name: str, store: Store) -> PageModel:
    if name == "mideepseg":
        return fresh(MIDeepSeg(network=UNet(normalisation="instance")))
    if name == "mideepseg-3d":
        network = UNet(dimensions=3, channels=(8, 16, 32, 64), encoder_dropout=(0,) * 4, normalisation="instance")
        return fresh(MIDeepSeg(size_voxel=(64, 96, 96), network=network))
    return open_model(name, store)


def fresh(method: MIDeepSeg) -> PageModel:
    return PageModel(method, first="interior-margin-points", described={"name": "fresh"})


def measure(port: int, model: PageModel, turns: int) -> None:
    rng = np.random.default_rng(0)
    clients = [Client(port, author, model) for author in AUTHORS]
    print(f"opening, state and image: {clients[0].open():.2f} s; again: {clients[0].open():.2f} s")
    clicks(clients[0], rng, 1)  # kernels are compiled or loaded once
    print("| turn | median, ms | p95, ms | kB |\n| --- | --- | --- | --- |")
    print_clicks(*clicks(clients[0], rng, turns), "one annotator")
    brushed = [clients[0].brush(rng) for _ in range(turns)]
    print(row("brush", brushed))
    clients[0].last = json.loads(brushed[-1][0])["number"]
    print(row("undo", [clients[0].undo() for _ in range(turns)]))
    for client in clients[1:]:
        client.open()
    first: list[Answered] = []
    corrections: list[Answered] = []

    def work(client: Client, seed: int) -> None:
        own = np.random.default_rng(seed)
        for known, new in zip((first, corrections), clicks(client, own, turns // 4), strict=True):
            known.extend(new)

    threads = [threading.Thread(target=work, args=(client, seed)) for seed, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print_clicks(first, corrections, "four annotators")


def print_clicks(first: list[Answered], corrections: list[Answered], who: str) -> None:
    """Rows of first points, clicks, and both as they come, if there are first points."""
    if first:
        print(row(f"first points, {who}", first))
    print(row(f"click, {who}", corrections))
    if first:
        print(row(f"points and clicks, {who}", first + corrections))


def clicks(client: Client, rng: np.random.Generator, count: int) -> tuple[list[Answered], list[Answered]]:
    """Clicks, and the first points before each if the model takes such."""
    if not client.points_first:
        return [], [client.click(rng) for _ in range(count)]
    pairs = [(client.points(rng), client.click(rng)) for _ in range(count)]
    return [first for first, _ in pairs], [click for _, click in pairs]


if __name__ == "__main__":
    main()
