"""What plans in the input say about tables: their row counts, and the share of rows a condition keeps."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from advisor.errors import SqlError
from advisor.model.catalog import Catalog, Table
from advisor.model.names import QualifiedName
from advisor.model.plan import Plan, PlanNode
from advisor.model.usage import Predicate
from advisor.model.workload import QueryPlan
from advisor.sql.date_ranges import with_half_open_ranges
from advisor.sql.quote import quote_identifier, quote_name
from advisor.sql.usage import usage_of

_GATHERS = frozenset({"Gather", "Gather Merge"})
_DRAINS = frozenset({"Sort", "Hash", "ModifyTable"})
_FULL_INDEX_SCANS = frozenset({"Index Scan", "Index Only Scan"})
_LEADER_SHARE = 0.3
"""The share of the leader's time that each worker takes (`get_parallel_divisor` in `costsize.c`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """A row count by plans. `executed`: counted, not the planner's estimate (its statistics may be old)."""

    rows: float
    executed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptShare:
    """The share (0 to 1) of a table's rows for which one predicate, and no other condition, held.

    `upper` is the other end of a range with two; `predicate` is then its lower one.
    """

    table: QualifiedName
    predicate: Predicate
    share: float
    upper: Predicate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A scan of a table within its plan. `complete`: nothing above may have stopped it early."""

    table: Table
    node: PlanNode
    complete: bool
    gather: PlanNode | None

    @property
    def passes(self) -> float:
        """How many times the whole table was read: the processes of a parallel scan share one pass."""
        if self.node.extra.get("Parallel Aware"):
            return float(self.gather.actual_loops or 1) if self.gather else 1.0
        return float(self.node.actual_loops or 0)

    @property
    def visited(self) -> float | None:
        """Rows read in one pass; None where the scan was not executed."""
        node = self.node
        if node.actual_rows is None or not node.actual_loops:
            return None
        return (node.actual_rows + sum(node.rows_removed.values())) * node.actual_loops / self.passes

    @property
    def kept(self) -> float:
        """Rows returned in one pass of an executed scan."""
        return (self.node.actual_rows or 0.0) * (self.node.actual_loops or 0) / self.passes

    @property
    def estimate(self) -> float | None:
        """The planner's rows of the whole scan, the workers' shares put together again."""
        if self.node.plan_rows is None:
            return None
        if not self.node.extra.get("Parallel Aware"):
            return self.node.plan_rows
        workers = (self.gather.workers_planned if self.gather else None) or 0
        return self.node.plan_rows * max(1.0, workers + max(0.0, 1.0 - _LEADER_SHARE * workers))


def rows_by_plans(catalog: Catalog, plans: Iterable[QueryPlan]) -> dict[QualifiedName, TableRows]:
    """Row counts of the tables that a plan reads as a whole: the largest one counted, else the largest estimate.

    A scan that a LIMIT, a semi join or a merge join may have stopped early is no count, but no estimate is less.
    """
    counted: dict[QualifiedName, float] = {}
    estimated: dict[QualifiedName, float] = {}
    for seen in _scans(catalog, plans):
        if not _reads_everything(seen):
            continue
        name = seen.table.name
        if seen.complete and seen.visited is not None:
            counted[name] = max(seen.visited, counted.get(name, 0.0))
        elif seen.node.filter is None and seen.estimate is not None:
            estimated[name] = max(seen.estimate, seen.visited or 0.0, estimated.get(name, 0.0))
    rows = {name: TableRows(rows=value, executed=False) for name, value in estimated.items()}
    return rows | {name: TableRows(rows=value, executed=True) for name, value in counted.items()}


def rows_at_least(catalog: Catalog, plans: Iterable[QueryPlan]) -> dict[QualifiedName, float]:
    """Lower bounds: the most rows of each table that one pass of any scan has visited."""
    bounds: dict[QualifiedName, float] = defaultdict(float)
    for seen in _scans(catalog, plans):
        if seen.visited is not None:
            bounds[seen.table.name] = max(seen.visited, bounds[seen.table.name])
    return dict(bounds)


def kept_shares(
    catalog: Catalog, plans: Iterable[QueryPlan], rows: Mapping[QualifiedName, float]
) -> Iterator[KeptShare]:
    """Shares kept by conditions on a single column, from executed and complete scans.

    A sequential scan with one condition tells its share of the rows read; an index scan with one condition and no
    filter tells its share of the table, whose `rows` must be known.
    """
    for seen in _scans(catalog, plans):
        if not seen.complete or seen.visited is None:
            continue
        index_condition = _index_condition(seen.node)
        if seen.node.node_type == "Seq Scan":
            condition, base = seen.node.filter, seen.visited
        elif seen.node.filter is None:
            condition, base = index_condition, rows.get(seen.table.name, 0.0)
        else:
            continue
        if condition is None or base < 1:
            continue
        predicates = predicates_of(condition, seen.table, seen.node.alias, catalog)
        share = min(1.0, seen.kept / base)
        if any(predicate.value.kind not in ("constant", "list") for predicate in predicates):
            continue
        if len(predicates) == 1:
            yield KeptShare(table=seen.table.name, predicate=predicates[0], share=share)
        elif pair := _lower_and_upper(predicates):
            yield KeptShare(table=seen.table.name, predicate=pair[0], upper=pair[1], share=share)


def predicates_of(condition: str, table: Table, alias: str | None, catalog: Catalog) -> tuple[Predicate, ...]:
    """The conjuncts of a plan's condition on one table; empty where one of them is not a plain predicate."""
    name = quote_identifier(alias or table.name.name)
    statement = f"SELECT 1 FROM {quote_name(table.name)} AS {name} WHERE {condition}"
    try:
        # `EXTRACT(year FROM at) = '2026'` says how many rows lie within a range of the column.
        usage = usage_of(with_half_open_ranges(statement, lambda _: True) or statement, catalog)
    except SqlError:
        # `(SubPlan 1)` and the like are not SQL.
        return ()
    if len(usage.scopes) != 1 or usage.scopes[0].unresolved or usage.scopes[0].alternatives:
        return ()
    return usage.scopes[0].predicates


def _lower_and_upper(predicates: tuple[Predicate, ...]) -> tuple[Predicate, Predicate] | None:
    if len(predicates) != 2 or predicates[0].column != predicates[1].column:
        return None
    lower, upper = sorted(predicates, key=lambda predicate: predicate.operator in ("<", "<="))
    if lower.operator in (">", ">=") and upper.operator in ("<", "<="):
        return lower, upper
    return None


def _reads_everything(seen: _Seen) -> bool:
    if seen.node.node_type == "Seq Scan":
        return True
    if seen.node.node_type not in _FULL_INDEX_SCANS or seen.node.conditions.get("Index Cond"):
        return False
    index = next((i for i in seen.table.indexes if i.name == seen.node.index_name), None)
    return index is not None and index.predicate is None


def _index_condition(node: PlanNode) -> str | None:
    if node.node_type in _FULL_INDEX_SCANS:
        return node.conditions.get("Index Cond")
    if node.node_type == "Bitmap Heap Scan" and len(node.children) == 1:
        return node.children[0].conditions.get("Index Cond")
    return None


def _scans(catalog: Catalog, plans: Iterable[QueryPlan]) -> Iterator[_Seen]:
    for query_plan in plans:
        yield from _scans_of(query_plan.plan, catalog)


def _scans_of(plan: Plan, catalog: Catalog) -> Iterator[_Seen]:
    waiting: list[tuple[PlanNode, bool, PlanNode | None]] = [(plan.root, True, None)]
    while waiting:
        node, complete, gather = waiting.pop()
        if node.relation is not None and node.node_type != "ModifyTable":
            table = catalog.resolve(node.relation.name, node.relation.schema or None)
            if table is not None:
                yield _Seen(table=table, node=node, complete=complete, gather=gather)
        below = node if node.node_type in _GATHERS else gather
        waiting += [
            (child, _drained(node, number, child, complete), below) for number, child in enumerate(node.children)
        ]


def _drained(node: PlanNode, number: int, child: PlanNode, complete: bool) -> bool:
    """Whether the node reads its child to the end."""
    if child.subplan_name is not None:
        # EXISTS and ANY stop at the first row; a CTE is read as far as somebody asks.
        return False
    if node.node_type in _DRAINS or (node.node_type == "Aggregate" and node.strategy in ("Plain", "Hashed")):
        return True
    if node.node_type in ("Limit", "Merge Join"):
        return False
    if node.node_type == "Nested Loop" and number == 1:
        return complete and node.join_type in ("Inner", "Left") and not node.extra.get("Inner Unique")
    return complete
