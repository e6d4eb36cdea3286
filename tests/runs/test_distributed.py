"""Two processes see together what one process with the doubled batch sees, and agree on the validation score."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import checkpoint, curves, logged_steps, start

from lesslabel.cli import main
from lesslabel.data.loading.sampling import SampleSource, StepSampler, Streams


@given(
    labelled=st.integers(1, 9),
    unlabelled=st.integers(1, 9),
    batch=st.tuples(st.integers(1, 3), st.integers(0, 3)),
    world=st.integers(1, 4),
    first=st.integers(0, 11),
    seed=st.integers(0, 3),
)
def test_processes_share_the_batch_of_one(
    labelled: int, unlabelled: int, batch: tuple[int, int], world: int, first: int, seed: int
) -> None:
    pools = (
        [SampleSource(f"l{index}", index) for index in range(labelled)],
        [SampleSource(f"u{i}", None) for i in range(unlabelled)],
    )
    share = Streams(*pools, *batch)
    whole = Streams(*pools, world * batch[0], world * batch[1])
    alone = list(StepSampler(whole, seed, 4, lambda: first))
    shares = [list(StepSampler(share, seed, 4, lambda: first, rank, world)) for rank in range(world)]
    assert len(alone) == 4 - first % 4
    for step, batch_of_one in enumerate(alone):
        together = [key for rank in shares for key in rank[step]]
        assert sorted(together) == sorted(batch_of_one)
        assert len({key.slot for key in together}) == len(together)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="gloo on a local machine")
def test_two_processes_train_and_validate(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    settings = ["--trainer.max_steps", "40", "--data.steps_per_epoch", "20", "--data.batch_size", "2"]
    two = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
    process = start(["fit", "--config", config, "--run", run, *settings, *two], threads=1)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert out.count("trained:") == 1
    assert logged_steps(run) == list(range(40))
    assert checkpoint(run)["global_step"] == 40
    logged = curves(run).query("step == 39 and name.str.startswith('validation')").set_index("name")["value"]
    assert main(["validate", "--run", str(run), "--ckpt_path", "last"]) == 0
    printed = dict(line.split() for line in capsys.readouterr().out.strip().splitlines())
    assert printed == {name: f"{value:.4f}" for name, value in logged.items()}
    assert float(printed["validation/dice"]) > 0.0
    assert main(["test", "--run", str(run)]) == 0
