"""References of a hospital: K-means, and no mean of fewer patients than asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesslabel.bundle.references import join_references
from lesslabel.errors import ConfigError, DataError
from lesslabel.selection import STDR

# two heaps of two patients each, one image far out, and one farther
FEATURES = np.array([[0.0], [0.2], [1.0], [10.0], [10.4], [14.0], [90.0]], np.float32)
PATIENTS = np.array(["a", "b", "b", "c", "d", "c", "a"])
MEANS = np.array([[90.0], [0.4], [14.0], [10.2], [500.0]], np.float32)


def test_one_patient_is_enough_where_that_is_asked_for() -> None:
    found, support = join_references(MEANS, FEATURES, PATIENTS, 1)
    np.testing.assert_array_equal(found, MEANS[:4])  # the last has no image
    assert support == (1, 2, 1, 2)


def test_a_cluster_of_too_few_patients_joins_its_nearest() -> None:
    found, support = join_references(MEANS[:4], FEATURES, PATIENTS, 2)
    # 14 joins 10 and 10.4; 90 joins these three, and brings a third patient
    np.testing.assert_allclose(found, [[0.4], [(10.0 + 10.4 + 14.0 + 90.0) / 4]], rtol=1e-6)
    assert support == (2, 3)


def test_in_the_end_everything_is_one_mean() -> None:
    found, support = join_references(MEANS, FEATURES, PATIENTS, 4)
    np.testing.assert_allclose(found, [FEATURES.mean(axis=0)], rtol=1e-6)
    assert support == (4,)


@settings(max_examples=25)
@given(seed=st.integers(0, 99), patients=st.integers(1, 8), clusters=st.integers(1, 12), least=st.integers(1, 8))
def test_every_reference_rests_on_enough_patients(seed: int, patients: int, clusters: int, least: int) -> None:
    draw = np.random.default_rng(seed)
    features = np.exp(draw.normal(size=(24, 3)) * 2).astype(np.float32)
    owners = np.array([f"p{draw.integers(patients)}" for _ in features])
    published = STDR(n_clusters=clusters, seed=seed).fit(features).references
    if len(set(owners.tolist())) < least:
        with pytest.raises(DataError, match="ask for fewer"):
            join_references(published, features, owners, least)
        return
    found, support = join_references(published, features, owners, least)
    assert 1 <= len(found) == len(support) <= clusters
    assert min(support) >= least
    rounding = 1e-5 * features.max()  # K-means moves features to their mean and back
    assert (found >= features.min(axis=0) - rounding).all()
    assert (found <= features.max(axis=0) + rounding).all()
    if least == 1:
        np.testing.assert_array_equal(found, published)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_patients: 0; pass 1 or more"):
        join_references(MEANS, FEATURES, PATIENTS, 0)
    with pytest.raises(DataError, match="4 training patients have a predicted foreground, 5 behind each reference"):
        join_references(MEANS, FEATURES, PATIENTS, 5)
