"""The interval against published values."""

import pytest

from swemill.statistics import wilson


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
