"""JSON as envelopes use it: a value per line, or one document that is too large to be held."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from advisor.sources.blocks import LONGEST_LINE_BYTES

_TOKEN = re.compile(rb'[^"{}\[\]]*+(?:"(?:[^"\\]++|\\.)*+"|([{}\[\]]))', re.DOTALL)
_PLAIN = re.compile(rb'[^"{}\[\]]*+\Z')


class Element(NamedTuple):
    """An object of a document, or None and what lies between or could not be read; `size` counts its bytes."""

    data: bytes | None
    size: int
    rest: bytes = b""
    """What was not understood; a document's own brackets and keys are."""


_EDGES = b" \t\r\n,\x1e"
"""Around the objects of an array that was cut into lines, and the record separator of `journalctl -o json-seq`."""


def decoded(data: bytes) -> Any:
    """The JSON value of a line or an element; None where it is none, or nested too deep."""
    trimmed = data.strip(_EDGES)
    try:
        return orjson.loads(trimmed)
    except orjson.JSONDecodeError:
        pass
    try:
        return orjson.loads(trimmed.decode("latin-1"))
    except orjson.JSONDecodeError:
        return None


def elements(blocks: Iterable[bytes], depth: int) -> Iterator[Element]:
    """The objects inside `depth` brackets of a document of any size, one at a time.

    All sizes add up to the blocks'. An object larger than `LONGEST_LINE_BYTES`, and one that the end cuts off, are
    not understood.
    """
    scanner = _Scanner(depth)
    for block in blocks:
        yield from scanner.feed(block)
    yield from scanner.finish()


class _Scanner:
    __slots__ = ("_base", "_begin", "_buffer", "_depth", "_position", "_wanted")

    def __init__(self, base: int) -> None:
        self._base = base
        self._buffer = b""
        self._position = 0
        self._depth = 0
        self._begin: int | None = None
        self._wanted = 0

    def feed(self, block: bytes) -> Iterator[Element]:
        self._buffer += block
        # An unfinished string is scanned anew only when the buffer has doubled: else its cost would be quadratic.
        if len(self._buffer) < min(self._wanted, LONGEST_LINE_BYTES):
            return
        yield from self._scan()
        if len(self._buffer) > LONGEST_LINE_BYTES:
            yield Element(None, len(self._buffer), self._buffer)
            self._buffer, self._position, self._begin, self._depth = b"", 0, None, self._base
        self._wanted = 2 * len(self._buffer)

    def finish(self) -> Iterator[Element]:
        yield from self._scan()
        if self._buffer:
            yield Element(None, len(self._buffer), self._buffer.strip())

    def _scan(self) -> Iterator[Element]:
        buffer, position, depth, begin, base = self._buffer, self._position, self._depth, self._begin, self._base
        done = 0
        while (token := _TOKEN.match(buffer, position)) is not None:
            position = token.end()
            bracket = token[1]
            if bracket is None:
                continue
            if bracket in _OPENING:
                if begin is None and depth == base and bracket == b"{":
                    begin = position - 1
                depth += 1
                continue
            depth = max(0, depth - 1)
            if begin is not None and depth <= base:
                yield Element(None, begin - done, buffer[done:begin].strip(_EDGES + b"[]") if base < 2 else b"")
                yield Element(buffer[begin:position], position - begin)
                done, begin = position, None
        self._position, self._depth, self._begin = position, depth, begin
        yield self._between(done)

    def _between(self, done: int) -> Element:
        """Drops what is before the open object, or before the open string where there is none."""
        buffer, end, rest = self._buffer, self._position, b""
        if self._begin is not None:
            end = self._begin
        elif _PLAIN.match(buffer, end):
            rest = buffer[end:].strip() if self._depth == 0 else b""
            end = len(buffer)
        self._buffer = buffer[end:]
        self._position = max(0, self._position - end)
        if self._begin is not None:
            self._begin = 0
        return Element(None, end - done, rest)


_OPENING = (b"{", b"[")
