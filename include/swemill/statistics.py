"""The estimate that evaluations report, apart from anything that runs: it is easy to get subtly wrong."""

from math import sqrt
from typing import NamedTuple


class Interval(NamedTuple):
    """A confidence interval of a proportion."""

    low: float
    high: float


def wilson(successes: int, total: int, *, z: float = 1.959963984540054) -> Interval:
    """Wilson's score interval of ``successes / total`` (95% by default): honest for small samples and for 0 and 100%.

    Nothing observed says nothing: (0, 1). Raises ValueError unless 0 <= successes <= total.
    """
    if not 0 <= successes <= total:
        raise ValueError(f"{successes} successes of {total} is no proportion")
    if total == 0:
        return Interval(0.0, 1.0)
    share, square = successes / total, z * z
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = z / (1 + square / total) * sqrt(share * (1 - share) / total + square / (4 * total * total))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == total else min(1.0, centre + half)
    return Interval(low, high)
