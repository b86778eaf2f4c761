"""How many different values: exact for few, estimated for many, the same whatever came first."""

from array import array
from collections.abc import Iterable
from typing import Any, Final

EXACT: Final = 2_000
"""Numbers up to this are exact. Larger ones are estimated from as many smallest hashes, with a standard error of
1/sqrt(2000) = 2.2 %: far below what any rule asks for, in 8 KiB."""

_HASHES = 1 << 32

_WAITING = 64
"""New hashes that wait before they are sorted in; later as many as a quarter of those sorted."""

_NOTHING = array("I")


class Distinct:
    """The smallest of the 32-bit hashes that were added.

    The estimate: Bar-Yossef et al., "Counting distinct elements in a data stream", RANDOM 2002 (k minimum values).
    """

    __slots__ = ("_kept", "_new")

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        self._new = set(hashes)
        self._kept = _NOTHING
        if len(self._new) > _WAITING:
            self._settle()

    def add(self, value: int) -> None:
        """Adds one hash."""
        self._new.add(value)
        if len(self._new) > _WAITING + len(self._kept) // 4:
            self._settle()

    def add_all(self, hashes: Iterable[int]) -> None:
        """Adds hashes."""
        kept = self._kept
        if len(kept) == EXACT:
            limit = kept[-1]
            hashes = [each for each in hashes if each < limit]
        self._new.update(hashes)
        if len(self._new) > _WAITING + len(kept) // 4:
            self._settle()

    def merge(self, other: "Distinct") -> None:
        """Adds the hashes of another one, which stays as it is."""
        self._new.update(other._new, other._kept)
        if len(self._new) > _WAITING + len(self._kept) // 4:
            self._settle()

    def copy(self) -> "Distinct":
        """One of its own with the same hashes."""
        twin = Distinct(self._new)
        twin._kept = self._kept
        return twin

    def count(self) -> int:
        """The number of different values."""
        if not self._kept:
            return len(self._new)
        self._settle()
        kept = self._kept
        return len(kept) if len(kept) < EXACT else max(EXACT, (EXACT - 1) * _HASHES // (kept[-1] + 1))

    def _settle(self) -> None:
        if self._new:
            self._kept = array("I", sorted(self._new.union(self._kept))[:EXACT])
            self._new.clear()

    def state(self) -> list[Any]:
        """The hashes in order."""
        return sorted(self._new.union(self._kept))[:EXACT]


def count_distinct(hashes: set[int]) -> int:
    """The number of different values, as `Distinct` counts them."""
    return len(hashes) if len(hashes) < EXACT else Distinct(hashes).count()
