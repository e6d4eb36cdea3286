"""DAN, the entropy adversary, SASSNet and AdaptSeg: what the discriminator sees, and what each side wants."""

import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from batches import CLASSES, batch_of
from torch import nn
from torch.utils.data import DataLoader

from lesslabel.data.case import Kind
from lesslabel.errors import ConfigError
from lesslabel.losses import level_sets
from lesslabel.methods import DAN, AdaptSeg, EntropyAdversary, SASSNet
from lesslabel.networks import UNet

MIXED = [Kind.DENSE, Kind.NONE, Kind.SCRIBBLE, Kind.NONE]
ADVERSARIES = [DAN, EntropyAdversary, SASSNet, AdaptSeg]
every_adversary = pytest.mark.parametrize("kind", ADVERSARIES)


def make(kind, **settings):
    torch.manual_seed(0)
    return kind(CLASSES, network=UNet(channels=(4, 8)), **settings).eval()


class Scores(nn.Module):
    """A discriminator with a given score for each sample of the batch that it judges."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = torch.tensor(scores)

    def forward(self, judged: torch.Tensor) -> torch.Tensor:
        return self.scores[: len(judged)]


@every_adversary
@torch.no_grad()
def test_the_network_wants_unlabelled_samples_to_be_taken_for_labelled(kind) -> None:
    method = make(kind, adversarial_weight=2.0, ramp_iterations=None)
    method.discriminator = Scores(1.0, -2.0)
    # −ln sigmoid(s), the mean of two unlabelled samples
    expected = 2.0 * math.exp(-5) * np.mean([math.log(1 + math.exp(-1.0)), math.log(1 + math.exp(2.0))])
    assert float(method.losses(batch_of(MIXED))["adversarial"]) == pytest.approx(expected, rel=1e-5)
    assert "adversarial" not in method.losses(batch_of([Kind.DENSE, Kind.SCRIBBLE]))


@every_adversary
@torch.no_grad()
def test_the_discriminator_tells_both_groups_apart(kind) -> None:
    method = make(kind)
    method.discriminator = Scores(1.0, -2.0, 0.5, 3.0)
    terms = method.told_apart(batch_of(MIXED))
    labelled = np.mean([math.log(1 + math.exp(-1.0)), math.log(1 + math.exp(-0.5))])
    unlabelled = np.mean([math.log(1 + math.exp(-2.0)), math.log(1 + math.exp(3.0))])
    assert float(terms["labelled"]) == pytest.approx(labelled, rel=1e-5)
    assert float(terms["unlabelled"]) == pytest.approx(unlabelled, rel=1e-5)
    assert float(method.told_apart(batch_of([Kind.DENSE] * 2))["unlabelled"]) == 0.0


@torch.no_grad()
def test_dan_judges_probabilities_beside_the_image() -> None:
    image, logits = torch.randn(2, 1, 4, 4), torch.randn(2, CLASSES, 4, 4)
    seen = make(DAN).evidence(image, logits)
    assert torch.equal(seen[:, CLASSES:], image)
    torch.testing.assert_close(seen[:, :CLASSES].sum(1), torch.ones(2, 4, 4))


@torch.no_grad()
def test_adapt_seg_judges_probabilities_alone_and_at_once_in_full() -> None:
    image, logits = torch.randn(2, 1, 4, 4), torch.tensor([0.5, 0.25, 0.25]).log().view(1, 3, 1, 1).expand(2, 3, 4, 4)
    method = make(AdaptSeg)
    torch.testing.assert_close(method.evidence(image, logits), logits.exp())
    method.discriminator = Scores(1.0, -2.0)
    expected = 0.001 * np.mean([math.log(1 + math.exp(-1.0)), math.log(1 + math.exp(2.0))])
    assert float(method.losses(batch_of(MIXED))["adversarial"]) == pytest.approx(expected, rel=1e-5)


@torch.no_grad()
def test_the_entropy_adversary_judges_the_self_information_of_each_class() -> None:
    logits = torch.tensor([0.5, 0.25, 0.25]).log().view(1, 3, 1, 1)
    expected = torch.tensor([0.5 * math.log(2), 0.25 * math.log(4), 0.25 * math.log(4)]) / math.log(3)
    torch.testing.assert_close(make(EntropyAdversary).evidence(logits, logits).flatten(), expected)


@torch.no_grad()
def test_sassnet_learns_the_signed_distances_of_dense_labels() -> None:
    method = make(SASSNet, level_set_weight=0.7)
    batch = batch_of(MIXED)
    signed = np.tanh(method.network(batch["image"][:1])[1].double().numpy())[0]
    expected = 0.7 * np.mean((signed - level_sets(batch["target"][0].numpy(), CLASSES)) ** 2)
    assert float(method.losses(batch)["level_set"]) == pytest.approx(float(expected), rel=1e-5)
    seen = method.evidence(batch["image"], method.network(batch["image"]))
    np.testing.assert_allclose(seen[0, : CLASSES - 1].numpy(), signed, atol=1e-6)


@every_adversary
def test_both_sides_learn_in_a_run(kind) -> None:
    method = make(kind).train()
    before = {name: weight.clone() for name, weight in method.named_parameters()}
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=2, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(method, DataLoader([batch_of(MIXED)] * 2, batch_size=None))
    changed = {
        name.partition(".")[0] for name, weight in method.named_parameters() if not torch.equal(weight, before[name])
    }
    assert changed == {"network", "discriminator"}
    assert trainer.global_step == 2


@every_adversary
def test_a_negative_weight_is_refused(kind) -> None:
    with pytest.raises(ConfigError, match="adversarial_weight"):
        make(kind, adversarial_weight=-1.0)
