"""Whole runs over hostile input: the report comes, innocent statements in it get their verdicts, nothing happens."""

import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from advisor.api import analyze, check
from advisor.model.options import Options
from advisor.model.report import Report
from advisor.sandbox.host import server_account
from advisor.sandbox.schema import load
from advisor.sql.split import split
from tests.database.hostile import ATTACKS, Attack

INNOCENT = """
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, note text);
CREATE TABLE orders_by_evil (id bigint PRIMARY KEY, customer_id bigint NOT NULL, note text);
"""
TRAPS = """
CREATE FUNCTION public.act() RETURNS int LANGUAGE plpgsql AS $f$ BEGIN
    BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''cat > {file}'''; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
    RETURN 1; END $f$;
CREATE FUNCTION public.trap() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $f$
    BEGIN PERFORM public.act(); RETURN 1; END $f$;
CREATE FUNCTION public.trap_row() RETURNS trigger LANGUAGE plpgsql AS $f$
    BEGIN PERFORM public.trap(); RETURN NEW; END $f$;
CREATE TABLE trapped (id int PRIMARY KEY DEFAULT public.trap(), note text DEFAULT 'x', CHECK (public.trap() = 1));
CREATE TRIGGER t BEFORE INSERT OR UPDATE ON trapped FOR EACH ROW EXECUTE FUNCTION public.trap_row();
CREATE INDEX ON trapped ((id + public.trap()));
CREATE VIEW trapped_view AS SELECT public.trap() AS x, * FROM trapped;
"""
"""Code that runs whoever touches the table: it must be the unprivileged login."""


@dataclass(frozen=True, slots=True)
class Traps:
    """A file that must not appear and a port that must not be connected to."""

    folder: Path
    listener: socket.socket

    def armed(self, text: str) -> str:
        names = {"file": f"{self.folder}/file", "port": str(self.listener.getsockname()[1])}
        names |= {"socket": "127.0.0.1", "pg_port": names["port"]}
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def untouched(self) -> bool:
        return not any(self.folder.iterdir()) and not select.select([self.listener], [], [], 0)[0]


@pytest.fixture
def traps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traps]:
    monkeypatch.setattr(load, "STATEMENT_LIMIT_S", 0.5)
    with TemporaryDirectory(prefix="trap", dir="/tmp") as name, socket.create_server(("127.0.0.1", 0)) as listener:
        server_account().own(Path(name))
        yield Traps(Path(name), listener)


def log_of(statements: list[str]) -> str:
    """A server's log, each statement with a duration, in a session of its own."""
    lines = []
    for number, statement in enumerate(statements):
        moment = f"2026-03-01 10:{number // 60 % 60:02}:{number % 60:02}.000 UTC"
        text = statement.replace("\n", "\n\t")
        lines.append(f"{moment} [{1000 + number}] app@shop LOG:  duration: 900.000 ms  statement: {text}")
    return "\n".join(lines) + "\n"


ROWS = Options(table_rows={"orders": 50_000})
"""Some attacks put rows into tables, and then an empty one is taken to be empty."""

INNOCENT_QUERY = "SELECT id, note FROM orders WHERE customer_id = {}"


def is_advised(report: Report) -> bool:
    """The innocent query's missing index is there, with its proof."""
    return any(
        one.kind == "create_index" and one.verdict.status == "proven" and "public.orders (" in one.statements[1]
        for one in report.recommendations
    )


def last_of(attack: Attack) -> str:
    return list(split(attack.sql))[-1].sql


def test_a_log_full_of_attacks(traps: Traps, tmp_path: Path) -> None:
    log, schema = tmp_path / "postgresql.log", tmp_path / "schema.sql"
    innocent = [INNOCENT_QUERY.format(number) for number in range(40)]
    log.write_text(log_of([*innocent[:20], *(traps.armed(last_of(one)) for one in ATTACKS), *innocent[20:]]))
    schema.write_text(INNOCENT)
    report = analyze([str(log)], schema=str(schema), options=ROWS)
    assert is_advised(report)
    assert traps.untouched()


ENDS_IT = frozenset({"DROP OWNED", "COPY in a function", "a function with a role", "SECURITY DEFINER"})
"""The first takes the innocent tables along; a function evil() that fails is a test of its own, below."""


def test_a_schema_full_of_attacks(traps: Traps, tmp_path: Path) -> None:
    log, schema = tmp_path / "postgresql.log", tmp_path / "schema.sql"
    attacks = [one for one in ATTACKS if one.family not in ("exhaustion", "syntax")]
    texts = [traps.armed(one.sql) for one in attacks if one.name not in ENDS_IT]
    schema.write_text(";\n".join([INNOCENT, *texts, traps.armed(TRAPS), INNOCENT]))
    touching = ["SELECT * FROM trapped_view WHERE note = 'a'", "SELECT * FROM trapped WHERE note = 'a' AND trap() = 1"]
    log.write_text(log_of([INNOCENT_QUERY.format(number) for number in range(20)] + touching * 10))
    report = analyze([str(log)], schema=str(schema), options=ROWS)
    assert is_advised(report)
    assert traps.untouched()


def test_migrations_full_of_attacks(traps: Traps, tmp_path: Path) -> None:
    schema, log = tmp_path / "schema.sql", tmp_path / "postgresql.log"
    schema.write_text(INNOCENT + traps.armed(TRAPS))
    log.write_text(log_of([INNOCENT_QUERY.format(number) for number in range(20)]))
    folder = tmp_path / "migrations"
    folder.mkdir()
    attacks = [
        one for one in ATTACKS if one.family in ("program", "file", "network", "catalog", "plan time", "planted")
    ]
    for number, attack in enumerate(attacks):
        (folder / f"{number:03}.sql").write_text(traps.armed(attack.sql) + ";\n")
    (folder / "999.sql").write_text("CREATE INDEX innocent ON orders (customer_id);\n")
    report = check([str(folder)], schema=str(schema), workload=[str(log)])
    assert [s.error for s in report.migrations[-1].statements] == [None]
    assert report.migrations[-1].statements[0].max_lock == "ShareLock"
    assert traps.untouched()


FAILS = {
    "a policy": """ALTER TABLE own ENABLE ROW LEVEL SECURITY; ALTER TABLE own FORCE ROW LEVEL SECURITY;
        CREATE POLICY p ON own USING (tenant = current_setting('app.tenant'))""",
    "an index expression": """CREATE FUNCTION part(text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        'BEGIN IF session_user = $1 THEN RETURN 1; END IF; PERFORM 1 / (random() * 0)::int; RETURN 2; END';
        CREATE INDEX ON own (part(tenant)) WHERE tenant <> 'a';
        CREATE STATISTICS s ON (part(tenant)), tenant FROM own""",
}
"""Tables that cannot be read, or not be analysed: an honest policy wants a setting of the application's."""
TOLD = {
    "a policy": "No rows could be made for public.own: unrecognized configuration parameter",
    "an index expression": "The statistics of public.own could not be gathered: division by zero",
}


@pytest.mark.parametrize("what", FAILS)
def test_a_table_whose_code_fails(tmp_path: Path, what: str) -> None:
    log, schema = tmp_path / "postgresql.log", tmp_path / "schema.sql"
    own = "CREATE TABLE own (tenant text); INSERT INTO own VALUES ('a');"
    schema.write_text(f"{INNOCENT} {own} {FAILS[what]};")
    log.write_text(log_of([INNOCENT_QUERY.format(number) for number in range(20)]))
    report = analyze([str(log)], schema=str(schema), options=ROWS)
    assert is_advised(report)
    assert any(one.message.startswith(TOLD[what]) for one in report.diagnostics)
