"""What the advisor says: findings, what would help, and what the throwaway server made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from advisor.model.catalog import IndexKey
from advisor.model.names import QualifiedName

Severity = Literal["error", "warning", "info"]
Confidence = Literal["high", "medium", "low"]
Safety = Literal["safe", "review", "manual"]
RecommendationKind = Literal[
    "create_index",
    "drop_index",
    "rewrite_query",
    "batch_queries",
    "create_statistics",
    "set_parameter",
    "maintenance",
    "application",
    "safe_migration",
]
VerdictStatus = Literal["proven", "predicted", "no_gain", "regressed", "not_equivalent", "not_tested"]
VerdictMethod = Literal["built", "executed", "compared", "what-if"]
EquivalenceStatus = Literal["proved", "checked", "different", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexNeed:
    """What one query would like of one table: the raw material of index candidates.

    Attributes:
        equality: keys compared by equality with a constant, a list or a join partner; in no particular order.
        range: keys compared by a range or a prefix; one of them may follow the equality keys.
        order: the sort wanted after the equality keys.
        fetched: every column of the table the query reads, for a covering index; empty where not known.
        probe: a statement that does this reading, where a plan came without its own; `query_id` then names it.
    """

    table: QualifiedName
    query_id: str
    equality: tuple[IndexKey, ...] = ()
    range: tuple[IndexKey, ...] = ()
    order: tuple[IndexKey, ...] = ()
    fetched: tuple[str, ...] = ()
    probe: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteProposal:
    """A query to be rewritten by the `rewrites` stage. `kind` names the rewrite (`half_open_range`).

    `column` and `table` say where; `detail` is what the rewrite's own code needs beyond that; `index` is what the
    rewritten query would like where nothing serves it yet.
    """

    kind: str
    query_id: str
    table: QualifiedName
    column: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    index: IndexNeed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProposal:
    """Queries that one round trip could answer. `column` is the child's key, compared by equality."""

    query_id: str
    parent_id: str | None
    table: QualifiedName
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A remedy that is words: a change of the application, a setting, a safer order of steps."""

    kind: RecommendationKind
    statements: tuple[str, ...] = ()
    rollback: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    safety: Safety = "manual"


Remedy = IndexNeed | RewriteProposal | BatchProposal | Advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The objects a finding is about. Tables as `schema.name`; columns as `schema.table.column`."""

    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place in an input, 1-based."""

    file: str
    line: int
    column: int = 1
    end_line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """Milliseconds spent in the window of the input, calls, and what the advice is expected to save."""

    total_ms: float | None = None
    calls: int | None = None
    saved_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found.

    Attributes:
        key: stable over runs: rule + normalised objects + query id (see `engine.finding`).
        remedies: what would help; each becomes a candidate, and its verdict decides whether it is shown.
        refuted_by: the reason, where every remedy was refuted; the finding is then `info`.
        suppressed: the reason, where a comment or a baseline suppresses it.
    """

    key: str
    rule: str
    name: str
    severity: Severity
    confidence: Confidence
    title: str
    message: str
    subject: Subject = field(default_factory=Subject)
    location: Location | None = None
    plan: int | None = None
    """Position in the evidence's plans."""
    plan_node: str | None = None
    impact: Impact = field(default_factory=Impact)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    remedies: tuple[Remedy, ...] = ()
    refuted_by: str | None = None
    suppressed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexCandidate:
    """An index that could be created, with the queries that asked for it and its DDL."""

    table: QualifiedName
    name: str
    keys: tuple[IndexKey, ...]
    include: tuple[str, ...] = ()
    predicate: str | None = None
    method: str = "btree"
    query_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """A statement and its replacement, both runnable with the same parameters, result columns alike."""

    kind: str
    query_id: str
    original_sql: str
    rewritten_sql: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A query's price: planner cost, median milliseconds of warm runs, 8 KiB blocks; None: not measured."""

    cost: float | None = None
    ms: float | None = None
    buffers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryMeasure:
    """One query before and after."""

    query_id: str
    before: Measure
    after: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """Whether a rewrite returns the same rows: `checked` on so many data sets is not `proved`."""

    status: EquivalenceStatus
    datasets: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the throwaway server made of a candidate. `sandbox` is its id in the report, `reason` a sentence."""

    status: VerdictStatus
    method: VerdictMethod | None = None
    sandbox: str | None = None
    reason: str | None = None
    equivalence: Equivalence | None = None
    before: Measure = field(default_factory=Measure)
    after: Measure = field(default_factory=Measure)
    per_query: tuple[QueryMeasure, ...] = ()
    size_bytes: int | None = None
    build_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """One thing to do, with its proof. `findings` are keys."""

    id: str
    kind: RecommendationKind
    safety: Safety
    verdict: Verdict
    statements: tuple[str, ...] = ()
    rollback: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    replaces: str | None = None
    rewritten_sql: str | None = None
    size_bytes: int | None = None
    build_ms: float | None = None
    write_overhead_ratio: float | None = None
    findings: tuple[str, ...] = ()
