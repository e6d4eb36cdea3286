"""Labels expanded by what a run is certain of, and a second stage that is trained on them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from running import fit

from lesslabel.cli import main
from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.store.annotation_folder import AnnotationFolder, open_annotations
from lesslabel.errors import ConfigError, RunError
from lesslabel.runs.expanding import expand_labels, keep_largest_parts
from lesslabel.runs.reopening import load_run

UNCERTAINTY = 0.7


@pytest.fixture(scope="session")
def expanded(plain_run: Path, tmp_path_factory: pytest.TempPathFactory) -> AnnotationFolder:
    out = tmp_path_factory.mktemp("expanded") / "labels"
    words = ["--run", str(plain_run), "--out", str(out), "--uncertainty", str(UNCERTAINTY)]
    assert main(["pseudo", *words]) == 0
    return open_annotations(out)


@torch.no_grad()
def test_a_voxel_is_known_where_the_entropy_is_low_or_somebody_drew(plain_run: Path, expanded: AnnotationFolder):
    parsed = load_run(plain_run)
    uids = {record.uid for record in parsed.datamodule.records("train")}
    assert set(expanded.headers) == uids
    unknown = 0
    for batch in parsed.datamodule.evaluation_loader(tuple(uids), with_reference=False):
        probabilities, classes = parsed.model.predict_case(batch)
        p = probabilities.double().numpy()
        entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(0) / np.log(4)
        drawn = parsed.datamodule.store.read(batch["uid"]).annotations["scribble"].labels
        expected = np.where(entropy < UNCERTAINTY, classes.numpy(), IGNORE)
        expected = np.where(drawn == IGNORE, expected, drawn)
        annotation = expanded.read(batch["uid"])
        assert annotation.kind is Kind.PSEUDO
        close = np.abs(entropy - UNCERTAINTY) < 1e-5
        np.testing.assert_array_equal(annotation.labels[~close], expected[~close])
        unknown += int((annotation.labels == IGNORE).sum())
    assert unknown


def test_a_second_stage_learns_from_them(config: Path, expanded: AnnotationFolder, tmp_path: Path):
    view = "{supervision: [{annotation: expanded}], overlays: ['" + str(expanded.path) + "']}"
    assert fit(config, tmp_path / "second", "--data.view", view) == 0
    shown = load_run(tmp_path / "second").datamodule.supervision()
    assert set(shown.values()) == {"expanded"}


def test_the_largest_part_of_each_label_stays():
    labels = np.full((2, 4, 6), IGNORE, dtype=np.uint8)
    labels[:, 0] = [0, 0, 1, 1, 1, 0]
    labels[1, 2] = [1, 1, 1, 1, 0, 2]
    by_slice = keep_largest_parts(labels, slice_by_slice=True)
    assert by_slice[0, 0].tolist() == [0, 0, 1, 1, 1, IGNORE]
    assert by_slice[1, 0].tolist() == [0, 0, IGNORE, IGNORE, IGNORE, IGNORE]
    assert by_slice[1, 2].tolist() == [1, 1, 1, 1, IGNORE, 2]
    whole = keep_largest_parts(labels, slice_by_slice=False)
    assert whole[:, 0].tolist() == [[0, 0, 1, 1, 1, IGNORE]] * 2
    assert (whole[1, 2, :5] == IGNORE).all()


def test_bad_requests_are_refused(plain_run: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="uncertainty: 0"):
        expand_labels(plain_run, tmp_path / "labels", uncertainty=0.0)
    (tmp_path / "labels").mkdir()
    with pytest.raises(RunError, match="exists already"):
        expand_labels(plain_run, tmp_path / "labels")
