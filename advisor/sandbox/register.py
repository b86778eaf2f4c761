"""The register of running sandboxes: what a killed run left behind is found and removed by the next one.

One small file per sandbox names its folders. Its owner holds a lock (`flock`) on it, which the kernel releases at
the owner's death, however it comes: a file whose lock can be had belongs to nobody. Server processes are recognised
by the random name of their data folder on their command line, never by a number alone.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from advisor.errors import SandboxError
from advisor.sandbox.interrupts import held_signals

DATA = "data"
"""The data folder's name within a sandbox's folder."""

_STOP_S = 15
"""An immediate shutdown takes milliseconds; PostgreSQL itself kills stuck backends after 5 s (`postmaster.c`)."""


@dataclass(slots=True)
class Lease:
    """A sandbox's entry in the register; `folders` are removed when it ends, the servers in them stopped first.

    `process` is the child that runs at present: the server, or a program that prepares it.
    """

    path: Path
    lock: int
    folders: list[Path]
    process: subprocess.Popen[bytes] | None = None

    def add(self, folder: Path) -> Path:
        """Registers a folder *before* it is made, so that it cannot be missed."""
        self.folders.append(folder)
        _rewrite(self.lock, json.dumps([str(folder) for folder in self.folders]))
        return folder

    def stop(self) -> None:
        """Stops the present child and its children, and waits for it."""
        if self.process is not None:
            if self.process.poll() is None:
                _stop(psutil.Process(self.process.pid))
            self.process.wait()

    def end(self) -> None:
        """Stops servers, removes folders and the entry. Ctrl-C waits meanwhile. Harmless when repeated."""
        with held_signals():
            if self.lock < 0:
                return
            self.stop()
            _clear(self.folders)
            # What could not be removed stays registered, for the next run to try again.
            if not any(folder.exists() for folder in self.folders):
                self.path.unlink(missing_ok=True)
            os.close(self.lock)
            self.lock = -1


def new_lease(cache: Path) -> Lease:
    """A new entry in the register within `cache`. Raises SandboxError where it cannot be written."""
    try:
        register = _register(cache)
        path = register / f"{secrets.token_hex(8)}.json"
        with _locked(register), held_signals():
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Lease(path, lock, [])
    except OSError as error:
        raise SandboxError(
            f"The register of throwaway servers in {cache} cannot be written.",
            why=f"{error.strerror}.",
            hint="Free some disk space, or set XDG_CACHE_HOME to another folder.",
        ) from error


def reap(cache: Path) -> int:
    """Removes what dead owners left behind; how many sandboxes. Never fails, never waits for a living owner."""
    reaped = 0
    try:
        for lease in _abandoned(_register(cache)):
            lease.end()
            reaped += 1
    except OSError:
        # Tidying up after others must not stand in the way of the present run.
        pass
    return reaped


def stop_server(data: Path) -> None:
    """Stops the server that runs on a data folder, if there is one, and waits until it and its children are gone."""
    server = running_server(data)
    if server is not None:
        _stop(server)


def _stop(process: psutil.Process) -> None:
    """SIGQUIT is an immediate shutdown to a server, and a request to end and tidy up to `initdb`."""
    try:
        family = [process, *process.children(recursive=True)]
        process.send_signal(signal.SIGQUIT)
    except psutil.NoSuchProcess:
        return
    if _wait([process]):
        return
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    _wait(family)


def _wait(processes: list[psutil.Process]) -> bool:
    """Whether they all end in time. One that waits for its parent to notice (a zombie) has ended."""
    deadline = time.monotonic() + _STOP_S
    while time.monotonic() < deadline:
        if not any(map(_is_alive, processes)):
            return True
        time.sleep(0.002)
    return False


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def running_server(data: Path) -> psutil.Process | None:
    """The server of a data folder: the process of its `postmaster.pid` that has the folder on its command line."""
    try:
        number = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(number)
        return process if str(data) in process.cmdline() else None
    except (OSError, ValueError, psutil.Error):
        return None


def _clear(folders: list[Path]) -> None:
    for folder in folders:
        stop_server(folder / DATA)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _register(cache: Path) -> Path:
    register = cache / "run"
    register.mkdir(mode=0o700, exist_ok=True)
    return register


@contextlib.contextmanager
def _locked(register: Path) -> Iterator[None]:
    """Between the making of an entry and its locking nobody may look at it."""
    lock = os.open(register / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _abandoned(register: Path) -> list[Lease]:
    """The entries whose owner is gone; each is locked for us now."""
    found = []
    with _locked(register):
        for path in sorted(register.glob("*.json")):
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                continue
            found.append(Lease(path, lock, _folders(lock)))
    return found


def _folders(lock: int) -> list[Path]:
    """The folders an entry names; none where its owner died while writing it, which is before making the folder."""
    try:
        return [Path(name) for name in json.loads(os.pread(lock, 1 << 20, 0) or b"[]")]
    except ValueError:
        return []


def _rewrite(lock: int, text: str) -> None:
    content = text.encode()
    os.pwrite(lock, content, 0)
    os.ftruncate(lock, len(content))
