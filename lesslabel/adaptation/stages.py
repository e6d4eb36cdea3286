"""The stages of an adaptation: ordinary runs that start from given weights, each of which can be resumed."""

import shutil
from pathlib import Path

from lesslabel.adaptation.configuration import data_of, model_of, run_settings
from lesslabel.adaptation.folder import begin_adaptation, has_begun, train_stage
from lesslabel.adaptation.pseudo_labels import NAME, require_confidence, write_pseudo_labels
from lesslabel.adaptation.without_labels import make_adaptation
from lesslabel.bundle import Bundle
from lesslabel.data.queue import Queue, read_queue
from lesslabel.data.store import Store
from lesslabel.files import written_aside
from lesslabel.runs.fitting import adopt, fit
from lesslabel.runs.folder import RunFolder
from lesslabel.runs.reopening import load_run
from lesslabel.runs.settings import Overrides, settings_of
from lesslabel.runs.trainer import evaluation_trainer
from lesslabel.runs.weights import describe_weights, save_weights

FINE_TUNE, PSEUDO_LABELS, SELF_TRAIN = "fine-tune", "pseudo-labels", "self-train"
_QUEUE, _WEIGHTS = "queue.csv", "weights.safetensors"


def adapt_with_labels(
    bundle: Bundle,
    store: Path,
    queue: Path,
    annotation: str,
    out: Path,
    *,
    self_train: bool = True,
    confidence: float = 0.0,
    restart_from_source: bool = False,
    name: str = "Fine-tuned",
    overrides: Overrides | None = None,
) -> RunFolder:
    """Adapt to a target with the annotations of a queue.

    The three stages of STDR (Wang et al., IEEE TMI 2024): fine-tune the source's model on the annotated queue;
    pseudo-label the rest of the training part with the result, frozen; train on both. A complete stage is
    kept, an interrupted one is resumed.

    Args:
        bundle: the bundle of the source.
        store: the target.
        queue: the units of the training part whose labels supervise.
        annotation: its name in the store.
        out: folder of the adaptation; it is made or resumed.
        self_train: False ends after the first stage, as does a queue of all units.
        confidence: pseudo-labels below it are unknown, see `write_pseudo_labels`.
        restart_from_source: the third stage starts from the source's weights instead of the first stage's.
        name: of the first stage in tables; that of the third adds "+ semi".
        overrides: values of settings for both trainings: ``{"trainer.max_steps": 400}``.

    Returns:
        The last run, which `lesslabel test --run` takes.

    Raises:
        ConfigError: if the bundle's method has other networks than one, or the caller must not choose a setting.
        RunError: if `out` holds another adaptation.
        LesslabelError: on bad settings or data.
    """
    require_confidence(confidence)
    settings = settings_of(overrides=overrides)
    queued = read_queue(queue, Store(store))
    choices = {
        "queue": queued.sha256,
        "annotation": annotation,
        "self_train": self_train,
        "confidence": confidence,
        "restart_from_source": restart_from_source,
    }
    begin_adaptation(out, bundle, store, choices, settings)
    with written_aside(out / _QUEUE) as aside:
        shutil.copyfile(queue, aside)
    shown = [{"annotation": annotation, "queue": str(out / _QUEUE)}]
    config = run_settings(name, model_of(bundle, "Supervised"), data_of(bundle, store, shown))
    first = train_stage(out / FINE_TUNE, config, bundle.weights, settings)
    if not self_train:
        return first
    if not (out / PSEUDO_LABELS).is_dir() and not _label_the_rest(first, queued, out, confidence):
        return first
    weights = out / _WEIGHTS
    data = data_of(bundle, store, [*shown, {"annotation": NAME}])
    data["init_args"]["view"]["overlays"] = [str(out / PSEUDO_LABELS)]
    config = run_settings(f"{name} + semi", model_of(bundle, "Supervised", {"dice_on_pseudo_labels": True}), data)
    return train_stage(out / SELF_TRAIN, config, bundle.weights if restart_from_source else weights, settings)


def adapt_without_labels(
    bundle: Bundle, store: Path, rival: str, out: Path, *, overrides: Overrides | None = None
) -> RunFolder:
    """Adapt to a target without annotations, as a baseline for adaptation with annotations.

    Args:
        bundle: the bundle of the source.
        store: the target; only the images of its training part are used.
        rival: its name in `ADAPTATIONS`.
        out: folder of the adaptation; it is made or resumed.
        overrides: values of settings of the training.

    Returns:
        The run, which `lesslabel test --run` takes.

    Raises:
        ConfigError: if there is no such rival, the bundle lacks what it needs or has other networks, or a setting is
            not the caller's to choose.
        RunError: if `out` holds another adaptation.
        LesslabelError: on bad settings or data.
    """
    adaptation, settings = make_adaptation(rival), settings_of(overrides=overrides)
    begin_adaptation(out, bundle, store, {"without_labels": rival}, settings)
    config = adaptation.configure(bundle, store, out)
    weights = bundle.weights
    if not has_begun(out / rival):
        weights = adaptation.weights(bundle, settings_of(config) + settings, out)
    return train_stage(out / rival, config, weights, settings, fit if adaptation.trains else adopt)


def _label_the_rest(first: RunFolder, queue: Queue, out: Path, confidence: float) -> int:
    """Write the weights of the first stage and the pseudo-labels that they give; returns the number of cases."""
    run = load_run(first.path)
    with written_aside(out / _WEIGHTS) as aside:
        save_weights(run.model.state_dict(), aside)
    return write_pseudo_labels(
        run.model.to(evaluation_trainer(run, []).strategy.root_device),
        run.datamodule,
        [record.uid for record in run.datamodule.records("train")],
        queue,
        out / PSEUDO_LABELS,
        model_sha256=describe_weights(out / _WEIGHTS)["sha256"],
        confidence=confidence,
    )
