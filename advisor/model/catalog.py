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
        most_common_elements: of an array, tsvector or the like, in the type's order.
        element_frequencies: a share of the rows for each of them, then (as the catalog has it) the lowest, the highest
            and, for arrays, that of a NULL element.
        element_counts: histogram of distinct elements per row, then their mean.
        range_lengths, range_bounds: histograms of a range column; `range_empty_fraction` is the share of empty ranges.
    """

    null_fraction: float = 0.0
    average_width_bytes: int = 0
    distinct: float = -1.0
    most_common: tuple[tuple[str, float], ...] = ()
    histogram: tuple[str, ...] = ()
    correlation: float | None = None
    most_common_elements: tuple[str, ...] = ()
    element_frequencies: tuple[float, ...] = ()
    element_counts: tuple[float, ...] = ()
    range_lengths: tuple[str, ...] = ()
    range_empty_fraction: float | None = None
    range_bounds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonCombination:
    """An item of a multi-column list of most common values. `base_frequency`: if the columns were independent."""

    values: tuple[str | None, ...]
    frequency: float
    base_frequency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedStatistics:
    """What ANALYZE found for a statistics object: one row of `pg_stats_ext` and its `pg_stats_ext_exprs`.

    Attributes:
        inherited: of the table with its descendants.
        distinct, dependencies: as the catalog prints them: `{"1, 2": 100}`, `{"1 => 2": 0.97}`. The numbers are those
            of columns (`attnum`), and negative for expressions.
        most_common: most frequent first.
        expressions: one per expression of the object, in order; None where ANALYZE found none.
    """

    inherited: bool = False
    distinct: str | None = None
    dependencies: str | None = None
    most_common: tuple[CommonCombination, ...] = ()
    expressions: tuple[ColumnStatistics | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedStatistics:
    """A statistics object. `definition` is `pg_get_statisticsobjdef`'s text; `data` is empty before ANALYZE.

    `columns` and `expressions` are what it is about, the columns in the order of their numbers.
    """

    name: QualifiedName
    table: QualifiedName
    definition: str
    columns: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    data: tuple[CombinedStatistics, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What `pg_class` says of a relation's file, and the file itself, in blocks of 8 KiB.

    Attributes:
        analysed_pages, analysed_rows: `relpages` and `reltuples` as VACUUM or ANALYZE left them; -1 rows: never
            (before 14 that is 0 pages and 0 rows).
        all_visible_pages: `relallvisible`.
        pages: the main fork's present size; None where there is no file (partitioned and foreign tables).
    """

    analysed_pages: int = 0
    analysed_rows: float = -1.0
    all_visible_pages: int = 0
    pages: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Counters of `pg_stat_all_tables` since the statistics were reset, and when it was last looked after.

    Moments are microseconds since 1970 in UTC, None for never; manual runs and autovacuum's are taken together.
    """

    rows_hot_updated: int = 0
    rows_live: int = 0
    rows_dead: int = 0
    rows_changed_since_analyze: int = 0
    last_vacuum_us: int | None = None
    last_analyze_us: int | None = None


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
        collation: its name, only where it is not the type's own; `collation_schema` goes with it.
        statistics: a partitioned table's are those of the whole tree.
        inherited_statistics: of a plain table with children: those of the whole tree.
        number: `attnum`, which counts dropped columns too.
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
    collation_schema: str | None = None
    statistics: ColumnStatistics | None = None
    inherited_statistics: ColumnStatistics | None = None
    number: int | None = None


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
class GinMetapage:
    """The counts in a GIN index's metapage (`GinMetaPageData`), as of its last VACUUM."""

    pending_pages: int
    total_pages: int
    entry_pages: int
    data_pages: int
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index.

    Attributes:
        definition: `pg_get_indexdef`'s text.
        constraint: the name of the constraint it backs.
        statistics: of its expressions: by key, None for plain columns and where none are known; empty where there are
            none for any key.
        end_points: the leading column's real minimum and maximum as text, where they were probed.
        height: a btree's levels above the leaves, counted from its fast root as the planner does; None where its
            metapage cannot be read.
        gin: what a GIN's metapage says; None where it cannot be read.
        options, tablespace: as of a table.
    """

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
    storage: Storage | None = None
    height: int | None = None
    gin: GinMetapage | None = None
    statistics: tuple[ColumnStatistics | None, ...] = ()
    end_points: tuple[str, str] | None = None
    options: tuple[str, ...] = ()
    tablespace: str | None = None


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
        inherits: the parents of a plain inheritance child, in order.
        options: storage parameters, `fillfactor=70`.
        tablespace: its name, None for the database's own.
        toast_size_bytes: of its TOAST table.
        row_security: whether policies filter what other roles than its owner see.
        unlogged: not written to the log.
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
    activity: Activity | None = None
    storage: Storage | None = None
    inherits: tuple[QualifiedName, ...] = ()
    options: tuple[str, ...] = ()
    tablespace: str | None = None
    toast_size_bytes: int | None = None
    row_security: bool = False
    unlogged: bool = False

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
class Collation:
    """A collation that a user made or that the server's operating system offers, where a column or index uses it.

    `provider` is `c` libc, `i` ICU, `b` built in, `d` the database's own.
    """

    name: QualifiedName
    provider: str
    locale: str
    deterministic: bool = True


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
        collations: the ones in use that are not the same on every server.
        default_collation: the database's own.
        tablespace_options: by name, of those that have any: `random_page_cost=1.1`. The database's own one is "".
        extended_statistics: all statistics objects.
        counters_reset_us: when the activity counters were last reset, microseconds since 1970; None: never, or unknown.
        standby: the server was a hot standby.
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
    collations: tuple[Collation, ...] = ()
    default_collation: Collation | None = None
    tablespace_options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extended_statistics: tuple[ExtendedStatistics, ...] = ()
    counters_reset_us: int | None = None
    standby: bool = False

    def resolve(self, name: str, schema: str | None = None) -> Table | None:
        """The table that a (possibly unqualified) name means, by the search path; None where there is none."""
        schemas = (schema,) if schema else self.search_path
        return next((t for s in schemas if (t := self.tables.get(QualifiedName(s, name)))), None)
