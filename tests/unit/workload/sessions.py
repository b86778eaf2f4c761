"""Logs of sessions for tests of units of work, and a slow reading of them that has the whole log at hand."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from advisor.model.workload import Ancestor, Repetition, RepetitionInstance
from advisor.workload.execution import Context, Execution
from advisor.workload.gaps import APART, BUCKETS, COARSE_LEVEL, DEFAULT_LEVEL, LONG, LONG_US, valley
from advisor.workload.repetition import Repetitions
from advisor.workload.units import SessionUnits

ROLES = {"BEGIN": "begin", "COMMIT": "end", "SET": "noise"}


class Totals:
    """What units need of a query."""

    def __init__(self, query: str) -> None:
        self.id = query
        self.role = ROLES.get(query, "work")


class Known(NamedTuple):
    totals: Totals
    tags: None = None
    trace: str | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """One event of a log: a statement, the plan of one (its query, duration, rows), or a session's begin or end."""

    kind: Literal["statement", "plan", "connection", "disconnection"] = "statement"
    session: str = "1"
    query: str = ""
    at_us: int | None = None
    duration_us: int | None = None
    value: str | None = None
    trace: str | None = None
    application: str | None = None
    rows: int | None = None


@dataclass
class Piece:
    """What a digest does with a piece of a log, as far as units go."""

    sink: Repetitions = field(default_factory=Repetitions)
    sessions: dict[str, SessionUnits] = field(default_factory=dict)
    deferred: list[tuple[Line, int]] = field(default_factory=list)

    def read(self, lines: Sequence[Line], *, batch: int = 1000) -> "Piece":
        totals: dict[str, Totals] = {}
        contexts: dict[Any, Context] = {}
        waiting: dict[str, list[Execution]] = defaultdict(list)
        for line in lines:
            if line.kind == "statement":
                waiting[line.session].append(execution(line, totals, contexts))
                if len(waiting[line.session]) < batch:
                    continue
            self._flush(line.session, waiting)
            if line.kind != "statement":
                self._other(line)
        for session in list(waiting):
            self._flush(session, waiting)
        return self

    def _flush(self, session: str, waiting: dict[str, list[Execution]]) -> None:
        items = waiting.pop(session, None)
        if items:
            self._session(session).extend(items)

    def _session(self, session: str) -> SessionUnits:
        if session not in self.sessions:
            self.sessions[session] = SessionUnits(session, self.sink)
        return self.sessions[session]

    def _other(self, line: Line) -> None:
        units = self._session(line.session)
        if line.kind == "connection":
            units.begin()
        elif line.kind == "disconnection":
            units.end()
        elif not units.attach_plan(line.query, line.duration_us, line.rows) and units.looks_back:
            self.deferred.append((line, units.looks_back))

    def stored(self) -> "Piece":
        """The same, written and read again."""
        sink = Repetitions.restore(plain(self.sink.state()))
        sessions = {k: SessionUnits.restore(k, plain(u.state()), sink) for k, u in self.sessions.items()}
        return Piece(sink, sessions, self.deferred)

    def join(self, later: "Piece") -> None:
        for line, last in later.deferred:
            units = self._session(line.session)
            if not units.attach_plan(line.query, line.duration_us, line.rows, last=last):
                left = last - (2 - units.looks_back)
                if units.looks_back and left > 0:
                    self.deferred.append((line, left))
        for session, units in later.sessions.items():
            self._session(session).join(units)
        self.sink.merge(later.sink)

    def freeze(self) -> tuple[Repetition, ...]:
        for units in self.sessions.values():
            units.finish()
        return self.sink.freeze()


def plain(state: Any) -> Any:
    """The state if it is of plain values only."""
    if isinstance(state, list):
        return [plain(each) for each in state]
    assert state is None or type(state) in (int, str, bytes, bool), state
    return state


def execution(line: Line, totals: dict[str, Totals], contexts: dict[Any, Context]) -> Execution:
    known = Known(totals.setdefault(line.query, Totals(line.query)), None, line.trace)
    key = (line.session, line.application)
    context = contexts.setdefault(key, Context(line.session, "shop", "app", line.application))
    detail = None if line.value is None else f"Parameters: $1 = '{line.value}'".encode()
    return Execution(
        known, line.at_us, line.duration_us, f"statement: {line.query}".encode(), detail, context, line.rows
    )


# The slow reading


@dataclass
class Work:
    line: Line
    rows: int | None
    level: int
    """Of what separates it from the work before; LONG: a certain boundary."""


@dataclass
class Walk:
    """One session from its first line to its last."""

    pauses: dict[str | None, list[tuple[int, int]]]
    stretches: list[tuple[bool, list[Work]]] = field(default_factory=lambda: [(False, [])])
    previous: Line | None = None
    last_work: Line | None = None
    pending: int = 0
    recent: list[tuple[Work, list[bool]]] = field(default_factory=list)

    def cut(self, *, inside: bool = False) -> None:
        self.stretches.append((inside, []))
        self.last_work, self.pending, self.recent = None, 0, []

    def line(self, line: Line) -> None:
        if line.kind == "plan":
            self.plan(line)
        elif line.kind != "statement":
            self.cut()
            self.previous = None
        else:
            self.statement(line)

    def statement(self, line: Line) -> None:
        level = self.pause(line)
        role = ROLES.get(line.query, "work")
        if role in ("begin", "end"):
            self.cut(inside=role == "begin")
        elif role == "noise":
            if level == LONG:
                self.cut()
            self.pending = max(self.pending, level if level != LONG else 0)
        else:
            self.work(line, level)
        self.previous = line

    def pause(self, line: Line) -> int:
        if line.at_us is None or (self.previous is not None and self.previous.at_us is None):
            return APART if self.previous is not None else 0
        pauses = self.pauses[line.application]
        if self.previous is None or self.previous.at_us is None:
            pauses.append((LONG_US, line.at_us))
            return 0
        gap = max(0, line.at_us - (line.duration_us or 0) - self.previous.at_us)
        if gap >= LONG_US or line.at_us < self.previous.at_us - 1_000_000 or (line.duration_us or 0) >= 30_000_000:
            pauses.append((LONG_US, line.at_us))
            return LONG
        if not self.stretches[-1][0]:
            pauses.append((gap, line.at_us))
        return gap.bit_length()

    def work(self, line: Line, level: int) -> None:
        last = self.last_work
        same_application = last is not None and last.application == line.application
        same = last is not None and same_application and line.trace is not None and line.trace == last.trace
        if level == LONG:
            self.cut()
        elif same:
            level = 0
        elif last is not None and (line.trace != last.trace or not same_application):
            level = APART
        else:
            level = max(level, self.pending)
        work = Work(line, line.rows, level)
        self.stretches[-1][1].append(work)
        self.last_work, self.pending = line, 0
        self.recent = [*self.recent, (work, [line.rows is not None])][-2:]

    def plan(self, line: Line) -> None:
        for work, covered in reversed(self.recent):
            too_long = line.duration_us and work.line.duration_us and line.duration_us > work.line.duration_us + 1000
            if work.line.query == line.query and not covered[0] and not too_long:
                covered[0] = True
                work.rows = line.rows
                return


def thresholds(pauses: Mapping[str | None, list[tuple[int, int]]]) -> dict[str | None, int]:
    found = {}
    for application, each in pauses.items():
        if not each:
            continue
        counts = [0] * BUCKETS
        for gap, _ in each:
            counts[gap.bit_length()] += 1
        coarse = all(at % 1_000_000 == 0 for _, at in each)
        found[application] = DEFAULT_LEVEL if len(each) < 16 else COARSE_LEVEL if coarse else valley(counts)
    return found


def units_of(lines: Iterable[Line]) -> Iterator[tuple[str, list[Work]]]:
    """All units of work of a log, with their sessions."""
    pauses: dict[str | None, list[tuple[int, int]]] = defaultdict(list)
    walks: dict[str, Walk] = defaultdict(lambda: Walk(pauses))
    for line in lines:
        walks[line.session].line(line)
    levels = thresholds(pauses)
    for session, walk in walks.items():
        for inside, works in walk.stretches:
            unit: list[Work] = []
            for work in works:
                if unit and not inside and work.level > levels.get(work.line.application, DEFAULT_LEVEL):
                    yield session, unit
                    unit = []
                unit.append(work)
            if unit:
                yield session, unit


def reference(lines: Iterable[Line]) -> tuple[Repetition, ...]:
    """What repeats, counted directly."""
    pairs: dict[tuple[str, str | None], list[tuple[str, list[Work], list[int]]]] = defaultdict(list)
    for session, unit in units_of(lines):
        for query in {work.line.query for work in unit}:
            places = [place for place, work in enumerate(unit) if work.line.query == query]
            parent = unit[places[0] - 1].line.query if places[0] else None
            pairs[query, parent].append((session, unit, places))
    found = [_repetition(*key, units) for key, units in pairs.items() if any(len(each[2]) > 1 for each in units)]
    return tuple(sorted(found, key=lambda each: (-each.calls, each.query_id, each.parent_id or "")))


def _repetition(query: str, parent: str | None, units: list[tuple[str, list[Work], list[int]]]) -> Repetition:
    if parent is None:
        units = [each for each in units if len(each[2]) > 1]
    repeated = [each for each in units if len(each[2]) > 1]
    instances = [_instance(*each) for each in units]
    among = [instance for instance, (_, _, places) in zip(instances, units, strict=True) if len(places) > 1]
    ancestors: dict[str, list[int]] = defaultdict(list)
    between: set[str] = set()
    for _, unit, places in repeated:
        names = [work.line.query for work in unit]
        for ancestor in list(dict.fromkeys(reversed(names[: places[0]])))[:5]:
            ancestors[ancestor].append(names.count(ancestor))
        between.update(names[place] for place in range(places[0], places[-1]) if names[place] != query)
    several = sorted(ancestors.items(), key=lambda item: (-len(item[1]), sum(item[1]), item[0]))[:5]
    ranked = sorted(among, key=_order)
    return Repetition(
        query_id=query,
        parent_id=parent,
        units=len(units),
        units_repeated=len(repeated),
        calls=sum(each.calls for each in instances),
        max_calls=max(each.calls for each in instances),
        distinct_parameters=sum(each.distinct_parameters for each in instances),
        duration_us=sum(each.duration_us for each in instances),
        gap_us=sum(each.gap_us for each in instances),
        between=tuple(sorted(between)),
        ancestors=tuple(Ancestor(query_id=each, units=len(calls), calls=sum(calls)) for each, calls in several),
        instances=tuple(ranked),
    )


def _instance(session: str, unit: list[Work], places: list[int]) -> RepetitionInstance:
    lines = [unit[place].line for place in places]
    gap = 0
    for one, other in pairwise(lines):
        if one.at_us is not None and other.at_us is not None:
            gap += max(0, other.at_us - (other.duration_us or 0) - one.at_us)
    first = lines[0].at_us
    return RepetitionInstance(
        session=session,
        from_us=None if first is None else first - (lines[0].duration_us or 0),
        to_us=lines[-1].at_us,
        calls=len(lines),
        distinct_parameters=len({line.value for line in lines}),
        duration_us=sum(line.duration_us or 0 for line in lines),
        gap_us=gap,
        parent_rows=unit[places[0] - 1].rows if places[0] else None,
        keys=tuple((line.value,) if line.value is not None else () for line in lines)[:100],
    )


def _order(each: RepetitionInstance) -> Any:
    return -each.calls, each.from_us or 0, each.session, each.to_us or 0
