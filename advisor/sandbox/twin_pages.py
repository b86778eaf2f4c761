"""Pages of index files that the planner reads: written so that an empty index plans like one of a real size.

PostgreSQL's planner opens three kinds of index pages. A btree's height comes from its metapage (`_bt_getrootheight`,
nbtpage.c), and a range beyond the histogram's ends makes it descend to the first or last leaf
(`get_actual_variable_range`, selfuncs.c). GIN and BRIN keep counts in their metapages that their cost functions use
(`gincostestimate`, `brincostestimate`). All offsets are bytes from the start of an 8 KiB page; numbers are in the
machine's byte order, as PostgreSQL writes them.
"""

import math
import struct

from advisor.model.catalog import GinMetapage

BLOCK = 8192
"""Bytes of a block: the size nearly every server is built with, and all the sandbox's are."""

_HEADER = struct.Struct("=QHHHHHHI")
"""PageHeaderData (bufpage.h): LSN, checksum, flags, lower, upper, special, size and version, prune xid: 24 bytes."""

_LAYOUT_VERSION = 4
_LINE_POINTER = struct.Struct("=I")
_NORMAL = 1
"""`lp_flags` of a line pointer to a tuple (itemid.h); `lp_off` has the low 15 bits, `lp_len` the high 15."""

_BTREE_OPAQUE = struct.Struct("=IIIHH")
"""BTPageOpaqueData (nbtree.h): left and right neighbour, level, flags, vacuum cycle: 16 bytes at the page's end."""

_LEAF, _ROOT = 1, 2
_PIVOT = struct.Struct("=HHHH")
"""An index tuple without attributes (itup.h): block (high, low), offset, which holds the number of attributes, info."""

_PIVOT_INFO = _PIVOT.size | 0x2000
"""Its size and INDEX_ALT_TID_MASK: the block is a downlink's, not a heap row's."""

_BTREE_ROOT = 24 + 8
"""Where the metapage has root, level, fast root and fast level, 32 bits each, after magic and version."""

_ALL_VISIBLE = 1
"""VISIBILITYMAP_ALL_VISIBLE (visibilitymapdefs.h): the first of the two bits of a block."""

_GIN_PENDING = 24 + 12
_GIN_TOTALS = 24 + 24
"""GinMetaPageData (ginblock.h): `nPendingPages`; then total, entry and data pages and, aligned, 64 bits of entries."""

_BRIN_LAST_REVMAP = 24 + 12
_REVMAP_ITEMS = (BLOCK - 24 - 8) // 6
"""REVMAP_PAGE_MAXITEMS (brin_page.h): 6-byte row addresses between the page's header and its special area."""


def btree_chain(metapage: bytes, height: int, leaf: bytes | None = None) -> bytes:
    """The first `height + 2` blocks of a btree with one leaf below `height` internal pages.

    Each internal page has one downlink, that for minus infinity. The leaf is empty, or a copy of `leaf`, the only one
    of another btree. Without any planning would fail, because the planner probes for the real minimum and maximum.
    """
    meta = bytearray(metapage)
    struct.pack_into("=IIII", meta, _BTREE_ROOT, 1, height, 1, height)
    pages = [bytes(meta)]
    for level in range(height, -1, -1):
        flags = (_LEAF if level == 0 else 0) | (_ROOT if level == height else 0)
        page = _btree_page(level, flags, child=len(pages) + 1 if level else None)
        if level == 0 and leaf is not None:
            page = leaf[: -_BTREE_OPAQUE.size] + page[-_BTREE_OPAQUE.size :]
        pages.append(page)
    return b"".join(pages)


def visibility_map() -> bytes:
    """A visibility map that says of the table's first block that everybody may see all its rows."""
    page = bytearray(BLOCK)
    _HEADER.pack_into(page, 0, 0, 0, 0, _HEADER.size, BLOCK, BLOCK, BLOCK | _LAYOUT_VERSION, 0)
    page[_HEADER.size] = _ALL_VISIBLE
    return bytes(page)


def _btree_page(level: int, flags: int, child: int | None) -> bytes:
    page = bytearray(BLOCK)
    special = BLOCK - _BTREE_OPAQUE.size
    lower, upper = _HEADER.size, special
    if child is not None:
        upper -= _PIVOT.size
        _PIVOT.pack_into(page, upper, child >> 16, child & 0xFFFF, 0, _PIVOT_INFO)
        _LINE_POINTER.pack_into(page, lower, upper | _NORMAL << 15 | _PIVOT.size << 17)
        lower += _LINE_POINTER.size
    _HEADER.pack_into(page, 0, 0, 0, 0, lower, upper, special, BLOCK | _LAYOUT_VERSION, 0)
    _BTREE_OPAQUE.pack_into(page, special, 0, 0, level, flags, 0)
    return bytes(page)


def gin_metapage(metapage: bytes, counts: GinMetapage) -> bytes:
    """A GIN metapage with these counts."""
    page = bytearray(metapage)
    struct.pack_into("=I", page, _GIN_PENDING, counts.pending_pages)
    totals = (counts.total_pages, counts.entry_pages, counts.data_pages, 0, counts.entries)
    struct.pack_into("=IIIIq", page, _GIN_TOTALS, *totals)
    return bytes(page)


def brin_metapage(metapage: bytes, heap_pages: int) -> bytes:
    """A BRIN metapage whose range map is as long as a heap of that size needs."""
    page = bytearray(metapage)
    (pages_per_range,) = struct.unpack_from("=I", page, _BRIN_LAST_REVMAP - 4)
    ranges = math.ceil(heap_pages / pages_per_range)
    struct.pack_into("=I", page, _BRIN_LAST_REVMAP, max(math.ceil(ranges / _REVMAP_ITEMS), 1))
    return bytes(page)
