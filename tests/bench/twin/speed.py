"""How long things take: a switch with its plan, a twin of many tables, a huge one, and what it takes of the disk."""

import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from advisor.catalog.connect import connect
from advisor.catalog.read import read_catalog
from advisor.model.catalog import Catalog, Storage, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.open import Request, start_sandbox
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.open import Twin, data_directory, open_twin
from advisor.sandbox.twin.what_if import WhatIf, WhatIfIndex
from tests.bench.twin.load import make_database
from tests.bench.twin.originals import Original

TABLES = 1000
SWITCHES = 500
HUGE_BYTES = 10 << 40
_BLOCK = 8192

_MANY = """
CREATE TABLE t{n} (id int PRIMARY KEY, a int, b text, c timestamptz, d numeric);
INSERT INTO t{n} SELECT i, i % 37, md5(i::text), timestamptz '2026-01-01' + i * interval '1 hour', i * 1.5
FROM generate_series(1, 300) i;
CREATE INDEX ON t{n} (a);
"""


def measure(original: Original) -> Iterator[str]:
    """Lines of a table: what, and what was measured."""
    if "many" not in original.databases():
        make_database(original, "many", (_MANY.format(n=n) for n in range(TABLES)))
        with original.connect("many") as connection:
            connection.execute("VACUUM ANALYZE")
    request = Request(id="S1", target_major=original.binaries.major)
    with start_sandbox("local", original.binaries, request) as sandbox:
        catalog, read_s = _timed_read(original)
        columns = sum(len(table.columns) for table in catalog.tables.values())
        yield f"catalog of {len(catalog.tables)} tables with {columns} columns read | {read_s:.2f} s"
        start = time.perf_counter()
        twin = open_twin(sandbox, catalog, database="twin_many")
        yield f"twin of them | {time.perf_counter() - start:.2f} s"
        yield from _switches(twin)
        sandbox.drop_database("twin_many")
        yield from _huge(sandbox, catalog)


def _timed_read(original: Original) -> tuple[Catalog, float]:
    start = time.perf_counter()
    with connect(original.url_of("many")) as connection:
        return read_catalog(connection), time.perf_counter() - start


def _switches(twin: Twin) -> Iterator[str]:
    """A switch and a plan, over two sessions on a local socket; and each of them alone."""
    candidates = [
        WhatIfIndex(
            name=f"candidate_{column}",
            table=QualifiedName("public", "t1"),
            definition=f"CREATE INDEX candidate_{column} ON t1 ({column})",
        )
        for column in ("b", "c")
    ]
    query = "EXPLAIN (FORMAT JSON) SELECT * FROM t1 WHERE b = 'x'"
    with WhatIf(twin) as what_if, twin.connect() as connection:
        what_if.add(candidates)
        both, plan, nothing = [], [], []
        for number in range(SWITCHES):
            start = time.perf_counter()
            what_if.switch([candidates[number % 2].name])
            switched = time.perf_counter()
            connection.execute(query).fetchone()
            end = time.perf_counter()
            both.append(end - start)
            plan.append(end - switched)
            connection.execute("SELECT 1").fetchone()
            nothing.append(time.perf_counter() - end)
    yield (
        f"switch + EXPLAIN of one table, median of {SWITCHES} | {statistics.median(both) * 1000:.3f} ms "
        f"(best {min(both) * 1000:.3f}, worst {max(both) * 1000:.2f}; the EXPLAIN alone "
        f"{statistics.median(plan) * 1000:.3f}, SELECT 1 beside it {statistics.median(nothing) * 1000:.3f})"
    )


def _huge(sandbox: Sandbox, catalog: Catalog) -> Iterator[str]:
    """The same tables with invented sizes, 10 TB together, the first of them a third of it."""
    large = [_inflated(table, number) for number, table in enumerate(catalog.tables.values())]
    claimed = sum((t.storage.pages or 0) * _BLOCK for t in large if t.storage)
    folder = data_directory(sandbox)
    before = _disk_bytes(folder)
    start = time.perf_counter()
    small = open_twin(sandbox, catalog, database="twin_small")
    ordinary_s, ordinary_bytes = time.perf_counter() - start, _disk_bytes(folder) - before
    sandbox.drop_database(small.database)
    before = _disk_bytes(folder)
    start = time.perf_counter()
    twin = open_twin(sandbox, replace(catalog, tables={t.name: t for t in large}), database="twin_huge")
    built_s = time.perf_counter() - start
    taken = _disk_bytes(folder) - before
    with twin.connect() as connection:
        row = connection.execute("EXPLAIN (FORMAT JSON) SELECT * FROM t0 WHERE a = 5").fetchone()
    assert row is not None
    yield (
        f"twin of {claimed / (1 << 40):.1f} TB | {built_s:.2f} s (in their own sizes {ordinary_s:.2f}); "
        f"disk {taken / (1 << 20):.0f} MB, as for the small one's {ordinary_bytes / (1 << 20):.0f} MB"
    )
    yield f"rows that the planner expects of `t0 WHERE a = 5` there | {row[0][0]['Plan']['Plan Rows']:,}"
    sandbox.drop_database("twin_huge")


def _inflated(table: Table, number: int) -> Table:
    share = HUGE_BYTES / 3 if number == 0 else HUGE_BYTES * 2 / 3 / (TABLES - 1)
    pages = int(share / _BLOCK)
    storage = Storage(analysed_pages=pages, analysed_rows=pages * 60.0, all_visible_pages=pages, pages=pages)
    return replace(table, storage=storage, rows=storage.analysed_rows, size_bytes=pages * _BLOCK)


def _disk_bytes(folder: Path) -> int:
    """What the files really occupy."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).stat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total
