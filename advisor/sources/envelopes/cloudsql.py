"""Cloud SQL and AlloyDB: entries of Cloud Logging.

Source: Google Cloud's documentation, "LogEntry": `textPayload` or `jsonPayload.message`, `timestamp` in RFC 3339,
`logName` ending in `postgres.log`. AlloyDB puts the place in the source before each message: `LOG:  [xlog.c:1]  text`.
"""

import re
from typing import Any

import orjson

from advisor.sources.envelopes.envelope import Layer
from advisor.sources.envelopes.stamps import iso_stamp
from advisor.sources.envelopes.text import HEAD, record, stamped

_PLACE = re.compile(rb"\[\w+\.(?:c|cc|cpp|h|l|y):\d+\] {1,2}")


def extract(layer: Layer, entry: dict[str, Any]) -> bytes | None:
    """The lines of an entry; empty for other logs of the project."""
    if not is_entry(entry):
        return None
    if layer.sources and log_name(entry) not in layer.sources:
        return b""
    payload = entry.get("jsonPayload")
    text = entry.get("textPayload")
    if not isinstance(text, str) and isinstance(payload, dict):
        text = payload.get("message")
        if not isinstance(text, str):
            return orjson.dumps(payload, option=orjson.OPT_APPEND_NEWLINE)
    if not isinstance(text, str):
        return b""
    at = entry.get("timestamp")
    lines = text.encode()
    if b".c" in lines or b"alloydb" in log_name(entry).encode():
        lines = b"\n".join(map(_without_place, lines.split(b"\n")))
    return record(layer, lines, stamped(layer, iso_stamp(at) if isinstance(at, str) else None, None))


def is_entry(entry: dict[str, Any]) -> bool:
    """Whether an object is an entry of Cloud Logging."""
    return "logName" in entry and ("timestamp" in entry or "receiveTimestamp" in entry)


def log_name(entry: dict[str, Any]) -> str:
    """The log that an entry belongs to."""
    return str(entry.get("logName"))


def _without_place(line: bytes) -> bytes:
    head = HEAD.match(line)
    place = _PLACE.match(line, head.end()) if head else None
    return line[: place.start()] + line[place.end() :] if place else line
