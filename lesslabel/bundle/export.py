"""Make a bundle from a finished run."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.bundle.bundle import Bundle, load_bundle
from lesslabel.bundle.contents import write_contents
from lesslabel.bundle.description import (
    describe_method,
    describe_preprocessing,
    describe_trained_geometry,
    describe_training,
    find_versions,
    list_channels,
    list_classes,
)
from lesslabel.bundle.manifest import (
    FORMAT,
    SMALLEST_NUMBER_OF_PATIENTS,
    BundleManifest,
    FeatureSettings,
    ReferenceSettings,
    free_words,
)
from lesslabel.bundle.plain import read_value
from lesslabel.bundle.references import join_references
from lesslabel.bundle.statistics import average_quantiles, measure_class_shares
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.store import CaseRecord
from lesslabel.data.view import select_channels
from lesslabel.errors import DataError
from lesslabel.expectation.calibration import Calibration, fit_calibration
from lesslabel.expectation.measuring import measure_cases
from lesslabel.features import FEATURE_GRIDS, ImageFeatures, Mask, Scale, extract_features
from lesslabel.files import written_aside
from lesslabel.runs.parsing import RunCLI
from lesslabel.runs.reopening import reopen_with_weights
from lesslabel.runs.trainer import evaluation_trainer

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
    """Make a bundle of a run: weights, manifest, references and quantiles of its training part.

    The expected Dice is calibrated on its validation part, if five patients or more of it have labels.

    The weights are those that `lesslabel test` takes: the best on validation if there is such a checkpoint, else the
    last. Equal runs and stores give equal bundles, byte by byte.

    Args:
        run: folder of a finished run.
        out: folder to make.
        store: the present path of the store of the training.
        n_references: K, the number of clusters of the training images' features.
        seed: of the clustering.
        mask: mask of the features, see `lesslabel.features.feature_vectors`.
        scale: scale of the features, see there.
        min_patients: the least number of patients of each reference, see `join_references`. Published is 1. The
            default is 2, because the mean of one patient's images does not hide that patient; this loses
            little, since such a reference is seldom the nearest of an image at another hospital.

    Raises:
        DataError: if the folder exists, the training part has too few patients or features, or the name of a label or
            channel must not leave the hospital.
        ConfigError: if the references cannot be made, or the method is not one of the library.
        RunError: if there is no finished run, or the store is not that of its training.
    """
    if out.exists() or out.is_symlink():
        raise DataError(f"{out}: exists already; remove it, or choose another folder")
    from lesslabel.selection import STDR  # imports scikit-learn, which takes a second

    strategy = STDR(n_clusters=n_references, seed=seed)
    finished = reopen_with_weights(run, {"data.store": str(store)})
    data: SegmentationDataModule = finished.parsed.datamodule
    _require_patients(data, run)
    method, preprocessing = describe_method(finished.parsed), describe_preprocessing(data)
    classes, channels = list_classes(data), list_channels(data)
    require_anonymous(free_words(data.store.source, channels, classes), data.store.records.values())
    images = _extract_training_features(finished.parsed, mask, scale)
    features, patients = _select_features(images, data)
    if len(features) < n_references:
        raise DataError(
            f"{run}: {len(features)} training images have a predicted foreground, {n_references} references were asked "
            "for; ask for fewer, or train longer"
        )
    references, behind = join_references(strategy.fit(features).references, features, patients, min_patients)
    manifest = BundleManifest(
        format=FORMAT,
        method=method,
        preprocessing=preprocessing,
        classes=classes,
        class_shares=measure_class_shares(data, SMALLEST_NUMBER_OF_PATIENTS),
        channels=channels,
        features=FeatureSettings(mask, FEATURE_GRIDS[data.dimensions], scale),
        references=ReferenceSettings(seed, behind),
        training=describe_training(finished, images),
        versions=find_versions(),
        geometry=describe_trained_geometry(data),
        expectation=_calibrate(finished.parsed),
    )
    quantiles = average_quantiles(_raw_images(data))
    with written_aside(out) as aside:
        write_contents(aside, manifest, finished.parsed.model.state_dict(), references, quantiles)
        bundle = load_bundle(aside)  # a bundle that the receiver would refuse is refused here
    return replace(bundle, path=out)


def require_anonymous(words: Iterable[str], records: Iterable[CaseRecord]) -> None:
    """Refuse words that must not leave: long ones, ones with characters of paths, names of a case or a patient.

    Identifiers of fewer than three characters are not searched: they identify nobody and occur in many labels.

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


def _require_patients(data: SegmentationDataModule, run: Path) -> None:
    patients = {record.patient for record in data.records("train")}
    if len(patients) < SMALLEST_NUMBER_OF_PATIENTS:
        raise DataError(
            f"{run}: {len(patients)} training patients; a bundle needs {SMALLEST_NUMBER_OF_PATIENTS}, so that no mean "
            "is that of a single patient"
        )


def _extract_training_features(run: RunCLI, mask: Mask, scale: Scale) -> ImageFeatures:
    run.model.to(evaluation_trainer(run, []).strategy.root_device)
    uids = [record.uid for record in run.datamodule.records("train")]
    return extract_features(run.model, run.datamodule, uids, mask=mask, scale=scale)


def _calibrate(run: RunCLI) -> Calibration | None:
    """Calibrate the expected Dice on the labelled validation cases; None if they are of too few patients."""
    data = run.datamodule
    labelled = [record for record in data.records("validation") if data.view.reference in record.annotation_names]
    if len({record.patient for record in labelled}) < SMALLEST_NUMBER_OF_PATIENTS:
        return None
    return fit_calibration(list(measure_cases(run.model, data, [each.uid for each in labelled], with_reference=True)))


def _select_features(
    images: ImageFeatures, data: SegmentationDataModule
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """The features of the images that have one, and the patient of each."""
    patient_of = {record.uid: record.patient for record in data.records("train")}
    patients = np.array([patient_of[uid] for uid in images.uid[images.has_feature].tolist()])
    return images.features[images.has_feature], patients


def _raw_images(data: SegmentationDataModule) -> Iterable[NDArray[np.float32]]:
    """The training images in the store before normalisation, with the channels of the run."""
    channels = list(select_channels(data.view, data.store.channels))
    for record in data.records("train"):
        yield data.store.read(record.uid).image[channels]
