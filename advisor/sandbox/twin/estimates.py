"""Sizes of indexes that cannot be asked: heights of real btrees, and files of indexes that are not built at all."""

import math

from advisor.model.catalog import ColumnStatistics, Index, Table

PAGE_BYTES = 8192 - 24 - 16
"""Of a btree page: without its header and its special area."""

_INTERNAL_FILL = 0.70
"""BTREE_NONLEAF_FILLFACTOR (nbtree.h); pages split at random end up as full."""

_LEAF_FILL = 0.90
"""BTREE_DEFAULT_FILLFACTOR."""

_TUPLE_HEADER, _LINE_POINTER, _HEAP_POINTER = 8, 4, 6
_ADDRESS = 8
"""Of a row, aligned, at the end of an internal page's key."""

_SHARED_KEYS_PER_PAGE = 10
"""With fewer keys to a page most page ends fall amid one."""

_UNKNOWN_WIDTH = 16
"""Of a key without statistics: between a bigint and a short text."""


def key_width(index: Index, table: Table) -> int:
    """Average bytes of an index's keys and payload, aligned to 8 as a tuple is."""
    columns = [key.column for key in index.keys]
    expressions = dict(enumerate(index.statistics))
    widths = [
        _width(_column_statistics(table, name) if name else expressions.get(number))
        for number, name in enumerate((*columns, *index.include))
    ]
    return -(-sum(widths) // 8) * 8


def pivot_width(index: Index, table: Table, pages: int) -> int:
    """Average bytes of a key in a btree's internal pages, aligned.

    Where many rows share a key, pages end amid equal keys, and a row's address tells them apart
    (`_bt_truncate` in access/nbtree/nbtutils.c).
    """
    width = key_width(index, table)
    if len(index.keys) != 1 or index.keys[0].column is None:
        return width
    statistics = _column_statistics(table, index.keys[0].column)
    distinct = statistics.distinct if statistics is not None else -1.0
    if distinct < 0:
        distinct *= -(table.rows or 0.0)
    return width + _ADDRESS if distinct < pages * _SHARED_KEYS_PER_PAGE else width


def _column_statistics(table: Table, name: str) -> ColumnStatistics | None:
    column = table.column(name)
    return (column.statistics or column.inherited_statistics) if column else None


def _width(statistics: ColumnStatistics | None) -> int:
    if statistics is None:
        return _UNKNOWN_WIDTH
    return max(round(statistics.average_width_bytes * (1 - statistics.null_fraction)), 1)


def btree_height(pages: int, width: int) -> int:
    """Levels above the leaves of a btree of so many pages, by how many keys of that width an internal page holds."""
    fanout = max(int(PAGE_BYTES * _INTERNAL_FILL) // (_TUPLE_HEADER + width + _LINE_POINTER), 2)
    level_pages, height = max(pages - 1, 1), 0
    # All pages but the metapage are given: of these one in `fanout` is internal.
    level_pages = max(math.ceil(level_pages * (1 - 1 / fanout)), 1)
    while level_pages > 1:
        level_pages = math.ceil(level_pages / fanout)
        height += 1
    return height


def index_bytes(method: str, rows: float, width: int, distinct: float | None, heap_pages: int) -> int:
    """A first guess at the file of an index, in bytes.

    Args:
        rows: rows in it, those that its predicate leaves.
        width: of the keys, aligned.
        distinct: different keys; None: as many as rows. Equal keys share a posting list (btree de-duplication).
        heap_pages: of the table, for BRIN.
    """
    if method == "brin":
        ranges = math.ceil(heap_pages / 128)
        return 8192 * (2 + math.ceil(ranges * 6 / 8160) + math.ceil(ranges * (width * 2 + 16) / PAGE_BYTES))
    if method == "hash":
        return round(8192 * (2 + rows * (_TUPLE_HEADER + 8 + _LINE_POINTER) / PAGE_BYTES / 0.75))
    keys = rows if distinct is None else min(distinct, rows)
    if method == "gin":
        # Most posting lists are compressed to two or three bytes a row.
        return round(8192 * 2 + (rows * 3 + keys * (_TUPLE_HEADER + width + _LINE_POINTER)) / 0.8)
    single = rows * (_TUPLE_HEADER + width + _LINE_POINTER)
    if method == "btree" and keys < rows:
        shared = _HEAP_POINTER * rows + keys * (_TUPLE_HEADER + width + _LINE_POINTER)
        single = min(single, shared)
    return round(8192 + single / (_LEAF_FILL if method == "btree" else 0.7))
