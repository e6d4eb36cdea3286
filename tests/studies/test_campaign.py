"""``lesslabel campaign``: the declared study, its jobs, and the comparison of strategies."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from lesslabel.cli import main
from lesslabel.errors import ConfigError
from lesslabel.evaluation.statistics import holm, holm_within
from lesslabel.studies import campaign as module
from lesslabel.studies import read_study
from lesslabel.studies.campaign import Campaign, declare_campaign
from lesslabel.studies.campaign_results import BASELINE, compare_strategies, write_campaign
from lesslabel.studies.reproduce import reproduce
from lesslabel.tables import add_results, read_scores
from lesslabel.tables.costs import RunCost, add_run_costs
from lesslabel.tables.planning import plan

STRATEGY = {"foreground-random": 0.0, "typiclust": 0.05, "entropy": -0.02}


@pytest.fixture
def supervised(tmp_path: Path, store: Path) -> Path:
    """A tiny training."""
    content = {
        "model": {
            "class_path": "lesslabel.methods.Supervised",
            "init_args": {"num_classes": 4, "network": {"channels": [4, 8], "encoder_dropout": [0.0, 0.0]}},
        },
        "data": {
            "class_path": "lesslabel.data.PhantomDataModule",
            "init_args": {
                "store": str(store),
                "view": {"supervision": [{"annotation": "dense"}]},
                "batch_size": 2,
                "steps_per_epoch": 1,
            },
        },
        "trainer": {"accelerator": "cpu", "max_steps": 2, "log_every_n_steps": 1},
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_rounds_are_recipes_that_need_the_round_before(supervised: Path, store: Path) -> None:
    declared = declare_campaign(Campaign(str(supervised), ["typiclust", "entropy"], rounds=3, budget="2"))
    assert declared["store"] == str(store)
    assert [method["name"] for method in declared["methods"]] == [BASELINE, "typiclust", "entropy"]
    assert [method["values"]["first"] for method in declared["methods"]] == [BASELINE, "typiclust", BASELINE]
    assert "needs" not in declared["recipes"]["round1"]
    assert declared["recipes"]["round3"]["needs"] == ["round2"]
    assert "--run '{round2}/run' --previous '{round2}/queue.csv'" in declared["recipes"]["round3"]["steps"][0]


def test_patches_are_chosen_in_every_round(supervised: Path, tmp_path: Path) -> None:
    patches = Campaign(str(supervised), ["coreset"], rounds=2, budget="30 min", unit="patch", patch_voxel=(2, 16, 16))
    recipes = declare_campaign(patches)["recipes"]
    for name in ("round1", "round2"):
        assert "--budget '30 min' --unit patch --patch-voxel 2 16 16 --split" in recipes[name]["steps"][0]
    protocol = module._protocol(tmp_path, patches, declare_campaign(patches))
    assert protocol["subset"] == "30 min of the training patches a round"
    assert protocol["commands"][0].endswith("--unit patch --patch-voxel 2 16 16 --seeds 0 --checkpoint last")
    with pytest.raises(ConfigError, match="--patch-voxel Z Y X goes with --unit patch"):
        declare_campaign(Campaign(str(supervised), ["coreset"], unit="patch"))


def test_the_jobs_of_a_campaign_are_sound(
    supervised: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "reproduce", lambda experiment, **_: reproduce(experiment, dry_run=True))
    monkeypatch.setenv("COLUMNS", "200")  # so that no name of a job is wrapped
    command = ["campaign", str(tmp_path / "c"), "--config", str(supervised), "--strategies", "typiclust", "entropy"]
    assert main([*command, "--rounds", "2", "--budget", "2"]) == 0
    printed = capsys.readouterr().out
    assert read_study(tmp_path / "c").checkpoint == "last"
    jobs = [line.split(",")[0] for line in printed.splitlines() if ": round" in line]
    assert jobs == [f"{name}: round{number}" for name in (BASELINE, "typiclust", "entropy") for number in (1, 2)]
    assert main([*command, "--rounds", "3"]) == 1
    assert "declares another study" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--strategies", "stdr"], "--strategies: 'stdr' is not one of random, "),
        (["--strategies", "best"], "'best' is not one of"),
        (["--strategies", "random", "--rounds", "1"], "--rounds: 1; pass 2 or more"),
        (["--strategies", "coreset", "bald"], "'bald' compares predictions with dropout, and the model of "),
    ],
)
def test_mistakes_cost_a_line(supervised: Path, tmp_path: Path, capsys, words: list[str], reason: str) -> None:
    assert main(["campaign", str(tmp_path / "c"), "--config", str(supervised), *words]) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


@pytest.mark.slow
def test_a_campaign_runs_and_goes_on(supervised: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["campaign", "c", "--config", str(supervised), "--strategies", "clasp-pe", "--rounds", "2"]
    assert main([*command, "--budget", "3"]) == 0
    table = pd.read_csv("c/campaign.csv")
    assert sorted(table["strategy"]) == ["clasp-pe", BASELINE]
    assert table["rounds"].tolist() == [2, 2]
    assert Path("c/campaign.svg").is_file()
    runs = pd.read_csv("c/runs.csv").set_index("method")["annotation_minutes"]
    assert runs["clasp-pe, round 2"] == pytest.approx(2 * runs["clasp-pe, round 1"], abs=0.02)  # hundredths are written
    capsys.readouterr()
    assert main([*command, "--budget", "3"]) == 0
    assert "running" not in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three strategies, three rounds, six patients of two labels."""
    rng = np.random.default_rng(0)
    patient = {f"p{index}": rng.normal(0, 0.05) for index in range(6)}
    costs = []
    for strategy, better in STRATEGY.items():
        for number in (1, 2, 3):
            method = f"{strategy}, round {number}"
            rows = [
                {"uid": f"{name}_a", "patient": name, "label": label, "dice": 0.5 + 0.1 * number + better + own}
                for name, own in patient.items()
                for label in ("LV", "RV")
            ]
            add_results(tmp_path, pd.DataFrame(rows), method=method, fold="0", seed=0, commit="abc")
            costs.append(RunCost(method, method, "0", 0, 1, 1, 10.0 * number, 1.0, "a core", "abc", "key"))
    add_run_costs(tmp_path, costs)
    return tmp_path


def test_strategies_are_compared_over_all_rounds(folder: Path) -> None:
    table = compare_strategies(folder).set_index("strategy")
    assert list(table.index) == ["typiclust", BASELINE, "entropy"]
    assert table.loc["typiclust", "difference"] == pytest.approx(0.05)
    assert table.loc["entropy", "difference"] == pytest.approx(-0.02)
    assert table.loc["typiclust", "probability"] == 1.0
    assert table.loc["entropy", "probability"] == 0.0
    p = stats.wilcoxon(np.full(6, 0.05)).pvalue
    assert table.loc["typiclust", "p"] == pytest.approx(p)
    assert table.loc["typiclust", "p_corrected"] == pytest.approx(2 * p)
    assert np.isnan(table.loc[BASELINE, "difference"])
    write_campaign(folder)
    page = (folder / "campaign.md").read_text()
    best, baseline, worst = (line for line in page.splitlines() if line.startswith(("| ty", "| fo", "| en")))
    assert "| +0.050 [+0.050, +0.050] |" in best
    assert "| -0.020 [-0.020, -0.020] |" in worst
    # log₂ minutes 10, 20, 30: Dice 0.6, 0.7, 0.8 of the baseline, linear in between
    area = (0.65 * 1 + 0.75 * np.log2(1.5)) / np.log2(3)
    mean = (
        np.mean([own["dice"].mean() for own in [read_scores(folder).query(f"method == '{BASELINE}, round 2'")]]) - 0.7
    )
    assert baseline.endswith(f"| – | – | – | – | – | 1 | {area + mean:.3f} |")
    assert (folder / "campaign.svg").read_text().count("<polyline") == 3
    assert {one.series for one in plan([folder])} == set(STRATEGY)


def test_seeds_that_one_lacks_are_not_compared(folder: Path) -> None:
    """A second seed of the baseline is whole, one of a strategy has two rounds of three."""
    before = compare_strategies(folder).set_index("strategy")
    for strategy, rounds in ((BASELINE, (1, 2, 3)), ("typiclust", (1, 2))):
        for number in rounds:
            rows = [
                {"uid": f"p{index}_a", "patient": f"p{index}", "label": label, "dice": 0.1}
                for index in range(6)
                for label in ("LV", "RV")
            ]
            method = f"{strategy}, round {number}"
            add_results(folder, pd.DataFrame(rows), method=method, fold="0", seed=1, commit="abc")
    table = compare_strategies(folder).set_index("strategy")
    pd.testing.assert_frame_equal(table.loc[["typiclust", "entropy"]], before.loc[["typiclust", "entropy"]])
    assert table["seeds"].to_dict() == {"typiclust": 1, "entropy": 1, BASELINE: 2}
    assert table.loc[BASELINE, "dice"] < before.loc[BASELINE, "dice"]


def test_another_experiment_has_no_campaign(tmp_path: Path) -> None:
    rows = [{"uid": "p0_a", "patient": "p0", "label": "LV", "dice": 0.1}]
    add_results(tmp_path, pd.DataFrame(rows), method="random, round 1", fold="0", seed=1, commit="abc")
    write_campaign(tmp_path)
    assert not list(tmp_path.glob("campaign.*"))


def test_holm_by_hand() -> None:
    # sorted: 0.01·4, 0.02·3, 0.03·2 (not below the one before), 0.6·1
    corrected = holm(np.array([0.02, np.nan, 0.6, 0.01, 0.03]))
    np.testing.assert_allclose(corrected, [0.06, np.nan, 0.6, 0.04, 0.06])
    assert holm_within(["a", "b", "a"], [0.02, 0.04, 0.01]) == pytest.approx([0.02, 0.04, 0.02])
