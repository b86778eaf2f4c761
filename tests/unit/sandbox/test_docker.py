"""The Docker sandbox where there is no engine, and what it makes of images, addresses and owners."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import SandboxError
from advisor.sandbox import docker_engine
from advisor.sandbox.docker import open_docker
from advisor.sandbox.docker_engine import (
    default_image,
    docker_status,
    image_at_hand,
    image_major,
    is_abandoned,
    owner_labels,
    shares_files,
)
from advisor.sandbox.host import NAME


@contextmanager
def docker_host(address: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        yield


@pytest.fixture
def nothing(tmp_path: Path) -> Iterator[str]:
    address = f"unix://{tmp_path}/no.sock"
    with docker_host(address):
        yield address


def test_no_engine_is_said_with_what_to_use_instead(nothing: str) -> None:
    with pytest.raises(SandboxError, match=r"No Docker engine answers") as caught:
        open_docker(id="S1")
    assert "--sandbox embedded" in caught.value.hint


def test_the_status_without_an_engine(nothing: str) -> None:
    status = docker_status()
    assert (status.answers, status.version, status.images) == (False, None, ())
    assert status.problem is not None
    assert "No Docker engine answers" in status.problem
    assert not image_at_hand("postgres:18")


def test_an_engine_that_never_answers_is_given_up(tmp_path: Path) -> None:
    script = "from advisor.sandbox.docker_engine import docker_status; print(docker_status().answers)"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        environment = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/s"}
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert (done.stdout, done.returncode) == ("False\n", 0)


@pytest.mark.parametrize(
    "address",
    [
        "tcp://192.0.2.7:2375",
        "tcp://docker:2375",
        "tcp://127.0.0.1.example.com:2375",
        "https://192.0.2.7",
        "tcp://[2001:db8::1]:2375",
        "ssh://someone@example.com",
        "example.com:2375",
        "localhost.example.com",
        "tcp://[",
        "fd://",
        "://",
    ],
)
def test_an_engine_on_another_machine_is_refused_without_asking_it(address: str) -> None:
    with docker_host(address), pytest.raises(SandboxError, match="on another machine") as caught:
        open_docker(id="S1")
    assert "DOCKER_HOST" in caught.value.hint


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1"])
def test_an_engine_behind_a_port_of_this_machine_is_asked(address: str) -> None:
    with docker_host(address), pytest.raises(SandboxError, match="No Docker engine answers"):
        open_docker(id="S1")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_no_address_makes_the_status_raise(address: str) -> None:
    with docker_host(address):
        assert not docker_status().answers


@pytest.mark.parametrize("address", ["unix://", "unix:///", "npipe:////./pipe/docker_engine", "tcp://localhost:x"])
def test_no_malformed_address_makes_the_status_raise(address: str, tmp_path: Path) -> None:
    with docker_host(address), pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert not docker_status().answers


def test_without_the_extra_the_error_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['testcontainers'] = None\n"
        "from advisor.sandbox.docker import open_docker\n"
        "from advisor.sandbox.docker_engine import docker_status\n"
        "print(docker_status().answers)\n"
        "try: open_docker(id='S1')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False\nSandboxError ")
    assert "pip install 'pg-query-advisor[docker]'" in done.stdout


def test_the_library_is_loaded_only_when_asked_for() -> None:
    script = "import sys, advisor.sandbox.docker; print({'docker', 'testcontainers', 'requests'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_official_image_of_the_targets_major() -> None:
    assert [default_image(major) for major in (13, 17, None)] == ["postgres:13", "postgres:17", "postgres:18"]


class Image:
    """What the client library makes of `docker inspect`."""

    def __init__(self, *environment: str) -> None:
        self.attrs = {"Config": {"Env": list(environment)}}


def test_an_image_says_its_major() -> None:
    assert image_major(Image("PATH=/usr/bin", "PG_MAJOR=15"), "x") == 15


@pytest.mark.parametrize("environment", [[], ["PG_MAJOR="], ["PG_MAJOR=beta"], ["MY_PG_MAJOR=15"], ["PG_MAJOR=9.6"]])
def test_an_image_that_does_not_say_it_or_is_too_old_is_refused(environment: list[str]) -> None:
    with pytest.raises(SandboxError, match="some:image"):
        image_major(Image(*environment), "some:image")


def test_a_living_owners_container_stays_and_a_dead_ones_does_not() -> None:
    labels = owner_labels()
    assert not is_abandoned(labels)
    assert is_abandoned({**labels, f"{NAME}.start": "1"})
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert is_abandoned({**labels, f"{NAME}.pid": str(child.pid)})
    assert not is_abandoned({})


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
def test_a_start_is_read_behind_any_program_name(tmp_path: Path) -> None:
    """The name stands in parentheses, and may hold some of its own."""
    program = tmp_path / "a) R 1 ("
    program.symlink_to(sys.executable)
    script = "from advisor.sandbox.docker_engine import owner_labels; print(owner_labels()); input()"
    environment = {**os.environ, "PYTHONPATH": str(Path(docker_engine.__file__).parents[2])}
    child = subprocess.Popen(
        [sys.executable, "-c", f"open('/proc/self/comm', 'w').write('a) R 1 ('); {script}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with child:
        assert child.stdout is not None
        assert f"'{NAME}.pid': '{child.pid}'" in child.stdout.readline()
        ticks = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
        assert not is_abandoned({f"{NAME}.pid": str(child.pid), f"{NAME}.start": ticks})


class Engine:
    """As much of the client as decides on the way in."""

    def __init__(self, facts: dict[str, Any], base_url: str = "http+docker://localhost") -> None:
        self.info = lambda: facts
        self.api = type("Api", (), {"base_url": base_url})


@pytest.mark.parametrize(
    ("engine", "shared"),
    [
        (Engine({"OperatingSystem": "Debian GNU/Linux 12", "SecurityOptions": ["name=seccomp,profile=default"]}), True),
        (Engine({"OperatingSystem": "Debian GNU/Linux 12", "SecurityOptions": None}), True),
        (Engine({"OperatingSystem": "Docker Desktop", "SecurityOptions": []}), False),
        (Engine({"OperatingSystem": "Fedora", "SecurityOptions": ["name=selinux"]}), False),
        (Engine({"OperatingSystem": "Ubuntu", "SecurityOptions": ["name=rootless", "name=cgroupns"]}), False),
        (Engine({"OperatingSystem": "Ubuntu", "SecurityOptions": ["name=userns"]}), False),
        (Engine({"OperatingSystem": "Ubuntu", "SecurityOptions": []}, "http://127.0.0.1:2375"), False),
    ],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="files are shared on Linux only")
def test_files_are_shared_only_where_owners_stay_the_same(engine: Engine, shared: bool) -> None:
    assert shares_files(engine) is shared
