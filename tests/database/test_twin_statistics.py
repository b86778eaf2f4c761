"""The planner twin's statistics are the original's, in every row and slot of `pg_statistic`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from advisor.catalog.read import read_catalog
from advisor.model.catalog import Catalog
from advisor.sandbox.binaries import local
from advisor.sandbox.fetched import fetched
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.rebuild import rebuild
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin_statistics import put_statistics
from tests.database.twin_statistics import everything, raw, raw_extended

Seen = dict[Any, Any]


@contextmanager
def other_database(sandbox: Sandbox, name: str) -> Iterator[str]:
    sandbox.create_database(name)
    try:
        yield name
    finally:
        sandbox.drop_database(name)


def fill(sandbox: Sandbox, database: str, script: str) -> None:
    with sandbox.connect(database) as connection:
        connection.execute(script.encode())


def catalog_of(sandbox: Sandbox, database: str) -> Catalog:
    with sandbox.admin(database) as connection:
        return read_catalog(connection)


def stored(sandbox: Sandbox, database: str) -> Seen:
    with sandbox.admin(database) as connection:
        return raw(connection) | raw_extended(connection)


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
@pytest.mark.parametrize("major", [14, 16, 17])
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
