"""The beginning of a session in a piece of a log, as long as it is not known what came before."""

from typing import Any, NamedTuple

from advisor.workload.chain import Chain
from advisor.workload.repetition import Repetitions
from advisor.workload.segments import Segment


class First(NamedTuple):
    """The first statement of any kind."""

    at_us: int | None
    duration_us: int | None
    application: str | None


class FirstWork(NamedTuple):
    """The first statement that does work, and the level of the greatest pause between the first one and it."""

    pending: int
    trace: str | None
    application: str | None


class Head:
    """What came before the first certain boundary, in both readings.

    Attributes:
        private, chain: if the piece began outside of a transaction: the units that are certain then, and those at the
            left edge. Until the head is closed, the chain's last segment is the one that is open.
        flat: if it began inside of one: all of it (until the head is closed, without the chain's last segment).
        closed: whether the certain boundary was met.
    """

    __slots__ = ("chain", "closed", "first", "flat", "private", "work")

    def __init__(self) -> None:
        self.first: First | None = None
        self.work: FirstWork | None = None
        self.private = Repetitions()
        self.chain = Chain()
        self.flat = Segment()
        self.closed = False

    def whole(self) -> Segment:
        """All of it, if it lies inside of a transaction."""
        if not self.closed and self.chain.segments:
            self.flat.join(self.chain.segments[-1])
        return self.flat

    def state(self) -> list[Any]:
        """Plain values, equal for equal contents."""
        return [
            None if self.first is None else list(self.first),
            None if self.work is None else list(self.work),
            *(self.private.state(), self.chain.state(), self.flat.state(), self.closed),
        ]

    @classmethod
    def restore(cls, state: list[Any]) -> "Head":
        """What `state` told."""
        head = cls()
        first, work, private, chain, flat, head.closed = state
        head.first = None if first is None else First(*first)
        head.work = None if work is None else FirstWork(*work)
        head.private = Repetitions.restore(private)
        head.chain, head.flat = Chain.restore(chain), Segment.restore(flat)
        return head
