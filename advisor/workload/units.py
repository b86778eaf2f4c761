"""Units of work: what one request or job of the application did, statement by statement, in one session.

A unit is a transaction (BEGIN to COMMIT); outside of transactions, the statements of one trace id; else statements
with no pause between them longer than the session's application usually makes (see `gaps`). Certain boundaries of
units, whatever came before, are BEGIN, COMMIT and ROLLBACK, connection and disconnection, a pause of 2 s or more
(also in a transaction: its COMMIT may not be in the log), and a time that goes back by more than a second. Outside
of transactions another trace id, another application and a statement without a time separate, too. Statements that
do no work (SET, SHOW, …) belong to no unit, but the pauses before and after them count.

A log may begin and end in the middle of a session: see `head`.
"""

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

from advisor.workload.chain import Chain, Fold
from advisor.workload.execution import Context, Execution
from advisor.workload.gaps import APART, BACKWARDS_US, HIGHEST, LONG, LONG_US, LOWEST, GapModel
from advisor.workload.head import First, FirstWork, Head
from advisor.workload.repetition import MAX_PATTERN_DURATIONS, MAX_PATTERN_QUERIES, WHOLE, Repetitions
from advisor.workload.segments import Segment

_ABSORB_AT = 256
"""Statements that wait before they are boiled down."""

_BULK = 4
"""Statements from which on it is worth while to look at all of them at once."""

_PLAN_TOLERANCE_US = 1000
"""A plan's time may exceed its execution's logged duration by rounding and by the clock's steps."""

_AT = itemgetter(1)

UNKNOWN: Final = 0
OUTSIDE: Final = 1
INSIDE: Final = 2
"""Whether the session is in a transaction; unknown until the first certain boundary."""


_OPEN = (
    *("_mode", "_chain", "_flat", "_items", "_seen", "_last_end", "_working", "_direct", "_trace", "_application"),
    *("_pending", "_recent"),
)


class SessionUnits:
    """One session: what is open of its units, and what the next statement is compared with."""

    __slots__ = (
        *("_application", "_chain", "_context", "_direct", "_flat", "_gaps", "_head", "_items", "_last_end", "_mode"),
        *("_pending", "_recent", "_seen", "_sink", "_trace", "_working", "key"),
    )

    def __init__(self, key: str, sink: Repetitions) -> None:
        self.key = key
        self._sink = sink
        self._mode = UNKNOWN
        self._head: Head | None = Head()
        self._chain = self._head.chain
        self._flat = Segment()
        # Of the open segment, the statements that are not yet part of it.
        self._items: list[Execution] = []
        # Whether there was a statement since the session began, and when the last one ended.
        self._seen = False
        self._last_end: int | None = None
        # Since the last certain boundary: whether there was work, whether it was the last statement, and whose it
        # was; the greatest pause since then; the last two executions: id, duration, and whether a plan is known.
        self._working = self._direct = False
        self._trace: str | None = None
        self._application: str | None = None
        self._pending = 0
        self._recent: list[list[Any]] = []
        # The pauses of the application of the context that was seen last.
        self._context: Any = None
        self._gaps: GapModel | None = None

    @property
    def is_open(self) -> bool:
        """Whether anything waits for what comes before or after."""
        return self._head is not None or self._working or self._mode == INSIDE

    @property
    def looks_back(self) -> int:
        """Of how many executions of an earlier piece a plan may be that comes now."""
        self._settle()
        return 2 - len(self._recent) if self._mode == UNKNOWN else 0

    # What happens in the session

    def extend(self, executions: Sequence[Execution]) -> None:
        """Statements of the session, in the order of the log."""
        queries = [item[0][0] for item in executions]
        roles = [totals.role for totals in queries]
        marks = [place for place, role in enumerate(roles) if role == "begin" or role == "end"]
        times = list(map(_AT, executions)) if marks else []
        calm = bool(marks) and None not in times and sorted(times) == times
        place, mark = 0, 0
        while mark < len(marks):
            here = marks[mark]
            if place < here:
                self._run(executions[place:here], roles[place:here])
            if calm and mark + 1 < len(marks) and roles[here] == "begin" and roles[marks[mark + 1]] == "end":
                there = marks[mark + 1]
                if times[there] - times[here] < LONG_US and self._whole(
                    executions[here], tuple(queries[here + 1 : there]), executions[here + 1 : there]
                ):
                    self._last_end = times[there]
                    place, mark = there + 1, mark + 2
                    continue
            self._marker(executions[here], roles[here])
            place, mark = here + 1, mark + 1
        if place < len(executions):
            self._run(executions[place:], roles[place:])

    def _whole(self, begin: Execution, queries: tuple[Any, ...], items: Sequence[Execution]) -> bool:
        """A whole transaction without long pauses; False where nothing was done, because a query may repeat in it."""
        if self._mode != OUTSIDE or self._working or len(queries) > MAX_PATTERN_QUERIES:
            return False
        sink = self._sink
        durations = sink.whole.get(queries)
        if durations is None:
            durations = sink.pattern(queries)
            if durations is None:
                return False
        self._pause(begin[1], begin[2], begin[5])
        durations += [item[2] for item in items]
        if len(durations) > MAX_PATTERN_DURATIONS:
            sink.add_up()
        self._seen = True
        self._pending = 0
        return True

    def begin(self) -> None:
        """A connection: the session begins."""
        self._cut()
        if self._head is not None and self._head.first is None:
            self._head = None
        self._seen = False
        self._last_end = None

    def end(self) -> None:
        """A disconnection: the session ends."""
        self.begin()

    def finish(self) -> None:
        """Nothing comes before or after: a session of unknown state was in no transaction."""
        self._cut()
        head, self._head = self._head, None
        if head is not None:
            self._sink.merge(head.private)
            if head.chain.lefts:
                chain, fold = Chain(), self._fold_into(self._sink)
                chain.open(APART, head.chain.segments[0])
                chain.follow(head.chain, fold)
                chain.part(APART, fold)

    def attach_plan(self, query: str, duration_us: int | None, rows: int | None, *, last: int = 2) -> bool:
        """Gives a plan to the execution it belongs to, one of the last few; False where that is not there."""
        self._settle()
        for back, entry in enumerate(reversed(self._recent[-last:] if last else ())):
            known, duration, covered = entry
            if known != query or covered:
                continue
            if duration_us is not None and duration and duration_us > duration + _PLAN_TOLERANCE_US:
                continue
            entry[2] = True
            if rows is not None:
                self._give_rows(rows, last=back == 0)
            return True
        return False

    def _give_rows(self, rows: int, *, last: bool) -> None:
        segment = self._flat if self._mode == INSIDE else self._chain.segments[-1]
        if last or segment.size > 1:
            segment.give_rows(rows, last=last)
            return
        # The one before the last statement is the last one of the segment before.
        if len(self._chain.segments) > 1 and self._chain.lefts[-1] != APART:
            self._chain.segments[-2].give_rows(rows, last=True)
        if self._mode == UNKNOWN and self._head is not None:
            self._head.flat.give_rows(rows, last=True)

    # One statement after the other

    def _pause(self, at: int | None, duration: int | None, context: Context) -> int:
        """The level of the pause before a statement; the pause is counted unless it lies inside of a transaction."""
        if not self._seen:
            return 0
        last = self._last_end
        if at is None or last is None:
            return APART
        gap = at - (duration or 0) - last
        if gap < 0:
            if at < last - BACKWARDS_US:
                return LONG
            gap = 0
        if self._mode == INSIDE:
            return LONG if gap >= LONG_US else 0
        gaps = self._gaps
        if gaps is None or context is not self._context:
            gaps = self._gaps = self._target.gaps(context.application)
            self._context = context
        bits = gaps.add(gap, at)
        return LONG if bits > HIGHEST else bits if bits > LOWEST else 0

    @property
    def _target(self) -> Repetitions:
        return self._head.private if self._mode == UNKNOWN and self._head is not None else self._sink

    def _come(self, item: Execution, role: str) -> int:
        """Notes a statement of any kind; the level of the pause before it."""
        _, at, duration, _, _, context, _ = item
        level = self._pause(at, duration, context)
        if not self._seen:
            self._seen = True
            if self._mode == UNKNOWN and self._head is not None:
                self._head.first = First(at, duration, context.application, role == "work")
        self._last_end = at
        return level

    def _marker(self, item: Execution, role: str) -> None:
        self._come(item, role)
        self._cut()
        self._mode = INSIDE if role == "begin" else OUTSIDE

    def _run(self, items: Sequence[Execution], roles: Sequence[str]) -> None:
        """Statements among which none begins or ends a transaction."""
        if len(items) >= _BULK and self._run_at_once(items, roles):
            return
        for item, role in zip(items, roles, strict=True):
            level = self._come(item, role)
            if role == "work":
                self._work(item, level)
                continue
            if level == LONG:
                self._cut()
            elif self._mode != INSIDE:
                self._pending = max(self._pending, level)
            self._direct = False

    def _run_at_once(self, items: Sequence[Execution], roles: Sequence[str]) -> bool:
        """The commonest: no pauses that matter. False where nothing was done."""
        last = self._last_end
        if not self._seen or last is None:
            return False
        times: list[Any] = list(map(_AT, items))
        if None in times or sorted(times) != times or times[0] < last - BACKWARDS_US:
            return False
        if self._mode == INSIDE:
            if times[-1] - last >= LONG_US:
                return False
            work = [item for item, role in zip(items, roles, strict=True) if role == "work"]
        else:
            if not self._alike(items, roles) or not self._count_short(items, [last, *times]):
                return False
            work = list(items)
        if work:
            self._working = True
            self._trace, self._application = work[-1][0][2], work[-1][5].application
            self._items += work
        self._direct = roles[-1] == "work"
        self._last_end = times[-1]
        if len(self._items) >= _ABSORB_AT:
            self._settle()
        return True

    def _alike(self, items: Sequence[Execution], roles: Sequence[str]) -> bool:
        """Whether nothing but pauses can separate the statements from each other and from the open segment."""
        context = items[0][5]
        if not self._working or self._pending or self._trace is not None or "noise" in roles:
            return False
        if context.application != self._application:
            return False
        return all(item[5] is context and item[0][2] is None for item in items)

    def _count_short(self, items: Sequence[Execution], ends: Sequence[int]) -> bool:
        """Counts the pauses if none of them matters."""
        starts = [end - (item[2] or 0) for end, item in zip(ends[1:], items, strict=True)]
        gaps = [start - end if start > end else 0 for start, end in zip(starts, ends, strict=False)]
        if max(gaps).bit_length() > LOWEST:
            return False
        model = self._target.gaps(items[0][5].application)
        for bits, count in Counter(map(int.bit_length, gaps)).items():
            model.counts[bits] += count
        model.fine = model.fine or any(end % 1_000_000 for end in ends[1:])
        return True

    def _work(self, item: Execution, level: int) -> None:
        trace, application = item[0][2], item[5].application
        same = self._same(trace, application)
        if level == LONG and not (same and self._direct):
            self._cut()
        if self._mode != INSIDE:
            if not self._working:
                self._start(FirstWork(level, trace, application), Segment(application))
            elif not same:
                between = self._between(level, trace, application)
                if between > LOWEST:
                    self._part(between)
                    self._chain.open(between, Segment(application))
        self._working = self._direct = True
        self._trace, self._application, self._pending = trace, application, 0
        self._items.append(item)
        if len(self._items) >= _ABSORB_AT:
            self._settle()

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

    # What is open

    def _settle(self) -> None:
        """Makes the statements that wait part of the open segment."""
        if self._items:
            segment = self._flat if self._mode == INSIDE else self._chain.segments[-1]
            segment.extend(self._items)
            self._forget()

    def _forget(self) -> None:
        """The statements that wait were added; the last ones may still be given a plan."""
        last = [[item[0][0].id, item[2], item[6] is not None] for item in self._items[-2:]]
        self._recent = [*self._recent, *last][-2:]
        self._items.clear()

    def _fold_into(self, target: Repetitions) -> Fold:
        return lambda segment, low, high: target.fold(self.key, segment, (low, high))

    def _part(self, level: int, *, flat: bool = True) -> None:
        """The open segment of the chain ends at a pause."""
        chain, target, items = self._chain, self._target, self._items
        segment = chain.segments[-1]
        head = self._head if self._mode == UNKNOWN and flat else None
        if segment.size:
            self._settle()
            if head is not None:
                head.flat.join(segment)
        else:
            left = chain.lefts[-1]
            if left is not None and target.fold_distinct(segment.application, items, (LOWEST, min(left, level))):
                chain.folded[-1] = min(left, level)
            if head is not None:
                head.flat.extend(items)
            chain.extend_last(items, level)
            self._forget()
        chain.part(level, self._fold_into(target))

    def _cut(self, *, flat: bool = True) -> None:
        """A certain boundary."""
        if self._mode == INSIDE:
            if self._flat.size or not self._sink.fold_distinct(None, self._items, WHOLE):
                self._settle()
                self._sink.fold(self.key, self._flat, WHOLE)
                self._flat = Segment()
            self._items.clear()
        elif self._working:
            self._part(APART, flat=flat)
        if self._mode == UNKNOWN and self._head is not None:
            self._head.closed = True
            self._chain = Chain()
            self._gaps = None
        self._mode = OUTSIDE
        self._working = self._direct = False
        self._trace = self._application = None
        self._pending = 0
        self._recent = []

    # Pieces

    def join(self, later: "SessionUnits") -> None:
        """Adds what came after, of the same session; `later` must not be used any more.

        What is certain now is folded; what was certain in `later` is in its own `Repetitions`.
        """
        later._settle()
        head = later._head
        if head is None:
            self.begin()
            self._adopt(later)
        elif head.first is not None:
            if self._mode == UNKNOWN and not self._seen:
                self._head = head
                self._adopt(later)
            else:
                self._join(later, head, head.first)

    def _join(self, later: "SessionUnits", head: Head, first: First) -> None:
        work = head.work
        context = Context(session=self.key, database=None, user=None, application=first.application)
        level = self._pause(first.at_us, first.duration_us, context)
        bound = work is not None and first.is_work and self._direct and self._same(work.trace, work.application)
        if level == LONG and not bound:
            self._cut()
        elif level != LONG and self._mode != INSIDE:
            self._pending = max(self._pending, level)
        self._settle()
        if self._mode == INSIDE:
            self._flat.join(head.whole())
        else:
            self._target.merge(head.private)
            if work is not None:
                self._link(head, work)
        self._seen = True
        if head.closed:
            # A head with work was added as a whole.
            self._cut(flat=work is None)
            self._adopt(later)
            return
        self._last_end = later._last_end
        self._direct = later._direct
        if work is not None:
            self._working = True
            self._trace, self._application, self._pending = later._trace, later._application, 0
            self._recent = [*self._recent, *later._recent][-2:]
        if self._mode != INSIDE:
            self._pending = max(self._pending, later._pending)

    def _link(self, head: Head, work: FirstWork) -> None:
        """Adds the chain of a head, which lies outside of a transaction or is not known to lie inside of one."""
        chain, later = self._chain, head.chain
        flat = self._head.flat if self._mode == UNKNOWN and self._head is not None else None
        within = 0
        if not self._working:
            self._start(work, later.segments[0])
        else:
            if not self._same(work.trace, work.application):
                within = self._between(work.pending, work.trace, work.application)
            if flat is not None and (head.closed or within > LOWEST or len(later.segments) > 1):
                flat.join(chain.segments[-1])
            if within > LOWEST:
                self._part(within, flat=False)
                chain.open(within, later.segments[0])
            else:
                chain.segments[-1].join(later.segments[0])
        if flat is not None:
            flat.join(head.flat)
        chain.follow(later, self._fold_into(self._target))
        self._working = True

    def _adopt(self, later: "SessionUnits") -> None:
        """What is open is that of a later piece."""
        for name in _OPEN:
            setattr(self, name, getattr(later, name))
        self._gaps = None

    def state(self) -> list[Any]:
        """Plain values, equal for equal contents: what is open, for a later `restore`."""
        self._settle()
        chain = None if self._mode == UNKNOWN else self._chain.state()
        return [
            *(self._mode, self._seen, self._last_end, self._working, self._direct, self._trace, self._application),
            *(self._pending, [list(entry) for entry in self._recent], chain, self._flat.state()),
            None if self._head is None else self._head.state(),
        ]

    @classmethod
    def restore(cls, key: str, state: list[Any], sink: Repetitions) -> "SessionUnits":
        """What `state` told."""
        units = cls(key, sink)
        *plain, recent, chain, flat, head = state
        units._mode, units._seen, units._last_end, units._working, units._direct, *texts = plain
        units._trace, units._application, units._pending = texts
        units._recent = [list(entry) for entry in recent]
        units._flat = Segment.restore(flat)
        units._head = None if head is None else Head.restore(head)
        units._chain = units._head.chain if chain is None and units._head is not None else Chain.restore(chain)
        return units
