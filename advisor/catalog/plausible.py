"""Whether numbers of a catalog that came in a file can be those of a PostgreSQL server at all.

The limits are the server's own ("PostgreSQL Limits" in the manual) or far beyond any that exists: they keep a hostile
file from overflowing what is computed from it later.
"""

import math
from collections.abc import Iterator
from dataclasses import fields

from advisor.model.catalog import ColumnStatistics, Storage, Table
from advisor.model.snapshot import Snapshot

MAX_PAGES = 2**32
"""Of one relation (`MaxBlockNumber` in `storage/block.h`)."""

MAX_ROWS = 1e15
"""Of a table with all its partitions."""

MAX_BYTES = 2**60
"""Of a table with all its partitions: an exbibyte."""

MAX_DATABASE_PAGES = 2**37
"""Of all relations together, a pebibyte: a planner twin has a file for every gibibyte of it, if an empty one."""

MAX_COLUMNS = 1_664
"""`MaxTupleAttributeNumber` in `access/htup_details.h`; a table has at most 1,600."""

MAX_NAME_BYTES = 255
"""63 as servers are built; some are built for longer names."""

MAX_STATISTICS = 10_000
"""The greatest statistics target; elements are kept ten times as many."""

MAX_TAKEN_US = 253_402_300_799_000_000
"""The end of the year 9999."""


def implausible(snapshot: Snapshot) -> str | None:
    """What no server can have, in words; None where all is well."""
    return next(_faults(snapshot), None)


def _faults(snapshot: Snapshot) -> Iterator[str]:
    catalog = snapshot.catalog
    if not 0 <= snapshot.taken_us <= MAX_TAKEN_US:
        yield "the moment it was taken"
    if not 90_000 <= catalog.server_version_num < 1_000_000:
        yield f"server version {catalog.server_version_num}"
    if snapshot.key is not None and not _is_hex(snapshot.key):
        yield "the key of its hashes is not in hex"
    for row in snapshot.statements or ():
        if not all(map(_is_counter, (row.calls, row.total_us, row.mean_us, row.min_us, row.max_us, row.rows))):
            yield "a counter of a statement"
    if not _is_counter(catalog.counters_reset_us):
        yield "the moment its counters were reset"
    for table in catalog.tables.values():
        yield from (f"{fault} of table {str(table.name)[:80]!r}" for fault in _table_faults(table))
    stored = (s for t in catalog.tables.values() for s in (t.storage, *(index.storage for index in t.indexes)))
    if sum(max(each.pages or 0, each.analysed_pages) for each in stored if each is not None) > MAX_DATABASE_PAGES:
        yield "the size of all its tables"
    names = [thing.name for thing in catalog.objects] + [extended.name for extended in catalog.extended_statistics]
    for name in names:
        if not _is_name(name.name) or not _is_name(name.schema):
            yield f"an object named {str(name)[:80]!r}"


def _table_faults(table: Table) -> Iterator[str]:
    names = [table.name.name, table.name.schema, *(column.name for column in table.columns)]
    names += [index.name for index in table.indexes] + [constraint.name for constraint in table.constraints]
    if not all(map(_is_name, names)):
        yield "a name"
    if not all(map(_is_counter, _counters(table))):
        yield "a counter"
    if len(table.columns) > MAX_COLUMNS:
        yield "the number of columns"
    if table.rows is not None and not 0 <= table.rows <= MAX_ROWS:
        yield "the number of rows"
    sizes = [table.size_bytes, table.toast_size_bytes, *(index.size_bytes for index in table.indexes)]
    if not all(size is None or 0 <= size <= MAX_BYTES for size in sizes):
        yield "the size"
    if not all(map(_is_storage, [table.storage, *(index.storage for index in table.indexes)])):
        yield "the number of pages"
    if not all(index.height is None or 0 <= index.height < 32 for index in table.indexes):
        yield "the height of an index"
    of_columns = [each for c in table.columns for each in (c.statistics, c.inherited_statistics)]
    of_indexes = [each for index in table.indexes for each in index.statistics]
    if not all(each is None or _is_statistics(each) for each in (*of_columns, *of_indexes)):
        yield "statistics"


def _counters(table: Table) -> Iterator[int | None]:
    activity = table.activity
    if activity is not None:
        yield from (getattr(activity, f.name) for f in fields(activity))
    yield from (table.sequential_scans, table.index_scans, table.rows_inserted, table.rows_updated, table.rows_deleted)
    for index in table.indexes:
        yield index.scans
        if index.gin is not None:
            yield from (getattr(index.gin, f.name) for f in fields(index.gin))


def _is_counter(number: int | float | None) -> bool:
    return number is None or 0 <= number < 2**63


def _is_name(name: str) -> bool:
    return "\0" not in name and len(name.encode("utf-8", "surrogatepass")) <= MAX_NAME_BYTES


def _is_hex(key: str) -> bool:
    return 0 < len(key) <= 128 and len(key) % 2 == 0 and all(digit in "0123456789abcdef" for digit in key)


def _is_storage(storage: Storage | None) -> bool:
    if storage is None:
        return True
    pages = (storage.analysed_pages, storage.all_visible_pages, storage.pages or 0)
    return all(-1 <= number <= MAX_PAGES for number in pages) and -1 <= storage.analysed_rows <= MAX_ROWS


def _is_statistics(stats: ColumnStatistics) -> bool:
    numbers = [stats.null_fraction, stats.distinct, stats.correlation or 0.0, stats.range_empty_fraction or 0.0]
    numbers += [share for _, share in stats.most_common] + [*stats.element_frequencies, *stats.element_counts]
    lengths = [len(value) for f in fields(stats) if isinstance(value := getattr(stats, f.name), tuple)]
    return (
        all(math.isfinite(number) and abs(number) <= MAX_ROWS for number in numbers)
        and 0 <= stats.null_fraction <= 1
        and 0 <= stats.average_width_bytes < 2**31
        and max(lengths) <= 11 * MAX_STATISTICS
    )
