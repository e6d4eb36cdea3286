"""Weak annotations made from dense ones: what is known agrees with the dense labels, and a model can train on it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade_store import annotated, make_case, make_store
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from lesslabel.cli import main
from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.store import Store
from lesslabel.data.store.weak_labels import choose_slices, make_weak_labels
from lesslabel.data.verify.store_check import verify_store
from lesslabel.data.weak_labels.sparse_labels import SparseLabelSettings, make_sparse_slice
from lesslabel.errors import ConfigError, DataError

PLANES = arrays(
    np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24)), elements=st.sampled_from([0, 1, 7, 254, IGNORE])
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def bars() -> np.ndarray:
    """A lying bar (1), a standing one (2) and a disc (3) of radius 9."""
    plane = np.zeros((64, 64), np.uint8)
    plane[5:10, 5:55] = 1
    plane[15:60, 5:12] = 2
    y, x = np.ogrid[:64, :64]
    plane[np.hypot(y - 40, x - 40) <= 9] = 3
    return plane


@settings(max_examples=40)
@given(
    plane=PLANES,
    seed=st.integers(0, 99),
    kind=st.sampled_from(["scribble", "points"]),
    style=st.sampled_from(["skeleton", "loop"]),
    thickness=st.integers(1, 3),
)
def test_never_leaves_its_label_and_never_knows_the_unknown(plane, seed, kind, style, thickness) -> None:
    drawn = make_sparse_slice(plane, SparseLabelSettings(kind, style, thickness_voxel=thickness), rng(seed))
    assert drawn.shape == plane.shape
    assert drawn.dtype == np.uint8
    known = drawn != IGNORE
    np.testing.assert_array_equal(drawn[known], plane[known])


@settings(max_examples=30)
@given(plane=PLANES, seed=st.integers(0, 99), kind=st.sampled_from(["scribble", "points"]))
def test_every_large_part_is_drawn_on_and_no_small_one(plane, seed, kind) -> None:
    drawn = make_sparse_slice(plane, SparseLabelSettings(kind), rng(seed))
    for code in (0, 1, 7, 254):
        parts, count = ndimage.label(plane == code, np.ones((3, 3)))
        for index in range(1, count + 1):
            marked = (drawn[parts == index] != IGNORE).any()
            assert marked == (np.count_nonzero(parts == index) >= 4)


def test_a_stroke_follows_the_middle_line() -> None:
    drawn = make_sparse_slice(bars(), SparseLabelSettings(length=1.0), rng())
    rows, columns = np.nonzero(drawn == 1)
    assert set(rows) <= {6, 7, 8}
    assert columns.max() - columns.min() > 40
    # one voxel wide and in one piece: as many voxels as columns that it crosses
    assert len(columns) == len(set(columns)) == columns.max() - columns.min() + 1
    short = make_sparse_slice(bars(), SparseLabelSettings(length=0.5), rng())
    assert np.count_nonzero(short == 1) == round(0.5 * len(columns))


def test_a_round_part_gets_a_chord_and_not_a_dot() -> None:
    for seed in range(5):
        drawn = make_sparse_slice(bars(), SparseLabelSettings(length=1.0), rng(seed)) == 3
        assert np.count_nonzero(drawn) >= 9
        assert ndimage.label(drawn, np.ones((3, 3)))[1] == 1


def test_thickness_widens() -> None:
    thin, thick = (make_sparse_slice(bars(), SparseLabelSettings(thickness_voxel=width), rng()) for width in (1, 3))
    assert (thick[thin != IGNORE] != IGNORE).all()
    assert 2.0 < (thick == 2).sum() / (thin == 2).sum() < 3.5


@pytest.mark.parametrize("count", [1, 3])
def test_points_are_as_many_as_asked_for_and_well_inside(count: int) -> None:
    plane = bars()
    drawn = make_sparse_slice(plane, SparseLabelSettings("points", points=count), rng())
    for code in (0, 1, 2, 3):
        assert (drawn == code).sum() == count
        depth = ndimage.distance_transform_edt(np.pad(plane == code, 1))[1:-1, 1:-1]
        assert (depth[drawn == code] >= 0.5 * depth.max()).all()


def test_boxes_by_hand() -> None:
    plane = np.zeros((8, 9), np.uint8)
    plane[1, 1:7] = plane[1:6, 1] = 2  # an angle: its box is rows 1–5, columns 1–6
    plane[3:5, 3:5] = 1  # its box lies in that of label 2 and is smaller
    plane[7, 8] = 3  # too small to be boxed
    plane[2, 2] = IGNORE
    expected = np.zeros_like(plane)
    expected[1:6, 1:7] = 2
    expected[3:5, 3:5] = 1
    expected[2, 2] = IGNORE
    np.testing.assert_array_equal(make_sparse_slice(plane, SparseLabelSettings("box"), rng()), expected)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"kind": "polygon"}, "kind: 'polygon'; choose scribble, points, box"),
        ({"style": "thin"}, "style: 'thin'"),
        ({"slices": 0.0}, "slices: 0.0; pass a share above 0"),
        ({"length": 1.5}, "length: 1.5"),
        ({"slices": float("nan")}, "slices: nan"),
        ({"points": 0}, "points: 0; pass at least 1"),
        ({"thickness_voxel": 0}, "thickness: 0"),
    ],
)
def test_impossible_drawings_are_refused(settings_: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SparseLabelSettings(**settings_)


@settings(max_examples=60)
@given(depth=st.integers(1, 40), share=st.floats(0.01, 1.0), seed=st.integers(0, 99))
def test_chosen_slices_are_even_and_miss_no_label(depth: int, share: float, seed: int) -> None:
    labels = np.zeros((depth, 3, 3), np.uint8)
    labels[depth // 2, 0] = 5
    chosen = choose_slices(labels, None, share, rng(seed))
    count = max(round(share * depth), 1)
    assert count <= len(chosen) <= count + 1
    assert depth // 2 in chosen
    assert list(chosen) == sorted(set(chosen))
    evenly = [index for index in chosen if index != depth // 2]
    assert all(np.diff(evenly) <= 2 * depth / count + 1)


def test_a_label_too_small_to_be_drawn_on_the_chosen_slices_counts_as_missed() -> None:
    labels = np.zeros((8, 6, 6), np.uint8)
    labels[:, 0, ::2] = 5  # three parts of one voxel on every slice
    labels[3, 2:4, 2:4] = 5
    for seed in range(8):
        assert 3 in choose_slices(labels, None, 0.25, rng(seed), minimum_area_voxel=4)
    assert any(3 not in choose_slices(labels, None, 0.25, rng(seed)) for seed in range(8))


def test_slices_are_chosen_among_the_covered_ones() -> None:
    labels = np.ones((10, 2, 2), np.uint8)
    assert set(choose_slices(labels, (2, 5, 6), 0.7, rng())) < {2, 5, 6}
    assert choose_slices(labels, (2, 5, 6), 1.0, rng()) == (2, 5, 6)


def make(
    store: Store, name: str = "made", seed: int = 0, workers: int = 0, **settings: object
) -> dict[str, Annotation]:
    make_weak_labels(store, "dense", name, SparseLabelSettings(**settings), seed=seed, workers=workers)
    return {uid: Store(store.path).read(uid).annotations[name] for uid in store.records}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store", [make_case(number) for number in range(3)])


@pytest.mark.parametrize("kind", ["scribble", "points", "box"])
def test_the_store_gets_an_annotation_of_the_right_kind(store: Store, kind: str) -> None:
    made = make(store, kind=kind)
    for uid, annotation in made.items():
        assert annotation.kind is {"scribble": Kind.SCRIBBLE, "points": Kind.POINTS, "box": Kind.BOX}[kind]
        assert annotation.covered_slices is None
        assert annotation.author.startswith("drawn from 'dense': ")
        dense = store.read(uid).annotations["dense"].labels
        for plane, drawn in zip(dense, annotation.labels, strict=True):
            assert set(np.unique(drawn)) - {IGNORE} == set(np.unique(plane))
    assert verify_store(store.path) == []


def test_a_share_of_the_slices_is_what_it_covers(store: Store) -> None:
    for annotation in make(store, slices=0.5).values():
        assert annotation.covered_slices is not None
        assert 2 <= len(annotation.covered_slices) <= 3
        drawn = (annotation.labels != IGNORE).any(axis=(1, 2))
        assert tuple(np.flatnonzero(drawn)) == annotation.covered_slices


def test_what_the_dense_labels_do_not_cover_stays_uncovered(tmp_path: Path) -> None:
    case = annotated(make_case(0), "dense", covered_slices=(1, 3), covered_labels=(1, 2, 3))
    made = make(make_store(tmp_path / "store", [case]))["case0"]
    assert (made.covered_slices, made.covered_labels) == ((1, 3), (1, 2, 3))
    assert (made.labels[[0, 2]] == IGNORE).all()


def test_an_image_of_one_slice(tmp_path: Path) -> None:
    case = make_case(0)
    dense = case.annotations["dense"].labels[1:2]
    flat = replace(case, image=case.image[:, 1:2], annotations={"dense": Annotation(dense, Kind.DENSE)})
    made = make(make_store(tmp_path / "store", [flat]), slices=0.1)["case0"]
    assert made.covered_slices is None
    assert set(np.unique(made.labels)) == {0, 1, 2, 3, IGNORE}


def test_the_same_seed_draws_the_same_with_and_without_workers(store: Store) -> None:
    first = make(store, "first", slices=0.7)
    second = make(Store(store.path), "second", slices=0.7, workers=1)
    other = make(Store(store.path), "other", seed=1, slices=0.7)
    for uid in first:
        np.testing.assert_array_equal(first[uid].labels, second[uid].labels)
        assert first[uid].covered_slices == second[uid].covered_slices
    assert any(not np.array_equal(first[uid].labels, other[uid].labels) for uid in first)


def test_names_that_are_taken_and_sources_that_do_not_fit(store: Store) -> None:
    before = store.data_hash
    for source, name, message in (
        ("dense", "scribble", "case case0: has an annotation 'scribble' already"),
        ("scribble", "made", "case case0: 'scribble' is scribble; name a dense annotation"),
        ("rater7", "made", "no case has an annotation 'rater7'; there are dense, scribble"),
    ):
        with pytest.raises(DataError, match=message):
            make_weak_labels(store, source, name, SparseLabelSettings())
    assert Store(store.path).data_hash == before


def test_cases_without_the_source_are_left_as_they_are(tmp_path: Path) -> None:
    unlabelled: Case = replace(make_case(1), annotations={})
    store = make_store(tmp_path / "store", [make_case(0), unlabelled])
    assert make_weak_labels(store, "dense", "made", SparseLabelSettings()) == 1
    assert store.records["case1"].annotation_names == ()


def test_a_model_trains_on_what_the_command_drew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, run = str(tmp_path / "store"), str(tmp_path / "run")
    assert main(["prepare", "phantom", "-", store, "--cases", "10", "--size", "32", "--depth", "2"]) == 0
    command = ["scribble", store, "--annotation", "dense", "--name", "drawn", "--slices", "0.5", "--seed", "3"]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "'drawn' added to 10 cases" in text
    assert "background: " in text
    assert main(command) == 1
    assert "has an annotation 'drawn' already" in capsys.readouterr().err
    shown = '{"supervision": [{"annotation": "drawn"}]}'
    settings_ = ["--data.store", store, "--data.view", shown, "--data.size_voxel", "[32, 32]", "--data.batch_size", "2"]
    narrow = ["--model.network.channels", "[4, 8]", "--model.network.encoder_dropout", "[0, 0]"]
    short = ["--trainer.max_steps", "2", "--data.steps_per_epoch", "1", "--trainer.accelerator", "cpu"]
    config = Path(__file__).parents[3] / "configs" / "phantom" / "pce.yaml"
    assert main(["fit", "--config", str(config), "--run", run, *settings_, *narrow, *short]) == 0


@pytest.mark.real
@pytest.mark.parametrize("options", [{"thickness_voxel": 2}, {"style": "loop"}], ids=["thick", "loop"])
def test_as_sparse_as_what_people_drew(real_data: Path, options: dict[str, Any]) -> None:
    """Within a factor of two, label by label, on real hearts."""
    import h5py

    people, made = np.zeros(4), np.zeros(4)
    for path in sorted((real_data / "acdc").rglob("*.h5")):
        with h5py.File(path) as file:
            labels, scribble = file["label"][()].astype(np.uint8), file["scribble"][()]
        for index, plane in enumerate(labels):
            drawn = make_sparse_slice(plane, SparseLabelSettings(**options), rng(index))
            made += [(drawn == code).sum() for code in range(4)]
        people += [(scribble == code).sum() for code in range(4)]
    assert (made < 2 * people).all()
    assert (people < 2 * made).all()
