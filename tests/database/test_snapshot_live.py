"""`advisor snapshot` on a real server, and the advice that rests on the file alone."""

import json
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from advisor.catalog.snapshot import encode, read_snapshot
from advisor.model.names import QualifiedName
from advisor.model.snapshot import Snapshot
from advisor.sandbox.programs import binaries
from tests.database.live_server import MISSING, PASSWORD, LiveServer, advise, live_server
from tests.database.test_live_advice import indexes

SECRETS = ("anna.meier@example.org", "Anna Meier", "4111 1111 1111 1111", "hush", "example.org", "hush-hook")

PLANTED = """
CREATE TABLE people (id int PRIMARY KEY, email text NOT NULL, full_name varchar(40), card char(19), friends text[],
    letter tsvector, status text NOT NULL, ip inet, born date);
INSERT INTO people
SELECT n, CASE WHEN n % 3 = 0 THEN 'anna.meier@example.org' ELSE 'p' || n || '@example.org' END,
       CASE WHEN n % 4 = 0 THEN 'Anna Meier' ELSE 'Person ' || n END,
       CASE WHEN n % 5 = 0 THEN '4111 1111 1111 1111' ELSE lpad(n::text, 19, '4') END,
       ARRAY['Anna Meier', 'p' || n], to_tsvector('simple', 'hush ' || n),
       (ARRAY['new', 'open', 'paid', 'sent', 'done'])[1 + n % 5], '10.0.0.0'::inet + n, '1970-01-01'::date + n
FROM generate_series(1, 5000) n;
CREATE INDEX people_lower ON people (lower(email));
CREATE INDEX people_name ON people (full_name);
CREATE INDEX people_born ON people (born);
CREATE STATISTICS people_both (mcv) ON email, status FROM people;
CREATE FUNCTION rated(a int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT a + length('hush') $$;
CREATE INDEX people_rated ON people (rated(id));
CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 'hush'; RETURN NEW; END $$;
CREATE TRIGGER hooked AFTER INSERT ON people FOR EACH ROW EXECUTE FUNCTION hook('Bearer hush-hook');
COMMENT ON TABLE people IS 'hush';
ANALYZE people;
"""

TRAFFIC = (
    "SELECT id FROM people WHERE email = 'anna.meier@example.org' /* for Anna Meier */",
    "ALTER ROLE stranger PASSWORD 'hush'",
    f"ALTER ROLE stranger PASSWORD '{PASSWORD}'",
)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """PostgreSQL 18 with the shop, and secrets planted in it."""
    with live_server(binaries.embedded()) as running:
        with running.superuser() as connection:
            connection.execute(PLANTED.encode())
            for statement in TRAFFIC:
                connection.execute(statement.encode())
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("snapshots")


@pytest.fixture(scope="module")
def taken(server: LiveServer, folder: Path) -> "Taken":
    """One snapshot in each mode, by the reader, with the state of the server before and after."""
    return Taken(server, folder)


class Taken:
    """Snapshots, what the command said, and what was there on the server before and after."""

    def __init__(self, server: LiveServer, folder: Path) -> None:
        self.files = {mode: folder / f"{mode}.snapshot" for mode in ("default", "redact", "include-values")}
        self.before = _state(server)
        position = server.log_size()
        self.runs = {
            mode: advise("snapshot", "--dsn", server.url(), "-o", str(path), *([f"--{mode}"] * (mode != "default")))
            for mode, path in self.files.items()
        }
        self.log = server.logged_since(position)
        self.after = _state(server)

    def kept(self, mode: str = "default") -> Snapshot:
        return read_snapshot(self.files[mode])


def _state(server: LiveServer) -> list[tuple[Any, ...]]:
    queries = (
        "SELECT relid, n_tup_ins, n_tup_upd, n_tup_del, analyze_count FROM pg_stat_user_tables ORDER BY 1",
        "SELECT oid, relfilenode, relpages, reltuples FROM pg_class WHERE relpersistence <> 't' ORDER BY 1",
        "SELECT rolname FROM pg_roles UNION ALL SELECT datname FROM pg_database ORDER BY 1",
    )
    with server.superuser() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        return [row for query in queries for row in connection.execute(query.encode())]


def test_it_says_what_is_inside(taken: Taken) -> None:
    for ran in taken.runs.values():
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "shop, PostgreSQL 18" in ran.stdout
        assert PASSWORD not in ran.stdout
        assert max(map(len, ran.stdout.splitlines())) <= 80 or "/" in ran.stdout.splitlines()[0]
    head = json.loads(taken.files["default"].read_bytes().partition(b"\n")[0])
    assert (head["database"], head["values"]) == ("shop", "default")
    assert head["columns_with_statistics"] > 20
    assert head["indexes_with_end_points"] > 0
    assert stat.S_IMODE(taken.files["default"].stat().st_mode) == 0o600


def test_nothing_was_written_and_only_read(taken: Taken) -> None:
    assert taken.before == taken.after
    begun = [record for record in taken.log if "BEGIN READ ONLY" in record]
    assert len(begun) == len(taken.runs), "one transaction for each snapshot"
    assert not [record for record in taken.log if "EXPLAIN" in record]


@pytest.mark.parametrize("mode", ["default", "redact"])
def test_no_secret_is_in_the_file(taken: Taken, mode: str) -> None:
    data = taken.files[mode].read_bytes()
    text = data.partition(b"\n")[0] + zlib.decompress(data.partition(b"\n")[2], 31)
    assert b"people_lower" in text
    assert [secret for secret in (*SECRETS, PASSWORD) if secret.encode() in text] == []
    assert b"10.0.0." not in text


def test_a_status_keeps_its_values(taken: Taken) -> None:
    people = taken.kept().catalog.tables[QualifiedName("public", "people")]
    status, email, born = (people.column(name) for name in ("status", "email", "born"))
    assert status is not None
    assert status.statistics is not None
    assert {value for value, _ in status.statistics.most_common} == {"new", "open", "paid", "sent", "done"}
    assert email is not None
    assert email.statistics is not None
    assert len(email.statistics.most_common[0][0]) == 16
    assert email.statistics.most_common[0][1] == pytest.approx(1 / 3, abs=0.02)
    assert born is not None
    assert born.statistics is not None
    assert born.statistics.histogram
    ends = {index.name: index.end_points for index in people.indexes}
    assert ends["people_born"] == ("1970-01-02", "1983-09-10")
    assert ends["people_name"] is None


def test_redacted_and_included(taken: Taken) -> None:
    redacted = taken.kept("redact").catalog.tables[QualifiedName("public", "people")]
    assert not any(c.statistics and (c.statistics.most_common or c.statistics.histogram) for c in redacted.columns)
    assert all(column.statistics is not None for column in redacted.columns)
    included = taken.kept("include-values").catalog.tables[QualifiedName("public", "people")].column("email")
    assert included is not None
    assert included.statistics is not None
    assert included.statistics.most_common[0][0] == "anna.meier@example.org"
    assert taken.kept("include-values").key is None


def test_the_workload_is_in_it(taken: Taken) -> None:
    statements = taken.kept().statements
    assert statements is not None
    assert "SELECT id, at FROM visits WHERE visitor = $1" in {row.sql for row in statements}
    assert not [row.sql for row in statements if "ROLE" in row.sql or "pg_catalog" in row.sql]


def test_the_file_of_a_real_server_comes_back_as_it_was(taken: Taken) -> None:
    for path in taken.files.values():
        assert encode(read_snapshot(path)) == path.read_bytes()


def test_advice_needs_no_database(taken: Taken, server: LiveServer) -> None:
    ran = advise("analyze", "--snapshot", str(taken.files["default"]), "--select", "IDX001", "--format", "json")
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    found = indexes(document)
    assert {place: found.get(place) for place in MISSING} == dict.fromkeys(MISSING, "proven")
    assert {sandbox["use"] for sandbox in document["sandboxes"]} >= {"rows"}
    assert all(sandbox["same_major_as_target"] for sandbox in document["sandboxes"])
    assert [d["level"] for d in document["diagnostics"] if "Judged by a snapshot of shop" in d["message"]] == ["info"]


def test_a_migration_is_judged_by_the_snapshot(taken: Taken, tmp_path: Path) -> None:
    path = tmp_path / "0001_add.sql"
    path.write_text("CREATE INDEX people_status ON people (status);\nALTER TABLE people ADD age int;\n")
    ran = advise("check", str(path), "--snapshot", str(taken.files["default"]), "--format", "json")
    document = json.loads(ran.stdout)
    statements = document["migrations"][0]["statements"]
    assert [(s["traced"], s["error"]) for s in statements] == [(True, None), (True, None)]
    assert {"relation": "public.people", "mode": "ShareLock"} in statements[0]["locks"]


def test_a_stranger_learns_what_is_missing(server: LiveServer, folder: Path) -> None:
    with server.superuser() as connection:
        connection.execute(f"ALTER ROLE stranger PASSWORD '{PASSWORD}'".encode())
    path = folder / "stranger.snapshot"
    ran = advise("snapshot", "--dsn", server.url("stranger"), "-o", str(path), "--no-probes", "--no-workload")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "GRANT pg_read_all_data TO stranger;" in ran.stdout
    assert "default selectivities" in ran.stdout
    kept = read_snapshot(path)
    assert kept.statements is None
    assert kept.role == "stranger"
    assert not any(c.statistics for t in kept.catalog.tables.values() for c in t.columns)


def test_quiet_is_quiet(server: LiveServer, folder: Path) -> None:
    ran = advise("snapshot", "--dsn", server.url(), "-o", str(folder / "quiet.snapshot"), "-q", "--no-probes")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    kept = read_snapshot(folder / "quiet.snapshot")
    assert not any(index.end_points for table in kept.catalog.tables.values() for index in table.indexes)
