"""`advisor doctor` against real servers: its fixes are run, and then nothing is missing any more."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from advisor.doctor.check import Check
from advisor.doctor.examine import Examination, examine
from advisor.doctor.server import read_server
from advisor.report import schemas
from advisor.sandbox.programs import binaries
from advisor.sandbox.server import Sandbox
from tests.database.live_server import PASSWORD, URL_PASSWORD, LiveServer, advise, live_server

POOR = {
    "shared_preload_libraries": "",
    "listen_addresses": "",
    "log_line_prefix": "%t ",
    "compute_query_id": "off",
    "log_min_duration_statement": "250",
    "log_autovacuum_min_duration": "-1",
    "lc_messages": "C",
}

SHOP = Path(__file__).parents[2] / "fixtures" / "logs" / "shop" / "postgresql.log"


@pytest.fixture(scope="module", params=["embedded", "local"])
def server(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    """A server with poor settings, and a role that may only connect."""
    found = binaries.embedded() if request.param == "embedded" else binaries.local()
    if found is None:
        pytest.skip("no PostgreSQL server is installed here")
    with live_server(found, settings=POOR, filled=False) as running:
        with running.superuser("postgres") as connection:
            connection.execute(f"CREATE ROLE \"o'dd\" LOGIN PASSWORD '{PASSWORD}'".encode())
            connection.execute("CREATE TABLE t (x int); CREATE EXTENSION file_fdw; CREATE EXTENSION pg_trgm")
        yield running


def test_a_view_that_somebody_put_beside_the_extension_is_not_asked(sandbox: Sandbox, database: str) -> None:
    with sandbox.admin(database) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements SCHEMA public VERSION '1.8'")
        connection.execute("CREATE VIEW public.pg_stat_statements_info AS SELECT 7 AS dealloc")
        assert read_server(connection).deallocations is None
        connection.rollback()


def checks(found: Examination) -> dict[str, Check]:
    return {check.name: check for section in found.sections for check in section.checks}


def url(server: LiveServer, user: str = "o%27dd") -> str:
    return server.url(user, "postgres")


def test_gaps_are_found_and_their_fixes_close_them(server: LiveServer) -> None:
    before = checks(examine(url(server)))
    for name in ("log_line_prefix", "auto_explain", "compute_query_id", "pg_stat_statements"):
        assert before[name].status == "missing", name
    for name in ("log_min_duration_statement", "track_io_timing", "log_temp_files", "log_autovacuum_min_duration"):
        assert before[name].status == "weak", name
    with server.superuser("postgres") as connection:
        # Of the superuser's: only he sees which libraries are loaded already.
        fixes = [check for check in checks(examine(server.url("postgres", "postgres"))).values() if check.needs]
        for fix in fixes:
            for statement in fix.fix:
                if not statement.startswith("CREATE EXTENSION pg_stat_statements"):
                    connection.execute(statement.encode())
    server.program("pg_ctl", "restart", "-w", "-s", "-D", server.folder / "data", "-l", server.folder / "log")
    after = checks(examine(url(server)))
    assert after["pg_stat_statements"].found == "loaded, not created here"
    with server.superuser("postgres") as connection:
        for statement in after["pg_stat_statements"].fix:
            connection.execute(statement.encode())
    last = checks(examine(url(server)))
    assert {name for name in before if last[name].status == "good"} >= {
        "log_line_prefix",
        "log_min_duration_statement",
        "auto_explain",
        "compute_query_id",
        "pg_stat_statements",
        "track_io_timing",
        "log_lock_waits",
        "log_temp_files",
        "log_autovacuum_min_duration",
    }


def test_the_grant_script_gives_what_is_missing(server: LiveServer) -> None:
    found = examine(url(server))
    assert {check.status for check in found.sections[0].checks} >= {"missing"}
    with server.superuser("postgres") as connection:
        for line in found.grants.splitlines():
            if not line.startswith("--"):
                connection.execute(line.encode())
    again = examine(url(server))
    assert again.grants == ""
    assert "missing" not in {check.status for check in again.sections[0].checks}


def test_a_throwaway_server_like_it_is_looked_for(server: LiveServer) -> None:
    found = checks(examine(url(server)))
    assert found[f"PostgreSQL {server.major}"].status == "good"
    assert found["extension pg_trgm"].status == "good"
    assert found["extension file_fdw"].status == "weak"
    assert "extension plpgsql" not in found


def test_a_full_pg_stat_statements_is_told() -> None:
    settings = {"listen_addresses": "", "pg_stat_statements.max": "100"}
    with live_server(binaries.embedded(), settings=settings, filled=False) as running:
        with running.superuser("postgres") as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            assert checks(examine(running.url("postgres", "postgres")))["pg_stat_statements"].status == "good"
            for width in range(1, 220):
                connection.execute(f"SELECT {', '.join('1' * width)}".encode())
        check = checks(examine(running.url("postgres", "postgres")))["pg_stat_statements"]
    assert check.status == "weak"
    assert check.fix == ("ALTER SYSTEM SET pg_stat_statements.max = 200;",)
    assert check.needs == "restart"


def test_only_reading(server: LiveServer) -> None:
    with server.superuser("postgres") as connection:
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("SELECT pg_reload_conf()")
        position = server.log_size()
        ran = advise("doctor", "--dsn", server.url("postgres", "postgres"))
    assert ran.returncode == 0, ran.stderr
    text = (server.folder / "log").read_bytes()[position:].decode()
    assert "/advisor " in text
    statements = [line for line in text.splitlines() if "/advisor " in line and "statement:" in line]
    assert not [line for line in statements if any(word in line for word in ("ALTER ", "GRANT ", "CREATE ", "LOAD "))]


def test_the_command_line(server: LiveServer) -> None:
    ran = advise("doctor", "--dsn", url(server), str(SHOP), "--format", "json")
    assert ran.returncode == 0, ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    Draft202012Validator(schemas.load("doctor")).validate(document)
    assert document["server"] == {"version": document["server"]["version"], "database": "postgres", "role": "o'dd"}
    assert [section["title"] for section in document["sections"]][-1] == "The log"
    assert URL_PASSWORD not in ran.stdout
    text = advise("doctor", "--dsn", url(server), str(SHOP))
    assert text.returncode == 0
    prose = [line for line in text.stdout.splitlines() if not line.lstrip().startswith(("ALTER", "GRANT", "--", "/"))]
    assert max(map(len, prose)) <= 80


@pytest.mark.parametrize("flags", [("--dsn",), ()], ids=["--dsn", "as LOG"])
def test_no_connection_is_an_error(flags: tuple[str, ...]) -> None:
    ran = advise("doctor", *flags, "postgresql://nobody:s3cret-word@127.0.0.1:1/postgres")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "No PostgreSQL server answers there" in ran.stderr
    assert "s3cret-word" not in ran.stderr
