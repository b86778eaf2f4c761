"""The pause that separates units of work in a session, learned from all pauses of its application.

A pause is known by its level, which is its bit length: the threshold 2**L separates at every pause of more than L
bits, so at 2**L us and above. Thresholds are whole levels from `LOWEST` to `HIGHEST`; so few that what each of them
would give can be added up at once, and the choice is made when everything was seen.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

from advisor.workload.execution import Execution

FIRST: Final = -1
"""In place of a level: before the first statement of a session there is no pause."""

LOWEST: Final = 12
"""No pause below 2**12 us = 4 ms ends a unit: garbage collection and a busy machine make such pauses in requests."""

HIGHEST: Final = 21
"""Every pause from 2**21 us = 2 s on ends a unit: no request waits that long between two of its statements."""

APART: Final = HIGHEST + 1
"""The level that separates at every threshold."""

LONG: Final = APART + 1
"""The level of a pause of 2 s or more: it ends a transaction, too, whose COMMIT was perhaps not logged."""

BUCKETS: Final = APART + 1
"""Numbers of bits that are told apart. Pauses of 2 s and more count as one kind, and so do beginnings of sessions: so a
session need not be remembered while it is idle."""

LONG_US: Final = 1 << HIGHEST

LONGEST_US: Final = 30_000_000
"""A statement of half a minute or more belongs to nothing before it: so a session that was idle for a minute can be
forgotten, although a statement that is still running began right after its last one."""

BACKWARDS_US: Final = 1_000_000
"""A statement that ends this long before the one logged before it belongs to another session of the same name."""

DEFAULT_LEVEL: Final = 16
"""Until enough was seen, 65 ms: more than an application takes between two statements of one request, less than a
user."""

COARSE_LEVEL: Final = 20
"""Where times are whole seconds (`%t`) a pause of 1 s may be none at all; only 2 s are one. 2**20 us lie between."""

POPULATED_SHARE: Final = 0.01
"""A doubling of the pause that holds less than this share of all pauses counts as empty."""

LEARN_AFTER: Final = 16
"""Pauses before anything is learned from them."""


def pause(at_us: int | None, duration_us: int | None, last_us: int | None) -> int:
    """The level of the pause before a statement that ended at a time; APART where a time is not known."""
    if at_us is None or last_us is None:
        return APART
    spent_us = duration_us or 0
    gap_us = at_us - spent_us - last_us
    if gap_us >= LONG_US or at_us < last_us - BACKWARDS_US or spent_us >= LONGEST_US:
        return LONG
    return gap_us.bit_length() if gap_us > 0 else 0


def pauses(items: Sequence[Execution], last_us: int | None) -> list[int]:
    """The levels of the pauses before statements, one after the other; the one before them ended at a time."""
    times: list[Any] = [last_us, *[item[1] for item in items]]
    if items and None not in times and sorted(times) == times:
        spent = [item[2] or 0 for item in items]
        gaps = [at - us - last for at, us, last in zip(times[1:], spent, times, strict=False)]
        if max(gaps) < LONG_US and max(spent) < LONGEST_US:
            return [gap.bit_length() if gap > 0 else 0 for gap in gaps]
    return [pause(item[1], item[2], last) for item, last in zip(items, times, strict=False)]


class GapModel:
    """The pauses of one application, counted by their bit length. `fine`: some time was not a whole second."""

    __slots__ = ("counts", "fine")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.fine = False

    def add(self, levels: Sequence[int], ends: Iterable[int]) -> None:
        """Pauses under 2 s, before statements that ended at those times."""
        counts = self.counts
        for level in levels:
            counts[level] += 1
        self.fine = self.fine or any(end % 1_000_000 for end in ends)

    def add_long(self, at_us: int) -> None:
        """A pause of 2 s or more, or the beginning of a session, before a statement that ended at a time."""
        self.counts[LONG_US.bit_length()] += 1
        self.fine = self.fine or at_us % 1_000_000 != 0

    @property
    def is_coarse(self) -> bool:
        """Whether every time was a whole second, and there were enough of them to tell."""
        return not self.fine and sum(self.counts) >= LEARN_AFTER

    @property
    def level(self) -> int:
        """The threshold's level: pauses of more bits separate."""
        if sum(self.counts) < LEARN_AFTER:
            return DEFAULT_LEVEL
        return valley(self.counts) if self.fine else COARSE_LEVEL

    def merge(self, other: "GapModel") -> None:
        """Adds the pauses of another one."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.fine = self.fine or other.fine

    def state(self) -> list[Any]:
        """Plain values, equal for equal contents."""
        return [self.fine, *self.counts]

    @classmethod
    def restore(cls, state: list[Any]) -> "GapModel":
        """What `state` told."""
        model = cls()
        model.fine, *model.counts = state
        return model


def valley(counts: list[int]) -> int:
    """The level of the threshold: the middle of the widest empty stretch between two groups of pauses.

    `counts[b]` is the number of pauses of bit length b. Without two groups: pauses are all short (one stretch of
    work after another; the default stands) or all long (every statement on its own; the shortest gap).
    """
    total = sum(counts)
    populated = [bits for bits, count in enumerate(counts) if count > POPULATED_SHARE * total]
    if not populated or populated[-1] <= LOWEST:
        return DEFAULT_LEVEL
    widest, middle = 0, 0
    for low, high in pairwise(populated):
        if high > LOWEST and low < HIGHEST and high - low - 1 > widest:
            widest, middle = high - low - 1, (low + high) // 2
    if widest == 0:
        if populated[0] > LOWEST:
            return LOWEST
        middle = min(range(LOWEST, HIGHEST + 1), key=lambda bits: counts[bits])
    return min(max(middle, LOWEST), HIGHEST)
