"""The planner twin's claim: plans of the same shape and cost as on the database it was read from, without its rows."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg
import pytest

from advisor.catalog.connect import connect
from advisor.catalog.end_points import end_points
from advisor.catalog.read import read_catalog
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.programs.binaries import local
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.open import Twin, open_twin
from tests.bench.twin.compare import compare, differences, explain, shape

COST_TOLERANCE = 0.001
"""What the issue allows for TPC-H: rounding of statistics in their text form."""

ORIGINAL = """
CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, country text NOT NULL, born date, tags text[]);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, placed timestamptz NOT NULL,
    status text NOT NULL, total numeric(10, 2) NOT NULL, during int4range NOT NULL);
CREATE TABLE events (at timestamptz NOT NULL, kind int NOT NULL, order_id int NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_january PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE TABLE fresh (id int PRIMARY KEY, a int);
INSERT INTO customers SELECT i, 'User' || i || '@example.org', 'c' || i * i % 97 % 20,
    date '1950-01-01' + i * 7 % 19000, ARRAY['t' || i % 30, 't' || i % 400] FROM generate_series(1, 3000) i;
INSERT INTO orders SELECT i, 1 + i * i % 2999, timestamptz '2026-01-01 00:00+00' + i * interval '1 minute',
    CASE WHEN i % 50 = 0 THEN 'open' ELSE 'done' END, i % 9973, int4range(i, i + i % 90 + 1)
    FROM generate_series(1, 20000) i;
INSERT INTO events SELECT timestamptz '2026-01-01 00:00+00' + i * interval '4 minutes', i % 7, 1 + i % 19999
    FROM generate_series(1, 20000) i;
INSERT INTO fresh SELECT i, i % 100 FROM generate_series(1, 4000) i;
CREATE INDEX customers_email ON customers (lower(email));
CREATE INDEX customers_tags ON customers USING gin (tags);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_placed ON orders (placed) INCLUDE (total);
CREATE INDEX orders_open ON orders (placed) WHERE status = 'open';
CREATE INDEX orders_during ON orders USING gist (during);
CREATE INDEX events_order ON events (order_id);
CREATE INDEX events_at ON events USING brin (at);
"""

STATISTICS = "CREATE STATISTICS customers_born ON country, {} FROM customers"
"""Of an expression since 14; before, of a column."""

GROWTH = """
INSERT INTO orders SELECT i, 1 + i * i % 2999, timestamptz '2026-01-01 00:00+00' + i * interval '1 minute', 'open', 7,
    int4range(i, i + 3) FROM generate_series(20001, 26000) i
"""

QUERIES = {
    "primary key": "SELECT * FROM orders WHERE id = 4711",
    "foreign key": "SELECT * FROM orders WHERE customer_id = 17",
    "index-only": "SELECT sum(total) FROM orders WHERE placed BETWEEN '2026-01-03 00:00+00' AND '2026-01-04 00:00+00'",
    "partial": "SELECT * FROM orders WHERE status = 'open' AND placed < '2026-01-03 00:00+00'",
    "expression": "SELECT * FROM customers WHERE lower(email) = 'user17@example.org'",
    "groups of an expression": "SELECT lower(email), count(*) FROM customers GROUP BY 1",
    "extended statistics": "SELECT country, extract(year FROM born), count(*) FROM customers GROUP BY 1, 2",
    "array": "SELECT * FROM customers WHERE tags @> ARRAY['t399']",
    "partition": "SELECT * FROM events WHERE at = '2026-01-10 00:00+00' AND kind = 3",
    "all partitions": "SELECT kind, count(*) FROM events WHERE order_id = 77 GROUP BY kind",
    "block range": "SELECT count(*) FROM events WHERE at < '2026-01-02 00:00+00'",
    "never analysed": "SELECT * FROM fresh WHERE a = 5",
    "join": "SELECT c.country, sum(o.total) FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY c.country",
    "selective join": "SELECT * FROM orders o JOIN customers c ON c.id = o.customer_id WHERE born = date '1960-03-04'",
    "three tables": "SELECT count(*) FROM events e JOIN orders o ON o.id = e.order_id"
    " JOIN customers c ON c.id = o.customer_id WHERE c.country = 'c3' AND e.kind = 2",
    "top": "SELECT * FROM orders ORDER BY placed DESC LIMIT 10",
    "newest, past the histogram": "SELECT * FROM orders WHERE placed > '2026-01-18 00:00+00'",
    "newest keys": "SELECT * FROM orders WHERE id > 25900",
    "newest, joined": "SELECT * FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id > 24000",
}

RANGE = {"range": "SELECT * FROM orders WHERE during && int4range(500, 510)"}
"""`pg_stats` shows the histograms of ranges since 17; before, a plain owner cannot see them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A server with an original database `shop` on it."""

    sandbox: Sandbox
    database: str

    def original(self) -> psycopg.Connection[object]:
        connection = self.sandbox.connect(self.database)
        connection.autocommit = True
        return connection


def fill(side: Side) -> None:
    with side.original() as connection:
        connection.execute(ORIGINAL.encode())
        second = "(extract(year FROM born))" if side.sandbox.server_version_num >= 140000 else "born"
        connection.execute(STATISTICS.format(second).encode())
        connection.execute("VACUUM ANALYZE customers, orders, events")


def twin_of(side: Side, name: str) -> Twin:
    with connect(side.sandbox.url_of(side.database)) as connection:
        return open_twin(side.sandbox, end_points(connection, read_catalog(connection)), database=name)


@pytest.fixture(scope="module", params=["embedded", "local 15", "local 13"])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    """The embedded 18, and older ones where they are installed."""
    choice, _, major = request.param.partition(" ")
    if choice == "local" and local(int(major)) is None:
        pytest.skip(f"PostgreSQL {major} is not installed here (apt install postgresql-{major})")
    with open_sandbox(choice, target_major=int(major) if major else None) as opened:
        opened.create_database("shop")
        made = Side(sandbox=opened, database="shop")
        fill(made)
        yield made


def assert_agrees(side: Side, twin: Twin, queries: Mapping[str, str]) -> None:
    with side.original() as left, twin.connect() as right:
        pairs = compare(left, right, queries)
    for pair in pairs:
        assert pair.original is not None, (pair.name, pair.original_error)
        assert pair.twin is not None, (pair.name, pair.twin_error)
        assert pair.same_shape, (pair.name, differences(pair.original, pair.twin))
        assert (pair.cost_difference or 0.0) <= COST_TOLERANCE, (pair.name, differences(pair.original, pair.twin))


def test_plans_agree_as_analysed_and_after_growth(side: Side) -> None:
    twin = twin_of(side, "twin_analysed")
    assert twin.warnings == ()
    asked = {**QUERIES, **(RANGE if side.sandbox.server_version_num >= 170000 else {})}
    assert_agrees(side, twin, asked)
    with side.original() as connection:
        connection.execute(GROWTH.encode())
    assert_agrees(side, twin_of(side, "twin_grown"), asked)


def test_the_twin_holds_no_rows(side: Side) -> None:
    twin = twin_of(side, "twin_empty")
    with twin.connect() as connection:
        counted = connection.execute("SELECT (SELECT count(*) FROM customers), pg_table_size('customers') > 0")
        assert counted.fetchone() == (0, True)


def test_an_empty_database_would_plan_differently(side: Side) -> None:
    """The look-alike: the same schema without sizes and statistics, so that the comparison above can fail."""
    side.sandbox.create_database("only_schema")
    with side.original() as left, side.sandbox.connect("only_schema") as right:
        right.autocommit = True
        right.execute(re.sub(r"INSERT INTO .*?;", "", ORIGINAL, flags=re.DOTALL).encode())
        pairs = compare(left, right, QUERIES)
    agree = [pair for pair in pairs if pair.same_shape and (pair.cost_difference or 0.0) <= COST_TOLERANCE]
    assert len(agree) < len(QUERIES) / 4


def test_shapes_tell_plans_apart(side: Side) -> None:
    with side.original() as connection:
        by_key, _ = explain(connection, QUERIES["primary key"])
        by_scan, _ = explain(connection, "SELECT * FROM orders WHERE id % 7 = 3")
    assert by_key is not None
    assert by_scan is not None
    assert shape(by_key) != shape(by_scan)
