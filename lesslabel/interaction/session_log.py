"""The log of a session as JSON, from which it can be repeated; it holds no intensities, names or paths."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lesslabel.errors import DataError
from lesslabel.files import read_json, write_json
from lesslabel.interaction.prompts import Prompt, prompt_from_json
from lesslabel.interaction.session_start import StartMask, require_fields, require_plain, require_seconds

_VERSION = 3
_READ = (1, 2, 3)
"""Version 1 had no start masks, version 2 no chosen answers; a log without them is written as version 2."""


@dataclass(frozen=True)
class Turn:
    """The prompts given for one object at one time.

    Attributes:
        object: its name, such as "1" or "left kidney"; the log holds it, so do not use names of patients.
        prompts: at least one, in the order in which they were given.
        seconds: time since the image was set; None if unknown. Comparisons ignore it.
        choice: name of the answer that was chosen; None for the answer of the model.

    Raises:
        DataError: if a value is invalid.
    """

    object: str
    prompts: tuple[Prompt, ...]
    seconds: float | None = field(default=None, compare=False)
    choice: str | None = None

    def __post_init__(self) -> None:
        require_plain("object", self.object)
        if not self.prompts:
            raise DataError(f"object {self.object!r}: no prompts; give at least one")
        for prompt in self.prompts:
            if not isinstance(prompt, Prompt):
                raise DataError(
                    f"object {self.object!r}: {type(prompt).__name__} is no prompt; give one, such as Click"
                )
        require_seconds(self.object, self.seconds)
        if self.choice is not None:
            require_plain("choice", self.choice)

    def to_json(self) -> dict[str, Any]:
        """Write the turn as a JSON object."""
        prompts = [prompt.to_json() for prompt in self.prompts]
        chosen = {} if self.choice is None else {"choice": self.choice}
        return {"object": self.object, "prompts": prompts, "seconds": self.seconds, **chosen}

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Read what `to_json` wrote.

        Raises:
            DataError: if it is something else.
        """
        chosen = isinstance(content, dict) and "choice" in content
        require_fields("turn", content, {"object", "prompts", "seconds", *(("choice",) if chosen else ())})
        if not isinstance(content["prompts"], list):
            raise DataError(f"prompts: {type(content['prompts']).__name__}; give a list")
        prompts = tuple(map(prompt_from_json, content["prompts"]))
        return cls(content["object"], prompts, content["seconds"], content.get("choice"))


@dataclass(frozen=True)
class SessionLog:
    """The turns of a session that were not undone; `session.replay` repeats them.

    Attributes:
        model: description of the model, such as its name and the sha256 of its weights; no paths.
        image_sha256: `SessionImage.sha256` of the image.
        turns: the turns and start masks, in order.

    Raises:
        DataError: if the description of the model or the hash is invalid, or could be a path.
    """

    model: Mapping[str, str]
    image_sha256: str
    turns: tuple[Turn | StartMask, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.model, Mapping):
            raise DataError(
                f"model: {type(self.model).__name__}; give names and values, such as 'sha256' of the weights"
            )
        for name, value in self.model.items():
            require_plain("model: a name", name)
            require_plain(f"model: {name}", value)
        require_plain("image_sha256", self.image_sha256)

    def to_json(self) -> dict[str, Any]:
        """Write the log as a JSON object."""
        return {
            "type": "session",
            "version": _VERSION if any(isinstance(turn, Turn) and turn.choice for turn in self.turns) else 2,
            "model": dict(self.model),
            "image_sha256": self.image_sha256,
            "turns": [turn.to_json() for turn in self.turns],
        }

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Read what `to_json` wrote.

        Raises:
            DataError: if it is something else or of another version; names the turn.
        """
        if not isinstance(content, dict) or content.get("type") != "session":
            raise DataError("no log of a session; give what SessionLog.write wrote")
        version = content.get("version")
        if version not in _READ or isinstance(version, bool):
            raise DataError(f"a session log of version {version!r}; this program reads versions 1 to {_VERSION}")
        require_fields("session log", content, {"type", "version", "model", "image_sha256", "turns"})
        if not isinstance(content["turns"], list):
            raise DataError(f"turns: {type(content['turns']).__name__}; give a list")
        turns: list[Turn | StartMask] = []
        for number, turn in enumerate(content["turns"], start=1):
            try:
                begins = isinstance(turn, dict) and "start" in turn
                turns.append(StartMask.from_json(turn) if begins else Turn.from_json(turn))
            except DataError as error:
                raise DataError(f"turn {number}: {error}") from error
        return cls(content["model"], content["image_sha256"], tuple(turns))

    def write(self, path: Path) -> None:
        """Write a JSON file atomically.

        Raises:
            DataError: if it cannot be written.
        """
        write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            DataError: if the file is absent, damaged, or not a log of a known version.
        """
        content = read_json(path, "a session log")
        try:
            return cls.from_json(content)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
