"""The jobs of recipes: shared needs, keys, and what they depend on."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from studying import SETTINGS, declare

from lesslabel.command_words import read_settings
from lesslabel.errors import ConfigError
from lesslabel.runs.parsing import parse_run
from lesslabel.studies import read_study
from lesslabel.studies.job import Job
from lesslabel.studies.jobs import make_jobs

ROOT = Path(__file__).parents[2]
METHODS: list[dict[str, Any]] = [
    {"name": "random", "recipes": ["choose"], "values": {"strategy": "random"}},
    {"name": "stdr", "recipes": ["choose"], "values": {"strategy": "stdr"}},
]


def jobs_of(folder: Path, config: Path, store: Path, **changes: Any) -> list[Job]:
    adapt = changes.pop("adapt", "--trainer.max_steps 5")
    recipes = {
        "source": {"steps": [f"fit --config {config} --data.store {{store}} --seed {{seed}} --run {{job}}/run"]},
        "choose": {
            "needs": ["source"],
            "steps": [
                "select --bundle {source}/b --store {store} --strategy {strategy} --fold {fold} --out {job}/queue.csv",
                f"adapt --bundle {{source}}/b --store {{store}} --queue {{job}}/queue.csv --out {{job}}/a {adapt}",
                "test --run {job}/a/fine-tune",
            ],
            "scores": {"{method}": "{job}/a/fine-tune"},
        },
    }
    said = {"store": str(store), "methods": METHODS, "recipes": recipes, "selection": {"checkpoint": "last"}, **changes}
    return make_jobs(read_study(declare(folder, **said)), folder / "jobs")


def test_what_nothing_sets_apart_is_one_job_before_those_that_need_it(
    config: Path, store: Path, tmp_path: Path
) -> None:
    jobs = jobs_of(tmp_path, config, store, folds=[0, 1], seeds=[3, 4])
    assert [job.name for job in jobs[:3]] == ["source, seed 3", "random, fold 0, seed 3", "source, seed 4"]
    assert len(jobs) == 2 + 2 * 2 * 2
    assert len({job.key for job in jobs}) == len({job.folder.path for job in jobs}) == len(jobs)
    source, random = jobs[:2]
    assert random.needs == (source.key,)
    assert random.steps[0][2] == f"{source.folder.path}/b"
    assert random.steps[2][:3] == ("test", "--run", f"{random.folder.path}/a/fine-tune")
    assert random.steps[2][3:] == ("--ckpt_path", "last", "--unit", "mm", "--hd95", "pooled", "--empty", "diagonal")
    assert random.tested == {"random": random.folder.path / "a" / "fine-tune"}
    assert not any(job.folder.path.exists() for job in jobs)


def test_a_click_protocol_of_a_run_takes_the_checkpoint_of_the_study(config: Path, store: Path, tmp_path: Path) -> None:
    recipes = {
        "clicked": {
            "steps": [
                f"fit --config {config} --data.store {{store}} --seed {{seed}} --run {{job}}/run",
                "clicks --run {job}/run --seed {seed} --out {job}/own",
                "clicks --model training-free --store {store} --seed {seed} --out {job}/free",
            ],
            "clicks": [{"folder": "{job}/own", "set": "own"}, {"folder": "{job}/free", "set": "free"}],
        }
    }
    (job,) = jobs_of(tmp_path, config, store, recipes=recipes, methods=[{"name": "a", "recipes": ["clicked"]}])
    assert job.steps[1][-2:] == ("--ckpt_path", "last")
    assert "--ckpt_path" not in job.steps[2]


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [1]},
        {"folds": [1]},
        {"scoring": {"unit": "voxel"}},
        {"adapt": "--trainer.max_steps 6"},
        {"methods": [{**METHODS[0], "name": "chance"}]},
        {"methods": [{**METHODS[0], "values": {"strategy": "entropy"}}]},
    ],
)
def test_the_key_knows_what_changes_a_result(
    changes: dict[str, Any], config: Path, store: Path, tmp_path: Path
) -> None:
    methods = {"methods": METHODS[:1]}
    before = jobs_of(tmp_path / "a", config, store, **methods)[-1]
    assert jobs_of(tmp_path / "b", config, store, **{**methods, **changes})[-1].key != before.key


def test_the_key_knows_files_by_content_data_by_content_and_needs(config: Path, store: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"trainer": {"max_steps": 7}}))
    before = jobs_of(tmp_path / "a", config, store, adapt=f"--config {overlay}")
    elsewhere = Path(shutil.copytree(store, tmp_path / "copy"))
    renamed = overlay.rename(tmp_path / "renamed.yaml")
    moved = jobs_of(tmp_path / "b", config, elsewhere, adapt=f"--config {renamed}")
    assert [job.key for job in moved] == [job.key for job in before]
    renamed.write_text(yaml.safe_dump({"trainer": {"max_steps": 8}}))
    longer = jobs_of(tmp_path / "c", config, store, adapt=f"--config {renamed}")
    assert longer[0].key == before[0].key
    assert longer[1].key != before[1].key
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump({**SETTINGS, "trainer": {"accelerator": "cpu", "max_steps": 3}}))
    trained = jobs_of(tmp_path / "d", other, store, adapt=f"--config {renamed}")
    assert trained[1].parts["config"] == longer[1].parts["config"]
    assert trained[1].parts["needs"] != longer[1].parts["needs"]
    fingerprint = elsewhere / "fingerprint.json"
    fingerprint.write_text(fingerprint.read_text().replace('"data_hash": "', '"data_hash": "0'))
    changed = jobs_of(tmp_path / "e", config, elsewhere, adapt=f"--config {renamed}")
    assert changed[0].parts["data"] != longer[0].parts["data"]
    assert changed[1].parts["data"] != longer[1].parts["data"]


def of_one_recipe(folder: Path, store: Path, *steps: str, values: dict[str, Any] | None = None, **changes: Any) -> Job:
    said = {"store": str(store), "recipes": {"r": {"steps": list(steps)}}, "selection": {"checkpoint": "last"}}
    methods = [{"name": "m", "recipes": ["r"], "values": values or {}}]
    return make_jobs(read_study(declare(folder, **{"methods": methods, **said, **changes})), folder / "jobs")[-1]


def test_the_key_knows_the_files_that_no_job_makes(config: Path, store: Path, order: Path, tmp_path: Path) -> None:
    bundle, patients = tmp_path / "bundle", tmp_path / "order.txt"
    bundle.mkdir()
    shown = f'[{{"annotation": "dense", "patients": 1, "order": "{patients}"}}]'
    steps = (
        f"fit --config {config} --data.store {{store}} --data.view.supervision {{shown}} --run {{job}}/run",
        f"adapt --bundle {bundle} --store {{store}} --queue {{job}}/q.csv --annotation dense --out {{job}}/a",
    )

    def key(*, weights: str = "a", first: int = 1) -> str:
        (bundle / "weights.safetensors").write_text(weights)
        names = order.read_text().splitlines()
        patients.write_text("\n".join(names if first == 1 else reversed(names)))
        return of_one_recipe(tmp_path / "e", store, *steps, values={"shown": [shown]}).key

    assert key() == key()
    assert len({key(), key(weights="b"), key(first=8)}) == 3
    shutil.rmtree(bundle)
    with pytest.raises(ConfigError, match="bundle: cannot be read"):
        of_one_recipe(tmp_path / "e", store, *steps, values={"shown": [shown]})


def test_a_configuration_brings_in_no_checkpoint(config: Path, store: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    fit = f"fit --config {config} --data.store {{store}} --run {{job}}/run"
    for content, steps, said in (
        ("ckpt_path: best", (f"{fit} --config {overlay}",), "ckpt_path is best; a training of a study begins anew"),
        ("weights: a.safetensors", (f"{fit} --config {overlay}",), "weights in a configuration file"),
        (
            "ckpt_path: last",
            (fit, f"clicks --run {{job}}/run --out {{job}}/c --config {overlay}"),
            "ckpt_path does not",
        ),
        ("config: b.yaml", (fit, f"test --run {{job}}/run --config {overlay}"), "config does not belong"),
    ):
        overlay.write_text(content)
        with pytest.raises(ConfigError, match=said):
            of_one_recipe(tmp_path / "e", store, *steps)


def test_what_one_step_learns_from_no_other_tests(config: Path, store: Path, tmp_path: Path) -> None:
    fit = f"fit --config {config} --data.store {{store}} --data.fold {{fold}} --run {{job}}"
    again = f"fit --config {config} --data.store {{store}} --weights {{job}}/a/x --run {{job}}/b"
    of_one_recipe(tmp_path / "e", store, f"{fit}/a", again)
    with pytest.raises(ConfigError, match=r"recipe r: case .* trains or validates in one step and is tested"):
        of_one_recipe(tmp_path / "e", store, f"{fit}/a", again, folds=[1])
    with pytest.raises(ConfigError, match="is tested in another"):
        of_one_recipe(
            tmp_path / "e", store, f"{fit}/a", "clicks --run {job}/a --store {store} --part all --out {job}/c"
        )


def test_a_shared_job_is_found_again_whoever_asks_for_it(config: Path, store: Path, tmp_path: Path) -> None:
    fit = f"fit --config {config} --data.store {{store}} --name {{trained}} --run {{job}}/run"
    recipes = {
        "train": {"steps": [fit]},
        "test": {"needs": ["train"], "steps": ["select --bundle {train}/b --store {store} --out {job}/{method}.csv"]},
    }
    methods = [{"name": name, "recipes": ["test"], "values": {"trained": "both"}} for name in ("a", "b")]
    said = {"recipes": recipes, "methods": methods}
    first = make_jobs(
        read_study(declare(tmp_path, store=str(store), selection={"checkpoint": "last"}, **said)), tmp_path / "jobs"
    )
    assert [job.name for job in first] == ["a: train, seed 0", "a, seed 0", "b, seed 0"]
    first[0].folder.path.mkdir(parents=True)
    said["methods"] = methods[1:]
    changes = {"seeds": [3], "selection": {"checkpoint": "last"}}
    second = make_jobs(read_study(declare(tmp_path, store=str(store), **changes, **said)), tmp_path / "jobs")
    assert second[0].key == first[0].key
    assert second[0].folder == first[0].folder
    assert second[1].steps[0][2] == f"{first[0].folder.path}/b"


def test_a_step_that_watches_test_is_refused(config: Path, store: Path, tmp_path: Path) -> None:
    stopping = {"class_path": "pytorch_lightning.callbacks.EarlyStopping", "init_args": {"monitor": "test/dice"}}
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"trainer": {"callbacks": [stopping]}}))
    for where, said in (
        (
            {"adapt": f"--config {overlay}"},
            r"study\.yaml: random: recipe choose: trainer\.callbacks: .* does not start",
        ),
        ({"adapt": "--data.colour red"}, r"recipe choose: .*unknown setting 'data\.colour'"),
        ({"adapt": "--data.fold one"}, r"--data\.fold is 'one'; expected a number"),
        ({"adapt": "--data.split random --config nowhere.yaml"}, r"nowhere\.yaml: cannot be read"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            jobs_of(tmp_path / "a", config, store, **where)
        assert "\n" not in str(caught.value)


def test_the_best_needs_a_validation_part_in_every_training(config: Path, store: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.yaml"
    parts = {"train": ["phantom001", "phantom002"], "test": ["phantom003"]}
    split.write_text(yaml.safe_dump({"folds": {0: parts}}))
    with pytest.raises(ConfigError, match="recipe choose: selection: best needs a validation part"):
        jobs_of(tmp_path, config, store, adapt=f"--data.split {split}", selection={"checkpoint": "best"})


@pytest.mark.parametrize(("name", "count"), [("sfada-cardiac", 258), ("interactive", 84)])
def test_the_committed_recipes_make_jobs(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    study = read_study(Path("experiments") / name)
    for store in (study.store, *study.stores.values()):
        if not store.exists():
            pytest.skip(f"{store} is not prepared here")
    jobs = make_jobs(study, Path("runs") / name)
    assert len(jobs) == count
    assert len({job.folder.path for job in jobs}) == count


def test_volumes_of_the_heart_are_not_labelled_as_the_hippocampus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    configs = (
        "configs/hippocampus/mideepseg.yaml",
        *(f"experiments/interactive/{n}_3d.yaml" for n in ("small", "heart")),
    )
    data = parse_run(read_settings([text for config in configs for text in ("--config", config)])).datamodule
    assert (data.source, data.view.labels, data.dimensions) == ("acdc", None, 3)


def test_the_shared_parts_of_steps_count_by_their_content(config: Path, store: Path, tmp_path: Path) -> None:
    part = tmp_path / "trainer.yaml"
    part.write_text("max_steps: 5")
    (tmp_path / "more.yaml").write_text("trainer: trainer.yaml")
    more = f"--config {tmp_path / 'more.yaml'}"
    recipes = {
        "source": {"steps": [f"fit --config {config} {more} --data.store {{store}} --seed {{seed}} --run {{job}}/run"]},
        "choose": {
            "needs": ["source"],
            "steps": [f"clicks --run {{source}}/run --store {{store}} --part test --out {{job}}/c {more}"],
            "clicks": [{"folder": "{job}/c", "set": "all"}],
        },
    }
    methods = [{"name": "clicks", "recipes": ["choose"]}]
    said = {"store": str(store), "methods": methods, "recipes": recipes, "selection": {"checkpoint": "last"}}
    study = read_study(declare(tmp_path, **said))
    before = make_jobs(study, tmp_path / "jobs")
    part.write_text("max_steps: 6")
    after = make_jobs(study, tmp_path / "jobs")
    assert len(before) == len(after) == 2
    for old, new in zip(before, after, strict=True):
        assert old.parts["config"] != new.parts["config"]
        assert old.inputs[str(part)] != new.inputs[str(part)]
