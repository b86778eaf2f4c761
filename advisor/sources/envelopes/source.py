"""The outer log of one layer, line by line or element by element, and the account of its bytes."""

from collections.abc import Iterable, Iterator

from advisor.sources.blocks import lines_of
from advisor.sources.envelopes.documents import Element, elements
from advisor.sources.tally import Tally

BATCH_BYTES = 256 * 1024
"""Unwrapped lines are handed on in blocks of about this size: readers work block by block."""

_SHOWN_BYTES = 4096
"""Of bytes that were not understood: enough for the tally to name their class."""


class Source:
    """Reads blocks. What is neither foreign nor given on is the envelope's own, and counts as classified."""

    __slots__ = ("_blocks", "_settled", "_taken", "_tally", "foreign_bytes")

    def __init__(self, blocks: Iterable[bytes], tally: Tally) -> None:
        self._blocks = blocks
        self._tally = tally
        self._taken = 0
        self._settled = 0
        self.foreign_bytes = 0

    def lines(self) -> Iterator[bytes]:
        """The lines, each with its line end; the last one may have none."""
        for line in lines_of(self._blocks):
            self._taken += len(line)
            yield line

    def elements(self, depth: int) -> Iterator[Element]:
        """The objects of a JSON document that lie inside `depth` brackets."""
        for element in elements(self._blocks, depth):
            self._taken += element.size
            yield element

    def foreign(self, data: bytes) -> None:
        """These bytes are nothing of this envelope."""
        self.foreign_bytes += len(data)
        self._tally.not_understood(data[:_SHOWN_BYTES].decode("utf-8", "replace"), len(data))

    def warn(self, message: str) -> None:
        """Notes `message` once."""
        self._tally.warn(message)

    def batches(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The unwrapped pieces in blocks. After each, all bytes read so far are in the tally or in the blocks."""
        held: list[bytes] = []
        size = given = 0
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= BATCH_BYTES:
                given += size
                self._settle(given)
                yield b"".join(held)
                held.clear()
                size = 0
        self._settle(given + size)
        if size:
            yield b"".join(held)

    def _settle(self, given: int) -> None:
        own = self._taken - self.foreign_bytes - given
        self._tally.classified(own - self._settled)
        self._settled = own
