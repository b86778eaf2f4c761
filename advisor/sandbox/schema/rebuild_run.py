"""DDL of a catalog, run as the unprivileged owner: again where it came too early, with less where a part is missing."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import psycopg

from advisor.errors import SandboxError
from advisor.sandbox.server import Sandbox
from advisor.sandbox.watch import Watch
from advisor.sandbox.watched import reopened
from advisor.sql.quote import quote_identifier

STATEMENT_LIMIT_S = 20
"""No honest statement on empty tables takes that long; a materialised view's query or a partition's bound may try."""

BUILD_LIMIT_S = 300
"""For a catalog as a whole: 100,000 honest statements take less."""

LANES = 4
"""Sessions at a time: the server has as many cores to itself at best."""

WORTH_LANES = 200
"""Statements: fewer are run before the other sessions are there."""

_LATER_STATES = frozenset({"3F000", "42704", "42883", "42P01", "42809", "42P17"})
"""Schema, object, function or table not there or not of the right kind: perhaps not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a statement that may be left out where the server refuses it.

    Attributes:
        text, instead: what stands there, and what stands there when it is left out.
        label: names it in a warning: "the default of public.t.c".
        first: other parts may need it, so it is tried before them.
    """

    text: str
    label: str
    instead: str = ""
    first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Parts with commas between them; nothing at all where none is left."""

    before: str
    parts: tuple[Part, ...]
    after: str = ")"


Piece = str | Part | Listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement, of fixed text and parts that can be done without.

    Attributes:
        what: names what it makes in a warning: "the index public.i".
        otherwise: what is run where it fails even so; `compromise` says what that amounts to.
    """

    what: str
    pieces: tuple[Piece, ...]
    otherwise: tuple["Statement", ...] = ()
    compromise: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A statement that the server refused, and why."""

    statement: Statement
    error: psycopg.Error


def plain(what: str, text: str) -> Statement:
    """A statement without parts."""
    return Statement(what=what, pieces=(text,))


def reason(error: psycopg.Error) -> str:
    """The server's message, on one line."""
    return " ".join((error.diag.message_primary or f"{error}").split())


@dataclass(slots=True, kw_only=True)
class Session:
    """The owner's session in which a catalog is built, watched from outside; another one after one that was lost.

    Attributes:
        search_path: names in function bodies mean what they mean on the target.
        deadline: of `time.monotonic`, for the whole build.
    """

    sandbox: Sandbox
    database: str
    search_path: Sequence[str]
    watch: Watch
    connection: psycopg.Connection[Any]
    deadline: float = field(default_factory=lambda: time.monotonic() + BUILD_LIMIT_S)


@contextmanager
def building(sandbox: Sandbox, database: str, search_path: Sequence[str]) -> Iterator[Session]:
    """A session for `run`; at its end the login is again as it was, whatever a definition did to it."""
    try:
        with watched(sandbox, database, search_path) as session:
            yield session
    finally:
        reopened(sandbox.restore_login)


@contextmanager
def watched(sandbox: Sandbox, database: str, search_path: Sequence[str]) -> Iterator[Session]:
    """One more session for a build under way."""
    with Watch(sandbox, limit_s=STATEMENT_LIMIT_S) as watch:
        connection = _connect(sandbox, database, search_path)
        session = Session(
            sandbox=sandbox, database=database, search_path=search_path, watch=watch, connection=connection
        )
        try:
            yield session
        finally:
            session.connection.close()


def _connect(sandbox: Sandbox, database: str, search_path: Sequence[str]) -> psycopg.Connection[Any]:
    connection = sandbox.connect(database)
    connection.autocommit = True
    connection.prepare_threshold = None
    connection.execute("SET check_function_bodies = false")
    path = ", ".join(map(quote_identifier, search_path))
    if path:
        connection.execute("SELECT set_config('search_path', %s, false)", (path,))
    return connection


def run_side_by_side(session: Session, groups: Sequence[Sequence[Statement]]) -> list[Statement]:
    """Runs groups that do not need each other, many of them in several sessions; what failed, in order.

    A server that others keep busy then takes a quarter of the time for a thousand tables.
    """
    lanes = LANES if sum(len(group) for group in groups) >= WORTH_LANES else 1
    stop = threading.Event()

    def lane(first: int) -> list[tuple[int, Statement]]:
        with watched(session.sandbox, session.database, session.search_path) as other:
            other.deadline = session.deadline
            return _lane(other, [(n, groups[n]) for n in range(first, len(groups), lanes)], stop)

    if lanes == 1:
        failed = _lane(session, list(enumerate(groups)), stop)
    else:
        with ThreadPoolExecutor(lanes) as pool:
            try:
                failed = [failure for results in pool.map(lane, range(lanes)) for failure in results]
            except BaseException:
                stop.set()
                raise
    return [statement for _, statement in sorted(failed, key=lambda failure: failure[0])]


def _lane(
    session: Session, groups: Sequence[tuple[int, Sequence[Statement]]], stop: threading.Event
) -> list[tuple[int, Statement]]:
    failed: list[tuple[int, Statement]] = []
    for number, group in groups:
        if stop.is_set():
            break
        failed.extend((number, failure.statement) for failure in _pass(session, group))
    return failed


def run(session: Session, statements: Sequence[Statement]) -> list[Failure]:
    """Runs the statements in order, and again what failed for want of another one, as long as that helps.

    What is left has failed for good, unless something more is made. Raises SandboxError where the server is lost.
    """
    failures = _pass(session, statements)
    while failures:
        early = [failure.statement for failure in failures if failure.error.sqlstate in _LATER_STATES]
        lasting = [failure for failure in failures if failure.error.sqlstate not in _LATER_STATES]
        again = _pass(session, early)
        failures = [*lasting, *again]
        if len(again) == len(early):
            break
    return failures


def run_with_less(session: Session, failures: Sequence[Failure]) -> tuple[list[Failure], list[str]]:
    """Tries what `run` could not, without what the server refuses; the failures that stay, and what was left out."""
    told: list[str] = []
    while failures:
        left = []
        for failure in failures:
            error = _attempt(session, failure.statement, render(failure.statement))
            if error is None:
                continue
            sentences = _reduced(session, failure.statement, error)
            if sentences is None:
                left.append(Failure(statement=failure.statement, error=error))
            else:
                told.extend(sentences)
        if len(left) == len(failures):
            break
        failures = left
    return list(failures), told


def render(statement: Statement, without: frozenset[Part] = frozenset()) -> str:
    """The statement's text, some of its parts left out."""
    return "".join(_text(piece, without) for piece in statement.pieces)


def _text(piece: Piece, without: frozenset[Part]) -> str:
    if isinstance(piece, str):
        return piece
    if isinstance(piece, Part):
        return piece.instead if piece in without else piece.text
    kept = [part.text for part in piece.parts if part not in without]
    return f"{piece.before}{', '.join(kept)}{piece.after}" if kept else ""


def _parts(statement: Statement) -> list[Part]:
    """Those that others may need stand first."""
    found: list[Part] = []
    for piece in statement.pieces:
        found.extend(piece.parts if isinstance(piece, Listing) else (piece,) if isinstance(piece, Part) else ())
    return sorted(found, key=lambda part: not part.first)


def _pass(session: Session, statements: Sequence[Statement]) -> list[Failure]:
    attempts = ((statement, _attempt(session, statement, render(statement))) for statement in statements)
    return [Failure(statement=statement, error=error) for statement, error in attempts if error is not None]


def _reduced(session: Session, statement: Statement, error: psycopg.Error) -> Sequence[str] | None:
    """Runs the statement with as many of its parts as the server takes; None where it takes none of it."""
    parts = _parts(statement)
    without = frozenset(parts)
    if not parts or _attempt(session, statement, render(statement, without), keep=False) is not None:
        return _replaced(session, statement, error)
    told = []
    for part in parts:
        fault = _attempt(session, statement, render(statement, without - {part}), keep=False)
        if fault is None:
            without -= {part}
        else:
            told.append(f"Left out on the throwaway server: {part.label} ({reason(fault)}).")
    return None if _attempt(session, statement, render(statement, without)) is not None else told


def _replaced(session: Session, statement: Statement, error: psycopg.Error) -> Sequence[str] | None:
    if not statement.otherwise or _pass(session, statement.otherwise[:1]):
        return None
    failures, told = run_with_less(session, run(session, statement.otherwise[1:]))
    told.extend(f"{not_built(failure)}" for failure in failures)
    return [f"{statement.compromise} ({reason(error)}).", *told]


def not_built(failure: Failure) -> str:
    """A failure as a sentence."""
    return f"Not built on the throwaway server: {failure.statement.what}: {reason(failure.error)}."


def _attempt(session: Session, statement: Statement, text: str, *, keep: bool = True) -> psycopg.Error | None:
    """Runs one statement; what the server says against it. Not `keep`: and takes it back."""
    if time.monotonic() > session.deadline:
        return psycopg.errors.QueryCanceled(f"not tried, because all before it took {BUILD_LIMIT_S} s")
    connection = session.connection
    try:
        with (
            session.watch.statement(connection),
            nullcontext() if keep else connection.transaction(force_rollback=True),
        ):
            # A binary result is asked for by the extended protocol, which takes one statement and no more: a
            # definition that came from outside cannot bring a second one.
            connection.execute(text.encode(), binary=True)
    except psycopg.Error as error:
        if connection.broken:
            _reconnect(session, statement, error)
        return error
    return None


def _reconnect(session: Session, statement: Statement, error: psycopg.Error) -> None:
    """Goes on in a new session, where it is the old one that ended and not the server."""
    session.connection.close()
    try:
        session.connection = reopened(lambda: _connect(session.sandbox, session.database, session.search_path))
    except (SandboxError, psycopg.Error):
        raise SandboxError(
            "The throwaway PostgreSQL was lost while the schema was built.",
            why=f"At {statement.what}: {error}".strip(),
            hint="Run the command again; if it is lost again, the catalog holds what ends the server.",
        ) from error
