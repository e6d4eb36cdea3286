"""A study, which may come from a stranger, writes into the folders of its jobs alone."""

from pathlib import Path

import pytest
from studying import declare

from lesslabel.cli import main
from lesslabel.errors import ConfigError, RunError
from lesslabel.studies.step_paths import WRITTEN, check_written, require_inside
from lesslabel.studies.step_rules import check_step
from lesslabel.studies.steps import split_step

SMOKE = Path(__file__).parents[2] / "experiments" / "phantom-smoke"
BEGIN = {
    "fit": "fit --config a.yaml",
    "test": "test",
    "pseudo": "pseudo --run {job}/run",
    "clicks": "clicks --run {job}/run",
    "select": "select --bundle {source}/b --store {store} --strategy random --budget 2",
    "adapt": "adapt --bundle {source}/b --store {store} --without-labels none",
}
PLACES = [
    "/elsewhere",
    "~/elsewhere",
    "elsewhere",
    "{store}/a",
    "{source}/a",
    "{job}/../a",
    "{job}/a/../../b",
    "{job}//etc",
    "{job}/~",
    "{job}/C:\\a",
    "{job}/..\\a",
    "{job}",
    "",
]
OPTIONS = [(command, name) for command, names in WRITTEN.items() for name in names]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("command", "name"), OPTIONS)
@pytest.mark.parametrize("form", ["{} {}", "{}={}"])
def test_what_is_written_lies_in_the_job(command: str, name: str, place: str, form: str) -> None:
    first = "" if name == WRITTEN[command][0] else f" {WRITTEN[command][0]} {{job}}/a.csv"
    words = f"{BEGIN[command]}{first} {form.format(name, repr(place))}"
    with pytest.raises(ConfigError):
        check_step(split_step(words), "last", {"unit": "mm", "hd95": "pooled", "empty": "diagonal"})


@pytest.mark.parametrize(("command", "name"), OPTIONS)
def test_what_lies_in_the_job_passes(command: str, name: str) -> None:
    first = "" if name == WRITTEN[command][0] else f" {WRITTEN[command][0]} {{job}}/a.csv"
    check_written(split_step(f"{BEGIN[command]}{first} {name} {{job}}/b/c"))


@pytest.mark.parametrize("place", PLACES)
def test_a_bundle_lies_in_the_job(place: str) -> None:
    with pytest.raises(ConfigError):
        check_step(split_step(f"bundle export {{job}}/run {place!r} --store {{store}}"), "last", {})


def test_a_second_place_is_refused() -> None:
    with pytest.raises(ConfigError, match="--images is there twice"):
        check_written(split_step(f"{BEGIN['select']} --out {{job}}/q.csv --images {{job}}/a --images {{job}}/b"))


@pytest.mark.parametrize("key", ["default_root_dir", "logger", "callbacks", "plugins", "profiler"])
def test_settings_that_write_are_no_words_of_a_step(key: str) -> None:
    for command in ("test --run {job}/run", "clicks --run {job}/run --out {job}/c"):
        with pytest.raises(ConfigError, match=f"--trainer.{key} can write anywhere"):
            check_written(split_step(f"{command} --trainer.{key} x"))


def test_a_link_does_not_lead_out_of_the_job(tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    (job / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="a link leads out of"):
        require_inside(["clicks", "--out", f"{job}/out/a"], job)
    require_inside(["clicks", "--out", f"{job}/in/a"], job)


@pytest.mark.parametrize("store", ["../elsewhere", "~/elsewhere", "{}/elsewhere"])
def test_a_study_makes_no_store_outside_the_current_folder(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "here"
    study = declare(here / "study", store=store.format(tmp_path), phantom={"cases": 8, "size": 32, "depth": 3})
    for name in ("protocol.yaml", "published.csv"):
        (study / name).write_bytes((SMOKE / name).read_bytes())
    monkeypatch.chdir(here)
    assert main(["reproduce", "study"]) == 1
    assert "would be made outside the current folder; name it with --store" in capsys.readouterr().err
    assert not list(tmp_path.rglob("elsewhere"))
