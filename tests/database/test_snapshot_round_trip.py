"""Database -> snapshot file -> twin -> catalog: schema, sizes, heights, statistics and end points are the same."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from advisor.catalog.end_points import end_points
from advisor.catalog.read import read_catalog
from advisor.catalog.snapshot import decode, encode
from advisor.model.catalog import Catalog, ExtendedStatistics, Index, Table
from advisor.model.names import QualifiedName
from advisor.model.snapshot import Snapshot
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.open import Twin, open_twin
from tests.database.twin_statistics import everything

FURTHER = """
CREATE TABLE "Log" (id bigint PRIMARY KEY, at timestamptz NOT NULL, "who's" text, tags int[], body tsvector)
    WITH (fillfactor = 70);
INSERT INTO "Log" SELECT n, '2026-01-01'::timestamptz + n * interval '1 s', 'p' || n % 40, ARRAY[n % 90, n % 7],
       to_tsvector('simple', 'w' || n % 500 || ' v' || n % 11) FROM generate_series(1, 40000) n;
CREATE INDEX ON "Log" (at DESC NULLS LAST) INCLUDE ("who's");
CREATE INDEX ON "Log" USING gin (tags);
CREATE INDEX ON "Log" USING gin (body);
CREATE INDEX ON "Log" USING brin (at) WITH (pages_per_range = 16);
CREATE INDEX ON "Log" USING hash ("who's");
CREATE INDEX ON "Log" (lower("who's")) WHERE id > 20000;
CREATE TABLE days (d date NOT NULL, k int, PRIMARY KEY (d, k)) PARTITION BY RANGE (d);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE days_rest PARTITION OF days DEFAULT;
INSERT INTO days SELECT '2026-01-01'::date + n % 90, n FROM generate_series(1, 9000) n;
CREATE TABLE unseen (a int);
INSERT INTO unseen SELECT generate_series(1, 999);
CREATE VIEW seen AS SELECT "who's", count(*) FROM "Log" GROUP BY 1;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM seen;
"""

GROWTH = """
INSERT INTO "Log" SELECT n, '2026-01-01'::timestamptz + n * interval '1 s' FROM generate_series(40001, 60000) n;
DELETE FROM days WHERE d < '2026-01-05';
"""


def read(sandbox: Sandbox, database: str) -> Catalog:
    """As a superuser with pageinspect sees it, with end points."""
    with sandbox.admin(database) as connection:
        return end_points(connection, read_catalog(connection))


@pytest.fixture(scope="module")
def original(sandbox: Sandbox) -> Iterator[Catalog]:
    sandbox.create_database("round_trip")
    with sandbox.admin("round_trip") as admin:
        admin.execute("CREATE EXTENSION pageinspect SCHEMA public")
    with closing(sandbox.connect("round_trip")) as owner:
        owner.autocommit = True
        for script in (everything(sandbox.server_version_num), FURTHER):
            owner.execute(script.encode())
        for table in ('"Log"', "days", "kept"):
            owner.execute(f"VACUUM ANALYZE {table}".encode())
        owner.execute(GROWTH.encode())
    yield read(sandbox, "round_trip")
    sandbox.drop_database("round_trip")


@pytest.fixture(scope="module")
def twin(sandbox: Sandbox, original: Catalog) -> Iterator[Twin]:
    file = encode(Snapshot(taken_us=0, tool_version="0", values="included", catalog=original))
    yield open_twin(sandbox, decode(file, "here").catalog, database="round_trip_twin")
    sandbox.drop_database("round_trip_twin")


@pytest.fixture(scope="module")
def again(sandbox: Sandbox, twin: Twin) -> Catalog:
    with sandbox.admin(twin.database) as admin:
        admin.execute("CREATE EXTENSION pageinspect SCHEMA public")
    return read(sandbox, twin.database)


def comparable(table: Table) -> Table:
    """Without what only a server that is used has: counters, rows stored out of line, numbers of dropped columns."""
    return replace(
        table,
        columns=tuple(replace(column, number=None) for column in table.columns),
        indexes=tuple(map(without_scans, table.indexes)),
        sequential_scans=None,
        index_scans=None,
        rows_inserted=None,
        rows_updated=None,
        rows_deleted=None,
        activity=None,
        toast_size_bytes=None,
    )


def without_scans(index: Index) -> Index:
    return replace(index, scans=None)


def test_every_table_is_the_same(original: Catalog, again: Catalog) -> None:
    assert set(again.tables) == set(original.tables)
    different = {
        name: (table, again.tables[name])
        for name, table in original.tables.items()
        if comparable(table) != comparable(again.tables[name])
    }
    for name, (before, after) in different.items():
        for field in Table.__dataclass_fields__:
            assert getattr(comparable(after), field) == getattr(comparable(before), field), (name, field)


def by_name(catalog: Catalog) -> list[ExtendedStatistics]:
    """The statistics objects, with columns by their names: `{"1, -1": 40}` counts dropped columns, too."""

    def named(statistics: ExtendedStatistics) -> ExtendedStatistics:
        names = {column.number: column.name for column in catalog.tables[statistics.table].columns}

        def keys(text: str | None) -> str | None:
            return text and re.sub(
                r'"[^"]*"', lambda key: re.sub(r"(?<![-\d])\d+", lambda n: names[int(n[0])], key[0]), text
            )

        data = (replace(d, distinct=keys(d.distinct), dependencies=keys(d.dependencies)) for d in statistics.data)
        return replace(statistics, data=tuple(data))

    return [named(statistics) for statistics in catalog.extended_statistics]


def test_statistics_objects_are_the_same(original: Catalog, again: Catalog) -> None:
    assert by_name(again) == by_name(original)
    assert any(statistics.data for statistics in original.extended_statistics)


def test_the_rest_is_the_same(original: Catalog, again: Catalog) -> None:
    assert again.objects == original.objects
    assert again.default_collation == original.default_collation
    assert {c.name: c for c in again.collations} == {c.name: c for c in original.collations}


def test_the_planner_reads_what_this_compares(original: Catalog) -> None:
    """The comparison would be empty otherwise."""
    log = original.tables[QualifiedName("public", "Log")]
    assert log.storage is not None
    assert log.storage.pages is not None
    assert log.storage.pages > log.storage.analysed_pages > 0
    assert {index.method for index in log.indexes} == {"btree", "gin", "brin", "hash"}
    assert any(index.height == 1 for index in log.indexes)
    assert any(index.gin is not None for index in log.indexes)
    assert any(index.end_points == ("1", "60000") for index in log.indexes)
    assert original.tables[QualifiedName("public", "unseen")].rows is None
