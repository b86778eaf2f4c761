"""The data of statistics objects (`pg_statistic_ext_data`), whose types refuse to be read from text."""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from advisor.model.catalog import Catalog, CombinedStatistics, ExtendedStatistics
from advisor.model.names import QualifiedName
from advisor.sandbox.twin.mcv import combinations_bytes
from advisor.sandbox.twin.pg_statistic import (
    ROW_FIELDS,
    ROW_SOURCE,
    StatisticRow,
    attempt,
    row_parameter,
    statistic_row,
    without_unreadable,
)
from advisor.sandbox.twin.places import ColumnPlace, ObjectPlace, RelationPlace, expression_places, read_objects
from advisor.sandbox.twin.types import Types

Problem = tuple[QualifiedName, str]

_NDISTINCT_MAGIC, _DEPENDENCIES_MAGIC, _BASIC = 0xA352BFA4, 0xB4549A2C, 1
"""`STATS_NDISTINCT_MAGIC`, `STATS_DEPS_MAGIC` and their `_TYPE_BASIC` of `src/include/statistics/statistics.h`."""

_MAX_DIMENSIONS = 8
"""`STATS_MAX_DIMENSIONS`: the server trusts the bytes, so what it could never have written is not passed on."""

_MAX_ITEMS = 8 * 2**8
"""More than any eight columns give: each implied by each set of others."""

_MALFORMED = (ValueError, KeyError, IndexError, TypeError, struct.error, RecursionError)
"""What a text or list that no server printed leads to."""

_CASTS = ("pg_ndistinct", "pg_dependencies", "pg_mcv_list")
"""Types that hold the same bytes as a bytea. The casts to them are made for the transaction alone."""

_EXPRESSIONS = f"""
(SELECT array_agg(CASE WHEN r.relation IS NOT NULL THEN ROW({ROW_FIELDS})::pg_statistic END ORDER BY r.position)
 FROM {ROW_SOURCE})"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    """What goes into a row: serialised values, and rows for the expressions (None where there is none)."""

    distinct: bytes | None
    dependencies: bytes | None
    most_common: bytes | None
    expressions: tuple[StatisticRow | None, ...]


def put_extended(
    admin: psycopg.Connection[Any],
    user: psycopg.Connection[Any],
    catalog: Catalog,
    types: Types,
    relations: Mapping[QualifiedName, RelationPlace],
) -> Iterator[Problem]:
    """Fills the statistics objects that are there; (table, problem) for what cannot be put in.

    `admin` is in a transaction, `user` in autocommit mode.
    """
    wanted = [each for each in catalog.extended_statistics if each.data]
    if not wanted:
        return
    objects = read_objects(admin, relations)
    for name in _CASTS:
        admin.execute(f"CREATE CAST (bytea AS {name}) WITHOUT FUNCTION".encode())
    for statistics in wanted:
        place = objects.get(statistics.name)
        if place is None or statistics.table not in catalog.tables or not _is_same(statistics, place):
            yield statistics.table, f"{statistics.name}: no such statistics object there"
            continue
        for problem in _put_object(admin, user, catalog, types, statistics, place):
            yield statistics.table, f"{statistics.name}: {problem}"
    for name in _CASTS:
        admin.execute(f"DROP CAST (bytea AS {name})".encode())


def _is_same(statistics: ExtendedStatistics, place: ObjectPlace) -> bool:
    about = set(statistics.columns), len(statistics.expressions)
    return place.table.name == statistics.table and about == (set(place.columns), len(place.expressions))


def _put_object(
    admin: psycopg.Connection[Any],
    user: psycopg.Connection[Any],
    catalog: Catalog,
    types: Types,
    statistics: ExtendedStatistics,
    place: ObjectPlace,
) -> Iterator[str]:
    numbered = [(-number, text) for number, text in enumerate(place.expressions, 1)]
    expressions = list(expression_places(user, place.table.name, numbered))
    untold = [each for each in expressions if isinstance(each, str)]
    yield from untold
    told = tuple(each for each in expressions if isinstance(each, ColumnPlace))
    dimensions = (*(place.table.columns[name] for name in place.columns), *told)
    admin.execute("DELETE FROM pg_statistic_ext_data WHERE stxoid = %s", (place.oid,))
    version = admin.info.server_version
    numbers = _numbers_there(catalog, statistics, place)
    # Before 15 there is one row for an object: of the tree for a partitioned table, else of the table alone.
    for data in statistics.data if version >= 150000 else statistics.data[:1]:
        rows: list[StatisticRow | None] = []
        if told and not untold and version >= 140000:
            yield from _expression_rows(admin, types, data, told, rows)
        try:
            distinct, dependencies = _ndistinct(data.distinct, numbers), _dependencies(data.dependencies, numbers)
            items = _in_order(statistics, place, data)
        except _MALFORMED:
            yield "it is not as PostgreSQL prints it"
            continue
        most_common = combinations_bytes(admin, user, types, dimensions, items) if items and not untold else None
        if isinstance(most_common, str):
            yield f"no most common combinations: {most_common}"
            most_common = None
        values = _Data(distinct=distinct, dependencies=dependencies, most_common=most_common, expressions=tuple(rows))
        reason = _insert(admin, place, data.inherited, values)
        if reason:
            yield reason


def _numbers_there(catalog: Catalog, statistics: ExtendedStatistics, place: ObjectPlace) -> dict[int, int]:
    """The columns' numbers, as the catalog's texts have them, to the rebuilt table's; expressions keep theirs."""
    table = catalog.tables[statistics.table]
    numbers = {-number: -number for number in range(1, len(statistics.expressions) + 1)}
    for name in statistics.columns:
        column = table.column(name)
        if column is not None and column.number is not None:
            numbers[column.number] = place.table.columns[name].number
    return numbers


def _in_order(
    statistics: ExtendedStatistics, place: ObjectPlace, data: CombinedStatistics
) -> Sequence[tuple[tuple[str | None, ...], float, float]]:
    """(values, frequency, base frequency) with the values in the order of the rebuilt table's columns."""
    order = [statistics.columns.index(name) for name in place.columns]
    order += range(len(order), len(order) + len(place.expressions))
    return [
        (tuple(item.values[position] for position in order), item.frequency, item.base_frequency)
        for item in data.most_common
    ]


def _expression_rows(
    admin: psycopg.Connection[Any],
    types: Types,
    data: CombinedStatistics,
    places: Sequence[ColumnPlace],
    rows: list[StatisticRow | None],
) -> Iterator[str]:
    """Appends a row for each expression, as `serialize_expr_stats` of `statistics/extended_stats.c` has them."""
    # As many rows as expressions: the planner takes them by position and does not look how many there are.
    padding = (None,) * len(places)
    for statistics, place in zip((*data.expressions, *padding), places, strict=False):
        if statistics is None:
            rows.append(None)
            continue
        row, problem = statistic_row(
            types,
            statistics,
            relation=0,
            number=0,
            inherited=False,
            type=place.type,
            collation=place.collation,
            label=f"expression {-place.number}",
        )
        row, problems = without_unreadable(admin, row)
        rows.append(row)
        yield from (f"{row.label}: {each}" for each in (problem, *(text for _, text in problems)) if each)


def _items(text: str) -> dict[str, float]:
    items = json.loads(text)
    if not isinstance(items, dict) or not 0 < len(items) <= _MAX_ITEMS:
        raise ValueError(text)
    return items


def _mapped(keys: Sequence[str], numbers: Mapping[int, int]) -> list[int]:
    if not 2 <= len(keys) <= _MAX_DIMENSIONS:
        raise ValueError(keys)
    return [numbers[int(key)] for key in keys]


def _ndistinct(text: str | None, numbers: Mapping[int, int]) -> bytes | None:
    """As `statext_ndistinct_serialize` of `src/backend/statistics/mvdistinct.c`, in the machine's byte order:
    magic, type and count of items as uint32, then for each a double, an int of how many columns, and their int16."""
    if text is None:
        return None
    items = _items(text)
    packed = [struct.pack("=III", _NDISTINCT_MAGIC, _BASIC, len(items))]
    for key, count in items.items():
        columns = _mapped(key.split(","), numbers)
        packed.append(struct.pack(f"=di{len(columns)}h", count, len(columns), *columns))
    return b"".join(packed)


def _dependencies(text: str | None, numbers: Mapping[int, int]) -> bytes | None:
    """As `statext_dependencies_serialize` of `src/backend/statistics/dependencies.c`: as above, but the count of
    columns is an int16, and the implied column comes last."""
    if text is None:
        return None
    items = _items(text)
    packed = [struct.pack("=III", _DEPENDENCIES_MAGIC, _BASIC, len(items))]
    for key, degree in items.items():
        columns = _mapped(key.replace("=>", ",").split(","), numbers)
        packed.append(struct.pack(f"=dh{len(columns)}h", degree, len(columns), *columns))
    return b"".join(packed)


def _insert(admin: psycopg.Connection[Any], place: ObjectPlace, inherited: bool, data: _Data) -> str | None:
    version = admin.info.server_version
    fields: dict[str, tuple[str, Sequence[Any]]] = {"stxoid": ("%s::oid", [place.oid])}
    if version >= 150000:
        fields["stxdinherit"] = ("%s", [inherited])
    for name, type_, value in (
        ("stxdndistinct", "pg_ndistinct", data.distinct),
        ("stxddependencies", "pg_dependencies", data.dependencies),
        ("stxdmcv", "pg_mcv_list", data.most_common),
    ):
        fields[name] = (f"%s::bytea::{type_}", [value])
    if any(data.expressions):
        fields["stxdexpr"] = (_EXPRESSIONS, [row_parameter(data.expressions)])
    columns, values = ", ".join(fields), ", ".join(sql for sql, _ in fields.values())
    parameters = [each for _, given in fields.values() for each in given]
    return attempt(admin, f"INSERT INTO pg_statistic_ext_data ({columns}) SELECT {values}", parameters)
