"""UGTST's choice: the most uncertain images, and of these one in each cluster."""

import math
from typing import ClassVar

import numpy as np

from lesslabel.errors import ConfigError
from lesslabel.selection.base import Need, Strategy
from lesslabel.selection.clustering import k_means
from lesslabel.selection.pool import Pool
from lesslabel.selection.ranking import Ranking, ordinal


class UGTST(Strategy):
    """Keeps several times the budget of the most uncertain units, clusters them, and takes the nearest to each centre.

    After "An uncertainty-guided tiered self-training framework for active source-free domain adaptation in prostate
    segmentation" (Luo et al., MICCAI 2024, arXiv:2407.02893): first uncertainty, then a filter of redundant images. The
    paper sums the entropy of local peaks over augmented predictions; here uncertainty is the unit's mean entropy over
    its images with predicted foreground. The largest cluster comes first. A larger budget need not contain the smaller,
    since the clusters change. Units without a feature come last.

    Args:
        seed: random seed of the clustering.
        oversampling: candidates per unit of the budget, 1 or more.
        max_clusters: largest number of clusters; a larger budget takes the second nearest to each centre, and so on.

    Raises:
        ConfigError: if a number is below 1.
    """

    name: ClassVar[str] = "ugtst"
    needs: ClassVar[frozenset[Need]] = frozenset({"model"})

    def __init__(self, seed: int = 0, *, oversampling: float = 4.0, max_clusters: int = 500) -> None:
        super().__init__(seed)
        if not 1.0 <= oversampling < math.inf or max_clusters < 1:
            raise ConfigError(f"ugtst: oversampling {oversampling}, max_clusters {max_clusters}; pass 1 or more")
        self.oversampling = oversampling
        self.max_clusters = max_clusters

    def choose(self, pool: Pool, count: int) -> Ranking:
        """Rank the most uncertain units by clusters; see `Strategy.choose`."""
        if pool.entropy is None:
            raise ConfigError(f"strategy '{self.name}' ranks by the entropy per pixel; pass a Pool that has it")
        units = np.flatnonzero(pool.unit_has_feature)
        wanted = min(count, len(units))
        if not wanted:
            return self.followed_by_featureless(Ranking(units[:0], np.empty(0), ()), pool, count)
        shows_none = ~pool.any_in_unit(pool.has_foreground)
        entropy = pool.unit_means(pool.entropy, pool.has_foreground | shows_none[pool.unit_of_row])
        kept = min(math.ceil(self.oversampling * wanted), len(units))
        candidates = units[np.argsort(-entropy[units], kind="stable")[:kept]]
        features = pool.unit_features()[candidates]
        centres, labels = k_means(features, min(wanted, self.max_clusters), self.seed)
        distance = np.square(features.astype(np.float64) - centres[labels]).sum(axis=1)
        size = np.bincount(labels)[labels]
        place = np.empty(kept, np.int64)
        by_cluster = np.lexsort((distance, labels))
        place[by_cluster] = np.arange(kept) - np.searchsorted(labels[by_cluster], labels[by_cluster])
        order = np.lexsort((distance, -size, place))[:wanted]
        reasons = tuple(
            f"the model is unsure: entropy {entropy[candidates[row]]:.3g} among the {kept} largest; "
            f"{ordinal(place[row] + 1)} nearest to the centre of a cluster of {size[row]}"
            for row in order
        )
        chosen = candidates[order]
        return self.followed_by_featureless(Ranking(chosen, entropy[chosen], reasons), pool, count)
