"""KL-UCB's index against a root finder, and its limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import entropy

from rewardsmith.agents.bandits.divergence import bernoulli_divergence, bernoulli_upper


def root(p: float, level: float) -> float:
    """Returns the index by bracketing."""
    last = float(np.nextafter(1.0, 0.0))

    def excess(q: float) -> float:
        return float(bernoulli_divergence(np.array(p), np.array(q))) - level

    if p >= last or excess(last) < 0.0:
        return 1.0
    return float(brentq(excess, p, last, xtol=1e-14))


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 1.0, 1e-9, 1 - 1e-9, 0.5])),
    st.floats(-9.0, 2.5).map(lambda exponent: 10.0**exponent),
)
def test_the_index_is_the_root(p: float, level: float) -> None:
    found = float(bernoulli_upper(np.array(p), np.array(level)))
    assert found == pytest.approx(root(p, level), abs=1e-7)


def test_the_index_of_arrays_is_that_of_their_entries() -> None:
    random = np.random.default_rng(0)
    p, level = random.random((7, 5)), random.exponential(size=(7, 5))
    found = bernoulli_upper(p, level)
    for place in np.ndindex(p.shape):
        assert found[place] == bernoulli_upper(p[place], level[place])


def test_the_index_at_the_ends() -> None:
    level = np.array([0.3, 1.0, 0.0])
    p = np.array([0.0, 1.0, 0.25])
    np.testing.assert_allclose(bernoulli_upper(p, level), [1 - np.exp(-0.3), 1.0, 0.25], atol=1e-9)


def test_divergence_is_that_of_two_outcomes() -> None:
    for p, q in ((0.2, 0.7), (0.9, 0.5), (0.0, 0.4), (1.0, 0.4)):
        expected = entropy([p, 1 - p], [q, 1 - q])
        assert float(bernoulli_divergence(np.array(p), np.array(q))) == pytest.approx(expected)
