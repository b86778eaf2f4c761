"""Two plans of one query: whether they have the same shape, and how far apart their costs are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

_SHAPE = (
    "Node Type",
    "Strategy",
    "Partial Mode",
    "Parent Relationship",
    "Subplan Name",
    "Parallel Aware",
    "Workers Planned",
    "Join Type",
    "Inner Unique",
    "Relation Name",
    "Alias",
    "Index Name",
    "Scan Direction",
    "Index Cond",
    "CTE Name",
    "Function Name",
    "Operation",
)
"""What makes two plan nodes the same kind of work on the same things; rows, widths and costs are compared apart."""

Plan = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A query's plans on the original and on the twin; None where the server cannot plan it, with its message."""

    name: str
    original: Plan | None
    twin: Plan | None
    original_error: str = ""
    twin_error: str = ""

    @property
    def same_shape(self) -> bool:
        return self.original is not None and self.twin is not None and shape(self.original) == shape(self.twin)

    @property
    def cost_difference(self) -> float | None:
        """|twin - original| over the original's total cost: 0.01 is 1 %."""
        if self.original is None or self.twin is None:
            return None
        return relative_difference(total_cost(self.twin), total_cost(self.original))


def relative_difference(value: float, truth: float) -> float:
    return abs(value - truth) / truth if truth else abs(value - truth)


def total_cost(plan: Plan) -> float:
    """In the planner's units."""
    return float(plan["Total Cost"])


def shape(plan: Plan) -> tuple[Any, ...]:
    """A plan without its numbers."""
    own = tuple(plan.get(key) for key in _SHAPE)
    return (own, *(shape(child) for child in plan.get("Plans", ())))


def explain(connection: psycopg.Connection[Any], query: str) -> tuple[Plan | None, str]:
    """The plan's root, or None and the server's message. The connection is in autocommit mode."""
    try:
        row = connection.execute(f"EXPLAIN (FORMAT JSON) {query}".encode(), prepare=False).fetchone()
    except psycopg.Error as error:
        return None, " ".join(str(error).split())
    assert row is not None
    return row[0][0]["Plan"], ""


def compare(original: psycopg.Connection[Any], twin: psycopg.Connection[Any], queries: Mapping[str, str]) -> list[Pair]:
    """Both servers' plans of each query."""
    pairs = []
    for name, query in queries.items():
        left, left_error = explain(original, query)
        right, right_error = explain(twin, query)
        pairs.append(Pair(name=name, original=left, twin=right, original_error=left_error, twin_error=right_error))
    return pairs


def differences(left: Plan, right: Plan, path: str = "") -> list[str]:
    """Where two plans differ, top down: kinds of nodes, or their rows, widths and costs."""
    here = f"{path}/{left['Node Type']}" + (f"({left['Relation Name']})" if "Relation Name" in left else "")
    for key in _SHAPE:
        if left.get(key) != right.get(key):
            return [f"{here}: {key} {left.get(key)!r} -> {right.get(key)!r}"]
    found = [
        f"{here}: {key} {left.get(key)} -> {right.get(key)}"
        for key in ("Plan Rows", "Plan Width", "Startup Cost", "Total Cost")
        if left.get(key) != right.get(key)
    ]
    children = (left.get("Plans", []), right.get("Plans", []))
    if len(children[0]) != len(children[1]):
        return [*found, f"{here}: {len(children[0])} children -> {len(children[1])}"]
    return found + [line for a, b in zip(*children, strict=True) for line in differences(a, b, here)]
