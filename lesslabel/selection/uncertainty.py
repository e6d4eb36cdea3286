"""The base class of strategies that rank by the uncertainty of a model."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError
from lesslabel.selection.base import Need, Strategy
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking, ordinal


class UncertaintyStrategy(Strategy):
    """Ranks units by one value per image; a larger budget contains the smaller.

    A value is a mean over pixels: a sum would favour large images. That of a unit is the mean over its images with
    predicted foreground, over all of them if none has foreground.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"model"})
    quantity: ClassVar[str]
    largest_first: ClassVar[bool] = True

    @abstractmethod
    def values(self, pool: Pool) -> NDArray[np.floating[Any]] | None:
        """Return one value per image, or None if the pool does not have it."""

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Rank by the unit's mean value; see `Strategy.choose`."""
        values = self.values(pool)
        if values is None:
            raise ConfigError(f"strategy '{self.name}' ranks by the {self.quantity}; pass a Pool that has it")
        shows_none = ~pool.any_in_unit(pool.has_foreground)
        means = pool.unit_means(values, pool.has_foreground | shows_none[pool.unit_of_row])
        order = np.argsort(-means if self.largest_first else means, kind="stable")[:count]
        extreme = "largest" if self.largest_first else "smallest"
        reasons = tuple(
            f"the model is unsure: mean {self.quantity} {means[unit]:.3g}, {ordinal(place)} {extreme} "
            f"of {pool.unit_count}"
            for place, unit in enumerate(order, start=1)
        )
        return Ranking(order, means[order], reasons)
