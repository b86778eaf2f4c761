"""A throwaway PostgreSQL in a container, by testcontainers: the target's own major version, without installing it.

Where the engine shares this machine's files (Linux, neither rootless nor with remapped users, no Docker Desktop), the
data directory is a folder of ours mounted into the container, the server runs as our own server account, the only way
in is a Unix socket in that folder, and the container has no network at all. A planner twin works there.

Elsewhere (Docker Desktop, rootless engines, an engine behind a port of this machine or seen from within another
container) the files stay in the container and the port is published on the engine's 127.0.0.1: rows only, no twin. An
`internal` network publishes no port, so the container gets a bridge without masquerading instead: no answer from
beyond the engine's own machine finds its way back. An engine on another machine is refused, as its 127.0.0.1 is not
ours.

The image needs `PG_MAJOR`, `/bin/sh`, the programs on its PATH and the user postgres, as the official one and those
made from it have; its entry point is not run, so that no second start and no script of its own comes in between.
"""

import contextlib
import importlib
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from advisor.errors import SandboxError
from advisor.sandbox.cluster import make_folder
from advisor.sandbox.docker_engine import (
    CALL_S,
    default_image,
    engine,
    failures,
    get_image,
    image_major,
    owner_labels,
    reap_abandoned,
    shares_files,
)
from advisor.sandbox.host import NAME, Account, cache_folder, server_account, temp_folder
from advisor.sandbox.interrupts import held_signals
from advisor.sandbox.register import DATA, Lease, new_lease, reap
from advisor.sandbox.rights import ADMIN, USER, setup_statements
from advisor.sandbox.server import Sandbox, open_connection, planner_notice
from advisor.sandbox.settings import server_settings

_PORT = 5432
_SHARED_HOME = "/advisor"
_OWN_HOME = "/var/lib/postgresql/advisor"
"""The sandbox's folder as the container sees it; the second is within the one folder that the image's user owns."""

_LIMITS: Mapping[str, Any] = {
    # Room for our settings' 128 MB and for hash tables of a few sessions; a runaway session ends itself, not the host.
    "mem_limit": 4 << 30,
    "memswap_limit": 4 << 30,
    # 40 connections with their parallel workers need fewer.
    "pids_limit": 256,
    # Parallel queries share their memory there; Docker's 64 MB are not enough for one hash join.
    "shm_size": 1 << 30,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "read_only": True,
    # Named, because not every engine's default can be read back.
    "log_config": {"type": "json-file", "config": {"max-size": "1m", "max-file": "1"}},
}

_START_S = 120
"""initdb on a slow disk; it takes 1 to 3 s otherwise."""
_CONNECT_S = 15
_POLL_S = 0.1
_SOCKET_PATH_BYTES = 103
_READY = "database system is ready to accept connections"
_FAILED = "advisor: not started"

_SCRIPT = f"""
set -eu
umask 077
trap 'echo {_FAILED}; sleep 60' EXIT
make() {{ initdb --pgdata="$PGDATA" $ADVISOR_INITDB --locale="$1" 2>&1; }}
answer=$(make C.UTF-8) || case "$answer" in
    *"invalid locale"*) make en_US.utf8 ;;
    *) echo "$answer"; exit 1 ;;
esac
printf '%s' "$ADVISOR_SETTINGS" >>"$PGDATA/postgresql.conf"
printf '%s' "$ADVISOR_ACCESS" >"$PGDATA/pg_hba.conf"
printf '%s' "$ADVISOR_LOGINS" | postgres --single -c exit_on_error=true -D "$PGDATA" template1 >/dev/null
unset ADVISOR_INITDB ADVISOR_SETTINGS ADVISOR_ACCESS ADVISOR_LOGINS
exec postgres -D "$PGDATA"
"""
"""What runs in the container. Settings are added to the image's own file, which may preload an extension's library."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is to run: the image and its PostgreSQL, the container's name, the superuser's password at first."""

    image: str
    major: int
    name: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How a container is reached: `run` are arguments of its start, `home` its folder for the server's files.

    `folder` is that folder as we see it, with the server's socket; None where the way in is a port.
    """

    home: str
    run: Mapping[str, Any]
    folder: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    """A running server: connection parameters, and its data directory where it can be reached."""

    where: Mapping[str, Any]
    data: Path | None


def open_docker(
    *,
    id: str,  # noqa: A002 the report's word
    target_major: int | None = None,
    image: str | None = None,
    may_pull: bool = True,
) -> Sandbox:
    """Starts a server in a container; close it, or use it as a context manager.

    Args:
        id: as the report is to name it.
        target_major: the major version of the server whose planner matters; None where unknown.
        image: as `docker run` would take it; None for the official one of the target's major version.
        may_pull: whether an image that the engine does not have may be fetched from its registry.

    Its `data_directory` is None where the engine does not share this machine's files. Raises SandboxError where the
    extra is not installed, no engine answers, the image cannot be had or its server does not come up; leaves nothing
    behind then.
    """
    cache = cache_folder()
    with engine(CALL_S) as client:
        reap_abandoned(client)
        reap(cache)
        chosen = image or default_image(target_major)
        plan = _Plan(
            image=chosen,
            major=image_major(get_image(client, chosen, may_pull=may_pull), chosen),
            name=f"{NAME}-{secrets.token_hex(8)}",
            password=secrets.token_urlsafe(24),
        )
        lease = new_lease(cache)
        release = partial(_release, lease, plan.name)
        try:
            server = _start(client, plan, lease)
            logins = _new_passwords(server, plan.password)
            return Sandbox(
                id=id,
                provider="docker",
                admin={**server.where, "user": ADMIN, "password": logins[ADMIN], "dbname": "postgres"},
                user={**server.where, "user": USER, "password": logins[USER]},
                release=release,
                data_directory=str(server.data) if server.data else None,
                notice=planner_notice(plan.major, target_major),
            )
        except BaseException:
            release()
            raise


def _start(client: Any, plan: _Plan, lease: Lease) -> _Server:
    """The server, by the closest way there is: with shared files, else with a published port."""
    if shares_files(client):
        way = _shared_way(plan.name, lease)
        try:
            _run(client, plan, way)
        except failures() as error:
            # The engine may be seen from within another container, and has other files than we.
            if "bind source path does not exist" not in str(error):
                raise
        else:
            _await_ready(client, plan)
            return _Server(where={"host": str(way.folder), "port": _PORT}, data=way.folder and way.folder / DATA)
    container = _run(client, plan, _published_way(client, plan.name))
    _await_ready(client, plan)
    return _Server(where={"host": "127.0.0.1", "port": _published_port(container)}, data=None)


def _new_passwords(server: _Server, first: str) -> dict[str, str]:
    """Both logins get passwords that stand in no container's environment."""
    logins = {login: secrets.token_urlsafe(24) for login in (USER, ADMIN)}
    with _first_connection({**server.where, "user": ADMIN, "password": first, "dbname": "postgres"}) as connection:
        for login, new in logins.items():
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login), new))
    return logins


def _shared_way(name: str, lease: Lease) -> _Way:
    account = server_account()
    folder = lease.add(temp_folder(account) / name)
    if len(os.fsencode(folder / f".s.PGSQL.{_PORT}")) > _SOCKET_PATH_BYTES:
        raise SandboxError(
            f"The name of the temp folder {folder.parent} is too long for a Unix socket within.",
            hint="Set TMPDIR to a folder with a shorter name.",
        )
    make_folder(folder, account)
    run = {
        "user": f"{account.uid}:{account.gid}",
        "network": "none",
        "mounts": [
            {"Type": "bind", "Source": str(folder), "Target": _SHARED_HOME},
            {"Type": "bind", "Source": str(_passwd(folder, account)), "Target": "/etc/passwd", "ReadOnly": True},
        ],
    }
    return _Way(home=_SHARED_HOME, run=run, folder=folder)


def _passwd(folder: Path, account: Account) -> Path:
    """initdb wants a name for the user it runs as, and the image does not know ours."""
    path = folder / "passwd"
    path.write_text(f"root:x:0:0:root:/:/bin/sh\npostgres:x:{account.uid}:{account.gid}::/:/bin/sh\n")
    account.own(path)
    return path


def _published_way(client: Any, name: str) -> _Way:
    options = {"com.docker.network.bridge.enable_ip_masquerade": "false"}
    client.networks.create(name, driver="bridge", options=options, labels=owner_labels())
    run = {
        "user": "postgres",
        "network": name,
        "ports": {f"{_PORT}/tcp": ("127.0.0.1", None)},
        # Takes the image's content and its owner; it goes with the container.
        "mounts": [{"Type": "volume", "Target": str(Path(_OWN_HOME).parent)}],
    }
    return _Way(home=_OWN_HOME, run=run, folder=None)


def _run(client: Any, plan: _Plan, way: _Way) -> Any:
    """The started container. Ctrl-C waits for the moment, so that it never starts after the tidying up."""
    environment = {
        "LC_ALL": "C",
        "TZ": "UTC",
        "PGDATA": f"{way.home}/{DATA}",
        "ADVISOR_INITDB": _initdb_flags(plan.major),
        "ADVISOR_SETTINGS": _settings(plan.major, way),
        "ADVISOR_ACCESS": f"{'local all all' if way.folder else 'host all all all'} scram-sha-256\n",
        "ADVISOR_LOGINS": "".join(f"{statement}\n" for statement in setup_statements(plan.major, plan.password)),
    }
    with held_signals():
        return client.containers.run(
            plan.image,
            name=plan.name,
            detach=True,
            remove=True,
            entrypoint=["/bin/sh", "-c", _SCRIPT],
            environment=environment,
            labels=owner_labels(),
            **_LIMITS,
            **way.run,
        )


def _initdb_flags(major: int) -> str:
    flags = [f"--username={ADMIN}", "--encoding=UTF8", "--auth=reject", "--no-sync"]
    if major >= 15:
        flags.append("--locale-provider=libc")
    if major >= 18:
        flags.append("--no-data-checksums")
    return " ".join(flags)


def _settings(major: int, way: _Way) -> str:
    """The last line of a name counts. The log has to say when the server is ready."""
    own = "log_min_messages = 'log'\n"
    if way.folder is None:
        own += "listen_addresses = '*'\n"
    return "\n" + server_settings(major, Path(way.home) if way.folder else None, _PORT) + own


def _await_ready(client: Any, plan: _Plan) -> None:
    """Reads what the container prints until its server is ready. Raises SandboxError where it ends before that."""
    missing = importlib.import_module("docker.errors").NotFound
    said = ""
    deadline = time.monotonic() + _START_S
    # An ended container is gone with its output: the script waits a moment where it fails.
    with contextlib.suppress(missing):
        while time.monotonic() < deadline and _FAILED not in said:
            said = client.api.logs(plan.name).decode(errors="replace")
            if _READY in said:
                return
            time.sleep(_POLL_S)
    lines = [line for line in said.replace(_FAILED, "").splitlines() if line.strip()]
    raise SandboxError(
        f"The throwaway PostgreSQL of the image {plan.image} does not come up.",
        why=" ".join(lines[-3:]) or f"Its container ended, or was not ready within {_START_S} s.",
        hint="The image has to be made like the official one. Leave --docker-image out, or use another --sandbox.",
    )


def _published_port(container: Any) -> int:
    container.reload()
    return int(container.ports[f"{_PORT}/tcp"][0]["HostPort"])


def _first_connection(parameters: dict[str, Any]) -> psycopg.Connection[Any]:
    """The server is ready, but the engine's forwarding of its port may need a moment more."""
    deadline = time.monotonic() + _CONNECT_S
    while True:
        try:
            return open_connection({**parameters, "connect_timeout": _CONNECT_S})
        except SandboxError as error:
            if time.monotonic() > deadline:
                raise SandboxError(
                    "The throwaway PostgreSQL in Docker cannot be reached.",
                    why=error.why,
                    hint="It runs, but the engine's 127.0.0.1 is not ours: the advisor itself may run in a container. "
                    "Use --sandbox embedded there.",
                ) from error
        time.sleep(_POLL_S)


def _release(lease: Lease, name: str) -> None:
    """Removes container, network and folder. Any of them may not be there, nor the engine."""
    with held_signals():
        with contextlib.suppress(SandboxError), engine(CALL_S) as client:
            with contextlib.suppress(*failures()):
                client.api.remove_container(name, v=True, force=True)
            with contextlib.suppress(*failures()):
                client.api.remove_network(name)
        lease.end()
