"""A method that segments what it is pointed at by its grey value, so that clicks can be counted by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from lesslabel.cli import main
from lesslabel.data.batch import Batch
from lesslabel.interaction.model import History, Segmentation
from lesslabel.interaction.prompts import rasterise
from lesslabel.interaction.robots import InteriorMarginRobot
from lesslabel.methods import SegmentationMethod
from lesslabel.networks import Network, UNet


class GreyValue(SegmentationMethod):
    """Every voxel goes to the nearest voxel that was said, in grey value; its network has one weight."""

    def __init__(self, in_channels: int = 1, network: Network = UNet()) -> None:
        super().__init__(2, in_channels=in_channels, network=network)
        self.network = (nn.Conv2d if network.dimensions == 2 else nn.Conv3d)(in_channels, 2, 1)
        self.first_robot = InteriorMarginRobot(extra=0, jitter_voxel=0.0)

    @property
    def dimensions(self) -> int:
        return self.shape.dimensions

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        return {"none": self.network(batch["image"]).square().mean()}

    def require_data(self, class_names: Sequence[str], in_channels: int, dimensions: int) -> None:
        super().require_data(class_names[:2], in_channels, dimensions)

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> "GreyValueImage":
        assert len(spacing_mm) == self.dimensions
        return GreyValueImage(image)


class GreyValueImage:
    def __init__(self, image: NDArray[np.float32]) -> None:
        self.image = image

    def begin(self) -> "GreyValueImage":
        return self

    def answer(self, history: History) -> Segmentation:
        seeds = rasterise(history.prompts, self.image.shape[1:])
        known = seeds.foreground if history.start is None else seeds.foreground | history.start
        inside = self._nearest(known)
        outside = self._nearest(seeds.background) if seeds.background.any() else np.full_like(inside, 0.2)
        return Segmentation.of_mask((inside < outside) & ~seeds.background | seeds.foreground)

    def _nearest(self, seeds: NDArray[np.bool_]) -> NDArray[np.float32]:
        distance: NDArray[np.float32] = np.abs(self.image[0][..., None] - self.image[0][seeds]).min(axis=-1)
        return distance


def fit_grey_value(store: Path, run: Path, dimensions: int = 2) -> Path:
    """A finished run of the method on phantom hearts."""
    content: dict[str, Any] = {
        "model": {
            "class_path": "clicking.GreyValue",
            "init_args": {"network": {"dimensions": dimensions}},
        },
        "data": {
            "class_path": "lesslabel.data.PhantomDataModule",
            "init_args": {"store": str(store), "dimensions": dimensions, "batch_size": 1, "steps_per_epoch": 1},
        },
        "trainer": {"accelerator": "cpu", "max_steps": 1, "log_every_n_steps": 1, "limit_val_batches": 0},
    }
    path = run.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(content))
    torch.manual_seed(0)
    assert main(["fit", "--config", str(path), "--run", str(run)]) == 0
    return run
