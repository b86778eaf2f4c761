"""One execution on its way from a log into the digest, and who ran it."""

from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """Who runs: one object per distinct head of a log's records. Texts as the log has them, None where it has none."""

    session: str
    database: str | None
    user: str | None
    application: str | None


class Execution(NamedTuple):
    """One execution. A tuple, because a log holds millions.

    Attributes:
        known: which query it is; see `advisor.workload.known.Known`.
        at_us: when it ended, microseconds since the epoch; None where the log has no times.
        duration_us: of parse, bind and execute; None where not logged.
        message: what ran, as UTF-8: `statement: SELECT …` or `execute <unnamed>: SELECT …`.
        detail: its bind values as logged, `Parameters: $1 = '5', $2 = NULL`; None where there are none.
        rows: returned, where a plan came before the statement and says so.
    """

    known: Any
    at_us: int | None
    duration_us: int | None
    message: bytes
    detail: bytes | None
    context: Context
    rows: int | None = None
