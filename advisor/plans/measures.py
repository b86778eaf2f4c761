"""What can be derived from an analysed plan: exclusive time and blocks, row totals, misestimates, table scans.

PostgreSQL prints times and rows per loop, the children's time included, and counts every process of a parallel
section as a loop. "Total" below means over all loops; times are wall-clock milliseconds.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from advisor.model.names import QualifiedName
from advisor.model.plan import Plan, PlanNode, walk

_GATHERS = ("Gather", "Gather Merge")
_INIT_PLAN = re.compile(r"(?P<name>InitPlan [\w$]+)(?: \(returns (?P<params>[^)]*)\))?")
SCANS = frozenset(
    {"Seq Scan", "Sample Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan", "Tid Range Scan"}
)
"""Nodes that read rows of a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableScan:
    """One node that reads a table, with totals over all loops; None where the plan was not analysed.

    Attributes:
        rows_returned: rows that passed; `rows_removed` were read and thrown away (filter and recheck).
        rows_visited: both together.
        time_ms: wall-clock time of the node, a bitmap's index scans included.
        index: the index used; the first one below a bitmap.
        condition: the index condition, which picked the rows visited.
    """

    relation: QualifiedName
    alias: str | None
    path: str
    node_type: str
    loops: int | None
    rows_returned: float | None
    rows_removed: float | None
    rows_visited: float | None
    time_ms: float | None
    filter: str | None = None
    index: str | None = None
    condition: str | None = None


def total_rows(node: PlanNode) -> float | None:
    """Rows returned over all loops. Before 18 the printed mean is rounded: off by up to half a row per loop."""
    if node.actual_rows is None or node.actual_loops is None:
        return None
    return node.actual_rows * node.actual_loops


def total_rows_removed(node: PlanNode) -> float | None:
    """Rows read and thrown away over all loops, by filters, join filters and rechecks together."""
    return None if node.actual_loops is None else sum(node.rows_removed.values()) * node.actual_loops


def estimate_error(node: PlanNode) -> float | None:
    """How many times the planner's row count was off, >= 1 in either direction; counts below one row count as one.

    None where the node was not executed. Below a Limit the rows may be fewer because nobody asked for more.
    """
    if node.plan_rows is None or node.actual_rows is None or not node.actual_loops:
        return None
    planned, actual = max(node.plan_rows, 1.0), max(node.actual_rows, 1.0)
    return max(planned / actual, actual / planned)


def wall_times(plan: Plan) -> dict[str, float]:
    """Milliseconds between a node's start and end over all loops, by path, children included.

    Under a Gather the loops of the processes ran side by side: their sum is divided by the number of processes
    (loops of the Gather's child for one loop of the Gather). Empty where times were not taken.
    """
    return dict(_wall(plan.root, "0", 1.0))


def self_times(plan: Plan) -> dict[str, float]:
    """Milliseconds spent in each node itself, by path: its wall time less its children's, never below 0.

    A CTE or an InitPlan runs when its result is first asked for, within the node that asks. Its time is therefore
    taken, once, from the nodes that refer to it, in proportion to their own time, and not from its parent.
    """
    return _exclusive(plan.root, wall_times(plan))


def self_blocks(plan: Plan) -> dict[str, float]:
    """Shared and local blocks needed by each node itself, by path, by the same rule as `self_times`."""
    touched = {path: float(node.buffers.touched) for path, node in walk(plan.root) if node.buffers is not None}
    return _exclusive(plan.root, touched)


def scans(plan: Plan) -> list[TableScan]:
    """Every node of the plan that reads a table, depth first."""
    times = wall_times(plan)
    return [
        _table_scan(path, node, node.relation, times.get(path))
        for path, node in walk(plan.root)
        if node.node_type in SCANS and node.relation is not None
    ]


def _table_scan(path: str, node: PlanNode, relation: QualifiedName, time_ms: float | None) -> TableScan:
    returned, removed = total_rows(node), total_rows_removed(node)
    indexes = [below for _, below in walk(node) if below.index_name is not None]
    return TableScan(
        relation=relation,
        alias=node.alias,
        path=path,
        node_type=node.node_type,
        loops=node.actual_loops,
        rows_returned=returned,
        rows_removed=removed,
        rows_visited=None if returned is None or removed is None else returned + removed,
        time_ms=time_ms,
        filter=node.filter,
        index=indexes[0].index_name if indexes else None,
        condition=indexes[0].conditions.get("Index Cond") if indexes else node.conditions.get("TID Cond"),
    )


def _wall(node: PlanNode, path: str, processes: float) -> Iterator[tuple[str, float]]:
    loops = node.actual_loops
    if node.actual_total_ms is not None and loops:
        yield path, node.actual_total_ms * loops / min(processes, loops)
    elif loops == 0:
        yield path, 0.0
    for number, child in enumerate(node.children):
        below = processes
        if node.node_type in _GATHERS and child.subplan_name is None and loops and child.actual_loops:
            below = processes * max(1.0, child.actual_loops / loops)
        yield from _wall(child, f"{path}.{number}", below)


def _exclusive(root: PlanNode, inclusive: Mapping[str, float]) -> dict[str, float]:
    own: dict[str, float] = {}
    for path, node in walk(root):
        if path in inclusive:
            below = (
                inclusive.get(f"{path}.{number}", 0.0)
                for number, child in enumerate(node.children)
                if child.parent_relationship != "InitPlan"
            )
            own[path] = max(0.0, inclusive[path] - sum(below))
    # Inner ones first: what an outer CTE took from its readers must not hide what an inner one is owed.
    for path, node in reversed(list(walk(root))):
        if node.parent_relationship == "InitPlan" and inclusive.get(path):
            _take_from_readers(root, path, node, own, inclusive[path])
    return own


def _take_from_readers(root: PlanNode, path: str, node: PlanNode, own: dict[str, float], amount: float) -> None:
    owner_path = path.rpartition(".")[0]
    owner = _at(root, owner_path)
    reads = _reader_test(node.subplan_name or "")
    readers = [
        where for where, below in walk(owner, owner_path) if not _within(where, path) and where in own and reads(below)
    ] or [owner_path]
    available = sum(own.get(reader, 0.0) for reader in readers)
    share = min(1.0, amount / available) if available else 0.0
    for reader in readers:
        if reader in own:
            own[reader] *= 1.0 - share


def _reader_test(subplan_name: str) -> Callable[[PlanNode], bool]:
    if subplan_name.startswith("CTE "):
        name = subplan_name.removeprefix("CTE ")
        return lambda node: node.node_type == "CTE Scan" and node.extra.get("CTE Name") == name
    match = _INIT_PLAN.match(subplan_name)
    if match is None:
        return lambda _node: False
    # Before 17 expressions name its parameters ($0), since then the InitPlan itself: (InitPlan 1).col1.
    names = [re.escape(match["name"]) + r"\)", *(re.escape(p.strip()) for p in (match["params"] or "").split(",") if p)]
    sign = re.compile("(?:" + "|".join(names) + r")(?!\d)")
    return lambda node: any(sign.search(text) for text in _expressions(node))


def _expressions(node: PlanNode) -> Iterator[str]:
    yield from (node.filter,) if node.filter else ()
    yield from node.conditions.values()
    yield from node.output


def _within(path: str, ancestor: str) -> bool:
    return path == ancestor or path.startswith(f"{ancestor}.")


def _at(root: PlanNode, path: str) -> PlanNode:
    node = root
    for number in path.split(".")[1:]:
        node = node.children[int(number)]
    return node
