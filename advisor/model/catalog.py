"""A database's schema, sizes and planner statistics, as read from its system catalogs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from advisor.model.names import QualifiedName

RelationKind = Literal["table", "partitioned_table", "materialized_view", "view", "foreign_table"]
ConstraintKind = Literal["primary_key", "unique", "foreign_key", "check", "exclusion", "not_null"]
ObjectKind = Literal["extension", "enum", "domain", "composite", "range", "sequence", "function", "trigger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStatistics:
    """One row of `pg_stats`, values as text.

    Attributes:
        null_fraction: share of NULLs, 0 to 1.
        distinct: as `n_distinct`: a count when positive, minus a share of the rows when negative.
        most_common: (value, share of all rows), most frequent first.
        histogram: bounds of equally full buckets of the remaining values, ascending.
        correlation: between value order and physical order, -1 to 1; None where unordered.
    """

    null_fraction: float = 0.0
    average_width_bytes: int = 0
    distinct: float = -1.0
    most_common: tuple[tuple[str, float], ...] = ()
    histogram: tuple[str, ...] = ()
    correlation: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column.

    Attributes:
        type: as `format_type` prints it: `character varying(20)`, `timestamp with time zone`, `integer[]`.
        base_type: the type's catalog name under any domain: `varchar`, `timestamptz`, `_int4`.
        type_kind: `pg_type.typtype` of the declared type: b base, e enum, d domain, c composite, r range.
        enum_labels: in order, for an enum.
        default: the expression's text.
        generated: a stored or virtual generated column or an identity column.
    """

    name: str
    type: str
    base_type: str
    type_kind: str = "b"
    enum_labels: tuple[str, ...] = ()
    not_null: bool = False
    default: str | None = None
    generated: Literal["stored", "virtual", "identity_always", "identity_default"] | None = None
    collation: str | None = None
    statistics: ColumnStatistics | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexKey:
    """One key of an index: a column or an expression's text, with its order."""

    column: str | None = None
    expression: str | None = None
    descending: bool = False
    nulls_first: bool = False
    operator_class: str | None = None
    """Only where it is not the type's default one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index. `definition` is `pg_get_indexdef`'s text; `constraint` names the constraint it backs."""

    name: str
    table: QualifiedName
    method: str
    keys: tuple[IndexKey, ...]
    include: tuple[str, ...] = ()
    predicate: str | None = None
    unique: bool = False
    nulls_not_distinct: bool = False
    primary: bool = False
    valid: bool = True
    constraint: str | None = None
    inherited: bool = False
    """A partition's part of its parent's index."""
    definition: str = ""
    size_bytes: int | None = None
    scans: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A constraint; the `referenced_*` fields belong to a foreign key."""

    name: str
    kind: ConstraintKind
    table: QualifiedName
    columns: tuple[str, ...]
    definition: str
    validated: bool = True
    referenced_table: QualifiedName | None = None
    referenced_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A relation with rows (or a view, without).

    Attributes:
        rows: the planner's row count scaled to the present file size; None when never analysed or not known.
        size_bytes: the heap's present size.
        partition_of: the parent of a partition; `partition_bound` is its `FOR VALUES …` or `DEFAULT`.
        partition_key: `RANGE (created_at)`, of a partitioned table.
        definition: the query of a view or materialised view.
        sequential_scans, index_scans, rows_inserted, …: activity since the statistics were reset.
    """

    name: QualifiedName
    kind: RelationKind
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    rows: float | None = None
    size_bytes: int | None = None
    partition_of: QualifiedName | None = None
    partition_bound: str | None = None
    partition_key: str | None = None
    definition: str | None = None
    sequential_scans: int | None = None
    index_scans: int | None = None
    rows_inserted: int | None = None
    rows_updated: int | None = None
    rows_deleted: int | None = None

    def column(self, name: str) -> Column | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The primary key's columns; empty where there is none."""
        return next((c.columns for c in self.constraints if c.kind == "primary_key"), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaObject:
    """What tables, indexes and views may rest on, and triggers. An extension's schema is that of its objects.

    `definition` is the statement that creates it; a function's holds its body, which may hold secrets.
    """

    kind: ObjectKind
    name: QualifiedName
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """A database.

    Attributes:
        tables: by name; system schemas are left out.
        search_path: the schemas an unqualified name is looked up in, in order.
        settings: the planner's settings and `TimeZone`, as text.
        system_identifier: tells one cluster from another; None where not readable.
        functions: volatility (`i`, `s`, `v`) by function name, of user-defined functions.
        objects: extensions, types, sequences, functions and triggers; what one needs mostly stands before it.
        warnings: what could not be read or loaded, one sentence each.
    """

    server_version_num: int
    server_version: str
    database: str
    tables: Mapping[QualifiedName, Table]
    search_path: tuple[str, ...] = ("public",)
    settings: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    objects: tuple[SchemaObject, ...] = ()
    system_identifier: str | None = None
    warnings: tuple[str, ...] = ()

    def resolve(self, name: str, schema: str | None = None) -> Table | None:
        """The table that a (possibly unqualified) name means, by the search path; None where there is none."""
        schemas = (schema,) if schema else self.search_path
        return next((t for s in schemas if (t := self.tables.get(QualifiedName(s, name)))), None)
