"""Which envelope a log is in, by its first bytes.

A format is proposed by the shape of the first lines, which no plain log has at the beginning of its records; it is used
where unwrapping the head gives PostgreSQL's own lines, or another envelope. Statements never decide: in a stderr log
they do not begin a line, and in the others the first line does not look like an envelope's.
"""

import re
from dataclasses import replace

from advisor.sources.envelopes import azure, heroku
from advisor.sources.envelopes.envelope import Envelope, Layer
from advisor.sources.envelopes.proposals import LINES, SHAPE_SHARE, proposed
from advisor.sources.envelopes.source import Source
from advisor.sources.envelopes.text import HEAD, inner_kind, missing_stamp
from advisor.sources.envelopes.unwrapping import READERS
from advisor.sources.tally import Tally

HEAD_BYTES = 256 * 1024
FOREIGN_SHARE = 0.3
"""Of the head's bytes may be nothing of the format."""

MAX_LAYERS = 3
"""`compose+timestamps+cnpg` has as many."""

_PLAIN = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_KNOWN_HEADS = {
    "azure": (
        (azure.DEFAULT_PREFIX, re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]{3,5}-[0-9a-f]+\.[0-9a-f]+-")),
        (azure.FIELDS_PREFIX, re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC \[\d+\] [0-9A-Z]{5} ")),
    ),
    "heroku": (
        (heroku.PREFIX, re.compile(rb"[-\d]+ [:.\d]+ UTC \[\d+\]  sql_error_code = [0-9A-Z]{5} ")),
        (heroku.LONG_PREFIX, re.compile(rb"(?s) sql_error_code = [0-9A-Z]{5} (?:time_ms = .*)?")),
    ),
}


def find_envelope(head: bytes) -> Envelope | None:
    """The envelope of a log by its first bytes (256 KiB are enough); None where it is a plain log, or none at all."""
    return _find(head[:HEAD_BYTES], len(head) >= HEAD_BYTES, MAX_LAYERS)


def _find(head: bytes, cut: bool, layers: int) -> Envelope | None:
    whole = head[: head.rfind(b"\n") + 1] if cut and b"\n" in head else head
    text = whole.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text or _PLAIN.match(text):
        return None
    for layer in proposed(head, whole, text):
        envelope = _resolved(layer, head if layer.shape != "lines" else whole, layers)
        if envelope is not None:
            return envelope
    return None


def _resolved(layer: Layer, head: bytes, layers: int) -> Envelope | None:
    """The envelope of which `layer` is the outermost, if the head's inner lines are PostgreSQL's."""
    source = Source([head], Tally())
    raw = b"".join(READERS[layer.format](layer, source))
    if layer.shape == "lines" and source.foreign_bytes > FOREIGN_SHARE * len(head):
        return None
    nested = _find(raw, cut=False, layers=layers - 1) if layers > 1 else None
    if nested is not None:
        return Envelope(
            name=f"{layer.format}+{nested.name}",
            inner=nested.inner,
            prefix=nested.prefix,
            layers=(layer, *nested.layers),
        )
    kind = inner_kind(raw)
    if kind is None:
        return None
    layer = replace(layer, inner=kind)
    if kind == "stderr":
        layer = replace(layer, stamp=missing_stamp(raw))
        raw = b"".join(READERS[layer.format](layer, Source([head], Tally())))
    return Envelope(name=layer.format, inner=kind, prefix=_prefix(layer, raw), layers=(layer,))


def _prefix(layer: Layer, raw: bytes) -> str | None:
    heads = [found[1] for line in raw.split(b"\n", LINES)[:LINES] if (found := HEAD.match(line))]
    for prefix, pattern in _KNOWN_HEADS.get(layer.format, ()):
        if sum(pattern.fullmatch(head) is not None for head in heads) >= SHAPE_SHARE * len(heads):
            return prefix
    return None
