"""Click protocols of the models that need no run: the general clicker, and those without training."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lesslabel.clicks.chosen_data import OtherStore
from lesslabel.clicks.protocol import play_protocol
from lesslabel.clicks.simulator import ClickProtocol, ClickSimulator
from lesslabel.data.loading.intensity import Intensity
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.view import View
from lesslabel.errors import ConfigError
from lesslabel.files import hash_file
from lesslabel.general.loading import GENERAL, NAMED, WEIGHTS, load_model
from lesslabel.interaction.robots import ErrorCentreRobot
from lesslabel.interaction.wrappers import wrapped


def model_clicks(
    name: str,
    protocol: ClickProtocol,
    out: Path,
    store: OtherStore,
    *,
    dimensions: int = 2,
    part: str = "all",
    labels: Sequence[str] = (),
    wrappers: Sequence[str] = (),
    predictions: Path | None = None,
    skip_damaged: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, Any]:
    """Simulate prompts for every object of a store with a model of `NAMED`; see `run_clicks`.

    Images keep their grid and intensities. The first prompt is a click at the centre of the object.

    Args:
        name: one of `NAMED`.
        protocol: the rules of the clicks.
        out: folder to make.
        store: whose objects are clicked.
        dimensions: 2 for slices, 3 for volumes.
        part: ``train``, ``validation``, ``test`` or ``all``.
        labels: names of the classes; none takes all.
        wrappers: names of `WRAPPERS` around the model.
        predictions: folder of predictions that objects start from, see `run_clicks`.
        skip_damaged: skip and list the cases in which `lesslabel verify` finds an error.
        progress: called with the cases that are done and their number.

    Returns:
        What was written to ``summary.json``.

    Raises:
        ConfigError: if there is no such model, it does not take such images, or it needs a library that is missing.
        DataError: see `run_clicks`.
    """
    if name not in NAMED:
        raise ConfigError(f"--model {name}: say {', '.join(NAMED)}, or name a run with --run")
    model: Any = load_model(name, dimensions=dimensions)
    view = View() if store.reference is None else View(reference=store.reference)
    data = SegmentationDataModule(
        str(store.path),
        split=store.split,
        fold=store.fold,
        view=view,
        dimensions=dimensions,
        intensity=Intensity(name="none"),
    )
    facts = {
        "method": name,
        "run": name,
        "settings": [],
        "checkpoint": hash_file(WEIGHTS)[:12] if name == GENERAL else "none",
        "unseen_store": True,
        "device": "cpu",
        **({"wrappers": list(wrappers)} if wrappers else {}),
    }
    simulator = ClickSimulator(wrapped(model, wrappers), ErrorCentreRobot(), protocol)
    return play_protocol(
        simulator,
        data,
        out,
        facts,
        part=part,
        labels=labels,
        predictions=predictions,
        skip_damaged=skip_damaged,
        progress=progress,
    )
