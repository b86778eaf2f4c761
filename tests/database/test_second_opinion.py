"""An index that was good on rows is withdrawn by the twin only where the twin plans as production does."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

import pytest

from advisor.catalog.read import read_catalog
from advisor.model.advice import IndexCandidate, Verdict, VerdictStatus
from advisor.model.catalog import Catalog, Column, ColumnStatistics, IndexKey, Table
from advisor.model.names import QualifiedName
from advisor.model.snapshot import Snapshot, ValuesMode
from advisor.model.workload import Query, Sample
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.twin.open import Twin, open_twin
from advisor.sql.usage import usage_of
from advisor.validate.indexes import IndexTrial
from advisor.validate.planning import Planned, plan_queries
from advisor.validate.second_opinion import TwinOpinions

SCHEMA = """
CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, state text, email text);
INSERT INTO orders SELECT n, n % 5000, CASE WHEN n % 20 = 0 THEN 'open' ELSE 'done' END, 'who' || n || '@example.com'
FROM generate_series(1, 50000) n;
CREATE TABLE notes (order_id bigint, body text);
INSERT INTO notes SELECT n, 'n' || n FROM generate_series(1, 2000) n;
CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO parts SELECT n, '2026-01-20'::date + n % 25 FROM generate_series(1, 10000) n;
CREATE TABLE parts_3 PARTITION OF parts FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
"""

ORDERS, NOTES, PARTS = (QualifiedName("public", name) for name in ("orders", "notes", "parts"))

QUERIES = {
    "all": "SELECT email FROM orders",
    "one": "SELECT email FROM orders WHERE customer = 7",
    "both": "SELECT * FROM orders JOIN notes ON notes.order_id = orders.id + 1",
    "parts": "SELECT id FROM parts",
    "new": "SELECT id FROM nowhere",
}


@dataclass(frozen=True)
class Bench:
    """The twin of a database that it knows all about, and the queries as planned there."""

    twin: Twin
    planned: Mapping[str, Planned]

    def opinion(
        self,
        table: QualifiedName = ORDERS,
        key: IndexKey | str = "state",
        query: str = "all",
        *,
        more_queries: tuple[str, ...] = (),
        catalog: Catalog | None = None,
        snapshot: Snapshot | None = None,
        deadline: float | None = None,
    ) -> IndexTrial:
        """What becomes of an index that was proven on rows."""
        keys = (IndexKey(column=key) if isinstance(key, str) else key,)
        candidate = IndexCandidate(table=table, name="candidate", keys=keys, query_ids=(query, *more_queries))
        opinions = TwinOpinions(
            twin=replace(self.twin, catalog=catalog or self.twin.catalog),
            id="S2",
            planned=self.planned,
            weights=dict.fromkeys(QUERIES, 1.0),
            tables={query_id: usage_of(sql, self.twin.catalog).tables for query_id, sql in QUERIES.items()},
            snapshot=snapshot,
        )
        trial = IndexTrial(candidate=candidate, verdict=Verdict(status="proven", method="built"))
        (judged,) = opinions.on([trial], None, deadline=deadline)
        return judged


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with open_sandbox("embedded") as sandbox:
        sandbox.create_database("original")
        with closing(sandbox.connect("original")) as owner:
            owner.autocommit = True
            owner.execute(SCHEMA.encode())
            owner.execute("VACUUM ANALYZE orders, notes, parts_1, parts_2")
            owner.autocommit = False
            catalog = read_catalog(owner)
        twin = open_twin(sandbox, catalog)
        queries = [Query(id=name, sql=sql, calls=1, samples=(Sample(sql=sql),)) for name, sql in QUERIES.items()]
        usages = {query.id: usage_of(query.sql, catalog) for query in queries}
        yield Bench(twin, {planned.query_id: planned for planned in plan_queries(twin, queries, usages)})


def outcome(trial: IndexTrial) -> tuple[VerdictStatus, str]:
    return trial.verdict.status, " ".join(trial.notes)


def changed(catalog: Catalog, name: QualifiedName, **fields: object) -> Catalog:
    table: Table = replace(catalog.tables[name], **fields)  # type: ignore[arg-type]
    return replace(catalog, tables={**catalog.tables, name: table})


def with_statistics(
    catalog: Catalog, column: str, statistics: ColumnStatistics | None, table: QualifiedName = ORDERS
) -> Catalog:
    def altered(one: Column) -> Column:
        return replace(one, statistics=statistics) if one.name == column else one

    return changed(catalog, table, columns=tuple(map(altered, catalog.tables[table].columns)))


def snapshot_of(catalog: Catalog, values: ValuesMode) -> Snapshot:
    return Snapshot(taken_us=0, tool_version="1", values=values, catalog=catalog)


@pytest.mark.parametrize(
    ("table", "key", "query"),
    [(ORDERS, "state", "all"), (ORDERS, "email", "all"), (ORDERS, "state", "both"), (PARTS, "id", "parts")],
)
def test_what_the_planner_does_not_take_is_withdrawn(bench: Bench, table: QualifiedName, key: str, query: str) -> None:
    judged = bench.opinion(table, key, query)
    assert outcome(judged) == ("no_gain", "")
    assert judged.verdict.reason == "with production's statistics and sizes the planner does not use it"


def test_what_the_planner_takes_stays(bench: Bench) -> None:
    status, said = outcome(bench.opinion(key="customer", query="one"))
    assert status == "proven"
    assert said.startswith("At production's size the planner takes it")


def test_statistics_that_are_not_known_do_not_decide(bench: Bench) -> None:
    unseen = with_statistics(bench.twin.catalog, "state", None)
    status, said = outcome(bench.opinion(catalog=unseen))
    assert status == "proven"
    assert said.endswith("but may be wrong: the statistics of public.orders.state are not known.")


def test_nor_those_of_one_partition(bench: Bench) -> None:
    part = QualifiedName("public", "parts_2")
    unseen = with_statistics(bench.twin.catalog, "id", None, part)
    status, said = outcome(bench.opinion(PARTS, "id", "parts", catalog=unseen))
    assert (status, "the statistics of public.parts_2.id are not known" in said) == ("proven", True)


def test_statistics_that_the_twin_could_not_take_do_not_decide(bench: Bench) -> None:
    known = bench.twin.catalog.tables[ORDERS].column("state")
    assert known is not None
    assert known.statistics is not None
    more = with_statistics(bench.twin.catalog, "state", replace(known.statistics, histogram=("a", "b")))
    status, said = outcome(bench.opinion(catalog=more))
    assert (status, "it could not take over the statistics of public.orders.state" in said) == ("proven", True)


@pytest.mark.parametrize(
    ("values", "key", "decides"),
    [
        ("included", "email", True),
        ("included", "state", True),
        ("default", "state", True),
        ("default", "customer", True),
        ("default", "email", False),
        ("redacted", "email", False),
        ("redacted", "customer", False),
    ],
)
def test_values_that_a_snapshot_hides_do_not_decide(bench: Bench, values: ValuesMode, key: str, decides: bool) -> None:
    status, said = outcome(bench.opinion(key=key, snapshot=snapshot_of(bench.twin.catalog, values)))
    assert (status == "no_gain") == decides
    assert (f"the snapshot does not hold the values of public.orders.{key}" in said) != decides


def test_another_major_version_does_not_decide(bench: Bench) -> None:
    older = replace(bench.twin.catalog, server_version_num=150003)
    status, said = outcome(bench.opinion(catalog=older))
    assert (status, "PostgreSQL 18, and production 15" in said) == ("proven", True)


@pytest.mark.parametrize(("name", "query"), [(ORDERS, "all"), (NOTES, "both")])
def test_a_table_that_was_never_analysed_does_not_decide(bench: Bench, name: QualifiedName, query: str) -> None:
    status, said = outcome(bench.opinion(query=query, catalog=changed(bench.twin.catalog, name, rows=None)))
    assert (status, f"{name} was never analysed" in said) == ("proven", True)


def test_a_table_that_the_twin_does_not_have_does_not_decide(bench: Bench) -> None:
    catalog = bench.twin.catalog
    fewer = replace(catalog, tables={name: table for name, table in catalog.tables.items() if name != NOTES})
    status, said = outcome(bench.opinion(query="both", catalog=fewer))
    assert (status, "public.notes is not there" in said) == ("proven", True)


def test_an_expression_does_not_decide(bench: Bench) -> None:
    status, said = outcome(bench.opinion(key=IndexKey(expression="lower(email)")))
    assert (status, "ANALYZE looks at an expression" in said) == ("proven", True)


def test_queries_that_were_not_planned_may_use_it(bench: Bench) -> None:
    status, said = outcome(bench.opinion(more_queries=("new",)))
    assert (status, "not all of its queries could be planned there" in said) == ("proven", True)


def test_nothing_is_asked_after_the_time_limit(bench: Bench) -> None:
    assert outcome(bench.opinion(deadline=0.0)) == ("proven", "")
    query = Query(id="all", sql=QUERIES["all"], calls=1)
    usages = {"all": usage_of(query.sql, bench.twin.catalog)}
    assert list(plan_queries(bench.twin, [query], usages, deadline=0.0)) == []


def test_a_twin_whose_files_cannot_be_written_is_not_asked(bench: Bench) -> None:
    with closing(bench.twin.connect()) as connection:
        row = connection.execute("SELECT pg_relation_filepath('notes')").fetchone()
    assert row is not None
    file = bench.twin.data_directory / row[0]
    kept = file.rename(file.with_name("kept"))
    try:
        status, said = outcome(bench.opinion(NOTES, "body", "both"))
    finally:
        kept.rename(file)
    assert (status, said.startswith("Production's planner was not asked: ")) == ("proven", True)
