"""Fixtures that several rooms share."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from real_data import REAL_DATA


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with two real cases each in ``acdc/`` (spacing beside them) and ``la/`` (list beside them), and all real
    ones in ``mscmr/`` and ``hippocampus/``.
    """
    script = REAL_DATA / "unpack.py"
    if not script.exists():
        pytest.skip(f"the real data are not at hand: no {script}")
    folder = tmp_path_factory.mktemp("real")
    subprocess.run([sys.executable, script, folder, "acdc", "la", "mscmr", "hippocampus", "--limit", "2"], check=True)
    shutil.copy(REAL_DATA / "acdc_spacing.json", folder / "acdc")
    shutil.copy(REAL_DATA / "la_train.list", folder / "la")
    return folder
