"""One session: its records joined into executions, in the order in which they were written.

PostgreSQL spreads an execution over records: parse, bind and execute with a duration each, the text on one line and
the duration on the next (`log_statement` + `log_duration`), a plan before or after its statement. A piece of a log
begins in the middle of all that: what a session does first may belong to what the piece before ends with, so the
first steps are held until the two are joined.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from advisor.model.execution import Context, Execution
from advisor.workload.known import Known
from advisor.workload.recognise import Recogniser
from advisor.workload.repetition import Repetitions
from advisor.workload.units import SessionUnits

STEPS_PER_EXECUTION = 2
"""Parse and bind: of the bare durations before an execution no more than these belong to it."""

WAITING_PLANS = 4
"""Plans of one session that wait for their statement line: nested statements are logged before the outer one."""

MAX_HELD = 64
"""Of the first steps of a session in a piece; so many come from logs of durations without texts only."""

HELD_EXECUTIONS = 3
"""Executions that are held: a plan may still belong to the second but last one."""


class LoggedPlan(NamedTuple):
    """A plan of auto_explain, as an execution: what ran, who ran it, and the rows that the plan's root returned."""

    known: Known
    at_us: int | None
    duration_us: int
    message: bytes
    detail: bytes | None
    context: Context
    rows: int | None


Append = Callable[[Execution], None]
Wanted = Callable[[int | None], bool]


class SessionStream:
    """A session under one head of its records; the attributes are what readers use, see `advisor.sources.sink`."""

    __slots__ = ("append", "busy", "context", "recognise", "session", "shapes", "texts")

    def __init__(self, session: "Session", context: Context, recogniser: Recogniser) -> None:
        self.session = session
        self.context = context
        self.shapes = recogniser.shapes
        self.texts = recogniser.texts
        self.recognise = recogniser.recognise
        self.append: Append = session.pending.append
        self.busy = session.busy

    def step(self, duration_us: int) -> None:
        """A parse or bind step took so long."""
        self.session.step(duration_us)

    def execution(
        self, known: Known, at_us: int | None, duration_us: int | None, message: bytes, detail: bytes | None
    ) -> None:
        """An execution of a session in which something is open."""
        self.session.execution(known, at_us, duration_us, message, detail, self.context)


class Start:
    """When a piece of a log begins, as far as it is known yet: what starts well after it cannot have begun before it.

    `known_us`: times after it are sure to be of work that began within the piece; None while nothing is sure.
    """

    __slots__ = ("known_us",)

    def __init__(self, known_us: int | None = None) -> None:
        self.known_us = known_us


class Session:
    """What is open in one session.

    Attributes:
        certain: it began within the piece; `ended`: with its last record it ended.
        pending: executions that `units` has not taken yet.
        settled: False while it matters what came before this piece, and is not known.
        held: the session's first steps, as names and arguments of methods, up to the one that settles it.
    """

    __slots__ = (
        *("_held_executions", "_open", "_plans", "_steps", "_start", "certain", "ended", "held", "key"),
        *("_wanted", "last_us", "pending", "settled", "steps_us", "streams", "units", "watched"),
    )

    def __init__(
        self, key: str, units: SessionUnits, *, start: Start | None = None, wanted: Wanted | None = None
    ) -> None:
        """`wanted` says which executions are, where not all of them are (`--since`)."""
        self.key = key
        self.units = units
        self.certain = self.ended = False
        self.last_us: int | None = None
        self._start = start or Start()
        self.pending: list[Execution] = []
        self.streams: list[SessionStream] = []
        self.settled = False
        self.held: list[tuple[str, tuple[Any, ...]]] = []
        self.watched = wanted is not None
        self._wanted = wanted
        self._held_executions = 0
        self._open: Execution | None = None
        self._steps = 0
        self.steps_us = 0
        self._plans: list[LoggedPlan] = []

    def want(self, wanted: Wanted | None) -> None:
        """From now on other executions are wanted."""
        self.watched = wanted is not None
        self._wanted = wanted
        self._tell()

    def _append(self, execution: Execution) -> None:
        if self._wanted is None or self._wanted(execution.at_us):
            self.pending.append(execution)
            execution.known.totals.append(execution)

    @property
    def is_open(self) -> bool:
        """Whether something waits for the session's next record."""
        return self._open is not None or bool(self._plans)

    @property
    def busy(self) -> bool:
        """Whether the next execution is not simply one more."""
        return self.watched or not self.settled or self.is_open

    def begin(self) -> None:
        """A connection: nothing that comes belongs to what came before."""
        if self.settled:
            self._close()
            self.flush()
        elif self.held:
            self.held.append(("end", ()))
        else:
            self.certain = True
        self.settled, self.ended = True, False
        self.units.begin()
        self._tell()

    def end(self) -> None:
        """Nothing comes after."""
        if self._hold("end"):
            self._settle()
        else:
            self._close()
            self.flush()
            self.units.end()
            self._tell()
        self.ended = True

    def step(self, duration_us: int) -> None:
        """A parse or bind step: its time goes to the execution that follows."""
        if self._hold("step", duration_us):
            return
        self._close_open()
        self.steps_us += duration_us
        self._tell()

    def with_steps(self, message: bytes, duration_us: int) -> int:
        """The duration of an execution with that of its steps; a plain statement has none, whatever came before."""
        steps_us, self.steps_us, self._steps = self.steps_us, 0, 0
        return duration_us if message.startswith(b"statement") else duration_us + steps_us

    def bare_duration(self, duration_us: int, at_us: int | None) -> None:
        """A duration without a text: it ends the open statement, or is a parse or bind step before one."""
        if self._hold("bare_duration", duration_us, at_us):
            if self._held_executions >= HELD_EXECUTIONS:
                self._settle()
            return
        if self._open is not None:
            ended = self._open._replace(at_us=at_us, duration_us=duration_us + self.steps_us)
            self._open = None
            self._steps = self.steps_us = 0
            self._append(ended)
        elif self._steps < STEPS_PER_EXECUTION:
            self._steps += 1
            self.steps_us += duration_us
        self._tell()

    def execution(
        self, known: Known, at_us: int | None, duration_us: int | None, message: bytes, detail: bytes | None,
        context: Context,
    ) -> None:  # fmt: skip
        """One execution; without a duration it waits for one."""
        if not self.settled and self._began_here(at_us, duration_us):
            self._begin_with_held()
        if not self.settled and (self._held_executions < HELD_EXECUTIONS or duration_us is not None):
            self._hold("execution", known, at_us, duration_us, message, detail, context)
            self._held_executions += 1
            if duration_us is not None and self._held_executions >= HELD_EXECUTIONS:
                self._settle()
            return
        # Those that were held are complete, and this one needs nothing of what came before.
        self._settle()
        self._close_open()
        if duration_us is None and message.startswith(b"statement"):
            self._steps = self.steps_us = 0
        execution = Execution(known, at_us, duration_us, message, detail, context, self._claimed(known))
        if duration_us is None:
            self._open = execution
        else:
            self._append(execution._replace(duration_us=self.with_steps(message, duration_us)))
        self._tell()

    def plan(self, plan: LoggedPlan) -> None:
        """A plan belongs to a statement just before it (extended protocol) or after it, or is a call itself."""
        if self._hold("plan", plan):
            return
        totals = plan.known.totals
        # A statement that still waits for its duration ends after its plan; any other ended before it.
        if self._open is not None and self._open.known.totals is totals and self._open.rows is None:
            self._open = self._open._replace(rows=plan.rows)
            return
        self.flush()
        if self.units.attach_plan(totals.id, plan.duration_us, plan.rows):
            totals.add_rows(plan.rows)
        elif self._is_of_held(plan):
            self.held.append(("plan", (plan,)))
        else:
            self._plans.append(plan)
            if len(self._plans) > WAITING_PLANS:
                self._count(self._plans.pop(0))
        self._tell()

    def _is_of_held(self, plan: LoggedPlan) -> bool:
        """Whether a plan is of an execution that is held.

        It comes after those whose executor ends with their portal: SELECT in the extended protocol
        (`exec_execute_message` in src/backend/tcop/postgres.c); all others' plans come before.
        """
        identity = plan.known.totals.identity
        looks_back = self.units.looks_back if identity is not None and identity.kind == "select" else 0
        for name, arguments in reversed(self.held):
            if name == "plan" and arguments[0].known.totals is plan.known.totals:
                return False
            if name == "execution" and looks_back:
                if arguments[0].totals is plan.known.totals and arguments[3].startswith(b"execute"):
                    return True
                looks_back -= 1
        return False

    def error(self, totals: Any) -> None:
        """A statement failed: its text is no execution; `log_min_duration_statement` would not log it either."""
        if self._hold("error", totals):
            self._settle()
            return
        failed = totals if totals is not None else self._open.known.totals if self._open is not None else None
        if failed is not None:
            failed.errors += 1
        self._open = None
        self._steps = self.steps_us = 0
        self._tell()

    def join(self, later: "Session") -> None:
        """Goes on with what a later piece has of the same session; `later` must not be used any more."""
        for name, arguments in later.held:
            getattr(self, name)(*arguments)
        if not later.settled:
            return
        self._settle()
        self._close()
        self.flush()
        self.units.join(later.units)
        self.pending += later.pending
        self._open, self._steps, self.steps_us = later._open, later._steps, later.steps_us
        self._plans = later._plans
        self.ended = later.ended
        if later.last_us is not None:
            self.last_us = later.last_us
        self._tell()

    def flush(self) -> None:
        """Gives the units what they have not taken yet."""
        if self.pending:
            self.last_us, self.ended = self.pending[-1].at_us, False
            self.units.extend(self.pending)
            self.pending.clear()

    def finish(self) -> None:
        """Nothing more comes, and it is known what came before: of a session that is met only now, nothing."""
        if not self.settled:
            self._begin_with_held()
        self._close()
        self.flush()
        self.units.finish()

    def state(self) -> list[Any]:
        """Everything that is open, as plain values."""
        self.flush()
        held = [[name, [_plain(each) for each in arguments]] for name, arguments in self.held]
        plans = [_plain(plan) for plan in self._plans]
        unfinished = [_plain(self._open), self._steps, self.steps_us, plans]
        begun = [self.settled, self.certain, self.ended, self.last_us]
        return [self.key, begun, held, unfinished, self.units.state()]

    @classmethod
    def restore(
        cls, state: Sequence[Any], totals: Mapping[str, Any], sink: Repetitions, *, start: Start, wanted: Wanted | None
    ) -> "Session":
        """What `state` told; queries by their id."""
        key, begun, held, (unfinished, steps, steps_us, plans), units = state
        session = cls(key, SessionUnits.restore(key, units, sink), start=start, wanted=wanted)
        session.settled, session.certain, session.ended, session.last_us = begun
        session.held = [(name, tuple(_rich(each, totals) for each in arguments)) for name, arguments in held]
        session._held_executions = sum(1 for name, _ in session.held if name == "execution")
        session._open = _rich(unfinished, totals)
        session._steps, session.steps_us = steps, steps_us
        session._plans = [_rich(plan, totals) for plan in plans]
        return session

    def _hold(self, name: str, *arguments: Any) -> bool:
        """Keeps a first step for when it is known what came before; False where that is known."""
        if self.settled:
            return False
        self.held.append((name, arguments))
        if len(self.held) >= MAX_HELD:
            self._settle()
        return True

    def _began_here(self, at_us: int | None, duration_us: int | None) -> bool:
        """Whether an execution, with the steps that are held, began long after the piece did."""
        if at_us is None or self._start.known_us is None or any(name != "step" for name, _ in self.held):
            return False
        steps_us = sum(arguments[0] for _, arguments in self.held)
        return at_us - (duration_us or 0) - int(steps_us) > self._start.known_us

    def _begin_with_held(self) -> None:
        held, self.held, self._held_executions = self.held, [], 0
        self.begin()
        for name, arguments in held:
            getattr(self, name)(*arguments)

    def _settle(self) -> None:
        if not self.settled:
            self.settled = True
            self._tell()

    def _tell(self) -> None:
        busy = self.busy
        for stream in self.streams:
            stream.busy = busy

    def _close_open(self) -> None:
        if self._open is not None:
            execution, self._open = self._open, None
            self._append(execution)

    def _close(self) -> None:
        self._close_open()
        for plan in self._plans:
            self._count(plan)
        self._plans = []
        self._steps = self.steps_us = 0

    def _claimed(self, known: Known) -> int | None:
        """The rows of the plan that came before its statement; any others that wait were executions without a line."""
        if not self._plans:
            return None
        plans, self._plans = self._plans, []
        rows = None
        for position in range(len(plans) - 1, -1, -1):
            if plans[position].known.totals is known.totals:
                rows = plans.pop(position).rows
                break
        for plan in plans:
            self._count(plan)
        return rows

    def _count(self, plan: LoggedPlan) -> None:
        """An execution that is known by its plan only."""
        self._append(Execution(*plan))


def _plain(value: Any) -> Any:
    """A step's argument as plain values, the rich ones as a list that begins with their kind."""
    if isinstance(value, Execution | LoggedPlan):
        return [type(value).__name__, *map(_plain, value)]
    if isinstance(value, Known):
        return ["Known", value.totals.id, dict(value.tags) if value.tags is not None else None, value.trace]
    if isinstance(value, Context):
        return ["Context", value.session, value.database, value.user, value.application]
    return ["Query", value.id] if hasattr(value, "role") else value


def _rich(value: Any, totals: Mapping[str, Any]) -> Any:
    if not isinstance(value, list | tuple):
        return value
    kind, *parts = value
    if kind == "Known":
        return Known(totals[parts[0]], parts[1], parts[2])
    if kind == "Context":
        return Context(*parts)
    if kind == "Query":
        return totals[parts[0]]
    made = [_rich(part, totals) for part in parts]
    return Execution(*made) if kind == "Execution" else LoggedPlan(*made)
