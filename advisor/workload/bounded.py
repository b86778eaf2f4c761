"""Sums in a bounded memory that add up exactly, in any order: what is kept does not depend on what came first."""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from heapq import heappush, heappushpop
from typing import Any

Key = tuple[str | None, ...]
Row = list[Any]

Combine = Callable[[Row, Row], None]
"""Adds the second row to the first, in place; commutative and associative."""


def add_up(row: Row, more: Row) -> None:
    """The `Combine` of plain sums."""
    for position, value in enumerate(more):
        row[position] += value


def lesser(one: Any, other: Any) -> Any:
    """The lesser of two values of which None is unknown."""
    return one if other is None else other if one is None else min(one, other)


def greater(one: Any, other: Any) -> Any:
    """The greater of two values of which None is unknown."""
    return one if other is None else other if one is None else max(one, other)


class BoundedSums:
    """Rows by key, of the `limit` keys with the smallest hashes; all others share the row `other`.

    A key that is let go cannot come back: the bound only falls. So every row that is kept is exact, and two of them
    that are merged equal one that saw everything (bottom-k sampling; Cohen and Kaplan, "Summarizing data using
    bottom-k sketches", PODC 2007).
    """

    __slots__ = ("_combine", "_largest", "_limit", "_rows", "_zero", "other")

    def __init__(self, limit: int, zero: Row, combine: Combine = add_up) -> None:
        self._limit = limit
        self._zero = zero
        self._combine = combine
        self._rows: dict[Key, Row] = {}
        self._largest: list[tuple[int, Key]] = []
        self.other: Row = list(zero)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, key: Key, row: Row) -> None:
        """Adds a row to that of a key."""
        known = self._rows.get(key)
        if known is not None:
            self._combine(known, row)
            return
        fresh = list(self._zero)
        self._combine(fresh, row)
        entry = (-_hash(key), key)
        if len(self._rows) < self._limit:
            self._rows[key] = fresh
            heappush(self._largest, entry)
            return
        gone = heappushpop(self._largest, entry)[1]
        self._rows[key] = fresh
        self._combine(self.other, self._rows.pop(gone))

    def items(self) -> Iterator[tuple[Key, Row]]:
        """The rows that are kept, by key."""
        yield from sorted(self._rows.items(), key=lambda item: _sortable(item[0]))

    def merge(self, more: "BoundedSums") -> None:
        """Adds another one of the same kind, which stays as it is."""
        for key, row in more.items():
            self.add(key, row)
        self._combine(self.other, more.other)

    def state(self) -> list[Any]:
        """Lists of plain values; equal for equal contents."""
        return [[[list(key), list(row)] for key, row in self.items()], list(self.other)]

    def restore(self, state: list[Any]) -> None:
        """Adds what `state` told."""
        rows, other = state
        for key, row in rows:
            self.add(tuple(key), row)
        self._combine(self.other, other)


class Largest:
    """The `limit` largest entries. An entry is a tuple of its size and more plain values; equal ones are kept apart."""

    __slots__ = ("_entries", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: list[tuple[tuple[tuple[bool, Any], ...], tuple[Any, ...]]] = []

    def add(self, entry: tuple[Any, ...]) -> None:
        """Adds an entry; its first value decides, then the others, None being less than anything."""
        if len(self._entries) == self._limit and entry[0] < self._entries[0][1][0]:
            return
        ranked = (_sortable(entry), entry)
        if len(self._entries) < self._limit:
            heappush(self._entries, ranked)
        else:
            heappushpop(self._entries, ranked)

    def entries(self) -> list[tuple[Any, ...]]:
        """The entries, the largest first."""
        return [entry for _, entry in sorted(self._entries, reverse=True)]

    def merge(self, more: "Largest") -> None:
        """Adds another one's entries."""
        for _, entry in more._entries:
            self.add(entry)

    def state(self) -> list[list[Any]]:
        """Lists of plain values; equal for equal contents."""
        return [list(entry) for entry in self.entries()]

    def restore(self, state: list[list[Any]]) -> None:
        """Adds what `state` told."""
        for entry in state:
            self.add(tuple(entry))


def _hash(key: Key) -> int:
    text = "\x1f".join("\x00" if part is None else part for part in key)
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _sortable(values: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    return tuple([(value is not None, 0 if value is None else value) for value in values])
