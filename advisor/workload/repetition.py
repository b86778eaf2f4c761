"""What repeated within units of work, after which parent: folded unit by unit, mergeable."""

from collections.abc import Sequence
from typing import Any

from advisor.model.workload import Repetition, RepetitionInstance
from advisor.workload.skeleton import literals
from advisor.workload.totals import QueryTotals

MAX_DISTINCT = 10_000
"""Distinct values counted per child and unit; beyond it the number is a lower bound, and the verdict the same."""

MAX_KEYS = 100
"""Values of a unit's children that are kept, in order: enough to compare them with the parent's result."""

MAX_INSTANCES = 100
"""Units kept per repetition, the largest ones."""

INSTANCES_WITH_KEYS = 8
"""Of the units kept, those whose values are kept, too: a hundred times a hundred texts would fill the memory."""

MAX_BETWEEN = 20
"""Other queries named that ran between the children."""

_TOTALS, _START, _AT, _DURATION, _SQL, _PARAMETERS, _ROWS = range(7)
Statement = list[Any]


class _Child:
    """One query's calls within one unit."""

    __slots__ = ("between", "calls", "distinct", "duration_us", "first", "gap_us", "keys", "last_at", "parent")

    def __init__(self, first: Statement, parent: Statement | None) -> None:
        self.first = first
        self.parent = parent
        self.calls = 1
        self.duration_us: int = first[_DURATION]
        self.last_at: int | None = first[_AT]
        self.gap_us = 0
        self.between: dict[QueryTotals, None] = {}
        self.distinct: set[int] | None = None
        self.keys: list[tuple[str, tuple[str | None, ...] | None]] = []

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
        for item in items:
            totals = item[_TOTALS]
            child = children.get(totals)
            if child is None:
                children[totals] = _Child(item, next(reversed(recent.values()), None))
            else:
                child.add(item)
                if len(child.between) < MAX_BETWEEN:
                    # `recent` is in order of last appearance: those after the child ran since its last call.
                    for other in reversed(recent):
                        if other is totals:
                            break
                        child.between[other] = None
                del recent[totals]
            recent[totals] = item


class _Pair:
    """A child after a parent, over all units."""

    __slots__ = (
        *("between", "calls", "distinct", "duration_us", "gap_us", "instances", "max_calls"),
        *("repeated", "units"),
    )

    def __init__(self) -> None:
        self.units = self.repeated = self.calls = self.max_calls = self.distinct = 0
        self.duration_us = self.gap_us = 0
        self.between: dict[str, None] = {}
        self.instances: list[RepetitionInstance] = []

    def add(self, unit: Unit, child: _Child) -> None:
        self.units += 1
        self.calls += child.calls
        self.duration_us += child.duration_us
        self.max_calls = max(self.max_calls, child.calls)
        if child.distinct is None:
            self.distinct += 1
            return
        self.distinct += len(child.distinct)
        self.repeated += 1
        self.gap_us += child.gap_us
        for other in child.between:
            if len(self.between) < MAX_BETWEEN:
                self.between[other.identity.id] = None
        full = len(self.instances) >= MAX_INSTANCES
        if not full or child.calls > self.instances[-1].calls:
            self.keep([_instance(unit, child)])

    def keep(self, instances: Sequence[RepetitionInstance]) -> None:
        """Keeps the largest units; of the values only those of the very largest."""
        ranked = sorted((*self.instances, *instances), key=_rank)[:MAX_INSTANCES]
        with_keys = ranked[:INSTANCES_WITH_KEYS]
        without = [_without_keys(instance) for instance in ranked[INSTANCES_WITH_KEYS:]]
        self.instances = [*with_keys, *without]

    def merge(self, other: "_Pair") -> None:
        self.units += other.units
        self.repeated += other.repeated
        self.calls += other.calls
        self.max_calls = max(self.max_calls, other.max_calls)
        self.distinct += other.distinct
        self.duration_us += other.duration_us
        self.gap_us += other.gap_us
        self.between.update(other.between)
        self.keep(other.instances)


def _rank(instance: RepetitionInstance) -> tuple[int, int, str]:
    return -instance.calls, instance.from_us or 0, instance.session


def _without_keys(instance: RepetitionInstance) -> RepetitionInstance:
    if not instance.keys:
        return instance
    return RepetitionInstance(
        session=instance.session,
        from_us=instance.from_us,
        to_us=instance.to_us,
        calls=instance.calls,
        distinct_parameters=instance.distinct_parameters,
        duration_us=instance.duration_us,
        gap_us=instance.gap_us,
        parent_rows=instance.parent_rows,
    )


def _instance(unit: Unit, child: _Child) -> RepetitionInstance:
    assert child.distinct is not None
    return RepetitionInstance(
        session=unit.session,
        from_us=child.first[_START],
        to_us=child.last_at,
        calls=child.calls,
        distinct_parameters=len(child.distinct),
        duration_us=child.duration_us,
        gap_us=child.gap_us,
        parent_rows=child.parent[_ROWS] if child.parent else None,
        keys=tuple(_values(sql, parameters) for sql, parameters in child.keys),
    )


def _values(sql: str, parameters: tuple[str | None, ...] | None) -> tuple[str | None, ...]:
    """The bind values, else the literals of the text in order, strings without their quotes."""
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
                instances=tuple(pair.instances),
            )
            for (query_id, parent_id), pair in self._pairs.items()
            if pair.repeated
        ]
        return tuple(sorted(found, key=lambda each: (-each.calls, each.query_id, each.parent_id or "")))
