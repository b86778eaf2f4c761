"""A planner twin in a container: it needs the server's files, and gets them."""

from typing import Any

import psycopg
import pytest

from advisor.catalog.end_points import end_points
from advisor.catalog.read import read_catalog
from advisor.errors import SandboxError
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.open import open_twin

pytestmark = pytest.mark.docker

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, placed date NOT NULL);
INSERT INTO customers SELECT i, md5(i::text) FROM generate_series(1, 5000) i;
INSERT INTO orders SELECT i, 1 + i % 5000, date '2026-01-01' + i % 300 FROM generate_series(1, 60000) i;
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON orders (placed);
ANALYZE;
"""

QUERIES = (
    "SELECT * FROM orders WHERE customer_id = 7",
    "SELECT * FROM orders WHERE placed BETWEEN '2026-02-01' AND '2026-02-03'",
    "SELECT name, count(*) FROM orders JOIN customers ON customers.id = customer_id GROUP BY name ORDER BY 2 DESC",
    "SELECT * FROM orders JOIN customers ON customers.id = customer_id WHERE customers.name LIKE 'ab%'",
    "SELECT max(id) FROM orders",
)


def plan(connection: psycopg.Connection[Any], query: str) -> list[str]:
    """Every node, relation, cost and row count."""
    return [line for (line,) in connection.execute(f"EXPLAIN {query}".encode())]


def test_a_twin_in_docker_plans_like_its_original(shared: Sandbox) -> None:
    shared.create_database("original")
    with shared.connect("original") as original:
        original.autocommit = True
        for statement in filter(str.strip, SCHEMA.split(";")):
            original.execute(statement.encode())
        twin = open_twin(shared, end_points(original, read_catalog(original)))
        with twin.connect() as copy:
            assert copy.execute("SELECT count(*) FROM orders").fetchone() == (0,)
            for query in QUERIES:
                assert plan(copy, query) == plan(original, query)


def test_a_twin_without_files_is_refused(published: Sandbox) -> None:
    with published.connect() as connection:
        catalog = read_catalog(connection)
    with pytest.raises(SandboxError, match="twin"):
        open_twin(published, catalog)
