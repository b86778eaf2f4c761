"""Which throwaway servers are at hand on this machine, and what is missing. Nothing is started for it."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import SandboxError
from advisor.sandbox.docker_engine import docker_status
from advisor.sandbox.programs import binaries as programs
from advisor.sandbox.programs.binaries import Binaries
from advisor.sandbox.programs.fetched import installations
from advisor.sandbox.schema.extensions import ALLOWED
from advisor.sandbox.server import ProviderName

_NO_ICU = b"ICU is not supported in this build"
"""Stands in a server that was built without ICU, and only there (`pg_locale.c`, 18: `pg_locale_icu.c`)."""

_ASK_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A throwaway server that could be started, or why it could not.

    Attributes:
        version: "15.19"; None where it is not known before a start.
        place: the folder of the programs; of Docker the image.
        icu: whether ICU's collations are built in; None where it is not known.
        extensions: those of the allowed ones that are installed, sorted; None where it is not known.
        problem: why it cannot be had; None where it can.
        hint: what to do about it.
    """

    name: ProviderName
    version: str | None = None
    place: str | None = None
    icu: bool | None = None
    extensions: tuple[str, ...] | None = None
    problem: str | None = None
    hint: str | None = None


def providers() -> Iterator[Provider]:
    """The embedded one, the installed ones, the fetched ones (damaged ones, too), Docker's images; each once."""
    try:
        yield _provider("embedded", programs.embedded())
    except SandboxError as error:
        yield Provider(name="embedded", problem=error.why or error.what, hint=error.hint)
    for found in programs.installed():
        yield _provider("local", found)
    yield from _fetched()
    yield from _docker()


def _fetched() -> Iterator[Provider]:
    try:
        found = list(installations())
    except SandboxError as error:
        yield Provider(name="fetched", problem=error.why or error.what, hint=error.hint)
        return
    for each in found:
        if each.binaries is not None:
            yield _provider("fetched", each.binaries)
        else:
            yield Provider(
                name="fetched",
                version=each.version,
                place=str(each.folder),
                problem=f"It is damaged and not used: {each.problem}.",
                hint=f"Fetch it anew: advisor sandbox install {each.major}",
            )


def _docker() -> Iterator[Provider]:
    status = docker_status()
    for image in status.images:
        yield Provider(name="docker", version=str(image.major), place=image.name)
    if not status.answers:
        yield Provider(name="docker", problem=status.problem or "No Docker engine answers.")
    elif not status.images:
        problem = f"The Docker engine {status.version} has no image of PostgreSQL yet."
        yield Provider(
            name="docker", problem=problem, hint="--sandbox docker fetches one; so does: docker pull postgres:15"
        )


def _provider(name: ProviderName, found: Binaries) -> Provider:
    controls = _extension_folder(found)
    there = {path.stem for path in controls.glob("*.control")} if controls else None
    return Provider(
        name=name,
        version=found.version,
        place=str(found.bin_folder),
        icu=_NO_ICU not in (found.bin_folder / "postgres").read_bytes(),
        extensions=None if there is None else tuple(sorted(there & ALLOWED)),
    )


def _extension_folder(found: Binaries) -> Path | None:
    """Where the server looks for extensions: `share` beside `bin`, else where `pg_config` says, else Debian's place."""
    beside = found.bin_folder.parent / "share"
    candidates = [beside, beside / "postgresql"]
    try:
        asked = [str(found.bin_folder / "pg_config"), "--sharedir"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=_ASK_S, check=True)
        candidates.append(Path(done.stdout.strip()))
    except (OSError, subprocess.SubprocessError):
        candidates.append(Path(f"/usr/share/postgresql/{found.major}"))
    return next((folder / "extension" for folder in candidates if (folder / "extension").is_dir()), None)
