"""How far each input was read, so that a later run over a grown, rotated or compressed log adds only what is new.

A file is known by its content, never by its name: by its first bytes and by the last ones that were read. All offsets
are of decompressed bytes, so that a log which was compressed meanwhile is still the same log.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any

from advisor.errors import InputError
from advisor.sources.compression import head_of, open_input, open_range
from advisor.sources.tally import Tally

END_BYTES = 4096
"""Looked at on either end: some twenty records with their times and processes, which no two logs share."""

MAX_MARKS = 10_000
"""Kept in a digest, a megabyte of them: years of daily logs of several servers. The latest ones stay."""

_HASH_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The first `consumed_bytes` (decompressed) of what was called `name` are counted.

    `head_hash` is of the first `head_bytes`, at most `END_BYTES`; `tail_hash` of the last `END_BYTES` before the end of
    what is counted, or of all of it. `packed` is of the file as it lies on disk, for compressed ones: a shortcut, that
    nothing must be decompressed to see that nothing changed. `until_us` is the time of the last event, where known.
    """

    name: str
    consumed_bytes: int
    head_bytes: int
    head_hash: bytes
    tail_hash: bytes
    packed: bytes | None = None
    until_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """`path` is to be read from `offset` (decompressed bytes) on: 0 for a new file. `mark` says what is before it."""

    path: str
    offset: int
    mark: Mark | None


def mark_of(path: str, consumed: int, *, until_us: int | None = None) -> Mark | None:
    """The mark of a file of which `consumed` bytes (decompressed) were read.

    None where nothing can be remembered: it is a pipe, nothing was read, or it holds no longer so many bytes.

    Raises:
        InputError: it cannot be read.
    """
    if consumed <= 0 or not _is_file(path):
        return None
    ends = _ends(path, consumed)
    if ends is None:
        return None
    head, tail, compressed = ends
    return Mark(
        name=path,
        consumed_bytes=consumed,
        head_bytes=len(head),
        head_hash=_hash(head),
        tail_hash=_hash(tail),
        packed=_on_disk(path) if compressed else None,
        until_us=until_us,
    )


def find_start(mark: Mark, path: str) -> int | None:
    """Where in `path` the bytes begin that `mark` does not cover; the file's length if there are none.

    None for another file: one that is shorter, begins otherwise, or went on otherwise (rotated, or truncated and
    written anew), and for what cannot be read.
    """
    if not _is_file(path):
        return None
    try:
        if mark.packed is not None and mark.packed == _on_disk(path):
            return mark.consumed_bytes
        if _hash(head_of(path, mark.head_bytes)) != mark.head_hash:
            return None
        ends = _ends(path, mark.consumed_bytes)
    except (InputError, OSError):
        return None
    return mark.consumed_bytes if ends is not None and _hash(ends[1]) == mark.tail_hash else None


def match(marks: Iterable[Mark], paths: Sequence[str]) -> tuple[Start, ...]:
    """Where to begin in each of `paths`, in their order, whatever they were called when `marks` were made.

    Where several marks fit (of earlier and later runs) the one that covers most decides. A mark may fit several paths,
    a log and its copy: what it covers is counted, wherever it lies.
    """
    longest_first = sorted(marks, key=lambda mark: (mark.head_bytes, mark.consumed_bytes), reverse=True)
    by_length = [(length, list(group)) for length, group in groupby(longest_first, key=lambda mark: mark.head_bytes)]
    return tuple(_start(path, by_length) for path in paths)


def _start(path: str, by_length: Sequence[tuple[int, Sequence[Mark]]]) -> Start:
    if by_length and _is_file(path):
        try:
            head = head_of(path, END_BYTES)
        except InputError:
            # It is read like a new file, which says what is wrong with it.
            head = b""
        for length, group in by_length:
            begins = _hash(head[:length])
            for mark in group:
                if mark.head_hash == begins and find_start(mark, path) is not None:
                    return Start(path=path, offset=mark.consumed_bytes, mark=mark)
    return Start(path=path, offset=0, mark=None)


def is_all_known(start: Start) -> bool:
    """Whether the file has nothing that its mark does not cover, as far as a look at it on disk tells.

    Raises:
        InputError: it cannot be read.
    """
    if start.mark is None:
        return False
    if start.mark.packed is not None:
        return start.mark.packed == _on_disk(start.path)
    with open_input(start.path, Tally()) as opened:
        return opened.is_plain_file and opened.size == start.offset


def united(*groups: Iterable[Mark]) -> tuple[Mark, ...]:
    """All marks, each once, of at most `MAX_MARKS` those with the latest events; the groups may come in any order."""
    each = {mark for group in groups for mark in group}
    return tuple(sorted(each, key=_rank, reverse=True)[:MAX_MARKS])


def renewed(marks: Iterable[Mark], starts: Iterable[Start], new: Iterable[Mark | None]) -> tuple[Mark, ...]:
    """The marks after a run that began at `starts` and ended at `new`: those that it went on from are replaced.

    `new` has a mark, or None, for each of `starts`.
    """
    pairs = list(zip(starts, new, strict=True))
    replaced = {start.mark for start, after in pairs if start.mark is not None and after is not None}
    return united((mark for mark in marks if mark not in replaced), (after for _, after in pairs if after is not None))


def counted_in_both(one: Iterable[Mark], other: Iterable[Mark]) -> tuple[str, ...]:
    """The names in `other` of logs that both have counted the beginning of: adding the two counts it twice."""
    heads = {(mark.head_bytes, mark.head_hash) for mark in one}
    return tuple(sorted({mark.name for mark in other if (mark.head_bytes, mark.head_hash) in heads}))


def state(marks: Iterable[Mark]) -> list[list[Any]]:
    """The marks as lists of numbers and bytes, for a file; names of files need not be texts."""
    return [[os.fsencode(mark.name), *astuple(mark)[1:]] for mark in marks]


def restore(saved: Iterable[Sequence[Any]]) -> tuple[Mark, ...]:
    """The marks that `state` was of."""
    named = ((os.fsdecode(name), *values) for name, *values in saved)
    return united(Mark(**dict(zip(Mark.__slots__, values, strict=True))) for values in named)


def _rank(mark: Mark) -> tuple[Any, ...]:
    known = (mark.until_us is not None, mark.until_us or 0)
    return (*known, mark.name, mark.consumed_bytes, mark.head_hash, mark.tail_hash, mark.packed or b"")


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def _ends(path: str, consumed: int) -> tuple[bytes, bytes, bool] | None:
    """The first and last `END_BYTES` of the first `consumed`, and whether it is compressed; None if it is shorter."""
    with open_input(path, Tally()) as opened:
        if opened.is_plain_file:
            if opened.size < consumed:
                return None
            head = b"".join(open_range(path, 0, min(END_BYTES, consumed)))
            tail = b"".join(open_range(path, max(consumed - END_BYTES, 0), consumed))
            return (head, tail, False) if len(tail) == min(END_BYTES, consumed) else None
        head = tail = b""
        left = consumed
        for block in opened.blocks:
            part = block[:left]
            left -= len(part)
            head = head if len(head) >= END_BYTES else (head + part)[:END_BYTES]
            tail = part[-END_BYTES:] if len(part) >= END_BYTES else (tail + part)[-END_BYTES:]
            if left == 0:
                return head, tail, True
    return None


def _on_disk(path: str) -> bytes:
    size = Path(path).stat().st_size
    ends = b"".join((*open_range(path, 0, END_BYTES), *open_range(path, max(size - END_BYTES, 0), size)))
    return _hash(b"%d " % size + ends)


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=_HASH_BYTES).digest()
