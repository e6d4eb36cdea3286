"""What a command says to do next."""

import shlex
from pathlib import Path


def after_training(run: Path) -> str:
    """The command after a training: its test, or predictions where its split leaves nothing to test."""
    from lesslabel.runs.reading import RunFiles  # slow to import

    name = shlex.quote(str(run))
    if RunFiles(run).data["parts"]["test"]:
        return f"lesslabel test --run {name}"
    return f"lesslabel predict --run {name} --part all --output DIR (the split has no test part)"
