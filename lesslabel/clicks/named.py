"""Click protocols of models by name: the general clicker, those without training, and bundles."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lesslabel.bundle import load_bundle
from lesslabel.clicks.chosen_data import OtherStore
from lesslabel.clicks.protocol import play_protocol
from lesslabel.clicks.simulator import ClickProtocol, ClickSimulator
from lesslabel.data.loading.intensity import Intensity
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.view import View
from lesslabel.errors import ConfigError
from lesslabel.files import hash_file
from lesslabel.general.corrected_network import CorrectedNetwork
from lesslabel.general.loading import GENERAL, NAMED, WEIGHTS, load_model, origin_of
from lesslabel.interaction.model import InteractiveModel
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
    keep_masks: bool = False,
    skip_damaged: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, Any]:
    """Simulate prompts for every object of a store with a model that is no run; see `run_clicks`.

    Images keep their grid and intensities, but for a bundle, which brings its own preprocessing and classes: its
    segmentation is corrected by the prompts. The first prompt is a click at the centre of the object.

    Args:
        name: one of `NAMED`, or the folder of a bundle.
        protocol: the rules of the clicks.
        out: folder to make.
        store: whose objects are clicked.
        dimensions: 2 for slices, 3 for volumes.
        part: ``train``, ``validation``, ``test`` or ``all``.
        labels: names of the classes; none takes all.
        wrappers: names of `WRAPPERS` around the model.
        predictions: folder of predictions that objects start from, see `run_clicks`.
        keep_masks: whether to write what every object ended with, see `KeptMasks`.
        skip_damaged: skip and list the cases in which `lesslabel verify` finds an error.
        progress: called with the cases that are done and their number.

    Returns:
        What was written to ``summary.json``.

    Raises:
        ConfigError: if there is no such model, it does not take such images, or it needs a library that is missing.
        DataError: see `run_clicks`.
    """
    origin = origin_of(name)
    if origin == "run":
        raise ConfigError(f"--model {name}: no bundle; say {', '.join(NAMED)}, or name a run with --run")
    model, data, described = _of_bundle(name, store) if origin == "bundle" else _of_package(name, store, dimensions)
    facts = {
        **described,
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
        keep_masks=keep_masks,
        skip_damaged=skip_damaged,
        progress=progress,
    )


def _of_package(
    name: str, store: OtherStore, dimensions: int
) -> tuple[InteractiveModel, SegmentationDataModule, dict[str, Any]]:
    data = SegmentationDataModule(
        str(store.path),
        split=store.split,
        fold=store.fold,
        view=View() if store.reference is None else View(reference=store.reference),
        dimensions=dimensions,
        intensity=Intensity(name="none"),
    )
    model: Any = load_model(name, dimensions=dimensions)
    weights = hash_file(WEIGHTS)[:12] if name == GENERAL else "none"
    return model, data, {"method": name, "run": name, "settings": [], "checkpoint": weights}


def _of_bundle(name: str, store: OtherStore) -> tuple[InteractiveModel, SegmentationDataModule, dict[str, Any]]:
    bundle = load_bundle(name)
    data = bundle.data_module(store.path, split=store.split, fold=store.fold, reference=store.reference)
    facts = {
        "method": bundle.manifest.method.name,
        "run": bundle.path.resolve().name,
        "settings": [],
        "checkpoint": bundle.model_sha256[:12],
    }
    return CorrectedNetwork(bundle.build_method()), data, facts
