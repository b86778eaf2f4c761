"""Digests: the same from every format, mergeable, and each execution counted once."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.model.event import Event
from advisor.model.options import Options
from advisor.model.workload import Query, Workload
from advisor.workload.digest import Digest
from advisor.workload.read import read_workload

DATA = Path(__file__).parents[1] / "sources" / "data"


def comparable(workload: Workload) -> object:
    repetitions = [
        replace(each, instances=tuple(replace(instance, session="") for instance in each.instances))
        for each in workload.repetitions
    ]
    return workload.queries, repetitions, [(plan.query_id, plan.plan) for plan in workload.plans]


@pytest.mark.parametrize("run", ["min0-18", "explain_json-18"])
def test_stderr_csv_and_json_of_one_run_give_one_workload(run: str) -> None:
    found = [read_workload([str(DATA / f"{run}.{suffix}")], Options()) for suffix in ("log", "csv", "json")]
    assert found[1].queries
    assert found[1].repetitions
    assert comparable(found[1]) == comparable(found[2])
    if run == "min0-18":
        assert comparable(found[0]) == comparable(found[1])
    else:
        # `%t` has whole seconds: the times differ, and nothing else does.
        timeless = [[timeless_query(query) for query in workload.queries] for workload in found[:2]]
        assert sorted(timeless[0], key=str) == sorted(timeless[1], key=str)


def timeless_query(query: Query) -> Query:
    return replace(query, first_us=None, last_us=None, samples=())


def test_a_plan_beside_its_statement_is_the_same_execution() -> None:
    plain, explained = (read_workload([str(DATA / name)], Options()) for name in ("min0-18.log", "explain_text-18.log"))
    assert plain.coverage.statements == explained.coverage.statements == 19

    def calls(workload: Workload) -> dict[str, int]:
        return {query.sql: query.calls for query in workload.queries}

    assert calls(plain) == calls(explained)
    assert len(explained.plans) == 12
    assert explained.repetitions[0].instances[0].parent_rows == 3


PLAN = "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.001..0.002 rows=5 loops=1)"


def plan_event(at_us: int, duration_us: int = 2000) -> Event:
    sql = "SELECT a FROM t"
    return Event(kind="plan", at_us=at_us, session="1", sql=sql, duration_us=duration_us, plan=PLAN, plan_format="text")


def test_a_plan_without_a_statement_line_is_a_call() -> None:
    digest = Digest()
    digest.add_all(plan_event(1_000_000 * number) for number in range(1, 11))
    (query,) = digest.freeze().queries
    assert (query.calls, query.timed_calls, query.total_us, query.rows) == (10, 10, 20_000, 50)


def test_of_many_plans_the_first_and_the_slowest_stay() -> None:
    digest = Digest()
    digest.add_all(plan_event(1_000_000 * number, duration) for number, duration in enumerate([5, 1, 9, 3, 8, 2], 1))
    assert [plan.duration_us for plan in digest.freeze().plans] == [5, 9, 8]


STATEMENTS = st.lists(
    st.builds(
        Event,
        kind=st.just("statement"),
        at_us=st.integers(1_700_000_000_000_000, 1_700_000_100_000_000),
        session=st.sampled_from(["1", "2"]),
        database=st.sampled_from(["shop", None]),
        user=st.sampled_from(["app", "report", None]),
        sql=st.sampled_from(
            ["SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 22", "BEGIN", "COMMIT", "SELEC"]
        ),
        parameters=st.none() | st.tuples(st.sampled_from("xyz")),
        duration_us=st.none() | st.integers(0, 10**7),
    ),
    max_size=300,
)


def summed(digest: Digest) -> object:
    workload = digest.freeze()
    coverage = workload.coverage
    queries = [replace(query, samples=()) for query in workload.queries]
    return queries, coverage.statements, coverage.statements_unparsed, workload.from_us, workload.to_us


@settings(max_examples=60, deadline=None)
@given(left=STATEMENTS, right=STATEMENTS)
def test_merging_digests_equals_digesting_both(left: list[Event], right: list[Event]) -> None:
    both, first, second = Digest(), Digest(), Digest()
    both.add_all([*left, *right])
    first.add_all(left)
    second.add_all(right)
    first.merge(second)
    assert summed(first) == summed(both)


@settings(max_examples=40, deadline=None)
@given(events=STATEMENTS)
def test_samples_are_few_distinct_and_hold_the_slowest(events: list[Event]) -> None:
    digest = Digest()
    digest.add_all(events)
    for query in digest.freeze().queries:
        assert 1 <= len(query.samples) <= 8
        assert len({(sample.sql, sample.parameters) for sample in query.samples}) == len(query.samples)
        if query.max_us is not None:
            assert query.samples[0].duration_us == query.max_us


def test_percentiles_are_within_one_percent() -> None:
    digest = Digest()
    digest.add_all(
        Event(kind="statement", at_us=number, session="1", sql="SELECT a FROM t", duration_us=number)
        for number in range(1, 10_001)
    )
    (query,) = digest.freeze().queries
    for share in (0.5, 0.95, 0.99):
        assert query.latency.quantile_us(share) == pytest.approx(10_000 * share, rel=0.0101)
    assert (query.calls, query.max_us, query.total_us) == (10_000, 10_000, 50_005_000)
