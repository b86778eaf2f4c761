"""The CSV log. Source: PostgreSQL manual, "Using CSV-Format Log Output"; 23 columns, 24 from 13, 26 from 14."""

import csv
import re
from collections.abc import Iterator, Sequence

from advisor.model.execution import Execution
from advisor.sources.messages import second_us, timestamp_us
from advisor.sources.record import Record
from advisor.sources.sink import STEPS, ZERO, Sink, Stream
from advisor.sources.tally import OVERSIZED_BYTES, Tally
from advisor.sources.text import decoded
from advisor.sources.timed import FRACTIONS, REMEMBERED, Durations

COLUMN_COUNTS = range(22, 28)
"""22 before 9.0 (no application name); 23 to 26 since; one more is accepted for what may come."""

_AT, _USER, _DATABASE, _PID, _SESSION, _TRANSACTION, _SEVERITY, _SQLSTATE = 0, 1, 2, 3, 5, 9, 11, 12
_MESSAGE, _DETAIL, _HINT, _CONTEXT, _QUERY, _APPLICATION = 13, 14, 15, 18, 19, 22

FIELD_LIMIT = 1 << 30
"""Of the csv module, whose default of 128 KiB is less than a long statement. The setting is the module's own."""

STARTS = re.compile(
    rb'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^,"\n]{1,40},(?:"(?:[^"\n]|"")*")?,(?:"(?:[^"\n]|"")*")?,\d+,'
)
"""A row's time, user, database and process; a text that a statement holds seldom looks so at the start of a line."""

_MARK = b',LOG,00000,"duration: '
_NO_DETAIL = b'",,,,,,,,,"'
"""Between a message and the application's name: no detail, hint, internal query, context, query, location."""
_DETAIL_ONLY = b'",,,,,,,,"'
_PARAMETERS = re.compile(rb'","([Pp]arameters: )')


class CsvReader:
    """Reads whole rows; those of executions by what they have in common, all others by the csv module."""

    __slots__ = ("_base", "_durations", "_second", "_sessions", "_sink", "_tally", "starts")

    def __init__(self, sink: Sink, tally: Tally) -> None:
        self.starts = STARTS
        self._sink = sink
        self._tally = tally
        self._durations = Durations()
        self._sessions: dict[bytes, tuple[bytes, bytes, bytes, Stream]] = {}
        self._second = b""
        self._base: int | None = None

    def forget(self) -> None:
        """Drops the streams it knows."""
        self._sessions.clear()

    def block(self, data: bytes) -> None:
        """Reads whole rows; every byte is counted."""
        unknown_before = self._tally.bytes_unknown
        self._read(data if data.endswith(b"\n") else data + b"\n")
        self._tally.accounted(len(data), unknown_before)
        self._sink.settle()

    def oversized(self, data: bytes) -> None:
        """Reads the beginning of a row whose message has no end."""
        for row in _rows(decoded(data) + '"\n'):
            self._record(row)
        self._sink.settle()

    def time(self, data: bytes) -> int | None:
        """When the row was written with which `data` begins."""
        return timestamp_us(data[:64].partition(b",")[0].decode("latin-1"))

    def _read(self, data: bytes) -> None:
        """Each turn has one row, from its head (`head`, what stands before the mark) to the next row's head."""
        durations, build, execution = self._durations, tuple.__new__, Execution
        pieces = data.split(_MARK)
        head, start = b"", False
        carried: list[bytes] = []
        for number, piece in enumerate(pieces, 1):
            body, _, following = piece.rpartition(b"\n")
            if number < len(pieces) and self.starts.match(following) is None:
                if head and not carried:
                    carried += (head, _MARK)
                carried += (piece, _MARK)
                start = False
                continue
            found = self._taken_apart(head, body) if start else None
            if found is None:
                if body or carried:
                    self._others((b"".join(carried) or (head and head + _MARK)) + body + b"\n")
            else:
                stream, at, written, message, detail = found
                duration = durations[written]
                if duration >= 0 and message.startswith(STEPS):
                    if stream.busy:
                        stream.step(duration)
                    else:
                        stream.session.steps_us += duration
                    head, start, carried = following, True, []
                    continue
                known = None
                if duration >= 0 and len(message) <= OVERSIZED_BYTES:
                    known = (
                        stream.shapes.get(message.translate(ZERO))
                        or stream.texts.get(message)
                        or stream.recognise(message)
                    )
                if known is None:
                    self._others(head + _MARK + body + b"\n")
                elif stream.busy:
                    stream.execution(known, at, duration, message, detail)
                else:
                    session = stream.session
                    if session.steps_us:
                        duration = session.with_steps(message, duration)
                    done = build(execution, (known, at, duration, message, detail, stream.context, None))
                    stream.append(done)
                    known.totals.append(done)
            head, start, carried = following, True, []

    def _taken_apart(self, head: bytes, body: bytes) -> tuple[Stream, int, bytes, bytes, bytes | None] | None:
        """Session, time, duration, message and bind values of a row; None where it is of another shape."""
        detail: bytes | None = None
        left, sign, rest = body.rpartition(_NO_DETAIL)
        if not sign:
            left, sign, rest = body.rpartition(_DETAIL_ONLY)
            parts = _PARAMETERS.split(left)
            if not sign or len(parts) != 3:
                return None
            left, detail = parts[0], _unquoted(parts[1] + parts[2])
            if detail is None:
                return None
        written, _, quoted = left.partition(b" ms  ")
        message = _unquoted(quoted)
        fields = head.split(b",", 6)
        application, _, others = rest.partition(b'"')
        if message is None or len(fields) < 7 or others.startswith(b'"') or b"\n" in others:
            return None
        known = self._sessions.get(fields[5])
        if known is None or known[0] != application or known[1] != fields[2] or known[2] != fields[1]:
            known = self._session(head, fields, application)
            if known is None:
                return None
        second = head[:19]
        if second != self._second:
            self._second = second
            self._base = second_us(second.decode("latin-1"), fields[0][24:].decode("latin-1"))
        fraction = FRACTIONS.get(head[19:23])
        if fraction is None or self._base is None:
            return None
        return known[3], self._base + fraction, written, message, detail

    def _session(
        self, head: bytes, fields: Sequence[bytes], application: bytes
    ) -> tuple[bytes, bytes, bytes, Stream] | None:
        row = next(iter(_rows(decoded(head) + "\n")), [])
        if len(row) < _SEVERITY or row[_SESSION].encode() != fields[5]:
            return None
        name = decoded(application)
        stream = self._sink.stream(row[_SESSION] or row[_PID], row[_DATABASE] or None, row[_USER] or None, name or None)
        if len(self._sessions) >= REMEMBERED:
            self._sessions.clear()
        found = self._sessions[fields[5]] = (application, fields[2], fields[1], stream)
        return found

    def _others(self, data: bytes) -> None:
        """Rows of any kind."""
        text = decoded(data)
        consumed: list[str] = []
        raw, position = "", 0
        for row in _rows(text, consumed):
            end = position + sum(map(len, consumed))
            if row and not self._record(row):
                raw = raw or data.decode("utf-8", "surrogateescape")
                unknown = raw[position:end].encode("utf-8", "surrogateescape")
                self._tally.not_understood(text[position:end], len(unknown))
            position = end
            consumed.clear()

    def _record(self, row: Sequence[str]) -> bool:
        """False where it is no row of a csvlog; one whose message was cut off has no columns behind it."""
        if len(row) not in COLUMN_COUNTS and len(row) != _MESSAGE + 1:
            return False
        at = timestamp_us(row[_AT])
        if at is None:
            return False
        row = [*row, *("" for _ in range(_APPLICATION + 1 - len(row)))]
        record = Record(
            at_us=at,
            session=row[_SESSION] or row[_PID],
            database=row[_DATABASE] or None,
            user=row[_USER] or None,
            application=row[_APPLICATION] or None,
            severity=row[_SEVERITY],
            message=row[_MESSAGE],
            detail=row[_DETAIL] or None,
            statement=row[_QUERY] or None,
            sqlstate=row[_SQLSTATE] or None,
            context=row[_CONTEXT] or None,
            hint=row[_HINT] or None,
        )
        self._sink.record(record)
        return True


def _unquoted(text: bytes) -> bytes | None:
    """What is between the quotes of a field; None where they are those of several fields."""
    if b'"' not in text:
        return text
    if b'"' in text.replace(b'""', b""):
        return None
    return text.replace(b'""', b'"')


def _rows(text: str, consumed: list[str] | None = None) -> Iterator[list[str]]:
    """The rows of a text, an empty one where the csv module gives up; `consumed` has the lines of the last one."""
    csv.field_size_limit(FIELD_LIMIT)
    lines = iter(text.splitlines(keepends=True)) if "\r" not in text else iter(re.findall(r"[^\n]*\n|[^\n]+", text))

    def counted() -> Iterator[str]:
        for line in lines:
            if consumed is not None:
                consumed.append(line)
            yield line

    rows = csv.reader(counted())
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield [""]
            rows = csv.reader(counted())
