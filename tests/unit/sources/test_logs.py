"""The three log formats of one run, and what damages them."""

import csv
import io
import json
import random
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.sources.layout import LogFormat
from advisor.sources.messages import parse_parameters, timestamp_us
from tests.unit.sources.recorder import DATA, FORMATS, PREFIXES, Executed, data_of, of_file, prefix_of, recorded

RUNS = ("all-18", "explain_json-18", "min0-18")


def comparable(each: Executed, *, with_head: bool = True) -> tuple[object, ...]:
    return (each.sql, each.values, each.duration_us, each.at_us, each.rows, *(each.head if with_head else ()))


@pytest.mark.parametrize("run", ["min0-18", "all-18"])
def test_one_run_in_three_formats_gives_the_same_executions(run: str) -> None:
    found = {}
    for suffix, log_format in FORMATS.items():
        data = (DATA / f"{run}.{suffix}").read_bytes()
        recorder = recorded(data, log_format, prefix=prefix_of(run))
        assert recorder.tally.bytes_unknown == 0
        assert recorder.tally.bytes_total == len(data)
        executions = [comparable(each, with_head=run == "min0-18") for each in recorder.executions]
        found[suffix] = executions, recorder.failures
    assert found["csv"][0]
    assert found["log"][0] == found["csv"][0] == found["json"][0]
    assert [text for _, text in found["log"][1]] == [text for _, text in found["csv"][1]]
    assert found["csv"][1] == found["json"][1]


def slow_reading(rows: Sequence[dict[str, Any]]) -> list[tuple[object, ...]]:
    """What a log says that has every step of every statement with its duration: nothing to guess."""
    found: list[tuple[object, ...]] = []
    steps: dict[str, int] = {}
    for row in rows:
        said = re.fullmatch(
            r"duration: (\d+)\.(\d{3}) ms  (statement|parse|bind|execute)[^:]*: (.*)", row["message"], re.DOTALL
        )
        if row["severity"] != "LOG" or said is None:
            continue
        duration = int(said[1] + said[2])
        if said[3] in ("parse", "bind"):
            steps[row["session"]] = steps.get(row["session"], 0) + duration
            continue
        values = parse_parameters(row["detail"]) if row["detail"] else None
        sql = said[4].strip().rstrip("; \n\t")
        at = timestamp_us(row["at"])
        found.append((sql, values, duration + steps.pop(row["session"], 0), at, *row["head"]))
    return found


def json_rows(data: bytes) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in data.splitlines()]
    return [
        {
            "at": each["timestamp"],
            "session": each["session_id"],
            "severity": each["error_severity"],
            "message": each["message"],
            "detail": each.get("detail"),
            "head": (each.get("dbname"), each.get("user"), each.get("application_name")),
        }
        for each in entries
    ]


def csv_rows(data: bytes) -> list[dict[str, Any]]:
    """By the columns that the manual names ("Using CSV-Format Log Output")."""
    return [
        {
            "at": row[0],
            "session": row[5],
            "severity": row[11],
            "message": row[13],
            "detail": row[14] or None,
            "head": (row[2] or None, row[1] or None, row[22] or None),
        }
        for row in csv.reader(io.StringIO(data.decode(), newline=""))
    ]


@pytest.mark.parametrize("run", ["min0-18", "explain_json-18"])
@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_executions_are_those_of_a_slow_reading(run: str, suffix: str) -> None:
    data, log_format = data_of(f"{run}.{suffix}")
    expected = slow_reading(csv_rows(data) if suffix == "csv" else json_rows(data))
    assert len(expected) == 19
    found = [(*comparable(each)[:4], *each.head) for each in recorded(data, log_format).executions]
    assert found == expected


@pytest.mark.parametrize(
    "name", ["min0-15.log", "min0-18.log", "all-18.log", "explain_text-18.log", "explain_json-18.csv", "all-18.json"]
)
def test_the_awkward_statements_are_read(name: str) -> None:
    executions = of_file(name).executions
    by_sql = {each.sql: each for each in executions}
    multi_line = "SELECT id,\n       note\n  FROM orders\n WHERE status = 'it''s, \"ok\"'\n\tLIMIT 5"
    assert by_sql[multi_line].duration_us is not None
    bound = by_sql["SELECT * FROM orders WHERE status = $1 AND note = $2 AND customer_id = $3"]
    assert bound.values == ("it's, $2 = 'x'\nsecond 'line'", None, "3")
    children = [each for each in executions if each.sql == "SELECT sku FROM items WHERE order_id = $1"]
    assert [each.values for each in children] == [("3",), ("10",), ("17",)]
    assert by_sql["SELECT 'ü', $1"].values == ("é\u2013",)
    assert len(executions) == 19
    assert all(each.duration_us is not None for each in executions)


@pytest.mark.parametrize(("name", "states"), [("all-18.log", True), ("all-18.json", True), ("min0-18.log", False)])
def test_errors_have_their_statement_and_state(name: str, *, states: bool) -> None:
    found = of_file(name)
    expected = [("42703", "SELECT nope FROM orders"), ("42601", "SELEC 1"), ("22012", "SELECT 1/0")]
    if states:
        assert found.failures == expected
    else:
        assert [text for _, text in found.failures] == [text for _, text in expected]
    failed = {each.identity.sql: each.errors for each in found.queries if each.identity is not None and each.errors}
    # What does not parse is no query.
    assert failed == {"SELECT nope FROM orders": 1, "SELECT $1/$2": 1}


@pytest.mark.parametrize("name", ["explain_text-18.log", "explain_json-18.json", "explain_json-18.log"])
def test_plans_come_with_their_query(name: str) -> None:
    found = of_file(name)
    assert len(found.planned) == 12
    assert any(each.sql == "SELECT sku FROM items WHERE order_id = $1" for each in found.planned)
    assert all(each.plan and each.duration_us is not None for each in found.planned)
    parents = [each for each in found.executions if each.sql == "SELECT id FROM orders WHERE customer_id = $1"]
    # The plan came before its line (rows are told by it) or after (they are added to the query).
    assert len(parents) == 1
    assert sum(each.rows or 0 for each in found.queries if "customer_id = $1" in _sql(each)) >= 3


def _sql(totals: Any) -> str:
    return totals.identity.sql if totals.identity is not None else ""


@pytest.mark.parametrize("name", ["min0-18.log", "explain_text-18.log", "all-18.csv", "min0-18.json", "all-18.log"])
@pytest.mark.parametrize("block", [1, 700, 4096])
def test_the_size_of_the_blocks_does_not_matter(name: str, block: int) -> None:
    data, log_format = data_of(name)
    if block == 1:
        data = data[: data.rfind(b"\n", 0, 6000) + 1]
    pieces = recorded(data, log_format, prefix=prefix_of(name), block=block)
    whole = recorded(data, log_format, prefix=prefix_of(name))
    assert pieces.executions
    assert [comparable(each) for each in pieces.executions] == [comparable(each) for each in whole.executions]
    assert pieces.failures == whole.failures
    assert pieces.planned == whole.planned
    assert (pieces.tally.bytes_total, pieces.tally.bytes_unknown) == (len(data), 0)


@pytest.mark.parametrize(
    "name", ["min0-18.log", "min0-15.log", "explain_text-18.log", "explain_json-18.log", "all-18.log"]
)
def test_line_ends_of_windows(name: str) -> None:
    data, log_format = data_of(name)
    crlf = recorded(data.replace(b"\n", b"\r\n"), log_format, prefix=prefix_of(name), block=900)
    plain = of_file(name)
    assert [comparable(each) for each in crlf.executions] == [comparable(each) for each in plain.executions]
    assert crlf.failures == plain.failures
    assert (crlf.tally.bytes_total, crlf.tally.bytes_unknown) == (len(data) + data.count(b"\n"), 0)


@pytest.mark.parametrize("suffix", ["log", "csv", "json"])
def test_bytes_that_are_no_utf_8_are_read_as_latin_1(suffix: str) -> None:
    data, log_format = data_of(f"min0-18.{suffix}")
    latin = data.replace("ü".encode(), b"\xfc")
    assert latin != data
    found = recorded(latin, log_format, prefix=PREFIXES["min0"])
    assert [each.sql for each in found.executions if "ü" in each.sql] == ["SELECT 'ü', $1"]
    assert len(found.executions) == 19
    assert (found.tally.bytes_total, found.tally.bytes_unknown) == (len(latin), 0)


def test_foreign_lines_are_counted_with_a_sample() -> None:
    lines = (DATA / "min0-18.log").read_bytes().split(b"\n")
    lines[4:4] = [b"wrapper: restarted 3 times", b"wrapper: restarted 4 times"]
    found = recorded(b"\n".join(lines), prefix=PREFIXES["min0"])
    assert [(entry.sample, entry.count) for entry in found.tally.unknown] == [("wrapper: restarted 3 times", 2)]
    assert found.tally.bytes_unknown == len(b"wrapper: restarted 3 times\n") * 2


@settings(max_examples=60, deadline=None)
@given(
    log_format=st.sampled_from(["log", "csv", "json"]),
    seed=st.integers(0, 2**32),
    cut=st.floats(0, 1),
    block=st.integers(50, 9000),
)
def test_damage_raises_nothing_and_every_byte_is_accounted_for(
    log_format: str, seed: int, cut: float, block: int
) -> None:
    rng = random.Random(seed)
    data = bytearray((DATA / f"min0-18.{log_format}").read_bytes())
    for _ in range(rng.randrange(20)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    damaged = bytes(data[: round(cut * len(data))])
    tally = recorded(damaged, FORMATS[log_format], block=block, prefix="%m [%p] %q%u@%d/%a ").tally
    assert tally.bytes_total == len(damaged) == tally.bytes_classified + tally.bytes_unknown


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=3000), log_format=st.sampled_from(list(FORMATS.values())), block=st.integers(1, 4000))
def test_noise_is_accounted_for(data: bytes, log_format: LogFormat, block: int) -> None:
    found = recorded(data, log_format, prefix=PREFIXES["explain_text"], block=block)
    assert found.executions == []
    assert found.tally.bytes_total == len(data) == found.tally.bytes_classified + found.tally.bytes_unknown


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from([f"{run}.{suffix}" for run in RUNS for suffix in FORMATS]), cut=st.floats(0, 1))
def test_a_torn_log_gives_what_is_whole(name: str, cut: float) -> None:
    """A log that ends in the middle of a record: what was written before is as in the whole log."""
    data, log_format = data_of(name)
    torn = data[: round(cut * len(data))]
    found = [comparable(each) for each in recorded(torn, log_format, prefix=prefix_of(name)).executions]
    whole = [comparable(each) for each in of_file(name).executions]
    # The last records may be torn, or their durations and plans be missing.
    sure = max(0, len(found) - 3)
    assert found[:sure] == whole[:sure]
    assert len(found) <= len(whole) + 1
