"""The real ends of indexed columns: one probe of an index each, as the planner itself does (`--no-probes`: none).

The planner asks a full btree for the real minimum and maximum of its leading column when a constant falls into the
first or last bucket of the histogram (`get_actual_variable_range` in utils/adt/selfuncs.c).
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psycopg

from advisor.catalog.connect import connection_lost
from advisor.catalog.rows import Row, ask
from advisor.model.catalog import Catalog, Index, Table
from advisor.model.names import QualifiedName
from advisor.sql.own import MARK
from advisor.sql.quote import quote_identifier, quote_name

_BATCH = 50
"""Columns per statement. The locks of one statement (their tables and these tables' indexes) are held together and
let go at its end: few beside the 6,400 that a server's shared lock table has room for by default."""

_BATCH_TIMEOUT_FACTOR = 5
"""A batch may take as long as so many slow probes; then its columns are asked one by one."""

_BUDGET_MS = 10_000
"""All probes together. Columns on a server that is so busy are left without; the histogram's ends stand in."""

_LOCK_TIMEOUT_MS = 20
"""Whoever waits for a lock on production makes others wait behind it, be it only a reader."""

# A scan in place of the index would read the table: what cannot go through the index shall cost so much that the
# index is taken. JIT would be switched on by these very costs.
_SESSION = """
SELECT set_config('search_path', 'pg_catalog', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
       set_config('enable_indexscan', 'on', true), set_config('enable_indexonlyscan', 'on', true),
       set_config('jit', 'off', true), set_config('max_parallel_workers_per_gather', '0', true),
       set_config('lock_timeout', %(lock_timeout)s, true), set_config('row_security', 'off', true),
       set_config('bytea_output', 'hex', true), set_config('lc_monetary', 'C', true)"""

# Only types and operator classes that came with the server, so that no function of a user's runs. The index's order
# must be that of the column's statistics: the default operator class and the column's collation. `catalog` names
# tables that nobody holds locked.
_ELIGIBLE = """
WITH RECURSIVE base AS (
    SELECT t.oid AS declared, t.oid, t.typtype, t.typbasetype FROM pg_catalog.pg_type t
    UNION ALL
    SELECT b.declared, t.oid, t.typtype, t.typbasetype
    FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd'
)
SELECT n.nspname AS schema, t.relname AS name, c.relname AS index, i.indoption[0]::int AS option,
       has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(t.oid, a.attnum, 'SELECT')
       AND NOT row_security_active(t.oid) AS may
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
JOIN pg_catalog.pg_am am ON am.oid = c.relam AND am.amname = 'btree'
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid AND t.relkind IN ('r', 'm') AND t.relispopulated
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
JOIN base ON base.declared = a.atttypid AND base.typtype <> 'd'
JOIN pg_catalog.pg_type b ON b.oid = base.oid
JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0] AND o.opcdefault
WHERE i.indisvalid AND i.indisready AND i.indislive AND i.indpred IS NULL
  AND t.relpersistence <> 't' AND NOT (t.relpersistence = 'u' AND pg_is_in_recovery())
  AND i.indcollation[0] = a.attcollation
  AND b.oid < 16384 AND b.typnamespace = 'pg_catalog'::regnamespace AND b.typtype = 'b'
  AND (b.typelem = 0 OR b.typelem < 16384) AND o.oid < 16384
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"""

_DESCENDING, _NULLS_FIRST = 1, 2
"""Bits of `pg_index.indoption` (catalog/pg_index.h)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A column to ask about, its indexes, and the order of the one to ask."""

    table: QualifiedName
    column: str
    indexes: tuple[str, ...]
    descending: bool
    nulls_first: bool


_EndPoints = dict[tuple[QualifiedName, str], tuple[str, str]]
"""By table and index."""


def end_points(connection: psycopg.Connection[Any], catalog: Catalog, *, timeout_ms: int = 100) -> Catalog:
    """The catalog with the real minimum and maximum of the leading columns of its indexes, as the server prints them.

    Asked are full, valid btrees on a plain column with a histogram (else the planner does not look either), where
    column type and operator class come with the server and the role may read all rows. One probe may take
    `timeout_ms`. What could not be asked is counted in `warnings`. The transaction stays usable, and its settings
    are as before. Raises ConnectionFailed when the server goes away.
    """
    try:
        places, refused = _places(connection, catalog)
        found = _probe(connection, places, timeout_ms)
    except psycopg.Error as error:
        raise connection_lost(error) from None
    missing = sum((place.table, place.indexes[0]) not in found for place in places)
    warnings = [*catalog.warnings]
    if refused:
        warnings.append(f"The ends of {refused} indexed columns were not asked for: this role may not read all rows.")
    if missing:
        warnings.append(
            f"The ends of {missing} indexed columns could not be asked for in time (locked, busy or empty tables)."
        )
    return replace(
        catalog,
        tables={name: _with_end_points(table, found) for name, table in catalog.tables.items()},
        warnings=tuple(warnings),
    )


def _places(connection: psycopg.Connection[Any], catalog: Catalog) -> tuple[list[_Place], int]:
    """One place per column, and how many columns the role may not read."""
    columns = {
        (name, index.name): column
        for name, table in catalog.tables.items()
        for index in table.indexes
        if (column := _asked_column(table, index)) is not None
    }
    found: dict[tuple[QualifiedName, str], list[Row]] = defaultdict(list)
    for row in ask(connection, _ELIGIBLE):
        name = QualifiedName(row["schema"], row["name"])
        if (name, row["index"]) in columns:
            found[name, columns[name, row["index"]]].append(row)
    places = [
        _Place(
            table=name,
            column=column,
            indexes=tuple(row["index"] for row in rows),
            descending=bool(rows[0]["option"] & _DESCENDING),
            nulls_first=bool(rows[0]["option"] & _NULLS_FIRST),
        )
        for (name, column), rows in found.items()
        if rows[0]["may"]
    ]
    return places, len(found) - len(places)


def _asked_column(table: Table, index: Index) -> str | None:
    """The leading column whose ends the planner may ask of this index."""
    if index.method != "btree" or not index.valid or index.predicate is not None or not index.keys:
        return None
    name = index.keys[0].column
    column = table.column(name) if name is not None else None
    both = (column.statistics, column.inherited_statistics) if column else ()
    return name if any(statistics is not None and statistics.histogram for statistics in both) else None


def _probe(connection: psycopg.Connection[Any], places: Sequence[_Place], timeout_ms: int) -> _EndPoints:
    """The ends, where they were to be had."""
    deadline = time.monotonic() + _BUDGET_MS / 1000
    found: _EndPoints = {}
    send = partial(_ask_ends, connection)
    for start in range(0, len(places), _BATCH):
        batch = places[start : start + _BATCH]
        if time.monotonic() > deadline:
            break
        ends = send(batch, timeout_ms * _BATCH_TIMEOUT_FACTOR)
        if ends is not None:
            found.update(ends)
            continue
        for place in batch:
            if time.monotonic() > deadline:
                break
            found.update(send([place], timeout_ms) or {})
    return found


def _ask_ends(connection: psycopg.Connection[Any], places: Sequence[_Place], timeout_ms: int) -> _EndPoints | None:
    """The ends of these columns; None where one of them cannot be read now."""
    query = f"SELECT {', '.join(part for place in places for part in _selects(place))} {MARK}"
    try:
        # Rolled back, so that locks and settings last no longer than the probes.
        with connection.transaction(force_rollback=True):
            ask(connection, _SESSION, {"lock_timeout": str(min(_LOCK_TIMEOUT_MS, timeout_ms))})
            ask(connection, "SELECT set_config('statement_timeout', %(ms)s, true)", {"ms": str(timeout_ms)})
            (row,) = connection.execute(query.encode()).fetchall()
    except psycopg.Error:
        if connection.closed:
            raise
        return None
    return {
        (place.table, index): (low, high)
        for place, low, high in zip(places, row[::2], row[1::2], strict=True)
        for index in place.indexes
        if low is not None and high is not None
    }


def _selects(place: _Place) -> Iterator[str]:
    """Two subqueries, for the least and the greatest value; each is one end of the index.

    `format` prints by the type's output function, as the histogram is printed; a cast would not for `char(n)`.
    """
    column = f"t.{quote_identifier(place.column)}"
    ends = [("ASC", "LAST"), ("DESC", "FIRST")]
    # The index can be read in its own order and in the exact reverse: NULLs stand where it has them.
    if place.descending != place.nulls_first:
        ends = [("ASC", "FIRST"), ("DESC", "LAST")]
    for direction, nulls in ends:
        yield (
            f"(SELECT pg_catalog.format('%s', {column}) FROM ONLY {quote_name(place.table)} t "
            f"WHERE {column} IS NOT NULL ORDER BY {column} {direction} NULLS {nulls} LIMIT 1)"
        )


def _with_end_points(table: Table, found: Mapping[tuple[QualifiedName, str], tuple[str, str]]) -> Table:
    if not any((table.name, index.name) in found for index in table.indexes):
        return table
    ends = ((index, found.get((table.name, index.name))) for index in table.indexes)
    indexes = tuple(replace(index, end_points=end) if end is not None else index for index, end in ends)
    return replace(table, indexes=indexes)
