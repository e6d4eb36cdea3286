"""What annotating a case cost, from its journal."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lesslabel.data.case import Effort

IDLE_S = 60.0
"""A pause longer than this is no work on the case."""


def effort_of(events: Sequence[dict[str, Any]]) -> Effort:
    """Sum up a journal: what was taken back cost as much as what stayed.

    Args:
        events: see `lesslabel.annotating.journal`.
    """
    prompts: Counter[str] = Counter()
    clicks = strokes = 0
    seen: set[tuple[int, int]] = set()
    for event in events:
        if event["event"] == "turn":
            turn = event["turn"]
            if turn["type"] in ("paint", "outline"):
                strokes += 1
                prompts[turn.get("tool", turn["type"])] += 1
            else:
                clicks += event["clicks"]
                strokes += event["strokes"]
                named = [turn["what"]] if turn["type"] == "edit" else [prompt["type"] for prompt in turn["prompts"]]
                prompts.update(named)
        seen.update((int(axis), int(index)) for axis, index in event.get("seen", ()))
    active_s = sum(float(event.get("active_s", 0.0)) for event in events)
    return Effort(round(active_s, 1), clicks, strokes, len(seen), tuple(sorted(prompts.items())))
