"""The methods that `lesslabel compare` trains, and which labels each of them is for."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lesslabel.errors import ConfigError

Labels = Literal["sparse", "dense", "few dense", "mixed"]
DESCRIBED: Mapping[Labels, str] = {
    "sparse": "scribbles, points or boxes",
    "dense": "dense labels of every training case",
    "few dense": "dense labels of some training cases, and cases without labels",
    "mixed": "dense labels and scribbles, points or boxes",
}
"""The labels of a training part, in words."""
_SPARSE: tuple[Labels, ...] = ("sparse",)
_MARKED: tuple[Labels, ...] = ("sparse", "mixed")
_FEW: tuple[Labels, ...] = ("few dense",)
_PUBLISHED_SIZE = 256


@dataclass(frozen=True)
class Contender:
    """A method of a comparison.

    Attributes:
        name: in tables.
        class_name: of `lesslabel.methods`.
        labels: what it is for.
        settings: arguments that differ from the defaults of its class; those of `configs/acdc`.
        only_labelled: whether its batches hold labelled samples alone, since it learns nothing from others.
        short: arguments for a run that is too short for their defaults, as shares of its iterations.
        lengths_voxel: arguments that are lengths, in voxels of slices of 256×256, for which they were published.
    """

    name: str
    class_name: str
    labels: Sequence[Labels]
    settings: Mapping[str, Any] = field(default_factory=dict)
    only_labelled: bool = False
    short: Mapping[str, float] = field(default_factory=dict)
    lengths_voxel: Mapping[str, int | float] = field(default_factory=dict)

    def arguments(self, iterations: int, size: int) -> dict[str, Any]:
        """Arguments of its class in a run of so many iterations with slices of size×size."""
        scaled = {name: length * size / _PUBLISHED_SIZE for name, length in self.lengths_voxel.items()}
        whole = {
            name: max(1, round(scaled[name])) for name, given in self.lengths_voxel.items() if isinstance(given, int)
        }
        return {**self.settings, **self.shares(iterations), **scaled, **whole}

    def shares(self, iterations: int) -> dict[str, int]:
        """Those of `short` in a run of so many iterations."""
        return {name: max(1, round(share * iterations)) for name, share in self.short.items()}


_DMSPS = {
    "pseudo_label_weight": 8.0,
    "softmax_twice": True,
    "dropout_at": "all",
    "dropout_element": "channel",
    "dropout_in_evaluation": True,
}  # of its published code: its weight is far too large for a short run without the second softmax

CONTENDERS = (
    Contender("pCE", "PartialCrossEntropy", _SPARSE, only_labelled=True),
    Contender("Supervised", "Supervised", ("dense", "few dense", "mixed"), only_labelled=True),
    Contender("Omni", "Omni", ("sparse", "dense", "few dense", "mixed")),
    Contender("DMPLS", "DMPLS", _MARKED),
    Contender("DMSPS", "DMSPS", _MARKED, _DMSPS),
    Contender("ScribbleVS", "ScribbleVS", _MARKED),
    Contender("USTM", "USTM", _MARKED),
    Contender("Scribble2Label", "Scribble2Label", _SPARSE),
    Contender("CycleMix", "CycleMix", _SPARSE),
    Contender("Gated CRF", "GatedCRF", _SPARSE, lengths_voxel={"radius_voxel": 5, "position_sigma_voxel": 6.0}),
    Contender("RLoss", "DenseCRF", _SPARSE, lengths_voxel={"position_sigma_voxel": 100.0}),
    Contender("Mumford-Shah", "MumfordShah", _SPARSE),
    Contender("Total variation", "TotalVariation", _SPARSE),
    Contender("Entropy of scribbles", "EntropyMinimisation", _SPARSE, {"entropy_weight": 0.05, "ramp_iterations": 0}),
    Contender("Mean Teacher", "MeanTeacher", _FEW),
    Contender("UA-MT", "UncertaintyAwareMeanTeacher", _FEW, {"consistency_weight": 0.2}),
    Contender("Entropy minimisation", "EntropyMinimisation", _FEW),
    Contender("CPS", "CrossPseudoSupervision", _FEW, {"pseudo_label_on": "unlabelled"}),
    Contender("Cross teaching", "CrossTeaching", _FEW),
    Contender("BCP", "BidirectionalCopyPaste", _FEW, short={"pretrain_iterations": 1 / 3}),
    Contender("FixMatch", "FixMatch", _FEW, {"ramp_iterations": None}),
    Contender("UniMatch", "UniMatch", _FEW, {"ramp_iterations": None}),
    Contender("AD-MT", "AlternateTeachers", _FEW),
    Contender("ICT", "InterpolationConsistency", _FEW),
    Contender("URPC", "URPC", _FEW),
    Contender("CCT", "CrossConsistency", _FEW),
    Contender("MC-Net+", "MutualConsistency", _FEW),
    Contender("SS-Net", "SSNet", _FEW),
    Contender("DTC", "DTC", _FEW, {"level_set": "volume"}),
    Contender("SASSNet", "SASSNet", _FEW),
    Contender("DAN", "DAN", _FEW),
    Contender("Entropy adversary", "EntropyAdversary", _FEW),
)
"""All of them; of those for some labels, the first is what the others should improve on."""


def choose_contenders(labels: Labels, names: Sequence[str] = ()) -> list[Contender]:
    """The methods for some labels, or those of them that are named.

    Args:
        labels: of the training part.
        names: names of `CONTENDERS` or of their classes, in any spelling of capitals and signs; none takes all.

    Raises:
        ConfigError: if there is no such method, or it is not for these labels.
    """
    suitable = [contender for contender in CONTENDERS if labels in contender.labels]
    by_name = {_plain(name): one for one in suitable for name in (one.class_name, one.name)}
    chosen: dict[str, Contender] = {}
    for name in names:
        if (contender := by_name.get(_plain(name))) is None:
            known = ", ".join(one.name for one in suitable)
            raise ConfigError(f"--methods: '{name}' is no method for {DESCRIBED[labels]}; choose among {known}")
        chosen[contender.name] = contender
    return list(chosen.values()) or suitable


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.lower())
