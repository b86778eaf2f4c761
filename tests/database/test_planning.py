"""Queries are planned on the twin as their servers would: with values, and as prepared statements."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from advisor.catalog.read import read_catalog
from advisor.model.catalog import Catalog
from advisor.model.plan import Plan, walk
from advisor.model.workload import Query, Sample
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.open import Twin, open_twin
from advisor.sql.usage import usage_of
from advisor.validate.planning import Planned, plan_queries

SCHEMA = """
CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, state text NOT NULL, placed timestamptz NOT NULL,
                     email text, "rate%" int);
INSERT INTO orders SELECT n, n % 5000, CASE WHEN n % 1000 = 0 THEN 'stuck' WHEN n % 20 = 0 THEN 'open' ELSE 'done' END,
       '2026-01-01'::timestamptz + n * interval '1 minute', 'who' || n || '@example.com', 70 + n % 3
FROM generate_series(1, 50000) n;
CREATE INDEX by_state ON orders (state);
CREATE INDEX by_customer ON orders (customer);
CREATE INDEX by_placed ON orders (placed);
"""


@dataclass(frozen=True)
class Planner:
    twin: Twin
    catalog: Catalog

    def plan(self, sql: str, *samples: Sample, calls: int = 1) -> Planned:
        query = Query(id="q", sql=sql, calls=calls, samples=samples)
        (planned,) = plan_queries(self.twin, [query], {"q": usage_of(sql, self.catalog)})
        return planned


def planner(sandbox: Sandbox, name: str) -> Planner:
    sandbox.create_database(name)
    with closing(sandbox.connect(name)) as connection:
        connection.autocommit = True
        connection.execute(SCHEMA.encode())
        connection.execute("VACUUM ANALYZE orders")
        connection.autocommit = False
        catalog = read_catalog(connection)
    return Planner(open_twin(sandbox, catalog, database=f"{name}_twin"), catalog)


@pytest.fixture(scope="module", params=["embedded", "15"])
def plans(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Planner]:
    if request.param == "embedded":
        yield planner(sandbox, "planning")
        sandbox.drop_database("planning")
        sandbox.drop_database("planning_twin")
        return
    if not Path("/usr/lib/postgresql/15/bin/postgres").exists():
        pytest.skip("PostgreSQL 15, which has no GENERIC_PLAN, is not installed")
    with open_sandbox("local", target_major=15) as older:
        yield planner(older, "planning")


def nodes(plan: Plan | None) -> list[str]:
    assert plan is not None
    return [node.node_type for _, node in walk(plan.root)]


def test_literals_decide(plans: Planner) -> None:
    sql = "SELECT id FROM orders WHERE state = $1"
    found = plans.plan(sql, *(Sample(sql=sql.replace("$1", f"'{state}'")) for state in ("stuck", "done")))
    rare, common = (nodes(plan) for plan in found.plans)
    assert "Seq Scan" in common
    assert "Seq Scan" not in rare


def test_parameters_get_common_middle_and_rare_values(plans: Planner) -> None:
    found = plans.plan("SELECT id, email FROM orders WHERE state = $1")
    rows = [plan.root.plan_rows for plan in found.plans]
    assert len(found.statements) == 3
    assert "'done'" in found.statements[0]
    assert "'stuck'" in found.statements[2]
    assert max(filter(None, rows)) == pytest.approx(47_500, rel=0.05)
    assert min(filter(None, rows)) < 200


def test_a_percent_sign_in_a_name_is_no_placeholder(plans: Planner) -> None:
    found = plans.plan('SELECT id FROM orders WHERE "rate%" = $1')
    values = {text.rpartition("= ")[2].strip("'") for text in found.statements}
    assert values <= {"70", "71", "72"}
    assert len(values) > 1


def test_the_generic_plan_is_one_for_any_value(plans: Planner) -> None:
    found = plans.plan("SELECT id, email FROM orders WHERE state = $1")
    assert found.generic is not None
    assert found.generic.root.plan_rows == pytest.approx(50_000 / 3, rel=0.01)


def test_ranges_are_of_the_columns_own_values(plans: Planner) -> None:
    found = plans.plan("SELECT id FROM orders WHERE placed >= $1 AND placed < $2", calls=5)
    assert all("2026-0" in text for text in found.statements)
    assert all("by_placed" in {n.index_name for _, n in walk(plan.root)} for plan in found.plans)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM orders WHERE customer = ANY($1) ORDER BY placed LIMIT $2",
        "SELECT $1, id FROM orders WHERE lower(email) = $2",
        "UPDATE orders SET state = $1 WHERE id = $2",
        "INSERT INTO orders (id, customer, state, placed) VALUES ($1, $2, $3, $4)",
        "SELECT count(*) FROM orders WHERE placed > now() - $1::interval",
    ],
)
def test_every_shape_has_both_plans(plans: Planner, sql: str) -> None:
    found = plans.plan(sql)
    assert found.reason is None
    assert found.plans
    assert found.generic is not None


def test_a_unit_of_time_is_not_a_parameter_to_the_server(plans: Planner) -> None:
    found = plans.plan("SELECT extract($1 FROM placed), count(*) FROM orders GROUP BY 1")
    assert "Aggregate" in nodes(found.plan)[0]


@pytest.mark.parametrize(
    "sql",
    ["SELECT pg_sleep($1) FROM orders", "SELECT nothing FROM orders WHERE id = $1", "SELECT id FROM orders, gone"],
)
def test_what_cannot_be_planned_says_why(plans: Planner, sql: str) -> None:
    found = plans.plan(sql)
    assert found.plan is None
    assert found.reason


def test_nothing_is_executed(plans: Planner) -> None:
    plans.plan("DELETE FROM orders WHERE id = $1")
    plans.plan("SELECT setval('orders_seq', $1) FROM orders")
    with closing(plans.twin.connect()) as connection:
        assert connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'orders'").fetchone() == (50000,)
        temporary = "SELECT count(*) FROM pg_class WHERE relname LIKE 'advisor_sample%'"
        assert connection.execute(temporary).fetchone() == (0,)


def test_what_reads_no_table_is_passed_over(plans: Planner) -> None:
    query = Query(id="q", sql="SELECT now()", calls=1)
    assert list(plan_queries(plans.twin, [query], {"q": usage_of(query.sql, plans.catalog)})) == []
