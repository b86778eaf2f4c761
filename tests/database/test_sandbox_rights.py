"""What the unprivileged login must not do, tried; what it must be able to do, too."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

from advisor.errors import SandboxError
from advisor.sandbox.server import Sandbox

REFUSED = errors.InsufficientPrivilege

ATTACKS = {
    "program, reading": "COPY (SELECT 1) TO PROGRAM 'cat > /tmp/never'",
    "program, writing": "CREATE TABLE t (x text); COPY t FROM PROGRAM 'id'",
    "file, by COPY FROM": "CREATE TABLE t (x text); COPY t FROM '/etc/passwd'",
    "file, by COPY TO": "COPY (SELECT 1) TO '/tmp/never'",
    "file, by function": "SELECT pg_read_file('/etc/passwd')",
    "file, binary": "SELECT pg_read_binary_file('PG_VERSION')",
    "folder": "SELECT pg_ls_dir('.')",
    "file's size": "SELECT pg_stat_file('PG_VERSION')",
    "large object, import": "SELECT lo_import('/etc/passwd')",
    "large object, export": "SELECT lo_export(lo_create(0), '/tmp/never')",
    "network": "CREATE EXTENSION dblink",
    "foreign server": "CREATE EXTENSION postgres_fdw",
    "foreign file": "CREATE EXTENSION file_fdw",
    "foreign data wrapper": "CREATE FOREIGN DATA WRAPPER w",
    "subscription": "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p",
    "library function": "CREATE FUNCTION system(cstring) RETURNS int AS 'libc.so.6', 'system' LANGUAGE c",
    "internal function": "CREATE FUNCTION f(text) RETURNS text AS 'pg_read_file_all' LANGUAGE internal",
    "library": "LOAD '/tmp/never.so'",
    "preloaded library": "SET session_preload_libraries = 'never'",
    "language": "CREATE LANGUAGE evil HANDLER plpgsql_call_handler",
    "becoming the superuser": "SET ROLE advisor_admin",
    "becoming it for the session": "SET SESSION AUTHORIZATION advisor_admin",
    "superuser rights": "ALTER ROLE advisor_user SUPERUSER",
    "the superuser's password": "ALTER ROLE advisor_admin PASSWORD 'x'",
    "a role": "CREATE ROLE other SUPERUSER LOGIN",
    "file right": "GRANT pg_read_server_files TO advisor_user",
    "program right": "GRANT pg_execute_server_program TO CURRENT_USER",
    "a database": "CREATE DATABASE other",
    "another of its databases": "DROP DATABASE sandbox",
    "its database's name": "ALTER DATABASE sandbox RENAME TO other",
    "its database's defaults": "ALTER DATABASE sandbox SET default_transaction_read_only = on",
    "its database's connections": "ALTER DATABASE sandbox CONNECTION LIMIT 0",
    "its database's door": "ALTER DATABASE sandbox ALLOW_CONNECTIONS false",
    "a tablespace": "CREATE TABLESPACE t LOCATION '/tmp'",
    "the configuration": "ALTER SYSTEM SET archive_command = 'id'",
    "reloading it": "SELECT pg_reload_conf()",
    "unlimited temp files": "SET temp_file_limit = -1",
    "the catalogs": "UPDATE pg_authid SET rolsuper = true",
    "passwords": "SELECT rolpassword FROM pg_authid",
    "an event trigger": "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
    "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION e()",
    "files within a DO block": "DO $$ BEGIN PERFORM pg_read_file('/etc/passwd'); END $$",
    "programs within a DO block": "DO $$ BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''id'''; END $$",
    "a file at plan time": "CREATE FUNCTION f() RETURNS text IMMUTABLE LANGUAGE sql AS"
    " $$SELECT pg_read_file('/etc/passwd')$$; EXPLAIN SELECT 1 WHERE f() = 'x'",
    "ending the superuser's sessions": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename = 'advisor_admin'",
}


@pytest.fixture
def user(sandbox: Sandbox, database: str) -> Iterator[psycopg.Connection[Any]]:
    with sandbox.connect(database) as connection:
        connection.autocommit = True
        yield connection


@pytest.mark.parametrize("statement", ATTACKS.values(), ids=ATTACKS.keys())
def test_the_user_login_is_refused(sandbox: Sandbox, user: psycopg.Connection[Any], statement: str) -> None:
    with sandbox.admin(), pytest.raises(REFUSED):
        user.execute(statement.encode())


@pytest.mark.parametrize("other", ["postgres", "template1", "template0"])
def test_the_user_login_enters_no_database_but_its_own(sandbox: Sandbox, other: str) -> None:
    with pytest.raises(SandboxError):
        sandbox.connect(other)


def test_neither_login_is_let_in_without_its_password(sandbox: Sandbox) -> None:
    where = sandbox.url.partition("?")[2]
    for login in ("advisor_admin", "advisor_user", "postgres"):
        for password in ("", ":wrong"):
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(f"postgresql://{login}{password}@/sandbox?{where}")


def test_the_user_may_do_all_within_its_database(user: psycopg.Connection[Any]) -> None:
    user.execute("CREATE SCHEMA own; CREATE TABLE own.t (x int PRIMARY KEY); CREATE TABLE u (x text)")
    user.execute("INSERT INTO own.t SELECT generate_series(1, 100); ANALYZE own.t; CREATE TEMP TABLE v (x int)")
    user.execute("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'")
    assert user.execute("SELECT count(*), f() FROM own.t").fetchone() == (100, 1)
    row = user.execute(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles"
        " WHERE rolname = current_user"
    ).fetchone()
    assert row == (False,) * 5
    user.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE public.w (x int)")


def test_the_user_may_load_rows_with_its_triggers_off(user: psycopg.Connection[Any]) -> None:
    user.execute("CREATE TABLE a (x int PRIMARY KEY); CREATE TABLE b (x int REFERENCES a)")
    user.execute("SET session_replication_role = replica; INSERT INTO b VALUES (1)")
    assert user.execute("SELECT x FROM b").fetchone() == (1,)


def test_the_superuser_looks_up_no_name_of_the_users(sandbox: Sandbox, user: psycopg.Connection[Any]) -> None:
    name = user.info.dbname
    user.execute("CREATE FUNCTION public.version() RETURNS text LANGUAGE sql AS $$SELECT 'trap'$$")
    with sandbox.admin() as admin:
        admin.execute(f'ALTER DATABASE "{name}" SET search_path = public, pg_catalog'.encode())
    with sandbox.admin(name) as admin:
        row = admin.execute("SELECT version(), current_setting('is_superuser')").fetchone()
    assert row is not None
    assert row[0].startswith("PostgreSQL")
    assert row[1] == "on"


def test_statements_have_a_time_limit(user: psycopg.Connection[Any]) -> None:
    assert user.execute("SHOW statement_timeout").fetchone() == ("5min",)


def test_the_default_locale_compares_like_a_language(user: psycopg.Connection[Any]) -> None:
    """Under C a plain btree would serve LIKE 'x%', which on most production databases it does not."""
    user.execute("CREATE TABLE t (x text PRIMARY KEY); SET enable_seqscan = off; SET enable_bitmapscan = off")
    plan = user.execute("EXPLAIN SELECT FROM t WHERE x LIKE 'abc%'").fetchall()
    assert not any("Index Cond" in line for (line,) in plan)


def test_databases_come_and_go(sandbox: Sandbox) -> None:
    sandbox.create_database("Odd name")
    with pytest.raises(SandboxError, match="already"):
        sandbox.create_database("Odd name")
    with sandbox.connect("Odd name") as connection:
        assert connection.info.dbname == "Odd name"
        sandbox.drop_database("Odd name")
    with pytest.raises(SandboxError):
        sandbox.connect("Odd name")
    sandbox.drop_database("postgres")
    with sandbox.admin("postgres") as admin:
        assert admin.info.dbname == "postgres"


def test_the_url_opens_the_users_login(sandbox: Sandbox, database: str) -> None:
    with psycopg.connect(sandbox.url_of(database)) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == ("advisor_user", database)


ITS_OWN = {
    "password": "ALTER ROLE CURRENT_USER PASSWORD 'mine'",
    "time limit": "ALTER ROLE CURRENT_USER SET statement_timeout = 1",
    "idle limit": "ALTER ROLE CURRENT_USER SET idle_session_timeout = 1",
    "read only": "ALTER ROLE CURRENT_USER SET default_transaction_read_only = on",
    "a library": "ALTER ROLE CURRENT_USER SET local_preload_libraries = 'never'",
    "search_path": "ALTER ROLE CURRENT_USER SET search_path = evil, pg_catalog",
    "in its database": 'ALTER ROLE CURRENT_USER IN DATABASE "{}" SET default_transaction_read_only = on',
    "limits taken off": "ALTER ROLE CURRENT_USER RESET ALL",
    "all it owns": "DROP OWNED BY CURRENT_USER",
    "its own rights": 'REVOKE ALL ON DATABASE "{}" FROM CURRENT_USER',
}


@pytest.mark.parametrize("statement", ITS_OWN.values(), ids=ITS_OWN.keys())
def test_what_the_login_does_to_itself_is_taken_back(
    sandbox: Sandbox, user: psycopg.Connection[Any], statement: str
) -> None:
    name = user.info.dbname
    user.execute(statement.format(name).encode())
    for database in (name, sandbox.database):
        with sandbox.connect(database) as again:
            again.execute("CREATE SCHEMA IF NOT EXISTS public; CREATE TABLE public.t (x text)")
            again.execute("SET session_replication_role = replica")
            for setting, value in (("statement_timeout", "5min"), ("search_path", '"$user", public')):
                assert again.execute(f"SHOW {setting}".encode()).fetchone() == (value,)
            again.rollback()
    with psycopg.connect(sandbox.url_of(name)) as by_url:
        assert by_url.execute("SHOW default_transaction_read_only").fetchone() == ("off",)


def test_rights_that_are_gone_come_back(sandbox: Sandbox, database: str) -> None:
    with sandbox.admin(database) as admin:
        admin.execute("DROP OWNED BY advisor_user")
    for name in (database, sandbox.database):
        with sandbox.connect(name) as again:
            again.execute("CREATE TABLE public.t (x text); CREATE SCHEMA s; SET session_replication_role = replica")
            again.rollback()


def test_texts_are_taken_apart_as_ours(
    sandbox: Sandbox, user: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGOPTIONS", "-c standard_conforming_strings=off")
    name = user.info.dbname
    with sandbox.admin() as admin:
        for setting in ("client_encoding = SQL_ASCII", "standard_conforming_strings = off"):
            admin.execute(f'ALTER DATABASE "{name}" SET {setting}'.encode())
    for opened in (sandbox.connect(name), sandbox.admin(name)):
        with opened:
            assert opened.execute("SHOW client_encoding").fetchone() == ("UTF8",)
            assert opened.execute("SHOW standard_conforming_strings").fetchone() == ("on",)
