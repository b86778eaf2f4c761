"""Blocks of bytes as lines, and as blocks of whole lines."""

from collections.abc import Iterable, Iterator

import orjson

from advisor.sources.tally import OVERSIZED_BYTES

LONGEST_LINE_BYTES = 16 * OVERSIZED_BYTES
"""A line beyond this is no line of a log: it is handed over in pieces, so that memory stays flat."""


def whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The blocks but for a last line that has no end yet; a JSON value is complete without one."""
    rest = b""
    for block in blocks:
        end = block.rfind(b"\n") + 1
        if end == 0 and len(rest) + len(block) < LONGEST_LINE_BYTES:
            rest += block
            continue
        yield rest + block[:end] if end else rest + block
        rest = block[end:] if end else b""
    if rest.rstrip().endswith((b"}", b"]")) and _is_json(rest):
        yield rest


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


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
