"""The planner twin's statistics are the original's, in every row and slot of `pg_statistic`."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from advisor.model.catalog import Catalog, ColumnStatistics
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.programs.binaries import local
from advisor.sandbox.programs.fetched import fetched
from advisor.sandbox.schema.rebuild import rebuild
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.pg_statistic import array_literal
from advisor.sandbox.twin.statistics import put_statistics
from tests.database.twin_statistics import (
    Seen,
    catalog_of,
    columns_of,
    everything,
    fill,
    other_database,
    stored,
)


def twin_of(sandbox: Sandbox, original: str, copy: str) -> tuple[str, ...]:
    catalog = catalog_of(sandbox, original)
    assert rebuild(sandbox, copy, catalog) == ()
    return put_statistics(sandbox, copy, catalog)


def statistics_of(catalog: Catalog) -> Seen:
    """All that a catalog says of statistics, without what counts dropped columns."""
    columns = {
        (str(table.name), column.name): (column.statistics, column.inherited_statistics)
        for table in catalog.tables.values()
        for column in table.columns
    }
    indexes = {
        (str(table.name), index.name): index.statistics for table in catalog.tables.values() for index in table.indexes
    }
    combined = {
        str(each.name): [replace(data, distinct=None, dependencies=None) for data in each.data]
        for each in catalog.extended_statistics
    }
    return {"columns": columns, "indexes": indexes, "combined": combined}


def check_everything(sandbox: Sandbox, original: str, copy: str) -> None:
    fill(sandbox, original, everything(sandbox.server_version_num))
    assert twin_of(sandbox, original, copy) == ()
    before, after = stored(sandbox, original), stored(sandbox, copy)
    assert {key for key in before if before[key] != after.get(key)} == set()
    assert before == after
    kinds = {kind for key, row in before.items() if key[0] == "column" for kind in row[3:28:5] if kind}
    assert kinds == {1, 2, 3, 4, 5, 6, 7}
    read, again = statistics_of(catalog_of(sandbox, original)), statistics_of(catalog_of(sandbox, copy))
    assert read == again
    assert sum(1 for pair in read["columns"].values() if pair[1]) == 2
    with sandbox.admin(copy) as connection:
        left = connection.execute(
            "SELECT count(*) FROM pg_cast WHERE castsource = 'bytea'::regtype AND oid >= 16384"
            " UNION ALL SELECT count(*) FROM pg_class WHERE relname ~ 'advisor' UNION ALL"
            " SELECT count(*) FROM pg_statistic s WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.starelid)"
        ).fetchall()
    assert left == [(0,), (0,), (0,)]


def test_every_row_and_slot_is_the_same(sandbox: Sandbox, database: str) -> None:
    with other_database(sandbox, "statistics_copy") as copy:
        check_everything(sandbox, database, copy)


def test_every_row_and_slot_is_the_same_on_15() -> None:
    if local(15) is None:
        pytest.skip("PostgreSQL 15 is not installed")
    with open_sandbox("local", target_major=15) as server, other_database(server, "statistics_copy") as copy:
        check_everything(server, server.database, copy)


@pytest.mark.slow
@pytest.mark.parametrize("major", [13, 14, 16, 17])
def test_every_row_and_slot_is_the_same_on_other_versions(major: int) -> None:
    if local(major) is None and fetched(major) is None:
        pytest.skip(f"PostgreSQL {major} is neither installed nor fetched")
    with open_sandbox("local", target_major=major) as server, other_database(server, "statistics_copy") as copy:
        check_everything(server, server.database, copy)


def test_a_second_time_changes_nothing(sandbox: Sandbox, database: str) -> None:
    fill(sandbox, database, everything(sandbox.server_version_num))
    before = stored(sandbox, database)
    assert put_statistics(sandbox, database, catalog_of(sandbox, database)) == ()
    assert stored(sandbox, database) == before


def test_a_session_that_planned_before_sees_them(sandbox: Sandbox, database: str) -> None:
    """Both the column's and the object's statistics, in caches that were filled before."""
    ddl = "CREATE TABLE t (a int, b int); CREATE STATISTICS s ON a, b FROM t;"
    query = "EXPLAIN (FORMAT JSON) SELECT * FROM t WHERE a = 3 AND b = 1"
    fill(sandbox, database, f"{ddl} INSERT INTO t SELECT n % 4, n % 2 FROM generate_series(1, 4000) AS n; ANALYZE t")
    catalog = catalog_of(sandbox, database)
    alone = replace(catalog, extended_statistics=())
    with other_database(sandbox, "statistics_copy") as copy:
        fill(sandbox, copy, ddl)
        with sandbox.connect(copy) as connection:
            connection.autocommit = True
            seen = []
            for each in (None, alone, catalog):
                if each is not None:
                    assert put_statistics(sandbox, copy, each) == ()
                row = connection.execute(query.encode()).fetchone()
                seen.append(row[0][0]["Plan"]["Plan Rows"] if row else None)
    # Ten pages of two columns and a bit, at the default selectivities, at 1/4 * 1/2, at 1/4.
    assert seen == [1, 282, 565]


def test_the_servers_own_function_writes_the_same(sandbox: Sandbox, database: str) -> None:
    """What `pg_restore_attribute_stats` of PostgreSQL 18 takes, it stores as `put_statistics` does."""
    fill(sandbox, database, everything(sandbox.server_version_num))
    with other_database(sandbox, "statistics_copy") as copy:
        twin_of(sandbox, database, copy)
        ours = {key: row for key, row in stored(sandbox, copy).items() if key[:2] == ("column", "wide")}
        catalog = catalog_of(sandbox, copy)
        with sandbox.admin(copy) as connection:
            connection.execute("DELETE FROM pg_statistic WHERE starelid = 'public.wide'::regclass")
            refused = {
                column
                for column, statistics in columns_of(catalog, "wide").items()
                if statistics and not restore(connection, column, statistics)
            }
        theirs = {key: row for key, row in stored(sandbox, copy).items() if key[:2] == ("column", "wide")}
    assert refused == {"doc", "re"}  # a domain over tsvector, and empty ranges alone
    same = {key[2] for key, row in ours.items() if theirs.get(key) == row}
    assert {key[2] for key in ours} - same == refused


def restore(connection: psycopg.Connection[Any], column: str, statistics: ColumnStatistics) -> bool:
    lists = {
        "most_common_vals": [value for value, _ in statistics.most_common],
        "histogram_bounds": list(statistics.histogram),
        "most_common_elems": list(statistics.most_common_elements),
        "range_bounds_histogram": list(statistics.range_bounds),
    }
    numbers = {
        "most_common_freqs": [share for _, share in statistics.most_common],
        "most_common_elem_freqs": list(statistics.element_frequencies),
        "elem_count_histogram": list(statistics.element_counts),
    }
    delimiter = ";" if column == "bx" else ","
    given: dict[str, tuple[str, Any]] = {
        "null_frac": ("float4", statistics.null_fraction),
        "avg_width": ("int4", statistics.average_width_bytes),
        "n_distinct": ("float4", statistics.distinct),
        "correlation": ("float4", statistics.correlation),
        **{name: ("text", array_literal(values, delimiter)) for name, values in lists.items() if values},
        **{name: ("float4[]", values) for name, values in numbers.items() if values},
    }
    if statistics.range_empty_fraction is not None:
        given["range_empty_frac"] = ("float4", statistics.range_empty_fraction)
        given["range_length_histogram"] = ("text", array_literal(statistics.range_lengths))
    pairs = "".join(f", '{name}', %s::{type_}" for name, (type_, _) in given.items())
    place = "'schemaname', 'public', 'relname', 'wide', 'attname', %s::text, 'inherited', false"
    call = f"SELECT pg_restore_attribute_stats({place}"
    row = connection.execute(f"{call}{pairs})".encode(), [column, *(value for _, value in given.values())]).fetchone()
    return bool(row and row[0])
