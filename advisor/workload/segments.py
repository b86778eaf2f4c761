"""Segments: stretches of one session's statements, boiled down to what units of work need.

Segments add up: that of some statements, joined by that of the ones after them, equals the segment of all. So a log
may be cut anywhere, and a unit may be put together from parts whose extent is known only later. Most segments are
short and soon told as a unit: they stay lists of statements.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from heapq import nsmallest
from itertools import chain, islice, takewhile
from typing import Any, Final, NamedTuple
from zlib import crc32

from advisor.workload.distinct import Distinct, count_distinct
from advisor.workload.execution import Execution

MAX_KEYS: Final = 100
"""Values of a unit's children that are kept, in order: enough to compare them with the parent's result."""

LONG_KEY_BYTES: Final = 4096
"""A longer text is not kept for its values."""

WINDOW: Final = 20
"""Other queries looked back at from a call, the latest first; also how many are named that ran between the children."""

MAX_QUERIES: Final = 1_000
"""Queries of one segment that are kept, those with the smallest ids: a session that never pauses runs them all."""

_BOIL_AT = 32
"""Statements that wait before they are boiled down."""

_BULK = 4
"""Calls from which on it is worth while to look at all of them at once."""


class Key(NamedTuple):
    """Where a child's values stand: in the statement's detail (`bound`), else in its message itself."""

    text: bytes
    bound: bool


class Calls(NamedTuple):
    """One query's calls in a unit in which it repeats.

    Attributes:
        start_us, end_us: of the first and of the last call.
        distinct: values.
        before, parent_rows, between: see `Child`.
        keys: makes the values; only those of the largest units are ever needed.
    """

    calls: int
    start_us: int | None
    end_us: int | None
    distinct: int
    duration_us: int
    gap_us: int
    parent_rows: int | None
    before: Sequence[str]
    between: Collection[str]
    keys: Callable[[], tuple[Key, ...]]


def calls_of(
    items: Sequence[Execution], before: Sequence[str], parent_rows: int | None, between: Collection[str]
) -> Calls:
    """Calls of one query."""
    _, end, first, _, _, _, _ = items[0]
    start = None if end is None else end - (first or 0)
    end = None
    total = gaps = 0
    hashes = set()
    for _, at, duration, message, detail, _, _ in items:
        spent = duration or 0
        total += spent
        if end is not None and at is not None and at - spent > end:
            gaps += at - spent - end
        end = at
        hashes.add(crc32(message if detail is None else detail))
    distinct = min(count_distinct(hashes), len(items))
    if len(between) > WINDOW:
        between = nsmallest(WINDOW, between)
    return Calls(len(items), start, end, distinct, total, gaps, parent_rows, before, between, lambda: keys_of(items))


def keys_of(items: Sequence[Execution]) -> tuple[Key, ...]:
    """Where the values of the first calls stand."""
    keys = (Key(item[3], bound=False) if item[4] is None else Key(item[4], bound=True) for item in items)
    return tuple(islice((key for key in keys if len(key.text) <= LONG_KEY_BYTES), MAX_KEYS))


class Child:
    """One query's calls within a segment.

    Attributes:
        before: up to `WINDOW` ids of queries that ran before the first call, the latest first.
        parent_rows: returned by the statement right before the first call, where known.
        between: ids of queries that ran between the calls, of which the `WINDOW` smallest count.
    """

    __slots__ = (
        *("before", "between", "calls", "duration_us", "first_start", "gap_us", "keys", "last_end", "parent_rows"),
        "values",
    )

    def __init__(self, before: tuple[str, ...], parent_rows: int | None) -> None:
        self.before = before
        self.parent_rows = parent_rows
        self.calls = self.duration_us = self.gap_us = 0
        self.first_start: int | None = None
        self.last_end: int | None = None
        self.between: set[str] = set()
        self.values = Distinct()
        self.keys: list[Key] = []

    def add(self, item: Execution) -> None:
        """One call."""
        _, at, duration, message, detail, _, _ = item
        start = None if at is None else at - (duration or 0)
        if not self.calls:
            self.first_start = start
        elif start is not None and self.last_end is not None and start > self.last_end:
            self.gap_us += start - self.last_end
        self.calls += 1
        self.duration_us += duration or 0
        self.last_end = at
        self.values.add(crc32(message if detail is None else detail))
        if len(self.keys) < MAX_KEYS:
            self._add_key(message, detail)

    def add_all(self, items: Sequence[Execution]) -> None:
        """Calls one after the other."""
        if len(items) < _BULK:
            for item in items:
                self.add(item)
            return
        _, times, durations, messages, details, _, _ = zip(*items, strict=True)
        if None in times or None in durations:
            for item in items:
                self.add(item)
            return
        starts = [at - duration for at, duration in zip(times, durations, strict=True)]
        if not self.calls:
            self.first_start = starts[0]
        elif self.last_end is not None and starts[0] > self.last_end:
            self.gap_us += starts[0] - self.last_end
        gaps = [start - end for start, end in zip(starts[1:], times, strict=False) if start > end]
        self.gap_us += sum(gaps)
        self.calls += len(items)
        self.duration_us += sum(durations)
        self.last_end = times[-1]
        self.values.add_all([crc32(m if d is None else d) for m, d in zip(messages, details, strict=True)])
        if len(self.keys) < MAX_KEYS:
            for message, detail in zip(messages, details, strict=True):
                self._add_key(message, detail)
            del self.keys[MAX_KEYS:]

    def _add_key(self, message: bytes, detail: bytes | None) -> None:
        key = Key(message, bound=False) if detail is None else Key(detail, bound=True)
        if len(key.text) <= LONG_KEY_BYTES:
            self.keys.append(key)

    def join(self, later: "Child", between: Iterable[str]) -> None:
        """Adds later calls, before which those other queries ran since the last one."""
        if self.last_end is not None and later.first_start is not None and later.first_start > self.last_end:
            self.gap_us += later.first_start - self.last_end
        self.calls += later.calls
        self.duration_us += later.duration_us
        self.gap_us += later.gap_us
        self.last_end = later.last_end
        self.values.merge(later.values)
        self.keys += later.keys[: MAX_KEYS - len(self.keys)]
        self.add_between(between)
        self.add_between(later.between)

    def add_between(self, others: Iterable[str]) -> None:
        """Queries that ran since the last call."""
        self.between.update(others)
        if len(self.between) > 2 * WINDOW:
            self.between = set(nsmallest(WINDOW, self.between))

    def copy(self) -> "Child":
        """One of its own, the same."""
        twin = Child(self.before, self.parent_rows)
        twin.calls, twin.duration_us, twin.gap_us = self.calls, self.duration_us, self.gap_us
        twin.first_start, twin.last_end = self.first_start, self.last_end
        twin.between, twin.values, twin.keys = set(self.between), self.values.copy(), list(self.keys)
        return twin

    def told(self) -> Calls:
        """What a unit tells of them."""
        others = nsmallest(WINDOW, self.between) if len(self.between) > WINDOW else self.between
        return Calls(
            *(self.calls, self.first_start, self.last_end, min(self.values.count(), self.calls), self.duration_us),
            *(self.gap_us, self.parent_rows, self.before, others, lambda: tuple(self.keys)),
        )

    def state(self) -> list[Any]:
        """Plain values, equal for equal contents."""
        return [
            *(list(self.before), self.parent_rows, self.calls, self.duration_us, self.gap_us, self.first_start),
            *(self.last_end, nsmallest(WINDOW, self.between), self.values.state(), [list(key) for key in self.keys]),
        ]

    @classmethod
    def restore(cls, state: list[Any]) -> "Child":
        """What `state` told."""
        before, rows, calls, duration, gap, first, last, between, values, keys = state
        child = cls(tuple(before), rows)
        child.calls, child.duration_us, child.gap_us = calls, duration, gap
        child.first_start, child.last_end = first, last
        child.between, child.values, child.keys = set(between), Distinct(values), [Key(*key) for key in keys]
        return child


class Segment:
    """Some statements of one session, one after the other.

    Attributes:
        application: of the session at that time.
        items: the last statements, which are not boiled down yet; of a short segment all.
    """

    __slots__ = ("_children", "_last_rows", "_recent", "_size", "application", "items")

    def __init__(self, application: str | None = None, items: Iterable[Execution] = ()) -> None:
        self.application = application
        self.items = list(items)
        self._children: dict[str, Child] = {}
        # The `WINDOW` queries that ran last, the latest last, and the rows that the last of them returned.
        self._recent: dict[str, None] = {}
        self._last_rows: int | None = None
        self._size = 0

    @property
    def size(self) -> int:
        """Number of statements."""
        return self._size + len(self.items)

    @property
    def is_boiled(self) -> bool:
        """Whether more than `items` belongs to it."""
        return self._size > 0

    @property
    def recent(self) -> list[str]:
        """The `WINDOW` queries that ran last, the latest last."""
        self._boil()
        return list(self._recent)

    def extend(self, items: Sequence[Execution]) -> None:
        """Adds statements in the order in which they ran."""
        self.items += items
        if len(self.items) > _BOIL_AT:
            self._boil()

    def _boil(self) -> None:
        items = self.items
        if not items:
            return
        if len({item[0][0].id for item in items}) == 1:
            self._add_calls(items)
        else:
            self._add(items)
        self._last_rows = items[-1][6]
        self._size += len(items)
        self.items = []
        if len(self._children) > 2 * MAX_QUERIES:
            self._prune()

    def _add(self, items: Sequence[Execution]) -> None:
        children, recent, rows = self._children, self._recent, self._last_rows
        previous = next(reversed(recent), None)
        for item in items:
            query = item[0][0].id
            child = children.get(query)
            if child is None:
                child = children[query] = Child(tuple(reversed(recent)), rows)
            elif previous != query:
                child.add_between(takewhile(query.__ne__, reversed(recent)))
            child.add(item)
            if previous != query:
                self._note(query)
                previous = query
            rows = item[6]

    def _add_calls(self, items: Sequence[Execution]) -> None:
        """Calls of one query."""
        query = items[0][0][0].id
        child = self._children.get(query)
        if child is None:
            child = self._children[query] = Child(tuple(reversed(self._recent)), self._last_rows)
        elif next(reversed(self._recent)) != query:
            child.add_between(takewhile(query.__ne__, reversed(self._recent)))
        child.add_all(items)
        self._note(query)

    def _note(self, query: str) -> None:
        recent = self._recent
        if query in recent:
            if next(reversed(recent)) == query:
                return
            del recent[query]
        recent[query] = None
        if len(recent) > WINDOW:
            del recent[next(iter(recent))]

    def _prune(self) -> None:
        self._children = {query: self._children[query] for query in nsmallest(MAX_QUERIES, self._children)}

    def join(self, later: "Segment") -> None:
        """Adds the statements of another segment, which ran after these; it stays as it is."""
        if not later.is_boiled:
            self.extend(later.items)
            return
        self._boil()
        later._boil()
        back = tuple(reversed(self._recent))
        children = self._children
        for query, theirs in later._children.items():
            before = tuple(islice(dict.fromkeys(chain(theirs.before, back)), WINDOW))
            mine = children.get(query)
            if mine is not None:
                mine.join(theirs, takewhile(query.__ne__, before))
                continue
            mine = children[query] = theirs.copy()
            mine.before = before
            if not theirs.before:
                mine.parent_rows = self._last_rows
        for query in later._recent:
            self._note(query)
        self._last_rows = later._last_rows
        self._size += later._size
        if len(children) > 2 * MAX_QUERIES:
            self._prune()

    def give_rows(self, rows: int | None, *, last: bool) -> None:
        """The last statement returned so many rows, or the one before it."""
        place = -1 if last else -2
        if len(self.items) >= -place:
            if self.items[place][6] != rows:
                self.items[place] = self.items[place]._replace(rows=rows)
            return
        self._boil()
        if last:
            self._last_rows = rows
            return
        newest = self._children.get(next(reversed(self._recent)))
        if newest is not None and newest.calls == 1:
            newest.parent_rows = rows

    def settled(self) -> dict[str, Child]:
        """The children that count."""
        self._boil()
        if len(self._children) > MAX_QUERIES:
            self._prune()
        return self._children

    def state(self) -> list[Any]:
        """Plain values, equal for equal contents."""
        children = [[query, child.state()] for query, child in sorted(self.settled().items())]
        return [self.application, children, list(self._recent), self._last_rows, self._size]

    @classmethod
    def restore(cls, state: list[Any]) -> "Segment":
        """What `state` told."""
        application, children, recent, last_rows, size = state
        segment = cls(application)
        segment._children = {query: Child.restore(child) for query, child in children}
        segment._recent = dict.fromkeys(recent)
        segment._last_rows, segment._size = last_rows, size
        return segment
