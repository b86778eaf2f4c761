"""Date columns that a query wraps in a function, where a half-open range would say the same."""

from collections.abc import Iterator
from dataclasses import dataclass

from advisor.engine.access import BIG_TABLE_ROWS
from advisor.engine.access_gaps import CONFIDENCE
from advisor.errors import SqlError
from advisor.model.advice import Confidence
from advisor.model.catalog import Catalog, Table
from advisor.model.evidence import Evidence
from advisor.model.names import QualifiedName
from advisor.model.profile import Basis
from advisor.model.usage import TableUse, Usage
from advisor.model.workload import Query
from advisor.sql.date_ranges import DateRange, date_ranges

MIN_MEAN_MS = 1.0
"""A query that takes less on average has no time to win back from a range."""

_DATE_TYPES = frozenset({"date", "timestamp", "timestamptz"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenColumn:
    """A date column behind a function. `condition` is for people; `rows` and `basis` are the table's believed size."""

    table: QualifiedName
    column: str
    alias: str | None
    condition: str
    range_sql: str
    rows: int
    basis: Basis
    confidence: Confidence
    indexed: bool


def hidden_date_columns(query: Query, usage: Usage, evidence: Evidence) -> Iterator[HiddenColumn]:
    """Columns that every sample of the query hides behind a function with an aligned constant, on big tables."""
    if evidence.catalog is None or usage.kind != "select" or not _takes_time(query):
        return
    seen: set[tuple[QualifiedName, str]] = set()
    for found in _in_every_sample(query):
        table = _table_of(found, usage, evidence.catalog)
        if table is None or (table.name, found.column) in seen:
            continue
        seen.add((table.name, found.column))
        profile = evidence.profile.get(table.name)
        if profile is None or profile.rows < BIG_TABLE_ROWS or _served_as_written(table, found):
            continue
        yield HiddenColumn(
            table=table.name,
            column=found.column,
            alias=found.alias,
            condition=_condition(found),
            range_sql=found.sql,
            rows=profile.rows,
            basis=profile.basis,
            confidence=CONFIDENCE[profile.basis],
            indexed=any(_leads_with(table, position, found.column) for position in range(len(table.indexes))),
        )


def _takes_time(query: Query) -> bool:
    return query.mean_ms is None or query.mean_ms >= MIN_MEAN_MS


def _in_every_sample(query: Query) -> list[DateRange]:
    """The ranges of the first sample whose column is matched in all others, too: one unaligned constant vetoes it."""
    try:
        per_sample = [date_ranges(sample.sql) for sample in query.samples]
    except SqlError:
        return []
    if not per_sample:
        return []
    common = set.intersection(*({(r.alias, r.column, r.function, r.unit) for r in ranges} for ranges in per_sample))
    return [r for r in per_sample[0] if (r.alias, r.column, r.function, r.unit) in common]


def _table_of(found: DateRange, usage: Usage, catalog: Catalog) -> Table | None:
    """The one table of the statement that the column can be of, where its type is a date's."""
    uses: set[TableUse] = {use for scope in usage.scopes for use in scope.tables if use.table is not None}
    named = [use for use in uses if found.alias in (None, use.alias)]
    tables = [catalog.tables[use.table] for use in named if use.table is not None and use.table in catalog.tables]
    owners = {t.name: t for t in tables if (c := t.column(found.column)) is not None and c.base_type in _DATE_TYPES}
    if len(owners) != 1:
        return None
    table = next(iter(owners.values()))
    column = table.column(found.column)
    assert column is not None
    useless = column.base_type == "date" and found.function == "cast"
    unsafe = column.base_type == "timestamptz" and found.sub_day
    return None if useless or unsafe or table.kind not in ("table", "partitioned_table", "materialized_view") else table


def _served_as_written(table: Table, found: DateRange) -> bool:
    """Whether an expression index on some function of the column exists: the query was written for it."""
    return any(
        key.expression is not None and found.column in key.expression and index.valid
        for index in table.indexes
        for key in index.keys[:1]
    )


def _leads_with(table: Table, position: int, column: str) -> bool:
    index = table.indexes[position]
    return index.valid and index.method == "btree" and index.predicate is None and index.keys[0].column == column


def _condition(found: DateRange) -> str:
    if found.function == "cast":
        return f"{found.column}::date"
    if found.function == "extract":
        return f"extract({found.unit} FROM {found.column})"
    return f"date_trunc('{found.unit}', {found.column})"
