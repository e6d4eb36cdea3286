"""`experiments/phantom-smoke`, whole: two launchers with equal results, and kill -9 in the middle."""

import hashlib
import os
import shlex
import shutil
import signal
from pathlib import Path

import pandas as pd
import pytest
from processes import jobs_of, made_once, start, wait_until, worker_of

from lesslabel.cli import main
from lesslabel.studies.zoo import read_zoo

ROOT = Path(__file__).parents[2]
STUDY = Path("experiments/phantom-smoke")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="looks for processes in /proc"),
]


def workplace(folder: Path) -> Path:
    """The committed study without its results, and what it refers to."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    (folder / STUDY).mkdir(parents=True)
    for name in ("study.yaml", "small.yaml", "order.txt", "protocol.yaml", "published.csv"):
        shutil.copy(ROOT / STUDY / name, folder / STUDY)
    return folder


def reproduce(place: Path, *options: str) -> None:
    """The launcher in this process; its jobs are others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(["reproduce", str(STUDY), "--jobs", "2", *options]) == 0


def results(place: Path) -> dict[str, str]:
    """The files of a study, those that time changes without the columns that it changes."""
    folder = place / STUDY
    files = {name: (folder / name).read_text() for name in ("results.csv", "cases.csv", "curve.csv", "scoring.json")}
    runs = pd.read_csv(folder / "runs.csv").drop(columns="minutes")
    table = (folder / "table.md").read_text()
    before, _, rest = table.partition("## Label cost and time")
    return {**files, "runs": runs.to_csv(), "table": before + rest.partition("## Label efficiency")[2]}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study as the local launcher makes it."""
    return made_once(tmp_path_factory, "smoke", lambda place: reproduce(workplace(place)))


def begun(undisturbed: Path, folder: Path, *, left: int) -> Path:
    """The same study before its last jobs: no results, and `left` of the four jobs were never started."""
    place = workplace(folder)
    for name in ("stores", "runs"):
        shutil.copytree(undisturbed / name, place / name)
    for job in jobs_of(place, STUDY)[-left:]:
        shutil.rmtree(job.path)
    return place


def whole(undisturbed: Path, folder: Path) -> Path:
    """A copy of the finished study."""
    return shutil.copytree(undisturbed, folder / "whole")


def test_the_study_makes_its_table_and_figures(undisturbed: Path) -> None:
    table = (undisturbed / STUDY / "table.md").read_text()
    for part in ("## Results", "### Paired against", "## Label cost and time", "## Label efficiency", "## Published"):
        assert part in table
    values = pd.read_csv(undisturbed / STUDY / "results.csv")
    assert set(methods_of(undisturbed)) == {
        f"{name}, {budget}" for name in ("pCE", "Full supervision") for budget in ("1 patient", "all patients")
    }
    assert len(values[values["metric"] == "dice"]) == 4 * 4 * 3  # methods, cases of two patients, labels
    runs = pd.read_csv(undisturbed / STUDY / "runs.csv").set_index("method")
    assert runs.loc["pCE, all patients", "annotation_minutes"] == pytest.approx(30 * 2.0)
    assert runs.loc["Full supervision, 1 patient", "annotation_minutes"] == pytest.approx(6 * 4.0)
    assert (undisturbed / STUDY / "curve-minutes.svg").is_file()


def test_what_is_done_is_skipped(undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = whole(undisturbed, tmp_path)
    before = results(place)
    logs = [job.log.stat().st_mtime_ns for job in jobs_of(place, STUDY)]
    reproduce(place, "--dry-run")
    assert capsys.readouterr().out.count("done") == 4
    reproduce(place)
    assert capsys.readouterr().err.count("done before") == 4
    assert [job.log.stat().st_mtime_ns for job in jobs_of(place, STUDY)] == logs
    assert results(place) == before


def test_submitit_gives_equal_results(undisturbed: Path, tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    place = begun(undisturbed, tmp_path, left=1)
    reproduce(place, "--launcher", "submitit-local")
    assert results(place) == results(undisturbed)


def test_kill_nine_of_launcher_and_job_then_again(undisturbed: Path, tmp_path: Path) -> None:
    place = begun(undisturbed, tmp_path, left=2)
    process = start(place, STUDY)

    def some_is_training() -> bool:
        return any(
            (job.run / "checkpoints" / "last.ckpt").is_file() and not job.is_done() for job in jobs_of(place, STUDY)
        )

    try:
        wait_until(some_is_training, process)
        os.kill(process.pid, signal.SIGKILL)  # the launcher alone: its jobs go on without it
        victims = [job for job in jobs_of(place, STUDY) if not job.is_done()]
        os.killpg(worker_of(victims[-1], place), signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    reproduce(place)
    assert results(place) == results(undisturbed)
    assert not list(place.rglob("*.part"))


def test_the_zoo_holds_each_method_once_and_says_how_it_was_made(undisturbed: Path, tmp_path: Path) -> None:
    place = whole(undisturbed, tmp_path)
    reproduce(place, "--table", "--zoo", "zoo")
    zoo = read_zoo(place / "zoo")
    assert sorted(entry["method"] for entry in zoo.values()) == sorted(set(methods_of(place)))
    for name, entry in zoo.items():
        weights = place / "zoo" / entry["weights"]
        assert hashlib.sha256(weights.read_bytes()).hexdigest() == entry["sha256"]
        assert (place / "zoo" / entry["card"]).is_file()
        only = entry["method"].partition(",")[0]
        words = ["--only", only, "--folds", "0", "--seeds", "0", "--zoo", "zoo"]
        assert shlex.split(entry["command"]) == ["lesslabel", "reproduce", "experiments/phantom-smoke", *words]
        assert name.endswith(entry["key"][:12])
        assert main(["bundle", "verify", str(weights.parent), "--zoo", str(place / "zoo")]) == 0
    before = (place / "zoo" / "zoo.yaml").read_text()
    reproduce(place, "--table", "--zoo", "zoo")
    assert (place / "zoo" / "zoo.yaml").read_text() == before


def methods_of(place: Path) -> list[str]:
    return pd.read_csv(place / STUDY / "results.csv")["method"].tolist()
