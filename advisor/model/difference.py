"""What differs between two workloads, an old and a new one."""

from dataclasses import dataclass, field
from typing import Literal

from advisor.model.advice import Confidence
from advisor.model.workload import InputFile

Change = Literal[
    "slower",
    "slower_tail",
    "faster",
    "faster_tail",
    "more_calls",
    "fewer_calls",
    "new",
    "vanished",
    "errors",
    "plan",
    "temp_files",
    "blocks",
    "rows",
    "same",
    "unknown",
]
"""`slower_tail`: the 95th percentile is up and the median is not. `same` and `unknown` stand alone; `unknown`: there is
too little to tell."""

MatchedBy = Literal["id", "sql"]
Outcome = Literal["helped", "not_helped", "cannot_tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """New over old, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two inputs.

    Attributes:
        hours: hours in which anything ran; 0 where the input has no times.
        covered_us: the time from its first to its last statement, hours in which nothing ran left out; None: unknown.
        total_us: of all queries, untimed calls at the mean of the timed ones.
        warnings: what the input does not show.
    """

    inputs: tuple[InputFile, ...] = ()
    from_us: int | None = None
    to_us: int | None = None
    hours: int = 0
    covered_us: int | None = None
    queries: int = 0
    calls: int = 0
    total_us: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """One query in one of the inputs; None: not known there.

    Attributes:
        share: of the time of all queries, 0 to 1.
        hours: hours in which it ran.
        blocks_per_plan: shared blocks of 8 KiB, of the plans in the log.
    """

    id: str
    calls: int
    calls_per_hour: float | None
    total_ms: float | None
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    share: float | None
    hours: int
    rows_per_call: float | None
    temp_bytes_per_call: float
    blocks_per_plan: float | None
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """How the plans in the inputs differ; lines such as `public.orders: Seq Scan -> Index Scan using orders_idx`.

    `indexes` are those that only the new plans use.
    """

    lines: tuple[str, ...]
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryDifference:
    """One query before and after.

    Attributes:
        old, new: None where the query is not in that input.
        changes: the most important first; never empty.
        matters: whether its time, or what changed, is worth a line (see `workload.difference`).
        ratio: of the typical duration: of geometric means, where the inputs have latencies, else of means.
        own_ratio: what is left of `ratio` without what all queries have in common.
        p_value: of `own_ratio` being chance; `q_value`: the same after Benjamini and Hochberg over all queries.
        extra_ms_per_hour: what the change of its mean costs (or, negative, saves) per hour of the new input, or in all
            where that has no times.
        reasons: sentences with what the other fields do not say.
    """

    sql: str
    database: str | None
    tables: tuple[str, ...]
    changes: tuple[Change, ...]
    matters: bool
    confidence: Confidence
    old: Numbers | None = None
    new: Numbers | None = None
    ratio: Ratio | None = None
    own_ratio: Ratio | None = None
    p95_ratio: Ratio | None = None
    calls_ratio: Ratio | None = None
    p_value: float | None = None
    q_value: float | None = None
    extra_ms_per_hour: float | None = None
    plan: PlanChange | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all queries have in common.

    Attributes:
        time: ratio of durations; None where there are too few queries to separate it from their own changes.
        time_changed: whether that is beyond chance, and most queries share it.
        calls: ratio of calls per hour; `calls_changed` as above.
        compared: queries that this rests on; `agreeing` of them moved by about `time`.
    """

    time: Ratio | None = None
    time_changed: bool = False
    calls: Ratio | None = None
    calls_changed: bool = False
    compared: int = 0
    agreeing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexUse:
    """An index that only the new plans use. `queries` are ids of the new input.

    `before` tells whether the old input has plans of these queries, so that it can be told that the use is new.
    """

    name: str
    table: str
    queries: tuple[str, ...]
    before: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisedQuery:
    """A query that a recommendation was for: promised and measured ratios of its duration, new over old."""

    old_id: str
    new_id: str | None
    outcome: Outcome
    promised: float | None
    measured: Ratio | None
    old_mean_ms: float | None
    new_mean_ms: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceOutcome:
    """What became of a recommendation of an earlier report.

    Attributes:
        promised_by: the report's measure behind the promise: `ms`, `buffers` or `cost` (the planner's).
        in_use: whether the new plans use the index it creates; None: there are no plans to tell, or it is no index.
    """

    recommendation: str
    kind: str
    statements: tuple[str, ...]
    rewritten_sql: str | None
    outcome: Outcome
    reason: str
    promised_by: Literal["ms", "buffers", "cost"] | None
    in_use: bool | None
    queries: tuple[AdvisedQuery, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two workloads compared.

    Attributes:
        confidence: how much the inputs can tell at best; `confidence_reasons` say why it is not high.
        calls_comparable: False where sampling or thresholds make numbers of calls mean nothing.
        queries: those that matter first, by how much they do.
        notes: what the inputs do not allow to tell.
    """

    old: Side
    new: Side
    matched_by: MatchedBy = "id"
    confidence: Confidence = "low"
    confidence_reasons: tuple[str, ...] = ()
    calls_comparable: bool = True
    common: Common = field(default_factory=Common)
    queries: tuple[QueryDifference, ...] = ()
    indexes: tuple[IndexUse, ...] = ()
    advice: tuple[AdviceOutcome, ...] = ()
    notes: tuple[str, ...] = ()
