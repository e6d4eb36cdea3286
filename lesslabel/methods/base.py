"""The base class of all methods. It holds what they share, so that the file of a method holds only its own idea."""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from lesslabel.data.batch import Batch, EvaluationBatch
from lesslabel.data.loading.derived import MapDerivation
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.loading.resize import resize_probabilities
from lesslabel.errors import ConfigError, NonFiniteLossError
from lesslabel.evaluation.overlap import dice_per_class
from lesslabel.losses.pseudo_label import hard_label
from lesslabel.losses.ramps import gaussian_ramp
from lesslabel.methods.checkpoints import require_own_checkpoint, sign_checkpoint
from lesslabel.methods.inference import Inference, keep_largest_components, predict_volume, require_finite_output
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.players import Player, alternate, configure_all
from lesslabel.methods.step_log import gathered, log_terms
from lesslabel.networks import Network, UNet, UShaped


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction of a method for one case.

    Attributes:
        uid: the case.
        labels: (z, y, x) uint8 class indices on the native grid.
        probabilities: (C, z, y, x) float32 on the native grid.
        batch: the evaluation batch of the case: reference and geometry.
    """

    uid: str
    labels: Tensor
    probabilities: Tensor
    batch: EvaluationBatch


class SegmentationMethod(pl.LightningModule):
    """A training method for segmentation. One batch may hold densely, sparsely and not labelled samples.

    A method defines its networks (in its constructor), its losses (`losses`) and its prediction (`logits`). This class
    and Lightning do the training loop, logging, validation, checkpoints and devices.

    Attributes:
        network: the network, set by the method.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: settings of the prediction of whole cases.
    """

    network: nn.Module

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ConfigError(f"model.num_classes counts the background too and must be at least 2, got {num_classes}")
        if inference.window_voxel is not None and len(inference.window_voxel) != network.dimensions:
            raise ConfigError(
                f"model.inference.window_voxel {inference.window_voxel} must have as many sides as the network has "
                f"dimensions, {network.dimensions}"
            )
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.shape = network
        self.optimiser = optimiser
        self.inference = inference
        self._dice: dict[str, list[float]] = {}
        self._cases: list[str] = []
        self.held_iteration: int | None = None  # while several optimisers step

    # What a method may define -----------------------------------------------------------------------------------------

    @abstractmethod
    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the named, weighted terms of the loss; the base class adds them up and logs each."""

    def logits(self, image: Tensor) -> Tensor:
        """Predict logits (B, C, [D], H, W) for inference."""
        result: Tensor = self.network(image)
        return result

    @property
    def map_derivation(self) -> MapDerivation | None:
        """The maps that the data module derives from dense labels for this method; None for none."""
        return None

    def prepare_batch(self, batch: Batch) -> Batch:
        """Change a training batch before its losses are computed, for example add clicks at errors of the network."""
        return batch

    def after_update(self) -> None:
        """Run after an update of the weights, for example to update a teacher.

        It is called once per update, also if gradients are accumulated over several batches. `iteration` is the number
        of updates before this one.
        """

    def rate_shares(self) -> Sequence[tuple[nn.Module, float]]:
        """Parts with a learning rate of their own, each with its share of the rate that it would have."""
        return ()

    def players(self) -> Mapping[str, Player]:
        """Submodules with their own optimiser, by name, such as a discriminator; each steps after the method."""
        return {}

    def before_training(self, data: SegmentationDataModule, *, resumed: bool) -> None:
        """Read the training data before the first step, for example to compute prototypes.

        Args:
            data: the data module; ``data.records("train")`` and ``data.loader()`` read the training cases.
            resumed: the run resumes from a checkpoint, so buffers are already filled.
        """

    def complete_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Complete the weights of another method that training starts from, for example by those of a teacher."""
        return weights

    # The same for all methods -----------------------------------------------------------------------------------------

    def probabilities(self, image: Tensor) -> Tensor:
        """Predict class probabilities (B, C, [D], H, W) that sum to 1, background included."""
        return self.logits(image).float().softmax(dim=1)

    @property
    def progress(self) -> float:
        """Share of the run that is done, in [0, 1], for ramps; 0 outside a run."""
        return self._progress_at(self.iteration)

    @property
    def iteration(self) -> int:
        """Number of updates before this one; one update may hold steps of several optimisers."""
        return self.global_step if self.held_iteration is None else self.held_iteration

    def ramp_up(self, iterations: int | None, every: int = 1) -> float:
        """The factor exp(−5·(1 − t/T)²) of a weight that rises over T iterations; 1 after that.

        Args:
            iterations: T; None is the length of the run.
            every: iterations between two changes of the factor.
        """
        step = self.iteration // every * every
        return gaussian_ramp(self._progress_at(step), 1.0) if iterations is None else gaussian_ramp(step, iterations)

    def build_network(self) -> UShaped:
        """Build the network from its settings."""
        return self.shape.build(self.in_channels, self.num_classes)

    def training_step(self, batch: Batch) -> Tensor:
        """Add up and log the losses.

        Raises:
            NonFiniteLossError: if the sum is not finite; names the cases of the batch.
        """
        batch = self.prepare_batch(batch)
        return alternate(self, batch) if self.players() else self.checked_total(self.losses(batch), batch)

    def checked_total(self, terms: Mapping[str, Tensor], batch: Batch, prefix: str = "") -> Tensor:
        """Add up the terms of a loss and log each, as ``train/PREFIXname``.

        Raises:
            NonFiniteLossError: if the sum is not finite; names the cases of the batch.
        """
        total = torch.stack(list(terms.values())).sum()
        self._cases = sorted(set(batch["uid"]))
        if not torch.isfinite(total):
            values = ", ".join(f"{prefix}{name} {float(term.detach()):g}" for name, term in terms.items())
            raise NonFiniteLossError(
                f"the loss is not finite at iteration {self.iteration} ({values}); cases of the batch: "
                f"{', '.join(self._cases)}; check them with lesslabel verify, or lower the learning rate"
            )
        log_terms(self, {f"{prefix}{name}": value for name, value in {"loss": total, **terms}.items()}, batch)
        return total

    @property  # type: ignore[misc]  # Lightning lets it be set
    def automatic_optimization(self) -> bool:
        """Whether Lightning steps the optimiser; if there are several, `players.alternate` steps them."""
        return not self.players()

    def on_train_start(self) -> None:
        """Set the mode, which Lightning leaves as it is, and let the method read the training data."""
        self.train()
        if (data := getattr(self.trainer, "datamodule", None)) is not None:
            self.before_training(data, resumed=self.global_step > 0)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: torch.optim.Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Update the weights, then call `after_update`."""
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.after_update()

    def predict_case(self, batch: EvaluationBatch) -> tuple[Tensor, Tensor]:
        """Predict a whole case.

        Returns:
            Class probabilities (C, z, y, x) and labels (z, y, x) uint8, both on the native grid.
        """
        on_grid = predict_volume(self.probabilities, batch["image"][0], self.shape.dimensions, self.inference)
        probabilities = resize_probabilities(on_grid, batch["native_shape"])
        labels = hard_label(probabilities[None])[0].to(torch.uint8)
        if self.inference.largest_component:
            labels = keep_largest_components(labels, self.num_classes)
        return probabilities, labels

    def validation_step(self, batch: EvaluationBatch) -> None:
        """Score a case by Dice on its native grid."""
        probabilities, labels = self.predict_case(batch)
        if "reference" in batch:
            dice = dice_per_class(labels.cpu().numpy(), batch["reference"].cpu().numpy(), len(probabilities))
            dice[~batch["annotated_labels"].cpu().numpy()] = math.nan  # the reference does not cover these classes
            self._dice[batch["uid"]] = dice[1:].tolist()

    def on_validation_epoch_end(self) -> None:
        """Log the mean Dice over classes and cases; a class that is absent from prediction and reference is ignored."""
        scores = torch.tensor(list(gathered(self._dice, self.trainer.world_size).values()), dtype=torch.float64)
        self._dice = {}
        if not len(scores) or self.trainer.sanity_checking:
            return
        for index in range(scores.shape[1]):
            self.log(f"validation/dice_{index + 1}", float(scores[:, index].nanmean()))
        # the same on every process, since each decides with it whether this is the best checkpoint
        self.log("validation/dice", float(scores.nanmean(dim=0).nanmean()), prog_bar=True)

    def test_step(self, batch: EvaluationBatch) -> Prediction:  # type: ignore[override]  # callbacks take any outputs
        """Predict a case; the recorder of the run scores and writes it."""
        probabilities, labels = self.predict_case(batch)
        return Prediction(batch["uid"], labels, require_finite_output(probabilities, batch["uid"]), batch)

    def predict_step(self, batch: EvaluationBatch) -> Prediction:
        """Predict a case."""
        return self.test_step(batch)

    def configure_optimizers(self) -> Any:
        """Build the optimiser and its schedule over the whole run."""
        if self.trainer.max_steps < 1:
            raise ConfigError("trainer.max_steps must be set: the length of a run is counted in iterations")
        return configure_all(self, self.trainer.max_steps)

    def require_data(self, class_names: Sequence[str], in_channels: int, dimensions: int) -> None:
        """Raise an error if the data do not fit this method.

        Raises:
            ConfigError: names the setting to change.
        """
        for setting, mine, theirs in (
            ("model.num_classes", self.num_classes, len(class_names)),
            ("model.in_channels", self.in_channels, in_channels),
            ("model.network.dimensions", self.shape.dimensions, dimensions),
        ):
            if mine != theirs:
                raise ConfigError(f"{setting} is {mine}, but the data has {theirs} ({', '.join(class_names)})")

    def setup(self, stage: str) -> None:  # noqa: ARG002  Lightning's signature
        """Check that data and method fit, before training, and set the memory layout of the weights."""
        if self.shape.dimensions == 2:
            # the faster layout for 2D on CPU and GPU; results are still a function of the seed
            for module in self.children():
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
        data = getattr(self.trainer, "datamodule", None)
        if data is not None:
            self.require_data(data.mapping.names, data.in_channels, data.dimensions)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Record which method the weights belong to; raise an error if a weight is not finite."""
        sign_checkpoint(self, checkpoint, self._cases)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raise an error for the checkpoint of another method or of a network of another shape."""
        require_own_checkpoint(self, checkpoint)

    def _progress_at(self, step: int) -> float:
        return min(1.0, step / max(1, self.trainer.max_steps)) if step else 0.0
