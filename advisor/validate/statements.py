"""Queries of the workload as statements that can be planned and run on the throwaway server."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql as pgsql

from advisor.errors import SqlError
from advisor.model.advice import IndexNeed
from advisor.model.names import QualifiedName
from advisor.model.usage import Usage
from advisor.model.workload import Query, Sample
from advisor.sql.bind import count_parameters, inline_parameters
from advisor.sql.vet import vet_statement

MAX_SAMPLES = 3
"""Executions of one query that are tried: more than one, so that no lucky constant decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runnable:
    """A query with up to `MAX_SAMPLES` statements that stand for it; or none, and `reason` says why.

    `weight` is its number of calls, at least 1.
    """

    query_id: str
    statements: tuple[str, ...] = ()
    weight: float = 1.0
    tables: tuple[QualifiedName, ...] = ()
    writes: bool = False
    reason: str | None = None


def runnables(
    queries: Iterable[Query], usages: Mapping[str, Usage], connection: psycopg.Connection
) -> dict[str, Runnable]:
    """Every query that is understood, by id. Parameters without values get some from the synthesised rows."""
    found = {}
    for query in queries:
        usage = usages.get(query.id)
        if usage is None or usage.kind == "utility":
            continue
        found[query.id] = _runnable(query, usage, connection)
    return found


def probes(needs: Iterable[IndexNeed]) -> dict[str, Runnable]:
    """The statements that stand for readings which came without one, by the needs' query ids."""
    found = {}
    for need in needs:
        if need.probe is not None and (vetted := vet_statement(need.probe)).reason is None:
            found[need.query_id] = Runnable(query_id=need.query_id, statements=(need.probe,), tables=(need.table,))
        elif need.probe is not None:
            found[need.query_id] = Runnable(query_id=need.query_id, reason=vetted.reason)
    return found


def _runnable(query: Query, usage: Usage, connection: psycopg.Connection) -> Runnable:
    statements: list[str] = []
    reason = None
    samples = query.samples or (Sample(sql=query.sql),)
    for sample in samples[:MAX_SAMPLES]:
        try:
            text = _with_values(sample, usage, connection)
        except (SqlError, psycopg.Error) as error:
            reason = str(error).splitlines()[0]
            continue
        vetted = vet_statement(text)
        if vetted.reason is not None:
            reason = vetted.reason
        elif text not in statements:
            statements.append(text)
    return Runnable(
        query_id=query.id,
        statements=tuple(statements),
        weight=float(max(query.calls, 1)),
        tables=usage.tables,
        writes=usage.kind != "select",
        reason=None if statements else reason or "no runnable text",
    )


def _with_values(sample: Sample, usage: Usage, connection: psycopg.Connection) -> str:
    wanted = count_parameters(sample.sql)
    if wanted == 0:
        return sample.sql
    if sample.parameters is not None and len(sample.parameters) >= wanted:
        return inline_parameters(sample.sql, sample.parameters)
    return inline_parameters(sample.sql, _values_from_rows(wanted, usage, connection))


def _values_from_rows(wanted: int, usage: Usage, connection: psycopg.Connection) -> Sequence[str | None]:
    """A value for each parameter: of the column it is compared with, taken from the middle of its rows; else 10.

    Ten is what a LIMIT or an OFFSET, the parameters that are compared with nothing, can be.
    """
    values: list[str | None] = ["10"] * wanted
    for scope in usage.scopes:
        tables = {use.alias: use.table for use in scope.tables}
        for predicate in scope.predicates:
            table = tables.get(predicate.alias)
            numbers = [v.number for v in (predicate.value, *predicate.value.items) if v.kind == "parameter"]
            if table is None or predicate.column is None or predicate.implied:
                continue
            for number in numbers:
                if number is not None and 1 <= number <= wanted:
                    values[number - 1] = _middle_value(table, predicate.column, connection)
    return values


def _middle_value(table: QualifiedName, column: str, connection: psycopg.Connection) -> str | None:
    statement = pgsql.SQL(
        "SELECT {column}::text FROM (SELECT {column} FROM {table} WHERE {column} IS NOT NULL LIMIT 1000) AS sample"
        " ORDER BY {column} OFFSET (SELECT count(*) / 2 FROM (SELECT 1 FROM {table} WHERE {column} IS NOT NULL"
        " LIMIT 1000) AS counted) LIMIT 1"
    ).format(column=pgsql.Identifier(column), table=pgsql.Identifier(table.schema, table.name))
    row = connection.execute(statement).fetchone()
    return row[0] if row else None
