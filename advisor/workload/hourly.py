"""How much a query's durations move from hour to hour, which is what a change has to stand out from.

Calls within an hour share the load, the cache and the data of that hour, so that a million of them are not a million
observations. Each hour is one: log(mean duration) of query q in hour h is taken as

    level of q  +  sensitivity of q * level of the hour (shared by all queries)  +  its own movement in that hour,

fitted by medians (Tukey's median polish), so that queries that changed do not move the levels of the hours. The
variance of the own movements, less what the number of calls explains, is the query's noise between hours. Neighbouring
hours are alike: the variance of a mean over n hours is that of n / k independent ones, k = (1 + r) / (1 - r), where r
is their correlation (that of a first-order autoregression).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from advisor.model.workload import Query
from advisor.workload.durations import LEAST_US, Durations
from advisor.workload.significance import spread

HOUR_US = 3_600_000_000

LEAST_QUERIES = 5
"""Fewer queries cannot tell what they have in common from what is their own."""

LEAST_HOUR_CALLS = 3
"""An hour with fewer timed calls of a query says nothing of its level."""

LEAST_ENSEMBLE = 15
"""From so many queries on their own scatter tells what is usual between two inputs."""

LEAST_SD = 0.03
"""No query's hours are closer than 3 % to each other: a lower estimate is luck."""

ASSUMED_SD = 0.15
"""Where nothing else tells: hours differ by 15 % (a judgement; the simulated servers of the tests have
3 to 30 %)."""

ASSUMED_DEGREES = 12.0
"""Degrees of freedom that all other queries' hours are worth to a single query: they say what is usual, not what its
own noise is."""

LEAST_NEIGHBOURS = 3.0
"""Load, traffic and caches follow the day: so many neighbouring hours are worth one independent one, if not more."""

SENSITIVITY_VARIANCE = 0.1
"""Queries feel the load by 1 +- 0.3 times as much as the median one (a judgement): a query's own sensitivity is drawn
towards 1 by as much as its hours leave it uncertain."""

_MOST_QUERIES = 400
"""The levels of the hours are learned from the queries with most time; more would not move a median."""

_ROUNDS = 4
_MOST_CORRELATION = 0.8


@dataclass(frozen=True, slots=True)
class Timed:
    """A query in both inputs, timed in both."""

    old: Query
    new: Query
    old_durations: Durations
    new_durations: Durations

    @property
    def log_ratio(self) -> float:
        """Of the geometric means, or of the means where a side has no latencies."""
        old, new = self.old_durations, self.new_durations
        if old.log_mean is None or new.log_mean is None:
            return new.log_of_mean - old.log_of_mean
        return new.log_mean - old.log_mean


@dataclass(frozen=True, slots=True)
class Noise:
    """What all pairs together say of hours.

    Attributes:
        old_levels, new_levels: by the hour's start, log scale; empty where there are too few queries.
        variance: the median query's own variance between hours; where no query was seen in several hours, from how
            the queries' ratios scatter; None where they are too few for that.
        widening: k of the module's docstring.
    """

    old_levels: Mapping[int, float] = field(default_factory=dict)
    new_levels: Mapping[int, float] = field(default_factory=dict)
    variance: float | None = None
    widening: float = LEAST_NEIGHBOURS


@dataclass(frozen=True, slots=True)
class HourPoint:
    """Log of a query's mean duration in an hour, and the variance that the number of calls alone gives it."""

    start_us: int
    level: float
    calls: int
    variance: float


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Of the log ratio of a pair.

    Attributes:
        variance: of the ratio of geometric means.
        degrees: of freedom behind it.
        effective_old, effective_new: so many independent calls are the calls of each side worth for its quantiles.
        levels: what the hours in which the query ran explain of the log ratio.
        hours: hours on the side with fewer, each counted by its share of the calls.
    """

    variance: float
    degrees: float
    effective_old: float
    effective_new: float
    levels: float
    hours: float


def learn_noise(pairs: Sequence[Timed]) -> Noise:
    """The levels of the hours, and how much queries move between them."""
    chosen = sorted(pairs, key=lambda pair: -(pair.old.total_us + pair.new.total_us))[:_MOST_QUERIES]
    sides = [(points(p.old, p.old_durations), points(p.new, p.new_durations)) for p in chosen]
    old_levels, new_levels = _levels(sides) if len(pairs) >= LEAST_QUERIES else ({}, {})
    both = [_felt((old, old_levels), (new, new_levels)) for old, new in sides]
    widening = _widening([_movements(*side) for pair in both for side in pair])
    found = []
    for old_side, new_side in both:
        own, degrees = _own_variance(old_side, new_side, widening)
        if degrees >= 2:
            found.append(own)
    variance = median(found) if found else _scatter(pairs)
    return Noise(old_levels, new_levels, None if variance is None else max(variance, LEAST_SD**2), widening)


def uncertainty(pair: Timed, noise: Noise) -> Uncertainty:
    """How far chance alone could have moved the pair's ratio."""
    old, new = points(pair.old, pair.old_durations), points(pair.new, pair.new_durations)
    felt = _felt((old, noise.old_levels), (new, noise.new_levels))
    own, degrees = _own_variance(*felt, noise.widening)
    usual = noise.variance if noise.variance is not None else ASSUMED_SD**2
    between = max(own, usual) if degrees > 0 else usual
    parts, effective, hours = 0.0, [], []
    for side, sketch in ((old, pair.old_durations), (new, pair.new_durations)):
        weight = _squared_weights(side)
        share = min(1.0, noise.widening * weight)
        parts += between * share + sketch.log_variance / sketch.calls
        # Calls of one hour are alike in so far as the hours differ (the design effect of a cluster sample).
        alike = min(1.0, between / sketch.log_variance) if sketch.log_variance > 0 else 1.0
        effective.append(1 / (alike * share + (1 - alike) / sketch.calls))
        hours.append(1 / weight if side else 0.0)
    independent = max(0.0, sum(hours) / noise.widening - 2) if degrees > 0 else 0.0
    levels = _mean_level(*felt[1]) - _mean_level(*felt[0])
    return Uncertainty(parts, independent + ASSUMED_DEGREES, effective[0], effective[1], levels, min(hours))


def points(query: Query, sketch: Durations) -> tuple[HourPoint, ...]:
    """The query's hours that have enough calls; the logarithm of a mean of few calls is too low on average by half its
    variance, which is put right."""
    found = []
    for hour in query.hours:
        if hour.timed_calls >= LEAST_HOUR_CALLS:
            variance = math.log1p(sketch.relative_variance / hour.timed_calls)
            level = math.log(max(hour.total_us / hour.timed_calls, LEAST_US)) + variance / 2
            found.append(HourPoint(hour.start_us, level, hour.timed_calls, variance))
    return tuple(found)


_Side = tuple[Sequence[HourPoint], Mapping[int, float]]


def _levels(
    sides: Sequence[tuple[Sequence[HourPoint], Sequence[HourPoint]]],
) -> tuple[dict[int, float], dict[int, float]]:
    """Median polish over queries and the hours of both inputs; an hour with too few queries stays at 0."""
    cells: dict[tuple[bool, int], list[tuple[int, float]]] = {}
    rows: list[list[tuple[tuple[bool, int], float]]] = []
    for number, (old, new) in enumerate(sides):
        row = [((is_new, p.start_us), p.level) for is_new, side in ((False, old), (True, new)) for p in side]
        rows.append(row)
        for hour, level in row:
            cells.setdefault(hour, []).append((number, level))
    shared = {hour: found for hour, found in cells.items() if len(found) >= LEAST_QUERIES}
    levels = dict.fromkeys(shared, 0.0)
    for _ in range(_ROUNDS):
        own = [median([level - levels.get(hour, 0.0) for hour, level in row]) if row else 0.0 for row in rows]
        levels = {hour: median([level - own[number] for number, level in found]) for hour, found in shared.items()}
    return (
        {start: level for (is_new, start), level in levels.items() if not is_new},
        {start: level for (is_new, start), level in levels.items() if is_new},
    )


def _scatter(pairs: Sequence[Timed]) -> float | None:
    """Each side's part of the variance of the log ratios; queries that changed do not move it."""
    if len(pairs) < LEAST_ENSEMBLE:
        return None
    return spread([pair.log_ratio for pair in pairs]) ** 2 / 2


def _felt(old: _Side, new: _Side) -> tuple[_Side, _Side]:
    """The hours' levels as this query feels them: a ridge regression of its movements on them, within each side."""
    across = along = rest = 0.0
    for side, levels in (old, new):
        centre = _mean_level(side, levels)
        for point, move in _movements(side, levels):
            level = levels.get(point.start_us, 0.0) - centre
            across += point.calls * level * move
            along += point.calls * level**2
            rest += point.calls * move**2
    hours = sum(1 / _squared_weights(side) for side, _ in (old, new) if side)
    drawn = along + rest / max(hours, 1.0) / SENSITIVITY_VARIANCE
    factor = 1 + across / drawn if drawn > 0 else 1.0
    scaled = [(side, {start: factor * level for start, level in levels.items()}) for side, levels in (old, new)]
    return scaled[0], scaled[1]


def _movements(side: Sequence[HourPoint], levels: Mapping[int, float]) -> list[tuple[HourPoint, float]]:
    """Each hour's distance from the query's own mean, the hour's level taken out."""
    if not side:
        return []
    calls = sum(point.calls for point in side)
    out = [point.level - levels.get(point.start_us, 0.0) for point in side]
    centre = sum(value * point.calls for value, point in zip(out, side, strict=True)) / calls
    return [(point, value - centre) for value, point in zip(out, side, strict=True)]


def _own_variance(old: _Side, new: _Side, widening: float) -> tuple[float, float]:
    """(variance between hours, its degrees of freedom): of both sides, each about its own mean."""
    total, degrees = 0.0, 0.0
    for side, levels in (old, new):
        if len(side) < 2:
            continue
        weight = _squared_weights(side)
        calls = sum(point.calls for point in side)
        moved = _movements(side, levels)
        squares = sum(move**2 * point.calls / calls for point, move in moved) / (1 - weight)
        by_calls = sum(point.variance * point.calls / calls for point, _ in moved)
        # Neighbouring hours that are alike are closer to their mean than independent ones.
        unseen = max(0.4, (1 - min(1.0, widening * weight)) / (1 - weight))
        freedom = 1 / weight - 1
        total += freedom * max(0.0, squares - by_calls) / unseen
        degrees += freedom
    return (total / degrees if degrees else 0.0), degrees


def neighbours(levels: Sequence[float]) -> float:
    """k of a series of hours: so many are worth one independent one; at least `LEAST_NEIGHBOURS`."""
    n = len(levels)
    centre = sum(levels) / n
    moved = [level - centre for level in levels]
    squares = sum(move**2 for move in moved)
    together = sum(first * second for first, second in pairwise(moved))
    return max(LEAST_NEIGHBOURS, _k(together / squares if squares else 0.0, n))


def _widening(sides: Sequence[Sequence[tuple[HourPoint, float]]]) -> float:
    """k from the correlation of neighbouring hours, that of all queries together; what calls explain taken out."""
    together = alone = hours = 0.0
    count = 0
    for moved in sides:
        pairs = [
            first[1] * second[1]
            for first, second in pairwise(moved)
            if second[0].start_us - first[0].start_us == HOUR_US
        ]
        squares = sum(move**2 for _, move in moved) / len(moved) if moved else 0.0
        if len(pairs) < 4 or squares == 0:
            continue
        by_calls = sum(point.variance for point, _ in moved) / len(moved)
        together += sum(pairs) / len(pairs) / squares
        alone += max(0.0, squares - by_calls) / squares
        hours += len(moved)
        count += 1
    if not count or alone <= 0:
        return LEAST_NEIGHBOURS
    return max(LEAST_NEIGHBOURS, _k(together / alone, hours / count))


def _k(correlation: float, hours: float) -> float:
    """k of the module's docstring, from an estimated correlation of neighbouring hours."""
    # An estimate from n hours is too low by about (1 + 3 r) / n (Kendall, Biometrika 41 (1954), 403-404).
    true = (correlation + 1 / hours) / (1 - 3 / hours) if hours > 3 else _MOST_CORRELATION
    true = min(max(true, 0.0), _MOST_CORRELATION)
    return (1 + true) / (1 - true)


def _squared_weights(side: Sequence[HourPoint]) -> float:
    """Sum of squared shares of the calls: 1 / n for n equal hours, 1 for a single or unknown one."""
    calls = sum(point.calls for point in side)
    return sum((point.calls / calls) ** 2 for point in side) if calls else 1.0


def _mean_level(side: Sequence[HourPoint], levels: Mapping[int, float]) -> float:
    calls = sum(point.calls for point in side)
    return sum(levels.get(point.start_us, 0.0) * point.calls for point in side) / calls if calls else 0.0
