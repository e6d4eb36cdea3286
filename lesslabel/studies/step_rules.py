"""Rules for the steps of a study: no selection on the test part, no input or output outside its key."""

from collections.abc import Mapping

from lesslabel.errors import ConfigError
from lesslabel.studies.step_paths import check_written
from lesslabel.studies.steps import Step, option, options

_DECIDED = ("--ckpt_path", "--part", "--unit", "--hd95", "--empty")


def check_step(step: Step, checkpoint: str, scoring: Mapping[str, str]) -> None:
    """Check a step after its placeholders are filled, so that no value breaks a rule of declarations.

    Args:
        step: its arguments; folders of jobs may still be placeholders.
        checkpoint: that of the study.
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
                    raise ConfigError(f"{name} {value}, but the study declares {declared[name]}; leave it out")
    elif set(options(step, "--ckpt_path")) - ({checkpoint} if step[0] == "clicks" else set()):
        raise ConfigError("--ckpt_path is the study's to choose; leave it out")
    if "auto" in options(step, "--trainer.precision"):
        raise ConfigError(
            "--trainer.precision auto is chosen where the job runs, and the key of the job cannot tell; name 32-true "
            "or bf16-mixed"
        )
    if step[0] == "clicks" and option(step, "--store") is None and set(options(step, "--part")) - {"test"}:
        raise ConfigError(
            f"--part {option(step, '--part')}: objects that the run was trained or chosen on; leave it out"
        )
    check_written(step)
