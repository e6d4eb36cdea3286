"""Recipes of a study: jobs that are more than a training and its test."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lesslabel.errors import ConfigError
from lesslabel.studies.reading import Section
from lesslabel.studies.steps import Step, Value, fill, output_of, placeholders, split_step

RESERVED = ("job", "store", "fold", "seed", "method")
"""Placeholders of every step: the job's folder, the study's store, and method, fold and seed of the job."""


@dataclass(frozen=True)
class Clicked:
    """A click protocol that a recipe simulates, for the table.

    Attributes:
        folder: the output of `lesslabel clicks`, ``{job}/…``.
        set: name of the set of objects in tables; volumes and slices have different ones.
        method: name of the method in tables.
        annotator: the annotator of the prompts; empty for a robot.
    """

    folder: str
    set: str
    method: str = "{method}"
    annotator: str = ""


@dataclass(frozen=True)
class Recipe:
    """Commands that make one job.

    Attributes:
        name: its name; in the steps of recipes that need it, the placeholder of its job's folder.
        steps: in order.
        needs: recipes whose jobs must be done first, with the same values.
        scores: tested run folders, ``{job}/…``, by the name of the method in tables.
        clicks: simulated click protocols.
    """

    name: str
    steps: tuple[Step, ...]
    needs: tuple[str, ...] = ()
    scores: Mapping[str, str] | None = None
    clicks: tuple[Clicked, ...] = ()

    def words(self) -> Iterator[str]:
        """Every text that may hold a placeholder."""
        for step in self.steps:
            yield from step
        for name, folder in (self.scores or {}).items():
            yield from (name, folder)
        for clicked in self.clicks:
            yield from (clicked.folder, clicked.set, clicked.method, clicked.annotator)


def read_recipes(content: object, where: str) -> Mapping[str, Recipe]:
    """Read the recipes of a declaration by name.

    Raises:
        ConfigError: if one is incomplete, names an unknown one, or needs itself.
    """
    if not isinstance(content, Mapping) or not content:
        raise ConfigError(f"{where}: expected recipes by name; each has steps")
    recipes = {str(name): _read_recipe(str(name), entry, f"{where}: {name}") for name, entry in content.items()}
    for recipe in recipes.values():
        for need in recipe.needs:
            if need not in recipes:
                raise ConfigError(
                    f"{where}: {recipe.name}: needs '{need}', which is no recipe; there is {', '.join(recipes)}"
                )
        if recipe.name in closure(recipes, recipe.needs):
            raise ConfigError(f"{where}: {recipe.name}: needs itself in the end; leave one of the needs out")
    return recipes


def closure(recipes: Mapping[str, Recipe], names: Sequence[str]) -> list[str]:
    """The recipes of these names and all that they need."""
    found: list[str] = []
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += recipes[name].needs
    return found


def check_values(
    recipes: Mapping[str, Recipe],
    names: Sequence[str],
    values: Mapping[str, Value | Sequence[Value]],
    common: Mapping[str, Value | Sequence[Value]],
    check: Callable[[Step], None],
    where: str,
) -> None:
    """Check that a method has all values of its recipes, no unused one, and no forbidden one.

    Args:
        recipes: all of the study.
        names: those of the method.
        values: those of the method.
        common: what the study gives all methods: the paths of further stores, and values.
        check: of a step with the method's values in place.
        where: names the declaration and the method in errors.

    Raises:
        ConfigError: names the recipe and the placeholder.
    """
    used: set[str] = set()
    for name in names:
        if name not in recipes:
            raise ConfigError(f"{where}: recipe '{name}' is not declared; there is {', '.join(recipes) or 'none'}")
    if taken := sorted(values.keys() & {*RESERVED, *common, *recipes}):
        raise ConfigError(f"{where}: values: {taken[0]} already means something; choose another name")
    for name in closure(recipes, names):
        recipe = recipes[name]
        found = placeholders(recipe.words())
        if unknown := sorted(found - {*RESERVED, *common} - values.keys() - set(recipe.needs)):
            known = ", ".join((*RESERVED, *common, *recipe.needs, *values))
            raise ConfigError(
                f"{where}: recipe {name}: unknown placeholder {{{unknown[0]}}}; give it a value, or use {known}"
            )
        for number, step in enumerate(recipe.steps, start=1):
            try:
                check(fill(step, {**common, **values}))
            except ConfigError as error:
                raise ConfigError(f"{where}: recipe {name}: step {number}: {error}") from error
        used |= found
    if unused := sorted(values.keys() - used):
        raise ConfigError(f"{where}: values: no step uses {unused[0]}; leave it out, or correct its name")


def _read_recipe(name: str, content: object, where: str) -> Recipe:
    section = Section(content, where, ["needs", "steps", "scores", "clicks"])
    steps = []
    for number, text in enumerate(section.take_list("steps", str), start=1):
        try:
            steps.append(split_step(text))
        except ConfigError as error:
            raise ConfigError(f"{where}: step {number}: {error}") from error
    scores: Mapping[str, Any] = section.take("scores", dict, {})
    clicks = tuple(
        _read_clicked(entry, f"{where}: clicks[{index}]")
        for index, entry in enumerate(section.take("clicks", list, []))
    )
    recipe = Recipe(name, tuple(steps), section.take_list("needs", str, ()), scores, clicks)
    tested = [output_of(step) for step in steps if step[0] == "test"]
    for folder in scores.values():
        if folder not in tested:
            raise ConfigError(f"{where}: scores: no step tests {folder}; it is one of {', '.join(tested) or 'none'}")
    played = [output_of(step) for step in steps if step[0] == "clicks"]
    for clicked in clicks:
        if clicked.folder not in played:
            raise ConfigError(f"{where}: clicks: no step plays {clicked.folder}; write the --out of one")
    return recipe


def _read_clicked(content: object, where: str) -> Clicked:
    section = Section(content, where, ["folder", "set", "method", "annotator"])
    return Clicked(
        section.take("folder", str),
        section.take("set", str),
        section.take("method", str, "{method}"),
        section.take("annotator", str, ""),
    )
