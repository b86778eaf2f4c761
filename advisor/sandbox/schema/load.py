"""A schema file into a sandbox's database, as its unprivileged owner: what cannot be loaded is named, not fatal."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psycopg

from advisor.errors import EmptyInput, InputError, SandboxError, SqlError
from advisor.sandbox.schema.extensions import create_extension
from advisor.sandbox.server import Sandbox
from advisor.sandbox.watch import Watch
from advisor.sandbox.watched import reopened
from advisor.sql.comments import COMMENT_TOKENS
from advisor.sql.parse import parse_one, scan
from advisor.sql.quote import quote_identifier
from advisor.sql.split import StatementText, split

MAX_WARNINGS = 20
"""One missing type can fail a hundred statements: the first ones tell, the rest are counted."""

STATEMENT_LIMIT_S = 60
"""A statement of a schema that takes longer does other things than to define something."""

LOAD_LIMIT_S = 300
"""For a file as a whole: 100,000 statements of an honest one take less than half of this."""

_KEPT_SETTINGS = frozenset(
    {
        "client_encoding",
        "default_transaction_read_only",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "lock_timeout",
        "role",
        "session_authorization",
        "standard_conforming_strings",
        "statement_timeout",
        "transaction_timeout",
    }
)
"""Ours: the text is decoded and taken apart already, and a limit on time is not the file's to lift."""

_IRRELEVANT = frozenset(
    {
        "AlterDatabaseRefreshCollStmt",
        "AlterDatabaseSetStmt",
        "AlterDatabaseStmt",
        "AlterDefaultPrivilegesStmt",
        "AlterExtensionStmt",
        "AlterOwnerStmt",
        "AlterPublicationStmt",
        "AlterRoleSetStmt",
        "AlterRoleStmt",
        "AlterSubscriptionStmt",
        "AlterSystemStmt",
        "CreatePublicationStmt",
        "CreateRoleStmt",
        "CreateSubscriptionStmt",
        "CreateTableSpaceStmt",
        "CreatedbStmt",
        "DropOwnedStmt",
        "DropRoleStmt",
        "DropdbStmt",
        "GrantRoleStmt",
        "GrantStmt",
        "ReassignOwnedStmt",
        "SecLabelStmt",
        "TransactionStmt",
    }
)
"""Owners, grants, roles, databases, replication: of the server the file comes from, and nothing to a plan. BEGIN and
COMMIT too: one failure would take the rest of its transaction along."""

_QUIET_FAILURES = frozenset({"CommentStmt", "CreatePolicyStmt", "DropStmt", "VariableSetStmt"})
"""They may name what is not there (a role, a setting of another version, a table that is dropped to be made anew)."""

_SERVER_WIDE = re.compile(r"(?:create|alter|drop) (?:database|group|role|subscription|system|tablespace|user)\b")
"""How statements of `_IRRELEVANT` begin, for those that the parser does not read: they may be too long for it."""

_READS_ON = re.compile(r"\\(?:i|ir|include|include_relative|copy|gexec|g|watch)\b")
_SETS_PATH = re.compile(r"select (?:pg_catalog\.)?set_config\('search_path'", re.IGNORECASE)
_LATER_STATES = frozenset({"3F000", "42704", "42883", "42P01"})
"""Schema, object, function or table not there: perhaps not yet, where a file is not in order."""

_PLAIN_HINT = "Give a text of SQL statements, such as pg_dump --schema-only writes."

Action = Literal["run", "skip", "extension", "include"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A statement and what is to be done with it; `kind` is the parse tree's node, "" where it does not parse."""

    text: StatementText
    kind: str
    action: Action
    sql: str
    extension: tuple[str, str] = ("", "")


def load_schema(sandbox: Sandbox, source: Path | str, *, database: str) -> tuple[str, ...]:
    """Runs a schema file (hand-written or a plain `pg_dump`), a `Path` or its text, statement by statement.

    Returns warnings, one per statement that could not be run, with file name and line. Owners, grants and roles are
    passed over. A statement that overruns or loses its session is named like any other that fails; what it did to the
    login's own password and settings is taken back. Raises InputError (EmptyInput) where the file cannot be read or
    holds no SQL at all, and SandboxError where the server is lost on the way.
    """
    name, text = _read(source)
    steps = [_step(statement) for statement in split(text)]
    if not steps:
        raise EmptyInput(f"{name} holds no statement.", hint="Give the file that pg_dump --schema-only writes.")
    first = steps[0].text.error
    if first is not None and all(step.text.error for step in steps):
        raise InputError(f"{name} is not SQL.", why=first.what, hint=_PLAIN_HINT)
    with Watch(sandbox, limit_s=STATEMENT_LIMIT_S) as watch:
        load = _Load(sandbox=sandbox, database=database, name=name, watch=watch, connection=_session(sandbox, database))
        try:
            later = _pass(load, steps)
            while later:
                again = _pass(load, later)
                if len(again) == len(later):
                    break
                later = again
        finally:
            load.connection.close()
            reopened(sandbox.restore_login)
    failures = load.failures
    warnings = [failures[start] for start in sorted(failures)]
    if len(warnings) > MAX_WARNINGS:
        rest = len(warnings) - MAX_WARNINGS
        return (*warnings[:MAX_WARNINGS], f"{name}: {rest} more statements could not be run.")
    return tuple(warnings)


def _read(source: Path | str) -> tuple[str, str]:
    if isinstance(source, str):
        return "the schema", source
    try:
        content = source.read_bytes()
    except OSError as error:
        raise InputError(f"{source} cannot be read.", why=f"{error.strerror}.") from error
    if content.startswith(b"PGDMP"):
        raise InputError(
            f"{source} is a dump in pg_dump's custom format.",
            hint=f"Turn it into SQL: pg_restore -f schema.sql {source}",
        )
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return source.name, content.decode("utf-16", errors="replace")
    if b"\0" in content:
        raise InputError(f"{source} is not a text.", why="It holds NUL bytes.", hint=_PLAIN_HINT)
    try:
        return source.name, content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Every byte is a character there: names may read oddly, but alike wherever they occur.
        return source.name, content.decode("latin-1")


def _step(text: StatementText) -> _Step:
    if text.kind == "meta":
        action: Action = "include" if _READS_ON.match(text.sql) else "skip"
        return _Step(text=text, kind="meta", action=action, sql=text.sql)
    try:
        node = parse_one(text.sql)
    except SqlError:
        # Too long for the parser, or of another version: the server has the last word.
        action = "skip" if _SERVER_WIDE.match(_beginning(text.sql)) else "run"
        return _Step(text=text, kind="", action=action, sql=text.sql)
    kind = node.DESCRIPTOR.name
    if kind == "CreateExtensionStmt":
        return _Step(text=text, kind=kind, action="extension", sql=text.sql, extension=_extension(node))
    if kind == "CreateSchemaStmt" and node.HasField("authrole") and node.schemaname and not node.schema_elts:
        return _Step(text=text, kind=kind, action="run", sql=f"CREATE SCHEMA {quote_identifier(node.schemaname)}")
    return _Step(text=text, kind=kind, action="skip" if _is_irrelevant(kind, node) else "run", sql=text.sql)


def _beginning(statement: str) -> str:
    """The first words, in lower case, without comments."""
    try:
        tokens = [token for token in scan(statement) if token.token not in COMMENT_TOKENS][:3]
    except SqlError:
        return ""
    data = statement.encode()
    return " ".join(data[token.start : token.end].decode().lower() for token in tokens)


def _is_irrelevant(kind: str, node: Any) -> bool:
    if kind == "VariableSetStmt":
        return node.name in _KEPT_SETTINGS
    if kind == "AlterTableStmt":
        return all(_subtype(command) == "AT_ChangeOwner" for command in node.cmds)
    return kind in _IRRELEVANT


def _subtype(command: Any) -> str:
    inner = command.alter_table_cmd
    field = inner.DESCRIPTOR.fields_by_name["subtype"]
    return str(field.enum_type.values_by_number[inner.subtype].name)


def _extension(node: Any) -> tuple[str, str]:
    """Its name and the schema it is wanted in."""
    for option in node.options:
        if option.def_elem.defname == "schema":
            return node.extname, option.def_elem.arg.string.sval
    return node.extname, "public"


@dataclass(slots=True, kw_only=True)
class _Load:
    """A load under way.

    Attributes:
        connection: the session; a new one where a statement took the last one along.
        settings: the statements whose settings a new session needs, too.
        failures: sentences, by the statement's position in the text.
    """

    sandbox: Sandbox
    database: str
    name: str
    watch: Watch
    connection: psycopg.Connection[Any]
    deadline: float = field(default_factory=lambda: time.monotonic() + LOAD_LIMIT_S)
    settings: list[_Step] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)


def _session(sandbox: Sandbox, database: str) -> psycopg.Connection[Any]:
    connection = sandbox.connect(database)
    connection.autocommit = True
    connection.execute("SET check_function_bodies = false")
    return connection


def _reopen(load: _Load, error: psycopg.Error, where: str) -> None:
    """A new session like the last one. Raises SandboxError where there is none."""
    load.connection.close()
    try:
        load.connection = reopened(lambda: _session(load.sandbox, load.database))
    except (SandboxError, psycopg.OperationalError):
        raise SandboxError(
            "The throwaway PostgreSQL was lost while the schema was loaded.",
            why=f"At {where}: {error}".strip(),
            hint="Take this statement out of the schema file.",
        ) from error
    for step in load.settings:
        with suppress(psycopg.Error):
            load.connection.execute(step.sql.encode())


def _pass(load: _Load, steps: Sequence[_Step]) -> list[_Step]:
    """Takes the steps in order, noting failures by position; the steps that may work once others have."""
    later = []
    for step in steps:
        if step.action == "skip":
            continue
        load.failures.pop(step.text.start, None)
        where = f"{load.name}:{step.text.line}"
        if step.action == "include":
            problem: str | None = f"{_gist(step.sql)} is psql's and was passed over; nothing it reads is loaded."
        elif time.monotonic() > load.deadline:
            problem = f"{_gist(step.sql)}: not run, because the file took longer than {LOAD_LIMIT_S} s."
        elif step.action == "extension":
            problem = create_extension(
                load.sandbox, step.extension[0], database=load.database, schema=step.extension[1]
            )
        else:
            problem, again = _run(load, step, where)
            if again:
                later.append(step)
        if problem:
            load.failures[step.text.start] = f"{where}: {problem}"
    return later


def _run(load: _Load, step: _Step, where: str, *, retry: bool = True) -> tuple[str | None, bool]:
    """Runs a statement: what is wrong with it, if anything, and whether it may work once others have run."""
    try:
        with load.watch.statement(load.connection):
            _execute(load.connection, step)
    except psycopg.Error as error:
        if load.connection.broken:
            ended = load.watch.ended
            _reopen(load, error, f"{where}, {_gist(step.sql)}")
            if ended is None and retry:
                # The statement before may have set the session to end.
                return _run(load, step, where, retry=False)
            return f"{_gist(step.sql)}: its session was ended: {ended or _reason(step, error)}", False
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction) and retry:
            load.connection.execute("SET default_transaction_read_only = off")
            return _run(load, step, where, retry=False)
        if step.kind in _QUIET_FAILURES or _is_harmless(step, error):
            return None, False
        return f"{_gist(step.sql)}: {_reason(step, error)}", error.sqlstate in _LATER_STATES
    if step.kind == "VariableSetStmt" or (step.kind == "SelectStmt" and _SETS_PATH.match(step.sql)):
        load.settings.append(step)
    return None, False


def _execute(connection: psycopg.Connection[Any], step: _Step) -> None:
    if step.text.kind == "copy":
        with connection.cursor() as cursor, cursor.copy(step.sql.encode()) as copy:
            copy.write((step.text.data or "").encode())
    else:
        connection.execute(step.sql.encode())


def _is_harmless(step: _Step, error: psycopg.Error) -> bool:
    """The public schema is there already."""
    return step.kind == "CreateSchemaStmt" and isinstance(error, psycopg.errors.DuplicateSchema)


def _reason(step: _Step, error: psycopg.Error) -> str:
    reason = error.diag.message_primary or f"{error}".strip()
    return step.text.error.what if step.text.error and "psql" in step.text.error.what else reason


def _gist(statement: str) -> str:
    """The statement's beginning, on one line."""
    words = " ".join(statement.split())
    return words if len(words) <= 60 else f"{words[:57]}..."
