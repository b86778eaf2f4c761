"""Calls per hour, and queries that are in one input only: what is more than the usual comings and goings."""

import math
from dataclasses import dataclass

from advisor.model.workload import Query
from advisor.workload.frame import Frame
from advisor.workload.hourly import ASSUMED_DEGREES, HOUR_US, LEAST_NEIGHBOURS
from advisor.workload.judging import Observed
from advisor.workload.significance import log_beta

ASSUMED_RATE_SD = 0.3
"""Relative difference between two spans of less than two hours each, whose hours cannot tell."""

CLUSTER = 5.0
"""Calls, errors and temporary files come in bursts: so many are worth one independent event."""

LEAST_HOURS = 4
"""With fewer hours a query's absence is judged by its calls, in clusters of `CLUSTER`, instead of by its hours."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A number of events out of so many chances."""

    events: int
    chances: int


def observed_rates(old: Query, new: Query, frames: tuple[Frame, Frame]) -> Observed | None:
    """The log ratio of calls per hour; None where an input has no times, or no calls."""
    variance, independent = 0.0, 0.0
    rates = []
    for query, frame in ((old, frames[0]), (new, frames[1])):
        if frame.covered_hours is None or not query.calls:
            return None
        rates.append(query.calls / frame.covered_hours)
        part, hours = _rate_variance(query, frame)
        variance += part
        independent += hours
    degrees = max(0.0, independent / LEAST_NEIGHBOURS - 2) + ASSUMED_DEGREES
    return Observed(math.log(rates[1] / rates[0]), 0.0, variance, degrees)


def absence(query: Query, here: Frame, there: Frame) -> float | None:
    """Probability that a query that runs as it does here is not seen in the other input; None: it cannot be told.

    By hours: the share p of hours in which it runs has the posterior Beta(a + 1/2, n - a + 1/2) (Jeffreys) after a of
    n hours, and the probability that none of m hours has it is E[(1 - p)^m]. Only hours of the day that both inputs
    cover count: what runs at night is not missed by day.
    """
    if len(here.hours) < LEAST_HOURS or len(there.hours) < LEAST_HOURS:
        if here.covered_hours is None or there.covered_hours is None:
            return None
        # A Poisson rate after a events in one unit of time has the posterior Gamma(a, 1).
        return math.pow(1 + there.covered_hours / here.covered_hours, -query.calls / CLUSTER)
    shared = here.hours_of_day & there.hours_of_day
    active = {hour.start_us for hour in query.hours if hour.calls}
    mine = [start for start in here.hours if _of_day(start) in shared]
    theirs = sum(_of_day(start) in shared for start in there.hours)
    ran = sum(start in active for start in mine)
    if not ran or not theirs:
        return None
    a, b = ran + 0.5, len(mine) - ran + 0.5
    return math.exp(log_beta(a, b + theirs) - log_beta(a, b))


def changed_counts(old: Counted, new: Counted) -> tuple[float, float]:
    """(ratio, p-value) of events per chance, with half an event added to each side; events come in clusters.

    Where one side has none, the p-value is that of a Poisson rate known by the other side's clusters (as in `absence`).
    """
    ratio = (new.events + 0.5) / (new.chances + 1) / ((old.events + 0.5) / (old.chances + 1))
    if not old.events or not new.events:
        seen, none = (new, old) if new.events else (old, new)
        return ratio, math.pow(1 + none.chances / max(seen.chances, 1), -seen.events / CLUSTER)
    variance = CLUSTER * (1 / (old.events + 0.5) + 1 / (new.events + 0.5))
    return ratio, math.erfc(abs(math.log(ratio)) / math.sqrt(2 * variance))


def _rate_variance(query: Query, frame: Frame) -> tuple[float, float]:
    """(variance of the log of calls per hour, hours): from the counts of the hours, at least that of a Poisson."""
    poisson = 1 / query.calls
    hours = len(frame.hours)
    if hours < 2 or frame.covered_hours is None:
        return poisson + ASSUMED_RATE_SD**2, 0.0
    by_hour = {hour.start_us: hour.calls for hour in query.hours}
    rate = query.calls / frame.covered_hours
    squares = sum((by_hour.get(start, 0) - rate * part) ** 2 for start, part in frame.hours.items())
    blocks = squares / query.calls**2 * hours / (hours - 1) * min(LEAST_NEIGHBOURS, hours)
    return max(poisson, blocks), float(hours)


def _of_day(start_us: int) -> int:
    return start_us // HOUR_US % 24
