"""The plain text log: `log_line_prefix`, a severity, a message, continuation lines that start with a tab."""

import re
from collections.abc import Iterable, Mapping

from advisor.sources.languages import Language
from advisor.sources.messages import second_us
from advisor.sources.prefix import SEVERITIES, compile_prefix
from advisor.sources.record import Record
from advisor.sources.sink import Sink
from advisor.sources.tally import Tally
from advisor.sources.text import decoded
from advisor.sources.timed import TimedReader

_FIELDS = ("mark", "state", "body", "session", "pid", "database", "user", "application", "sqlstate")
_TIME = ("second", "zone", "fraction", "epoch")

_PARTS: Mapping[str, str] = {"DETAIL": "detail", "STATEMENT": "statement", "CONTEXT": "context", "HINT": "hint"}
"""Lines that belong to the record before them, and what they are of it."""

_HEAD_BYTES = 4096
"""More than any prefix has."""

_PASSED_OVER = frozenset(("LOCATION", "QUERY", "BACKTRACE"))
"""Parts of a record that say nothing about what ran."""


class StderrReader:
    """Reads whole records; nearly all of them are the hot path's, one regular expression finds and splits the rest."""

    __slots__ = ("_fields", "_language", "_marks", "_pattern", "_sink", "_tally", "_timed", "_times", "starts")

    def __init__(self, sink: Sink, tally: Tally, prefix: str, language: Language | None = None) -> None:
        head = compile_prefix(prefix)
        self._marks = _marks(language)
        main = [mark for mark, meant in self._marks.items() if meant not in _PARTS and meant not in _PASSED_OVER]
        self._pattern = re.compile(
            rf"^{head}(?P<mark>{_alternatives(self._marks)})(?:(?P<state>[0-9A-Z]{{5}}): )?"
            r"(?P<body>[^\n]*(?:\n\t[^\n]*)*)(?:\n|\Z)",
            re.MULTILINE,
        )
        names = self._pattern.groupindex
        # A field that the prefix lacks reads as the group after the last, which never takes part in a match.
        self._pattern = re.compile(self._pattern.pattern + r"(?:(?!)(x))?", re.MULTILINE)
        absent = self._pattern.groups
        self._fields = tuple(names.get(field, absent) for field in _FIELDS)
        self._times = tuple(names.get(field, absent) for field in _TIME)
        self._language = language
        self._sink = sink
        self._tally = tally
        is_timed = prefix.startswith(("%m ", "%t ")) and language is None
        self._timed = TimedReader(prefix, sink) if is_timed else None
        unnamed = re.sub(r"\?P<\w+>", "?:", head)
        self.starts = re.compile(rf"{unnamed}(?:{_alternatives(main)})".encode())

    def block(self, data: bytes) -> None:
        """Reads whole records; every byte is counted."""
        unknown_before = self._tally.bytes_unknown
        text = data.replace(b"\r\n", b"\n") if b"\r\n" in data else data
        if self._timed is None:
            self._records(text)
        else:
            self._timed.read(text if text.endswith(b"\n") else text + b"\n", self._records)
        # Every byte that lies in no gap lies in a record.
        self._tally.accounted(len(data), unknown_before)
        self._sink.settle()

    def oversized(self, data: bytes) -> None:
        """Reads the beginning of a record."""
        self._records(data)
        self._sink.settle()

    def forget(self) -> None:
        """Drops what it remembers of sessions."""
        if self._timed is not None:
            self._timed.forget()

    def time(self, data: bytes) -> int | None:
        """When the record was written with which `data` begins."""
        match = self._pattern.match(decoded(data[:_HEAD_BYTES]))
        return self._time(match) if match is not None else None

    def _records(self, data: bytes) -> None:
        """Hands over the records of a text that begins on a line, each with the parts that follow it."""
        text = decoded(data)
        raw = ""
        position = 0
        record: Record | None = None
        for match in self._pattern.finditer(text):
            if match.start() != position:
                raw = raw or data.decode("utf-8", "surrogateescape")
                self._gap(raw[position : match.start()])
            position = match.end()
            mark, state, body, session, pid, database, user, application, sqlstate = match.group(*self._fields)
            if "\n" in body:
                body = body.replace("\n\t", "\n")
            if self._language is not None:
                body = self._language.english(body)
            severity = self._marks[mark]
            if severity in _PASSED_OVER:
                continue
            part = _PARTS.get(severity)
            if part is not None:
                if record is not None:
                    record = _with_part(record, part, body)
                continue
            if record is not None:
                self._sink.record(record)
            record = Record(
                at_us=self._time(match),
                session=session or pid or "",
                database=database or None,
                user=user or None,
                application=application or None,
                severity=severity,
                message=body,
                sqlstate=state or sqlstate or None,
            )
        if record is not None:
            self._sink.record(record)
        if position < len(text):
            self._gap((raw or data.decode("utf-8", "surrogateescape"))[position:])

    def _gap(self, raw: str) -> None:
        if raw.strip():
            gap = raw.encode("utf-8", "surrogateescape")
            self._tally.not_understood(decoded(gap), len(gap))

    def _time(self, match: re.Match[str]) -> int | None:
        """Microseconds since the epoch, of a time or of an epoch with its fraction."""
        second, zone, fraction, epoch = match.group(*self._times)
        if second is None:
            return round(float(epoch) * 1_000_000) if epoch else None
        base = second_us(second, zone) if zone else None
        return base + int(fraction or 0) * 1000 if base is not None else None


def _with_part(record: Record, part: str, text: str) -> Record:
    if part == "detail":
        return record._replace(detail=text)
    if part == "hint":
        return record._replace(hint=text)
    return record._replace(statement=text) if part == "statement" else record._replace(context=text)


def _marks(language: Language | None) -> Mapping[str, str]:
    """What stands between prefix and message, and the severity or part that it means."""
    words = [*SEVERITIES.replace("DEBUG[1-5]?", "DEBUG").split("|"), *(f"DEBUG{level}" for level in range(1, 6))]
    return {f"{word}:  ": word for word in words} | dict(language.marks if language is not None else {})


def _alternatives(marks: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(marks, key=len, reverse=True)))
