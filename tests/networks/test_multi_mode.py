"""The network of multi-mode interaction: the grids of its equations, and who sees the guidance."""

import pytest
import torch

from lesslabel.networks import VGG16, DeepLab, UNet, VNet
from lesslabel.networks.multi_mode import MultiModeNetwork, _shrunk


def network_of(description, width: int = 6) -> MultiModeNetwork:
    torch.manual_seed(0)
    return MultiModeNetwork(description.build(1, 2).encoder, description.dimensions, width, 3, 3, "instance").eval()


def test_the_published_shapes() -> None:
    """VGG-16 has five maps; with the additional one the pyramid has six of 32 channels, the blocks read 35 and 36."""
    network = network_of(VGG16(), 32)
    pyramid = network.features(torch.randn(1, 1, 64, 96))
    assert [tuple(level.shape[1:]) for level in pyramid] == [(32, 64 // 2**level, 96 // 2**level) for level in range(6)]
    for block, first in ((network.initial_block, 35), (network.repair_block, 36)):
        assert [level[0][0].in_channels for level in block.down] == [first, 64, 64, 64, 64, 64]
        assert [level[0][0].in_channels for level in block.up] == [64] * 5
        assert {level[1][0].out_channels for level in (*block.down, *block.up)} == {32}
    assert network.initial_block.head.kernel_size == (3, 3)
    assert network.repair_block.head.kernel_size == (1, 1)


@pytest.mark.parametrize(
    "description",
    [UNet(channels=(4, 8, 8)), VNet(dimensions=3, channels=(2, 4, 4)), DeepLab(depth=10, decoder_channels=8)],
)
def test_any_encoder_will_do_on_any_grid(description) -> None:
    network = network_of(description)
    size = (37, 50) if description.dimensions == 2 else (9, 17, 22)
    pyramid = network.features(torch.randn(2, 1, *size))
    logits = network.initial(pyramid, torch.zeros(2, 3, *size))
    residual = network.residual(pyramid, (logits > 0).float(), torch.zeros(2, 3, *size))
    assert logits.shape == residual.shape == (2, 1, *size)


def test_features_see_the_image_and_the_blocks_see_the_guidance() -> None:
    network = network_of(UNet(channels=(4, 8)))
    image, guidance = torch.randn(1, 1, 16, 16), torch.zeros(1, 3, 16, 16)
    pyramid = network.features(image)
    mask = torch.zeros(1, 1, 16, 16)
    plain = network.residual(pyramid, mask, guidance)
    guidance[0, 1, 4, 4] = 1
    assert not torch.equal(plain, network.residual(pyramid, mask, guidance))
    assert not torch.equal(plain, network.residual(pyramid, mask + 1, torch.zeros_like(guidance)))
    assert all(torch.equal(one, other) for one, other in zip(pyramid, network.features(image), strict=True))


def test_a_map_shrinks_to_the_grid_of_the_next() -> None:
    features = torch.arange(20.0).view(1, 1, 4, 5)
    assert _shrunk(features, torch.empty(1, 1, 2, 3)).tolist() == [[[[6, 8, 9], [16, 18, 19]]]]
    assert _shrunk(features, features) is features
    assert _shrunk(features, torch.empty(1, 1, 1, 1)).item() == 19
