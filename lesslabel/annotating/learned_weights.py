"""Weights that were learned between two cases: kept under their hash, so that a journal can name them for good."""

import fcntl
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from lesslabel.errors import DataError, RunError
from lesslabel.files import hash_file, read_json, remove, write_json, written_aside

NEWEST = "newest.json"
_HASH = re.compile(r"[0-9a-f]{64}")


class LearnedWeights:
    """The folder of the weights of one annotation: a safetensors file for each, and which is the newest.

    A file is written aside and renamed, and then named as the newest, so that a kill leaves the old ones as they were.

    Args:
        work: the folder of what is in work, see `lesslabel.annotating.task.work_folder`.
    """

    def __init__(self, work: Path) -> None:
        self._folder = work / "weights"

    def path_of(self, digest: object) -> Path | None:
        """The file of weights with that sha256; None if they are not here.

        Raises:
            RunError: if the file has another content, or cannot be read.
        """
        if not isinstance(digest, str) or not _HASH.fullmatch(digest):
            return None
        path = self._folder / f"{digest}.safetensors"
        if path.is_symlink() or not path.is_file():
            return None
        try:
            found = hash_file(path)
        except OSError as error:
            raise RunError(f"{path}: cannot be read ({error.strerror}); give it the rights, or remove it") from error
        if found != digest:
            raise RunError(f"{path}: changed since it was written; remove it")
        return path

    def newest(self) -> str | None:
        """The sha256 of the weights that were learned last; None if nothing was learned.

        Raises:
            DataError: if the note of it is damaged.
        """
        note = self._note()
        return None if note is None else str(note["sha256"])

    def cases(self) -> int:
        """The number of cases that the newest weights were learned from; 0 if nothing was learned.

        Raises:
            DataError: if the note of it is damaged.
        """
        cases = (self._note() or {}).get("cases")
        return cases if isinstance(cases, int) else 0

    def _note(self) -> Mapping[str, Any] | None:
        path = self._folder / NEWEST
        if not path.exists():
            return None
        content = read_json(path, "which weights are the newest")
        digest = content.get("sha256") if isinstance(content, dict) else None
        if not isinstance(digest, str) or not _HASH.fullmatch(digest):
            raise DataError(f"{path}: names no weights; remove it")
        return dict(content)

    def keep(self, state: Mapping[str, Any], note: Mapping[str, Any]) -> str:
        """Keep weights in half precision, as those of the package, and name them as the newest.

        Args:
            state: of the network.
            note: how they came about.

        Returns:
            Their sha256.

        Raises:
            RunError: if a weight is not finite.
            DataError: if they cannot be written.
        """
        import safetensors.torch

        half = {}
        for name, value in state.items():
            if value.is_floating_point():
                value = value.half()
                if not value.isfinite().all():
                    raise RunError(f"{name}: not finite after learning; learn with fewer steps")
            half[name] = value.cpu().contiguous()
        content = safetensors.torch.save(half)
        digest = sha256(content).hexdigest()
        with written_aside(self._folder / f"{digest}.safetensors") as aside:
            aside.write_bytes(content)
        write_json(self._folder / NEWEST, {"sha256": digest, **note})
        return digest

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process learn at a time; what a killed one left half-written goes.

        Raises:
            DataError: if the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = (self._folder / "learning.lock").open("a")
        except OSError as error:
            raise DataError(f"{self._folder}: cannot be written ({error.strerror}); give it the rights") from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in self._folder.glob(".*.part"):
                remove(left)
            yield
