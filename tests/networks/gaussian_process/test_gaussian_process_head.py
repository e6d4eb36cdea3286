"""The head beside scikit-learn's classifier, its gradients, and the clicks that people make."""

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.spatial.distance import cdist
from scipy.special import expit
from scipy.stats import norm
from torch import Tensor
from torch.func import functional_call

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.networks import GaussianProcessHead, gaussian_process_loss

START = {"intensity_weight": 0.5, "feature_weight": 0.2, "intensity_scale": 1.0, "feature_scale": 2.0}
GRIDS = [(9, 11), (4, 5, 6)]


def draw(
    grid: tuple[int, ...], clicks: int, batch: int = 1, features: int = 5, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    """Features and intensities, and a map with as many clicks per sample, half of them foreground."""
    generator = torch.Generator().manual_seed(clicks)
    feature = torch.randn(batch, features, *grid, generator=generator, dtype=dtype)
    intensity = torch.rand(batch, 2, *grid, generator=generator, dtype=dtype)
    place = torch.rand(batch, feature[0, 0].numel(), generator=generator).argsort(dim=1)[:, :clicks]
    labels = torch.arange(clicks).remainder(2).expand(batch, -1)
    return (
        feature,
        intensity,
        torch.full((batch, feature[0, 0].numel()), IGNORE).scatter(1, place, labels).view(batch, *grid),
    )


def columns(maps: Tensor) -> NDArray[np.float64]:
    """The pixels of the first sample, one row each."""
    return maps[0].flatten(1).T.detach().numpy()


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("clicks", [2, 40])
def test_it_is_the_classifier_of_scikit_learn(grid: tuple[int, ...], clicks: int) -> None:
    module = pytest.importorskip("sklearn.gaussian_process")

    class Hybrid(module.kernels.StationaryKernelMixin, module.kernels.Kernel):
        """Eq. 13 once more, on rows of two intensities followed by the features."""

        def __init__(self) -> None:
            """scikit-learn refuses a kernel whose constructor it cannot read."""

        def __call__(self, first, second=None, eval_gradient=False):  # noqa: ARG002
            second = first if second is None else second
            scaled = np.sqrt(5) * cdist(first[:, 2:], second[:, 2:]) / START["feature_scale"]
            matern = (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
            squared = cdist(first[:, :2], second[:, :2], "sqeuclidean")
            rbf = np.exp(-squared / (2 * START["intensity_scale"] ** 2))
            return START["intensity_weight"] * rbf + START["feature_weight"] * matern

        def diag(self, first):
            return np.full(len(first), START["intensity_weight"] + START["feature_weight"])

    feature, intensity, click_map = draw(grid, clicks)
    with torch.no_grad():
        prediction = GaussianProcessHead(**START).double()(feature, intensity, click_map)
    rows = np.concatenate([columns(intensity), columns(feature)], axis=1)
    labels = click_map.flatten().numpy()
    known = labels != IGNORE
    peer = module.GaussianProcessClassifier(Hybrid(), optimizer=None).fit(rows[known], labels[known])
    mean, variance = peer.latent_mean_and_variance(rows)
    np.testing.assert_allclose(prediction.mean.flatten(), mean, atol=1e-6)
    np.testing.assert_allclose(prediction.variance.flatten(), variance, atol=1e-6)
    np.testing.assert_allclose(prediction.probability.flatten(), peer.predict_proba(rows)[:, 1], atol=1e-3)
    for index in range(0, len(rows), 17):
        integrated, _ = quad(
            lambda f, at=index: expit(f) * norm.pdf(f, mean[at], np.sqrt(variance[at])), -12, 12, epsabs=1e-10
        )
        assert prediction.probability.flatten()[index].item() == pytest.approx(integrated, abs=1e-6)


def test_gradients_of_features_intensities_and_kernel_are_exact() -> None:
    feature, intensity, clicks = draw((2, 3), clicks=4, features=2)
    feature[..., 0, 0], intensity[..., 0, 0] = feature[..., 1, 2], intensity[..., 1, 2]
    clicks[0, 0, 0], clicks[0, 1, 2] = 0, 1  # the two contradict each other
    head = GaussianProcessHead(block_pixels=4).double()
    names = [name for name, _ in head.named_parameters()]
    assert len(names) == 4

    def outputs(feature: Tensor, intensity: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        values = dict(zip(names, parameters, strict=True))
        prediction = functional_call(head, values, (feature, intensity, clicks))
        terms = gaussian_process_loss(prediction.posteriors, weight=1.0, divergence_weight=1.0)
        return prediction.mean, prediction.variance, prediction.probability, *terms.values()

    inputs = (feature.requires_grad_(), intensity.requires_grad_(), *head.parameters())
    assert torch.autograd.gradcheck(outputs, inputs)


@pytest.mark.parametrize("grid", GRIDS)
def test_blocks_change_neither_results_nor_gradients(grid: tuple[int, ...]) -> None:
    results = []
    for block_pixels in (10**6, 7):
        feature, intensity, clicks = draw(grid, clicks=6, batch=2)
        head = GaussianProcessHead(block_pixels=block_pixels).double()
        prediction = head(feature.requires_grad_(), intensity, clicks)
        (prediction.probability.square().sum() + prediction.variance.sum()).backward()
        gradients = [feature.grad, *(parameter.grad for parameter in head.parameters())]
        results.append([prediction.mean, prediction.variance, prediction.probability, *gradients])
    for whole, blocked in zip(*results, strict=True):
        torch.testing.assert_close(whole, blocked)


def test_only_what_pixels_look_like_matters_and_not_their_order() -> None:
    feature, intensity, clicks = draw((6, 7), clicks=9)
    order = torch.randperm(42, generator=torch.Generator().manual_seed(1))
    head = GaussianProcessHead().double()
    maps = [head(feature, intensity, clicks)]
    shuffled = [values.flatten(-2)[..., order].unflatten(-1, (6, 7)) for values in (feature, intensity, clicks)]
    maps.append(head(*shuffled))
    torch.testing.assert_close(maps[0].probability.flatten()[order], maps[1].probability.flatten())
    torch.testing.assert_close(maps[0].variance.flatten()[order], maps[1].variance.flatten())


def test_samples_do_not_see_each_other() -> None:
    feature, intensity, clicks = draw((5, 6), clicks=4, batch=3)
    clicks[1] = IGNORE
    head = GaussianProcessHead().double()
    together = head(feature, intensity, clicks)
    for index in range(3):
        alone = head(feature[[index]], intensity[[index]], clicks[[index]])
        torch.testing.assert_close(together.mean[[index]], alone.mean)
        torch.testing.assert_close(together.posteriors[index].divergence, alone.posteriors[0].divergence)


def test_without_a_click_nothing_is_known_and_nothing_is_learnt() -> None:
    feature, intensity, clicks = draw((5, 6), clicks=0, batch=2)
    head = GaussianProcessHead().double()
    prediction = head(feature.requires_grad_(), intensity, clicks)
    assert (prediction.mean == 0).all()
    torch.testing.assert_close(prediction.probability, torch.full((2, 1, 5, 6), 0.5).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(prediction.variance, torch.full((2, 1, 5, 6), 0.7).double())
    (prediction.mean.sum() + sum(gaussian_process_loss(prediction.posteriors).values())).backward()
    assert (feature.grad == 0).all()


@pytest.mark.parametrize("label", [0, 1])
def test_clicks_of_one_class_lean_to_it_and_never_cross_one_half(label: int) -> None:
    feature, intensity, clicks = draw((8, 8), clicks=6)
    feature[..., 0, 0], intensity[..., 0, 0] = 1e3, 1e3
    clicks[0, 0, 0] = IGNORE
    clicks[clicks != IGNORE] = label
    with torch.no_grad():
        prediction = GaussianProcessHead().double()(feature, intensity, clicks)
    towards = prediction.probability if label == 1 else 1 - prediction.probability
    assert towards.min() > 0.5 - 1e-9
    assert towards[0, 0][clicks[0] != IGNORE].min() > 0.55
    assert prediction.probability[0, 0, 0, 0].item() == pytest.approx(0.5, abs=1e-9)
    assert prediction.variance[0, 0, 0, 0].item() == pytest.approx(0.7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("clicks", [1, 2, 200])
@pytest.mark.parametrize("alike", [False, True])
def test_any_number_of_clicks_is_finite_in_both_directions(dtype: torch.dtype, clicks: int, alike: bool) -> None:
    feature, intensity, click_map = draw((16, 16), clicks, dtype=dtype)
    if alike:  # every pixel the same: as many contradictions as clicks
        feature, intensity = torch.ones_like(feature), torch.ones_like(intensity)
    head = GaussianProcessHead().to(dtype)
    prediction = head(feature.requires_grad_(), intensity, click_map)
    terms = gaussian_process_loss(prediction.posteriors)
    (prediction.logits.mean() + prediction.variance.mean() + sum(terms.values())).backward()
    for values in (prediction.mean, prediction.variance, prediction.probability, prediction.logits, feature.grad):
        assert values.isfinite().all()
        assert values.dtype == dtype
    assert all(parameter.grad.isfinite() for parameter in head.parameters())
    assert prediction.variance.min() >= 0
    assert prediction.variance.max() <= 0.7001
    if alike and clicks % 2 == 0:
        torch.testing.assert_close(prediction.probability, torch.full_like(prediction.probability, 0.5))


def test_a_click_pulls_those_that_look_like_it_and_makes_them_certain() -> None:
    feature, intensity = torch.zeros(1, 2, 4, 8), torch.zeros(1, 1, 4, 8)
    feature[..., 4:], intensity[..., 4:] = 6.0, 1.0
    clicks = torch.full((1, 4, 8), IGNORE)
    clicks[0, 0, 0], clicks[0, 0, 7] = 0, 1
    one = GaussianProcessHead()(feature, intensity, clicks)
    assert (one.probability[..., :4] < 0.5).all()
    assert (one.probability[..., 4:] > 0.5).all()
    clicks[0, 3, 6] = 1
    two = GaussianProcessHead()(feature, intensity, clicks)
    assert (two.probability[..., 4:] > one.probability[..., 4:]).all()
    assert (two.variance < one.variance).all()


def test_logits_are_the_log_probabilities_of_background_and_foreground() -> None:
    prediction = GaussianProcessHead().double()(*draw((5, 6), clicks=8))
    probability = prediction.logits.softmax(dim=1)
    torch.testing.assert_close(probability[:, 1:], prediction.probability)
    torch.testing.assert_close(prediction.logits.exp().sum(dim=1), torch.ones(1, 5, 6).double())


@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_float32_agrees_with_float64(offset: float) -> None:
    feature, intensity, clicks = draw((12, 12), clicks=40, features=52)
    double = GaussianProcessHead().double()(feature + offset, intensity, clicks)
    single = GaussianProcessHead()((feature + offset).float(), intensity.float(), clicks)
    for name in ("mean", "variance", "probability"):
        torch.testing.assert_close(getattr(single, name).double(), getattr(double, name), atol=1e-5, rtol=0)


def test_half_precision_and_autocast_are_computed_in_float32() -> None:
    feature, intensity, clicks = draw((6, 6), clicks=8, dtype=torch.float32)
    head = GaussianProcessHead()
    expected = head(feature.bfloat16().float(), intensity, clicks)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = head(feature.bfloat16(), intensity, clicks)
    assert result.probability.dtype == torch.float32
    torch.testing.assert_close(result.probability, expected.probability)


def test_descent_on_features_and_kernel_fits_the_clicks() -> None:
    feature, intensity, clicks = draw((6, 6), clicks=12, dtype=torch.float32)
    head = GaussianProcessHead()
    optimiser = torch.optim.Adam([feature.requires_grad_(), *head.parameters()], lr=0.05)
    history = []
    for _ in range(20):
        loss = sum(gaussian_process_loss(head(feature, intensity, clicks).posteriors, weight=1.0).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    assert all(after < before for before, after in itertools.pairwise(history))
    assert history[-1] < 0.8 * history[0]


def test_what_cannot_be_right_is_refused() -> None:
    feature, intensity, clicks = draw((5, 6), clicks=4)
    head = GaussianProcessHead().double()
    with pytest.raises(ConfigError, match="share batch and grid"):
        head(feature, intensity, clicks[:, None])
    with pytest.raises(ConfigError, match="share batch and grid"):
        head(feature[..., :5], intensity, clicks)
    clicks[0, 0, 0] = 2
    with pytest.raises(ConfigError, match=r"clicks hold \[0, 1, 2\]"):
        head(feature, intensity, clicks)
    with pytest.raises(ConfigError, match="block_pixels: 0"):
        GaussianProcessHead(block_pixels=0)
