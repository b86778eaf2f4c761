"""What is open of one session's units of work, and what its next statement is compared with."""

from collections.abc import Sequence
from typing import Any, Final, Self

from advisor.workload.chain import Chain, Fold
from advisor.workload.gaps import APART, FIRST, LONG, pause
from advisor.workload.head import FirstWork, Head
from advisor.workload.repetition import WHOLE, Repetitions
from advisor.workload.segments import Segment

UNKNOWN: Final = 0
OUTSIDE: Final = 1
INSIDE: Final = 2
"""Whether the session is in a transaction; unknown until the first certain boundary."""

_OPEN = (
    *("_mode", "_chain", "_flat", "_seen", "_last_end", "_working", "_trace", "_application"),
    *("_pending", "_recent"),
)


class OpenUnits:
    """The state of a session between two statements, and the few ways in which it changes."""

    __slots__ = (
        *("_application", "_chain", "_flat", "_head", "_last_end", "_mode", "_pending", "_recent"),
        *("_seen", "_sink", "_trace", "_working", "key"),
    )

    def __init__(self, key: str, sink: Repetitions) -> None:
        self.key = key
        self._sink = sink
        self._mode = UNKNOWN
        self._head: Head | None = Head()
        self._chain = self._head.chain
        self._flat = Segment()
        # Whether there was a statement since the session began, and when the last one ended.
        self._seen = False
        self._last_end: int | None = None
        # Since the last certain boundary: whether there was work, and whose; the greatest pause after it; the last two
        # executions: id, duration, and whether a plan is known.
        self._working = False
        self._trace: str | None = None
        self._application: str | None = None
        self._pending = 0
        self._recent: list[list[Any]] = []

    @property
    def is_open(self) -> bool:
        """Whether anything waits for what comes before or after."""
        return self._head is not None or self._working or self._mode == INSIDE

    def _pause(self, at: int | None, duration: int | None, application: str | None) -> int:
        """The level of the pause before a statement; it is counted."""
        if not self._seen:
            if self._mode != UNKNOWN:
                self._count_long(at, application)
            return FIRST
        level = pause(at, duration, self._last_end)
        self._count([level], [at], application)
        if level == LONG:
            self._count_long(at, application)
        return level

    def _count(self, levels: Sequence[int], ends: Sequence[Any], application: str | None) -> None:
        """Counts pauses under 2 s unless they lie in a transaction."""
        if self._mode == INSIDE:
            return
        if max(levels) >= APART or min(levels) == FIRST:
            counted = [place for place, level in enumerate(levels) if FIRST < level < APART]
            if not counted:
                return
            levels, ends = [levels[place] for place in counted], [ends[place] for place in counted]
        self._target.gaps(application).add(levels, ends)

    def _count_long(self, at: int | None, application: str | None) -> None:
        if at is not None:
            self._sink.gaps(application).add_long(at)

    @property
    def _target(self) -> Repetitions:
        return self._head.private if self._mode == UNKNOWN and self._head is not None else self._sink

    def _same(self, trace: str | None, application: str | None) -> bool:
        """Whether a statement belongs to the last one by its trace id."""
        return self._working and trace is not None and trace == self._trace and application == self._application

    def _between(self, level: int, trace: str | None, application: str | None) -> int:
        """The level of what lies between the last work and that which comes now, of another trace id or of none."""
        if trace != self._trace or application != self._application:
            return APART
        return max(self._pending, level)

    def _start(self, work: FirstWork, segment: Segment) -> None:
        """The first work since the last certain boundary."""
        if self._mode == UNKNOWN and self._head is not None:
            self._head.work = work._replace(pending=max(self._pending, work.pending))
            self._chain.open(None, segment)
        else:
            self._chain.open(APART, segment)

    def _fold_into(self, target: Repetitions) -> Fold:
        return lambda segment, low, high: target.fold(self.key, segment, (low, high))

    def _part(self, level: int, *, flat: bool = True) -> None:
        """The open segment of the chain ends at a pause."""
        chain = self._chain
        if flat and self._mode == UNKNOWN and self._head is not None:
            self._head.flat.join(chain.segments[-1])
        chain.part(level, self._fold_into(self._target))

    def _cut(self, *, flat: bool = True) -> None:
        """A certain boundary."""
        if self._mode == INSIDE:
            if self._flat.size:
                self._sink.fold(self.key, self._flat, WHOLE)
                self._flat = Segment()
        elif self._working:
            self._part(APART, flat=flat)
        if self._mode == UNKNOWN and self._head is not None:
            self._head.closed = True
            self._chain = Chain()
        self._mode = OUTSIDE
        self._working = False
        self._trace = self._application = None
        self._pending = 0
        self._recent = []

    def _adopt(self, later: "OpenUnits") -> None:
        """What is open is that of a later piece."""
        for name in _OPEN:
            setattr(self, name, getattr(later, name))

    def state(self) -> list[Any]:
        """Plain values, equal for equal contents: what is open, for a later `restore`."""
        chain = None if self._mode == UNKNOWN else self._chain.state()
        return [
            *(self._mode, self._seen, self._last_end, self._working, self._trace, self._application),
            *(self._pending, [list(entry) for entry in self._recent], chain, self._flat.state()),
            None if self._head is None else self._head.state(),
        ]

    @classmethod
    def restore(cls, key: str, state: list[Any], sink: Repetitions) -> Self:
        """What `state` told."""
        units = cls(key, sink)
        *plain, recent, chain, flat, head = state
        units._mode, units._seen, units._last_end, units._working, *texts = plain
        units._trace, units._application, units._pending = texts
        units._recent = [list(entry) for entry in recent]
        units._flat = Segment.restore(flat)
        units._head = None if head is None else Head.restore(head)
        units._chain = units._head.chain if chain is None and units._head is not None else Chain.restore(chain)
        return units
