"""Whether a log leaves out what is fast: the durations of several queries all begin at one sharp edge."""

from collections import Counter
from collections.abc import Sequence

from advisor.model.sketch import bucket_value
from advisor.model.workload import Query

EDGE_FROM_US = 500
"""Every server has statements that take less: a log whose fastest take more may leave some out."""

EDGE_QUERIES = 3
EDGE_CALLS = 20
EDGE_NEAR = 1.1
"""A threshold cuts several queries off at the same duration (within 10 %); queries that are merely slow begin at
durations of their own. Queries with fewer calls do not show where they begin."""

EDGE_SHARE = 0.25
"""Of the queries with enough calls that begin at the edge: of many, some begin alike by chance."""

STEP_BUCKETS = 3
"""About 6 %: the width in which calls right behind the edge are counted."""

RISE = 0.25
FALL = 0.2
"""Behind a threshold durations go on as they were: the first step holds at least a quarter of the calls of the fullest
one, and the second a fifth of the first's. Where the same work makes many statements take at least so long (a round
trip to another server), they mostly rise from nearly none, or stand in one narrow heap."""

_READING = ("SELECT", "WITH ", "VALUES", "TABLE ")
"""Only these show a threshold: all that writes takes at least as long as a commit, which may be a round trip."""

_MANTISSAS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 7.5, 8, 9)
"""Of durations that people choose."""


def lower_edge_us(queries: Sequence[Query]) -> float | None:
    """The duration (microseconds, within 1 %) below which nothing was logged; None without signs of one."""
    timed = [query.latency.counts for query in queries if query.latency.counts]
    lowest = min((min(counts) for counts in timed), default=None)
    if lowest is None or bucket_value(lowest) < EDGE_FROM_US:
        return None
    reading = [query.latency.counts for query in queries if query.sql.lstrip("( ")[:6].upper().startswith(_READING)]
    enough = [counts for counts in reading if sum(counts.values()) >= EDGE_CALLS]
    edge_us = bucket_value(lowest)
    near = [counts for counts in enough if bucket_value(min(counts)) <= edge_us * EDGE_NEAR]
    if len(near) < max(EDGE_QUERIES, EDGE_SHARE * len(enough)):
        return None
    steps: Counter[int] = Counter()
    for counts in near:
        for bucket, count in counts.items():
            # The bucket in which the edge itself lies is cut in two.
            if bucket > lowest:
                steps[(bucket - lowest - 1) // STEP_BUCKETS] += count
    is_cut = steps[0] >= RISE * max(steps.values(), default=0) and steps[1] >= FALL * steps[0] > 0
    return edge_us if is_cut else None


def setting_ms(edge_us: float) -> float:
    """The setting that an edge comes from, in milliseconds: a round one where one is within 3 %."""
    edge_ms = edge_us / 1000
    round_ones = [mantissa * 10**power for power in range(7) for mantissa in _MANTISSAS]
    nearest = min(round_ones, key=lambda each: abs(each - edge_ms))
    return nearest if abs(nearest - edge_ms) <= 0.03 * edge_ms else float(f"{edge_ms:.2g}")
