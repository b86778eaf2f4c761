"""A real server is driven into each kind of trouble; its own logs, in three formats, must tell of it alike."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from advisor.model.incident import (
    CheckpointCompleted,
    CheckpointStarted,
    ConnectionAuthorized,
    Disconnection,
    Failure,
    Incident,
    LockWait,
    ParameterChanged,
    ServerNotice,
    TableMaintained,
    TemporaryFile,
)
from advisor.model.server_events import ServerEvents
from advisor.sandbox.programs import binaries
from advisor.sources.incidents import read_incident
from advisor.workload.incidents import IncidentTotals
from tests.database.live_server import live_server
from tests.database.troubles import TROUBLES, until

SETTINGS = {
    "autovacuum_naptime": "1s",
    "deadlock_timeout": "30ms",
    "fsync": "off",
    "listen_addresses": "",
    "log_autovacuum_min_duration": "0",
    "log_checkpoints": "on",
    "log_connections": "on",
    "log_directory": "written",
    "log_disconnections": "on",
    "log_filename": "server.log",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_lock_waits": "on",
    "log_temp_files": "0",
    "logging_collector": "on",
    "timezone": "UTC",
}


LAST_LINE = "database system is shut down"


class Line(NamedTuple):
    """What a record of each format has in common. `state` is empty in the stderr log: its prefix has no `%e`."""

    user: str
    database: str
    severity: str
    message: str
    detail: str | None
    state: str | None
    context: str | None


def from_csv(text: str) -> Iterator[Line]:
    for row in csv.reader(io.StringIO(text)):
        yield Line(row[1], row[2], row[11], row[13], row[14] or None, row[12], row[18] or None)


def from_json(text: str) -> Iterator[Line]:
    for line in text.splitlines():
        row: dict[str, Any] = json.loads(line)
        yield Line(
            row.get("user", ""), row.get("dbname", ""), row["error_severity"], row["message"], row.get("detail"),
            row.get("state_code"), row.get("context"),
        )  # fmt: skip


def from_stderr(text: str) -> Iterator[Line]:
    found: list[tuple[str, Line]] = []
    for record in re.split(r"(?m)^(?=\d{4}-\d\d-\d\d \S+ UTC \[)", text)[1:]:
        parts = re.fullmatch(r"\S+ \S+ UTC \[(\d+)\] (\S*?)@(\S*) (\w+):  (.*)\n", record, re.DOTALL)
        assert parts is not None, record
        pid, user, database, severity, message = parts.groups()
        message = message.replace("\n\t", "\n")
        if severity in ("DETAIL", "CONTEXT"):
            assert found[-1][0] == pid
            found[-1] = (pid, found[-1][1]._replace(**{severity.lower(): message}))
        elif severity not in ("HINT", "STATEMENT", "QUERY"):
            found.append((pid, Line(user, database, severity, message, None, None, None)))
    return iter([line for _, line in found])


def is_complete(path: Path) -> bool:
    return LAST_LINE in path.read_text().splitlines()[-1]


def incident_of(line: Line) -> Incident | None:
    return read_incident(line.severity, line.message, line.detail, line.state, line.context)


class Troubled(NamedTuple):
    """What the troubled server wrote, and what it was."""

    lines: dict[str, list[Line]]
    major: int

    def incidents(self) -> list[Incident]:
        return [found for line in self.lines["csv"] if (found := incident_of(line)) is not None]

    def of(self, kind: type[Any]) -> list[Any]:
        return [found for found in self.incidents() if isinstance(found, kind)]

    def events(self) -> ServerEvents:
        totals = IncidentTotals()
        for line in self.lines["csv"]:
            found = incident_of(line)
            if found is not None:
                totals.add(found, 0, None, line.database, line.user)
        return totals.freeze()


@pytest.fixture(scope="module", params=["embedded", "local 15"])
def troubled(request: pytest.FixtureRequest) -> Troubled:
    found = binaries.embedded()
    if request.param != "embedded":
        local = [each for each in binaries.installed() if each.major == 15]
        if not local:
            pytest.skip("no PostgreSQL 15 is installed")
        found = local[0]
    formats = "stderr,csvlog,jsonlog" if found.major >= 15 else "stderr,csvlog"
    with live_server(found, settings={**SETTINGS, "log_destination": formats}, filled=False) as server:
        for trouble in TROUBLES:
            trouble(server)
        server.program("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", server.folder / "data")
        written = server.folder / "data" / "written"
        readers = {"stderr": ("log", from_stderr), "csv": ("csv", from_csv), "json": ("json", from_json)}
        lines = {}
        for name, (ending, read) in readers.items():
            path = written / f"server.{ending}"
            if path.exists():
                # The process that writes the files goes on for a moment after the server is gone.
                until(partial(is_complete, path))
                lines[name] = list(read(path.read_text()))
        assert len(lines) == (3 if found.major >= 15 else 2)
    return Troubled(lines, found.major)


CAUSES = {
    "statement_timeout", "lock_timeout", "user_request", "administrator", "idle_in_transaction_timeout", "deadlock",
    "too_many_connections", "authentication", "autovacuum_cancelled", "lock_not_available",
}  # fmt: skip


def test_every_cause_is_there(troubled: Troubled) -> None:
    causes = {failure.cause for failure in troubled.of(Failure)}
    assert causes >= CAUSES | ({"transaction_timeout"} if troubled.major >= 17 else set())


def test_errors_have_the_server_s_state_and_no_values(troubled: Troubled) -> None:
    failures = troubled.of(Failure)
    assert {failure.sqlstate for failure in failures} >= {
        "23505", "42601", "22012", "42703", "42P01", "42883", "22P02", "23502", "22001", "23514", "23503", "22003",
        "42P07", "25P02", "57014", "55P03", "40P01", "57P01", "25P03", "28P01", "53300", "3D000", "P0001", "22007",
    }  # fmt: skip
    assert not [failure for failure in failures if "secret" in failure.message.replace("archive", "")]
    classes = {failure.message for failure in failures}
    assert 'duplicate key value violates unique constraint "orders_pkey"' in classes
    assert 'invalid input syntax for type integer: "…"' in classes


def kind(failure: Incident | None) -> str:
    assert isinstance(failure, Failure)
    return repr(failure._replace(sqlstate=None))


def test_a_log_without_states_gives_the_same_or_none(troubled: Troubled) -> None:
    with_state, without = (
        sorted((incident_of(line) for line in troubled.lines[name] if line.severity in ("ERROR", "FATAL")), key=kind)
        for name in ("csv", "stderr")
    )
    assert len(with_state) == len(without)
    inferred = 0
    for one, other in zip(with_state, without, strict=True):
        assert isinstance(one, Failure)
        assert isinstance(other, Failure)
        assert other.sqlstate in (one.sqlstate, None), one
        assert other._replace(sqlstate=one.sqlstate) == one
        inferred += other.sqlstate is not None
    assert inferred > len(without) * 0.8


def test_all_formats_tell_the_same(troubled: Troubled) -> None:
    # Processes that write at the same time may take turns differently in each file.
    told_by = {
        name: Counter(repr(incident_of(line)) for line in lines if line.severity not in ("ERROR", "FATAL"))
        for name, lines in troubled.lines.items()
    }
    for each in told_by.values():
        assert (each - told_by["csv"], told_by["csv"] - each) == (Counter(), Counter())


def test_lock_waits(troubled: Troubled) -> None:
    waits = troubled.of(LockWait)
    stages = {wait.stage for wait in waits}
    assert stages >= {"waiting", "acquired", "deadlock"}
    acquired = next(wait for wait in waits if wait.stage == "acquired" and wait.relation == "orders")
    assert acquired.mode == "ShareLock"
    assert acquired.target == "transaction"
    assert 300_000 < acquired.waited_us < 60_000_000
    began = next(wait for wait in waits if wait.stage == "waiting" and wait.pid == acquired.pid)
    assert (began.object, began.queue) == (acquired.object, (acquired.pid,))
    assert len(began.holders) == 1
    assert any(wait.target == "relation" and wait.mode == "AccessShareLock" for wait in waits)
    events = troubled.events()
    assert events.lock_waits.longest[0].acquired
    assert events.deadlocks == 1


def test_files_checkpoints_and_sessions(troubled: Troubled) -> None:
    files = [file.size_bytes for file in troubled.of(TemporaryFile)]
    assert files
    assert all(64 * 1024 < size < 10_000_000 for size in files)
    starts = troubled.of(CheckpointStarted)
    assert any({"force", "wait"} <= set(start.reasons) for start in starts)
    assert len(troubled.of(CheckpointCompleted)) == troubled.events().checkpoints.completed >= 1
    authorized = troubled.of(ConnectionAuthorized)
    assert {(each.user, each.database) for each in authorized} >= {("postgres", "postgres")}
    assert all(each.duration_us >= 0 and each.host == "[local]" for each in troubled.of(Disconnection))
    assert any(each.duration_us >= 300_000 for each in troubled.of(Disconnection))


def test_autovacuum(troubled: Troubled) -> None:
    done = {(each.operation, each.table): each for each in troubled.of(TableMaintained) if each.database == "postgres"}
    vacuum = done["vacuum", "public.busy"]
    assert vacuum.tuples_removed == 2500
    assert vacuum.elapsed_us is not None
    assert done["analyze", "public.busy"].elapsed_us is not None
    tables = {table.table: table for table in troubled.events().upkeep.tables}
    assert tables["public.busy"].cancelled == 1


def test_parameters(troubled: Troubled) -> None:
    changes = {change.name: change.value for change in troubled.of(ParameterChanged)}
    assert changes == {"log_min_duration_statement": "250ms", "archive_cleanup_command": None}


def test_what_the_server_says_of_itself(troubled: Troubled) -> None:
    occurrences = [each.occurrence for each in troubled.of(ServerNotice)]
    for expected in ("starting", "ready", "process_crashed", "reinitializing", "crash_recovery", "client_lost",
                     "configuration_reloaded", "shutdown_requested", "stopped"):  # fmt: skip
        assert expected in occurrences
    assert occurrences.count("process_crashed") == 1
    assert occurrences.count("stopped") == 1


def test_what_an_application_raises_is_not_the_server_s(troubled: Troubled) -> None:
    raised = [line for line in troubled.lines["csv"] if line.context and line.context.endswith(" at RAISE")]
    assert len(raised) == 5
    assert [incident_of(line) for line in raised[:4]] == [None] * 4
    failure = incident_of(raised[4])
    assert isinstance(failure, Failure)
    assert (failure.sqlstate, failure.cause) == ("P0001", None)


def test_no_line_of_the_server_is_unknown(troubled: Troubled) -> None:
    unknown = {
        line.message
        for line in troubled.lines["csv"]
        if line.severity == "LOG" and incident_of(line) is None and not (line.context or "").endswith(" at RAISE")
    }
    assert unknown == set()
