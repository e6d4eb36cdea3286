"""BCP: paste labelled into unlabelled images and the reverse."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.losses import dice_loss, hard_label, partial_cross_entropy
from lesslabel.methods.checks import require_not_negative
from lesslabel.methods.inference import Inference, keep_largest_components
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import supervised_terms, take_samples, unlabelled_samples, within
from lesslabel.methods.teacher import Predictor, RunningStatistics, TeacherMethod
from lesslabel.networks import Network, UNet


class BidirectionalCopyPaste(TeacherMethod):
    """Paste a box of a labelled image into an unlabelled one, and the reverse (BCP).

    From "Bidirectional Copy-Paste for Semi-Supervised Medical Image Segmentation" (Bai et al., CVPR 2023,
    arXiv:2305.00673). Inside and outside the box, each mixed image is supervised by the label of its source: the
    annotation with weight 1, the teacher's pseudo label with weight α. Each part is ½·(cross-entropy + Dice) over its
    own voxels.

    For the first `pretrain_iterations` labelled samples are pasted into each other, and the teacher is a copy of the
    student. After that it is the exponential average, and labels the unlabelled samples: their most probable class,
    of each class the largest connected component.

    Labelled and unlabelled samples are paired in order, the first half of the pairs in one direction, the second in the
    other; samples of the smaller group repeat, so odd and unequal numbers work. Each direction has its own forward
    pass, as in the published code; the teacher labels all unlabelled samples in one. A batch without unlabelled samples
    is treated as in pre-training; one without labelled samples gives no loss. A volume with a labelled slice counts as
    labelled; each voxel keeps the kind of its slice, and unknown voxels are ignored.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        pretrain_iterations: updates before the unlabelled samples are used.
        pseudo_label_weight: α.
        box: side of the box as a share of the image's side, in (0, 1).
        largest_component: whether pseudo labels keep only the largest face-connected component of each class.
        teacher_decay: of the exponential average, after pre-training.
        running_statistics: the teacher's policy for buffers, see `Teacher`.
        predict_with: which network predicts; the published code takes the student.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        pretrain_iterations: int = 10000,
        pseudo_label_weight: float = 0.5,
        box: float = 2 / 3,
        largest_component: bool = True,
        teacher_decay: float = 0.99,
        running_statistics: RunningStatistics = "averaged",
        predict_with: Predictor = "student",
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes,
            in_channels=in_channels,
            teacher_decay=teacher_decay,
            running_statistics=running_statistics,
            predict_with=predict_with,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        require_not_negative(pretrain_iterations=pretrain_iterations, pseudo_label_weight=pseudo_label_weight)
        if not 0.0 < box < 1.0:
            raise ConfigError(f"model.box must be in (0, 1), got {box}")
        self.pretrain_iterations = pretrain_iterations
        self.pseudo_label_weight = pseudo_label_weight
        self.box = box
        self.largest_component = largest_component

    @property
    def is_pretraining(self) -> bool:
        """Whether only labelled samples are used so far."""
        return self.iteration < self.pretrain_iterations

    def after_update(self) -> None:
        """Update the teacher; in pre-training it stays a copy."""
        self.teacher.update(self.network, 0.0 if self.is_pretraining else self.teacher_decay)

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Paste, predict, and supervise each region by the label of its source."""
        is_unlabelled = unlabelled_samples(batch)
        labelled = take_samples(batch, (~is_unlabelled).nonzero()[:, 0])
        image = batch["image"][is_unlabelled]
        if not len(labelled["image"]):
            return supervised_terms(self.network(batch["image"]), batch)
        inside = random_box(batch["target"].shape[1:], self.box).to(image.device)
        if self.is_pretraining or not len(image):
            return self._learn_from_labels(labelled, inside)
        return self._learn_from_both(labelled, image, self.pseudo_labels(image), inside)

    @torch.no_grad()
    def pseudo_labels(self, image: Tensor) -> Tensor:
        """Label images B×C×[D×]H×W by the teacher: B×[D×]H×W int64."""
        labels = hard_label(self.teacher(image))
        if not self.largest_component:
            return labels
        return torch.stack([keep_largest_components(sample, self.num_classes) for sample in labels])

    def _learn_from_labels(self, labelled: Batch, inside: Tensor) -> dict[str, Tensor]:
        half = (len(labelled["image"]) + 1) // 2
        first = torch.arange(half)
        outer, inner = take_samples(labelled, first), take_samples(labelled, first + half)
        logits = self.network(torch.where(inside, inner["image"], outer["image"]))
        return _sums(
            [supervised_terms(logits, within(outer, ~inside)), supervised_terms(logits, within(inner, inside))]
        )

    def _learn_from_both(self, labelled: Batch, image: Tensor, pseudo: Tensor, inside: Tensor) -> dict[str, Tensor]:
        pairs = torch.arange(max(len(labelled["image"]), len(image), 2))
        terms = []
        # first half: labelled boxes in unlabelled images; second half: the reverse
        for chosen, is_labelled in zip(pairs.tensor_split(2), (inside, ~inside), strict=True):
            ours, theirs = take_samples(labelled, chosen), chosen % len(image)
            logits = self.network(torch.where(is_labelled, ours["image"], image[theirs]))
            label = torch.where(is_labelled, IGNORE, pseudo[theirs])
            loss = partial_cross_entropy(logits, label) + dice_loss(logits.float().softmax(dim=1), label)
            terms.append(supervised_terms(logits, within(ours, is_labelled)))
            terms[-1]["pseudo_label"] = 0.5 * self.pseudo_label_weight * loss
        return _sums(terms)


def random_box(shape: Sequence[int], share: float) -> Tensor:
    """Sample a box at a random position in a grid.

    Args:
        shape: of the grid, ([D,] H, W) in voxels.
        share: side of the box as a share of each side, rounded down.

    Returns:
        [D×]H×W bool, True inside.
    """
    inside = torch.zeros(tuple(shape), dtype=torch.bool)
    sides = [int(side * share) for side in shape]
    starts = [int(torch.randint(side - part + 1, ())) for side, part in zip(shape, sides, strict=True)]
    inside[tuple(slice(start, start + part) for start, part in zip(starts, sides, strict=True))] = True
    return inside


def _sums(terms: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([part[name] for part in terms]).sum() for name in terms[0]}
