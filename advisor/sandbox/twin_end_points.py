"""The real ends of indexed columns, where the histogram's are not: for ranges beyond what ANALYZE saw.

A planner that compares with a histogram's first or last bound asks an index for the real minimum or maximum
(`get_actual_variable_range` in utils/adt/selfuncs.c). It takes the value from the index's outermost tuple and looks
into the table only where the visibility map does not say that everybody may see the row. So a twin's index gets a leaf
with two tuples, and its table one bit: no row is needed. The statistics themselves stay as they are, as other
estimates (`mergejoinscansel`) read the histogram alone.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from advisor.model.catalog import Index, Table
from advisor.sandbox.gone import raise_if_gone
from advisor.sandbox.twin_files import Relation
from advisor.sandbox.twin_pages import BLOCK

_MIN_BOUNDS = 3
"""With fewer the planner does not ask (`ineq_histogram_selectivity`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A table of the twin, and those of its btrees whose ends are not the histogram's.

    Attributes:
        ends: (minimum, maximum) by column.
        indexes: (oid, what its definition says after USING).
    """

    table: Relation
    ends: Mapping[str, tuple[str, str]]
    indexes: Sequence[tuple[int, str]]


def differing_ends(table: Table, indexes: Iterable[tuple[Relation, Index]], relation: Relation) -> Ended | None:
    """What `leaves` has to do for a table; None where the histograms' ends are the real ones."""
    ends: dict[str, tuple[str, str]] = {}
    wanted = []
    for here, index in indexes:
        name = index.keys[0].column if index.keys else None
        if index.method != "btree" or index.end_points is None or name is None:
            continue
        column = table.column(name)
        bounds = column.statistics.histogram if column and column.statistics else ()
        if len(bounds) >= _MIN_BOUNDS and index.end_points != (bounds[0], bounds[-1]):
            ends[name] = index.end_points
            wanted.append((here.oid, index.definition.partition(" USING ")[2]))
    return Ended(table=relation, ends=ends, indexes=tuple(wanted)) if wanted else None


def leaves(
    owner: psycopg.Connection[Any], data_directory: Path, tables: Iterable[Ended]
) -> Iterator[tuple[int, bytes]]:
    """(oid of an index, the leaf page with its ends), made by the server from a scratch table of two rows.

    `owner` is the unprivileged login's connection, in autocommit mode. Ends that the server does not take are left out.
    """
    for ended in tables:
        try:
            with owner.transaction(force_rollback=True):
                pages = list(_scratch(owner, data_directory, ended))
        except psycopg.DatabaseError as error:
            raise_if_gone(owner, error)
            continue
        yield from pages


def _scratch(owner: psycopg.Connection[Any], data_directory: Path, ended: Ended) -> Iterator[tuple[int, bytes]]:
    """Builds the table and its indexes, which go straight to their files: their second block is the leaf."""
    table = sql.Identifier(ended.table.schema, f"advisor_scratch_{secrets.token_hex(4)}")
    columns = sql.SQL(", ").join(map(sql.Identifier, ended.ends))
    original = sql.Identifier(ended.table.schema, ended.table.name)
    owner.execute(sql.SQL("CREATE TABLE {} AS SELECT * FROM {} WITH NO DATA").format(table, original))
    row = sql.SQL(", ").join(sql.SQL("%s") for _ in ended.ends)
    owner.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({}), ({})").format(table, columns, row, row),
        [low for low, _ in ended.ends.values()] + [high for _, high in ended.ends.values()],
    )
    for number, (oid, definition) in enumerate(ended.indexes):
        name = f"advisor_scratch_{number}_{oid}"
        # The definition is the server's own, of an index that the same login made.
        index = sql.SQL("CREATE INDEX {} ON {} USING ").format(sql.Identifier(name), table).as_string(owner)
        owner.execute((index + definition).encode())
        where = sql.Identifier(ended.table.schema, name).as_string(owner)
        found = owner.execute("SELECT pg_relation_filepath(%s::regclass)", [where]).fetchone()
        assert found is not None
        with (data_directory / found[0]).open("rb") as file:
            file.seek(BLOCK)
            page = file.read(BLOCK)
        if len(page) == BLOCK:
            yield oid, page
