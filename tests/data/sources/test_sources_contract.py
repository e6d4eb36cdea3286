"""What every source promises, checked on a replica of its layout."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import replicas
import replicas_public

from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.formats.nifti import read_image, read_label_map, write_label_map
from lesslabel.data.sources import (
    ACDC,
    BTCV,
    CHAOS,
    HC18,
    LA,
    MSCMR,
    MSD,
    NPC,
    PROMISE12,
    SOURCES,
    WORD,
    BraTS,
    Datalist,
    Folder,
    KiTS,
    MedScribble,
    NNUNet,
    Pancreas,
    Phantom,
    Source,
)
from lesslabel.errors import DataError

MAKERS: dict[str, Callable[[Path], Source]] = {
    "acdc_h5": lambda root: ACDC(replicas.acdc_h5(root)),
    "acdc_nifti": lambda root: ACDC(replicas.acdc_nifti(root)),
    "mscmr": lambda root: MSCMR(replicas.mscmr(root)),
    "la_h5": lambda root: LA(replicas.la_h5(root), spacing_mm="10,3.25,3"),
    "la_nrrd": lambda root: LA(replicas.la_nrrd(root)),
    "msd": lambda root: MSD(replicas.msd(root)),
    "msd_4d": lambda root: MSD(replicas_public.msd_4d(root)),
    "word": lambda root: WORD(replicas_public.word(root)),
    "brats": lambda root: BraTS(replicas_public.brats(root)),
    "brats_2023": lambda root: BraTS(replicas_public.brats_2023(root)),
    "btcv": lambda root: BTCV(replicas_public.btcv(root)),
    "chaos_ct": lambda root: CHAOS(replicas_public.chaos(root, "ct"), sequence="ct"),
    "chaos_t1dual": lambda root: CHAOS(replicas_public.chaos(root, "t1dual"), sequence="t1dual"),
    "chaos_t2spir": lambda root: CHAOS(replicas_public.chaos(root)),
    "kits": lambda root: KiTS(replicas_public.kits(root)),
    "hc18": lambda root: HC18(replicas_public.hc18(root)),
    "promise12": lambda root: PROMISE12(replicas_public.promise12(root)),
    "medscribble": lambda root: MedScribble(replicas_public.medscribble(root)),
    "npc": lambda root: NPC(replicas.npc(root)),
    "pancreas_dicom": lambda root: Pancreas(replicas.pancreas_dicom(root)),
    "pancreas_nifti": lambda root: Pancreas(replicas.pancreas_nifti(root)),
    "folder": lambda root: Folder(replicas.folder(root)),
    "nnunet": lambda root: NNUNet(replicas.nnunet(root)),
    "datalist": lambda root: Datalist(replicas.datalist(root)),
    "phantom": lambda _: Phantom(cases=8, size=64, depth=6),
}
WITH_SCRIBBLES = ("acdc", "folder", "medscribble", "mscmr", "phantom", "word")


def is_scribble(name: str) -> bool:
    return name.startswith("scribble")


@pytest.fixture(scope="module", params=MAKERS)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Source:
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


def test_every_registered_source_has_a_replica(tmp_path: Path) -> None:
    made = {make(tmp_path / name).name for name, make in MAKERS.items()}
    assert made == set(SOURCES)


def test_registry_names_each_class() -> None:
    assert {name: cls.name for name, cls in SOURCES.items()} == {name: name for name in SOURCES}


def test_importing_the_registry_imports_no_torch() -> None:
    code = "import sys, lesslabel.data.sources; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_lists_the_same_unique_cases_in_the_same_order(source: Source) -> None:
    cases = source.list_cases()
    assert len(cases) == 8
    assert len({case.uid for case in cases}) == 8
    assert [case.uid for case in cases] == [case.uid for case in source.list_cases()]
    assert all(path.is_file() for case in cases for path in case.files.values())


def test_a_patient_has_its_cases_side_by_side(source: Source) -> None:
    patients = [case.patient for case in source.list_cases()]
    changes = sum(first != second for first, second in pairwise(patients))
    assert changes == len(set(patients)) - 1


def test_every_case_reads_as_it_was_listed(source: Source) -> None:
    for raw in source.list_cases():
        case = source.read(raw)
        assert (case.uid, case.patient, case.group, case.centre) == (raw.uid, raw.patient, raw.group, raw.centre)
        assert case.image.dtype == np.float32
        assert len(case.image) == len(source.channels)
        assert np.isfinite(case.image).all()
        assert case.image.std() > 0


def test_annotations_hold_nothing_but_labels_and_unknown(source: Source) -> None:
    for raw in source.list_cases():
        case = source.read(raw)
        assert case.annotations
        for name, annotation in case.annotations.items():
            assert annotation.kind == (Kind.SCRIBBLE if is_scribble(name) else Kind.DENSE)
            assert annotation.labels.dtype == np.uint8
            assert annotation.labels.shape == case.shape
            allowed = {0, *source.labels} | ({IGNORE} if is_scribble(name) else set())
            assert set(np.unique(annotation.labels)) <= allowed


def test_scribbles_have_unknown_voxels_annotated_background_and_every_label(source: Source) -> None:
    cases = [source.read(raw) for raw in source.list_cases()]
    scribbles = [
        annotation.labels for case in cases for name, annotation in case.annotations.items() if is_scribble(name)
    ]
    assert bool(scribbles) == (source.name in WITH_SCRIBBLES)
    for labels in scribbles:
        assert set(np.unique(labels)) == {0, *source.labels, IGNORE}
        assert 0.9 < (labels == IGNORE).mean() < 1.0


def test_scribbles_agree_with_dense_labels(source: Source) -> None:
    for raw in source.list_cases():
        annotations = source.read(raw).annotations
        for scribble in (annotation.labels for name, annotation in annotations.items() if is_scribble(name)):
            if "dense" in annotations:
                assert (scribble == annotations["dense"].labels)[scribble != IGNORE].all()


def test_spacing_is_in_the_order_of_the_axes(source: Source) -> None:
    for raw in source.list_cases():
        case = source.read(raw)
        if source.name == "phantom":
            assert case.spacing_mm[0] > case.spacing_mm[1] == case.spacing_mm[2] > 0
        elif source.name == "pancreas":
            assert case.spacing_mm == (1.0, 1.0, 1.0)
            assert case.shape == (11, 41, 34)  # what 6×64×56 voxels of 2×0.65×0.6 mm are at 1 mm
        elif isinstance(source, HC18 | MedScribble):
            assert case.shape == (1, 64, 56)
            assert case.spacing_mm[0] == 1.0
            assert case.spacing_mm[1] == case.spacing_mm[2]
        elif isinstance(source, CHAOS):
            assert case.shape == (6, 64, 56)
            assert case.spacing_mm == pytest.approx((2.0, 0.65, 0.6), rel=1e-6)
        else:
            assert case.shape[1] - case.shape[2] == 8  # the replicas are higher than wide
            assert case.spacing_mm == pytest.approx(replicas.SPACING_MM, rel=1e-6)


def test_affine_agrees_with_spacing_and_survives_a_round_trip(source: Source, tmp_path: Path) -> None:
    case = source.read(source.list_cases()[0])
    if case.affine is None:
        assert isinstance(source, ACDC | LA | HC18 | MedScribble)  # h5, npy and png have none
        return
    assert np.linalg.norm(case.affine[:3, :3], axis=0)[::-1] == pytest.approx(case.spacing_mm, rel=1e-6)
    path = tmp_path / "labels.nii.gz"
    labels = next(iter(case.annotations.values())).labels
    write_label_map(path, labels, case.spacing_mm, case.affine)
    again = read_label_map(path)
    np.testing.assert_array_equal(again.array, labels)
    np.testing.assert_array_equal(again.affine, case.affine.astype(np.float32))
    assert again.spacing_mm == pytest.approx(case.spacing_mm, rel=1e-7)


def test_reading_twice_gives_the_same_case(source: Source) -> None:
    raw = source.list_cases()[-1]
    first, second = source.read(raw), source.read(raw)
    np.testing.assert_array_equal(first.image, second.image)
    assert first.spacing_mm == second.spacing_mm
    assert first.annotations.keys() == second.annotations.keys()
    for name, annotation in first.annotations.items():
        np.testing.assert_array_equal(annotation.labels, second.annotations[name].labels)


def test_travels_to_another_process(source: Source) -> None:
    raw = source.list_cases()[0]
    copy = pickle.loads(pickle.dumps(source))
    assert dict(copy.labels) == dict(source.labels)
    np.testing.assert_array_equal(copy.read(pickle.loads(pickle.dumps(raw))).image, source.read(raw).image)


@pytest.mark.parametrize(
    "cls", [ACDC, LA, MSCMR, NPC, Pancreas, WORD, BraTS, BTCV, CHAOS, KiTS, HC18, PROMISE12, MedScribble]
)
def test_a_folder_without_the_layout_is_named(cls: type[Source], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path}: no .* data; expected"):
        cls(tmp_path).list_cases()


@pytest.mark.parametrize("cls", [cls for cls in SOURCES.values() if cls is not Phantom])
def test_an_absent_path_is_named(cls: type[Source], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path / 'absent'}: no such file or folder"):
        cls(tmp_path / "absent")


def test_axes_of_image_and_labels_follow_nibabel(tmp_path: Path) -> None:
    array = np.arange(2 * 3 * 5, dtype=np.int16).reshape(2, 3, 5)
    path = replicas.write_nifti(tmp_path / "image.nii.gz", array)
    np.testing.assert_array_equal(read_image(path).array, array[None])


@pytest.mark.real
@pytest.mark.parametrize(("name", "cls", "count"), [("acdc", ACDC, 2), ("mscmr", MSCMR, 20)])
def test_real_cases(name: str, cls: type[Source], count: int, real_data: Path) -> None:
    source = cls(real_data / name)
    listed = source.list_cases()
    assert len(listed) == count
    for raw in listed:
        case = source.read(raw)
        assert case.spacing_mm[0] > 4.0 > case.spacing_mm[1] == pytest.approx(case.spacing_mm[2])
        for role, annotation in case.annotations.items():
            assert set(np.unique(annotation.labels)) == {0, 1, 2, 3} | ({IGNORE} if role == "scribble" else set())
        assert set(case.annotations) == ({"dense", "scribble"} if name == "acdc" else {_mscmr_role(raw.group)})
        if name == "acdc":
            scribble, dense = case.annotations["scribble"].labels, case.annotations["dense"].labels
            assert (scribble == dense)[scribble != IGNORE].mean() >= 0.999


def _mscmr_role(group: str) -> str:
    return "scribble" if group == "train" else "dense"
