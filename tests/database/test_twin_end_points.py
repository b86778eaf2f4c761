"""Ranges beyond the histogram are planned by the real ends, as production's planner does."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from advisor.catalog.end_points import end_points
from advisor.catalog.read import read_catalog
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.open import Twin, open_twin

GROWN = """
CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz NOT NULL, name text, amount numeric, due date);
CREATE INDEX ON events (at DESC);
CREATE INDEX ON events (name, id);
CREATE INDEX ON events (amount);
CREATE TABLE reads (id bigint PRIMARY KEY, event bigint NOT NULL);
CREATE INDEX ON reads (event);
CREATE FUNCTION fill(low int, high int) RETURNS void LANGUAGE sql AS $$
INSERT INTO events SELECT n, '2026-01-01'::timestamptz + n * interval '1 s', 'n' || lpad(n::text, 8, '0'), n / 100.0,
                          '2026-01-01'::date + n / 100 FROM generate_series(low, high) n;
INSERT INTO reads SELECT n, n FROM generate_series(low, high) n WHERE n % 2 = 0;
$$;
SELECT fill(1, 60000);
"""

QUERIES = (
    "SELECT * FROM events WHERE id > 65000",
    "SELECT * FROM events WHERE id < 0",
    "SELECT * FROM events WHERE at > '2026-01-01 19:00+00'",
    "SELECT * FROM events WHERE at > '2026-01-01 22:10+00'",
    "SELECT * FROM events WHERE name > 'n00070000'",
    "SELECT * FROM events WHERE amount BETWEEN 620 AND 700",
    "SELECT * FROM events JOIN reads ON reads.event = events.id WHERE events.id > 70000",
    "SELECT * FROM events JOIN reads ON reads.event = events.id ORDER BY events.id LIMIT 100",
    "SELECT count(*) FROM events JOIN reads USING (id)",
)

WITHOUT_INDEX = "SELECT * FROM events WHERE due > '2027-08-25'"
"""No index tells the planner the real end of `due`: the histogram's is all that it has, there and here."""


@pytest.fixture(scope="module")
def original(sandbox: Sandbox) -> Iterator[str]:
    name = "grown"
    sandbox.create_database(name)
    with closing(sandbox.connect(name)) as connection:
        connection.autocommit = True
        connection.execute(GROWN.encode())
        for table in ("events", "reads"):
            connection.execute(f"VACUUM ANALYZE {table}".encode())
        connection.execute("SELECT fill(60001, 80000)")
    yield name
    sandbox.drop_database(name)


@pytest.fixture(scope="module")
def twin(sandbox: Sandbox, original: str) -> Iterator[Twin]:
    with sandbox.admin(original) as connection:
        connection.execute("CREATE EXTENSION pageinspect SCHEMA public")
        catalog = end_points(connection, replace(read_catalog(connection), search_path=("public",)))
    yield open_twin(sandbox, catalog, database="grown_twin")
    sandbox.drop_database("grown_twin")


def plan(connection: psycopg.Connection[Any], query: str) -> Mapping[str, Any]:
    row = connection.execute(f"EXPLAIN (FORMAT JSON) {query}".encode()).fetchone()
    assert row is not None
    root: Mapping[str, Any] = row[0][0]["Plan"]
    return root


@pytest.mark.parametrize("query", [*QUERIES, WITHOUT_INDEX])
def test_planned_alike(sandbox: Sandbox, original: str, twin: Twin, query: str) -> None:
    with closing(sandbox.connect(original)) as production, closing(twin.connect()) as planner:
        assert plan(planner, query) == plan(production, query)


def test_the_ends_matter(sandbox: Sandbox, original: str) -> None:
    """Without them the same query is planned for other rows: this file would fail if the leaves had no effect."""
    with sandbox.admin(original) as connection:
        catalog = replace(read_catalog(connection), search_path=("public",))
    blind = open_twin(sandbox, catalog, database="grown_blind")
    with closing(sandbox.connect(original)) as production, closing(blind.connect()) as planner:
        assert plan(planner, QUERIES[0])["Plan Rows"] < plan(production, QUERIES[0])["Plan Rows"] / 10
    sandbox.drop_database("grown_blind")


def test_there_is_no_row(twin: Twin) -> None:
    with closing(twin.connect()) as planner:
        assert planner.execute("SELECT count(*) FROM events").fetchone() == (0,)
        assert planner.execute("SELECT * FROM reads WHERE event = 80000").fetchall() == []
