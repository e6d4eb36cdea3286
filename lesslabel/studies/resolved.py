"""Rules for resolved configurations in a study, and the part of one that belongs to a key."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lesslabel.errors import ConfigError
from lesslabel.files import hash_file, is_file
from lesslabel.runs.folder import flatten, may_change


def what_counts(config: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved configuration by dotted names, without settings that cannot change a result.

    These are the path of the data, whose hash is in the key, and settings that a resumed run may change.
    """
    flat = flatten(config)
    return {key: value for key, value in flat.items() if key != "data.init_args.store" and not may_change(key)}


def require_blind_to_test(config: Mapping[str, Any]) -> None:
    """Refuse a callback of the trainer that monitors a value of the test part.

    Raises:
        ConfigError: names it.
    """
    for watched in _texts(config["trainer"].get("callbacks")):
        if re.match(r"test(?:\b|_)", watched, re.IGNORECASE):
            raise ConfigError(
                f"trainer.callbacks: one watches '{watched}'; a study that selects on test does not start, watch "
                "validation/dice"
            )


def require_fresh(config: Mapping[str, Any]) -> None:
    """Refuse a training that resumes a checkpoint of its configuration.

    Args:
        config: resolved, with what belongs to one call of the command line.

    Raises:
        ConfigError: names it.
    """
    if config["ckpt_path"] is not None:
        raise ConfigError(f"ckpt_path is {config['ckpt_path']}; a training of a study begins anew, leave it out")


def require_validation(parts: Mapping[str, Sequence[str]], patients: Mapping[str, str]) -> None:
    """Refuse the best checkpoint of a training without validation, or validated on patients of the test part.

    Args:
        parts: uids by part.
        patients: of every uid.

    Raises:
        ConfigError: if the validation part is empty, or shares a patient with the test part.
    """
    if not parts["validation"]:
        raise ConfigError(
            "selection: best needs a validation part, and the split has none; choose last, the end of the training"
        )
    tested = {patients[uid] for uid in parts["test"]}
    if shared := sorted(tested.intersection(patients[uid] for uid in parts["validation"])):
        raise ConfigError(f"selection: patient {shared[0]} validates and is tested; choose last, or a split by patient")


def require_apart(learnt: Mapping[str, set[str]], tested: Mapping[str, set[str]]) -> None:
    """Refuse to test cases that an earlier step, also of a needed recipe, trained or validated on.

    Args:
        learnt: uids that train or validate, by the hash of their data.
        tested: uids that are tested, likewise.

    Raises:
        ConfigError: names a case.
    """
    for data, uids in tested.items():
        if both := sorted(uids & learnt.get(data, set())):
            raise ConfigError(f"case {both[0]} trains or validates in one step and is tested in another; use one split")


def hash_content(path: Path) -> str:
    """The sha256 of a file, or of the names and contents of the files in a folder.

    Raises:
        ConfigError: if it does not exist or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if not file.is_dir():
                digest.update(f"{file.relative_to(path).as_posix()}\0{hash_file(file)}".encode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name what is there") from error
    return digest.hexdigest()


def hash_files(paths: Iterable[Path | str]) -> dict[str, str]:
    """The hashes by path of the arguments that are files; committed lists belong to the sources."""
    return {str(path): hash_content(Path(path)) for path in paths if is_file(Path(path))}


def _texts(value: object) -> Iterator[str]:
    """Every text in plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if name != "class_path":
                yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
