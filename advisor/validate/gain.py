"""When a change is a gain, a loss, or neither: rows, blocks and cost decide first, time only beyond its noise."""

from collections.abc import Iterable, Mapping

from advisor.model.advice import Measure, QueryMeasure

MIN_GAIN = 0.10
"""A change must save a tenth of what it touches: less is not worth an index's upkeep or a rewrite's review."""

MAX_LOSS = 0.05
"""A query may get this much dearer before the change counts as a regression."""

TIME_NOISE = 0.5
"""Medians of two equal runs differed by up to half on a busy two-core machine; time alone decides only beyond that."""

BLOCKS_FLOOR = 8
"""A look-up through an index touches about as many: a statement that touches fewer found nothing to do."""

TIME_FLOOR_MS = 1.0
"""Differences under a millisecond are the server's start-up work, not the query's."""


def total(measures: Iterable[tuple[Measure, float]]) -> Measure:
    """The weighted sum; a part is None where any of its terms is."""
    cost: float | None = 0.0
    ms: float | None = 0.0
    buffers: float | None = 0
    for measure, weight in measures:
        cost = None if cost is None or measure.cost is None else cost + measure.cost * weight
        ms = None if ms is None or measure.ms is None else ms + measure.ms * weight
        buffers = None if buffers is None or measure.buffers is None else buffers + measure.buffers * weight
    return Measure(
        cost=None if cost is None else round(cost, 2),
        ms=None if ms is None else round(ms, 3),
        buffers=None if buffers is None else round(buffers),
    )


def gains(before: Measure, after: Measure) -> bool:
    """Whether the change saves at least `MIN_GAIN` of blocks or time and does not cost more of the other.

    Where nothing was executed, the planner's cost decides.
    """
    if before.ms is None or after.ms is None or before.buffers is None or after.buffers is None:
        return _saved(before.cost, after.cost) >= MIN_GAIN
    if regresses(before, after):
        return False
    fewer_blocks = _saved(before.buffers, after.buffers) >= MIN_GAIN
    faster = _saved(before.ms, after.ms) >= TIME_NOISE and before.ms - after.ms >= TIME_FLOOR_MS
    return fewer_blocks or faster


def regresses(before: Measure, after: Measure) -> bool:
    """Whether the change makes a query dearer: more blocks and no less time, or much more time."""
    if before.ms is None or after.ms is None or before.buffers is None or after.buffers is None:
        return _saved(before.cost, after.cost) < -MAX_LOSS
    slower = after.ms - before.ms >= TIME_FLOOR_MS and _saved(before.ms, after.ms) < -TIME_NOISE
    more_blocks = _saved(before.buffers, after.buffers) < -MAX_LOSS and after.ms >= before.ms
    return slower or (more_blocks and after.ms - before.ms >= TIME_FLOOR_MS)


def tells_little(before: Measure) -> bool:
    """Whether a statement did so little that its run says nothing about one that finds rows."""
    return before.buffers is not None and before.buffers < BLOCKS_FLOOR


def saves_cost(before: Measure, after: Measure) -> bool:
    """Whether the planner's cost falls by at least `MIN_GAIN`."""
    return _saved(before.cost, after.cost) >= MIN_GAIN


def compare(
    before: Mapping[str, Measure], after: Mapping[str, Measure], weights: Mapping[str, float]
) -> tuple[Measure, Measure, tuple[QueryMeasure, ...]]:
    """(sum before, sum after, each query) over the queries measured both times, weighted by calls."""
    common = [query_id for query_id in before if query_id in after]
    return (
        total((before[q], weights[q]) for q in common),
        total((after[q], weights[q]) for q in common),
        tuple(QueryMeasure(query_id=q, before=before[q], after=after[q]) for q in common),
    )


def _saved(before: float | None, after: float | None) -> float:
    """The share of `before` that is saved; negative for a loss, 0 where unknown."""
    if before is None or after is None:
        return 0.0
    return (before - after) / before if before > 0 else (0.0 if after <= 0 else -1.0)
