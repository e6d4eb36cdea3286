"""Recipes in a declaration."""

import copy
from pathlib import Path
from typing import Any

import pytest
from studying import declare

from lesslabel.errors import ConfigError
from lesslabel.studies import Study, read_study
from lesslabel.studies.recipes import Clicked

RECIPES: dict[str, Any] = {
    "source": {"steps": ["fit --config a.yaml --data.store {other} --seed {seed} --run {job}/run"]},
    "choose": {
        "needs": ["source"],
        "steps": [
            "select --bundle {source}/run --budget {budget} --out {job}/queue.csv",
            "adapt --queue {job}/queue.csv --out {job}/adapted --name {method}",
            "test --run {job}/adapted/fine-tune",
        ],
        "scores": {"{method}": "{job}/adapted/fine-tune"},
    },
}
METHOD = {"name": "random, 20%", "recipes": ["choose"], "values": {"budget": "20%"}}


def read(folder: Path, recipes: dict[str, Any] = RECIPES, method: dict[str, Any] = METHOD, **changes: Any) -> Study:
    stores = {"stores": {"other": "stores/other"}, "selection": {"checkpoint": "last"}}
    return read_study(declare(folder, **{"methods": [method], "recipes": recipes, **stores, **changes}))


def test_recipes_are_read(tmp_path: Path) -> None:
    study = read(tmp_path)
    assert study.methods[0].recipes == ("choose",)
    assert study.recipes["choose"].needs == ("source",)
    assert study.recipes["source"].steps[0][:3] == ("fit", "--config", "a.yaml")
    assert study.stores == {"other": Path("stores/other")}
    assert not study.plays_clicks


def test_click_protocols_are_read(tmp_path: Path) -> None:
    played = {"folder": "{job}/clicks", "set": "left atrium", "annotator": "0"}
    steps = ["clicks --run {other} --out {job}/clicks"]
    study = read(tmp_path, {"play": {"steps": steps, "clicks": [played]}}, {"name": "GP", "recipes": ["play"]})
    assert study.recipes["play"].clicks == (Clicked("{job}/clicks", "left atrium", "{method}", "0"),)
    assert study.plays_clicks


@pytest.mark.parametrize(
    ("recipe", "changes", "said"),
    [
        (
            "choose",
            {"needs": ["sources"]},
            r"recipes: choose: needs 'sources', which is no recipe; there is choose, so",
        ),
        ("source", {"needs": ["choose"]}, r"needs itself in the end"),
        (
            "source",
            {"steps": ["fit --run {job}/r --x {bundle}"]},
            r"recipe source: unknown placeholder \{bundle\}; give",
        ),
        ("source", {"steps": ["fit --run {job}/r {choose}"]}, r"recipe source: unknown placeholder \{choose\}"),
        (
            "source",
            {"steps": ["train --run {job}/r"]},
            r"recipes: source: step 1: unknown command 'train'; a step begins",
        ),
        ("source", {"steps": ["fit --run {job}/r --ckpt_path best"]}, r"source: step 1: --ckpt_path is the study's"),
        (
            "source",
            {"steps": ["fit --run {job}/r --trainer.precision auto"]},
            r"source: step 1: --trainer\.precision auto is chosen where the job runs",
        ),
        ("source", {"steps": []}, "steps is empty"),
        ("source", {"step": ["fit"]}, "recipes: source: unknown key 'step'"),
        ("choose", {"scores": {"a": "{job}/adapted"}}, r"choose: scores: no step tests \{job\}/adapted; it is one of"),
        ("choose", {"clicks": [{"folder": "{job}/c", "set": "a"}]}, r"choose: clicks: no step plays \{job\}/c"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_named(recipe: str, changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    recipes = copy.deepcopy(RECIPES)
    recipes[recipe] |= changes
    with pytest.raises(ConfigError, match=said) as caught:
        read(tmp_path, recipes)
    assert str(tmp_path / "study.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--ckpt_path best", "--ckpt_path best, but the study declares last"),
        ("--ckpt_path best --ckpt_path last", "--ckpt_path best, but the study declares last"),
        ("--part validation", "--part validation, but the study declares test"),
        ("--hd95 max-of-directed", "--hd95 max-of-directed, but the study declares pooled"),
    ],
)
def test_a_test_takes_what_the_study_selects(option: str, said: str, tmp_path: Path) -> None:
    recipes = copy.deepcopy(RECIPES)
    recipes["choose"]["steps"][2] += f" {option}"
    with pytest.raises(ConfigError, match=f"choose: step 3: {said}"):
        read(tmp_path, recipes)
    recipes["choose"]["steps"][2] = f"{RECIPES['choose']['steps'][2]} {{more}}"
    values = {"budget": "20%", "more": option.split()}
    with pytest.raises(ConfigError, match=f"choose: step 3: {said}"):
        read(tmp_path, recipes, {**METHOD, "values": values})


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("clicks --run {job}/run --out {job}/c --ckpt_path best", "--ckpt_path is the study's to choose"),
        ("clicks --run {job}/run --out {job}/c --part train", "--part train: objects that the run was trained"),
        ("clicks --run {job}/run --out {job}/../c", r"\{job\}/\.\./c may lie outside the job's folder"),
        (
            "bundle export {job}/run {job}/a/../../b --store {store}",
            r"\{job\}/a/\.\./\.\./b may lie outside the job's folder",
        ),
        ("select --out {job}/b.csv --out {job}/a.csv", "--out is there twice; name one output"),
        ("adapt --queue q --out {job}/a --ckpt_path x.ckpt", "--ckpt_path is the study's to choose"),
    ],
)
def test_no_step_looks_at_test_or_writes_elsewhere(step: str, said: str, tmp_path: Path) -> None:
    recipes = {"r": {"steps": ["fit --run {job}/run", step]}}
    with pytest.raises(ConfigError, match=f"recipe r: step 2: {said}"):
        read(tmp_path, recipes, {"name": "m", "recipes": ["r"]})


def test_a_table_of_clicks_has_no_folds(tmp_path: Path) -> None:
    played = {"folder": "{job}/c", "set": "a"}
    recipes = {"r": {"steps": ["clicks --run {other} --out {job}/c"], "clicks": [played]}}
    with pytest.raises(ConfigError, match="a table of clicks has no folds"):
        read(tmp_path, recipes, {"name": "m", "recipes": ["r"]}, folds=[0, 1])


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"values": {}}, r"random, 20%: recipe choose: unknown placeholder \{budget\}"),
        ({"values": {"budget": 1, "bugdet": 2}}, "values: no step uses bugdet"),
        ({"values": {"budget": 1, "seed": 2}}, "values: seed already means something"),
        ({"values": {"budget": {"a": 1}}}, "expected a text, a number or a list"),
        ({"recipes": ["chose"]}, "recipe 'chose' is not declared; there is choose, source"),
        ({"recipes": ["source"], "values": {}}, "recipes: choose: no method uses it"),
        ({"configs": ["a.yaml"]}, "unknown key 'configs'"),
    ],
)
def test_what_is_wrong_with_a_method_is_named(method: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, method={**METHOD, **method})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budgets": {"order": "a", "patients": [1]}}, "budgets are those of methods with configs"),
        ({"configs": ["a.yaml"]}, "configs and settings are those of methods without recipes"),
        ({"recipes": None}, "recipe 'choose' is not declared; there is none"),
        ({"selection": None}, "selection: expected keys"),
        ({"stores": {"other": 3}}, "other is 3; expected str"),
    ],
)
def test_what_does_not_go_with_recipes_is_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, **changes)


def test_scores_and_clicks_are_two_studies(tmp_path: Path) -> None:
    recipes = copy.deepcopy(RECIPES)
    recipes["choose"]["steps"].append("clicks --run {job}/adapted --out {job}/clicks")
    recipes["choose"]["clicks"] = [{"folder": "{job}/clicks", "set": "a"}]
    with pytest.raises(ConfigError, match="a table is of scores or of clicks"):
        read(tmp_path, recipes)


def test_values_of_the_study_fill_the_recipes_of_all_methods(tmp_path: Path) -> None:
    recipes = copy.deepcopy(RECIPES)
    recipes["source"]["steps"] = ["fit --config {training} --data.store {other} --seed {seed} --run {job}/run"]
    study = read(tmp_path, recipes, values={"training": "a.yaml"})
    assert study.values == {"training": "a.yaml"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"trainings": "a.yaml"}, "values: no step uses trainings"),
        ({"budget": "10%"}, "values: budget already means something"),
        ({"seed": 1}, "values: seed already means something"),
        ({"training": {"a": 1}}, "values: training is {'a': 1}; expected a text"),
    ],
)
def test_what_is_wrong_with_values_of_the_study_is_named(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, values=values)
