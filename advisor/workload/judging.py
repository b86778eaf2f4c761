"""Which of many log ratios stand out from what they have in common, and from chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from advisor.model.difference import Ratio
from advisor.workload.hourly import LEAST_ENSEMBLE, LEAST_QUERIES, Timed, Uncertainty
from advisor.workload.significance import MAD_TO_SD, benjamini_hochberg, critical, spread, two_sided

NEAR = math.log(1.2)
"""Queries whose ratios are within 1.2 of the median one move with it."""

MOST_TOGETHER = 0.5
"""So many must move together before that is called what all have in common."""

_STEPS = 20
"""Halvings of a search: to a millionth."""

INTERVAL = 0.05
"""Intervals hold the true ratio in 95 of 100 cases."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A log ratio. `levels`: what the hours explain of it; `variance` and `degrees` of freedom of what is left."""

    ratio: float
    levels: float
    variance: float
    degrees: float


@dataclass(frozen=True, slots=True)
class Judged:
    """An observed ratio after all were seen: `own` without what all have in common (log scale)."""

    ratio: Ratio
    own: Ratio
    p_value: float
    q_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """All together.

    Attributes:
        common: the median log ratio; 0 where the queries are too few to be separated from it.
        centre: the same without what the hours explain.
        separate: whether the queries were many enough.
        agreeing: how many are near the centre; `together`: most are.
        scatter: of the log ratios that agree.
        unseen: variance between the inputs that their hours do not show; part of all intervals.
    """

    judged: tuple[Judged, ...]
    common: float
    centre: float
    separate: bool
    agreeing: int
    together: bool
    scatter: float
    unseen: float


def observed(pair: Timed, span: Uncertainty) -> Observed:
    """The log ratio of a pair's geometric means, or of its means where a side has no latencies."""
    return Observed(pair.log_ratio, span.levels, span.variance, span.degrees)


def judge(seen: Sequence[Observed], *, near: float = NEAR) -> Ensemble:
    """Each ratio against what they have in common: the median.

    Where the queries scatter by more than their own hours explain (another day, other data, another machine), that is
    added to the variance of each: the scatter of the many tells what is usual between these two inputs (the "empirical
    null" of Efron, J. Am. Stat. Assoc. 99 (2004), 96-104, as a variance between inputs; queries that changed do not
    move it, as it rests on the median distance).
    """
    centre = common = 0.0
    out = [each.ratio for each in seen]
    if len(seen) >= LEAST_QUERIES:
        adjusted = [each.ratio - each.levels for each in seen]
        centre, common = median(adjusted), median(out)
        out = [value - centre for value in adjusted]
    unseen = _unseen(out, [each.variance for each in seen]) if len(seen) >= LEAST_ENSEMBLE else 0.0
    p_values = [_p_value(each, value, unseen) for each, value in zip(seen, out, strict=True)]
    q_values = benjamini_hochberg(p_values)
    judged = tuple(
        _judged(each, own, unseen, p, q) for each, own, p, q in zip(seen, out, p_values, q_values, strict=True)
    )
    agreeing = [value for value in out if abs(value) <= near]
    separate = len(seen) >= LEAST_QUERIES
    return Ensemble(
        judged=judged,
        common=common,
        centre=centre,
        separate=separate,
        agreeing=len(agreeing),
        together=separate and len(agreeing) >= MOST_TOGETHER * len(out),
        scatter=spread(agreeing),
        unseen=unseen,
    )


def judge_one(each: Observed, ensemble: Ensemble) -> Judged:
    """A ratio of its own, against what the others have in common; its q-value is its p-value."""
    own = each.ratio - ensemble.centre - (each.levels if ensemble.separate else 0.0)
    p_value = _p_value(each, own, ensemble.unseen)
    return _judged(each, own, ensemble.unseen, p_value, p_value)


def interval(log_ratio: float, half: float) -> Ratio:
    """exp(log_ratio) with its interval, +- `half` on the log scale."""
    return Ratio(value=_exp(log_ratio), low=_exp(log_ratio - half), high=_exp(log_ratio + half))


def half_width(variance: float, degrees: float) -> float:
    """Half of the 95 % interval."""
    return critical(INTERVAL, degrees) * math.sqrt(variance)


def spread_about_zero(scores: Sequence[float]) -> float:
    """As `significance.spread`, about 0."""
    return MAD_TO_SD * median(abs(score) for score in scores)


def _unseen(out: Sequence[float], variances: Sequence[float]) -> float:
    """The variance to add to each so that the scores scatter as those of a normal distribution do."""

    def scatter(added: float) -> float:
        return spread_about_zero([value / math.sqrt(v + added) for value, v in zip(out, variances, strict=True)])

    if scatter(0.0) <= 1:
        return 0.0
    low, high = 0.0, 1.0
    while scatter(high) > 1:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if scatter(middle) > 1 else (low, middle)
    return high


def _p_value(each: Observed, own: float, unseen: float) -> float:
    return two_sided(own / math.sqrt(each.variance + unseen), each.degrees)


def _judged(each: Observed, own: float, unseen: float, p_value: float, q_value: float) -> Judged:
    half = half_width(each.variance + unseen, each.degrees)
    return Judged(interval(each.ratio, half), interval(own, half), p_value, q_value)


def _exp(value: float) -> float:
    return math.exp(max(-700.0, min(value, 700.0)))
