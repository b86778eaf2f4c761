"""Ends a session of the unprivileged login from outside: its own limits are its own to lift.

A text may set `statement_timeout` to 0, or catch the cancellation and go on. What no session can refuse is
`pg_terminate_backend` of another login, or a disk that is watched by somebody else.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from advisor.errors import SandboxError
from advisor.sandbox.server import Sandbox

_POLL_S = 0.2
"""Often enough for a disk that fills with a gigabyte a second, seldom enough to cost nothing."""

_DISK_SHARE = 0.5
"""Of the disk that was free at the start: the rest is the user's. `temp_file_limit` knows nothing of tables."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A statement under way: its session's process, and its end in terms of `time.monotonic`."""

    pid: int
    limit_s: float
    deadline: float


class Watch:
    """Watches over the statements of one session after another; a context manager with a thread of its own.

    Attributes:
        limit_s: how long a statement may take.
        ended: why the last session was ended, as the end of a sentence; None where it was not.
    """

    def __init__(self, sandbox: Sandbox, *, limit_s: float) -> None:
        self.limit_s = limit_s
        self.ended: str | None = None
        self._sandbox = sandbox
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._stop = threading.Event()
        self._free_bytes = self._free()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @contextmanager
    def statement(self, connection: psycopg.Connection[Any], limit_s: float | None = None) -> Iterator[None]:
        """Around one statement: where it overruns, its session is ended and it fails with psycopg.OperationalError.

        `limit_s`: another limit than the watch's.
        """
        self.ended = None
        limit = self.limit_s if limit_s is None else limit_s
        self._running = _Running(connection.info.backend_pid, limit, time.monotonic() + limit)
        try:
            yield
        finally:
            # Waits for a termination under way, so that none can hit the statement that follows.
            with self._lock:
                self._running = None

    def _look(self) -> None:
        while not self._stop.wait(_POLL_S):
            with self._lock:
                reason = self._reason()
                if reason is not None and self._running is not None:
                    self.ended = reason
                    self._terminate(self._running.pid)
                    self._running = None

    def _reason(self) -> str | None:
        if self._running is None:
            return None
        if time.monotonic() > self._running.deadline:
            return f"it took longer than {self._running.limit_s:g} s"
        free = self._free()
        if free is not None and self._free_bytes is not None and free < self._free_bytes * (1 - _DISK_SHARE):
            return "it filled half of the disk that was free"
        return None

    def _free(self) -> int | None:
        """Of the disk the server's files are on; None where they are out of reach."""
        if self._sandbox.data_directory is None:
            return None
        try:
            disk = os.statvfs(self._sandbox.data_directory)
        except OSError:
            return None
        return disk.f_bavail * disk.f_frsize

    def _terminate(self, pid: int) -> None:
        try:
            with closing(self._sandbox.admin()) as admin:
                admin.autocommit = True
                admin.execute("SELECT pg_catalog.pg_terminate_backend(%s)", (pid,))
        except (psycopg.Error, SandboxError):
            # The server is gone or has no connection to spare: the statement's own end will tell, or the next look.
            return
