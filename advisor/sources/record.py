"""One record of a log, of any format."""

from typing import NamedTuple


class Record(NamedTuple):
    """A message with its head and the parts that came with it, severity and message in English.

    `session` is the session id (`%c`), else the process id as text. `at_us` in microseconds since the epoch, UTC.
    """

    at_us: int | None
    session: str
    database: str | None
    user: str | None
    application: str | None
    severity: str
    message: str
    detail: str | None = None
    statement: str | None = None
    sqlstate: str | None = None
    context: str | None = None
    hint: str | None = None
