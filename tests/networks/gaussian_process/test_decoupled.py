"""The decoupled engine beside Laplace's, its own closed form beside its functions, and distributions of torch."""

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence
from torch.func import functional_call

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.networks.gaussian_process import (
    DecoupledEngine,
    DecoupledPosterior,
    GaussianProcessHead,
    HybridKernel,
    Pixels,
    decoupled_posterior,
    gaussian_process_loss,
    laplace_posterior,
)

GRIDS = [(6, 7), (3, 4, 5)]


def head_of(channels: int, waves: int = 32, **settings: int) -> GaussianProcessHead:
    torch.manual_seed(0)
    return GaussianProcessHead(engine=DecoupledEngine(channels, waves=waves), **settings).double()


def draw(
    grid: tuple[int, ...], clicks: int, batch: int = 1, features: int = 3, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    """Features, intensities of one channel, and a map with as many clicks per sample, half of them foreground."""
    generator = torch.Generator().manual_seed(clicks)
    feature = torch.randn(batch, features, *grid, generator=generator, dtype=dtype)
    intensity = torch.rand(batch, 1, *grid, generator=generator, dtype=dtype)
    place = torch.rand(batch, feature[0, 0].numel(), generator=generator).argsort(dim=1)[:, :clicks]
    click_map = torch.full((batch, feature[0, 0].numel()), IGNORE)
    labels = torch.arange(clicks).remainder(2).expand(batch, -1)
    return feature, intensity, click_map.scatter(1, place, labels).view(batch, *grid)


def pixels_of(count: int, seed: int) -> Pixels:
    generator = torch.Generator().manual_seed(seed)
    return Pixels(
        torch.randn(3, count, generator=generator, dtype=torch.float64),
        torch.rand(1, count, generator=generator, dtype=torch.float64),
    )


def some_posterior(kernel: HybridKernel, clicked: Pixels, jitter: float = 0.01) -> DecoupledPosterior:
    """With clicks that depend on each other."""
    count = clicked.features.shape[1]
    generator = torch.Generator().manual_seed(7)
    mean = torch.randn(count, generator=generator, dtype=torch.float64)
    root = 0.2 * torch.randn(count, count, generator=generator, dtype=torch.float64).tril(-1) + 0.3 * torch.eye(count)
    return decoupled_posterior(kernel(clicked, clicked).detach(), (mean > 0).double(), mean, root, jitter)


def test_with_laplaces_posterior_it_predicts_what_laplace_predicts() -> None:
    kernel = HybridKernel(intensity_scale=0.2, feature_scale=0.7).double()
    clicked, pixels = pixels_of(12, seed=1), pixels_of(50, seed=2)
    with torch.no_grad():
        covariance, between = kernel(clicked, clicked), kernel(clicked, pixels)
        laplace = laplace_posterior(covariance, torch.arange(12).remainder(2).double())
        probability = torch.sigmoid(laplace.mode)
        precision = torch.linalg.inv(covariance) + torch.diag(probability * (1 - probability))
        root = torch.linalg.cholesky(torch.linalg.inv(precision))
        decoupled = decoupled_posterior(covariance, laplace.labels, laplace.mode, root, jitter=1e-12)
        for name in ("mean", "variance", "score", "divergence"):
            torch.testing.assert_close(getattr(decoupled, name), getattr(laplace, name), atol=1e-6, rtol=0)
        torch.testing.assert_close(decoupled.score @ between, laplace.score @ between, atol=1e-6, rtol=0)
        torch.testing.assert_close(decoupled.explained(between), laplace.explained(between), atol=1e-6, rtol=0)
    assert laplace.explained(between).max() > 0.1


def test_mean_variance_and_divergence_by_inverted_matrices() -> None:
    kernel = HybridKernel().double()
    clicked, pixels = pixels_of(6, seed=1), pixels_of(9, seed=2)
    with torch.no_grad():
        posterior, between = some_posterior(kernel, clicked), kernel(clicked, pixels)
        prior = kernel(clicked, clicked) + 0.01 * torch.eye(6)
        covariance, inverse = posterior.root @ posterior.root.T, torch.linalg.inv(prior)
        torch.testing.assert_close(posterior.score, inverse @ posterior.mean)
        torch.testing.assert_close(
            posterior.explained(between), (between.T @ inverse @ (prior - covariance) @ inverse @ between).diagonal()
        )
        torch.testing.assert_close(posterior.variance, covariance.diagonal())
        expected = kl_divergence(
            MultivariateNormal(posterior.mean, covariance), MultivariateNormal(torch.zeros(6).double(), prior)
        )
    torch.testing.assert_close(posterior.divergence, expected)


@pytest.mark.parametrize("alike", [False, True])
def test_mean_and_variance_over_functions_are_the_closed_form(alike: bool) -> None:
    kernel = HybridKernel(intensity_scale=0.3, feature_scale=1.5).double()
    clicked, pixels = pixels_of(4, seed=1), pixels_of(5, seed=2)
    if alike:  # two clicks on one spot
        clicked = Pixels(*(values[:, [0, 0, 1, 2]] for values in clicked))
    pixels = Pixels(*(torch.cat(both, dim=1) for both in zip(clicked, pixels, strict=True)))
    engine = DecoupledEngine(4, waves=4, jitter=0.5)  # so much that what it adds is seen
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        posterior, between = some_posterior(kernel, clicked, engine.jitter), kernel(clicked, pixels)
        functions = [engine.draw(kernel, posterior, clicked, generator) for _ in range(1500)]
        drawn = torch.stack([function(kernel, pixels) for function in functions])
        explained = posterior.explained(between)
    # Standard errors with 1500 functions of variance below 0.7: mean 0.021, variance 0.7 · √(2 / 1500) = 0.026.
    torch.testing.assert_close(drawn.mean(dim=0), posterior.score @ between, atol=0.06, rtol=0)
    torch.testing.assert_close(drawn.var(dim=0), kernel.variance.detach() - explained, atol=0.06, rtol=0)


@pytest.mark.parametrize("grid", GRIDS)
def test_the_head_applies_the_engine_to_every_pixel(grid: tuple[int, ...]) -> None:
    feature, intensity, clicks = draw(grid, clicks=8)
    head = head_of(4, block_pixels=10)
    pixels = Pixels(feature[0].flatten(1), intensity[0].flatten(1))
    known = clicks.flatten() != IGNORE
    clicked = Pixels(*(values[:, known] for values in pixels))
    with torch.no_grad():
        closed, drawn = head(feature, intensity, clicks), head(feature, intensity, clicks, torch.Generator())
        between = head.kernel(clicked, pixels)
        posterior = head.engine(head.kernel(clicked, clicked), clicks.flatten()[known].double(), clicked)
        function = head.engine.draw(head.kernel, posterior, clicked, torch.Generator())
        torch.testing.assert_close(closed.mean.flatten(), posterior.score @ between)
        torch.testing.assert_close(closed.variance.flatten(), head.kernel.variance - posterior.explained(between))
        torch.testing.assert_close(drawn.mean.flatten(), function(head.kernel, pixels))
    assert closed.variance.std() > 0.02


def test_a_generator_gives_one_function_for_every_sample_and_without_it_nothing_is_random() -> None:
    inputs, head = draw((5, 6), clicks=4, batch=2), head_of(4)
    first, again, other = (head(*inputs, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.mean, again.mean)
    assert not torch.equal(first.mean, other.mean)
    assert (first.variance == 0).all()
    torch.testing.assert_close(first.probability, torch.sigmoid(first.mean))
    assert torch.equal(head(*inputs).mean, head(*inputs).mean)
    with pytest.raises(ConfigError, match="only a DecoupledEngine samples"):
        GaussianProcessHead().double()(*inputs, torch.Generator())


def test_gradients_are_exact_also_where_clicks_coincide() -> None:
    feature, intensity, clicks = draw((2, 3), clicks=4, features=2)
    feature[..., 0, 0], intensity[..., 0, 0] = feature[..., 1, 2], intensity[..., 1, 2]
    clicks[0, 0, 0], clicks[0, 1, 2] = 0, 1  # the two contradict each other
    torch.manual_seed(0)
    head = GaussianProcessHead(block_pixels=4, engine=DecoupledEngine(3, hidden=2, waves=3)).double()
    names = [name for name, _ in head.named_parameters()]

    def outputs(feature: Tensor, intensity: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        values = dict(zip(names, parameters, strict=True))
        closed = functional_call(head, values, (feature, intensity, clicks))
        drawn = functional_call(head, values, (feature, intensity, clicks, torch.Generator().manual_seed(0)))
        terms = gaussian_process_loss(closed.posteriors, weight=1.0, divergence_weight=1.0)
        return closed.mean, closed.variance, closed.probability, drawn.mean, *terms.values()

    inputs = (feature.requires_grad_(), intensity.requires_grad_(), *head.parameters())
    assert torch.autograd.gradcheck(outputs, inputs)


@pytest.mark.parametrize("grid", GRIDS)
def test_blocks_change_neither_results_nor_gradients(grid: tuple[int, ...]) -> None:
    results = []
    for block_pixels in (10**6, 7):
        feature, intensity, clicks = draw(grid, clicks=6, batch=2)
        head = head_of(4, block_pixels=block_pixels)
        closed = head(feature.requires_grad_(), intensity, clicks)
        drawn = head(feature, intensity, clicks, torch.Generator().manual_seed(0))
        (closed.variance.sum() + drawn.probability.square().sum()).backward()
        results.append([closed.variance, drawn.mean, feature.grad, *(value.grad for value in head.kernel.parameters())])
    for whole, blocked in zip(*results, strict=True):
        torch.testing.assert_close(whole, blocked)


def test_float32_agrees_with_float64() -> None:
    feature, intensity, clicks = draw((12, 12), clicks=40)
    double = head_of(4).float().double()
    for drawn in (False, True):
        expected = double(feature, intensity, clicks, torch.Generator() if drawn else None)
        single = head_of(4).float()(feature.float(), intensity.float(), clicks, torch.Generator() if drawn else None)
        for name in ("mean", "variance", "probability"):
            torch.testing.assert_close(getattr(single, name).double(), getattr(expected, name), atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("clicks", [1, 2, 200])
@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("drawn", [False, True])
def test_any_number_of_clicks_is_finite_in_both_directions(
    dtype: torch.dtype, clicks: int, alike: bool, drawn: bool
) -> None:
    feature, intensity, click_map = draw((16, 16), clicks, dtype=dtype)
    if alike:  # every pixel the same: as many contradictions as clicks
        feature, intensity = torch.ones_like(feature), torch.ones_like(intensity)
    head = head_of(4).to(dtype)
    prediction = head(
        feature.requires_grad_(), intensity, click_map, torch.Generator().manual_seed(0) if drawn else None
    )
    terms = gaussian_process_loss(prediction.posteriors)
    (prediction.logits.mean() + prediction.variance.mean() + sum(terms.values())).backward()
    for values in (prediction.mean, prediction.variance, prediction.probability, prediction.logits, feature.grad):
        assert values.isfinite().all()
        assert values.dtype == dtype
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())
    assert prediction.variance.min() >= 0
    if alike and clicks % 2 == 0 and not drawn:
        torch.testing.assert_close(prediction.probability, torch.full_like(prediction.probability, 0.5))


@pytest.mark.parametrize("label", [0, 1])
def test_clicks_of_one_class_lean_to_it_and_far_from_them_nothing_is_known(label: int) -> None:
    feature, intensity, clicks = draw((8, 8), clicks=6)
    feature[..., 0, 0], intensity[..., 0, 0] = 1e3, 1e3
    clicks[0, 0, 0] = IGNORE
    clicks[clicks != IGNORE] = label
    with torch.no_grad():
        prediction = head_of(4)(feature, intensity, clicks)
    towards = prediction.probability if label == 1 else 1 - prediction.probability
    assert towards[0, 0][clicks[0] != IGNORE].min() > 0.55
    assert prediction.probability[0, 0, 0, 0].item() == pytest.approx(0.5, abs=1e-9)
    assert prediction.variance[0, 0, 0, 0].item() == pytest.approx(0.7)


def test_a_click_holds_at_its_pixel_among_many_of_the_other_side() -> None:
    feature, intensity, clicks = draw((5, 6), clicks=30)
    clicks[:] = 1
    clicks[0, 2, 3] = 0
    with torch.no_grad():
        decoupled, laplace = (head(feature, intensity, clicks) for head in (head_of(4), GaussianProcessHead().double()))
    assert decoupled.probability[0, 0, 2, 3] < 0.5
    assert laplace.probability[0, 0, 2, 3] > 0.5  # whose likelihood lets the many outvote the one


def test_without_a_click_a_sample_is_the_prior() -> None:
    feature, intensity, clicks = draw((5, 6), clicks=0)
    head = head_of(4)
    prediction = head(feature.requires_grad_(), intensity, clicks)
    assert (prediction.mean == 0).all()
    torch.testing.assert_close(prediction.variance, torch.full((1, 1, 5, 6), 0.7).double())
    assert all(term == 0 for term in gaussian_process_loss(prediction.posteriors).values())
    assert head(feature, intensity, clicks, torch.Generator().manual_seed(0)).mean.std() > 0.05


def test_descent_on_functions_fits_the_clicks() -> None:
    feature, intensity, clicks = draw((6, 6), clicks=12, dtype=torch.float32)
    head = head_of(4).float()
    optimiser = torch.optim.Adam([feature.requires_grad_(), *head.parameters()], lr=0.05)
    generator = torch.Generator().manual_seed(0)
    known = clicks[:, None] != IGNORE
    history = []
    for _ in range(30):
        prediction = head(feature, intensity, clicks, generator)
        loss = torch.nn.functional.binary_cross_entropy(prediction.probability[known], clicks[:, None][known].float())
        loss = loss + sum(gaussian_process_loss(prediction.posteriors).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    assert sum(history[-5:]) < 0.5 * sum(history[:5])


def test_nan_is_handed_on() -> None:
    feature, intensity, clicks = draw((4, 4), clicks=4)
    feature[:] = torch.nan
    assert head_of(4)(feature, intensity, clicks).mean.isnan().any()


@pytest.mark.parametrize("name", ["channels", "hidden", "waves", "jitter"])
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_must_be_positive(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=name):
        DecoupledEngine(**{"channels": 4, name: value})
