"""A run that is stopped while it reads a log says what it has understood by then, and leaves nothing behind."""

import contextlib
import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.command import SHOP, Command, Ran

WAIT_S = 120
"""For what is sure to come, on the busiest machine."""

AT_ONCE_S = 20
"""A second or two on an idle machine."""

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
LOG = SHOP / "postgresql.log"
PYTHON = (sys.executable, "-m", "advisor")
ANALYZE = ("--format", "json", "--sandbox", "off", "--quiet")
COPIES = 17
"""Of the shop's log: more than two parts for two processes."""

numbers = pytest.mark.parametrize("number", list(CODES))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "large.log"
    path.write_bytes(LOG.read_bytes() * COPIES)
    return path


@contextlib.contextmanager
def slowly(data: bytes, path: Path) -> Iterator[threading.Event]:
    """A pipe that gives the data and then nothing, without its end; the event says that all was taken but the last."""
    os.mkfifo(path)
    given, over = threading.Event(), threading.Event()

    def feed() -> None:
        with contextlib.suppress(OSError), path.open("wb", buffering=0) as pipe:
            for at in range(0, len(data), 1 << 16):
                pipe.write(data[at : at + (1 << 16)])
            given.set()
            over.wait(WAIT_S)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield given
    finally:
        over.set()
        with contextlib.suppress(OSError):
            # A feeder that still waits for a reader gets one.
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        feeder.join(WAIT_S)


def stop(process: "subprocess.Popen[bytes]", number: signal.Signals, *, group: bool = False) -> Ran:
    """Sends the signal, and sees that the process and all it started end at once."""
    children = psutil.Process(process.pid).children(recursive=True)
    began = time.monotonic()
    if group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=WAIT_S)
    assert time.monotonic() - began < AT_ONCE_S
    assert psutil.wait_procs(children, timeout=AT_ONCE_S)[1] == []
    ran = Ran(code=process.returncode, out=out.decode(), err=err.decode())
    assert "Traceback" not in ran.err
    assert "stopped" in ran.err
    assert ran.code == CODES[number]
    return ran


def understood(ran: Ran) -> int:
    """How many queries the document of a stopped run has; it is valid, and says that it is not complete."""
    document = ran.document()
    assert document["complete"] is False
    return len(document["workload"]["queries"])


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


@numbers
@pytest.mark.parametrize("copies", [pytest.param(2, marks=pytest.mark.slow), 5])
def test_stopped_while_a_pipe_gives_no_more(
    advisor: Command, tmp_path: Path, number: signal.Signals, copies: int
) -> None:
    # What is read is known a block later.
    pipe = tmp_path / "pipe"
    with slowly(LOG.read_bytes() * copies, pipe) as given, advisor.start("analyze", pipe, *ANALYZE) as process:
        until(given.is_set)
        time.sleep(1)
        assert process.poll() is None
        assert understood(stop(process, number)) > 20
    advisor.nothing_left()


@numbers
def test_stopped_while_standard_input_gives_no_more(advisor: Command, number: signal.Signals) -> None:
    with advisor.start("analyze", "-", *ANALYZE) as process:
        assert process.stdin is not None
        process.stdin.write(LOG.read_bytes() * 3)
        process.stdin.flush()
        time.sleep(1)
        ran = stop(process, number)
    assert understood(ran) > 20


def _reads(process: "subprocess.Popen[bytes]", path: Path) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(each.path == str(path) for each in psutil.Process(process.pid).open_files())
    return True


@numbers
@pytest.mark.parametrize("compressed", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("after_s", [pytest.param(0.0, marks=pytest.mark.slow), 0.3])
def test_stopped_while_a_file_is_read(
    advisor: Command, large: Path, number: signal.Signals, compressed: bool, after_s: float
) -> None:
    path = large
    if compressed:
        path = large.with_suffix(".gz")
        if not path.exists():
            path.write_bytes(gzip.compress(large.read_bytes(), 1))
    with advisor.start("analyze", path, *ANALYZE) as process:
        until(lambda: process.poll() is not None or _reads(process, path))
        time.sleep(after_s)
        _stopped_or_done(advisor, process, number)


def _stopped_or_done(
    advisor: Command, process: "subprocess.Popen[bytes]", number: signal.Signals, *, group: bool = False
) -> None:
    """At a moment that is left to chance: the document is there as a whole or not at all."""
    if process.poll() is None:
        ran = stop(process, number, group=group)
        if ran.out:
            understood(ran)
    else:
        out, err = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, err
        assert Ran(code=0, out=out.decode(), err="").document()["complete"] is True
    advisor.nothing_left()


def _children(process: "subprocess.Popen[bytes]") -> int:
    with contextlib.suppress(psutil.Error):
        return len(psutil.Process(process.pid).children())
    return 0


@numbers
@pytest.mark.parametrize("group", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("after_s", [pytest.param(0.0, marks=pytest.mark.slow), 0.8])
def test_stopped_while_several_processes_read(
    advisor: Command, large: Path, number: signal.Signals, group: bool, after_s: float
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ADVISOR_", "PG"))}
    with subprocess.Popen(
        [*PYTHON, "analyze", str(large), *ANALYZE, "--jobs", "2"],
        cwd=advisor.home,
        env=kept | {"TMPDIR": str(advisor.temp)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        until(lambda: process.poll() is not None or _children(process) > 1)
        time.sleep(after_s)
        _stopped_or_done(advisor, process, number, group=group)


@numbers
def test_a_digest_that_is_stopped_leaves_no_file(advisor: Command, tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "digests"
    folder.mkdir()
    pipe, file = tmp_path / "pipe", folder / "workload.digest"
    with slowly(LOG.read_bytes() * 3, pipe) as given, advisor.start("digest", pipe, "-o", file) as process:
        until(given.is_set)
        time.sleep(0.5)
        assert stop(process, number).out == ""
    assert list(folder.iterdir()) == []
    advisor.nothing_left()


@numbers
def test_a_digest_that_is_stopped_leaves_the_old_file_as_it_was(
    advisor: Command, tmp_path: Path, number: signal.Signals
) -> None:
    file = tmp_path / "workload.digest"
    assert advisor("digest", LOG, "-o", file, "-q").code == 0
    before = file.read_bytes()
    pipe = tmp_path / "pipe"
    with slowly(LOG.read_bytes() * 3, pipe) as given, advisor.start("digest", file, pipe, "-o", file) as process:
        until(given.is_set)
        stop(process, number)
    assert file.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith("workload")) == [file.name]


def test_nobody_takes_the_output(advisor: Command) -> None:
    with advisor.start("analyze", LOG, *ANALYZE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read().decode()
        assert process.wait(WAIT_S) == 2
    assert "Traceback" not in err
    advisor.nothing_left()


@pytest.mark.parametrize("arguments", [("analyze", LOG, "--sandbox", "off"), ("digest", LOG)])
def test_a_full_disk(advisor: Command, arguments: tuple[str | Path, ...]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with Path("/dev/full").open("wb") as full:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ADVISOR_", "PG"))}
        more = ("-o", "-") if arguments[0] == "digest" else ("--format", "json")
        ran = subprocess.run(
            [*PYTHON, *map(str, arguments), *more, "-q"],
            cwd=advisor.home,
            env=kept | {"TMPDIR": str(advisor.temp)},
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=WAIT_S,
            check=False,
        )
    assert ran.returncode == 2
    err = ran.stderr.decode()
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert "No space left" in err
    advisor.nothing_left()


def test_standard_input_is_closed(advisor: Command) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ADVISOR_", "PG"))}
    ran = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *PYTHON, "analyze", "-", *ANALYZE],
        cwd=advisor.home,
        env=kept | {"TMPDIR": str(advisor.temp)},
        capture_output=True,
        timeout=WAIT_S,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert ran.stderr.startswith(b"error: ")
    assert b"Traceback" not in ran.stderr
