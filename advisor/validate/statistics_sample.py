"""Rows that look like a table's by its statistics alone: what values are taken from where there are no rows."""

import random
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from advisor.model.catalog import Catalog, Column, ColumnStatistics
from advisor.model.names import QualifiedName
from advisor.sql.quote import quote_identifier
from advisor.validate.values import SAMPLED_ROWS, Sampler

_SEED = 1
"""The same statistics give the same rows, and so the same advice."""


def statistics_sampler(catalog: Catalog) -> Sampler:
    """A sampler for `Values`: temporary tables drawn column by column from the catalog's statistics.

    Columns without statistics are NULL; so are values that do not fit the type (a hash in place of a value).
    """

    def sample(connection: psycopg.Connection[Any], table: QualifiedName, name: str) -> float:
        known = catalog.tables.get(table)
        if known is None:
            raise psycopg.ProgrammingError(f"{table} is not known")
        connection.execute(
            sql.SQL("CREATE TEMP TABLE {} (LIKE {})").format(
                sql.Identifier(name), sql.Identifier(table.schema, table.name)
            )
        )
        drawn = [(column, values) for column in known.columns if (values := _drawn(column))]
        for column, _ in drawn:
            if column.not_null:
                statement = sql.SQL("ALTER TABLE {} ALTER {} DROP NOT NULL")
                connection.execute(statement.format(sql.Identifier("pg_temp", name), sql.Identifier(column.name)))
        _insert(connection, name, drawn)
        return known.rows or 0.0

    return sample


def _insert(connection: psycopg.Connection[Any], name: str, drawn: Sequence[tuple[Column, list[str | None]]]) -> None:
    """All columns at once; where the server refuses a value, only those columns that it takes."""
    target = sql.Identifier("pg_temp", name)
    usable = []
    for column, values in drawn:
        kind = _before_parameters(column.type)  # format_type's own text
        try:
            with connection.transaction():
                connection.execute(sql.SQL("SELECT unnest(%s::text[])::{}").format(kind), [list(dict.fromkeys(values))])
        except psycopg.Error:
            continue
        usable.append((column, kind, values))
    if not usable:
        return
    columns = sql.SQL(", ").join(_before_parameters(quote_identifier(column.name)) for column, _, _ in usable)
    names = [sql.Identifier(f"v{n}") for n in range(len(usable))]
    casts = sql.SQL(", ").join(sql.SQL("{}::{}").format(n, kind) for n, (_, kind, _) in zip(names, usable, strict=True))
    arrays = sql.SQL(", ").join(sql.SQL("%s::text[]") for _ in usable)
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS r({})").format(
            target, columns, casts, arrays, sql.SQL(", ").join(names)
        ),
        [values for _, _, values in usable],
    )


def _before_parameters(text: str) -> sql.SQL:
    """A part of a statement with parameters, in which psycopg takes a % for the beginning of one."""
    return sql.SQL(text.replace("%", "%%"))


def _drawn(column: Column) -> list[str | None]:
    """`SAMPLED_ROWS` values in the shares that the statistics say, in random order."""
    statistics = column.statistics or column.inherited_statistics
    if statistics is None or column.generated == "virtual":
        return []
    values: list[str | None] = [None] * round(statistics.null_fraction * SAMPLED_ROWS)
    for value, frequency in statistics.most_common:
        values += [value] * round(frequency * SAMPLED_ROWS)
    values += _spread(statistics, SAMPLED_ROWS - len(values))
    random.Random(f"{_SEED} {column.name}").shuffle(values)  # noqa: S311 a draw, not a secret
    return (values + [None] * SAMPLED_ROWS)[:SAMPLED_ROWS] if any(v is not None for v in values) else []


def _spread(statistics: ColumnStatistics, count: int) -> list[str]:
    """Values evenly from the histogram, whose buckets are equally full; else the most common ones again."""
    bounds = statistics.histogram or tuple(value for value, _ in statistics.most_common)
    if not bounds or count <= 0:
        return []
    return [bounds[n * len(bounds) // count] for n in range(count)]
