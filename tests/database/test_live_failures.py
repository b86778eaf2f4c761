"""A user's database that refuses, is not there or goes away while it is read: exit 2, a clear message, no leftovers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from advisor.sandbox.programs import binaries
from tests.database.live_server import PASSWORD, LiveServer, advise, live_server

READER = f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """A server with an empty database `postgres`."""
    with live_server(binaries.embedded(), filled=False) as running:
        with running.superuser("postgres") as connection:
            connection.execute(READER.encode())
        yield running


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"database": "nothing"}, "has no database of that name"),
        ({"password": "wrong-secret"}, "refused the user name or the password"),
        ({"user": "nobody"}, "refused the user name or the password"),
    ],
)
def test_refused(server: LiveServer, change: dict[str, str], message: str) -> None:
    url = server.url(**{"database": "postgres", **change})
    ran = advise("analyze", url)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert message in ran.stderr
    assert "wrong-secret" not in ran.stderr
    assert "Traceback" not in ran.stderr


def test_no_server(tmp_path: Path) -> None:
    ran = advise("analyze", f"postgresql://reader:secret-word@/shop?host={tmp_path}")
    assert ran.returncode == 2
    assert "No PostgreSQL server answers there" in ran.stderr
    assert "secret-word" not in ran.stderr


@contextmanager
def held_in_the_middle(server: LiveServer, relation: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command while it waits for a catalog that somebody has locked, and the process id of its session."""
    with psycopg.connect(server.url("postgres", "postgres")) as blocker, server.superuser("postgres") as watcher:
        blocker.execute(f"LOCK TABLE pg_catalog.{relation} IN ACCESS EXCLUSIVE MODE".encode())
        command = [sys.executable, "-m", "advisor", "analyze", server.url(database="postgres")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            try:
                yield running, _waiting(watcher)
            finally:
                running.kill()


def _waiting(watcher: psycopg.Connection) -> int:
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'advisor' AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        row = watcher.execute(query.encode()).fetchone()
        if row is not None:
            return int(row[0])
        time.sleep(0.01)
    raise AssertionError("the command never waited")


def _terminate(server: LiveServer, pid: int) -> None:
    with server.superuser("postgres") as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [pid])


def _let_it_wait(_server: LiveServer, _pid: int) -> None:
    """Until its own time limit."""


@pytest.mark.parametrize("relation", ["pg_trigger", "pg_extension"])
@pytest.mark.parametrize("action", [_terminate, _let_it_wait])
def test_disturbed_while_reading(server: LiveServer, relation: str, action: Callable[[LiveServer, int], None]) -> None:
    with held_in_the_middle(server, relation) as (running, pid):
        action(server, pid)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (2, "")
    assert "The database could not be read to the end." in err
    assert ("held a lock" in err) == (action is _let_it_wait)
    assert PASSWORD not in err
    assert "Traceback" not in err


@pytest.mark.parametrize("whom", ["session", "server"])
def test_killed_while_reading(whom: str) -> None:
    with live_server(binaries.embedded(), filled=False) as server:
        with server.superuser("postgres") as connection:
            connection.execute(READER.encode())
        try:
            with held_in_the_middle(server, "pg_trigger") as (running, pid):
                first_line = (server.folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0]
                os.kill(pid if whom == "session" else int(first_line), signal.SIGKILL)
                out, err = running.communicate(timeout=60)
        except psycopg.OperationalError:
            # The test's own sessions went down with it.
            pass
        assert (running.returncode, out) == (2, "")
        assert "The database could not be read to the end." in err
        assert "Check that the server is up" in err
