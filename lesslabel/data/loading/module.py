"""The data module that all data sets share."""

from math import prod
from pathlib import Path
from typing import Any, ClassVar

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from lesslabel.data.batch import Batch, EvaluationBatch, collate, one_case
from lesslabel.data.loading.annotator import Annotator
from lesslabel.data.loading.augment import Augmentation
from lesslabel.data.loading.case_loader import CaseLoader, Grid
from lesslabel.data.loading.datasets import EvaluationSet, TrainingSet
from lesslabel.data.loading.derived import MapDerivation, derivation_of
from lesslabel.data.loading.description import describe_overlays, describe_parts, describe_view, name_annotations
from lesslabel.data.loading.intensity import Intensity
from lesslabel.data.loading.pools import divide_labelled
from lesslabel.data.loading.residence import device_of, require_room
from lesslabel.data.loading.resize import Interpolation
from lesslabel.data.loading.sampling import StepSampler, Streams
from lesslabel.data.loading.settings import check_settings
from lesslabel.data.patient_lists import PARTS
from lesslabel.data.splits import Partition, keep_centres, partition
from lesslabel.data.store import CaseRecord, Store
from lesslabel.data.store.overlaid_store import OverlaidStore
from lesslabel.data.supervision import assign_supervision
from lesslabel.data.view import LabelMapping, View, VisibleAnnotation, map_labels, require_reference, select_channels
from lesslabel.errors import ConfigError

_GIB = 1024**3
_IMAGE_BYTES = 4


class SegmentationDataModule(pl.LightningDataModule):
    """Training batches and evaluation cases from a prepared store.

    Args:
        store: folder made by `lesslabel prepare`.
        split: committed list, YAML file, ``groups``, ``all``, ``random`` or ``random_by_centre``; see
            `lesslabel.data.splits.partition`.
        fold: fold of the split.
        allow_missing: drop patients of the split that the store does not have; the tables of the run report it.
        centres: use only the cases of these centres; the split is that of the whole store. None uses all.
        test_centres: the same for the test part; None uses `centres`.
        view: the annotations, labels and channels that the experiment may use.
        dimensions: 2 trains on slices, 3 on volumes.
        size_voxel: (height, width) that every slice is resized to.
        spacing_mm: (z, y, x) that volumes are resampled to, where no size is given.
        patch_voxel: random crop for training, (h, w) or (d, h, w) on the network's grid.
        interpolation: of the image when resized.
        intensity: normalisation of the image.
        augmentation: random augmentation of training samples.
        batch_size: labelled samples per batch and process; 0 for only unlabelled samples.
        unlabelled_batch_size: unlabelled samples per batch and process.
        steps_per_epoch: batches in an epoch; validation and checkpoints happen once an epoch.
        workers: loader processes; 0 loads in the training process.
        cache_gib: memory for cached training cases, in each worker. If they need more, patches and slices on the native
            grid are read without their case; other cases are read again after they were dropped.
        resident: keep all training cases on the training device and make the samples there, in the training process,
            whatever `workers` and `cache_gib` are; not for interactive methods. The samples are the same.
        seed: random seed of sampling, cropping and augmentation; the command line sets it to the seed of the run.
    """

    source: ClassVar[str | None] = None
    """Source that the store must come from; None allows any."""

    def __init__(
        self,
        store: str,
        split: str = "random",
        fold: int = 0,
        allow_missing: bool = False,
        centres: list[str] | None = None,
        test_centres: list[str] | None = None,
        view: View = View(),
        dimensions: int = 2,
        size_voxel: tuple[int, int] | None = None,
        spacing_mm: tuple[float, float, float] | None = None,
        patch_voxel: list[int] | None = None,
        interpolation: Interpolation = "linear",
        intensity: Intensity = Intensity(),
        augmentation: Augmentation = Augmentation(),
        batch_size: int = 8,
        unlabelled_batch_size: int = 0,
        steps_per_epoch: int = 100,
        workers: int = 0,
        cache_gib: float = 4.0,
        resident: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.store_path = Path(store)
        self.split, self.fold, self.allow_missing = split, fold, allow_missing
        self.centres = {} if centres is None else dict.fromkeys(PARTS, centres)
        if test_centres is not None:
            self.centres["test"] = test_centres
        self.view = view
        self.dimensions = dimensions
        self.patch_voxel = None if patch_voxel is None else tuple(patch_voxel)
        self.grid = Grid(size_voxel, spacing_mm, interpolation)
        self.intensity = intensity
        self.augmentation = augmentation
        self.batch_size, self.unlabelled_batch_size = batch_size, unlabelled_batch_size
        self.steps_per_epoch = steps_per_epoch
        self.workers = workers
        self.cache_bytes = int(cache_gib * _GIB)
        self.resident = resident
        self.seed = seed
        check_settings(self)
        self._store: Store | None = None
        self._training_store: OverlaidStore | None = None

    @property
    def store(self) -> Store:
        """The store, opened when first needed.

        Raises:
            ConfigError: if it was prepared from another source than that of this module.
        """
        if self._store is None:
            store = Store(self.store_path)
            if self.source is not None and store.source != self.source:
                raise ConfigError(
                    f"{self.store_path}: prepared from '{store.source}', {type(self).__name__} is for '{self.source}'; "
                    "use SegmentationDataModule or the right store"
                )
            self._store = store
        return self._store

    @property
    def training_store(self) -> OverlaidStore:
        """The store with the annotation folders of the view; only training uses them.

        Raises:
            DataError: if a folder does not fit the store.
        """
        if self._training_store is None:
            self._training_store = OverlaidStore(self.store.path, self.view.overlays)
        return self._training_store

    @property
    def mapping(self) -> LabelMapping:
        """Class names and codes, background first."""
        return map_labels(self.view, self.store.labels)

    @property
    def in_channels(self) -> int:
        """Number of input channels of the network."""
        return len(select_channels(self.view, self.store.channels))

    def divide(self) -> Partition:
        """The cases of the store by part, without those of excluded centres."""
        records = list(self.store.records.values())
        divided = partition(records, self.split, fold=self.fold, allow_missing=self.allow_missing)
        return keep_centres(divided, records, self.centres)

    def records(self, part: str) -> list[CaseRecord]:
        """Rows of the table of cases for one part, or for ``"all"``."""
        if part == "all":
            return list(self.store.records.values())
        return [self.store.records[uid] for uid in self.divide().cases[part]]

    def shown(self) -> dict[str, tuple[VisibleAnnotation, ...]]:
        """Supervising annotations by uid, best first, with their slices, for the labelled training cases."""
        store = self.training_store
        records = [store.records[uid] for uid in self.divide().cases["train"]]
        return assign_supervision(self.view, records, store.covered_slices)

    def supervision(self) -> dict[str, str]:
        """Supervising annotation by uid, for the labelled training cases; several names are joined by " + "."""
        return {uid: name_annotations(entries) for uid, entries in self.shown().items()}

    def loader(self, store: Store | None = None) -> CaseLoader:
        """Build the loader that reads a case of this or another store and resamples it to the network's grid."""
        return CaseLoader(store or self.store, self.view, self.mapping, self.grid, self.intensity)

    def describe(self) -> dict[str, Any]:
        """The content of `data.json` in the run folder; see docs/formats.md.

        Raises:
            LesslabelError: if the store does not have what the split and the view require.
        """
        divided = self.divide()
        select_channels(self.view, self.store.channels)
        require_reference(self.view, self.records("validation"), "validation")
        shown = self.shown()
        described: dict[str, Any] = {
            "source": self.store.source,
            "data_hash": self.store.data_hash,
            "label_names": list(self.mapping.names),
            "split": self.split,
            "fold": self.fold,
            "parts": {part: list(uids) for part, uids in divided.cases.items()},
            "patients": {uid: record.patient for uid, record in self.store.records.items()},
            "missing_patients": list(divided.missing_patients),
            "labelled": {uid: name_annotations(entries) for uid, entries in shown.items()},
            "view": describe_view(self.view),
            "unit": "mm",
        }
        described |= describe_parts(shown)
        if self.view.overlays:
            described["overlays"] = describe_overlays(self.training_store.overlays)
        return described

    def streams(self) -> Streams:
        """The pools of labelled and unlabelled slices or volumes.

        Raises:
            ConfigError: if a pool that the batch samples from is empty.
        """
        labelled, unlabelled = divide_labelled(self.records("train"), self.shown(), self.grid, self.dimensions)
        for pool, count, setting, kind in (
            (labelled, self.batch_size, "batch_size", "labelled"),
            (unlabelled, self.unlabelled_batch_size, "unlabelled_batch_size", "unlabelled"),
        ):
            if count and not pool:
                raise ConfigError(f"data.{setting} is {count}, but the view leaves no {kind} training case")
        return Streams(labelled, unlabelled, self.batch_size, self.unlabelled_batch_size)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Training batches in epochs of `steps_per_epoch` batches."""
        annotator, streams = self._annotator(), self.streams()
        size_bytes = self._size_of(streams)
        if self.resident:
            require_room(device_of(self.trainer), size_bytes, interactive=annotator is not None)
        training = TrainingSet(
            self.loader(self.training_store),
            self.shown(),
            self.patch_voxel,
            self.augmentation,
            self.seed,
            self.cache_bytes,
            self._map_derivation(),
            annotator,
            in_parts=size_bytes > self.cache_bytes,
            device=device_of(self.trainer) if self.resident else None,
        )
        sampler = StepSampler(streams, self.seed, self.steps_per_epoch, self._batches_seen, self._rank(), self._world())
        return DataLoader(
            training,
            batch_sampler=sampler,
            collate_fn=collate,
            num_workers=0 if self.resident else self.workers,
            persistent_workers=self.workers > 0 and not self.resident,
            pin_memory=device_of(self.trainer).type == "cuda" and not self.resident,
        )

    def val_dataloader(self) -> DataLoader[EvaluationBatch]:
        """The validation part, one case at a time."""
        return self.evaluation_loader(self.divide().cases["validation"])

    def test_dataloader(self) -> DataLoader[EvaluationBatch]:
        """The test part, one case at a time."""
        return self.evaluation_loader(self.divide().cases["test"])

    def evaluation_loader(self, uids: tuple[str, ...], *, with_reference: bool = True) -> DataLoader[EvaluationBatch]:
        """Whole cases in a fixed order; of n processes each takes every n-th case."""
        # a process without a case would block the others at synchronisation, so it repeats one
        mine = uids[self._rank() :: self._world()] or uids[:1]
        cases = EvaluationSet(self.loader(), mine, self.view.reference if with_reference else None)
        return DataLoader(
            cases,
            batch_size=None,
            num_workers=min(self.workers, 1),
            collate_fn=one_case,  # type: ignore[arg-type]  # without a batch size it takes one sample
            pin_memory=False,  # pinning would turn tuples into lists
        )

    def size_of_training_cases(self) -> int:
        """Bytes of the images and labels of the cases that batches sample, on the network's grid."""
        return self._size_of(self.streams())

    def _size_of(self, streams: Streams) -> int:
        voxels = sum(prod(self.grid.shape_of(self.store.records[uid])) for uid in streams.uids)
        return voxels * (_IMAGE_BYTES * self.in_channels + 1)

    def _batches_seen(self) -> int:
        """Number of batches used so far, so that a resumed run gets the same batches as an uninterrupted one."""
        if self.trainer is None:
            return 0
        # not global_step, which counts updates: fewer with accumulated gradients, more with two optimisers
        progress = self.trainer.fit_loop.epoch_loop.batch_progress.total
        return int(progress.processed)  # type: ignore[attr-defined]  # Lightning annotates its base class

    def _map_derivation(self) -> MapDerivation | None:
        """How the method in training derives maps from dense labels."""
        return None if self.trainer is None else derivation_of(self.trainer.lightning_module)

    def _annotator(self) -> Annotator | None:
        """The source of prompts for training samples, if the method in training is interactive."""
        return None if self.trainer is None else getattr(self.trainer.lightning_module, "annotator", None)

    def _rank(self) -> int:
        return 0 if self.trainer is None else self.trainer.global_rank

    def _world(self) -> int:
        return 1 if self.trainer is None else self.trainer.world_size
