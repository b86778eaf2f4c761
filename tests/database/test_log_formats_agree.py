"""One run of a real server, logged as stderr, csv and json at once: one digest, however the logs are handed over."""

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.model.workload import Workload
from advisor.sandbox.programs import binaries
from advisor.sources.layout import LogFormat
from tests.database.live_server import LiveServer, live_server
from tests.database.troubles import errors_and_cancels, fails, files_and_checkpoints, locks, raises, refusals, until
from tests.unit.sources import envelopes_writer as writer
from tests.unit.workload.metamorphic import (
    Log,
    check_compressed,
    check_digests,
    check_fragments,
    check_records,
    clear_cuts,
    read,
    told,
)

PREFIX = "%m [%p] %c %e %q%u@%d/%a "
"""As much as the other formats tell of a session."""

SETTINGS = {
    "autovacuum": "off",
    "deadlock_timeout": "30ms",
    "fsync": "off",
    "listen_addresses": "",
    "log_connections": "on",
    "log_destination": "stderr,csvlog,jsonlog",
    "log_directory": "written",
    "log_disconnections": "on",
    "log_filename": "server.log",
    "log_line_prefix": PREFIX,
    "log_lock_waits": "on",
    "log_min_duration_statement": "0",
    "log_min_messages": "notice",
    "log_temp_files": "0",
    "logging_collector": "on",
    "session_preload_libraries": "auto_explain",
    "timezone": "UTC",
}
FORMATS: dict[LogFormat, str] = {"stderr": "log", "csv": "csv", "json": "json"}
LAST = "database system is shut down"
Expected = Callable[[LogFormat], Workload]
LEAST_BYTES = 4000
"""Of a fragment: it has a record that tells what it is."""

SHOP = """
CREATE TABLE baskets (id int PRIMARY KEY, customer int, note text);
CREATE TABLE positions (basket int, sku text, "Größe" text);
INSERT INTO baskets SELECT n, n % 20, 'note ' || n FROM generate_series(1, 200) n;
INSERT INTO positions SELECT 1 + n % 200, 'sku' || n, 'm²' FROM generate_series(1, 1000) n;
CREATE FUNCTION spent(wanted int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE found bigint; one record;
BEGIN
    FOR one IN SELECT id FROM baskets WHERE customer = wanted LOOP
        SELECT count(*) INTO found FROM positions WHERE basket = one.id;
    END LOOP;
    RAISE NOTICE 'spent by %', wanted;
    RETURN found;
END $$;
"""
TEXTS = (
    "SELECT id,\n\tnote\n  FROM baskets\n\n WHERE note = 'it''s, \"ok\"'\n",
    "SELECT 'O''Hara', E'a\\\\b\\'c', $$it's$$, U&'\\00fc', 'ü \u2013 😀' FROM baskets WHERE id = 7;",
    "SELECT sku AS \"a,\"\"b\"\"\" FROM positions WHERE \"Größe\" = 'm²' AND basket = 12 -- a comment, it's\n LIMIT 3",
    "SELECT /* in the middle, it's 5 */ count(*) FROM positions WHERE basket IN (1, 2, 3)",
    "SELECT id FROM baskets WHERE id = 12345678901 OR id = 2147483647 OR id = 0x1F",
    "BEGIN; UPDATE baskets SET note = 'x' WHERE id = 3; COMMIT",
    "SELECT '2026-11-20 23:09:59.815 UTC [1] LOG:  duration: 1.000 ms  statement: SELECT 9'",
    "SELECT E'line\n2026-11-20 23:09:59.815 UTC [1] 6.7 00000 a@b/c LOG:  duration: 1.0 ms  statement: SELECT 9'",
    'SELECT \'","detail":"Parameters: $1\', \'",,,,,,,,,"\'',
    "SET work_mem = '4MB'",
    "SELECT 1 /*controller='baskets',action='show%20it'*/",
    "/* first */ SELECT 2; SELECT 3 AS \"x;y\"",
)  # fmt: skip


def clerk(server: LiveServer, number: int) -> None:
    """One session of an application: the same work in each, at the same time."""
    name = ("web", "job runner", 'odd, "name" \\ it\'s', "web")[number % 4]
    with psycopg.connect(
        server.url("postgres", "postgres"), autocommit=True, application_name=name, cursor_factory=psycopg.ClientCursor
    ) as connection:
        plain, bound = connection.cursor(), psycopg.Cursor(connection)
        for text in TEXTS:
            plain.execute(text.encode())
        for customer in range(number, number + 4):
            with connection.transaction():
                bound.execute("SELECT id FROM baskets WHERE customer = %s", (customer,))
                for (basket,) in bound.fetchall():
                    bound.execute("SELECT sku FROM positions WHERE basket = %s", (basket,), prepare=True)
            trace = f"/*route='/c',traceparent='00-{customer:032x}-00f067aa0ba902b7-01'*/"
            plain.execute(f"SELECT count(*) FROM baskets WHERE customer = {customer} {trace}".encode())
        bound.execute("SELECT %s, %s::text, %s", ("it's, $2 = 'x'\nsecond 'line'", None, '"ü"'))
        with connection.transaction(), psycopg.ServerCursor(connection, "rows") as rows:
            rows.itersize = 50
            rows.execute("SELECT id, note FROM baskets WHERE id > %s", (10,))
            rows.fetchmany(5)
            rows.fetchmany(5)
        with bound.copy("COPY positions (basket, sku) FROM STDIN") as copy:
            copy.write("1\ta\n")
        with fails(psycopg.Error):
            bound.execute("SELECT 1/%s", (0,))
        with fails(psycopg.Error):
            plain.execute(b"SELECT nothing\n  FROM baskets")


def plans(server: LiveServer, written_as: str) -> None:
    with server.superuser("postgres") as one:
        for setting in ("log_min_duration = 0", "log_analyze = on", "log_buffers = on", f"log_format = {written_as}",
                        "log_nested_statements = on"):  # fmt: skip
            one.execute(f"SET auto_explain.{setting}".encode())
        for customer in range(3):
            one.execute("SELECT spent(%s)", (customer,))
            one.execute(f"SELECT note FROM baskets WHERE customer = {customer} AND note <> 'ü\n\"x\"'".encode())
            one.execute("SELECT sku FROM positions WHERE basket = %s ORDER BY sku", (customer,), prepare=False)


def traffic(server: LiveServer) -> None:
    with server.superuser("postgres") as one:
        one.execute(SHOP.encode())
    clerks = [threading.Thread(target=clerk, args=(server, number)) for number in range(4)]
    for each in clerks:
        each.start()
    for each in clerks:
        each.join()
    for trouble in (errors_and_cancels, refusals, raises, files_and_checkpoints, locks):
        trouble(server)
    for written_as in ("text", "json"):
        plans(server, written_as)
    time.sleep(2.2)
    clerk(server, 5)


def is_complete(path: Path) -> bool:
    return LAST in path.read_text().splitlines()[-1]


@pytest.fixture(scope="module")
def logs() -> dict[LogFormat, Log]:
    found = {}
    with live_server(binaries.embedded(), settings=SETTINGS, filled=False) as server:
        traffic(server)
        server.program("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", server.folder / "data")
        for log_format, suffix in FORMATS.items():
            path = server.folder / "data" / "written" / f"server.{suffix}"
            # The process that writes the files goes on for a moment after the server is gone.
            until(partial(is_complete, path))
            prefix = PREFIX if log_format == "stderr" else None
            found[log_format] = Log(data=path.read_bytes(), format=log_format, prefix=prefix)
    return found


@pytest.fixture(scope="module")
def expected(logs: dict[LogFormat, Log]) -> Expected:
    with TemporaryDirectory() as folder:
        found = {log_format: told(read(Path(folder), log)) for log_format, log in logs.items()}
    # Not the workloads themselves: they are long, and hypothesis shows what a test was given.
    return lambda log_format: found[log_format]


def test_the_log_is_understood_to_the_last_byte(logs: dict[LogFormat, Log], tmp_path: Path) -> None:
    for log in logs.values():
        coverage = read(tmp_path, log).coverage
        assert coverage.bytes_total == coverage.bytes_classified == len(log.data)
        assert coverage.unknown == ()


def test_the_run_has_something_of_everything(expected: Expected) -> None:
    workload = expected("json")
    calls = {query.sql: query.calls for query in workload.queries}
    # 5 clerks, 4 customers each, 10 baskets per customer.
    assert calls["SELECT sku FROM positions WHERE basket = $1"] == 5 * 4 * 10
    assert any(each.max_calls == 10 and each.units >= 20 for each in workload.repetitions)
    assert any(query.tags.get("action") == "show it" for query in workload.queries)
    assert any(query.temp_files for query in workload.queries)
    assert any(query.errors for query in workload.queries)
    assert {plan.query_id for plan in workload.plans} <= {query.id for query in workload.queries}
    assert len(workload.plans) > 5
    assert workload.events.deadlocks == 1
    assert workload.events.lock_waits.longest
    samples = {sample.sql for query in workload.queries for sample in query.samples}
    assert TEXTS[0].strip() in samples
    values = [sample.parameters for query in workload.queries for sample in query.samples if sample.parameters]
    assert ("it's, $2 = 'x'\nsecond 'line'", None, '"ü"') in values


@pytest.mark.parametrize("log_format", ["stderr", "csv"])
def test_all_formats_give_one_digest(expected: Expected, log_format: LogFormat) -> None:
    one, other = expected(log_format), expected("json")
    assert {query.sql: query.calls for query in one.queries} == {query.sql: query.calls for query in other.queries}
    for query, same in zip(one.queries, other.queries, strict=True):
        assert query == same
    assert one.repetitions == other.repetitions
    assert one.plans == other.plans
    assert one.events == other.events
    assert one == other


def test_the_prefix_is_inferred(logs: dict[LogFormat, Log], expected: Expected, tmp_path: Path) -> None:
    assert told(read(tmp_path, Log(data=logs["stderr"].data, format="stderr"))) == expected("stderr")


@pytest.mark.slow
@pytest.mark.parametrize("log_format", FORMATS)
def test_compressions(logs: dict[LogFormat, Log], log_format: LogFormat, tmp_path: Path) -> None:
    check_compressed(logs[log_format], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_pieces_in_any_order(logs: dict[LogFormat, Log], log_format: LogFormat, seed: int, tmp_path: Path) -> None:
    log, rng = logs[log_format], Random(seed)
    cuts = rng.sample(clear_cuts(log), 6)
    check_records(log, tmp_path, cuts, rng.shuffle)
    check_digests(log, cuts, rng.shuffle)


def spaced(cuts: list[float], size: int) -> list[int]:
    found: list[int] = []
    for each in sorted(round(share * size) for share in cuts):
        if each - (found[-1] if found else 0) >= LEAST_BYTES and size - each >= LEAST_BYTES:
            found.append(each)
    return found


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(log_format=st.sampled_from(list(FORMATS)), cuts=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_fragments_cut_at_any_byte(
    logs: dict[LogFormat, Log], expected: Expected, log_format: LogFormat, cuts: list[float]
) -> None:
    log = logs[log_format]
    with TemporaryDirectory() as folder:
        check_fragments(log, Path(folder), spaced(cuts, len(log.data)), expected(log_format))


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrap",
    [writer.journal_json, writer.journal_export, writer.cri, writer.docker, writer.compose, writer.cloudwatch,
     writer.aws_logs_tail, writer.s3_export, writer.cloudsql_lines, writer.alloydb],
)  # fmt: skip
def test_wrapped_logs(
    logs: dict[LogFormat, Log], expected: Expected, wrap: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    wrapped = Log(data=wrap(logs["stderr"].data), format="stderr", prefix=PREFIX)
    assert told(read(tmp_path, wrapped)) == expected("stderr")


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [writer.cnpg, writer.supabase, writer.supabase_flat])
def test_wrapped_json(
    logs: dict[LogFormat, Log], expected: Expected, wrap: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    assert told(read(tmp_path, Log(data=wrap(logs["json"].data), format="json"))) == expected("json")
