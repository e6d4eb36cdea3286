"""STDR: the images most similar and least similar to the source."""

import math
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError, DataError
from lesslabel.selection.base import Need, Strategy
from lesslabel.selection.clustering import k_means
from lesslabel.selection.ends import END_NAMES, spread_inside_ends, take_from_ends
from lesslabel.selection.kernels import lower_to_nearest
from lesslabel.selection.pool import Pool, check_features
from lesslabel.selection.ranking import Ranking

Ends = Literal["both", "invariant", "specific"]
Empty = Literal["last", "specific"]


class STDR(Strategy):
    """Takes half of the budget nearest to the references of the source and half farthest from them, in turn.

    From "Dual-reference source-free active domain adaptation for nasopharyngeal carcinoma tumor segmentation across
    multiple hospitals" (Wang et al., IEEE TMI 2024, arXiv:2309.13401); equations are those of its author's thesis. The
    references are the K-means centres of the source's features (eq. 6-3, 6-4): K vectors that may leave a hospital
    even if its images may not. The distance of an image is the squared Euclidean distance to the nearest reference (eq.
    6-5, there called similarity): small is domain-invariant, large is domain-specific. That of a unit is the mean over
    its images that have a feature. The nearest comes first, then the farthest, then the second nearest …, so an odd
    budget gives one more to the near end (eq. 6-6), and a larger budget contains the smaller. The cost is linear in the
    number of images.

    `diversity` is ours, not from the paper: units at one end may be similar to each other. It takes `oversampling`
    times as many candidates from each end, and of these, starting with the most extreme one, always the one farthest
    from those taken before. A larger budget has other candidates and need not contain the smaller; the cost grows with
    the budget times the number of candidates.

    Args:
        n_clusters: K, the number of references; published 10.
        seed: random seed of the clustering.
        ends: ``both``; ``invariant`` takes only the nearest (α in the paper's ablation), ``specific`` only the farthest
            (β).
        empty: rank of units without predicted foreground, which have no feature: ``last``, after all others;
            ``specific``, as the farthest of all.
        diversity: spread the choice inside each end.
        oversampling: candidates per chosen unit with `diversity`, 1 or more.

    Raises:
        ConfigError: if a setting is invalid.

    Example:
        >>> strategy = STDR(n_clusters=10, seed=0).fit(source_features)
        >>> ranking = strategy.rank(target_features, budget=0.2)
    """

    name: ClassVar[str] = "stdr"
    needs: ClassVar[frozenset[Need]] = frozenset({"source"})

    def __init__(
        self,
        n_clusters: int = 10,
        seed: int = 0,
        *,
        ends: Ends = "both",
        empty: Empty = "last",
        diversity: bool = False,
        oversampling: float = 3.0,
    ) -> None:
        super().__init__(seed)
        if n_clusters < 1:
            raise ConfigError(f"n_clusters: {n_clusters}; pass 1 or more")
        for name, value, choices in (("ends", ends, get_args(Ends)), ("empty", empty, get_args(Empty))):
            if value not in choices:
                raise ConfigError(f"{name}: {value!r} is not one of {', '.join(map(repr, choices))}")
        if not 1.0 <= oversampling < math.inf:
            raise ConfigError(f"oversampling: {oversampling}; pass 1 or more")
        self.n_clusters = n_clusters
        self.ends = ends
        self.empty = empty
        self.diversity = diversity
        self.oversampling = oversampling
        self._references: NDArray[np.float32] | None = None

    @classmethod
    def from_references(
        cls,
        references: NDArray[np.floating[Any]],
        *,
        ends: Ends = "both",
        empty: Empty = "last",
        diversity: bool = False,
        oversampling: float = 3.0,
    ) -> Self:
        """Make a strategy from the references of a source.

        Args:
            references: (K, D), finite; kept as float32.
            ends: see `STDR`.
            empty: the same.
            diversity: the same.
            oversampling: the same.

        Raises:
            ConfigError: if a setting is invalid.
            DataError: if the shape of the references is wrong.
        """
        checked, whole = check_features(references, "references")
        if not len(checked) or not whole.all():
            raise DataError(f"references: {int(whole.sum())} of {len(checked)} rows are whole; pass K×D finite numbers")
        strategy = cls(len(checked), ends=ends, empty=empty, diversity=diversity, oversampling=oversampling)
        strategy._references = checked.copy()
        return strategy

    def fit(self, source: NDArray[np.floating[Any]]) -> Self:
        """Cluster the features of the source into references (eq. 6-3, 6-4).

        Args:
            source: (M, D); rows of NaN, images without predicted foreground, are left out.

        Returns:
            Itself.

        Raises:
            DataError: if fewer images than `n_clusters` have a feature, or the features are damaged.
        """
        features, has_feature = check_features(source, "source features")
        if has_feature.sum() < self.n_clusters:
            raise DataError(
                f"source features: {int(has_feature.sum())} images have one, too few for {self.n_clusters} references; "
                "pass more images or lower n_clusters"
            )
        self._references, _ = k_means(features[has_feature], self.n_clusters, self.seed)
        return self

    @property
    def references(self) -> NDArray[np.float32]:
        """The references of the source: (K, D) float32.

        Raises:
            ConfigError: if nothing was fitted.
        """
        if self._references is None:
            raise ConfigError("STDR has no references; call fit(source features) or use STDR.from_references")
        return self._references

    def distance(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Compute the squared Euclidean distance of images to their nearest reference (eq. 6-5).

        Args:
            features: (N, D).

        Returns:
            (N,); NaN for images without a feature.

        Raises:
            ConfigError: if nothing was fitted.
            DataError: if the features are damaged or have another length than the references.
        """
        return self._distance(*check_features(features, "features"))

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Rank from the two ends in turn; see `Strategy.choose`."""
        distance = pool.unit_means(self._distance(pool.features, pool.has_feature), pool.has_feature)
        order_by = np.where(np.isnan(distance), np.inf, distance) if self.empty == "specific" else distance
        total = int((~np.isnan(order_by)).sum())
        wanted = min(count, total)
        ends = END_NAMES if self.ends == "both" else (self.ends,)
        if self.diversity:
            candidates = take_from_ends(order_by, ends, min(math.ceil(self.oversampling * wanted), total))
            picks = spread_inside_ends(candidates, ends, pool.unit_features(), wanted)
        else:
            picks = take_from_ends(order_by, ends, wanted)
        units = np.array([pick.unit for pick in picks], np.int64)
        what = "distance" if pool.groups is None else "mean distance"
        reasons = tuple(pick.reason(what, distance[pick.unit], total) for pick in picks)
        return self.followed_by_featureless(Ranking(units, distance[units], reasons), pool, count)

    def _distance(self, features: NDArray[np.float32], has_feature: NDArray[np.bool_]) -> NDArray[np.float64]:
        if features.shape[1] != self.references.shape[1]:
            raise DataError(
                f"features of length {features.shape[1]}, references of length {self.references.shape[1]}; "
                "extract the features as the source did"
            )
        distance = np.full(len(features), np.inf)
        lower_to_nearest(features, self.references.astype(np.float64), distance)
        distance[~has_feature] = np.nan
        return distance
