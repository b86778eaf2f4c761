"""Every attack of `hostile.py` through every door: nothing happens outside, it ends, and the run goes on.

A door takes a text as the product does: as a log's statement, as a schema file, as a migration, as an object of a
snapshot. Around each the world outside of the attacked database is compared.
"""

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import conninfo

from advisor.errors import InputError
from advisor.migrations import session
from advisor.migrations.read import read_migrations
from advisor.migrations.trace import trace
from advisor.model.catalog import Catalog, Column, SchemaObject, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.host import server_account
from advisor.sandbox.schema import load
from advisor.sandbox.schema.load import load_schema
from advisor.sandbox.schema.rebuild import rebuild
from advisor.sandbox.server import Sandbox
from advisor.sql.split import split
from advisor.sql.vet import vet_statement
from advisor.validate.measure import rolled_back
from tests.database.hostile import ATTACKS, Attack

LIMIT_S = 0.5
"""Of every statement here, so that an attack that takes its time takes little of ours."""

HANGS_S = 60
"""A door that is still busy by then has no limit at all."""

VICTIM, ARENA = "victim", "arena"
INNOCENT = QualifiedName("public", "innocent")


@dataclass(frozen=True, slots=True)
class World:
    """What may be reached from a server, with a trap at each place."""

    sandbox: Sandbox
    cluster: psycopg.Connection[Any]
    victim: psycopg.Connection[Any]
    folder: Path
    listener: socket.socket
    before: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def armed(self, text: str) -> str:
        """The text with the traps' places put in."""
        for name, value in self.names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def state(self) -> dict[str, Any]:
        """All that an attack must leave as it is."""
        found: dict[str, Any] = {
            "files": sorted(self.folder.iterdir()),
            "connections": bool(select.select([self.listener], [], [], 0)[0]),
            "configuration": Path(str(self.sandbox.data_directory), "postgresql.auto.conf").read_bytes(),
            "processes": _foreign_processes(),
        }
        for admin, queries in ((self.cluster, _CLUSTER), (self.victim, _DATABASE)):
            found |= {query: admin.execute(query.encode()).fetchall() for query in queries}
        return found


_CLUSTER = (
    "SELECT oid, * FROM pg_authid WHERE rolname <> 'advisor_user' ORDER BY oid",
    """SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
       rolconnlimit, rolvaliduntil FROM pg_roles ORDER BY 1""",
    "SELECT * FROM pg_auth_members",
    """SELECT datname, datdba, datallowconn, datconnlimit, datacl FROM pg_database
       WHERE datname IN ('postgres', 'template0', 'template1', 'victim', 'sandbox') ORDER BY 1""",
    "SELECT * FROM pg_db_role_setting WHERE setdatabase <> 0 OR setrole = 0",
    "SELECT spcname FROM pg_tablespace ORDER BY 1",
    "SELECT * FROM pg_prepared_xacts",
    "SELECT * FROM pg_replication_slots",
    "SELECT subname FROM pg_subscription",
    "SELECT name, setting FROM pg_settings WHERE context IN ('postmaster', 'sighup') AND setting <> '' ORDER BY 1",
    "SELECT backend_type FROM pg_stat_activity WHERE backend_type !~ 'client|parallel|io worker|autovacuum' ORDER BY 1",
)
_DATABASE = (
    "SELECT * FROM public.kept",
    "SELECT * FROM pg_largeobject",
    "SELECT extname FROM pg_extension",
    "SELECT evtname FROM pg_event_trigger",
    "SELECT srvname FROM pg_foreign_server",
    "SELECT lanname, lanpltrusted FROM pg_language ORDER BY 1",
    "SELECT count(*), min(proowner), max(proowner), sum(hashtext(prosrc)::bigint) FROM pg_proc",
)


def _foreign_processes() -> list[str]:
    """Programs below ours that are not PostgreSQL's: what a shell of the server's would be."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.name() != "postgres":
                found.append(process.name())
        except psutil.NoSuchProcess:
            continue
    return sorted(found)


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> Iterator[World]:
    sandbox.create_database(VICTIM)
    with TemporaryDirectory(prefix="trap", dir="/tmp") as name, socket.create_server(("127.0.0.1", 0)) as listener:
        server_account().own(Path(name))
        login = conninfo.conninfo_to_dict(sandbox.url)
        names = {
            "file": f"{name}/file",
            "port": str(listener.getsockname()[1]),
            "socket": str(login["host"]),
            "pg_port": str(login["port"]),
        }
        sandbox.create_database(ARENA)
        with sandbox.admin() as cluster, sandbox.admin(VICTIM) as victim:
            cluster.autocommit = victim.autocommit = True
            victim.execute("CREATE TABLE public.kept AS SELECT 'as it was' AS x")
            victim.execute("SELECT lo_from_bytea(4711, 'as it was')")
            opened = World(sandbox, cluster, victim, Path(name), listener, names=names)
            opened.before.update(opened.state())
            yield opened
        sandbox.drop_database(ARENA)
        sandbox.drop_database(VICTIM)


@pytest.fixture
def arena(world: World) -> Iterator[str]:
    """A database that is empty again after each test: making one anew takes ten times as long."""
    yield ARENA
    with world.sandbox.admin(ARENA) as admin:
        admin.autocommit = True
        # Its rights in the database go as well: the next session gets them back, and an empty public schema.
        admin.execute("DROP OWNED BY advisor_user CASCADE")


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "STATEMENT_LIMIT_S", LIMIT_S)
    monkeypatch.setattr(session, "STATEMENT_LIMIT_S", LIMIT_S)
    monkeypatch.setattr(session, "_WATCHDOG_GRACE_S", 0.2)


def parts(text: str) -> tuple[str, str]:
    """What an attack needs, and its last statement."""
    pieces = list(split(text))
    return text[: pieces[-1].start], text[pieces[-1].start :]


def kept(sandbox: Sandbox, database: str) -> bool:
    """The innocent table is there, and the unprivileged login gets in and may write to it."""
    with sandbox.connect(database) as connection:
        connection.execute("INSERT INTO public.innocent VALUES (1)")
        return connection.execute("SELECT count(*) > 0 FROM public.innocent").fetchone() == (True,)


def as_schema(world: World, database: str, text: str, _folder: Path) -> None:
    load_schema(world.sandbox, f"{text}\n;\nCREATE TABLE public.innocent (x int);", database=database)


def as_snapshot(world: World, database: str, text: str, _folder: Path) -> None:
    attack = SchemaObject(kind="function", name=QualifiedName("public", "f"), definition=text)
    columns = (Column(name="x", type="integer", base_type="int4"),)
    innocent = Table(name=INNOCENT, kind="table", columns=columns)
    rebuild(
        world.sandbox,
        database,
        Catalog(
            server_version_num=180000, server_version="18", database="d", objects=(attack,), tables={INNOCENT: innocent}
        ),
    )


def as_migration(world: World, database: str, text: str, folder: Path) -> None:
    (folder / "1.sql").write_text(text)
    # What is the login's own it may drop, its schemas among them.
    (folder / "2.sql").write_text("CREATE SCHEMA IF NOT EXISTS public; CREATE TABLE public.innocent (x int);")
    _, innocent = trace(world.sandbox, database, read_migrations([str(folder)]))
    assert [statement.error for statement in innocent.statements] == [None, None]


def as_log(world: World, database: str, text: str, _folder: Path) -> None:
    before, last = parts(text)
    load_schema(world.sandbox, f"{before}\n;\nCREATE TABLE public.innocent (x int);", database=database)
    with world.sandbox.connect(database) as connection:
        connection.autocommit = True
        for statement in (last, text):
            if vet_statement(statement).allowed:
                _measure(connection, statement)
            if connection.closed:
                break


def _measure(connection: psycopg.Connection[Any], statement: str) -> None:
    for explain in ("EXPLAIN", "EXPLAIN (ANALYZE)"):
        try:
            with rolled_back(connection, round(LIMIT_S * 1000)):
                connection.execute(f"{explain} {statement}".encode())
        except psycopg.Error:
            return


DOORS = {"schema": as_schema, "snapshot": as_snapshot, "migration": as_migration, "log": as_log}
LOCKED_OUT = frozenset({"its own password", "its own defaults", "DROP OWNED"})


def _cases() -> Iterator[Any]:
    """Everything through every door; in a short run every attack through one door, each family through all of them."""
    for number, attack in enumerate(ATTACKS):
        for position, door in enumerate(DOORS):
            marks = []
            if number % len(DOORS) != position and attack.name not in LOCKED_OUT:
                marks.append(pytest.mark.slow)
            yield pytest.param(attack, door, marks=marks, id=f"{attack.family}: {attack.name}, as {door}")


@pytest.mark.parametrize(("attack", "door"), list(_cases()))
def test_nothing_happens_outside_and_the_run_goes_on(
    world: World, arena: str, attack: Attack, door: str, tmp_path: Path
) -> None:
    text = world.armed(attack.sql)
    done = threading.Event()
    alarm = threading.Timer(HANGS_S, lambda: done.is_set() or os.abort())
    alarm.start()
    try:
        DOORS[door](world, arena, text, tmp_path)
    except InputError:
        # Nothing but a psql command in it: it is said, and nothing was run.
        assert text.startswith("\\") or "\u200b" in text
    else:
        assert kept(world.sandbox, arena)
    finally:
        done.set()
        alarm.cancel()
    assert world.state() == world.before


@pytest.mark.parametrize(
    "attack", [one for one in ATTACKS if one.state and not one.sql.startswith("\\")], ids=lambda one: one.name
)
def test_the_server_itself_refuses(world: World, arena: str, attack: Attack) -> None:
    """The real barrier, with no vetting before it; and the attack is what it says, not a slip of the pen."""
    with world.sandbox.connect(arena) as connection:
        connection.autocommit = True
        connection.execute("SET statement_timeout = 500")
        with pytest.raises(psycopg.Error) as refusal:
            connection.execute(world.armed(attack.sql).encode())
    assert refusal.value.sqlstate in attack.state.split()
    assert world.state() == world.before


REAL = [one for one in ATTACKS if one.family in ("plan time", "planted") or one.name.startswith("COPY ")]


@pytest.mark.slow
@pytest.mark.parametrize("attack", REAL, ids=lambda one: one.name)
def test_the_trap_is_real(sandbox: Sandbox, database: str, attack: Attack) -> None:
    """With a superuser's rights the program runs: it is the login that keeps it from running, not a slip of the pen."""
    with TemporaryDirectory(prefix="trap", dir="/tmp") as name:
        server_account().own(Path(name))
        with sandbox.admin(database) as admin:
            admin.autocommit = True
            admin.execute("SET search_path = public")
            with contextlib.suppress(psycopg.Error):
                admin.execute(attack.sql.replace("{file}", f"{name}/file").encode())
        assert any(Path(name).iterdir()) == (attack.name not in HARMLESS)


HARMLESS = frozenset({"COPY FROM", "a policy"})
"""The first only reads a file; a superuser is above policies."""


def test_there_are_enough_of_every_kind() -> None:
    assert len(ATTACKS) >= 60
    assert len({(one.family, one.name) for one in ATTACKS}) == len(ATTACKS)
    assert all(one.sql.strip() for one in ATTACKS)
