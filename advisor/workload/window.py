"""Which records of a log are wanted, by their time."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Asked with a record's time; what has no time is wanted.

    Attributes:
        since_us, until_us: microseconds since the epoch, both included; None: no limit.
        left_out: times (both ends included, in order, without overlap) whose records another input holds as well.
    """

    since_us: int | None = None
    until_us: int | None = None
    left_out: tuple[tuple[int, int], ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether all records are wanted."""
        return self.since_us is None and self.until_us is None and not self.left_out

    def state(self) -> list[Any]:
        """As plain values."""
        return [self.since_us, self.until_us, [list(each) for each in self.left_out]]

    @classmethod
    def restore(cls, state: Sequence[Any]) -> "Window":
        """What `state` told."""
        since_us, until_us, left_out = state
        return cls(since_us=since_us, until_us=until_us, left_out=tuple((first, last) for first, last in left_out))

    def __call__(self, at_us: int | None) -> bool:
        if at_us is None:
            return True
        if (self.since_us is not None and at_us < self.since_us) or (
            self.until_us is not None and at_us > self.until_us
        ):
            return False
        index = bisect_right(self.left_out, at_us, key=lambda each: each[0])
        return index == 0 or at_us > self.left_out[index - 1][1]
