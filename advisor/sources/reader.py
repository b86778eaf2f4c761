"""What the readers of all formats have in common: a piece of a log, cut anywhere, as whole records and two edges."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from advisor.sources.tally import OVERSIZED_BYTES, Tally

KEEP_BYTES = 2 * OVERSIZED_BYTES
"""Of a record without end: enough for the first mebibyte of its statement in any encoding."""


class Reader(Protocol):
    """Reads records of one format into a sink.

    `starts` matches where a record begins, at the beginning of a line; what follows a record's line and does not
    match belongs to that record.
    """

    starts: re.Pattern[bytes]

    def block(self, data: bytes) -> None:
        """Reads whole records; every byte is counted."""

    def oversized(self, data: bytes) -> None:
        """Reads a record of which only the beginning is there; its bytes are counted elsewhere."""

    def forget(self) -> None:
        """Drops what it remembers of sessions."""

    def time(self, data: bytes) -> int | None:
        """When the record was written with which `data` begins, microseconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """What of a piece cannot be read without its neighbours.

    Attributes:
        head: what comes before the first record: the end of the record that the piece before ends with.
        tail: the last record, which may go on in the next piece. None where the piece has no record at all.
    """

    head: bytes = b""
    tail: bytes | None = None


def read_piece(blocks: Iterable[bytes], reader: Reader, tally: Tally, begins_at: Callable[[int | None], None]) -> Edges:
    """Reads a piece but for its edges, whose bytes are not counted yet; memory stays flat whatever it holds.

    `begins_at` is told the time of the first record before that is read.
    """
    head: bytes | None = None
    rest, dropped = b"", 0
    for block in blocks:
        data = rest + block if rest else block
        if head is None:
            start = first_start(data, reader.starts)
            if start < 0:
                rest, lost = _kept(data)
                if lost:
                    tally.not_understood(data[:1000].decode("utf-8", "replace"), lost)
                continue
            head, data = data[:start], data[start:]
            begins_at(reader.time(data))
        cut = last_start(data, reader.starts)
        if cut == 0:
            # One record without end so far: its beginning is kept, the rest is counted as read and dropped.
            rest, lost = _kept(data)
            dropped += lost
            continue
        if dropped:
            end = _second_start(data, reader.starts)
            _oversized(reader, data[:end], tally, dropped)
            data, cut, dropped = data[end:], cut - end, 0
        if cut:
            reader.block(data[:cut])
        rest = data[cut:]
    if head is None:
        return Edges(head=rest)
    if dropped:
        _oversized(reader, rest, tally, dropped)
        return Edges(head=head, tail=b"")
    return Edges(head=head, tail=rest)


def read_edge(data: bytes, reader: Reader, tally: Tally) -> None:
    """Reads the end of one piece together with the beginning of the next, where nothing more can come."""
    if not data:
        return
    start = first_start(data, reader.starts)
    if start:
        foreign = data if start < 0 else data[:start]
        tally.not_understood(foreign.decode("utf-8", "replace"), len(foreign))
    if start >= 0:
        reader.block(data[start:])


def last_start(data: bytes, starts: re.Pattern[bytes]) -> int:
    """Where the last record of `data` begins; 0 where no other record follows the first."""
    end = len(data)
    while True:
        newline = data.rfind(b"\n", 0, end)
        if newline < 0:
            return 0
        if starts.match(data, newline + 1):
            return newline + 1
        end = newline


def first_start(data: bytes, starts: re.Pattern[bytes]) -> int:
    """Where the first record of `data` begins; -1 where none does."""
    position = 0
    while True:
        if starts.match(data, position):
            return position
        position = data.find(b"\n", position) + 1
        if not position:
            return -1


def _second_start(data: bytes, starts: re.Pattern[bytes]) -> int:
    after = data.find(b"\n") + 1
    return after + first_start(data[after:], starts)


def _kept(data: bytes) -> tuple[bytes, int]:
    """The beginning of a record without end and its last, unfinished line; and how many bytes between are dropped."""
    if len(data) <= 2 * KEEP_BYTES:
        return data, 0
    line = data.rfind(b"\n", KEEP_BYTES, len(data) - 1) + 1
    # A line that long is data, too: of it the last bytes suffice to see where the next one begins.
    end = data[line:] if line and len(data) - line < KEEP_BYTES else data[-1:]
    return data[:KEEP_BYTES] + end, len(data) - KEEP_BYTES - len(end)


def _oversized(reader: Reader, data: bytes, tally: Tally, dropped: int) -> None:
    reader.oversized(data[:KEEP_BYTES])
    tally.classified(len(data) + dropped)
