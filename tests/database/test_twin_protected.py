"""A twin that somebody works with by hand stays a twin: plans are shown, and nothing can be spoilt."""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace

import psycopg
import pytest

from advisor.catalog.read import read_catalog
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.twin.open import Twin, open_twin, protect

ORIGINAL = """
CREATE SCHEMA "Sales";
CREATE TABLE "Sales".orders (id int PRIMARY KEY, customer int, note text);
INSERT INTO "Sales".orders SELECT n, n % 500, 'n' || n FROM generate_series(1, 30000) n;
CREATE INDEX ON "Sales".orders (lower(note));
CREATE TABLE tenants (id int PRIMARY KEY, name text);
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
INSERT INTO tenants SELECT n, 'n' || n FROM generate_series(1, 2000) n;
CREATE VIEW mine AS SELECT * FROM tenants WHERE id > 5;
"""

QUERIES = (
    'SELECT * FROM "Sales".orders WHERE customer = 7',
    "SELECT * FROM \"Sales\".orders WHERE lower(note) = 'n7'",
    "SELECT * FROM tenants WHERE name = 'n7'",
    'SELECT count(*) FROM mine JOIN "Sales".orders o ON o.customer = mine.id',
    'UPDATE "Sales".orders SET note = note WHERE id = 3',
    "DELETE FROM tenants WHERE id = 3",
)


@pytest.fixture(scope="module")
def plans_before() -> dict[str, list[tuple[str]]]:
    return {}


@pytest.fixture(scope="module")
def twin(plans_before: dict[str, list[tuple[str]]]) -> Iterator[Twin]:
    with open_sandbox("embedded") as sandbox:
        sandbox.create_database("original")
        with closing(sandbox.connect("original")) as owner:
            owner.autocommit = True
            owner.execute(ORIGINAL.encode())
            owner.execute("VACUUM ANALYZE")
        with sandbox.admin("original") as admin:
            catalog = replace(read_catalog(admin), search_path=("public",))
        opened = open_twin(sandbox, catalog)
        with closing(opened.connect()) as planner:
            plans_before.update({query: explain(planner, query) for query in QUERIES})
        protect(opened)
        yield opened


def explain(connection: psycopg.Connection[tuple[str]], query: str) -> list[tuple[str]]:
    return connection.execute(f"EXPLAIN {query}".encode()).fetchall()


@pytest.mark.parametrize("query", QUERIES)
def test_plans_are_the_same(twin: Twin, plans_before: dict[str, list[tuple[str]]], query: str) -> None:
    with psycopg.connect(twin.url) as reader:
        assert explain(reader, query) == plans_before[query]


@pytest.mark.parametrize(
    "statement",
    [
        'CREATE INDEX ON "Sales".orders (customer)',
        'ANALYZE "Sales".orders',
        "ANALYZE",
        'VACUUM "Sales".orders',
        "VACUUM",
        'DROP TABLE "Sales".orders',
        'ALTER TABLE "Sales".orders ADD c int',
        'TRUNCATE "Sales".orders',
        'REINDEX TABLE "Sales".orders',
        'CLUSTER "Sales".orders USING orders_pkey',
        "DROP OWNED BY CURRENT_USER",
    ],
)
def test_nothing_is_spoilt(twin: Twin, plans_before: dict[str, list[tuple[str]]], statement: str) -> None:
    with psycopg.connect(twin.url, autocommit=True) as reader:
        # Some are refused, others passed over with a warning.
        with suppress(psycopg.errors.InsufficientPrivilege):
            reader.execute(statement.encode())
        if "OWNED" not in statement:
            assert explain(reader, QUERIES[0]) == plans_before[QUERIES[0]]
