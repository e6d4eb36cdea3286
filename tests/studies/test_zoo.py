"""The zoo with bundles that nobody trained; `test_smoke` makes a real one."""

import json
import shlex
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from studying import declare, made_up_job

from lesslabel.cli import main
from lesslabel.errors import DataError
from lesslabel.files import hash_file
from lesslabel.studies import zoo as zoo_module
from lesslabel.studies.declaration import read_study
from lesslabel.studies.job import Job
from lesslabel.studies.zoo import add_to_zoo, command_of, read_zoo, require_entered

ROOT = Path(__file__).parents[2]
HASH, OTHER = "a" * 64, "b" * 64


def stand_in(path: Path, sha256: str = HASH) -> Any:
    """What a zoo looks at of a bundle."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "weights.safetensors").write_bytes(b"1234")
    return SimpleNamespace(path=path, model_sha256=sha256)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A finished job of the study in ``experiments/e``, whose results are there; bundles are stand-ins."""
    monkeypatch.chdir(tmp_path)
    folder = declare(Path("experiments/e"), methods=[{"name": "pCE", "configs": ["a.yaml"]}])
    rows = "".join(f"pCE,x,LV,0,{seed},dice,{dice},abc\n" for seed, dice in ((0, 0.5), (1, 0.7)))
    (folder / "results.csv").write_text("method,case,label,fold,seed,metric,value,commit\n" + rows)
    (folder / "cases.csv").write_text("case,patient\nx,p\n")
    made = made_up_job(Path("runs/e"), "pCE", key="k")
    made.folder.run.mkdir(parents=True)
    (made.folder.run / "environment.json").write_text(json.dumps({"commit": "0123456789abcdef", "dirty": True}))
    monkeypatch.setattr(zoo_module, "export_bundle", lambda _, out, *__, **___: stand_in(out))
    monkeypatch.setattr(zoo_module, "load_bundle", stand_in)
    return made


def test_an_entry_says_how_its_weights_were_made(job: Job) -> None:
    path = add_to_zoo(Path("zoo"), read_study(Path("experiments/e")), [job], Path("store"))
    assert yaml.safe_load(path.read_text()) == {
        "e-pCE": {
            "weights": "e-pCE/weights.safetensors",
            "sha256": HASH,
            "bytes": 4,
            "card": "e-pCE/CARD.md",
            "method": "pCE",
            "fold": 0,
            "seed": 0,
            "test_dice": 0.6,
            "commit": "0123456789-dirty",
            "command": "lesslabel reproduce experiments/e --only pCE --folds 0 --seeds 0 --zoo zoo",
            "key": "k",
        }
    }


def test_weights_that_came_out_otherwise_do_not_take_the_place_of_the_entry(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = read_study(Path("experiments/e"))
    before = add_to_zoo(Path("zoo"), study, [job], Path("store")).read_text()
    monkeypatch.setattr(zoo_module, "load_bundle", lambda path: stand_in(path, OTHER))
    with pytest.raises(DataError, match=f"e-pCE: .*{OTHER}, that of the zoo is {HASH}.*remove the entry"):
        add_to_zoo(Path("zoo"), study, [job], Path("store"))
    assert (Path("zoo") / "zoo.yaml").read_text() == before


@pytest.mark.parametrize("name", ["DTC, 8 scans", "it's [new]?", "-x*", "=cmd|'/c'!A1"])
def test_the_command_names_its_method_alone_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    methods = [{"name": each, "configs": ["a.yaml"]} for each in (name, f"{name} again", "is new-x")]
    study = read_study(declare(tmp_path / "a study", methods=methods, seeds=[3, 4]))
    command = command_of(study, made_up_job(tmp_path, f"{name}, 1 patient", series=name, seed=4), tmp_path / "zoo")
    words = shlex.split(command)
    assert words[:3] == ["lesslabel", "reproduce", str(tmp_path / "a study")]
    assert words[3] == "--only"
    assert not words[4].startswith("-")
    assert [method.name for method in study.methods if fnmatchcase(method.name, words[4])] == [name]
    assert words[5:] == ["--folds", "0", "--seeds", "4", "--zoo", str(tmp_path / "zoo")]


def test_the_command_of_several_devices_says_so(tmp_path: Path) -> None:
    study = read_study(declare(tmp_path))
    command = command_of(study, made_up_job(tmp_path, "pCE", devices=2, nodes=3), tmp_path)
    assert "--devices 2 --nodes 3 --zoo" in command


def test_a_job_that_methods_share_is_asked_for_by_one_of_them(tmp_path: Path) -> None:
    fit = "fit --config a.yaml --seed {seed} --run {job}/run"
    recipes = {
        "source": {"steps": [fit, "test --run {job}/run"], "scores": {"source only": "{job}/run"}},
        "adapt": {"needs": ["source"], "steps": ["select --bundle {source}/bundle --seed {seed} --out {job}/q.csv"]},
    }
    methods = [{"name": "pCE", "configs": ["a.yaml"]}, {"name": "STDR", "recipes": ["adapt"]}]
    study = read_study(declare(tmp_path, recipes=recipes, methods=methods, folds=[2, 3]))
    job = made_up_job(tmp_path, "source", fold=None, steps=(("fit",),), scores={"source only": "run"})
    assert "--only STDR --folds 2 --seeds 0" in command_of(study, job, tmp_path)


def test_a_bundle_is_found_by_its_weights_whatever_its_folder_is_called(tmp_path: Path) -> None:
    (tmp_path / "zoo.yaml").write_text(yaml.safe_dump({"e-pCE": {"sha256": HASH}}))
    assert require_entered(stand_in(tmp_path / "renamed"), tmp_path) == "e-pCE"
    with pytest.raises(DataError, match=f"e-pCE: the weights have the sha256 {OTHER}, that of the zoo is {HASH}"):
        require_entered(stand_in(tmp_path / "e-pCE", OTHER), tmp_path)
    with pytest.raises(DataError, match="no entry has the weights of"):
        require_entered(stand_in(tmp_path / "renamed", OTHER), tmp_path)
    with pytest.raises(DataError, match="no such file, or no entry"):
        require_entered(stand_in(tmp_path / "renamed"), tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["- a\n", "a: b\n", "a: {sha256: 5}\n", "a: [\n"])
def test_a_damaged_zoo_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "zoo.yaml").write_text(content)
    with pytest.raises(DataError, match=r"zoo\.yaml: .*restore it"):
        read_zoo(tmp_path)


def test_verify_is_the_action_that_knows_a_zoo(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["bundle", "inspect", str(tmp_path), "--zoo", str(tmp_path)])


def test_the_committed_zoo_has_cards_commands_and_no_weights() -> None:
    entries = read_zoo(ROOT / "zoo")
    packaged = entries.pop("general")  # made by another command, its weights come with the package
    weights = ROOT / "zoo" / packaged["weights"]
    assert hash_file(weights) == packaged["sha256"]
    assert packaged["sha256"] in (ROOT / "zoo" / packaged["card"]).read_text(encoding="utf-8")
    assert entries
    for name, entry in entries.items():
        card = (ROOT / "zoo" / entry["card"]).read_text(encoding="utf-8")
        assert entry["sha256"] in card, name
        assert entry["weights"] == f"{name}/weights.safetensors"
        assert entry["bytes"] < 20_000_000, name
        command, folder, _, pattern, _, fold, _, seed, _, zoo = shlex.split(entry["command"])[1:]
        assert (command, zoo, int(fold), int(seed)) == ("reproduce", "zoo", entry["fold"], entry["seed"])
        study = read_study(ROOT / folder)
        assert [method.name for method in study.methods if fnmatchcase(method.name, pattern)] == [entry["method"]]
        assert (entry["fold"], entry["seed"]) == (study.folds[0], study.seeds[0])
