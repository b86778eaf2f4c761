"""The traced run: every statement of every file is executed on the throwaway server, and what it did is written down.

Statements outside BEGIN … COMMIT run as `BEGIN; statement; (look); COMMIT`, so that locks and counters can be read
while they are held; inside the file's own transaction the look follows each statement, and `locks` are all that are
held by then, since that is what others wait for. Statements that refuse a transaction block are run without one.

Relations created by the same run of migrations are new: nothing of production uses them yet, so their locks,
rewrites and scans are not reported.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import psycopg
from psycopg.pq import TransactionStatus

from advisor.migrations.failures import Trouble, environment_reason, is_about_rows
from advisor.migrations.files import FileStatement, MigrationFile
from advisor.migrations.observe import (
    Relation,
    activity_facts,
    file_facts,
    index_facts,
    lock_facts,
    name_locks,
    read_locks,
    read_relations,
    take_picture,
)
from advisor.migrations.repair import repair
from advisor.migrations.session import Logins, Outcome, open_session, run, run_outside_transaction
from advisor.model.migration import Migration, TracedStatement
from advisor.sql.quote import quote_identifier

_UNOBSERVED = frozenset({"Transaction", "VariableSet", "VariableShow", "Listen", "Notify", "Unlisten", "Discard"})
"""They touch no relation, and SET TRANSACTION must come before any query of ours."""

_ONLY_IN_BLOCK = frozenset({"Lock", "DeclareCursor"})
"""The server refuses them outside a transaction, and a BEGIN of ours would hide that."""

_RUNS_ALONE = frozenset({"CreateIndex", "DropIndex", "Reindex", "Vacuum", "Cluster", "AlterTable", "Do", "Call"})
"""Kinds that may be run outside a transaction where they refuse one: they stay within the database."""

_OF_THE_SERVER = re.compile(r"(Create|Alter|Drop)(db|Database|Role|TableSpace|Subscription|System|UserMapping)")
"""Kinds that reach beyond the database, to what other sessions of the throwaway server rest on."""

_REFUSES_BLOCK = frozenset({"25001", "2D000"})
"""active_sql_transaction, and invalid_transaction_termination: a COMMIT inside a DO block or procedure."""

_COLUMNS = (
    "locks",
    "max_lock",
    "blocks_reads",
    "blocks_writes",
    "rewrites",
    "rebuilt_indexes",
    "scans",
    "rows_written",
)

Rows = Literal["none", "synthesised", "sampled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """A run of migrations: the server, and the OIDs of the relations that were there before the first of them.

    Attributes:
        rows: where the sandbox's rows come from; only synthesised ones may be removed when they break a rule that
            the migration adds.
        settings: of each file's session, where the target's are known: `TimeZone` decides what is rewritten.
        trouble: what could not be loaded or run so far, and may explain a later "does not exist".
    """

    logins: Logins
    database: str
    existing: frozenset[int]
    rows: Rows = "synthesised"
    settings: Mapping[str, str] = field(default_factory=dict)
    trouble: Trouble = field(default_factory=Trouble)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTrace:
    """A file's run. `trouble` is for the next file; `changed` are tables whose rows had to be removed."""

    migration: Migration
    trouble: Trouble
    changed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    outcome: Outcome
    facts: dict[str, Any] = field(default_factory=dict)


def start_trace(
    logins: Logins, database: str, *, rows: Rows = "synthesised", missing: Sequence[str] = ()
) -> TraceContext:
    """The context of a run that begins now. `missing` are sentences about parts of the schema that did not load."""
    with closing(logins.admin(database)) as admin:
        admin.autocommit = True
        existing = frozenset(read_relations(admin))
    return TraceContext(
        logins=logins, database=database, existing=existing, rows=rows, trouble=Trouble(causes=tuple(missing))
    )


def trace(
    logins: Logins,
    database: str,
    files: Sequence[MigrationFile],
    *,
    rows: Rows = "synthesised",
    missing: Sequence[str] = (),
) -> tuple[Migration, ...]:
    """Runs the files one after another on a throwaway database; the statements' facts and errors come back.

    Raises:
        psycopg.OperationalError: the server itself is gone.
    """
    context = start_trace(logins, database, rows=rows, missing=missing)
    migrations = []
    for file in files:
        traced = trace_file(context, file)
        migrations.append(traced.migration)
        context = replace(context, trouble=traced.trouble)
    return tuple(migrations)


def trace_file(context: TraceContext, file: MigrationFile) -> FileTrace:
    """Runs one file in a session of its own. A file with an error of its own is not run."""
    migration = Migration(file=file.file, framework=file.framework, transaction=file.transaction, error=file.error)
    if file.error is not None:
        statements = tuple(_untraced(s, "the file could not be read as a whole") for s in file.statements)
        trouble = context.trouble.add(f"{file.file} could not be run")
        return FileTrace(migration=replace(migration, statements=statements), trouble=trouble)
    with closing(context.logins.admin(context.database)) as admin:
        admin.autocommit = True
        before = _invalid_indexes(admin)
        with open_session(context.logins, context.database, context.settings) as connection:
            statements, trouble, changed = _run_file(context, admin, connection, file)
            error = _left_open(connection, statements)
        invalid = tuple(sorted(_invalid_indexes(admin) - before))
    return FileTrace(
        migration=replace(migration, statements=statements, invalid_indexes=invalid, error=error),
        trouble=trouble.add(f"{file.file}: {error}") if error else trouble,
        changed=changed,
    )


def _left_open(connection: psycopg.Connection[Any], statements: Sequence[TracedStatement]) -> str | None:
    """A transaction that is never committed takes back all it did, without a word from psql."""
    if connection.broken or _status(connection) != TransactionStatus.INTRANS:
        return None
    begins = [s.line for s in statements if s.details.get("transaction") == "begin"]
    return f"line {begins[-1] if begins else 1}: the transaction that begins here is never committed"


def _run_file(
    context: TraceContext, admin: psycopg.Connection[Any], connection: psycopg.Connection[Any], file: MigrationFile
) -> tuple[tuple[TracedStatement, ...], Trouble, frozenset[str]]:
    done: list[TracedStatement] = []
    trouble, changed = context.trouble, frozenset[str]()
    block_start, attempts, complaints = 0, dict[int, int](), dict[int, str]()
    while len(done) < len(file.statements):
        position, statement = len(done), file.statements[len(done)]
        if _status(connection) == TransactionStatus.IDLE:
            block_start = position
        step = _trace_statement(context, admin, connection, statement)
        outcome = step.outcome
        if outcome.error is None:
            note = {"data_error": complaints[position]} if position in complaints else {}
            done.append(_traced(statement, step, note))
            continue
        attempts[position] = attempts.get(position, 0) + 1
        if context.rows == "synthesised" and is_about_rows(statement, outcome) and not outcome.lost:
            _abandon(connection)
            facts = {**statement.details, **step.facts}
            removed = repair(context.logins, context.database, outcome, facts, attempts[position])
            if removed is not None:
                complaints[position] = outcome.error
                changed, done = changed | removed, done[:block_start]
                continue
        reason = environment_reason(statement, outcome, trouble)
        trouble = trouble.add(f"{file.file}:{statement.line} did not run")
        if reason is None:
            done.append(_traced(statement, step, {}))
        else:
            done.append(_untraced(statement, reason))
            if _go_on(connection):
                continue
        rest = f"the file stopped at the error in line {statement.line}"
        done += [_untraced(s, rest) for s in file.statements[position + 1 :]]
    return tuple(done), trouble, changed


def _trace_statement(
    context: TraceContext,
    admin: psycopg.Connection[Any],
    connection: psycopg.Connection[Any],
    statement: FileStatement,
) -> _Step:
    in_block = _status(connection) == TransactionStatus.INTRANS
    stop = _stopper(context)
    if _OF_THE_SERVER.match(statement.kind):
        return _Step(outcome=Outcome(error="it changes the server, not the database", sqlstate="42501"))
    if statement.kind in _UNOBSERVED or (statement.kind in _ONLY_IN_BLOCK and not in_block):
        outcome = run(connection, statement.sql, stop)
        none: dict[str, Any] = {"rewrites": (), "rebuilt_indexes": (), "scans": (), "rows_written": {}}
        return _Step(outcome=outcome, facts=lock_facts(()) | none)
    try:
        step = _observed(context, admin, connection, statement, in_block)
        if step.outcome.sqlstate in _REFUSES_BLOCK and statement.kind in _RUNS_ALONE and not in_block:
            step = _unobserved_block(context, admin, connection, statement)
    except psycopg.Error as error:
        lost = Outcome(error=f"its effects could not be read: {error}", lost=True)
        return _Step(outcome=lost)
    return step


def _observed(
    context: TraceContext,
    admin: psycopg.Connection[Any],
    connection: psycopg.Connection[Any],
    statement: FileStatement,
    in_block: bool,
) -> _Step:
    """Within a transaction: the file's own, or one around this statement. A failed block is left as it is, at a
    savepoint, except for COPY, whose FREEZE wants the table to be of the same subtransaction."""
    stop, pid, savepoint = _stopper(context), connection.info.backend_pid, in_block and statement.kind != "Copy"
    if not in_block:
        connection.execute("BEGIN")
    before = take_picture(connection)
    target = _target(connection, statement, before.relations)
    held_before = read_locks(admin, pid).relations
    if savepoint:
        connection.execute(f"SAVEPOINT {_SAVEPOINT}")
    outcome = run(connection, statement.sql, stop, statement.copy_data)
    if outcome.error is not None:
        _rollback_own(connection, in_block)
        return _Step(outcome=outcome, facts=_target_facts(context, target))
    after, held = take_picture(connection), read_locks(admin, pid)
    if savepoint:
        connection.execute(f"RELEASE {_SAVEPOINT}")
    if not in_block:
        committed = run(connection, "COMMIT", stop)
        outcome = replace(committed, ms=outcome.ms + committed.ms)
    facts = _relation_facts(context, before.relations, after.relations) | activity_facts(
        before, after, context.existing
    )
    new_locks = name_locks(replace(held, relations=held.relations - held_before), context.existing, before.relations)
    facts |= lock_facts(name_locks(held, context.existing, before.relations))
    facts["new_locks"] = tuple((str(lock.relation), lock.mode) for lock in new_locks)
    return _Step(outcome=outcome, facts=facts | _target_facts(context, target))


_SAVEPOINT = "advisor_before_statement"


def _unobserved_block(
    context: TraceContext,
    admin: psycopg.Connection[Any],
    connection: psycopg.Connection[Any],
    statement: FileStatement,
) -> _Step:
    """In autocommit: files and indexes are compared before and after; locks are read at its first wait."""
    before = read_relations(admin)
    target = _target(connection, statement, before)
    table = before.get(target.table) if target and target.table else target
    # VACUUM and DETACH hold nothing while they wait for others, so they are made to wait for their own first lock.
    mode = "SHARE UPDATE EXCLUSIVE" if statement.kind in ("Vacuum", "AlterTable") else "ROW EXCLUSIVE"
    blocks = [(table, mode)] if table is not None and table.kind in "rmp" else []
    if blocks and (part := _find(connection, statement.details.get("partition", ()), before)) is not None:
        blocks.append((part, "ACCESS SHARE"))
    outcome, held = run_outside_transaction(
        context.logins, context.database, connection, statement.sql, blocks, _stopper(context)
    )
    after = read_relations(admin)
    facts = _relation_facts(context, before, after) | _target_facts(context, target)
    if held is not None:
        facts |= lock_facts(name_locks(held, context.existing, before))
    return _Step(outcome=outcome, facts=facts)


def _relation_facts(
    context: TraceContext, before: Mapping[int, Relation], after: Mapping[int, Relation]
) -> dict[str, Any]:
    return file_facts(before, after, context.existing) | index_facts(before, after, context.existing)


def _target(
    connection: psycopg.Connection[Any], statement: FileStatement, relations: Mapping[int, Relation]
) -> Relation | None:
    """The relation that the statement names first, as its session's search path finds it."""
    names = [statement.details["relation"]] if "relation" in statement.details else statement.details.get("objects", ())
    found = (_find(connection, parts, relations) for parts in names)
    return next((relation for relation in found if relation is not None), None)


def _find(
    connection: psycopg.Connection[Any], parts: Sequence[str | None], relations: Mapping[int, Relation]
) -> Relation | None:
    text = ".".join(quote_identifier(part) for part in parts if part)
    row = connection.execute("SELECT pg_catalog.to_regclass(%s)::pg_catalog.oid", (text,)).fetchone() if text else None
    return relations.get(row[0]) if row else None


def _target_facts(context: TraceContext, target: Relation | None) -> dict[str, Any]:
    return {"table": str(target.name)} if target and target.oid in context.existing and not target.is_index else {}


def _rollback_own(connection: psycopg.Connection[Any], in_block: bool) -> None:
    if not in_block and not connection.broken:
        connection.execute("ROLLBACK")


def _go_on(connection: psycopg.Connection[Any]) -> bool:
    """Whether the file can go on behind a statement that this server cannot run: back to the savepoint before it."""
    if connection.broken:
        return False
    if _status(connection) != TransactionStatus.INERROR:
        return True
    try:
        connection.execute(f"ROLLBACK TO {_SAVEPOINT}")
        connection.execute(f"RELEASE {_SAVEPOINT}")
    except psycopg.Error:
        return False
    return True


def _abandon(connection: psycopg.Connection[Any]) -> None:
    if _status(connection) != TransactionStatus.IDLE:
        connection.execute("ROLLBACK")


def _status(connection: psycopg.Connection[Any]) -> TransactionStatus:
    return connection.info.transaction_status


def _stopper(context: TraceContext) -> Any:
    def stop(pid: int) -> None:
        with closing(context.logins.admin(context.database)) as admin:
            admin.execute("SELECT pg_catalog.pg_terminate_backend(%s)", (pid,))

    return stop


def _invalid_indexes(admin: psycopg.Connection[Any]) -> set[str]:
    """Indexes that a failed CONCURRENTLY left; a partitioned one is invalid on purpose until all parts are attached."""
    return {str(r.name) for r in read_relations(admin).values() if r.kind == "i" and not r.valid}


def _traced(statement: FileStatement, step: _Step, note: dict[str, Any]) -> TracedStatement:
    columns = {name: step.facts[name] for name in _COLUMNS if name in step.facts}
    extra = {name: value for name, value in step.facts.items() if name not in _COLUMNS}
    return TracedStatement(
        line=statement.line,
        column=statement.column,
        end_line=statement.end_line,
        sql=statement.sql,
        kind=statement.kind,
        traced=True,
        ms=step.outcome.ms,
        error=step.outcome.error,
        sqlstate=step.outcome.sqlstate,
        details={**statement.details, **extra, **note},
        **columns,
    )


def _untraced(statement: FileStatement, reason: str) -> TracedStatement:
    return TracedStatement(
        line=statement.line,
        column=statement.column,
        end_line=statement.end_line,
        sql=statement.sql,
        kind=statement.kind,
        details={**statement.details, "reason": reason},
    )
