"""KnifeCut: a line across a thin part repairs that part, or all parts like it, and keeps the rest of a mask."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.encoding import CueMap, Encoding, unit_range
from lesslabel.interaction.model import Segmentation
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots import CutLineRobot, ErrorCentreRobot, ThinParts
from lesslabel.interaction.thin_objects import ThinObjects
from lesslabel.losses import repair_loss, repaired, weighted_binary_cross_entropy
from lesslabel.methods.checks import (
    require_at_least,
    require_choice,
    require_not_negative,
    require_positive,
    require_share,
)
from lesslabel.methods.inference import Inference
from lesslabel.methods.interactive.base import Answer, InteractiveMethod, standardise
from lesslabel.methods.interactive.turn_input import TurnInput
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet
from lesslabel.networks.cut_line import BRANCHES, CutLineModule, LineFeatures, LineOutput
from lesslabel.networks.layers import Normalisation, enlarge
from lesslabel.networks.u_shaped import UShaped

Branch = Literal["local", "global"]
CutPrompt = Literal["line", "click"]


class KnifeCut(InteractiveMethod):
    """Repair the thin parts of any mask by lines drawn across them.

    Lin et al., "KnifeCut: Refining thin part segmentation with cutting lines", ACM Multimedia 2022, and chapter 5 of
    its author's thesis. A network computes the features of the image once. `CutLineModule` finds the thin part on the
    line and all that is like it (eq. 5.8, 5.9), and predicts for each branch where to repair (M) and the result there
    (R): ``P = M·R + (1 − M)·P′`` (eq. 5.11), P′ the mask before the line. The local branch repairs the part under the
    line, the global branch all parts like it; a session offers both answers, by these names. ``L = α L_line + β L_local
    + γ L_global`` (eq. 5.12–5.17).

    It starts from any mask (`InteractiveSession.start_from`); without one P′ is empty. A turn uses its own lines only,
    and the answer before it as P′. Clicks and scribbles serve as lines of the voxels that they mark.

    Choices where the text is not specific: M has no gradient in the weights of R (`repair_loss`); the distance map
    falls from 1 at the line to 0 at `reach_voxel`, in a patch as in a whole image; the features are the network's
    penultimate map, means of `stride` voxels; what is thin (`ThinParts`) and the masks to train on
    (`start_with_errors`). The published augmentation that joins two images is not here. What is thin is relative to
    the object, so that in a patch it is relative to the part of the object that is in it.

    Args:
        in_channels: channels of the image.
        size_voxel: grid that the image is resampled to, (h, w) or (d, h, w); None keeps its voxels.
        stride: of the features; published 4. Parts narrower than that need less.
        width: of the module's maps.
        depth: convolutions of each of its blocks; published 7.
        normalisation: of the module.
        similarity: whether to use the similarity map.
        distance: whether the local branch uses the distance to the line.
        reach_voxel: distance from the line at which its map D (eq. 5.10) has fallen from 1 to 0, in voxels of the
            finest axis of the grid; the published map is the distance itself.
        prompt: what training and the first robot give: lines, or a click at the centre of the largest error in the
            place of a line, as in the ablation.
        serve: the branch that answers unless the other one is chosen.
        thin: what is thin in training objects, and for the robot.
        wide_share: share of the thin parts in training that are too wide instead of correct.
        line_weight: α.
        balanced: whether the region of the repaired part, or of all, counts as much in the loss of the repaired mask as
            the rest of the image (`repair_loss`); without it, as published, a part among a hundred is never repaired.
        local_weight: β.
        global_weight: γ.
        network: description of the network; published is `HRNet`.
        optimiser: optimiser and learning rate.
        inference: only `largest_component` is used.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    network: UShaped

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size_voxel: tuple[int, ...] | None = None,
        stride: int = 4,
        width: int = 32,
        depth: int = 7,
        normalisation: Normalisation = "batch",
        similarity: bool = True,
        distance: bool = True,
        reach_voxel: float = 100.0,
        prompt: CutPrompt = "line",
        serve: Branch = "local",
        thin: ThinParts = ThinParts(),
        wide_share: float = 0.2,
        balanced: bool = False,
        line_weight: float = 10.0,
        local_weight: float = 1.0,
        global_weight: float = 1.0,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        require_choice(Branch, serve=serve)
        require_choice(CutPrompt, prompt=prompt)
        require_at_least(1, stride=stride, width=width)
        require_positive(reach_voxel=reach_voxel)
        require_at_least(2, depth=depth)
        require_share(wide_share=wide_share)
        require_not_negative(line_weight=line_weight, local_weight=local_weight, global_weight=global_weight)
        maps = (CueMap("marked", "mask"), CueMap("marked", "linear", reach_voxel), CueMap("previous"))
        encoding = Encoding(None if size_voxel is None else tuple(size_voxel), maps, field="image")
        robot = CutLineRobot(thin=thin) if prompt == "line" else ErrorCentreRobot()
        super().__init__(
            encoding, robot, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        cutter = CutLineRobot(random=True, thin=thin)
        self.annotator = ThinObjects(encoding, robot, cutter=cutter, clicks=prompt == "click", wide_share=wide_share)
        self.thin = thin
        self.serve = serve
        self.stride = stride
        self.balanced = balanced
        self.line_weight = line_weight
        self.branch_weights = {"local": local_weight, "global": global_weight}
        self.network = network.build(in_channels, self.num_classes)
        self.network.head = nn.Identity()  # the module replaces it
        self.cutter = CutLineModule(
            network.dimensions,
            self.network.feature_channels,
            width,
            depth,
            normalisation,
            similarity=similarity,
            distance=distance,
        )

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the terms of the line and of both branches (eq. 5.13, 5.16, 5.17)."""
        out, cues, target = self._run(batch), batch["cues"], batch["target"]
        known, truth = target != IGNORE, (target == 1).float()
        absent = truth.new_zeros(len(truth), 3, *truth.shape[1:])
        thin, own_region, every_region = batch.get("derived", absent).unbind(dim=1)
        line = weighted_binary_cross_entropy(_at_size(out.line, cues), thin, cues[:, 0], known)
        terms = {"line": self.line_weight * line}
        for branch, region in zip(BRANCHES, (own_region, every_region), strict=True):
            loss = repair_loss(
                _at_size(out.refined[branch], cues),
                _at_size(out.repair[branch], cues),
                before=cues[:, 2],
                truth=truth,
                body=truth * (1 - thin),
                region=region,
                known=known,
                balanced=self.balanced,
            )
            terms[branch] = self.branch_weights[branch] * loss
        return terms

    def object_probability(self, batch: Batch) -> Tensor:
        """Predict the repaired object of each training sample."""
        cues = batch["cues"]
        refined, repair = self._branches(self._run(batch), cues)[self.serve]
        return repaired(refined, repair, cues[:, 2])

    def image_features(self, image: Tensor, spacing_mm: tuple[float, ...]) -> LineFeatures:  # noqa: ARG002
        """Run the network, once per image."""
        grid = unit_range(Crop.whole(tuple(image.shape[1:]), self.encoding.size_voxel).image_to_grid(image))
        return self._line_features(grid[None].to(self.device))

    def answer(self, features: Any, turn_input: TurnInput) -> Answer:  # noqa: ARG002  no crop has features of its own
        """Repair the mask before this turn by its lines, in both ways."""
        cues = turn_input.latest.cues[None].to(self.device)
        out = self.cutter(turn_input.image_features, cues[:, :1], cues[:, 1:2])
        answers = {
            branch: replace(Answer.of_probability(refined[0]), weight=repair[0])
            for branch, (refined, repair) in self._branches(out, cues).items()
        }
        return replace(answers[self.serve], alternatives=answers)

    def previous_map(self, before: Segmentation) -> NDArray[np.float32]:
        """The mask before the turn: P′."""
        return before.mask.astype(np.float32)

    def simulated_start(self, truth: Mask, spacing_mm: tuple[float, ...]) -> Mask | None:
        """The object without its thin parts; None if it has none."""
        thin = self.thin.of(truth, spacing_mm)
        return truth & ~thin if thin.any() else None

    def _line_features(self, image: Tensor) -> LineFeatures:
        grid = tuple(-(-length // self.stride) for length in image.shape[2:])
        return self.cutter.image_features(self.network.features(standardise(image)), grid)

    def _run(self, batch: Batch) -> LineOutput:
        cues = batch["cues"]
        out: LineOutput = self.cutter(self._line_features(batch["image"]), cues[:, :1], cues[:, 1:2])
        return out

    @staticmethod
    def _branches(out: LineOutput, cues: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """R and M of each branch, B×[D×]H×W, as probabilities at the size of the cues."""
        return {
            branch: (
                _at_size(out.refined[branch], cues).float().sigmoid(),
                _at_size(out.repair[branch], cues).float().sigmoid(),
            )
            for branch in BRANCHES
        }


def _at_size(logits: Tensor, cues: Tensor) -> Tensor:
    """Logits B×1×[D×]H×W at the size of the cues, without their channel."""
    return enlarge(logits, cues)[:, 0]
