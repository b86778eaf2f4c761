"""Simulated servers whose truth is known: pairs of workloads with the noise of real logs, and changes put into them.

A call takes exp(N) microseconds, N normal around: the query's own level + the load of the hour times the query's
sensitivity to it + the query's own movement in that hour + its level in this log. Load and own movements are correlated
from hour to hour; load and traffic also follow the day.
"""

import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from advisor.model.sketch import LatencySketch, bucket_of
from advisor.model.workload import Hour, Query, Workload

HOUR_US = 3_600_000_000
START_US = 1_772_323_200_000_000
"""2026-03-01T00:00:00Z."""


_DEVIATES = [round(NormalDist().inv_cdf((rank + 0.5) / 5000), 2) for rank in range(5000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is put into a query of the new log: factors of its durations, of its calls, and of a share of its calls."""

    time: float = 1.0
    calls: float = 1.0
    tail: float = 1.0
    tail_share: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A server. `load_sd`, `own_sd`: standard deviations (log scale) of an hour's load, and of a query's own movement
    (its median; queries differ in theirs); `correlation` of neighbouring hours; `unseen_sd`: of a query's level from
    one log to the other, which the hours do not show."""

    queries: int = 50
    old_hours: int = 24
    new_hours: int = 24
    new_begins: int = 0
    load_sd: float = 0.2
    own_sd: float = 0.06
    correlation: float = 0.6
    unseen_sd: float = 0.03
    width: float = 0.8
    calls_sd: float = 0.25
    busiest: int = 300
    everything: float = 1.0
    traffic: float = 1.0


@dataclass(slots=True)
class _Kind:
    level: float
    width: float
    own_sd: float
    sensitivity: float
    calls: float


def simulate(
    world: World, seed: int, changes: Mapping[int, Change] | None = None, *, vanished: int = 0, appeared: int = 0
) -> tuple[Workload, Workload]:
    """(old, new). Query n has the id of n as 16 hex digits; calls fall with n from `busiest` per hour to a few.

    The last `vanished` queries are in the old log only, the `appeared` ones before them in the new log only.
    """
    dice = random.Random(seed)
    kinds = [_kind(dice, world, number) for number in range(world.queries)]
    last = world.queries - vanished
    skipped = set(range(last - appeared, last)), set(range(last, world.queries))
    none: Mapping[int, Change] = {}
    old = _workload(dice, world, kinds, none, skipped[0], (0, world.old_hours), (1.0, 1.0))
    begins = 24 * (world.old_hours // 24 + 1) + world.new_begins
    factors = (world.everything, world.traffic)
    new = _workload(dice, world, kinds, changes or none, skipped[1], (begins, world.new_hours), factors)
    return old, new


def query_id(number: int) -> str:
    return f"{number:016x}"


def _kind(dice: random.Random, world: World, number: int) -> _Kind:
    return _Kind(
        level=math.log(1000) + dice.gauss(0, 1.2),
        width=world.width * math.exp(dice.gauss(0, 0.3)),
        own_sd=world.own_sd * math.exp(dice.gauss(0, 0.4)),
        sensitivity=dice.uniform(0.6, 1.4),
        calls=max(world.busiest / (1 + number) ** 0.7, 3.0),
    )


def _workload(
    dice: random.Random,
    world: World,
    kinds: list[_Kind],
    changes: Mapping[int, Change],
    skipped: set[int],
    span: tuple[int, int],
    factors: tuple[float, float],
) -> Workload:
    begins, hours = span
    load = _wave(dice, hours, world.load_sd, world.correlation)
    traffic = _wave(dice, hours, world.calls_sd, world.correlation)
    # Night and day: busy around 14:00, when all is a little slower, too.
    days = [math.cos((begins + hour - 14) % 24 / 24 * math.tau) for hour in range(hours)]
    queries = []
    for number, kind in enumerate(kinds):
        moved = kind.level + dice.gauss(0, world.unseen_sd) + math.log(factors[0])
        own = _wave(dice, hours, kind.own_sd, world.correlation)
        busy = _wave(dice, hours, world.calls_sd, world.correlation)
        if number in skipped:
            continue
        change = changes.get(number, Change())
        found = []
        counts: Counter[int] = Counter()
        for hour in range(hours):
            rate = kind.calls * factors[1] * change.calls * math.exp(traffic[hour] + busy[hour] + 0.4 * days[hour])
            centre = moved + kind.sensitivity * (load[hour] + 0.1 * days[hour]) + own[hour] + math.log(change.time)
            calls = _poisson(dice, rate)
            slow = _binomial(dice, calls, change.tail_share) if change.tail != 1.0 else 0
            parts = _draw(dice, kind, centre, calls - slow), _draw(dice, kind, centre + math.log(change.tail), slow)
            if calls:
                total_us = 0
                for duration_us, n in (item for part in parts for item in part.items()):
                    total_us += duration_us * n
                    counts[bucket_of(duration_us)] += n
                start_us = START_US + (begins + hour) * HOUR_US
                found.append(Hour(start_us=start_us, calls=calls, timed_calls=calls, total_us=total_us))
        queries.append(query_of(number, found, counts))
    from_us = START_US + begins * HOUR_US
    return Workload(queries=tuple(queries), from_us=from_us, to_us=from_us + hours * HOUR_US)


def query_of(number: int, hours: list[Hour], counts: Mapping[int, int]) -> Query:
    calls = sum(hour.calls for hour in hours)
    return Query(
        id=query_id(number),
        sql=f"SELECT {'a' * number} FROM t WHERE id = $1",
        database="shop",
        calls=calls,
        timed_calls=calls,
        total_us=sum(hour.total_us for hour in hours),
        latency=LatencySketch(dict(counts)),
        hours=tuple(hours),
    )


def _wave(dice: random.Random, hours: int, sd: float, correlation: float) -> list[float]:
    """A stationary first-order autoregression."""
    values = [dice.gauss(0, sd)]
    fresh = sd * math.sqrt(1 - correlation**2)
    while len(values) < hours:
        values.append(correlation * values[-1] + dice.gauss(0, fresh))
    return values


def _draw(dice: random.Random, kind: _Kind, centre: float, calls: int) -> dict[int, int]:
    """Microseconds and how many calls took them; normal deviates are rounded to 0.01, which is far faster."""
    drawn = Counter(dice.choices(_DEVIATES, k=calls))
    return {max(1, round(math.exp(centre + kind.width * deviate))): n for deviate, n in drawn.items()}


def _binomial(dice: random.Random, calls: int, share: float) -> int:
    return sum(dice.random() < share for _ in range(calls))


def _poisson(dice: random.Random, mean: float) -> int:
    """Knuth's method for small means, the normal approximation for others."""
    if mean > 30:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), dice.random(), 0
    while product > limit:
        product *= dice.random()
        count += 1
    return count
