"""The statements that make an index in production without blocking writes, and those that take it back."""

from collections.abc import Iterator
from typing import NamedTuple

from advisor.indexes.names import index_name, taken_names
from advisor.model.advice import IndexCandidate
from advisor.model.catalog import Catalog, Index, IndexKey, Table
from advisor.model.names import QualifiedName
from advisor.sql.quote import quote_identifier, quote_literal, quote_name

CONCURRENT_LOCK_TIMEOUT = "15min"
"""How long CREATE INDEX CONCURRENTLY may wait for transactions that are already open. That wait blocks neither reads
nor writes; a shorter one would fail beside every long report and leave an INVALID index behind."""

BLOCKING_LOCK_TIMEOUT = "5s"
"""For steps on a partitioned table that block writes: longer, and every writer queues behind the waiting statement."""


class IndexDdl(NamedTuple):
    """Statements to be run one after the other, outside a transaction; each ends without its semicolon."""

    statements: tuple[str, ...]
    rollback: tuple[str, ...]
    notes: tuple[str, ...]


def create_index(candidate: IndexCandidate, catalog: Catalog | None = None) -> IndexDdl:
    """How to create the index on a busy server: as pasted into psql, or statement by statement with autocommit.

    A failed CREATE INDEX CONCURRENTLY leaves an INVALID index that costs writes and serves nobody, and that
    `IF NOT EXISTS` would take for done. So: no `IF NOT EXISTS`, a leftover that the catalog shows is dropped first,
    and the last query tells the state and what to do about it. Nothing else is ever dropped.
    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY

    A partitioned table has no CONCURRENTLY: its index is created empty (ON ONLY), one is built on each partition and
    attached. The catalog is needed for that, and for leftovers.
    """
    table = catalog.tables.get(candidate.table) if catalog else None
    if catalog is not None and table is not None and table.kind == "partitioned_table":
        return _partitioned(candidate, table, catalog)
    name = QualifiedName(candidate.table.schema, candidate.name)
    leftovers = [QualifiedName(candidate.table.schema, index.name) for index in _leftovers(candidate, table)]
    statements = (
        f"SET lock_timeout = '{CONCURRENT_LOCK_TIMEOUT}'",
        *(f"DROP INDEX CONCURRENTLY IF EXISTS {quote_name(leftover)}" for leftover in leftovers),
        _create(candidate, candidate.table, candidate.name, "CONCURRENTLY "),
        _check(name),
        "RESET lock_timeout",
    )
    notes = [
        "CREATE INDEX CONCURRENTLY cannot run inside a transaction block.",
        "It waits for transactions that are already open; reads and writes go on meanwhile.",
    ]
    if leftovers:
        notes.append("An INVALID index of an earlier, failed build is dropped first.")
    return IndexDdl(statements, (f"DROP INDEX CONCURRENTLY IF EXISTS {quote_name(name)}",), tuple(notes))


def plain_create(candidate: IndexCandidate) -> str:
    """One CREATE INDEX without CONCURRENTLY, for a server nobody else uses; covers partitions, too."""
    return _create(candidate, candidate.table, candidate.name)


def _create(candidate: IndexCandidate, table: QualifiedName, name: str, concurrently: str = "", only: str = "") -> str:
    method = "" if candidate.method == "btree" else f" USING {quote_identifier(candidate.method)}"
    keys = ", ".join(_key(key) for key in candidate.keys)
    include = f" INCLUDE ({', '.join(map(quote_identifier, candidate.include))})" if candidate.include else ""
    where = f" WHERE {candidate.predicate}" if candidate.predicate else ""
    target = f"{quote_identifier(name)} ON {only}{quote_name(table)}"
    return f"CREATE INDEX {concurrently}{target}{method} ({keys}){include}{where}"


def _key(key: IndexKey) -> str:
    text = quote_identifier(key.column) if key.column is not None else f"({key.expression})"
    if key.operator_class:
        text += f" {'.'.join(quote_identifier(part) for part in key.operator_class.split('.'))}"
    if key.descending:
        text += " DESC"
    if key.nulls_first != key.descending:
        text += " NULLS FIRST" if key.nulls_first else " NULLS LAST"
    return text


def _check(name: QualifiedName) -> str:
    """A query that says in one word whether the index is usable, and in one sentence what to do where it is not."""
    regclass = quote_literal(quote_name(name))
    return (
        f"SELECT CASE WHEN indisvalid THEN 'valid' ELSE 'INVALID: drop it and start again' END AS state\n"
        f"FROM pg_catalog.pg_index WHERE indexrelid = to_regclass({regclass})"
    )


def _leftovers(candidate: IndexCandidate, table: Table | None) -> Iterator[Index]:
    """INVALID indexes of the same definition: what an earlier, failed run of the same advice left behind."""
    for index in table.indexes if table else ():
        same = (index.keys, index.include, index.predicate, index.method) == (
            candidate.keys,
            candidate.include,
            candidate.predicate,
            candidate.method,
        )
        if same and not (index.valid or index.unique):
            yield index


def _partitioned(candidate: IndexCandidate, table: Table, catalog: Catalog) -> IndexDdl:
    name = QualifiedName(candidate.table.schema, candidate.name)
    taken: dict[str, set[str]] = {name.schema: taken_names(catalog, name.schema) | {name.name}}
    statements = (
        f"SET lock_timeout = '{BLOCKING_LOCK_TIMEOUT}'",
        _create(candidate, table.name, candidate.name, only="ONLY "),
        *_partitions(candidate, table, name, catalog, taken),
        _check(name),
        "RESET lock_timeout",
    )
    rollback = (
        f"SET lock_timeout = '{BLOCKING_LOCK_TIMEOUT}'",
        f"DROP INDEX IF EXISTS {quote_name(name)}",
        "RESET lock_timeout",
    )
    notes = (
        "A partitioned table has no CREATE INDEX CONCURRENTLY: one per partition is built so, then attached.",
        "The index on the parent stays INVALID until the last one is attached.",
        "CREATE INDEX ON ONLY and ATTACH PARTITION lock for a moment; should one time out, run it again.",
        "DROP INDEX on a partitioned table takes its partitions' indexes along and blocks the tables for a moment.",
    )
    return IndexDdl(statements, rollback, notes)


def _partitions(
    candidate: IndexCandidate, parent: Table, parent_index: QualifiedName, catalog: Catalog, taken: dict[str, set[str]]
) -> Iterator[str]:
    for table in sorted(catalog.tables.values(), key=lambda t: t.name):
        if table.partition_of != parent.name or table.kind == "foreign_table":
            continue
        schema = table.name.schema
        names = taken.setdefault(schema, taken_names(catalog, schema))
        name = QualifiedName(schema, index_name(table.name, candidate.keys, names))
        names.add(name.name)
        if table.kind == "partitioned_table":
            yield _create(candidate, table.name, name.name, only="ONLY ")
            yield from _partitions(candidate, table, name, catalog, taken)
        else:
            yield f"SET lock_timeout = '{CONCURRENT_LOCK_TIMEOUT}'"
            yield _create(candidate, table.name, name.name, "CONCURRENTLY ")
            yield f"SET lock_timeout = '{BLOCKING_LOCK_TIMEOUT}'"
        yield f"ALTER INDEX {quote_name(parent_index)} ATTACH PARTITION {quote_name(name)}"
