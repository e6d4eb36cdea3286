"""UncertainDA: its terms by NumPy, what is frozen, and where training starts."""

import math

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of

from lesslabel.data.case import Kind
from lesslabel.errors import ConfigError
from lesslabel.methods import Supervised, UncertainDA
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8), normalisation="instance")


def softmax(logits: torch.Tensor) -> np.ndarray:
    e = np.exp(logits.detach().double().numpy())
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_terms_are_those_of_the_paper(dimensions: int) -> None:
    torch.manual_seed(0)
    shape = UNet(dimensions=dimensions, channels=(4, 8), normalisation="instance")  # type: ignore[arg-type]
    method = UncertainDA(
        CLASSES,
        pseudo_label_weight=2.0,
        entropy_weight=3.0,
        uncertainty_weight=0.5,
        heads=2,
        dropout=0.0,
        network=shape,
    )
    with torch.no_grad():
        method.source.network.head.weight.mul_(3.0)  # it differs from the network
    batch = batch_of([Kind.NONE, Kind.DENSE], dimensions)
    with torch.no_grad():
        features = method.network.features(batch["image"])
        y, q = softmax(method.network.head(features)), softmax(method.source(batch["image"]))
        further = [softmax(head(features)) for head in method.heads]
    best, confidence = q.argmax(axis=1), q.max(axis=1)
    chosen = np.zeros(best.shape, dtype=bool)
    for index in range(CLASSES):
        own = np.sort(confidence[best == index])[::-1]
        if len(own):
            chosen |= (best == index) & (confidence >= own[math.ceil(0.2 * len(own)) - 1])
    cross_entropy = -np.log(np.take_along_axis(y, best[:, None], axis=1)[:, 0][chosen]).mean()
    terms = {name: float(term) for name, term in method.losses(batch).items()}
    assert terms == {
        "pseudo_label": pytest.approx(2.0 * cross_entropy, rel=1e-4),
        "entropy": pytest.approx(3.0 * -(y * np.log(y)).sum(axis=1).mean() / math.log(CLASSES), rel=1e-4),
        "uncertainty": pytest.approx(0.5 * sum(((one - y) ** 2).mean() for one in further), rel=1e-4),
    }


def test_what_is_dropped_is_uncertain() -> None:
    """Without dropout and with the source's head there is no difference."""
    torch.manual_seed(0)
    method, dropping = (UncertainDA(CLASSES, dropout=dropout, network=SHAPE) for dropout in (0.0, 0.5))
    batch = batch_of([Kind.NONE])
    for one in (method, dropping):
        for head in one.heads:
            head.load_state_dict(one.network.head.state_dict())
    assert float(method.losses(batch)["uncertainty"]) == pytest.approx(0.0, abs=1e-10)
    assert float(dropping.losses(batch)["uncertainty"]) > 1e-5


def test_no_gradient_enters_the_prediction_that_the_heads_are_compared_with() -> None:
    torch.manual_seed(0)
    method = UncertainDA(CLASSES, network=SHAPE).train()
    seen: list[torch.Tensor] = []
    method.network.head.register_forward_hook(lambda _, __, output: (output.retain_grad(), seen.append(output))[0])
    method.losses(batch_of([Kind.NONE]))["uncertainty"].backward()
    assert seen[0].grad is None
    assert all(weight.grad is not None for weight in method.network.encoder.parameters())


def test_head_and_source_never_move() -> None:
    torch.manual_seed(0)
    method = UncertainDA(CLASSES, network=UNet(channels=(4, 8))).train()
    assert method.network.training
    assert not method.source.network.training
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    optimiser = torch.optim.SGD((p for p in method.parameters() if p.requires_grad), lr=0.1)
    torch.stack(list(method.losses(batch_of([Kind.NONE, Kind.NONE])).values())).sum().backward()
    optimiser.step()
    moved = {name for name, tensor in method.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name.split(".")[0] for name in moved} == {"network", "heads"}
    assert not {name for name in moved if name.startswith("network.head")}


def test_it_starts_from_a_network_alone() -> None:
    torch.manual_seed(1)
    given = Supervised(CLASSES, network=SHAPE).state_dict()
    method = UncertainDA(CLASSES, heads=2, network=SHAPE)
    drawn = [head.weight.detach().clone() for head in method.heads]
    assert not torch.equal(drawn[0], drawn[1])
    method.load_state_dict(method.complete_weights(given))
    state = method.state_dict()
    for name, tensor in given.items():
        assert torch.equal(state[name], tensor)
        assert torch.equal(state[f"source.{name}"], tensor)
    assert all(torch.equal(state[f"heads.{index}.weight"], drawn[index]) for index in range(2))
    assert method.complete_weights(state) is state


@pytest.mark.parametrize("settings", [{"heads": 0}, {"label_share": 1.1}, {"entropy_weight": -1.0}])
def test_a_setting_out_of_its_range_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"model.{next(iter(settings))} must"):
        UncertainDA(CLASSES, network=SHAPE, **settings)  # type: ignore[arg-type]
