"""The entries of `data.json` of a run about its labels; see docs/formats.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lesslabel.data.queue import read_queue
from lesslabel.data.store.annotation_folder import AnnotationFolder
from lesslabel.data.view import Supervision, View, VisibleAnnotation


def name_annotations(entries: Sequence[VisibleAnnotation]) -> str:
    """The supervising annotations of a case as one text, ``"dense + pseudo/stage1"``."""
    return " + ".join(dict.fromkeys(entry.annotation for entry in entries))


def describe_parts(shown: Mapping[str, Sequence[VisibleAnnotation]]) -> dict[str, Any]:
    """The entries on cases that are labelled in part, if any: ``labelled_slices`` and ``labelled_patches``."""
    entries = {"labelled_slices": list_slices(shown), "labelled_patches": list_patches(shown)}
    return {name: entry for name, entry in entries.items() if entry}


def list_slices(shown: Mapping[str, Sequence[VisibleAnnotation]]) -> dict[str, dict[str, list[int]]]:
    """The slices that each annotation supervises, by uid and annotation, unless one supervises the whole case."""
    slices: dict[str, dict[str, list[int]]] = {}
    for uid, entries in shown.items():
        for entry in entries:
            if entry.slices is not None:
                of_case = slices.setdefault(uid, {})
                of_case[entry.annotation] = sorted([*of_case.get(entry.annotation, []), *entry.slices])
    return slices


def list_patches(shown: Mapping[str, Sequence[VisibleAnnotation]]) -> dict[str, dict[str, list[list[int]]]]:
    """The parts of these slices that each annotation supervises, corner and size, unless it supervises all of them."""
    patches: dict[str, dict[str, list[list[int]]]] = {}
    for uid, entries in shown.items():
        for entry in entries:
            for box in entry.boxes or ():
                of_case = patches.setdefault(uid, {})
                of_case.setdefault(entry.annotation, []).append([*box.corner, *box.size])
    return patches


def describe_view(view: View) -> dict[str, Any]:
    """The settings of a view; a queue with the hash of its units."""
    return {
        "supervision": [_describe_supervision(entry) for entry in view.supervision],
        "reference": view.reference,
        "labels": view.labels,
        "channels": view.channels,
    }


def describe_overlays(overlays: Sequence[AnnotationFolder]) -> list[dict[str, Any]]:
    """Annotation folders with the hash of their content."""
    return [
        {
            "folder": str(overlay.path),
            "annotation": overlay.provenance.annotation,
            "cases": len(overlay.headers),
            "sha256": overlay.sha256,
        }
        for overlay in overlays
    ]


def _describe_supervision(entry: Supervision) -> dict[str, Any]:
    described: dict[str, Any] = {"annotation": entry.annotation, "patients": entry.patients, "order": entry.order}
    if entry.queue:
        described |= {"queue": entry.queue, "queue_sha256": read_queue(Path(entry.queue)).sha256}
    if entry.centres is not None:
        described["centres"] = entry.centres
    return described
