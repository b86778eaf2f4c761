"""What reading rows costs in time, as far as it can be said without running anything."""

from advisor.model.workload import Query, Workload

FASTEST_ROWS_PER_MS = 50_000.0
"""Rows that a sequential scan filters per millisecond at best: narrow cached rows, three processes, about 50 ns per row
in each. A query that is faster than this did not scan the table: the size is wrong or an index serves it."""

NOTICEABLE_MEAN_MS = 2.0
"""A query faster than this is not what makes an application slow, however often it runs; its calls may be (NPO001)."""

NOTICEABLE_TOTAL_MS = 1_000.0
NOTICEABLE_SHARE = 0.01
"""Less time than this, and than this share of the whole input's, is not worth an index that every write must keep up.
The share is for short inputs."""

SLOW_ALONE_MS = 20.0
"""A query this slow is worth a look even if it was seen only once."""

SLOW_PLANNED_SCAN_MS = 5.0
"""A scan this slow in a plan that came without its statement: nobody hands in a plan for nothing."""


def scanned(query: Query, rows: float, share: float = 1.0) -> bool:
    """Whether the measured time allows for a sequential scan of that share of `rows` rows; True without timings."""
    return query.mean_ms is None or query.mean_ms >= rows * share / FASTEST_ROWS_PER_MS


def whole_time_ms(workload: Workload) -> float:
    """The time of all queries of the input together, as far as durations are known."""
    return sum(query.estimated_total_ms or 0.0 for query in workload.queries)


def time_matters(query: Query, whole_ms: float) -> bool:
    """Whether the query takes time worth saving, judged by its mean and its total; True without timings."""
    mean, total = query.mean_ms, query.estimated_total_ms
    if mean is None or total is None:
        return True
    much = total >= NOTICEABLE_TOTAL_MS or total >= NOTICEABLE_SHARE * whole_ms
    return mean >= SLOW_ALONE_MS or (mean >= NOTICEABLE_MEAN_MS and much)
