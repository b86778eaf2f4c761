"""`journalctl -o json`, `json-pretty`, `json-seq` and `export`.

Sources: systemd.journal-fields(7); "Journal Export Formats" of systemd.io: `FIELD=value` lines, or the field's name
alone, then eight bytes of length (little-endian) and the value; an empty line ends an entry.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from advisor.sources.blocks import LONGEST_LINE_BYTES
from advisor.sources.envelopes.assembler import Assembler
from advisor.sources.envelopes.entries import objects
from advisor.sources.envelopes.envelope import Layer
from advisor.sources.envelopes.source import Source
from advisor.sources.envelopes.stamps import epoch_stamp
from advisor.sources.envelopes.text import stamped

_FIELDS = frozenset(
    (
        *("MESSAGE", "SYSLOG_IDENTIFIER", "_COMM", "SYSLOG_PID", "_PID", "_HOSTNAME", "_LINE_BREAK", "__CURSOR"),
        *("_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"),
    )
)

_MICROSECONDS = re.compile(r"[0-9]{1,18}")

_BROKEN = 64
"""Broken lines held at once: a journal has as many as servers that write to it."""


def read(layer: Layer, source: Source) -> Iterator[bytes]:
    """The lines of the inner log, from one object per entry."""
    entries = _Entries(layer, source)
    for entry, raw in objects(layer, source):
        if "MESSAGE" in entry and ("__REALTIME_TIMESTAMP" in entry or "__CURSOR" in entry):
            yield from entries.add(entry, raw)
        else:
            source.foreign(raw)
    yield from entries.finish()


def read_export(layer: Layer, source: Source) -> Iterator[bytes]:
    """The lines of the inner log, from the export format."""
    entries = _Entries(layer, source)
    for fields, raw in _exported(source):
        if "MESSAGE" in fields:
            yield from entries.add(fields, raw)
        elif "__CURSOR" not in fields and "__REALTIME_TIMESTAMP" not in fields:
            source.foreign(raw)
    yield from entries.finish()


def exported(source: Source) -> Iterator[Mapping[str, Any]]:
    """The entries of the export format that have a message."""
    return (fields for fields, _ in _exported(source) if "MESSAGE" in fields)


def _exported(source: Source) -> Iterator[tuple[dict[str, Any], bytes]]:
    fields: dict[str, Any] = {}
    raw: list[bytes] = []
    lines = source.lines()
    for line in lines:
        if line.strip():
            _add_field(fields, raw, line, lines)
        elif raw:
            yield fields, b"".join(raw)
            fields, raw = {}, []
    if raw:
        yield fields, b"".join(raw)


def _add_field(fields: dict[str, Any], raw: list[bytes], line: bytes, lines: Iterator[bytes]) -> None:
    raw.append(line)
    name, equals, value = line.rstrip(b"\n").partition(b"=")
    if equals:
        if (field := name.decode("latin-1")) in _FIELDS:
            fields[field] = value
        return
    data = bytearray()
    while len(data) < 8 or len(data) < 9 + int.from_bytes(data[:8], "little"):
        if len(data) >= 8 and int.from_bytes(data[:8], "little") > LONGEST_LINE_BYTES:
            break
        more = next(lines, None)
        if more is None:
            break
        raw.append(more)
        data += more
    fields[name.decode("latin-1")] = bytes(data[8 : 8 + int.from_bytes(data[:8], "little")])


class _Entries:
    """Journal entries to messages; lines that journald broke for their length are whole again."""

    __slots__ = ("_assembler", "_broken", "_layer", "_programs")

    def __init__(self, layer: Layer, source: Source) -> None:
        self._layer = layer
        self._assembler = Assembler(layer, source.foreign)
        self._programs = frozenset(layer.sources)
        self._broken: dict[tuple[str, str, str], bytearray] = {}

    def add(self, entry: Mapping[str, Any], raw: bytes) -> Iterator[bytes]:
        program = program_of(entry)
        if self._programs and program not in self._programs:
            return
        pid = pid_of(entry)
        key = (_text(entry.get("_HOSTNAME")), program, pid)
        message = self._broken.pop(key, None) or bytearray()
        message += _bytes(entry["MESSAGE"])
        broken = _text(entry.get("_LINE_BREAK")) == "line-max"
        if broken and len(message) <= LONGEST_LINE_BYTES and len(self._broken) < _BROKEN:
            self._broken[key] = message
            return
        stamp = b""
        if self._layer.stamp != "none":
            at = _text(entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry.get("__REALTIME_TIMESTAMP"))
            stamp = stamped(self._layer, epoch_stamp(int(at)) if _MICROSECONDS.fullmatch(at) else None, pid.encode())
        yield from self._assembler.add(key, bytes(message), stamp, raw)

    def finish(self) -> Iterator[bytes]:
        for key, message in self._broken.items():
            yield from self._assembler.add(key, bytes(message), b"", bytes(message))
        self._broken.clear()
        yield from self._assembler.finish()


def message_of(entry: Mapping[str, Any]) -> bytes:
    """The message of a journal entry."""
    return _bytes(entry.get("MESSAGE"))


def program_of(entry: Mapping[str, Any]) -> str:
    """Which program wrote a journal entry."""
    return _text(entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM"))


def pid_of(entry: Mapping[str, Any]) -> str:
    """Which process wrote a journal entry."""
    return _text(entry.get("SYSLOG_PID") or entry.get("_PID"))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _bytes(value: Any) -> bytes:
    """A field's value: text, or a list of its bytes where it is none; a repeated field is a list of values."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list) and all(isinstance(item, int) and 0 <= item < 256 for item in value):
        return bytes(value)
    if isinstance(value, list) and value:
        return _bytes(value[0]) if isinstance(value[0], str) else b""
    return b""
