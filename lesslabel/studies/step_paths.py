"""The arguments of a step that name outputs; all outputs must be in the folder of the job."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lesslabel.errors import ConfigError, RunError
from lesslabel.runs.config_rules import DECIDED_BY_THE_RUN, leads_outside
from lesslabel.studies.steps import OUTPUTS, Step, options, output_of

WRITTEN = {
    "fit": ("--run",),
    "test": ("--run",),
    "pseudo": ("--out",),
    "clicks": ("--out",),
    "select": ("--out", "--images"),
    "adapt": ("--out",),
    "bundle": (),  # its second word after `export`, see `output_of`
}
"""Options by command that name a file or a folder to write; a test compares them with the parsers of all commands."""
_JOB = "{job}/"
_OF_THE_TRAINER = (*DECIDED_BY_THE_RUN, "callbacks", "plugins", "profiler")


def check_written(step: Step) -> None:
    """Check that a step writes into the folder of its job only.

    Args:
        step: its arguments; the folders of jobs are still placeholders.

    Raises:
        ConfigError: names the argument.
    """
    for name in WRITTEN[step[0]]:
        if len(options(step, name)) > 1:
            raise ConfigError(f"{name} is there twice; name one output")
    for path in _written_by(step):
        if not path.startswith(_JOB):
            raise ConfigError(f"'{step[0]}' writes to '{path}', outside the job's folder; write {_JOB}NAME")
        if leads_outside(path.removeprefix(_JOB)):
            raise ConfigError(f"{path} may lie outside the job's folder; leave '..' and absolute paths out")
    for word in step:
        for key in _OF_THE_TRAINER:
            if step[0] not in ("fit", "adapt") and word.startswith(f"--trainer.{key}"):
                raise ConfigError(f"--trainer.{key} can write anywhere; leave it out")


def require_inside(step: Sequence[str], folder: Path) -> None:
    """Check that no link leads an output of a step out of the folder of its job.

    Raises:
        RunError: names the path.
    """
    for path in _written_by(step):
        if not Path(path).resolve().is_relative_to(folder.resolve()):
            raise RunError(f"{path}: a link leads out of {folder}; remove it, and run the study again")


def _written_by(step: Sequence[str]) -> Iterator[str]:
    if step[0] not in OUTPUTS:
        yield output_of(step)
    for name in WRITTEN[step[0]]:
        yield from options(step, name)
