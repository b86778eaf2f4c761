"""The real ends of indexed columns, for ranges beyond what ANALYZE saw.

A planner that compares with a histogram's first or last bucket asks an index for the real minimum or maximum
(`get_actual_variable_range` in utils/adt/selfuncs.c). It takes the value from the index's outermost tuple and looks
into the table only where the visibility map does not say that everybody may see the row. So a twin's index gets a leaf
with two tuples, and its table one bit: no row is needed. The statistics themselves stay as they are, as other
estimates (`mergejoinscansel`) read the histogram alone.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from advisor.model.catalog import Index, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.gone import raise_if_gone
from advisor.sandbox.twin.files import Relation
from advisor.sandbox.twin.pages import BLOCK, btree_leaf, leaf_tuples

_MIN_BOUNDS = 3
"""With fewer the planner does not ask (`ineq_histogram_selectivity`)."""

_VALUES_PER_INSERT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """A btree of the twin, and the real ends of its leading column.

    `kind` is the column's type: the server makes the tuples of all columns of one type at once.
    """

    index_oid: int
    table: QualifiedName
    column: str
    kind: str
    lowest: str
    highest: str
    descending: bool


def known_ends(table: Table, indexes: Iterable[tuple[Relation, Index]]) -> Iterator[Ends]:
    """The ends that production's planner would find in a table's indexes when it asks."""
    for here, index in indexes:
        name = index.keys[0].column if index.keys else None
        column = table.column(name) if name is not None else None
        if index.method != "btree" or index.end_points is None or column is None or column.statistics is None:
            continue
        if len(column.statistics.histogram) >= _MIN_BOUNDS:
            yield Ends(
                index_oid=here.oid,
                table=table.name,
                column=column.name,
                kind=f"{column.type} {column.collation}",
                lowest=index.end_points[0],
                highest=index.end_points[1],
                descending=index.keys[0].descending,
            )


def leaves(owner: psycopg.Connection[Any], data_directory: Path, ends: Iterable[Ends]) -> Iterator[tuple[int, bytes]]:
    """(oid of an index, the leaf page with its ends).

    `owner` is the unprivileged login's connection, in autocommit mode. Ends that the server does not take are left out.
    """
    kinds: dict[str, list[Ends]] = defaultdict(list)
    for one in ends:
        kinds[one.kind].append(one)
    for alike in kinds.values():
        values = list(dict.fromkeys(value for one in alike for value in (one.lowest, one.highest)))
        try:
            with owner.transaction(force_rollback=True):
                tuples = _tuples(owner, data_directory, alike[0], values)
        except psycopg.DatabaseError as error:
            raise_if_gone(owner, error)
            continue
        for one in alike:
            both = (one.highest, one.lowest) if one.descending else (one.lowest, one.highest)
            if all(value in tuples for value in both):
                yield one.index_oid, btree_leaf([tuples[value] for value in both])


def _tuples(
    owner: psycopg.Connection[Any], data_directory: Path, like: Ends, values: Sequence[str]
) -> Mapping[str, bytes]:
    """The index tuples of values, made by the server: in an index that is only built, never kept.

    Its second column is NULL, so that each tuple has a map of its NULLs: it is then a tuple of any index that begins
    with the column, whatever further columns that has.
    """
    mark = secrets.token_hex(4)
    table = sql.Identifier(like.table.schema, f"advisor_ends_{mark}")
    name = f"advisor_tuples_{mark}"
    owner.execute(
        sql.SQL("CREATE TABLE {} AS SELECT {} AS k, NULL::boolean AS z FROM {} WITH NO DATA").format(
            table, sql.Identifier(like.column), sql.Identifier(like.table.schema, like.table.name)
        )
    )
    for start in range(0, len(values), _VALUES_PER_INSERT):
        some = values[start : start + _VALUES_PER_INSERT]
        rows = sql.SQL(", ").join(sql.SQL("({})").format(sql.Literal(value)) for value in some)
        owner.execute(sql.SQL("INSERT INTO {} (k) VALUES {}").format(table, rows))
    owner.execute(
        sql.SQL("CREATE INDEX {} ON {} (k, z) WITH (deduplicate_items = off)").format(sql.Identifier(name), table)
    )
    by_place = dict(zip(_places(owner, table), values, strict=True))
    where = sql.Identifier(like.table.schema, name).as_string(owner)
    path = owner.execute("SELECT pg_relation_filepath(%s::regclass)", [where]).fetchone()
    assert path is not None
    pages = (data_directory / path[0]).read_bytes()
    tuples = (found for start in range(BLOCK, len(pages), BLOCK) for found in leaf_tuples(pages[start : start + BLOCK]))
    return {by_place[place]: data for place, data in tuples}


def _places(owner: psycopg.Connection[Any], table: sql.Identifier) -> Iterator[tuple[int, int]]:
    """(block, number within it) of the rows, in the order in which they were inserted."""
    for (ctid,) in owner.execute(sql.SQL("SELECT ctid::text FROM {} ORDER BY ctid").format(table)):
        block, _, number = ctid.strip("()").partition(",")
        yield int(block), int(number)
