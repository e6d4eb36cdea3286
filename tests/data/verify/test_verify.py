import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from handmade_store import SHAPE, annotated, edit_row, make_case, make_store
from rich.console import Console

from lesslabel.data.sources.acdc import ACDC
from lesslabel.data.store import Store
from lesslabel.data.store.case_file import content_hash, read_case, write_case
from lesslabel.data.store.prepare import prepare
from lesslabel.data.verify.leakage import require_apart
from lesslabel.data.verify.soundness import check_cases
from lesslabel.data.verify.store_check import Finding, findings_to_json, render_findings, verify_store
from lesslabel.errors import DataError


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sound_store_makes_no_finding(tmp_path: Path, workers: int) -> None:
    cases = [make_case(number) for number in range(4)]
    cases.append(replace(make_case(4), affine=None, annotations={}))
    cases.append(annotated(make_case(5), "dense", covered_slices=(0, 2), covered_labels=(1, 2, 3)))
    seen: list[tuple[int, int]] = []
    path = make_store(tmp_path / "store", cases).path
    assert verify_store(path, workers=workers, progress=lambda done, total: seen.append((done, total))) == []
    assert seen == [(done, 6) for done in range(1, 7)]


def test_oblique_and_slightly_rounded_affines_are_sound(tmp_path: Path) -> None:
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, -1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.25, 1.5 * 1.005, 10.0])
    store = make_store(tmp_path / "store", [replace(make_case(0), affine=affine)])
    assert verify_store(store.path) == []


def remove_row(store: Store, uid: str) -> None:
    path = store.path / "cases.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(uid)))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def flip_voxel_bit(path: Path) -> None:
    with h5py.File(path) as file:
        offset = file["image"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 20] ^= 1
    path.write_bytes(content)


def rewrite(path: Path, **changes: object) -> None:
    write_case(path, replace(read_case(path), **changes))


# what happens to a store after it was prepared, and the findings about case1 and the store
DISK_DAMAGES: dict[str, tuple[Callable[[Store], object], list[tuple[str, str, str]]]] = {
    "file missing": (
        lambda store: store.case_path("case1").unlink(),
        [("case1", "error", "case1.h5 is missing")],
    ),
    "file cut short": (
        lambda store: cut(store.case_path("case1")),
        [("case1", "error", "case1.h5 cannot be read")],
    ),
    "bit flipped": (
        lambda store: flip_voxel_bit(store.case_path("case1")),
        [("case1", "error", "case1.h5 cannot be read")],
    ),
    "not HDF5": (
        lambda store: store.case_path("case1").write_text("image"),
        [("case1", "error", "case1.h5 cannot be read")],
    ),
    "empty file": (
        lambda store: store.case_path("case1").write_bytes(b""),
        [("case1", "error", "case1.h5 cannot be read")],
    ),
    "voxel changed": (
        lambda store: rewrite(store.case_path("case1"), image=make_case(1).image * 1.5),
        [("case1", "error", "voxels, labels or geometry are not those of the table")],
    ),
    "affine changed": (
        lambda store: rewrite(store.case_path("case1"), affine=np.diag([-1.25, 1.5, 10.0, 1.0])),
        [
            ("case1", "error", "voxels, labels or geometry are not those of the table"),
            (
                "case1",
                "warning",
                "axes (z, y, x) run to SAL (axial slices) in 1 case (case1), to SAR (axial slices) in 2 of 3 cases",
            ),
        ],
    ),
    "annotation added": (
        lambda store: rewrite(
            store.case_path("case1"),
            annotations={**make_case(1).annotations, "rater1": make_case(1).annotations["dense"]},
        ),
        [("case1", "error", "annotations is 'dense|rater1|scribble' in the file, 'dense|scribble' in the table")],
    ),
    "patient changed": (
        lambda store: rewrite(store.case_path("case1"), patient="patient7"),
        [("case1", "error", "patient is 'patient7' in the file, 'patient0' in the table")],
    ),
    "group changed in the table": (
        lambda store: edit_row(store, "case1", group="test"),
        [("case1", "error", "group is 'train' in the file, 'test' in the table")],
    ),
    "spacing changed in the table": (
        lambda store: edit_row(store, "case1", spacing_z_mm="8.0"),
        [("case1", "error", "spacing in mm (z, y, x) is (10.0, 1.5, 1.25) in the file, (8.0, 1.5, 1.25) in the table")],
    ),
    "shape changed in the table": (
        lambda store: edit_row(store, "case1", height="10", width="12"),
        [("case1", "error", "shape (channel, z, y, x) is (1, 4, 12, 10) in the file, (1, 4, 10, 12) in the table")],
    ),
    "patient changed in the table": (
        lambda store: edit_row(store, "case1", patient="patient9"),
        [
            ("case1", "error", "patient is 'patient0' in the file, 'patient9' in the table"),
            ("fingerprint.json", "error", "data_hash is not that of the table of cases"),
        ],
    ),
    "hash changed in the table": (
        lambda store: edit_row(store, "case1", sha256="0" * 64),
        [
            ("case1", "error", "voxels, labels or geometry are not those of the table"),
            ("fingerprint.json", "error", "data_hash is not that of the table of cases"),
        ],
    ),
    "row removed": (
        lambda store: remove_row(store, "case1"),
        [
            ("cases/case1.h5", "warning", "no row of the table names it"),
            ("fingerprint.json", "error", "data_hash is not that of the table of cases"),
        ],
    ),
    "file left by a killed write": (
        lambda store: (store.path / "cases" / ".case1.h5.part").touch(),
        [("cases/.case1.h5.part", "warning", "no row of the table names it")],
    ),
    "another case copied over": (
        lambda store: shutil.copy(store.case_path("case0"), store.case_path("case1")),
        [
            ("case1", "error", "the file holds case 'case0'"),
            ("case1", "error", "voxels, labels or geometry are not those of the table"),
            ("case1", "warning", "the image is that of case 'case0' of the same patient"),
        ],
    ),
}


@pytest.mark.parametrize("name", DISK_DAMAGES)
def test_a_damaged_store_makes_these_findings(tmp_path: Path, name: str) -> None:
    damage, expected = DISK_DAMAGES[name]
    store = make_store(tmp_path / "store", [make_case(number) for number in range(3)])
    damage(store)
    findings = verify_store(store.path)
    assert [(finding.case, finding.severity, finding.problem) for finding in findings] == expected
    assert all("\n" not in text for finding in findings for text in vars(finding).values())


def test_every_finding_of_every_case_is_returned_with_workers_too(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(number) for number in range(4)])
    cut(store.case_path("case0"))
    store.case_path("case2").unlink()
    alone, together = (verify_store(store.path, workers=workers) for workers in (0, 2))
    assert [finding.case for finding in alone] == ["case0", "case2"]
    assert alone == together


def test_a_store_without_its_folder_of_cases(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0), make_case(1)])
    shutil.rmtree(store.path / "cases")
    assert [finding.problem for finding in verify_store(store.path)] == ["case0.h5 is missing", "case1.h5 is missing"]


@pytest.mark.parametrize("file", ["fingerprint.json", "cases.csv"])
def test_a_damaged_table_or_fingerprint_is_an_error(tmp_path: Path, file: str) -> None:
    path = make_store(tmp_path / "store", [make_case(0)]).path
    content = (path / file).read_bytes()
    (path / file).write_bytes(content[: len(content) - 75])
    with pytest.raises(DataError, match=file):
        verify_store(path)
    with pytest.raises(DataError, match="no prepared store here"):
        verify_store(tmp_path)


@pytest.mark.parametrize("seed", range(60))
def test_random_damage_is_found_or_harmless(tmp_path: Path, seed: int) -> None:
    confidence = np.random.default_rng(seed).random(SHAPE, dtype=np.float32)
    store = make_store(tmp_path / "store", [annotated(make_case(0), "dense", confidence=confidence), make_case(2)])
    path, rng = store.case_path("case0"), random.Random(seed)
    content = bytearray(path.read_bytes())
    if seed % 4 == 0:
        del content[rng.randrange(len(content)) :]
    else:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    findings = verify_store(store.path)
    assert {finding.case for finding in findings} <= {"case0"}
    if not findings:
        assert content_hash(read_case(path)) == store.records["case0"].sha256


def write_split(path: Path, **parts: list[str]) -> str:
    path.write_text(json.dumps({"folds": {0: parts}}).replace('"0"', "0"))
    return str(path)


@pytest.fixture
def store_of_three(tmp_path: Path) -> Store:
    """Patients 0, 1 and 2 with two cases each."""
    return make_store(tmp_path / "store", [make_case(number) for number in range(6)])


def test_a_split_that_fits_makes_no_finding(store_of_three: Store, tmp_path: Path) -> None:
    split = write_split(tmp_path / "own.yaml", train=["patient0"], validation=["patient1"], test=["patient2"])
    assert verify_store(store_of_three.path, split=split) == []
    assert verify_store(store_of_three.path, split="random", fold=3) == []


@pytest.mark.parametrize(
    ("parts", "severity", "about", "problem"),
    [
        (
            {"train": ["patient0", "patient1"], "test": ["patient1", "patient2"]},
            "error",
            "patient1",
            "split '{split}' has this patient in train and in test",
        ),
        (
            {"train": ["patient0", "patient1"], "test": ["patient2", "patient3", "patient4"]},
            "warning",
            "{split}",
            "2 of its patients are not in the store (patient3, patient4)",
        ),
        (
            {"train": ["patient0"], "test": ["patient2"]},
            "warning",
            "{split}",
            "1 patients of the store are in none of its parts (patient1)",
        ),
        (
            {"validation": ["patient0"], "test": ["patient1", "patient2"]},
            "error",
            "{split}",
            "no case of the store is in its training part",
        ),
    ],
    ids=["two parts", "missing", "unused", "nothing to train on"],
)
def test_a_split_that_does_not_fit(
    store_of_three: Store, tmp_path: Path, parts: dict[str, list[str]], severity: str, about: str, problem: str
) -> None:
    split = write_split(tmp_path / "own.yaml", **parts)
    (finding,) = verify_store(store_of_three.path, split=split)
    assert (finding.severity, finding.case) == (severity, about.format(split=split))
    assert finding.problem == problem.format(split=split)


def test_groups_that_split_a_patient(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0), replace(make_case(1), group="test")])
    (finding,) = verify_store(store.path, split="groups")
    assert (finding.case, finding.severity) == ("patient0", "error")


@pytest.mark.parametrize(("second_part", "severity"), [("train", "warning"), ("test", "error")])
def test_copies_across_parts_are_an_error(tmp_path: Path, second_part: str, severity: str) -> None:
    copy = replace(make_case(2), image=make_case(0).image)
    store = make_store(tmp_path / "store", [make_case(0), copy])
    parts = {"train": ["patient0"], "test": []}
    parts[second_part].append("patient1")
    (finding,) = verify_store(store.path, split=write_split(tmp_path / "own.yaml", **parts))
    assert (finding.case, finding.severity) == ("case2", severity)
    assert finding.problem.endswith(", in another part") is (severity == "error")


def test_copies_across_parts_stop_training_unless_the_list_says_why(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(0), replace(make_case(2), image=make_case(0).image)])
    digests = {report.uid: report.image_digest for report in check_cases(store, list(store.records))}
    split = write_split(tmp_path / "own.yaml", train=["patient0"], test=["patient1"])
    with pytest.raises(DataError, match=r"own.yaml', case2: the image is that of case 'case0'.*or,.* 'leak: REASON'"):
        require_apart(store, digests, split, 0)
    content = yaml.safe_load(Path(split).read_text())
    Path(split).write_text(yaml.safe_dump(content | {"leak": "as published"}))
    require_apart(store, digests, split, 0)
    (finding,) = verify_store(store.path, split=split)
    assert finding.severity == "warning"
    assert finding.cause.endswith("the split says: as published")
    Path(split).write_text(yaml.safe_dump(content | {"leak": True}))
    with pytest.raises(DataError, match=r"own.yaml: 'leak' is 'True'; say in words why"):
        verify_store(store.path, split=split)


def test_a_split_that_does_not_exist(store_of_three: Store) -> None:
    with pytest.raises(DataError, match="no file and no committed list 'acdc/six_fold'"):
        verify_store(store_of_three.path, split="acdc/six_fold")
    with pytest.raises(DataError, match="no fold 9"):
        verify_store(store_of_three.path, split="acdc/five_fold", fold=9)


FINDINGS = [
    Finding("case[/red]1", "spacing is [1, 2]", "error", "the header", "correct it"),
    Finding("cases/x.h5", "no row", "warning", "a copy", "remove it"),
]


def test_findings_are_laid_out_as_a_table() -> None:
    console = Console(width=120, force_terminal=False)
    with console.capture() as capture:
        console.print(render_findings(FINDINGS))
    text = capture.get()
    for expected in ("case ", "problem", "cause", "fix", "case[/red]1", "error: spacing is [1, 2]", "warning: no row"):
        assert expected in text


def test_findings_are_plain_json() -> None:
    assert json.loads(json.dumps(findings_to_json(FINDINGS))) == [vars(finding) for finding in FINDINGS]
    assert findings_to_json([]) == []


@pytest.mark.real
def test_real_cases_make_no_finding(real_data: Path, tmp_path: Path) -> None:
    source = ACDC(real_data / "acdc")
    store, _ = prepare(source, tmp_path / "store")
    assert len(store.records) >= 2
    assert verify_store(store.path) == []
