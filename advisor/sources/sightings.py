"""Records of a log seen in passing: when, by which process, and the beginning of what was said, in any format.

Enough to tell whether two logs are of the same events, at a small part of the price of reading them.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from advisor.sources.languages.marks import ENGLISH_MARKS, MARKS
from advisor.sources.messages import second_us

Kind = Literal["stderr", "csv", "json"]
KINDS: tuple[Kind, ...] = ("stderr", "csv", "json")
"""From the poorest to the richest: a jsonlog has all that a csvlog has, and a csvlog what no prefix has."""

_TIME = (
    rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d{3}))?"
    rb" ([A-Za-z][A-Za-z_/+-]*\d*|[+-]\d\d(?::?\d\d)*)"
)
_TEXT = rb'[^"\\\x00-\x1f]{0,160}'
"""Of a message: up to the first character that any format escapes, so that it is the same bytes in all of them."""

_FIELD = rb'(?:"(?:[^"\n]|"")*"|[^",\n]*),'
_ROWS = {
    # Manual, "Using CSV-Format Log Output": the process is column 4, the message column 14.
    "csv": re.compile(
        rb"^" + _TIME + rb",(?:%b){2}(\d{1,10}),(?:%b){9}\"?(%b)" % (_FIELD, _FIELD, _TEXT),
        re.MULTILINE,
    ),
    # `write_jsonlog` in src/backend/utils/error/jsonlog.c writes its keys in this order.
    "json": re.compile(
        rb'^\{"timestamp": ?"'
        + _TIME
        + rb'"(?>[^\n]*?"pid": ?)(\d{1,10})(?!\d)(?>[^\n]*?"message": ?")('
        + _TEXT
        + rb")",
        re.MULTILINE,
    ),
}
_EXACT = re.compile(_TIME.replace(rb"))?", rb"))"))
_ROUGH = re.compile(_TIME)
_EPOCH = re.compile(rb"(?<![\d.])(\d{10})\.(\d{3})(?!\d)")
_PROCESS = (
    re.compile(rb"\b[0-9a-f]{8}\.([0-9a-f]+)\b"),
    re.compile(rb"\[(\d{1,10})\]"),
    re.compile(rb"\bp(?:id)?[=:] ?(\d{1,10})\b"),
    re.compile(rb"(?<![\w.])(\d{1,10})(?![\w.])"),
)
"""Where a process stands in a prefix: within a session's id (`%c`, hexadecimal), in brackets, named; or any number."""

_SAID = re.compile(rb"(?:[0-9A-Z]{5}: )?(" + _TEXT + rb")")
_LONGEST_HEAD = 400
_PARTS = frozenset(("DETAIL", "STATEMENT", "HINT", "CONTEXT", "QUERY", "BACKTRACE", "LOCATION"))
_ENGLISH = {mark: mark.removesuffix(":  ") for mark in ENGLISH_MARKS}
_LABELS = tuple(
    mark.encode() for marks in (_ENGLISH, *MARKS.values()) for mark, what in marks.items() if what in _PARTS
)
"""Begin the lines of a stderr log that belong to the record before: DETAIL, STATEMENT and the like, in any language."""


class Sighting(NamedTuple):
    """A record. `at_us` since the epoch, to the millisecond where `exact`, else to the second.

    `pids`: the process; of a stderr log without a usual place for it, all numbers that may be it, or none.
    """

    at_us: int
    exact: bool
    pids: frozenset[int]
    text: bytes


def sightings(kind: Kind, sample: bytes) -> Iterator[Sighting]:
    """The records that begin in `sample`, which begins and ends at line ends."""
    if kind == "stderr":
        yield from filter(None, map(_line, _lines_with_severity(sample)))
        return
    for row in _ROWS[kind].finditer(sample):
        second, fraction, zone, process, text = row.groups()
        at_us = _at_us(second, fraction, zone)
        if at_us is not None:
            yield Sighting(at_us, fraction is not None, frozenset((int(process),)), text.rstrip())


def kind_of_log(sample: bytes) -> Kind | None:
    """The format of a log, from its first lines; None if it is none whose records have times."""
    return next((kind for kind in reversed(KINDS) if next(sightings(kind, sample), None)), None)


def has_severities(sample: bytes) -> bool:
    """Whether text looks like a log at all, be it one without times."""
    return sum(1 for _ in _lines_with_severity(sample)) >= 5


def _lines_with_severity(sample: bytes) -> Iterator[bytes]:
    """The lines with a colon and two blanks, which follow every severity in every language, up to some of the message.

    Source: `send_message_to_server_log` in src/backend/utils/error/elog.c.
    """
    position = 0
    while (mark := sample.find(b":  ", position)) >= 0:
        start = sample.rfind(b"\n", position, mark) + 1 or position
        end = sample.find(b"\n", mark)
        position = end if end >= 0 else len(sample)
        if mark - start < _LONGEST_HEAD:
            yield sample[start : min(position, mark + _LONGEST_HEAD)]


def _line(line: bytes) -> Sighting | None:
    end = line.find(b":  ", 0, _LONGEST_HEAD)
    if end < 0 or line.endswith(_LABELS, 0, end + 3):
        return None
    head = line[:end]
    when = _EXACT.search(head) or _ROUGH.search(head)
    if when is not None:
        second, fraction, zone = when.groups()
        at_us = _at_us(second, fraction, zone)
    else:
        when = _EPOCH.search(head)
        if when is None:
            return None
        second, fraction = when.groups()
        at_us = int(second) * 1_000_000 + int(fraction) * 1000
    if at_us is None:
        return None
    said = _SAID.match(line, end + 3)
    pids = _processes(head[: when.start()] + b" " + head[when.end() :])
    return Sighting(at_us, fraction is not None, pids, said[1].rstrip() if said else b"")


def _processes(head: bytes) -> frozenset[int]:
    session, *named, anywhere = _PROCESS
    found = session.search(head)
    if found:
        return frozenset((int(found[1], 16),))
    for place in named:
        found = place.search(head)
        if found:
            return frozenset((int(found[1]),))
    return frozenset(map(int, anywhere.findall(head)))


def _at_us(second: bytes, fraction: bytes | None, zone: bytes) -> int | None:
    whole = second_us(second.decode(), zone.decode())
    return whole if whole is None else whole + int(fraction or 0) * 1000
