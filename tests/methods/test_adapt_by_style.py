"""FSM: compact structures and relations by hand, the style that is mined, and what the source gives."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of

from lesslabel.data.case import Kind
from lesslabel.errors import ConfigError
from lesslabel.methods import FSM, Supervised
from lesslabel.methods.adapt.fsm import compact_dice_loss, relation_losses
from lesslabel.methods.compactness import compactness
from lesslabel.methods.statistics import differences_of_statistics
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8))


def test_relations_by_hand() -> None:
    maps = [torch.full((2, 3, 4, 4), value) for value in (0.0, 1.0, 2.0, 4.0)]  # s, Rs, x, Rx
    distillation, contrast = relation_losses(*maps)
    assert float(distillation) == (1.0 - 4.0) ** 2
    assert float(contrast) == 4.0 + (16.0 - 1.0) ** 2


def test_a_square_and_a_line_by_hand() -> None:
    label = torch.zeros(2, 20, 24, dtype=torch.int64)
    label[0, 3:13, 5:15] = 1  # 100 voxels, 36 of them at its edge
    label[0, 17, 2:22] = 2  # a line of 20
    label[1] = 2
    expected = [[4 * np.pi * 100 / 36**2, 4 * np.pi * 20 / 20**2], [0.0, 1.0]]
    np.testing.assert_allclose(compactness(label, 3).numpy(), expected, rtol=1e-6)


def test_a_disc_is_compact_and_its_noise_is_not() -> None:
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    disc = ((rows - 32) ** 2 + (columns - 32) ** 2 <= 20**2).long()
    holes = disc * (torch.rand(64, 64, generator=torch.Generator().manual_seed(0)) < 0.7)
    whole, noisy = compactness(torch.stack([disc, holes]), 2)[:, 0].tolist()
    assert whole == 1.0
    assert noisy < 0.1


def test_a_cube_and_a_plate_by_hand() -> None:
    label = torch.zeros(1, 18, 18, 18, dtype=torch.int64)
    label[0, 1:13, 2:14, 3:15] = 1  # 12³ voxels, all but 10³ at its surface
    label[0, 15, :16, 1:17] = 2
    expected = [[36 * np.pi * 1728**2 / 728**3, 36 * np.pi / 256]]
    np.testing.assert_allclose(compactness(label, 3).numpy(), expected, rtol=1e-6)


def test_the_weighted_dice_by_hand() -> None:
    label = torch.tensor([[[1, 1, 0, 0]], [[0, 0, 0, 0]]])
    probabilities = torch.zeros(2, 2, 1, 4)
    probabilities[:, 1] = torch.tensor([0.5, 0.25, 0.25, 0.0])
    probabilities[:, 0] = 1.0 - probabilities[:, 1]
    weight = torch.tensor([[0.5], [0.0]])
    dice = (2 * 0.75 + 1) / (1.0 + 2.0 + 1)
    assert float(compact_dice_loss(probabilities, label, weight)) == pytest.approx((0.5 * (1 - dice) + 0.0) / 2)


def after_a_source_that_saw(images: torch.Tensor) -> FSM:
    torch.manual_seed(0)
    source = Supervised(CLASSES, network=SHAPE).train()
    with torch.no_grad():
        for _ in range(60):
            source.network(images)
    method = FSM(CLASSES, generation_steps=40, generation_rate=0.1, network=SHAPE)
    method.load_state_dict(method.complete_weights(source.state_dict()))
    return method.train()


def test_the_mined_style_is_that_of_the_images_that_the_source_has_seen() -> None:
    images = batch_of([Kind.NONE, Kind.NONE])["image"]
    method = after_a_source_that_saw(images)
    styled = method.source_like(images + 1.0)
    assert not styled.requires_grad
    assert float(styled.mean() - images.mean()) == pytest.approx(0.0, abs=0.3)

    def distance(image: torch.Tensor) -> float:
        with differences_of_statistics(method.source.network) as differences:
            method.source(image)
        return sum(float(mean.norm() + variance.norm()) for mean, variance in differences)

    assert distance(styled) < 0.5 * distance(images + 1.0)
    content, kept = (one - one.mean((2, 3), keepdim=True) for one in (images, styled))
    torch.testing.assert_close(kept, content, atol=1e-4, rtol=0)  # in 16 voxels β is no period but the mean


def test_the_source_stays_as_it_is_and_alone_gives_the_labels() -> None:
    method = after_a_source_that_saw(batch_of([Kind.NONE, Kind.NONE])["image"])
    before = {name: tensor.clone() for name, tensor in method.source.state_dict().items()}
    terms = method.losses(batch_of([Kind.NONE, Kind.NONE]))
    assert terms.keys() == {"consistency", "distillation", "contrast"}
    torch.stack(list(terms.values())).sum().backward()
    assert all(weight.grad is not None for weight in method.network.parameters())
    assert all(weight.grad is None for weight in method.source.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in method.source.state_dict().items())


def test_the_source_predicts_as_in_evaluation_whoever_sets_the_mode() -> None:
    method = FSM(CLASSES, network=SHAPE)  # a run leaves the modes as they were made
    for made in (method, method.train(), method.eval().train()):
        assert made.network.training
        assert not any(module.training for module in made.source.modules())


def test_without_steps_the_images_keep_their_style() -> None:
    image = batch_of([Kind.NONE])["image"]
    method = FSM(CLASSES, generation_steps=0, network=SHAPE).train()
    torch.testing.assert_close(method.source_like(image), image, atol=1e-5, rtol=0)


def test_oblong_images_are_turned_by_a_half() -> None:
    method = FSM(CLASSES, generation_steps=1, network=SHAPE).train()
    batch = batch_of([Kind.NONE, Kind.NONE])
    oblong = batch | {"image": batch["image"][..., :-4], "target": batch["target"][..., :-4]}
    assert all(torch.isfinite(term) for term in method.losses(oblong).values())


def test_it_starts_from_a_network_alone() -> None:
    torch.manual_seed(1)
    given = Supervised(CLASSES, network=SHAPE).state_dict()
    method = FSM(CLASSES, network=SHAPE)
    method.load_state_dict(method.complete_weights(given))
    state = method.state_dict()
    for name, tensor in given.items():
        assert torch.equal(state[f"source.{name}"], tensor)
    assert method.complete_weights(state) is state


def test_a_network_without_batch_normalisation_is_refused() -> None:
    method = FSM(CLASSES, network=UNet(channels=(4, 8), normalisation="group"))
    with pytest.raises(ConfigError, match="FSM needs a network with batch normalisation"):
        method.before_training(SimpleNamespace(), resumed=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"generation_rate": 0.0}, {"style_share": 1.6}, {"content_weight": -1.0}])
def test_a_setting_out_of_its_range_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"model.{next(iter(settings))} must"):
        FSM(CLASSES, network=SHAPE, **settings)  # type: ignore[arg-type]
