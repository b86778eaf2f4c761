"""Pages of index files that the planner reads: written so that an empty index plans like one of a real size.

PostgreSQL's planner opens three kinds of index pages. A btree's height comes from its metapage (`_bt_getrootheight`,
nbtpage.c), and a range beyond the histogram's ends makes it descend to the first or last leaf
(`get_actual_variable_range`, selfuncs.c). GIN and BRIN keep counts in their metapages that their cost functions use
(`gincostestimate`, `brincostestimate`). All offsets are bytes from the start of an 8 KiB page; numbers are in the
machine's byte order, as PostgreSQL writes them.
"""

import math
import struct
from collections.abc import Iterator, Sequence

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
_TUPLE = struct.Struct("=HHHH")
"""IndexTupleData (itup.h): the row's block (high, low) and its number there, then size and flags; 8 bytes, then data.

Data and size are multiples of 8. A downlink has the child's block in the row's place, and no data."""

_INDEX_ALT_TID = 0x2000
"""INDEX_ALT_TID_MASK (nbtree.h): the block is a downlink's, the number is one of attributes."""

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


def btree_chain(metapage: bytes, height: int, leaf: bytes) -> bytes:
    """The first `height + 2` blocks of a btree with one leaf below `height` internal pages.

    Each internal page has one downlink, that for minus infinity. Without a leaf planning would fail, because the
    planner probes for the real minimum and maximum.
    """
    meta = bytearray(metapage)
    struct.pack_into("=IIII", meta, _BTREE_ROOT, 1, height, 1, height)
    pages = [bytes(meta)]
    for level in range(height, 0, -1):
        child = len(pages) + 1
        downlink = _TUPLE.pack(child >> 16, child & 0xFFFF, 0, _TUPLE.size | _INDEX_ALT_TID)
        pages.append(_btree_page([downlink], level, _ROOT if level == height else 0))
    return b"".join([*pages, leaf if height else _as_root(leaf)])


def btree_leaf(tuples: Sequence[bytes]) -> bytes:
    """A leaf, the only one of its btree, with these tuples in their order, as of the table's first rows."""
    numbered = [_TUPLE.pack(0, 0, number, _info(data)) + data[_TUPLE.size :] for number, data in enumerate(tuples, 1)]
    return _btree_page(numbered, 0, _LEAF)


def leaf_tuples(page: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """((block, number) of the row, the index tuple) of a btree's leaf; nothing of another page."""
    special = BLOCK - _BTREE_OPAQUE.size
    _, right, _, flags, _ = _BTREE_OPAQUE.unpack_from(page, special)
    if not flags & _LEAF:
        return
    lower = _HEADER.unpack_from(page)[3]
    # A page with a right neighbour begins with its high key.
    first = _HEADER.size + (_LINE_POINTER.size if right else 0)
    for at in range(first, lower, _LINE_POINTER.size):
        (pointer,) = _LINE_POINTER.unpack_from(page, at)
        data = page[pointer & 0x7FFF : (pointer & 0x7FFF) + (pointer >> 17)]
        high, low, number, _ = _TUPLE.unpack_from(data)
        yield (high << 16 | low, number), data


def _info(data: bytes) -> int:
    return int(_TUPLE.unpack_from(data)[3])


def _as_root(page: bytes) -> bytes:
    special = BLOCK - _BTREE_OPAQUE.size
    left, right, level, flags, cycle = _BTREE_OPAQUE.unpack_from(page, special)
    return page[:special] + _BTREE_OPAQUE.pack(left, right, level, flags | _ROOT, cycle)


def _btree_page(tuples: Sequence[bytes], level: int, flags: int) -> bytes:
    page = bytearray(BLOCK)
    special = BLOCK - _BTREE_OPAQUE.size
    lower, upper = _HEADER.size, special
    for data in tuples:
        upper -= len(data)
        page[upper : upper + len(data)] = data
        _LINE_POINTER.pack_into(page, lower, upper | _NORMAL << 15 | len(data) << 17)
        lower += _LINE_POINTER.size
    _HEADER.pack_into(page, 0, 0, 0, 0, lower, upper, special, BLOCK | _LAYOUT_VERSION, 0)
    _BTREE_OPAQUE.pack_into(page, special, 0, 0, level, flags, 0)
    return bytes(page)


def visibility_map() -> bytes:
    """A visibility map that says of the table's first block that everybody may see all its rows."""
    page = bytearray(BLOCK)
    _HEADER.pack_into(page, 0, 0, 0, 0, _HEADER.size, BLOCK, BLOCK, BLOCK | _LAYOUT_VERSION, 0)
    page[_HEADER.size] = _ALL_VISIBLE
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
