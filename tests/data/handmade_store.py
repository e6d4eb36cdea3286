"""Small cases made by hand, and stores of them."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare
from lesslabel.errors import DataError

SHAPE = (4, 12, 10)
SPACING_MM = (10.0, 1.5, 1.25)


class Handmade(Source):
    """Cases that are at hand already; those in `damaged` cannot be read."""

    name = "handmade"
    labels: Mapping[int, str] = MappingProxyType({1: "RV", 2: "Myo", 3: "LV"})

    def __init__(self, cases: Sequence[Case], damaged: Sequence[str] = ()) -> None:
        self.raw = Path("handmade")
        self.cases = {case.uid: case for case in cases}
        self.damaged = damaged

    def list_cases(self) -> list[RawCase]:
        return [RawCase(uid=case.uid, patient=case.patient) for case in self.cases.values()]

    def read(self, raw: RawCase) -> Case:
        if raw.uid in self.damaged:
            raise DataError(f"{raw.uid}.nii.gz: cut short; copy it again")
        return self.cases[raw.uid]


def make_case(number: int) -> Case:
    """A case with noise as image, blocks of labels, and strokes inside them; two cases share a patient."""
    rng = np.random.default_rng(number)
    dense = np.zeros(SHAPE, dtype=np.uint8)
    dense[1:, 2:5, 2:8], dense[1:, 5:8, 2:8], dense[1:, 8:10, 2:8] = 1, 2, 3
    scribble = np.full(SHAPE, IGNORE, dtype=np.uint8)
    scribble[:, ::2, 4] = dense[:, ::2, 4]
    return Case(
        uid=f"case{number}",
        patient=f"patient{number // 2}",
        image=rng.normal(size=(1, *SHAPE)).astype(np.float32),
        spacing_mm=SPACING_MM,
        affine=np.diag([*SPACING_MM[::-1], 1.0]),
        centre="Leeds",
        modality="cine-MR",
        group="train",
        annotations={"dense": Annotation(dense, Kind.DENSE), "scribble": Annotation(scribble, Kind.SCRIBBLE)},
    )


def annotated(case: Case, name: str, **changes: object) -> Case:
    """The case with an annotation changed."""
    changed = replace(case.annotations[name], **changes)
    return replace(case, annotations={**case.annotations, name: changed})


def make_store(path: Path, cases: Sequence[Case]) -> Store:
    """Prepare a store of cases."""
    return prepare(Handmade(cases), path)[0]


def edit_row(store: Store, uid: str, **changes: str) -> None:
    """Change a row of the table of cases."""
    path = store.path / "cases.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | changes if row["uid"] == uid else row for row in rows)
