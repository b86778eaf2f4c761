"""What is open of a session outside of transactions, at all thresholds at once."""

from collections.abc import Callable
from typing import Any

from advisor.workload.gaps import APART, LOWEST
from advisor.workload.segments import Segment

Fold = Callable[[Segment, int, int], None]
"""A segment is a unit of work at the thresholds from one level up to, not including, another."""


class Chain:
    """Segments that may still grow, with the level of the pause before each of them.

    The levels first increase (while the pause before the first segment is not known: None), then decrease; so there
    are few of them. A segment whose two pauses are known is a unit at the thresholds from its greatest inner pause up
    to the smaller of the two; then it is part of the segment that reaches over this pause (a Cartesian tree of the
    pauses, of which only the open edges are kept). `folded`: up to which level a segment was told as a unit, at first
    its greatest inner pause.
    """

    __slots__ = ("folded", "lefts", "segments")

    def __init__(self) -> None:
        self.lefts: list[int | None] = []
        self.segments: list[Segment] = []
        self.folded: list[int] = []

    def open(self, left: int | None, segment: Segment, folded: int = LOWEST) -> None:
        """A segment begins after a pause of that level."""
        self.lefts.append(left)
        self.segments.append(segment)
        self.folded.append(folded)

    def part(self, level: int, fold: Fold) -> None:
        """A pause comes after the last segment."""
        lefts, segments, folded = self.lefts, self.segments, self.folded
        if level == APART:
            # Nothing ever follows it.
            segments[-1].give_rows(None, last=True)
        while True:
            left = lefts[-1]
            if left is None:
                return
            low = min(left, level)
            if folded[-1] < low:
                fold(segments[-1], folded[-1], low)
                folded[-1] = low
            if level < left:
                return
            if left == APART:
                # Whole at every threshold: nothing more can come of it.
                for each in (lefts, segments, folded):
                    each.pop()
                return
            before = lefts[-2]
            if before is None or before < left:
                # The segment before it still waits for its own left side.
                return
            segments[-2].join(segments.pop())
            lefts.pop()
            folded.pop()
            folded[-1] = left

    def follow(self, later: "Chain", fold: Fold) -> None:
        """The segments of a later chain but the first, which is the last one here by now."""
        rest = zip(later.lefts[1:], later.segments[1:], later.folded[1:], strict=True)
        for left, segment, folded in rest:
            assert left is not None
            self.part(left, fold)
            self.open(left, segment, folded)

    def state(self) -> list[Any]:
        """Plain values, equal for equal contents."""
        return [list(self.lefts), [segment.state() for segment in self.segments], list(self.folded)]

    @classmethod
    def restore(cls, state: list[Any]) -> "Chain":
        """What `state` told."""
        chain = cls()
        lefts, segments, folded = state
        chain.lefts, chain.folded = list(lefts), list(folded)
        chain.segments = [Segment.restore(segment) for segment in segments]
        return chain
