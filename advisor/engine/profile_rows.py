"""How many rows each table is believed to have."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from advisor.engine.profile_plans import TableRows, rows_at_least, rows_by_plans
from advisor.engine.profile_samples import ColumnName, Constants
from advisor.errors import UsageError
from advisor.model.catalog import Catalog, Table
from advisor.model.names import QualifiedName
from advisor.model.profile import Basis
from advisor.model.usage import Scope, Usage
from advisor.model.workload import Query, Workload

ASSUMED_ROWS = 100_000
"""Of a table nobody says anything about: large enough for a missing index to show, small enough to be built fast."""

FASTEST_ROW_US = 0.02
"""No sequential scan passes over a row in less: one process needs 0.05 us and more for a warm, narrow row, and a few
parallel workers share it. A statement that had to read a table bounds its rows by its duration over this."""

UNANALYSED_ROW_BYTES = 100
"""Heap bytes of a row in a table that has a size but was never analysed: 28 of overhead and a handful of columns."""

MANY_IDS = 10
"""Distinct ids from which the number of rows can be told: the largest one is then within a tenth of all of them."""

MAX_COUNTING_ID = 1_000_000_000
"""Larger ids, and ids of which none lies in the lower half, are made of a time or a shard: they count nothing."""

_WITH_ROWS = frozenset({"table", "partitioned_table", "materialized_view", "foreign_table"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BelievedRows:
    """A table's row count, where it comes from, and a sentence where it is an assumption."""

    rows: int
    basis: Basis
    assumption: str | None = None


def believed_rows(
    catalog: Catalog,
    workload: Workload,
    usages: Mapping[str, Usage],
    table_rows: Mapping[str, int],
    constants: Mapping[ColumnName, Constants],
) -> dict[QualifiedName, BelievedRows]:
    """Every table's rows, by the order that `believe` documents. UsageError: `table_rows` names an unknown table."""
    given = _given(catalog, table_rows)
    by_plans = rows_by_plans(catalog, workload.plans)
    at_least = rows_at_least(catalog, workload.plans)
    live = any(informed(table) or table.size_bytes for table in catalog.tables.values())
    ceilings = _ceilings(catalog, workload, usages)
    ids = _ids_seen(catalog, constants)
    believed: dict[QualifiedName, BelievedRows] = {}
    for name, table in catalog.tables.items():
        if table.kind in _WITH_ROWS:
            believed[name] = (
                _from_catalog(table, given.get(name), live=live)
                or _told(table, given.get(name), by_plans.get(name))
                or _assumed(table, ceilings.get(name), at_least.get(name, 0.0), ids.get(name, set()))
            )
    return believed | _partitioned(catalog, believed, given)


def informed(table: Table) -> bool:
    """Whether the catalog knows the table's data: rows were counted, or columns have statistics."""
    return bool(table.rows) or any(column.statistics is not None for column in table.columns)


def _given(catalog: Catalog, table_rows: Mapping[str, int]) -> dict[QualifiedName, int]:
    given = {}
    for text, rows in table_rows.items():
        schema, _, name = text.rpartition(".")
        table = catalog.resolve(name, schema or None)
        if table is None:
            known = ", ".join(sorted(str(n) for n in catalog.tables)[:10])
            raise UsageError(f"--table-rows names {text}, which is no table here.", hint=f"There are {known}.")
        given[table.name] = rows
    return given


def _from_catalog(table: Table, given: int | None, *, live: bool) -> BelievedRows | None:
    if informed(table) and table.rows is not None:
        rows = round(table.rows)
        ignored = None
        if given is not None and given != rows:
            ignored = f"{table.name}: {rows:,} rows by the catalog; the {given:,} of --table-rows are not used"
        return BelievedRows(rows=rows, basis="catalog", assumption=ignored)
    if not live or given is not None or table.kind != "table":
        return None
    if table.size_bytes == 0:
        # In a database with data, an empty file is an empty table; in a loaded schema it says nothing.
        return BelievedRows(rows=0, basis="catalog")
    if table.size_bytes is not None:
        rows = max(1, table.size_bytes // UNANALYSED_ROW_BYTES)
        sentence = f"{table.name}: {rows:,} rows assumed from its size of {table.size_bytes:,} bytes (never analysed)"
        return BelievedRows(rows=rows, basis="catalog", assumption=sentence)
    return None


def _told(table: Table, given: int | None, by_plans: TableRows | None) -> BelievedRows | None:
    if given is not None:
        return BelievedRows(rows=given, basis="flag")
    if by_plans is None:
        return None
    sentence = f"{table.name}: {round(by_plans.rows):,} rows, as the planner estimates in a plan of the input"
    return BelievedRows(rows=round(by_plans.rows), basis="plan", assumption=None if by_plans.executed else sentence)


def _assumed(table: Table, ceiling: "_Ceiling | None", at_least: float, ids: set[int]) -> BelievedRows:
    rows, why = ASSUMED_ROWS, "(no statistics, plan or --table-rows)"
    if len(ids) >= MANY_IDS and max(ids) <= MAX_COUNTING_ID and min(ids) <= max(ids) / 2:
        # The German tank problem's estimate: the largest of k numbers drawn from 1 to N is about N k / (k + 1).
        rows = round(max(ids) * (1 + 1 / len(ids)))
        why = f"(the largest of {len(ids)} ids in the input is {max(ids):,})"
    if ceiling is not None and ceiling.rows < rows:
        why = f"(query {ceiling.query_id} reads the whole table in {ceiling.ms:.3g} ms, too fast for {rows:,})"
        rows = ceiling.rows
    if at_least > rows:
        rows, why = round(at_least), "(a plan in the input reads so many of them)"
    return BelievedRows(rows=rows, basis="assumed", assumption=f"{table.name}: {rows:,} rows assumed {why}")


def _ids_seen(catalog: Catalog, constants: Mapping[ColumnName, Constants]) -> dict[QualifiedName, set[int]]:
    """The distinct ids that the workload looks up, of tables with a whole number as their primary key.

    Values compared with a foreign key are ids of the table it refers to.
    """
    ids: dict[QualifiedName, set[int]] = defaultdict(set)
    for (name, column), seen in constants.items():
        target = _refers_to(catalog, name, column)
        if target is not None:
            ids[target] |= {int(text) for text in seen.equal if text.isascii() and text.isdecimal() and len(text) < 20}
    return ids


def _refers_to(catalog: Catalog, name: QualifiedName, column: str) -> QualifiedName | None:
    """The table whose integer primary key the column's values are; None where they are not."""
    table = catalog.tables.get(name)
    if table is None:
        return None
    for constraint in table.constraints:
        if constraint.kind == "foreign_key" and constraint.columns == (column,) and constraint.referenced_table:
            parent = catalog.tables.get(constraint.referenced_table)
            return _numbered(parent, constraint.referenced_columns) if parent is not None else None
    return _numbered(table, (column,))


def _numbered(table: Table, columns: tuple[str, ...]) -> QualifiedName | None:
    """The table's name where these columns are its primary key, a single whole number."""
    if len(columns) != 1 or table.primary_key != columns:
        return None
    column = table.column(columns[0])
    return table.name if column is not None and column.base_type in ("int2", "int4", "int8") else None


def _partitioned(
    catalog: Catalog, believed: Mapping[QualifiedName, BelievedRows], given: Mapping[QualifiedName, int]
) -> dict[QualifiedName, BelievedRows]:
    """Partitioned tables as the sum of their partitions, unless the user gave their rows."""
    parents: dict[QualifiedName, list[BelievedRows]] = {}
    for name, table in catalog.tables.items():
        if table.partition_of is not None and name in believed:
            parents.setdefault(table.partition_of, []).append(believed[name])
    sums = {}
    for name, parts in parents.items():
        if name in given or name not in believed or believed[name].basis == "catalog":
            continue
        worst = max(parts, key=lambda part: _ORDER.index(part.basis))
        assumed = worst.basis == "assumed"
        rows = sum(part.rows for part in parts)
        sentence = f"{name}: {rows:,} rows assumed, the sum of its {len(parts)} partitions" if assumed else None
        sums[name] = BelievedRows(rows=rows, basis=worst.basis, assumption=sentence)
    return sums


_ORDER: Sequence[Basis] = ("catalog", "flag", "plan", "assumed")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ceiling:
    rows: int
    query_id: str
    ms: float


def _ceilings(catalog: Catalog, workload: Workload, usages: Mapping[str, Usage]) -> dict[QualifiedName, _Ceiling]:
    """The most rows that fit into the median duration of the fastest query that must read the whole table."""
    ceilings: dict[QualifiedName, _Ceiling] = {}
    for query in workload.queries:
        usage, median_us = usages.get(query.id), query.latency.quantile_us(0.5)
        if usage is None or not median_us:
            continue
        rows = max(1, round(median_us / FASTEST_ROW_US))
        for name in _read_whole(query, usage, catalog):
            if name not in ceilings or rows < ceilings[name].rows:
                ceilings[name] = _Ceiling(rows=rows, query_id=query.id, ms=median_us / 1000)
    return ceilings


def _read_whole(query: Query, usage: Usage, catalog: Catalog) -> Iterator[QualifiedName]:
    """The table of a statement on one table that no index, LIMIT or shortcut spares reading to the end."""
    if usage.kind not in ("select", "update", "delete") or len(usage.scopes) != 1 or not query.timed_calls:
        return
    scope = usage.scopes[0]
    if len(scope.tables) != 1 or scope.limit or scope.locking or scope.unresolved:
        return
    table = catalog.tables.get(scope.tables[0].table) if scope.tables[0].table else None
    if table is not None and not _may_use_index(scope, table):
        yield table.name


def _may_use_index(scope: Scope, table: Table) -> bool:
    if not table.indexes:
        return False
    if scope.alternatives or (scope.aggregates and not scope.predicates) or scope.group_by or scope.distinct:
        # A bitmap of several indexes, the ends of an index for min() and max(), a skip along it.
        return True
    columns = {predicate.column for predicate in scope.predicates}
    expressions = any(predicate.column is None for predicate in scope.predicates)
    for index in table.indexes:
        keys = {key.column for key in index.keys}
        if index.predicate is not None or keys & columns or (expressions and None in keys):
            return True
    return False
