"""The metrics beside medpy, brute force and figures worked out by hand."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from medpy.metric import binary
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

from lesslabel.errors import ConfigError, DataError
from lesslabel.evaluation import METRICS, segmentation_metrics

MEDPY = {"dice": binary.dc, "jaccard": binary.jc}
MEDPY_SURFACE = {"hd95": binary.hd95, "asd": binary.asd, "assd": binary.assd}


def in_plane(pred, ref, spacing):
    """What is scored: a single slice, thin along whichever axis, is one in 2D, which others have to be told."""
    if pred.ndim == 2 or pred.shape.count(1) != 1:
        return pred, ref, spacing
    axis = pred.shape.index(1)
    return pred.squeeze(axis), ref.squeeze(axis), None if spacing is None else tuple(np.delete(spacing, axis))


def require_equal_to_medpy(pred, ref, spacing):
    frame = segmentation_metrics(pred, ref, spacing=spacing).set_index("label")
    pred, ref, spacing = in_plane(pred, ref, spacing)
    assert set(frame.index) == (set(np.unique(pred)) | set(np.unique(ref))) - {0}
    for label in frame.index:
        p, r = pred == label, ref == label
        if not (p.any() and r.any()):
            continue
        for name, metric in MEDPY.items():
            assert frame.loc[label, name] == pytest.approx(metric(p, r), rel=1e-6, abs=0)
        for name, metric in MEDPY_SURFACE.items():
            assert frame.loc[label, name] == pytest.approx(metric(p, r, voxelspacing=spacing), rel=1e-6, abs=1e-12)


def one_row(pred, ref, **options):
    frame = segmentation_metrics(pred, ref, **options)
    assert len(frame) == 1
    return frame.iloc[0]


def line(*voxels, length=8):
    """A mask on a grid one voxel high, so that every voxel is border."""
    mask = np.zeros((1, length), bool)
    mask[0, list(voxels)] = True
    return mask


@st.composite
def pairs_of_maps(draw):
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=2, max_size=3)))
    highest = draw(st.integers(1, 3))
    maps = hnp.arrays(np.uint8, shape, elements=st.integers(0, highest), fill=st.just(draw(st.integers(0, highest))))
    spacing = st.floats(0.3, 4.0)
    return draw(maps), draw(maps), tuple(draw(st.lists(spacing, min_size=len(shape), max_size=len(shape))))


@settings(max_examples=300)
@given(pairs_of_maps())
def test_equal_to_medpy_on_small_maps(pair):
    require_equal_to_medpy(*pair)


@pytest.mark.parametrize("shape", [(40, 33), (9, 30, 27), (30, 9, 1), (1, 20, 20)])
@pytest.mark.parametrize("seed", range(4))
def test_equal_to_medpy_on_blobs(blobs, seed, shape):
    spacing = tuple(np.random.default_rng(seed).uniform(0.4, 5.0, len(shape)))
    require_equal_to_medpy(blobs(seed, shape), blobs(seed + 100, shape), spacing)
    require_equal_to_medpy(blobs(seed, shape), np.roll(blobs(seed, shape), 2, axis=-1), None)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("empty", ["diagonal", "nan"])
def test_a_single_slice_is_scored_in_2d_whichever_axis_is_thin(blobs, axis, empty):
    pred, ref = blobs(1, (13, 17)), blobs(2, (13, 17))
    pred[pred == 3] = 0  # of this label only the reference has something
    spacing = np.insert([0.7, 2.5], axis, 9.0)
    expected = segmentation_metrics(pred, ref, spacing=(0.7, 2.5), empty=empty)
    thin = [np.expand_dims(labels, axis) for labels in (pred, ref)]
    pd.testing.assert_frame_equal(segmentation_metrics(*thin, spacing=spacing, empty=empty), expected)
    in_voxels = segmentation_metrics(pred, ref, empty=empty)
    pd.testing.assert_frame_equal(segmentation_metrics(*thin, empty=empty), in_voxels)


@pytest.mark.parametrize("corner", [(0, 0, 0), (6, 8, 10), (0, 8, 0)])
def test_equal_to_medpy_on_single_voxels_far_apart(corner):
    pred, ref = np.zeros((2, 7, 9, 11), np.uint8)
    pred[corner] = 1
    ref[3, 4, 5] = 1
    require_equal_to_medpy(pred, ref, (2.5, 0.8, 1.1))


def test_equal_to_medpy_on_a_mask_that_fills_the_grid():
    full, part = np.ones((2, 6, 7, 8), np.uint8)
    part[2:4, 2:5, 3:6] = 0
    require_equal_to_medpy(full, part, (3.0, 1.0, 0.5))


@pytest.mark.real
def test_equal_to_medpy_on_cardiac_label_maps(acdc_label_maps):
    rng = np.random.default_rng(0)
    for labels in acdc_label_maps.values():
        moved = np.roll(labels, rng.integers(-4, 5, 2), axis=(1, 2))
        require_equal_to_medpy(moved, labels, (10.0, 1.5625, 1.5625))
        require_equal_to_medpy(moved[4], labels[4], (1.5625, 1.5625))


@pytest.mark.real
def test_equal_to_medpy_on_abdominal_organs_at_the_edge_of_the_grid(word_file):
    import nibabel as nib

    labels = np.asanyarray(nib.load(word_file).dataobj).T[40:75, 150:330, 120:300]
    moved = np.roll(labels, (1, 2, -3), axis=(0, 1, 2))
    assert len(np.unique(labels)) > 5
    require_equal_to_medpy(moved, labels, (3.0, 0.976563, 0.976563))


@settings(max_examples=100)
@given(pairs_of_maps(), st.floats(0.0, 5.0))
def test_directed_percentile_and_surface_dice_equal_brute_force(pair, tolerance):
    pred, ref, spacing = pair
    pred, ref = pred == 1, ref == 1
    if not (pred.any() and ref.any()):
        return
    flat_pred, flat_ref, sides = in_plane(pred, ref, spacing)
    pred_border, ref_border = (np.argwhere(mask & ~binary_erosion(mask)) * sides for mask in (flat_pred, flat_ref))
    apart = cdist(pred_border, ref_border)
    from_pred, from_ref = apart.min(axis=1), apart.min(axis=0)
    row = one_row(pred, ref, spacing=spacing, hd95="max-of-directed", nsd_tolerance=tolerance)
    directed = max(np.percentile(from_pred, 95), np.percentile(from_ref, 95))
    assert row["hd95"] == pytest.approx(directed, rel=1e-6, abs=1e-12)
    pooled = np.concatenate([from_pred, from_ref])
    if np.abs(pooled - tolerance).min() > 1e-6:
        assert row["nsd"] == np.mean(pooled <= tolerance)


def test_two_voxels_by_hand():
    pred, ref = np.zeros((2, 5, 6), bool)
    pred[1, 1] = True
    ref[2, 4] = True
    row = one_row(pred, ref, spacing=(4.0, 1.0), nsd_tolerance=4.9)
    assert list(row[["dice", "jaccard", "hd95", "asd", "assd", "nsd"]]) == [0, 0, 5, 5, 5, 0]
    assert one_row(pred, ref, spacing=(4.0, 1.0), nsd_tolerance=5.0)["nsd"] == 1


def test_two_lines_by_hand():
    """Prediction to reference 0 0, reference to prediction 0 0 1 2."""
    pred, ref = line(0, 1), line(0, 1, 2, 3)
    row = one_row(pred, ref)
    assert row["dice"] == pytest.approx(2 / 3)
    assert row["jaccard"] == 0.5
    assert row["hd95"] == pytest.approx(1.75)
    assert row["asd"] == 0
    assert row["assd"] == 0.5
    assert row["nsd"] == pytest.approx(5 / 6)
    assert one_row(pred, ref, hd95="max-of-directed")["hd95"] == pytest.approx(1.85)
    assert one_row(ref, pred)["asd"] == 0.75


def test_a_distance_equal_to_the_tolerance_is_within_it():
    for steps in range(1, 8):
        assert one_row(line(0), line(steps), spacing=(1.0, 0.7), nsd_tolerance=0.7 * steps)["nsd"] == 1


def test_perfect_prediction(blobs):
    labels = blobs(1, (8, 20, 20))
    frame = segmentation_metrics(labels, labels, spacing=(2.0, 1.0, 1.0))
    assert (frame[["dice", "jaccard", "nsd"]] == 1).all(axis=None)
    assert (frame[["hd95", "asd", "assd"]] == 0).all(axis=None)


@pytest.mark.parametrize(("empty", "distance"), [("diagonal", 13.0), ("nan", np.nan), ("inf", np.inf)])
@pytest.mark.parametrize("missing", ["pred", "ref"])
def test_one_empty_mask(empty, distance, missing):
    maps = {"pred": np.zeros((3, 4), np.uint8), "ref": np.zeros((3, 4), np.uint8)}
    maps["ref" if missing == "pred" else "pred"][1, 1] = 1
    row = one_row(**maps, spacing=(5 / 3, 3.0), empty=empty)
    assert list(row[["dice", "jaccard", "nsd"]]) == [0, 0, 0]
    np.testing.assert_allclose(list(row[["hd95", "asd", "assd"]]), [distance] * 3, rtol=1e-12)


def test_the_diagonal_is_that_of_the_whole_3d_grid():
    pred, ref = np.zeros((2, 2, 3, 6), np.uint8)
    ref[0, 0, 0] = 1
    assert one_row(pred, ref)["hd95"] == 7
    assert one_row(pred, ref, spacing=(2.0, 2.0, 2.0))["asd"] == 14


@pytest.mark.parametrize("empty", ["diagonal", "nan", "inf"])
def test_a_label_absent_from_both_has_nothing_to_score(empty):
    labels = np.ones((3, 3), np.uint8)
    frame = segmentation_metrics(labels, labels, labels=[1, 2], empty=empty).set_index("label")
    assert frame.loc[2].isna().all()
    assert frame.loc[1].notna().all()


def test_maps_without_any_label_give_no_row():
    frame = segmentation_metrics(np.zeros((3, 3), int), np.zeros((3, 3), int))
    assert list(frame.columns) == ["label", *METRICS]
    assert frame.empty


def test_labels_are_found_chosen_ordered_and_named():
    pred, ref = np.array([[0, 1, 3, 700]]), np.array([[0, 1, 2, 2]])
    assert list(segmentation_metrics(pred, ref)["label"]) == [1, 2, 3, 700]
    assert list(segmentation_metrics(pred, ref, labels=[3, 1])["label"]) == [3, 1]
    named = segmentation_metrics(pred, ref, labels={2: "liver", 1: "spleen"}).set_index("label")
    assert list(named.index) == ["liver", "spleen"]
    assert list(named["dice"]) == [0, 1]
    assert segmentation_metrics(pred, ref, labels=[0])["dice"].item() == 1
    assert segmentation_metrics(pred, np.array([[0, 255, 2, 2]]), labels=[0, 1])["dice"].tolist()[0] == 1


def test_more_than_255_labels():
    labels = np.arange(1, 601).reshape(20, 30)
    labels[labels == 255] = 0
    frame = segmentation_metrics(labels, labels)
    assert len(frame) == 599
    assert (frame["dice"] == 1).all()


def test_unknown_voxels_of_the_reference_count_for_neither_map(blobs):
    pred, ref = blobs(3, (6, 20, 20)), blobs(4, (6, 20, 20))
    unknown = np.random.default_rng(0).random(ref.shape) < 0.3
    with_unknown = np.where(unknown, 255, ref)
    expected = segmentation_metrics(np.where(unknown, 0, pred), np.where(unknown, 0, ref))
    pd.testing.assert_frame_equal(segmentation_metrics(pred, with_unknown), expected)
    assert segmentation_metrics(pred, np.full_like(ref, 255)).empty


def test_a_label_known_nowhere_is_not_an_empty_prediction():
    frame = segmentation_metrics(np.array([[1, 0, 1]]), np.array([[255, 0, 255]]), labels=[1])
    assert frame[list(METRICS)].isna().all(axis=None)


@settings(max_examples=60)
@given(pairs_of_maps())
def test_symmetry(pair):
    pred, ref, spacing = pair
    there, back = segmentation_metrics(pred, ref, spacing=spacing), segmentation_metrics(ref, pred, spacing=spacing)
    for metric in ("dice", "jaccard", "nsd"):
        np.testing.assert_array_equal(there[metric], back[metric])
    for metric in ("hd95", "assd"):
        np.testing.assert_allclose(there[metric], back[metric], rtol=1e-12)


@settings(max_examples=60)
@given(pairs_of_maps(), st.integers(0, 5), st.integers(0, 5))
def test_translation_within_the_grid_changes_nothing(pair, before, after):
    pred, ref, spacing = pair
    options = {"spacing": spacing, "empty": "inf"}
    centred = segmentation_metrics(np.pad(pred, 1), np.pad(ref, 1), **options)
    width = (1 + before, 1 + after)
    moved = segmentation_metrics(np.pad(pred, width), np.pad(ref, width), **options)
    pd.testing.assert_frame_equal(centred, moved, rtol=1e-12)


@settings(max_examples=60)
@given(pairs_of_maps(), st.floats(0.1, 10.0))
def test_distances_scale_with_the_spacing(pair, factor):
    pred, ref, spacing = pair
    plain = segmentation_metrics(pred, ref, spacing=spacing, nsd_tolerance=1.3)
    larger = [factor * size for size in spacing]
    scaled = segmentation_metrics(pred, ref, spacing=larger, nsd_tolerance=1.3 * factor)
    for metric in ("hd95", "asd", "assd"):
        np.testing.assert_allclose(scaled[metric], factor * plain[metric], rtol=1e-9)
    pd.testing.assert_frame_equal(scaled[["dice", "jaccard", "nsd"]], plain[["dice", "jaccard", "nsd"]])


@settings(max_examples=60)
@given(pairs_of_maps())
def test_the_order_of_the_axes_does_not_matter(pair):
    pred, ref, spacing = pair
    turned = segmentation_metrics(pred.T, ref.T, spacing=spacing[::-1])
    pd.testing.assert_frame_equal(turned, segmentation_metrics(pred, ref, spacing=spacing), rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.int64, np.uint64])
def test_the_type_and_layout_of_the_maps_do_not_matter(blobs, dtype):
    pred, ref = blobs(5, (6, 12, 14)), blobs(6, (6, 12, 14))
    expected = segmentation_metrics(pred, ref)
    other = np.asfortranarray(ref.astype(dtype))
    other.flags.writeable = False
    before = pred.copy()
    pd.testing.assert_frame_equal(segmentation_metrics(pred, other), expected)
    pd.testing.assert_frame_equal(segmentation_metrics(pred[:, ::-1], ref[:, ::-1]), expected)
    np.testing.assert_array_equal(pred, before)


def test_a_bool_mask_is_label_1(blobs):
    pred, ref = blobs(7, (15, 15)) == 2, blobs(8, (15, 15)) == 2
    frame = segmentation_metrics(pred, ref)
    assert list(frame["label"]) == [1]
    pd.testing.assert_frame_equal(frame, segmentation_metrics(pred.astype(int), ref))


ZEROS = np.zeros((4, 5), np.uint8)


@pytest.mark.parametrize(
    ("pred", "ref", "options", "message"),
    [
        (ZEROS, ZEROS.T, {}, r"pred has shape \(4, 5\), ref \(5, 4\)"),
        (ZEROS.astype(float), ZEROS, {}, "pred has type float64"),
        (ZEROS, ZEROS[None, None], {}, r"ref has shape \(1, 1, 4, 5\)"),
        (ZEROS[:0], ZEROS[:0], {}, r"pred has shape \(0, 5\)"),
        (ZEROS, ZEROS.astype(int) - 1, {}, "ref holds the code -1"),
        (ZEROS.astype(int) + 65536, ZEROS, {}, "pred holds the code 65536"),
        (ZEROS + 255, ZEROS, {}, "pred holds 255"),
        (ZEROS, ZEROS, {"spacing": (1.0, 1.0, 1.0)}, "give 2 voxel sizes"),
        (ZEROS, ZEROS, {"spacing": (1.0, 0.0)}, "give 2 voxel sizes above 0"),
        (ZEROS, ZEROS, {"spacing": (1.0, np.nan)}, "give 2 voxel sizes above 0"),
        (ZEROS, ZEROS, {"labels": [1, 1]}, "code 1 is given twice"),
        (ZEROS, ZEROS, {"labels": [255]}, "255 is no label code"),
        (ZEROS, ZEROS, {"labels": [-1]}, "-1 is no label code"),
        (ZEROS, ZEROS, {"labels": "12"}, "'1' is no label code"),
        (ZEROS, ZEROS, {"labels": {1: "liver", 2: "liver"}}, "two codes have one name"),
        (ZEROS, ZEROS, {"hd95": "mean"}, "hd95: there is no 'mean'; choose one of pooled, max-of-directed"),
        (ZEROS, ZEROS, {"empty": "zero"}, "empty: there is no 'zero'; choose one of diagonal, nan, inf"),
        (ZEROS, ZEROS, {"nsd_tolerance": -1.0}, "nsd_tolerance: -1.0"),
    ],
)
def test_bad_input_is_one_line_that_names_the_value(pred, ref, options, message):
    with pytest.raises((DataError, ConfigError), match=message) as caught:
        segmentation_metrics(pred, ref, **options)
    assert "\n" not in str(caught.value)


def test_importing_the_room_does_not_import_torch():
    code = "import sys, lesslabel.evaluation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
