"""Candidate indexes on a twin are planned as the really built ones are."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from advisor.catalog.read import read_catalog
from advisor.errors import UsageError
from advisor.model.names import QualifiedName
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.open import Twin, open_twin
from advisor.sandbox.twin.what_if import WhatIf, WhatIfIndex

ORIGINAL = """
CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, state text NOT NULL, placed timestamptz NOT NULL,
                     paid timestamptz, tags int[], note jsonb, span int4range);
INSERT INTO orders
SELECT n, n % 5000, CASE WHEN n % 50 = 0 THEN 'open' ELSE 'done' END, '2025-01-01'::timestamptz + n * interval '1 min',
       CASE WHEN n % 3 = 0 THEN '2025-01-02'::timestamptz + n * interval '1 min' END, ARRAY[n % 100, n % 37],
       jsonb_build_object('kind', n % 500), int4range(n % 1000, n % 1000 + 10)
FROM generate_series(1, 100000) n;
CREATE TABLE visits (id bigint, at date NOT NULL, page int NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
INSERT INTO visits SELECT n, '2025-01-01'::date + n % 59, n % 3000 FROM generate_series(1, 60000) n;
"""

CANDIDATES: Mapping[str, tuple[str, str]] = {
    "single": ("ON orders (customer)", "SELECT * FROM orders WHERE customer = 7"),
    "composite": (
        "ON orders (customer, placed)",
        "SELECT * FROM orders WHERE customer = 7 AND placed > '2025-02-01' ORDER BY placed",
    ),
    "descending": (
        "ON orders (paid DESC NULLS LAST)",
        "SELECT * FROM orders ORDER BY paid DESC NULLS LAST LIMIT 10",
    ),
    "covering": ("ON orders (customer) INCLUDE (state)", "SELECT state FROM orders WHERE customer = 7"),
    "partial": (
        "ON orders (placed) WHERE state = 'open'",
        "SELECT * FROM orders WHERE state = 'open' AND placed > now()",
    ),
    "hash": ("ON orders USING hash (customer)", "SELECT * FROM orders WHERE customer = 7"),
    "brin": (
        "ON orders USING brin (placed)",
        "SELECT * FROM orders WHERE placed BETWEEN '2025-02-01' AND '2025-02-02'",
    ),
    "gin": ("ON orders USING gin (tags)", "SELECT * FROM orders WHERE tags @> ARRAY[5, 7]"),
    "gist": ("ON orders USING gist (span)", "SELECT * FROM orders WHERE span @> 990"),
    "partitioned": ("ON visits (page)", "SELECT * FROM visits WHERE page = 3 AND at < '2025-01-20'"),
}
"""Definitions without `CREATE INDEX name`, each with a query that it serves."""


@pytest.fixture(scope="module")
def original(sandbox: Sandbox) -> Iterator[str]:
    name = "what_if_original"
    sandbox.create_database(name)
    with closing(sandbox.connect(name)) as connection:
        connection.autocommit = True
        connection.execute(ORIGINAL.encode())
        for table in ("orders", "visits"):
            connection.execute(f"VACUUM ANALYZE {table}".encode())
    yield name
    sandbox.drop_database(name)


@pytest.fixture(scope="module")
def twin(sandbox: Sandbox, original: str) -> Iterator[Twin]:
    with sandbox.admin(original) as connection:
        catalog = replace(read_catalog(connection), search_path=("public",))
    yield open_twin(sandbox, catalog, database="what_if_twin")
    sandbox.drop_database("what_if_twin")


def plan(connection: psycopg.Connection[Any], query: str) -> Mapping[str, Any]:
    row = connection.execute(f"EXPLAIN (FORMAT JSON) {query}".encode()).fetchone()
    assert row is not None
    root: Mapping[str, Any] = row[0][0]["Plan"]
    return root


def shape(node: Mapping[str, Any]) -> list[Any]:
    """Without the names of partitions' indexes, which the server makes up."""
    return [node["Node Type"], node.get("Relation Name"), [shape(child) for child in node.get("Plans", ())]]


@pytest.mark.parametrize("kind", CANDIDATES)
def test_plans_like_a_built_one(sandbox: Sandbox, original: str, twin: Twin, kind: str) -> None:
    tail, query = CANDIDATES[kind]
    table = QualifiedName("public", tail.split()[1])
    with closing(sandbox.connect(original)) as built:
        without = plan(built, query)
        built.execute(f"CREATE INDEX candidate {tail}".encode())
        real = plan(built, query)
        size = built.execute(
            "SELECT sum(pg_relation_size(relid))::int8 FROM (SELECT 'candidate'::regclass AS relid UNION ALL"
            " SELECT inhrelid FROM pg_inherits WHERE inhparent = 'candidate'::regclass) tree"
        ).fetchone()
        built.rollback()
    assert size is not None
    assert shape(real) != shape(without)
    with WhatIf(twin) as what_if, closing(twin.connect()) as planner:
        (added,) = what_if.add(
            [
                WhatIfIndex(
                    name="candidate", table=table, definition=f"CREATE INDEX candidate {tail}", size_bytes=size[0]
                )
            ]
        )
        assert added.refused is None
        assert shape(plan(planner, query)) == shape(without)
        what_if.switch(["candidate"])
        hypothetical = plan(planner, query)
        assert shape(hypothetical) == shape(real)
        assert hypothetical["Total Cost"] == pytest.approx(real["Total Cost"], rel=0.05)
        what_if.switch([])
        assert plan(planner, query)["Total Cost"] == pytest.approx(without["Total Cost"], rel=0.001)


def test_nothing_stays(sandbox: Sandbox, twin: Twin) -> None:
    count = "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname LIKE 'gone%'"
    with WhatIf(twin) as what_if:
        what_if.add(
            [
                WhatIfIndex(
                    name="gone", table=QualifiedName("public", "visits"), definition="CREATE INDEX gone ON visits (id)"
                )
            ]
        )
    with sandbox.admin(twin.database) as admin:
        assert admin.execute(count).fetchone() == (0,)
        rows = admin.execute("SELECT reltuples, relpages > 0 FROM pg_class WHERE relname = 'orders'").fetchone()
    assert rows == (100000, True)


def test_an_index_of_its_own_can_be_hidden(twin: Twin) -> None:
    query = "SELECT * FROM orders WHERE id = 5"
    with WhatIf(twin) as what_if, closing(twin.connect()) as planner:
        what_if.hide([QualifiedName("public", "orders_pkey")])
        assert plan(planner, query)["Node Type"] in ("Seq Scan", "Gather")
        what_if.show()
        assert plan(planner, query)["Node Type"] == "Index Scan"


def test_a_refused_one_is_named_and_the_others_are_made(twin: Twin) -> None:
    table = QualifiedName("public", "orders")
    with WhatIf(twin) as what_if:
        bad, good = what_if.add(
            [
                WhatIfIndex(name="bad", table=table, definition="CREATE INDEX bad ON orders (nowhere)"),
                WhatIfIndex(name="good", table=table, definition="CREATE INDEX good ON orders (state)"),
            ]
        )
    assert bad.refused is not None
    assert "nowhere" in bad.refused
    assert good.refused is None
    assert 0 < good.size_bytes < 3_000_000


@pytest.mark.parametrize(
    "definition",
    [
        "CREATE INDEX CONCURRENTLY candidate ON orders (id)",
        "CREATE INDEX other ON orders (id)",
        "DROP TABLE orders",
        "CREATE INDEX candidate ON orders (id); DROP TABLE orders",
        "CREATE INDEX candidate ON",
    ],
)
def test_anything_but_a_plain_create_index_is_refused(twin: Twin, definition: str) -> None:
    candidate = WhatIfIndex(name="candidate", table=QualifiedName("public", "orders"), definition=definition)
    with WhatIf(twin) as what_if, pytest.raises(UsageError):
        what_if.add([candidate])
