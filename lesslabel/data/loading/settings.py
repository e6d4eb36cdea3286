"""Check the ranges of the settings of a data module."""

from typing import TYPE_CHECKING

from lesslabel.errors import ConfigError

if TYPE_CHECKING:
    from lesslabel.data.loading.module import SegmentationDataModule


def check_settings(data: "SegmentationDataModule") -> None:
    """Check the settings that can be checked without the store.

    Raises:
        ConfigError: names the setting and its value.
    """
    if data.dimensions not in (2, 3):
        raise ConfigError(f"data.dimensions must be 2 or 3, got {data.dimensions}")
    if data.patch_voxel is not None and len(data.patch_voxel) != data.dimensions:
        raise ConfigError(f"data.patch_voxel needs {data.dimensions} sides, got {list(data.patch_voxel)}")
    for name, value in (
        ("batch_size + unlabelled_batch_size", data.batch_size + data.unlabelled_batch_size),
        ("steps_per_epoch", data.steps_per_epoch),
        ("patch_voxel", min(data.patch_voxel or (1,))),
        ("size_voxel", min(data.grid.size_voxel or (1,))),
    ):
        if value < 1:
            raise ConfigError(f"data.{name} must be at least 1, got {value}")
    for name, value in (
        ("batch_size", data.batch_size),
        ("unlabelled_batch_size", data.unlabelled_batch_size),
        ("workers", data.workers),
        ("cache_gib", data.cache_bytes),
        ("seed", data.seed),
    ):
        if value < 0:
            raise ConfigError(f"data.{name} must not be negative, got {value}")
    if data.grid.spacing_mm is not None and min(data.grid.spacing_mm) <= 0.0:
        raise ConfigError(f"data.spacing_mm must be positive, got {list(data.grid.spacing_mm)}")
