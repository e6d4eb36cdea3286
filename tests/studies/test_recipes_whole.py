"""A study of recipes, whole: choose and adapt on the phantom, and kill -9 in two places."""

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
import yaml
from processes import jobs_of, made_once, start, wait_until, worker_of

from lesslabel.cli import main

ROOT = Path(__file__).parents[2]
STUDY = Path("experiments/phantom-adapted")
DECLARATION = """
store: stores/phantom
phantom: {cases: 16, size: 32, depth: 3}
folds: [0]
seeds: [0]
selection: {checkpoint: last}
costs: {dense_slice: 4.0, source: made up}
recipes:
  source:
    steps:
      - fit --config configs/phantom/full.yaml --config small.yaml --data.store {store} --seed 0 --run {job}/run
      - bundle export {job}/run {job}/bundle --store {store} --references 2 --min-patients 1
  choose and adapt:
    needs: [source]
    steps:
      - >-
        select --bundle {source}/bundle --store {store} --strategy {strategy} --budget {budget} --fold {fold}
        --seed {seed} --out {job}/queue.csv
      - >-
        adapt --bundle {source}/bundle --store {store} --queue {job}/queue.csv --annotation dense --stages 1
        --name {method} --out {job}/adapted --data.fold {fold} --seed {seed} --trainer.accelerator cpu
        --data.batch_size 4 --data.steps_per_epoch 5 --trainer.max_steps 10
      - test --run {job}/adapted/fine-tune
    scores: {"{method}": "{job}/adapted/fine-tune"}
methods:
  - {name: "random, 50%", recipes: [choose and adapt], values: {strategy: random, budget: 50%}}
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="looks for processes in /proc"),
]


def workplace(folder: Path) -> Path:
    shutil.copytree(ROOT / "configs", folder / "configs")
    small = yaml.safe_load((ROOT / "experiments" / "phantom-smoke" / "small.yaml").read_text())
    (folder / "small.yaml").write_text(yaml.safe_dump(small))
    (folder / STUDY).mkdir(parents=True)
    for name in ("protocol.yaml", "published.csv"):
        shutil.copy(ROOT / "experiments" / "phantom-smoke" / name, folder / STUDY)
    protocol = folder / STUDY / "protocol.yaml"
    protocol.write_text(protocol.read_text().replace("baseline: pCE, all patients\n", ""))
    (folder / STUDY / "study.yaml").write_text(DECLARATION)
    return folder


def reproduce(place: Path, *options: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(["reproduce", str(STUDY), "--jobs", "2", *options]) == 0


def results(place: Path) -> dict[str, str]:
    """The files of the study without what time changes."""
    texts = {name: (place / STUDY / name).read_text() for name in ("results.csv", "cases.csv", "scoring.json")}
    runs = pd.read_csv(place / STUDY / "runs.csv").drop(columns="minutes")
    return {**texts, "runs": runs.to_csv()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "recipes", lambda place: reproduce(workplace(place)))


def test_a_recipe_makes_its_table_and_counts_what_the_queue_shows(
    undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [job.path.name.rpartition("-")[0] for job in jobs_of(undisturbed, STUDY)] == [
        "random-50-fold0-seed0",
        "source-seed0",
    ]
    values = pd.read_csv(undisturbed / STUDY / "results.csv")
    assert set(values["method"]) == {"random, 50%"}
    assert len(values[values["metric"] == "dice"]) == 4 * 3  # cases of two patients, labels
    runs = pd.read_csv(undisturbed / STUDY / "runs.csv")
    assert runs["annotation_minutes"].tolist() == [15 * 4.0]  # half of the 30 slices of five patients
    assert "## Label cost and time" in (undisturbed / STUDY / "table.md").read_text()
    reproduce(undisturbed, "--dry-run")
    assert capsys.readouterr().out.count("done") == 2


def test_kill_nine_in_a_training_and_between_steps_then_again(undisturbed: Path, tmp_path: Path) -> None:
    place = workplace(tmp_path)
    for trace in ("source-*/run/checkpoints/last.ckpt", "random-*/queue.csv"):
        process = start(place, STUDY)

        def left(pattern: str = trace) -> bool:
            return any((place / "runs" / STUDY.name).glob(pattern))

        try:
            wait_until(left, process)
            os.kill(process.pid, signal.SIGKILL)
            for job in jobs_of(place, STUDY):
                # on a busy machine the launcher dies before the job has a worker, or the worker ends by itself
                with suppress(AssertionError, ProcessLookupError):
                    os.killpg(worker_of(job, place), signal.SIGKILL)
        finally:
            process.kill()
            process.communicate()
    reproduce(place)
    assert results(place) == results(undisturbed)
    assert not list(place.rglob("*.part"))
