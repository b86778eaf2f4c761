"""Statistics of comparisons: Student's t, many tests at once, medians."""

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import median

MAD_TO_SD = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""

_TINY = 1e-300
_STEPS = 300


def two_sided(t: float, degrees: float) -> float:
    """Probability of a Student's t at least so far from 0, either way; `degrees` of freedom > 0.

    Source: DLMF 8.17 and Abramowitz and Stegun 26.7.1: I_x(v/2, 1/2) with x = v / (v + t^2).
    """
    return _incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t))


def critical(probability: float, degrees: float) -> float:
    """The t with that two-sided probability, for degrees of freedom rounded down to halves (1/2 at least)."""
    return _critical(probability, max(1, math.floor(degrees * 2)) / 2)


@lru_cache(maxsize=4096)
def _critical(probability: float, degrees: float) -> float:
    low, high = 0.0, 1.0
    while two_sided(high, degrees) > probability:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        if two_sided(middle, degrees) > probability:
            low = middle
        else:
            high = middle
    return high


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Each test's q-value: taking all tests with q <= 0.05, at most 5 % of those taken are chance, on average.

    Source: Benjamini and Hochberg, J. R. Statist. Soc. B 57 (1995), 289-300.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    q_values = [1.0] * len(p_values)
    least = 1.0
    for place, number in enumerate(order):
        least = min(least, p_values[number] * len(p_values) / (len(p_values) - place))
        q_values[number] = least
    return q_values


def spread(values: Sequence[float]) -> float:
    """A standard deviation that outliers do not move: from the median absolute deviation."""
    if not values:
        return 0.0
    centre = median(values)
    return MAD_TO_SD * median(abs(value - centre) for value in values)


def log_beta(a: float, b: float) -> float:
    """Logarithm of the beta function."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta(a, b))
    # The fraction converges fast below the mean only; above it the symmetric one does.
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, x) / a
    return 1 - front * _beta_fraction(b, a, 1 - x) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction DLMF 8.17.22, by Lentz's method."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
