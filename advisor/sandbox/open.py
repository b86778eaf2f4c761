"""From a choice (`--sandbox`) to a running throwaway PostgreSQL."""

import contextlib
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from advisor.errors import SandboxError, UsageError
from advisor.sandbox.cluster import (
    Server,
    make_data,
    make_folder,
    start_server,
    template_folder,
    usable_binaries,
)
from advisor.sandbox.docker import open_docker
from advisor.sandbox.docker_engine import default_image, image_at_hand
from advisor.sandbox.given import open_given
from advisor.sandbox.host import cache_folder, server_account, temp_folder
from advisor.sandbox.programs import binaries as programs
from advisor.sandbox.programs.binaries import Binaries
from advisor.sandbox.programs.fetched import MAJORS, fetched
from advisor.sandbox.register import DATA, Lease, new_lease, reap
from advisor.sandbox.rights import ADMIN, USER
from advisor.sandbox.server import ProviderName, Sandbox, open_connection, planner_notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is wanted: the target's major version and `system_identifier`, None where there is no target.

    `docker_image`: the image the user named for a server in Docker, else None.
    """

    id: str
    target_major: int | None = None
    target_system_identifier: str | None = None
    docker_image: str | None = None


def open_sandbox(
    choice: str = "auto",
    *,
    target_major: int | None = None,
    target_system_identifier: str | None = None,
    docker_image: str | None = None,
    id: str = "S1",  # noqa: A002 the report's word
) -> Sandbox:
    """Starts a throwaway PostgreSQL; close it, or use it as a context manager.

    Args:
        choice: `auto`, `embedded`, `local`, `docker`, or the URL of a server on which a database may be made.
        target_major: the major version of the server whose planner matters; None where unknown.
        target_system_identifier: the target's own, so that a URL that leads to it is refused.
        docker_image: the image for `docker`; None for the official one of the target's major version.
        id: as the report is to name it.

    Raises SandboxError where it cannot be had and UsageError for an unknown choice; leaves nothing behind then.
    """
    request = Request(
        id=id,
        target_major=target_major,
        target_system_identifier=target_system_identifier,
        docker_image=docker_image,
    )
    if choice.startswith(("postgresql:", "postgres:", "postgresql+")):
        return open_given(choice, id=id, target_system_identifier=target_system_identifier, target_major=target_major)
    provider = PROVIDERS.get(choice)
    if provider is None:
        raise UsageError(
            f"There is no sandbox '{choice}'.", hint=f"Use one of {', '.join(PROVIDERS)}, or a postgresql:// URL."
        )
    return provider(request)


def _auto(request: Request) -> Sandbox:
    """The target's own major version where it is at hand; nothing is downloaded for it."""
    if request.target_major is None:
        return _embedded(request)
    found = _on_this_machine(request.target_major)
    if found is not None:
        return start_sandbox(*found, request)
    image = request.docker_image or default_image(request.target_major)
    if programs.embedded().major != request.target_major and image_at_hand(image):
        # An engine that is seen from within a container has servers that cannot be reached from there.
        with contextlib.suppress(SandboxError):
            return open_docker(id=request.id, target_major=request.target_major, image=image, may_pull=False)
    return _embedded(request)


def _on_this_machine(major: int | None) -> tuple[ProviderName, Binaries] | None:
    """Programs of a major version, or where None of the newest there is: installed ones before fetched ones."""
    there: list[tuple[ProviderName, Binaries]] = []
    if installed := programs.local(major):
        there.append(("local", installed))
    if downloaded := fetched(major):
        there.append(("fetched", downloaded))
    return max(there, key=lambda found: found[1].major, default=None)


def _embedded(request: Request) -> Sandbox:
    return start_sandbox("embedded", programs.embedded(), request)


def _local(request: Request) -> Sandbox:
    found = _on_this_machine(request.target_major) or _on_this_machine(None)
    if found is None:
        raise SandboxError(
            "No PostgreSQL server is installed here.",
            why="There is no postgres beside an initdb on the PATH, at pg_config --bindir or in /usr/lib/postgresql, "
            "and none was fetched.",
            hint=f"Fetch one (advisor sandbox install {request.target_major or MAJORS[-1]}), install one "
            "(apt install postgresql), or use --sandbox embedded.",
        )
    return start_sandbox(*found, request)


def _docker(request: Request) -> Sandbox:
    return open_docker(id=request.id, target_major=request.target_major, image=request.docker_image)


Provider = Callable[[Request], Sandbox]

PROVIDERS: Mapping[str, Provider] = {"auto": _auto, "embedded": _embedded, "local": _local, "docker": _docker}


def start_sandbox(provider: ProviderName, binaries: Binaries, request: Request) -> Sandbox:
    """Starts a server of these programs. Raises SandboxError, and leaves nothing behind then."""
    account = server_account()
    cache = cache_folder()
    reap(cache)
    lease = new_lease(cache)
    try:
        folder = lease.add(temp_folder(account) / f"pg-query-advisor-{secrets.token_hex(8)}")
        make_folder(folder, account)
        bin_folder = usable_binaries(binaries, account, cache, lease)
        server = _start(binaries, bin_folder, folder, cache, lease)
        return _sandbox(provider, binaries, request, server, lease)
    except OSError as error:
        lease.end()
        raise SandboxError(
            "The files of the throwaway PostgreSQL cannot be written.",
            why=_reason(error),
            hint="Free some disk space (about 200 MB are needed), or set TMPDIR and XDG_CACHE_HOME to other folders.",
        ) from error
    except BaseException:
        lease.end()
        raise


def _reason(error: OSError) -> str:
    if error.strerror is None:
        # shutil.Error, of a tree: (source, target, reason) for each file.
        reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
        return f"{reasons[0][2]}." if reasons else f"{error}."
    return f"{error.strerror} ({error.filename})." if error.filename else f"{error.strerror}."


def _start(binaries: Binaries, bin_folder: Path, folder: Path, cache: Path, lease: Lease) -> Server:
    account = server_account()
    template = template_folder(binaries, cache)
    was_there = template.is_dir()
    for last_try in (not was_there, True):
        password = make_data(template, bin_folder, binaries.major, account, lease, folder)
        try:
            return start_server(bin_folder, binaries.major, account, lease, folder, password)
        except SandboxError:
            if last_try:
                raise
            # Templates are never synced to disk: a crash of the machine may have left a damaged one.
            shutil.rmtree(template, ignore_errors=True)
            shutil.rmtree(folder / DATA, ignore_errors=True)
    raise AssertionError("unreachable: the last try returns or raises")


def _sandbox(provider: ProviderName, binaries: Binaries, request: Request, server: Server, lease: Lease) -> Sandbox:
    """Gives both logins passwords of this run, and the sandbox to the caller."""
    where: dict[str, Any] = {"host": server.host, "port": server.port}
    logins = {name: secrets.token_urlsafe(24) for name in (USER, ADMIN)}
    with open_connection({**where, "user": ADMIN, "password": server.password, "dbname": "postgres"}) as connection:
        for name, password in logins.items():
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), password))
    return Sandbox(
        id=request.id,
        provider=provider,
        admin={**where, "user": ADMIN, "password": logins[ADMIN], "dbname": "postgres"},
        user={**where, "user": USER, "password": logins[USER]},
        release=lease.end,
        data_directory=str(server.data),
        notice=planner_notice(binaries.major, request.target_major),
    )
