"""Running one statement of a migration, guarded: it cannot hang the run, whatever it does."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg
from psycopg import sql

from advisor.migrations.observe import HeldLocks, Relation, read_locks

STATEMENT_LIMIT_S = 60
"""A statement on synthesised rows that runs longer tells nothing more; the rest of a migration still can."""

_WATCHDOG_GRACE_S = 10
"""A migration may lift its own statement_timeout; its session is then ended from outside, this much later."""

_POLL_S = 0.002


class Logins(Protocol):
    """The two logins of a throwaway server: ours, and the unprivileged owner that runs what others wrote."""

    def admin(self, database: str) -> psycopg.Connection[Any]: ...

    def connect(self, database: str) -> psycopg.Connection[Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the server answered. `error` is None where it did as told; `table` and `column` are those it complains of.

    `lost`: the session is gone, by its own doing or the watchdog's.
    """

    ms: float = 0.0
    error: str | None = None
    sqlstate: str | None = None
    schema: str | None = None
    table: str | None = None
    column: str | None = None
    constraint: str | None = None
    lost: bool = False


@contextmanager
def open_session(logins: Logins, database: str, settings: Mapping[str, str]) -> Iterator[psycopg.Connection[Any]]:
    """A session of the unprivileged owner in autocommit, with time limits, no parallel workers, the target's settings.

    Workers would count their scans apart.
    """
    with logins.connect(database) as connection:
        connection.autocommit = True
        limits = {
            "statement_timeout": f"{STATEMENT_LIMIT_S}s",
            "lock_timeout": f"{STATEMENT_LIMIT_S // 2}s",
            "max_parallel_maintenance_workers": "0",
            "max_parallel_workers_per_gather": "0",
            **settings,
        }
        for name, value in limits.items():
            connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
        connection.execute("SET client_encoding = 'UTF8'")
        yield connection


def run(
    connection: psycopg.Connection[Any], text: str, stop: Callable[[int], None], data: str | None = None
) -> Outcome:
    """One statement by the simple protocol, as psql sends it; `data` are the rows of a COPY … FROM STDIN.

    `stop` ends the session of a process id; it is called from another thread where the statement overruns.
    """
    timer = threading.Timer(STATEMENT_LIMIT_S + _WATCHDOG_GRACE_S, stop, (connection.info.backend_pid,))
    timer.daemon = True
    timer.start()
    started = time.perf_counter()
    try:
        _send(connection, text, data)
    except psycopg.Error as error:
        diagnostic = error.diag
        return Outcome(
            ms=(time.perf_counter() - started) * 1000,
            error=_message(error),
            sqlstate=error.sqlstate,
            schema=diagnostic.schema_name,
            table=diagnostic.table_name,
            column=diagnostic.column_name,
            constraint=diagnostic.constraint_name,
            lost=connection.broken,
        )
    finally:
        timer.cancel()
        timer.join()
    return Outcome(ms=(time.perf_counter() - started) * 1000)


def run_outside_transaction(
    logins: Logins,
    database: str,
    connection: psycopg.Connection[Any],
    text: str,
    blocks: Sequence[tuple[Relation, str]],
    stop: Callable[[int], None],
) -> tuple[Outcome, HeldLocks | None]:
    """A statement that must run in autocommit (CONCURRENTLY, VACUUM), with the locks it holds where it waits.

    `blocks` are tables and lock modes that other sessions hold, given up one after another, so that the statement has
    to wait, which makes the moment of the reading certain: CONCURRENTLY waits for every transaction that writes the
    table before its first scan (`WaitForLockers`, src/backend/commands/indexcmds.c). None where it never waited.
    """
    answers: list[Outcome] = []
    runner = threading.Thread(target=lambda: answers.append(run(connection, text, stop)), daemon=True)
    seen: set[tuple[int, str]] = set()
    with ExitStack() as stack:
        observer = stack.enter_context(logins.admin(database))
        observer.autocommit = True
        blockers = [_block(stack, logins, database, relation, mode) for relation, mode in blocks]
        runner.start()
        try:
            for blocker in blockers:
                held = _locks_at_first_wait(observer, connection.info.backend_pid, runner)
                seen |= held.relations if held else frozenset()
                blocker.rollback()
        finally:
            for blocker in blockers:
                blocker.rollback()
            runner.join()
    return answers[0], HeldLocks(relations=frozenset(seen)) if seen else None


def _block(stack: ExitStack, logins: Logins, database: str, relation: Relation, mode: str) -> psycopg.Connection[Any]:
    """A session of ours that holds a lock on the table until its rollback."""
    blocker = stack.enter_context(logins.admin(database))
    blocker.autocommit = False
    name = sql.Identifier(relation.name.schema, relation.name.name)
    blocker.execute(sql.SQL("LOCK TABLE ONLY {} IN {} MODE").format(name, sql.SQL(mode)))
    return blocker


def _locks_at_first_wait(observer: psycopg.Connection[Any], pid: int, runner: threading.Thread) -> HeldLocks | None:
    deadline = time.monotonic() + STATEMENT_LIMIT_S / 4
    while runner.is_alive() and time.monotonic() < deadline:
        held = read_locks(observer, pid)
        if held.waiting:
            return held
        time.sleep(_POLL_S)
    return None


def _send(connection: psycopg.Connection[Any], text: str, data: str | None) -> None:
    # A migration is sent as it stands: the query is bytes because it is nobody's literal.
    with connection.cursor() as cursor:
        if data is None:
            cursor.execute(text.encode())
            return
        with cursor.copy(text.encode()) as copy:
            copy.write(data)


def _message(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error).strip().splitlines()[0]
    return f"{text} ({error.diag.message_detail})" if error.diag.message_detail else text
