"""Make a bundle from a finished run."""

import importlib.metadata
import platform
import re
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import lesslabel.methods
from lesslabel import __version__
from lesslabel.bundle.bundle import Bundle, load_bundle
from lesslabel.bundle.contents import write_contents
from lesslabel.bundle.plain import build, read_value
from lesslabel.bundle.recipe import (
    FORMAT,
    SMALLEST_NUMBER_OF_PATIENTS,
    BundleRecipe,
    FeatureRecipe,
    LabelClass,
    MethodRecipe,
    Preprocessing,
    ReferenceRecipe,
    Training,
    Versions,
    free_words,
)
from lesslabel.bundle.references import join_references
from lesslabel.bundle.statistics import average_quantiles, measure_class_shares
from lesslabel.data.module import SegmentationDataModule
from lesslabel.data.store import CaseRecord
from lesslabel.data.view import select_channels
from lesslabel.errors import ConfigError, DataError, RunError
from lesslabel.features import FEATURE_GRIDS, Mask, Scale, extract_features
from lesslabel.files import written_aside
from lesslabel.runs.callbacks import SafeCheckpointIO
from lesslabel.runs.folder import RunFolder
from lesslabel.runs.parsing import RunCLI, parse_run
from lesslabel.runs.trainer import looking_trainer

_SHORTEST_IDENTIFIER = 3


def export_bundle(
    run: Path,
    out: Path,
    store: Path,
    *,
    n_references: int = 10,
    seed: int = 0,
    mask: Mask = "predicted",
    scale: Scale = "published",
    min_patients: int = 2,
) -> Bundle:
    """Make a bundle of a run: weights, recipe, references and quantiles of its training part.

    The weights are those that `lesslabel test` takes: the best on validation if there is such a checkpoint, else the
    last. Equal runs and stores give equal bundles, byte by byte.

    Args:
        run: folder of a finished run.
        out: folder to make.
        store: the store that the run was trained on, wherever it lies now.
        n_references: K, means that the training images' features are clustered into.
        seed: of the clustering.
        mask: of the features, see `lesslabel.features.feature_vectors`.
        scale: the same.
        min_patients: behind each reference at least, see `join_references`. Published is 1, whatever K-means gives. The
            default is 2, because the mean of a single patient's images does not hide that patient; the choice loses
            little, since such a reference is seldom the nearest of anything at another hospital.

    Raises:
        DataError: if the folder exists, the training part has too few patients or features, or a name of a label or
            channel may not leave.
        ConfigError: if the references cannot be made so, or the method is none of the library's.
        RunError: if there is no finished run, or the store is not that of its training.
    """
    if out.exists() or out.is_symlink():
        raise DataError(f"{out}: exists already; remove it, or choose another folder")
    from lesslabel.selection import STDR  # imports scikit-learn, which takes a second

    strategy = STDR(n_clusters=n_references, seed=seed)
    reopened, checkpoint, iteration = _reopen(run, store)
    data, method = reopened.datamodule, reopened.model
    records = data.records("train")
    patients = {record.patient for record in records}
    if len(patients) < SMALLEST_NUMBER_OF_PATIENTS:
        raise DataError(
            f"{run}: {len(patients)} training patients; a bundle needs {SMALLEST_NUMBER_OF_PATIENTS}, so that no mean "
            "is that of a single patient"
        )
    method_recipe, preprocessing, classes = _describe_method(reopened), _describe_preprocessing(data), _classes(data)
    channels = tuple(data.store.channels[index] for index in select_channels(data.view, data.store.channels))
    require_anonymous(free_words(data.store.source, channels, classes), data.store.records.values())
    uids = [record.uid for record in records]
    method.to(looking_trainer(reopened, []).strategy.root_device)
    images = extract_features(method, data, uids, mask=mask, scale=scale)
    features, patient_of = images.features[images.has_feature], {record.uid: record.patient for record in records}
    if len(features) < n_references:
        raise DataError(
            f"{run}: {len(features)} training images have a predicted foreground, {n_references} references were asked "
            "for; ask for fewer, or train longer"
        )
    owners = np.array([patient_of[uid] for uid in images.uid[images.has_feature].tolist()])
    references, behind = join_references(strategy.fit(features).references, features, owners, min_patients)
    recipe = BundleRecipe(
        format=FORMAT,
        method=method_recipe,
        preprocessing=preprocessing,
        classes=classes,
        class_shares=measure_class_shares(data, SMALLEST_NUMBER_OF_PATIENTS),
        channels=channels,
        features=FeatureRecipe(mask, FEATURE_GRIDS[data.dimensions], scale),
        references=ReferenceRecipe(seed, behind),
        training=Training(
            source=data.store.source,
            patients=len(patients),
            cases=len(records),
            images=len(images),
            images_with_feature=len(features),
            checkpoint="best" if checkpoint.stem == "best" else "last",
            iteration=iteration,
        ),
        versions=_find_versions(),
    )
    quantiles = average_quantiles(_raw_images(data, uids))
    with written_aside(out) as aside:
        write_contents(aside, recipe, method.state_dict(), references, quantiles)
        bundle = load_bundle(aside)  # whatever a receiver would refuse is refused here
    return replace(bundle, path=out)


def require_anonymous(words: Iterable[str], records: Iterable[CaseRecord]) -> None:
    """Refuse words that may not leave: long ones, ones with signs that paths need, names of a case or a patient.

    Identifiers of fewer than three characters are not looked for: they identify nobody and occur in many a label.

    Args:
        words: names of labels and channels.
        records: all cases of the store.

    Raises:
        DataError: names the word.
    """
    identifiers = {name.casefold() for record in records for name in (record.uid, record.patient)}
    for word in words:
        read_value(str, word, "a name of a label or channel")
        for name in identifiers:
            if len(name) >= _SHORTEST_IDENTIFIER and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", word.casefold()):
                raise DataError(
                    f"'{word}' is the name of a label or channel, and also names a case or patient of the store; "
                    "prepare the store with another name and train again"
                )


def _reopen(run: Path, store: Path) -> tuple[RunCLI, Path, int]:
    """The run with the weights of its checkpoint, that checkpoint and its iteration."""
    folder = RunFolder(run)
    if not folder.config.is_file():
        raise RunError(f"{run}: no run here (no config.yaml); make one with `lesslabel fit`")
    reopened = parse_run(["--config", str(folder.config), "--data.store", str(store)])
    folder.require_same_data(reopened.datamodule.describe())
    checkpoint = folder.checkpoint("auto")
    content = SafeCheckpointIO().load_checkpoint(checkpoint)
    reopened.model.on_load_checkpoint(content)
    reopened.model.load_state_dict(content["state_dict"])
    return reopened, checkpoint, int(content["global_step"])


def _describe_method(run: RunCLI) -> MethodRecipe:
    name = type(run.model).__name__
    if name not in lesslabel.methods.__all__ or getattr(lesslabel.methods, name) is not type(run.model):
        raise ConfigError(
            f"{type(run.model).__module__}.{name}: only the methods of lesslabel.methods can be bundled, since "
            "loading a bundle imports nothing else; train one of these"
        )
    if isinstance(run.model, lesslabel.methods.InteractiveMethod):
        raise ConfigError(
            f"{name}: an interactive method segments what it is pointed at, so it cannot choose what to annotate; "
            "bundle a method that segments images by itself"
        )
    return MethodRecipe(name, run.plain_config()["model"]["init_args"])


def _describe_preprocessing(data: SegmentationDataModule) -> Preprocessing:
    plain = {
        "dimensions": data.dimensions,
        "size_voxel": data.grid.size_voxel,
        "spacing_mm": data.grid.spacing_mm,
        "patch_voxel": data.patch_voxel,
        "interpolation": data.grid.interpolation,
        "intensity": asdict(data.intensity),
    }
    return build(Preprocessing, plain, "data")


def _classes(data: SegmentationDataModule) -> tuple[LabelClass, ...]:
    names, labels = data.mapping, data.store.labels
    return tuple(
        LabelClass(name, tuple(labels[code] for code in codes), tuple(codes))
        for name, codes in zip(names.names[1:], names.codes[1:], strict=True)
    )


def _find_versions() -> Versions:
    torch, numpy, scikit_learn, safetensors = map(
        importlib.metadata.version, ("torch", "numpy", "scikit-learn", "safetensors")
    )
    return Versions(platform.python_version(), __version__, torch, numpy, scikit_learn, safetensors)


def _raw_images(data: SegmentationDataModule, uids: Iterable[str]) -> Iterable[NDArray[np.float32]]:
    """The images of cases as the store holds them, before any normalisation, in the channels that the run sees."""
    channels = list(select_channels(data.view, data.store.channels))
    for uid in uids:
        yield data.store.read(uid).image[channels]
