"""Mutated logs in small number (`tests/bench/fuzz.py` has the million), and texts that are made to stop a reader."""

import signal
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from types import FrameType

import pytest

from advisor.errors import AdvisorError, UnknownPrefix
from advisor.plans.parse import parse_plans
from advisor.sources.detect import detect
from advisor.sources.envelopes import find_envelope, unwrap
from advisor.sources.incidents import read_incident
from advisor.sources.languages import language
from advisor.sources.languages.marks import MARKS
from advisor.sources.layout import Layout, LogFormat
from advisor.sources.messages import parse_parameters, root_blocks, root_rows, second_us, split_plan, timestamp_us
from advisor.sources.prefix import infer_prefix
from advisor.sources.reader import read_piece
from advisor.sources.sightings import KINDS, sightings
from advisor.sources.tally import Tally
from advisor.sql.comments import split_comments
from advisor.workload.digest import Digest
from advisor.workload.run import Run
from advisor.workload.skeleton import literals, skeleton, zeroed
from tests.unit.sources.fuzzing import COMPRESSIONS, Seed, accounted, chunk_of, read_as_file, read_known, seeds

SIZES = [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)]

GUARD_S = 180
"""A hang, on the busiest machine: each of what is guarded takes less than a second on an idle one."""

PREFIX = "%m [%p] %q%u@%d/%a "
HEAD = "2026-11-20 23:23:12.151 UTC [13184] app@shop/web "


@pytest.fixture(scope="module")
def logs() -> list[Seed]:
    return seeds(size=100_000)


@contextmanager
def guarded() -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"more than {GUARD_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(GUARD_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def read(data: bytes, layout: Layout | None = None) -> Digest:
    digest = Digest()
    run = Run(digest, layout or Layout(format="stderr", prefix=PREFIX))
    blocks = (data[at : at + (1 << 20)] for at in range(0, len(data), 1 << 20))
    run.ends(read_piece(blocks, run.reader, digest.tally, run.begins_at))
    digest.add_run(run)
    return digest


@pytest.mark.parametrize("number", range(40))
def test_mutated_records_neither_stop_a_reader_nor_lose_a_byte(logs: list[Seed], number: int) -> None:
    rng = Random(number)
    seed = logs[number % len(logs)]
    data, mutations = chunk_of(rng, seed, 60)
    assert mutations > 20
    outcome = read_known(rng, seed, data, GUARD_S)
    assert outcome.problems == ()
    assert not outcome.refused


@pytest.mark.parametrize("compression", [None, *COMPRESSIONS])
def test_mutated_files_are_read_or_refused(logs: list[Seed], tmp_path: Path, compression: str | None) -> None:
    refused = 0
    for number in range(8):
        rng = Random(number)
        data, _ = chunk_of(rng, logs[(5 * number + 3) % len(logs)], 40, share=0.1)
        outcome = read_as_file(data, tmp_path / "log", GUARD_S, compression=compression, rng=rng)
        assert outcome.problems == ()
        refused += outcome.refused
    assert refused < 8


@pytest.mark.parametrize("name", ["min0-18.log", "min0-18.csv", "min0-18.json"])
def test_the_last_record_counts_without_its_line_end(logs: list[Seed], name: str) -> None:
    seed = next(each for each in logs if each.name == name)
    timed = [record for record in seed.records if b"duration: " in record]
    data = b"".join(timed[:5])
    assert seed.found.layout is not None
    whole, torn = read(data, seed.found.layout).freeze(), read(data.rstrip(b"\n"), seed.found.layout).freeze()
    assert whole.coverage.statements == torn.coverage.statements >= 3


def test_a_line_of_very_many_parts() -> None:
    part = b"2026-11-21T14:31:00.123456789Z stderr P x\n"
    line = f"2026-11-21T14:31:00.123456789Z stderr F {HEAD}LOG:  duration: 1.000 ms  statement: SELECT 1\n".encode()
    data = line * 20 + part * 100_000
    found = find_envelope(line * 20)
    assert found is not None
    with guarded():
        tally = Tally()
        assert len(b"".join(unwrap(found, [data], tally))) + tally.bytes_total == len(data)


RECORDS: dict[LogFormat, bytes] = {
    "stderr": f"{HEAD}LOG:  duration: 1.000 ms  statement: SELECT 1\n".encode(),
    "csv": b'2026-11-20 23:23:12.151 UTC,"a","b",1,"c",x.y,1,"d",2026-11-20 23:10:00 UTC,,0,LOG,00000,"x",,,,,,,,,""\n',
    "json": b'{"timestamp":"2026-11-20 23:23:12.151 UTC","message":"x"}\n',
}


@pytest.mark.parametrize("log_format", RECORDS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("text", [b"Gr\xfc\xdfe", "Grüße".encode(), b"\xff" * 9, b"\xe2\x82"])
def test_bytes_that_are_not_understood_are_counted_as_they_are(log_format: LogFormat, text: bytes, end: bytes) -> None:
    layout = Layout(format=log_format, prefix=PREFIX if log_format == "stderr" else None)
    foreign = b"no record: " + text + end
    for data in (foreign + RECORDS[log_format] + foreign, foreign, foreign.removesuffix(end)):
        coverage = read(data, layout).freeze().coverage
        assert accounted(coverage, len(data)) == []
        unknown = coverage.bytes_total - coverage.bytes_classified
        wanted = len(data) - (len(RECORDS[log_format]) if RECORDS[log_format] in data else 0)
        # Of a line end with a return the return may count as understood.
        assert wanted - unknown in (0, end.count(b"\r"))


@pytest.mark.parametrize(
    "text",
    [
        "9" * 5000 + ".123",
        "99999999999999999999.999",
        "999999999999.999",
        "-1.000",
        "1.2.3",
        "\u0661.\u0661\u0662\u0663",
        "²³.¹¹¹",
        "",
        ".",
    ],
)
def test_what_is_no_duration_is_no_statement(text: str) -> None:
    log = f"{HEAD}LOG:  duration: {text} ms  statement: SELECT 1\n{HEAD}LOG:  duration: 2.000 ms  statement: SELECT 2\n"
    workload = read(log.encode()).freeze()
    assert workload.coverage.statements == 1
    assert [query.total_us for query in workload.queries] == [2000]


@pytest.mark.parametrize("zone", ["+ab", "+", "-", "+99", "-9999", "+1e5", "<+03>", "Europe/Berlin", "²"])
def test_what_is_no_zone_counts_as_utc(zone: str) -> None:
    assert second_us("2026-11-20 23:23:12", zone) == second_us("2026-11-20 23:23:12", "UTC")


def test_zones_are_of_hours_and_minutes() -> None:
    utc = second_us("2026-11-20 12:00:00", "UTC")
    assert utc is not None
    minutes = {"+02": -120, "-0330": 210, "+05:30": -330, "+5": -300, "-12": 720, "+05:30:15": -330, "CET": -60}
    assert {zone: ((second_us("2026-11-20 12:00:00", zone) or 0) - utc) // 60_000_000 for zone in minutes} == minutes


@pytest.mark.parametrize(
    "text",
    [
        *("0000-01-01 00:00:00.000 UTC", "9999-12-31 23:59:60.999 -12", "2026-13-01 00:00:00.000 UTC"),
        *("2026-11-20 24:61:61.000 UTC", "0044-03-15 12:00:00.000 LMT BC", "²²²²-11-20 23:23:12.000 UTC", "", " "),
    ],
)
def test_what_is_no_time_of_a_log_is_none(text: str) -> None:
    assert timestamp_us(text) is None


def test_superscript_digits_are_no_milliseconds() -> None:
    assert timestamp_us("2026-11-20 23:23:12.²³¹ UTC") == timestamp_us("2026-11-20 23:23:12.000 UTC")


@pytest.mark.parametrize("text", ["...", "1.2.3", "9" * 5000, "1" * 16, "."])
def test_rows_that_are_no_number_are_not_known(text: str) -> None:
    assert root_rows(f"Result  (cost=0.00..0.01 rows=1 width=4) (actual time=0.1..0.2 rows={text} loops=1)") is None
    assert root_blocks(f"Buffers: shared hit={'9' * 5000} read=7, temp read=3 written={'9' * 16}") == (0, 7, 3, 0)


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        (f'temporary file: path "base/1", size {"9" * 5000}', None),
        (f"process {'9' * 5000} still waiting for ShareLock on transaction 1 after 1.000 ms", None),
        (f"process 1 still waiting for ShareLock on transaction 1 after {'9' * 5000}.000 ms", None),
        (f"checkpoint complete: wrote {'9' * 5000} buffers (0.0%); 0 WAL file(s) added, 0 removed, 0 recycled; ", None),
        (f"disconnection: session time: {'9' * 5000}:00:00.000 user=a database=b host=c", None),
        (f"checkpoints are occurring too frequently ({'9' * 5000} seconds apart)", None),
    ],
)
def test_numbers_that_no_server_writes_are_no_incident(message: str, detail: str | None) -> None:
    assert read_incident("LOG", message, detail) is None


def test_sums_of_the_longest_durations_can_be_kept() -> None:
    line = f"{HEAD}LOG:  duration: 99999999999.999 ms  statement: SELECT 1\n"
    digest = read(line.encode() * 1000)
    again = Digest()
    again.restore(digest.state())
    assert [query.total_us for query in again.freeze().queries] == [99_999_999_999_999 * 1000]


@pytest.mark.parametrize(
    "value", ["null", "[]", "{}", '"x"', '"1.5"', "1e999", "9" * 5000, "true", '[{"Node Type": 5}]', "[[]]"]
)
@pytest.mark.parametrize(
    "name", ["Plan", "Plans", "Node Type", "Plan Rows", "Plan Width", "Actual Loops", "Shared Hit Blocks"]
)
def test_values_of_plans_that_no_server_writes(name: str, value: str) -> None:
    node = f'"Node Type": "Seq Scan", "Relation Name": "t", "Total Cost": 1.5, "{name}": {value}'
    document = f'[{{"{name}": {value}}}]' if name == "Plan" else f'[{{"Plan": {{{node}}}}}]'
    with suppress(AdvisorError):
        assert len(parse_plans(document)) <= 1


# Texts that are made to stop a reader: each costs no more than it is long.

STATEMENTS: dict[str, Callable[[int], str]] = {
    "dollar quotes without end": lambda n: "".join(f"$a{number}$ " for number in range(n // 7)),
    "one dollar quote without end": lambda n: "$" + "a" * n + " --",
    "strings": lambda n: "--\n'" + "''" * (n // 2),
    "escapes": lambda n: "--\n" + "E'\\' " * (n // 5),
    "names": lambda n: '--\n"' + '""' * (n // 2),
    "comments": lambda n: "/* " * (n // 3),
    "signs": lambda n: "/*/" * (n // 3),
    "signs here and there": lambda n: ("/*/" * 600 + " ") * (n // 1801),
    "digits": lambda n: "--\n" + "1" * n,
    "blanks in a comment": lambda n: "SELECT 1 /*a='b'" + " " * n + "x*/",
    "blanks in a tag": lambda n: "SELECT 1 /*a:b" + " " * n + ",,*/",
    "tags": lambda n: "SELECT 1 /*" + "a:b," * (n // 4) + ",*/",
    "pairs": lambda n: "SELECT 1 /*" + "a='b'," * (n // 6) + "!*/",
    "trace ids": lambda n: "SELECT 1 /*" + "traceparent='00-" * (n // 16) + "*/",
    "parentheses": lambda n: "SELECT " + "(" * (n // 2) + "1" + ")" * (n // 2),
    "imitations": lambda n: "LOG:  duration: " * (n // 16),
    "heads": lambda n: f"{HEAD}LOG:  duration: " * (n // 66),
}

MESSAGES: dict[str, Callable[[int], str]] = {
    "disconnections": lambda n: (
        "disconnection: session time: 0:00:00.000 user=" + " database= host=" * (n // 16) + " x y"
    ),
    "connections": lambda n: "connection authorized: user=" + " database= application_name= SSL" * (n // 32) + "\n",
    "locks": lambda n: "process 1 still waiting for x on " + " after 1.000 m" * (n // 14),
    "vacuumed": lambda n: 'automatic vacuum of table "a.b": index scans: 0\n' + "\n" * n,
    "elapsed": lambda n: 'automatic vacuum of table "a.b": index scans: 0\n' + "system usage: CPU " * (n // 18),
    "positions": lambda n: "x" + " at character 1" * (n // 15),
    "numbers": lambda n: "1 " * (n // 2),
    "quotes": lambda n: '"a' * (n // 2),
}

PLANS: dict[str, Callable[[int], str]] = {
    "lines": lambda n: "Query Text: SELECT 1\n" + "\n" * n + "x",
    "only lines": lambda n: "\n" * n + "x",
    "queries": lambda n: '{"Query Text": "' * (n // 16),
    "escapes": lambda n: '{"Query Text": "' + '\\"' * (n // 2),
    "buffers": lambda n: "Buffers: " + "shared hit=" * (n // 11),
    "bars": lambda n: "|" * n + "x",
}

HEADS: dict[str, Callable[[int], str]] = {
    **PLANS,
    "processes": lambda n: '{"timestamp":"2026-11-20 23:23:12.151 UTC","x":' + '"pid":1,' * (n // 8),
    "a row": lambda n: '2026-11-20 23:23:12.151 UTC,"' + '""' * (n // 2),
    "objects": lambda n: '{"a":' * (n // 5),
    "severities": lambda n: "LOG:  " * (n // 6),
    "times": lambda n: "2026-11-20 23:23:12.151 UTC " * (n // 28) + "LOG:  x",
    "groups of an address": lambda n: "a:" * (n // 2) + " LOG:  x",
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", STATEMENTS)
def test_hostile_statements(name: str, size: int) -> None:
    sql = STATEMENTS[name](size)
    with guarded():
        skeleton(sql)
        literals(sql)
        zeroed(b"statement: " + sql.encode())
        split_comments(sql)
        digest = read((f"{HEAD}LOG:  duration: 1.000 ms  statement: " + sql.replace("\n", "\n\t") + "\n").encode())
        assert accounted(digest.freeze().coverage, digest.tally.bytes_total) == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", MESSAGES)
def test_hostile_messages(name: str, size: int) -> None:
    message = MESSAGES[name](size)
    with guarded():
        for severity in ("LOG", "ERROR", "FATAL", "WARNING"):
            read_incident(severity, message, message, None, message)
        parse_parameters("$1 = '" * (size // 6))
        parse_parameters("$1 = '" + "''" * (size // 2))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PLANS)
def test_hostile_plans(name: str, size: int) -> None:
    text = PLANS[name](size)
    with guarded():
        split_plan(text)
        root_rows(text)
        root_blocks(text)
        try:
            parse_plans(text)
        except AdvisorError:
            return


@pytest.mark.parametrize("name", HEADS)
def test_hostile_first_lines(name: str) -> None:
    head = HEADS[name](1 << 18).encode()
    with guarded():
        find_envelope(head)
        for kind in KINDS:
            assert all(each.at_us > 0 for each in sightings(kind, head))
        try:
            detect(head, "x")
        except AdvisorError:
            return


def test_a_prefix_of_very_many_words_is_refused() -> None:
    """Lines in a wrapper that is not known: every word could be a user, a database, an application or a literal."""
    lines = [
        f'{{"time": "2026-11-20T23:09:{number % 60:02}Z", "category": "PostgreSQLLogs", "properties": {{"timestamp":'
        f' "2026-11-20 23:09:59.816 UTC", "processId": {8000 + number % 9}, "errorLevel": "LOG", "sqlerrcode": "00000",'
        f' "message": "2026-11-20 23:09:59.816 UTC [{8000 + number % 9}] app@postgres/shop web LOG:  duration: 0.037 ms'
        for number in range(300)
    ]
    with guarded(), pytest.raises(UnknownPrefix):
        infer_prefix("\n".join(lines), "x")


@pytest.mark.parametrize("name", MARKS)
def test_hostile_messages_in_other_languages(name: str) -> None:
    spoken = language(name)
    texts = sorted(set(spoken.formats.values()), key=lambda text: -text.count("{"))[:60]
    with guarded():
        for text in texts:
            first, *others = text.replace("{", "}").split("}")[::2]
            hostile = first + "1" + "".join(others) * (30_000 // max(1, len("".join(others)))) + "\n\1"
            assert spoken.english(hostile)


def test_a_long_string_costs_little_memory() -> None:
    sql = "SELECT 1 -- x\n, '" + "x" * 1_000_000 + "'"
    tracemalloc.start()
    try:
        assert skeleton(sql) is not None
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
