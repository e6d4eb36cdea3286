"""Dense CRF (RLoss): all similar voxels of an image should have the same class."""

from torch import Tensor

from lesslabel.losses import dense_crf_loss
from lesslabel.methods.checks import require_at_least, require_positive
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.weak.regularised import RegularisedScribbles
from lesslabel.networks import Network, UNet


class DenseCRF(RegularisedScribbles):
    """Partial cross-entropy and the regularised loss (RLoss) of all pairs of voxels.

    From "On Regularized Losses for Weakly-supervised CNN Segmentation" (Tang et al., ECCV 2018, arXiv:1803.09569):
    ``L = pCE(y, s) + λ·Σ_c yᶜᵀ·W·(1 − yᶜ)`` with the Gaussian kernel W of place and intensity.

    The published code filters on a permutohedral lattice at half the resolution, sums over pairs and takes λ = 1e-9;
    here the kernel is exact on a grid of at most `nodes` cells, averaged over pairs.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        regulariser_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; 0 means from the start, as published, None is
            the length of the run.
        nodes: largest number of cells of the grid of a sample.
        position_sigma_voxel: of the kernel, in voxels of the image.
        intensity_sigma: of the kernel, in the unit of the normalised image.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        regulariser_weight: float = 1.0,
        ramp_iterations: int | None = 0,
        nodes: int = 1024,
        position_sigma_voxel: float = 100.0,
        intensity_sigma: float = 0.1,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes,
            in_channels=in_channels,
            regulariser_weight=regulariser_weight,
            ramp_iterations=ramp_iterations,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        require_at_least(2, nodes=nodes)
        require_positive(position_sigma_voxel=position_sigma_voxel, intensity_sigma=intensity_sigma)
        self.nodes = nodes
        self.position_sigma_voxel = position_sigma_voxel
        self.intensity_sigma = intensity_sigma

    def regulariser(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """Compute the disagreement of all similar voxels."""
        return dense_crf_loss(
            probabilities,
            image,
            nodes=self.nodes,
            position_sigma_voxel=self.position_sigma_voxel,
            intensity_sigma=self.intensity_sigma,
        )
