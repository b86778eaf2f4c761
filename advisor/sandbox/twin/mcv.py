"""Lists of most common combinations (`pg_mcv_list`): the server packs the values, the frequencies are put in after.

The bytes hold values as the server keeps them in memory, so a scratch table with one row for each item is analysed over
the unprivileged login; ANALYZE keeps every group of a table that it reads as a whole. The layout is documented at
`statext_mcv_serialize` of `src/backend/statistics/mcv.c`; items stand at the end, without padding.
"""

import struct
from collections.abc import Sequence
from typing import Any

import psycopg

from advisor.sandbox.twin.places import ColumnPlace
from advisor.sandbox.twin.types import TypeFacts, Types, base_type, is_harmless

Item = tuple[tuple[str | None, ...], float, float]
"""Values, frequency, base frequency."""

_TYPES_OFFSET = 14
"""After magic, type and item count (uint32) and the count of dimensions (int16): the oids of their types."""

_FREQUENCIES = struct.Struct("=dd")
"""Of an item, between a byte per dimension (whether it is NULL) and a uint16 per dimension (which of its values)."""

_NULL_BYTES, _INDEX_BYTES = 1, 2

_SCRATCH = "pg_temp.advisor_combinations"
_MAX_ITEMS = 10_000
"""`STATS_MCVLIST_MAX_ITEMS`, also the highest statistics target."""


def combinations_bytes(
    admin: psycopg.Connection[Any],
    user: psycopg.Connection[Any],
    types: Types,
    dimensions: Sequence[ColumnPlace],
    items: Sequence[Item],
) -> bytes | str:
    """The list as the content of a bytea, or why it cannot be made. `user` must be in autocommit mode."""
    facts = [base_type(types, each.type) for each in dimensions]
    known = [each for each in facts if each is not None and is_harmless(types, each.oid)]
    if len(known) != len(dimensions):
        return "values of one of its types may run code of its own when they are read"
    if len(items) > _MAX_ITEMS:
        return f"there are more than {_MAX_ITEMS}"
    try:
        with user.transaction():
            printed, statistics = _analysed(user, dimensions, known, items)
        packed, order = _packed(admin, statistics)
    except psycopg.Error as error:
        if user.broken or admin.broken:
            raise
        return (error.diag.message_primary or f"{error}").strip()
    except UnicodeError:
        return "they hold what is no text"
    finally:
        if not user.broken:
            user.execute(f"DROP TABLE IF EXISTS {_SCRATCH}".encode())
    wanted = {values: number for number, values in enumerate(printed)}
    if packed is None or set(order) != set(printed) or len(order) != len(printed):
        return "the server takes some of its values for equal"
    return _patched(packed, dimensions, items, [wanted[values] for values in order])


def _analysed(
    user: psycopg.Connection[Any], dimensions: Sequence[ColumnPlace], facts: Sequence[TypeFacts], items: Sequence[Item]
) -> tuple[list[tuple[str | None, ...]], int]:
    """The items' values as this server prints them, in order, and the oid of the scratch statistics object."""
    names = [f"c{number}" for number in range(1, len(dimensions) + 1)]
    collations = _collations(user, dimensions)
    columns = ", ".join(
        f"{name} {type_.name}{collation}" for name, type_, collation in zip(names, facts, collations, strict=True)
    )
    user.execute(f"CREATE TEMPORARY TABLE {_SCRATCH.removeprefix('pg_temp.')} (n int4, {columns})".encode())
    listed = ", ".join(names)
    with user.cursor() as cursor, cursor.copy(f"COPY {_SCRATCH} FROM STDIN".encode()) as copy:
        for number, (values, _, _) in enumerate(items):
            copy.write_row((str(number), *values))
    user.execute(f"CREATE STATISTICS {_SCRATCH} (mcv) ON {listed} FROM {_SCRATCH}".encode())
    user.execute(f"ALTER STATISTICS {_SCRATCH} SET STATISTICS {len(items)}".encode())
    user.execute(f"ANALYZE {_SCRATCH}".encode())
    row = user.execute(
        f"SELECT oid::int8 FROM pg_statistic_ext WHERE stxrelid = '{_SCRATCH}'::regclass".encode()
    ).fetchone()
    printed = user.pgconn.exec_(f"SELECT {listed} FROM {_SCRATCH} ORDER BY n".encode())
    encoding = user.info.encoding
    texts = [
        tuple(
            None if (value := printed.get_value(number, column)) is None else value.decode(encoding)
            for column in range(len(names))
        )
        for number in range(printed.ntuples)
    ]
    return texts, row[0] if row else 0


def _collations(user: psycopg.Connection[Any], dimensions: Sequence[ColumnPlace]) -> list[str]:
    query = """
SELECT coalesce((SELECT format(' COLLATE %%I.%%I', n.nspname, c.collname)
                 FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = w.oid), '')
FROM unnest(%s::oid[]) WITH ORDINALITY AS w(oid, position) ORDER BY w.position"""
    return [text for (text,) in user.execute(query, ([each.collation for each in dimensions],)).fetchall()]


def _packed(admin: psycopg.Connection[Any], statistics: int) -> tuple[bytes | None, list[tuple[str | None, ...]]]:
    """The list's bytes, and the values of its items in its order."""
    with admin.transaction():
        rows = admin.execute(
            """
SELECT d.stxdmcv::bytea, m.values
FROM pg_statistic_ext_data d CROSS JOIN LATERAL pg_mcv_list_items(d.stxdmcv) m
WHERE d.stxoid = %s::oid ORDER BY m.index""",
            (statistics,),
        ).fetchall()
    return (rows[0][0] if rows else None), [tuple(values) for _, values in rows]


def _patched(packed: bytes, dimensions: Sequence[ColumnPlace], items: Sequence[Item], order: Sequence[int]) -> bytes:
    """The list with the columns' own types (domains, too), and its items in their order with their frequencies."""
    nulls, indexes = _NULL_BYTES * len(dimensions), _INDEX_BYTES * len(dimensions)
    size = nulls + _FREQUENCIES.size + indexes
    start = len(packed) - size * len(items)
    chunks = [b""] * len(items)
    for position, number in enumerate(order):
        chunk = packed[start + position * size : start + (position + 1) * size]
        chunks[number] = chunk[:nulls] + _FREQUENCIES.pack(*items[number][1:]) + chunk[size - indexes :]
    patched = bytearray(packed[:start])
    struct.pack_into(f"={len(dimensions)}I", patched, _TYPES_OFFSET, *(each.type for each in dimensions))
    return bytes(patched) + b"".join(chunks)
