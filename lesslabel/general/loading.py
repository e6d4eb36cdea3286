"""Models by name: the general clicker of the package, those without training, bundles and runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray

from lesslabel.bundle import load_bundle
from lesslabel.bundle.contents import MANIFEST
from lesslabel.errors import ConfigError, RunError
from lesslabel.files import hash_file, read_json
from lesslabel.interaction.classical import CLASSICAL
from lesslabel.interaction.model import ImageModel, prepare_image
from lesslabel.interaction.robots import ErrorCentreRobot, Robot
from lesslabel.interaction.seeded import SeededModel
from lesslabel.interaction.training_free import TrainingFree
from lesslabel.interaction.wrapper import Wrapper
from lesslabel.methods import SegmentationMethod
from lesslabel.methods.interactive.general_clicker import GeneralClicker, in_colours
from lesslabel.runs.reopening import load_model as load_model_of_run
from lesslabel.runs.weights import load_weights

Named = Literal["general", "training-free"]
GENERAL, TRAINING_FREE = "general", "training-free"
NAMED = (GENERAL, TRAINING_FREE, *CLASSICAL)
Origin = Literal["general", "training-free", "classical", "bundle", "run"]
WEIGHTS = Path(__file__).parent / "weights" / "general.safetensors"
"""The weights that come with the package; a JSON file beside them has their hash and how they were made."""


class AnyChannels(Wrapper):
    """The general clicker for images of one to three channels.

    Args:
        model: the method, for colours.
    """

    first_robot: Robot = ErrorCentreRobot()
    in_channels = None

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> ImageModel:
        """Compute what depends only on an image; see `InteractiveModel.prepare_image`.

        Raises:
            DataError: if it has more than three channels.
        """
        return prepare_image(
            self.model, in_colours(torch.from_numpy(np.ascontiguousarray(image))[None])[0].numpy(), spacing_mm
        )


def origin_of(name: str | Path) -> Origin:
    """What a name of a model means, wherever one is given.

    A folder with a ``bundle.json`` is a bundle; any other name is that of a run, which is there or not.

    Args:
        name: one of `NAMED`, or the folder of a bundle or run.
    """
    if str(name) == GENERAL:
        return "general"
    if str(name) == TRAINING_FREE:
        return "training-free"
    if str(name) in CLASSICAL:
        return "classical"
    return "bundle" if (Path(name) / MANIFEST).is_file() else "run"


@overload
def load_model(run: Literal["general"], *, dimensions: int = 2) -> AnyChannels: ...
@overload
def load_model(run: Literal["training-free"], *, dimensions: int = 2) -> TrainingFree: ...
@overload
def load_model(
    run: str | Path, *, dimensions: int = 2
) -> SegmentationMethod | AnyChannels | TrainingFree | SeededModel: ...
def load_model(
    run: str | Path, *, dimensions: int = 2
) -> SegmentationMethod | AnyChannels | TrainingFree | SeededModel:
    """Load a model: that of a finished run or of a bundle, or one of those that need no run of yours.

    ``general`` is the general clicker, with the weights that come with the package; ``training-free`` has none, nor
    have the classical ones, which are there to compare with: ``grabcut``, ``graph-cut`` and ``random-walker``
    (`lesslabel.interaction.classical`). All of them are for an `InteractiveSession`. Of a run it is the method with its
    best or else its last weights, of a bundle the method with the weights of the bundle; the data of the training are
    not needed.

    Args:
        run: one of `NAMED`, or the folder of a run or bundle.
        dimensions: 2 for slices, 3 for volumes; ``general`` and ``grabcut`` are for slices. Of a run it is its own.

    Raises:
        ConfigError: if ``general`` or ``grabcut`` is asked for volumes, or OpenCV is missing for ``grabcut``.
        RunError: if there is no finished run, or the weights of the package are damaged.
        DataError: if the bundle is damaged.
    """
    origin = origin_of(run)
    if origin == TRAINING_FREE:
        return TrainingFree(dimensions=dimensions)
    if origin == "classical":
        return CLASSICAL[str(run)](dimensions=dimensions)
    if origin == GENERAL:
        if dimensions != 2:
            raise ConfigError(f"dimensions: {dimensions}; the general clicker takes slices, training-free volumes too")
        return load_general()
    return load_bundle(run).build_method() if origin == "bundle" else load_model_of_run(run)


def load_general(weights: Path = WEIGHTS, *, settings: dict[str, Any] | None = None) -> AnyChannels:
    """Load a general clicker from weights, without running code of theirs.

    Args:
        weights: safetensors file; a JSON file of the same name beside it, if any, must have its sha256.
        settings: of `GeneralClicker`, other than its defaults.

    Raises:
        RunError: if the file is absent or damaged, or has another hash than its JSON file says.
    """
    card = weights.with_suffix(".json")
    if card.is_file():
        wanted = read_json(card, "the card of the weights")["sha256"]
        if not weights.is_file() or hash_file(weights) != wanted:
            raise RunError(f"{weights}: not the weights of {card.name} (sha256 {wanted}); install the package again")
    with torch.random.fork_rng(devices=[]):
        method = GeneralClicker(in_channels=None, **(settings or {}))
    load_weights(method, weights)
    method.eval()
    return AnyChannels(method)
