"""An EXPLAIN plan as a tree of values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from advisor.model.names import QualifiedName


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffers:
    """Counts of 8 KiB blocks, summed over loops, the node's children included (as PostgreSQL prints them)."""

    shared_hit: int = 0
    shared_read: int = 0
    shared_dirtied: int = 0
    shared_written: int = 0
    local_hit: int = 0
    local_read: int = 0
    temp_read: int = 0
    temp_written: int = 0

    @property
    def touched(self) -> int:
        """Shared and local blocks that were needed, from the cache or not."""
        return self.shared_hit + self.shared_read + self.local_hit + self.local_read


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNode:
    """One node of a plan.

    Numbers are per loop, as PostgreSQL prints them; None where the plan does not say.
    `actual_rows` and `actual_loops` are None in a plan without ANALYZE; loops are 0 for `never executed`.

    Attributes:
        node_type: as the JSON format has it: "Seq Scan", "Index Only Scan", "Hash Join", "Aggregate", …
        parent_relationship: "Outer", "Inner", "Subquery", "InitPlan", "SubPlan", "Member" or None at the root.
        relation: the relation scanned or modified; `schema` is "" where the plan does not name it (no VERBOSE).
        filter: the `Filter:` expression. `conditions` has every other condition by its label
            ("Index Cond", "Hash Cond", "Join Filter", "Recheck Cond", …).
        rows_removed: by label ("Rows Removed by Filter", …), per loop; 0 is left out.
        extra: every other property by its JSON label, so that nothing of the input is lost; lists as tuples.
            Properties that are zero, false or empty are left out, as the text format does not print them.
    """

    node_type: str
    parent_relationship: str | None = None
    subplan_name: str | None = None
    join_type: str | None = None
    strategy: str | None = None
    relation: QualifiedName | None = None
    alias: str | None = None
    index_name: str | None = None
    startup_cost: float | None = None
    total_cost: float | None = None
    plan_rows: float | None = None
    plan_width: int | None = None
    actual_startup_ms: float | None = None
    actual_total_ms: float | None = None
    actual_rows: float | None = None
    actual_loops: int | None = None
    filter: str | None = None
    conditions: Mapping[str, str] = field(default_factory=dict)
    rows_removed: Mapping[str, float] = field(default_factory=dict)
    sort_key: tuple[str, ...] = ()
    group_key: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    buffers: Buffers | None = None
    workers_planned: int | None = None
    workers_launched: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    children: tuple["PlanNode", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One EXPLAIN output.

    Attributes:
        query_text: the statement, where the input has it (auto_explain's `Query Text`).
        analyzed: whether it was executed (ANALYZE).
        settings, triggers, jit: as the JSON format has them.
        extra: every other top-level property by its JSON label ("Query Identifier", "Serialization", …).
    """

    root: PlanNode
    analyzed: bool
    query_text: str | None = None
    query_parameters: str | None = None
    planning_ms: float | None = None
    execution_ms: float | None = None
    planning_buffers: Buffers | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    triggers: tuple[Mapping[str, Any], ...] = ()
    jit: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def walk(node: PlanNode, path: str = "0") -> Iterator[tuple[str, PlanNode]]:
    """Every node with its path of child numbers ("0" is the root, "0.1" its second child), depth first."""
    yield path, node
    for number, child in enumerate(node.children):
        yield from walk(child, f"{path}.{number}")
