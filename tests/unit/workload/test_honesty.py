"""Why a log shows nothing, and what sampling leaves out; every byte of every input in the account."""

import bz2
import gzip
import lzma
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import InputError, UnknownPrefix
from advisor.model.options import Options
from advisor.model.server_events import ParameterChange, ServerEvents
from advisor.model.sketch import LatencySketch, bucket_of
from advisor.model.workload import Coverage, Query, UnknownLines, Workload
from advisor.sources.layout import Layout
from advisor.sources.reader import read_piece
from advisor.workload.digest import Digest
from advisor.workload.edge import lower_edge_us, setting_ms
from advisor.workload.floor import not_understood, refuse_little
from advisor.workload.read import read_workload
from advisor.workload.run import Run
from advisor.workload.sampling import sampling_of
from tests.unit.sources.recorder import DATA

PREFIX = "%m [%p] %q%u@%d "
OPTIONS = Options(prefix=PREFIX)


def line(body: str, number: int = 0, *, client: bool = True) -> str:
    who = "app@shop " if client else ""
    return f"2026-11-20 23:09:{number // 1000 % 60:02d}.{number % 1000:03d} UTC [{7 if client else 3}] {who}{body}\n"


def lines(body: Callable[[int], str] | str, count: int = 30, *, client: bool = True) -> str:
    return "".join(line(body if isinstance(body, str) else body(n), n, client=client) for n in range(count))


def warnings_of(folder: Path, log: str, options: Options = OPTIONS) -> tuple[str, ...]:
    path = folder / "postgresql.log"
    path.write_text(log, encoding="utf-8")
    return read_workload([str(path)], options).warnings


CHECKPOINT = "LOG:  checkpoint starting: time"
CONNECTED = "LOG:  connection authorized: user=app database=shop"
FAILED = 'ERROR:  relation "x" does not exist at character 15'
FAST = "LOG:  duration: 0.100 ms  statement: SELECT 1"


def changed(name: str, value: str) -> str:
    return line(f'LOG:  parameter "{name}" changed to "{value}"', client=False)


@pytest.mark.parametrize(
    ("log", "says"),
    [
        (lines(CHECKPOINT, client=False), "server's own processes"),
        (lines(CONNECTED), "30 connections were made"),
        (lines(CHECKPOINT, client=False) + lines(FAILED), "the log has 30 errors"),
        (lines(FAILED), "not one LOG line"),
        (lines('FATAL:  password authentication failed for user "app"'), "log_min_messages"),
        (lines("LOG:  duration: 0.100 ms"), "30 durations, but no texts"),
        (lines("LOG:  duration: 1.000 ms  statement: <insufficient privilege>"), "in their place"),
        (lines(lambda n: f"LOG:  duration: 1.000 ms  statement: SELEC {n}"), "PostgreSQL's grammar, such as 'SELEC"),
        (lines(CONNECTED) + changed("log_min_duration_statement", "-1"), "was set to -1 at 2026-11-20T23:09:00.000Z"),
    ],
)
def test_no_statements_for_a_reason(tmp_path: Path, log: str, says: str) -> None:
    """The likeliest reason alone."""
    (warning,) = warnings_of(tmp_path, log)
    assert warning.startswith("There are no statements")
    assert says in warning
    (warning,) = warnings_of(tmp_path, lines(FAST, 1) + log)[:1] or ("",)
    assert "no statements" not in warning


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("SELECT {}", "'all'"),
        ("INSERT INTO t VALUES ({})", "'mod'"),
        ("CREATE TABLE t{} (a int)", "'ddl'"),
    ],
)
def test_statements_without_durations_tell_which_setting_logged_them(tmp_path: Path, body: str, says: str) -> None:
    (warning,) = warnings_of(tmp_path, lines(lambda n: "LOG:  statement: " + body.format(n)))
    assert warning.startswith("There are no durations")
    assert says in warning


@pytest.mark.parametrize(
    ("message", "hint", "says"),
    [
        (
            "redirecting log output to logging collector process",
            'Future log output will appear in directory "pg_log".',
            '"pg_log"',
        ),
        (
            "ending log output to stderr",
            'Future log output will go to log destination "csvlog".',
            ".csv files in log_directory",
        ),
    ],
)
def test_lines_before_the_log_goes_elsewhere_name_where(tmp_path: Path, message: str, hint: str, says: str) -> None:
    log = line("LOG:  starting PostgreSQL 18.1 on x86_64", client=False)
    log += line(f"LOG:  {message}", client=False) + line(f"HINT:  {hint}", client=False)
    why, where = warnings_of(tmp_path, log)
    assert why.startswith("There are no statements: these are the lines")
    assert says in where
    assert warnings_of(tmp_path, log + lines(FAST)) == ()


@pytest.mark.parametrize(
    ("since", "until", "says"),
    [
        ("2026-11-21", None, "all of the log is outside"),
        (None, "2026-11-19", "all of the log is outside"),
        ("2026-11-20T23:09:00.010", "2026-11-20T23:09:00.020", "those of the log are all outside"),
    ],
)
def test_a_window_without_statements_says_what_the_log_covers(
    tmp_path: Path, since: str | None, until: str | None, says: str
) -> None:
    from advisor.cli.options import instant

    log = lines(FAST, 5) + line(CHECKPOINT, 15, client=False) + line(FAST, 900)
    options = Options(prefix=PREFIX, since_us=instant(since, "--since"), until_us=instant(until, "--until"))
    (warning,) = warnings_of(tmp_path, log, options)
    assert says in warning
    assert "2026-11-20T23:09:00.000Z to 2026-11-20T23:09:00.900Z" in warning


def test_a_log_without_times_has_no_window(tmp_path: Path) -> None:
    log = "".join(f"[{n}] LOG:  duration: 0.100 ms  statement: SELECT 1\n" for n in range(30))
    (warning,) = warnings_of(tmp_path, log, Options(prefix="[%p] ", since_us=1))
    assert "no time" in warning


def test_a_given_prefix_that_fits_no_line_is_refused_with_the_one_that_does(tmp_path: Path) -> None:
    log = "".join(f"2026-11-20 23:09:00.{n:03d} UTC [{n}] {FAST}\n" for n in range(30))
    with pytest.raises(UnknownPrefix) as caught:
        warnings_of(tmp_path, log, Options(prefix="%u@%d "))
    assert "fits 0% of the lines" in str(caught.value)
    assert "'%m [%p] '" in str(caught.value)
    assert warnings_of(tmp_path, log, Options(prefix="%m [%p] ")) == ()


def test_a_given_prefix_that_fits_some_lines_is_doubted(tmp_path: Path) -> None:
    other = "".join(f"23:09 - {FAST}\n" for _ in range(30))
    warnings = warnings_of(tmp_path, lines(FAST, 10) + other)
    assert any("fits 25% of the lines" in each for each in warnings)


SAMPLED = [
    ("log_min_duration_statement", "250", "fast statements are missing"),
    ("log_min_duration_statement", "1s", "fast statements are missing"),
    ("log_min_duration_sample", "10ms", "fast statements are missing"),
    ("log_statement_sample_rate", "0.1", "by chance, so that N+1"),
    ("log_transaction_sample_rate", "0.01", "N+1 patterns within a transaction are right"),
]


@pytest.mark.parametrize(("name", "value", "says"), SAMPLED)
def test_a_setting_that_leaves_out_is_said_with_its_consequence(
    tmp_path: Path, name: str, value: str, says: str
) -> None:
    (warning,) = warnings_of(tmp_path, changed(name, value) + lines(FAST))
    assert warning.startswith(f"{name} was set to {value} at 2026-11-20T23:09:00.000Z: ")
    assert says in warning


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_min_duration_statement", "0"),
        ("log_min_duration_sample", "-1"),
        ("log_min_duration_sample", "0"),
        ("log_statement_sample_rate", "1"),
        ("log_transaction_sample_rate", "0"),
        ("log_transaction_sample_rate", "1"),
        ("auto_explain.log_min_duration", "1s"),
        ("work_mem", "250"),
    ],
)
def test_a_setting_that_leaves_nothing_out_is_not_told(tmp_path: Path, name: str, value: str) -> None:
    assert warnings_of(tmp_path, changed(name, value) + lines(FAST)) == ()


def test_each_value_of_a_setting_is_told_once() -> None:
    def told(first: str, last: str) -> int:
        change = ParameterChange(
            name="log_min_duration_statement", count=2, first_us=0, first_value=first, last_us=9, last_value=last
        )
        events = ServerEvents(parameters=(change,))
        return len(sampling_of(Workload(events=events, coverage=Coverage(statements=9))))

    assert (told("250", "250"), told("250", "0"), told("250", "100"), told("0", "0")) == (1, 1, 2, 0)


def test_texts_logged_apart_from_slow_durations_are_told(tmp_path: Path) -> None:
    log = lines("LOG:  statement: SELECT 1") + line("LOG:  duration: 900.100 ms", 99)
    (warning,) = warnings_of(tmp_path, log)
    assert warning.startswith("Only 1 of 30 executions")


def test_durations_logged_beside_slow_texts_are_told(tmp_path: Path) -> None:
    slow = "LOG:  duration: 300.000 ms  statement: SELECT 1"
    (warning,) = warnings_of(tmp_path, lines("LOG:  duration: 0.100 ms", 60) + lines(slow, 4))
    assert warning.startswith("60 durations have no text")


# Durations that begin at an edge


def query(durations: Sequence[float], sql: str = "SELECT 1") -> Query:
    counts = Counter(bucket_of(round(each)) for each in durations)
    return Query(id="0" * 16, sql=sql, calls=len(durations), latency=LatencySketch(dict(counts)))


def drawn(random: Random, queries: int, medians_us: tuple[float, float], spread: tuple[float, float]) -> list[Query]:
    """Each query with a median and a spread of its own."""
    found = []
    for _ in range(queries):
        median = math.exp(random.uniform(*map(math.log, medians_us)))
        sigma = random.uniform(*spread)
        found.append(query([median * math.exp(random.gauss(0, sigma)) for _ in range(random.randint(50, 1500))]))
    return found


def cut(each: Query, at_us: float) -> Query:
    kept = {bucket: count for bucket, count in each.latency.counts.items() if bucket > bucket_of(round(at_us))}
    return Query(id=each.id, sql=each.sql, calls=sum(kept.values()), latency=LatencySketch(kept))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([2, 3, 5, 10]))
def test_an_edge_that_is_told_is_the_threshold(seed: int, threshold: int) -> None:
    whole = drawn(Random(seed), 20, (200, 20_000), (0.3, 1.2))
    edge = lower_edge_us([cut(each, threshold * 1000) for each in whole])
    assert edge is None or setting_ms(edge) == threshold
    assert lower_edge_us(whole) is None


def test_most_thresholds_are_found() -> None:
    found = 0
    for seed in range(40):
        whole = drawn(Random(seed), 20, (200, 20_000), (0.3, 1.2))
        found += lower_edge_us([cut(each, 5000) for each in whole]) is not None
    assert found >= 36


@pytest.mark.parametrize(
    ("queries", "medians_us", "spread"),
    [
        (20, (3_000, 3_000_000), (0.3, 1.2)),
        (150, (3_000, 3_000_000), (0.3, 1.2)),
        (20, (3_000, 30_000), (0.05, 0.2)),
        (20, (5_000, 5_500), (0.1, 0.3)),
        (20, (5_000, 5_500), (0.4, 0.8)),
    ],
)
def test_queries_that_are_slow_by_nature_are_no_threshold(
    queries: int, medians_us: tuple[float, float], spread: tuple[float, float]
) -> None:
    for seed in range(20):
        assert lower_edge_us(drawn(Random(seed), queries, medians_us, spread)) is None


def test_writes_that_wait_for_a_standby_are_no_threshold() -> None:
    """All of them take at least the round trip."""
    random = Random(1)
    writes = [query([3000 + random.expovariate(1 / 1000) for _ in range(500)], "UPDATE t SET a = $1") for _ in range(6)]
    assert lower_edge_us(writes) is None


def test_one_kind_of_narrow_work_is_no_threshold() -> None:
    random = Random(1)
    assert lower_edge_us([query([random.uniform(5050, 5090) for _ in range(200)]) for _ in range(6)]) is None


def test_an_edge_is_told_as_the_setting_it_may_come_from() -> None:
    whole = drawn(Random(3), 20, (200, 20_000), (0.3, 1.2))
    workload = Workload(queries=tuple(cut(each, 5000) for each in whole), coverage=Coverage(statements=9))
    (sentence,) = sampling_of(workload)
    assert "less than 5 ms" in sentence
    assert "log_min_duration_statement" in sentence


# The account of bytes

LOGS = {
    "stderr": (DATA / "min0-18.log").read_bytes(),
    "csv": (DATA / "min0-18.csv").read_bytes(),
    "json": (DATA / "min0-18.json").read_bytes(),
}
LAYOUTS = {
    "stderr": Layout(format="stderr", prefix="%m [%p] %q%u@%d/%a "),
    "csv": Layout(format="csv"),
    "json": Layout(format="json"),
}
GARBAGE = st.sampled_from(
    [b"\x00" * 50, b"\xff\xfe\xfd\n", b"other program: hello\n", b'"', b"\n\n", b"\r\n", b"{", b"\t"]
)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(LOGS)),
    cuts=st.lists(st.tuples(st.floats(0, 1), GARBAGE), max_size=5),
    start=st.floats(0, 0.9),
    end=st.floats(0, 0.9),
    size=st.sampled_from([997, 1 << 20]),
)
def test_every_byte_is_in_the_account(
    kind: str, cuts: list[tuple[float, bytes]], start: float, end: float, size: int
) -> None:
    """Of logs that are torn at both ends and have foreign bytes inside, in blocks of any size."""
    log = LOGS[kind]
    log = log[round(start * len(log)) : len(log) - round(end * (1 - start) * len(log))]
    for at, garbage in cuts:
        log = log[: round(at * len(log))] + garbage + log[round(at * len(log)) :]
    digest = Digest()
    run = Run(digest, LAYOUTS[kind])
    blocks = (log[at : at + size] for at in range(0, len(log), size))
    run.ends(read_piece(blocks, run.reader, digest.tally, run.begins_at))
    digest.add_run(run)
    coverage = digest.freeze().coverage
    assert coverage.bytes_total == len(log)
    assert 0 <= coverage.bytes_classified <= len(log)


@pytest.mark.parametrize("kind", sorted(LOGS))
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_the_bytes_of_an_input_are_those_it_unpacks_to(
    tmp_path: Path, kind: str, pack: Callable[[bytes], bytes]
) -> None:
    log = LOGS[kind] + b"a line of another program\n" + LOGS[kind]
    path = tmp_path / "log"
    path.write_bytes(pack(log))
    workload = read_workload([str(path)], Options(prefix=LAYOUTS[kind].prefix))
    assert workload.coverage.bytes_total == len(log) == workload.inputs[0].bytes
    assert workload.coverage.bytes_classified == len(log) - len(b"a line of another program\n")
    assert [each.count for each in workload.coverage.unknown] == [1]


COVERAGE = Coverage(
    bytes_total=100_000,
    bytes_classified=89_999,
    unknown=tuple(UnknownLines(sample=f"kind {n}", count=1000 >> n) for n in range(5)),
)


def test_too_little_understood_names_the_commonest_lines_and_what_to_do() -> None:
    with pytest.raises(InputError) as caught:
        refuse_little(COVERAGE, 0.9)
    said = str(caught.value)
    assert "only 89.9 % of the input" in said
    assert "1,000 lines like 'kind 0', 500 lines like 'kind 1'" in said
    assert "2 more kinds" in said
    assert "--prefix" in said
    refuse_little(COVERAGE, 0.89)
    assert not_understood(COVERAGE) is not None
    assert not_understood(Coverage(bytes_total=5, bytes_classified=5)) is None
