"""A generated cardiac phantom, to try all functions without data."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from lesslabel.data.case import Annotation, Case, Kind
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.heart_phantom import CENTRES, LV, MYO, RV, acquire, paint
from lesslabel.data.weak_labels.scribbles import scribble_from_labels
from lesslabel.errors import ConfigError, DataError

FRAMES = ("ed", "es")
"""End-diastole and end-systole: the two cases of a patient."""


class Phantom(Source):
    """Generated short-axis hearts: label 1 RV, 2 Myo, 3 LV, annotations ``dense`` and ``scribble``.

    Every two consecutive cases are the end-diastole and end-systole of one patient; patients come from the centres in
    turn. The centres differ in contrast, noise, shading, resolution and scale of the intensities. A case
    is a deterministic function of (`seed`, its index in the list, `size`, `depth`).

    Args:
        raw: ignored; the command line passes ``-``.
        cases: the number of cases.
        seed: another seed gives other patients at the same centres.
        size: side of the square slices in voxels.
        depth: number of slices.
        centres: the number of centres of the patients, 1 to 4.
    """

    name = "phantom"
    labels: Mapping[int, str] = MappingProxyType({RV: "RV", MYO: "Myo", LV: "LV"})

    def __init__(
        self,
        raw: Path = Path("-"),
        cases: int = 24,
        seed: int = 0,
        size: int = 96,
        depth: int = 8,
        centres: int = 3,
    ) -> None:
        # the base class would search RAW
        self.raw = Path(raw)
        self.seed, self.size, self.depth = seed, size, depth
        if cases < 1 or seed < 0 or size < 32 or depth < 1:
            raise ConfigError(
                f"phantom: cases {cases}, seed {seed}, size {size}, depth {depth}; the least are 1, 0, 32 and 1"
            )
        if not 1 <= centres <= len(CENTRES):
            raise ConfigError(f"phantom: centres is {centres}; choose 1 to {len(CENTRES)}")
        self._places = {
            f"phantom{patient + 1:03d}_{FRAMES[frame]}": (patient, frame, CENTRES[patient % centres])
            for patient, frame in (divmod(case, len(FRAMES)) for case in range(cases))
        }

    def list_cases(self) -> list[RawCase]:
        """List the cases, patient by patient; see `Source.list_cases`."""
        return [
            RawCase(uid=uid, patient=uid.partition("_")[0], centre=centre.name)
            for uid, (_, _, centre) in self._places.items()
        ]

    def read(self, raw: RawCase) -> Case:
        """Generate one case.

        Raises:
            DataError: if there is no such case.
        """
        if raw.uid not in self._places:
            raise DataError(f"phantom: no case {raw.uid}; there are {len(self._places)}, raise the number of cases")
        patient, frame, centre = self._places[raw.uid]
        patient_rng = np.random.default_rng([self.seed, patient])
        case_rng = np.random.default_rng([self.seed, patient, frame])
        in_plane_mm = centre.field_of_view_mm / self.size
        labels, values = paint(patient_rng, case_rng, frame, centre, (self.depth, self.size, self.size))
        image = acquire(values, centre, in_plane_mm, case_rng)
        scribble = scribble_from_labels(labels, case_rng, omission=0.03)
        spacing_mm = (centre.slice_mm, in_plane_mm, in_plane_mm)
        half_mm = centre.field_of_view_mm / 2.0
        return Case(
            uid=raw.uid,
            patient=raw.patient,
            image=image[None],
            spacing_mm=spacing_mm,
            affine=np.array(
                [
                    [-in_plane_mm, 0.0, 0.0, half_mm],
                    [0.0, -in_plane_mm, 0.0, half_mm],
                    [0.0, 0.0, centre.slice_mm, 0.0],
                    [0.0, 0.0, 0.0, 1.0],
                ]
            ),
            centre=centre.name,
            modality="cine-MR",
            annotations={
                "dense": Annotation(labels, Kind.DENSE, author="phantom"),
                "scribble": Annotation(scribble, Kind.SCRIBBLE, author="phantom"),
            },
        )
