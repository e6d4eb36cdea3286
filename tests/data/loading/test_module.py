from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import yaml
from handmade_store import make_case, make_store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from phantom_stores import PhantomStores

from lesslabel.data import ACDCDataModule, FolderDataModule, MSCMRDataModule, PhantomDataModule
from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.loading import residence
from lesslabel.data.loading.augment import (
    Augmentation,
    AugmentationParameters,
    apply_to_derived,
    apply_to_image,
    apply_to_labels,
)
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.loading.residence import require_room
from lesslabel.data.loading.sampling import SampleKey, keys_of_step
from lesslabel.data.store import Store
from lesslabel.data.view import Supervision, View
from lesslabel.errors import ConfigError, DataError

SIZE, DEPTH = 32, 3
LABEL_NAMES = ["background", "RV", "Myo", "LV"]


@pytest.fixture(scope="module")
def phantom(phantom_store: PhantomStores) -> Store:
    """Eight patients, two cases each; patients 1 to 6 train, 7 validates, 8 tests."""
    return Store(phantom_store(cases=16, size=SIZE, depth=DEPTH))


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lists")
    names = [f"phantom{number:03d}" for number in range(1, 9)]
    parts = {"train": names[:6], "validation": names[6:7], "test": names[7:]}
    (folder / "split.yaml").write_text(yaml.safe_dump({"folds": {0: parts, 1: {"train": names}}}))
    (folder / "order.txt").write_text("\n".join(reversed(names)))
    return folder


def mixed_view(lists: Path) -> View:
    """Dense labels for one patient, scribbles for two, nothing for three."""
    order = str(lists / "order.txt")
    return View([Supervision("dense", 1, order), Supervision("scribble", 2, order)])


def make_module(store: Store, lists: Path, **settings: Any) -> SegmentationDataModule:
    return SegmentationDataModule(**{"store": str(store.path), "split": str(lists / "split.yaml"), **settings})


def take(module: SegmentationDataModule) -> list[Batch]:
    """One epoch of training batches."""
    return list(module.train_dataloader())


def assert_equal_batches(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert value == other[name] if name == "uid" else torch.equal(value, other[name]), name


def pretend_to_be(module: SegmentationDataModule, rank: int, world: int) -> SegmentationDataModule:
    """Attach what the module asks of a trainer in one of several processes."""
    progress = SimpleNamespace(total=SimpleNamespace(processed=0))
    module.trainer = SimpleNamespace(
        global_rank=rank,
        world_size=world,
        lightning_module=None,
        fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress)),
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    return module


# What a batch holds -----------------------------------------------------------------------------------------------


def test_batches_of_slices_mix_dense_scribble_and_unlabelled(phantom: Store, lists: Path) -> None:
    module = make_module(
        phantom,
        lists,
        view=mixed_view(lists),
        size_voxel=(24, 40),
        batch_size=4,
        unlabelled_batch_size=3,
        steps_per_epoch=5,
        augmentation=Augmentation(0.0, 0.0),
    )
    shown = module.supervision()
    kind_of = {"dense": Kind.DENSE, "scribble": Kind.SCRIBBLE, None: Kind.NONE}
    kinds = set()
    for batch in take(module):
        assert set(batch) == {"image", "target", "kind", "annotated_labels", "uid"}
        assert (batch["image"].shape, batch["image"].dtype) == ((7, 1, 24, 40), torch.float32)
        assert (batch["target"].shape, batch["target"].dtype) == ((7, 24, 40), torch.int64)
        assert (batch["kind"].shape, batch["kind"].dtype) == ((7,), torch.int64)
        assert (batch["annotated_labels"].shape, batch["annotated_labels"].dtype) == ((7, 4), torch.bool)
        assert batch["kind"].tolist() == [int(kind_of[shown.get(uid)]) for uid in batch["uid"]]
        assert all((kind == Kind.NONE) == (slot >= 4) for slot, kind in enumerate(batch["kind"].tolist()))
        for kind, target in zip(batch["kind"].tolist(), batch["target"], strict=True):
            unknown = float((target == IGNORE).float().mean())
            assert {Kind.NONE: unknown == 1.0, Kind.DENSE: unknown == 0.0, Kind.SCRIBBLE: 0.0 < unknown < 1.0}[
                Kind(kind)
            ]
            assert set(target.unique().tolist()) <= {0, 1, 2, 3, IGNORE}
        kinds |= set(batch["kind"].tolist())
    assert kinds == {Kind.NONE, Kind.DENSE, Kind.SCRIBBLE}


def test_patches_from_the_same_store(phantom: Store, lists: Path) -> None:
    module = make_module(
        phantom,
        lists,
        view=mixed_view(lists),
        dimensions=3,
        patch_voxel=[4, 16, 24],
        batch_size=2,
        unlabelled_batch_size=1,
        steps_per_epoch=2,
    )
    for batch in take(module):
        assert batch["image"].shape == (3, 1, 4, 16, 24)
        assert batch["target"].shape == (3, 4, 16, 24)
        assert (batch["target"][:, 0] == IGNORE).all()  # the patch is a slice deeper than the volume
        assert not batch["image"][:, :, 0].any()
        assert (batch["kind"][:, 0] == Kind.NONE).all()
        assert (batch["kind"][:2, 1:] != Kind.NONE).all()
        assert (batch["kind"][2] == Kind.NONE).all()
        assert batch["annotated_labels"].shape == (3, 4, 4)


def test_pools_hold_each_unit_of_the_training_part_once(phantom: Store, lists: Path) -> None:
    view = mixed_view(lists)
    slices = make_module(phantom, lists, view=view, unlabelled_batch_size=1).streams()
    volumes = make_module(phantom, lists, view=view, dimensions=3, unlabelled_batch_size=1).streams()
    assert (len(slices.labelled), len(slices.unlabelled)) == (6 * DEPTH, 6 * DEPTH)
    assert (len(volumes.labelled), len(volumes.unlabelled)) == (6, 6)
    assert {unit.uid for unit in (*slices.labelled, *slices.unlabelled)} == {
        f"phantom{number:03d}_{frame}" for number in range(1, 7) for frame in ("ed", "es")
    }
    assert len({*slices.labelled, *slices.unlabelled}) == 12 * DEPTH
    assert sorted({unit.slice for unit in slices.labelled}) == list(range(DEPTH))


@pytest.mark.parametrize("spacing_z_mm", [10.0, 5.0, 7.0, 20.0, 23.0])
@pytest.mark.parametrize("covered", [(), (1,), (0, 3), (0, 1, 2, 3)])
def test_slice_is_labelled_exactly_where_its_target_is_known(
    tmp_path: Path, spacing_z_mm: float, covered: tuple[int, ...]
) -> None:
    cases = []
    for number in range(6):
        case = make_case(number)
        dense = replace(case.annotations["dense"], covered_slices=covered if number == 0 else None)
        cases.append(replace(case, annotations={"dense": dense}))
    make_store(tmp_path / "store", cases)
    (tmp_path / "split.yaml").write_text(
        yaml.safe_dump({"folds": {0: {"train": ["patient0", "patient1", "patient2"]}}})
    )
    module = SegmentationDataModule(
        str(tmp_path / "store"),
        str(tmp_path / "split.yaml"),
        spacing_mm=(spacing_z_mm, 1.5, 1.25),
        unlabelled_batch_size=0,
    )
    samples = module.train_dataloader().dataset
    depth = round(4 * 10.0 / spacing_z_mm)
    pools = module.streams()
    for pool, labelled in ((pools.labelled, True), (pools.unlabelled, False)):
        for unit in pool:
            target = samples[SampleKey(0, 0, unit, labelled)]["target"]
            assert bool((target != IGNORE).any()) == labelled
    assert len(pools.labelled) + len(pools.unlabelled) == 6 * depth


# What the experiment must not see ----------------------------------------------------------------------------------


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), dimensions=st.sampled_from([2, 3]))
def test_hidden_annotations_never_reach_a_batch(
    tmp_path_factory: pytest.TempPathFactory, seed: int, dimensions: int
) -> None:
    """Whatever is written into annotations that the view hides, the batches are the same, bit for bit."""
    folder = tmp_path_factory.mktemp("hidden")
    (folder / "split.yaml").write_text(
        yaml.safe_dump({"folds": {0: {"train": ["patient0", "patient1", "patient2"], "test": ["patient3"]}}})
    )
    (folder / "order.txt").write_text("patient2\npatient0\npatient1\n")
    order = str(folder / "order.txt")
    view = View([Supervision("dense", 1, order), Supervision("scribble", 1, order)])
    shown = {"patient2": "dense", "patient0": "scribble"}
    cases = [make_case(number) for number in range(8)]
    altered = [with_other_annotations(case, shown.get(case.patient), seed) for case in cases]
    epochs = []
    for name, content in (("one", cases), ("other", altered)):
        make_store(folder / name, content)
        module = SegmentationDataModule(
            str(folder / name),
            str(folder / "split.yaml"),
            view=view,
            dimensions=dimensions,
            batch_size=2,
            unlabelled_batch_size=2,
            steps_per_epoch=4,
            seed=seed,
        )
        epochs.append(take(module))
        assert module.supervision() == {case.uid: shown[case.patient] for case in cases if case.patient in shown}
    assert_equal_batches(*epochs)


def with_other_annotations(case: Case, shown: str | None, seed: int) -> Case:
    """The case with noise in every annotation that is not shown, and one more."""
    generator = np.random.default_rng([seed, int(case.uid.removeprefix("case"))])

    def noise() -> Annotation:
        voxels = generator.choice([0, 1, 2, 3, IGNORE], case.shape).astype(np.uint8)
        confidence = generator.random(case.shape, dtype=np.float32)
        return Annotation(voxels, Kind.PSEUDO, covered_labels=(2,), covered_slices=(1, 3), confidence=confidence)

    hidden = {name: noise() for name in (*case.annotations, "rater1") if name != shown}
    return replace(case, annotations={**case.annotations, **hidden})


# Randomness --------------------------------------------------------------------------------------------------------


def random_module(phantom: Store, lists: Path, **settings: Any) -> SegmentationDataModule:
    defaults: dict[str, Any] = {
        "view": mixed_view(lists),
        "patch_voxel": [24, 20],
        "augmentation": Augmentation(noise=0.05),
        "batch_size": 2,
        "unlabelled_batch_size": 1,
        "steps_per_epoch": 6,
        "seed": 7,
    }
    return make_module(phantom, lists, **{**defaults, **settings})


def test_workers_change_nothing(phantom: Store, lists: Path) -> None:
    alone = take(random_module(phantom, lists))
    assert_equal_batches(alone, take(random_module(phantom, lists, workers=2)))
    assert_equal_batches(alone, take(random_module(phantom, lists, cache_gib=0.0)))


def test_seeds_differ(phantom: Store, lists: Path) -> None:
    sums = {
        tuple(float(batch["image"].sum()) for batch in take(random_module(phantom, lists, seed=seed)))
        for seed in range(4)
    }
    assert len(sums) == 4


def test_two_processes_share_what_one_would_see(phantom: Store, lists: Path) -> None:
    shares = [take(pretend_to_be(random_module(phantom, lists), rank, 2)) for rank in range(2)]
    alone = take(random_module(phantom, lists, batch_size=4, unlabelled_batch_size=2))
    for first, second, one in zip(*shares, alone, strict=True):
        for name in ("image", "target", "kind", "annotated_labels"):
            labelled = torch.cat([first[name][:2], second[name][:2]])
            unlabelled = torch.cat([first[name][2:], second[name][2:]])
            assert torch.equal(torch.cat([labelled, unlabelled]), one[name])


class Listener(pl.LightningModule):
    """Trains one number and remembers every batch it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.number = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[Batch] = []

    def training_step(self, batch: Batch) -> torch.Tensor:
        self.seen.append(batch)
        return self.number * batch["image"].mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def listen(module: SegmentationDataModule, folder: Path, accumulate: int, **fit: Any) -> list[Batch]:
    listener = Listener()
    pl.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        max_epochs=3,
        accumulate_grad_batches=accumulate,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        limit_val_batches=0,
        callbacks=[
            pl.callbacks.ModelCheckpoint(folder, "{epoch}", save_top_k=-1, save_on_train_epoch_end=True),
            pl.callbacks.ModelCheckpoint(folder, "{step}", save_top_k=-1, every_n_train_steps=1),
        ],
    ).fit(listener, module, **fit)
    return listener.seen


@pytest.mark.parametrize("accumulate", [1, 2])
def test_epochs_follow_each_other_and_resume(phantom: Store, lists: Path, tmp_path: Path, accumulate: int) -> None:
    """Also where gradients accumulate over a number of batches that does not divide the epoch."""

    def module() -> SegmentationDataModule:
        return random_module(phantom, lists, steps_per_epoch=5)

    seen = listen(module(), tmp_path, accumulate)
    streams = module().streams()
    keys = [keys_of_step(streams, 7, step) for step in range(15)]
    assert [batch["uid"] for batch in seen] == [[key.source.uid for key in step] for step in keys]
    resumed = listen(module(), tmp_path, accumulate, ckpt_path=tmp_path / "epoch=0.ckpt")
    assert_equal_batches(resumed, seen[5:])
    in_the_middle = tmp_path / f"step={4 if accumulate == 1 else 2}.ckpt"  # after four batches of five
    assert_equal_batches(listen(module(), tmp_path, accumulate, ckpt_path=in_the_middle), seen[4:])


# Evaluation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_loaders(phantom: Store, lists: Path, workers: int) -> None:
    module = make_module(phantom, lists, size_voxel=(24, 28), workers=workers)
    for loader, patient in ((module.val_dataloader(), "phantom007"), (module.test_dataloader(), "phantom008")):
        batches = list(loader)
        assert [batch["uid"] for batch in batches] == [f"{patient}_ed", f"{patient}_es"]
        for batch in batches:
            assert batch["patient"] == patient
            assert batch["image"].shape == (1, 1, DEPTH, 24, 28)
            assert batch["reference"].shape == batch["native_shape"] == (DEPTH, SIZE, SIZE)
            expected = phantom.read(batch["uid"])
            np.testing.assert_array_equal(batch["reference"].numpy(), expected.annotations["dense"].labels)
            np.testing.assert_array_equal(batch["affine"].numpy(), expected.affine)
            assert batch["spacing_mm"] == expected.spacing_mm
    predicted = list(module.evaluation_loader(("phantom001_es",), with_reference=False))
    assert [batch["uid"] for batch in predicted] == ["phantom001_es"]
    assert "reference" not in predicted[0]


def test_processes_share_the_evaluation_out(phantom: Store, lists: Path) -> None:
    uids = tuple(phantom.records)[:5]
    shares = [
        [batch["uid"] for batch in pretend_to_be(make_module(phantom, lists), rank, 2).evaluation_loader(uids)]
        for rank in range(2)
    ]
    assert shares == [list(uids[::2]), list(uids[1::2])]
    left_over = pretend_to_be(make_module(phantom, lists), 2, 3).evaluation_loader(uids[:2])
    assert [batch["uid"] for batch in left_over] == [uids[0]]  # a process without a case would wait for the others


# Description and refusals -----------------------------------------------------------------------------------------


def test_description(phantom: Store, lists: Path) -> None:
    module = make_module(phantom, lists, view=mixed_view(lists))
    described = module.describe()
    assert described["source"] == "phantom"
    assert described["data_hash"] == phantom.data_hash
    assert described["label_names"] == LABEL_NAMES
    assert described["parts"]["test"] == ["phantom008_ed", "phantom008_es"]
    assert len(described["parts"]["train"]) == 12
    assert described["patients"]["phantom003_es"] == "phantom003"
    assert described["missing_patients"] == []
    assert described["labelled"] == {
        "phantom006_ed": "dense",
        "phantom006_es": "dense",
        **{f"phantom00{number}_{frame}": "scribble" for number in (4, 5) for frame in ("ed", "es")},
    }
    assert described["view"]["supervision"][0] == {
        "annotation": "dense",
        "patients": 1,
        "order": str(lists / "order.txt"),
    }
    assert yaml.safe_load(yaml.safe_dump(described)) == described  # plain values only


def test_missing_patients_are_refused_or_noted(phantom: Store, tmp_path: Path) -> None:
    split = tmp_path / "split.yaml"
    split.write_text(yaml.safe_dump({"folds": {0: {"train": ["phantom001", "phantom099"]}}}))
    with pytest.raises(DataError, match=r"1 of its patients are not in the store \(phantom099\)"):
        SegmentationDataModule(str(phantom.path), str(split)).describe()
    described = SegmentationDataModule(str(phantom.path), str(split), allow_missing=True).describe()
    assert described["missing_patients"] == ["phantom099"]
    assert described["parts"]["train"] == ["phantom001_ed", "phantom001_es"]


def test_thin_modules_take_their_own_store_only(phantom: Store) -> None:
    assert PhantomDataModule(str(phantom.path)).store.source == "phantom"
    for thin in (ACDCDataModule, MSCMRDataModule, FolderDataModule):
        with pytest.raises(ConfigError, match=rf"prepared from 'phantom', {thin.__name__} is for '{thin.source}'"):
            thin(str(phantom.path)).describe()


def test_no_store_is_refused_when_it_is_needed(tmp_path: Path) -> None:
    module = SegmentationDataModule(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="no prepared store here"):
        module.describe()


def test_empty_pools_are_refused(phantom: Store, lists: Path) -> None:
    nothing = View([Supervision("dense", 0, str(lists / "order.txt"))])
    with pytest.raises(ConfigError, match=r"data.batch_size is 8, but the view leaves no labelled training case"):
        make_module(phantom, lists, view=nothing).train_dataloader()
    with pytest.raises(
        ConfigError, match=r"unlabelled_batch_size is 2, but the view leaves no unlabelled training case"
    ):
        make_module(phantom, lists, unlabelled_batch_size=2).train_dataloader()


def test_view_that_the_store_cannot_show_is_refused_before_training(phantom: Store, lists: Path) -> None:
    for view, message in (
        (View(reference="dence"), r"no validation case has an annotation 'dence'; they have dense, scribble"),
        (View(channels=[1]), r"view\.channels is \[1\]; choose among 0 image"),
        (View([Supervision("rater1")]), r"no training case has an annotation 'rater1'"),
        (View(labels={"atrium": [7]}), r"class 'atrium' names code 7"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_module(phantom, lists, view=view).describe()
    make_module(phantom, lists, fold=1, view=View(reference="dence")).describe()  # nothing to score, nothing to miss
    with pytest.raises(ConfigError, match=r"view\.channels is \[1\]"):
        _ = make_module(phantom, lists, view=View(channels=[1])).in_channels


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dimensions": 4}, "dimensions must be 2 or 3, got 4"),
        ({"patch_voxel": [8, 8, 8]}, r"patch_voxel needs 2 sides, got \[8, 8, 8\]"),
        ({"patch_voxel": [8, 0]}, "patch_voxel must be at least 1, got 0"),
        ({"size_voxel": (0, 8)}, "size_voxel must be at least 1, got 0"),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, r"spacing_mm must be positive, got \[1.0, 0.0, 1.0\]"),
        ({"batch_size": 0}, r"batch_size \+ unlabelled_batch_size must be at least 1, got 0"),
        ({"steps_per_epoch": 0}, "steps_per_epoch must be at least 1, got 0"),
        ({"unlabelled_batch_size": -1}, "unlabelled_batch_size must not be negative, got -1"),
        ({"workers": -1}, "workers must not be negative, got -1"),
        ({"cache_gib": -1.0}, "cache_gib must not be negative"),
        ({"seed": -1}, "seed must not be negative, got -1"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"data.{message}"):
        SegmentationDataModule("store", **settings)


def test_cache_is_bounded_as_stated(phantom: Store, lists: Path) -> None:
    side = SIZE // 2
    one_case = side * side * DEPTH * 5
    settings = {"steps_per_epoch": 20, "size_voxel": (side, side), "cache_gib": 3.5 * one_case / 1024**3}
    loader = make_module(phantom, lists, **settings).train_dataloader()
    held = [loader.dataset.cache.held_bytes for _ in loader]
    assert max(held) == 3 * one_case


def test_cases_that_do_not_fit_are_read_in_parts_and_give_the_same_batches(phantom: Store, lists: Path) -> None:
    held, parts = (make_module(phantom, lists, cache_gib=cache_gib) for cache_gib in (4.0, 0.0))
    assert held.train_dataloader().dataset.parts is None
    assert parts.train_dataloader().dataset.parts is not None
    assert_equal_batches(take(held), take(parts))


@pytest.mark.parametrize("settings", [{}, {"dimensions": 3, "patch_voxel": [4, 20, 24]}, {"cache_gib": 0.0}])
def test_resident_cases_give_the_same_batches(phantom: Store, lists: Path, settings: dict[str, Any]) -> None:
    augmentation = Augmentation(turn_flip_probability=0.3, rotation_probability=1.0, noise=0.1)
    common = {"view": mixed_view(lists), "unlabelled_batch_size": 2, "augmentation": augmentation, "steps_per_epoch": 8}
    usual, resident = (
        random_module(phantom, lists, **common, **settings, resident=resident) for resident in (False, True)
    )
    loader = resident.train_dataloader()
    assert (loader.num_workers, loader.dataset.parts) == (0, None)
    assert_equal_batches(take(usual), list(loader))


def test_an_augmentation_stays_on_its_device() -> None:
    parameters = AugmentationParameters(rotation_degrees=7.0, noise=0.1)
    image, labels = torch.ones(1, 8, 9, device="meta"), torch.ones(8, 9, dtype=torch.uint8, device="meta")
    assert apply_to_image(image, parameters).device.type == "meta"
    assert apply_to_derived(image, parameters).device.type == "meta"
    assert apply_to_labels(labels, parameters).device.type == "meta"


def test_resident_cases_are_for_methods_that_make_no_prompts(phantom: Store, lists: Path) -> None:
    module = random_module(phantom, lists, resident=True)
    module._annotator = lambda: object()  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match=r"data\.resident: an interactive method"):
        module.train_dataloader()


def test_the_stated_memory_is_that_of_the_sampled_cases(phantom: Store, lists: Path) -> None:
    """Cases of a pool that no batch samples from are never loaded."""
    everything = make_module(phantom, lists, batch_size=2)
    supervision = [Supervision("dense", 2, str(lists / "order.txt"))]
    few = make_module(phantom, lists, batch_size=2, view=View(supervision=supervision))
    both = make_module(phantom, lists, batch_size=1, unlabelled_batch_size=1, view=View(supervision=supervision))
    assert 0 < few.size_of_training_cases() < everything.size_of_training_cases() == both.size_of_training_cases()


def test_resident_cases_must_fit_main_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "meminfo"
    monkeypatch.setattr(residence, "_MEMORY", memory)
    require_room(torch.device("cpu"), 3 * 1024**3, interactive=False)  # where nobody says
    memory.write_text("MemTotal: 8388608 kB\nMemAvailable: 2097152 kB\n")
    require_room(torch.device("cpu"), 1024**3, interactive=False)
    with pytest.raises(ConfigError, match=r"need 3\.0 GiB, cpu has 2\.0 GiB free; set it to false"):
        require_room(torch.device("cpu"), 3 * 1024**3, interactive=False)
