"""Gated CRF: neighbours with similar intensities should have the same class."""

from torch import Tensor

from lesslabel.losses import gated_crf_loss
from lesslabel.methods.checks import require_at_least, require_positive
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.weak.regularised import RegularisedScribbles
from lesslabel.networks import Network, UNet


class GatedCRF(RegularisedScribbles):
    """Partial cross-entropy and the gated CRF loss of neighbouring voxels.

    From "Gated CRF Loss for Weakly Supervised Semantic Image Segmentation" (Obukhov et al., 2019, arXiv:1906.04651):
    ``L = pCE(y, s) + λ·(1/N)·Σᵢ Σⱼ kᵢⱼ·(1 − Σ_c yᵢᶜ·yⱼᶜ)`` over pairs of voxels in one window. The settings are those
    of the scribble benchmark (WSL4MIS): one kernel of place and intensity, radius 5, σ 6 and 0.1, λ = 0.1.

    The paper adds a kernel of place alone and leaves out voxels beyond the crop; the benchmark's code does neither, and
    counts pairs with voxels outside the image. Here only voxels of the image form pairs.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        regulariser_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; 0 means from the start, as published, None is
            the length of the run.
        radius_voxel: half the side of the window; in 3D the cost grows with its cube, 2 is affordable.
        position_sigma_voxel: of the kernel.
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
        regulariser_weight: float = 0.1,
        ramp_iterations: int | None = 0,
        radius_voxel: int = 5,
        position_sigma_voxel: float = 6.0,
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
        require_at_least(1, radius_voxel=radius_voxel)
        require_positive(position_sigma_voxel=position_sigma_voxel, intensity_sigma=intensity_sigma)
        self.radius_voxel = radius_voxel
        self.position_sigma_voxel = position_sigma_voxel
        self.intensity_sigma = intensity_sigma

    def regulariser(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """Compute the disagreement of similar neighbours."""
        return gated_crf_loss(
            probabilities,
            image,
            radius_voxel=self.radius_voxel,
            position_sigma_voxel=self.position_sigma_voxel,
            intensity_sigma=self.intensity_sigma,
        )
