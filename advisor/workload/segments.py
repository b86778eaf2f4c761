"""Segments: stretches of one session's statements, boiled down to what units of work need.

Segments add up: that of some statements, joined by that of the ones after them, equals the segment of all. So a log
may be cut anywhere, and a unit may be put together from parts whose extent is known only later.
"""

from collections.abc import Iterable, Sequence
from heapq import nsmallest
from itertools import chain, islice, takewhile
from typing import Any, Final, NamedTuple
from zlib import crc32

from advisor.workload.distinct import Distinct
from advisor.workload.execution import Execution

MAX_KEYS: Final = 100
"""Values of a unit's children that are kept, in order: enough to compare them with the parent's result."""

LONG_KEY_BYTES: Final = 4096
"""A longer text is not kept for its values."""

WINDOW: Final = 20
"""Other queries looked back at from a call, the latest first; also how many are named that ran between the children."""

MAX_QUERIES: Final = 1_000
"""Queries of one segment that are kept, those with the smallest ids: a session that never pauses runs them all."""

_BULK = 4
"""Calls from which on it is worth while to look at all of them at once."""


class Key(NamedTuple):
    """Where a child's values stand: in the statement's detail (`bound`), else in its message itself."""

    text: bytes
    bound: bool


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
        size: number of statements; `last_rows`: returned by the last of them, where known.
        recent: the `WINDOW` queries that ran last, the latest last.
    """

    __slots__ = ("application", "children", "last_rows", "recent", "size")

    def __init__(self, application: str | None = None) -> None:
        self.application = application
        self.children: dict[str, Child] = {}
        self.recent: dict[str, None] = {}
        self.last_rows: int | None = None
        self.size = 0

    def extend(self, items: Sequence[Execution]) -> None:
        """Adds statements in the order in which they ran."""
        if not items:
            return
        if len(items) == 1 or len({item[0][0] for item in items}) == 1:
            self._extend_one(items)
        else:
            self._extend(items)
        self.last_rows = items[-1][6]
        self.size += len(items)
        if len(self.children) > 2 * MAX_QUERIES:
            self._prune()

    def _extend(self, items: Sequence[Execution]) -> None:
        children, recent, rows = self.children, self.recent, self.last_rows
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

    def _extend_one(self, items: Sequence[Execution]) -> None:
        """Calls of one query."""
        query = items[0][0][0].id
        child = self.children.get(query)
        if child is None:
            child = self.children[query] = Child(tuple(reversed(self.recent)), self.last_rows)
        elif next(reversed(self.recent)) != query:
            child.add_between(takewhile(query.__ne__, reversed(self.recent)))
        child.add_all(items)
        self._note(query)

    def _note(self, query: str) -> None:
        recent = self.recent
        if query in recent:
            if next(reversed(recent)) == query:
                return
            del recent[query]
        recent[query] = None
        if len(recent) > WINDOW:
            del recent[next(iter(recent))]

    def _prune(self) -> None:
        self.children = {query: self.children[query] for query in nsmallest(MAX_QUERIES, self.children)}

    def join(self, later: "Segment") -> None:
        """Adds the statements of another segment, which ran after these; it stays as it is."""
        back = tuple(reversed(self.recent))
        children = self.children
        for query, theirs in later.children.items():
            before = tuple(islice(dict.fromkeys(chain(theirs.before, back)), WINDOW))
            mine = children.get(query)
            if mine is not None:
                mine.join(theirs, takewhile(query.__ne__, before))
                continue
            mine = children[query] = theirs.copy()
            mine.before = before
            if not theirs.before:
                mine.parent_rows = self.last_rows
        for query in later.recent:
            self._note(query)
        if later.size:
            self.last_rows = later.last_rows
            self.size += later.size
        if len(children) > 2 * MAX_QUERIES:
            self._prune()

    def give_rows(self, rows: int, *, last: bool) -> None:
        """The last statement returned so many rows, or the one before it."""
        if last:
            self.last_rows = rows
            return
        newest = self.children.get(next(reversed(self.recent)))
        if newest is not None and newest.calls == 1:
            newest.parent_rows = rows

    def settled(self) -> dict[str, Child]:
        """The children that count."""
        if len(self.children) > MAX_QUERIES:
            self._prune()
        return self.children

    def state(self) -> list[Any]:
        """Plain values, equal for equal contents."""
        children = [[query, child.state()] for query, child in sorted(self.settled().items())]
        return [self.application, children, list(self.recent), self.last_rows, self.size]

    @classmethod
    def restore(cls, state: list[Any]) -> "Segment":
        """What `state` told."""
        application, children, recent, last_rows, size = state
        segment = cls(application)
        segment.children = {query: Child.restore(child) for query, child in children}
        segment.recent = dict.fromkeys(recent)
        segment.last_rows, segment.size = last_rows, size
        return segment
