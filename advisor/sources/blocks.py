"""Blocks of bytes as lines."""

from collections.abc import Iterable, Iterator

from advisor.sources.tally import OVERSIZED_BYTES

LONGEST_LINE_BYTES = 16 * OVERSIZED_BYTES
"""A line beyond this is no line of a log: it is handed over in pieces, so that memory stays flat."""


def lines_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines, each with its line end; the last one may have none. Their lengths add up to the blocks'."""
    rest = b""
    for block in blocks:
        if b"\n" not in block:
            rest += block
            if len(rest) > LONGEST_LINE_BYTES:
                yield rest
                rest = b""
            continue
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield line + b"\n"
    if rest:
        yield rest
