"""Digests: each execution counted once, and sums that add up however a log is cut."""

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.model.options import Options
from advisor.model.workload import Query, Workload
from advisor.sources.layout import Layout
from advisor.sources.reader import read_piece
from advisor.workload.digest import Digest
from advisor.workload.read import read_workload
from advisor.workload.run import Run

DATA = Path(__file__).parents[1] / "sources" / "data"
LAYOUT = Layout(format="stderr", prefix="%m [%p] %q%u@%d/%a ")
PLAN = "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.001..0.002 rows=5 loops=1)"


def digest_of(log: str) -> Digest:
    digest = Digest()
    run = Run(digest, LAYOUT)
    run.ends(read_piece(io.BytesIO(log.encode()), run.reader, digest.tally, run.begins_at))
    digest.add_run(run)
    return digest


def head(at_ms: int, session: int = 1, user: str = "app", database: str = "shop") -> str:
    hour, rest = divmod(at_ms, 3_600_000)
    minute, rest = divmod(rest, 60_000)
    return f"2026-11-20 {hour:02}:{minute:02}:{rest / 1000:06.3f} UTC [{session}] {user}@{database}/web "


def ms(duration_us: int) -> str:
    return f"{duration_us // 1000}.{duration_us % 1000:03}"


def plan_of(at_ms: int, duration_us: int = 2000) -> str:
    return (
        f"{head(at_ms)}LOG:  duration: {ms(duration_us)} ms  plan:\n\tQuery Text: SELECT a FROM t\n"
        f"\t{PLAN.replace('rows=1', f'rows={duration_us}')}\n"
    )


def test_a_plan_beside_its_statement_is_the_same_execution() -> None:
    plain, explained = (
        read_workload([str(DATA / name)], Options(prefix=prefix))
        for name, prefix in (("min0-18.log", LAYOUT.prefix), ("explain_text-18.log", "%m [%p] "))
    )
    assert plain.coverage.statements == explained.coverage.statements == 19

    def calls(workload: Workload) -> dict[str, int]:
        return {query.sql: query.calls for query in workload.queries}

    assert calls(plain) == calls(explained)
    assert len(explained.plans) == 12
    assert explained.repetitions[0].instances[0].parent_rows == 3


def test_a_plan_without_a_statement_line_is_a_call() -> None:
    (query,) = digest_of("".join(plan_of(1000 * number) for number in range(1, 11))).freeze().queries
    assert (query.calls, query.timed_calls, query.total_us, query.rows) == (10, 10, 20_000, 50)


def test_of_many_plans_the_first_and_the_slowest_stay() -> None:
    log = "".join(plan_of(1000 * number, duration) for number, duration in enumerate([5, 1, 9, 3, 8, 2], 1))
    assert [plan.duration_us for plan in digest_of(log).freeze().plans] == [5, 9, 8]


STATEMENTS = (
    "SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 22", "SELECT a FROM t WHERE b = 'x'", "BEGIN", "COMMIT",
    "SELEC", "SELECT c FROM t /*route='/x'*/", "SELECT c FROM t /*route='/y'*/", "UPDATE t SET a = 5 WHERE b = 6",
)  # fmt: skip
RECORDS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([0, 0, 1, 5, 40, 700, 2500, 70_000, 3_700_000]),
        st.sampled_from(STATEMENTS),
        st.sampled_from(["app", "report"]),
        st.none() | st.sampled_from("xyz"),
        st.sampled_from(["statement", "execute", "steps", "apart", "untimed", "error", "plan", "end", "begin"]),
        st.integers(0, 10**6),
    ),
    max_size=60,
)


def written(records: list[tuple[int, int, str, str, str | None, str, int]]) -> list[str]:
    """The lines of each record, or of those that are written at once."""
    at_ms, lines = 0, []
    for session, pause_ms, sql, user, value, kind, duration_us in records:
        at_ms += pause_ms
        start = head(at_ms % 80_000_000, session, user)
        log, duration = f"{start}LOG:  ", f"duration: {ms(duration_us)} ms"
        detail = f"{start}DETAIL:  Parameters: $1 = '{value}'\n" if value is not None else ""
        if kind == "steps":
            lines += [
                f"{log}duration: 0.{step}00 ms  {name} S_1: {sql}\n" for step, name in ((1, "parse"), (2, "bind"))
            ]
        if kind in ("statement", "steps", "execute"):
            step = "statement" if kind == "statement" else "execute S_1"
            lines.append(f"{log}{duration}  {step}: {sql}\n{detail}")
        elif kind == "apart":
            lines += [f"{log}statement: {sql}\n", f"{log}{duration}\n"]
        elif kind == "untimed":
            lines.append(f"{log}execute <unnamed>: {sql}\n{detail}")
        elif kind == "error":
            lines.append(f"{start}ERROR:  division by zero\n{start}STATEMENT:  {sql}\n")
        elif kind == "plan":
            lines.append(plan_of(at_ms % 80_000_000, duration_us % 1000).replace("[1]", f"[{session}]"))
        elif kind == "end":
            lines.append(f"{log}disconnection: session time: 0:00:05.031 user={user} database=shop host=[local]\n")
        else:
            lines.append(f"{log}connection authorized: user={user} database=shop application_name=web\n")
    return lines


def whole(workload: Workload) -> Workload:
    return replace(workload, inputs=())


def pieces_of(log: bytes, cuts: list[float]) -> list[bytes]:
    edges = [0, *sorted(round(cut * len(log)) for cut in cuts), len(log)]
    return [log[start:end] for start, end in pairwise(edges)]


@settings(max_examples=150, deadline=None)
@given(records=RECORDS, cuts=st.lists(st.floats(0, 1), max_size=5), seed=st.integers(0, 99))
def test_a_log_is_the_sum_of_its_pieces(records: list[Any], cuts: list[float], seed: int) -> None:
    """Pieces of a log cut at any byte: in one digest, and each in its own, added up in any order that times tell."""
    log = "".join(written(records))
    together = Digest()
    parts = []
    for piece in pieces_of(log.encode(), cuts):
        run = Run(together, LAYOUT)
        run.ends(read_piece(iter((piece,)), run.reader, together.tally, run.begins_at))
        together.add_run(run)
        alone = Digest()
        run = Run(alone, LAYOUT)
        run.ends(read_piece(iter((piece,)), run.reader, alone.tally, run.begins_at))
        alone.add_run(run)
        parts.append(alone.state())
    times = [part["runs"][0][2][0] for part in parts]
    if None not in times and len(set(times)) == len(times):
        Random(seed).shuffle(parts)
    added = Digest()
    for part in parts:
        added.restore(part)
    expected = digest_of(log).freeze()
    assert whole(together.freeze()) == whole(expected)
    assert whole(added.freeze()) == whole(expected)


@settings(max_examples=60, deadline=None)
@given(records=RECORDS)
def test_samples_are_few_distinct_and_hold_the_slowest(records: list[Any]) -> None:
    for query in digest_of("".join(written(records))).freeze().queries:
        assert 1 <= len(query.samples) <= 8
        assert len({(sample.sql, sample.parameters) for sample in query.samples}) == len(query.samples)
        if query.max_us is not None:
            assert query.samples[0].duration_us == query.max_us


@settings(max_examples=60, deadline=None)
@given(records=RECORDS)
def test_every_byte_and_every_execution_is_counted(records: list[Any]) -> None:
    log = "".join(written(records))
    workload = digest_of(log).freeze()
    coverage = workload.coverage
    assert coverage.bytes_total == coverage.bytes_classified == len(log)
    ran = [each for each in records if each[5] in ("statement", "steps", "execute", "untimed", "apart")]
    plans = sum(each[5] == "plan" for each in records)
    # A failed statement may be the one whose duration was waited for; a plan may be a call of its own.
    failed = sum(each[5] == "error" for each in records)
    assert len(ran) - failed <= coverage.statements <= len(ran) + plans
    assert sum(query.calls for query in workload.queries) + coverage.statements_unparsed == coverage.statements
    for query in workload.queries:
        assert sum(query.latency.counts.values()) == query.timed_calls <= query.calls
        assert sum(hour.calls for hour in query.hours) == query.calls
        assert sum(hour.total_us for hour in query.hours) == query.total_us


def test_percentiles_are_within_one_percent() -> None:
    log = "".join(
        f"{head(number)}LOG:  duration: {ms(number)} ms  statement: SELECT a FROM t\n" for number in range(1, 10_001)
    )
    (query,) = digest_of(log).freeze().queries
    for share in (0.5, 0.95, 0.99):
        assert query.latency.quantile_us(share) == pytest.approx(10_000 * share, rel=0.0101)
    assert (query.calls, query.max_us, query.total_us) == (10_000, 10_000, 50_005_000)


def test_hours_and_tags() -> None:
    log = "".join(
        f"{head(number * 600_000)}LOG:  duration: 1.000 ms  statement: SELECT {number} /*route='/{number % 2}'*/\n"
        for number in range(12)
    )
    query: Query
    (query,) = digest_of(log).freeze().queries
    assert [(hour.calls, hour.timed_calls, hour.total_us) for hour in query.hours] == [(6, 6, 6000)] * 2
    assert query.tag_calls == {"route": {"/0": 6, "/1": 6}}
    assert query.tags == {"route": "/1"}
