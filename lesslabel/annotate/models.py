"""Which model answers in the page."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lesslabel.annotate import training_free
from lesslabel.annotate.training_free import GeodesicCut
from lesslabel.data.store import Store
from lesslabel.errors import ConfigError
from lesslabel.interaction.model import InteractiveModel

TRAINING_FREE = "training-free"


@dataclass(frozen=True)
class PageModel:
    """A model, and what a page needs to know of it.

    Attributes:
        model: what segments.
        prompts: names of the kinds of prompt that it takes.
        first: name of the kind that it needs first; empty if any will do.
        described: what it is, in words, for the journal: no path.
    """

    model: InteractiveModel
    prompts: tuple[str, ...]
    first: str = ""
    described: Mapping[str, str] = field(default_factory=dict)


def open_model(name: str, store: Store) -> PageModel:
    """Open what ``--model`` names.

    Args:
        name: ``training-free``.
        store: whose images it will see.

    Raises:
        ConfigError: if there is no such model.
    """
    if name == TRAINING_FREE:
        model = GeodesicCut(in_channels=len(store.channels))
        return PageModel(model, training_free.PROMPTS, described={"name": "GeodesicCut"})
    raise ConfigError(f"--model {name}: say {TRAINING_FREE}")
