"""The planner twin: a database without rows whose planner answers as the one a catalog was read from."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from advisor.errors import SandboxError
from advisor.model.catalog import Catalog, Index, Storage, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.schema.collations import database_options
from advisor.sandbox.schema.rebuild import rebuild
from advisor.sandbox.schema.rebuild_run import STATEMENT_LIMIT_S
from advisor.sandbox.schema.tablespaces import make_tablespaces
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.end_points import known_ends, leaves
from advisor.sandbox.twin.estimates import btree_height, pivot_width
from advisor.sandbox.twin.files import (
    Relation,
    Shape,
    has_own_pages,
    relations,
    renew_files,
    shape_files,
    show_first_block,
    write_sizes,
)
from advisor.sandbox.twin.statistics import put_statistics
from advisor.sandbox.watched import Watched
from advisor.sql.quote import quote_identifier

_NOT_PLANNER_SETTINGS = frozenset(
    {
        "block_size",
        "jit_debugging_support",
        "jit_dump_bitcode",
        "jit_profiling_support",
        "jit_provider",
        "lc_collate",
        "lc_ctype",
        "maintenance_work_mem",
        "max_parallel_apply_workers_per_subscription",
        "max_parallel_maintenance_workers",
        "row_security",
        "server_encoding",
        "shared_buffers",
        "track_counts",
    }
)
"""Settings in a catalog that tell about the server, and that no plan of a table's owner depends on."""

_PLANNER_SETTING = re.compile(
    r"(?:enable_|geqo|jit|cpu_|parallel_|(?:min|max)_parallel_)[a-z_]*|[a-z_]+_page_cost|TimeZone|constraint_exclusion"
    r"|cursor_tuple_fraction|debug_parallel_query|default_statistics_target|force_parallel_mode|plan_cache_mode"
    r"|(?:effective|maintenance)_io_concurrency|effective_cache_size|(?:from|join)_collapse_limit|hash_mem_multiplier"
    r"|recursive_worktable_factor|work_mem"
)
"""The names that a catalog's reading asks for. A snapshot may hold any other, and what the superuser sets for a
database need not be harmless: `session_preload_libraries` loads code."""


_KEEPER = sql.Identifier("advisor_twin_keeper")
"""Owns the tables of a twin that others are let in to; nobody can log in as it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """An open twin: plan there, do not run; its tables look full to the planner and hold nothing.

    Attributes:
        catalog: what it was made from.
        warnings: where it is not like production, a sentence each.
    """

    sandbox: Sandbox
    database: str
    catalog: Catalog
    warnings: tuple[str, ...] = ()

    def connect(self) -> psycopg.Connection[Any]:
        """A connection of the unprivileged login, in autocommit mode; settings are production's."""
        return _session(self.sandbox, self.database)

    def watched(self) -> Watched:
        """The same, for statements from outside: one that does not end loses its session, which `renew()` replaces."""
        return Watched(self.sandbox, self.connect)

    @property
    def url(self) -> str:
        """For psql: the unprivileged login's, with its throwaway password."""
        return self.sandbox.url_of(self.database)

    @property
    def data_directory(self) -> Path:
        """Where the server's files are."""
        return data_directory(self.sandbox)


def _session(sandbox: Sandbox, database: str) -> psycopg.Connection[Any]:
    connection = sandbox.connect(database)
    connection.autocommit = True
    return connection


def data_directory(sandbox: Sandbox) -> Path:
    """Where the server's files are; SandboxError where they are out of reach."""
    if sandbox.data_directory is None:
        raise SandboxError(
            "This throwaway PostgreSQL cannot be made a planner twin.",
            why="A twin needs the server's files, and those of a given URL are out of reach.",
            hint="Use --sandbox auto, embedded, local or docker.",
        )
    return Path(sandbox.data_directory)


def open_twin(sandbox: Sandbox, catalog: Catalog, *, database: str = "twin") -> Twin:
    """Makes a database of the sandbox a twin of the catalog's.

    What cannot be made (a missing extension's type, a column's statistics) is left out by name, table by table.
    Raises SandboxError where the sandbox's files are out of reach, its disk is full, or the server is lost.
    """
    folder = data_directory(sandbox)
    options, replaced = database_options(catalog, sandbox)
    sandbox.create_database(database, options)
    try:
        warnings = [replaced] if replaced else []
        warnings += make_tablespaces(sandbox, catalog)
        warnings += rebuild(sandbox, database, catalog)
        warnings += put_statistics(sandbox, database, catalog)
        with (
            sandbox.admin(database) as admin,
            Watched(sandbox, partial(_session, sandbox, database)) as owner,
            owner.limited(STATEMENT_LIMIT_S),
        ):
            admin.autocommit = True
            pairs = _tables(catalog, relations(admin))
            shapes = _with_ends(list(_shapes(pairs)), pairs, owner, folder)
            renew_files(admin, owner, [shape.relation for shape in shapes if has_own_pages(shape)])
            renewed = {relation.oid: relation for relation in relations(admin)}
            shapes = [replace(shape, relation=renewed[shape.relation.oid]) for shape in shapes]
            shape_files(folder, shapes)
            with_leaf = {shape.relation.table_oid for shape in shapes if shape.leaf is not None}
            show_first_block(folder, [renewed[oid] for oid in with_leaf if oid is not None])
            write_sizes(admin, shapes)
            warnings += _apply_settings(admin, catalog, owner.info.dbname)
    except OSError as error:
        raise SandboxError(
            "The planner twin's files cannot be written.",
            why=f"{error.strerror or error} ({error.filename}).",
            hint="Free some disk space, or set TMPDIR to another folder (one that can hold sparse files).",
        ) from error
    except psycopg.Error as error:
        raise SandboxError("The planner twin cannot be made.", why=f"{error}".strip()) from error
    return Twin(sandbox=sandbox, database=database, catalog=catalog, warnings=tuple(dict.fromkeys(warnings)))


@dataclass(frozen=True, slots=True)
class _Pair:
    """A table of the twin and production's, with their indexes."""

    relation: Relation
    table: Table
    indexes: tuple[tuple[Relation, Index], ...]


def _tables(catalog: Catalog, found: Sequence[Relation]) -> list[_Pair]:
    """The tables that are there both times."""
    indexes: dict[int, list[Relation]] = {}
    for relation in found:
        if relation.table_oid is not None:
            indexes.setdefault(relation.table_oid, []).append(relation)
    both = ((r, catalog.tables.get(QualifiedName(r.schema, r.name))) for r in found if r.method is None)
    return [_Pair(r, table, tuple(_pairs(indexes.get(r.oid, ()), table))) for r, table in both if table is not None]


def _shapes(pairs: Iterable[_Pair]) -> Iterator[Shape]:
    """What the twin's relations are to look like, of those whose size in production is known."""
    for pair in pairs:
        if pair.table.storage is not None:
            yield _shape(pair.relation, pair.table.storage)
        for here, index in pair.indexes:
            if index.storage is not None:
                yield _index_shape(here, index, index.storage, pair.table)


def _with_ends(
    shapes: list[Shape], pairs: Iterable[_Pair], owner: psycopg.Connection[Any], folder: Path
) -> list[Shape]:
    """The shapes, with leaves for the btrees whose real ends production knows."""
    ends = (end for pair in pairs if pair.relation.path for end in known_ends(pair.table, pair.indexes))
    pages = dict(leaves(owner, folder, ends))
    return [replace(shape, leaf=pages.get(shape.relation.oid)) for shape in shapes]


def _pairs(found: Iterable[Relation], table: Table) -> Iterator[tuple[Relation, Index]]:
    """The twin's indexes of a table and production's: by name, else (partitions' parts get names of their own) by
    definition."""
    by_name = {index.name: index for index in table.indexes}
    rest = []
    for relation in found:
        index = by_name.pop(relation.name, None)
        if index is not None:
            yield relation, index
        else:
            rest.append(relation)
    by_definition = {_after_table(index.definition): index for index in by_name.values()}
    for relation in rest:
        index = by_definition.pop(_after_table(relation.definition or ""), None)
        if index is not None:
            yield relation, index


def _after_table(definition: str) -> str:
    """Method, keys, payload and predicate of an index's definition, without its own name and the table's."""
    return definition.partition(" USING ")[2]


def _shape(relation: Relation, storage: Storage) -> Shape:
    return Shape(
        relation=relation,
        pages=storage.analysed_pages if storage.pages is None else storage.pages,
        analysed_pages=storage.analysed_pages,
        analysed_rows=storage.analysed_rows,
        all_visible_pages=storage.all_visible_pages,
    )


def _index_shape(relation: Relation, index: Index, storage: Storage, table: Table) -> Shape:
    shape = _shape(relation, storage)
    height = index.height
    if height is None:
        height = btree_height(shape.pages, pivot_width(index, table, shape.pages)) if index.method == "btree" else 0
    heap = table.storage.pages if table.storage else None
    return replace(shape, height=height, gin=index.gin, heap_pages=heap or 0)


def protect(twin: Twin) -> None:
    """Takes the tables from the unprivileged login, which may then plan and no more.

    ANALYZE, VACUUM or CREATE INDEX of a curious hand would replace production's numbers by those of empty tables.
    Plans stay the same: a role that may read a table is shown its statistics, and policies are switched off.
    """
    with twin.sandbox.admin(twin.database) as admin, twin.sandbox.connect(twin.database) as connection:
        user = sql.Identifier(connection.info.user)
        admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(_KEEPER))
        filtered = admin.execute("SELECT oid::regclass::text FROM pg_catalog.pg_class WHERE relrowsecurity")
        for (table,) in filtered.fetchall():
            admin.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY".encode())
        admin.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(user, _KEEPER))
        schemas = admin.execute(
            "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'"
        )
        for name in [sql.Identifier(name) for (name,) in schemas.fetchall()]:
            admin.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(name, user))
            for what in ("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE ON ALL SEQUENCES"):
                admin.execute(sql.SQL("GRANT " + what + " IN SCHEMA {} TO {}").format(name, user))


def _apply_settings(admin: psycopg.Connection[Any], catalog: Catalog, database: str) -> list[str]:
    """Makes production's settings the database's; those that this server does not know are named."""
    settings = {name: value for name, value in catalog.settings.items() if name not in _NOT_PLANNER_SETTINGS}
    settings["search_path"] = ", ".join(map(quote_identifier, catalog.search_path)) or '""'
    refused = []
    for name, value in settings.items():
        if name != "search_path" and not _PLANNER_SETTING.fullmatch(name):
            refused.append(name)
            continue
        statement = sql.SQL("ALTER DATABASE {} SET {} = {}").format(
            sql.Identifier(database), sql.Identifier(name), sql.SQL(value) if name == "search_path" else value
        )
        try:
            admin.execute(statement)
        except psycopg.Error:
            refused.append(name)
    if not refused:
        return []
    return [f"Settings that this server does not take stay at its own values: {', '.join(sorted(refused))}."]
