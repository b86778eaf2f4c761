"""Parameters of which only the place is known get values that are in the rows, and the statement runs with them."""

from collections.abc import Iterator

import psycopg
import pytest

from advisor.catalog.read import read_catalog
from advisor.model.catalog import Catalog
from advisor.model.workload import Query, Sample
from advisor.sandbox.server import Sandbox
from advisor.sql.usage import usage_of
from advisor.validate.statements import Runnable, runnables

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN amount AS numeric(10, 2) CHECK (VALUE >= 5);
CREATE TABLE t (id int PRIMARY KEY, kind text NOT NULL CHECK (kind IN ('common', 'rare')), code char(3), m mood,
                a amount, tags text[], j jsonb, ts timestamptz, "Odd Name" text);
INSERT INTO t SELECT n, CASE WHEN n % 100 = 0 THEN 'rare' ELSE 'common' END, 'ABC',
       CASE WHEN n % 10 = 0 THEN 'sad' ELSE 'ok' END::mood, n + 5, ARRAY['x' || n], jsonb_build_object('k', n),
       '2026-01-01'::timestamptz + n * interval '1 minute', E'it''s 50% \\\\"' || n || '_"'
FROM generate_series(1, 20000) n;
CREATE TABLE pairs (a int, b int, PRIMARY KEY (a, b));
INSERT INTO pairs SELECT n % 100, n / 100 FROM generate_series(0, 9999) n;
CREATE TABLE hollow (id int PRIMARY KEY, name text);
CREATE TABLE p (id int, d date) PARTITION BY RANGE (d);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO p SELECT n, '2026-01-01'::date + n % 300 FROM generate_series(1, 5000) n;
CREATE VIEW v AS SELECT id, kind FROM t;
ANALYZE
"""


@pytest.fixture(scope="module")
def filled(sandbox: Sandbox) -> Iterator[tuple[psycopg.Connection, Catalog]]:
    """A connection to the database with the rows, and its catalog."""
    sandbox.create_database("valued")
    with sandbox.connect("valued") as connection:
        connection.autocommit = True
        connection.execute(SCHEMA)
        connection.autocommit = False
        catalog = read_catalog(connection)
        connection.rollback()
        connection.autocommit = True
        yield connection, catalog
    sandbox.drop_database("valued")


def run(filled: tuple[psycopg.Connection, Catalog], sql: str, rows_per_call: float | None = None) -> Runnable:
    connection, catalog = filled
    rows = None if rows_per_call is None else round(rows_per_call * 10)
    query = Query(id="q", sql=sql, calls=10, rows=rows)
    return runnables([query], {"q": usage_of(sql, catalog)}, connection)["q"]


def counts(filled: tuple[psycopg.Connection, Catalog], found: Runnable) -> list[int]:
    """Rows of each of the statements, which are rolled back."""
    assert found.reason is None
    numbers = []
    for text in found.statements:
        with filled[0].transaction(force_rollback=True):
            numbers.append(filled[0].execute(text.encode()).rowcount)
    return numbers


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT id FROM t WHERE id = $1", [1, 1, 1]),
        ("SELECT id FROM t WHERE id = $1::bigint", [1, 1, 1]),
        ("SELECT id FROM t WHERE kind = $1", [19800, 200]),
        ("SELECT id FROM t WHERE m = $1", [18000, 2000]),
        ("SELECT id FROM t WHERE m::text = $1", [18000, 2000]),
        ("SELECT id FROM t WHERE code = $1", [20000]),
        ("SELECT id FROM t WHERE id = ANY($1)", [10, 10, 10]),
        ("SELECT id FROM t WHERE id = ANY($1::int[])", [10, 10, 10]),
        ("SELECT id FROM t WHERE id IN ($1, $2, $3)", [3, 3, 3]),
        ('SELECT id FROM t WHERE "Odd Name" = $1', [1, 1, 1]),
        ('SELECT id FROM t WHERE "Odd Name" = ANY($1)', [10, 10, 10]),
        ('SELECT id FROM t WHERE "Odd Name" LIKE $1', [1, 1, 1]),
        ("SELECT id FROM t WHERE lower(\"Odd Name\") = $1", [1, 1, 1]),
        ("SELECT id FROM t WHERE tags @> $1", [1, 1, 1]),
        ("SELECT id FROM t WHERE j @> $1", [1, 1, 1]),
        ("SELECT id FROM t WHERE j ->> 'k' = $1", [1, 1, 1]),
        ("SELECT a FROM pairs WHERE a = $1 AND b = $2", [1, 1, 1]),
        ("SELECT id FROM t WHERE date_trunc($1, ts) = $2", [1440, 1440, 1440]),
        ("SELECT id FROM t ORDER BY id LIMIT $1", [10]),
        ("SELECT id FROM t WHERE kind = $1 ORDER BY id LIMIT $2 OFFSET $3", [10, 10, 10]),
        ("UPDATE t SET kind = $1, a = $2, m = $3 WHERE id = $4", [1, 1, 1]),
        ("DELETE FROM t WHERE ts < now() - interval $1 AND id = $2", None),
        ("SELECT $1, $2::date, now() - $3::interval WHERE $4 IS NULL", [0]),
        ("SELECT id FROM v WHERE kind = $1", [19800, 200]),
        ("SELECT id FROM hollow WHERE id = $1 AND name LIKE $2", [0]),
        ("SELECT id FROM t WHERE id = $1 OR kind = $2", None),
        ("WITH x AS (SELECT id FROM t WHERE id = $1) SELECT a FROM pairs WHERE b = $2 AND a IN (TABLE x)", None),
    ],
)  # fmt: skip
def test_statements_run(filled: tuple[psycopg.Connection, Catalog], sql: str, rows: list[int] | None) -> None:
    found = run(filled, sql)
    assert found.statements
    assert not any("$" in text for text in found.statements)
    kept = counts(filled, found)
    assert kept == rows or rows is None


@pytest.mark.parametrize("table", ["t", "p"])
def test_ranges_keep_what_the_planner_would_take(filled: tuple[psycopg.Connection, Catalog], table: str) -> None:
    column, total = ("ts", 20000) if table == "t" else ("d", 5000)
    for sql in (
        f"SELECT id FROM {table} WHERE {column} >= $1 AND {column} < $2",
        f"SELECT id FROM {table} WHERE {column} BETWEEN $1 AND $2",
    ):
        kept = counts(filled, run(filled, sql))
        assert len(kept) == 3
        assert all(0 < number < total * 0.03 for number in kept)


def test_ranges_keep_what_is_known_of_the_calls(filled: tuple[psycopg.Connection, Catalog]) -> None:
    for sql in ("SELECT id FROM t WHERE ts >= $1 AND ts < $2", "SELECT id FROM t WHERE ts >= $1"):
        assert all(4000 < number < 6000 for number in counts(filled, run(filled, sql, rows_per_call=5000)))
    # The rows of a group say nothing about those that were read.
    grouped = run(filled, "SELECT kind, count(*) FROM t WHERE ts >= $1 AND ts < $2 GROUP BY 1", rows_per_call=2)
    assert counts(filled, grouped)


def test_a_page_is_as_long_as_the_pages_were(filled: tuple[psycopg.Connection, Catalog]) -> None:
    assert counts(filled, run(filled, "SELECT id FROM t ORDER BY id LIMIT $1", rows_per_call=25)) == [25]
    assert counts(filled, run(filled, "SELECT id FROM t LIMIT $1", rows_per_call=15000)) == [1000]


def test_what_is_refused_is_never_seen_by_the_server(filled: tuple[psycopg.Connection, Catalog]) -> None:
    found = run(filled, "SELECT id, pg_read_file($1) FROM t")
    assert found.statements == ()
    assert "pg_read_file" in (found.reason or "")


def test_what_the_server_refuses_has_its_reason(filled: tuple[psycopg.Connection, Catalog]) -> None:
    assert run(filled, "SELECT absent FROM t WHERE id = $1").reason == 'column "absent" does not exist'


def test_known_values_are_kept(filled: tuple[psycopg.Connection, Catalog]) -> None:
    connection, catalog = filled
    sql = "SELECT id FROM t WHERE id = $1"
    sample = Sample(sql=sql, parameters=("7",))
    query = Query(id="q", sql=sql, calls=1, samples=(sample,))
    found = runnables([query], {"q": usage_of(sql, catalog)}, connection)["q"]
    assert found.statements == ("SELECT id FROM t WHERE id = '7'",)
