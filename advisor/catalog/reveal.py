"""A snapshot's tokens back into values, for those values that a workload itself brings along.

Who has the log has its literals; where a literal's token is among a column's most common values, the value takes the
token's place, in memory only. Planner, rules and synthesised rows then meet the workload's own constants.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from advisor.catalog.private_values import Judge, Treatment
from advisor.catalog.tokens import tokeniser
from advisor.errors import SqlError
from advisor.model.catalog import Catalog, ColumnStatistics, CombinedStatistics, ExtendedStatistics, Index, Table
from advisor.model.workload import Workload
from advisor.sql.constants import constants
from advisor.sql.literals import map_elements

_SAME_ORDER_EVERYWHERE = re.compile(r"[a-z0-9]+")
"""Elements are kept in their type's order. Words of these letters sort alike under every usual collation, as do
tokens; another element stays a token."""


def revealed(catalog: Catalog, key: str, workload: Workload) -> Catalog:
    """The catalog with the workload's literals in place of their tokens under the key (hex)."""
    literals = frozenset(_literals(workload))
    if not literals:
        return catalog
    return _Revealing(key, literals, Judge(catalog)).catalog()


def _literals(workload: Workload) -> Iterator[str]:
    for value in _constants(workload):
        if value is None:
            continue
        yield value
        if value.startswith("{"):
            elements: list[str] = []

            def collect(element: str, into: list[str] = elements) -> str:
                into.append(element)
                return element

            map_elements(value, collect)
            yield from elements


def _constants(workload: Workload) -> Iterator[str | None]:
    for query in workload.queries:
        for sample in query.samples:
            try:
                yield from constants(sample.sql)
            except SqlError:
                continue
            yield from sample.parameters or ()
    for repetition in workload.repetitions:
        for instance in repetition.instances:
            for values in instance.keys:
                yield from values


@dataclass(frozen=True, slots=True)
class _Revealing:
    """`_known`: values by token, for each type and limit that was asked for."""

    key: str
    literals: frozenset[str]
    judge: Judge
    _known: dict[tuple[str, int | None], Mapping[str, str]] = field(default_factory=dict)

    def catalog(self) -> Catalog:
        catalog = self.judge.catalog
        return replace(
            catalog,
            tables={name: self._table(table) for name, table in catalog.tables.items()},
            extended_statistics=tuple(map(self._extended, catalog.extended_statistics)),
        )

    def _values(self, base_type: str, limit: int | None) -> Mapping[str, str]:
        if (base_type, limit) not in self._known:
            fitting = (value for value in sorted(self.literals) if limit is None or len(value) <= limit)
            make = tokeniser(self.key, base_type, limit)
            made = ((make(value), value) for value in fitting) if make is not None else ()
            self._known[base_type, limit] = {known: value for known, value in made if known is not None}
        return self._known[base_type, limit]

    def _value(self, text: str, treatment: Treatment) -> str:
        if treatment.public or treatment.base_type is None:
            return text
        element_type = treatment.base_type.removeprefix("_")
        values = self._values(element_type, treatment.limit)
        if element_type == treatment.base_type:
            return values.get(text, text)
        return map_elements(text, lambda element: values.get(element, element)) or text

    def _stats(self, stats: ColumnStatistics | None, treatment: Treatment) -> ColumnStatistics | None:
        if stats is None or treatment.public:
            return stats
        common = tuple((self._value(value, treatment), share) for value, share in stats.most_common)
        return replace(self._elements(stats, treatment), most_common=common)

    def _elements(self, stats: ColumnStatistics, treatment: Treatment) -> ColumnStatistics:
        if not stats.most_common_elements or treatment.base_type is None:
            return stats
        lexemes = treatment.base_type == "tsvector"
        values = self._values("text" if lexemes else treatment.base_type.removeprefix("_"), treatment.limit)
        found = [
            value if _SAME_ORDER_EVERYWHERE.fullmatch(value := values.get(element, element)) else element
            for element in stats.most_common_elements
        ]
        pairs = list(zip(found, stats.element_frequencies, strict=False))
        # A tsvector's lexemes are in the order of their length (`compareWORD` in utils/adt/to_tsany.c).
        pairs.sort(key=lambda pair: (len(pair[0]) if lexemes else 0, pair[0]))
        return replace(
            stats,
            most_common_elements=tuple(value for value, _ in pairs),
            element_frequencies=(*(share for _, share in pairs), *stats.element_frequencies[len(pairs) :]),
        )

    def _table(self, table: Table) -> Table:
        columns = []
        for column in table.columns:
            treatment = self.judge.column(table, column)
            own, inherited = (self._stats(s, treatment) for s in (column.statistics, column.inherited_statistics))
            columns.append(replace(column, statistics=own, inherited_statistics=inherited))
        indexes = tuple(self._index(table, index) for index in table.indexes)
        return replace(table, columns=tuple(columns), indexes=indexes)

    def _index(self, table: Table, index: Index) -> Index:
        expressions = (key.expression for key in index.keys)
        return replace(index, statistics=self._of_expressions(table, expressions, index.statistics))

    def _of_expressions(
        self, table: Table, expressions: Iterable[str | None], statistics: Iterable[ColumnStatistics | None]
    ) -> tuple[ColumnStatistics | None, ...]:
        return tuple(
            self._stats(stats, self._expression(table, expression, stats))
            for expression, stats in zip(expressions, statistics, strict=False)
        )

    def _expression(self, table: Table, expression: str | None, stats: ColumnStatistics | None) -> Treatment:
        treatment = self.judge.expression(table, expression, stats)
        # Its form was judged by the values, of which only the tokens of texts are left.
        return treatment if treatment.public else Treatment(public=False, base_type="text")

    def _extended(self, extended: ExtendedStatistics) -> ExtendedStatistics:
        table = self.judge.catalog.tables.get(extended.table)
        if table is None:
            return extended
        return replace(extended, data=tuple(self._combined(table, extended, data) for data in extended.data))

    def _combined(self, table: Table, extended: ExtendedStatistics, data: CombinedStatistics) -> CombinedStatistics:
        columns = (table.column(name) for name in extended.columns)
        treatments = [self.judge.column(table, column) for column in columns if column is not None]
        treatments += [
            self._expression(table, expression, stats)
            for expression, stats in zip(extended.expressions, data.expressions, strict=False)
        ]
        combinations = tuple(
            replace(
                combination,
                values=tuple(
                    value if value is None else self._value(value, treatment)
                    for value, treatment in zip(combination.values, treatments, strict=True)
                ),
            )
            for combination in data.most_common
            if len(combination.values) == len(treatments)
        )
        expressions = self._of_expressions(table, extended.expressions, data.expressions)
        return replace(data, most_common=combinations or data.most_common, expressions=expressions)
