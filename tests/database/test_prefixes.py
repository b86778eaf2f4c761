"""Prefixes inferred from the log of a real server, against what it writes into its own jsonlog at the same time."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from advisor.sandbox.programs.binaries import embedded
from advisor.sources.prefix import SEVERITIES, compile_prefix, infer_prefix
from tests.database.live_server import PASSWORD, LiveServer, live_server

SETTINGS = {
    "fsync": "off",
    "listen_addresses": "",
    "logging_collector": "on",
    "log_destination": "stderr,jsonlog",
    "log_directory": "prefixes",
    "log_filename": "start.log",
    "log_file_mode": "0644",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_duration": "off",
    "log_min_duration_statement": "0",
    "log_error_verbosity": "verbose",
    "log_timezone": "Asia/Kolkata",
    "shared_buffers": "32MB",
    "compute_query_id": "on",
}

PREFIXES = (
    "%m [%p] ",
    "%m [%p] %q%u@%d/%a ",
    "%t [%p]: user=%u,db=%d,app=%a,client=%h ",
    "%m|%d|%u|%c|%v|",
    "[%p-%l] %n <%a> %u %d: ",
    "%t:%r:%u@%d:[%p]:",
    "%c %l %m ",
    "db1 %m [%5p] %-12u|%-12d|%20a|",
    "%m [%p] %b %q(%d) (%u) %i ",
    "%s %m %p %e %Q %x ",
    "%m %d %u ",
    "%m [%p] %u %d %a %h ",
    "<%m>%q<%u><%d>",
    "%n,%c,%e,%q%d,%u,%a,",
    "pid=%p at=%t sid=%c line=%l user=%u db=%d ",
    "%q%m [%p] %u ",
    "100%% %m %p %u: ",
    "%t %s [%p] %q%u@%d ",
    "%m - %p - %P - %v - %x - %e - %d - ",
    "[%m][%p][%l][%e][%u][%d][%a][%b]: ",
    "%u/%d/%a %m %p ",
    "%L %h %r %m [%p] %u ",
    "%m;%p;%i;%u;%d;",
    "%-20b %m [%p] ",
    "%Q %m [%p] %q%d %u ",
    "%p ",
    "%c ",
    "%u@%d ",
    "%t ",
    "%n ",
    "",
    "%m [%c] user:%u db:%d ",
    "%a|%m|%p|%u",
    "%m(%p)%q{%u,%d}",
    "%m [%p] %q[user=%u,db=%d,app=%a] ",
    "%t [%p]: [%l-1] %u@%d ",
    "pg %m %p/%l %d ",
    "%m %c %b: %q%a ",
    "%e %m %p %d %u> ",
    "%8p %m %12x %-30Q %u|%d|",
)
FEW = PREFIXES[:8]

_FIELDS = {"user": "user", "database": "dbname", "application": "application_name", "session": "session_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What the server wrote with one prefix: its text, and the records of its jsonlog."""

    text: str
    records: Sequence[dict[str, object]]


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with live_server(embedded(), settings=SETTINGS, filled=False) as started:
        with started.superuser("postgres") as connection:
            for role in ("app", "report"):
                connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'".encode())
            for name in ("shop", "crm"):
                connection.execute(f"CREATE DATABASE {name}".encode())
        yield started


def log_with(server: LiveServer, number: int, prefix: str) -> Logged:
    """Some sessions of a server with this prefix."""
    name = f"p{number}"
    with server.superuser("postgres") as connection:
        connection.execute(f"ALTER SYSTEM SET log_filename = '{name}.log'".encode())
        connection.execute(psycopg.sql.SQL("ALTER SYSTEM SET log_line_prefix = {}").format(psycopg.sql.Literal(prefix)))
        connection.execute("SELECT pg_reload_conf()")
    folder = server.folder / "data" / "prefixes"
    _wait_for(folder / f"{name}.log")
    for user, database, application in (
        ("app", "shop", "web"),
        ("report", "crm", "my report"),
        ("app", "shop", "psql"),
    ):
        with psycopg.connect(
            server.url(user, database), autocommit=True, application_name=application, prepare_threshold=0
        ) as connection:
            for _ in range(4):
                connection.execute("SELECT 1,\n       2")
                connection.execute("SELECT %s::int", (7,))
                with pytest.raises(psycopg.Error):
                    connection.execute("SELECT * FROM nothing")
    with server.superuser("postgres") as connection:
        connection.execute("CHECKPOINT")
        connection.execute("SELECT 'the end'")
    return _read(folder, name)


def _wait_for(path: Path) -> None:
    limit = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < limit, f"{path} does not appear"
        time.sleep(0.02)
    # The collector has the file; each process reads the new prefix when it next waits for a command.
    time.sleep(0.1)


def _read(folder: Path, name: str) -> Logged:
    limit = time.monotonic() + 30
    while True:
        text = (folder / f"{name}.log").read_text()
        lines = (folder / f"{name}.json").read_text().splitlines()
        if "the end" in text and any("the end" in line for line in lines):
            return Logged(text=text, records=[json.loads(line) for line in lines])
        assert time.monotonic() < limit
        time.sleep(0.05)


def agrees(fields: dict[str, str | None], record: dict[str, object]) -> bool:
    """Whether a line with these fields may be the record's."""
    if fields.get("pid") and int(fields["pid"] or 0) != record["pid"]:
        return False
    if fields.get("second") and not str(record["timestamp"]).startswith(str(fields["second"])):
        return False
    if fields.get("fraction") and f".{fields['fraction']} " not in str(record["timestamp"]):
        return False
    for name, key in _FIELDS.items():
        value = fields.get(name)
        if value and value != "[unknown]" and value != record.get(key):
            return False
    return True


def check(server: LiveServer, number: int, prefix: str) -> None:
    logged = log_with(server, number, prefix)
    found = infer_prefix(logged.text, prefix)
    line = r"(?m)^(?P<head>{})(?P<severity>(?:" + SEVERITIES + r")):  "
    ours = list(re.finditer(line.format(compile_prefix(found)), logged.text))
    true = list(re.finditer(line.format(compile_prefix(prefix)), logged.text))
    assert [match.start() for match in ours] == [match.start() for match in true], (prefix, found)
    names = ("pid", "session", "second", "fraction", "epoch", "user", "database", "application")
    lonely = []
    for match, wanted in zip(ours, true, strict=True):
        fields, expected = match.groupdict(), wanted.groupdict()
        assert [fields.get(each) or "" for each in names] == [expected.get(each) or "" for each in names], (
            prefix,
            found,
        )
        if not any(agrees(fields, record) for record in logged.records):
            lonely.append(match[0])
    # The two files are not switched at the same moment.
    assert len(lonely) <= 3, (prefix, found, lonely)
    assert len(ours) > 40


def test_prefixes_of_a_real_server_are_inferred(server: LiveServer) -> None:
    for number, prefix in enumerate(FEW):
        check(server, number, prefix)


@pytest.mark.slow
def test_many_prefixes_of_a_real_server_are_inferred(server: LiveServer) -> None:
    for number, prefix in enumerate(PREFIXES):
        check(server, 100 + number, prefix)
