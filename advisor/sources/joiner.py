"""Joins the records of a log into events: one per execution, plan or error, session by session.

PostgreSQL spreads an execution over records: parse, bind and execute with a duration each, the text on one line and
the duration on the next (`log_statement` + `log_duration`), bind values in a DETAIL.
"""

from typing import Any, NamedTuple

from advisor.model.event import Event
from advisor.sources.messages import MESSAGE, split_plan
from advisor.sources.tally import OVERSIZED_BYTES, Tally

ERRORS = frozenset(("ERROR", "FATAL", "PANIC"))

SQL, PARAMETERS, DURATION, ROWS, MESSAGE_FIELD, SQLSTATE = 7, 8, 9, 10, 15, 14
"""Positions in an `Event`, for the mutable list that it is until it is complete."""

_STEPS_PER_EXECUTION = 2
"""Parse and bind: of the bare durations before an execution no more than these belong to it."""


class Session:
    """What is open in one session: an event that may still get its parameters or its duration, and step times."""

    __slots__ = ("pending", "steps", "steps_us")

    def __init__(self) -> None:
        self.pending: list[Any] | None = None
        self.steps = 0
        self.steps_us = 0


class Record(NamedTuple):
    """One record of a log, of any format: its head, and the message with the parts that came with it."""

    at_us: int | None
    session: str
    transaction: str | None
    database: str | None
    user: str | None
    application: str | None
    line: int
    severity: str
    message: str
    detail: str | None = None
    statement: str | None = None
    sqlstate: str | None = None


class Joiner:
    """Feeds on records and fills `events`, which its owner empties."""

    __slots__ = ("_tally", "events", "sessions")

    def __init__(self, tally: Tally) -> None:
        self.events: list[Event] = []
        self.sessions: dict[str, Session] = {}
        self._tally = tally

    def session(self, key: str) -> Session:
        """The state of a session, new where it was not seen before."""
        state = self.sessions.get(key)
        if state is None:
            state = self.sessions[key] = Session()
        return state

    def feed(self, record: Record) -> None:
        """One record. Of its parts, `detail` and `statement` are those of csvlog and jsonlog."""
        severity = record.severity
        state = self.session(record.session)
        if severity == "LOG":
            self._log(state, record)
            if record.detail is not None:
                self.detail(state, record.detail)
        elif severity in ERRORS:
            self._error(state, record)
        elif severity == "DETAIL":
            self.detail(state, record.message)
        elif severity == "STATEMENT":
            self._statement_of_error(state, record.message)

    def _log(self, state: Session, record: Record) -> None:
        parts = MESSAGE.match(record.message)
        assert parts is not None
        ms, us, step, text = parts.group(1, 2, 3, 5)
        duration = int(ms) * 1000 + int(us) if ms is not None else None
        if step is None:
            if duration is None:
                self._other(state, record)
            elif not text:
                self.bare_duration(state, duration, record.at_us)
        elif step == "plan":
            if duration is not None:
                self._plan(state, record, duration, text)
        elif step == "parse" or step == "bind":
            if duration is not None:
                self.step(state, duration)
        else:
            self._execution(state, record, step, duration, text)

    def _other(self, state: Session, record: Record) -> None:
        kind = "connection" if record.message.startswith("connection authorized") else "disconnection"
        if kind == "connection" or record.message.startswith("disconnection: "):
            self.flush(state)
            state.steps = state.steps_us = 0
            self.events.append(Event._make(_open(kind, record)))

    def _execution(self, state: Session, record: Record, step: str, duration: int | None, text: str) -> None:
        self.flush(state)
        pending = _open("statement", record)
        if len(text) > OVERSIZED_BYTES:
            self._tally.oversized += 1
            text = text[:OVERSIZED_BYTES]
        pending[SQL] = text.strip().rstrip("; \n\t")
        if step == "statement":
            state.steps = state.steps_us = 0
        if duration is not None:
            pending[DURATION] = duration + state.steps_us
            state.steps = state.steps_us = 0
        state.pending = pending

    def step(self, state: Session, duration: int) -> None:
        """A parse or bind step: its time goes to the execution that follows."""
        if state.pending is not None:
            self.flush(state)
        state.steps_us += duration

    def take_steps(self, state: Session) -> int:
        """Ends whatever is open before an execution; the microseconds of its parse and bind steps."""
        self.flush(state)
        steps_us = state.steps_us
        state.steps = state.steps_us = 0
        return steps_us

    def bare_duration(self, state: Session, duration: int, at_us: int | None) -> None:
        """A duration without a text: it ends the open statement, or is a parse or bind step before one."""
        pending = state.pending
        if pending is not None and pending[DURATION] is None and pending[0] == "statement":
            pending[DURATION] = duration + state.steps_us
            pending[1] = at_us
            state.steps = state.steps_us = 0
            self.flush(state)
        elif state.steps < _STEPS_PER_EXECUTION:
            if pending is not None:
                self.flush(state)
            state.steps += 1
            state.steps_us += duration

    def _plan(self, state: Session, record: Record, duration: int, text: str) -> None:
        # A statement that still waits for its duration ends after its plan; any other ended before it.
        if state.pending is not None and state.pending[DURATION] is not None:
            self.flush(state)
        event = _open("plan", record)
        event[SQL], event[PARAMETERS], event[11], event[12] = split_plan(text)
        event[DURATION] = duration
        self.events.append(Event._make(event))

    def _error(self, state: Session, record: Record) -> None:
        # The text of a failed statement is no execution: `log_min_duration_statement` would not log it either.
        unfinished = state.pending if state.pending and state.pending[DURATION] is None else None
        if unfinished is None or unfinished[0] != "statement":
            self.flush(state)
        state.steps = state.steps_us = 0
        event = _open("error", record)
        event[SQL] = record.statement or (unfinished[SQL] if unfinished and unfinished[0] == "statement" else None)
        event[SQLSTATE] = record.sqlstate
        event[MESSAGE_FIELD] = record.message
        state.pending = event

    def _statement_of_error(self, state: Session, text: str) -> None:
        if state.pending is not None and state.pending[0] == "error":
            state.pending[SQL] = text.strip().rstrip("; \n\t")
            self.flush(state)

    def detail(self, state: Session, text: str) -> None:
        """A DETAIL: the bind values of the open statement, if that is what it is."""
        pending = state.pending
        if pending is not None and pending[0] == "statement" and text.startswith(("Parameters: ", "parameters: ")):
            pending[PARAMETERS] = text

    def flush(self, state: Session) -> None:
        """Nothing more comes for the open event of a session."""
        if state.pending is not None:
            self.events.append(Event._make(state.pending))
            state.pending = None

    def finish(self) -> None:
        """Nothing more comes at all."""
        for state in self.sessions.values():
            self.flush(state)
        self.sessions.clear()


def _open(kind: str, record: Record) -> list[Any]:
    return [
        kind,
        record.at_us,
        record.session,
        record.transaction,
        record.database,
        record.user,
        record.application,
        None,
        None,
        None,
        None,
        None,
        None,
        record.line,
        None,
        None,
        1,
    ]
