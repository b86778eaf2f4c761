"""What to say when the throwaway server goes away in the middle of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from advisor.errors import SandboxError
from advisor.sandbox.watched import Watched

_GONE = ("57P", "08")
"""SQLSTATE classes of a server that shuts down or cannot be reached; a broken connection has no SQLSTATE at all."""

_TIMED_OUT = ("25P03", "25P04")
"""SQLSTATEs with which a session ends that idled in its transaction or whose transaction took too long."""

_NO_ROOM = "53"
"""SQLSTATE class of a server without disk, memory or connections to spare."""


def raise_if_gone(connection: psycopg.Connection[Any], error: psycopg.Error) -> None:
    """Raises SandboxError where the server did not survive the error.

    A watched session that did not is opened anew: the error is its statement's then, like any other.
    """
    if not connection.closed:
        return
    if not isinstance(connection, Watched):
        raise server_gone(error) from error
    try:
        connection.renew()
    except (psycopg.Error, SandboxError):
        raise server_gone(error) from error


@contextmanager
def server_expected() -> Iterator[None]:
    """Turns the loss of the throwaway server, and its lack of room, into a SandboxError; other errors pass.

    Ctrl-C stops a statement half way, and tidying up over the same connection then fails: that error only hides the
    Ctrl-C, which is what is raised.
    """
    try:
        yield
    except (psycopg.Error, SandboxError) as error:
        interrupt = _interrupt_behind(error)
        if interrupt is not None:
            raise interrupt from None
        if isinstance(error, psycopg.Error) and is_loss(error):
            raise server_gone(error) from error
        if isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_NO_ROOM):
            raise _server_full(error) from error
        raise


def is_loss(error: psycopg.Error) -> bool:
    """Whether it is the server (or the session with it) that is gone, rather than a statement that failed."""
    if error.sqlstate in _TIMED_OUT:
        return True
    return isinstance(error, psycopg.OperationalError) and (error.sqlstate or "08").startswith(_GONE)


def _interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The KeyboardInterrupt during whose handling the error came up, if one is in its chain."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        if isinstance(found, KeyboardInterrupt):
            return found
        seen.add(id(found))
        found = found.__cause__ or found.__context__
    return None


def server_gone(error: psycopg.Error) -> SandboxError:
    """The error as the user should read it."""
    return SandboxError(
        "The throwaway PostgreSQL went away in the middle of the run.",
        why=" ".join(str(error).split()),
        hint="It may have been stopped from outside, or the machine ran out of memory or disk. Run the command again.",
    )


def _server_full(error: psycopg.Error) -> SandboxError:
    return SandboxError(
        "The throwaway PostgreSQL has no room left.",
        why=" ".join(str(error).split()),
        hint="Free some disk space or memory, or set TMPDIR to another folder. Run the command again.",
    )
