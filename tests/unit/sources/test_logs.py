"""The three log formats of one run, and what damages them."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.model.event import Event
from advisor.sources import csvlog, jsonlog, stderr
from advisor.sources.messages import bind_values
from advisor.sources.prefix import infer_prefix
from advisor.sources.tally import OVERSIZED_BYTES, Tally

DATA = Path(__file__).parent / "data"


def events_of(data: bytes, kind: str, tally: Tally, block: int = 1 << 20, prefix: str | None = None) -> list[Event]:
    blocks: Iterator[bytes] = (data[start : start + block] for start in range(0, len(data), block))
    if kind == "csv":
        return list(csvlog.read(blocks, tally))
    if kind == "json":
        return list(jsonlog.read(blocks, tally))
    return list(stderr.read(blocks, tally, prefix=prefix or infer_prefix(data.decode("utf-8", "replace"))))


def comparable(event: Event, *, with_application: bool) -> tuple[object, ...]:
    heads = (event.database, event.user, event.application) if with_application else ()
    return (event.kind, event.at_us, *heads, event.sql, bind_values(event.parameters), event.duration_us)


@pytest.mark.parametrize("run", ["min0-18", "all-18"])
def test_one_run_in_three_formats_gives_the_same_events(run: str) -> None:
    found = {}
    for suffix in ("log", "csv", "json"):
        tally = Tally()
        events = events_of((DATA / f"{run}.{suffix}").read_bytes(), suffix, tally)
        assert tally.bytes_unknown == 0
        assert tally.bytes_total == (DATA / f"{run}.{suffix}").stat().st_size
        wanted = [event for event in events if event.kind in ("statement", "error")]
        found[suffix] = [comparable(event, with_application=run == "min0-18") for event in wanted]
    assert found["log"] == found["csv"] == found["json"]


@pytest.mark.parametrize(
    "run", ["min0-15.log", "min0-18.log", "all-18.log", "explain_text-18.log", "explain_json-18.csv"]
)
def test_the_awkward_statements_are_read(run: str) -> None:
    kind = run.rpartition(".")[2]
    events = [event for event in events_of((DATA / run).read_bytes(), kind, Tally()) if event.kind == "statement"]
    by_sql = {event.sql: event for event in events}
    multi_line = "SELECT id,\n       note\n  FROM orders\n WHERE status = 'it''s, \"ok\"'\n\tLIMIT 5"
    assert by_sql[multi_line].duration_us is not None
    bound = by_sql["SELECT * FROM orders WHERE status = $1 AND note = $2 AND customer_id = $3"]
    assert bind_values(bound.parameters) == ("it's, $2 = 'x'\nsecond 'line'", None, "3")
    children = [event for event in events if event.sql == "SELECT sku FROM items WHERE order_id = $1"]
    assert [bind_values(event.parameters) for event in children] == [("3",), ("10",), ("17",)]
    assert bind_values(by_sql["SELECT 'ü', $1"].parameters) == ("é\u2013",)
    assert len(events) == 19
    assert all(event.duration_us is not None for event in events)


def test_parse_and_bind_time_belongs_to_the_execution() -> None:
    text = (
        "2026-11-20 23:09:59.815 UTC [1] LOG:  duration: 0.053 ms  parse <unnamed>: SELECT $1\n"
        "2026-11-20 23:09:59.815 UTC [1] LOG:  duration: 0.042 ms  bind <unnamed>: SELECT $1\n"
        "2026-11-20 23:09:59.815 UTC [1] DETAIL:  parameters: $1 = '7'\n"
        "2026-11-20 23:09:59.815 UTC [1] LOG:  duration: 0.002 ms  execute <unnamed>: SELECT $1\n"
        "2026-11-20 23:09:59.815 UTC [1] DETAIL:  parameters: $1 = '7'\n"
        "2026-11-20 23:09:59.815 UTC [1] LOG:  duration: 0.005 ms  execute fetch from S_1/C_2: SELECT $1\n"
    )
    events = events_of(text.encode(), "log", Tally(), prefix="%m [%p] ")
    assert [event.duration_us for event in events] == [97, 5]
    assert [bind_values(event.parameters) for event in events] == [("7",), None]
    assert [event.line for event in events] == [4, 6]


def test_errors_have_their_statement_and_state() -> None:
    events = [event for event in events_of((DATA / "all-18.log").read_bytes(), "log", Tally()) if event.kind == "error"]
    assert [(event.sqlstate, event.sql) for event in events] == [
        ("42703", "SELECT nope FROM orders"),
        ("42601", "SELEC 1"),
        ("22012", "SELECT 1/0"),
    ]


def test_plans_come_with_their_query() -> None:
    for run, plan_format in (("explain_text-18.log", "text"), ("explain_json-18.json", "json")):
        kind = run.rpartition(".")[2]
        plans = [event for event in events_of((DATA / run).read_bytes(), kind, Tally()) if event.kind == "plan"]
        assert len(plans) == 12
        assert {event.plan_format for event in plans} == {plan_format}
        assert any(event.sql == "SELECT sku FROM items WHERE order_id = $1" for event in plans)
        assert all(event.plan and event.duration_us is not None for event in plans)


@pytest.mark.parametrize("run", ["min0-18.log", "explain_text-18.log", "all-18.csv", "min0-18.json"])
@pytest.mark.parametrize("block", [700, 4096])
def test_the_size_of_the_blocks_does_not_matter(run: str, block: int) -> None:
    data, kind = (DATA / run).read_bytes(), run.rpartition(".")[2]
    tally = Tally()
    assert events_of(data, kind, tally, block) == events_of(data, kind, Tally())
    assert (tally.bytes_total, tally.bytes_unknown) == (len(data), 0)


def test_foreign_lines_are_counted_with_a_sample() -> None:
    data = (DATA / "min0-18.log").read_bytes()
    lines = data.split(b"\n")
    lines[4:4] = [b"wrapper: restarted 3 times", b"wrapper: restarted 4 times"]
    tally = Tally()
    events_of(b"\n".join(lines), "log", tally)
    assert [(entry.sample, entry.count) for entry in tally.unknown] == [("wrapper: restarted 3 times", 2)]
    assert tally.bytes_unknown == len(b"wrapper: restarted 3 times\n") * 2


def test_an_oversized_statement_is_cut_and_the_rest_is_read() -> None:
    head = "2026-11-20 23:09:59.815 UTC [1] LOG:  duration: 1.000 ms  statement: "
    values = ",\n\t".join(["(12345678)"] * 600_000)
    text = f"{head}SELECT 1\n{head}INSERT INTO t VALUES {values}\n{head}SELECT 2\n"
    tally = Tally()
    events = events_of(text.encode(), "log", tally, prefix="%m [%p] ")
    assert [event.sql for event in events][::2] == ["SELECT 1", "SELECT 2"]
    assert len(events[1].sql or "") <= OVERSIZED_BYTES
    assert tally.oversized >= 1
    assert (tally.bytes_total, tally.bytes_unknown) == (len(text), 0)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["log", "csv", "json"]),
    seed=st.integers(0, 2**32),
    cut=st.floats(0, 1),
    block=st.integers(50, 9000),
)
def test_damage_raises_nothing_and_every_byte_is_accounted_for(kind: str, seed: int, cut: float, block: int) -> None:
    rng = random.Random(seed)
    data = bytearray((DATA / f"min0-18.{kind}").read_bytes())
    for _ in range(rng.randrange(20)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    damaged = bytes(data[: round(cut * len(data))])
    tally = Tally()
    events_of(damaged, kind, tally, block, prefix="%m [%p] %q%u@%d/%a ")
    assert tally.bytes_total == len(damaged) == tally.bytes_classified + tally.bytes_unknown


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=3000), kind=st.sampled_from(["log", "csv", "json"]))
def test_noise_is_accounted_for(data: bytes, kind: str) -> None:
    tally = Tally()
    assert [event for event in events_of(data, kind, tally, prefix="%m [%p] ") if event.kind == "statement"] == []
    assert tally.bytes_total == len(data) == tally.bytes_classified + tally.bytes_unknown


def test_a_text_that_looks_like_a_record_is_part_of_its_statement() -> None:
    head = "2026-11-20 23:09:59.815 UTC [1] LOG:  duration: 1.000 ms  "
    inner = f"SELECT 'LOG:  duration: 2.000 ms  statement: {head}', 'DETAIL:  Parameters: $1'"
    text = f"{head}statement: {inner}\n{head}statement: SELECT 1\n"
    tally = Tally()
    events = events_of(text.encode(), "log", tally, prefix="%m [%p] ")
    assert [(event.sql, event.duration_us, event.line) for event in events] == [(inner, 1000, 1), ("SELECT 1", 1000, 2)]
    assert tally.bytes_unknown == 0
