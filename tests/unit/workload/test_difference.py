"""What is told of two workloads, and what is not: changes put into simulated servers, and look-alikes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.model.difference import Change as Kind
from advisor.model.difference import Difference, QueryDifference
from advisor.model.names import QualifiedName
from advisor.model.plan import Plan, PlanNode
from advisor.model.sketch import LatencySketch, bucket_of
from advisor.model.workload import Hour, PlanTotals, Query, QueryPlan, Workload
from advisor.workload.advised import AdvisedChange
from advisor.workload.difference import compare
from advisor.workload.significance import benjamini_hochberg, critical, two_sided
from tests.unit.workload.simulated import HOUR_US, START_US, Change, World, query_id, simulate

SMALL = World(queries=24, busiest=150)
TIMES: set[Kind] = {"slower", "faster", "slower_tail", "faster_tail"}
EVERY: set[Kind] = {*TIMES, "more_calls", "fewer_calls", "new", "vanished"}


def told(found: Difference, kinds: set[Kind]) -> dict[str, tuple[Kind, ...]]:
    """Changes of those kinds by query id."""
    named = {(query.new or query.old).id: query.changes for query in found.queries}  # type: ignore[union-attr]
    return {key: hit for key, changes in named.items() if (hit := tuple(c for c in changes if c in kinds))}


def of(found: Difference, number: int) -> QueryDifference:
    return next(q for q in found.queries if query_id(number) in ((q.new and q.new.id), (q.old and q.old.id)))


def test_a_workload_beside_itself_is_the_same() -> None:
    old, _ = simulate(SMALL, 1)
    found = compare(old, old)
    assert told(found, EVERY) == {}
    assert {query.changes for query in found.queries} == {("same",)}
    assert found.common.time is not None
    assert found.common.time.value == 1
    assert found.confidence == "high"


def test_noise_is_not_told() -> None:
    """12 pairs of 24 queries: at 5 % false alarms a pair, 4 or more alarms would come once in 500 such tests."""
    worlds = (SMALL, replace(SMALL, old_hours=6, new_hours=6), replace(SMALL, width=1.4))
    alarms = [seed for world in worlds for seed in range(4) if told(compare(*simulate(world, seed)), EVERY)]
    assert len(alarms) < 4


@pytest.mark.parametrize("seed", [1, 2])
def test_one_query_that_got_slower_is_found_alone(seed: int) -> None:
    found = compare(*simulate(SMALL, seed, {4: Change(time=2.0)}))
    assert told(found, TIMES) == {query_id(4): ("slower",)}
    slower = found.queries[0]
    assert (slower.new is not None and slower.new.id) == query_id(4)
    assert slower.matters
    assert slower.own_ratio is not None
    assert slower.own_ratio.low < 2 < slower.own_ratio.high
    assert slower.extra_ms_per_hour is not None
    assert slower.extra_ms_per_hour > 0


def test_the_other_way_round_it_is_faster() -> None:
    old, new = simulate(SMALL, 1, {4: Change(time=2.0)})
    assert told(compare(new, old), TIMES) == {query_id(4): ("faster",)}


def test_everything_slower_is_one_statement() -> None:
    old, new = simulate(replace(SMALL, load_sd=0.05), 3, {n: Change(time=1.5) for n in range(24)})
    found = compare(old, new)
    assert told(found, TIMES) == {}
    assert found.common.time_changed
    assert found.common.time is not None
    assert found.common.time.low < 1.5 < found.common.time.high
    assert found.common.agreeing > 18


def test_a_slower_query_on_a_slower_server_is_told_beside_it() -> None:
    changes = {n: Change(time=1.5) for n in range(24)} | {4: Change(time=4.0)}
    found = compare(*simulate(replace(SMALL, load_sd=0.05), 3, changes))
    assert told(found, TIMES) == {query_id(4): ("slower",)}
    slower = of(found, 4)
    assert slower.ratio is not None
    assert slower.own_ratio is not None
    assert slower.ratio.value / slower.own_ratio.value == pytest.approx(1.5, rel=0.15)


def test_worst_calls_only() -> None:
    """A twentieth's slowness that the median does not show."""
    world = replace(SMALL, width=0.4, load_sd=0.1)
    found = compare(*simulate(world, 5, {2: Change(tail=6.0, tail_share=0.09)}))
    assert told(found, TIMES) == {query_id(2): ("slower_tail",)}


def test_more_and_fewer_calls() -> None:
    found = compare(*simulate(SMALL, 2, {3: Change(calls=4.0), 6: Change(calls=0.25)}))
    assert told(found, EVERY) == {query_id(3): ("more_calls",), query_id(6): ("fewer_calls",)}


def test_more_traffic_is_not_more_calls_of_each() -> None:
    found = compare(*simulate(replace(SMALL, traffic=4.0, busiest=60), 2))
    assert told(found, EVERY) == {}
    assert found.common.calls_changed
    assert found.common.calls is not None
    assert found.common.calls.value == pytest.approx(4, rel=0.5)


def test_new_and_vanished() -> None:
    found = compare(*simulate(SMALL, 2, vanished=1, appeared=1))
    assert told(found, EVERY) == {query_id(22): ("new",), query_id(23): ("vanished",)}


def test_what_ran_once_is_neither_new_nor_vanished() -> None:
    old, new = simulate(SMALL, 2)
    nightly = hourly(99, {3: [1000] * 40})
    found = compare(replace(old, queries=(*old.queries, nightly)), new)
    assert of(found, 99).changes == ("unknown",)
    assert "may just not have run" in of(found, 99).reasons[0]


def test_what_runs_at_night_is_not_missed_by_day() -> None:
    night = replace(SMALL, old_hours=8, new_hours=8, new_begins=10)
    old, new = simulate(night, 2, vanished=1)
    found = compare(old, new)
    assert of(found, 23).changes == ("unknown",)
    assert found.confidence == "low"
    assert any("times of the day" in reason for reason in found.confidence_reasons)


def test_few_calls_are_not_judged() -> None:
    old, new = simulate(SMALL, 2)
    few = hourly(99, {hour: [1000] for hour in range(12)})
    slow = hourly(99, {hour + 48: [9000] for hour in range(12)})
    found = compare(replace(old, queries=(*old.queries, few)), replace(new, queries=(*new.queries, slow)))
    assert of(found, 99).changes == ("unknown",)
    assert of(found, 99).reasons == ("not enough calls to tell: 12 and 12 with a duration",)
    lower = compare(replace(old, queries=(*old.queries, few)), replace(new, queries=(*new.queries, slow)), min_calls=10)
    assert of(lower, 99).changes == ("slower",)


def test_a_million_calls_within_one_slow_hour_prove_nothing() -> None:
    """Calls are not independent: a single hour that stands out makes no change of a query."""
    old = hourly(0, {hour: [1000, 1010] * 500 for hour in range(24)})
    new = hourly(0, {hour + 48: [1000 if hour else 50_000, 1010] * (500 if hour else 9000) for hour in range(24)})
    found = compare(workload(old), workload(new))
    assert "slower" not in of(found, 0).changes


def test_small_and_slower_does_not_matter() -> None:
    old, new = simulate(SMALL, 1)
    before = hourly(99, {hour: [100, 110, 120] for hour in range(24)})
    after = hourly(99, {hour + 48: [200, 220, 240] for hour in range(24)})
    found = compare(replace(old, queries=(*old.queries, before)), replace(new, queries=(*new.queries, after)))
    assert of(found, 99).changes == ("slower",)
    assert not of(found, 99).matters


def test_without_hours_confidence_is_low() -> None:
    old, new = simulate(SMALL, 1, {4: Change(time=6.0)})
    bare = [replace(each, queries=tuple(replace(q, hours=()) for q in each.queries)) for each in (old, new)]
    found = compare(*bare)
    assert found.confidence == "low"
    assert told(found, TIMES) == {query_id(4): ("slower",)}
    assert of(found, 4).confidence == "low"


def test_sums_alone_can_be_compared() -> None:
    """As of pg_stat_statements: no latencies, no hours, no times."""
    old, new = simulate(SMALL, 1, {4: Change(time=20.0)})

    def summed(each: Workload) -> Workload:
        queries = tuple(replace(q, hours=(), latency=LatencySketch()) for q in each.queries)
        return Workload(queries=queries)

    found = compare(summed(old), summed(new))
    assert told(found, TIMES) == {query_id(4): ("slower",)}
    assert found.confidence == "low"


def test_databases_of_other_names_are_matched_by_text() -> None:
    old, new = simulate(replace(SMALL, queries=8), 1, {4: Change(time=3.0)})
    staging = tuple(replace(q, id=f"f{q.id[1:]}", database="staging") for q in new.queries)
    found = compare(old, replace(new, queries=staging))
    assert found.matched_by == "sql"
    assert "shop in OLD, staging in NEW" in found.notes[0]
    assert [query.changes for query in found.queries if query.old is None or query.new is None] == []
    assert told(found, TIMES) == {f"f{query_id(4)[1:]}": ("slower",)}


def test_one_common_database_is_enough_to_match_by_id() -> None:
    old, new = simulate(replace(SMALL, queries=8), 1)
    assert compare(old, new).matched_by == "id"


@pytest.mark.parametrize("by", ["warning", "floor"])
def test_other_thresholds_make_numbers_of_calls_void(by: str) -> None:
    old, new = simulate(SMALL, 1, vanished=1)
    if by == "warning":
        new = replace(new, warnings=("a.log: log_min_duration_statement was set to 100ms: fast ones are missing",))
    else:
        new = replace(new, queries=tuple(cut(query, 2000) for query in new.queries))
    found = compare(old, new)
    assert not found.calls_comparable
    assert found.confidence == "low"
    assert told(found, {"more_calls", "fewer_calls", "new", "vanished"}) == {}
    if by == "floor":
        assert told(found, TIMES) == {}
        assert any("no statement under 2" in note for note in found.notes)


def test_slow_queries_alone_are_no_threshold() -> None:
    """Each begins at a duration of its own: nothing was cut off."""
    old, new = simulate(SMALL, 1)
    slow = [replace(each, queries=tuple(scaled(query, 1000) for query in each.queries)) for each in (old, new)]
    assert compare(*slow).calls_comparable


def test_errors_temporary_files_rows_and_blocks() -> None:
    old, new = simulate(SMALL, 1)
    plans = PlanTotals(plans=10, shared_hit_blocks=2000)
    before = replace(old.queries[0], rows=10 * old.queries[0].calls, plan_totals=plans)
    after = replace(
        new.queries[0],
        errors=60,
        temp_files=80,
        temp_bytes=80_000_000,
        rows=90 * new.queries[0].calls,
        plan_totals=replace(plans, shared_read_blocks=90_000),
    )
    found = compare(replace(old, queries=(before, *old.queries[1:])), replace(new, queries=(after, *new.queries[1:])))
    changed = of(found, 0)
    assert changed.changes == ("errors", "temp_files", "blocks", "rows")
    assert changed.matters
    assert "errors 0 -> 60" in changed.reasons
    assert "rows per call 10 -> 90" in changed.reasons


def test_a_few_errors_more_are_not_told() -> None:
    old, new = simulate(SMALL, 1)
    before, after = replace(old.queries[0], errors=2), replace(new.queries[0], errors=5)
    found = compare(replace(old, queries=(before, *old.queries[1:])), replace(new, queries=(after, *new.queries[1:])))
    assert of(found, 0).changes == ("same",)


SEQ = PlanNode(node_type="Seq Scan", relation=QualifiedName(schema="public", name="orders"))
INDEX = replace(SEQ, node_type="Index Scan", index_name="orders_customer_idx")
BITMAP = replace(
    SEQ,
    node_type="Bitmap Heap Scan",
    children=(PlanNode(node_type="Bitmap Index Scan", index_name="orders_customer_idx"),),
)


def planned(each: Workload, *plans: tuple[int, PlanNode]) -> Workload:
    kept = tuple(QueryPlan(plan=Plan(root=root, analyzed=True), query_id=query_id(n)) for n, root in plans)
    return replace(each, plans=kept)


@pytest.mark.parametrize("node", [INDEX, BITMAP])
def test_the_applied_index_is_seen_with_what_it_did(node: PlanNode) -> None:
    old, new = simulate(SMALL, 1, {4: Change(time=0.2)})
    found = compare(planned(old, (4, SEQ)), planned(new, (4, node)))
    changed = of(found, 4)
    assert changed.changes == ("plan", "faster")
    assert changed.plan is not None
    assert changed.plan.lines == (f"public.orders: Seq Scan -> {node.node_type} using orders_customer_idx",)
    assert changed.plan.indexes == ("orders_customer_idx",)
    (index,) = found.indexes
    assert (index.name, index.table, index.queries, index.before) == (
        *("orders_customer_idx", "public.orders", (query_id(4),), True),
    )


def test_a_plan_that_was_seen_before_is_no_change() -> None:
    old, new = simulate(SMALL, 1)
    found = compare(planned(old, (4, SEQ), (4, INDEX)), planned(new, (4, INDEX)))
    assert of(found, 4).changes == ("same",)
    assert found.indexes == ()


def test_an_index_without_an_old_plan_may_not_be_new() -> None:
    old, new = simulate(SMALL, 1)
    (index,) = compare(old, planned(new, (4, INDEX))).indexes
    assert not index.before


def test_other_joins_are_another_plan() -> None:
    def joined(kind: str) -> PlanNode:
        return PlanNode(node_type=kind, children=(SEQ, replace(SEQ, relation=QualifiedName(schema="", name="items"))))

    old, new = simulate(SMALL, 1)
    found = compare(planned(old, (4, joined("Nested Loop"))), planned(new, (4, joined("Hash Join"))))
    plan = of(found, 4).plan
    assert plan is not None
    assert plan.lines == ("joins: Nested Loop -> Hash Join",)


def advised(promised: Mapping[str, float | None], **fields: Any) -> AdvisedChange:
    kept: dict[str, Any] = {
        "id": "R1",
        "kind": "create_index",
        "statements": ("SET lock_timeout = '5s'", "CREATE INDEX CONCURRENTLY orders_customer_idx ON orders (customer)"),
        "rewritten_sql": None,
        "unit": "ms",
    }
    return AdvisedChange(**kept | fields, promised=promised)


@pytest.mark.parametrize(("change", "outcome"), [(0.2, "helped"), (1.0, "not_helped"), (3.0, "not_helped")])
def test_did_the_index_help(change: float, outcome: str) -> None:
    world = World(queries=24, old_hours=72, new_hours=72, busiest=60, unseen_sd=0.0, own_sd=0.03)
    old, new = simulate(world, 1, {4: Change(time=change)})
    found = compare(old, planned(new, (4, INDEX)), advice=[advised({query_id(4): 0.1})])
    (result,) = found.advice
    assert result.outcome == outcome
    assert result.in_use is True
    assert "orders_customer_idx is used" in result.reason
    (query,) = result.queries
    assert query.promised == 0.1
    assert query.measured is not None
    assert query.measured.value == pytest.approx(change, rel=0.2)


def test_advice_for_what_is_gone_cannot_be_told() -> None:
    old, new = simulate(SMALL, 1, vanished=1)
    advice = [advised({query_id(23): 0.1}), advised({query_id(77): None}, id="R2", unit=None)]
    found = compare(old, new, advice=advice)
    assert [each.outcome for each in found.advice] == ["cannot_tell", "cannot_tell"]
    assert [each.queries[0].reason for each in found.advice] == ["the query is not in NEW", "the query is not in OLD"]
    assert found.advice[0].in_use is None


def test_a_rewrite_is_found_under_its_new_text() -> None:
    old, new = simulate(replace(SMALL, queries=12), 1, {4: Change(time=0.2)})
    rewritten = "SELECT id FROM orders WHERE at >= $1 AND at < $2"
    moved = tuple(
        replace(query, id="abcdefabcdefabcd", sql=rewritten) if query.id == query_id(4) else query
        for query in new.queries
    )
    advice = advised(
        {query_id(4): 0.3}, kind="rewrite_query", statements=(), rewritten_sql=rewritten.replace("$1", "'2026-01-01'")
    )
    (result,) = compare(old, replace(new, queries=moved), advice=[advice]).advice
    assert result.outcome == "helped"
    assert result.queries[0].new_id == "abcdefabcdefabcd"


def test_the_result_does_not_depend_on_the_order_of_queries() -> None:
    old, new = simulate(SMALL, 1, {4: Change(time=2.0)})
    turned = [replace(each, queries=tuple(reversed(each.queries))) for each in (old, new)]
    assert compare(*turned) == compare(old, new)


def test_nothing_beside_nothing() -> None:
    found = compare(Workload(), Workload())
    assert found.queries == ()
    assert found.confidence == "low"


@given(st.lists(st.floats(0, 1), max_size=40))
def test_q_values_keep_the_order_and_are_never_below_p(p_values: list[float]) -> None:
    q_values = benjamini_hochberg(p_values)
    assert all(p * (1 - 1e-12) <= q <= 1 for p, q in zip(p_values, q_values, strict=True))
    ranked = [q for _, q in sorted(zip(p_values, q_values, strict=True))]
    assert ranked == sorted(ranked)


@pytest.mark.parametrize(
    ("degrees", "t"), [(1, 12.706), (2, 4.303), (5, 2.571), (10, 2.228), (30, 2.042), (120, 1.980)]
)
def test_students_t_as_in_the_tables(degrees: int, t: float) -> None:
    """Abramowitz and Stegun, table 26.10: 5 % two-sided."""
    assert two_sided(t, degrees) == pytest.approx(0.05, abs=1e-4)
    assert critical(0.05, degrees) == pytest.approx(t, abs=1e-3)


def hourly(number: int, durations: Mapping[int, Sequence[int]]) -> Query:
    """A query by its hours' durations in microseconds."""
    hours = tuple(
        Hour(start_us=START_US + hour * HOUR_US, calls=len(each), timed_calls=len(each), total_us=sum(each))
        for hour, each in sorted(durations.items())
    )
    every = [duration for each in durations.values() for duration in each]
    counts = dict.fromkeys(map(bucket_of, every), 0)
    for duration in every:
        counts[bucket_of(duration)] += 1
    return Query(
        id=query_id(number),
        sql=f"SELECT {number}",
        database="shop",
        calls=len(every),
        timed_calls=len(every),
        total_us=sum(every),
        latency=LatencySketch(counts),
        hours=hours,
    )


def workload(*queries: Query) -> Workload:
    starts = [hour.start_us for query in queries for hour in query.hours]
    return Workload(queries=queries, from_us=min(starts), to_us=max(starts) + HOUR_US)


def cut(query: Query, floor_us: int) -> Query:
    """Without the calls that took less."""
    kept = {bucket: n for bucket, n in query.latency.counts.items() if bucket > bucket_of(floor_us)}
    calls = sum(kept.values())
    return replace(query, latency=LatencySketch(kept), calls=calls, timed_calls=calls, total_us=calls * 2 * floor_us)


def scaled(query: Query, factor: int) -> Query:
    shift = round(math.log(factor) / math.log(1.01 / 0.99))
    counts = {bucket + shift: n for bucket, n in query.latency.counts.items()}
    hours = tuple(replace(hour, total_us=hour.total_us * factor) for hour in query.hours)
    return replace(query, latency=LatencySketch(counts), total_us=query.total_us * factor, hours=hours)
