"""The jobs of a study: how many, with which settings, and what their keys depend on."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from studying import declare

from lesslabel.command_words import read_settings
from lesslabel.errors import ConfigError
from lesslabel.runs.parsing import parse_run
from lesslabel.studies import read_study
from lesslabel.studies.job import ONE_DEVICE, Job, Machines, find_folder
from lesslabel.studies.jobs import make_jobs


def jobs_of(folder: Path, config: Path, store: Path, machines: Machines = ONE_DEVICE, **changes: Any) -> list[Job]:
    methods = changes.pop("methods", [{"name": "MT", "configs": [str(config)]}])
    study = read_study(declare(folder, store=str(store), methods=methods, **changes))
    return make_jobs(study, folder / "jobs", machines=machines)


def test_methods_budgets_folds_and_seeds_multiply(config: Path, store: Path, order: Path, tmp_path: Path) -> None:
    budgets = {"order": str(order), "patients": [2, "all"]}
    jobs = jobs_of(tmp_path, config, store, budgets=budgets, folds=[0, 1], seeds=[3, 4])
    assert [(job.method, job.fold, job.seed) for job in jobs] == [
        (method, fold, seed) for method in ("MT, 2 patients", "MT, all patients") for fold in (0, 1) for seed in (3, 4)
    ]
    assert len({job.key for job in jobs}) == len({job.folder.path for job in jobs}) == 8
    assert {job.series for job in jobs} == {"MT"}
    assert [job.labels.cases for job in jobs] == [4] * 4 + [10] * 4
    run = parse_run(read_settings(jobs[3].arguments))
    assert (run.config["name"], run.config["seed"], run.datamodule.fold) == ("MT, 2 patients", 4, 1)
    assert run.datamodule.view.supervision[0].patients == 2
    assert (run.datamodule.batch_size, run.datamodule.unlabelled_batch_size) == (2, 3)


def test_with_all_labels_the_unlabelled_places_go_to_the_labelled(
    config: Path, store: Path, order: Path, tmp_path: Path
) -> None:
    (job,) = jobs_of(tmp_path, config, store, budgets={"order": str(order), "patients": ["all"]})
    data = parse_run(read_settings(job.arguments)).datamodule
    assert (data.batch_size, data.unlabelled_batch_size) == (5, 0)
    data.streams()


def test_a_job_knows_the_files_that_its_key_was_made_from(
    config: Path, store: Path, order: Path, tmp_path: Path
) -> None:
    (job,) = jobs_of(tmp_path, config, store, budgets={"order": str(order), "patients": [2]})
    assert set(job.inputs) == {str(config), str(store / "fingerprint.json"), str(order)}
    assert job.describe()["inputs"] == job.inputs


def test_a_long_name_makes_a_folder_that_every_file_system_takes(tmp_path: Path) -> None:
    assert find_folder(tmp_path, "Ä" * 300, 0, 1, "k").name == "job-fold0-seed1-k"
    assert len(find_folder(tmp_path, "a b" * 300, 0, 1, "k" * 64).name) < 200


def test_a_budget_of_all_wins_over_the_budget_of_a_configuration(
    config: Path, store: Path, order: Path, tmp_path: Path
) -> None:
    content = yaml.safe_load(config.read_text())
    shown = {"annotation": "dense", "patients": 3, "order": str(order)}
    content["data"]["init_args"]["view"] = {"supervision": [shown]}
    (tmp_path / "few.yaml").write_text(yaml.safe_dump(content))
    methods = [{"name": "MT", "configs": [str(tmp_path / "few.yaml")]}]
    budgets = {"order": str(order), "patients": [2, "all"]}
    jobs = jobs_of(tmp_path, config, store, methods=methods, budgets=budgets)
    assert [job.labels.patients for job in jobs if job.labels is not None] == [2, 5]


def test_the_key_does_not_know_where_the_data_lie_but_what_they_are(config: Path, store: Path, tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path / "a", config, store)
    (moved,) = jobs_of(tmp_path / "b", config, Path(shutil.copytree(store, tmp_path / "copy")))
    assert moved.key == job.key
    fingerprint = tmp_path / "copy" / "fingerprint.json"
    fingerprint.write_text(fingerprint.read_text().replace('"data_hash": "', '"data_hash": "0'))
    (changed,) = jobs_of(tmp_path / "c", config, tmp_path / "copy")
    assert changed.key != job.key
    assert changed.parts["data"] != job.parts["data"]
    assert changed.parts["config"] == job.parts["config"]


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"trainer.max_steps": 3}},
        {"selection": {"checkpoint": "last"}},
        {"scoring": {"unit": "voxel"}},
        {"seeds": [1]},
        {"folds": [1]},
    ],
)
def test_the_key_knows_what_changes_a_result(
    changes: dict[str, Any], config: Path, store: Path, tmp_path: Path
) -> None:
    (job,) = jobs_of(tmp_path / "a", config, store)
    (other,) = jobs_of(tmp_path / "b", config, store, **changes)
    assert other.key != job.key


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"data.workers": 1}},
        {"settings": {"trainer.log_every_n_steps": 7}},
        {"settings": {"trainer.enable_progress_bar": False}},
        {"methods": "renamed"},
    ],
)
def test_the_key_does_not_know_what_changes_no_number(
    changes: dict[str, Any], config: Path, store: Path, tmp_path: Path
) -> None:
    (job,) = jobs_of(tmp_path / "a", config, store)
    if changes.get("methods") == "renamed":
        changes = {"methods": [{"name": "Renamed", "configs": [str(config)]}]}
    (other,) = jobs_of(tmp_path / "b", config, store, **changes)
    assert other.key == job.key
    assert job.sources == (
        "lesslabel.runs.fitting",
        "lesslabel.runs.testing",
        "lesslabel.data.PhantomDataModule",
        "lesslabel.methods.MeanTeacher",
        "lesslabel.networks.UNet",
    )


@pytest.mark.parametrize("setting", [{"trainer.precision": "bf16-mixed"}, {"data.cache_gib": 1.0}])
def test_the_key_knows_what_may_change_a_number(
    setting: dict[str, Any], config: Path, store: Path, tmp_path: Path
) -> None:
    (job,) = jobs_of(tmp_path / "a", config, store)
    (other,) = jobs_of(tmp_path / "b", config, store, settings=setting)
    assert other.key != job.key


def test_costs_are_no_part_of_the_key(config: Path, store: Path, tmp_path: Path) -> None:
    (job,) = jobs_of(tmp_path / "a", config, store)
    (other,) = jobs_of(tmp_path / "b", config, store, costs={"click": 1.0, "source": "here"})
    assert other.key == job.key


def test_several_devices_go_to_lightning_and_share_the_batch(config: Path, store: Path, tmp_path: Path) -> None:
    settings = {"data.batch_size": 16, "data.unlabelled_batch_size": 8}
    (alone,) = jobs_of(tmp_path / "a", config, store, settings=settings)
    (job,) = jobs_of(tmp_path / "b", config, store, Machines(4, 2), settings=settings)
    run = parse_run(read_settings(job.arguments))
    trainer = run.config["trainer"]
    assert (int(trainer["devices"]), trainer["num_nodes"], trainer["strategy"]) == (4, 2, "ddp")
    assert (run.datamodule.batch_size, run.datamodule.unlabelled_batch_size) == (2, 1)
    assert job.key != alone.key


def test_at_the_budget_of_all_several_devices_share_what_the_labelled_take(
    config: Path, store: Path, order: Path, tmp_path: Path
) -> None:
    budgets = {"order": str(order), "patients": ["all"]}
    settings = {"data.batch_size": 3, "data.unlabelled_batch_size": 1}
    (job,) = jobs_of(tmp_path, config, store, Machines(2), budgets=budgets, settings=settings)
    data = parse_run(read_settings(job.arguments)).datamodule
    assert (data.batch_size, data.unlabelled_batch_size) == (2, 0)


def test_a_batch_that_does_not_divide_is_refused(config: Path, store: Path, tmp_path: Path) -> None:
    settings = {"data.batch_size": 4, "data.unlabelled_batch_size": 1}
    with pytest.raises(ConfigError, match="2 processes cannot share a batch of 4 labelled and 1 unlabelled"):
        jobs_of(tmp_path, config, store, Machines(2), settings=settings)


@pytest.mark.parametrize(("devices", "nodes"), [(0, 1), (1, 0), (-1, 1)])
def test_a_job_takes_at_least_one_device(devices: int, nodes: int) -> None:
    with pytest.raises(ConfigError, match="a job has at least one of each"):
        Machines(devices, nodes)


def test_a_callback_that_watches_test_is_refused(config: Path, store: Path, tmp_path: Path) -> None:
    stopping = {"class_path": "pytorch_lightning.callbacks.EarlyStopping", "init_args": {"monitor": "test/dice"}}
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"trainer": {"callbacks": [stopping]}}))
    with pytest.raises(ConfigError, match=r"MT: trainer\.callbacks: .* selects on test does not start") as caught:
        jobs_of(tmp_path, config, store, configs=[str(overlay)])
    assert "\n" not in str(caught.value)
    stopping["init_args"]["monitor"] = "validation/dice"  # type: ignore[index]
    overlay.write_text(yaml.safe_dump({"trainer": {"callbacks": [stopping]}}))
    assert len(jobs_of(tmp_path, config, store, configs=[str(overlay)])) == 1
    for callbacks in (
        {"class_path": "pytorch_lightning.callbacks.EarlyStopping", "init_args": {"monitor": "test/dice"}},
        [{"class_path": "pytorch_lightning.callbacks.ModelCheckpoint", "init_args": {"filename": "test_{step}"}}],
    ):
        overlay.write_text(yaml.safe_dump({"trainer": {"callbacks": callbacks}}))
        with pytest.raises(ConfigError, match="selects on test does not start"):
            jobs_of(tmp_path, config, store, configs=[str(overlay)])


def test_a_training_begins_anew_and_the_key_knows_its_weights(config: Path, store: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ckpt_path is best; a training of a study begins anew"):
        jobs_of(tmp_path, config, store, settings={"ckpt_path": "best"})
    keys = set()
    for content in ("a", "b"):
        (tmp_path / "weights").write_text(content)
        (job,) = jobs_of(tmp_path, config, store, settings={"weights": str(tmp_path / "weights")})
        keys.add(job.key)
    assert len(keys) == 2


def test_the_key_knows_what_an_encoder_starts_from(config: Path, store: Path, tmp_path: Path) -> None:
    overlay, pretrained = tmp_path / "overlay.yaml", tmp_path / "resnet.safetensors"
    network = {
        "class_path": "lesslabel.networks.ResNetUNet",
        "init_args": {"depth": 10, "pretrained": str(pretrained)},
    }
    overlay.write_text(yaml.safe_dump({"model": {"init_args": {"network": network}}}))
    keys = set()
    for value in (0.0, 1.0):
        save_file({"conv1.weight": torch.full((64, 3, 7, 7), value)}, pretrained)
        (job,) = jobs_of(tmp_path, config, store, configs=[str(overlay)])
        assert str(pretrained) in job.inputs
        keys.add(job.key)
    assert len(keys) == 2


def test_the_best_is_not_chosen_on_patients_of_the_test(config: Path, store: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.yaml"
    split.write_text(yaml.safe_dump({"unit": "case", "draw": {"train": 6, "validation": 5, "test": 5}}))
    settings = {"data.split": str(split)}
    with pytest.raises(ConfigError, match=r"patient phantom.* validates and is tested"):
        jobs_of(tmp_path, config, store, settings=settings)
    assert len(jobs_of(tmp_path, config, store, settings=settings, selection={"checkpoint": "last"})) == 1


def test_two_jobs_are_not_one_row(config: Path, store: Path, tmp_path: Path) -> None:
    methods = [{"name": name, "configs": [str(config)]} for name in ("a", "a, 1 patient")]
    order = tmp_path / "order.txt"
    order.write_text("phantom001\nphantom002\n")
    assert len(jobs_of(tmp_path, config, store, methods=methods)) == 2
    budgets = {"order": str(order), "patients": [1]}
    assert len(jobs_of(tmp_path, config, store, methods=methods, budgets=budgets)) == 2
    recipe = {"steps": [f"fit --config {config} --data.store {{store}} --run {{job}}/r", "test --run {job}/r"]}
    recipes = {
        name: {
            **recipe,
            "scores": {"same": "{job}/r"},
            "steps": [f"{recipe['steps'][0]} --seed {seed}", recipe["steps"][1]],
        }
        for name, seed in (("x", 1), ("y", 2))
    }
    with pytest.raises(ConfigError, match="m: x, seed 0 and m: y, seed 0 would both be 'same' in the table"):
        jobs_of(tmp_path, config, store, methods=[{"name": "m", "recipes": ["x", "y"]}], recipes=recipes)


def test_the_best_needs_a_validation_part(config: Path, store: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.yaml"
    parts = {"train": ["phantom001", "phantom002"], "test": ["phantom003"]}
    split.write_text(yaml.safe_dump({"folds": {0: parts}}))
    settings = {"data.split": str(split)}
    with pytest.raises(ConfigError, match="best needs a validation part"):
        jobs_of(tmp_path / "a", config, store, settings=settings)
    assert len(jobs_of(tmp_path / "b", config, store, settings=settings, selection={"checkpoint": "last"})) == 1


def test_a_wrong_setting_names_study_and_method(config: Path, store: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"study\.yaml: MT: .*unknown setting 'data.colour'"):
        jobs_of(tmp_path, config, store, settings={"data.colour": "red"})


def test_an_edited_shared_part_is_noticed(config: Path, store: Path, tmp_path: Path) -> None:
    content, part = yaml.safe_load(config.read_text()), tmp_path / "data.yaml"
    part.write_text(yaml.safe_dump(content["data"]))
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**content, "data": "data.yaml"}))
    (whole,) = jobs_of(tmp_path / "whole", config, store)
    (job,) = jobs_of(tmp_path / "a", tmp_path / "own.yaml", store)
    assert job.key == whole.key  # the same settings, wherever they are written
    assert str(part) in job.inputs
    content["data"]["init_args"]["batch_size"] = 1
    part.write_text(yaml.safe_dump(content["data"]))
    (other,) = jobs_of(tmp_path / "b", tmp_path / "own.yaml", store)
    assert other.key != job.key
    assert other.inputs[str(part)] != job.inputs[str(part)]
