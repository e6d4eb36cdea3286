"""ClaSP PE: entropy by predicted class, with noise that fades over the rounds."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError
from lesslabel.selection.base import Need, Strategy
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking

_TINY = 1e-12
_EVERY = 3  # one pick of three looks at all classes


class ClaSPPE(Strategy):
    """Takes two thirds of the budget class by class, one third over all classes, each by noisy entropy.

    After "Finally outshining the random baseline: a simple and effective solution for active learning in 3D
    biomedical imaging" (Lüth et al., 2026, arXiv:2601.13677): class-stratified, scheduled power predictive entropy.
    For each foreground class the score is the entropy of the pixels predicted as it, so that rare structures have
    their share; a power of the score with Gumbel noise, ``log u + G / β`` (Kirsch et al., "Stochastic batch
    acquisition", TMLR 2023), avoids near duplicates; β grows from round to round, so that early rounds explore. Rounds
    that another strategy ranked, as the first, which has no model yet, do not count. Here the picks come in turn, two
    of a class and one of all, so a larger budget contains the smaller; the classes take turns, rarest first. The growth
    of β by a factor of ten in each of two rounds is ours, and so is the unit (the paper has 3D patches).

    Args:
        seed: random seed.
        beta: β of the first round that it ranks, above 0; small is random.
        growth: factor of β from one of its rounds to the next, 1 or more.
        last_beta: the largest β.

    Raises:
        ConfigError: if a number is out of its range.
    """

    name: ClassVar[str] = "clasp-pe"
    needs: ClassVar[frozenset[Need]] = frozenset({"model"})

    def __init__(self, seed: int = 0, *, beta: float = 1.0, growth: float = 10.0, last_beta: float = 100.0) -> None:
        super().__init__(seed)
        if not 0.0 < beta <= last_beta or growth < 1.0:
            raise ConfigError(
                f"clasp-pe: beta {beta}, growth {growth}, last_beta {last_beta}; pass 0 < beta ≤ last_beta"
            )
        self.beta = beta
        self.growth = growth
        self.last_beta = last_beta

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Rank by noisy entropy, class by class; see `Strategy.choose`."""
        if pool.class_entropy is None:
            raise ConfigError(f"strategy '{self.name}' ranks by the entropy per class; pass a Pool that has it")
        rows = np.ones(len(pool.features), np.bool_)
        table = np.stack([pool.unit_means(column, rows) for column in pool.class_entropy.T], axis=1)
        scores = np.column_stack([table.sum(axis=1), table[:, 1:]])  # all classes first, then each but background
        noisy = self._noisy(scores, pool)
        orders = [iter(np.argsort(-column, kind="stable").tolist()) for column in noisy.T]
        present = np.count_nonzero(table[:, 1:] > 0.0, axis=0)
        classes = [1 + index for index in np.argsort(present, kind="stable").tolist() if present[index]]
        picks: list[tuple[int, int]] = []
        taken: set[int] = set()
        stratified = 0
        for place in range(count):
            column = 0
            if classes and place % _EVERY != _EVERY - 1:
                column, stratified = classes[stratified % len(classes)], stratified + 1
            unit = next(unit for unit in orders[column] if unit not in taken)
            taken.add(unit)
            picks.append((unit, column))
        return _ranking(picks, scores)

    def _noisy(self, scores: NDArray[np.float64], pool: Pool) -> NDArray[np.float64]:
        own_rounds = 0 if pool.annotated is None else pool.annotated.own_rounds
        beta = min(self.beta * self.growth**own_rounds, self.last_beta)
        noise = self.generator(pool).gumbel(size=scores.shape)
        noisy: NDArray[np.float64] = np.log(np.maximum(scores, _TINY)) + noise / beta
        return noisy


def _ranking(picks: list[tuple[int, int]], scores: NDArray[np.float64]) -> Ranking:
    units = np.array([unit for unit, _ in picks], np.int64)
    values = np.array([scores[pick] for pick in picks], np.float64)
    reasons = tuple(
        f"the model is unsure, with noise: entropy {value:.3g} "
        + (f"of class {column}" if column else "of all classes")
        for (_, column), value in zip(picks, values, strict=True)
    )
    return Ranking(units, values, reasons)
