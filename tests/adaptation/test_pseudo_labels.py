"""What a frozen model says of what nobody annotated."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hospitals import queue_of, whole

from lesslabel.adaptation import pseudo_labels
from lesslabel.adaptation.pseudo_labels import NAME, predict_codes, write_pseudo_labels
from lesslabel.bundle import Bundle
from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import Queue
from lesslabel.data.store.annotation_folder import AnnotationFolder, open_annotations
from lesslabel.errors import ConfigError


@pytest.fixture(scope="session")
def uids(target: SegmentationDataModule) -> list[str]:
    return [record.uid for record in target.records("train")][:4]


@pytest.fixture(scope="session")
def queue(uids: list[str]) -> Queue:
    """Two slices of the first case, the second whole, every slice of the third, nothing of the fourth."""
    return queue_of([(uids[0], 2), (uids[0], 0), *whole(uids[1]), *((uids[2], index) for index in range(3))])


def write(
    bundle: Bundle, target: SegmentationDataModule, uids: list[str], queue: Queue, out: Path, confidence: float = 0.0
) -> int:
    return write_pseudo_labels(
        bundle.build_method(), target, uids, queue, out, model_sha256="abc", confidence=confidence
    )


@pytest.fixture(scope="session")
def written(bundle, target, uids, queue, tmp_path_factory: pytest.TempPathFactory) -> AnnotationFolder:
    out = tmp_path_factory.mktemp("pseudo") / "labels"
    assert write(bundle, target, uids, queue, out) == 2
    return open_annotations(out)


def test_what_the_queue_holds_gets_none(written: AnnotationFolder, uids: list[str]) -> None:
    assert {uid: header.covered_slices for uid, header in written.headers.items()} == {uids[0]: (1,), uids[3]: None}


def test_they_are_predictions_in_the_codes_of_the_store(
    bundle: Bundle, target: SegmentationDataModule, written: AnnotationFolder
) -> None:
    method, seen = bundle.build_method(), set()
    for batch in target.evaluation_loader(tuple(written.headers), with_reference=False):
        with torch.no_grad():
            classes = method.predict_case(batch)[1].numpy()
        annotation = written.read(batch["uid"])
        # the classes are background, heart (Myo 2 and LV 3) and RV (1)
        np.testing.assert_array_equal(annotation.labels, np.choose(classes, [0, 2, 1]))
        assert annotation.kind == Kind.PSEUDO
        assert annotation.author == NAME
        seen |= set(np.unique(annotation.labels).tolist())
    assert seen == {0, 1, 2}


def test_they_say_where_they_come_from(written: AnnotationFolder, queue: Queue) -> None:
    provenance = written.provenance
    assert (provenance.annotation, provenance.stage) == (NAME, "pseudo-labels")
    assert (provenance.model_sha256, provenance.queue_sha256) == ("abc", queue.sha256)
    assert provenance.thresholds == {"confidence": 0.0}
    assert written.read(next(iter(written.headers))).time == provenance.time != ""


def test_unsure_voxels_become_unknown(
    bundle: Bundle, target: SegmentationDataModule, uids: list[str], queue: Queue, written, tmp_path: Path
) -> None:
    write(bundle, target, uids, queue, tmp_path / "sure", confidence=0.9)
    sure = open_annotations(tmp_path / "sure")
    assert sure.provenance.thresholds == {"confidence": 0.9}
    for uid, labels, certainty in predict_codes(bundle.build_method(), target, list(sure.headers)):
        unknown = sure.read(uid).labels == IGNORE
        np.testing.assert_array_equal(unknown, certainty < 0.9)
        assert 0 < unknown.sum() < unknown.size
        np.testing.assert_array_equal(sure.read(uid).labels[~unknown], labels[~unknown])
        assert not (written.read(uid).labels == IGNORE).any()


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(bundle, target, uids, queue, tmp_path, confidence) -> None:
    with pytest.raises(ConfigError, match=f"confidence: {confidence} is no probability"):
        write(bundle, target, uids, queue, tmp_path / "out", confidence)
    assert not (tmp_path / "out").exists()


def test_nothing_left_makes_no_folder(bundle, target, uids, tmp_path: Path) -> None:
    slices = [(uids[1], index) for index in range(3)]
    assert write(bundle, target, uids[:2], queue_of([*whole(uids[0]), *slices]), tmp_path / "out") == 0
    assert not list(tmp_path.iterdir())


def test_an_interruption_leaves_nothing(bundle, target, uids, queue, tmp_path, monkeypatch) -> None:
    written: list[str] = []

    def interrupted(folder: Path, uid: str, *rest: object) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(uid)
        original(folder, uid, *rest)

    original = pseudo_labels.write_annotation
    monkeypatch.setattr(pseudo_labels, "write_annotation", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(bundle, target, uids, queue, tmp_path / "out")
    assert written == [uids[0]]
    assert not list(tmp_path.iterdir())
