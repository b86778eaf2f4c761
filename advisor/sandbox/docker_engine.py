"""The Docker engine: how it is reached, which one can be used, and what dead owners left on it.

testcontainers' own reaper, an image from a registry, is not used: labels name the owner of a container or network,
and the next run removes what a killed one left.
"""

import contextlib
import importlib
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from advisor.errors import SandboxError
from advisor.sandbox.host import NAME

NEWEST_MAJOR = 18
"""What runs where the target's version is unknown, as the embedded server does."""

OLDEST_MAJOR = 13

_OFFICIAL = "postgres"

CALL_S = 60
_STATUS_S = 2

_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_NEAR = re.compile(
    r"unix://|npipe://|http\+docker://(?!ssh)|(?:(?:tcp|https?)://)?(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?(?:/|$)"
)
"""Addresses of this machine; what has no scheme is a host's name, and the client library's own of ssh://machine is
http+docker://ssh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresImage:
    """An image of PostgreSQL that the engine has: "postgres:15", 15."""

    name: str
    major: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerStatus:
    """`version` is the engine's ("20.10.24"), None where none answers; `problem` then says why. Images by name."""

    version: str | None
    images: tuple[PostgresImage, ...] = ()
    problem: str | None = None

    @property
    def answers(self) -> bool:
        """Whether there is an engine that can be used."""
        return self.version is not None


def default_image(target_major: int | None) -> str:
    """The official image of the target's major version."""
    return f"{_OFFICIAL}:{target_major or NEWEST_MAJOR}"


def docker_status() -> DockerStatus:
    """Asks for the engine and its images of PostgreSQL. Never raises; two seconds at most where nothing answers."""
    try:
        with engine(_STATUS_S) as client:
            version = str(client.version()["Version"])
            return DockerStatus(version=version, images=tuple(_postgres_images(client)))
    except SandboxError as error:
        return DockerStatus(version=None, problem=" ".join(part for part in (error.what, error.why) if part))


def image_at_hand(image: str) -> bool:
    """Whether the engine answers and has the image already. Never raises, never downloads."""
    try:
        with engine(_STATUS_S) as client:
            client.images.get(image)
            return True
    except SandboxError:
        return False


@contextlib.contextmanager
def engine(timeout_s: int) -> Iterator[Any]:
    """A `docker.DockerClient`, chosen by testcontainers' rules; what fails with it comes out as SandboxError."""
    try:
        from testcontainers.core.docker_client import DockerClient, get_docker_host
    except ImportError as error:
        raise SandboxError(
            "The Docker sandbox needs testcontainers, which is not installed.",
            hint="pip install 'pg-query-advisor[docker]', or use --sandbox embedded.",
        ) from error
    except (RuntimeError, ValueError) as error:
        # It reads its settings while it is imported: from the home folder, which may not be known, and TC_… variables.
        raise SandboxError(
            "The Docker sandbox cannot be used.", why=f"testcontainers says: {error}", hint="Use --sandbox embedded."
        ) from error
    address = get_docker_host() or _DEFAULT_ADDRESS
    _refuse_other_machine(address)
    # ValueError: an address that is none.
    unreachable: tuple[type[Exception], ...] = (*failures(), ValueError)
    try:
        _try_socket(address, timeout_s)
        client = DockerClient(timeout=timeout_s).client
    except unreachable as error:
        raise SandboxError(
            "No Docker engine answers.",
            why=reason(error),
            hint="Start it, set DOCKER_HOST to its address, or use --sandbox embedded, which needs none.",
        ) from error
    try:
        _refuse_other_machine(client.api.base_url)
        yield client
    except failures() as error:
        raise SandboxError(
            "The throwaway PostgreSQL cannot be started in Docker.",
            why=reason(error),
            hint="Free some disk space and memory, or use another --sandbox.",
        ) from error
    finally:
        client.close()


def failures() -> tuple[type[Exception], ...]:
    """The client library's errors; those of its transport (`requests`) are OSErrors."""
    return importlib.import_module("docker.errors").DockerException, OSError


def _try_socket(address: str, timeout_s: int) -> None:
    """Raises OSError where nobody listens: the client library would not close its own socket then."""
    if address.startswith("unix://"):
        path = "/" + address.removeprefix("unix://").lstrip("/")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(timeout_s)
            try:
                probe.connect(path)
            except OSError as error:
                raise OSError(f"{path}: {error.strerror or error}.") from error


def _refuse_other_machine(address: str) -> None:
    """Raises SandboxError for an address whose 127.0.0.1 is not ours."""
    if not _NEAR.match(address):
        raise SandboxError(
            "The Docker engine is on another machine.",
            why="The throwaway PostgreSQL only listens on the engine's own 127.0.0.1, which cannot be reached here.",
            hint="Unset DOCKER_HOST, run the advisor on that machine, or use --sandbox embedded.",
        )


def reason(error: Exception) -> str:
    """What the engine or the system says, in one line."""
    return " ".join(str(getattr(error, "explanation", None) or error).split())


def shares_files(client: Any) -> bool:
    """Whether a folder of ours, mounted, is the same folder with the same owners in a container."""
    if not sys.platform.startswith("linux") or not client.api.base_url.startswith("http+docker"):
        return False
    facts = client.info()
    options = " ".join(facts.get("SecurityOptions") or ())
    remapped = any(f"name={option}" in options for option in ("rootless", "userns", "selinux"))
    return not remapped and facts.get("OperatingSystem") != "Docker Desktop"


def owner_labels() -> dict[str, str]:
    """Who started a container: this boot of this machine, its process numbers' namespace, the process and its start."""
    return {f"{NAME}.scope": _scope(), f"{NAME}.pid": str(os.getpid()), f"{NAME}.start": str(_started(os.getpid()))}


def _scope() -> str:
    """Within one scope, process numbers can be compared; an engine may serve several."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{os.uname().nodename} {int(psutil.boot_time())}"


def _started(pid: int) -> str | None:
    """When a process started, None where there is none: Linux's ticks since boot, which no change of the clock moves.

    Field 22 of `/proc/PID/stat` (proc(5)); the second, the program's name, may hold anything and ends with the last
    parenthesis.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        pass
    try:
        return None if Path("/proc/self").exists() else str(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def is_abandoned(labels: Mapping[str, str]) -> bool:
    pid = labels.get(f"{NAME}.pid", "")
    return pid.isdecimal() and _started(int(pid)) != labels.get(f"{NAME}.start")


def reap_abandoned(client: Any) -> None:
    """Removes the containers and networks of dead owners; what cannot be removed is the next run's."""
    filters = {"label": f"{NAME}.scope={_scope()}"}
    with contextlib.suppress(*failures()):
        for facts in client.api.containers(all=True, filters=filters):
            if is_abandoned(facts["Labels"]):
                with contextlib.suppress(*failures()):
                    client.api.remove_container(facts["Id"], v=True, force=True)
        for facts in client.api.networks(filters=filters):
            if is_abandoned(facts["Labels"]):
                with contextlib.suppress(*failures()):
                    client.api.remove_network(facts["Id"])


def get_image(client: Any, name: str, *, may_pull: bool) -> Any:
    """The image, fetched where it is not at hand and may be."""
    missing = importlib.import_module("docker.errors").ImageNotFound
    try:
        return client.images.get(name)
    except missing as error:
        if not may_pull:
            raise SandboxError(
                f"The Docker engine does not have the image {name}.", hint=f"docker pull {name}"
            ) from error
    try:
        return client.images.pull(name)
    except failures() as error:
        raise SandboxError(
            f"The image {name} is neither here nor can it be fetched.",
            why=reason(error),
            hint="Check its name, fetch it (docker pull), name another with --docker-image, or use --sandbox embedded.",
        ) from error


def image_major(image: Any, name: str) -> int:
    """The image's PostgreSQL. Raises SandboxError where it does not say or is too old."""
    major = _major_of(image.attrs)
    if major is None:
        raise SandboxError(
            f"The image {name} does not say which PostgreSQL it holds.",
            why="It sets no PG_MAJOR, as the official image and those made from it do.",
            hint="Name another with --docker-image, or leave that out.",
        )
    if major < OLDEST_MAJOR:
        raise SandboxError(f"The image {name} holds PostgreSQL {major}.", why=f"The oldest possible is {OLDEST_MAJOR}.")
    return major


def _major_of(facts: Mapping[str, Any]) -> int | None:
    environment = dict(entry.partition("=")[::2] for entry in (facts.get("Config") or {}).get("Env") or ())
    major = environment.get("PG_MAJOR", "").split(".")[0]
    return int(major) if major.isdecimal() else None


def _postgres_images(client: Any) -> Iterator[PostgresImage]:
    """Only images of a telling name are asked for their PostgreSQL: an engine may hold hundreds of others."""
    names = (name for facts in client.api.images() for name in facts.get("RepoTags") or ())
    for name in sorted(name for name in names if re.search("pg|postg|timescale", name.rpartition("/")[2])):
        major = _major_of(client.api.inspect_image(name))
        if major is not None:
            yield PostgresImage(name=name, major=major)
