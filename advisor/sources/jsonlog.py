"""The JSON log. Source: PostgreSQL manual, "Using JSON-Format Log Output" (15 and later): one object per line.

Rows of executions are taken apart by what they have in common: within a JSON string every quotation mark has a
backslash before it, so that `","` can only stand between two members. All other rows are orjson's.
"""

import re
from typing import Any

import orjson

from advisor.model.execution import Execution
from advisor.sources.messages import second_us, timestamp_us
from advisor.sources.record import Record
from advisor.sources.sink import STEPS, ZERO, Sink, Stream
from advisor.sources.tally import OVERSIZED_BYTES, Tally
from advisor.sources.text import decoded
from advisor.sources.timed import FRACTIONS, REMEMBERED, Durations

_FIELDS = (
    *("session_id", "dbname", "user", "application_name", "error_severity", "message", "detail", "statement"),
    *("state_code", "context", "hint"),
)
_TEXTS = frozenset((str, type(None)))

STARTS = re.compile(rb'\{\s*"')

_TIMESTAMP = re.compile(rb'"timestamp"\s*:\s*"([^"]+)"')

_MARK = b'"error_severity":"LOG","message":"duration: '
_HEAD = b'{"timestamp":"'
_TIME = len(_HEAD)
_SESSION = b',"session_id":"'
_PARAMETERS = (b'detail":"Parameters: ', b'detail":"parameters: ')
_APPLICATION, _BACKEND = b'application_name":"', b'backend_type":"'


class JsonReader:
    """Reads whole lines."""

    __slots__ = ("_base", "_durations", "_second", "_sessions", "_sink", "_tally", "_zone", "starts")

    def __init__(self, sink: Sink, tally: Tally) -> None:
        self.starts = STARTS
        self._sink = sink
        self._tally = tally
        self._durations = Durations()
        self._sessions: dict[tuple[bytes, bytes], Stream | None] = {}
        self._second = self._zone = b""
        self._base: int | None = None

    def forget(self) -> None:
        """Drops the streams it knows."""
        self._sessions.clear()

    def block(self, data: bytes) -> None:
        """Reads whole lines; every byte is counted."""
        unknown_before = self._tally.bytes_unknown
        self._read(data if data.endswith(b"\n") else data + b"\n")
        self._tally.accounted(len(data), unknown_before)
        self._sink.settle()

    def oversized(self, data: bytes) -> None:
        """Reads the beginning of a line whose message has no end."""
        whole = data.rstrip(b"\\")
        # The last escape may have lost its end: up to six bytes before it is whole.
        for cut in range(7):
            text = decoded(whole[: len(whole) - cut]) + '"}'
            if self._record(text.encode()):
                break
        self._sink.settle()

    def time(self, data: bytes) -> int | None:
        """When the line was written with which `data` begins."""
        found = _TIMESTAMP.search(data[:4096])
        return timestamp_us(found[1].decode("latin-1")) if found else None

    def _read(self, data: bytes) -> None:
        """Each turn has one line of an execution; others come with the line before them."""
        durations, build, execution = self._durations, tuple.__new__, Execution
        head, start = b"", False
        for piece in data.split(_MARK):
            body, _, following = piece.rpartition(b"\n")
            found = self._taken_apart(head, body) if start else None
            if found is None:
                if body:
                    self._others((head + _MARK if start else b"") + body)
            else:
                stream, at, written, message, detail = found
                duration = durations[written]
                if duration >= 0 and message.startswith(STEPS):
                    if stream.busy:
                        stream.step(duration)
                    else:
                        stream.session.steps_us += duration
                    head, start = following, True
                    continue
                known = None
                if duration >= 0 and len(message) <= OVERSIZED_BYTES:
                    known = (
                        stream.shapes.get(message.translate(ZERO))
                        or stream.texts.get(message)
                        or stream.recognise(message)
                    )
                if known is None:
                    self._others(head + _MARK + body)
                elif stream.busy:
                    stream.execution(known, at, duration, message, detail)
                else:
                    session = stream.session
                    if session.steps_us:
                        duration = session.with_steps(message, duration)
                    done = build(execution, (known, at, duration, message, detail, stream.context, None))
                    stream.append(done)
                    known.totals.append(done)
            head, start = following, True

    def _taken_apart(self, head: bytes, body: bytes) -> tuple[Stream, int, bytes, bytes, bytes | None] | None:
        """Session, time, duration, message and bind values of a line; None where it is of another shape."""
        if b"\n" in body:
            return None
        written, _, message = body.partition(b" ms  ")
        message, _, rest = message.partition(b'","')
        detail = None
        if rest.startswith(_PARAMETERS):
            detail, _, rest = rest[9:].partition(b'","')
            if b"\\" in detail:
                detail = _unescaped(detail)
        if b"\\" in message:
            message = _unescaped(message)
        if rest.startswith(_APPLICATION):
            application = rest[19:].partition(b'"')[0]
        elif rest.startswith(_BACKEND):
            application = b""
        else:
            return None
        if application.endswith(b"\\"):
            # It goes on behind an escaped quote.
            return None
        session = head.partition(_SESSION)[2].partition(b'"')[0]
        try:
            stream = self._sessions[session, application]
        except KeyError:
            stream = self._session(head, session, application)
        second, zone = head[_TIME : _TIME + 19], head[_TIME + 23 :].partition(b'"')[0]
        if second != self._second or zone != self._zone:
            self._second, self._zone = second, zone
            self._base = second_us(second.decode("latin-1"), zone[1:].decode("latin-1"))
        fraction = FRACTIONS.get(head[_TIME + 19 : _TIME + 23])
        if stream is None or fraction is None or self._base is None or not head.startswith(_HEAD):
            return None
        return stream, self._base + fraction, written, message, detail

    def _session(self, head: bytes, session: bytes, application: bytes) -> Stream | None:
        """The stream of a line's head, which ends with a comma; None where it does not tell."""
        entry = _loads(head.rstrip(b",") + b"}")
        stream = None
        if session and isinstance(entry, dict) and entry.get("session_id") == decoded(session):
            name = decoded(_unescaped(application))
            stream = self._sink.stream(
                decoded(session), entry.get("dbname") or None, entry.get("user") or None, name or None
            )
        if len(self._sessions) >= REMEMBERED:
            self._sessions.clear()
        self._sessions[session, application] = stream
        return stream

    def _others(self, data: bytes) -> None:
        """Lines of any kind."""
        for line in data.split(b"\n"):
            if line and not self._record(line) and line.strip():
                self._tally.not_understood(decoded(line), len(line) + 1)

    def _record(self, line: bytes) -> bool:
        """False where it is no line of a jsonlog."""
        entry = _loads(line)
        if not is_log_object(entry):
            return False
        at = timestamp_us(str(entry["timestamp"]))
        if at is None:
            return False
        get = entry.get
        values: list[Any] = [get(field) or None for field in _FIELDS]
        if not _TEXTS.issuperset(map(type, values)):
            values = [str(value) if value is not None else None for value in values]
        session, database, user, application, severity, message, detail, statement, sqlstate, context, hint = values
        if session is None:
            session = str(get("pid") or "")
        head = (at, session, database, user, application)
        parts = (detail, statement, sqlstate, context, hint)
        self._sink.record(Record._make((*head, severity or "", message or "", *parts)))
        return True


def is_log_object(entry: Any) -> bool:
    """Whether a decoded JSON value is a record of a jsonlog."""
    return isinstance(entry, dict) and "timestamp" in entry and ("error_severity" in entry or "message" in entry)


def _loads(line: bytes) -> Any:
    """The value; None where it is no JSON. A line in another encoding than UTF-8 is read as Latin-1."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        pass
    try:
        return orjson.loads(decoded(line).encode("utf-8", "replace"))
    except orjson.JSONDecodeError:
        return None


def _unescaped(text: bytes) -> bytes:
    """The bytes of a JSON string; itself where it is none."""
    value = _loads(b'"' + text + b'"')
    return value.encode("utf-8", "replace") if isinstance(value, str) else text
