"""Where an index is missing: readings of big tables that take time and that no index serves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from advisor.engine.access import BIG_TABLE_ROWS, SELECTIVE_SHARE, Access, accesses, wanted_rows
from advisor.engine.access_plans import SeenScan, planned_accesses, scans_by_query
from advisor.engine.access_time import SLOW_PLANNED_SCAN_MS, scanned, time_matters, whole_time_ms
from advisor.model.advice import Confidence, Impact, IndexNeed, Severity
from advisor.model.catalog import IndexKey
from advisor.model.evidence import Evidence
from advisor.model.profile import Basis
from advisor.model.usage import Predicate, Value
from advisor.model.workload import Query

CONFIDENCE: Mapping[Basis, Confidence] = {"catalog": "high", "plan": "high", "flag": "medium", "assumed": "low"}
"""How sure a finding is, by where the table's row count comes from."""


def severity_of(basis: Basis, query: Query | None) -> Severity:
    """A warning where something measured or known stands behind it; `info` where an assumed size alone does."""
    unmeasured = query is None or query.mean_ms is None
    return "info" if basis == "assumed" and unmeasured else "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexGap:
    """An index that a query would like and that is not there.

    `query` is None for a plan without a statement; `seen` is the sequential scan in a plan that shows the gap.
    """

    query_id: str | None
    query: Query | None
    access: Access
    basis: Basis
    seen: SeenScan | None = None

    @property
    def objects(self) -> tuple[str, ...]:
        """`schema.table(column,…)` of each index wanted: the finding's objects."""
        return tuple(f"{need.table}({','.join(map(key_text, need_keys(need)))})" for need in self.access.needs)

    @property
    def confidence(self) -> Confidence:
        return CONFIDENCE[self.basis]

    @property
    def severity(self) -> Severity:
        return severity_of(self.basis, self.query)

    @property
    def impact(self) -> Impact:
        return impact_of(self.query)

    @property
    def evidence(self) -> dict[str, Any]:
        """What the finding rests on; rows are counts per execution, times milliseconds."""
        return {
            "predicates": [predicate_text(p) for p in self.access.predicates],
            "rows": round(self.access.rows),
            "rows_basis": self.basis,
            "kept_rows": round(self.access.kept),
            "read_rows": round(self.access.read),
            "mean_ms": self.query.mean_ms if self.query else None,
            "calls": self.query.calls if self.query else None,
        }


def impact_of(query: Query | None) -> Impact:
    """The time a query takes and its calls, as the impact of a finding about it."""
    return Impact(total_ms=query.estimated_total_ms, calls=query.calls) if query else Impact()


def need_keys(need: IndexNeed) -> tuple[IndexKey, ...]:
    """The keys of the index that serves the need alone: equality as written, then the sort or the first range."""
    return need.equality + (need.order or need.range[:1])


def key_text(key: IndexKey) -> str:
    """A key for people: `created_at`, `created_at desc`."""
    return (key.column or key.expression or "") + (" desc" if key.descending else "")


def predicate_text(predicate: Predicate) -> str:
    """A condition for people: `customer_id = $1`."""
    return " ".join(
        part for part in (predicate.column or predicate.expression, predicate.operator, _value(predicate.value)) if part
    )


def _value(value: Value) -> str:
    if value.kind == "parameter":
        return f"${value.number}"
    if value.kind == "column" and value.reference:
        return f"{value.reference.alias}.{value.reference.column}"
    if value.kind == "list":
        return f"({', '.join(map(_value, value.items))})"
    return value.text or ""


def index_gaps(evidence: Evidence) -> Iterator[IndexGap]:
    """Every index worth wanting, from the statements and then from plans without one."""
    workload = evidence.workload
    seen, whole_ms = scans_by_query(workload.plans), whole_time_ms(workload)
    for query in workload.queries:
        if time_matters(query, whole_ms):
            yield from query_gaps(query, evidence, seen.get(query.id, ()))
    judged = frozenset(evidence.usages) if evidence.catalog is not None else frozenset[str]()
    for planned in planned_accesses(workload.plans, judged, evidence.catalog):
        probe_id = planned.scan.query_id or f"plan {planned.scan.number + 1} node {planned.scan.path}"
        for access in accesses(probe_id, planned.usage, planned.catalog, planned.profile):
            needs = tuple(replace(need, probe=planned.statement) for need in access.needs)
            kept = max(1.0, planned.scan.kept) if access.reason == "filter" else access.kept
            found = replace(access, needs=needs, kept=kept)
            slow = planned.scan.time_ms is None or planned.scan.time_ms >= SLOW_PLANNED_SCAN_MS
            if _is_gap(found) and slow:
                yield IndexGap(
                    query_id=planned.scan.query_id,
                    query=workload.query(planned.scan.query_id) if planned.scan.query_id else None,
                    access=found,
                    basis="plan",
                    seen=planned.scan,
                )


def query_gaps(query: Query, evidence: Evidence, seen: Sequence[SeenScan]) -> Iterator[IndexGap]:
    """The indexes one query would like; `seen` are the scans of its plans, which outweigh every estimate."""
    usage = evidence.usages.get(query.id)
    if usage is None or evidence.catalog is None or usage.kind == "utility":
        return
    for access in accesses(query.id, usage, evidence.catalog, evidence.profile):
        scan, access = _as_seen(access, seen)
        alone = len(usage.scopes) == 1 and len(access.scope.tables) == 1
        if not _is_gap(access) or (alone and _returns_much(query, access)):
            continue
        if scanned(query, access.read, _share_read(access)):
            basis = evidence.profile[access.table.name].basis
            yield IndexGap(query_id=query.id, query=query, access=access, basis="plan" if scan else basis, seen=scan)


def _as_seen(access: Access, seen: Sequence[SeenScan]) -> tuple[SeenScan | None, Access]:
    """The access as the query's plans show it: the largest sequential scan of its table, or the index that was used."""
    of_table = [
        scan
        for scan in seen
        if scan.relation.name == access.table.name.name
        and scan.relation.schema in {"", access.table.name.schema}
        and scan.alias in {None, access.alias}
    ]
    scan = max((scan for scan in of_table if scan.sequential), key=lambda scan: scan.rows, default=None)
    if scan is not None:
        kept = max(1.0, scan.kept) if access.reason == "filter" else access.kept
        return scan, replace(access, rows=max(access.rows, scan.rows), kept=kept)
    if of_table:
        read = max(scan.rows for scan in of_table)
        return None, replace(access, read=min(access.read, read))
    return None, access


def _is_gap(access: Access) -> bool:
    return (
        access.served_by is None
        and access.rows >= BIG_TABLE_ROWS
        and access.read >= BIG_TABLE_ROWS
        and access.kept < SELECTIVE_SHARE * access.rows
    )


def _returns_much(query: Query, access: Access) -> bool:
    """Whether the measured result is too large a part of the table for an index to pay."""
    if query.rows is None or not query.calls or access.scope.aggregates:
        return False
    return query.rows / query.calls > SELECTIVE_SHARE * access.rows


def _share_read(access: Access) -> float:
    """The part of a scan that the level must make: a LIMIT without ORDER BY stops at the first rows that fit."""
    if not access.scope.limit or access.scope.order_by or access.scope.aggregates:
        return 1.0
    return min(1.0, wanted_rows(access.scope) / (access.kept + 1))
