"""Migrations that try to get out, to hang, or to spoil the run."""

from pathlib import Path

import pytest

from advisor.migrations import session
from advisor.migrations.gate import run_gate
from advisor.migrations.read import read_migrations
from advisor.migrations.trace import trace
from advisor.model.migration import Migration, TracedStatement
from advisor.sandbox.server import Sandbox


def run(sandbox: Sandbox, database: str, folder: Path, *texts: str) -> tuple[Migration, ...]:
    for number, text in enumerate(texts, 1):
        (folder / f"{number}.sql").write_text(text)
    return trace(sandbox, database, read_migrations([str(folder)]))


def only(migrations: tuple[Migration, ...]) -> TracedStatement:
    return migrations[0].statements[-1]


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "COPY (SELECT 1) TO '/tmp/out'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "CREATE ROLE boss SUPERUSER",
        "ALTER ROLE CURRENT_USER PASSWORD 'mine'",
        "ALTER ROLE CURRENT_USER SET statement_timeout = 1",
        "DROP DATABASE sandbox",
        "CREATE DATABASE other",
        "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc', 'getpid'",
    ],
)
def test_what_reaches_beyond_the_database_is_not_run(sandbox: Sandbox, database: str, tmp_path: Path, sql: str) -> None:
    statement = only(run(sandbox, database, tmp_path, sql))
    assert (statement.traced, statement.locks) == (False, None)
    assert "may not do this" in statement.details["reason"]


def test_roles_cannot_be_climbed(sandbox: Sandbox, database: str, tmp_path: Path) -> None:
    (migration,) = run(sandbox, database, tmp_path, "RESET ROLE; RESET SESSION AUTHORIZATION; CREATE TABLE w AS SELECT current_setting('is_superuser') AS s")  # fmt: skip  # noqa: E501
    assert migration.statements[-1].error is None
    with sandbox.connect(database) as connection:
        assert connection.execute("SELECT s FROM w").fetchone() == ("off",)


def test_a_statement_that_overruns_is_not_a_failure(
    sandbox: Sandbox, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "STATEMENT_LIMIT_S", 1)
    first, second = run(sandbox, database, tmp_path, "SELECT pg_sleep(30); SELECT 1", "SELECT 2")
    assert "limits stopped it" in first.statements[0].details["reason"]
    assert second.statements[0].traced


def test_a_lifted_time_limit_is_ended_from_outside(
    sandbox: Sandbox, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "STATEMENT_LIMIT_S", 1)
    monkeypatch.setattr(session, "_WATCHDOG_GRACE_S", 0.2)
    endless = "SET statement_timeout = 0; DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(1); EXCEPTION WHEN query_canceled THEN END; END LOOP; END $$; SELECT 1"  # noqa: E501
    first, second = run(sandbox, database, tmp_path, endless, "SELECT 2")
    assert not first.statements[1].traced
    assert not first.statements[2].traced
    assert second.statements[0].traced


def test_an_own_search_path_hides_nothing(sandbox: Sandbox, database: str, tmp_path: Path) -> None:
    with sandbox.connect(database) as connection:
        connection.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    text = (
        "CREATE SCHEMA evil; CREATE TABLE evil.pg_class (oid oid); "
        "CREATE VIEW evil.pg_stat_xact_all_tables AS SELECT 1;"
        "SET search_path = evil, public, pg_catalog; CREATE INDEX i ON t (a)"
    )
    statement = only(run(sandbox, database, tmp_path, text))
    assert [(str(lock.relation), lock.mode) for lock in statement.locks or ()] == [("public.t", "ShareLock")]
    assert statement.details["new_indexes"][0]["index"] == "public.i"


def test_names_that_need_quotes(sandbox: Sandbox, database: str, tmp_path: Path) -> None:
    with sandbox.connect(database) as connection:
        connection.execute('CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema"."Order ""x""" (a int)')
    text = 'CREATE INDEX CONCURRENTLY "An Index" ON "My Schema"."Order ""x""" (a)'
    statement = only(run(sandbox, database, tmp_path, text))
    assert [str(lock.relation) for lock in statement.locks or ()] == ['My Schema.Order "x"']


def test_a_query_cannot_end_its_transaction(sandbox: Sandbox, database: str, tmp_path: Path) -> None:
    with sandbox.connect(database) as connection:
        connection.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    (tmp_path / "1.sql").write_text("ALTER TABLE t ADD b int")
    queries = [("q1", "SELECT 1; COMMIT; DROP TABLE t", 1.0), ("q2", "DELETE FROM t", 1.0)]
    gate = run_gate(sandbox, database, read_migrations([str(tmp_path)]), queries)
    assert [change.change for change in gate.migrations[0].workload] == ["same", "same"]
    with sandbox.connect(database) as connection:
        assert connection.execute("SELECT a FROM t").fetchone() == (1,)
