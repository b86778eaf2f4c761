"""Verdicts on a real server: what helps is proven, what does not is refused, whatever it claims."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from advisor.catalog.read import read_catalog
from advisor.engine.usages import usages_of
from advisor.model.advice import BatchProposal, IndexCandidate, Rewrite
from advisor.model.catalog import IndexKey
from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile, TableProfile
from advisor.model.workload import Query, Sample, Workload
from advisor.rewrites.batch import batch
from advisor.sandbox.open import open_sandbox
from advisor.sql.identify import identify
from advisor.validate.batches import try_batch
from advisor.validate.indexes import IndexTrial, try_indexes
from advisor.validate.lab import Lab, datasets, open_lab
from advisor.validate.rewrites import try_rewrite
from advisor.validate.statements import runnables

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, note text);
CREATE TABLE orders (
    id int PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customers,
    status text NOT NULL,
    coupon int,
    created_at timestamp NOT NULL
);
CREATE INDEX orders_created_at_idx ON orders (created_at);
"""
ORDERS = QualifiedName("public", "orders")
CUSTOMERS = QualifiedName("public", "customers")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    path: Path = tmp_path_factory.mktemp("schema") / "schema.sql"
    path.write_text(SCHEMA)
    with open_sandbox("embedded") as sandbox:
        sandbox.create_database("empty")
        with sandbox.connect("empty") as connection:
            connection.execute(SCHEMA.encode())
            catalog = read_catalog(connection)
        profile = {
            CUSTOMERS: TableProfile(rows=2_000, basis="flag"),
            ORDERS: TableProfile(
                rows=60_000,
                basis="flag",
                columns={
                    "status": ColumnProfile(distinct=2, common=(("paid", 0.9), ("open", 0.1)), null_fraction=0),
                    "created_at": ColumnProfile(low="2025-01-01", high="2026-01-01", null_fraction=0),
                },
            ),
        }
        yield open_lab(sandbox, catalog, profile, schema=path)


def tried(lab: Lab, statements: list[str], keys: list[tuple[str, ...]]) -> list[IndexTrial]:
    """Trials of indexes on `orders` for a workload of the statements."""
    workload = Workload(
        queries=tuple(
            Query(id=identify(sql).id, sql=identify(sql).sql, calls=10, samples=(Sample(sql=sql),))
            for sql in statements
        )
    )
    ids = tuple(query.id for query in workload.queries)
    wanted = [
        IndexCandidate(
            table=ORDERS, name=f"trial_{number}", keys=tuple(IndexKey(column=c) for c in columns), query_ids=ids
        )
        for number, columns in enumerate(keys)
    ]
    with lab.connect() as connection:
        queries = runnables(workload.queries, usages_of(workload, lab.catalog), connection)
    return list(try_indexes(lab, wanted, queries).trials)


def indexes_left(lab: Lab) -> int:
    with lab.connect() as connection:
        row = connection.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'trial%'").fetchone()
    assert row is not None
    return int(row[0])


def test_useful_index_is_proven_and_taken_away_again(lab: Lab) -> None:
    (trial,) = tried(lab, ["SELECT id FROM orders WHERE customer_id = 17"], [("customer_id",)])
    verdict = trial.verdict
    assert (verdict.status, verdict.method) == ("proven", "built")
    assert verdict.before.buffers is not None
    assert verdict.after.buffers is not None
    assert verdict.after.buffers < verdict.before.buffers / 3
    assert verdict.size_bytes
    assert indexes_left(lab) == 0


def test_index_nobody_uses_is_no_gain(lab: Lab) -> None:
    (trial,) = tried(lab, ["SELECT id FROM orders WHERE status = 'paid'"], [("status",)])
    assert (trial.verdict.status, trial.used_by) == ("no_gain", frozenset())


def test_prefix_beside_a_wider_index_is_withdrawn(lab: Lab) -> None:
    statements = ["SELECT id FROM orders WHERE customer_id = 17 ORDER BY created_at DESC LIMIT 5"]
    trials = tried(lab, statements, [("customer_id",), ("customer_id", "created_at")])
    assert [trial.verdict.status for trial in trials] == ["no_gain", "proven"]
    assert "another" in (trials[0].verdict.reason or "")


def test_branches_of_an_or_are_tried_together(lab: Lab) -> None:
    statements = ["SELECT id FROM orders WHERE customer_id = 17 OR coupon = 3"]
    trials = tried(lab, statements, [("customer_id",), ("coupon",)])
    assert {trial.verdict.status for trial in trials} == {"proven"}
    assert indexes_left(lab) == 0


def test_query_that_fails_leaves_the_index_untested(lab: Lab) -> None:
    (trial,) = tried(lab, ["SELECT 1 / (id - id) FROM orders WHERE customer_id = 17"], [("customer_id",)])
    assert trial.verdict.status in ("predicted", "not_tested")
    assert trial.verdict.reason


def test_hostile_statement_is_not_run(lab: Lab) -> None:
    (trial,) = tried(lab, ["SELECT pg_sleep(60) FROM orders WHERE customer_id = 17"], [("customer_id",)])
    assert trial.verdict.status == "not_tested"


ORIGINAL = "SELECT id FROM orders WHERE date_trunc('month', created_at) = '2025-03-01'"
SAME = "SELECT id FROM orders WHERE created_at >= '2025-03-01' AND created_at < '2025-04-01'"


@pytest.mark.parametrize(
    ("original", "rewritten", "status"),
    [
        (ORIGINAL, SAME, "proven"),
        (ORIGINAL, SAME.replace("<", "<="), "not_equivalent"),
        (ORIGINAL, SAME.replace("2025-04-01", "2025-03-31"), "not_equivalent"),
        (ORIGINAL, SAME.replace("SELECT id", "SELECT id AS number"), "not_equivalent"),
        (ORIGINAL, SAME.replace("SELECT id", "SELECT DISTINCT id, customer_id"), "not_equivalent"),
        (ORIGINAL, "SELECT nothing FROM orders", "not_equivalent"),
        ("SELECT coupon FROM orders", "SELECT coupon FROM orders WHERE coupon IS NOT NULL", "not_equivalent"),
        ("SELECT status FROM orders", "SELECT DISTINCT status FROM orders", "not_equivalent"),
        ("SELECT id FROM orders WHERE status = 'open'", "SELECT id FROM orders WHERE status IN ('open')", "no_gain"),
        ("SELECT nothing FROM orders", "SELECT id FROM orders", "not_tested"),
    ],
)
def test_rewrite(lab: Lab, original: str, rewritten: str, status: str) -> None:
    ends = {(ORDERS, "created_at"): ("2025-03-01", "2025-04-01")}
    with datasets(lab, ends) as connections:
        trial = try_rewrite(
            lab,
            connections,
            [Rewrite(kind="test", query_id="q", original_sql=original, rewritten_sql=rewritten)],
            1.0,
        )
    assert trial.verdict.status == status


def test_batch_returns_the_rows_of_its_look_ups(lab: Lab) -> None:
    proposal = BatchProposal(query_id="q", parent_id=None, table=CUSTOMERS, column="id")
    form = batch(proposal, Sample(sql="SELECT name FROM customers WHERE id = $1", parameters=("1",)))
    assert form is not None
    with datasets(lab) as connections:
        verdict = try_batch(lab, connections, proposal, form, 100)
    assert verdict.status == "proven"
    assert verdict.equivalence is not None
    assert (verdict.equivalence.status, verdict.equivalence.datasets > 0) == ("checked", True)
