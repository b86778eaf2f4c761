"""No container, network, volume or folder survives its owner, however that one ends. Owners are real processes."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from advisor.sandbox.docker import open_docker
from advisor.sandbox.docker_engine import PostgresImage, failures
from tests.docker.conftest import behind_a_port, ours

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
WAIT_S = 60
USER_ID = 4321
"""Nobody's: neither the machine nor the image has a name for it."""

OWNER = """
import signal, sys, time
from advisor.sandbox.docker import open_docker

def end(number, frame):
    raise SystemExit(143)

signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, signal.default_int_handler)
print("started", flush=True)
with open_docker(id="S1", image=sys.argv[1]) as sandbox:
    with sandbox.connect() as connection:
        connection.execute("SELECT 1")
    print("open", flush=True)
    if sys.argv[2] == "fail":
        raise RuntimeError("on purpose")
    if sys.argv[2] != "end":
        time.sleep(600)
"""


@dataclass(frozen=True)
class Place:
    """Folders of a test's own, and the engine as it was."""

    top: Path
    image: str
    client: Any
    networks: int
    volumes: int
    address: str

    def owner(self, how: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", OWNER, self.image, how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment(), "PYTHONPATH": str(ROOT)},
            cwd="/",
        )

    def environment(self) -> dict[str, str]:
        folders = {"TMPDIR": str(self.top / "t"), "XDG_CACHE_HOME": str(self.top / "c")}
        return {**os.environ, **folders, "DOCKER_HOST": self.address}

    def left(self) -> list[str]:
        """What is there that was not before."""
        registered = [str(path) for path in self.top.glob("c/pg-query-advisor/run/*.json")]
        folders = [str(path) for path in (self.top / "t").iterdir()]
        volumes = len(self.client.volumes.list()) - self.volumes
        networks = len(self.client.networks.list()) - self.networks
        return registered + folders + ours(self.client) + ["volume"] * volumes + ["network"] * networks


@pytest.fixture(params=["shared", "published"])
def place(image: PostgresImage, client: Any, request: pytest.FixtureRequest) -> Iterator[Place]:
    top = Path(tempfile.mkdtemp(prefix="advisor-test-", dir="/tmp"))
    top.chmod(0o755)
    for name in ("t", "c"):
        (top / name).mkdir(mode=0o755)
    counts = len(client.networks.list()), len(client.volumes.list())
    assert ours(client) == []
    if request.param == "shared":
        yield Place(top, image.name, client, *counts, os.environ.get("DOCKER_HOST", ""))
    else:
        with behind_a_port() as address:
            yield Place(top, image.name, client, *counts, address)
    shutil.rmtree(top)


def wait_for(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdout is not None
    while (said := process.stdout.readline().strip()) != line:
        assert said, process.stderr.read() if process.stderr else ""


@pytest.mark.parametrize(("how", "code"), [("end", 0), ("fail", 1)])
def test_a_normal_end_and_an_exception_leave_nothing(place: Place, how: str, code: int) -> None:
    with place.owner(how) as owner:
        assert owner.wait(WAIT_S) == code
    assert place.left() == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
@pytest.mark.parametrize("when", ["started", "open"])
def test_a_signal_leaves_nothing(place: Place, number: signal.Signals, code: int, when: str) -> None:
    with place.owner("stay") as owner:
        wait_for(owner, when)
        owner.send_signal(number)
        assert owner.wait(WAIT_S) == code
    assert place.left() == []


def test_the_next_run_reaps_what_a_killed_one_left(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.owner("stay") as owner:
        wait_for(owner, "open")
        owner.kill()
    left = ours(place.client)
    assert len(left) >= 1
    for name, value in place.environment().items():
        monkeypatch.setenv(name, value)
    with open_docker(id="S1", image=place.image):
        assert set(ours(place.client)).isdisjoint(left)
    assert place.left() == []


def test_two_runs_at_once_leave_each_other_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.owner("stay") as owner:
        wait_for(owner, "open")
        first = set(ours(place.client))
        for name, value in place.environment().items():
            monkeypatch.setenv(name, value)
        with open_docker(id="S1", image=place.image) as sandbox, sandbox.connect() as connection:
            connection.execute("SELECT 1")
            assert first < set(ours(place.client))
        assert set(ours(place.client)) == first
        owner.terminate()
    assert place.left() == []


def test_an_engine_that_goes_away_does_not_stop_the_end(
    image: PostgresImage, client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with open_docker(id="S1", image=image.name) as sandbox:
        (name,) = ours(client)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/gone")
        sandbox.close()
        folder = Path(str(sandbox.data_directory)).parent
        assert not folder.exists()
    # Without its files the server ends by itself sooner or later, and the container with it.
    with contextlib.suppress(*failures()):
        client.api.remove_container(name[1:], force=True, v=True)


def interpreter_of(account: dict[str, Any], environment: dict[str, str]) -> str:
    """A Python that the account may run with our libraries: ours may lie in root's own home."""
    for interpreter in (sys.executable, "/usr/bin/python3"):
        try:
            command = [interpreter, "-c", "import psycopg, advisor.errors"]
            if subprocess.run(command, env=environment, check=False, capture_output=True, **account).returncode == 0:
                return interpreter
        except OSError:
            continue
    pytest.skip("another user may run no Python here")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_runs_it_as_itself(image: PostgresImage, client: Any) -> None:
    """The server's files are the user's own; membership of the socket's group is all it takes."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    group = Path(address.removeprefix("unix://")).stat().st_gid
    top = Path(tempfile.mkdtemp(prefix="advisor-test-", dir="/tmp"))
    os.chown(top, USER_ID, USER_ID)
    account: dict[str, Any] = {"user": USER_ID, "group": USER_ID, "extra_groups": [group], "cwd": "/"}
    folders = {"HOME": str(top), "TMPDIR": str(top), "XDG_CACHE_HOME": str(top / "c")}
    environment = {**os.environ, **folders, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    interpreter = interpreter_of(account, environment)
    script = (
        "import sys; from advisor.sandbox.docker import open_docker; from pathlib import Path\n"
        "with open_docker(id='S1', image=sys.argv[1]) as sandbox, sandbox.connect() as connection:\n"
        "    print(connection.execute('SELECT 1').fetchone(), Path(sandbox.data_directory).stat().st_uid)"
    )
    command = [interpreter, "-c", script, image.name]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **account)
    assert (done.stderr, done.stdout) == ("", f"(1,) {USER_ID}\n")
    assert ours(client) == []
    assert not list(top.glob("pg-query-advisor*"))
    shutil.rmtree(top)
