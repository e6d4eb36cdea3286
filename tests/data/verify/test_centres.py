"""Several hospitals in one store: a split inside each, and experiments that see only some of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from handmade_store import make_case
from hypothesis import given
from hypothesis import strategies as st
from phantom_stores import PhantomStores

from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.patient_lists import PARTS
from lesslabel.data.splits import divide_patients, find_overlaps, partition
from lesslabel.data.store import CaseRecord, Store
from lesslabel.errors import DataError

TEMPLATE = CaseRecord.of(make_case(0), "0" * 64)
SPLIT = "random_by_centre"


def make_records(**patients: int) -> list[CaseRecord]:
    """So many patients of each centre, two cases a patient."""
    return [
        replace(TEMPLATE, uid=f"{centre}{number}_{frame}", patient=f"{centre}{number}", centre=centre)
        for centre, count in patients.items()
        for number in range(count)
        for frame in range(2)
    ]


def test_every_centre_is_divided_70_10_20() -> None:
    parts = divide_patients(make_records(SMU=40, SCH=20), SPLIT)
    sizes = {
        part: [sum(name.startswith(centre) for name in parts[part]) for centre in ("SMU", "SCH")] for part in PARTS
    }
    assert sizes == {"train": [28, 14], "validation": [4, 2], "test": [8, 4]}


@given(smu=st.integers(3, 30), sch=st.integers(3, 30), seed=st.integers(0, 9))
def test_a_centre_is_divided_as_if_it_were_alone(smu: int, sch: int, seed: int) -> None:
    both = divide_patients(make_records(SMU=smu, SCH=sch), SPLIT, seed)
    alone = divide_patients(make_records(SMU=smu), "random", seed)
    assert {part: tuple(name for name in both[part] if name.startswith("SMU")) for part in PARTS} == alone
    assert find_overlaps(both) == {}
    assert sum(map(len, both.values())) == smu + sch


def test_the_division_does_not_depend_on_the_order_of_the_table() -> None:
    records = make_records(SMU=9, SCH=7)
    assert divide_patients(records, SPLIT) == divide_patients(records[::-1], SPLIT)
    assert divide_patients(records, SPLIT) != divide_patients(records, SPLIT, fold=1)


def test_a_small_centre_and_a_patient_of_two_are_refused() -> None:
    with pytest.raises(DataError, match="at least 3 patients, centre 'SCH' has 2"):
        partition(make_records(SMU=9, SCH=2), SPLIT)
    twice = [*make_records(SMU=9, SCH=3), replace(TEMPLATE, uid="again", patient="SMU0", centre="SCH")]
    with pytest.raises(DataError, match="patient SMU0 is of centre 'SMU' and of 'SCH'; give each its own name"):
        partition(twice, SPLIT)


@pytest.fixture(scope="module")
def store(phantom_store: PhantomStores) -> Store:
    """Nine patients, three of each of the phantom's centres north, east and south."""
    return Store(phantom_store(cases=18, size=32, depth=1))


def make_module(store: Store, **settings: Any) -> SegmentationDataModule:
    return SegmentationDataModule(**{"store": str(store.path), "split": SPLIT, **settings})


def centres_of(module: SegmentationDataModule, part: str) -> list[str]:
    return sorted({record.centre for record in module.records(part)})


def test_an_experiment_sees_the_centres_it_names(store: Store) -> None:
    module = make_module(store, centres=["north", "south"])
    assert [centres_of(module, part) for part in PARTS] == [["north", "south"]] * 3
    assert {store.records[uid].centre for uid in module.supervision()} == {"north", "south"}
    assert len(module.records("all")) == 18
    labelled = module.streams().labelled
    assert {store.records[unit.uid].centre for unit in labelled} == {"north", "south"}


def test_trains_at_one_centre_and_tests_at_another(store: Store) -> None:
    module = make_module(store, centres=["north"], test_centres=["east", "south"])
    assert [centres_of(module, part) for part in PARTS] == [["north"], ["north"], ["east", "south"]]
    assert centres_of(make_module(store, test_centres=["east"]), "train") == ["east", "north", "south"]


def test_a_patient_keeps_its_part_whatever_the_centres(store: Store) -> None:
    everything = make_module(store).divide().cases
    for centres in (["north"], ["south", "east"]):
        some = make_module(store, centres=centres).divide().cases
        for part in PARTS:
            assert some[part] == tuple(uid for uid in everything[part] if store.records[uid].centre in centres)


def test_the_run_records_the_parts_that_are_left(store: Store) -> None:
    parts = make_module(store, centres=["north"]).describe()["parts"]
    assert sum(map(len, parts.values())) == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"centres": ["west"]}, "the store has no centre 'west'; its centres are east, north, south"),
        ({"test_centres": ["West"]}, "the store has no centre 'West'"),
        ({"centres": []}, "no training case is of no centre"),
    ],
)
def test_centres_that_are_not_there(store: Store, settings: dict[str, list[str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_module(store, **settings).divide()


def test_a_centre_without_training_cases(store: Store, tmp_path: Path) -> None:
    north = sorted({record.patient for record in store.records.values() if record.centre == "north"})
    (tmp_path / "split.yaml").write_text(f"folds: {{0: {{train: [{north[0]}], test: [{north[1]}]}}}}")
    with pytest.raises(DataError, match="no training case is of east; choose another centre"):
        make_module(store, split=str(tmp_path / "split.yaml"), centres=["east"]).divide()
