"""The page of an adaptation: the chosen units, the reasons, and the gain in accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesslabel.adaptation import ADAPTATION
from lesslabel.adaptation.stages import FINE_TUNE, SELF_TRAIN
from lesslabel.bundle import Bundle
from lesslabel.data.queue import Queue, read_queue
from lesslabel.data.store import Store
from lesslabel.data.view import select_channels
from lesslabel.errors import RunError
from lesslabel.features import extract_features
from lesslabel.files import write_text
from lesslabel.reports.adaptation.choice_map import ChosenUnits, draw_choice, units_of
from lesslabel.reports.adaptation.chosen import picture_chosen
from lesslabel.reports.adaptation.embedding import Projection
from lesslabel.reports.adaptation.histograms import describe_intensity, draw_intensities, measure_intensities
from lesslabel.reports.drawing.svg import label_style, method_style
from lesslabel.reports.drawing.templates import load_template
from lesslabel.reports.runs import words
from lesslabel.reports.runs.budget import draw_budgets, points_of_experiment
from lesslabel.reports.runs.methods import group_methods
from lesslabel.reports.runs.read import read_runs
from lesslabel.reports.runs.results import tabulate
from lesslabel.reports.runs.revision import REVISION_BINS, Revision, tabulate_revisions
from lesslabel.reports.runs.run_facts import describe
from lesslabel.runs.reading import RunFiles, read_mapping


@dataclass(frozen=True, eq=False)
class AdaptationPage:
    """The content of the folder of an adaptation by a queue.

    Attributes:
        folder: the folder.
        description: `adapt.json`.
        queue: the annotated queue.
        store: the target.
        training_cases: uids of its training part.
    """

    folder: Path
    description: Mapping[str, Any]
    queue: Queue
    store: Store
    training_cases: tuple[str, ...]


def read_adaptation(folder: Path, bundle: Bundle, store: Path | None = None) -> AdaptationPage:
    """Read the folder that `lesslabel adapt` made of a bundle and a queue.

    Args:
        folder: the folder.
        bundle: the bundle of the source.
        store: the present path of the target's store, if not that of the first stage.

    Raises:
        RunError: if the folder is not an adaptation, is one without labels or of another bundle, or has no first stage.
        DataError: if queue or store are absent or damaged, or do not fit each other.
    """
    if not (folder / ADAPTATION).is_file():
        raise RunError(f"{folder}: no adaptation here (no {ADAPTATION}); name a folder that `lesslabel adapt` made")
    description = read_mapping(folder / ADAPTATION)
    if "without_labels" in description:
        raise RunError(f"{folder}: adapted without labels, nothing was chosen; report the run in it instead")
    if description.get("model_sha256") != bundle.model_sha256:
        raise RunError(f"{folder}: begun with another model than that of {bundle.path}; name the bundle it began with")
    first = folder / FINE_TUNE
    run = RunFiles(first)
    uids = (run.data.get("parts") or {}).get("train")
    store = store or run.store
    if not uids or store is None:
        raise RunError(f"{first}: records no training part or store; run the same `lesslabel adapt` again first")
    opened = Store(store)
    queue = read_queue(folder / "queue.csv", opened)
    if queue.patches:
        raise RunError(
            f"{folder / 'queue.csv'}: holds patches, which the page of a choice does not show; report the runs in "
            f"{folder} without --bundle"
        )
    if description.get("queue") != queue.sha256:
        raise RunError(f"{folder / 'queue.csv'}: not the queue of this adaptation; restore it or adapt again")
    if absent := [uid for uid in uids if uid not in opened.records]:
        raise RunError(f"{opened.path}: no case '{absent[0]}' of the training part; name the store of the adaptation")
    return AdaptationPage(folder, description, queue, opened, tuple(uids))


def write_adaptation_report(
    folder: Path,
    bundle: Bundle,
    output: Path,
    *,
    store: Path | None = None,
    experiment: Path | None = None,
    projection: Projection = "pca",
    seed: int = 0,
) -> Path:
    """Write one self-contained HTML page about the units chosen for annotation.

    It shows a map of the source's references and the target's images, the intensities of both, the chosen units,
    the revision degree of the tested stages, and from an experiment folder the Dice over the budget. It loads no file
    and shows no path, and of the patients only the uids of their cases.

    Args:
        folder: the output of `lesslabel adapt`.
        bundle: its bundle; the model computes the features of the training part again.
        output: the page.
        store: the present path of the target's store, if not that of the first stage.
        experiment: experiment folder (`docs/formats.md`) whose methods are named with their budget; it is only read.
        projection: of the map, see `lesslabel.reports.adaptation.embedding.project`.
        seed: the same.

    Returns:
        `output`.

    Raises:
        RunError: if the folder is not an adaptation of this bundle, or its tested stages cannot be compared.
        DataError: if a file is absent or damaged, or the page cannot be written.
        ConfigError: if the store lacks labels or channels of the bundle.
    """
    adaptation = read_adaptation(folder, bundle, store)
    data = bundle.data_module(adaptation.store.path)
    seen = bundle.manifest.features
    images = extract_features(bundle.build_method(), data, adaptation.training_cases, mask=seen.mask, scale=seen.scale)
    units = units_of(images, adaptation.queue)
    choice = draw_choice(units, adaptation.queue, bundle.references, projection, seed)
    channels = select_channels(data.view, adaptation.store.channels)
    intensities = measure_intensities(bundle, adaptation.store, adaptation.training_cases, channels)
    manifest = bundle.manifest
    page = load_template("adaptation/adaptation.html").render(
        title=f"What was chosen on {describe(adaptation.store.source)}",
        summary=_summary(adaptation, units),
        store_note=_store_note(adaptation),
        choice=choice,
        projection=projection,
        unit=units.noun,
        intensities=draw_intensities(intensities, manifest.channels, manifest.preprocessing.intensity),
        centres=[(method_style(index), entry.name) for index, entry in enumerate(intensities)],
        chosen=picture_chosen(
            adaptation.queue, adaptation.store, str(adaptation.description.get("annotation")), data.mapping, channels[0]
        ),
        queued=len(adaptation.queue.rows),
        labels=[(name, label_style(index)) for index, name in enumerate(data.mapping.names[1:])],
        budget=None if experiment is None else draw_budgets(points_of_experiment(experiment)),
        by_experiment=experiment is not None,
        revisions=_revisions(folder),
        revision_bins=REVISION_BINS,
        words=words,
        facts=_facts(adaptation, bundle),
    )
    write_text(Path(output), page)
    return Path(output)


def _summary(adaptation: AdaptationPage, units: ChosenUnits) -> str:
    rows, unit = adaptation.queue.rows, units.noun
    strategies = ", ".join(dict.fromkeys(row.strategy or "a strategy without name" for row in rows))
    cases = "" if unit == "case" else f", in {len(adaptation.queue.slices)} of {len(adaptation.training_cases)} cases"
    chosen = f"{len(rows)} of {len(units.names)} {unit}s of the training part were chosen by {strategies}{cases}."
    if featureless := int((~units.has_feature).sum()):
        chosen += f" In {featureless} the source's model sees no foreground."
    return chosen


def _store_note(adaptation: AdaptationPage) -> str:
    if adaptation.description.get("data_hash") == adaptation.store.data_hash:
        return ""
    return "The store has changed since the adaptation (another data hash): what is pictured may differ from it."


def _revisions(folder: Path) -> list[Revision]:
    """Those of the tested stages."""
    stages = [folder / stage for stage in (FINE_TUNE, SELF_TRAIN)]
    tested = [stage for stage in stages if RunFiles(stage).is_tested]
    if not tested:
        return []
    methods = group_methods(read_runs(tested))
    return tabulate_revisions(methods, tabulate(methods))


def _facts(adaptation: AdaptationPage, bundle: Bundle) -> list[tuple[str, str]]:
    manifest, rows, described = bundle.manifest, adaptation.queue.rows, adaptation.description
    training = manifest.training
    strategies = dict.fromkeys(f"{row.strategy or 'without name'}, round {row.round}, seed {row.seed}" for row in rows)
    return [
        ("Source", f"{training.source}, {training.patients} patients, {training.images} images"),
        ("Model", f"{manifest.method.name}, sha256 {bundle.model_sha256[:12]}"),
        ("References", f"{len(bundle.references)}, mask {manifest.features.mask}"),
        ("Normalisation", describe_intensity(manifest.preprocessing.intensity)),
        ("Target", f"{describe(adaptation.store.source)}, data hash {adaptation.store.data_hash[:12]}"),
        ("Queue", f"{len(rows)} units, sha256 {adaptation.queue.sha256[:12]}"),
        ("Strategy", "; ".join(strategies)),
        ("Annotation", describe(described.get("annotation"))),
        ("Self-training", describe(described.get("self_train"))),
        ("Settings", describe(" ".join(map(str, described.get("settings") or [])) or "none")),
    ]
