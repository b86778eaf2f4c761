"""Statements that read a large table whole, and that an index cannot help."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from advisor.engine.access import INDEXED_KINDS, SELECTIVE_SHARE
from advisor.engine.access_gaps import CONFIDENCE, index_gaps, predicate_text
from advisor.engine.access_keys import Conditions, conditions_of
from advisor.engine.access_plans import SeenScan, scans_by_query
from advisor.engine.access_selectivity import kept_share
from advisor.engine.access_time import scanned, time_matters, whole_time_ms
from advisor.model.advice import Confidence
from advisor.model.catalog import Catalog, Table
from advisor.model.evidence import Evidence
from advisor.model.profile import Basis
from advisor.model.usage import Scope, TableUse, Usage
from advisor.model.workload import Query

LARGE_TABLE_ROWS = 100_000
"""Below this, reading a table whole takes some ten milliseconds, and reports and caches do so on purpose."""

MOST_SHARE = 0.5
"""A statement that keeps half of the rows reads the table whole, whatever index there is."""

OFTEN_CALLS = 2
"""A statement that ran once is taken for a report, an export or a person at a prompt."""

SURE_ROWS_PER_MS = 10_000.0
"""What one process filters per millisecond of rows of common width. A statement on a table of assumed size must take
this long, so that the table may well be so large."""

Reason = Literal["returns", "aggregates", "discards"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnboundedScan:
    """A reading of a whole table: to return most of it, to aggregate over it, or to discard most of it.

    `kept` is the number of rows that pass the conditions.
    """

    query: Query
    table: Table
    reason: Reason
    rows: float
    kept: float
    basis: Basis
    predicates: tuple[str, ...]
    columns: tuple[str, ...]
    seen: SeenScan | None = None

    @property
    def confidence(self) -> Confidence:
        return CONFIDENCE[self.basis]


def unbounded_scans(evidence: Evidence) -> Iterator[UnboundedScan]:
    """At most one per query: its largest table, where the query takes time, runs often and lacks no index on it."""
    catalog = evidence.catalog
    if catalog is None:
        return
    gaps = {(gap.query_id, gap.access.table.name) for gap in index_gaps(evidence)}
    seen, whole_ms = scans_by_query(evidence.workload.plans), whole_time_ms(evidence.workload)
    for query in evidence.workload.queries:
        usage = evidence.usages.get(query.id)
        if usage is None or usage.kind != "select" or query.calls < OFTEN_CALLS or not time_matters(query, whole_ms):
            continue
        found = [
            scan
            for scope in _single_level(usage)
            for scan in _of_scope(query, scope, usage, evidence, catalog, seen.get(query.id, []))
            if (query.id, scan.table.name) not in gaps
        ]
        if found:
            yield max(found, key=lambda scan: (scan.rows, str(scan.table.name)))


def _single_level(usage: Usage) -> Sequence[Scope]:
    """The one level of a simple statement, or of one around a subquery (`SELECT count(*) FROM (SELECT … FROM t)`)."""
    if len(usage.scopes) == 1:
        return usage.scopes
    levels = sorted(usage.scopes, key=lambda scope: scope.depth)
    if [scope.depth for scope in levels] != [0, 1] or [use.table for use in levels[0].tables] != [None]:
        return ()
    outer, inner = levels
    filtered = outer.predicates or outer.alternatives or outer.unresolved
    own = inner.limit or inner.correlated or inner.aggregates or inner.group_by or inner.windows
    if filtered or own or outer.windows:
        return ()
    return (
        replace(
            inner,
            aggregates=outer.aggregates,
            group_by=outer.group_by,
            order_by=outer.order_by,
            distinct=outer.distinct or inner.distinct,
            limit=outer.limit,
            star=outer.star and inner.star,
        ),
    )


def _of_scope(
    query: Query, scope: Scope, usage: Usage, evidence: Evidence, catalog: Catalog, seen: list[SeenScan]
) -> Iterator[UnboundedScan]:
    if scope.alternatives or not scope.tables:
        return
    uses = [(use, catalog.tables.get(use.table)) for use in scope.tables if use.table is not None]
    tables = [(use, table) for use, table in uses if table is not None and table.kind in INDEXED_KINDS]
    if len(tables) < len(scope.tables):
        return
    largest = max(tables, key=lambda pair: _rows(pair[1], evidence))
    use, table = largest
    rows = _rows(table, evidence)
    if rows < LARGE_TABLE_ROWS or not scanned(query, rows) or not _size_is_sure(query, table, evidence):
        return
    if any(other is not use and conditions_of(scope, other, t).local for other, t in tables):
        return
    conditions = conditions_of(scope, use, table)
    scan = next((s for s in seen if s.sequential and s.relation.name == table.name.name), None)
    kept = scan.kept if scan else rows * kept_share(conditions.local, table, rows, evidence.profile)
    reason = _reason(scope, usage, conditions, kept / rows, scan)
    if reason is None or (reason == "returns" and _measured_few(query, rows)):
        return
    yield UnboundedScan(
        query=query,
        table=table,
        reason=reason,
        rows=rows,
        kept=kept,
        basis="plan" if scan else evidence.profile[table.name].basis,
        predicates=tuple(predicate_text(p) for p in conditions.local),
        columns=() if scope.star else _read_columns(scope, use),
        seen=scan,
    )


def _reason(scope: Scope, usage: Usage, conditions: Conditions, share: float, scan: SeenScan | None) -> Reason | None:
    """What the level reads the whole table for; None where it does not, or where nobody can tell."""
    if any(p.function and p.column is None for p in conditions.residual):
        return None
    blind = bool(conditions.residual) and all(p.kind == "pattern" for p in conditions.residual)
    selective = conditions.equality or conditions.ranges or conditions.unclear or scope.correlated
    if blind and not selective and (scan is None or share <= SELECTIVE_SHARE):
        return None if scope.limit and scope.order_by == () and scan is None else "discards"
    if blind or (conditions.unclear and scan is None) or share < MOST_SHARE:
        return None
    if scope.aggregates or scope.group_by or scope.distinct:
        return "aggregates"
    return None if scope.limit or usage.volatile else "returns"


def _rows(table: Table, evidence: Evidence) -> float:
    profile = evidence.profile.get(table.name)
    return float(profile.rows) if profile is not None else 0.0


def _size_is_sure(query: Query, table: Table, evidence: Evidence) -> bool:
    """Whether the size is known, or an assumed one is borne out by what was measured."""
    profile = evidence.profile[table.name]
    borne_out = query.mean_ms is not None and query.mean_ms >= profile.rows / SURE_ROWS_PER_MS
    return profile.basis != "assumed" or borne_out


def _measured_few(query: Query, rows: float) -> bool:
    return query.rows is not None and query.calls > 0 and query.rows / query.calls < MOST_SHARE * rows


def _read_columns(scope: Scope, use: TableUse) -> tuple[str, ...]:
    return tuple(dict.fromkeys(r.column for r in scope.outputs if r.alias == use.alias))
