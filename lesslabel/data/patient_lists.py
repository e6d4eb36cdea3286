"""Lists of patients: split files and orders for budgets, from the user or from the package."""

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from lesslabel.errors import DataError
from lesslabel.files import parse_yaml

PARTS = ("train", "validation", "test")
GROUP_PARTS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
    "testset": "test",
    "testing": "test",
}
"""The part for each group of a case, in lower case; used by the split ``groups``."""
LISTS = Path(__file__).resolve().parent / "lists"


def load_split(split: str, fold: int = 0) -> dict[str, tuple[str, ...]]:
    """Read one fold of a split file.

    Returns:
        Patients by part (train, validation, test).

    Raises:
        DataError: if there is no such file or fold, or it has not the layout of a split file.
    """
    path = find_list(split, ".yaml")
    folds = _read_folds(path)
    if fold not in folds:
        raise DataError(f"{path}: no fold {fold}; it has {', '.join(str(key) for key in folds)}")
    parts = folds[fold]
    if not isinstance(parts, dict) or not all(isinstance(members, list | None) for members in parts.values()):
        raise DataError(f"{path}: fold {fold} must hold the parts {', '.join(PARTS)}, each a list of patients")
    unknown = [str(part) for part in parts if part not in PARTS]
    if unknown:
        raise DataError(f"{path}: fold {fold} has unknown parts {', '.join(unknown)}; parts are {', '.join(PARTS)}")
    return {part: tuple(str(patient) for patient in parts.get(part) or ()) for part in PARTS}


def load_case_counts(split: str) -> dict[str, int] | None:
    """Read how many cases a split file samples for each part; None if it divides by patient.

    Raises:
        DataError: if there is no such file, or it is not laid out as a split file.
    """
    path = find_list(split, ".yaml")
    content = _read_yaml(path)
    if not isinstance(content, dict) or "draw" not in content:
        return None
    counts = content["draw"]
    valid = isinstance(counts, dict) and all(isinstance(count, int) and count >= 0 for count in counts.values())
    if not valid or not set(counts) <= set(PARTS) or content.get("unit") != "case":
        raise DataError(
            f"{path}: a list of samples holds 'unit: case' and 'draw': {{train: 200, test: 150}}; correct it"
        )
    return {part: counts.get(part, 0) for part in PARTS}


def load_leak(split: str) -> str:
    """Read why a split file has a patient, or copies of an image, in two parts on purpose; empty if it says nothing.

    Raises:
        DataError: if there is no such file, or its ``leak`` is no reason.
    """
    path = find_list(split, ".yaml")
    content = _read_yaml(path)
    reason = content.get("leak", "") if isinstance(content, dict) else ""
    if not isinstance(reason, str) or (isinstance(content, dict) and "leak" in content and not reason.strip()):
        raise DataError(f"{path}: 'leak' is {str(reason)[:40]!r}; say in words why the parts share patients or images")
    return " ".join(reason.split())


def load_order(name: str) -> list[str]:
    """Read the order of patients of a budget, one patient per line; ``#`` starts a comment.

    Raises:
        DataError: if there is no such list or it names a patient twice.
    """
    path = find_list(name, ".txt")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable list of patients, one a line ({error})") from error
    order = [patient for line in lines if (patient := line.partition("#")[0].strip())]
    patient, times = Counter(order).most_common(1)[0] if order else ("", 0)
    if times > 1:
        raise DataError(f"{path}: patient {patient} is listed {times} times; keep one line")
    return order


def find_list(name: str, suffix: str) -> Path:
    """Find a file of the user, or otherwise a list of the package.

    Raises:
        DataError: if there is neither; names the available lists.
    """
    own = Path(name)
    if own.is_file():
        return own
    committed = LISTS / f"{name.removesuffix(suffix)}{suffix}"
    if committed.is_file() and committed.resolve().is_relative_to(LISTS):
        return committed
    known = sorted(str(path.relative_to(LISTS).with_suffix("")) for path in LISTS.rglob(f"*{suffix}"))
    near = [known_name for known_name in known if known_name.startswith(f"{name.partition('/')[0]}/")]
    shown = near or sorted({f"{known_name.partition('/')[0]}/…" for known_name in known})
    raise DataError(f"no file and no committed list '{name}'; committed lists: {', '.join(shown)}")


def _read_yaml(path: Path) -> Any:
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: not a readable YAML file ({reason}); correct it") from error


def _read_folds(path: Path) -> dict[Any, Any]:
    content = _read_yaml(path)
    folds = content.get("folds") if isinstance(content, dict) else None
    if not isinstance(folds, dict):
        raise DataError(f"{path}: a split file holds 'folds': {{number: {{train, validation, test}}}}")
    return folds
