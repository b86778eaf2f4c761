"""The pause that separates units of work in a session, learned from the pauses themselves."""

from itertools import pairwise

DEFAULT_GAP_US = 50_000
"""Until enough was seen: more than an application takes between two statements of one request, less than a user."""

SHORTEST_GAP_US = 4_096
"""No pause below 4 ms ends a unit: garbage collection and a busy machine make such pauses within requests."""

LONGEST_GAP_US = 2_097_152
"""Every pause above 2 s ends a unit: no request waits that long between two of its statements."""

COARSE_GAP_US = 1_500_000
"""Where times are whole seconds (`%t`) a pause of 1 s may be none at all; only 2 s are one."""

POPULATED_SHARE = 0.01
"""A doubling of the pause that holds less than this share of all pauses counts as empty."""

LEARN_AFTER = 16
"""Pauses before the first lesson; then at every doubling, later at every `LEARN_EVERY`."""

LEARN_EVERY = 4096

_LOW = SHORTEST_GAP_US.bit_length() - 1
_HIGH = LONGEST_GAP_US.bit_length() - 1


class GapModel:
    """The pauses of one application, counted by their power of two, and the threshold learned from them."""

    __slots__ = ("_coarse", "_count", "_counts", "_next", "threshold_us")

    def __init__(self) -> None:
        self._counts = [0] * 64
        self._count = 0
        self._next = LEARN_AFTER
        self._coarse = True
        self.threshold_us = DEFAULT_GAP_US

    @property
    def is_coarse(self) -> bool:
        """Whether every time so far was a whole second, and there were enough of them to tell."""
        return self._coarse and self._count >= LEARN_AFTER

    def add(self, gap_us: int, at_us: int) -> None:
        """One pause in microseconds (0 where statements overlap), ending at a time."""
        self._counts[gap_us.bit_length()] += 1
        self._count += 1
        if self._coarse and at_us % 1_000_000:
            self._coarse = False
        if self._count >= self._next:
            self._next += min(self._count, LEARN_EVERY)
            self.threshold_us = COARSE_GAP_US if self._coarse else valley_us(self._counts)


def valley_us(counts: list[int]) -> int:
    """The threshold: the middle of the widest empty stretch between two groups of pauses, in microseconds.

    `counts[b]` is the number of pauses of bit length b. Without two groups: pauses are all short (one stretch of
    work after another; the default stands) or all long (every statement on its own; the shortest gap).
    """
    total = sum(counts)
    populated = [bits for bits, count in enumerate(counts) if count > POPULATED_SHARE * total]
    short = [bits for bits in populated if bits <= _LOW]
    if not populated or populated[-1] <= _LOW:
        return DEFAULT_GAP_US
    widest, middle = 0, 0
    for low, high in pairwise(populated):
        if high > _LOW and low < _HIGH and high - low - 1 > widest:
            widest, middle = high - low - 1, (low + high) // 2
    if widest == 0:
        if not short:
            return SHORTEST_GAP_US
        middle = min(range(_LOW, _HIGH + 1), key=lambda bits: counts[bits])
    return min(max(1 << middle, SHORTEST_GAP_US), LONGEST_GAP_US)
