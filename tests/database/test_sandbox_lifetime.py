"""Nothing survives a sandbox, however its owner ends. Owners are real processes with folders of their own."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from advisor.errors import SandboxError
from advisor.sandbox import cluster, register
from advisor.sandbox.host import Account, cache_folder, may_enter, server_account
from advisor.sandbox.open import Request, open_sandbox, start_sandbox
from advisor.sandbox.programs.binaries import embedded, wheel_libraries

ROOT = Path(__file__).parents[2]
WAIT_S = 60

OWNER = """
import signal, sys, time
from advisor.sandbox.open import open_sandbox

def end(number, frame):
    raise SystemExit(143)

signal.signal(signal.SIGTERM, end)
print("started", flush=True)
with open_sandbox("embedded") as sandbox:
    with sandbox.connect() as connection:
        connection.execute("SELECT 1")
    print(sandbox.data_directory, flush=True)
    if sys.argv[1:] == ["fail"]:
        raise RuntimeError("on purpose")
    if sys.argv[1:] != ["end"]:
        time.sleep(600)
"""

FORGETFUL = """
from advisor.sandbox.open import open_sandbox
kept = open_sandbox("embedded")
print(kept.data_directory)
"""


@dataclass(frozen=True)
class Place:
    """Folders of a test's own, outside of pytest's (which only their user may enter)."""

    temp: Path
    cache: Path

    def environment(self) -> dict[str, str]:
        return {**os.environ, "TMPDIR": str(self.temp), "XDG_CACHE_HOME": str(self.cache), "PYTHONPATH": str(ROOT)}

    def owner(self, *arguments: str, script: str = OWNER) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
            cwd="/",
        )

    def registered(self) -> list[Path]:
        return list(self.cache.glob("pg-query-advisor/run/*.json"))

    def drafts(self) -> list[Path]:
        return list(self.cache.glob("pg-query-advisor/draft-*"))

    def servers(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if str(self.temp) in " ".join(process.cmdline()) and "postgres" in process.name():
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def is_clean(self) -> bool:
        return not (list(self.temp.iterdir()) or self.registered() or self.drafts() or self.servers())


@pytest.fixture
def place() -> Iterator[Place]:
    top = Path(tempfile.mkdtemp(prefix="advisor-test-", dir="/tmp"))
    top.chmod(0o755)
    place = Place(top / "t", top / "c")
    for folder in (place.temp, place.cache):
        folder.mkdir(mode=0o755)
    yield place
    for process in place.servers():
        process.kill()
    shutil.rmtree(top)


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def data_folder(process: "subprocess.Popen[str]") -> Path:
    assert first_line(process) == "started"
    return Path(first_line(process))


@pytest.mark.parametrize(("how", "code"), [("end", 0), ("fail", 1)])
def test_a_normal_end_and_an_exception_leave_nothing(place: Place, how: str, code: int) -> None:
    with place.owner(how) as owner:
        assert owner.wait(WAIT_S) == code
    assert place.is_clean()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)])
def test_a_signal_during_use_leaves_nothing(place: Place, number: int, code: int) -> None:
    with place.owner() as owner:
        data = data_folder(owner)
        assert data.is_dir()
        owner.send_signal(number)
        assert owner.wait(WAIT_S) == code
    assert place.is_clean()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.15, 0.3, 0.4])
def test_a_signal_during_the_first_start_leaves_nothing(place: Place, number: int, after_s: float) -> None:
    with place.owner() as owner:
        assert first_line(owner) == "started"
        time.sleep(after_s)
        owner.send_signal(number)
        assert owner.wait(WAIT_S) in (-signal.SIGINT, 143)
    assert place.is_clean()


def test_a_sandbox_that_was_never_closed_ends_with_the_interpreter(place: Place) -> None:
    with place.owner(script=FORGETFUL) as owner:
        assert owner.wait(WAIT_S) == 0
    assert place.is_clean()


def test_after_kill_9_the_next_run_reaps(place: Place) -> None:
    with place.owner() as owner:
        data = data_folder(owner)
        owner.kill()
        owner.wait(WAIT_S)
    server = register.running_server(data)
    assert server is not None
    assert len(place.registered()) == 1
    with place.owner("end") as following:
        assert following.wait(WAIT_S) == 0
    assert not register.running_server(data)
    assert place.is_clean()


def test_the_living_are_not_reaped(place: Place) -> None:
    with place.owner() as first, place.owner() as second:
        folders = {data_folder(first), data_folder(second)}
        assert len(folders) == 2
        with place.owner("end") as third:
            assert third.wait(WAIT_S) == 0
        assert register.reap(place.cache / "pg-query-advisor") == 0
        assert all(register.running_server(data) for data in folders)
        for owner in (first, second):
            owner.send_signal(signal.SIGINT)
            owner.wait(WAIT_S)
    assert place.is_clean()


def test_an_entry_never_stops_a_process_that_is_not_its_server(place: Place) -> None:
    """A dead owner's file may name a folder whose `postmaster.pid` holds a number that is another's by now."""
    with subprocess.Popen(["sleep", "600"]) as bystander:
        folder = place.temp / "old"
        (folder / register.DATA).mkdir(parents=True)
        (folder / register.DATA / "postmaster.pid").write_text(f"{bystander.pid}\n{folder}\n")
        cache = place.cache / "pg-query-advisor"
        (cache / "run").mkdir(parents=True)
        (cache / "run" / "0123456789abcdef.json").write_text(f'["{folder}"]')
        assert register.reap(cache) == 1
        assert bystander.poll() is None
        bystander.kill()
    assert place.is_clean()


def test_two_sandboxes_at_once_have_files_and_ports_of_their_own() -> None:
    with open_sandbox("embedded") as one, open_sandbox("embedded", id="S2") as two:
        assert one.data_directory != two.data_directory
        assert (one.id, two.id) == ("S1", "S2")
        with one.connect() as left, two.connect() as right:
            left.execute("CREATE TABLE t (x int)")
            assert right.execute("SELECT to_regclass('t')").fetchone() == (None,)


def test_closing_twice_is_harmless_and_a_closed_one_says_so() -> None:
    sandbox = open_sandbox("embedded")
    folder = Path(str(sandbox.data_directory)).parent
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o777 == 0o700
    sandbox.close()
    sandbox.close()
    assert not folder.exists()
    with pytest.raises(SandboxError, match="does not answer"):
        sandbox.connect()


def test_a_folder_with_a_long_name_still_gets_a_socket(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    long = place.temp / ("x" * 100)
    long.mkdir(mode=0o755)
    monkeypatch.setenv("TMPDIR", str(long))
    with open_sandbox("embedded") as sandbox, sandbox.connect() as connection:
        assert str(sandbox.data_directory).startswith(str(long))
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        socket_folder = Path(str(connection.info.host))
    assert not socket_folder.exists()
    assert not list(long.iterdir())


def test_where_no_socket_is_possible_loopback_serves(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_socket_folder", lambda *_: None)
    monkeypatch.setenv("TMPDIR", str(place.temp))
    with open_sandbox("embedded") as sandbox, sandbox.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        assert connection.info.host == "127.0.0.1"
    assert not list(place.temp.iterdir())


def test_no_free_port_is_said_and_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    class Taken(socket.socket):
        def bind(self, address: object) -> None:
            raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(cluster, "_socket_folder", lambda *_: None)
    monkeypatch.setattr("advisor.sandbox.cluster.socket.socket", Taken)
    monkeypatch.setenv("TMPDIR", str(place.temp))
    with pytest.raises(SandboxError, match="no free port") as caught:
        open_sandbox("embedded")
    assert caught.value.hint
    assert not list(place.temp.iterdir())


def test_without_shared_memory_to_spare_parallel_queries_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, whose /dev/shm has 64 MB, or where there is none."""

    def none(path: str) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)

    monkeypatch.setattr("advisor.sandbox.settings.os.statvfs", none)
    with open_sandbox("embedded") as sandbox, sandbox.connect() as connection:
        assert connection.execute("SHOW dynamic_shared_memory_type").fetchone() == ("mmap",)
        connection.execute(
            "CREATE TABLE t AS SELECT n FROM generate_series(1, 200000) n;"
            "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0"
        )
        plan = connection.execute("EXPLAIN (ANALYZE, COSTS OFF) SELECT count(*) FROM t a JOIN t b USING (n)").fetchall()
    assert any("Workers Launched" in line for (line,) in plan)


@pytest.mark.parametrize("temp", ["/proc", "/nowhere/at/all"])
def test_an_unusable_temp_folder_is_named(temp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", temp)
    with pytest.raises(SandboxError) as caught:
        open_sandbox("embedded")
    assert temp in caught.value.what
    assert "TMPDIR" in caught.value.hint


def test_a_read_only_home_falls_back_to_the_temp_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/cache")
    monkeypatch.setenv("TMPDIR", str(place.temp))
    assert cache_folder() == place.temp / f"pg-query-advisor-{os.geteuid()}"
    with open_sandbox("embedded") as sandbox:
        assert sandbox.provider == "embedded"


def test_a_cache_that_others_may_write_to_is_not_trusted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(place.cache))
    monkeypatch.setenv("TMPDIR", str(place.temp))
    theirs = place.cache / "pg-query-advisor"
    theirs.mkdir()
    theirs.chmod(0o777)
    assert cache_folder() != theirs
    theirs.chmod(0o755)
    assert cache_folder() == theirs


def test_a_full_disk_is_said_and_leaves_nothing(place: Place) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place.temp)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with place.owner("end") as owner:
            assert owner.wait(WAIT_S) == 1
            assert owner.stderr is not None
            assert "SandboxError" in owner.stderr.read()
        assert place.is_clean()
    finally:
        subprocess.run(["umount", str(place.temp)], check=True)


def test_programs_within_a_private_home_are_copied_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    account = server_account()
    if not account.dropped:
        pytest.skip("only root runs the server as another user")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place.cache))
    monkeypatch.setenv("TMPDIR", str(place.temp))
    home = place.temp / "home"
    home.mkdir(mode=0o700)
    installation = embedded().bin_folder.parent
    for part in (installation, *wheel_libraries(installation.parent)):
        shutil.copytree(part, home / part.relative_to(installation.parent.parent))
    binaries = embedded(home / installation.relative_to(installation.parent.parent))
    assert not may_enter(binaries.bin_folder, account)
    for _ in range(2):
        with start_sandbox("embedded", binaries, Request(id="S1")) as sandbox, sandbox.connect() as connection:
            assert connection.execute("SELECT to_tsvector('english', 'running')::text").fetchone() == ("'run':1",)
    (copy,) = place.cache.glob("pg-query-advisor/postgresql-*")
    for path in (copy, *copy.rglob("*")):
        assert path.stat().st_uid == 0
        assert not path.stat().st_mode & 0o022
    assert not place.drafts()


def test_an_ordinary_user_needs_nothing_of_roots(place: Place) -> None:
    account = server_account()
    if not account.dropped:
        pytest.skip("every other test runs as an ordinary user already")
    if not may_enter(embedded().bin_folder, account):
        pytest.skip("the programs lie where only root may enter")
    for folder in (place.temp, place.cache):
        os.chown(folder, account.uid, account.gid)
    # Forked, not started anew: the interpreter itself may lie where only root may enter. Opened once before, so that
    # every module is loaded.
    with open_sandbox("embedded"):
        pass
    for _ in range(2):
        child = os.fork()
        if child == 0:
            os._exit(_as_ordinary_user(account, place))
        assert os.waitpid(child, 0)[1] == 0
    assert place.is_clean()
    assert {path.owner() for path in place.cache.iterdir()} == {account.name}


def _as_ordinary_user(account: Account, place: Place) -> int:
    try:
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
        os.environ.update(TMPDIR=str(place.temp), XDG_CACHE_HOME=str(place.cache))
        with open_sandbox("embedded") as sandbox, sandbox.connect() as connection:
            assert not server_account().dropped
            assert connection.execute("SELECT current_user").fetchone() == ("advisor_user",)
        return 0
    except BaseException:  # noqa: BLE001 whatever it is, the child must not go on as pytest
        traceback.print_exc()
        return 1
