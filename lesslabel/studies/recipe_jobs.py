"""The jobs of a study's recipes: one for each method, fold and seed, or one for all that do not differ."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from lesslabel.commands import COMMANDS
from lesslabel.data.store.records import FINGERPRINT
from lesslabel.errors import LesslabelError
from lesslabel.runs.config_files import shared_files
from lesslabel.studies.declaration import Study, StudyMethod
from lesslabel.studies.job import Job, find_folder
from lesslabel.studies.key import hash_lock, hash_values
from lesslabel.studies.recipes import Clicked, Recipe, closure
from lesslabel.studies.resolved import hash_files, require_apart
from lesslabel.studies.sources import Sources
from lesslabel.studies.step_inputs import Inputs, StepInputs
from lesslabel.studies.steps import Step, Value, fill, option, options, placeholders, without
from lesslabel.studies.work import JobFolder

Values = Mapping[str, Value | Sequence[Value]]


class RecipeJobs:
    """Makes jobs; each key occurs once.

    Args:
        study: the study.
        output: folder that holds the folders of the jobs.
        store: the store of the study.
        sources: of the package.
    """

    def __init__(self, study: Study, output: Path, store: Path, sources: Sources) -> None:
        self.study, self.output, self.sources = study, output, sources
        self._content = sources.content  # before any source is hashed, so that a change in between is noticed
        self.stores: dict[str, Value] = {
            "store": str(store),
            **{name: str(path) for name, path in study.stores.items()},
        }
        self.jobs: dict[str, Job] = {}
        self._learnt: dict[str, Mapping[str, set[str]]] = {}
        self._inputs = StepInputs(study.checkpoint)
        self._hashes: dict[tuple[str, ...], Mapping[str, str]] = {}

    def add(self, method: StudyMethod) -> list[Job]:
        """The new jobs of a method, after those that they need.

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
        values: Values = {**self.study.values, **method.values, "method": method.name, "fold": fold, "seed": seed}
        steps = [self._complete(step) for step in recipe.steps]
        try:
            inputs = [self._inputs.describe(fill(step, {**values, **self.stores})) for step in steps]
            learnt = self._learn([fill(step, values) for step in steps], inputs, needs.values())
        except LesslabelError as error:
            raise type(error)(f"recipe {recipe.name}: {error}") from error
        names = self._sources_of([fill(step, values) for step in steps], inputs)
        parts = {**self._hash_sources(names), **self._hash(recipe, values, steps, inputs, needs)}
        key = hash_values(parts)
        if key not in self.jobs:
            self._learnt[key] = learnt
            name, part = self._name(recipe, method)
            uses_fold = "fold" in placeholders(recipe.words()) or any(need.fold is not None for need in needs.values())
            folder = find_folder(self.output, f"{name} {part}", fold if uses_fold else None, seed, key)
            places = {"job": str(folder), **self.stores, **{name: str(job.folder.path) for name, job in needs.items()}}
            everything: Values = {**values, **places}
            self.jobs[key] = Job(
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
                folder=JobFolder(folder),
                inputs=self._hash_files(steps, values, inputs),
                sources=names,
                content=self._content,
                recipe=part,
                steps=tuple(fill(step, everything) for step in steps),
                needs=tuple(need.key for need in needs.values()),
                scores=_fill_scores(recipe, everything),
                clicks=tuple(Clicked(**_fill_each(asdict(clicked), everything)) for clicked in recipe.clicks),
            )
        return self.jobs[key]

    def _hash(
        self, recipe: Recipe, values: Values, steps: Sequence[Step], inputs: Sequence[Inputs], needs: Mapping[str, Job]
    ) -> Mapping[str, str]:
        """The parts of a job's key: its arguments, the content of its input files, and the jobs that it needs."""
        keyed = {
            "steps": [
                without(fill(step, values), ["--config"]) for step in steps
            ],  # files are in the key by their content
            "configs": [each.config for each in inputs],
            "files": [each.files for each in inputs],
            "scores": _fill_scores(recipe, values),
            "clicks": [_fill_each(asdict(clicked), values) for clicked in recipe.clicks],
            "checkpoint": self.study.checkpoint,
        }
        return {
            "config": hash_values(keyed),
            "data": hash_values({"steps": [each.data for each in inputs]}),
            "needs": hash_values({name: need.key for name, need in needs.items()}),
        }

    def _sources_of(self, steps: Sequence[Step], inputs: Sequence[Inputs]) -> tuple[str, ...]:
        """The modules of the commands, and those that configurations name; a model from outside may have any class."""
        commands = {f"lesslabel.verbs.{COMMANDS[step[0]][0].partition(':')[0]}" for step in steps}
        outside = ["lesslabel.methods"] if any(each.files for each in inputs) else []
        texts = [*(word for step in steps for word in step), json.dumps([each.config for each in inputs])]
        return tuple(sorted({*commands, *outside, *self.sources.named_in(texts)}))

    def _hash_sources(self, names: tuple[str, ...]) -> Mapping[str, str]:
        if names not in self._hashes:
            lock = hash_lock(self.sources.packages(names))
            self._hashes[names] = {"sources": self.sources.hash(names), "lock": lock}
        return self._hashes[names]

    def _hash_files(self, steps: Sequence[Step], values: Values, inputs: Sequence[Inputs]) -> Mapping[str, str]:
        """The hashes of the configurations and stores of the steps, and of the other files that no job makes."""
        filled = [fill(step, {**values, **self.stores}) for step in steps]
        configs = [config for step in filled for config in options(step, "--config")]
        configs += [str(part) for config in configs for part in shared_files(Path(config))]
        stores = [Path(str(store)) / FINGERPRINT for store in self.stores.values()]
        files = {name: content for each in inputs for name, content in each.files.items()}
        return {**hash_files([*configs, *stores]), **files}

    def _learn(self, steps: Sequence[Step], inputs: Sequence[Inputs], needs: Iterable[Job]) -> Mapping[str, set[str]]:
        """The cases that the job and those it needs train and validate on, by the hash of their data.

        Raises:
            ConfigError: if one of them is tested here.
        """
        learnt: dict[str, set[str]] = defaultdict(set)
        tested: dict[str, set[str]] = defaultdict(set)
        for need in needs:
            for data_hash, uids in self._learnt[need.key].items():
                learnt[data_hash] |= uids
        for step, each in zip(steps, inputs, strict=True):
            if each.data is not None and step[0] in ("fit", "adapt", "clicks"):
                data_hash, parts = each.data["data_hash"], each.data["parts"]
                if step[0] != "clicks":
                    learnt[data_hash] |= {*parts["train"], *parts["validation"]}
                part = option(step, "--part") or "test"
                tested[data_hash].update(*(parts.values() if part == "all" else [parts[part]]))
        require_apart(learnt, tested)
        return learnt

    def _name(self, recipe: Recipe, method: StudyMethod) -> tuple[str, str]:
        """The name of a job: its method, and its recipe if the method has others."""
        of_method = {"method", *method.values}
        own = [self.study.recipes[name] for name in closure(self.study.recipes, [recipe.name])]
        if recipe.name not in method.recipes and not any(placeholders(each.words()) & of_method for each in own):
            return recipe.name, ""
        return method.name, "" if method.recipes == (recipe.name,) else recipe.name

    def _complete(self, step: Step) -> Step:
        """Add the checkpoint of the study to a test or click protocol of a run, and its conventions to a test."""
        if step[0] != "test" and not (step[0] == "clicks" and option(step, "--run")):
            return step
        decided = {"--ckpt_path": self.study.checkpoint}
        if step[0] == "test":
            decided |= {f"--{name}": getattr(self.study.scoring, name) for name in ("unit", "hd95", "empty")}
        return (
            *step,
            *(word for name, value in decided.items() if option(step, name) is None for word in (name, value)),
        )


def _fill_scores(recipe: Recipe, values: Values) -> dict[str, str]:
    return {fill([name], values)[0]: fill([run], values)[0] for name, run in (recipe.scores or {}).items()}


def _fill_each(texts: Mapping[str, str], values: Values) -> dict[str, str]:
    return {name: fill([text], values)[0] for name, text in texts.items()}
