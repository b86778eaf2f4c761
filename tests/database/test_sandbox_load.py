"""Schema files as people have them: what can be loaded is, what cannot is named, and nothing gets rights by it."""

import os
import subprocess
from pathlib import Path

import pytest

from advisor.errors import EmptyInput, InputError
from advisor.sandbox.programs.binaries import embedded
from advisor.sandbox.schema.extensions import create_extension
from advisor.sandbox.schema.load import MAX_WARNINGS, load_schema
from advisor.sandbox.server import Sandbox

FIXTURES = Path(__file__).parents[2] / "fixtures" / "schemas"


def relations(sandbox: Sandbox, database: str) -> set[str]:
    with sandbox.connect(database) as connection:
        rows = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm')"
            " AND relnamespace <> ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast']::regnamespace[])"
        )
        return {name for (name,) in rows}


@pytest.mark.parametrize("name", ["shop.sql", "odd_names.sql"])
def test_a_written_schema_loads_whole(sandbox: Sandbox, database: str, name: str) -> None:
    assert load_schema(sandbox, FIXTURES / name, database=database) == ()
    assert relations(sandbox, database)


def test_a_dump_of_the_same_schema_gives_the_same_tables(sandbox: Sandbox, database: str) -> None:
    warnings = load_schema(sandbox, FIXTURES / "pgdump.sql", database=database)
    assert len(warnings) == 2
    assert all("postgis" in text or "geometry" in text for text in warnings)
    sandbox.create_database("written")
    try:
        load_schema(sandbox, FIXTURES / "shop.sql", database="written")
        assert relations(sandbox, database) == relations(sandbox, "written")
    finally:
        sandbox.drop_database("written")


def test_a_dump_comes_back_as_it_was_with_its_rows(sandbox: Sandbox, database: str) -> None:
    with sandbox.connect(database) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, note text DEFAULT 'a;b', odd bytea)")
        connection.execute("INSERT INTO t VALUES (1, E'tab\\there\\\\ and\\nlines', '\\x00ff'), (2, NULL, NULL)")
        connection.execute("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN 1; -- ';\nEND$$")
        connection.commit()
    dump = subprocess.run(
        [embedded().bin_folder / "pg_dump", sandbox.url_of(database)],
        capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"},
    ).stdout  # fmt: skip
    sandbox.create_database("again")
    try:
        assert load_schema(sandbox, dump, database="again") == ()
        with sandbox.connect(database) as before, sandbox.connect("again") as after:
            query = "SELECT t.*, f() FROM t ORDER BY id"
            assert after.execute(query).fetchall() == before.execute(query).fetchall()
    finally:
        sandbox.drop_database("again")


def test_everything_belongs_to_the_unprivileged_owner(sandbox: Sandbox, database: str) -> None:
    text = """
        CREATE ROLE boss SUPERUSER; CREATE SCHEMA s AUTHORIZATION boss; CREATE TABLE s.t (x int);
        ALTER TABLE s.t OWNER TO boss; GRANT ALL ON s.t TO boss;
        ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO boss;
        SET ROLE boss; SET SESSION AUTHORIZATION boss; ALTER ROLE advisor_user SET enable_indexscan = off;
    """
    assert load_schema(sandbox, text, database=database) == ()
    with sandbox.connect(database) as connection:
        owner = connection.execute(
            "SELECT relowner::regrole::text FROM pg_class WHERE oid = 's.t'::regclass"
        ).fetchone()
        assert owner == ("advisor_user",)
        assert connection.execute("SELECT count(*) FROM pg_roles WHERE rolname = 'boss'").fetchone() == (0,)
        assert connection.execute("SHOW enable_indexscan").fetchone() == ("on",)


@pytest.mark.parametrize(
    "statement",
    [
        "COPY t FROM PROGRAM 'id'",
        "CREATE FUNCTION f() RETURNS int AS 'libc.so.6', 'rand' LANGUAGE c",
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
        "CREATE EXTENSION dblink",
        "DO $$ BEGIN PERFORM pg_read_file('/etc/passwd'); END $$",
    ],
)
def test_what_needs_a_superuser_is_named_and_the_rest_loads(sandbox: Sandbox, database: str, statement: str) -> None:
    (warning,) = load_schema(
        sandbox, f"CREATE TABLE t (x int);\n{statement};\nCREATE TABLE u (x int);", database=database
    )
    assert warning.startswith("the schema:2: ")
    assert relations(sandbox, database) == {"t", "u"}


def test_a_missing_extension_and_what_depends_on_it_are_named(sandbox: Sandbox, database: str) -> None:
    text = "CREATE EXTENSION timescaledb;\nCREATE TABLE a (x hyper);\nCREATE INDEX i ON a (x);\nCREATE TABLE b (x int);"
    warnings = load_schema(sandbox, text, database=database)
    assert [text.split(":")[1] for text in warnings] == ["1", "2", "3"]
    assert "timescaledb" in warnings[0]
    assert "hyper" in warnings[1]
    assert relations(sandbox, database) == {"b"}


def test_stand_ins_serve_where_an_extension_for_defaults_is_missing(sandbox: Sandbox, database: str) -> None:
    text = (
        'CREATE EXTENSION "uuid-ossp" WITH SCHEMA public; CREATE EXTENSION pgcrypto;'
        "CREATE TABLE t (id uuid DEFAULT public.uuid_generate_v4(), other uuid DEFAULT public.gen_random_uuid(),"
        " secret bytea DEFAULT public.gen_random_bytes(20)); INSERT INTO t DEFAULT VALUES;"
    )
    warnings = load_schema(sandbox, text, database=database)
    assert all("is not installed" in warning for warning in warnings)
    with sandbox.connect(database) as connection:
        row = connection.execute("SELECT id <> other, length(secret) FROM t").fetchone()
        assert row == (True, 20)


def test_extensions_that_are_there_are_made(sandbox: Sandbox, database: str) -> None:
    text = """
        CREATE SCHEMA ext; CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA ext; CREATE EXTENSION citext;
        CREATE EXTENSION earthdistance CASCADE; CREATE EXTENSION pg_stat_statements; COMMENT ON EXTENSION citext IS 'x';
        CREATE TABLE t (x citext); CREATE INDEX i ON t USING gin ((x::text) ext.gin_trgm_ops);
    """
    assert load_schema(sandbox, text, database=database) == ()
    assert create_extension(sandbox, "citext", database=database) is None
    assert "not on the list" in (create_extension(sandbox, "file_fdw", database=database) or "")


def test_statements_out_of_order_load_in_the_end(sandbox: Sandbox, database: str) -> None:
    text = "CREATE VIEW w AS SELECT * FROM v; CREATE VIEW v AS SELECT * FROM t; CREATE TABLE t (x int);"
    assert load_schema(sandbox, text, database=database) == ()
    assert relations(sandbox, database) == {"t", "v", "w"}


def test_a_failure_does_not_take_the_transaction_around_it_along(sandbox: Sandbox, database: str) -> None:
    text = "BEGIN; CREATE TABLE a (x int); CREATE TABLE b (x nosuch); CREATE TABLE c (x int); COMMIT;"
    (warning,) = load_schema(sandbox, text, database=database)
    assert "nosuch" in warning
    assert relations(sandbox, database) == {"a", "c"}


def test_psql_commands_are_passed_over_and_includes_are_named(sandbox: Sandbox, database: str) -> None:
    text = "\\restrict abc\n\\connect other\nCREATE TABLE t (x int);\n\\i more.sql\n\\unrestrict abc\n"
    (warning,) = load_schema(sandbox, text, database=database)
    assert warning.startswith("the schema:4: \\i more.sql")
    assert relations(sandbox, database) == {"t"}


def test_a_file_cannot_lift_the_time_limit(sandbox: Sandbox, database: str) -> None:
    text = "SET statement_timeout = 0; CREATE TABLE t AS SELECT current_setting('statement_timeout') AS x;"
    assert load_schema(sandbox, text, database=database) == ()
    with sandbox.connect(database) as connection:
        assert connection.execute("SELECT x FROM t").fetchone() == ("5min",)


def test_many_failures_are_counted(sandbox: Sandbox, database: str) -> None:
    text = "CREATE TABLE ok (x int);\n" + "".join(f"CREATE TABLE t{n} (x nosuch);\n" for n in range(MAX_WARNINGS + 5))
    warnings = load_schema(sandbox, text, database=database)
    assert len(warnings) == MAX_WARNINGS + 1
    assert warnings[-1] == "the schema: 5 more statements could not be run."


@pytest.mark.parametrize(
    ("content", "error", "telling"),
    [
        (b"", EmptyInput, "no statement"),
        (b"-- nothing\n\n;;", EmptyInput, "no statement"),
        (b"# Readme\n\nThis is *not* SQL.\n", InputError, "not SQL"),
        (b"\x7fELF\x02\x01\x01\0\0\0", InputError, "not a text"),
        (b"PGDMP\x01\x0e\0", InputError, "custom format"),
    ],
)
def test_what_is_not_sql(
    sandbox: Sandbox, database: str, tmp_path: Path, content: bytes, error: type[InputError], telling: str
) -> None:
    path = tmp_path / "schema.sql"
    path.write_bytes(content)
    with pytest.raises(error, match=telling):
        load_schema(sandbox, path, database=database)


def test_a_file_that_is_not_there(sandbox: Sandbox, database: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_schema(sandbox, tmp_path / "none.sql", database=database)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_other_encodings(sandbox: Sandbox, database: str, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "schema.sql"
    path.write_bytes('CREATE TABLE "größe" (x int);'.encode(encoding))
    assert load_schema(sandbox, path, database=database) == ()
    assert relations(sandbox, database) == {'"größe"'}


def test_a_statement_that_ends_its_own_session_is_named_and_the_rest_loads(sandbox: Sandbox, database: str) -> None:
    text = (
        "SET search_path = s; CREATE SCHEMA s;\nCREATE TABLE t (x int);\n"
        "SELECT pg_terminate_backend(pg_backend_pid());\nCREATE TABLE u (x int);"
    )
    (warning,) = load_schema(sandbox, text, database=database)
    assert warning.startswith("the schema:3: ")
    assert "terminat" in warning
    assert relations(sandbox, database) == {"s.t", "s.u"}
