"""The result of a check of a store: a problem, its cause and its fix."""

from dataclasses import dataclass
from typing import Literal

PREPARE_AGAIN = "prepare the store again"


@dataclass(frozen=True)
class Finding:
    """A problem, or something suspicious, in a store.

    Attributes:
        case: uid of the case, or the file, patient or split it is about.
        problem: what was found.
        severity: an error makes results wrong or training fail; a warning may be intended.
        cause: the usual cause.
        fix: what to do.
    """

    case: str
    problem: str
    severity: Literal["error", "warning"]
    cause: str
    fix: str

    @classmethod
    def error(cls, case: str, problem: str, cause: str, fix: str) -> "Finding":
        """Something that makes results wrong or training fail."""
        return cls(case, problem, "error", cause, fix)

    @classmethod
    def warning(cls, case: str, problem: str, cause: str, fix: str) -> "Finding":
        """Something that may be intended."""
        return cls(case, problem, "warning", cause, fix)
