"""Code in a schema that ends sessions or refuses to end: the run goes on, and says what was not tested."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from advisor.api import analyze
from advisor.catalog.read import read_catalog
from advisor.model.names import QualifiedName
from advisor.sandbox import watched
from advisor.sandbox.schema import load
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin import statistics, what_if
from advisor.sandbox.twin.open import open_twin
from advisor.sandbox.twin.what_if import WhatIf, WhatIfIndex
from advisor.sandbox.watched import Watched
from advisor.validate import lab, measure
from advisor.validate.measure import execute, plan_only
from tests.database.test_hostile_runs import INNOCENT, INNOCENT_QUERY, ROWS, is_advised, log_of

STUBBORN = (
    "LOOP BEGIN PERFORM pg_catalog.pg_sleep(1000); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; RETURN 1"
)
ENDING = "PERFORM pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid()); RETURN 1"
IDLE = "PERFORM pg_catalog.set_config('idle_in_transaction_session_timeout', '1', false); RETURN 1"
NAMES = {STUBBORN: "a loop that is not cancelled", ENDING: "the end of its session", IDLE: "an idle timeout"}
FUNCTION = "CREATE FUNCTION evil() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $f$ BEGIN {}; END $f$;"


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "RUN_TIMEOUT_MS", 300)
    monkeypatch.setattr(measure, "GRACE_S", 0.2)
    monkeypatch.setattr(load, "STATEMENT_LIMIT_S", 1)
    monkeypatch.setattr(lab, "TABLE_LIMIT_S", 4.0)
    monkeypatch.setattr(watched, "STATEMENT_LIMIT_S", 2.0)


@pytest.fixture
def session(sandbox: Sandbox, database: str) -> Iterator[Watched]:
    def opening() -> psycopg.Connection:
        connection = sandbox.connect(database)
        connection.autocommit = True
        connection.execute("SET search_path = s, public")
        return connection

    with Watched(sandbox, opening) as opened:
        opened.execute("CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 1 AS x; ANALYZE s.t")
        yield opened


@pytest.mark.parametrize("code", [STUBBORN, ENDING], ids=NAMES.get)
@pytest.mark.parametrize("volatility", ["IMMUTABLE", "VOLATILE"])
def test_a_statement_that_takes_its_session_along(session: Watched, code: str, volatility: str) -> None:
    session.execute(FUNCTION.replace("IMMUTABLE", volatility).format(code).encode())
    lost = session.info.backend_pid
    found = execute(session, "SELECT x FROM t WHERE evil() = 1")
    assert (found.error or "").startswith("its session was ended: ")
    assert ("it took longer than" in (found.error or "")) == (code == STUBBORN)
    assert found.measure.ms is None
    assert session.info.backend_pid != lost
    assert execute(session, "SELECT x FROM t").error is None


def test_a_session_that_another_one_ended_is_not_the_statements_fault(session: Watched, sandbox: Sandbox) -> None:
    with sandbox.connect(session.info.dbname) as other:
        other.execute("SELECT pg_terminate_backend(%s, 1000)", (session.info.backend_pid,))
    assert plan_only(session, "SELECT x FROM t").error is None
    with session.transaction(force_rollback=True):
        session.execute("CREATE TABLE s.u ()")
    assert plan_only(session, "SELECT FROM s.u").error == 'relation "s.u" does not exist'


def test_a_lost_session_comes_back_with_its_settings(session: Watched) -> None:
    with session.transaction(), pytest.raises(psycopg.OperationalError):
        session.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert session.broken
    session.renew()
    assert session.execute("SHOW search_path").fetchone() == ("s, public",)


def test_nobody_watches_over_a_session_that_is_lost_and_closed(sandbox: Sandbox, database: str) -> None:
    before = threading.active_count()
    with Watched(sandbox, lambda: sandbox.connect(database)) as session, pytest.raises(psycopg.OperationalError):
        session.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert threading.active_count() == before


@pytest.mark.parametrize("code", [STUBBORN, ENDING], ids=NAMES.get)
def test_a_twin_is_made_and_asked_in_sessions_that_end(
    sandbox: Sandbox, database: str, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """The planner takes a call of constants for a constant, and calls it."""
    monkeypatch.setattr(statistics, "EXPRESSION_LIMIT_S", 0.5)
    monkeypatch.setattr(what_if, "STATEMENT_LIMIT_S", 0.5)
    with closing(sandbox.connect(database)) as owner:
        owner.autocommit = True
        owner.execute("CREATE TABLE t AS SELECT n AS id, n % 7 AS x FROM generate_series(1, 900) n")
        owner.execute(FUNCTION.format("RETURN 1").encode())
        owner.execute("CREATE STATISTICS s ON (evil() + x), id FROM t; CREATE TABLE u AS TABLE t; ANALYZE t, u")
        owner.autocommit = False
        catalog = read_catalog(owner)
    evil = next(one for one in catalog.objects if one.name.name == "evil")
    planted = replace(evil, definition=FUNCTION.format(code))
    objects = tuple(planted if one is evil else one for one in catalog.objects)
    try:
        twin = open_twin(sandbox, replace(catalog, objects=objects), database=f"{database}_twin")
        assert any("public.s: " in warning for warning in twin.warnings)
        indexes = [
            WhatIfIndex(name=name, table=QualifiedName("public", "u"), definition=f"CREATE INDEX {name} ON u ({key})")
            for name, key in (("bad", "(evil() + id)"), ("good", "x"))
        ]
        with WhatIf(twin) as asked:
            bad, good = asked.add(indexes)
        assert bad.refused is not None
        assert good.refused is None
    finally:
        sandbox.drop_database(f"{database}_twin")


PLANTED = {
    "a check": "ALTER TABLE own ADD CHECK (evil_at(id) = 1)",
    "an index expression": "CREATE INDEX ON own ((id + evil_at(id)))",
    "a domain": "CREATE DOMAIN d AS int CHECK (evil_at(VALUE) = 1); ALTER TABLE own ADD e d",
    "a view": "CREATE MATERIALIZED VIEW v AS SELECT evil_at(x) FROM generate_series(1, 1) x WITH NO DATA",
}
AT = "CREATE FUNCTION evil_at(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $f$ BEGIN {}; END $f$;"


@pytest.mark.parametrize(
    ("where", "what"),
    [*zip(PLANTED, [STUBBORN, ENDING] * 2, strict=True), ("a check", ENDING), ("a check", IDLE)],
    ids=lambda one: NAMES.get(one, one),
)
def test_planted_code_costs_its_own_table_alone(tmp_path: Path, where: str, what: str) -> None:
    log, schema = tmp_path / "postgresql.log", tmp_path / "schema.sql"
    code = FUNCTION.format(what) + AT.format(what)
    schema.write_text(f"{INNOCENT} CREATE TABLE own (id int); {code} {PLANTED[where]};")
    queries = [INNOCENT_QUERY.format(number) for number in range(20)]
    log.write_text(log_of([*queries, *["SELECT id FROM own WHERE id = 1 AND evil() = 1"] * 20]))
    report = analyze([str(log)], schema=str(schema), options=ROWS)
    assert is_advised(report)
    told = [one.message for one in report.diagnostics if "its session was ended" in one.message]
    # A millisecond of idleness ends the session between two statements, or does not: the table is named if it does.
    assert told or what == IDLE
