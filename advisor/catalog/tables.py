"""The rows of the catalog queries into tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from advisor.catalog.rows import Oid, Row
from advisor.catalog.statistics import StatisticsKey
from advisor.catalog.storage import row_estimates, storage, summed
from advisor.model.catalog import (
    Activity,
    Column,
    ColumnStatistics,
    Constraint,
    ConstraintKind,
    Index,
    RelationKind,
    Table,
)
from advisor.model.names import QualifiedName

RELATION_KINDS: Mapping[str, RelationKind] = {
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
_GENERATED: Mapping[str, Any] = {"a": "identity_always", "d": "identity_default", "s": "stored", "v": "virtual"}


def build_tables(
    server: Row,
    relations: Sequence[Row],
    names: Mapping[Oid, QualifiedName],
    columns: Mapping[Oid, Sequence[Row]],
    indexes: Mapping[Oid, Sequence[Index]],
    constraints: Mapping[Oid, Sequence[Row]],
    statistics: Mapping[StatisticsKey, ColumnStatistics],
) -> dict[QualifiedName, Table]:
    """Tables by name. All rows are those of `queries`, by the relation's oid."""
    block_size = server["block_size"]
    rows = row_estimates(relations, server["version_num"], block_size)
    sizes = summed({r["oid"]: r["size_bytes"] for r in relations}, relations)
    return {
        names[row["oid"]]: Table(
            name=names[row["oid"]],
            kind=RELATION_KINDS[row["kind"]],
            columns=_columns(row, columns.get(row["oid"], ()), statistics),
            indexes=tuple(indexes.get(row["oid"], ())),
            constraints=tuple(_constraint(c, names) for c in constraints.get(row["oid"], ())),
            rows=rows.get(row["oid"]),
            size_bytes=sizes.get(row["oid"]),
            partition_of=names.get(row["parent"]),
            partition_bound=row["partition_bound"],
            partition_key=row["partition_key"],
            definition=row["definition"],
            storage=None if row["kind"] == "v" else storage(row, block_size),
            inherits=tuple(names[parent] for parent in row["parents"] or () if parent in names),
            options=tuple(row["storage_parameters"] or ()),
            tablespace=row["tablespace"],
            toast_size_bytes=row["toast_size_bytes"],
            row_security=row["row_security"],
            unlogged=row["unlogged"],
            **_activity(row, indexes.get(row["oid"], ())),
        )
        for row in relations
    }


def _columns(
    relation: Row, rows: Sequence[Row], statistics: Mapping[StatisticsKey, ColumnStatistics]
) -> tuple[Column, ...]:
    """The columns of one relation; a partitioned table's statistics are those of the whole tree."""
    place = (relation["schema"], relation["name"])
    partitioned = relation["kind"] == "p"
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
            collation_schema=row["collation_schema"],
            statistics=statistics.get((*place, row["name"], partitioned)),
            inherited_statistics=None if partitioned else statistics.get((*place, row["name"], True)),
            number=row["attnum"],
        )
        for row in rows
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
    return {
        **{name: row[name] for name in counters},
        "index_scans": sum(index.scans or 0 for index in indexes),
        "activity": Activity(**{name: row[name] for name in Activity.__dataclass_fields__}),
    }
