"""The workload's plans before and after a migration file, and what became of them.

A query is called slower only where its plan changed and both the planner and the execution on the throwaway
server's rows say so: times alone are noise, costs alone are opinions.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from advisor.model.advice import Measure
from advisor.model.migration import WorkloadChange

WorkloadQuery = tuple[str, str, float]
"""A query's id, a text that runs as it is (parameters put in), and its weight (calls)."""

COST_RATIO = 1.5
"""The planner's numbers vary by some 10 % with fresh statistics; half as much again is another plan's price."""

COST_FLOOR = 10.0
"""In units of a sequential page read: less than this is a query on a table of a few pages, whatever its plan."""

BUFFERS_RATIO = 1.5
BUFFERS_FLOOR = 8
"""8 KiB blocks: a root, a branch and some leaves of an index more or less decide nothing."""

MS_RATIO = 2.0
MS_FLOOR = 1.0
"""Milliseconds: medians of runs on a shared machine differ by half as it is."""

RUNS = 3
MAX_MEASURED = 50
"""Queries that are executed, by weight; the others are compared by cost alone."""

MAX_MEASURED_COST = 500_000.0
"""A plan dearer than this (some seconds) is not executed."""

PLAN_LIMIT_S = 5

_NOT_NULL = "23502"

_OF_THE_SERVER = ("53", "55", "57", "58", "XX")
"""SQLSTATE classes that are the throwaway server's trouble, not the query's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedQuery:
    """A query's plan, and its execution where it was cheap enough.

    Attributes:
        cost: of the planner; None where it could not be planned (`error`, `sqlstate`).
        ms, buffers: median of warm runs, 8 KiB blocks; None where not executed. `rows` is what it returned.
        indexes, seq_scans, relations: as the plan names them; indexes without, relations with their schema.
        shape: the plan's nodes and what they read, nothing of its numbers.
        refused: an INSERT of given rows is planned, but the server's answer when it was run (and rolled back) is this.
    """

    cost: float | None = None
    ms: float | None = None
    buffers: int | None = None
    rows: float | None = None
    indexes: tuple[str, ...] = ()
    seq_scans: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    shape: str = ""
    error: str | None = None
    sqlstate: str | None = None
    refused: str | None = None

    @property
    def measure(self) -> Measure:
        return Measure(cost=self.cost, ms=self.ms, buffers=self.buffers)

    @property
    def words(self) -> str:
        """The plan's scans: `Index Scan using orders_user_id_idx on orders, Seq Scan on users`."""
        return self.shape.replace("(", ", ").replace(")", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEffects:
    """What the file did to indexes and rows, for the comparison.

    Attributes:
        dropped_indexes: names without schema.
        shrunk: tables (`schema.name`) that lost rows: a faster query on them proves nothing (nor on other partitions).
        repaired: tables whose made-up rows had to be removed: no query on them can be compared.
    """

    dropped_indexes: frozenset[str] = frozenset()
    shrunk: frozenset[str] = frozenset()
    repaired: frozenset[str] = frozenset()


def plan_workload(
    connection: psycopg.Connection[Any], queries: Sequence[WorkloadQuery], *, execute: bool = True
) -> dict[str, PlannedQuery]:
    """Plans every query as the connection's (unprivileged) role; the heaviest that only read are executed, too.

    Each runs in a transaction that is rolled back, one statement by protocol. A query that fails has `error`.
    """
    connection.autocommit = True
    heaviest = {query[0] for query in sorted(queries, key=lambda query: -query[2])[:MAX_MEASURED]}
    planned = {}
    for query_id, text, _ in queries:
        planned[query_id] = _plan(connection, text, execute=execute and query_id in heaviest)
    return planned


def compare_workload(
    before: Mapping[str, PlannedQuery],
    after: Mapping[str, PlannedQuery],
    after_analyze: Mapping[str, PlannedQuery],
    effects: FileEffects | None = None,
) -> tuple[WorkloadChange, ...]:
    """What became of each query; `after_analyze` has those that looked slower, planned again with new statistics."""
    return tuple(
        _compare(query_id, before[query_id], now, after_analyze.get(query_id), effects or FileEffects())
        for query_id, now in after.items()
        if query_id in before
    )


def slower(before: PlannedQuery, after: PlannedQuery) -> bool:
    """Whether the plan changed for the worse: dearer, and dearer to run where both were run."""
    if before.cost is None or after.cost is None or before.shape == after.shape:
        return False
    return _exceeds(before.cost, after.cost, COST_RATIO, COST_FLOOR) and _runs_dearer(before, after)


def _runs_dearer(before: PlannedQuery, after: PlannedQuery) -> bool:
    if before.buffers is None or after.buffers is None or before.ms is None or after.ms is None:
        return True
    return _exceeds(before.buffers, after.buffers, BUFFERS_RATIO, BUFFERS_FLOOR) or _exceeds(
        before.ms, after.ms, MS_RATIO, MS_FLOOR
    )


def _exceeds(before: float, after: float, ratio: float, floor: float) -> bool:
    return after >= before * ratio and after - before >= floor


def _compare(
    query_id: str, before: PlannedQuery, after: PlannedQuery, analyzed: PlannedQuery | None, effects: FileEffects
) -> WorkloadChange:
    def change(kind: Any, reason: str, now: PlannedQuery = after) -> WorkloadChange:
        lost = tuple(i for i in before.indexes if i in effects.dropped_indexes and i not in now.indexes)
        return WorkloadChange(
            query_id=query_id,
            change=kind,
            before=before.measure,
            after=now.measure,
            reason=reason,
            plan_before=before.words or None,
            plan_after=now.words or None,
            lost_indexes=lost,
        )

    if before.error is not None:
        return change("same", f"it did not run before either: {before.error}")
    if after.error is not None:
        own = (after.sqlstate or "")[:2] in _OF_THE_SERVER or after.sqlstate is None
        return change("same" if own else "broken", f"{after.error} (SQLSTATE {after.sqlstate})")
    if after.refused is not None and before.refused is None:
        return change("broken", f"{after.refused} (SQLSTATE {_NOT_NULL})")
    if effects.repaired & {*before.relations, *after.relations}:
        return change("same", "not compared: rows of its tables had to be removed for the migration to run")
    if slower(before, after):
        if analyzed is not None and not slower(before, analyzed):
            return change("stale_statistics", "slower until ANALYZE has run")
        return change("slower", _numbers(before, analyzed or after), analyzed or after)
    same_rows = before.rows == after.rows and set(before.relations) == set(after.relations)
    if slower(after, before) and same_rows and not effects.shrunk & set(before.relations):
        return change("faster", _numbers(before, after))
    return change("same", "" if before.shape == after.shape else "another plan at a like price")


def _numbers(before: PlannedQuery, after: PlannedQuery) -> str:
    parts = [f"cost {before.cost:,.0f} -> {after.cost:,.0f}"]
    if before.buffers is not None and after.buffers is not None:
        parts.append(f"{before.buffers:,} -> {after.buffers:,} blocks")
    if before.ms is not None and after.ms is not None:
        parts.append(f"{before.ms:,.2f} -> {after.ms:,.2f} ms")
    return ", ".join(parts)


def _plan(connection: psycopg.Connection[Any], text: str, *, execute: bool) -> PlannedQuery:
    try:
        root = _explain(connection, text, "VERBOSE, FORMAT JSON")["Plan"]
    except psycopg.Error as error:
        message = error.diag.message_primary or str(error)
        return PlannedQuery(error=message, sqlstate=error.sqlstate)
    nodes = list(_nodes(root))
    planned = PlannedQuery(
        cost=root["Total Cost"],
        indexes=tuple(dict.fromkeys(node["Index Name"] for node in nodes if "Index Name" in node)),
        seq_scans=tuple(dict.fromkeys(_relation(node) for node in nodes if node["Node Type"] == "Seq Scan")),
        relations=tuple(dict.fromkeys(_relation(node) for node in nodes if "Relation Name" in node)),
        shape=_shape(root),
    )
    if _inserts_given_rows(root):
        return replace(planned, refused=_refusal(connection, text))
    reads_only = all(node["Node Type"] not in ("ModifyTable", "LockRows") for node in nodes)
    if not execute or not reads_only or root["Total Cost"] > MAX_MEASURED_COST:
        return planned
    return _measured(connection, text, planned)


def _inserts_given_rows(root: Mapping[str, Any]) -> bool:
    sources = [node["Node Type"] for node in root.get("Plans", ())]
    return root.get("Operation") == "Insert" and sources in (["Result"], ["Values Scan"])


def _refusal(connection: psycopg.Connection[Any], text: str) -> str | None:
    """Whether a column that the INSERT leaves out must not be NULL, which planning does not show.

    Other complaints depend on the rows, which are made up.
    """
    try:
        _explain(connection, text, "ANALYZE, TIMING OFF, FORMAT JSON")
    except psycopg.errors.NotNullViolation as error:
        return error.diag.message_primary or str(error)
    except psycopg.Error:
        pass
    return None


def _measured(connection: psycopg.Connection[Any], text: str, planned: PlannedQuery) -> PlannedQuery:
    """The plan with the medians of `RUNS` executions after a first that warms the cache; as it is where one fails."""
    try:
        runs = [_explain(connection, text, "ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON") for _ in range(RUNS + 1)][1:]
    except psycopg.Error:
        return planned
    root = runs[-1]["Plan"]
    return replace(
        planned,
        ms=statistics.median(run["Execution Time"] for run in runs),
        buffers=root["Shared Hit Blocks"] + root["Shared Read Blocks"],
        rows=root["Actual Rows"],
    )


def _explain(connection: psycopg.Connection[Any], text: str, options: str) -> dict[str, Any]:
    """EXPLAIN's document, in a transaction that is rolled back.

    The extended protocol (which a binary cursor uses) takes one statement only, so a text cannot end the
    transaction and go on.
    """
    with connection.transaction(force_rollback=True), connection.cursor(binary=True) as cursor:
        connection.execute(f"SET LOCAL statement_timeout = '{PLAN_LIMIT_S}s'")
        cursor.execute(f"EXPLAIN ({options}) {text}".encode())
        row = cursor.fetchone()
        document: dict[str, Any] = row[0][0] if row else {}
        return document


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _relation(node: Mapping[str, Any]) -> str:
    return f"{node.get('Schema', '')}.{node.get('Relation Name', '')}"


def _shape(node: Mapping[str, Any]) -> str:
    text = str(node["Node Type"])
    if "Index Name" in node:
        text += f" using {node['Index Name']}"
    if "Relation Name" in node:
        text += f" on {node['Relation Name']}"
    children = ", ".join(_shape(child) for child in node.get("Plans", ()))
    return f"{text}({children})" if children else text
