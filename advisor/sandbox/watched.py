"""A session of the unprivileged login that outlives what ends it: watched from outside, opened anew in its place."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

import psycopg

from advisor.errors import SandboxError
from advisor.sandbox.server import Sandbox
from advisor.sandbox.watch import Watch

_T = TypeVar("_T")

RESTART_S = 30
"""A server whose session crashed starts anew by itself, in less than a second where the disk is not slow."""

STATEMENT_LIMIT_S = 310
"""Of a statement without a limit of its own: a little more than the login's default, which cancels first."""

_POLL_S = 0.05
_RESTARTING = re.compile(
    r"in recovery|starting up|not yet accepting|terminated by another|server closed|because of crash", re.IGNORECASE
)


def reopened(opening: Callable[[], _T]) -> _T:
    """What `opening` gives, once more after a session was lost: a server that starts anew after a crash is waited for.

    Raises the SandboxError or psycopg.OperationalError of `opening` where the server does not come back.
    """
    deadline = time.monotonic() + RESTART_S
    while True:
        try:
            return opening()
        except (SandboxError, psycopg.OperationalError) as refusal:
            if time.monotonic() > deadline or not _RESTARTING.search(f"{refusal} {getattr(refusal, 'why', '')}"):
                raise
        time.sleep(_POLL_S)


class Watched(psycopg.Connection[Any]):
    """A connection whose statements have an end: a session that refuses its limit is ended from outside.

    The statement then fails with psycopg.OperationalError, and `renew()` makes this connection one to a new session;
    what belonged to the old one (temporary tables, settings that `opening` does not make) is gone with it.
    """

    def __init__(self, sandbox: Sandbox, opening: Callable[[], psycopg.Connection[Any]]) -> None:
        """`opening` gives a new session, in autocommit mode."""
        self._opening = opening
        self._limit_s: float = STATEMENT_LIMIT_S
        self._take(opening())
        self._watch = Watch(sandbox, limit_s=STATEMENT_LIMIT_S)
        self._watch.__enter__()

    @property
    def ended(self) -> str | None:
        """Why the last statement's session was ended from outside, as the end of a sentence; None where it was not."""
        return self._watch.ended

    def execute(self, *arguments: Any, **options: Any) -> psycopg.Cursor[Any]:
        """As psycopg's, within the limit."""
        with self._watch.statement(self, limit_s=self._limit_s):
            return super().execute(*arguments, **options)

    @contextmanager
    def limited(self, limit_s: float) -> Iterator[None]:
        """Another limit for the statements within."""
        before, self._limit_s = self._limit_s, limit_s
        try:
            yield
        finally:
            self._limit_s = before

    def renew(self) -> None:
        """A new session in the place of the lost one. Raises SandboxError where the server is lost as well."""
        self._take(reopened(self._opening))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # psycopg's own does not close what is closed already, over which the watch would go on.
        try:
            super().__exit__(kind, error, trace)
        finally:
            self.close()

    def close(self) -> None:
        """Ends the session and the watch over it."""
        super().close()
        self._watch.__exit__()

    def _take(self, opened: psycopg.Connection[Any]) -> None:
        """Makes another connection's session its own: whoever holds this connection goes on with the new session."""
        pgconn = opened.pgconn
        del opened.pgconn
        super().__init__(pgconn)
        # A prepared statement would be looked for in the next session, too.
        self.prepare_threshold = None
        self.autocommit = True
