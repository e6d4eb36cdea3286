"""What no step of a study may do: select on test, or read and write past what its key knows."""

from collections.abc import Mapping

from lesslabel.errors import ConfigError
from lesslabel.studies.step_paths import check_written
from lesslabel.studies.steps import Step, option, options

_DECIDED = ("--ckpt_path", "--part", "--unit", "--hd95", "--empty")


def check_step(step: Step, checkpoint: str, scoring: Mapping[str, str]) -> None:
    """Check a step whose values are in place, so that no value brings in what the declaration may not say.

    Args:
        step: its words; folders of jobs may still be placeholders.
        checkpoint: the one of the study.
        scoring: the conventions of the study.

    Raises:
        ConfigError: if it takes another checkpoint or part, scores otherwise, or writes outside the job's folder.
    """
    if step[0] == "test":
        declared = {
            "--ckpt_path": checkpoint,
            "--part": "test",
            **{f"--{name}": value for name, value in scoring.items()},
        }
        for name in _DECIDED:
            for value in options(step, name):
                if value != declared[name]:
                    raise ConfigError(f"{name} {value}, but the study says {declared[name]}; leave it out")
    elif options(step, "--ckpt_path"):
        raise ConfigError("--ckpt_path is the study's to choose; leave it out")
    if step[0] == "clicks" and option(step, "--store") is None and set(options(step, "--part")) - {"test"}:
        raise ConfigError(
            f"--part {option(step, '--part')}: objects that the run was trained or chosen on; leave it out"
        )
    check_written(step)
