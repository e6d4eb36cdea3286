import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from handmade_store import make_case
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.data.patient_lists import LISTS, PARTS, find_list, load_order, load_split
from lesslabel.data.splits import divide_patients, draw_order, find_overlaps, partition
from lesslabel.data.store import CaseRecord
from lesslabel.errors import DataError

ACDC = [f"patient{number:03d}" for number in range(1, 101)]
TEMPLATE = CaseRecord.of(make_case(0), "0" * 64)


def make_records(patients: list[str], group: str = "", frames: int = 2) -> list[CaseRecord]:
    return [
        replace(TEMPLATE, uid=f"{patient}_{frame}", patient=patient, group=group)
        for patient in patients
        for frame in range(frames)
    ]


@pytest.fixture
def own_split(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(
        "folds:\n  0:\n    train: [a, b]\n    validation: [c]\n    test: [7]\n  1:\n    train: [a]\n    test:\n"
    )
    return path


@pytest.mark.parametrize("fold", range(1, 6))
def test_published_folds_test_on_consecutive_patients(fold: int) -> None:
    parts = load_split("acdc/five_fold_published", fold)
    assert list(parts["test"]) == ACDC[20 * fold - 20 : 20 * fold]
    assert parts["validation"] == ()
    assert sorted(parts["train"]) == sorted(set(ACDC) - set(parts["test"]))


@pytest.mark.parametrize("fold", range(1, 6))
def test_folds_draw_ten_of_the_other_eighty_to_validate(fold: int) -> None:
    parts = load_split("acdc/five_fold", fold)
    published = load_split("acdc/five_fold_published", fold)
    assert parts["test"] == published["test"]
    assert {part: len(members) for part, members in parts.items()} == {"train": 70, "validation": 10, "test": 20}
    twins = {"patient074", "patient076"}  # the same images under two names: they train together
    order = [patient for patient in draw_order(published["train"], 2000 + fold - 1) if patient not in twins]
    assert set(parts["validation"]) == set(order[:10])
    assert sorted(parts["train"] + parts["validation"]) == list(published["train"])


def test_test_folds_cover_every_patient_once() -> None:
    tested = [patient for fold in range(1, 6) for patient in load_split("acdc/five_fold", fold)["test"]]
    assert tested == ACDC


def test_semi_supervised_lists_are_70_10_20() -> None:
    parts = load_split("acdc/ssl4mis_70_10_20")
    assert [len(parts[part]) for part in PARTS] == [70, 10, 20]
    assert sorted(patient for members in parts.values() for patient in members) == ACDC


def test_committed_lists_keep_every_patient_in_one_part() -> None:
    for path in LISTS.rglob("*.yaml"):
        name = str(path.relative_to(LISTS).with_suffix(""))
        for fold in yaml.safe_load(path.read_text()).get("folds", []):
            assert find_overlaps(load_split(name, fold)) == {}


@pytest.mark.parametrize("seed", range(3))
def test_committed_orders_are_those_drawn(seed: int) -> None:
    order = load_order(f"acdc/order_seed{seed}")
    assert order == draw_order(ACDC, seed)
    by_hand = sorted(ACDC, key=lambda patient: hashlib.sha256(f"{seed}:{patient}".encode()).digest())
    assert order == by_hand


def test_left_atrium_is_80_20_in_the_published_order() -> None:
    parts = load_split("la/published_80_20")
    assert [len(parts[part]) for part in PARTS] == [80, 0, 20]
    assert list(parts["train"]) == sorted(parts["train"])  # the published lists are in alphabetical order
    assert load_order("la/order_published") == list(parts["train"])


def test_the_subset_of_the_left_atrium_is_the_first_forty() -> None:
    published, subset = load_split("la/published_80_20")["train"], load_split("la/subset_32_8")
    assert subset == {"train": published[:32], "validation": (), "test": published[32:40]}


@pytest.mark.real
def test_the_published_order_of_the_left_atrium_is_that_of_the_list_at_hand(real_data: Path) -> None:
    listed = (real_data / "la" / "la_train.list").read_text().split()
    assert load_order("la/order_published")[: len(listed)] == listed


def test_hippocampus_is_drawn_160_16_32() -> None:
    parts = load_split("hippocampus/random_160_16_32")
    order = draw_order([patient for members in parts.values() for patient in members], 0)
    assert {part: sorted(members) for part, members in parts.items()} == {
        "train": sorted(order[:160]),
        "validation": sorted(order[160:176]),
        "test": sorted(order[176:208]),
    }
    for seed in range(3):
        assert load_order(f"hippocampus/order_seed{seed}") == draw_order(parts["train"], seed)


@given(patients=st.lists(st.text(max_size=4), unique=True, max_size=8), seed=st.integers(0, 9), data=st.data())
def test_draw_order_keeps_ranks_when_patients_are_missing(patients: list[str], seed: int, data: st.DataObject) -> None:
    order = draw_order(patients, seed)
    assert sorted(order) == sorted(patients)
    assert order == draw_order(patients[::-1], seed)
    present = data.draw(st.sets(st.sampled_from(patients))) if patients else set()
    assert draw_order(sorted(present), seed) == [patient for patient in order if patient in present]


def test_partition_keeps_the_cases_of_a_patient_together(own_split: Path) -> None:
    found = partition(make_records(["7", "c", "b", "a"]), str(own_split))
    assert found.cases == {"train": ("b_0", "b_1", "a_0", "a_1"), "validation": ("c_0", "c_1"), "test": ("7_0", "7_1")}
    assert found.missing_patients == ()


def test_a_part_may_be_empty_but_training(own_split: Path) -> None:
    assert partition(make_records(["a", "z"]), str(own_split), fold=1).cases["test"] == ()
    with pytest.raises(DataError, match="fold 1: no case of the store is in its training part"):
        partition(make_records(["z"]), str(own_split), fold=1, allow_missing=True)


def test_missing_patients_are_refused_or_noted() -> None:
    records = make_records(ACDC[20:])
    with pytest.raises(DataError, match=r"20 of its patients .* \(patient001, patient002, patient003 …\)"):
        partition(records, "acdc/five_fold_published", fold=2)
    found = partition(records, "acdc/five_fold_published", fold=2, allow_missing=True)
    assert list(found.missing_patients) == ACDC[:20]
    assert {part: len(uids) for part, uids in found.cases.items()} == {"train": 120, "validation": 0, "test": 40}


def test_one_missing_patient_is_named_without_ellipsis(own_split: Path) -> None:
    with pytest.raises(DataError, match=r"1 of its patients are not in the store \(c\)"):
        partition(make_records(["a", "b", "7"]), str(own_split))


def test_a_fold_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(DataError, match=r"five_fold\.yaml: no fold 0; it has 1, 2, 3, 4, 5"):
        partition(make_records(ACDC), "acdc/five_fold")


def test_a_patient_in_two_parts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "leaking.yaml"
    path.write_text("folds: {0: {train: [a, b], validation: [], test: [b, c]}}")
    assert find_overlaps(load_split(str(path))) == {"b": ("train", "test")}
    with pytest.raises(DataError, match="patient b is in train and in test; keep it in one"):
        partition(make_records(["a", "b", "c"]), str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("folds: [", "not a readable YAML file"),
        ("- a", "a split file holds 'folds'"),
        ("folds: [a]", "a split file holds 'folds'"),
        ("folds: {0: [a, b]}", "fold 0 must hold the parts train, validation, test, each a list"),
        ("folds: {0: {train: a}}", "fold 0 must hold the parts"),
        ("folds: {0: {train: [a], val: [b], 3: []}}", "unknown parts val, 3; parts are train, validation, test"),
        ("folds: {'0': {train: [a]}}", "no fold 0"),
        ("\xff", "not a readable YAML file"),
    ],
)
def test_a_damaged_split_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "split.yaml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=message) as caught:
        load_split(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../../secret", "acdc/../../../secret", "", "/", "..", "acdc", "acdc/none"])
def test_a_name_never_leads_out_of_the_lists(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = tmp_path / "package" / "lists"
    (lists / "acdc").mkdir(parents=True)
    (lists / "acdc" / "own.yaml").write_text("folds: {}")
    for folder in (tmp_path, tmp_path / "package"):
        (folder / "secret.yaml").write_text("folds: {}")
    monkeypatch.setattr("lesslabel.data.patient_lists.LISTS", lists)
    with pytest.raises(DataError, match=f"no committed list '{name}'; committed lists: acdc/(own|…)$"):
        find_list(name, ".yaml")


def test_an_absolute_name_is_a_file_of_ones_own(own_split: Path) -> None:
    assert find_list(str(own_split), ".yaml") == own_split
    with pytest.raises(DataError, match="no file and no committed list"):
        find_list(str(own_split.with_suffix("")), ".yaml")


def test_a_committed_list_may_be_named_with_its_suffix() -> None:
    assert find_list("acdc/five_fold.yaml", ".yaml") == find_list("acdc/five_fold", ".yaml")


def test_load_order_reads_comments_and_refuses_repetition(tmp_path: Path) -> None:
    path = tmp_path / "order.txt"
    path.write_text("# first\nb\n\n a  # second\n")
    assert load_order(str(path)) == ["b", "a"]
    path.write_text("b\na\nb\n")
    with pytest.raises(DataError, match=r"order\.txt: patient b is listed 2 times"):
        load_order(str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"order\.txt: not a readable list of patients"):
        load_order(str(path))


@pytest.mark.parametrize(("patients", "sizes"), [(3, (1, 1, 1)), (10, (7, 1, 2)), (100, (70, 10, 20))])
def test_random_split_is_70_10_20_by_patient(patients: int, sizes: tuple[int, ...]) -> None:
    records = make_records(ACDC[:patients])
    found = partition(records, "random", fold=5)
    assert tuple(len(found.cases[part]) // 2 for part in PARTS) == sizes
    patients_of = {part: {uid.partition("_")[0] for uid in uids} for part, uids in found.cases.items()}
    assert sum(len(members) for members in patients_of.values()) == patients


def test_random_split_depends_on_the_seed_alone() -> None:
    records = make_records(ACDC)
    first, turned = (divide_patients(rows, "random", 1) for rows in (records, records[::-1]))
    assert first == turned
    assert first != divide_patients(records, "random", 2)


def test_random_split_needs_three_patients() -> None:
    with pytest.raises(DataError, match="at least 3 patients, the store has 2"):
        partition(make_records(["a", "b"]), "random")


def test_all_train_and_none_is_scored() -> None:
    records = make_records(["a", "b"], frames=2)
    divided = partition(records, "all")
    assert divided.cases == {"train": ("a_0", "a_1", "b_0", "b_1"), "validation": (), "test": ()}
    assert divided.missing_patients == ()


def test_groups_follow_the_source() -> None:
    groups = {"a": "training", "b": "TestSet", "c": "Val", "d": "train"}
    records = [record for patient, group in groups.items() for record in make_records([patient], group, frames=1)]
    assert partition(records, "groups").cases == {"train": ("a_0", "d_0"), "validation": ("c_0",), "test": ("b_0",)}


def test_groups_that_name_no_part_or_split_a_patient_are_refused() -> None:
    with pytest.raises(DataError, match="case 'a_0': group 'extra' names no part"):
        partition(make_records(["a"], "extra"), "groups")
    with pytest.raises(DataError, match="patient a is in train and in test"):
        partition(make_records(["a"], "train") + make_records(["a"], "test"), "groups")


def test_a_split_that_draws_cases_leaks_patients(tmp_path: Path) -> None:
    path = tmp_path / "leaking.yaml"
    path.write_text("unit: case\ndraw: {train: 12, test: 6}\n")
    records = make_records(["a", "b", "c"], frames=8)
    drawn = partition(records, str(path), fold=3)
    order = draw_order([record.uid for record in records], 3)
    assert drawn.cases == {"train": tuple(order[:12]), "validation": (), "test": tuple(order[12:18])}
    assert set(find_overlaps(divide_patients(records, str(path), 3))) == {"a", "b", "c"}
    assert partition(records, str(path), fold=4).cases != drawn.cases


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("unit: case\ndraw: {train: 20, test: 5}\n", "draws 25 cases, the store has 24"),
        ("draw: {train: 2}\n", "a list of samples holds 'unit: case'"),
        ("unit: case\ndraw: {train: many}\n", "a list of samples holds 'unit: case'"),
        ("unit: case\ndraw: {training: 3}\n", "a list of samples holds 'unit: case'"),
        ("unit: case\ndraw: [3]\n", "a list of samples holds 'unit: case'"),
    ],
)
def test_a_drawing_that_cannot_be(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "leaking.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=match):
        partition(make_records(["a", "b", "c"], frames=8), str(path))


@pytest.mark.parametrize(("task", "train", "test"), [("lung", 200, 150), ("pancreas", 400, 200), ("spleen", 200, 150)])
def test_committed_splits_of_slices_are_marked(task: str, train: int, test: int) -> None:
    records = make_records(["a", "b"], frames=300)
    drawn = partition(records, f"msd/leaking_slices_{task}")
    assert [len(drawn.cases[part]) for part in PARTS] == [train, 0, test]


def test_btcv_is_18_12() -> None:
    parts = load_split("btcv/published_18_12")
    assert [len(parts[part]) for part in PARTS] == [18, 0, 12]
    labelled = {f"case{number:04d}" for number in (*range(1, 11), *range(21, 41))}
    assert {patient for members in parts.values() for patient in members} == labelled
