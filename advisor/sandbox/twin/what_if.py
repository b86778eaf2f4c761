"""What-if over a twin: candidate indexes of any access method, made on empty tables, sized, and switched on and off.

A candidate is a real index, so that the server's own code decides what it can serve and what it costs. It is built
while its table's file is empty, given the file and the height of a full one, and switched by `pg_index.indisvalid`,
the one thing the planner asks (`get_relation_info` in optimizer/util/plancat.c). All sessions of a twin see a switch:
use one twin per worker.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from psycopg.pq import ExecStatus

from advisor.errors import SandboxError, SqlError, UsageError
from advisor.model.catalog import GinMetapage
from advisor.model.names import QualifiedName
from advisor.sandbox.gone import raise_if_gone
from advisor.sandbox.schema.rebuild_run import STATEMENT_LIMIT_S
from advisor.sandbox.twin.estimates import btree_height, index_bytes
from advisor.sandbox.twin.files import (
    KEEP_OUT_OF_BUFFERS,
    Relation,
    Shape,
    empty_heap,
    has_own_pages,
    heap_size,
    relations,
    renew_files,
    restore_heap,
    shape_files,
    write_sizes,
)
from advisor.sandbox.twin.open import Twin
from advisor.sandbox.twin.pages import BLOCK
from advisor.sql.parse import parse_one
from advisor.sql.quote import quote_name

_TREE = """
WITH RECURSIVE tree AS (
    SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('i', 'I', 'r', 'p', 'm')
    UNION ALL SELECT h.inhrelid FROM pg_catalog.pg_inherits h JOIN tree t ON h.inhparent = t.oid
) SELECT oid::int8 FROM tree"""

_KEYS = """
SELECT array_agg(pg_get_indexdef(i.indexrelid, n, false) ORDER BY n) FILTER (WHERE n <= i.indnkeyatts),
       array_agg(pg_get_indexdef(i.indexrelid, n, false) ORDER BY n), pg_get_expr(i.indpred, i.indrelid)
FROM pg_catalog.pg_index i CROSS JOIN generate_series(1, i.indnatts) AS n WHERE i.indexrelid = %s
GROUP BY i.indexrelid, i.indpred, i.indrelid"""

_SIZES = "SELECT oid::int8, relpages, reltuples::float8, relallvisible FROM pg_catalog.pg_class WHERE oid = ANY (%s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfIndex:
    """A candidate.

    Attributes:
        name: occurs nowhere else in the table's schema.
        definition: `CREATE INDEX name ON …`, without CONCURRENTLY.
        size_bytes: of its file (of a partitioned table's: of all partitions'); None: estimated from statistics.
        height: a btree's; None: estimated from its size.
        gin: what a GIN's metapage is to say; None: the planner's own guess from the size.
    """

    name: str
    table: QualifiedName
    definition: str
    size_bytes: int | None = None
    height: int | None = None
    gin: GinMetapage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A candidate on the twin, switched off; `refused` is the server's reason where it could not be made.

    `names` are those that plans show: of a partitioned table's index, its parts'. `size_bytes` is what the planner is
    told.
    """

    name: str
    names: frozenset[str] = frozenset()
    oids: tuple[int, ...] = ()
    size_bytes: int = 0
    refused: str | None = None


class WhatIf:
    """The candidates on one twin; a context manager that takes them away again.

    Keeps a superuser's session for the switches. Raises SandboxError where the twin's server is lost.
    """

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._admin = twin.sandbox.admin(twin.database)
        self._admin.autocommit = True
        self._oids: dict[str, tuple[int, ...]] = {}
        self._hidden: frozenset[int] = frozenset()

    def __enter__(self) -> "WhatIf":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with closing(self._admin):
            if kind is None:
                self.show()
                self.remove(tuple(self._oids))

    def add(self, candidates: Sequence[WhatIfIndex]) -> tuple[Added, ...]:
        """Makes candidates, each switched off. One batch costs less than its parts.

        Raises UsageError for a definition that is not one plain CREATE INDEX.
        """
        for candidate in candidates:
            _refuse_other_statements(candidate)
        tables = {oid for c in candidates for oid in self._tree(c.table)}
        refused: dict[str, str] = {}
        with self._emptied(tables), self._twin.watched() as owner, owner.limited(STATEMENT_LIMIT_S):
            owner.execute(KEEP_OUT_OF_BUFFERS)
            for candidate in candidates:
                try:
                    owner.execute(candidate.definition.encode())
                except psycopg.Error as error:
                    raise_if_gone(owner, error)
                    owner.execute(KEEP_OUT_OF_BUFFERS)
                    refused[candidate.name] = _reason(error)
                    continue
                self._oids[candidate.name] = tuple(self._tree(QualifiedName(candidate.table.schema, candidate.name)))
                self.switch(())
        with self._twin.watched() as owner, owner.limited(STATEMENT_LIMIT_S):
            return tuple(
                Added(name=c.name, refused=refused[c.name]) if c.name in refused else self._shaped(c, owner)
                for c in candidates
            )

    def switch(self, on: Collection[str]) -> None:
        """Lets the planner see these candidates and no other."""
        chosen = [oid for name in on for oid in self._oids[name]]
        every = [oid for oids in self._oids.values() for oid in oids]
        self._set_valid(chosen, every)

    def _set_valid(self, on: Sequence[int], every: Sequence[int]) -> None:
        """Those of `every` that are in `on` become visible to the planner, the others not.

        Thousands of switches are made in a search: libpq's plain call takes a third of what the driver's layers take.
        """
        if not every:
            return
        wanted = f"indexrelid IN ({_listed(on)})" if on else "false"
        statement = f"UPDATE pg_catalog.pg_index SET indisvalid = {wanted} WHERE indexrelid IN ({_listed(every)})"
        result = self._admin.pgconn.exec_(f"{statement} AND indisvalid <> ({wanted})".encode())
        if result.status != ExecStatus.COMMAND_OK:
            why = result.error_message.decode(errors="replace").strip()
            raise SandboxError("The planner twin's indexes cannot be switched.", why=why)

    def hide(self, existing: Iterable[QualifiedName]) -> None:
        """Hides indexes the twin has of its own, as if they were dropped; earlier hidden ones come back."""
        oids = frozenset(oid for name in existing for oid in self._tree(name))
        every = list(oids | self._hidden)
        self._set_valid(list(self._hidden - oids), every)
        self._hidden = oids

    def show(self) -> None:
        """Ends what `hide` did."""
        self.hide(())

    def remove(self, names: Collection[str]) -> None:
        """Drops candidates."""
        for name in names:
            oids = self._oids.pop(name)
            row = self._admin.execute("SELECT oid::regclass::text FROM pg_class WHERE oid = %s", [oids[0]]).fetchone()
            if row is not None:
                self._admin.execute(f"DROP INDEX {row[0]}".encode())

    def _tree(self, name: QualifiedName) -> list[int]:
        """A relation and, of a partitioned one, all its parts."""
        return [oid for (oid,) in self._admin.execute(_TREE, [name.schema, name.name])]

    @contextmanager
    def _emptied(self, tables: Collection[int]) -> Iterator[None]:
        """While it lasts the tables' files are empty; `CREATE INDEX` forgets their sizes, which are put back, too."""
        folder = self._twin.data_directory
        found = [table for table in relations(self._admin, list(tables)) if table.method is None]
        before = {oid: numbers for oid, *numbers in self._admin.execute(_SIZES, [[t.oid for t in found]])}
        sizes = {table.oid: empty_heap(folder, table) for table in found if table.path}
        try:
            yield
        finally:
            for table in found:
                if table.oid in sizes:
                    restore_heap(folder, table, sizes[table.oid])
            shapes = [_table_shape(table, before[table.oid]) for table in found]
            write_sizes(self._admin, shapes)

    def _shaped(self, candidate: WhatIfIndex, owner: psycopg.Connection[Any]) -> Added:
        """The candidate with its size; taken away again where the planner cannot say what would be in it."""
        try:
            return self._shape(candidate, owner)
        except psycopg.Error as error:
            raise_if_gone(owner, error)
            self.remove([candidate.name])
            return Added(name=candidate.name, refused=_reason(error))

    def _shape(self, candidate: WhatIfIndex, owner: psycopg.Connection[Any]) -> Added:
        """Gives a candidate its size, that of a partitioned table in proportion to the partitions' rows."""
        parts = [r for r in relations(self._admin, list(self._oids[candidate.name])) if r.path]
        guesses = {part.oid: _guess(self._admin, owner, part, self._twin.data_directory) for part in parts}
        total = sum(guess.rows for guess in guesses.values()) or 1.0
        shapes = []
        for part in parts:
            guess = guesses[part.oid]
            size = guess.size_bytes
            if candidate.size_bytes is not None:
                size = round(candidate.size_bytes * (guess.rows / total if len(parts) > 1 else 1))
            pages = max(size // BLOCK, 1)
            estimated = btree_height(pages, guess.width) if part.method == "btree" else 0
            height = estimated if candidate.height is None else candidate.height
            shapes.append(
                Shape(
                    relation=part,
                    pages=pages,
                    analysed_pages=pages,
                    analysed_rows=guess.rows,
                    height=height,
                    gin=candidate.gin,
                    heap_pages=guess.heap_pages,
                )
            )
        renew_files(
            self._admin, owner, [s.relation for s in shapes if s.relation.method != "btree" and has_own_pages(s)]
        )
        now = {relation.oid: relation for relation in relations(self._admin, [part.oid for part in parts])}
        shapes = [replace(shape, relation=now[shape.relation.oid]) for shape in shapes]
        shape_files(self._twin.data_directory, shapes)
        write_sizes(self._admin, shapes)
        return Added(
            name=candidate.name,
            names=frozenset(part.name for part in parts),
            oids=self._oids[candidate.name],
            size_bytes=sum(shape.pages for shape in shapes) * BLOCK,
        )


def _reason(error: psycopg.Error) -> str:
    return error.diag.message_primary or f"{error}".strip()


def _listed(oids: Sequence[int]) -> str:
    return ", ".join(str(oid) for oid in oids)


def _refuse_other_statements(candidate: WhatIfIndex) -> None:
    try:
        node = parse_one(candidate.definition)
    except SqlError as error:
        raise UsageError(f"{candidate.name} is not a CREATE INDEX statement.", why=error.what) from None
    if node.DESCRIPTOR.name != "IndexStmt" or node.concurrent or node.idxname != candidate.name:
        raise UsageError(
            f"{candidate.name} is not a plain CREATE INDEX of that name.",
            hint="Give CREATE INDEX name ON table …, without CONCURRENTLY.",
        )


def _table_shape(table: Relation, numbers: Sequence[Any]) -> Shape:
    pages, rows, visible = numbers
    return Shape(relation=table, pages=0, analysed_pages=pages, analysed_rows=rows, all_visible_pages=visible)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """What the planner thinks of an index's rows and keys; `width` of all columns, in bytes, aligned."""

    rows: float
    width: int
    size_bytes: int
    heap_pages: int


def _guess(
    admin: psycopg.Connection[Any], owner: psycopg.Connection[Any], index: Relation, data_directory: Path
) -> _Guess:
    """Asks the planner for the rows that the predicate leaves, the width of the columns and the number of keys."""
    row = admin.execute(_KEYS, [index.oid]).fetchone()
    (table,) = relations(admin, [index.table_oid or 0])
    assert row is not None
    keys, columns, predicate = row
    source = f"ONLY {quote_name(QualifiedName(table.schema, table.name))}"
    where = f" WHERE {predicate}" if predicate else ""
    plain = _planned(owner, f"SELECT {', '.join(columns)} FROM {source}{where}")
    width = -(-max(plain["Plan Width"], 1) // 8) * 8
    rows = float(plain["Plan Rows"])
    distinct = None
    if index.method in ("btree", "gin"):
        distinct = float(_planned(owner, f"SELECT DISTINCT {', '.join(keys)} FROM {source}{where}")["Plan Rows"])
    heap_pages = heap_size(data_directory, table) // BLOCK
    size = index_bytes(index.method or "btree", rows, width, distinct, heap_pages)
    return _Guess(rows=rows, width=width, size_bytes=size, heap_pages=heap_pages)


def _planned(owner: psycopg.Connection[Any], statement: str) -> Mapping[str, Any]:
    row = owner.execute(f"EXPLAIN (FORMAT JSON) {statement}".encode()).fetchone()
    assert row is not None
    plan: Mapping[str, Any] = row[0][0]["Plan"]
    return plan
