"""Which model answers in the page: one of the package, or that of a bundle or a finished run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.annotating.on_grid import ImageOnGrid, resized
from lesslabel.annotating.turns import Plane
from lesslabel.data.case import Case
from lesslabel.data.loading.case_loader import Grid
from lesslabel.data.loading.intensity import Intensity, normalise
from lesslabel.data.loading.resize import target_shape
from lesslabel.data.store import Store
from lesslabel.data.view import select_channels
from lesslabel.errors import ConfigError
from lesslabel.files import hash_file
from lesslabel.interaction.model import ImageModel, InteractiveModel, kinds_of, prepare_image
from lesslabel.interaction.prompts import PROMPTS
from lesslabel.interaction.prompts.seeds import Shape
from lesslabel.interaction.training_free import TrainingFree

_MOST_COLOURS = 3


@dataclass(frozen=True)
class PageModel:
    """A model, what it was trained on, and what a page needs to know of it.

    Attributes:
        model: what segments.
        first: name of the kind of points that it was trained to be given first; empty if any prompt will do.
        described: what it is, in words, for the journal: no path.
        channels: of the case, those that it sees; None for all.
        intensity: how they are normalised; None for not.
        grid: on which it sees them.
        classes: the model's class of a label code of the store, for those that it was trained on; empty for models of
            any object.
    """

    model: InteractiveModel
    first: str = ""
    described: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[int, ...] | None = None
    intensity: Intensity | None = None
    grid: Grid = Grid()
    classes: Mapping[int, int] = field(default_factory=dict)

    @property
    def prompts(self) -> tuple[str, ...]:
        """The kinds of prompts that the model uses; the page offers tools for these."""
        return kinds_of(self.model)

    def image_of(self, case: Case) -> NDArray[np.float32]:
        """The intensities (C, z, y, x) of a case as the model knows them, on the case's own grid."""
        image = case.image if self.channels is None else case.image[list(self.channels)]
        return image if self.intensity is None else normalise(image, self.intensity)

    def prepare_image(
        self, image: NDArray[np.float32], spacing_mm: tuple[float, ...], plane: Plane | None
    ) -> ImageModel:
        """Look at a slice (C, y, x) of a case, or at the whole of it.

        Args:
            image: part of what `image_of` gave.
            spacing_mm: of the part.
            plane: which slice; None for the volume.
        """
        native = image.shape[1:]
        grid = self._shape_on_grid(native, spacing_mm, plane)
        if grid == native:
            return prepare_image(self.model, image, spacing_mm)
        seen = np.stack([resized(channel, grid, self.grid.interpolation) for channel in image])
        spacing = tuple(side * old / new for side, old, new in zip(spacing_mm, native, grid, strict=True))
        return ImageOnGrid(prepare_image(self.model, seen, spacing), native, grid)

    def _shape_on_grid(self, native: Shape, spacing_mm: tuple[float, ...], plane: Plane | None) -> Shape:
        """The grid's size is that of slices across the first axis; its spacing counts along all axes."""
        if plane is None:
            depth, height, width = native
            z_mm, y_mm, x_mm = spacing_mm
            return target_shape((depth, height, width), (z_mm, y_mm, x_mm), self.grid.size_voxel, self.grid.spacing_mm)
        if self.grid.size_voxel is not None:
            return self.grid.size_voxel if plane.axis == 0 else native
        if self.grid.spacing_mm is None:
            return native
        wanted = [side for axis, side in enumerate(self.grid.spacing_mm) if axis != plane.axis]
        return tuple(max(1, round(n * old / new)) for n, old, new in zip(native, spacing_mm, wanted, strict=True))


def open_model(name: str, store: Store) -> PageModel:
    """Open what ``--model`` names, see `lesslabel.load_model`.

    A method that takes no prompts segments by itself, and is corrected by them (`CorrectedNetwork`).

    Args:
        name: ``general``, ``training-free``, or the folder of a bundle or a finished run.
        store: whose images it will see.

    Raises:
        ConfigError: if there is no such model, or it takes other channels.
        RunError: if the run cannot be used.
        DataError: if the bundle is damaged.
    """
    from lesslabel.general.loading import origin_of  # PyTorch is slow to import

    origin = origin_of(name)
    if origin == "training-free":
        return PageModel(TrainingFree(), described={"name": origin})
    if origin == "general":
        return general_model(store)
    if origin == "bundle":
        return _of_bundle(Path(name), store)
    if origin == "classical":
        raise ConfigError(f"--model {name}: is there to compare with in lesslabel clicks; draw with training-free")
    if not Path(name).is_dir():
        raise ConfigError(
            f"--model {name}: no such run; name the folder of a run or bundle, or say general or training-free"
        )
    return _of_run(Path(name), store)


def general_model(store: Store, weights: Path | None = None) -> PageModel:
    """The general clicker for the images of a store.

    Args:
        store: whose images it will see.
        weights: safetensors file; None takes those of the package.

    Raises:
        RunError: if the file cannot be used.
    """
    from lesslabel.general.loading import GENERAL, WEIGHTS, load_general

    many = len(store.channels) > _MOST_COLOURS
    weights = weights or WEIGHTS
    return PageModel(
        load_general(weights),
        described={"name": GENERAL, "weights": hash_file(weights)},
        channels=tuple(range(_MOST_COLOURS)) if many else None,
    )


def _of_bundle(path: Path, store: Store) -> PageModel:
    from lesslabel.bundle import load_bundle
    from lesslabel.general.corrected_network import CorrectedNetwork

    bundle = load_bundle(path)
    preprocessing = bundle.manifest.preprocessing
    return PageModel(
        CorrectedNetwork(bundle.build_method()),
        described={"name": bundle.manifest.method.name, "bundle": path.resolve().name, "weights": bundle.model_sha256},
        channels=tuple(bundle.channels_in(store)),
        intensity=preprocessing.intensity,
        grid=Grid(preprocessing.size_voxel, preprocessing.spacing_mm, preprocessing.interpolation),
        classes=_classes([(entry.name, *entry.labels) for entry in bundle.manifest.classes], store),
    )


def _classes(names: Sequence[Sequence[str]], store: Store) -> dict[int, int]:
    """The class, from 1, of each label code of a store.

    Args:
        names: of each class without background: its own, and those of the labels that it consists of.
        store: a label whose name none of them has is in no class.
    """
    index = {name: number for number, known in reversed(list(enumerate(names, start=1))) for name in known}
    return {code: index[name] for code, name in store.labels.items() if name in index}


def _of_run(path: Path, store: Store) -> PageModel:
    from lesslabel.general.corrected_network import CorrectedNetwork, as_interactive
    from lesslabel.runs.folder import read_data
    from lesslabel.runs.reopening import parse_again

    run = parse_again(path)
    run.load_weights()
    method, data = run.parsed.model, run.parsed.datamodule
    if data.intensity.match is not None:
        raise ConfigError(f"--model {path}: its histograms are matched, which the page does not do; name another run")
    channels = None if len(store.channels) == method.in_channels else select_channels(data.view, store.channels)
    if channels is not None and len(channels) != method.in_channels:
        raise ConfigError(f"--model {path}: takes {method.in_channels} channels, the store has {len(store.channels)}")
    model = as_interactive(method)
    names = (read_data(run.folder).get("label_names") or []) if isinstance(model, CorrectedNetwork) else []
    first = getattr(getattr(model, "first_robot", None), "name", "")
    return PageModel(
        model=model,
        first=first if first in PROMPTS and first.endswith("-points") else "",
        described={"name": type(method).__name__, "run": path.resolve().name, "weights": hash_file(run.checkpoint)},
        channels=None if channels is None else tuple(channels),
        intensity=data.intensity,
        grid=data.grid,
        classes=_classes([(name,) for name in names[1:]], store),
    )
