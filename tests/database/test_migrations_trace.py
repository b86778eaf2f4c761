"""Facts of traced statements on real servers: locks, new files, scans, by PostgreSQL's own account."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from advisor.errors import SandboxError
from advisor.migrations.read import read_migrations
from advisor.migrations.trace import Rows, trace
from advisor.model.migration import Migration, TracedStatement
from advisor.model.names import QualifiedName
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.server import Sandbox

SCHEMA = """
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TABLE users (id integer PRIMARY KEY, email varchar(50), name text, n numeric(10,2), at timestamp, ip cidr);
INSERT INTO users SELECT i, 'u' || i, 'n' || i, i, now(), '10.0.0.0/8' FROM generate_series(1, 500) i;
CREATE INDEX users_email ON users (email);
CREATE INDEX users_name ON users (name);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id integer REFERENCES users, total numeric);
INSERT INTO orders SELECT i, i % 500 + 1, i FROM generate_series(1, 1000) i;
CREATE TABLE events (id integer, at date) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
"""


CREATE_TRIGGER = "CREATE TRIGGER t BEFORE INSERT ON users EXECUTE FUNCTION suppress_redundant_updates_trigger()"
STRONG = {"AccessExclusiveLock", "ShareRowExclusiveLock", "ShareUpdateExclusiveLock"}


@pytest.fixture(scope="module")
def older() -> Iterator[Sandbox | None]:
    """A server of another major version, where one is installed."""
    try:
        opened = open_sandbox("local")
    except SandboxError:
        yield None
        return
    with opened:
        yield opened


@pytest.fixture(params=["embedded", "local"])
def server(request: pytest.FixtureRequest, sandbox: Sandbox, older: Sandbox | None) -> Iterator[Sandbox]:
    chosen = sandbox if request.param == "embedded" else older
    if chosen is None:
        pytest.skip("no PostgreSQL is installed beside the embedded one")
    chosen.create_database("trace")
    with chosen.connect("trace") as connection:
        connection.execute(SCHEMA)
    yield chosen
    chosen.drop_database("trace")


def run(server: Sandbox, folder: Path, *texts: str, rows: Rows = "synthesised") -> tuple[Migration, ...]:
    for number, text in enumerate(texts, 1):
        (folder / f"{number}.sql").write_text(text)
    return trace(server, "trace", read_migrations([str(folder)]), rows=rows)


def one(server: Sandbox, folder: Path, text: str) -> TracedStatement:
    """The last statement of a file, which must have run."""
    statement = run(server, folder, text)[0].statements[-1]
    assert statement.traced, statement.details
    assert statement.error is None, statement.error
    return statement


def locks(statement: TracedStatement) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for lock in statement.locks or ():
        found.setdefault(str(lock.relation), set()).add(lock.mode)
    return found


@pytest.mark.parametrize(
    ("sql", "relation", "mode", "blocks"),
    [
        ("CREATE INDEX ON orders (total)", "public.orders", "ShareLock", "writes"),
        ("CREATE INDEX CONCURRENTLY ON orders (total)", "public.orders", "ShareUpdateExclusiveLock", ""),
        ("DROP INDEX users_name", "public.users", "AccessExclusiveLock", "reads"),
        ("DROP INDEX CONCURRENTLY users_name", "public.users", "ShareUpdateExclusiveLock", ""),
        ("REINDEX INDEX users_name", "public.users_name", "AccessExclusiveLock", "reads"),
        ("REINDEX INDEX CONCURRENTLY users_name", "public.users", "ShareUpdateExclusiveLock", ""),
        ("REINDEX TABLE CONCURRENTLY users", "public.users", "ShareUpdateExclusiveLock", ""),
        ("VACUUM users", "public.users", "ShareUpdateExclusiveLock", ""),
        ("VACUUM FULL users", "public.users", "AccessExclusiveLock", "reads"),
        ("ANALYZE users", "public.users", "ShareUpdateExclusiveLock", ""),
        ("ALTER TABLE users ADD COLUMN x int", "public.users", "AccessExclusiveLock", "reads"),
        ("ALTER TABLE users ALTER name SET STATISTICS 50", "public.users", "ShareUpdateExclusiveLock", ""),
        (CREATE_TRIGGER, "public.users", "ShareRowExclusiveLock", "writes"),
        ("UPDATE users SET n = 1", "public.users", "RowExclusiveLock", ""),
        ("SELECT * FROM users FOR UPDATE", "public.users", "RowShareLock", ""),
        ("SELECT * FROM users", "public.users", "AccessShareLock", ""),
        ("ALTER TABLE events DETACH PARTITION events_1", "public.events", "AccessExclusiveLock", "reads"),
        ("DO $$ BEGIN EXECUTE 'CREATE INDEX ON orders (total)'; END $$", "public.orders", "ShareLock", "writes"),
    ],
)  # fmt: skip
def test_locks(server: Sandbox, tmp_path: Path, sql: str, relation: str, mode: str, blocks: str) -> None:
    statement = one(server, tmp_path, sql)
    assert mode in locks(statement)[relation]
    assert statement.max_lock == mode
    assert (statement.blocks_reads, statement.blocks_writes) == (blocks == "reads", blocks != "")


@pytest.mark.parametrize(
    ("sql", "relations"),
    [
        ("CREATE TABLE child (id bigint REFERENCES orders)", {"public.orders"}),
        ("ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES users NOT VALID", {"public.orders", "public.users"}),
        ("ALTER TABLE users ALTER id TYPE bigint", {"public.orders", "public.users"}),
        ("DROP TABLE orders", {"public.orders", "public.users"}),
        ("CREATE TABLE events_3 PARTITION OF events DEFAULT", {"public.events"}),
    ],
)
def test_other_tables_are_locked_too(server: Sandbox, tmp_path: Path, sql: str, relations: set[str]) -> None:
    statement = one(server, tmp_path, sql)
    strong = {str(lock.relation) for lock in statement.locks or () if lock.mode in STRONG}
    assert relations <= strong


@pytest.mark.parametrize(
    ("sql", "rewritten"),
    [
        ("ALTER TABLE users ALTER n TYPE double precision", True),
        ("ALTER TABLE users ALTER email TYPE varchar(20)", True),
        ("ALTER TABLE users ADD x double precision DEFAULT random()", True),
        ("ALTER TABLE users ADD x bigint GENERATED ALWAYS AS IDENTITY", True),
        ("ALTER TABLE users ADD x positive DEFAULT 1", True),
        ("SET TimeZone = 'Asia/Tokyo'; ALTER TABLE users ALTER at TYPE timestamptz", True),
        ("DO $$ BEGIN ALTER TABLE users ALTER id TYPE bigint; END $$", True),
        ("VACUUM FULL users", True),
        ("ALTER TABLE users ALTER email TYPE varchar(80)", False),
        ("ALTER TABLE users ALTER email TYPE text", False),
        ("ALTER TABLE users ALTER n TYPE numeric(12,2)", False),
        ("ALTER TABLE users ALTER ip TYPE inet", False),
        ("ALTER TABLE users ADD x timestamptz DEFAULT now()", False),
        ("ALTER TABLE users ADD x int NOT NULL DEFAULT 7", False),
        ("ALTER TABLE users ADD x int REFERENCES users", False),
        ("SET TimeZone = 'UTC'; ALTER TABLE users ALTER at TYPE timestamptz", False),
        ("TRUNCATE orders", False),
        ("ALTER TABLE users DROP name", False),
    ],
)
def test_rewrites(server: Sandbox, tmp_path: Path, sql: str, rewritten: bool) -> None:
    assert one(server, tmp_path, sql).rewrites == ((QualifiedName("public", "users"),) if rewritten else ())


def test_a_collation_rebuilds_the_index_and_not_the_table(server: Sandbox, tmp_path: Path) -> None:
    statement = one(server, tmp_path, 'ALTER TABLE users ALTER name TYPE text COLLATE "C"')
    assert statement.rewrites == ()
    assert [str(name) for name in statement.rebuilt_indexes or ()] == ["public.users_name"]
    assert "AccessExclusiveLock" in locks(statement)["public.users"]


@pytest.mark.parametrize(
    ("sql", "scanned"),
    [
        ("ALTER TABLE users ALTER name SET NOT NULL", ["public.users"]),
        ("ALTER TABLE users ADD CHECK (n > 0)", ["public.users"]),
        ("ALTER TABLE users ADD CHECK (n > 0) NOT VALID", []),
        ("ALTER TABLE users ADD x int REFERENCES users", []),
        ("ALTER TABLE users ALTER id SET NOT NULL", []),
        ("CREATE INDEX ON orders (total)", ["public.orders"]),
    ],
)
def test_scans(server: Sandbox, tmp_path: Path, sql: str, scanned: list[str]) -> None:
    assert [str(name) for name in one(server, tmp_path, sql).scans or ()] == scanned


def test_not_null_trusts_a_validated_check_but_validate_scans_under_the_lock(server: Sandbox, tmp_path: Path) -> None:
    text = (
        "BEGIN; ALTER TABLE users ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID;"
        "ALTER TABLE users VALIDATE CONSTRAINT c; ALTER TABLE users ALTER name SET NOT NULL; COMMIT;"
    )
    _, add, validate, not_null, commit = run(server, tmp_path, text)[0].statements
    assert (add.scans, not_null.scans) == ((), ())
    assert [str(name) for name in validate.scans or ()] == ["public.users"]
    assert "AccessExclusiveLock" in locks(validate)["public.users"]
    assert validate.details["new_locks"] == (("public.users", "ShareUpdateExclusiveLock"),)
    assert commit.locks == ()


def test_detaching_concurrently_locks_the_part_against_readers_at_its_end(server: Sandbox, tmp_path: Path) -> None:
    statement = one(server, tmp_path, "ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY")
    assert locks(statement)["public.events"] == {"ShareUpdateExclusiveLock"}
    assert "AccessExclusiveLock" in locks(statement)["public.events_1"]


def test_rows_written(server: Sandbox, tmp_path: Path) -> None:
    statement = one(server, tmp_path, "DELETE FROM orders WHERE id <= 10")
    assert statement.rows_written == {"public.orders": 10}
    assert statement.details["rows_removed"] == {"public.orders": 10}


def test_relations_of_the_same_run_are_new_in_later_files_too(server: Sandbox, tmp_path: Path) -> None:
    _, second = run(server, tmp_path, "CREATE TABLE fresh (id int)", "ALTER TABLE fresh ADD x float DEFAULT random()")
    assert (second.statements[0].locks, second.statements[0].rewrites) == ((), ())


def test_rows_that_were_made_up_do_not_stop_a_migration(server: Sandbox, tmp_path: Path) -> None:
    with server.connect("trace") as connection:
        connection.execute("UPDATE users SET name = NULL WHERE id = 3")
    (migration,) = run(server, tmp_path, "BEGIN; ALTER TABLE users ALTER name SET NOT NULL; COMMIT;")
    statement = migration.statements[1]
    assert (statement.error, statement.traced) == (None, True)
    assert "null values" in statement.details["data_error"]
    assert [str(name) for name in statement.scans or ()] == ["public.users"]


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE users ALTER name SET NOT NULL",
        "ALTER TABLE users ADD CONSTRAINT short CHECK (length(name) < 4)",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (name <> 'n9') NOT VALID; ALTER TABLE users VALIDATE CONSTRAINT c",
    ],
)
def test_made_up_rows_are_mended_where_one_row_keeps_the_rule(server: Sandbox, tmp_path: Path, text: str) -> None:
    with server.connect("trace") as connection:
        connection.execute("UPDATE users SET name = NULL WHERE id = 3")
    (migration,) = run(server, tmp_path, text)
    assert [statement.error for statement in migration.statements] == [None] * len(migration.statements)
    assert "data_error" in migration.statements[-1].details
    with server.connect("trace") as connection:
        assert connection.execute("SELECT count(*), (SELECT count(*) FROM orders) FROM users").fetchone() == (500, 1000)


def test_real_rows_do(server: Sandbox, tmp_path: Path) -> None:
    text = "CREATE UNIQUE INDEX CONCURRENTLY once ON orders (user_id)"
    again = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS once ON orders (user_id)"
    first, second = run(server, tmp_path, text, again, rows="sampled")
    assert first.statements[0].sqlstate == "23505"
    assert first.invalid_indexes == ("public.once",)
    assert second.statements[0].error is None


def test_a_unique_index_over_made_up_rows_leaves_nothing_invalid(server: Sandbox, tmp_path: Path) -> None:
    (migration,) = run(server, tmp_path, "CREATE UNIQUE INDEX CONCURRENTLY once ON orders (user_id)")
    assert migration.statements[0].error is None
    assert migration.statements[0].details["data_error"].startswith("could not create unique index")
    assert migration.invalid_indexes == ()


def test_the_migrations_own_wrong_rows_are_its_own_fault(server: Sandbox, tmp_path: Path) -> None:
    (migration,) = run(server, tmp_path, "CREATE TABLE kinds (id int PRIMARY KEY); INSERT INTO kinds VALUES (1), (1)")
    assert migration.statements[1].sqlstate == "23505"


@pytest.mark.parametrize(
    ("text", "traced"),
    [
        ("BEGIN; CREATE TABLE a (id int); SELECT nonsense; SELECT 1; COMMIT;", [True, True, True, False, False]),
        ("CREATE TABLE a (id int); SELECT nonsense; CREATE TABLE b (id int);", [True, True, False]),
    ],
)  # fmt: skip
def test_a_file_stops_at_its_error_and_the_next_one_runs(
    server: Sandbox, tmp_path: Path, text: str, traced: list[bool]
) -> None:
    first, second = run(server, tmp_path, text, "SELECT 1")
    assert [statement.traced for statement in first.statements] == traced
    assert first.statements[-1].details["reason"].startswith("the file stopped at the error")
    assert second.statements[0].traced


def test_set_transaction_comes_first(server: Sandbox, tmp_path: Path) -> None:
    text = "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; UPDATE users SET n = 2; COMMIT;"
    (migration,) = run(server, tmp_path, text)
    assert [statement.error for statement in migration.statements] == [None] * 4


def test_lock_table_wants_a_transaction(server: Sandbox, tmp_path: Path) -> None:
    assert run(server, tmp_path, "LOCK TABLE users")[0].statements[0].sqlstate == "25P01"
    inside = run(server, tmp_path, "BEGIN; LOCK TABLE users; COMMIT;")[0].statements[1]
    assert inside.max_lock == "AccessExclusiveLock"


def test_commit_inside_a_block_runs_with_its_locks_unknown(server: Sandbox, tmp_path: Path) -> None:
    statement = one(server, tmp_path, "DO $$ BEGIN UPDATE users SET n = 3; COMMIT; END $$")
    assert statement.locks is None
    with server.connect("trace") as connection:
        assert connection.execute("SELECT count(*) FROM users WHERE n = 3").fetchone() == (500,)


def test_a_transaction_that_is_never_committed_is_said(server: Sandbox, tmp_path: Path) -> None:
    (migration,) = run(server, tmp_path, "SELECT 1;\nBEGIN;\nCREATE TABLE a (id int);")
    assert migration.error == "line 2: the transaction that begins here is never committed"
