"""MedScribble: 2D images of many public data sets, each with the scribbles of three people.

Wong et al., "ScribblePrompt: Fast and flexible interactive segmentation for any biomedical image", ECCV 2024.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.formats.medscribble import read_example
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique
from lesslabel.errors import DataError

_SLICE = re.compile(r"_axis\d_(?:mid|max)slice$")


class MedScribble(Source):
    """The archive as published: ``<data set>/<release>/<example>/{img,seg,scribble_0,scribble_1,scribble_2}.npy``.

    An example is a slice or photograph of 256×256 pixels with one object. ``seg.npy`` becomes the annotation ``dense``
    and ``scribble_<n>.npy`` the annotation ``scribble<n>``: strokes on the object are 1, strokes outside it 0;
    voxels with both are unknown, as is the rest. An annotator without a stroke has no annotation. The data set is
    the case's centre. Files hold no spacing: it is 1 mm, so distances are in pixels.

    Args:
        raw: folder of the data sets, or of one of them; a case is named by its folders below it, joined by ``-``.
    """

    name = "medscribble"
    labels: Mapping[int, str] = MappingProxyType({1: "object"})

    def list_cases(self) -> list[RawCase]:
        """List the examples by name; see `Source.list_cases`."""
        cases = [self._locate(image) for image in self.raw.rglob("img.npy") if image.parent != self.raw]
        if not cases:
            raise DataError(f"{self.raw}: no MedScribble data; expected <data set>/<release>/<example>/img.npy")
        return sorted_unique(cases)

    def read(self, raw: RawCase) -> Case:
        """Read one example; see `Source.read`."""
        example = read_example(raw.files["image"].parent)
        annotations = {}
        if example.truth is not None:
            annotations["dense"] = Annotation(example.truth[None].astype(np.uint8), Kind.DENSE)
        for number, painted in enumerate(example.scribbles):
            if painted.any():
                labels = _to_labels(painted)[None]
                annotations[f"scribble{number}"] = Annotation(labels, Kind.SCRIBBLE, author=f"annotator {number}")
        return Case(
            uid=raw.uid,
            patient=raw.patient,
            image=example.image[None, None],
            spacing_mm=(1.0, 1.0, 1.0),
            centre=raw.centre,
            annotations=annotations,
        )

    def _locate(self, image: Path) -> RawCase:
        folders = image.parent.relative_to(self.raw).parts
        uid = "-".join(folders)
        centre = folders[0] if len(folders) > 2 else ""
        return RawCase(uid=uid, patient=_SLICE.sub("", uid), files={"image": image}, centre=centre)


def _to_labels(painted: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Strokes (2, y, x) as labels (y, x), unknown without a stroke or with strokes of both sides."""
    on_object, beside = painted
    labels = np.full(on_object.shape, IGNORE, np.uint8)
    labels[on_object & ~beside] = 1
    labels[beside & ~on_object] = 0
    return labels
