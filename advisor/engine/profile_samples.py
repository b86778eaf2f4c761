"""The constants that a workload compares columns with."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from advisor.errors import SqlError
from advisor.model.catalog import Catalog
from advisor.model.names import QualifiedName
from advisor.model.usage import Predicate, Scope, Usage, Value
from advisor.model.workload import Query, Workload
from advisor.sql.usage import usage_of

_COMPARED = frozenset({"equality", "range", "not_equal"})
_NULL_TESTS = frozenset({"is_null", "is_not_null"})

ColumnName = tuple[QualifiedName, str]


@dataclass(slots=True)
class Constants:
    """What one column is compared with. Every sample and every key of a repetition counts once.

    Attributes:
        equal: values of equalities, lists and inequalities.
        bounds: ends of ranges, but for those of open ones, which may lie far beyond the first and the last row:
            `open_starts` have no end, `open_ends` no start.
        nulls: how often it is asked whether the column is NULL.
        by_query: the values of equalities, by the query that brought them.
    """

    equal: Counter[str] = field(default_factory=Counter)
    bounds: Counter[str] = field(default_factory=Counter)
    open_starts: Counter[str] = field(default_factory=Counter)
    open_ends: Counter[str] = field(default_factory=Counter)
    nulls: int = 0
    by_query: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    @property
    def most_diverse(self) -> tuple[int, int]:
        """Distinct values and values in all, of the query with the most distinct ones; (0, 0) where none."""
        return max(((len(c), c.total()) for c in self.by_query.values()), default=(0, 0))


def constants_seen(catalog: Catalog, workload: Workload, usages: Mapping[str, Usage]) -> dict[ColumnName, Constants]:
    """The constants by column, of the queries' samples, their bind values, and the keys of repeated queries."""
    seen: dict[ColumnName, Constants] = defaultdict(Constants)
    for query in workload.queries:
        for usage, parameters in _executions(query, usages.get(query.id), catalog):
            _note(seen, query.id, usage, parameters)
    for repetition in workload.repetitions:
        repeated = usages.get(repetition.query_id)
        if repeated is not None:
            for instance in repetition.instances:
                for keys in instance.keys:
                    _note(seen, repetition.query_id, repeated, keys)
    return dict(seen)


def _executions(query: Query, usage: Usage | None, catalog: Catalog) -> Iterator[tuple[Usage, tuple[str | None, ...]]]:
    """One usage and its parameters for each sample; samples that share their text are parsed once."""
    parsed: dict[str, Usage | None] = {}
    for sample in query.samples:
        if sample.sql not in parsed:
            try:
                parsed[sample.sql] = usage_of(sample.sql, catalog)
            except SqlError:
                parsed[sample.sql] = None
        own = parsed[sample.sql]
        if own is not None:
            yield own, sample.parameters or ()
    if not query.samples and usage is not None:
        yield usage, ()


def _note(seen: dict[ColumnName, Constants], query_id: str, usage: Usage, parameters: tuple[str | None, ...]) -> None:
    found = [(t, p) for t, p in column_predicates(usage) if p.kind in _COMPARED or p.kind in _NULL_TESTS]
    ended = {(table, predicate.column) for table, predicate in found if predicate.operator in ("<", "<=")}
    started = {(table, predicate.column) for table, predicate in found if predicate.operator in (">", ">=")}
    for table, predicate in found:
        if predicate.column is None:
            continue
        constants = seen[table, predicate.column]
        constants.nulls += predicate.kind in _NULL_TESTS
        for text in _texts(predicate.value, parameters):
            if predicate.kind == "range":
                column = (table, predicate.column)
                if column in ended and column in started:
                    constants.bounds[text] += 1
                else:
                    (constants.open_ends if column in ended else constants.open_starts)[text] += 1
            else:
                constants.equal[text] += 1
            if predicate.kind == "equality":
                constants.by_query[query_id][text] += 1


def column_predicates(usage: Usage) -> Iterator[tuple[QualifiedName, Predicate]]:
    """Every predicate of the statement with the table it is on, those within OR branches included."""
    for scope in usage.scopes:
        tables = {use.alias: use.table for use in scope.tables}
        for predicate in _predicates(scope):
            table = tables.get(predicate.alias)
            if table is not None and not predicate.implied:
                yield table, predicate


def _predicates(scope: Scope) -> Iterator[Predicate]:
    yield from scope.predicates
    for alternative in scope.alternatives:
        for branch in alternative:
            yield from branch


def _texts(value: Value, parameters: tuple[str | None, ...]) -> Iterator[str]:
    if value.kind == "list":
        for item in value.items:
            yield from _texts(item, parameters)
        return
    text = value.text if value.kind == "constant" else None
    if value.kind == "parameter" and value.number is not None and value.number <= len(parameters):
        text = parameters[value.number - 1]
    if text is None:
        return
    if value.kind == "parameter" and text.startswith("{") and text.endswith("}"):
        # An array bound to `= ANY ($1)`; its items are plain unless quoted.
        yield from (item.strip('"') for item in text[1:-1].split(",") if item and item != "NULL")
    else:
        yield text
