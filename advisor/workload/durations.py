"""One query's durations as numbers that can be compared: on a logarithmic scale, as latencies are skewed."""

import math
from dataclasses import dataclass
from itertools import accumulate

from advisor.model.sketch import LatencySketch, bucket_value
from advisor.model.workload import Query

LEAST_US = 0.5
"""Stands for 0 us, which has no logarithm: logs round to whole microseconds."""

ASSUMED_LOG_VARIANCE = 1.0
ASSUMED_RELATIVE_VARIANCE = math.e - 1
"""Of one execution's duration, where only a sum is known: as of a log-normal distribution with a standard deviation
of 1 (its 95th percentile is 5 times its median), wider than most queries'."""

_MOST_MISSING = 0.1
"""A sketch that lacks more of the timed calls does not stand for them."""


@dataclass(frozen=True, slots=True)
class Durations:
    """Timed calls of one query in one input.

    Attributes:
        log_mean: mean of the logarithms of microseconds (the geometric mean's logarithm); None without a sketch.
        log_of_mean: logarithm of the arithmetic mean in microseconds.
        log_variance: variance of the logarithms.
        relative_variance: variance over the squared mean.
        points: (duration in microseconds, calls up to it), ascending; empty without a sketch.
    """

    calls: int
    log_mean: float | None
    log_of_mean: float
    log_variance: float
    relative_variance: float
    points: tuple[tuple[float, int], ...] = ()

    @property
    def lowest_us(self) -> float | None:
        return self.points[0][0] if self.points else None

    def quantile_us(self, q: float) -> float | None:
        """By nearest rank; q beyond 0 to 1 counts as 0 or 1."""
        if not self.points:
            return None
        rank = max(1, math.ceil(min(q, 1.0) * self.points[-1][1]))
        return next(value for value, up_to in self.points if up_to >= rank)

    def share_below(self, limit_us: float) -> float:
        """Share of the calls that took less."""
        below = [up_to for value, up_to in self.points if value < limit_us]
        return below[-1] / self.points[-1][1] if below else 0.0


def durations(query: Query) -> Durations | None:
    """None where no call is timed."""
    if query.timed_calls <= 0:
        return None
    mean_us = max(query.total_us / query.timed_calls, LEAST_US)
    counted = _points(query.latency)
    calls = counted[-1][1] if counted else 0
    if calls < query.timed_calls * (1 - _MOST_MISSING):
        return Durations(query.timed_calls, None, math.log(mean_us), ASSUMED_LOG_VARIANCE, ASSUMED_RELATIVE_VARIANCE)
    weighted = [(value, up_to - before) for (value, up_to), before in zip(counted, _before(counted), strict=True)]
    mean = sum(value * n for value, n in weighted) / calls
    log_mean = sum(math.log(value) * n for value, n in weighted) / calls
    return Durations(
        calls,
        log_mean,
        math.log(mean_us),
        sum((math.log(value) - log_mean) ** 2 * n for value, n in weighted) / calls,
        sum((value - mean) ** 2 * n for value, n in weighted) / calls / mean**2,
        counted,
    )


def _points(sketch: LatencySketch) -> tuple[tuple[float, int], ...]:
    buckets = sorted(bucket for bucket, n in sketch.counts.items() if n > 0)
    ranks = accumulate(sketch.counts[bucket] for bucket in buckets)
    return tuple((max(bucket_value(bucket), LEAST_US), rank) for bucket, rank in zip(buckets, ranks, strict=True))


def _before(points: tuple[tuple[float, int], ...]) -> list[int]:
    return [0, *(up_to for _, up_to in points[:-1])]
