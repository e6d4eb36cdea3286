"""Supervision by queue and by overlay, from the view to the batch."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from handmade_store import SHAPE, make_case, make_store

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.loading.augment import Augmentation
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.loading.sampling import SampleKey, SampleSource
from lesslabel.data.queue import WHOLE_CASE, Queue, QueueRow, write_queue
from lesslabel.data.store import CaseRecord
from lesslabel.data.store.annotation_folder import Provenance, write_annotation
from lesslabel.data.supervision import assign_supervision
from lesslabel.data.view import Supervision, View, VisibleAnnotation
from lesslabel.errors import ConfigError, DataError

PLAIN = Augmentation(turn_flip_probability=0.0, rotation_probability=0.0)
UNITS = [("case0", 1), ("case0", 3), ("case3", WHOLE_CASE)]


def record(uid: str, patient: str, *annotations: str) -> CaseRecord:
    return CaseRecord(uid, patient, "", "", "", 1, 4, 12, 10, 10.0, 1.5, 1.25, "|".join(annotations), "")


RECORDS = [record(f"case{number}", f"patient{number // 2}", "dense", "pseudo", "scribble") for number in range(6)]


@pytest.fixture
def queue_of(tmp_path: Path) -> Callable[..., str]:
    """Writes a queue of units and returns its path."""

    def write(*units: tuple[str, int], name: str = "queue.csv") -> str:
        write_queue(tmp_path / name, Queue(tuple(QueueRow(uid, z, rank=rank) for rank, (uid, z) in enumerate(units))))
        return str(tmp_path / name)

    return write


# Which annotation shows where --------------------------------------------------------------------------------------


def test_only_queued_units_show_the_annotation(queue_of: Callable[..., str]) -> None:
    view = View([Supervision("dense", queue=queue_of(*UNITS))])
    assert assign_supervision(view, RECORDS) == {
        "case0": (VisibleAnnotation("dense", (1, 3)),),
        "case3": (VisibleAnnotation("dense"),),
    }


def test_a_queue_and_what_the_annotation_speaks_of_intersect(queue_of: Callable[..., str]) -> None:
    covered = {"case0": (0, 3), "case3": (2,), "case1": ()}
    view = View([Supervision("dense", queue=queue_of(*UNITS, ("case1", 0)))])
    shown = assign_supervision(view, RECORDS, lambda uid, _: covered.get(uid))
    assert shown == {"case0": (VisibleAnnotation("dense", (3,)),), "case3": (VisibleAnnotation("dense", (2,)),)}


def test_later_entries_take_the_slices_that_are_left(queue_of: Callable[..., str]) -> None:
    view = View([Supervision("dense", queue=queue_of(*UNITS)), Supervision("pseudo"), Supervision("scribble")])
    shown = assign_supervision(
        view, RECORDS[:4], lambda uid, name: (0,) if (uid, name) == ("case0", "pseudo") else None
    )
    assert shown == {
        "case0": (
            VisibleAnnotation("dense", (1, 3)),
            VisibleAnnotation("pseudo", (0,)),
            VisibleAnnotation("scribble", (2,)),
        ),
        "case3": (VisibleAnnotation("dense"),),
        "case1": (VisibleAnnotation("pseudo"),),
        "case2": (VisibleAnnotation("pseudo"),),
    }


def test_a_budget_counts_patients_to_whom_an_entry_has_something_to_add(
    queue_of: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "order.txt").write_text("patient0\npatient1\npatient2\n")
    order = str(tmp_path / "order.txt")
    queue = queue_of(("case0", 0), ("case3", 0), ("case4", 0))
    view = View([Supervision("dense", 2, order, queue), Supervision("scribble", 1, order)])
    assert assign_supervision(view, RECORDS) == {
        "case0": (VisibleAnnotation("dense", (0,)), VisibleAnnotation("scribble", (1, 2, 3))),
        "case3": (VisibleAnnotation("dense", (0,)),),
        "case1": (VisibleAnnotation("scribble"),),
    }
    whole = queue_of(("case0", WHOLE_CASE), ("case1", WHOLE_CASE), name="whole.csv")
    view = View([Supervision("dense", queue=whole), Supervision("scribble", 1, order)])
    assert set(assign_supervision(view, RECORDS)) == {"case0", "case1", "case2", "case3"}


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ([("case7", 0)], r"queue\.csv holds 'case7', which is no training case; choose among the training part"),
        ([("case0", 4)], r"queue\.csv holds slice 4 of case 'case0', which has 4; use the queue of this store"),
        ([("case5", 0)], r"holds case 'case5', which has no annotation 'expert'; import it with `lesslabel import`"),
    ],
)
def test_a_queue_of_something_else_is_refused(
    queue_of: Callable[..., str], units: list[tuple[str, int]], message: str
) -> None:
    records = [*(replace(entry, annotations="expert") for entry in RECORDS[:5]), RECORDS[5]]
    with pytest.raises(ConfigError, match=message):
        assign_supervision(View([Supervision("expert", queue=queue_of(*units))]), records)
    with pytest.raises(DataError, match=r"nowhere\.csv: no such queue"):
        assign_supervision(View([Supervision("dense", queue="nowhere.csv")]), records[5:])


# What a batch holds -----------------------------------------------------------------------------------------------


class Workplace:
    """A store of six cases, four of them for training, and annotation folders beside it."""

    def __init__(self, folder: Path, cases: list[Case] | None = None) -> None:
        self.folder = folder
        self.store = make_store(folder / "store", cases or [make_case(number) for number in range(6)])
        parts = {"train": ["patient0", "patient1"], "validation": ["patient2"]}
        (folder / "split.yaml").write_text(yaml.safe_dump({"folds": {0: parts}}))

    def predict(self, *numbers: int, value: int = 2) -> str:
        """Pseudo-labels: one class everywhere, with a confidence of ½."""
        confidence = np.full(SHAPE, 0.5, np.float32)
        for number in numbers:
            annotation = Annotation(np.full(SHAPE, value, np.uint8), Kind.PSEUDO, confidence=confidence)
            write_annotation(self.folder / "annotations", f"case{number}", annotation, Provenance("pseudo/stage1"))
        return str(self.folder / "annotations")

    def module(self, view: View, **settings: Any) -> SegmentationDataModule:
        defaults = {"augmentation": PLAIN, "batch_size": 2, "steps_per_epoch": 4, "view": view}
        return SegmentationDataModule(str(self.store.path), str(self.folder / "split.yaml"), **{**defaults, **settings})


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def sample(module: SegmentationDataModule, unit: SampleSource, *, labelled: bool = True) -> Batch:
    return module.train_dataloader().dataset[SampleKey(0, 0, unit, labelled)]


def test_slices_out_of_the_queue_are_unlabelled_in_2d(place: Workplace, queue_of: Callable[..., str]) -> None:
    module = place.module(View([Supervision("dense", queue=queue_of(*UNITS))]), unlabelled_batch_size=2)
    pools = module.streams()
    queued = {SampleSource("case0", 1), SampleSource("case0", 3), *(SampleSource("case3", z) for z in range(4))}
    assert set(pools.labelled) == queued
    assert set(pools.unlabelled) == {SampleSource(f"case{n}", z) for n in range(4) for z in range(4)} - queued
    for unit in pools.unlabelled:
        hidden = sample(module, unit, labelled=False)
        assert int(hidden["kind"]) == Kind.NONE
        assert (hidden["target"] == IGNORE).all()
    for unit in pools.labelled:
        shown = sample(module, unit)
        assert int(shown["kind"]) == Kind.DENSE
        dense = place.store.read(unit.uid).annotations["dense"].labels
        np.testing.assert_array_equal(shown["target"].numpy(), dense[unit.slice])


def test_slices_out_of_the_queue_are_unknown_in_3d(place: Workplace, queue_of: Callable[..., str]) -> None:
    module = place.module(View([Supervision("dense", queue=queue_of(*UNITS))]), dimensions=3)
    pools = module.streams()
    assert pools.labelled == [SampleSource("case0", None), SampleSource("case3", None)]
    assert pools.unlabelled == [SampleSource("case1", None), SampleSource("case2", None)]
    shown = sample(module, SampleSource("case0", None))
    dense = place.store.read("case0").annotations["dense"].labels
    assert shown["kind"].tolist() == [Kind.NONE, Kind.DENSE, Kind.NONE, Kind.DENSE]
    np.testing.assert_array_equal(shown["target"][[1, 3]].numpy(), dense[[1, 3]])
    assert (shown["target"][[0, 2]] == IGNORE).all()


def test_the_third_stage_of_adaptation(place: Workplace, queue_of: Callable[..., str]) -> None:
    """Dense on queued slices, pseudo-labels of an overlay on all others, whatever slices or volumes are drawn."""
    view = View(
        [Supervision("dense", queue=queue_of(*UNITS)), Supervision("pseudo/stage1")],
        overlays=[place.predict(0, 1, 2, 4)],
    )
    module = place.module(view)
    pools = module.streams()
    assert (len(pools.labelled), pools.unlabelled) == (16, [])
    for unit in pools.labelled:
        shown = sample(module, unit)
        if (unit.uid, unit.slice) in UNITS or unit.uid == "case3":
            dense = place.store.read(unit.uid).annotations["dense"].labels
            assert int(shown["kind"]) == Kind.DENSE
            np.testing.assert_array_equal(shown["target"].numpy(), dense[unit.slice])
        else:
            assert int(shown["kind"]) == Kind.PSEUDO
            assert (shown["target"] == 2).all()
            assert (shown["weight"] == 0.5).all()
    volume = sample(place.module(view, dimensions=3), SampleSource("case0", None))
    assert volume["kind"].tolist() == [Kind.PSEUDO, Kind.DENSE, Kind.PSEUDO, Kind.DENSE]
    assert (volume["target"][[0, 2]] == 2).all()
    dense = place.store.read("case0").annotations["dense"].labels
    np.testing.assert_array_equal(volume["target"][[1, 3]].numpy(), dense[[1, 3]])
    assert volume["weight"][:, 0, 0].tolist() == [0.5, 1.0, 0.5, 1.0]
    described = module.describe()
    assert described["labelled"] == {
        "case0": "dense + pseudo/stage1",
        "case1": "pseudo/stage1",
        "case2": "pseudo/stage1",
        "case3": "dense",
    }
    assert described["labelled_slices"] == {"case0": {"dense": [1, 3], "pseudo/stage1": [0, 2]}}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_hidden_slices_never_reach_a_batch(tmp_path: Path, queue_of: Callable[..., str], dimensions: int) -> None:
    """Whatever is drawn outside the queue, the batches are the same, bit for bit, on a coarser grid too."""
    view = View([Supervision("dense", queue=queue_of(*UNITS))])
    noise = np.random.default_rng(0)
    altered = []
    for number in range(6):
        case = make_case(number)
        labels = noise.integers(0, 4, SHAPE, dtype=np.uint8)
        visible = {0: [1, 3], 3: [0, 1, 2, 3]}.get(number, [])
        labels[visible] = case.annotations["dense"].labels[visible]
        dense = replace(case.annotations["dense"], labels=labels)
        altered.append(replace(case, annotations={**case.annotations, "dense": dense}))
    epochs = [
        list(
            Workplace(tmp_path / name, cases)
            .module(view, dimensions=dimensions, spacing_mm=(15.0, 1.5, 1.25), unlabelled_batch_size=1)
            .train_dataloader()
        )
        for name, cases in (("one", None), ("other", altered))
    ]
    for one, other in zip(*epochs, strict=True):
        for key in ("image", "target", "kind", "annotated_labels"):
            assert torch.equal(one[key], other[key])
        assert one["uid"] == other["uid"]


class Places:
    """A map that repeats the labels it was made from."""

    whole, name = True, "labels"

    def make(self, labels: np.ndarray, classes: int) -> np.ndarray:  # noqa: ARG002  the protocol's
        return labels[None].astype(np.float32)


def test_maps_are_derived_from_dense_slices_alone(place: Workplace, queue_of: Callable[..., str]) -> None:
    view = View(
        [Supervision("dense", queue=queue_of(("case0", 1))), Supervision("pseudo/stage1")], overlays=[place.predict(0)]
    )
    module = place.module(view)
    module._map_derivation = Places  # type: ignore[assignment]  # what the method in training would ask for
    dense = place.store.read("case0").annotations["dense"].labels
    np.testing.assert_array_equal(sample(module, SampleSource("case0", 1))["derived"][0].numpy(), dense[1])
    assert not sample(module, SampleSource("case0", 0))["derived"].any()


# Description and refusals -----------------------------------------------------------------------------------------


def test_the_description_changes_with_queue_and_overlay(place: Workplace, queue_of: Callable[..., str]) -> None:
    plain = place.module(View()).describe()
    assert not {"labelled_slices", "overlays"} & plain.keys()
    assert plain["view"]["supervision"] == [{"annotation": "dense", "patients": None, "order": ""}]
    folder = place.predict(1)
    view = View([Supervision("dense", queue=queue_of(*UNITS)), Supervision("pseudo/stage1")], overlays=[folder])
    described = place.module(view).describe()
    assert yaml.safe_load(yaml.safe_dump(described)) == described  # plain values only
    (first, _) = described["view"]["supervision"]
    units = Queue(tuple(QueueRow(*unit) for unit in UNITS))
    assert (first["queue"], first["queue_sha256"]) == (view.supervision[0].queue, units.sha256)
    (overlay,) = described["overlays"]
    assert {key: overlay[key] for key in ("folder", "annotation", "cases")} == {
        "folder": folder,
        "annotation": "pseudo/stage1",
        "cases": 1,
    }
    assert described["data_hash"] == plain["data_hash"]
    place.predict(1, value=3)
    (again,) = place.module(view).describe()["overlays"]
    assert again["sha256"] != overlay["sha256"]


def test_an_overlay_is_never_scored_against_nor_needed_to_predict(place: Workplace, tmp_path: Path) -> None:
    folder = place.predict(0, 4)
    view = View(reference="pseudo/stage1", overlays=[folder])
    with pytest.raises(ConfigError, match="no validation case has an annotation 'pseudo/stage1'"):
        place.module(view).describe()
    other = Workplace(tmp_path / "other", [replace(make_case(0), uid="new", patient="new")])
    module = SegmentationDataModule(str(other.store.path), view=View(overlays=[folder]))
    assert [record.uid for record in module.records("all")] == ["new"]
    assert [batch["uid"] for batch in module.evaluation_loader(("new",), with_reference=False)] == ["new"]


def test_overlays_that_do_not_fit_are_refused_before_training(place: Workplace) -> None:
    provenance = Provenance("dense")
    labels = np.zeros(SHAPE, np.uint8)
    write_annotation(place.folder / "clash", "case0", Annotation(labels, Kind.PSEUDO), provenance)
    write_annotation(place.folder / "strange", "case9", Annotation(labels, Kind.PSEUDO), provenance)
    for name, message in (
        ("clash", "has an annotation 'dense' already"),
        ("strange", "does not have"),
        ("none", "no such"),
    ):
        with pytest.raises(DataError, match=message):
            place.module(View(overlays=[str(place.folder / name)])).describe()
