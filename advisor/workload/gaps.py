"""The pause that separates units of work in a session, learned from all pauses of its application.

A pause is known by its level, which is its bit length: the threshold 2**L separates at every pause of more than L
bits, so at 2**L us and above. Thresholds are whole levels from `LOWEST` to `HIGHEST`; so few that what each of them
would give can be added up at once, and the choice is made when everything was seen.
"""

from itertools import pairwise
from typing import Any, Final

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


class GapModel:
    """The pauses of one application, counted by their bit length. `fine`: some time was not a whole second."""

    __slots__ = ("counts", "fine")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.fine = False

    def add(self, gap_us: int, at_us: int) -> int:
        """A pause under 2 s, in microseconds (0 where statements overlap), before a statement that ended at a time.

        Its bit length is returned.
        """
        bits = gap_us.bit_length()
        self.counts[bits] += 1
        if not self.fine and at_us % 1_000_000:
            self.fine = True
        return bits

    def add_long(self, at_us: int) -> None:
        """A pause of 2 s or more, or the beginning of a session, before a statement that ended at a time."""
        self.add(LONG_US, at_us)

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
