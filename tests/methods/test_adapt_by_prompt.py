"""ProSFDA: the exchange of styles by NumPy, statistics by hand, the order of the stages, and the prompt."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of
from torch import nn

from lesslabel.data.case import Kind
from lesslabel.errors import ConfigError
from lesslabel.methods import ProSFDA, Supervised
from lesslabel.methods.fourier import low_frequencies_of
from lesslabel.methods.statistics import differences_of_statistics
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8))


def published_exchange(image: np.ndarray, style: np.ndarray, share: float) -> np.ndarray:
    """The square of low frequencies in the middle of the shifted spectrum, as FDA's code takes it."""
    axes = tuple(range(2, image.ndim))
    own, other = (np.fft.fftshift(np.fft.fftn(one, axes=axes), axes=axes) for one in (image, style))
    most = int(np.floor(min(image.shape[2:]) * share))
    middle = tuple(slice(length // 2 - most, length // 2 + most + 1) for length in image.shape[2:])
    amplitude = np.abs(own)
    amplitude[(..., *middle)] = np.abs(other)[(..., *middle)]
    mixed = np.fft.ifftshift(amplitude * np.exp(1j * np.angle(own)), axes=axes)
    return np.real(np.fft.ifftn(mixed, axes=axes))


@pytest.mark.parametrize("grid", [(12, 9), (5, 8, 7)])
@pytest.mark.parametrize("share", [0.0, 0.13, 0.3])
def test_the_style_is_exchanged_as_published(grid: tuple[int, ...], share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    image, style = (torch.randn((2, 3, *grid), generator=generator, dtype=torch.float64) for _ in range(2))
    mixed = low_frequencies_of(image, style, share)
    np.testing.assert_allclose(mixed.numpy(), published_exchange(image.numpy(), style.numpy(), share), atol=1e-4)
    torch.testing.assert_close(low_frequencies_of(image, image, share), image, atol=1e-4, rtol=0)


def test_without_periods_only_the_size_of_the_mean_is_exchanged() -> None:
    image, style = torch.rand(1, 1, 6, 6), 3.0 + torch.rand(1, 1, 6, 6)
    torch.testing.assert_close(low_frequencies_of(image, style, 0.0), image - image.mean() + style.mean())


def test_differences_of_statistics_by_hand() -> None:
    layer = nn.BatchNorm2d(2).eval()
    assert layer.running_mean is not None
    assert layer.running_var is not None
    layer.running_mean.copy_(torch.tensor([1.0, 0.0]))
    layer.running_var.copy_(torch.tensor([4.0, 1.0]))
    given = torch.tensor([[[[0.0, 2.0]], [[1.0, 1.0]]]])  # means 1 and 1, variances 2 and 0
    with differences_of_statistics(layer) as differences:
        layer(given)
        layer(given)
    layer(given)
    assert [(mean.tolist(), variance.tolist()) for mean, variance in differences] == [([0.0, 1.0], [-2.0, -1.0])] * 2


def test_the_prompt_learns_first_and_moves_the_images_to_the_source() -> None:
    torch.manual_seed(0)
    method = ProSFDA(CLASSES, prompt_side=1, network=SHAPE).train()
    batch = batch_of([Kind.NONE, Kind.NONE])
    source = method.source.network.train()
    for _ in range(60):  # the source has seen these images
        for module in source.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.track_running_stats = True
        source(batch["image"])
    method.train()
    shifted = batch | {"image": batch["image"] + 2.0}
    optimiser = torch.optim.Adam([method.prompt], lr=0.1)
    before = None
    for _ in range(80):
        terms = method.losses(shifted)
        assert terms.keys() == {"statistics"}
        before = before or float(terms["statistics"].detach())
        optimiser.zero_grad()
        terms["statistics"].backward()
        optimiser.step()
    assert float(terms["statistics"].detach()) < 0.5 * before
    assert float(method.prompt.detach()) == pytest.approx(-2.0, abs=0.3)
    assert all(weight.grad is None for weight in [*method.network.parameters(), *method.source.parameters()])


def test_later_the_network_learns_with_a_prompt_that_its_terms_leave_alone() -> None:
    torch.manual_seed(0)
    method = ProSFDA(CLASSES, prompt_share=0.0, network=SHAPE).train()
    terms = method.losses(batch_of([Kind.NONE, Kind.NONE]))
    assert terms.keys() == {"statistics", "cross_entropy", "alignment"}
    (terms["cross_entropy"] + terms["alignment"]).backward()
    assert all(weight.grad is not None for weight in method.network.parameters())
    assert method.prompt.grad is None
    one = ProSFDA(CLASSES, prompt_share=0.0, style_share=0.0, network=UNet(channels=(4, 8), normalisation="instance"))
    assert float(one.losses(batch_of([Kind.NONE]))["alignment"].detach()) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_prompt_fits_every_size_and_predicts(dimensions: int) -> None:
    torch.manual_seed(0)
    shape = UNet(dimensions=dimensions, channels=(4, 8))  # type: ignore[arg-type]
    method = ProSFDA(CLASSES, in_channels=3, prompt_side=4, network=shape).eval()
    image = torch.randn(2, 3, *[6, 10, 7][-dimensions:])
    torch.testing.assert_close(method.logits(image), method.network(image))
    with torch.no_grad():
        method.prompt.copy_(torch.tensor([1.0, 2.0, 3.0]).view(1, 3, *[1] * dimensions))
    by_channel = image + torch.tensor([1.0, 2.0, 3.0]).view(1, 3, *[1] * dimensions)
    torch.testing.assert_close(method.logits(image), method.network(by_channel))


def test_it_starts_from_a_network_alone() -> None:
    torch.manual_seed(1)
    given = Supervised(CLASSES, network=SHAPE).state_dict()
    method = ProSFDA(CLASSES, network=SHAPE)
    method.load_state_dict(method.complete_weights(given))
    state = method.state_dict()
    assert not state["prompt"].any()
    for name, tensor in given.items():
        assert torch.equal(state[f"source.{name}"], tensor)
    assert method.complete_weights(state) is state


def test_a_network_without_batch_normalisation_is_refused() -> None:
    method = ProSFDA(CLASSES, network=UNet(channels=(4, 8), normalisation="group"))
    with pytest.raises(ConfigError, match="ProSFDA needs a network with batch normalisation"):
        method.before_training(SimpleNamespace(), resumed=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"prompt_side": 0}, {"style_share": 1.6}, {"alignment_weight": -1.0}])
def test_a_setting_out_of_its_range_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"model.{next(iter(settings))} must"):
        ProSFDA(CLASSES, network=SHAPE, **settings)  # type: ignore[arg-type]
