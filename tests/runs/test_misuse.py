"""What a person can do wrong: one line that names it and the fix, exit code 1, nothing left behind."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
from running import fit, one_line, write_config

from lesslabel.cli import main

Change = Callable[[dict[str, Any]], None]

SELECT = ["select", "--bundle", "nowhere", "--store", "nowhere", "--budget", "1", "--out", "queue.csv"]


def renamed(path: str, new: str) -> Change:
    """Misspell a key of the configuration."""

    def change(content: dict[str, Any]) -> None:
        *parents, old = path.split(".")
        for parent in parents:
            content = content[parent]
        content[new] = content.pop(old)

    return change


def replaced(path: str, value: object) -> Change:
    """Give a key of the configuration another value."""

    def change(content: dict[str, Any]) -> None:
        *parents, key = path.split(".")
        for parent in parents:
            content = content[parent]
        content[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (renamed("name", "nmae"), "unknown setting 'nmae'; did you mean 'name'?"),
        (renamed("trainer", "trianer"), "unknown setting 'trianer.accelerator'; did you mean 'trainer.accelerator'?"),
        (renamed("trainer.max_steps", "max_step"), "'trainer.max_step'; did you mean 'trainer.max_steps'?"),
        (renamed("model.class_path", "class_pth"), "model: needs class_path"),
        (renamed("model.init_args.num_classes", "num_clases"), "did you mean 'model.num_classes'?"),
        (renamed("model.init_args.network.channels", "chanels"), "did you mean 'model.network.channels'?"),
        (renamed("model.init_args.optimiser.learning_rate", "lr_rate"), "unknown setting 'model.optimiser.lr_rate'"),
        (renamed("data.init_args.batch_size", "bach_size"), "did you mean 'data.batch_size'?"),
        (renamed("data.init_args.view", "veiw"), "'data.veiw.supervision'; did you mean 'data.view.supervision'?"),
        (renamed("data.init_args.view.supervision", "supervison"), "did you mean 'data.view.supervision'?"),
        (
            replaced("data.init_args.view.supervision", [{"anotation": "scribble"}]),
            "did you mean 'data.view.supervision.annotation'?",
        ),
        (replaced("data.init_args.view.supervision", "scribble"), "data.view.supervision: expected list, got scribble"),
        (replaced("data.init_args.batch_size", "four"), "data.batch_size: expected int, got four"),
        (replaced("trainer.max_steps", "many"), "trainer.max_steps: expected int, got many"),
        (replaced("trainer.precision", "12"), "trainer.precision: expected one of 64, 32, 16,"),
        (replaced("model.init_args.agreement", "crossed"), "expected one of 'mixed', 'cross', 'consistency', got"),
        (replaced("model.init_args.optimiser.learning_rate", -1), "learning_rate must be positive, got -1"),
        (replaced("model.init_args.network.encoder_dropout", [0]), "1 values for 2 levels in network.channels"),
        (replaced("model.init_args", {}), "model.num_classes missing; set it in the configuration file"),
        (replaced("model.class_path", "lesslabel.methods.DMPL"), "did you mean 'lesslabel.methods.DMPLS'?"),
        (replaced("model.class_path", "leslabel.methods.DMPLS"), "did you mean 'lesslabel.methods.DMPLS'?"),
        (replaced("model.class_path", "lesslabel.networks.DualDecoder"), "lesslabel.methods has "),
        (
            replaced("model.init_args.network", {"class_path": "lesslabel.networks.VNett"}),
            "model.network.class_path: no network 'lesslabel.networks.VNett'; did you mean 'lesslabel.networks.VNet'?",
        ),
        (replaced("model.init_args.network", {"class_path": "Unet"}), "lesslabel.networks has DeepLab, "),
        (replaced("model.init_args.network", {"class_path": "lesslabel.networks.Network"}), "no network 'lesslabel."),
        (
            replaced("model.init_args.network", {"class_path": "VNet", "init_args": {"depth": 18}}),
            "another class has it",
        ),
        (
            replaced("model.init_args.network", {"class_path": "ResNetUNet", "init_args": {"depth": 20}}),
            "one of 10, 18",
        ),
        (replaced("model.init_args.network", [1]), "model.network: needs class_path"),
        (
            replaced("data.class_path", "lesslabel.data.PhantmDataModule"),
            "did you mean 'lesslabel.data.PhantomDataModule'?",
        ),
    ],
)
def test_a_mistake_in_the_configuration_file(
    change: Change, said: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path / "wrong.yaml", store, change)
    assert fit(config, tmp_path / "run") == 1
    line = one_line(capsys)
    assert line.startswith(f"lesslabel fit: {config}: ")
    assert said in line
    assert list(tmp_path.iterdir()) == [config]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["--sead", "1"], "unknown setting 'sead'; did you mean 'seed'?"),
        (["--trainer.max_step=1"], "unknown setting 'trainer.max_step'; did you mean 'trainer.max_steps'?"),
        (["--model.pseudo_label_wieght", "1"], "did you mean 'model.pseudo_label_weight'?"),
        (["--model.init_args.pseudo_label_wieght=1"], "did you mean 'model.pseudo_label_weight'?"),
        (["--data.view.referense", "dense"], "did you mean 'data.view.reference'?"),
        (["--data.quux", "1"], "unknown setting 'data.quux'; --print_config lists every setting"),
        (["--trainer.max_steps", "many"], "trainer.max_steps: expected int, got many"),
        (["--model.optimiser.name", "sgdd"], "model.optimiser.name: expected one of 'sgd', 'adam', got sgdd"),
    ],
)
def test_a_mistake_on_the_command_line_is_not_blamed_on_the_file(
    settings: list[str], said: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(config, tmp_path / "run", *settings) == 1
    line = one_line(capsys)
    assert said in line
    assert config.name not in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["stray"], "'stray' belongs to no setting"),
        (["--data.store", "nowhere"], "nowhere: no prepared store here; make one with `lesslabel prepare"),
        (["--data.split", "acdc/nosplit"], "no committed list 'acdc/nosplit'"),
        (["--data.view.reference", "rater9"], "rater9"),
        (["--model.num_classes", "3"], "model.num_classes is 3, but the data has 4 (background, RV, Myo, LV)"),
        (["--model.in_channels", "2"], "model.in_channels is 2, but the data has 1"),
        (["--trainer.max_steps", "-1"], "trainer.max_steps is not set"),
        (["--trainer.accelerator", "cpuu"], "trainer: You selected an invalid accelerator name"),
        (["--trainer.num_sanity_val_steps", "1"], "trainer.num_sanity_val_steps is decided by lesslabel"),
        (["--wandb", "on"], "--wandb is 'offline' or 'online', got 'on'"),
        (["--ckpt_path", "last"], "no run to resume here; start it without --ckpt_path"),
    ],
)
def test_a_setting_that_does_not_fit(
    settings: list[str], said: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(config, tmp_path / "run", *settings) == 1
    assert said in one_line(capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"model: [1, 2\ntrainer: {", "not a YAML file (line 2, column 8"),
        (b"- model\n- data\n", "holds the keys model, data and trainer, and this file does not"),
        (b"", "holds the keys model, data and trainer, and this file does not"),
        (bytes(range(256)), "not a YAML file"),
    ],
)
def test_a_configuration_file_that_is_none(
    content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "wrong.yaml"
    if content is not None:
        config.write_bytes(content)
    assert fit(config, tmp_path / "run") == 1
    line = one_line(capsys)
    assert line.startswith(f"lesslabel fit: {config}: ")
    assert said in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fit"], "data, model missing; name a configuration file with --config"),
        (["fit", "--config"], "expected one argument"),
        (["test"], "--run is missing"),
        (["test", "--run", "nowhere"], "nowhere: no run here (no config.yaml); make one with `lesslabel fit`"),
        (["validate", "--run"], "--run is missing"),
        (["evaluate", "nowhere", "nowhere"], "nowhere"),
        (["report", "nowhere"], "nowhere"),
        (["verify", "nowhere"], "nowhere: no prepared store here"),
        (["prepare", "acdc", "nowhere", "store"], "nowhere"),
        ([*SELECT, "--strategy", "best"], "strategy: 'best' is not one of stdr"),
        ([*SELECT, "--strategy", "random", "--diversity"], "--diversity is an option of stdr, not of random"),
        (SELECT, "nowhere"),
    ],
)
def test_what_is_missing_is_named(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    assert said in one_line(capsys)
    assert not list(tmp_path.iterdir())


def test_fit_needs_the_name_of_a_run(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--config", str(config)]) == 1
    assert "--run is missing" in one_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "said"), [([], "command"), (["tset"], "'tset'"), (["test", "--part", "tset"], "'tset'")]
)
def test_a_command_or_choice_that_does_not_exist_is_not_understood(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_an_existing_run_is_not_overwritten(config: Path, plain_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in plain_run.rglob("*")}
    assert fit(config, plain_run) == 1
    assert "exists already; choose another folder, or resume it" in one_line(capsys)
    assert {path: path.stat().st_mtime_ns for path in plain_run.rglob("*")} == before


def test_a_case_file_that_was_cut_short_stops_the_run_before_it_starts(
    config: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(store, tmp_path / "store"))
    for number, path in enumerate(sorted((copy / "cases").iterdir())):
        if number % 2:
            path.write_bytes(path.read_bytes()[:-100])
    assert fit(config, tmp_path / "run", "--data.store", str(copy)) == 1
    assert re.search(r"store/cases/phantom\d+_es\.h5: .*`?lesslabel verify", one_line(capsys))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_case_that_breaks_during_the_run_is_named(
    workers: int,
    config: Path,
    store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # whole when the run asked before it started
    monkeypatch.setattr("lesslabel.runs.fitting.require_sound", lambda _store, uids, **_: (tuple(uids), ()))
    copy = Path(shutil.copytree(store, tmp_path / "store"))
    for path in (copy / "cases").iterdir():
        with h5py.File(path, "r+") as file:
            voxels = file["image"]
            where = voxels.id.get_chunk_info(0).byte_offset
        with path.open("r+b") as raw:  # the checksum of the first slice no longer agrees
            raw.seek(where)
            raw.write(bytes(8))
    assert fit(config, tmp_path / "run", "--data.store", str(copy), "--data.workers", str(workers)) == 1
    assert re.fullmatch(r"lesslabel fit: \S+\.h5: damaged case file .*; prepare the store again", one_line(capsys))


def test_a_changed_configuration_or_store_is_not_resumed(
    config: Path, plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--ckpt_path", "last", "--seed", "3", "--model.pseudo_label_weight", "1"]
    assert fit(config, plain_run, *settings) == 1
    line = one_line(capsys)
    assert "model.init_args.pseudo_label_weight: 0.5 → 1.0; seed: 0 → 3" in line
    assert "resume with the same" in line

    run = Path(shutil.copytree(plain_run, tmp_path / "run"))
    data = run / "data.json"
    data.write_text(data.read_text().replace('"data_hash": "', '"data_hash": "x'))
    assert fit(config, run, "--ckpt_path", "last") == 1
    assert "the store changed since the run started" in one_line(capsys)
