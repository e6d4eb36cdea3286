"""The jobs of a study: one fit and its test each, or the steps of a recipe."""

from collections.abc import Iterable
from pathlib import Path

from lesslabel.errors import ConfigError, LesslabelError
from lesslabel.studies.declaration import DECLARATION, Study
from lesslabel.studies.fit_jobs import FitJobs
from lesslabel.studies.job import ONE_DEVICE, Job, Machines
from lesslabel.studies.recipe_jobs import RecipeJobs
from lesslabel.studies.sources import Sources


def make_jobs(study: Study, output: Path, store: Path | None = None, machines: Machines = ONE_DEVICE) -> list[Job]:
    """List the jobs of a study, methods first, then budgets, folds and seeds. Nothing is written.

    A job comes after those that it needs; a job that several need, or that does not depend on the fold, occurs once.

    Args:
        study: the study.
        output: folder that holds the folders of the jobs.
        store: the store, if not that of the declaration.
        machines: the machines of each job.

    Raises:
        LesslabelError: if a configuration is wrong, does not fit the data or the machines, or selects on the test part.
    """
    sources = Sources()
    jobs: list[Job] = []
    by_recipe = RecipeJobs(study, output, store or study.store, sources)
    by_fit = FitJobs(study, output, store or study.store, sources, machines)
    for method in study.methods:
        try:
            if method.recipes and machines.processes > 1:
                raise ConfigError("recipes run on one device; leave --devices and --nodes out")
            jobs += by_recipe.add(method) if method.recipes else by_fit.add(method)
        except LesslabelError as error:
            raise type(error)(f"{study.folder / DECLARATION}: {method.name}: {error}") from error
    _require_own_rows(jobs, str(study.folder / DECLARATION))
    return jobs


def _require_own_rows(jobs: Iterable[Job], where: str) -> None:
    """Refuse two jobs with the same row of the table; the second would replace the first."""
    known: dict[tuple[object, ...], Job] = {}
    for job in jobs:
        names = [*job.tested, *(", ".join((clicked.set, clicked.method, clicked.annotator)) for clicked in job.clicks)]
        for name in names:
            other = known.setdefault((name, job.fold, job.seed), job)
            if other is not job:
                raise ConfigError(
                    f"{where}: {other.name} and {job.name} would both be '{name}' in the table; rename one"
                )
