"""What repeated within units of work, after which parent: folded unit by unit, mergeable."""

from collections.abc import Sequence
from functools import partial
from itertools import islice, takewhile
from operator import is_not
from typing import Any, NamedTuple

from advisor.model.event import Bound
from advisor.model.workload import Ancestor, Repetition, RepetitionInstance
from advisor.sources.messages import bind_values
from advisor.workload.skeleton import literals
from advisor.workload.totals import QueryTotals

MAX_DISTINCT = 10_000
"""Distinct values counted per child and unit; beyond it the number is a lower bound, and the verdict the same."""

MAX_KEYS = 100
"""Values of a unit's children that are kept, in order: enough to compare them with the parent's result."""

MAX_INSTANCES = 100
"""Units kept per repetition, the largest ones."""

_SORT_EVERY = 32
"""Units gathered before they are sorted and cut."""

INSTANCES_WITH_KEYS = 8
"""Of the units kept, those whose values are kept, too: a hundred times a hundred texts would fill the memory."""

MAX_ANCESTORS = 5
"""Queries named that ran before the first child: with children that interleave the real parent is further back."""

MAX_BETWEEN = 20
"""Other queries named that ran between the children."""

_TOTALS, _START, _AT, _DURATION, _SQL, _PARAMETERS, _ROWS = range(7)
Statement = list[Any]


class _Instance(NamedTuple):
    """A unit as it is kept: mostly plain values, so that many of them do not burden the garbage collector."""

    minus_calls: int
    from_us: int | None
    session: str
    to_us: int | None
    distinct: int
    duration_us: int
    gap_us: int
    parent_rows: int | None
    keys: tuple[tuple[str, Bound], ...]


class _Child:
    """One query's calls within one unit."""

    __slots__ = (
        *("ancestors", "between", "calls", "distinct", "duration_us", "first", "gap_us", "keys", "last_at"),
        "parent",
    )

    def __init__(self, first: Statement, parent: Statement | None, ancestors: tuple[QueryTotals, ...]) -> None:
        self.first = first
        self.parent = parent
        self.ancestors = ancestors
        self.calls = 1
        self.duration_us: int = first[_DURATION]
        self.last_at: int | None = first[_AT]
        self.gap_us = 0
        self.between: dict[QueryTotals, None] = {}
        self.distinct: set[int] | None = None
        self.keys: list[tuple[str, Bound]] = []

    def add(self, item: Statement) -> None:
        if self.distinct is None:
            self.distinct = {_value_hash(self.first)}
            self.keys.append((self.first[_SQL], self.first[_PARAMETERS]))
        self.calls += 1
        self.duration_us += item[_DURATION]
        if self.last_at is not None and item[_START] is not None:
            self.gap_us += max(0, item[_START] - self.last_at)
        self.last_at = item[_AT]
        if len(self.distinct) < MAX_DISTINCT:
            self.distinct.add(_value_hash(item))
        if len(self.keys) < MAX_KEYS:
            self.keys.append((item[_SQL], item[_PARAMETERS]))

    def instance(self, session: str, *, with_keys: bool) -> _Instance:
        """The calls as they are kept; the texts of their values only where wanted."""
        return _Instance(
            minus_calls=-self.calls,
            from_us=self.first[_START],
            session=session,
            to_us=self.last_at,
            distinct=len(self.distinct or ()),
            duration_us=self.duration_us,
            gap_us=self.gap_us,
            parent_rows=self.parent[_ROWS] if self.parent else None,
            keys=tuple(self.keys) if with_keys else (),
        )


def _value_hash(item: Statement) -> int:
    return hash(item[_PARAMETERS] if item[_PARAMETERS] is not None else item[_SQL])


class Unit:
    """One unit of work, open or just finished."""

    __slots__ = ("_last", "children", "session")

    def __init__(self, session: str) -> None:
        self.session = session
        self.children: dict[QueryTotals, _Child] = {}
        self._last: dict[QueryTotals, Statement] = {}

    def absorb(self, items: Sequence[Statement]) -> None:
        """Adds statements in the order in which they ran."""
        children, recent = self.children, self._last
        previous = next(reversed(recent), None)
        for item in items:
            totals = item[_TOTALS]
            child = children.get(totals)
            if child is None:
                ancestors = tuple(islice(reversed(recent), MAX_ANCESTORS))
                children[totals] = _Child(item, recent[ancestors[0]] if ancestors else None, ancestors)
            else:
                child.add(item)
                if previous is not totals:
                    # `recent` is in order of last appearance: those after the child ran since its last call.
                    if len(child.between) < MAX_BETWEEN:
                        child.between.update(dict.fromkeys(takewhile(partial(is_not, totals), reversed(recent))))
                    del recent[totals]
            recent[totals] = item
            previous = totals


class _Pair:
    """A child after a parent, over all units."""

    __slots__ = (
        *("_floor", "_with_keys", "ancestors", "between", "calls", "distinct", "duration_us", "gap_us"),
        *("instances", "max_calls", "repeated", "units"),
    )

    def __init__(self) -> None:
        self.units = self.repeated = self.calls = self.max_calls = self.distinct = 0
        self.duration_us = self.gap_us = 0
        self.between: dict[str, None] = {}
        self.ancestors: dict[str, tuple[int, int]] = {}
        self.instances: list[_Instance] = []
        self._floor = self._with_keys = 0

    def add(self, unit: Unit, child: _Child) -> None:
        self.units += 1
        self.calls += child.calls
        self.duration_us += child.duration_us
        if child.calls > self.max_calls:
            self.max_calls = child.calls
        if child.distinct is None:
            self.distinct += 1
            return
        self.distinct += len(child.distinct)
        self.repeated += 1
        self.gap_us += child.gap_us
        for other in child.between:
            if len(self.between) < MAX_BETWEEN:
                self.between[other.identity.id] = None
        for ancestor in child.ancestors:
            units, calls = self.ancestors.get(ancestor.identity.id, (0, 0))
            self.ancestors[ancestor.identity.id] = (units + 1, calls + unit.children[ancestor].calls)
        if child.calls > self._floor:
            self.keep(child.instance(unit.session, with_keys=child.calls > self._with_keys))

    def keep(self, *instances: _Instance) -> None:
        """Keeps the largest units (sorted now and then only); of the values only those of the very largest."""
        self.instances.extend(instances)
        if len(self.instances) >= MAX_INSTANCES + _SORT_EVERY:
            self._with_keys = -self.ranked()[INSTANCES_WITH_KEYS - 1].minus_calls
            self._floor = -self.instances[-1].minus_calls

    def ranked(self) -> list[_Instance]:
        """The largest units, the largest first."""
        self.instances.sort(key=_rank)
        without = [each._replace(keys=()) if each.keys else each for each in self.instances[INSTANCES_WITH_KEYS:]]
        self.instances[INSTANCES_WITH_KEYS:] = without[: MAX_INSTANCES - INSTANCES_WITH_KEYS]
        return self.instances

    def merge(self, other: "_Pair") -> None:
        self.units += other.units
        self.repeated += other.repeated
        self.calls += other.calls
        self.max_calls = max(self.max_calls, other.max_calls)
        self.distinct += other.distinct
        self.duration_us += other.duration_us
        self.gap_us += other.gap_us
        self.between.update(other.between)
        for ancestor, (units, calls) in other.ancestors.items():
            mine = self.ancestors.get(ancestor, (0, 0))
            self.ancestors[ancestor] = (mine[0] + units, mine[1] + calls)
        self.keep(*other.instances)


def _rank(each: _Instance) -> tuple[int, int, str]:
    return each.minus_calls, each.from_us or 0, each.session


def _frozen(each: _Instance) -> RepetitionInstance:
    return RepetitionInstance(
        session=each.session,
        from_us=each.from_us,
        to_us=each.to_us,
        calls=-each.minus_calls,
        distinct_parameters=each.distinct,
        duration_us=each.duration_us,
        gap_us=each.gap_us,
        parent_rows=each.parent_rows,
        keys=tuple(_values(sql, parameters) for sql, parameters in each.keys),
    )


def _values(sql: str, bound: Bound) -> tuple[str | None, ...]:
    """The bind values, else the literals of the text in order, strings without their quotes."""
    parameters = bind_values(bound)
    if parameters is not None:
        return parameters
    return tuple(
        value[1:-1].replace("''", "'") if value.startswith("'") else value for value in literals(sql.split("/*")[0])
    )


class Repetitions:
    """All units of work so far."""

    __slots__ = ("_pairs",)

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str | None], _Pair] = {}

    def fold(self, unit: Unit) -> None:
        """Adds a finished unit."""
        for totals, child in unit.children.items():
            parent = child.parent[_TOTALS].identity.id if child.parent else None
            if parent is None and child.distinct is None:
                continue
            key = (totals.identity.id, parent)
            pair = self._pairs.get(key)
            if pair is None:
                pair = self._pairs[key] = _Pair()
            pair.add(unit, child)

    def fold_distinct(self, items: Sequence[Statement]) -> None:
        """Adds a whole unit in which no query repeats: each statement is the only child of the one before it."""
        pairs, parent = self._pairs, items[0][_TOTALS].identity.id
        for item in islice(items, 1, None):
            child = item[_TOTALS].identity.id
            pair = pairs.get((child, parent))
            if pair is None:
                pair = pairs[child, parent] = _Pair()
            pair.units += 1
            pair.calls += 1
            pair.distinct += 1
            pair.duration_us += item[_DURATION]
            if not pair.max_calls:
                pair.max_calls = 1
            parent = child

    def merge(self, other: "Repetitions") -> None:
        """Adds what another digest saw."""
        for key, pair in other._pairs.items():
            self._pairs.setdefault(key, _Pair()).merge(pair)

    def freeze(self) -> tuple[Repetition, ...]:
        """Those with a repetition in some unit, most calls first."""
        found = [
            Repetition(
                query_id=query_id,
                parent_id=parent_id,
                units=pair.units,
                units_repeated=pair.repeated,
                calls=pair.calls,
                max_calls=pair.max_calls,
                distinct_parameters=pair.distinct,
                duration_us=pair.duration_us,
                gap_us=pair.gap_us,
                between=tuple(sorted(pair.between)),
                ancestors=tuple(
                    Ancestor(query_id=ancestor, units=units, calls=calls)
                    for ancestor, (units, calls) in sorted(pair.ancestors.items(), key=_most_units)[:MAX_ANCESTORS]
                ),
                instances=tuple(map(_frozen, pair.ranked())),
            )
            for (query_id, parent_id), pair in self._pairs.items()
            if pair.repeated
        ]
        return tuple(sorted(found, key=lambda each: (-each.calls, each.query_id, each.parent_id or "")))


def _most_units(entry: tuple[str, tuple[int, int]]) -> tuple[int, int, str]:
    return -entry[1][0], entry[1][1], entry[0]
