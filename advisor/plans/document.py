"""An EXPLAIN document, in the JSON format's property names, as a Plan.

Every format is first brought into this form, so that one plan gives one tree. What the text format does not
print is left out of `extra` whatever the format: properties that are zero, false or empty. Block counts are told
from "not measured" by the plan as a whole: where one node has some, those without have none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from advisor.errors import InputError
from advisor.model.names import QualifiedName
from advisor.model.plan import Buffers, Plan, PlanNode

Document = Mapping[str, Any]

_BLOCKS = {
    "Shared Hit Blocks": "shared_hit",
    "Shared Read Blocks": "shared_read",
    "Shared Dirtied Blocks": "shared_dirtied",
    "Shared Written Blocks": "shared_written",
    "Local Hit Blocks": "local_hit",
    "Local Read Blocks": "local_read",
    "Temp Read Blocks": "temp_read",
    "Temp Written Blocks": "temp_written",
}
_NODE_FIELDS = frozenset(
    {
        "Actual Loops",
        "Actual Rows",
        "Actual Startup Time",
        "Actual Total Time",
        "Alias",
        "Filter",
        "Group Key",
        "Index Name",
        "Join Type",
        "Node Type",
        "Output",
        "Parent Relationship",
        "Plan Rows",
        "Plan Width",
        "Plans",
        "Sort Key",
        "Startup Cost",
        "Strategy",
        "Subplan Name",
        "Total Cost",
        "Workers Launched",
        "Workers Planned",
        *_BLOCKS,
    }
)
_PLAN_FIELDS = frozenset(
    {"Plan", "Query Text", "Query Parameters", "Planning Time", "Execution Time", "Settings", "Triggers", "JIT"}
)
_CONDITIONS = (" Cond", " Filter", "Run Condition", "Order By")
_REMOVED = "Rows Removed by"
_MAX_DEPTH = 500
"""Deeper than any plan a person could read, shallow enough for the tree to be walked recursively."""


def plan_of(document: Document) -> Plan:
    """The Plan of one document `{"Plan": {…}, "Execution Time": …}`. InputError where it has no such shape."""
    top = document.get("Plan")
    if not isinstance(top, Mapping):
        raise InputError('An EXPLAIN document has no "Plan".', hint="Give the whole output of EXPLAIN (FORMAT JSON).")
    try:
        root = _node(top, 0, measured=_any_blocks(top))
        planning = _mapping(document.get("Planning"))
        rest = {key: value for key, value in document.items() if key not in _PLAN_FIELDS and key != "Planning"}
        rest["Planning"] = {key: value for key, value in planning.items() if key not in _BLOCKS}
        jit = _told(_mapping(document.get("JIT")))
        return Plan(
            root=root,
            analyzed=root.actual_loops is not None,
            query_text=_text(document.get("Query Text")),
            query_parameters=_text(document.get("Query Parameters")),
            planning_ms=_float(document.get("Planning Time")),
            execution_ms=_float(document.get("Execution Time", document.get("Total Runtime"))),
            planning_buffers=_buffers(planning) if _has_blocks(planning) else None,
            settings={str(k): str(v) for k, v in _mapping(document.get("Settings")).items()},
            triggers=tuple(_told(_mapping(trigger)) for trigger in _items(document.get("Triggers"))),
            jit=jit or None,
            extra=_told(rest),
        )
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InputError(
            "An EXPLAIN document has a property of an unexpected kind.",
            why=str(error),
            hint="Give the output of EXPLAIN as the server printed it.",
        ) from error


def _node(properties: Document, depth: int, *, measured: bool) -> PlanNode:
    if depth > _MAX_DEPTH:
        raise InputError(f"A plan is nested more than {_MAX_DEPTH} nodes deep.")
    node_type = properties.get("Node Type")
    if not isinstance(node_type, str):
        raise InputError('A plan node has no "Node Type".')
    loops = _float(properties.get("Actual Loops"))
    executed = bool(loops)
    relation = _text(properties.get("Relation Name"))
    used = _NODE_FIELDS | ({"Relation Name", "Schema"} if relation is not None else set())
    rest = {key: value for key, value in properties.items() if key not in used}
    removed = {key: float(rest.pop(key)) for key in tuple(rest) if key.startswith(_REMOVED)}
    conditions = {key: str(rest.pop(key)) for key in tuple(rest) if key.endswith(_CONDITIONS)}
    return PlanNode(
        node_type=node_type,
        parent_relationship=_text(properties.get("Parent Relationship")),
        subplan_name=_text(properties.get("Subplan Name")),
        join_type=_text(properties.get("Join Type")),
        strategy=_text(properties.get("Strategy")),
        relation=QualifiedName(_text(properties.get("Schema")) or "", relation) if relation is not None else None,
        alias=_text(properties.get("Alias")),
        index_name=_text(properties.get("Index Name")),
        startup_cost=_float(properties.get("Startup Cost")),
        total_cost=_float(properties.get("Total Cost")),
        plan_rows=_float(properties.get("Plan Rows")),
        plan_width=_int(properties.get("Plan Width")),
        actual_startup_ms=_float(properties.get("Actual Startup Time")) if executed else None,
        actual_total_ms=_float(properties.get("Actual Total Time")) if executed else None,
        actual_rows=_float(properties.get("Actual Rows")),
        actual_loops=_int(loops),
        filter=_text(properties.get("Filter")),
        conditions=conditions,
        rows_removed={key: value for key, value in removed.items() if value},
        sort_key=_strings(properties.get("Sort Key")),
        group_key=_strings(properties.get("Group Key")),
        output=_strings(properties.get("Output")),
        buffers=_buffers(properties) if measured and loops is not None else None,
        workers_planned=_int(properties.get("Workers Planned")),
        workers_launched=_int(properties.get("Workers Launched")),
        extra=_told(rest),
        children=tuple(
            _node(_mapping(child), depth + 1, measured=measured) for child in _items(properties.get("Plans"))
        ),
    )


def _any_blocks(properties: Document) -> bool:
    waiting = [properties]
    while waiting:
        node = waiting.pop()
        if _has_blocks(node):
            return True
        waiting += [_mapping(child) for child in _items(node.get("Plans"))]
    return False


def _has_blocks(properties: Document) -> bool:
    return any(properties.get(label) for label in _BLOCKS)


def _buffers(properties: Document) -> Buffers:
    return Buffers(**{field: int(properties.get(label, 0)) for label, field in _BLOCKS.items()})


def _told(properties: Document) -> dict[str, Any]:
    """The properties without those that are zero, false or empty; lists as tuples. Worker 0 keeps its number."""
    frozen = {str(key): _frozen(value) for key, value in properties.items()}
    return {key: value for key, value in frozen.items() if value or (key == "Worker Number" and value is not None)}


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _told(value)
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    return value


def _mapping(value: Any) -> Document:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object, found {type(value).__name__}")
    return value


def _items(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return value


def _strings(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(item) for item in _items(value))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _int(value: Any) -> int | None:
    return None if value is None else int(value)
