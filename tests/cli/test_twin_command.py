"""`advisor twin`: a URL that plans, what is said beside it, and nothing left after the end."""

import signal

import psycopg
import pytest

from tests.cli.command import TIMEOUT_S, Command
from tests.cli.test_snapshot_command import kept


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_it_prints_a_url_and_stays_until_it_is_stopped(advisor: Command, number: signal.Signals, code: int) -> None:
    with advisor.start("twin", "--snapshot", kept(advisor.home)) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().decode().strip()
            with psycopg.connect(url) as connection:
                plan = connection.execute("EXPLAIN SELECT * FROM orders").fetchall()
        finally:
            process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert "Seq Scan on orders" in plan[0][0]
    assert (process.returncode, out) == (code, b"")
    said = " ".join(err.decode().split())
    assert "Plans like" in said
    assert "CREATE INDEX, ANALYZE or VACUUM" in said
    assert "Ctrl-C ends it." in said
    assert max(map(len, err.decode().splitlines())) <= 80
    advisor.nothing_left()


@pytest.mark.parametrize("arguments", [(), ("--snapshot", "nowhere"), ("--dsn", "postgresql:///a", "--snapshot", "b")])
def test_calls_that_are_refused(advisor: Command, arguments: tuple[str, ...]) -> None:
    assert advisor("twin", *arguments).error()
