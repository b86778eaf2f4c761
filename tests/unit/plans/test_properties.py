"""Random trees survive being written as text; broken text never ends in anything but InputError."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import InputError
from advisor.model.names import QualifiedName
from advisor.model.plan import Buffers, PlanNode
from advisor.plans.parse import parse_plans

NAMES = st.sampled_from(["t", "orders", "Order Items", 'say "on"', "using x", "ünï", "a.b"])
EXPRESSIONS = st.sampled_from(
    ["(a = 1)", "((b)::text = 'x  (cost=1'::text)", "(c ~~ '%->  %'::text)", "(d = ANY ('{1,2}'::integer[]))", "e"]
)
FIGURE = st.integers(0, 10**9).map(lambda n: n / 100)
TIME = st.integers(0, 10**9).map(lambda n: n / 1000)
COUNT = st.integers(0, 10**12)


def quoted(name: str) -> str:
    return name if name.isascii() and name.isidentifier() and name.islower() else '"' + name.replace('"', '""') + '"'


@st.composite
def nodes(draw: st.DrawFn, *, analysed: bool, depth: int = 0) -> PlanNode:
    leaf = depth >= 4 or draw(st.booleans())
    loops = draw(st.integers(0, 1000)) if analysed else None
    timed = bool(loops)
    common: dict[str, Any] = {
        "startup_cost": draw(FIGURE),
        "total_cost": draw(FIGURE),
        "plan_rows": float(draw(COUNT)),
        "plan_width": draw(st.integers(0, 10**6)),
        "actual_startup_ms": draw(TIME) if timed else None,
        "actual_total_ms": draw(TIME) if timed else None,
        "actual_rows": (draw(FIGURE) if loops else 0.0) if analysed else None,
        "actual_loops": loops,
        "buffers": Buffers(shared_hit=draw(COUNT), temp_read=draw(COUNT)) if analysed else None,
        "filter": draw(st.none() | EXPRESSIONS),
    }
    if leaf:
        name = draw(NAMES)
        relation = QualifiedName(draw(st.sampled_from(["", "public", "My Schema"])), name)
        return PlanNode(node_type="Seq Scan", relation=relation, alias=draw(st.just(name) | NAMES), **common)
    kind, join, count = draw(
        st.sampled_from([("Sort", None, 1), ("Limit", None, 1), ("Nested Loop", "Left", 2), ("Append", None, 3)])
    )
    roles = {"Append": ["Member"] * 3}.get(kind, ["Outer", "Inner"])
    children = tuple(
        replace(draw(nodes(analysed=analysed, depth=depth + 1)), parent_relationship=roles[number])
        for number in range(count)
    )
    keys = tuple(draw(st.lists(EXPRESSIONS, min_size=1, max_size=3))) if kind == "Sort" else ()
    return PlanNode(node_type=kind, join_type=join, sort_key=keys, children=children, **common)


def lines(node: PlanNode, column: int = 0, arrow: str = "") -> Iterator[str]:
    head = {"Nested Loop": "Nested Loop Left Join"}.get(node.node_type, node.node_type)
    if node.relation:
        schema = f"{quoted(node.relation.schema)}." if node.relation.schema else ""
        alias = "" if node.alias == node.relation.name else f" {quoted(node.alias or '')}"
        head += f" on {schema}{quoted(node.relation.name)}{alias}"
    head += f"  (cost={node.startup_cost:.2f}..{node.total_cost:.2f} rows={node.plan_rows:.0f} width={node.plan_width})"
    if node.actual_loops:
        time = f"time={node.actual_startup_ms:.3f}..{node.actual_total_ms:.3f}"
        head += f" (actual {time} rows={node.actual_rows:.2f} loops={node.actual_loops})"
    elif node.actual_loops == 0:
        head += " (never executed)"
    yield " " * column + arrow + head
    inner = " " * (column + len(arrow) + 2)
    if node.sort_key:
        yield f"{inner}Sort Key: {', '.join(node.sort_key)}"
    if node.filter:
        yield f"{inner}Filter: {node.filter}"
    if node.buffers and (node.buffers.shared_hit or node.buffers.temp_read):
        yield f"{inner}Buffers: shared hit={node.buffers.shared_hit}, temp read={node.buffers.temp_read}"
    for child in node.children:
        yield from lines(child, column + len(arrow) + 2, "->  ")


def any_blocks(node: PlanNode) -> bool:
    own = node.buffers is not None and bool(node.buffers.shared_hit or node.buffers.temp_read)
    return own or any(map(any_blocks, node.children))


@given(st.booleans().flatmap(lambda analysed: nodes(analysed=analysed)), st.sampled_from(["", " ", "\t"]))
def test_a_written_tree_is_read_back(node: PlanNode, margin: str) -> None:
    if node.buffers is not None and not any_blocks(node):
        return
    text = "\n".join(margin + line for line in lines(node))
    [plan] = parse_plans(text)
    assert plan.root == node


SEED = [p.read_text() for p in sorted((Path(__file__).resolve().parents[3] / "fixtures" / "plans").glob("*.verbose.*"))]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(SEED))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 80)))
        junk = draw(
            st.sampled_from(["", "\n", '"', "'", "{", "]", "->", "|", "\x00", "Worker 0: ", "(cost=", "9" * 400])
        )
        text = text[:start] + junk + text[end:]
    return text


@given(damaged() | st.text(max_size=200))
def test_nothing_but_input_error(text: str) -> None:
    try:
        plans = parse_plans(text)
    except InputError:
        return
    assert plans
