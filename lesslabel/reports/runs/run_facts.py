"""Facts that a reader needs to trust or repeat the numbers. A fact that was not recorded is "unknown"."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lesslabel.privacy import command_without_folders, last_part, without_folders
from lesslabel.reports.runs.methods import Method
from lesslabel.reports.runs.read import Run

UNKNOWN = "unknown"


@dataclass(frozen=True)
class RunFact:
    """One fact about the runs.

    Attributes:
        name: its name.
        values: (method, value); one pair with an empty name where all methods agree.
    """

    name: str
    values: tuple[tuple[str, str], ...]


def describe(value: Any) -> str:
    """A recorded value as text; paths lose their folders, an absent value is unknown."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{without_folders(str(key))} {describe(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(describe(entry) for entry in value) or "none"
    return without_folders(str(value))


def run_facts(methods: Sequence[Method]) -> dict[str, list[RunFact]]:
    """The facts by section, in reading order; several seeds of one method share an entry."""
    sections: dict[str, list[tuple[str, Callable[[Run], str]]]] = {
        "Data": [
            ("Data set", lambda run: describe(run.data.get("source"))),
            ("Data hash", lambda run: describe(run.data.get("data_hash"))),
            ("Split", _split),
            ("Cases", _cases),
            ("Tested on", _tested),
            ("Missing patients", _missing_patients),
            ("Reference annotation", lambda run: describe(run.view.get("reference"))),
        ],
        "Protocol": [
            ("Seed", lambda run: describe(run.seed)),
            ("Checkpoint", _checkpoint),
            ("Iteration", lambda run: describe(run.summary.get("iteration"))),
            ("Distances in", lambda run: describe(run.summary.get("unit", run.data.get("unit")))),
            ("HD95", lambda run: describe(run.summary.get("hd95"))),
            ("Empty masks", lambda run: describe(run.summary.get("empty"))),
            ("Minutes of testing", lambda run: describe(run.summary.get("minutes"))),
        ],
        "Environment": [
            ("Hardware", lambda run: describe(run.environment.get("accelerator"))),
            ("Platform", lambda run: describe(run.environment.get("platform"))),
            ("Threads", lambda run: describe(run.environment.get("threads"))),
            ("lesslabel", lambda run: describe(run.environment.get("lesslabel"))),
            ("Commit", _commit),
            ("Python", lambda run: describe(run.environment.get("python"))),
            ("Packages", lambda run: describe(run.environment.get("packages"))),
            ("Started", lambda run: describe(run.environment.get("started"))),
            ("Command", _command),
        ],
    }
    return {section: [_fact(name, read, methods) for name, read in facts] for section, facts in sections.items()}


def _fact(name: str, read: Callable[[Run], str], methods: Sequence[Method]) -> RunFact:
    """Name the methods only if they differ; different values of one method's seeds are listed."""
    values = ["; ".join(dict.fromkeys(read(run) for run in method.runs)) for method in methods]
    if len(set(values)) == 1:
        return RunFact(name, (("", values[0]),))
    return RunFact(name, tuple((method.name, value) for method, value in zip(methods, values, strict=True)))


def _split(run: Run) -> str:
    split, fold = describe(run.data.get("split")), run.data.get("fold")
    return split if fold is None else f"{split}, fold {describe(fold)}"


def _cases(run: Run) -> str:
    parts = run.data.get("parts")
    if not isinstance(parts, Mapping):
        return UNKNOWN
    return ", ".join(f"{name} {len(uids or [])}" for name, uids in parts.items())


def _tested(run: Run) -> str:
    part = describe(run.summary.get("part"))
    cases, patients = run.metrics["uid"].nunique(), run.metrics["patient"].nunique()
    return f"{cases} cases of {patients} patients (part: {part})"


def _missing_patients(run: Run) -> str:
    """Only their number: the page must not contain a patient's name."""
    missing = run.data.get("missing_patients")
    if missing is None:
        return UNKNOWN
    count = len(missing) if isinstance(missing, list | Mapping) else missing
    return str(count) if count else "none"


def _checkpoint(run: Run) -> str:
    rule, path = describe(run.summary.get("checkpoint_rule")), run.summary.get("checkpoint")
    return rule if not path else f"{rule} ({last_part(str(path))})"


def _commit(run: Run) -> str:
    changed = {True: ", with uncommitted changes", False: "", None: ", uncommitted changes unknown"}
    commit = run.environment.get("commit")
    return UNKNOWN if not commit else describe(commit) + changed.get(run.environment.get("dirty"), "")


def _command(run: Run) -> str:
    command = run.environment.get("command")
    if not command:
        return UNKNOWN
    words = [str(word) for word in command] if isinstance(command, list) else str(command)
    return command_without_folders(words)
