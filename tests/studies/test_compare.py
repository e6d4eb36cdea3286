"""``lesslabel compare``: which methods for which labels, the study it declares, and what it says at the end."""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from lesslabel import methods
from lesslabel.adaptation.without_labels import ADAPTATIONS
from lesslabel.cli import main
from lesslabel.data.case import Kind
from lesslabel.data.splits import divide_patients
from lesslabel.data.store import Store
from lesslabel.networks import UNet
from lesslabel.studies import comparing, read_study
from lesslabel.studies.compared_data import Shown, find_labels
from lesslabel.studies.comparison import advise, compare_methods
from lesslabel.studies.contenders import CONTENDERS, Contender, choose_contenders
from lesslabel.tables import add_results

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "acdc"
SMALL = ["--budget", "2", "--size", "32"]


def shown_of(*words: str) -> list[Shown]:
    return [Shown.parse(word) for word in words]


@pytest.mark.parametrize(
    ("shown", "labels", "unlabelled", "hidden"),
    [
        ((), "dense", False, ("scribble",)),  # dense labels cover every slice, so scribbles add nothing
        (("scribble",), "sparse", False, ("dense",)),
        (("scribble:2",), "sparse", True, ("dense",)),
        (("dense:2",), "few dense", True, ("scribble",)),
        (("dense:2", "scribble"), "mixed", False, ()),
        (("dense:1", "scribble:2"), "mixed", True, ()),
    ],
)
def test_the_labels_that_supervise_decide(
    store: Path, shown: tuple[str, ...], labels: str, unlabelled: bool, hidden: tuple[str, ...]
) -> None:
    found = find_labels(Store(store), shown=shown_of(*shown))
    assert (found.labels, found.unlabelled, found.hidden) == (labels, unlabelled, hidden)
    assert len(found.scored) == 3  # of eight patients
    assert not set(found.scored) & set(found.train)
    assert len(found.train) == 5


def test_a_split_keeps_its_test_part(store: Path) -> None:
    records = list(Store(store).records.values())
    parts = divide_patients(records, "random", 1)
    found = find_labels(Store(store), split="random", fold=1)
    assert sorted(found.train) == sorted(parts["train"])
    assert found.scored == parts["validation"]


def test_an_official_test_group_takes_no_part(store: Path) -> None:
    """Also where other groups are no parts at all."""
    whole = Store(store)
    for record in whole.records.values():
        group = {"phantom001": "Test", "phantom002": "controls"}.get(record.patient, "")
        whole.records[record.uid] = replace(record, group=group)
    found = find_labels(whole)
    assert len(found.scored) == 3  # of seven
    assert len(found.train) == 4
    assert "phantom001" not in {*found.train, *found.scored}


def test_every_method_for_images_is_a_contender_with_the_settings_of_its_configuration() -> None:
    names = {one.class_name for one in CONTENDERS}
    others = {name for name in methods.__all__ if isinstance(getattr(methods, name), type)} - names
    trains = {
        name
        for name in others
        if issubclass(getattr(methods, name), methods.SegmentationMethod)
        and not issubclass(getattr(methods, name), methods.InteractiveMethod)
    }
    adapting = {adaptation.method for adaptation in ADAPTATIONS.values() if adaptation.method}
    assert trains == {"SegmentationMethod", "AdaptSeg", *adapting}, "AdaptSeg compares two hospitals"
    by_class: dict[str, list[dict[str, object]]] = {}
    shared = {"num_classes", "in_channels", "network", "second_network", "optimiser", "inference"}
    over_the_run = {"ramp_iterations", *(key for one in CONTENDERS for key in (*one.short, *one.lengths_voxel))}
    for path in CONFIGS.glob("*.yaml"):
        model = yaml.safe_load(path.read_text())["model"]
        by_class.setdefault(model["class_path"].rpartition(".")[2], []).append(model["init_args"])
    for one in CONTENDERS:
        defaults = {
            name: parameter.default
            for name, parameter in inspect.signature(getattr(methods, one.class_name).__init__).parameters.items()
            if name not in {"self", *shared, *over_the_run}
        }

        def complete(given: Mapping[str, object], defaults: Mapping[str, object] = defaults) -> dict[str, object]:
            values = {**defaults, **{name: given[name] for name in given if name in defaults}}
            return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

        assert any(complete(given) == complete(one.settings) for given in by_class[one.class_name]), one.name


def test_lengths_in_voxels_follow_the_size_of_the_slices() -> None:
    (gated,) = (one for one in CONTENDERS if one.name == "Gated CRF")
    assert gated.arguments(200, 256) == {"radius_voxel": 5, "position_sigma_voxel": 6.0}
    assert gated.arguments(200, 96) == {"radius_voxel": 2, "position_sigma_voxel": 2.25}
    assert gated.arguments(200, 8)["radius_voxel"] == 1


def test_names_are_found_in_any_spelling(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [one.name for one in choose_contenders("few dense", ["meanteacher", "MC-net+", "ua-mt"])] == [
        "Mean Teacher",
        "MC-Net+",
        "UA-MT",
    ]
    command = ["compare", str(store), "--experiment", str(tmp_path / "c"), "--annotation", "scribble"]
    assert main([*command, "--methods", "dtc"]) == 1
    assert "'dtc' is no method for scribbles, points or boxes; choose among pCE, Omni" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--annotation", "dense:none"], "write a name, or a name and a number"),
        (["--annotation", "drawn"], "--annotation drawn: no training case has it; they have dense, scribble"),
        (["--reference", "expert"], "can be scored by 'expert'"),
        (["--budget", "0"], "--budget: 0"),
    ],
)
def test_mistakes_cost_a_line(store: Path, tmp_path: Path, capsys, words: list[str], reason: str) -> None:
    assert main(["compare", str(store), "--experiment", str(tmp_path / "c"), *words]) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


@pytest.mark.slow
def test_a_comparison_runs_goes_on_and_can_be_edited(store: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["compare", str(store), "--experiment", "c", "--annotation", "dense:2", "scribble:2", *SMALL]
    assert main([*command, "--methods", "supervised", "omni"]) == 0
    printed = capsys.readouterr().out
    assert "5 patients train, 3 are scored" in printed
    assert "No method has learnt much yet" in printed or "3 scored patients are too few" in printed
    table = pd.read_csv("c/comparison.csv")
    assert sorted(table["method"]) == ["Omni", "Supervised"]
    assert table["dice"].is_monotonic_decreasing
    assert (table["minutes"] > 0).all()
    cases = Path("c/comparison.md").read_text()
    assert "| method | Dice |" in cases
    # the second call finds its jobs done; other options are refused; an edited declaration runs as it stands
    assert main([*command, "--methods", "supervised", "omni"]) == 0
    assert "running" not in capsys.readouterr().err
    assert main([*command, "--methods", "supervised"]) == 1
    assert "differs from what these options declare" in capsys.readouterr().err
    content = yaml.safe_load(Path("c/study.yaml").read_text())
    assert content["methods"][0]["settings"] == {"data.unlabelled_batch_size": 0}
    content["methods"] = content["methods"][1:]
    Path("c/study.yaml").write_text(yaml.safe_dump(content))
    assert main(["compare", "c"]) == 0
    assert pd.read_csv("c/comparison.csv")["method"].tolist() == ["Omni"]


@pytest.mark.parametrize("one", CONTENDERS, ids=lambda one: one.name)
def test_every_contender_can_be_made(one: Contender) -> None:
    method = getattr(methods, one.class_name)(4, network=UNet(channels=(4, 8, 8, 8)), **one.arguments(30, 96))
    assert isinstance(method, methods.SegmentationMethod)


@pytest.mark.parametrize("shown", [["scribble"], ["dense:2"], ["dense"], ["dense:2", "scribble:1"]])
def test_the_study_names_the_methods_for_the_labels(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> None:
    monkeypatch.setattr(comparing, "reproduce", lambda *_, **__: 0)
    assert main(["compare", str(store), "--experiment", str(tmp_path / "c"), "--annotation", *shown, *SMALL]) == 0
    found = find_labels(Store(store), shown=shown_of(*shown))
    declared = read_study(tmp_path / "c").methods
    assert [one.name for one in declared] == [one.name for one in CONTENDERS if found.labels in one.labels]
    for one in declared:
        assert yaml.safe_load(Path(one.configs[0]).read_text())["name"] == one.name
    batch = yaml.safe_load((tmp_path / "c" / "training.yaml").read_text())["data"]["init_args"]
    assert (batch["batch_size"], batch["unlabelled_batch_size"]) == ((4, 4) if found.unlabelled else (8, 0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three methods on eight patients: the second differs from the first by chance alone, the third is behind."""
    declared = {
        "store": "s",
        "methods": [{"name": name, "configs": [f"{name}.yaml"]} for name in ("far", "close", "best")],
        "seeds": [0],
        "selection": {"checkpoint": "last"},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(declared))
    (tmp_path / "protocol.yaml").write_text("name: n")
    noise = np.array([0.05, -0.05, 0.04, -0.04, 0.03, -0.03, 0.02, -0.044])
    for method, dice in {"best": 0.6 + 0 * noise, "close": 0.6 + noise, "far": 0.3 + 0.1 * noise, "old": noise}.items():
        rows = [
            {"uid": f"c{index}", "patient": f"p{index}", "label": "LV", "dice": value, "hd95": 10.0}
            for index, value in enumerate(dice)
        ]
        add_results(tmp_path, pd.DataFrame(rows), method=method, fold="0", seed=0, commit="a")
    return tmp_path


def test_the_advice_says_what_is_not_told_apart(folder: Path) -> None:
    results = compare_methods(folder)
    best, close, far = results  # the study no longer declares "old"
    assert [one.method for one in results] == ["best", "close", "far"]
    assert np.isnan(best.difference)
    assert close.difference == pytest.approx(-0.003)
    assert far.difference == pytest.approx(-0.3003)
    assert -0.31 < far.difference_low < far.difference < far.difference_high < -0.29
    text = advise(results, patients=8, seeds=1)
    assert text.startswith("Use best next (Dice 0.600 [0.600, 0.600])")
    assert "8 patients do not tell it from close (-0.003), and" in text
    assert "one short training each" in text
    assert "5 scored patients are too few to tell any method from it" in advise(results, patients=5, seeds=1)
    assert "put all others behind it" in advise([best, far], patients=8, seeds=3)
    assert "it has no rival here" in advise([best], patients=8, seeds=1)
    assert "No method has learnt much" in advise([replace(best, dice=0.1), far], patients=8, seeds=1)


def test_points_are_sparse() -> None:
    from lesslabel.studies.compared_data import _labels_of

    assert _labels_of([Kind.POINTS], unlabelled=True) == "sparse"
    assert _labels_of([Kind.DENSE, Kind.BOX], unlabelled=False) == "mixed"
