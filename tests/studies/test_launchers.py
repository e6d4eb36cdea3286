"""How a machine is shared out, and what is passed on to a cluster."""

import shlex
import sys
from pathlib import Path

import pytest

from lesslabel.errors import ConfigError
from lesslabel.studies.launchers import LocalLauncher, local, slurm
from lesslabel.studies.launchers.base import start_worker
from lesslabel.studies.work import JobFolder


def test_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "usable_cores", lambda: 16)
    assert [LocalLauncher(slots).threads for slots in (1, 3, 16, 40)] == [16, 5, 1, 1]
    with pytest.raises(ConfigError, match="--jobs is 0"):
        LocalLauncher(0)


@pytest.mark.parametrize(
    ("accelerators", "devices", "shares"),
    [
        ((), 1, [None, None]),
        (("0", "1", "2", "3"), 1, ["0", "1"]),
        (("0", "1", "2", "3"), 2, ["0,1", "2,3"]),
        (("5",), 1, ["5", "5"]),
        (("0", "1"), 2, ["0,1", "0,1"]),
    ],
)
def test_accelerators_are_shared_out(accelerators: tuple[str, ...], devices: int, shares: list[str | None]) -> None:
    launcher = LocalLauncher(2, accelerators)
    assert [launcher._share(slot, devices).get("CUDA_VISIBLE_DEVICES") for slot in range(2)] == shares


def test_several_machines_need_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="use --launcher slurm"):
        LocalLauncher().start(JobFolder(tmp_path), 0, devices=1, nodes=2)


def test_the_worker_takes_no_task_of_the_cluster_for_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "8")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho $@; env\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    folder = JobFolder(tmp_path)
    process = start_worker(folder, "try", threads=3, node=0, environment={"NODE_RANK": "0"})
    assert process.wait(20) == 0
    said = folder.log.read_text().splitlines()
    assert said[0] == f"-m lesslabel.studies.work {tmp_path} --attempt try --node 0"
    assert {"OMP_NUM_THREADS=3", "OMP_WAIT_POLICY=PASSIVE", "NODE_RANK=0"} <= set(said)
    assert not [line for line in said if line.startswith("SLURM_")]


def test_the_worker_keeps_the_way_of_waiting_that_a_person_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nenv\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    folder = JobFolder(tmp_path)
    assert start_worker(folder, "try", threads=1).wait(20) == 0
    assert "OMP_WAIT_POLICY=ACTIVE" in folder.log.read_text().splitlines()


def test_settings_of_the_cluster_are_read() -> None:
    assert slurm.read_settings(["slurm_partition=gpu", "timeout_min=240"]) == {
        "slurm_partition": "gpu",
        "timeout_min": 240,
    }
    with pytest.raises(ConfigError, match="is no NAME=VALUE"):
        slurm.read_settings(["gpu"])


def test_without_submitit_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match=r"pip install 'lesslabel\[slurm\]'"):
        slurm.SlurmLauncher(tmp_path, slots=1, threads=1)


def test_a_machine_without_slurm_and_an_unknown_setting_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="--launcher: "):
        slurm.SlurmLauncher(tmp_path, slots=1, threads=1)
    with pytest.raises(ConfigError, match="--launcher: "):
        slurm.SlurmLauncher(tmp_path, slots=1, threads=1, cluster="local", settings={"partitoin": "gpu"})


def test_a_submitted_process_imports_nothing_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(Path.cwd()))])
    launcher = slurm.SlurmLauncher(tmp_path, slots=1, threads=1, cluster="local")
    command = launcher.executor._executor._submitit_command_str
    assert command.startswith(f"{shlex.quote(sys.executable)} -P -u -m submitit")


def test_a_submitted_job_that_fails_is_known_to_have_failed(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    folder = JobFolder(tmp_path / "job")
    folder.path.mkdir()
    folder.declaration.write_text('{"parts": {"sources": "others"}}')
    launcher = slurm.SlurmLauncher(tmp_path / "submitit", slots=1, threads=1, cluster="local")
    handle = launcher.start(folder, 0, devices=1, nodes=1)
    handle.job.wait()
    assert handle.poll() == 1
    assert "sources of lesslabel changed" in folder.log.read_text()
    with pytest.raises(ConfigError, match="use --launcher slurm"):
        launcher.start(folder, 0, devices=1, nodes=2)


def test_a_job_that_is_queued_again_is_the_same_job() -> None:
    submission = slurm.Submission("job", "here", 2)
    submitit = pytest.importorskip("submitit")
    again = submission.checkpoint()
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert again.function is submission
