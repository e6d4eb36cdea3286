"""Every option of every command that takes a text says whether it is read or written; steps of a study know those."""

import argparse
from collections.abc import Iterator

import pytest

from lesslabel.command_words import read_settings
from lesslabel.data.sources import SOURCES
from lesslabel.runs.config_rules import DECIDED_BY_THE_RUN, NAMED_BY_THE_PERSON
from lesslabel.runs.parsing import RunCLI
from lesslabel.studies.step_paths import WRITTEN
from lesslabel.studies.steps import COMMANDS as STEPS
from lesslabel.verbs import COMMANDS, run_command

WRITES = {
    "verify": {"--json", "--propose"},
    "scribble": set(),
    "export": {"--out"},
    "import": set(),
    "spread": set(),
    "annotate": set(),
    "validate": set(),
    "test": set(),
    "predict": {"--output"},
    "pseudo": {"--out"},
    "clicks": {"--out"},
    "clicker": {"--out"},
    "evaluate": {"--csv"},
    "raters": {"--output"},
    "report": {"--output", "--experiment"},
    "bundle": {"out"},
    "select": {"--out", "--images"},
    "adapt": {"--out"},
    "expect": {"--out"},
    "reproduce": {"experiment", "--output", "--zoo", "--store"},
    "compare": {"--experiment", "--output"},
    "curve": {"experiment", "--output", "--store"},
    "campaign": {"experiment", "--output", "--store"},
    "plan": set(),
    "demo": {"--output"},
}
"""What names a file or a folder to write; a person at the terminal gives it."""

READS = {
    "verify": {"store", "--split"},
    "scribble": {"store"},  # and the store is added to
    "spread": {"store"},  # and the store is added to
    "export": {"store", "--split"},
    "import": {"store", "--queue", "--from"},
    "annotate": {"store", "--queue", "--model"},  # and the store is added to
    "clicks": {"--run", "--model", "--store", "--split", "--start"},
    "clicker": {"stores", "--label-maps"},
    "evaluate": {"pred", "ref"},
    "raters": {"store"},
    "report": {"runs", "--bundle", "--store", "--expected"},
    "bundle": {"run", "--store", "bundle", "--zoo"},
    "select": {"--bundle", "--run", "--ensemble", "--store", "--previous", "--split"},
    "adapt": {"--bundle", "--store", "--queue"},
    "expect": {"store", "--bundle", "--run", "--split"},
    "compare": {"data", "--split"},
    "curve": {"--config", "--overlay", "--order"},
    "campaign": {"--config", "--overlay"},
    "plan": {"paths"},
}
READ_BY_SOURCES = {"raw", "spacing", "scribbles", "train_list", "test_list", "splits", "within", "base"}
WORDS_OF_SOURCES = {"same-grid", "labels", "spacing_mm", "label_order", "sequence"}
WORDS = {
    "verify": {"--annotation"},
    "scribble": {"--annotation", "--name"},
    "spread": {"--annotation", "--name"},
    "pseudo": {"--name"},
    "export": {"--annotation"},
    "import": {"--annotation", "--author"},
    "annotate": {"--annotation", "--author", "--host"},
    "clicks": {"--labels", "--wrap", "--first", "--robot", "--reference"},
    "raters": {"--annotations"},
    "report": {"--annotation", "--reference"},
    "select": {"--strategy", "--budget", "--centres", "--prelabel-label"},
    "adapt": {"--annotation", "--name", "--without-labels"},
    "expect": {"--centres"},
    "reproduce": {"--only", "--slurm"},
    "compare": {"--methods", "--annotation", "--reference", "--slurm"},
    "curve": {"--budgets", "--slurm"},
    "campaign": {"--strategies", "--annotation", "--budget", "--slurm"},
}
"""Names and numbers: no file is looked for."""


class CapturedError(Exception):
    """Carries a parser out of a command."""


def parsers_of(command: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> Iterator[argparse.ArgumentParser]:
    def stop(self: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise CapturedError(self)

    with monkeypatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", stop)
        patched.setattr(argparse.ArgumentParser, "parse_known_args", stop)
        with pytest.raises(CapturedError) as captured:
            run_command(command, list(words))
    waiting = [captured.value.args[0]]
    while waiting:
        parser = waiting.pop()
        yield parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()


def texts_of(parser: argparse.ArgumentParser) -> set[str]:
    """The options and words of a parser that take a text of any kind."""
    return {
        max(action.option_strings, key=len, default=action.dest)
        for action in parser._actions
        if action.nargs != 0
        and not action.choices
        and action.type not in (int, float, bool)
        and not isinstance(action, argparse._SubParsersAction)
    }


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in ("fit", "prepare")])
def test_every_option_that_takes_a_text_is_classified(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = set().union(*map(texts_of, parsers_of(command, monkeypatch)))
    known = [WRITES[command], READS.get(command, set()), WORDS.get(command, set())]
    assert found == set().union(*known)
    assert sum(map(len, known)) == len(found), "an option is in two classes"


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_writes_nothing_but_the_store(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (parser,) = parsers_of("prepare", monkeypatch, source, "raw", "store")
    assert {name.removeprefix("--") for name in texts_of(parser)} <= {"store", *READ_BY_SOURCES, *WORDS_OF_SOURCES}


@pytest.mark.parametrize("command", STEPS)
def test_steps_know_what_commands_write(command: str) -> None:
    if command in ("fit", "test"):  # of a run, which its settings name
        assert WRITTEN[command] == ("--run",)
    elif command == "bundle":
        assert WRITES[command] == {"out"}
    else:
        assert set(WRITTEN[command]) == WRITES[command]


def test_a_run_has_no_other_path_to_write_to() -> None:
    """Settings of a run whose type is a path, or whose name says that it is one."""
    model = ["--model", "lesslabel.methods.Supervised", "--model.num_classes", "4"]
    run = RunCLI(read_settings([*model, "--data", "lesslabel.data.PhantomDataModule", "--data.store", "nowhere"]))
    typed = {
        action.dest for action in run.parser._actions if "Path" in str(getattr(action, "_typehint", action.type) or "")
    }
    named = {
        action.dest
        for action in run.parser._actions
        if any(word in action.dest.rpartition(".")[2] for word in ("dir", "path", "folder", "file", "out"))
    }
    writes = {"run", "trainer.default_root_dir"}
    reads = {"ckpt_path", "weights", "config"}
    neither = {"trainer.profiler", "trainer.logger", "trainer.overfit_batches"}
    assert typed | named <= writes | reads | neither, sorted((typed | named) - writes - reads - neither)
    assert {"run"} <= set(NAMED_BY_THE_PERSON)
    assert {"default_root_dir"} <= set(DECIDED_BY_THE_RUN)
