"""Where statistics go: the relations, columns, index expressions and statistics objects of a rebuilt database."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from advisor.model.names import QualifiedName
from advisor.sandbox.gone import raise_if_gone
from advisor.sandbox.twin.types import FIRST_NORMAL_OID, Oid
from advisor.sql.quote import quote_name

EXPRESSION_TIMEOUT_S = 5
"""To learn an expression's type is to plan it, which may run a function of the user's for ever."""

EXPRESSION_LIMIT_S = EXPRESSION_TIMEOUT_S + 2
"""A function may catch the cancellation and go on: then its session is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlace:
    """A column or an expression; `type_text` is `format_type`'s, None for an expression."""

    number: int
    type: Oid
    collation: Oid
    type_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationPlace:
    """A table or index; `kind` is `relkind`, `table` of an index the table's oid."""

    oid: Oid
    name: QualifiedName
    kind: str
    columns: Mapping[str, ColumnPlace]
    table: Oid = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPlace:
    """A statistics object: `columns` in the order of their numbers, `expressions` as SQL texts."""

    oid: Oid
    table: RelationPlace
    columns: tuple[str, ...]
    expressions: tuple[str, ...]


_RELATIONS = """
SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text,
       coalesce((SELECT i.indrelid::int8 FROM pg_index i WHERE i.indexrelid = c.oid), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid::int8 >= %(first)s AND c.relkind IN ('r', 'p', 'm', 'f', 'i') AND n.nspname !~ '^pg_'"""

_COLUMNS = """
SELECT a.attrelid::int8, a.attname::text, a.attnum::int, a.atttypid::int8, a.attcollation::int8,
       format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.oid::int8 >= %(first)s AND c.relkind IN ('r', 'p', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped"""

_OBJECTS = """
SELECT s.oid::int8, n.nspname::text, s.stxname::text, s.stxrelid::int8,
       ARRAY(SELECT a.attname::text FROM unnest(s.stxkeys::int2[]) WITH ORDINALITY AS k(number, position)
             JOIN pg_attribute a ON a.attrelid = s.stxrelid AND a.attnum = k.number ORDER BY k.position),
       {expressions}
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
WHERE s.oid::int8 >= %(first)s"""

_INDEX_EXPRESSIONS = """
SELECT i.indexrelid::int8, p.position::int, pg_get_indexdef(i.indexrelid, p.position::int, false),
       i.indcollation[p.position - 1]::int8
FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS p(number, position)
WHERE i.indexrelid = ANY (%s::oid[]) AND p.number = 0"""


def read_relations(connection: psycopg.Connection[Any]) -> dict[QualifiedName, RelationPlace]:
    """Tables with their columns, and indexes without. The search path must hold `pg_catalog` alone."""
    first = {"first": FIRST_NORMAL_OID}
    columns: dict[Oid, dict[str, ColumnPlace]] = {}
    for relation, name, number, type_, collation, text in connection.execute(_COLUMNS, first).fetchall():
        place = ColumnPlace(number=number, type=type_, collation=collation, type_text=text)
        columns.setdefault(relation, {})[name] = place
    rows = connection.execute(_RELATIONS, first).fetchall()
    return {
        QualifiedName(schema, name): RelationPlace(
            oid=oid, name=QualifiedName(schema, name), kind=kind, columns=columns.get(oid, {}), table=table
        )
        for oid, schema, name, kind, table in rows
    }


def read_objects(
    connection: psycopg.Connection[Any], relations: Mapping[QualifiedName, RelationPlace]
) -> dict[QualifiedName, ObjectPlace]:
    """The statistics objects by name."""
    tables = {place.oid: place for place in relations.values()}
    expressions = "pg_get_statisticsobjdef_expressions(s.oid)"
    query = _OBJECTS.format(expressions=expressions if connection.info.server_version >= 140000 else "NULL::text[]")
    rows = connection.execute(query.encode(), {"first": FIRST_NORMAL_OID}).fetchall()
    return {
        QualifiedName(schema, name): ObjectPlace(
            oid=oid, table=tables[table], columns=tuple(columns), expressions=tuple(texts or ())
        )
        for oid, schema, name, table, columns, texts in rows
        if table in tables
    }


def index_expressions(
    connection: psycopg.Connection[Any], indexes: Sequence[Oid]
) -> dict[Oid, list[tuple[int, str, Oid]]]:
    """By index: (key number from 1, the expression's text, the key's collation)."""
    found: dict[Oid, list[tuple[int, str, Oid]]] = {}
    if indexes:
        for index, position, text, collation in connection.execute(_INDEX_EXPRESSIONS, (list(indexes),)).fetchall():
            found.setdefault(index, []).append((position, text, collation))
    return found


def expression_places(
    user: psycopg.Connection[Any], table: QualifiedName, expressions: Sequence[tuple[int, str]]
) -> Iterator[ColumnPlace | str]:
    """The type and collation of each (number, expression) over a table, or why they cannot be told.

    Asked over a watched session of the unprivileged login, as planning an expression may run the user's functions. The
    connection must be in autocommit mode, its search path `pg_catalog` alone. Raises SandboxError where the server is
    lost.
    """
    for number, expression in expressions:
        one = f"(SELECT {expression} FROM ONLY {quote_name(table)} LIMIT 0)"
        query = f"""
SELECT t.oid::int8, CASE WHEN t.typcollation = 0 THEN 0 ELSE pg_collation_for({one})::regcollation::oid::int8 END
FROM pg_type t WHERE t.oid = pg_typeof({one})"""
        try:
            row = user.execute(query.encode()).fetchone()
        except psycopg.Error as error:
            raise_if_gone(user, error)
            yield (error.diag.message_primary or f"{error}").strip()
            continue
        yield ColumnPlace(number=number, type=row[0], collation=row[1]) if row else "its type is not known"
