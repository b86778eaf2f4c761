"""What a source reads out of its bytes: one execution, plan or error of a server's session."""

from typing import Literal, NamedTuple

EventKind = Literal["statement", "plan", "error", "connection", "disconnection"]
PlanFormat = Literal["text", "json", "xml", "yaml"]

Bound = tuple[str | None, ...] | str | None
"""Bind values; as a text where the log has them in one that nobody needed yet (see `messages.bind_values`)."""


class Event(NamedTuple):
    """One thing that a log says happened.

    A tuple, not a dataclass: a log yields millions, and a tuple is built in a third of the time.

    Attributes:
        kind: `statement` is one execution (`statement:`, `execute …:`, `fetch from …:`). Parse and bind
            steps are no events of their own: their time is part of the execution's `duration_us`.
            `plan` is an auto_explain plan (its `sql` is the query text that came with it).
        at_us: when the line was written (an execution's end), microseconds since the epoch, UTC.
        session: the session id (`%c`), else the process id as text.
        transaction: the virtual transaction id (`%v`) where the log has it.
        sql: the statement as it was sent, without a trailing semicolon.
        parameters: bind values in order, as text, None for NULL; or the DETAIL that holds them, as it was written.
            None where there were none.
        duration_us: microseconds, of parse + bind + execute; None where the log does not say.
        rows: rows returned, where the log says.
        plan: the text of the plan (kind `plan` only), in `plan_format`.
        line: 1-based line of the input where the record begins.
        sqlstate: of an error.
        message: of an error.
        calls: executions that it stands for (`-- calls: N` in a `.sql` file); 1 in a log.
    """

    kind: EventKind
    at_us: int | None = None
    session: str | None = None
    transaction: str | None = None
    database: str | None = None
    user: str | None = None
    application: str | None = None
    sql: str | None = None
    parameters: Bound = None
    duration_us: int | None = None
    rows: int | None = None
    plan: str | None = None
    plan_format: PlanFormat | None = None
    line: int | None = None
    sqlstate: str | None = None
    message: str | None = None
    calls: int = 1
