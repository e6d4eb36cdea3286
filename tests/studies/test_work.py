"""One job: what is left by a killed process, and who may work."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from lesslabel.studies.resolved import hash_files
from lesslabel.studies.sources import Sources
from lesslabel.studies.work import JobFolder, _alone, _minutes_of_earlier_attempts, main


def test_the_minutes_of_killed_attempts_count_until_their_last_word(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    assert _minutes_of_earlier_attempts(folder) == 0.0
    folder.attempt.write_text(json.dumps({"since": 1000.0, "minutes_before": 1.5}))
    assert _minutes_of_earlier_attempts(folder) == 1.5
    curves = folder.run / "logs" / "metrics.csv"
    curves.parent.mkdir(parents=True)
    curves.touch()
    os.utime(curves, (1120.0, 1120.0))
    assert _minutes_of_earlier_attempts(folder) == pytest.approx(3.5)
    (tmp_path / "steps.json").touch()
    os.utime(tmp_path / "steps.json", (1180.0, 1180.0))
    assert _minutes_of_earlier_attempts(folder) == pytest.approx(4.5)
    (tmp_path / "steps.json").unlink()
    os.utime(curves, (900.0, 900.0))  # older than the attempt, which died before it logged
    assert _minutes_of_earlier_attempts(folder) == 1.5


def test_a_second_process_waits_for_the_first(tmp_path: Path) -> None:
    folder, order = JobFolder(tmp_path), []

    def second() -> None:
        with _alone(folder):
            order.append("second")

    thread = threading.Thread(target=second)
    with _alone(folder):
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_changed_sources_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    JobFolder(tmp_path).declaration.write_text(json.dumps({"parts": {"sources": "another"}}))
    assert main([str(tmp_path), "--attempt", "x"]) == 1
    assert "sources of lesslabel changed after the study was started" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["edited", "removed"])
def test_a_file_of_the_key_that_changed_is_refused(
    change: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "small.yaml"
    config.write_text("a: 1")
    job = {
        "parts": {"sources": Sources().hash(["lesslabel.errors"])},
        "sources": ["lesslabel.errors"],
        "inputs": hash_files([config, "acdc/five_fold", "x" * 300]),
    }
    JobFolder(tmp_path).declaration.write_text(json.dumps(job))
    if change == "edited":
        config.write_text("a: 2")
    else:
        config.unlink()
    assert main([str(tmp_path), "--attempt", "x"]) == 1
    said = capsys.readouterr().err
    assert f"{config}: " in said
    assert ("changed after the study was started" if change == "edited" else "cannot be read") in said
    assert not JobFolder(tmp_path).attempt.exists()
