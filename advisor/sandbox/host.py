"""The machine the throwaway server runs on: which account runs it, and where its files may lie."""

import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.errors import SandboxError

NAME = "pg-query-advisor"

_SERVER_ACCOUNTS = ("postgres", "nobody")
"""PostgreSQL refuses to run as root: the first of these that exists runs it instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The operating system's user that the server runs as. `dropped`: not the present one, which is root."""

    name: str
    uid: int
    gid: int
    dropped: bool

    def spawn(self) -> dict[str, Any]:
        """The arguments of `subprocess.Popen` that make a child run as this account, with no other group."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.dropped else {}

    def own(self, path: Path) -> None:
        """Gives a file or folder to the account."""
        if self.dropped:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_account() -> Account:
    """The present user; for root, another one. Raises SandboxError where root finds none."""
    uid = os.geteuid()
    if uid != 0:
        return Account(name=_user_name(uid), uid=uid, gid=os.getegid(), dropped=False)
    for name in _SERVER_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid, dropped=True)
    raise SandboxError(
        "The throwaway PostgreSQL cannot be started as root.",
        why=f"PostgreSQL refuses to run as root, and there is no user {' or '.join(_SERVER_ACCOUNTS)} to run it.",
        hint="Create a user 'postgres', or run the advisor as an ordinary user.",
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def may_enter(folder: Path, account: Account) -> bool:
    """Whether the account may read through every folder down to this one, by their owners and modes.

    Only asked about root's other account: the present user finds out by trying.
    """
    folder = folder.resolve()
    for path in (folder, *folder.parents):
        status = path.stat()
        if status.st_uid == account.uid:
            allowed = stat.S_IXUSR
        elif status.st_gid == account.gid:
            allowed = stat.S_IXGRP
        else:
            allowed = stat.S_IXOTH
        if not status.st_mode & allowed:
            return False
    return True


def temp_folder(account: Account) -> Path:
    """The folder for throwaway files: TMPDIR (or TEMP, TMP), else /tmp or /var/tmp.

    One that only root may enter is passed over. Raises SandboxError where a named folder cannot be written to:
    the user chose it, for its size perhaps.
    """
    chosen = next((os.environ[name] for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)), None)
    tried = [Path(chosen).absolute()] if chosen else []
    for folder in (*tried, Path("/tmp"), Path("/var/tmp")):  # noqa: S108 a folder of random name is made within
        problem = _unwritable(folder)
        if problem is None:
            if not account.dropped or may_enter(folder, account):
                return folder
        elif folder in tried:
            raise SandboxError(
                f"The temp folder {folder} cannot be used for the throwaway PostgreSQL.",
                why=problem,
                hint="Set TMPDIR to a folder you may write to, with about 200 MB free.",
            )
    raise SandboxError(
        "There is no temp folder for the throwaway PostgreSQL.",
        why="None of TMPDIR, /tmp and /var/tmp can be written to and entered.",
        hint="Set TMPDIR to a folder you may write to, with about 200 MB free.",
    )


def _unwritable(folder: Path) -> str | None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"{error.strerror}."


def cache_folder() -> Path:
    """The folder that outlives a run (copied binaries, template clusters, the register of running sandboxes).

    XDG_CACHE_HOME, else /var/cache for root and ~/.cache for others; where that cannot be written to, the temp folder.
    An existing folder is only trusted where it is our own and nobody else may write to it.
    Raises SandboxError where none can be had.
    """
    problems = []
    for folder in _cache_candidates():
        try:
            _make_enterable(folder)
            if not _is_trusted(folder):
                problems.append(f"{folder}: it belongs to another user or others may write to it.")
                continue
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError as error:
            problems.append(f"{folder}: {error.strerror}.")
    raise SandboxError(
        "There is no folder in which to keep the throwaway PostgreSQL's files.",
        why=" ".join(problems),
        hint="Set XDG_CACHE_HOME or TMPDIR to a folder of your own.",
    )


def _make_enterable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return
    # Whatever the umask: the server's account has to be able to enter. Only what was just made here is changed.
    folder.chmod(0o755)


def _is_trusted(folder: Path) -> bool:
    """A folder of our own that nobody else may write to; for root, none on the way there may be others' either."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        return False
    if os.geteuid() != 0:
        return True
    above = [parent.stat() for parent in folder.resolve().parents]
    return all(s.st_uid == 0 and (not s.st_mode & 0o022 or s.st_mode & stat.S_ISVTX) for s in above)


def _cache_candidates() -> Iterator[Path]:
    uid = os.geteuid()
    if os.environ.get("XDG_CACHE_HOME"):
        yield Path(os.environ["XDG_CACHE_HOME"]).absolute() / NAME
    elif uid == 0:
        yield Path("/var/cache") / NAME
    else:
        home = Path(os.path.expanduser("~"))  # noqa: PTH111 Path.home() raises where there is none
        if home.is_absolute():
            yield home / ".cache" / NAME
    for folder in (os.environ.get("TMPDIR"), "/tmp", "/var/tmp"):  # noqa: S108 ownership is checked
        if folder:
            yield Path(folder).absolute() / f"{NAME}-{uid}"
