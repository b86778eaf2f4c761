"""The objects of a JSON envelope, whatever its shape, and the formats that map one object to one message."""

from collections.abc import Callable, Iterator
from typing import Any

from advisor.sources.envelopes.documents import decoded
from advisor.sources.envelopes.envelope import Layer
from advisor.sources.envelopes.source import Source

_DEPTHS = {"objects": 0, "array": 1, "container": 2}

Extract = Callable[[Layer, dict[str, Any]], bytes | None]
"""The inner lines of an object: empty where it is another program's, None where it is nothing of this format."""


def objects(layer: Layer, source: Source) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The decoded objects and their bytes; what is no object is foreign, blank lines are not."""
    if layer.shape == "lines":
        for line in source.lines():
            entry = decoded(line)
            if isinstance(entry, dict):
                yield entry, line
            elif line.strip(b" \t\r\n,[]\x1e"):
                source.foreign(line)
        return
    for element in source.elements(_DEPTHS[layer.shape]):
        if element.data is None:
            if element.rest:
                source.foreign(element.rest)
            continue
        entry = decoded(element.data)
        if isinstance(entry, dict):
            yield entry, element.data
        else:
            source.foreign(element.data)


def read(layer: Layer, source: Source, extract: Extract) -> Iterator[bytes]:
    """The lines of the inner log."""
    for entry, raw in objects(layer, source):
        lines = extract(layer, entry)
        if lines is None:
            source.foreign(raw)
        elif lines:
            yield lines
