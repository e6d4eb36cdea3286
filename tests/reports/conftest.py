"""Run folders and a store as `docs/formats.md` states them, small and with known numbers."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.formats.nifti import write_label_map
from lesslabel.data.store import CaseRecord
from lesslabel.data.store.case_file import write_case
from lesslabel.data.store.records import write_fingerprint, write_table
from lesslabel.reports import write_report

LABELS = ("RV", "MYO", "LV")
PATIENTS = {"p1_ED": "Jane Roe", "p1_ES": "Jane Roe", "p2_ED": "Max Doe", "p3_ED": "Ann Poe"}
SHAPE = (4, 40, 36)
Dice = Mapping[str, Sequence[float]]

DICE: Dice = {
    "p1_ED": (0.90, 0.80, 0.70),  # case mean 0.80
    "p1_ES": (0.70, 0.60, 0.50),  # case mean 0.60; patient 1: 0.70
    "p2_ED": (0.95, 0.90, 0.85),  # 0.90
    "p3_ED": (0.40, 0.50, 0.60),  # 0.50
}


def truth(scale: float = 1.0) -> np.ndarray:
    """Rings about (20, 18): LV in MYO, RV beside; the slice z = 1 is the fullest, z = 3 is empty."""
    labels = np.zeros(SHAPE, dtype=np.uint8)
    y, x = np.ogrid[: SHAPE[1], : SHAPE[2]]
    for z, radius in enumerate((7, 9, 6)):
        from_centre, from_side = np.hypot(y - 20, x - 18), np.hypot(y - 20, x - 7)
        labels[z][from_side < radius * 0.6 * scale] = 1
        labels[z][from_centre < radius * scale] = 2
        labels[z][from_centre < radius * scale - 3] = 3
    return labels


def scribble() -> np.ndarray:
    labels = np.full(SHAPE, IGNORE, dtype=np.uint8)
    labels[:3, 2, 2:30] = 0
    labels[:3, 20, 17:20] = 3
    labels[:3, 20, 25] = 2
    return labels


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Four test cases and four training cases; ``p3_ED`` has no scribble."""
    folder = tmp_path / "stores" / "hearts"
    patients = PATIENTS | {f"t{index}": f"Tim {index // 2}" for index in range(4)}
    records = []
    for uid, patient in patients.items():
        image = np.random.default_rng(len(records)).normal(truth() * 20.0, 8).astype(np.float32)[None]
        annotations = {"dense": Annotation(truth(), Kind.DENSE), "scribble": Annotation(scribble(), Kind.SCRIBBLE)}
        if uid == "p3_ED":
            del annotations["scribble"]
        case = Case(uid, patient, image, (10.0, 1.5, 1.25), annotations=annotations)
        records.append(CaseRecord.of(case, write_case(folder / "cases" / f"{uid}.h5", case)))
    write_table(folder / "cases.csv", records)
    labels = {str(code): name for code, name in enumerate(LABELS, start=1)}
    fingerprint = {"format": 1, "source": "hearts", "labels": labels, "channels": ["image"], "data_hash": "abc123"}
    write_fingerprint(folder / "fingerprint.json", fingerprint)
    return folder


MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Make a tested run folder; keywords replace parts of it."""

    def make(
        name: str = "run",
        *,
        method: str = "pCE",
        seed: int = 1,
        dice: Dice = DICE,
        annotation: str = "scribble",
        store: Path | None = None,
        data: Mapping[str, Any] | None = None,
        summary: Mapping[str, Any] | None = None,
        environment: Mapping[str, Any] | None = None,
        model: Mapping[str, Any] | None = None,
        history: Sequence[Mapping[str, Any]] | None = None,
        predictions: bool = True,
    ) -> Path:
        run = tmp_path / "runs" / name
        rows = [
            {"uid": uid, "patient": PATIENTS[uid], "label": label, "dice": value, "jaccard": value / (2 - value)}
            | {"hd95": 10 * (1 - value), "asd": 2 * (1 - value), "assd": 1, "nsd": value}
            for uid, values in dice.items()
            for label, value in zip(LABELS, values, strict=False)
        ]
        write_csv(run / "test" / "metrics.csv", rows)
        _write_json(run / "data.json", _data(annotation, dice) | dict(data or {}))
        _write_json(run / "test" / "summary.json", _summary(method, seed) | dict(summary or {}))
        _write_json(run / "environment.json", _environment(seed) | dict(environment or {}))
        config: dict[str, Any] = {"model": dict(model or {"lr": 0.01}), "trainer": {"max_steps": 100}}
        if store is not None:
            config["data"] = {"init_args": {"store": str(store)}}
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        write_csv(run / "logs" / "metrics.csv", _long(history or _history()))
        for uid in dice if predictions else ():
            path = run / "test" / "predictions" / f"{uid}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            write_label_map(path, truth(0.8), (10.0, 1.5, 1.25))
        return run

    return make


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content))


def _data(annotation: str, dice: Dice) -> dict[str, Any]:
    return {
        "data_hash": "abc123",
        "source": "hearts",
        "label_names": ["background", *LABELS],
        "parts": {"train": ["t0", "t1", "t2", "t3"], "validation": [], "test": list(dice)},
        "labelled": {"t0": annotation, "t1": annotation, "t2": annotation},
        "patients": PATIENTS | {"t0": "Tim 0", "t1": "Tim 0", "t2": "Tim 1", "t3": "Tim 1"},
        "split": "hearts/holdout",
        "fold": 0,
        "missing_patients": ["Eve Foe"],
        "view": {"supervision": [{"annotation": annotation}], "reference": "dense", "labels": None, "channels": None},
        "unit": "mm",
    }


def _summary(method: str, seed: int) -> dict[str, Any]:
    return {
        "method": method,
        "checkpoint": "/home/jane/runs/checkpoints/best.ckpt",
        "checkpoint_rule": "best validation Dice",
        "iteration": 100,
        "part": "test",
        "unit": "mm",
        "hd95": "pooled",
        "empty": "diagonal",
        "nsd_tolerance": 1.0,
        "seed": seed,
        "minutes": 0.5,
    }


def _environment(seed: int) -> dict[str, Any]:
    return {
        "lesslabel": "0.1.0",
        "python": "3.11.7",
        "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
        "platform": "Linux x86_64",
        "threads": 2,
        "accelerator": "CPU",
        "commit": "0123abcd",
        "dirty": True,
        "command": "/home/jane/bin/lesslabel fit --config /home/jane/hearts.yaml --run runs/a",
        "started": "2026-11-21T05:00:00",
        "seed": seed,
    }


def _history() -> list[dict[str, Any]]:
    losses = [{"step": step, "train/pce": 1 / (step + 1)} for step in range(0, 100, 10)]
    return losses + [{"step": step, "validation/dice": step / 100} for step in (49, 99)]


def _long(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per logged value, as a run writes them."""
    return [
        {"step": row["step"], "name": name, "value": value}
        for row in history
        for name, value in row.items()
        if name != "step"
    ]


VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Collects what a browser would see; fails on tags that do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.tables: list[list[list[str]]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not {"style", "svg"} & set(self._open):
            self.texts.append(data)
        if ("td" in self._open or "th" in self._open) and "svg" not in self._open:
            cell = self.tables[-1][-1]
            cell[-1] = " ".join(f"{cell[-1]} {data}".split())

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]

    def fact(self, name: str) -> str:
        return next(row[1] for table in self.tables for row in table if row and row[0] == name)


@pytest.fixture
def report() -> Callable[..., Page]:
    """Write a report and read it as a browser would."""

    def write_and_read(runs: Sequence[Path], output: Path, **options: Any) -> Page:
        assert write_report(runs, output, **options) == output
        return Page(output.read_text(encoding="utf-8"))

    return write_and_read


@pytest.fixture(scope="session")
def read_page() -> Callable[[Path], Page]:
    """Read any page as a browser would."""
    return lambda path: Page(path.read_text(encoding="utf-8"))
