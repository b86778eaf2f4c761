"""Relations of a twin get the sizes of production's: sparse files, which cost no disk, and index pages to plan by.

The planner asks for the present size of a relation's file and scales `reltuples / relpages` by it (`estimate_rel_size`
in optimizer/util/plancat.c). Blocks of zeros are valid pages to it, as it never opens those of a table, of hash, GiST
and SP-GiST indexes, and of the others only those in `advisor.sandbox.twin.pages`.
"""

import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from advisor.model.catalog import GinMetapage
from advisor.sandbox.host import Account, server_account
from advisor.sandbox.twin.pages import BLOCK, brin_metapage, btree_chain, btree_leaf, gin_metapage, visibility_map

SEGMENT = 1 << 30
"""Bytes of a relation's file before the next one begins (`RELSEG_SIZE`, 1 GiB wherever a server is built as usual)."""

KEEP_OUT_OF_BUFFERS = "SET wal_skip_threshold = 0"
"""For sessions that make btrees: with `wal_level = minimal` a commit logs a small new file by reading it into the
buffers (`smgrDoPendingSyncs` in catalog/storage.c), but for this threshold."""

_SCRATCH = "advisor_scratch"
"""A tablespace to move an index to and back, which makes a new file of it that no buffer knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table or index of the twin. `path` is its file's, relative to the data directory; "" where it has none.

    `tablespace` is None for the database's own. `definition` is an index's.
    """

    oid: int
    schema: str
    name: str
    kind: str
    path: str
    method: str | None
    table_oid: int | None
    tablespace: str | None
    definition: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a relation is to look like to the planner.

    Attributes:
        pages: of its file; `analysed_pages`, `analysed_rows`, `all_visible_pages` as in `pg_class`.
        height: a btree's.
        leaf: a btree's only leaf, where it is not empty; its rows are said to lie in the table's first block.
        heap_pages: of the table under a BRIN index.
    """

    relation: Relation
    pages: int
    analysed_pages: int
    analysed_rows: float
    all_visible_pages: int = 0
    height: int = 0
    leaf: bytes | None = None
    gin: GinMetapage | None = None
    heap_pages: int = 0


_RELATIONS = """
SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
       COALESCE(CASE WHEN c.relkind IN ('r', 'm', 'i') THEN pg_relation_filepath(c.oid) END, '') AS path,
       a.amname AS method, i.indrelid::int8 AS table_oid, t.spcname AS tablespace,
       CASE WHEN c.relkind IN ('i', 'I') THEN pg_get_indexdef(c.oid) END AS definition
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam AND c.relkind IN ('i', 'I')
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace
WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND (%(oids)s::int8[] IS NULL OR c.oid::int8 = ANY (%(oids)s))"""

_SIZES = """
UPDATE pg_catalog.pg_class c SET relpages = s.pages, reltuples = s.rows, relallvisible = s.visible
FROM unnest(%s::oid[], %s::int[], %s::float4[], %s::int[]) AS s(oid, pages, rows, visible)
WHERE c.oid = s.oid"""


def relations(admin: psycopg.Connection[Any], oids: Sequence[int] | None = None) -> list[Relation]:
    """All tables and indexes of the connected database outside the system's schemas, or those of these numbers."""
    with admin.cursor(row_factory=class_row(Relation)) as cursor:
        return cursor.execute(_RELATIONS.encode(), {"oids": oids}).fetchall()


def renew_files(admin: psycopg.Connection[Any], owner: psycopg.Connection[Any], indexes: Iterable[Relation]) -> None:
    """Gives indexes, which must be empty, new files that the server has not read into its buffers yet.

    A btree is built straight to its file; the others are built in buffers, and moved to another tablespace and back.
    Both connections have to be in autocommit mode. An index's expressions may be evaluated: `owner` does it.
    """
    moved = []
    owner.execute(KEEP_OUT_OF_BUFFERS)
    for index in indexes:
        if index.method == "btree":
            owner.execute(sql.SQL("REINDEX INDEX {}").format(sql.Identifier(index.schema, index.name)))
        else:
            moved.append(index)
    if not moved:
        return
    scratch = sql.Identifier(f"{_SCRATCH}_{secrets.token_hex(4)}")
    user = sql.Identifier(owner.info.user)
    admin.execute("SET allow_in_place_tablespaces = on")
    admin.execute(sql.SQL("CREATE TABLESPACE {} LOCATION ''").format(scratch))
    try:
        admin.execute(sql.SQL("GRANT CREATE ON TABLESPACE {} TO {}").format(scratch, user))
        for index in moved:
            name = sql.Identifier(index.schema, index.name)
            home = sql.Identifier(index.tablespace or "pg_default")
            for place in (scratch, home):
                owner.execute(sql.SQL("ALTER INDEX {} SET TABLESPACE {}").format(name, place))
    finally:
        admin.execute(sql.SQL("DROP TABLESPACE {}").format(scratch))


def has_own_pages(shape: Shape) -> bool:
    """Whether the planner reads pages of the index that say something else while it is empty."""
    method = shape.relation.method
    return bool(shape.relation.path) and (
        (method == "btree" and (shape.height > 0 or shape.leaf is not None))
        or (method == "gin" and shape.gin is not None)
        or method == "brin"
    )


def shape_files(data_directory: Path, shapes: Iterable[Shape]) -> None:
    """Writes index pages and extends files. Files of indexes with `has_own_pages` must be new: see `renew_files`.

    Raises OSError where the disk is full or the files cannot be reached.
    """
    account = server_account()
    for shape in shapes:
        relation = shape.relation
        if not relation.path:
            continue
        path = data_directory / relation.path
        if has_own_pages(shape):
            _write_index(path, shape)
        extend(path, shape.pages, account)


def _write_index(path: Path, shape: Shape) -> None:
    with path.open("r+b") as file:
        metapage = file.read(BLOCK)
        if shape.relation.method == "btree":
            pages = btree_chain(metapage, shape.height, shape.leaf or btree_leaf(()))
        elif shape.relation.method == "gin" and shape.gin is not None:
            pages = gin_metapage(metapage, shape.gin)
        elif shape.relation.method == "brin":
            pages = brin_metapage(metapage, shape.heap_pages)
        else:
            return
        file.seek(0)
        file.write(pages)


def extend(path: Path, pages: int, account: Account) -> None:
    """Makes a relation's file that many blocks long, never shorter, by holes: the new blocks take no disk."""
    size = pages * BLOCK
    number = 0
    while number == 0 or size > 0:
        segment = path if number == 0 else path.with_name(f"{path.name}.{number}")
        if not segment.exists():
            segment.touch(mode=0o600)
            account.own(segment)
        wanted = min(size, SEGMENT)
        if segment.stat().st_size < wanted:
            os.truncate(segment, wanted)
        size -= SEGMENT
        number += 1


def show_first_block(data_directory: Path, tables: Iterable[Relation]) -> None:
    """Says of these tables' first blocks that everybody may see all their rows. No session may have read them yet."""
    account = server_account()
    for table in tables:
        path = data_directory / f"{table.path}_vm"
        path.touch(mode=0o600)
        account.own(path)
        path.write_bytes(visibility_map())


def heap_size(data_directory: Path, table: Relation) -> int:
    """Bytes of a table's file, all segments together."""
    path = data_directory / table.path
    size = number = 0
    while path.is_file() and path.stat().st_size == SEGMENT:
        size += SEGMENT
        number += 1
        path = data_directory / f"{table.path}.{number}"
    return size + (path.stat().st_size if path.is_file() else 0)


def empty_heap(data_directory: Path, table: Relation) -> int:
    """Makes a table's file empty, so that an index on it is built at once; the size to restore, in bytes.

    Only for sessions that open the table after this, and only the first segment: they look no further than a short one.
    """
    path = data_directory / table.path
    size = path.stat().st_size
    os.truncate(path, 0)
    return size


def restore_heap(data_directory: Path, table: Relation, size: int) -> None:
    """Undoes `empty_heap`."""
    os.truncate(data_directory / table.path, size)


def write_sizes(admin: psycopg.Connection[Any], shapes: Sequence[Shape]) -> None:
    """Puts pages and rows into `pg_class`, which tells all sessions."""
    columns = zip(
        *((s.relation.oid, s.analysed_pages, s.analysed_rows, s.all_visible_pages) for s in shapes), strict=True
    )
    admin.execute(_SIZES.encode(), [list(column) for column in columns] or [[], [], [], []])
