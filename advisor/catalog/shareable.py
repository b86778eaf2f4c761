"""A snapshot without what is not meant for others: private values, function bodies, secrets in definitions."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from advisor.catalog.private_values import Judge, Treatment, hashed
from advisor.catalog.tokens import token
from advisor.model.catalog import (
    Catalog,
    Column,
    ColumnStatistics,
    CombinedStatistics,
    CommonCombination,
    Constraint,
    ExtendedStatistics,
    Index,
    IndexKey,
    SchemaObject,
    Table,
)
from advisor.model.snapshot import Snapshot
from advisor.model.workload import StatementStatistics
from advisor.sql.secrets import (
    function_stub,
    has_text,
    shareable_statement,
    trigger_without_arguments,
    without_secrets,
)


def shareable(snapshot: Snapshot) -> Snapshot:
    """The snapshot as its `values` mode has it.

    In every mode function bodies, arguments of triggers, utility statements and literals that look like
    secrets are left out. The literals of CHECK constraints, predicates, views and partition bounds are schema and stay;
    `redacted` drops CHECK constraints and defaults with string literals, which no plan needs.
    """
    catalog = _without_secrets(snapshot.catalog)
    if snapshot.values != "included":
        catalog = _Values(catalog, snapshot.key, Judge(catalog)).applied()
    if snapshot.values == "redacted":
        tables = {name: _without_texts(table) for name, table in catalog.tables.items()}
        catalog = replace(catalog, tables=tables)
    return replace(snapshot, catalog=catalog, statements=_statements(snapshot))


def cost_of_privacy(snapshot: Snapshot) -> str | None:
    """What the absence of values costs a planner, as a sentence; None where all are there."""
    if snapshot.values == "redacted":
        return (
            "The snapshot has no values (--redact): every value of a column counts as equally frequent, and ranges are "
            "guessed by the planner's defaults."
        )
    judge = Judge(snapshot.catalog)
    hidden = sum(
        column.statistics is not None and not judge.column(table, column).public
        for table in snapshot.catalog.tables.values()
        for column in table.columns
    )
    if snapshot.values == "included" or not hidden:
        return None
    return (
        f"The snapshot has hashes for values of text (columns: {hidden}): equality is estimated as in production, "
        "ranges and patterns on them are not."
    )


def _statements(snapshot: Snapshot) -> tuple[StatementStatistics, ...] | None:
    if snapshot.statements is None:
        return None
    with_values = snapshot.values == "included"
    texts = [shareable_statement(row.sql, with_values=with_values) for row in snapshot.statements]
    return tuple(
        replace(row, sql=text) for row, text in zip(snapshot.statements, texts, strict=True) if text is not None
    )


@dataclass(frozen=True, slots=True)
class _Values:
    """Replaces a catalog's values: by tokens of the key, or by nothing where there is none."""

    catalog: Catalog
    key: str | None
    judge: Judge

    def applied(self) -> Catalog:
        return replace(
            self.catalog,
            tables={name: self._table(table) for name, table in self.catalog.tables.items()},
            extended_statistics=tuple(map(self._extended, self.catalog.extended_statistics)),
        )

    def _treated(self, stats: ColumnStatistics, treatment: Treatment) -> ColumnStatistics:
        if self.key is not None:
            return hashed(stats, treatment, self.key)
        return replace(
            stats,
            most_common=(),
            histogram=(),
            most_common_elements=(),
            element_frequencies=(),
            range_lengths=(),
            range_empty_fraction=None,
            range_bounds=(),
        )

    def _table(self, table: Table) -> Table:
        return replace(
            table,
            columns=tuple(self._column(table, column) for column in table.columns),
            indexes=tuple(self._index(table, index) for index in table.indexes),
        )

    def _column(self, table: Table, column: Column) -> Column:
        own, inherited = column.statistics, column.inherited_statistics
        treatment = self.judge.column(table, column)
        if (own is None and inherited is None) or (treatment.public and self.key is not None):
            return column
        return replace(
            column,
            statistics=self._treated(own, treatment) if own is not None else None,
            inherited_statistics=self._treated(inherited, treatment) if inherited is not None else None,
        )

    def _index(self, table: Table, index: Index) -> Index:
        """End points are single rows' values: those of text do not stay, few values or not."""
        statistics = tuple(
            self._treated(stats, self.judge.expression(table, key.expression, stats)) if stats is not None else None
            for key, stats in zip(index.keys, index.statistics, strict=False)
        )
        leading = index.keys[0] if index.keys else None
        column = table.column(leading.column) if leading is not None and leading.column is not None else None
        if column is not None:
            public = not self.judge.is_text(column)
        else:
            public = leading is not None and self.judge.expression(table, leading.expression, None).public
        return _with(index, statistics=statistics, end_points=index.end_points if public and self.key else None)

    def _extended(self, extended: ExtendedStatistics) -> ExtendedStatistics:
        table = self.catalog.tables.get(extended.table)
        if table is None:
            return replace(extended, data=())
        return replace(extended, data=tuple(self._combined(table, extended, data) for data in extended.data))

    def _combined(self, table: Table, extended: ExtendedStatistics, data: CombinedStatistics) -> CombinedStatistics:
        of_expressions = [
            self.judge.expression(table, expression, stats)
            for expression, stats in zip(extended.expressions, data.expressions, strict=False)
        ]
        columns = [table.column(name) for name in extended.columns]
        of_columns = [self.judge.column(table, column) for column in columns if column is not None]
        treatments = (*of_columns, *of_expressions)
        return replace(
            data,
            most_common=self._combinations(data.most_common, treatments),
            expressions=tuple(
                self._treated(stats, treatment) if stats is not None else None
                for stats, treatment in zip(data.expressions, of_expressions, strict=False)
            ),
        )

    def _combinations(
        self, combinations: tuple[CommonCombination, ...], treatments: tuple[Treatment, ...]
    ) -> tuple[CommonCombination, ...]:
        """The list with tokens for private values; none of it where a value has no token, or without a key."""
        kept = []
        for combination in combinations:
            if self.key is None or len(combination.values) != len(treatments):
                return ()
            values: list[str | None] = []
            for value, treatment in zip(combination.values, treatments, strict=True):
                if value is None or treatment.public:
                    values.append(value)
                    continue
                made = token(self.key, value, treatment.base_type or "", treatment.limit)
                if made is None:
                    return ()
                values.append(made)
            kept.append(replace(combination, values=tuple(values)))
        return tuple(kept)


def _without_secrets(catalog: Catalog) -> Catalog:
    return replace(
        catalog,
        tables={name: _table_without_secrets(table) for name, table in catalog.tables.items()},
        objects=tuple(map(_object_without_secrets, catalog.objects)),
        extended_statistics=tuple(
            replace(
                extended,
                definition=without_secrets(extended.definition),
                expressions=tuple(map(without_secrets, extended.expressions)),
            )
            for extended in catalog.extended_statistics
        ),
    )


def _table_without_secrets(table: Table) -> Table:
    return _with(
        table,
        columns=tuple(_with(column, default=_clean(column.default)) for column in table.columns),
        indexes=tuple(map(_index_without_secrets, table.indexes)),
        constraints=tuple(_with(each, definition=without_secrets(each.definition)) for each in table.constraints),
        definition=_clean(table.definition),
        partition_bound=_clean(table.partition_bound),
        partition_key=_clean(table.partition_key),
    )


def _index_without_secrets(index: Index) -> Index:
    return _with(
        index,
        keys=tuple(_with(key, expression=_clean(key.expression)) for key in index.keys),
        predicate=_clean(index.predicate),
        definition=without_secrets(index.definition),
    )


def _object_without_secrets(thing: SchemaObject) -> SchemaObject:
    if thing.kind == "function":
        return replace(thing, definition=without_secrets(function_stub(thing.definition)))
    if thing.kind == "trigger":
        return replace(thing, definition=without_secrets(trigger_without_arguments(thing.definition)))
    return replace(thing, definition=without_secrets(thing.definition))


_Value = TypeVar("_Value", Table, Index, IndexKey, Column, Constraint)


def _with(value: _Value, **fields: Any) -> _Value:
    """The value with these fields; itself where it has them already, as nearly always: a copy takes time."""
    return replace(value, **fields) if any(getattr(value, name) != new for name, new in fields.items()) else value


def _clean(text: str | None) -> str | None:
    return without_secrets(text) if text is not None else None


def _without_texts(table: Table) -> Table:
    """Without defaults and CHECK constraints that hold string literals; a sequence's name in a default is none."""
    return replace(
        table,
        columns=tuple(map(_without_text_default, table.columns)),
        constraints=tuple(each for each in table.constraints if not _is_textual_check(each)),
    )


def _without_text_default(column: Column) -> Column:
    default = column.default
    if default is None or column.generated is not None or default.startswith("nextval(") or not has_text(default):
        return column
    return replace(column, default=None)


def _is_textual_check(constraint: Constraint) -> bool:
    return constraint.kind == "check" and has_text(constraint.definition)
