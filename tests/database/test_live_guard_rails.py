"""The session on the user's database over every way in, and at databases that are not as they should be.

Each reads the same catalog as a plain connection does, and the server's own log shows what was sent.
"""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from advisor.catalog.connect import connect
from advisor.catalog.read import read_catalog
from advisor.errors import ConnectionFailed
from advisor.model.catalog import Catalog
from advisor.sandbox.programs import binaries
from advisor.sources.pg_stat_statements import Availability
from advisor.sources.pg_stat_statements import read as read_statistics
from tests.database.live_server import PASSWORD, SETTINGS, LiveServer, live_server

SCHEMA = """
CREATE TABLE public.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, born date,
    spent numeric(10, 2), wait interval, raw bytea);
INSERT INTO public.customers (name, born, spent, wait, raw)
    SELECT 'n' || x % 7, date '2000-02-01' + x, x / 3.0, x % 5 * interval '90 min', '\\x00ff'::bytea
    FROM generate_series(1, 2000) x;
CREATE INDEX by_name ON public.customers (lower(name)) WHERE born > '2001-02-03' AND raw <> '\\x00fe';
CREATE VIEW public.rich AS SELECT id, 'it''s' || name AS name FROM public.customers WHERE wait > interval '1 day 2:00';
ANALYZE public.customers;
"""

SENT = re.compile(r"(?:BEGIN|SET LOCAL|SELECT|WITH|SAVEPOINT|RELEASE|ROLLBACK|COMMIT|SHOW)\b")
"""All that may ever reach the user's database."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Target:
    """A server over a socket and, with TLS, over TCP."""

    server: LiveServer
    port: int
    certificate: Path

    def url(self, *, user: str = "reader", database: str = "shop", host: str = "", more: str = "") -> str:
        place = host or quote(str(self.server.folder), safe="")
        return f"postgresql://{user}:{quote(PASSWORD, safe='')}@/{database}?host={place}&port={self.port}{more}"


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    found = binaries.local(15)
    if found is None:
        pytest.skip("PostgreSQL 15 (with TLS and pg_basebackup) is not installed here")
    port = free_port()
    settings = {**SETTINGS, "listen_addresses": "127.0.0.1", "port": str(port), "wal_level": "replica"}
    with live_server(found, settings=settings, filled=False) as server:
        certificate = _certificate(server)
        target = Target(server, port, certificate)
        with psycopg.connect(target.url(user="postgres", database="postgres"), autocommit=True) as admin:
            admin.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'".encode())
            admin.execute("GRANT pg_read_all_data, pg_monitor TO reader")
            admin.execute("CREATE DATABASE shop")
            for name, value in (("ssl_cert_file", certificate), ("ssl_key_file", certificate.with_suffix(".key"))):
                admin.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
            admin.execute("ALTER SYSTEM SET ssl = on")
            admin.execute("SELECT pg_reload_conf()")
        with psycopg.connect(target.url(user="postgres"), autocommit=True) as admin:
            admin.execute(SCHEMA.encode())
        yield target


def _certificate(server: LiveServer) -> Path:
    """A self-made one for `localhost`."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed here")
    certificate = server.folder / "server.crt"
    key = certificate.with_suffix(".key")
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    server.account.own(key)
    key.chmod(0o600)
    return certificate


def read(url: str) -> Catalog:
    with closing(connect(url)) as connection:
        return read_catalog(connection)


@pytest.fixture(scope="module")
def plain(target: Target) -> Catalog:
    """What a plain connection reads."""
    catalog = read(target.url())
    assert {str(name) for name in catalog.tables} == {"public.customers", "public.rich"}
    return catalog


@contextmanager
def only_reading(server: LiveServer, application: str = "advisor") -> Iterator[None]:
    """Nothing but what `SENT` says gets into the server's log, and nothing fails."""
    position = server.log_size()
    yield
    records = server.logged_since(position, application)
    statements = [record.split("LOG:", 1)[1] for record in records if re.search(r"LOG:\s+(statement|execute)", record)]
    assert statements
    for text in statements:
        for piece in re.split(r";\s*", text.split(":", 1)[1].strip()):
            assert SENT.match(piece), piece
    assert not [record for record in records if re.search(r"(ERROR|FATAL|PANIC):", record)]


def test_a_unix_socket(target: Target, plain: Catalog) -> None:
    with only_reading(target.server):
        assert read(target.url()) == plain


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("127.0.0.1", "&sslmode=require"),
        ("localhost", "&sslmode=verify-full&sslrootcert={certificate}"),
        ("127.0.0.1", "&sslmode=verify-ca&sslrootcert={certificate}"),
        ("127.0.0.1", "&sslmode=disable"),
    ],
)
def test_tls(target: Target, plain: Catalog, host: str, more: str) -> None:
    url = target.url(host=host, more=more.format(certificate=target.certificate))
    with closing(connect(url)) as connection:
        row = connection.execute("SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
        assert row == ("disable" not in more,)
    assert read(url) == plain


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("127.0.0.1", "&sslmode=verify-full&sslrootcert={certificate}"),
        ("localhost", "&sslmode=verify-full&sslrootcert=/nonexistent/root.crt"),
    ],
)
def test_tls_that_does_not_hold(target: Target, host: str, more: str) -> None:
    with pytest.raises(ConnectionFailed) as failure:
        connect(target.url(host=host, more=more.format(certificate=target.certificate)))
    assert "sslmode" in failure.value.hint
    assert PASSWORD not in str(failure.value)


def test_a_service_and_a_password_file(
    target: Target, plain: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, passwords = tmp_path / "services", tmp_path / "passwords"
    services.write_text(f"[shop]\nhost={target.server.folder}\nport={target.port}\ndbname=shop\nuser=reader\n")
    passwords.write_text(f"*:{target.port}:shop:reader:{PASSWORD}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    assert read("service=shop") == plain
    assert read("postgresql:///?service=shop") == plain
    monkeypatch.setenv("PGSERVICE", "shop")
    assert read("") == plain


ODD_ROLE = {
    "search_path": "'nowhere'",
    "DateStyle": "'SQL, DMY'",
    "IntervalStyle": "'sql_standard'",
    "standard_conforming_strings": "off",
    "bytea_output": "'escape'",
    "quote_all_identifiers": "on",
    "row_security": "off",
    "extra_float_digits": "-5",
    "transform_null_equals": "on",
    "client_encoding": "'LATIN1'",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "'serializable'",
    "default_transaction_deferrable": "on",
    "lock_timeout": "'1ms'",
    "statement_timeout": "'20ms'",
    "idle_in_transaction_session_timeout": "'20s'",
    "xmlbinary": "'hex'",
    "array_nulls": "off",
}


def test_a_role_with_odd_settings(target: Target, plain: Catalog) -> None:
    with psycopg.connect(target.url(user="postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE odd LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data, pg_monitor".encode())
        for name, value in ODD_ROLE.items():
            admin.execute(f"ALTER ROLE odd SET {name} = {value}".encode())
    with only_reading(target.server):
        found = read(target.url(user="odd"))
    assert replace(found, search_path=plain.search_path) == plain


def test_what_we_set_holds_for_our_transaction_alone(target: Target) -> None:
    """A pooler gives the server session to the next client."""
    settings = ["statement_timeout", "lock_timeout", "DateStyle", "application_name", "transaction_read_only"]
    with psycopg.connect(target.url(), application_name="advisor") as fresh:
        before = [fresh.execute(f"SHOW {name}".encode()).fetchone() for name in settings]
    with closing(connect(target.url())) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE never (x int)")
        connection.rollback()
        connection.read_only = None
        assert [connection.execute(f"SHOW {name}".encode()).fetchone() for name in settings] == before


@pytest.mark.parametrize(("encoding", "letters"), [("LATIN1", "größe"), ("SQL_ASCII", "size"), ("EUC_JP", "量")])
def test_another_encoding(target: Target, encoding: str, letters: str) -> None:
    name = f"in_{encoding.lower()}"
    with psycopg.connect(target.url(user="postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0".encode())
    with psycopg.connect(
        target.url(user="postgres", database=name, more="&client_encoding=utf8"), autocommit=True
    ) as admin:
        admin.execute(
            f"CREATE TABLE public.t (\"{letters}\" text); INSERT INTO t VALUES ('{letters}'); ANALYZE t".encode()
        )
    with only_reading(target.server):
        catalog = read(target.url(database=name))
    (table,) = catalog.tables.values()
    assert [column.name for column in table.columns] == [letters]


TRAP = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.spring() RETURNS void LANGUAGE plpgsql AS
    $$ BEGIN COPY (SELECT 1) TO PROGRAM 'cat > {file}'; END $$;
CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM evil.spring(); RETURN pg_catalog.current_setting($1); END $$;
CREATE FUNCTION evil.same(name, name) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN PERFORM evil.spring(); RETURN true; END $$;
CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = name, RIGHTARG = name);
CREATE VIEW evil.pg_class AS SELECT 1 AS oid FROM evil.spring();
CREATE FUNCTION evil.format_type(oid, integer) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM evil.spring(); RETURN 'x'; END $$;
"""


def test_a_hostile_search_path(target: Target) -> None:
    """Of the database's owner, against whoever connects: functions of ours' names before pg_catalog's."""
    trap = target.server.folder / "trap"
    with psycopg.connect(target.url(user="postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE hostile")
        admin.execute("ALTER DATABASE hostile SET search_path = evil, pg_catalog")
    with psycopg.connect(target.url(user="postgres", database="hostile"), autocommit=True) as admin:
        admin.execute(TRAP.replace("{file}", str(trap)).encode())
    url = target.url(user="postgres", database="hostile")
    assert read(url).search_path == ("evil", "pg_catalog")
    assert not trap.exists()
    with closing(connect(url)) as connection:
        assert list(read_statistics(connection, Availability())) == []
        assert not trap.exists()
        assert read_catalog(connection).search_path == ("evil", "pg_catalog")
    assert not trap.exists()


def test_connecting_alone_springs_no_trap(target: Target) -> None:
    trap = target.server.folder / "trap2"
    with psycopg.connect(target.url(user="postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE hostile2")
        admin.execute("ALTER DATABASE hostile2 SET search_path = evil, pg_catalog")
    with psycopg.connect(target.url(user="postgres", database="hostile2"), autocommit=True) as admin:
        admin.execute(TRAP.replace("{file}", str(trap)).encode())
    with closing(connect(target.url(user="postgres", database="hostile2"))) as connection:
        assert not trap.exists()
        connection.execute("SELECT current_setting('port')")
    assert trap.exists(), "the trap works"


def test_a_hot_standby(target: Target, plain: Catalog) -> None:
    server = target.server
    copy, port = server.folder / "standby", free_port()
    url = target.url(user="postgres", database="postgres")
    server.program("pg_basebackup", "-d", url, "-D", copy, "-R", "-X", "stream", "-c", "fast", "--no-sync")
    with (copy / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"port = {port}\n")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("ALTER ROLE reader SET default_transaction_isolation = 'serializable'")
    server.program("pg_ctl", "start", "-w", "-s", "-D", copy, "-l", server.folder / "standby.log")
    try:
        standby = replace(target, port=port)
        _wait_for(standby.url(user="postgres", database="postgres"))
        found = read(standby.url())
        assert found.tables.keys() == plain.tables.keys()
        assert [t.columns for t in found.tables.values()] == [t.columns for t in plain.tables.values()]
        assert "in recovery" not in " ".join(found.warnings)
    finally:
        server.program("pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", copy)
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("ALTER ROLE reader RESET default_transaction_isolation")


def _wait_for(url: str) -> None:
    """Until the standby has replayed the role's setting."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with psycopg.connect(url) as connection:
            row = connection.execute(
                "SELECT pg_is_in_recovery(), count(*) FROM pg_db_role_setting s JOIN pg_roles r"
                " ON r.oid = s.setrole WHERE r.rolname = 'reader'"
            ).fetchone()
        if row == (True, 1):
            return
        time.sleep(0.05)
    raise AssertionError("the standby does not follow")


@pytest.fixture
def pooler(target: Target, tmp_path: Path) -> Iterator[str]:
    """PgBouncer in transaction mode with a single server session, before the shop; its URL."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed here")
    port, folder = free_port(), target.server.folder
    users, config = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"reader" "{PASSWORD}"\n')
    config.write_text(
        f"[databases]\nshop = host={folder} port={target.port} dbname=shop\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {users}\n"
        "pool_mode = transaction\ndefault_pool_size = 1\nserver_reset_query =\n"
    )
    account = target.server.account
    with subprocess.Popen(
        [program, str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **account.spawn()
    ) as running:
        try:
            yield target.url(host="127.0.0.1").replace(f"port={target.port}", f"port={port}")
        finally:
            running.terminate()


def _through(url: str) -> Catalog:
    deadline = time.monotonic() + 20
    while True:
        try:
            return read(url)
        except ConnectionFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_a_pooler_in_transaction_mode(target: Target, plain: Catalog, pooler: str) -> None:
    _through(pooler)
    with only_reading(target.server):
        assert read(pooler) == plain
    with psycopg.connect(pooler, application_name="next") as following:
        settings = ("statement_timeout", "lock_timeout", "transaction_read_only", "search_path")
        found = [following.execute(f"SHOW {name}".encode()).fetchone() for name in settings]
    assert found == [("0",), ("0",), ("off",), ('"$user", public',)]


def test_what_is_foreign_is_left_out_by_name(target: Target) -> None:
    """Schemas as hosted servers and extensions have them, and an access method that no other server has."""
    with psycopg.connect(target.url(user="postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE hosted")
    with psycopg.connect(target.url(user="postgres", database="hosted"), autocommit=True) as admin:
        admin.execute(FOREIGN)
        admin.execute(SCHEMA.encode())
    catalog = read(target.url(database="hosted"))
    assert "public.customers" in {str(name) for name in catalog.tables}
    assert {name.schema for name in catalog.tables} & LEFT_OUT == set()
    assert {one.name.schema for one in catalog.objects} & LEFT_OUT == set()
    assert "public.columns_first" not in {str(name) for name in catalog.tables}
    assert "public.columns_first" in " ".join(catalog.warnings)


LEFT_OUT = {"_timescaledb_internal", "_timescaledb_catalog", "cron"}
FOREIGN = """
CREATE SCHEMA _timescaledb_internal; CREATE TABLE _timescaledb_internal._hyper_1_1_chunk (at timestamptz);
CREATE SCHEMA _timescaledb_catalog; CREATE TABLE _timescaledb_catalog.hypertable (id int);
CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint, command text);
ALTER EXTENSION plpgsql ADD TABLE cron.job;
CREATE ACCESS METHOD columnar TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE public.columns_first (x int) USING columnar;
"""
