"""The convolution that predicts through oneDNN is the convolution that trains."""

import pytest
import torch
from torch import nn

from lesslabel.networks.layers import Convolution3d


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("channels", "options"),
    [
        ((1, 8), {"kernel_size": 3, "padding": 1, "bias": False}),
        ((3, 8), {"kernel_size": 3, "padding": 1}),
        ((8, 16), {"kernel_size": 2, "stride": 2}),
        ((5, 2), {"kernel_size": 1}),
        ((4, 4), {"kernel_size": (1, 3, 3), "padding": "same", "padding_mode": "replicate"}),
        ((4, 6), {"kernel_size": 3, "padding": "same", "groups": 2}),
    ],
)
def test_it_predicts_what_it_computes_in_training(
    batch: int, channels: tuple[int, int], options: dict[str, object]
) -> None:
    torch.manual_seed(0)
    convolution = Convolution3d(*channels, **options)
    plain = nn.Conv3d(*channels, **options)
    plain.load_state_dict(convolution.state_dict())
    volume = torch.randn(batch, channels[0], 6, 9, 8)
    exact = plain.double()(volume.double())
    assert torch.equal(convolution(volume), plain.float()(volume))
    for layout in (torch.contiguous_format, torch.channels_last_3d):
        with torch.no_grad():
            predicted = convolution(volume.contiguous(memory_format=layout))
        torch.testing.assert_close(predicted.double(), exact, rtol=1e-5, atol=1e-5)


def test_other_precisions_predict_as_torch_does() -> None:
    convolution = Convolution3d(2, 3, kernel_size=3, padding=1)
    volume = torch.randn(1, 2, 5, 6, 7)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert convolution(volume).dtype == torch.bfloat16
    with torch.no_grad():
        assert convolution.double()(volume.double()).dtype == torch.float64
