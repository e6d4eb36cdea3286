"""Adapt the model of a bundle to a store of another hospital."""

from pathlib import Path

from lesslabel.adaptation.stages import adapt_with_labels, adapt_without_labels
from lesslabel.bundle import Bundle, load_bundle
from lesslabel.errors import ConfigError
from lesslabel.runs.folder import RunFolder
from lesslabel.runs.geometry import warn_of_differences
from lesslabel.runs.settings import Overrides


def adapt(
    bundle: str | Path | Bundle,
    store: str | Path,
    out: str | Path,
    *,
    queue: str | Path | None = None,
    annotation: str | None = None,
    without_labels: str | None = None,
    self_train: bool = True,
    confidence: float = 0.0,
    restart_from_source: bool = False,
    name: str = "Fine-tuned",
    overrides: Overrides | None = None,
) -> RunFolder:
    """Adapt a model to a target hospital, with the annotations of a queue or without labels.

    Args:
        bundle: the bundle of the source.
        store: the target.
        out: folder of the adaptation; it is made or resumed.
        queue: the annotated queue.csv.
        annotation: name of the annotation in the store.
        without_labels: the adaptation to use instead of a queue: ``none``, ``histogram``, ``tent`` …
        self_train: see `adapt_with_labels`, as the next three.
        confidence: pseudo-labels below it are unknown, 0 to 1.
        restart_from_source: the last stage starts from the source's weights.
        name: of the method in tables.
        overrides: values of settings of the trainings, ``{"trainer.max_steps": 400}``.

    Returns:
        The last run, which can be tested.

    Raises:
        ConfigError: if neither or both ways are given, or a setting is wrong.
        RunError: if `out` holds another adaptation.
        DataError: if bundle, store or queue are absent or damaged.
        KeyboardInterrupt: if it was interrupted; the same call resumes it.
    """
    given = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    target, folder = Path(store), Path(out)
    data = given.data_module(target)
    warn_of_differences(data, list(data.store.records.values()), given.manifest.geometry_settings())
    try:
        if without_labels is not None:
            if queue is not None:
                raise ConfigError("--queue and --without-labels exclude each other; leave one out")
            return adapt_without_labels(given, target, without_labels, folder, overrides=overrides)
        if queue is None or annotation is None:
            raise ConfigError(
                "--queue and --annotation are missing: name what was annotated, or choose --without-labels"
            )
        return adapt_with_labels(
            given,
            target,
            Path(queue),
            annotation,
            folder,
            self_train=self_train,
            confidence=confidence,
            restart_from_source=restart_from_source,
            name=name,
            overrides=overrides,
        )
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"interrupted; the same command goes on with {folder}") from error
