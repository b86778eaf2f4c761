"""Where a twin may plan otherwise than production does: why its "no" to an index is then not taken for an answer."""

from collections.abc import Iterable, Iterator

import psycopg

from advisor.catalog.private_values import Judge
from advisor.model.advice import IndexCandidate
from advisor.model.catalog import Catalog, Column, ColumnStatistics, Table
from advisor.model.names import QualifiedName
from advisor.model.snapshot import Snapshot
from advisor.sandbox.twin.open import Twin

_THERE = """
SELECT most_common_vals IS NOT NULL, histogram_bounds IS NOT NULL, most_common_elems IS NOT NULL
FROM pg_catalog.pg_stats WHERE schemaname = %s AND tablename = %s AND attname = %s AND NOT inherited"""


def gap(
    twin: Twin,
    snapshot: Snapshot | None,
    candidate: IndexCandidate,
    tables: Iterable[QualifiedName],
    connection: psycopg.Connection,
) -> str | None:
    """The first thing that the twin does not know as production does, as the end of a sentence; None: nothing is found.

    Args:
        snapshot: what the twin was made of; None where it was a database.
        tables: those that the candidate's queries name.
        connection: to the twin, as the owner of its tables.
    """
    return next(_gaps(twin, snapshot, candidate, tables, connection), None)


def _gaps(
    twin: Twin,
    snapshot: Snapshot | None,
    candidate: IndexCandidate,
    tables: Iterable[QualifiedName],
    connection: psycopg.Connection,
) -> Iterator[str]:
    here, there = twin.sandbox.server_version_num // 10000, twin.catalog.server_version_num // 10000
    if here != there:
        yield f"it is PostgreSQL {here}, and production {there}"
    if candidate.predicate is not None or any(key.column is None for key in candidate.keys):
        yield "ANALYZE looks at an expression or a condition only when its index is there"
    for name in dict.fromkeys((candidate.table, *tables)):
        yield from _of_table(twin.catalog, name)
    for table in _with_parts(twin.catalog, candidate.table):
        if not table.rows or table.kind == "partitioned_table" or table.inherits:
            continue
        for key in candidate.keys:
            column = table.column(key.column) if key.column is not None else None
            if column is not None:
                yield from _of_column(snapshot, table, column, connection)


def _of_table(catalog: Catalog, name: QualifiedName) -> Iterator[str]:
    for table in _with_parts(catalog, name):
        if table.kind in ("view", "foreign_table"):
            yield f"{table.name} is a {table.kind.replace('_', ' ')}"
        # One without any page is as empty on the twin.
        elif table.kind != "partitioned_table" and table.rows is None and (not table.storage or table.storage.pages):
            yield f"{table.name} was never analysed"
    if name not in catalog.tables:
        yield f"{name} is not there"


def _of_column(
    snapshot: Snapshot | None, table: Table, column: Column, connection: psycopg.Connection
) -> Iterator[str]:
    place = f"{table.name}.{column.name}"
    if column.statistics is None:
        yield f"the statistics of {place} are not known"
    elif snapshot is not None and _hides(snapshot, table.name, column.name):
        yield f"the snapshot does not hold the values of {place}"
    elif not _is_there(connection, table.name, column.name, column.statistics):
        yield f"it could not take over the statistics of {place}"


def _with_parts(catalog: Catalog, name: QualifiedName) -> Iterator[Table]:
    """A table, its partitions and all that inherits from it, each once."""
    wanted, seen = [name], {name}
    while wanted:
        one = wanted.pop()
        if one in catalog.tables:
            yield catalog.tables[one]
        below = {t.name for t in catalog.tables.values() if t.partition_of == one or one in t.inherits}
        wanted += sorted(below - seen)
        seen |= below


def _hides(snapshot: Snapshot, name: QualifiedName, column_name: str) -> bool:
    """Whether the column's values are left out of the snapshot, or hashes stand for them."""
    if snapshot.values != "default":
        return snapshot.values == "redacted"
    table = snapshot.catalog.tables.get(name)
    column = table.column(column_name) if table is not None else None
    return table is None or column is None or not Judge(snapshot.catalog).column(table, column).public


def _is_there(connection: psycopg.Connection, table: QualifiedName, column: str, known: ColumnStatistics) -> bool:
    """Whether the twin has all values of a column that the catalog has."""
    row = connection.execute(_THERE, (table.schema, table.name, column)).fetchone()
    wanted = (bool(known.most_common), bool(known.histogram), bool(known.most_common_elements))
    return row is not None and all(there or not each for there, each in zip(row, wanted, strict=True))
