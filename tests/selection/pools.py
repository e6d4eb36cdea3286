"""Pools that the tests of strategies share."""

from dataclasses import fields

import numpy as np

from lesslabel.selection import STRATEGIES, Pool, Strategy

LENGTH = 6
SOURCE = np.random.default_rng(7).normal(size=(40, LENGTH)).astype(np.float32)


def made(name: str, seed: int = 0) -> Strategy:
    """A strategy as the command line makes it, with a source where it wants one."""
    return STRATEGIES[name](seed=seed).fit(SOURCE)


def random_pool(
    images: int, seed: int = 0, *, featureless: int = 0, per_case: int | None = None, levels: int | None = None
) -> Pool:
    """Random features and probabilities; the images of a case lie together.

    Args:
        images: rows.
        seed: of everything.
        featureless: rows without predicted foreground, drawn.
        per_case: images of a case; None makes every image a unit.
        levels: few values, so that there are ties.
    """
    rng = np.random.default_rng(seed)
    if levels is None:
        features = rng.normal(size=(images, LENGTH)).astype(np.float32)
        scores = rng.uniform(size=(3, images)).astype(np.float32)
    else:
        features = rng.integers(0, levels, (images, LENGTH)).astype(np.float32)
        scores = (rng.integers(0, levels, (3, images)) / levels).astype(np.float32)
    foreground = rng.integers(1, 50, images)
    nothing = rng.choice(images, featureless, replace=False)
    features[nothing], foreground[nothing] = np.nan, 0
    groups = None if per_case is None else np.array([f"case{row // per_case:03d}" for row in range(images)])
    return Pool(features, foreground, *scores, groups=groups, **further_columns(images, seed, levels))


def further_columns(images: int, seed: int = 0, levels: int | None = None) -> dict[str, np.ndarray]:
    """What strategies rank by beside features and the first three uncertainties; three images of a patient."""
    rng = np.random.default_rng([seed, 1])
    drawn = rng.uniform(size=(images, 13)) if levels is None else rng.integers(0, levels, (images, 13)) / levels
    return {
        "patients": np.array([f"patient{row // 3:03d}" for row in range(images)]),
        "mutual_information": drawn[:, 0],
        "deviation": drawn[:, 1],
        "class_entropy": drawn[:, 2:5],
        "class_shares": (drawn[:, 2:5] + 0.1) / (drawn[:, 2:5] + 0.1).sum(axis=1, keepdims=True),
        "gradients": drawn[:, 5:] - 0.5,
    }


def reordered(pool: Pool, order: np.ndarray) -> Pool:
    """The same images in another order."""
    columns = {
        field.name: getattr(pool, field.name) for field in fields(pool) if field.init and field.name != "annotated"
    }
    return Pool(**{name: None if column is None else column[order] for name, column in columns.items()})
