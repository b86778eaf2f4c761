"""Missing indexes as plans show them, with and without a statement and a catalog."""

import pytest

from advisor.engine.access_gaps import IndexGap, index_gaps
from advisor.engine.usages import usages_of
from advisor.model.catalog import Catalog, Column, Index, IndexKey, Table
from advisor.model.evidence import Evidence
from advisor.model.names import QualifiedName
from advisor.model.profile import TableProfile
from advisor.model.workload import Query, QueryPlan, Workload
from advisor.plans.parse import parse_plans

FILTERED = """
 Seq Scan on orders  (cost=0.00..4386.00 rows=50 width=40) (actual time=0.020..35.050 rows={kept} loops=1)
   Filter: ((customer_id = 42) AND ((status)::text = 'paid'::text))
   Rows Removed by Filter: {removed}
 Planning Time: 0.080 ms
 Execution Time: 35.140 ms
"""
SORTED = """
 Limit  (cost=4387.51..4387.56 rows=20 width=40) (actual time=35.104..35.110 rows=20 loops=1)
   ->  Sort  (cost=4387.51..4387.63 rows=50 width=40) (actual time=35.102..35.105 rows=20 loops=1)
         Sort Key: created_at DESC
         Sort Method: top-N heapsort  Memory: 27kB
         ->  Seq Scan on orders  (cost=0.00..4386.00 rows=50 width=40) (actual time=0.020..35.050 rows=200000 loops=1)
 Planning Time: 0.080 ms
 Execution Time: 35.140 ms
"""
PARALLEL = """
 Gather  (cost=1000.00..9000.00 rows=10 width=40) (actual time=0.3..30.0 rows=30 loops=1)
   Workers Planned: 2
   Workers Launched: 2
   ->  Parallel Seq Scan on orders  (cost=0.00..8000.00 rows=4 width=40) (actual time=9.0..28.0 rows=10 loops=3)
         Filter: (customer_id = 42)
         Rows Removed by Filter: 99990
 Planning Time: 0.1 ms
 Execution Time: 30.1 ms
"""
ORDERS = QualifiedName("public", "orders")
STATEMENT = "SELECT * FROM orders WHERE customer_id = 42 AND status = 'paid'"


def plans(text: str, query_id: str | None = None) -> tuple[QueryPlan, ...]:
    return tuple(QueryPlan(plan=plan, query_id=query_id) for plan in parse_plans(text))


def catalog(*indexes: Index) -> Catalog:
    columns = tuple(Column(name=name, type="text", base_type="text") for name in ("id", "customer_id", "status"))
    table = Table(name=ORDERS, kind="table", columns=columns, indexes=indexes)
    return Catalog(server_version_num=180000, server_version="18", database="d", tables={ORDERS: table})


def keys(evidence: Evidence) -> list[str]:
    return [",".join(gap.objects) for gap in index_gaps(evidence)]


def only(evidence: Evidence) -> IndexGap:
    (gap,) = index_gaps(evidence)
    return gap


def test_a_filter_that_removes_nearly_everything() -> None:
    gap = only(Evidence(workload=Workload(plans=plans(FILTERED.format(kept=48, removed=199952)))))
    assert gap.objects == ("orders(customer_id,status)",)
    assert (gap.access.rows, gap.access.kept, gap.confidence) == (200000, 48, "high")
    assert gap.seen is not None
    assert (gap.seen.number, gap.seen.path) == (0, "0")


@pytest.mark.parametrize(
    "text",
    [
        FILTERED.format(kept=150000, removed=50000),
        FILTERED.format(kept=48, removed=2000),
        FILTERED.format(kept=48, removed=199952).replace("35.050", "1.050"),
        FILTERED.format(kept=48, removed=199952)
        .replace("(customer_id = 42)", "(lower(a || b) = 'x'::text)")
        .replace("((status)::text = 'paid'::text)", "(c ~~ '%x'::text)"),
    ],
    ids=["keeps most", "small", "fast", "nothing a btree serves"],
)
def test_look_alikes(text: str) -> None:
    assert keys(Evidence(workload=Workload(plans=plans(text)))) == []


def test_a_top_n_sort_over_a_whole_table() -> None:
    assert keys(Evidence(workload=Workload(plans=plans(SORTED)))) == ["orders(created_at)"]


def test_the_processes_of_a_parallel_scan_share_one_pass() -> None:
    gap = only(Evidence(workload=Workload(plans=plans(PARALLEL))))
    assert (gap.access.rows, gap.access.kept) == (300000, 30)


def test_the_catalog_knows_the_schema_and_the_indexes() -> None:
    workload = Workload(plans=plans(FILTERED.format(kept=48, removed=199952)))
    assert keys(Evidence(workload=workload, catalog=catalog())) == ["public.orders(customer_id,status)"]
    key = (IndexKey(column="customer_id"), IndexKey(column="status"))
    index = Index(name="i", table=ORDERS, method="btree", keys=key)
    assert keys(Evidence(workload=workload, catalog=catalog(index))) == []


def with_query(rows: int, plan: str) -> Evidence:
    query = Query(id="q1", sql=STATEMENT, calls=100, timed_calls=100, total_us=100 * 35_000)
    workload = Workload(queries=(query,), plans=plans(plan, "q1"))
    return Evidence(
        workload=workload,
        catalog=catalog(),
        usages=usages_of(workload, catalog()),
        profile={ORDERS: TableProfile(rows=rows, basis="assumed")},
    )


def test_a_plan_and_its_statement_are_one_finding_and_the_plan_counts() -> None:
    gap = only(with_query(100_000, FILTERED.format(kept=48, removed=199952)))
    assert (gap.query_id, gap.objects) == ("q1", ("public.orders(customer_id,status)",))
    assert (gap.access.rows, gap.access.kept, gap.basis) == (200000, 48, "plan")


def test_a_plan_that_keeps_most_rows_overrules_the_estimate() -> None:
    assert keys(with_query(200_000, FILTERED.format(kept=150000, removed=50000))) == []
