"""A declaration says everything, or is refused in one line."""

from pathlib import Path
from typing import Any

import pytest
from studying import declare

from lesslabel.errors import ConfigError
from lesslabel.studies import Budgets, Costs, read_study
from lesslabel.studies.steps import fill, options
from lesslabel.tables import read_protocol, read_published

ROOT = Path(__file__).parents[2]


def test_a_declaration_is_read(tmp_path: Path) -> None:
    budgets = {"order": "acdc/order_seed0", "patients": [1, 4, "all"]}
    costs = {"dense_slice": 5, "source": "our clinic"}
    study = read_study(declare(tmp_path, budgets=budgets, costs=costs, folds=[1, 2]))
    assert study.methods[0].configs == ("pce.yaml",)
    assert (study.folds, study.seeds) == ((1, 2), (0,))
    assert study.budgets == Budgets("acdc/order_seed0", (1, 4, None))
    assert study.costs == Costs(dense_slice=5.0, source="our clinic")
    assert study.checkpoint == "best"


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in ROOT.glob("experiments/*/study.yaml")), ids=lambda path: path.name
)
def test_committed_studies_name_files_that_exist(folder: Path) -> None:
    study = read_study(folder)
    for config in (*study.configs, *(config for method in study.methods for config in method.configs)):
        assert (ROOT / config).is_file(), config
    for recipe in study.recipes.values():
        for step in recipe.steps:
            for config in options(fill(step, study.values), "--config"):
                assert "{" in config or (ROOT / config).is_file(), config
    protocol = read_protocol(folder)
    assert protocol["checkpoint_rule"].startswith({"best": "highest", "last": "last"}[study.checkpoint])
    baselines = protocol["baseline"] if isinstance(protocol["baseline"], dict) else [protocol["baseline"]]
    for baseline in baselines:
        assert any(baseline.startswith(method.name) for method in study.methods)
    read_published(folder)


def test_the_default_costs_are_those_of_the_paper() -> None:
    costs = Costs()
    seconds = [60 * minutes for minutes in (costs.dense_slice, costs.scribbled_slice, costs.click)]
    assert seconds == pytest.approx([239.7, 34.9, 2.4])


@pytest.mark.parametrize(
    "selection",
    [
        {"checkpoint": "best", "part": "test"},
        {"checkpoint": "last", "part": "test"},
        {"checkpoint": "best on test"},
        {"checkpoint": "best-on-test", "part": "validation"},
    ],
)
def test_a_study_that_selects_on_test_does_not_start(selection: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a study that selects on test does not start") as caught:
        read_study(declare(tmp_path, selection=selection))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"selection": None}, "selection: expected keys"),
        ({"selection": {"checkpoint": "first"}}, "choose best .* or last"),
        ({"selection": {"checkpoint": "best", "part": "train"}}, "best uses validation"),
        ({"selection": {"checkpoint": "last", "part": "validation"}}, "last uses none"),
        ({"seeds": None}, "seeds is missing"),
        ({"seeds": []}, "seeds is empty"),
        ({"seeds": [0, 0]}, "seeds holds a value twice"),
        ({"seeds": [True]}, "seeds holds True"),
        ({"seed": [0]}, "unknown key 'seed'"),
        ({"methods": []}, "methods is empty"),
        ({"recipes": {"a": {"steps": ["fit --run {job}/run"]}}}, "recipes: a: no method uses it"),
        ({"methods": [{"name": "a", "configs": ["x"]}] * 2}, "two methods have one name"),
        ({"methods": [{"name": "a\nb", "configs": ["x"]}]}, r"called 'a\\nb'; a name is one line"),
        ({"methods": [{"name": " ", "configs": ["x"]}]}, "called ' '; a name is one line, and not empty"),
        ({"methods": [{"name": "a", "config": ["x"]}]}, r"methods\[0\]: unknown key 'config'"),
        ({"budgets": {"order": "x", "patients": [0]}}, "patients holds 0"),
        ({"budgets": {"order": "x", "patients": [1, 1]}}, "name each budget once"),
        ({"budgets": {"patients": [1]}}, "order is missing"),
        ({"costs": {"dense_slice": 5}}, "source is missing"),
        ({"costs": {"click": -1, "source": "x"}}, "not be negative"),
        ({"scoring": {"hd95": "median"}}, "hd95 is 'median'"),
        ({"devices": 2}, "unknown key 'devices'"),
        ({"store": 3}, "store is 3; expected str"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read_study(declare(tmp_path, **changes))
    assert str(tmp_path / "study.yaml") in str(caught.value)


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"study\.yaml: cannot be read"):
        read_study(tmp_path)
    (tmp_path / "study.yaml").write_text("store: [")
    with pytest.raises(ConfigError, match=r"study\.yaml: not a YAML file"):
        read_study(tmp_path)


def test_a_study_takes_from_its_base_what_it_does_not_declare(tmp_path: Path) -> None:
    base = declare(tmp_path / "base", folds=[1, 2], seeds=[0, 1])
    study = read_study(declare(tmp_path / "own", base=str(base), store="stores/other", methods=None, seeds=[3]))
    assert (study.store, study.folds, study.seeds) == (Path("stores/other"), (1, 2), (3,))
    assert study.methods == read_study(base).methods
    assert study.folder == tmp_path / "own"


def test_another_store_is_not_the_phantom_of_the_base(tmp_path: Path) -> None:
    base = declare(tmp_path / "base", phantom={"cases": 4, "seed": 0})
    assert read_study(declare(tmp_path / "same", base=str(base), store=None, methods=None)).phantom is not None
    assert read_study(declare(tmp_path / "own", base=str(base), store="stores/acdc")).phantom is None


def test_a_wrong_base_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent/study\.yaml: cannot be read"):
        read_study(declare(tmp_path / "a", base=str(tmp_path / "absent")))
    base = declare(tmp_path / "base", base=str(tmp_path / "other"))
    with pytest.raises(ConfigError, match=r"own/study\.yaml: base: .*base/study\.yaml has a base itself; name .*other"):
        read_study(declare(tmp_path / "own", base=str(base)))
    declare(base, seed=[0])
    with pytest.raises(ConfigError, match=r"own/study\.yaml: base: .*base/study\.yaml: unknown key 'seed'"):
        read_study(declare(tmp_path / "own", base=str(base)))
    with pytest.raises(ConfigError, match="base is 3; expected str"):
        read_study(declare(tmp_path / "own", base=3))
