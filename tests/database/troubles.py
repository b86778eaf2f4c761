"""What goes wrong on a server, done to a real one."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from psycopg import errors

from tests.database.live_server import PASSWORD, URL_PASSWORD, LiveServer

PATIENCE_S = 60
"""For what the server does in its own time, such as an autovacuum."""

COMPLETE = (
    "checkpoint complete: wrote 1 buffers (0.0%); 0 WAL file(s) added, 0 removed, 0 recycled; write=0.001 s,"
    " sync=0.001 s, total=0.001 s; sync files=0, longest=0.000 s, average=0.000 s; distance=0 kB, estimate=0 kB"
)
FILE = 'temporary file: path "x", size 5'
WAIT = "process 5 still waiting for ShareLock on transaction 5 after 9.000 ms"
"""What an application says to look like the server."""


def connect(server: LiveServer) -> psycopg.Connection:
    return server.superuser("postgres")


@contextmanager
def fails(*kinds: type[Exception]) -> Iterator[None]:
    with pytest.raises(kinds or psycopg.Error):
        yield


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def errors_and_cancels(server: LiveServer) -> None:
    with connect(server) as one:
        one.execute("CREATE TABLE orders (id int PRIMARY KEY, note varchar(5) NOT NULL CHECK (note <> 'no'))")
        one.execute("CREATE TABLE items (order_id int REFERENCES orders)")
        one.execute("INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
        for statement in (
            "INSERT INTO orders VALUES (1, 'a')", "SELEC 1", "SELECT 1/0", "SELECT secret FROM orders",
            'SELECT "it is secret" FROM orders', "SELECT * FROM nowhere", "SELECT nothing(1)", "SELECT 'a5'::int",
            "INSERT INTO orders VALUES (3, NULL)", "INSERT INTO orders VALUES (3, 'too long')",
            "INSERT INTO orders VALUES (3, 'no')", "INSERT INTO items VALUES (7)", "SELECT 2147483647 + 1",
            "CREATE TABLE orders ()", "SELECT 'unterminated", "INSERT INTO orders (nothing) VALUES (1)",
            "SELECT 1 +", "SELECT 'x'::uuid", "SELECT point '(1,1)' + 1", "SELECT 'x'::date", "SELECT nothing.id",
        ):  # fmt: skip
            with fails():
                one.execute(statement.encode())
        one.execute("SET statement_timeout = 30")
        with fails(errors.QueryCanceled):
            one.execute("SELECT pg_sleep(60)")
    with connect(server) as one, connect(server) as two:
        canceller = threading.Timer(0.2, lambda: two.execute(f"SELECT pg_cancel_backend({one.info.backend_pid})"))
        canceller.start()
        with fails(errors.QueryCanceled):
            one.execute("SELECT pg_sleep(60)")
        canceller.join()
        two.execute(f"SELECT pg_terminate_backend({one.info.backend_pid})")
    for setting in ("idle_in_transaction_session_timeout", "transaction_timeout"):
        with connect(server) as one:
            if setting == "transaction_timeout" and server.major < 17:
                continue
            one.execute(f"SET {setting} = 30")
            one.autocommit = False
            one.execute("SELECT 1")
            time.sleep(0.3)
            with fails():
                one.execute("SELECT 1")
    with connect(server) as one:
        one.execute("BEGIN")
        with fails():
            one.execute("SELECT 1/0")
        with fails(errors.InFailedSqlTransaction):
            one.execute("SELECT 1")
    with closing(connect(server)) as one:
        one.execute("BEGIN")
        with socket.socket(fileno=os.dup(one.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
    with connect(server) as one:
        until(lambda: not told(one, "SELECT FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"))


def refusals(server: LiveServer) -> None:
    with connect(server) as one:
        one.execute(f"CREATE ROLE crowd LOGIN CONNECTION LIMIT 0 PASSWORD '{PASSWORD}'".encode())
    for user, database, password in (
        ("crowd", "postgres", URL_PASSWORD), ("crowd", "postgres", "wrong"), ("postgres", "nowhere", URL_PASSWORD),
    ):  # fmt: skip
        with fails(psycopg.OperationalError):
            psycopg.connect(server.url(user, database, password))


def raises(server: LiveServer) -> None:
    with connect(server) as one:
        for text in (COMPLETE, FILE, WAIT, "database system is shut down"):
            one.execute(f"DO $$ BEGIN RAISE LOG '{text.replace('%', '%%')}'; END $$".encode())
        with fails(errors.RaiseException):
            one.execute("DO $$ BEGIN RAISE 'deadlock detected'; END $$")


def files_and_checkpoints(server: LiveServer) -> None:
    with connect(server) as one:
        one.execute("SET work_mem = '64kB'")
        one.execute("SELECT n FROM generate_series(1, 50000) n ORDER BY -n LIMIT 1")
        one.execute("CHECKPOINT")


def locks(server: LiveServer) -> None:
    with connect(server) as one, connect(server) as two:
        one.autocommit = two.autocommit = False
        one.execute("UPDATE orders SET note = 'x' WHERE id = 1")
        waiter = threading.Thread(target=lambda: two.execute("UPDATE orders SET note = 'y' WHERE id = 1"))
        waiter.start()
        time.sleep(0.4)
        one.commit()
        waiter.join()
        two.commit()
        one.execute("LOCK TABLE orders")
        two.execute("SET lock_timeout = 200")
        with fails(errors.LockNotAvailable):
            two.execute("SELECT * FROM orders")
        two.rollback()
        with fails(errors.LockNotAvailable):
            two.execute("LOCK TABLE orders NOWAIT")
        two.rollback()
        one.rollback()
        deadlock(one, two)


def deadlock(one: psycopg.Connection, two: psycopg.Connection) -> None:
    one.execute("UPDATE orders SET note = 'x' WHERE id = 1")
    two.execute("UPDATE orders SET note = 'x' WHERE id = 2")
    lost: list[Exception] = []

    def run(connection: psycopg.Connection, wanted: int) -> None:
        try:
            connection.execute("UPDATE orders SET note = 'z' WHERE id = %s", (wanted,))
        except errors.DeadlockDetected as error:
            lost.append(error)
        connection.rollback()

    waiter = threading.Thread(target=run, args=(one, 2))
    waiter.start()
    run(two, 1)
    waiter.join()
    assert len(lost) == 1


def upkeep(server: LiveServer) -> None:
    with connect(server) as one:
        one.execute(
            "CREATE TABLE busy (id int) WITH (autovacuum_vacuum_threshold = 1, autovacuum_analyze_threshold = 1)"
        )
        one.execute("INSERT INTO busy SELECT generate_series(1, 5000)")
        one.execute("DELETE FROM busy WHERE id % 2 = 0")
        until(lambda: told(one, "SELECT 1 FROM pg_stat_user_tables WHERE relname = 'busy' AND autovacuum_count > 0"))
        until(lambda: told(one, "SELECT 1 FROM pg_stat_user_tables WHERE relname = 'busy' AND autoanalyze_count > 0"))
        one.execute("ALTER TABLE busy SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)")
        one.execute("INSERT INTO busy SELECT generate_series(1, 50000)")
        one.execute("DELETE FROM busy WHERE id % 3 = 0")
        until(lambda: told(one, "SELECT 1 FROM pg_stat_progress_vacuum WHERE relid = 'busy'::regclass"))
        one.execute("DROP TABLE busy")


def told(connection: psycopg.Connection, question: str) -> bool:
    return connection.execute(question.encode()).fetchone() is not None


def settings(server: LiveServer) -> None:
    with connect(server) as one:
        one.execute("ALTER SYSTEM SET log_min_duration_statement = '250ms'")
        one.execute("ALTER SYSTEM SET archive_cleanup_command = 'echo secret'")
        one.execute("SELECT pg_reload_conf()")
        until(
            lambda: told(one, "SELECT 1 FROM pg_settings WHERE name = 'log_min_duration_statement' AND setting = '250'")
        )


def crash(server: LiveServer) -> None:
    with connect(server) as one:
        os.kill(one.info.backend_pid, signal.SIGKILL)
        with fails(psycopg.OperationalError):
            one.execute("SELECT pg_sleep(1)")
    until(lambda: comes_back(server))


def comes_back(server: LiveServer) -> bool:
    try:
        connect(server).close()
    except psycopg.OperationalError:
        return False
    return True


TROUBLES = (errors_and_cancels, refusals, raises, files_and_checkpoints, locks, upkeep, settings, crash)
