"""A live database -> Catalog, with nothing but catalog queries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import psycopg
from psycopg.rows import dict_row

from advisor.catalog import queries
from advisor.catalog.connect import connection_lost
from advisor.catalog.objects import read_objects
from advisor.model.catalog import (
    Catalog,
    Column,
    ColumnStatistics,
    Constraint,
    ConstraintKind,
    Index,
    IndexKey,
    RelationKind,
    Table,
)
from advisor.model.names import QualifiedName
from advisor.sql.own import MARK

Row = Mapping[str, Any]
Oid = int

_RELATION_KINDS: Mapping[str, RelationKind] = {
    "r": "table",
    "p": "partitioned_table",
    "m": "materialized_view",
    "v": "view",
    "f": "foreign_table",
}
_CONSTRAINT_KINDS: Mapping[str, ConstraintKind] = {
    "p": "primary_key",
    "u": "unique",
    "f": "foreign_key",
    "c": "check",
    "x": "exclusion",
    "n": "not_null",
}
_DESCENDING, _NULLS_FIRST = 1, 2
"""Bits of `pg_index.indoption` (INDOPTION_DESC and INDOPTION_NULLS_FIRST in access/genam's pg_index.h)."""

_NAMES_IN_WARNING = 5
"""As many names as fit on a line; the rest is counted."""


def read_catalog(connection: psycopg.Connection[Any]) -> Catalog:
    """The schema, sizes, statistics and settings of the connected database.

    Names outside `pg_catalog` are printed with their schema. What the role may not see, or what stands behind an
    ACCESS EXCLUSIVE lock, is left out and named in `warnings`. Raises ConnectionFailed when the server goes away
    or does not answer in time.
    """
    try:
        return _read(connection)
    except psycopg.Error as error:
        raise connection_lost(error) from None


def _read(connection: psycopg.Connection[Any]) -> Catalog:
    server = _rows(connection, queries.SERVER)[0]
    _rows(connection, "SELECT set_config('search_path', 'pg_catalog', true)")
    busy = _rows(connection, queries.LOCKED)
    locked = {"locked": [row["oid"] for row in busy]}
    relations = _rows(connection, queries.RELATIONS, locked)
    statistics = _statistics(_rows(connection, queries.STATISTICS))
    names = {row["oid"]: QualifiedName(row["schema"], row["name"]) for row in relations}
    columns = _grouped(_rows(connection, queries.COLUMNS, locked), "relation")
    indexes = _indexes(_rows(connection, queries.indexes(server["version_num"]), locked), names)
    constraints = _grouped(_rows(connection, queries.CONSTRAINTS, locked), "relation")
    rows = _row_estimates(relations, server["version_num"], server["block_size"])
    sizes = _summed({r["oid"]: r["size_bytes"] for r in relations}, relations)
    tables = {
        names[row["oid"]]: Table(
            name=names[row["oid"]],
            kind=_RELATION_KINDS[row["kind"]],
            columns=_columns(row, columns.get(row["oid"], ()), statistics),
            indexes=tuple(indexes.get(row["oid"], ())),
            constraints=tuple(_constraint(c, names) for c in constraints.get(row["oid"], ())),
            rows=rows.get(row["oid"]),
            size_bytes=sizes.get(row["oid"]),
            partition_of=names.get(row["parent"]),
            partition_bound=row["partition_bound"],
            partition_key=row["partition_key"],
            definition=row["definition"],
            **_activity(row, indexes.get(row["oid"], ())),
        )
        for row in relations
    }
    identifier, identity_warnings = _identity(connection, server)
    return Catalog(
        server_version_num=server["version_num"],
        server_version=server["version"],
        database=server["database"],
        tables=tables,
        search_path=tuple(server["search_path"]),
        settings={row["name"]: row["value"] for row in _rows(connection, queries.SETTINGS)}
        | {"lc_collate": server["datcollate"], "lc_ctype": server["datctype"]},
        functions={row["name"]: row["volatility"][1] for row in _rows(connection, queries.FUNCTIONS)},
        extensions=tuple(server["extensions"] or ()),
        objects=tuple(read_objects(partial(_rows, connection))),
        system_identifier=identifier,
        warnings=tuple(_warnings(server["role"], relations, names, busy)) + identity_warnings,
    )


def _rows(connection: psycopg.Connection[Any], query: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        # Encoded, because psycopg takes a computed text only as bytes; all texts are this package's own.
        return list(cursor.execute(f"{query} {MARK}".encode(), parameters).fetchall())


def _grouped(rows: Iterable[Row], key: str) -> dict[Oid, list[Row]]:
    groups: dict[Oid, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


def _columns(
    relation: Row, rows: Sequence[Row], statistics: Mapping[tuple[str, str, str, bool], ColumnStatistics]
) -> tuple[Column, ...]:
    """The columns of one relation; a partitioned table's statistics are those of the whole tree."""
    place = (relation["schema"], relation["name"])
    inherited = relation["kind"] == "p"
    return tuple(
        Column(
            name=row["name"],
            type=row["type"],
            base_type=row["base_type"],
            type_kind=row["type_kind"],
            enum_labels=tuple(row["labels"] or ()),
            not_null=row["not_null"],
            default=row["default"],
            generated=_GENERATED.get(row["identity"] or row["generated"]),
            collation=row["collation"],
            statistics=statistics.get((*place, row["name"], inherited)),
        )
        for row in rows
    )


_GENERATED: Mapping[str, Any] = {"a": "identity_always", "d": "identity_default", "s": "stored", "v": "virtual"}


def _statistics(rows: Iterable[Row]) -> dict[tuple[str, str, str, bool], ColumnStatistics]:
    return {
        (row["schema"], row["name"], row["column"], row["inherited"]): ColumnStatistics(
            null_fraction=row["null_fraction"],
            average_width_bytes=row["average_width_bytes"],
            distinct=row["distinct"],
            most_common=tuple(zip(row["values"] or (), row["frequencies"] or (), strict=True)),
            histogram=tuple(row["histogram"] or ()),
            correlation=row["correlation"],
        )
        for row in rows
    }


def _indexes(rows: Sequence[Row], names: Mapping[Oid, QualifiedName]) -> dict[Oid, list[Index]]:
    sizes = _summed({row["oid"]: row["size_bytes"] for row in rows}, rows)
    found: dict[Oid, list[Index]] = defaultdict(list)
    for row in rows:
        count = row["key_count"]
        found[row["relation"]].append(
            Index(
                name=row["name"],
                table=names[row["relation"]],
                method=row["method"],
                keys=tuple(_keys(row, count)),
                include=tuple(row["columns"][count:]),
                predicate=row["predicate"],
                unique=row["is_unique"],
                nulls_not_distinct=row["nulls_not_distinct"],
                primary=row["is_primary"],
                valid=row["valid"],
                constraint=row["constraint"],
                inherited=row["parent"] is not None,
                definition=row["definition"],
                size_bytes=sizes.get(row["oid"]),
                scans=row["scans"],
            )
        )
    return found


def _keys(row: Row, count: int) -> Iterable[IndexKey]:
    for n in range(count):
        option = row["options"][n]
        yield IndexKey(
            column=row["columns"][n],
            expression=row["expressions"][n],
            descending=bool(option & _DESCENDING),
            nulls_first=bool(option & _NULLS_FIRST),
            operator_class=row["classes"][n],
        )


def _constraint(row: Row, names: Mapping[Oid, QualifiedName]) -> Constraint:
    return Constraint(
        name=row["name"],
        kind=_CONSTRAINT_KINDS[row["kind"]],
        table=names[row["relation"]],
        columns=tuple(row["columns"] or ()),
        definition=row["definition"],
        validated=row["validated"],
        referenced_table=names.get(row["referenced"]),
        referenced_columns=tuple(row["referenced_columns"] or ()),
    )


def _activity(row: Row, indexes: Iterable[Index]) -> dict[str, Any]:
    """The activity counters, those of the views pg_stat_all_tables and pg_stat_all_indexes; views have none."""
    if row["kind"] not in ("r", "m"):
        return {}
    counters = ("sequential_scans", "rows_inserted", "rows_updated", "rows_deleted")
    return {name: row[name] for name in counters} | {"index_scans": sum(index.scans or 0 for index in indexes)}


def _row_estimates(relations: Sequence[Row], version_num: int, block_size: int) -> dict[Oid, float | None]:
    """Row counts as the planner's `estimate_rel_size` has them (optimizer/util/plancat.c), None where not known."""
    own = {row["oid"]: _row_estimate(row, version_num, block_size) for row in relations}
    # A partition that was never analysed is taken to be as dense as its siblings.
    known = [r for r in relations if r["kind"] == "r" and r["parent"] is not None]
    density: dict[Oid, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in known:
        rows = own[row["oid"]]
        if rows is not None:
            density[row["parent"]][0] += rows
            density[row["parent"]][1] += row["size_bytes"] or 0
    filled = dict(own)
    for row in known:
        rows, size = density[row["parent"]]
        if own[row["oid"]] is None and size > 0:
            filled[row["oid"]] = rows / size * (row["size_bytes"] or 0)
    sums = _summed(filled, relations)
    return {row["oid"]: sums.get(row["oid"]) if row["kind"] == "p" else own[row["oid"]] for row in relations}


def _row_estimate(row: Row, version_num: int, block_size: int) -> float | None:
    tuples, pages = row["reltuples"], row["relpages"]
    never_analysed = tuples < 0 or (version_num < 140000 and pages == 0 and tuples == 0)
    if row["kind"] in ("v", "p") or never_analysed:
        return None
    if row["kind"] == "f":
        return float(tuples)
    now = (row["size_bytes"] or 0) // block_size
    if pages == 0:
        return 0.0 if now == 0 else None
    return float(round(tuples / pages * now))


def _summed(values: Mapping[Oid, float | None], rows: Sequence[Row]) -> dict[Oid, Any]:
    """The values, where a parent without its own gets the sum of its descendants' known ones."""
    children: dict[Oid, list[Oid]] = defaultdict(list)
    for row in rows:
        if row["parent"] is not None:
            children[row["parent"]].append(row["oid"])

    def total(oid: Oid) -> float | None:
        own = values.get(oid)
        if own is not None or oid not in children:
            return own
        known = [value for child in children[oid] if (value := total(child)) is not None]
        return sum(known) if known else None

    return {oid: total(oid) for oid in values}


def _identity(connection: psycopg.Connection[Any], server: Row) -> tuple[str | None, tuple[str, ...]]:
    """The cluster's identifier, where the role may ask for it; hosted servers often refuse."""
    if server["may_identify"]:
        try:
            with connection.transaction():
                identifier: str = _rows(connection, queries.IDENTITY)[0]["system_identifier"]
            return identifier, ()
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported):
            pass
    return None, ("The server's system identifier cannot be read by this role.",)


def _warnings(
    role: str, relations: Sequence[Row], names: Mapping[Oid, QualifiedName], busy: Sequence[Row]
) -> Iterable[str]:
    stored = [row for row in relations if row["kind"] in ("r", "p", "m")]
    hidden = [names[row["oid"]] for row in stored if not row["readable"]]
    if hidden:
        yield (
            f"Role {role} has no SELECT on {len(hidden)} of {len(stored)} tables, so the distribution of their values "
            f"is not known: {_listed(hidden)}."
        )
    locked = [QualifiedName(row["schema"], row["name"]) for row in busy if row["kind"] in _RELATION_KINDS]
    if locked:
        yield (
            "Another session holds or awaits an ACCESS EXCLUSIVE lock, so these tables are left out: "
            f"{_listed(locked)}."
        )
    stale = [names[row["oid"]] for row in stored if row["kind"] == "r" and row["reltuples"] < 0 and row["size_bytes"]]
    if stale:
        yield f"{len(stale)} tables with rows were never analysed (ANALYZE has not run): {_listed(stale)}."


def _listed(names: Sequence[QualifiedName]) -> str:
    shown = ", ".join(str(name) for name in names[:_NAMES_IN_WARNING])
    more = len(names) - _NAMES_IN_WARNING
    return f"{shown} and {more} more" if more > 0 else shown
