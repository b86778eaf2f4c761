"""The height that is estimated for a btree is the one its metapage has; the first guess at a size is near enough."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from advisor.catalog.read import read_catalog
from advisor.model.catalog import Index, Table
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.estimates import btree_height, index_bytes, key_width, pivot_width

ROWS = (1, 300, 5_000, 120_000, 300_000)
KEYS = {
    "narrow": "n::int",
    "wide": "n::bigint",
    "uuid": "md5(n::text)::uuid",
    "text": "md5(n::text)",
    "long": "repeat(md5(n::text), 5)",
    "few": "(n % 20)::int",
    "shared": "(n % 1000)::int",
}


@pytest.fixture(scope="module")
def tables(sandbox: Sandbox) -> Iterator[dict[str, Table]]:
    name = "twin_estimates"
    sandbox.create_database(name)
    with closing(sandbox.connect(name)) as owner, sandbox.admin(name) as admin:
        owner.autocommit = admin.autocommit = True
        admin.execute("CREATE EXTENSION pageinspect SCHEMA public")
        for rows in ROWS:
            for kind, expression in KEYS.items():
                table = f"{kind}_{rows}"
                owner.execute(
                    f"CREATE TABLE {table} AS SELECT {expression} AS k FROM generate_series(1, {rows}) n".encode()
                )
                owner.execute(f"CREATE INDEX {table}_k ON {table} (k)".encode())
                owner.execute(f"ANALYZE {table}".encode())
        yield {name.name: table for name, table in read_catalog(admin).tables.items()}
    sandbox.drop_database(name)


def real(index: Index) -> int:
    assert index.height is not None
    return index.height


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("rows", ROWS)
def test_height(tables: dict[str, Table], kind: str, rows: int) -> None:
    table = tables[f"{kind}_{rows}"]
    (index,) = table.indexes
    assert index.storage is not None
    assert index.storage.pages is not None
    assert btree_height(index.storage.pages, pivot_width(index, table, index.storage.pages)) == real(index)


@pytest.mark.parametrize("kind", KEYS)
def test_first_guess_at_a_btree(tables: dict[str, Table], kind: str) -> None:
    table = tables[f"{kind}_120000"]
    (index,) = table.indexes
    distinct = {"few": 20, "shared": 1000}.get(kind)
    guess = index_bytes("btree", 120_000, key_width(index, table), distinct, 0)
    assert index.size_bytes is not None
    assert guess == pytest.approx(index.size_bytes, rel=0.3)
