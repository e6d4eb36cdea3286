"""``study.yaml``: the jobs of a study. Its description for readers is in ``protocol.yaml``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from lesslabel.errors import ConfigError
from lesslabel.files import parse_yaml
from lesslabel.studies.reading import Section
from lesslabel.studies.recipes import RESERVED, Recipe, check_values, closure, read_recipes
from lesslabel.studies.step_rules import check_step
from lesslabel.studies.steps import Step, Value, placeholders
from lesslabel.tables.label_costs import Costs

DECLARATION = "study.yaml"
Checkpoint = Literal["best", "last"]
_Values = Mapping[str, Value | Sequence[Value]]


@dataclass(frozen=True)
class StudyMethod:
    """A method of a study: a training and its test, or recipes with values.

    Attributes:
        name: in tables.
        configs: its configuration files, later ones override earlier ones; none with recipes.
        settings: dotted settings that override all files, such as ``{"model.ramp_every": 20}``.
        recipes: names of its recipes.
        values: the values of its recipes' placeholders.
    """

    name: str
    configs: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipes: tuple[str, ...] = ()
    values: _Values = field(default_factory=dict)


@dataclass(frozen=True)
class Budgets:
    """The numbers of annotated training patients.

    Attributes:
        order: the order of the patients, see `lesslabel.data.view.Supervision`.
        patients: the budgets; None is all.
    """

    order: str
    patients: tuple[int | None, ...]


@dataclass(frozen=True)
class Scoring:
    """Conventions of the metrics, see `lesslabel.evaluation.segmentation_metrics`."""

    unit: str = "mm"
    hd95: str = "pooled"
    empty: str = "diagonal"


@dataclass(frozen=True)
class Study:
    """The declaration of a study.

    Attributes:
        folder: the experiment folder, which also takes the results.
        store: the data.
        phantom: settings of `lesslabel.data.sources.phantom.Phantom`: the store is generated if it is absent; None
            for data that must be prepared.
        methods: the compared methods.
        configs: configuration files for all methods; they override those of a method.
        settings: dotted settings for all methods; those of a method override them.
        folds: folds of the split.
        seeds: seeds of weights, sampling and augmentation.
        budgets: label budgets; None takes the one in each configuration.
        checkpoint: the tested one: ``best`` on the validation part, or the ``last``.
        scoring: conventions of the metrics.
        costs: minutes of annotation.
        stores: further stores, by the placeholder that names them in steps.
        recipes: by name.
        values: values of the recipes' placeholders, the same for all methods.
    """

    folder: Path
    store: Path
    phantom: Mapping[str, Any] | None
    methods: tuple[StudyMethod, ...]
    configs: tuple[str, ...]
    settings: Mapping[str, Any]
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    budgets: Budgets | None
    checkpoint: Checkpoint
    scoring: Scoring
    costs: Costs
    stores: Mapping[str, Path] = field(default_factory=dict)
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    values: _Values = field(default_factory=dict)

    @property
    def plays_clicks(self) -> bool:
        """Whether its results are those of click protocols."""
        return any(recipe.clicks for recipe in self.recipes.values())


_FIELDS = [name for name in Study.__dataclass_fields__ if name not in ("folder", "checkpoint")]
_KEYS = (*_FIELDS, "selection", "base")


def read_study(folder: Path) -> Study:
    """Read the declaration of a study.

    Raises:
        ConfigError: if it is missing, damaged, incomplete, or selects on the test part.
    """
    path = folder / DECLARATION
    section = Section(_inherit(_load(path), path), str(path), _KEYS)
    methods = tuple(
        _read_method(entry, f"{path}: methods[{index}]") for index, entry in enumerate(section.take("methods", list))
    )
    if not methods:
        raise ConfigError(f"{path}: methods is empty; name at least one")
    for method in methods:
        if not method.name.strip() or not method.name.isprintable():
            raise ConfigError(f"{path}: a method is called {method.name!r}; a name is one line, and not empty")
    if len({method.name for method in methods}) < len(methods):
        raise ConfigError(f"{path}: two methods have one name; tables tell them apart by it")
    study = Study(
        folder=folder,
        store=Path(section.take("store", str)),
        phantom=section.take_section("phantom", _read_phantom, None),
        methods=methods,
        configs=section.take_list("configs", str, ()),
        settings=section.take("settings", dict, {}),
        folds=section.take_list("folds", int, (0,)),
        seeds=section.take_list("seeds", int),
        budgets=section.take_section("budgets", _read_budgets, None),
        checkpoint=_read_selection(section.content.get("selection"), f"{path}: selection"),
        scoring=section.take_section("scoring", _read_scoring, Scoring()),
        costs=section.take_section("costs", _read_costs, Costs()),
        stores=section.take_section("stores", _read_stores, {}),
        recipes=section.take_section("recipes", read_recipes, {}),
        values=section.take_section("values", _read_values, {}),
    )
    _check_recipes(study, str(path))
    return study


def _load(path: Path) -> object:
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); docs/studies.md describes it") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not a YAML file ({' '.join(str(error).split())}); correct it") from error


def _inherit(content: object, path: Path) -> object:
    """Add the keys of the study that a declaration is based on, where it has none of its own.

    The phantom of that study is not that of another store.

    Raises:
        ConfigError: if that study cannot be read, or is itself based on another.
    """
    if not isinstance(content, Mapping) or "base" not in content:
        return content
    base = Path(Section(content, str(path), _KEYS).take("base", str)) / DECLARATION
    inherited = Section(_load(base), f"{path}: base: {base}", _KEYS).content
    if "base" in inherited:
        raise ConfigError(f"{path}: base: {base} has a base itself; name {inherited['base']}")
    shared = {key: value for key, value in inherited.items() if key != "phantom" or "store" not in content}
    return {**shared, **content}


def _read_method(content: object, where: str) -> StudyMethod:
    if isinstance(content, Mapping) and "recipes" in content:
        section = Section(content, where, ["name", "recipes", "values"])
        name, recipes = section.take("name", str), section.take_list("recipes", str)
        return StudyMethod(name, recipes=recipes, values=section.take_section("values", _read_values, {}))
    section = Section(content, where, ["name", "configs", "settings"])
    return StudyMethod(section.take("name", str), section.take_list("configs", str), section.take("settings", dict, {}))


def _read_values(content: object, where: str) -> _Values:
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}: expected values by the placeholder that they stand for")
    for name, value in content.items():
        for single in value if isinstance(value, list) else [value]:
            if not isinstance(single, str | int | float):
                raise ConfigError(f"{where}: {name} is {value!r}; expected a text, a number or a list of them")
    return {str(name): value for name, value in content.items()}


def _read_stores(content: object, where: str) -> Mapping[str, Path]:
    section = Section(content, where, list(content) if isinstance(content, Mapping) else ["stores by name"])
    return {str(name): Path(section.take(str(name), str)) for name in section.content}


def _check_recipes(study: Study, where: str) -> None:
    """Check that methods and recipes fit, and that all results of the study are of one kind.

    Raises:
        ConfigError: names the conflict.
    """
    used: set[str] = set()
    common = {**{name: str(path) for name, path in study.stores.items()}, **study.values}

    def check(step: Step) -> None:
        check_step(step, study.checkpoint, asdict(study.scoring))

    for method in study.methods:
        if method.recipes:
            check_values(study.recipes, method.recipes, method.values, common, check, f"{where}: {method.name}")
            used |= set(closure(study.recipes, method.recipes))
    if unused := [name for name in study.recipes if name not in used]:
        raise ConfigError(f"{where}: recipes: {unused[0]}: no method uses it; leave it out")
    found = placeholders(word for recipe in study.recipes.values() for word in recipe.words())
    if needless := sorted(study.values.keys() - found):
        raise ConfigError(f"{where}: values: no step uses {needless[0]}; leave it out, or correct its name")
    if taken := sorted(study.values.keys() & {*RESERVED, *study.stores, *study.recipes}):
        raise ConfigError(f"{where}: values: {taken[0]} already means something; choose another name")
    if study.plays_clicks and len(study.folds) > 1:
        raise ConfigError(f"{where}: a table of clicks has no folds; declare one")
    plain = [method for method in study.methods if not method.recipes]
    if study.plays_clicks and (plain or any(recipe.scores for recipe in study.recipes.values())):
        raise ConfigError(f"{where}: a table is of scores or of clicks; declare two studies")
    if study.recipes and study.budgets is not None:
        raise ConfigError(f"{where}: budgets are those of methods with configs; give recipes a value instead")
    if not plain and (study.configs or study.settings):
        raise ConfigError(f"{where}: configs and settings are those of methods without recipes; write them into a step")


def _read_phantom(content: object, where: str) -> Mapping[str, Any] | None:
    section = Section(content, where, ["cases", "seed", "size", "depth", "centres"])
    return {str(key): section.take(str(key), int) for key in section.content}


def _read_budgets(content: object, where: str) -> Budgets | None:
    section = Section(content, where, ["order", "patients"])
    patients = section.take("patients", list)
    for budget in patients:
        if budget != "all" and (type(budget) is not int or budget < 1):
            raise ConfigError(f"{where}: patients holds {budget!r}; a budget is a number of patients from 1, or all")
    if not patients or len(set(patients)) < len(patients):
        raise ConfigError(f"{where}: patients is {patients}; name each budget once, and at least one")
    return Budgets(section.take("order", str), tuple(None if budget == "all" else budget for budget in patients))


def _read_selection(content: object, where: str) -> Checkpoint:
    """The tested checkpoint; refuse one that is selected on the test part."""
    section = Section(content, where, ["checkpoint", "part"])
    checkpoint = section.take("checkpoint", str)
    part = section.take("part", str, "validation" if checkpoint == "best" else "none")
    if part == "test" or "test" in checkpoint.replace("-", " ").split():
        raise ConfigError(
            f"{where}: a study that selects on test does not start; choose on the validation part (checkpoint: best), "
            "or take the last iteration (checkpoint: last)"
        )
    if checkpoint not in ("best", "last"):
        raise ConfigError(f"{where}: checkpoint is '{checkpoint}'; choose best (highest validation Dice) or last")
    if part != ("validation" if checkpoint == "best" else "none"):
        raise ConfigError(f"{where}: part is '{part}'; best uses validation, last uses none")
    return cast(Checkpoint, checkpoint)


def _read_scoring(content: object, where: str) -> Scoring:
    choices = {"unit": ("mm", "voxel"), "hd95": ("pooled", "max-of-directed"), "empty": ("diagonal", "nan", "inf")}
    section = Section(content, where, list(choices))
    values = {key: section.take(key, str, known[0]) for key, known in choices.items()}
    for key, value in values.items():
        if value not in choices[key]:
            raise ConfigError(f"{where}: {key} is '{value}'; choose among {', '.join(choices[key])}")
    return Scoring(**values)


def _read_costs(content: object, where: str) -> Costs:
    section = Section(content, where, list(Costs.__dataclass_fields__))
    default = Costs()
    minutes = {
        key: section.take(key, float, getattr(default, key)) for key in ("dense_slice", "scribbled_slice", "click")
    }
    if min(minutes.values()) < 0.0:
        raise ConfigError(f"{where}: minutes must not be negative")
    return Costs(**minutes, source=section.take("source", str))
