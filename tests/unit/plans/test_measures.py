"""Derived measures, on plans whose answers can be worked out by hand."""

import pytest

from advisor.model.names import QualifiedName
from advisor.model.plan import Plan, walk
from advisor.plans.measures import (
    estimate_error,
    scans,
    self_blocks,
    self_times,
    total_rows,
    total_rows_removed,
    wall_times,
)
from advisor.plans.parse import parse_plans


def plan(text: str) -> Plan:
    [only] = parse_plans(text)
    return only


COST = "(cost=0.00..1.00 rows=10 width=4)"

LOOPS = f"""\
Nested Loop  {COST} (actual time=0.000..100.000 rows=50 loops=1)
  Buffers: shared hit=80 read=20
  ->  Seq Scan on a  {COST} (actual time=0.000..20.000 rows=10 loops=1)
        Filter: (x = 1)
        Rows Removed by Filter: 990
        Buffers: shared read=20
  ->  Index Scan using b_a on b b_1  {COST} (actual time=0.000..7.000 rows=5 loops=10)
        Index Cond: (a_id = a.id)
        Filter: (y > 2)
        Rows Removed by Filter: 2
        Buffers: shared hit=60
"""


def test_loops_are_multiplied() -> None:
    read = plan(LOOPS)
    assert wall_times(read) == {"0": 100.0, "0.0": 20.0, "0.1": 70.0}
    assert self_times(read) == {"0": 10.0, "0.0": 20.0, "0.1": 70.0}
    assert self_blocks(read) == {"0": 20.0, "0.0": 20.0, "0.1": 60.0}
    inner = read.root.children[1]
    assert (total_rows(inner), total_rows_removed(inner)) == (50, 20)


def test_scans() -> None:
    first, second = scans(plan(LOOPS))
    assert (first.relation, first.path, first.rows_visited, first.index) == (QualifiedName("", "a"), "0.0", 1000, None)
    assert (second.alias, second.index, second.condition, second.filter) == ("b_1", "b_a", "(a_id = a.id)", "(y > 2)")
    assert (second.rows_returned, second.rows_removed, second.rows_visited, second.time_ms) == (50, 20, 70, 70)


def test_a_bitmap_scan_names_its_index() -> None:
    [scan] = scans(
        plan(
            f"Bitmap Heap Scan on t  {COST} (actual time=0.1..2.0 rows=7 loops=1)\n"
            "  Recheck Cond: (a = 1)\n  Rows Removed by Index Recheck: 3\n"
            f"  ->  Bitmap Index Scan on t_a  {COST} (actual time=0.1..1.0 rows=7 loops=1)\n"
            "        Index Cond: (a = 1)\n"
        )
    )
    assert (scan.index, scan.condition, scan.rows_visited) == ("t_a", "(a = 1)", 10)


def test_parallel_processes_run_side_by_side() -> None:
    read = plan(
        f"Gather  {COST} (actual time=0.000..50.000 rows=300 loops=1)\n  Workers Planned: 2\n  Workers Launched: 2\n"
        f"  ->  Parallel Seq Scan on t  {COST} (actual time=0.000..45.000 rows=100 loops=3)\n"
    )
    assert self_times(read) == {"0": 5.0, "0.0": 45.0}
    assert total_rows(read.root.children[0]) == 300


@pytest.mark.parametrize(
    ("name", "reader"),
    [("InitPlan 1 (returns $0)", "($0 < 5)"), ("InitPlan 1", "((InitPlan 1).col1 < 5)")],
)
def test_an_init_plan_is_paid_by_the_node_that_asks(name: str, reader: str) -> None:
    read = plan(
        f"Sort  {COST} (actual time=0.000..30.000 rows=1 loops=1)\n"
        f"  {name}\n"
        f"    ->  Seq Scan on slow  {COST} (actual time=0.000..20.000 rows=1 loops=1)\n"
        f"  ->  Seq Scan on t  {COST} (actual time=0.000..28.000 rows=1 loops=1)\n"
        f"        Filter: {reader}\n"
    )
    assert self_times(read) == {"0": 2.0, "0.0": 20.0, "0.1": pytest.approx(8.0)}


def test_a_cte_is_paid_once_by_its_readers() -> None:
    read = plan(
        f"Append  {COST} (actual time=0.000..100.000 rows=1 loops=1)\n"
        "  CTE x\n"
        f"    ->  Seq Scan on slow  {COST} (actual time=0.000..60.000 rows=1 loops=1)\n"
        f"  ->  CTE Scan on x  {COST} (actual time=0.000..70.000 rows=1 loops=1)\n"
        f"  ->  CTE Scan on x x_1  {COST} (actual time=0.000..20.000 rows=1 loops=1)\n"
    )
    times = self_times(read)
    assert times["0.0"] == 60.0
    assert times["0.1"] + times["0.2"] == pytest.approx(30.0)
    assert sum(times.values()) == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("planned", "actual", "ratio"), [(10, "50.00", 5.0), (100, "10.00", 10.0), (10, "0.00", 10.0), (1, "0.25", 1.0)]
)
def test_estimate_error(planned: int, actual: str, ratio: float) -> None:
    node = plan(f"Seq Scan on t  (cost=0.00..1.00 rows={planned} width=4) (actual rows={actual} loops=1)").root
    assert estimate_error(node) == ratio


def test_nothing_is_made_up_without_analyze() -> None:
    read = plan(f"Sort  {COST}\n  ->  Seq Scan on t  {COST}\n")
    assert self_times(read) == {}
    assert self_blocks(read) == {}
    assert [(estimate_error(n), total_rows(n), total_rows_removed(n)) for _, n in walk(read.root)] == [(None,) * 3] * 2
    [scan] = scans(read)
    assert (scan.rows_visited, scan.time_ms) == (None, None)


def test_never_executed() -> None:
    read = plan(
        f"Append  {COST} (actual time=0.000..1.000 rows=1 loops=1)\n  ->  Seq Scan on t  {COST} (never executed)\n"
    )
    assert self_times(read) == {"0": 1.0, "0.0": 0.0}
    assert estimate_error(read.root.children[0]) is None
