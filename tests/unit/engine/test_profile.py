"""What is believed about rows and columns, from hand-built catalogs, workloads and plans."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from advisor.engine.profile import believe
from advisor.engine.profile_rows import ASSUMED_ROWS
from advisor.engine.usages import usages_of
from advisor.errors import UsageError
from advisor.model.catalog import Catalog, Column, ColumnStatistics, Constraint, Index, IndexKey, Table
from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile, DataProfile
from advisor.model.sketch import LatencySketch, bucket_of
from advisor.model.workload import Query, QueryPlan, Repetition, RepetitionInstance, Sample, Workload
from advisor.plans.parse import parse_plans

ORDERS = QualifiedName("public", "orders")
CUSTOMERS = QualifiedName("public", "customers")
END = datetime(2026, 3, 1, 12, tzinfo=UTC)


def column(name: str, base_type: str, **more: object) -> Column:
    return Column(name=name, type=base_type, base_type=base_type, **more)  # type: ignore[arg-type]


def key(table: QualifiedName, *columns: str) -> Constraint:
    return Constraint(name=f"{table.name}_pkey", kind="primary_key", table=table, columns=columns, definition="")


def check(expression: str) -> Constraint:
    return Constraint(name="c", kind="check", table=ORDERS, columns=(), definition=f"CHECK ({expression})")


def index(table: QualifiedName, *columns: str) -> Index:
    keys = tuple(IndexKey(column=name) for name in columns)
    return Index(name="_".join((table.name, *columns)), table=table, method="btree", keys=keys)


def orders(**more: object) -> Table:
    columns = (
        column("id", "int8", not_null=True),
        column("customer_id", "int8"),
        column("status", "varchar"),
        column("kind", "text"),
        column("rating", "int2"),
        column("paid", "bool"),
        column("reference", "text"),
        column("created_at", "timestamptz"),
        column("total", "numeric"),
    )
    foreign = Constraint(
        name="fk",
        kind="foreign_key",
        table=ORDERS,
        columns=("customer_id",),
        definition="",
        referenced_table=CUSTOMERS,
        referenced_columns=("id",),
    )
    table = Table(
        name=ORDERS,
        kind="table",
        columns=columns,
        constraints=(key(ORDERS, "id"), foreign),
        indexes=(index(ORDERS, "id"), index(ORDERS, "created_at")),
        rows=None,
        size_bytes=0,
    )
    return replace(table, **more)  # type: ignore[arg-type]


def catalog(*tables: Table) -> Catalog:
    customers = Table(
        name=CUSTOMERS,
        kind="table",
        columns=(column("id", "int8"), column("email", "text")),
        constraints=(key(CUSTOMERS, "id"),),
        indexes=(index(CUSTOMERS, "id"),),
        rows=None,
        size_bytes=0,
    )
    every = {table.name: table for table in (customers, *(tables or (orders(),)))}
    return Catalog(server_version_num=180000, server_version="18", database="shop", tables=every)


def query(sql: str, *samples: str | tuple[str, ...], ms: float | None = None) -> Query:
    """A query with samples: texts, or bind values of the query's own text."""
    kept = tuple(
        Sample(sql=sample) if isinstance(sample, str) else Sample(sql=sql, parameters=sample) for sample in samples
    )
    latency = LatencySketch({bucket_of(int(ms * 1000)): 10}) if ms else LatencySketch()
    return Query(id=f"{abs(hash(sql)):016x}"[:16], sql=sql, calls=10, timed_calls=10, samples=kept, latency=latency)


def workload(*queries: Query, plans: str = "", repetitions: tuple[Repetition, ...] = ()) -> Workload:
    read = tuple(QueryPlan(plan=plan) for plan in parse_plans(plans)) if plans else ()
    return Workload(queries=queries, plans=read, repetitions=repetitions, to_us=int(END.timestamp() * 1e6))


def believed(
    load: Workload, known: Catalog | None = None, table_rows: dict[str, int] | None = None
) -> tuple[DataProfile, tuple[str, ...]]:
    known = known or catalog()
    return believe(known, load, usages_of(load, known), table_rows or {})


def of_column(load: Workload, name: str, known: Catalog | None = None) -> ColumnProfile:
    return believed(load, known)[0][ORDERS].columns[name]


ALL = query("SELECT * FROM orders")


# Row counts


def test_the_catalog_comes_first() -> None:
    profile, assumptions = believed(
        workload(ALL, plans="Seq Scan on orders  (cost=0.00..1.00 rows=7 width=4)"),
        catalog(orders(rows=2_000_000.0)),
        {"orders": 5},
    )
    assert (profile[ORDERS].rows, profile[ORDERS].basis) == (2_000_000, "catalog")
    assert [text for text in assumptions if "not used" in text] != []


def test_a_loaded_schema_knows_nothing() -> None:
    profile, assumptions = believed(workload(ALL))
    assert (profile[ORDERS].rows, profile[ORDERS].basis) == (ASSUMED_ROWS, "assumed")
    assert assumptions == ("public.orders: 100,000 rows assumed (no statistics, plan or --table-rows)",)


def test_an_empty_table_of_a_live_database_is_empty() -> None:
    profile, assumptions = believed(workload(ALL), catalog(orders(), replace(orders(rows=5.0), name=CUSTOMERS)))
    assert (profile[ORDERS].rows, profile[ORDERS].basis, assumptions) == (0, "catalog", ())


def test_a_table_never_analysed_is_measured_by_its_size() -> None:
    profile, assumptions = believed(workload(ALL), catalog(orders(size_bytes=8_192_000)))
    assert (profile[ORDERS].rows, profile[ORDERS].basis) == (81_920, "catalog")
    assert "never analysed" in assumptions[0]


@pytest.mark.parametrize("name", ["orders", "public.orders"])
def test_table_rows_beat_plans_where_only_a_schema_is_known(name: str) -> None:
    plan = "Seq Scan on orders  (cost=0.00..1.00 rows=7 width=4)"
    profile, assumptions = believed(workload(ALL, plans=plan), table_rows={name: 5})
    assert (profile[ORDERS].rows, profile[ORDERS].basis, assumptions) == (5, "flag", ())


def test_table_rows_of_an_unknown_table() -> None:
    with pytest.raises(UsageError, match="oders"):
        believed(workload(ALL), table_rows={"oders": 5})


COUNTED = "(cost=0.00..1.00 rows=10 width=4) (actual time=0.1..9.0 rows={} loops={})"

PLANS = {
    "a filtered scan": (
        f"Seq Scan on orders  {COUNTED.format(10, 1)}\n  Filter: (total > 5)\n  Rows Removed by Filter: 990\n",
        1000,
    ),
    "an estimate without a filter": ("Seq Scan on orders  (cost=0.00..1.00 rows=1234 width=4)\n", 1234),
    "an estimate of a filtered scan": (
        "Seq Scan on orders  (cost=0.00..1.00 rows=12 width=4)\n  Filter: (total > 5)\n",
        None,
    ),
    "workers share one pass": (
        (
            f"Gather  {COUNTED.format(30, 1)}\n  Workers Planned: 2\n  Workers Launched: 2\n"
            f"  ->  Parallel Seq Scan on orders  {COUNTED.format(10, 3)}\n"
            "        Filter: (total > 5)\n        Rows Removed by Filter: 990\n"
        ),
        3000,
    ),
    "workers share an estimate": (
        (
            "Gather  (cost=0.00..1.00 rows=240 width=4)\n  Workers Planned: 2\n"
            "  ->  Parallel Seq Scan on orders  (cost=0.00..1.00 rows=100 width=4)\n"
        ),
        240,
    ),
    "every loop is a pass": (
        (
            f"Nested Loop  {COUNTED.format(30, 1)}\n"
            f"  ->  Seq Scan on customers c  {COUNTED.format(3, 1)}\n"
            f"  ->  Seq Scan on orders o  {COUNTED.format(10, 3)}\n"
            "        Filter: (customer_id = c.id)\n        Rows Removed by Filter: 990\n"
        ),
        1000,
    ),
    "a LIMIT stops the scan": (
        (
            f"Limit  {COUNTED.format(10, 1)}\n  ->  Seq Scan on orders  {COUNTED.format(10, 1)}\n"
            "        Filter: (total > 5)\n        Rows Removed by Filter: 40\n"
        ),
        None,
    ),
    "a sort under the LIMIT reads to the end": (
        (
            f"Limit  {COUNTED.format(10, 1)}\n  ->  Sort  {COUNTED.format(10, 1)}\n"
            f"        ->  Seq Scan on orders  {COUNTED.format(1000, 1)}\n"
        ),
        1000,
    ),
    "EXISTS stops at the first row": (
        (
            f"Result  {COUNTED.format(1, 1)}\n  InitPlan 1 (returns $0)\n"
            f"    ->  Seq Scan on orders  {COUNTED.format(1, 1)}\n          Filter: (total > 5)\n"
        ),
        None,
    ),
    "never executed": ("Seq Scan on orders  (cost=0.00..1.00 rows=9 width=4) (never executed)\n", 9),
    "a whole index": (f"Index Only Scan using orders_created_at on orders  {COUNTED.format(777, 1)}\n", 777),
    "part of an index": (
        f"Index Only Scan using orders_created_at on orders  {COUNTED.format(777, 1)}\n  Index Cond: (id > 5)\n",
        None,
    ),
}


@pytest.mark.parametrize("case", PLANS)
def test_rows_from_plans(case: str) -> None:
    text, rows = PLANS[case]
    profile, _ = believed(workload(ALL, plans=text))
    expected = (ASSUMED_ROWS, "assumed") if rows is None else (rows, "plan")
    assert (profile[ORDERS].rows, profile[ORDERS].basis) == expected


@pytest.mark.parametrize(("filter_line", "basis"), [("", "plan"), ("        Filter: (total > 5)\n", "assumed")])
def test_partial_scans_are_a_lower_bound(filter_line: str, basis: str) -> None:
    text = f"Limit  {COUNTED.format(1, 1)}\n  ->  Seq Scan on orders  {COUNTED.format(700_000, 1)}\n{filter_line}"
    profile, _ = believed(workload(ALL, plans=text))
    assert (profile[ORDERS].rows, profile[ORDERS].basis) == (700_000, basis)


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT * FROM orders WHERE kind = 'x'", 5_000),
        ("SELECT * FROM orders WHERE created_at > now()", ASSUMED_ROWS),
        ("SELECT * FROM orders WHERE kind = 'x' LIMIT 5", ASSUMED_ROWS),
        ("SELECT count(*) FROM orders", ASSUMED_ROWS),
        ("SELECT * FROM orders WHERE kind = 'x' OR id = 5", ASSUMED_ROWS),
        ("SELECT * FROM orders o JOIN customers c ON c.id = o.customer_id", ASSUMED_ROWS),
        ("INSERT INTO orders (kind) VALUES ('x')", ASSUMED_ROWS),
    ],
)
def test_a_fast_whole_read_makes_the_assumption_smaller(sql: str, rows: int) -> None:
    profile, assumptions = believed(workload(query(sql, ms=0.1)))
    assert profile[ORDERS].rows == pytest.approx(rows, rel=0.02)
    assert any("too fast" in text for text in assumptions) == (rows != ASSUMED_ROWS)


@pytest.mark.parametrize(
    ("ids", "rows"),
    [
        ([str(n) for n in range(500, 20_001, 500)], 20_500),
        ([str(n) for n in range(500, 3_000, 500)], ASSUMED_ROWS),
        ([str(10**17 + n) for n in range(20)], ASSUMED_ROWS),
    ],
)
def test_ids_tell_the_rows_of_the_table_they_belong_to(ids: list[str], rows: int) -> None:
    lookups = query("SELECT * FROM orders WHERE customer_id = $1", *((n,) for n in ids))
    profile, _ = believed(workload(lookups))
    assert profile[CUSTOMERS].rows == rows


def test_a_partitioned_table_is_the_sum_of_its_partitions() -> None:
    part = QualifiedName("public", "orders_2024")
    known = catalog(
        orders(kind="partitioned_table"), orders(name=part, partition_of=ORDERS, constraints=(), indexes=())
    )
    profile, _ = believed(workload(plans="Seq Scan on orders_2024  (cost=0.00..1.00 rows=42 width=4)"), known)
    assert (profile[ORDERS].rows, profile[ORDERS].basis) == (42, "plan")


# Columns


def test_statistics_are_taken_as_they_are() -> None:
    statistics = ColumnStatistics(
        null_fraction=0.25, average_width_bytes=6, distinct=-0.5, most_common=(("a", 0.3),), histogram=("b", "c", "z")
    )
    known = catalog(orders(rows=1000.0, columns=(column("kind", "text", statistics=statistics),)))
    lookup = "SELECT 1 FROM orders WHERE kind = 'x'"
    profile = of_column(workload(query(lookup, lookup)), "kind", known)
    assert profile == ColumnProfile(
        distinct=500.0, null_fraction=0.25, common=(("a", 0.3),), seen=("x",), histogram=("b", "c", "z"), low="b",
        high="z", average_width_bytes=6, basis="catalog",
    )  # fmt: skip


def test_what_the_schema_says() -> None:
    table = orders(
        rows=None,
        constraints=(
            *orders().constraints,
            check("(kind = ANY (ARRAY['a'::text, 'b'::text]))"),
            check("((rating >= 1) AND (rating <= 5))"),
        ),
        columns=(*orders().columns, column("mood", "mood", type_kind="e", enum_labels=("sad", "ok", "happy"))),
    )
    profile = believed(workload(), catalog(table), {"customers": 50})[0][ORDERS].columns
    assert profile["id"].distinct == ASSUMED_ROWS
    assert profile["id"].null_fraction == 0.0
    assert profile["customer_id"].distinct == 50
    assert profile["paid"].distinct == 2
    assert profile["kind"].common == (("a", 0.5), ("b", 0.5))
    assert (profile["rating"].distinct, profile["rating"].low, profile["rating"].high) == (5, "1", "5")
    assert [label for label, _ in profile["mood"].common] == ["sad", "ok", "happy"]
    assert {profile[name].basis for name in ("id", "customer_id", "paid", "kind", "rating", "mood")} == {"catalog"}
    assert profile["reference"] == ColumnProfile()


def filtered(condition: str, kept: int, removed: int) -> str:
    return (
        f"Seq Scan on orders  {COUNTED.format(kept, 1)}\n  Filter: {condition}\n  Rows Removed by Filter: {removed}\n"
    )


def test_a_large_share_in_a_plan_is_a_common_value() -> None:
    profile = of_column(workload(plans=filtered("((status)::text = 'paid'::text)", 900, 100)), "status")
    assert (profile.common, profile.basis) == ((("paid", 0.9),), "plan")
    assert profile.distinct == 10


def test_a_small_share_in_a_plan_tells_the_distinct_count() -> None:
    profile = of_column(workload(plans=filtered("(reference = 'r-77'::text)", 2, 99_998)), "reference")
    assert profile.common == ()
    assert profile.distinct == pytest.approx(50_000)


def test_a_bitmap_scan_tells_a_share_of_the_table() -> None:
    text = (
        f"Bitmap Heap Scan on orders  {COUNTED.format(300, 1)}\n  Recheck Cond: (kind = 'x'::text)\n"
        f"  ->  Bitmap Index Scan on i  {COUNTED.format(300, 1)}\n        Index Cond: (kind = 'x'::text)\n"
    )
    load = workload(plans=text)
    known = catalog()
    profile, _ = believe(known, load, {}, {"orders": 1000})
    assert profile[ORDERS].columns["kind"].common == (("x", 0.3),)


@pytest.mark.parametrize(
    "text",
    [
        filtered("((kind = 'x'::text) AND (rating = 5))", 900, 100),
        filtered("(kind = $0)", 900, 100),
        filtered("(hashed SubPlan 1)", 900, 100),
        filtered("(lower(kind) = 'x'::text)", 900, 100),
        f"Limit  {COUNTED.format(9, 1)}\n  ->  " + filtered("(kind = 'x'::text)", 9, 1).replace("\n  ", "\n        "),
    ],
)
def test_conditions_that_tell_nothing_about_one_value(text: str) -> None:
    assert of_column(workload(plans=text), "kind") == ColumnProfile()


def test_many_constants_are_a_key() -> None:
    lookups = query("SELECT 1 FROM orders WHERE kind = $1", *((word,) for word in ("a", "b", "c", "d", "e", "f")))
    profile = of_column(workload(lookups), "kind")
    assert (profile.distinct, len(profile.seen), profile.basis) == (ASSUMED_ROWS / 10, 6, "assumed")


def test_few_constants_are_a_code() -> None:
    texts = ["SELECT 1 FROM orders WHERE kind = 'open'"] * 6 + ["SELECT 1 FROM orders WHERE kind IN ('open', 'new')"]
    profile = of_column(workload(query("SELECT 1 FROM orders WHERE kind = $1", *texts)), "kind")
    assert (profile.distinct, profile.seen) == (10, ("open", "new"))


@pytest.mark.parametrize("constant", ["ann@example.com", "pay_a52e7d5d", "0f8fad5b-d9cb-469f-a165-70867728950e"])
def test_one_constant_that_names_one_thing_is_a_key(constant: str) -> None:
    lookup = query("SELECT 1 FROM orders WHERE reference = $1", (constant,))
    assert of_column(workload(lookup), "reference").distinct == ASSUMED_ROWS / 10


def test_keys_of_repetitions_count() -> None:
    child = query("SELECT 1 FROM orders WHERE kind = $1")
    keys = tuple((word,) for word in ("a", "b", "c", "d", "e", "f"))
    instance = RepetitionInstance(session="1", from_us=None, to_us=None, calls=6, distinct_parameters=6, keys=keys)
    repetition = Repetition(
        query_id=child.id, parent_id=None, units=1, units_repeated=1, calls=6, max_calls=6, distinct_parameters=6,
        duration_us=0, gap_us=0, instances=(instance,),
    )  # fmt: skip
    profile = of_column(workload(child, repetitions=(repetition,)), "kind")
    assert profile.distinct == ASSUMED_ROWS / 10


def test_times_span_a_year_up_to_the_end_of_the_input() -> None:
    profile = of_column(workload(), "created_at")
    assert (profile.low, profile.high) == ("2025-03-01 12:00:00+00", "2026-03-01 12:00:00+00")


def test_times_begin_where_the_workload_looks() -> None:
    week = "SELECT 1 FROM orders WHERE created_at >= '2024-06-01' AND created_at < '2024-06-08'"
    ever = "SELECT 1 FROM orders WHERE created_at >= '1970-01-01'"
    profile = of_column(workload(query(week, week), query(ever, ever)), "created_at")
    assert (profile.low, profile.high) == ("2024-06-01 00:00:00+00", "2026-03-01 12:00:00+00")


def test_a_share_in_a_plan_tells_the_span_of_times() -> None:
    day = "((created_at >= '2026-01-01 00:00+00'::timestamptz) AND (created_at < '2026-01-02 00:00+00'::timestamptz))"
    profile = of_column(workload(plans=filtered(day, 100, 900)), "created_at")
    assert (profile.low, profile.high) == ("2026-02-19 12:00:00+00", "2026-03-01 12:00:00+00")


def test_column_assumptions_are_said() -> None:
    texts = "SELECT 1 FROM orders WHERE kind = 'open'"
    _, assumptions = believed(workload(query(texts, texts)), table_rows={"orders": 1000})
    assert assumptions == (
        "public.orders.kind: 10 distinct values assumed (no statistics; the input compares it with few constants)",
    )
