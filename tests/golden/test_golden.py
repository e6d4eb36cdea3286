"""No number changes unseen: methods, interactive methods, strategies and metrics against recorded values.

Those of every configuration are compared in `tests/test_configs.py`, which trains them anyway.
"""

import methods_of_contract as contract
import numpy as np
import pytest

from lesslabel.evaluation.metrics import segmentation_metrics
from lesslabel.interaction import Box, Click, InteractiveSession, Scribble, Side
from lesslabel.selection import STDR, STRATEGIES, Pool

pytestmark = [pytest.mark.golden, pytest.mark.usefixtures("one_thread")]


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("row", contract.METHODS, ids=lambda row: row.name)
def test_weights_after_three_steps(row, dimensions, golden):
    method, batch = contract.method_of(row, dimensions)
    golden.check(f"method/{row.name}/{dimensions}d", contract.trained(method, [batch] * 3))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("row", contract.INTERACTIVE, ids=lambda row: row.name)
def test_weights_of_interactive_methods_after_three_steps(row, dimensions, golden):
    method, batches = contract.interactive_of(row, dimensions)
    golden.check(f"interactive weights/{row.name}/{dimensions}d", contract.trained(method, batches))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("row", contract.INTERACTIVE, ids=lambda row: row.name)
def test_masks_of_a_list_of_prompts(row, dimensions, golden):
    method, image, spacing_mm, first = contract.object_of(row, dimensions)
    centre = tuple(float(length // 2) for length in image.shape[1:])
    later = [
        [Click(centre)],
        [Click((3.0,) * dimensions, Side.BACKGROUND)],
        [Scribble(((centre, tuple(place + 2 for place in centre)),))],
        [Box((2.0,) * dimensions, tuple(length - 3.0 for length in image.shape[1:]))],
    ]
    session = InteractiveSession(method).set_image(image, spacing_mm)
    usable = [prompts for prompts in later if {prompt.kind for prompt in prompts} <= set(method.kinds)]
    answers = [session.add(*first)] + [session.add(*prompts) for prompts in usable]
    arrays = {}
    for turn, answer in enumerate(answers):
        arrays |= {f"{turn} mask": answer.mask, f"{turn} p": answer.probability, f"{turn} u": answer.uncertainty}
    golden.check(f"masks/{row.name}/{dimensions}d", arrays)


@pytest.mark.parametrize("grouped", [False, True], ids=["images", "cases"])
@pytest.mark.parametrize("name", [*STRATEGIES, "stdr-diverse", "stdr-invariant", "stdr-specific"])
def test_queue_of_fixed_features(name, grouped, golden):
    rng = np.random.default_rng(3)
    features = rng.normal(size=(60, 8)).astype(np.float32)
    groups = np.array([f"case{row // 5:02d}" for row in range(60)]) if grouped else None
    further = np.random.default_rng(4).uniform(size=(60, 10))
    pool = Pool(
        features,
        rng.integers(1, 50, 60),
        *rng.uniform(size=(3, 60)).astype(np.float32),
        groups=groups,
        patients=np.array([f"patient{row // 10}" for row in range(60)]),
        mutual_information=further[:, 0],
        deviation=further[:, 1],
        class_entropy=further[:, 2:5],
        class_shares=(further[:, 2:5] + 0.1) / (further[:, 2:5] + 0.1).sum(axis=1, keepdims=True),
        gradients=further[:, 5:] - 0.5,
    )
    source = rng.normal(size=(40, 8)).astype(np.float32)
    special = {
        "stdr-diverse": {"diversity": True},
        "stdr-invariant": {"ends": "invariant"},
        "stdr-specific": {"ends": "specific"},
    }
    strategy = STDR(seed=1, **special[name]) if name in special else STRATEGIES[name](seed=1)
    ranking = strategy.fit(source).rank(pool, 10)
    golden.check(f"queue/{name}/{'cases' if grouped else 'images'}", {"i": ranking.indices, "s": ranking.scores})


@pytest.mark.parametrize("spacing", [None, (5.0, 1.25, 1.25)])
@pytest.mark.parametrize("hd95", ["pooled", "max-of-directed"])
def test_metrics_of_fixed_label_maps(spacing, hd95, golden):
    rng = np.random.default_rng(5)
    places = np.indices((9, 30, 28))
    reference = np.zeros((9, 30, 28), np.uint8)
    prediction = reference.copy()
    for label, centre in enumerate(((4, 10, 9), (5, 18, 18)), start=1):
        away = np.sqrt(sum((axis - place) ** 2 for axis, place in zip(places, centre, strict=True)))
        reference[away < 5] = label
        prediction[away + rng.normal(0, 1, away.shape) < 5.5] = label
    reference[:, :2] = 255
    table = segmentation_metrics(prediction, reference, spacing=spacing, hd95=hd95)
    golden.check(f"metrics/{spacing}/{hd95}", {"values": table.select_dtypes("number").to_numpy(np.float64)})
