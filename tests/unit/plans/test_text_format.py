"""The text format, line by line."""

import pytest

from advisor.errors import EmptyInput, InputError
from advisor.model.names import QualifiedName
from advisor.model.plan import Buffers, Plan, PlanNode
from advisor.plans.parse import parse_plans


def plan(text: str) -> Plan:
    [only] = parse_plans(text)
    return only


def root(line: str) -> PlanNode:
    return plan(f"{line}  (cost=0.00..1.00 rows=1 width=4)").root


@pytest.mark.parametrize(
    ("line", "node_type", "join_type", "strategy"),
    [
        ("Hash Join", "Hash Join", "Inner", None),
        ("Hash Left Join", "Hash Join", "Left", None),
        ("Hash Right Anti Join", "Hash Join", "Right Anti", None),
        ("Merge Full Join", "Merge Join", "Full", None),
        ("Nested Loop", "Nested Loop", "Inner", None),
        ("Nested Loop Semi Join", "Nested Loop", "Semi", None),
        ("Parallel Hash Join", "Hash Join", "Inner", None),
        ("Aggregate", "Aggregate", None, "Plain"),
        ("HashAggregate", "Aggregate", None, "Hashed"),
        ("Partial HashAggregate", "Aggregate", None, "Hashed"),
        ("Finalize GroupAggregate", "Aggregate", None, "Sorted"),
        ("MixedAggregate", "Aggregate", None, "Mixed"),
        ("HashSetOp Except All", "SetOp", None, "Hashed"),
        ("SetOp Intersect", "SetOp", None, "Sorted"),
        ("Insert on t", "ModifyTable", None, None),
        ("Merge Append", "Merge Append", None, None),
        ("Custom Scan (ChunkAppend) on t", "Custom Scan", None, None),
        ("Async Foreign Scan on t", "Foreign Scan", None, None),
    ],
)
def test_node_types_are_those_of_json(line: str, node_type: str, join_type: str | None, strategy: str | None) -> None:
    node = root(line)
    assert (node.node_type, node.join_type, node.strategy) == (node_type, join_type, strategy)


@pytest.mark.parametrize(
    ("line", "relation", "alias", "index"),
    [
        ("Seq Scan on t", ("", "t"), "t", None),
        ("Seq Scan on s.t x", ("s", "t"), "x", None),
        ('Seq Scan on "Odd Schema"."Order Items" "My Alias"', ("Odd Schema", "Order Items"), "My Alias", None),
        ('Seq Scan on "say ""hi"" on"', ("", 'say "hi" on'), 'say "hi" on', None),
        ("Index Scan Backward using i on t", ("", "t"), "t", "i"),
        ('Index Only Scan using "Odd, index" on s.t', ("s", "t"), "t", "Odd, index"),
        ("Bitmap Heap Scan on t t_1", ("", "t"), "t_1", None),
        ("Bitmap Index Scan on i", None, None, "i"),
        ("Index Scan using <13442>btree_t_a on t", ("", "t"), "t", "<13442>btree_t_a"),
        ("CTE Scan on x y", None, "y", None),
        ('Values Scan on "*VALUES*"', None, "*VALUES*", None),
        ("Subquery Scan on sub", None, "sub", None),
        ("Function Scan on pg_catalog.generate_series g", None, "g", None),
        ("Update on t", ("", "t"), "t", None),
    ],
)
def test_names(line: str, relation: tuple[str, str] | None, alias: str | None, index: str | None) -> None:
    node = root(line)
    assert node.relation == (QualifiedName(*relation) if relation else None)
    assert (node.alias, node.index_name) == (alias, index)


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ("(cost=1.50..20.25 rows=30 width=8)", (1.5, 20.25, 30.0, 8, None, None, None, None)),
        (
            "(cost=0.00..1.00 rows=1 width=4) (actual time=0.5..2.25 rows=7 loops=3)",
            (0, 1, 1, 4, 0.5, 2.25, 7, 3),
        ),
        ("(cost=0.00..1.00 rows=1 width=4) (actual rows=0.33 loops=3)", (0, 1, 1, 4, None, None, 0.33, 3)),
        ("(actual time=0.5..2.25 rows=7 loops=1)", (None, None, None, None, 0.5, 2.25, 7, 1)),
        ("(cost=0.00..1.00 rows=1 width=4) (never executed)", (0, 1, 1, 4, None, None, 0, 0)),
    ],
)
def test_figures(figures: str, expected: tuple[float | None, ...]) -> None:
    node = plan(f"Seq Scan on t  {figures}").root
    assert expected == (
        node.startup_cost, node.total_cost, node.plan_rows, node.plan_width,
        node.actual_startup_ms, node.actual_total_ms, node.actual_rows, node.actual_loops,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("node_type", "line", "extra"),
    [
        ("Sort", "Sort Method: top-N heapsort  Memory: 25kB",
         {"Sort Method": "top-N heapsort", "Sort Space Used": 25, "Sort Space Type": "Memory"}),
        ("Hash", "Buckets: 2048 (originally 1024)  Batches: 4  Memory Usage: 97kB",
         {"Hash Buckets": 2048, "Original Hash Buckets": 1024, "Hash Batches": 4, "Original Hash Batches": 4,
          "Peak Memory Usage": 97}),
        ("HashAggregate", "Planned Partitions: 4  Batches: 5  Memory Usage: 4153kB  Disk Usage: 31752kB",
         {"Planned Partitions": 4, "HashAgg Batches": 5, "Peak Memory Usage": 4153, "Disk Usage": 31752}),
        ("Memoize", "Hits: 998  Misses: 2  Evictions: 0  Overflows: 0  Memory Usage: 1kB",
         {"Cache Hits": 998, "Cache Misses": 2, "Peak Memory Usage": 1}),
        ("Bitmap Heap Scan on t", "Heap Blocks: exact=12 lossy=3", {"Exact Heap Blocks": 12, "Lossy Heap Blocks": 3}),
        ("Index Only Scan using i on t", "Heap Fetches: 7", {"Heap Fetches": 7}),
        ("Index Scan using i on t", "Index Searches: 3", {"Index Searches": 3}),
        ("Seq Scan on t", "I/O Timings: shared read=1.5, temp read=0.25 write=2.000",
         {"Shared I/O Read Time": 1.5, "Temp I/O Read Time": 0.25, "Temp I/O Write Time": 2.0}),
        ("Seq Scan on t", "I/O Timings: read=0.014", {"I/O Read Time": 0.014}),
        ("Update on t", "WAL: records=3 fpi=1 bytes=99", {"WAL Records": 3, "WAL FPI": 1, "WAL Bytes": 99}),
        ("Merge on t", "Tuples: inserted=1 deleted=3", {"Tuples Inserted": 1, "Tuples Deleted": 3}),
        ("Materialize", "Storage: Memory  Maximum Storage: 17kB", {"Storage": "Memory", "Maximum Storage": 17}),
        ("Incremental Sort", "Full-sort Groups: 1  Sort Method: quicksort  Average Memory: 26kB  Peak Memory: 27kB",
         {"Full-sort Groups": {"Group Count": 1, "Sort Methods Used": ("quicksort",),
                               "Sort Space Memory": {"Average Sort Space Used": 26, "Peak Sort Space Used": 27}}}),
        ("Append", "Subplans Removed: 2", {"Subplans Removed": 2}),
        ("Seq Scan on t", "Disabled: true", {"Disabled": True}),
    ],
)  # fmt: skip
def test_properties_are_those_of_json(node_type: str, line: str, extra: dict[str, object]) -> None:
    node = plan(f"{node_type}  (cost=0.00..1.00 rows=1 width=4)\n  {line}").root
    assert {key: value for key, value in node.extra.items() if key in extra} == extra


def test_conditions_keys_and_rows_removed() -> None:
    node = plan(
        "Sort  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=1 loops=1)\n"
        "  Output: a, (CASE WHEN (b = 'x, y'::text) THEN f(1, 2) ELSE 0 END), \"c, d\"\n"
        "  Sort Key: t.a DESC NULLS LAST, (lower(t.b))\n"
        "  ->  Index Scan using i on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=1 loops=1)\n"
        "        Index Cond: (a = 1)\n"
        "        Filter: ((note)::text = 'Sort Key: none'::text)\n"
        "        Rows Removed by Filter: 41\n"
        "        Buffers: shared hit=5 read=2, local hit=1 dirtied=9, temp read=3 written=4\n"
    ).root
    [scan] = node.children
    assert node.sort_key == ("t.a DESC NULLS LAST", "(lower(t.b))")
    assert node.output == ("a", "(CASE WHEN (b = 'x, y'::text) THEN f(1, 2) ELSE 0 END)", '"c, d"')
    assert scan.filter == "((note)::text = 'Sort Key: none'::text)"
    assert scan.conditions == {"Index Cond": "(a = 1)"}
    assert scan.rows_removed == {"Rows Removed by Filter": 41}
    assert scan.buffers == Buffers(shared_hit=5, shared_read=2, local_hit=1, temp_read=3, temp_written=4)
    assert scan.buffers.touched == 8


SUBPLANS = """\
Append  (cost=0.00..9.00 rows=9 width=4)
  CTE big
    ->  Seq Scan on a  (cost=0.00..1.00 rows=1 width=4)
  InitPlan 2 (returns $1)
    ->  Result  (cost=0.00..1.00 rows=1 width=4)
  ->  CTE Scan on big  (cost=0.00..1.00 rows=1 width=4)
  ->  Seq Scan on b  (cost=0.00..1.00 rows=1 width=4)
        Filter: (SubPlan 3)
        SubPlan 3
          ->  Limit  (cost=0.00..1.00 rows=1 width=4)
                ->  Seq Scan on c  (cost=0.00..1.00 rows=1 width=4)
"""


def test_where_nodes_hang() -> None:
    node = plan(SUBPLANS).root
    assert [(child.node_type, child.parent_relationship, child.subplan_name) for child in node.children] == [
        ("Seq Scan", "InitPlan", "CTE big"),
        ("Result", "InitPlan", "InitPlan 2 (returns $1)"),
        ("CTE Scan", "Member", None),
        ("Seq Scan", "Member", None),
    ]
    [limit] = node.children[3].children
    assert (limit.parent_relationship, limit.subplan_name) == ("SubPlan", "SubPlan 3")
    assert limit.children[0].parent_relationship == "Outer"


def test_what_follows_the_nodes() -> None:
    read = plan(
        "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=1 loops=1)\n"
        "  Buffers: shared hit=1\n"
        "Settings: work_mem = '8MB', search_path = 'a, b'\n"
        "Query Identifier: -42\n"
        "Planning:\n"
        "  Buffers: shared hit=3\n"
        "  Memory: used=6kB  allocated=8kB\n"
        "Planning Time: 0.065 ms\n"
        "Trigger RI_ConstraintTrigger_a_1 for constraint fk on t: time=1.5 calls=3\n"
        "JIT:\n"
        "  Functions: 3\n"
        "  Options: Inlining false, Expressions true\n"
        "  Timing: Generation 0.340 ms (Deform 0.1 ms), Total 2.5 ms\n"
        "Serialization: time=4.690 ms  output=31251kB  format=text\n"
        "Execution Time: 4.812 ms\n"
        "(13 rows)\n"
    )
    assert (read.planning_ms, read.execution_ms, read.planning_buffers) == (0.065, 4.812, Buffers(shared_hit=3))
    assert read.settings == {"work_mem": "8MB", "search_path": "a, b"}
    [trigger] = read.triggers
    assert trigger == {
        "Trigger Name": "RI_ConstraintTrigger_a_1",
        "Constraint Name": "fk",
        "Relation": "t",
        "Time": 1.5,
        "Calls": 3,
    }
    assert read.jit == {
        "Functions": 3,
        "Options": {"Expressions": True},
        "Timing": {"Generation": {"Deform": 0.1, "Total": 0.34}, "Total": 2.5},
    }
    assert read.extra == {
        "Query Identifier": -42,
        "Planning": {"Memory Used": 6, "Memory Allocated": 8},
        "Serialization": {"Time": 4.69, "Output Volume": 31251, "Format": "text"},
    }


def test_workers() -> None:
    node = plan(
        "Sort  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=1 loops=3)\n"
        "  Sort Method: quicksort  Memory: 25kB\n"
        "  Worker 0:  actual time=0.5..0.6 rows=10 loops=1\n"
        "    Sort Method: quicksort  Memory: 26kB\n"
        "    Buffers: shared hit=7\n"
        "  Worker 1:  Sort Method: external merge  Disk: 27kB\n"
        "  Buffers: shared hit=9\n"
    ).root
    assert node.extra["Sort Space Used"] == 25
    assert node.buffers == Buffers(shared_hit=9)
    first, second = node.extra["Workers"]
    assert (first["Worker Number"], first["Actual Rows"], first["Sort Space Used"], first["Shared Hit Blocks"]) == (
        0, 10, 26, 7,
    )  # fmt: skip
    assert second == {
        "Worker Number": 1,
        "Sort Method": "external merge",
        "Sort Space Used": 27,
        "Sort Space Type": "Disk",
    }


def test_auto_explain_prints_the_statement_first() -> None:
    read = plan(
        "2026-03-01 10:00:00 UTC [7] LOG:  duration: 3.651 ms  plan:\n"
        "\tQuery Text: SELECT count(*)\n"
        "\t  FROM t -- Limit it\n"
        "\tQuery Parameters: $1 = '42'\n"
        "\tAggregate  (cost=0.00..1.00 rows=1 width=4)\n"
        "\t  ->  Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n"
    )
    assert read.query_text is not None
    assert read.query_text.split() == ["SELECT", "count(*)", "FROM", "t", "--", "Limit", "it"]
    assert read.query_parameters == "$1 = '42'"
    assert not read.analyzed
    assert [child.node_type for child in read.root.children] == ["Seq Scan"]


def test_costs_off() -> None:
    read = plan("Hash Join\n  Hash Cond: (a.id = b.id)\n  ->  Seq Scan on a\n  ->  Hash\n        ->  Seq Scan on b\n")
    assert [child.node_type for child in read.root.children] == ["Seq Scan", "Hash"]
    assert read.root.total_cost is None


def test_several_plans_in_one_input() -> None:
    one = "Seq Scan on {}  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=1 loops=1)\n"
    first = f"QUERY PLAN\n-----\n {one.format('a')} Execution Time: 1.0 ms\n(2 rows)\n\n"
    text = first + f"QUERY PLAN\n----\n {one.format('b')}"
    assert [p.root.alias for p in parse_plans(text + one.format("c"))] == ["a", "b", "c"]


def test_lines_that_a_terminal_wrapped() -> None:
    node = plan(
        " Sort  (cos\nt=32.88..32.9\n6 rows=32 wid\nth=224) (actual time=0.532..0.532 \nrows=0 loops=1)\n"
        "   Sort Key: n.nspname, c.re\nlname\n"
    ).root
    assert (node.total_cost, node.actual_loops, node.sort_key) == (32.96, 1, ("n.nspname", "c.relname"))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  ->  Sort  (cost=oops)\n", "Line 2"),
        ("Seq Scan on t  (cost=abc)\n", "Line 1"),
        ("Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\nPlanning Time: soon\n", "Line 2"),
        ("hello\nworld\n", "hello"),
        ("SELECT 1;", "SELECT 1"),
        ("<explain><Query/></explain>", "XML"),
        ("- Plan:\n    Node Type: Seq Scan\n", "YAML"),
    ],
)
def test_what_is_not_understood_is_named(text: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        parse_plans(text)


def test_nothing_at_all() -> None:
    with pytest.raises(EmptyInput):
        parse_plans(" \n")
