"""The jobs of a study's recipes: one for each method, fold and seed, and one for all where nothing sets them apart."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from lesslabel.errors import LesslabelError
from lesslabel.studies.declaration import Study, StudyMethod
from lesslabel.studies.job import Job, name_folder
from lesslabel.studies.key import hash_values
from lesslabel.studies.recipes import Clicked, Recipe, closure
from lesslabel.studies.step_inputs import StepInputs
from lesslabel.studies.steps import Step, Value, fill, option, placeholders, without
from lesslabel.studies.work import JobFolder

Values = Mapping[str, Value | Sequence[Value]]


class RecipeJobs:
    """Makes jobs, each key once.

    Args:
        study: the study.
        output: folder that holds the folders of the jobs.
        store: where the data of the study lie.
        common: hashes of the sources and the lock file.
    """

    def __init__(self, study: Study, output: Path, store: Path, common: Mapping[str, str]) -> None:
        self.study, self.output, self.common = study, output, common
        self.stores: dict[str, Value] = {
            "store": str(store),
            **{name: str(path) for name, path in study.stores.items()},
        }
        self.jobs: dict[str, Job] = {}
        self._inputs = StepInputs(study.checkpoint)

    def add(self, method: StudyMethod) -> list[Job]:
        """The jobs of a method that are not there yet, after those that they need.

        Raises:
            LesslabelError: if a step's configuration is wrong, does not fit the data, or selects on the test part.
        """
        known = set(self.jobs)
        for name in method.recipes:
            for fold in self.study.folds:
                for seed in self.study.seeds:
                    self._make(self.study.recipes[name], method, fold, seed)
        return [job for key, job in self.jobs.items() if key not in known]

    def _make(self, recipe: Recipe, method: StudyMethod, fold: int, seed: int) -> Job:
        needs = {name: self._make(self.study.recipes[name], method, fold, seed) for name in recipe.needs}
        values: Values = {**method.values, "method": method.name, "fold": fold, "seed": seed}
        steps = [self._complete(step) for step in recipe.steps]
        try:
            inputs = [self._inputs.describe(fill(step, {**values, **self.stores})) for step in steps]
        except LesslabelError as error:
            raise type(error)(f"recipe {recipe.name}: {error}") from error
        keyed = {
            "steps": [_without_files(fill(step, values)) for step in steps],
            "configs": [config for config, _ in inputs],
            "scores": [fill(pair, values) for pair in (recipe.scores or {}).items()],
            "clicks": [_fill_each(asdict(clicked), values) for clicked in recipe.clicks],
            "checkpoint": self.study.checkpoint,
        }
        parts = {
            **self.common,
            "config": hash_values(keyed),
            "data": hash_values({"steps": [data for _, data in inputs]}),
            "needs": hash_values({name: need.key for name, need in needs.items()}),
        }
        key = hash_values(parts)
        if key in self.jobs:
            return self.jobs[key]
        uses_fold = "fold" in placeholders(recipe.words()) or any(need.fold is not None for need in needs.values())
        name, part = self._name(recipe, method)
        job = Job(
            method=name,
            series=name,
            fold=fold if uses_fold else None,
            seed=seed,
            arguments=(),
            scoring=asdict(self.study.scoring),
            checkpoint=self.study.checkpoint,
            devices=1,
            nodes=1,
            labels=None,
            parts=parts,
            key=key,
            folder=JobFolder(self.output),
            recipe=part,
            needs=tuple(need.key for need in needs.values()),
        )
        folder = self.output / name_folder(f"{job.method} {job.recipe}", job.fold, seed, key)
        places = {"job": str(folder), **self.stores, **{name: str(need.folder.path) for name, need in needs.items()}}
        self.jobs[key] = _place(job, folder, recipe, steps, {**values, **places})
        return self.jobs[key]

    def _name(self, recipe: Recipe, method: StudyMethod) -> tuple[str, str]:
        """What a job is called: by its method, and by its recipe where the method has others."""
        of_method = {"method", *method.values}
        own = [self.study.recipes[name] for name in closure(self.study.recipes, [recipe.name])]
        if recipe.name not in method.recipes and not any(placeholders(each.words()) & of_method for each in own):
            return recipe.name, ""
        return method.name, "" if method.recipes == (recipe.name,) else recipe.name

    def _complete(self, step: Step) -> Step:
        """A test takes the checkpoint and the conventions of the study, whether it says so or not."""
        if step[0] != "test":
            return step
        decided = {"--ckpt_path": self.study.checkpoint}
        decided |= {f"--{name}": getattr(self.study.scoring, name) for name in ("unit", "hd95", "empty")}
        return (
            *step,
            *(word for name, value in decided.items() if option(step, name) is None for word in (name, value)),
        )


def _without_files(step: Step) -> Step:
    """The words but for the names of configuration files: their content counts."""
    return without(step, ["--config"])


def _place(job: Job, folder: Path, recipe: Recipe, steps: Sequence[Step], values: Values) -> Job:
    """The job with its steps and results, now that its folder has a name."""
    return replace(
        job,
        folder=JobFolder(folder),
        steps=tuple(fill(step, values) for step in steps),
        scores=dict(fill(pair, values) for pair in (recipe.scores or {}).items()),  # type: ignore[misc]
        clicks=tuple(Clicked(**_fill_each(asdict(clicked), values)) for clicked in recipe.clicks),
    )


def _fill_each(texts: Mapping[str, str], values: Values) -> dict[str, str]:
    return {name: fill([text], values)[0] for name, text in texts.items()}
