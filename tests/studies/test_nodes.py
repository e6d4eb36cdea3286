"""A job on two machines, here two processes that know each other by address alone."""

import json
import socket
from pathlib import Path

import pytest
import torch
from studying import declare

from lesslabel.files import write_json
from lesslabel.studies import read_study
from lesslabel.studies.job import Machines
from lesslabel.studies.jobs import make_jobs
from lesslabel.studies.launchers.base import start_worker


@pytest.mark.slow
def test_two_machines_train_one_job(config: Path, store: Path, tmp_path: Path) -> None:
    settings = {"data.unlabelled_batch_size": 0, "data.steps_per_epoch": 2, "trainer.log_every_n_steps": 1}
    methods = [{"name": "MT", "configs": [str(config)], "settings": settings}]
    folder = declare(tmp_path, store=str(store), methods=methods, selection={"checkpoint": "last"})
    (job,) = make_jobs(read_study(folder), tmp_path / "jobs", machines=Machines(nodes=2))
    job.folder.path.mkdir(parents=True)
    write_json(job.folder.declaration, job.describe())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    machines = [
        start_worker(
            job.folder,
            "try",
            threads=1,
            node=node,
            environment={"NODE_RANK": str(node), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port},
        )
        for node in (1, 0)
    ]
    try:
        codes = [machine.wait(300) for machine in machines]
    finally:
        for machine in machines:
            machine.kill()
    assert codes == [0, 0], job.folder.log.read_text()
    assert job.folder.is_done()
    assert json.loads(job.folder.done.read_text())["hardware"].startswith("2 × 1 thread of")
    steps = (job.folder.run / "logs" / "metrics.csv").read_text().count(",train/loss,")
    assert steps == 2
    last = torch.load(job.folder.run / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 2
