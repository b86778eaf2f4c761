"""A child after a parent, over all units of work in which it repeats, at all thresholds at once."""

import re
from collections.abc import Collection, Mapping, Sequence
from heapq import heappush, heapreplace, nsmallest
from typing import Any, Final, NamedTuple

from advisor.model.workload import Ancestor, Repetition, RepetitionInstance
from advisor.sources.messages import parse_parameters
from advisor.workload.gaps import APART, LOWEST
from advisor.workload.segments import WINDOW, Calls, Key
from advisor.workload.skeleton import literals

MAX_INSTANCES: Final = 100
"""Units kept per repetition, the largest ones."""

INSTANCES_WITH_KEYS: Final = 8
"""Of the units kept, those whose values are kept, too: a hundred times a hundred texts would fill the memory."""

MAX_ANCESTORS: Final = 5
"""Queries named that ran before the first child: with children that interleave the real parent is further back."""

_ANCESTORS_KEPT = 250
"""Queries counted as ancestors, those with the smallest ids if there are more."""

_SORT_EVERY = 64
"""Units gathered before they are sorted and cut."""

_HEAD = re.compile(rb"(?:statement|execute\b[^:\n]*):\s")

Group = tuple[int, int]
"""The levels of the thresholds at which a unit is one: from the first up to, not including, the second."""


_Size = tuple[int, int]
"""Calls, and the start with its sign changed: of several units the largest come first, then the earliest."""

_ANY: Final[_Size] = (0, 0)
"""Below every unit's size."""


class _Instance(NamedTuple):
    """A unit as it is kept: mostly plain values, so that many of them do not burden the garbage collector."""

    calls: int
    from_us: int | None
    session: str
    to_us: int | None
    distinct: int
    duration_us: int
    gap_us: int
    parent_rows: int | None
    low: int
    high: int
    keys: tuple[Key, ...]


class _Sums:
    """Of the units in which the child repeats."""

    __slots__ = ("ancestors", "between", "calls", "distinct", "duration_us", "gap_us", "largest", "max_calls", "units")

    def __init__(self) -> None:
        self.units = self.calls = self.max_calls = self.distinct = self.duration_us = self.gap_us = 0
        self.between: set[str] = set()
        self.ancestors: dict[str, list[int]] = {}
        # The sizes of the largest units, as a heap: only for those the values are worth looking at.
        self.largest: list[_Size] = []

    def add(self, told: Calls, counts: Mapping[str, int]) -> None:
        calls, _, _, distinct, duration, gap, _, before, between, _ = told
        self.units += 1
        self.calls += calls
        if calls > self.max_calls:
            self.max_calls = calls
        self.distinct += distinct
        self.duration_us += duration
        self.gap_us += gap
        if between:
            self._add_between(between)
        for query in before[:MAX_ANCESTORS]:
            if query in counts:
                self._add_ancestor(query, 1, counts[query])

    def is_among_largest(self, size: _Size) -> bool:
        """Whether a unit may be one whose values are kept."""
        largest = self.largest
        if len(largest) < INSTANCES_WITH_KEYS:
            heappush(largest, size)
            return True
        if size > largest[0]:
            heapreplace(largest, size)
            return True
        return size == largest[0]

    def _add_between(self, others: Collection[str]) -> None:
        self.between.update(others)
        if len(self.between) > 2 * WINDOW:
            self.between = set(nsmallest(WINDOW, self.between))

    def _add_ancestor(self, query: str, units: int, calls: int) -> None:
        known = self.ancestors.get(query)
        if known is not None:
            known[0] += units
            known[1] += calls
            return
        self.ancestors[query] = [units, calls]
        if len(self.ancestors) > 2 * _ANCESTORS_KEPT:
            self.ancestors = dict(self.kept_ancestors())

    def kept_ancestors(self) -> list[tuple[str, list[int]]]:
        """Ids of ancestors, with units and calls."""
        return nsmallest(_ANCESTORS_KEPT, self.ancestors.items())

    def merge(self, other: "_Sums") -> None:
        self.units += other.units
        self.calls += other.calls
        self.max_calls = max(self.max_calls, other.max_calls)
        self.distinct += other.distinct
        self.duration_us += other.duration_us
        self.gap_us += other.gap_us
        self._add_between(other.between)
        for query, (units, calls) in other.ancestors.items():
            self._add_ancestor(query, units, calls)

    def state(self) -> list[Any]:
        return [
            *(self.units, self.calls, self.max_calls, self.distinct, self.duration_us, self.gap_us),
            nsmallest(WINDOW, self.between),
            [[query, units, calls] for query, (units, calls) in self.kept_ancestors()],
        ]

    @classmethod
    def restore(cls, state: list[Any]) -> "_Sums":
        sums = cls()
        *numbers, between, ancestors = state
        sums.units, sums.calls, sums.max_calls, sums.distinct, sums.duration_us, sums.gap_us = numbers
        sums.between = set(between)
        sums.ancestors = {query: [units, calls] for query, units, calls in ancestors}
        return sums


class Pair:
    """The sums by the thresholds that they hold for, and the largest units of each threshold."""

    __slots__ = ("_floors", "_floors_of", "_groups", "_instances", "_sort_at")

    def __init__(self) -> None:
        self._groups: dict[Group, _Sums] = {}
        self._instances: list[_Instance] = []
        # The size of the least unit that is kept, by the level, and by the group the least of those.
        self._floors = [_ANY] * (APART - LOWEST)
        self._floors_of: dict[Group, _Size] = {}
        self._sort_at = MAX_INSTANCES + _SORT_EVERY

    def add(self, session: str, told: Calls, counts: Mapping[str, int], group: Group) -> None:
        """A unit in which the child repeats; `counts`: the calls of all queries of the unit."""
        sums = self._groups.get(group)
        if sums is None:
            sums = self._groups[group] = _Sums()
        sums.add(told, counts)
        calls, start, end, distinct, duration, gap, rows, _, _, keys = told
        size = (calls, -(start or 0))
        floor = self._floors_of.get(group)
        if floor is None:
            floor = self._floors_of[group] = min(self._floors[group[0] - LOWEST : group[1] - LOWEST])
        if size >= floor:
            kept = keys() if sums.is_among_largest(size) else ()
            self._keep(_Instance(calls, start, session, end, distinct, duration, gap, rows, *group, kept))

    def _keep(self, instance: _Instance) -> None:
        self._instances.append(instance)
        if len(self._instances) >= self._sort_at:
            self._sort()
            self._sort_at = len(self._instances) + _SORT_EVERY

    def _sort(self) -> None:
        """Keeps the largest units of every threshold; of the values only those of the very largest."""
        kept = []
        counts = [0] * (APART - LOWEST)
        for each in sorted(self._instances, key=_rank):
            low, high = each.low - LOWEST, each.high - LOWEST
            least = min(counts[low:high])
            if least >= MAX_INSTANCES:
                continue
            for level in range(low, high):
                counts[level] += 1
                if counts[level] == MAX_INSTANCES:
                    self._floors[level] = (each.calls, -(each.from_us or 0))
            kept.append(each if least < INSTANCES_WITH_KEYS or not each.keys else each._replace(keys=()))
        self._instances = kept
        self._floors_of = {}

    def merge(self, other: "Pair") -> None:
        """Adds other units."""
        for group, sums in other._groups.items():
            self._groups.setdefault(group, _Sums()).merge(sums)
        for instance in other._instances:
            self._keep(instance)

    def redact(self) -> None:
        """Drops the values."""
        self._instances = [each._replace(keys=()) for each in self._instances]

    def at(self, level: int) -> tuple[list[_Sums], list[_Instance]]:
        """The sums and units at one threshold."""
        sums = [each for (low, high), each in self._groups.items() if low <= level < high]
        return sums, [each for each in self._instances if each.low <= level < each.high]

    def state(self) -> list[Any]:
        """Plain values, equal for equal contents."""
        self._sort()
        instances = [[*each[:-1], [list(key) for key in each.keys]] for each in self._instances]
        return [[[*group, sums.state()] for group, sums in sorted(self._groups.items())], instances]

    @classmethod
    def restore(cls, state: list[Any]) -> "Pair":
        """What `state` told."""
        pair = cls()
        groups, instances = state
        pair._groups = {(low, high): _Sums.restore(sums) for low, high, sums in groups}
        for *values, keys in instances:
            pair._keep(_Instance._make((*values, tuple(Key(*key) for key in keys))))
        return pair


def repetition_of(
    query: str, parent: str | None, pairs: Sequence[tuple[Pair, int]], plain: Sequence[Sequence[int]]
) -> Repetition | None:
    """The repetition, each pair at its threshold; None where nothing repeats.

    `plain`: units and durations of the units in which the child runs once.
    """
    total, instances = _Sums(), []
    for pair, level in pairs:
        several, units = pair.at(level)
        instances += units
        for sums in several:
            total.merge(sums)
    if not total.units:
        return None
    once = sum(units for units, _ in plain)
    largest = sorted(instances, key=_rank)[:MAX_INSTANCES]
    ancestors = sorted(total.kept_ancestors(), key=_most_units)[:MAX_ANCESTORS]
    return Repetition(
        query_id=query,
        parent_id=parent,
        units=total.units + once,
        units_repeated=total.units,
        calls=total.calls + once,
        max_calls=total.max_calls,
        distinct_parameters=total.distinct + once,
        duration_us=total.duration_us + sum(duration for _, duration in plain),
        gap_us=total.gap_us,
        between=tuple(nsmallest(WINDOW, total.between)),
        ancestors=tuple(Ancestor(query_id=each, units=units, calls=calls) for each, (units, calls) in ancestors),
        instances=tuple(
            _frozen(each, with_keys=position < INSTANCES_WITH_KEYS) for position, each in enumerate(largest)
        ),
    )


def _rank(each: _Instance) -> tuple[Any, ...]:
    """The largest first; whatever else tells two units apart makes the order total. Values that were let go come
    after those that were not."""
    calls, start, session, end, distinct, duration, gap, rows, low, high, keys = each
    known = (start or 0, session, end or 0, distinct, duration, gap, -1 if rows is None else rows)
    return -calls, *known, start is None, end is None, low, high, not keys, keys


def _frozen(each: _Instance, *, with_keys: bool) -> RepetitionInstance:
    return RepetitionInstance(
        session=each.session,
        from_us=each.from_us,
        to_us=each.to_us,
        calls=each.calls,
        distinct_parameters=each.distinct,
        duration_us=each.duration_us,
        gap_us=each.gap_us,
        parent_rows=each.parent_rows,
        keys=tuple(map(_values, each.keys)) if with_keys else (),
    )


def _values(key: Key) -> tuple[str | None, ...]:
    """The bind values, else the literals of the text in order, strings without their quotes."""
    head = None if key.bound else _HEAD.match(key.text)
    text = key.text[head.end() :] if head else key.text
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        decoded = text.decode("latin-1")
    if key.bound:
        return parse_parameters(decoded) or ()
    return tuple(
        value[1:-1].replace("''", "'") if value.startswith("'") else value for value in literals(decoded.split("/*")[0])
    )


def _most_units(entry: tuple[str, list[int]]) -> tuple[int, int, str]:
    return -entry[1][0], entry[1][1], entry[0]
