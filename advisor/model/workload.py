"""What ran, how often and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from advisor.model.plan import Plan
from advisor.model.server_events import ServerEvents
from advisor.model.sketch import LatencySketch


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One execution kept as it was, to be planned and run again.

    `sql` is the text as sent, and `parameters` its bind values; `duration_us` None where not logged.
    """

    sql: str
    parameters: tuple[str | None, ...] | None = None
    duration_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """One query's calls that ended within one hour (UTC). `total_us` is of the `timed_calls`."""

    start_us: int
    calls: int
    timed_calls: int
    total_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTotals:
    """What the plans in the log say of a query's executions, summed up.

    Attributes:
        plans: plans seen; the blocks below are of those that were logged with BUFFERS.
        shared_hit_blocks, shared_read_blocks, temp_read_blocks, temp_written_blocks: 8 KiB each, of the plan's root.
    """

    plans: int = 0
    shared_hit_blocks: int = 0
    shared_read_blocks: int = 0
    temp_read_blocks: int = 0
    temp_written_blocks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """All executions of one statement, constants aside.

    Attributes:
        id: ours, 16 hex digits: database + normalised parse tree + the relations it names.
        fingerprint: libpg_query's, for grouping and display only; None where the text does not parse.
        sql: the normalised text, constants replaced by `$n`.
        calls: executions; 1 per statement of a `.sql` file unless `-- calls: N` says otherwise.
        total_us: of the executions whose duration is known, `timed_calls` many.
        rows: returned in all, where known.
        tables: the relations as the text names them (`schema.name` or `name`).
        tags: of the statement's comments (sqlcommenter, marginalia): of each name the value of most calls.
        tag_calls: calls by name and value, of a bounded number of values per name.
        hours: calls per hour, the earliest first.
        plan_totals: of the plans in the log; None where there were none.
        temp_files, temp_bytes: temporary files that the log says its executions wrote.
        errors: executions that failed; they are not among the calls.
        first_us, last_us: microseconds since the epoch.
    """

    id: str
    sql: str
    fingerprint: str | None = None
    database: str | None = None
    user: str | None = None
    calls: int = 0
    timed_calls: int = 0
    total_us: int = 0
    max_us: int | None = None
    latency: LatencySketch = field(default_factory=LatencySketch)
    rows: int | None = None
    tables: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    tag_calls: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hours: tuple[Hour, ...] = ()
    plan_totals: PlanTotals | None = None
    temp_files: int = 0
    temp_bytes: int = 0
    errors: int = 0
    samples: tuple[Sample, ...] = ()
    first_us: int | None = None
    last_us: int | None = None

    @property
    def mean_ms(self) -> float | None:
        """Mean duration in milliseconds; None where no duration is known."""
        return self.total_us / self.timed_calls / 1000 if self.timed_calls else None

    @property
    def estimated_total_ms(self) -> float | None:
        """Time of all calls, the untimed ones at the mean of the timed ones."""
        return self.mean_ms * self.calls if self.mean_ms is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlan:
    """A plan that came with the input. `query_id` is None where the plan has no statement."""

    plan: Plan
    query_id: str | None = None
    duration_us: int | None = None
    source: str = ""
    """The input's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepetitionInstance:
    """One unit of work in which a query ran more than once.

    Attributes:
        calls: executions of the child in the unit; `distinct_parameters` of them differ in their values.
        parent_rows: rows the parent returned in this unit, where known.
        gap_us: sum of the pauses between the end of one child and the start of the next (never negative).
        duration_us: time of the children.
        keys: the children's values in order, the first 100.
    """

    session: str
    from_us: int | None
    to_us: int | None
    calls: int
    distinct_parameters: int
    duration_us: int = 0
    gap_us: int = 0
    parent_rows: int | None = None
    keys: tuple[tuple[str | None, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """A query that ran before the first child of a unit: in so many units, and so often in all of them."""

    query_id: str
    units: int
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """A query that ran repeatedly within units of work, after the same parent.

    Attributes:
        query_id: the child.
        parent_id: the query that ran last before the first child of each unit and is not the child itself.
        units: units in which the parent ran before the child, repeated or not; `units_repeated` with >= 2 calls.
        calls: over all units; `max_calls` in one unit.
        between: ids of other queries that ran between the children (nested or interleaved ones).
        ancestors: the last few queries before the first child, the latest first (an interleaved child comes right
            before it, the real parent earlier); counted over the units with a repetition.
        instances: the largest units, a bounded number.
    """

    query_id: str
    parent_id: str | None
    units: int
    units_repeated: int
    calls: int
    max_calls: int
    distinct_parameters: int
    duration_us: int
    gap_us: int
    between: tuple[str, ...] = ()
    ancestors: tuple[Ancestor, ...] = ()
    instances: tuple[RepetitionInstance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One input as it was read; `format` is `stderr`, `csv`, `json`, `sql`, `explain`, `pg_stat_statements`, …"""

    name: str
    format: str
    bytes: int
    detected_prefix: str | None = None
    compression: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownLines:
    """A class of lines that was not understood."""

    sample: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of the input was understood; bytes after decompression."""

    bytes_total: int = 0
    bytes_classified: int = 0
    events: int = 0
    statements: int = 0
    statements_unparsed: int = 0
    oversized: int = 0
    unknown: tuple[UnknownLines, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The input, folded: what the rules and the advisor work on."""

    queries: tuple[Query, ...] = ()
    plans: tuple[QueryPlan, ...] = ()
    repetitions: tuple[Repetition, ...] = ()
    inputs: tuple[InputFile, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)
    from_us: int | None = None
    to_us: int | None = None
    events: ServerEvents = field(default_factory=ServerEvents)
    warnings: tuple[str, ...] = ()
    """What the input does not show and what to do about it (no durations, sampling, a truncated file)."""

    def query(self, query_id: str) -> Query | None:
        """The query of that id, or None. Linear: for a report, not for a loop."""
        return next((query for query in self.queries if query.id == query_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementStatistics:
    """A row of `pg_stat_statements`: a normalised text and its sums since the last reset. Durations in microseconds."""

    sql: str
    database: str
    user: str | None
    calls: int
    total_us: int
    mean_us: float
    min_us: int
    max_us: int
    rows: int
