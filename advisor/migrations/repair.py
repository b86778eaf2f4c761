"""Made-up rows that break a rule which the migration adds: mended, so that the statement's facts can be seen.

Everything here runs as the unprivileged owner, because triggers and functions of the schema may fire.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import psycopg
from psycopg import sql

from advisor.migrations.observe import read_relations
from advisor.migrations.session import Logins, Outcome

_KEY = re.compile(r"Key \((.*)\)=\(.*\) is duplicated")

_KEEP_LAST = """
DELETE FROM {table} WHERE (tableoid, ctid) IN (
  SELECT t, c FROM (SELECT tableoid AS t, ctid AS c, row_number() OVER (PARTITION BY {key} ORDER BY ctid DESC) AS n
                      FROM {table}) numbered
   WHERE n > 1)
"""

_CONSTRAINT = """
SELECT pg_catalog.pg_get_expr(c.conbin, c.conrelid),
       (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text) FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey))
  FROM pg_catalog.pg_constraint c WHERE c.conrelid = pg_catalog.to_regclass(%s) AND c.conname = %s AND c.contype = 'c'
"""


def repair(
    logins: Logins, database: str, outcome: Outcome, facts: Mapping[str, Any], attempt: int
) -> frozenset[str] | None:
    """Mends the rows that a statement stumbled over; `attempt` counts from 1 for one statement.

    Rows get the values of a row that keeps the rule; where that is not known or not possible they are deleted (of equal
    ones all but the last), and at last the table is emptied, with those that refer to it. An invalid index that
    CONCURRENTLY left goes, too.

    Returns the tables (`schema.name`) that lost rows, or None where nothing is left to try.
    """
    name = _table_name(outcome, facts.get("table"))
    if name is None:
        return None
    with closing(logins.connect(database)) as connection:
        connection.autocommit = True
        for left in facts.get("new_indexes", ()):
            _changes(connection, sql.SQL("DROP INDEX {}").format(sql.Identifier(*left["index"].split(".", 1))))
        before = _sizes(connection)
        for step, removes in list(_steps(connection, name, outcome, facts))[attempt - 1 :]:
            if _changes(connection, step):
                after = _sizes(connection)
                emptied = {table for table, size in before.items() if size and not after.get(table)}
                return frozenset(emptied | {".".join(name)} if removes else emptied)
    return None


def _steps(
    connection: psycopg.Connection[Any], name: tuple[str, ...], outcome: Outcome, facts: Mapping[str, Any]
) -> Iterator[tuple[sql.Composed, bool]]:
    """What to try, mildest first, and whether it takes rows away."""
    table = sql.Identifier(*name)
    kept = _kept_rule(connection, name, outcome, facts)
    if kept is not None:
        condition, columns = kept
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        broken = sql.SQL("WHERE NOT coalesce({}, true)").format(condition)
        yield (
            sql.SQL("UPDATE {} SET ({}) = ROW ({}) FROM (SELECT {} FROM {} WHERE {} LIMIT 1) kept {}").format(
                table,
                names,
                sql.SQL(", ").join(sql.Identifier("kept", f"v{number}") for number in range(len(columns))),
                sql.SQL(", ").join(
                    sql.SQL("{} AS {}").format(sql.Identifier(column), sql.Identifier(f"v{number}"))
                    for number, column in enumerate(columns)
                ),
                table,
                condition,
                broken,
            ),
            False,
        )
        yield sql.SQL("DELETE FROM {} {}").format(table, broken), True
    duplicates = _KEY.search(outcome.error or "") if outcome.sqlstate == "23505" else None
    if duplicates is not None:
        # The detail writes the key as its definition does, so that expressions can be put in as they are.
        yield sql.SQL(_KEEP_LAST).format(table=table, key=sql.SQL(duplicates[1])), True
    yield sql.SQL("TRUNCATE {} CASCADE").format(table), True


def _kept_rule(
    connection: psycopg.Connection[Any], name: tuple[str, ...], outcome: Outcome, facts: Mapping[str, Any]
) -> tuple[sql.Composable, list[str]] | None:
    """The condition that rows must keep, and its columns; None where it is not a condition on one row."""
    if outcome.sqlstate == "23502" and outcome.column:
        return sql.SQL("({} IS NOT NULL)").format(sql.Identifier(outcome.column)), [outcome.column]
    if outcome.sqlstate != "23514":
        return None
    regclass = sql.Identifier(*name).as_string(connection)
    row = connection.execute(_CONSTRAINT, (regclass, outcome.constraint)).fetchone()
    if row is None or not row[0] or not row[1]:
        row = next(((c["expression"], c["columns"]) for c in facts.get("checks", ()) if c["columns"]), None)
    # The condition is the schema's or the migration's own text, and runs with no more rights than the migration.
    return (sql.SQL("({})").format(sql.SQL(row[0])), list(row[1])) if row else None


def _sizes(connection: psycopg.Connection[Any]) -> dict[str, int]:
    return {str(r.name): r.size_bytes for r in read_relations(connection).values() if not r.is_index}


def _table_name(outcome: Outcome, target: str | None) -> tuple[str, ...] | None:
    if outcome.schema and outcome.table:
        return outcome.schema, outcome.table
    return tuple(target.split(".", 1)) if target else None


def _changes(connection: psycopg.Connection[Any], step: sql.Composed) -> bool:
    try:
        return connection.execute(step).rowcount != 0
    except psycopg.Error:
        return False
