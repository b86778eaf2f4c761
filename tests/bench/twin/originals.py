"""The original servers: one per major version, with real rows, kept in a work folder for the next run."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from advisor.sandbox.host import server_account
from advisor.sandbox.programs import binaries as programs
from advisor.sandbox.programs.binaries import Binaries
from advisor.sandbox.programs.fetched import fetched

_READY_S = 60

_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "256MB",
    "max_wal_size": "8GB",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "maintenance_work_mem": "256MB",
}
"""Autovacuum would re-analyse between two plans; the planner's own settings stay at their defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A running server with real rows. `url_of(database)` is a superuser's."""

    binaries: Binaries
    folder: Path

    def url_of(self, database: str) -> str:
        return f"postgresql://bench@/{database}?host={self.folder}"

    def connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url_of(database), autocommit=True)

    def databases(self) -> set[str]:
        with self.connect("postgres") as connection:
            return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def binaries_of(major: int, given: Mapping[int, Path]) -> Binaries:
    """The programs of a major version: a folder that was named, the embedded ones, installed or fetched ones."""
    if major in given:
        found = programs.embedded(given[major])
    else:
        embedded = programs.embedded()
        installed = None if embedded.major == major else programs.local(major) or fetched(major)
        found = embedded if embedded.major == major else installed or _missing(major)
    if found.major != major:
        raise SystemExit(f"{found.bin_folder} holds PostgreSQL {found.major}, not {major}.")
    return found


def _missing(major: int) -> Binaries:
    raise SystemExit(f"No PostgreSQL {major} here: advisor sandbox install {major}, or --server {major}=FOLDER.")


@contextlib.contextmanager
def running(binaries: Binaries, work: Path) -> Iterator[Original]:
    """Starts the original of this installation, making its cluster on the first call; stopped at the end."""
    folder = work / f"original-{binaries.version}"
    original = Original(binaries=binaries, folder=folder)
    if not (folder / "data" / "PG_VERSION").exists():
        _initialise(binaries, folder)
    account = server_account()
    with (folder / "server.log").open("wb") as log:
        command = [
            str(argument) for argument in (binaries.bin_folder / "postgres", "-D", folder / "data", "-k", folder)
        ]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=_environment(), cwd="/", **account.spawn())
    try:
        _wait(original, process)
        yield original
    finally:
        process.terminate()
        try:
            process.wait(_READY_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _initialise(binaries: Binaries, folder: Path) -> None:
    account = server_account()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o755)
    account.own(folder)
    locale = ["--locale=C.UTF-8", *(["--locale-provider=libc"] if binaries.major >= 15 else [])]
    flags = [f"--pgdata={folder / 'data'}", "--username=bench", "--encoding=UTF8", "--auth=trust", "--no-sync"]
    command = [str(binaries.bin_folder / "initdb"), *flags, *locale]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_environment(), cwd="/", **account.spawn())
    with (folder / "data" / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in _SETTINGS.items())


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _wait(original: Original, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            original.connect("postgres").close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
