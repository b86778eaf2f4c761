"""Bad input is normal input: a message, the right exit code, and nothing left behind."""

import gzip
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import BROKEN, SCHEMA, SHOP, Command

MANY = "0123456789" * 40


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("empty.log", "empty"),
        ("binary.log", "binary"),
        ("unknown_prefix.log", "--prefix"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_log(advisor: Command, name: str, said: str) -> None:
    error = advisor("analyze", BROKEN / name, "--schema", SCHEMA).error()
    assert said in error
    assert name in error


def test_an_unknown_prefix_names_the_first_line(advisor: Command) -> None:
    error = advisor("analyze", BROKEN / "unknown_prefix.log").error()
    assert "<<>> LOG:  starting PostgreSQL" in error
    assert "do not follow one pattern" in error


def test_a_log_without_durations_says_what_to_turn_on(advisor: Command) -> None:
    ran = advisor("analyze", BROKEN / "no_durations.log")
    assert ran.code == 0
    assert "log_min_duration_statement" in ran.out


def test_a_truncated_archive_gives_what_it_has(advisor: Command) -> None:
    ran = advisor("analyze", BROKEN / "truncated.log.gz", "--format", "json", "--sandbox", "off")
    assert ran.code == 0
    document = ran.document()
    assert document["coverage"]["statements"] > 0
    text = advisor("analyze", BROKEN / "truncated.log.gz", "--sandbox", "off").out
    assert "truncated" in text


def test_an_archive_that_is_none(advisor: Command) -> None:
    path = advisor.home / "log.gz"
    path.write_bytes(gzip.compress(b"")[:5])
    advisor("analyze", path).error()


def test_statements_that_do_not_parse_are_counted(advisor: Command) -> None:
    ran = advisor("analyze", BROKEN / "unparsable.log", "--format", "json")
    assert ran.code == 0
    assert ran.document()["coverage"]["statements_unparsed"] > 0
    assert "did not parse" in advisor("analyze", BROKEN / "unparsable.log").out


def test_every_byte_is_accounted_for(advisor: Command) -> None:
    for name in ("no_durations.log", "only_errors.log", "truncated.log.gz", "unparsable.log"):
        coverage = advisor("analyze", BROKEN / name, "--format", "json").document()["coverage"]
        assert 0 < coverage["bytes_classified"] <= coverage["bytes_total"]


@pytest.mark.parametrize("name", ["nothing.log", "nothing/at/all.sql", MANY])
def test_a_file_that_is_not_there(advisor: Command, name: str) -> None:
    assert name[:20] in advisor("analyze", name).error()


def test_a_file_that_may_not_be_read(advisor: Command, is_root: bool) -> None:
    if is_root:
        pytest.skip("root may read everything")
    path = advisor.home / "secret.log"
    path.write_text("x")
    path.chmod(0)
    assert "ermission" in advisor("analyze", path).error()


def test_an_empty_folder(advisor: Command) -> None:
    folder = advisor.home / "logs"
    folder.mkdir()
    advisor("analyze", folder).error()


def test_nothing_on_stdin(advisor: Command) -> None:
    assert "empty" in advisor("analyze", "-").error()


def test_a_log_on_stdin(advisor: Command) -> None:
    ran = advisor("analyze", "-", "--format", "json", stdin=(SHOP / "postgresql.log.gz").read_bytes())
    assert ran.code == 0
    assert ran.document()["coverage"]["statements"] > 1000


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"CREATE TABLE t (id int", "schema.sql"), (b"\xff\xfe\x00", "schema.sql"), (b"SELEKT 1;", "schema.sql")],
)
def test_a_schema_that_is_none(advisor: Command, content: bytes, said: str) -> None:
    path = advisor.home / "schema.sql"
    path.write_bytes(content)
    ran = advisor("analyze", SHOP / "postgresql.log", "--schema", path)
    assert "Traceback" not in ran.err
    assert "defect of advisor" not in ran.err
    assert ran.code == 2
    assert said in ran.err


def test_a_schema_that_is_not_there(advisor: Command) -> None:
    assert "nothing.sql" in advisor("analyze", SHOP / "postgresql.log", "--schema", "nothing.sql").error()


def test_a_migration_that_does_not_parse(advisor: Command) -> None:
    path = advisor.home / "0001_broken.sql"
    path.write_text("CREATE TABLE t (id int);\nALTER TABEL t ADD x int;\n")
    ran = advisor("check", path)
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert "line 2" in ran.out + ran.err


def test_a_host_nobody_knows_and_no_password_in_the_message(advisor: Command) -> None:
    ran = advisor("analyze", "postgresql://me:s3cret@nowhere.invalid/shop")
    assert "nowhere.invalid" in ran.error()
    assert "s3cret" not in ran.err


def test_nobody_listens(advisor: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        ran = advisor("analyze", "--dsn", f"postgresql://me:s3cret@127.0.0.1:{port}/shop")
    assert str(port) in ran.error()
    assert "s3cret" not in ran.err


def test_an_url_that_is_none(advisor: Command) -> None:
    assert "s3cret" not in advisor("analyze", "postgresql://me:s3cret@[::1/shop").error()


def test_a_server_that_goes_away(advisor: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        port = server.getsockname()[1]
        with advisor.start("analyze", f"postgresql://me:s3cret@127.0.0.1:{port}/shop?sslmode=disable") as process:
            connection, _ = server.accept()
            connection.recv(8)
            connection.close()
            server.close()
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, b"")
    assert err.startswith(b"error: ")
    assert b"Traceback" not in err
    assert b"s3cret" not in err


def test_a_temp_folder_that_may_not_be_written_to(advisor: Command, is_root: bool) -> None:
    if is_root:
        folder = Path("/proc/self")
    else:
        folder = advisor.home / "closed"
        folder.mkdir(mode=0o500)
    ran = advisor("analyze", SHOP / "postgresql.log", "--schema", SCHEMA, TMPDIR=str(folder))
    assert "TMPDIR" in ran.error()


def test_a_temp_folder_that_is_not_there(advisor: Command) -> None:
    ran = advisor("analyze", SHOP / "postgresql.log", "--schema", SCHEMA, TMPDIR=str(advisor.home / "nothing"))
    assert "TMPDIR" in ran.error()


def test_the_sandbox_cannot_be_had(advisor: Command) -> None:
    ran = advisor("analyze", SHOP / "postgresql.log", "--schema", SCHEMA, "--sandbox", "elsewhere")
    assert "elsewhere" in ran.error()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("after_s", [0.15, 0.3, 0.5, 0.8, 1.2, 2.0, 4.0])
def test_stopped_at_any_moment(advisor: Command, number: signal.Signals, code: int, after_s: float) -> None:
    ran = advisor.stopped(
        number, after_s, "analyze", SHOP / "postgresql.log", "--schema", SCHEMA, "--format", "json", "-q"
    )
    assert "Traceback" not in ran.err
    assert ran.code in (code, 0)
    if ran.code == code:
        assert "stopped" in ran.err
        assert ran.out == "" or ran.document()["complete"] is False
    else:
        assert ran.document()["complete"] is True


def test_stopped_impatiently(advisor: Command) -> None:
    ran = advisor.stopped(signal.SIGINT, 1.5, "analyze", SHOP / "postgresql.log", "--schema", SCHEMA, times=3)
    assert "Traceback" not in ran.err
    assert ran.code == 130


def test_what_a_killed_run_left_is_cleared_by_the_next(advisor: Command) -> None:
    with advisor.start("analyze", SHOP / "postgresql.log", "--schema", SCHEMA) as process:
        until = time.monotonic() + 60
        while not advisor.servers() and time.monotonic() < until:
            time.sleep(0.02)
        process.kill()
    assert advisor.servers()
    advisor("analyze", SHOP / "postgresql.log", "--schema", SCHEMA, "--select", "SCN001")


def test_a_reader_that_goes_away(advisor: Command) -> None:
    with advisor.start("rules", "list") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        assert process.wait(60) == 2
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err


def test_a_full_disk_at_stdout(advisor: Command) -> None:
    if not os.access("/dev/full", os.W_OK):
        pytest.skip("no /dev/full here")
    command = [sys.executable, "-m", "advisor", "rules", "list"]
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=advisor.home, check=False)
    assert ran.returncode == 2
    assert b"No space left" in ran.stderr
    assert b"Traceback" not in ran.stderr
