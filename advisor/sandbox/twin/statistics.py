"""The planner statistics of a catalog, into the empty tables of a rebuilt database."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg

from advisor.errors import SandboxError
from advisor.model.catalog import Catalog, ColumnStatistics, Index, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.extended import put_extended
from advisor.sandbox.twin.pg_statistic import StatisticRow, insert_rows, statistic_row
from advisor.sandbox.twin.places import (
    EXPRESSION_LIMIT_S,
    EXPRESSION_TIMEOUT_S,
    ColumnPlace,
    RelationPlace,
    expression_places,
    index_expressions,
    read_relations,
)
from advisor.sandbox.twin.types import Oid, Types, read_types
from advisor.sandbox.watched import Watched

_SETTINGS = (
    "SET DateStyle = 'ISO'",
    "SET IntervalStyle = 'postgres'",
    "SET TimeZone = 'UTC'",
    "SET lc_monetary = 'C'",
    "SET array_nulls = on",
    "SET client_min_messages = 'error'",
)
"""Values are read and printed alike over both logins, whatever the database's own settings are."""

_LISTED = 5
"""As many problems of a table as fit on a line; the rest is counted."""

_KINDS = {"table": "r", "partitioned_table": "p", "materialized_view": "m", "foreign_table": "f"}

Problem = tuple[QualifiedName, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Statistics and where they belong; `with_values` is false where the twin has another type there."""

    table: QualifiedName
    label: str
    relation: Oid
    place: ColumnPlace
    statistics: ColumnStatistics
    inherited: bool
    with_values: bool = True


def put_statistics(sandbox: Sandbox, database: str, catalog: Catalog) -> tuple[str, ...]:
    """Gives the tables of a database of the sandbox the catalog's statistics, so that its planner reads the same.

    Column statistics (inherited ones, too), those of index expressions and of statistics objects; what the tables had
    before is replaced. The tables are there already, empty, as `rebuild` makes them. Sizes and row counts are not
    touched. The superuser never runs code of the schema's: values whose reading might are left out.

    Returns a sentence for each table that lacks some. Raises SandboxError where the server is lost or has no files.
    """
    problems: list[Problem] = []
    with (
        sandbox.admin(database) as admin,
        Watched(sandbox, partial(_user, sandbox, database)) as user,
        user.limited(EXPRESSION_LIMIT_S),
    ):
        try:
            for setting in _SETTINGS:
                admin.execute(setting.encode())
            types = read_types(admin)
            relations = read_relations(admin)
            wanted: list[_Wanted] = []
            for item in (*_of_columns(catalog, relations), *_of_indexes(catalog, relations, admin, user)):
                if isinstance(item, _Wanted):
                    wanted.append(item)
                else:
                    problems.append(item)
            problems += _put(admin, types, wanted)
            problems += put_extended(admin, user, catalog, types, relations)
            admin.commit()
        except psycopg.OperationalError as error:
            raise SandboxError(
                "The throwaway PostgreSQL was lost while statistics were put in.", why=f"{error}".strip()
            ) from error
    return tuple(_sentences(problems))


def _user(sandbox: Sandbox, database: str) -> psycopg.Connection[Any]:
    user = sandbox.connect(database)
    user.autocommit = True
    for setting in ("SET search_path = pg_catalog", f"SET statement_timeout = '{EXPRESSION_TIMEOUT_S}s'", *_SETTINGS):
        user.execute(setting.encode())
    return user


def _of_columns(catalog: Catalog, relations: dict[QualifiedName, RelationPlace]) -> Iterator[_Wanted | Problem]:
    for table in catalog.tables.values():
        if not any(column.statistics or column.inherited_statistics for column in table.columns):
            continue
        relation = relations.get(table.name)
        if relation is None or relation.kind != _KINDS.get(table.kind):
            yield table.name, "the table itself is not there"
            continue
        yield from _of_table(table, relation)


def _of_table(table: Table, relation: RelationPlace) -> Iterator[_Wanted | Problem]:
    whole_tree = table.kind == "partitioned_table"
    for column in table.columns:
        place = relation.columns.get(column.name)
        both = ((column.statistics, whole_tree), (column.inherited_statistics, True))
        if place is None:
            if column.statistics or column.inherited_statistics:
                yield table.name, f"{column.name}: no such column there"
            continue
        same = place.type_text == column.type
        if not same and (column.statistics or column.inherited_statistics):
            yield table.name, f"{column.name}: no values, it is of type {place.type_text} there, not {column.type}"
        for statistics, inherited in both:
            if statistics is not None:
                yield _Wanted(
                    table=table.name,
                    label=column.name,
                    relation=relation.oid,
                    place=place,
                    statistics=statistics,
                    inherited=inherited,
                    with_values=same,
                )


def _of_indexes(
    catalog: Catalog,
    relations: dict[QualifiedName, RelationPlace],
    admin: psycopg.Connection[Any],
    user: psycopg.Connection[Any],
) -> Iterator[_Wanted | Problem]:
    """Statistics of index expressions."""
    there: list[tuple[Index, RelationPlace]] = []
    for table in catalog.tables.values():
        owner = relations.get(table.name)
        for index in table.indexes:
            if owner is None or not any(index.statistics):
                continue
            place = relations.get(QualifiedName(table.name.schema, index.name))
            if place is None or place.table != owner.oid:
                yield table.name, f"{index.name}: no such index there"
            else:
                there.append((index, place))
    expressions = index_expressions(admin, [place.oid for _, place in there])
    for index, relation in there:
        yield from _of_index(index, relation, expressions.get(relation.oid, []), user)


def _of_index(
    index: Index, relation: RelationPlace, keys: Sequence[tuple[int, str, Oid]], user: psycopg.Connection[Any]
) -> Iterator[_Wanted | Problem]:
    wanted = {number: each for number, each in enumerate(index.statistics, 1) if each is not None}
    usable = [key for key in keys if key[0] in wanted]
    for number in wanted.keys() - {key[0] for key in usable}:
        yield index.table, f"{index.name}: key {number} is no expression there"
    places = expression_places(user, index.table, [(number, text) for number, text, _ in usable])
    for (number, _, collation), place in zip(usable, places, strict=True):
        label = f"{index.name} ({number})"
        if isinstance(place, str):
            yield index.table, f"{label}: {place}"
            continue
        # As `examine_attribute` of commands/analyze.c: the index's collation, else the expression's own.
        kept = ColumnPlace(number=number, type=place.type, collation=collation or place.collation)
        yield _Wanted(
            table=index.table,
            label=label,
            relation=relation.oid,
            place=kept,
            statistics=wanted[number],
            inherited=False,
        )


def _put(admin: psycopg.Connection[Any], types: Types, wanted: Sequence[_Wanted]) -> Iterator[Problem]:
    relations = sorted({each.relation for each in wanted})
    admin.execute("DELETE FROM pg_statistic WHERE starelid = ANY (%s::oid[])", (relations,))
    rows: list[StatisticRow] = []
    tables = {each.relation: each.table for each in wanted}
    for each in wanted:
        row, problem = statistic_row(
            types,
            each.statistics,
            relation=each.relation,
            number=each.place.number,
            inherited=each.inherited,
            type=each.place.type,
            collation=each.place.collation,
            label=each.label,
            with_values=each.with_values,
        )
        rows.append(row)
        if problem:
            yield each.table, f"{each.label}: {problem}"
    for row, problem in insert_rows(admin, rows):
        yield tables[row.relation], f"{row.label}: {problem}"


def _sentences(problems: Iterable[Problem]) -> Iterator[str]:
    by_table: dict[QualifiedName, list[str]] = defaultdict(list)
    for table, problem in problems:
        if problem not in by_table[table]:
            by_table[table].append(problem)
    for table, found in by_table.items():
        more = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        yield f"Statistics of {table} that the twin does not have: {'; '.join(found[:_LISTED])}{more}."
