"""Estimates against published values and against brute force."""

from itertools import combinations

import pytest

from swemill.statistics import pass_at_k, wilson


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),  # Brown, Cai & DasGupta's worked values
        (10, 10, 0.7225, 1.0),
        (8, 10, 0.4902, 0.9433),
        (190, 500, 0.3385, 0.4233),
    ],
)
def test_wilson_agrees_with_known_intervals(successes: int, total: int, low: float, high: float) -> None:
    interval = wilson(successes, total)
    assert interval.low == pytest.approx(low, abs=1e-4)
    assert interval.high == pytest.approx(high, abs=1e-4)


def test_wilson_of_nothing_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_wilson_refuses_impossible_counts() -> None:
    with pytest.raises(ValueError, match="no proportion"):
        wilson(3, 2)


@pytest.mark.parametrize(
    ("attempts", "successes", "k"), [(8, 3, 1), (8, 3, 4), (5, 0, 2), (5, 5, 5), (6, 1, 6), (4, 3, 2)]
)
def test_pass_at_k_is_the_share_of_subsets_with_a_success(attempts: int, successes: int, k: int) -> None:
    subsets = list(combinations([True] * successes + [False] * (attempts - successes), k))
    assert pass_at_k(attempts, successes, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_pass_at_k_needs_k_attempts() -> None:
    with pytest.raises(ValueError, match="needs at least 4"):
        pass_at_k(3, 1, 4)
