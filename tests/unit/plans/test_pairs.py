"""One execution in two formats, by a real server, gives one tree."""

from dataclasses import replace
from pathlib import Path

import pytest

from advisor.model.plan import Plan, PlanNode, walk
from advisor.plans.measures import self_blocks, self_times, wall_times
from advisor.plans.parse import parse_plans

PAIRS = sorted((Path(__file__).resolve().parents[3] / "fixtures" / "plans").glob("*.txt"))


def read(path: Path) -> Plan:
    [plan] = parse_plans(path.read_text())
    return plan


def as_text_tells(plan: Plan) -> Plan:
    """The plan without what only the JSON format prints: times of the whole, a trigger's table, and, without
    VERBOSE, whether the inner side is unique."""
    verbose = any(node.output for _, node in walk(plan.root))
    triggers = tuple({k: v for k, v in trigger.items() if k != "Relation"} for trigger in plan.triggers)
    return replace(
        plan,
        root=plan.root if verbose else without_inner_unique(plan.root),
        triggers=triggers,
        planning_ms=None,
        execution_ms=None,
        planning_buffers=None,
        extra={},
    )


def without_inner_unique(node: PlanNode) -> PlanNode:
    extra = {key: value for key, value in node.extra.items() if key != "Inner Unique"}
    return replace(node, extra=extra, children=tuple(map(without_inner_unique, node.children)))


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.stem)
def test_text_and_json_give_the_same_tree(path: Path) -> None:
    text, document = read(path), read(path.with_suffix(".json"))
    assert as_text_tells(text) == as_text_tells(document)


def test_the_pairs_cover_the_nodes_that_matter() -> None:
    seen = {node.node_type for path in PAIRS for _, node in walk(read(path).root)}
    assert seen >= {
        "Aggregate",
        "Append",
        "Bitmap Heap Scan",
        "Bitmap Index Scan",
        "BitmapOr",
        "CTE Scan",
        "Function Scan",
        "Gather Merge",
        "Hash Join",
        "Incremental Sort",
        "Index Only Scan",
        "Index Scan",
        "Limit",
        "Memoize",
        "Merge Join",
        "ModifyTable",
        "Nested Loop",
        "Recursive Union",
        "Sample Scan",
        "Seq Scan",
        "SetOp",
        "Sort",
        "WindowAgg",
    }


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.stem)
def test_self_times_add_up_to_the_whole(path: Path) -> None:
    plan = read(path)
    loops = sum(node.actual_loops or 0 for _, node in walk(plan.root))
    # Each printed time is rounded to a microsecond per loop.
    assert sum(self_times(plan).values()) == pytest.approx(wall_times(plan)["0"], abs=0.001 * loops)
    if plan.root.buffers is not None:
        assert sum(self_blocks(plan).values()) == plan.root.buffers.touched
