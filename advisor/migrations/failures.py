"""Why a statement failed: because of the migration, because of the sandbox, or because of rows that are made up."""

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from advisor.migrations.files import FileStatement
from advisor.migrations.session import Logins, Outcome

_LIMITS = re.compile(r"57014|57P01|55P03|53...|58...|XX...")
"""Cancelled, terminated, lock not available, out of a resource, system and internal errors: the sandbox's own."""

_UNDEFINED = frozenset({"42704", "42883", "42P01", "42703", "3F000", "42P17"})
"""Something is not there: what follows from an earlier statement that did not run."""

_OF_THE_CLUSTER = re.compile(r"(role|tablespace|database|collation|language|publication|foreign-data wrapper) ")
"""Objects that a schema file does not hold or that the operating system provides."""

_ROWS = ("22", "23")
"""Data exceptions and integrity violations: SQLSTATE classes that depend on the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What did not load or run so far, one sentence each."""

    causes: tuple[str, ...] = ()

    def add(self, cause: str) -> "Trouble":
        return Trouble(causes=(*self.causes, cause))


def environment_reason(statement: FileStatement, outcome: Outcome, trouble: Trouble) -> str | None:
    """Why the failure says nothing about the migration; None where it does."""
    state, message = outcome.sqlstate or "", outcome.error or ""
    if outcome.lost or not state:
        return f"its session on the throwaway server ended: {message}"
    if _LIMITS.fullmatch(state):
        return f"the throwaway server's limits stopped it: {message}"
    if state == "42501":
        return f"the throwaway server's login may not do this: {message}"
    if statement.kind == "CreateExtension":
        return f"the throwaway server does not have the extension: {message}"
    if state in ("42704", "3D000") and _OF_THE_CLUSTER.match(message):
        return f"the throwaway server does not have it: {message}"
    if state in _UNDEFINED and trouble.causes:
        return f"{message}; it may follow from this: {trouble.causes[0]}"
    return None


def is_about_rows(outcome: Outcome) -> bool:
    """Whether other rows could have let the statement through."""
    return (outcome.sqlstate or "")[:2] in _ROWS


def repair(logins: Logins, database: str, outcome: Outcome, facts: Mapping[str, Any], attempt: int) -> frozenset[str]:
    """Takes away made-up rows that a statement stumbled over; the tables changed, none where nothing is left to try.

    First the rows with a NULL where that was the complaint, then all rows of the table. It runs as the unprivileged
    owner, because triggers of the schema may fire. An invalid index that CONCURRENTLY left goes, too.
    """
    name = _table_name(outcome, facts.get("table"))
    if name is None:
        return frozenset()
    table = sql.Identifier(*name)
    steps = [sql.SQL("TRUNCATE {} CASCADE").format(table)]
    if outcome.sqlstate == "23502" and outcome.column:
        steps.insert(0, sql.SQL("DELETE FROM {} WHERE {} IS NULL").format(table, sql.Identifier(outcome.column)))
    if attempt > len(steps):
        return frozenset()
    with closing(logins.connect(database)) as connection:
        connection.autocommit = True
        for left in facts.get("new_indexes", ()):
            _done(connection, sql.SQL("DROP INDEX {}").format(sql.Identifier(*left["index"].split(".", 1))))
        for step in steps[attempt - 1 :]:
            if _done(connection, step):
                return frozenset({".".join(name)})
    return frozenset()


def _table_name(outcome: Outcome, target: str | None) -> tuple[str, ...] | None:
    if outcome.schema and outcome.table:
        return outcome.schema, outcome.table
    return tuple(target.split(".", 1)) if target else None


def _done(connection: psycopg.Connection[Any], step: sql.Composed) -> bool:
    try:
        return connection.execute(step).rowcount != 0
    except psycopg.Error:
        return False
