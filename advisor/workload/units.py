"""Units of work: what one request or job of the application did, statement by statement, in one session.

A unit is a transaction (BEGIN to COMMIT); outside of transactions, the statements of one trace id; else statements
with no pause between them longer than the session's application usually makes (see `gaps`). Certain boundaries of
units, whatever came before, are BEGIN, COMMIT and ROLLBACK, connection and disconnection, a pause of 2 s or more
(also in a transaction: its COMMIT may not be in the log), and a time that goes back by more than a second. Outside
of transactions another trace id, another application and a statement without a time separate, too. Statements that
do no work (SET, SHOW, …) belong to no unit, but the pauses before and after them count.

A log may begin and end in the middle of a session: see `head`.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from advisor.workload.chain import Chain
from advisor.workload.execution import Execution
from advisor.workload.gaps import APART, LONG, LOWEST, pauses
from advisor.workload.head import First, FirstWork, Head
from advisor.workload.open_units import INSIDE, OUTSIDE, UNKNOWN, OpenUnits
from advisor.workload.repetition import WHOLE
from advisor.workload.segments import Segment

_PLAN_TOLERANCE_US = 1000
"""A plan's time may exceed its execution's logged duration by rounding and by the clock's steps."""


class _Batch:
    """Statements of a session under one application, and what is needed of each of them.

    `levels`: of the pauses before them. `traced`: some have a trace id.
    """

    __slots__ = ("application", "ends", "items", "levels", "queries", "roles", "traced")

    def __init__(self, items: Sequence[Execution], application: str | None) -> None:
        self.items = items
        self.application = application
        self.ends = [item[1] for item in items]
        totals = [item[0][0] for item in items]
        self.queries = [each.id for each in totals]
        self.roles = [each.role for each in totals]
        self.traced = {item[0][2] for item in items} != {None}
        self.levels: list[int] = []


class SessionUnits(OpenUnits):
    """One session of a piece of a log: finished units are folded into `sink`, open ones wait.

    A new one knows nothing of what came before the piece, unless `begin` says that the session begins.
    """

    __slots__ = ()

    @property
    def looks_back(self) -> int:
        """Of how many executions of an earlier piece a plan may be that comes now."""
        return 2 - len(self._recent) if self._mode == UNKNOWN else 0

    # What happens in the session

    def extend(self, executions: Sequence[Execution]) -> None:
        """Statements of the session, in the order of the log."""
        if len({item[5] for item in executions}) == 1:
            self._extend(_Batch(executions, executions[0][5].application))
            return
        for application, items in groupby(executions, key=_application):
            self._extend(_Batch(list(items), application))

    def _extend(self, batch: _Batch) -> None:
        items, roles = batch.items, batch.roles
        self._look(batch)
        marks = [place for place, role in enumerate(roles) if role != "work"]
        start, mark = 0, 0
        while mark < len(marks):
            here = marks[mark]
            if start < here:
                self._run(batch, start, here, closed=roles[here] != "noise")
            mark += 1
            start = here + 1
            if roles[here] == "begin":
                after = mark
                while after < len(marks) and roles[marks[after]] == "noise":
                    after += 1
                if after < len(marks) and roles[marks[after]] == "end" and self._whole(batch, here, marks[after]):
                    start, mark = marks[after] + 1, after + 1
                    continue
            self._marker(batch, here)
        if start < len(items):
            self._run(batch, start, len(items), closed=False)
        self._last_end = batch.ends[-1]
        self._recent = [*self._recent, *_last_works(batch)][-2:]

    def _look(self, batch: _Batch) -> None:
        """Finds the pauses."""
        items, ends = batch.items, batch.ends
        if self._seen:
            batch.levels = pauses(items, self._last_end)
            return
        first = items[0]
        batch.levels = [self._pause(first[1], first[2], batch.application), *pauses(items[1:], ends[0])]
        self._seen = True
        if self._mode == UNKNOWN and self._head is not None:
            self._head.first = First(first[1], first[2], batch.application)

    def _whole(self, batch: _Batch, begin: int, end: int) -> bool:
        """A whole transaction; False where nothing was done, because a long pause ends it before its COMMIT."""
        if LONG in batch.levels[begin + 1 : end + 1]:
            return False
        self._come(batch, begin)
        if self._working or self._mode != OUTSIDE:
            self._cut()
        self._pending = 0
        self._recent = []
        items, queries = batch.items[begin + 1 : end], batch.queries[begin + 1 : end]
        roles = batch.roles[begin + 1 : end]
        if "noise" in roles:
            items = [item for item, role in zip(items, roles, strict=True) if role == "work"]
            queries = [query for query, role in zip(queries, roles, strict=True) if role == "work"]
        self._sink.fold_items(self.key, None, tuple(queries), items, WHOLE)
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

    # Statements of a batch

    def _come(self, batch: _Batch, place: int) -> int:
        """Counts the pause before a statement, whose level is returned."""
        level = batch.levels[place]
        if level == LONG:
            self._count_long(batch.ends[place], batch.application)
        elif self._mode != INSIDE:
            self._count([level], [batch.ends[place]], batch.application)
        return level

    def _marker(self, batch: _Batch, place: int) -> None:
        """A statement that does no work."""
        level, role = self._come(batch, place), batch.roles[place]
        if role != "noise":
            self._cut()
            self._mode = INSIDE if role == "begin" else OUTSIDE
        elif level == LONG:
            self._cut()
        elif self._mode != INSIDE and level > LOWEST:
            self._pending = max(self._pending, level)

    def _run(self, batch: _Batch, start: int, stop: int, *, closed: bool) -> None:
        """Statements that work; `closed`: a certain boundary comes after them."""
        levels = batch.levels[start:stop]
        if LONG in levels:
            for here in [place for place, level in enumerate(levels, start) if level == LONG]:
                if start < here:
                    self._work(batch, start, here, closed=True)
                self._come(batch, here)
                self._cut()
                start = here
        self._work(batch, start, stop, closed=closed)

    def _work(self, batch: _Batch, start: int, stop: int, *, closed: bool) -> None:
        """Statements that work, with no long pause between them."""
        if self._mode == INSIDE:
            self._flat.extend(batch.items[start:stop])
        else:
            levels = batch.levels[start:stop]
            self._count(levels, batch.ends[start:stop], batch.application)
            if batch.traced:
                levels = _by_traces(batch.items[start:stop], levels)
            pauses = [(place, level) for place, level in enumerate(levels[1:], start + 1) if level > LOWEST]
            if closed and self._mode == OUTSIDE and not self._working:
                self._fold_stretch(batch, start, [*pauses, (stop, APART)])
                return
            self._before_work(levels[0], batch.items[start][0][2], batch.application)
            for place, level in pauses:
                self._chain.segments[-1].extend(batch.items[start:place])
                self._part(level)
                self._chain.open(level, Segment(batch.application))
                start = place
            self._chain.segments[-1].extend(batch.items[start:stop])
        self._working = True
        self._trace, self._application, self._pending = batch.items[stop - 1][0][2], batch.application, 0

    def _fold_stretch(self, batch: _Batch, start: int, pauses: Sequence[tuple[int, int]]) -> None:
        """Statements between two certain boundaries; the last of their pauses is the boundary.

        What `Chain.part` does, without segments: of those that are open only the places are needed.
        """
        fold, queries, items = self._sink.fold_items, batch.queries, batch.items
        starts, lefts, folded = [start], [APART], [LOWEST]
        for stop, level in pauses:
            while starts:
                low = min(lefts[-1], level)
                if folded[-1] < low:
                    here = starts[-1]
                    group = (folded[-1], low)
                    fold(self.key, batch.application, tuple(queries[here:stop]), items[here:stop], group)
                    folded[-1] = low
                if level < lefts[-1]:
                    break
                starts.pop()
                folded.pop()
                left = lefts.pop()
                if folded:
                    folded[-1] = left
            starts.append(stop)
            lefts.append(level)
            folded.append(LOWEST)

    def _before_work(self, level: int, trace: str | None, application: str | None) -> None:
        """What a pause before work separates."""
        if not self._working:
            work = FirstWork(level if level > LOWEST else 0, trace, application)
            self._start(work, Segment(application))
        elif not self._same(trace, application):
            between = self._between(level, trace, application)
            if between > LOWEST:
                self._part(between)
                self._chain.open(between, Segment(application))

    # Pieces

    def join(self, later: "SessionUnits") -> None:
        """Adds what came after, of the same session; `later` must not be used any more.

        What is certain now is folded; what was certain in `later` is in its own `Repetitions`.
        """
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
        level = self._pause(first.at_us, first.duration_us, first.application)
        if level == LONG:
            self._cut()
        elif self._mode != INSIDE and level > LOWEST:
            self._pending = max(self._pending, level)
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


def _application(item: Execution) -> str | None:
    return item[5].application


def _by_traces(items: Sequence[Execution], levels: Sequence[int]) -> list[int]:
    """The levels of what lies between statements outside of transactions."""
    traces = [item[0][2] for item in items]
    later = zip(traces, traces[1:], levels[1:], strict=False)
    return [
        levels[0],
        *[(level if trace is None else 0) if trace == before else APART for before, trace, level in later],
    ]


def _last_works(batch: _Batch) -> list[list[Any]]:
    """Of the last two executions since the last certain boundary: id, duration, and whether a plan is known."""
    found: list[list[Any]] = []
    for place in range(len(batch.items) - 1, -1, -1):
        role = batch.roles[place]
        if role == "work":
            item = batch.items[place]
            found.insert(0, [batch.queries[place], item[2], item[6] is not None])
        elif role != "noise":
            break
        if batch.levels[place] == LONG or len(found) == 2:
            break
    return found
