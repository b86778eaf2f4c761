"""A live database -> Catalog, with nothing but catalog queries."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import psycopg

from advisor.catalog import queries
from advisor.catalog.collations import default_collation, read_collations
from advisor.catalog.connect import connection_lost
from advisor.catalog.extended import read_extended_statistics
from advisor.catalog.foreign import why_foreign
from advisor.catalog.indexes import build_indexes
from advisor.catalog.metapages import read_metapages
from advisor.catalog.objects import read_objects
from advisor.catalog.rows import Ask, Oid, Row, ask, grouped
from advisor.catalog.statistics import read_statistics
from advisor.catalog.tables import RELATION_KINDS, build_tables
from advisor.model.catalog import Catalog, Table
from advisor.model.names import QualifiedName, listed

# pg_catalog alone makes the server print every other name with its schema. The other two decide how values of bytea
# and money are printed. Until it holds nothing may be looked up: the database's own path can begin with a schema of
# functions and operators that have pg_catalog's names.
_SESSION = """
SELECT pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('bytea_output', 'hex', true),
       pg_catalog.set_config('lc_monetary', 'C', true)"""


def read_catalog(connection: psycopg.Connection[Any]) -> Catalog:
    """The schema, sizes, statistics and settings of the connected database.

    Names outside `pg_catalog` are printed with their schema. What the role may not see, what stands behind an
    ACCESS EXCLUSIVE lock, or what no other server could stand in for, is left out and named in `warnings`. The
    transaction keeps no lock, and `pg_catalog` as its search_path. Raises ConnectionFailed when the server goes away
    or does not answer in time.
    """
    try:
        path = ask(connection, queries.SEARCH_PATH)[0]
        ask(connection, _SESSION)
        server = {**ask(connection, queries.SERVER)[0], **path}
        # Rolled back, because pg_get_viewdef keeps a lock on every table of the view to the end.
        with connection.transaction(force_rollback=True):
            return _read(connection, server)
    except psycopg.Error as error:
        raise connection_lost(error) from None


def _read(connection: psycopg.Connection[Any], server: Row) -> Catalog:
    query = partial(ask, connection)
    busy = query(queries.LOCKED)
    found = query(queries.RELATIONS, {"locked": [row["oid"] for row in busy]})
    relations = [row for row in found if why_foreign(row) is None]
    identifier, identity_warnings = _identity(connection, server)
    version = server["version_num"]
    return Catalog(
        server_version_num=version,
        server_version=server["version"],
        database=server["database"],
        tables=_tables(connection, server, relations, busy),
        search_path=tuple(server["search_path"]),
        settings={row["name"]: row["value"] for row in query(queries.SETTINGS)}
        | {"lc_collate": server["datcollate"], "lc_ctype": server["datctype"]},
        functions={row["name"]: row["volatility"][1] for row in query(queries.FUNCTIONS)},
        extensions=tuple(server["extensions"] or ()),
        objects=tuple(read_objects(query)),
        system_identifier=identifier,
        warnings=(*_warnings(server["role"], relations, busy), *_foreign(found), *identity_warnings),
        collations=read_collations(query, version),
        default_collation=default_collation(query, version),
        tablespace_options={row["name"]: tuple(row["options"]) for row in query(queries.TABLESPACES)},
        extended_statistics=read_extended_statistics(query, server, {row["oid"]: row for row in relations}),
        counters_reset_us=server["counters_reset_us"],
        standby=server["standby"],
    )


def _tables(
    connection: psycopg.Connection[Any], server: Row, relations: Sequence[Row], busy: Sequence[Row]
) -> dict[QualifiedName, Table]:
    query: Ask = partial(ask, connection)
    names = {row["oid"]: _name(row) for row in relations}
    locked = {"locked": [row["oid"] for row in busy]}
    # A table that was made since the list of relations was read is not in it.
    columns = _of(names, query(queries.COLUMNS, locked))
    constraints = _of(names, query(queries.CONSTRAINTS, locked))
    indexes = query(queries.indexes(server["version_num"]), locked)
    delimiters = {
        (names[row["relation"]].schema, names[row["relation"]].name, row["name"]): row["delimiter"]
        for rows in columns.values()
        for row in rows
        if row["delimiter"] != ","
    }
    statistics = read_statistics(query, server, delimiters)
    unreadable = [row["oid"] for row in indexes if server["standby"] and row["unlogged"]]
    metapages = read_metapages(connection, indexes, [*locked["locked"], *unreadable])
    built = build_indexes(indexes, names, statistics, metapages, server["block_size"])
    return build_tables(server, relations, names, columns, built, constraints, statistics)


def _of(names: Mapping[Oid, QualifiedName], rows: Iterable[Row]) -> dict[Oid, list[Row]]:
    return grouped((row for row in rows if row["relation"] in names), "relation")


def _identity(connection: psycopg.Connection[Any], server: Row) -> tuple[str | None, tuple[str, ...]]:
    """The cluster's identifier, where the role may ask for it; hosted servers often refuse."""
    if server["may_identify"]:
        try:
            with connection.transaction():
                identifier: str = ask(connection, queries.IDENTITY)[0]["system_identifier"]
            return identifier, ()
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported):
            pass
    return None, ("The server's system identifier cannot be read by this role.",)


def _warnings(role: str, relations: Sequence[Row], busy: Sequence[Row]) -> Iterable[str]:
    stored = [row for row in relations if row["kind"] in ("r", "p", "m")]
    hidden = [_name(row) for row in stored if not row["readable"]]
    if hidden:
        yield (
            f"Role {role} has no SELECT on {len(hidden)} of {len(stored)} tables, so the distribution of their values "
            f"is not known: {listed(hidden)}."
        )
    locked = [_name(row) for row in busy if row["kind"] in RELATION_KINDS]
    if locked:
        yield (
            f"Another session holds or awaits an ACCESS EXCLUSIVE lock, so these tables are left out: {listed(locked)}."
        )
    stale = [_name(row) for row in stored if row["kind"] == "r" and row["reltuples"] < 0 and row["size_bytes"]]
    if stale:
        yield f"{len(stale)} tables with rows were never analysed (ANALYZE has not run): {listed(stale)}."


def _foreign(relations: Sequence[Row]) -> Iterable[str]:
    for reason in sorted({why for row in relations if (why := why_foreign(row)) is not None}):
        names = [_name(row) for row in relations if why_foreign(row) == reason]
        yield f"{len(names)} relations are left out, because they are {reason}: {listed(names)}."


def _name(row: Row) -> QualifiedName:
    return QualifiedName(row["schema"], row["name"])
