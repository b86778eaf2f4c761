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
from typing import Any

from advisor.workload.chain import Chain
from advisor.workload.execution import Context, Execution
from advisor.workload.gaps import APART, BACKWARDS_US, LONG, LONG_US, LONGEST_US, LOWEST
from advisor.workload.head import First, FirstWork, Head
from advisor.workload.open_units import INSIDE, OUTSIDE, UNKNOWN, OpenUnits
from advisor.workload.repetition import MAX_PATTERN_DURATIONS, MAX_PATTERN_QUERIES
from advisor.workload.segments import Segment

_ABSORB_AT = 256
"""Statements that wait before they are boiled down."""

_BULK = 4
"""Statements from which on it is worth while to look at all of them at once."""

_PLAN_TOLERANCE_US = 1000
"""A plan's time may exceed its execution's logged duration by rounding and by the clock's steps."""

_AT = itemgetter(1)


class SessionUnits(OpenUnits):
    """One session of a piece of a log: finished units are folded into `sink`, open ones wait.

    A new one knows nothing of what came before the piece, unless `begin` says that the session begins.
    """

    __slots__ = ()

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
            if head.first is not None and head.first.at_us is not None:
                self._sink.gaps(head.first.application).add_long(head.first.at_us)
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

    def _come(self, item: Execution) -> int:
        """Notes a statement of any kind; the level of the pause before it."""
        _, at, duration, _, _, context, _ = item
        level = self._pause(at, duration, context)
        if not self._seen:
            self._seen = True
            if self._mode == UNKNOWN and self._head is not None:
                self._head.first = First(at, duration, context.application)
        self._last_end = at
        return level

    def _marker(self, item: Execution, role: str) -> None:
        self._come(item)
        self._cut()
        self._mode = INSIDE if role == "begin" else OUTSIDE

    def _run(self, items: Sequence[Execution], roles: Sequence[str]) -> None:
        """Statements among which none begins or ends a transaction."""
        if len(items) >= _BULK and self._run_at_once(items, roles):
            return
        for item, role in zip(items, roles, strict=True):
            level = self._come(item)
            if role == "work":
                self._work(item, level)
                continue
            if level == LONG:
                self._cut()
            elif self._mode != INSIDE:
                self._pending = max(self._pending, level)

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
        if ends[-1] - ends[0] >= LONGEST_US:
            return False
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
        if level == LONG:
            self._cut()
        if self._mode != INSIDE:
            if not self._working:
                self._start(FirstWork(level, trace, application), Segment(application))
            elif not self._same(trace, application):
                between = self._between(level, trace, application)
                if between > LOWEST:
                    self._part(between)
                    self._chain.open(between, Segment(application))
        self._working = True
        self._trace, self._application, self._pending = trace, application, 0
        self._items.append(item)
        if len(self._items) >= _ABSORB_AT:
            self._settle()

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
        if level == LONG:
            self._cut()
        elif self._mode != INSIDE:
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
