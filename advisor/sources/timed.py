"""The hot path of the stderr log: records that begin with a duration, nearly all of a busy log.

A block is split where they begin, not line by line and not by a regular expression; what the log repeats (the head
behind its time, the duration, the text with its digits taken out) is looked up instead of being taken apart again.
Whatever is not of the usual shape is left to `stderr`, which knows every kind of record.
"""

import re
from collections.abc import Callable, Mapping

from advisor.model.execution import Execution
from advisor.sources.messages import DURATION_DIGITS, second_us
from advisor.sources.prefix import compile_prefix
from advisor.sources.sink import STEPS, ZERO, Sink, Stream
from advisor.sources.tally import OVERSIZED_BYTES

_MARK = b"LOG:  duration: "
_DETAIL = b"DETAIL:  "
_PARAMETERS = (b"Parameters: ", b"parameters: ")
_SECOND = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")

REMEMBERED = 1 << 14
"""Heads and durations remembered. Emptied when full: sessions come and go."""

REMEMBERED_DURATIONS = 1 << 16
"""Six megabytes of them: all up to 65 ms."""

FRACTIONS = {b".%03d" % number: number * 1000 for number in range(1000)}
_NO_FRACTION = {b"": 0}

_VARYING = re.compile(r"%-?\d*[lvxsiQe]")
"""Escapes whose value differs from record to record of one session: such heads are matched, not looked up."""

_Head = tuple[Stream, str]
"""A session, and the time zone of its record's time."""


class Durations(dict[bytes, int]):
    """Microseconds of `12.345` (milliseconds); negative where it is no duration."""

    __slots__ = ()

    def __missing__(self, text: bytes) -> int:
        digits = text.replace(b".", b"", 1)
        if text[-4:-3] != b"." or not 4 <= len(digits) <= DURATION_DIGITS or not digits.isdigit():
            return -1
        if len(self) >= REMEMBERED_DURATIONS:
            self.clear()
        duration = self[text] = int(digits)
        return duration


class _Times(dict[bytes, int]):
    """Microseconds since the epoch by the text of a time, in `zone`; negative where it is none.

    Many records of a busy log are of one millisecond; a slow log's are few.
    """

    __slots__ = ("_fractions", "zone")

    def __init__(self, fractions: Mapping[bytes, int]) -> None:
        super().__init__()
        self._fractions = fractions
        self.zone = ""

    def enter(self, zone: str) -> None:
        """From now on times are of this zone."""
        self.clear()
        self.zone = zone

    def __missing__(self, text: bytes) -> int:
        second, fraction = text[:19], self._fractions.get(text[19:])
        base = second_us(second.decode("ascii"), self.zone) if _SECOND.fullmatch(second) else None
        at = base + fraction if base is not None and fraction is not None else -1
        if len(self) >= REMEMBERED:
            self.clear()
        self[text] = at
        return at


class _Heads(dict[bytes, "_Head | None"]):
    """By the head's text behind its time; None where that does not follow the prefix."""

    __slots__ = ("_match", "_remembered", "_sink")

    def __init__(self, pattern: str, sink: Sink, *, remembered: int) -> None:
        super().__init__()
        self._match = re.compile(pattern.encode()).fullmatch
        self._sink = sink
        self._remembered = remembered

    def __missing__(self, tail: bytes) -> _Head | None:
        found = self._match(tail)
        if found is None:
            return None
        fields = {name: value.decode("utf-8", "replace") for name, value in found.groupdict().items() if value}
        get = fields.get
        stream = self._sink.stream(get("session") or get("pid") or "", get("database"), get("user"), get("application"))
        head = stream, get("zone") or ""
        if self._remembered:
            if len(self) >= self._remembered:
                self.clear()
            self[tail] = head
        return head


Rest = Callable[[bytes], None]
"""Reads whole records of any kind."""


class TimedReader:
    """Reads blocks of a log whose prefix begins with `%m` or `%t`."""

    __slots__ = ("_cut", "_durations", "_heads", "_times")

    def __init__(self, prefix: str, sink: Sink) -> None:
        with_fraction = prefix.startswith("%m")
        # Behind the time, whose place is known, the prefix goes on with the zone.
        tail = compile_prefix(prefix).partition(" (?P<zone>")
        self._cut = 23 if with_fraction else 19
        self._times = _Times(FRACTIONS if with_fraction else _NO_FRACTION)
        self._heads = _Heads(tail[1] + tail[2], sink, remembered=0 if _VARYING.search(prefix) else REMEMBERED)
        self._durations = Durations()

    def forget(self) -> None:
        """Drops the streams it knows: those of sessions that are gone must not be used."""
        self._heads.clear()

    def read(self, data: bytes, rest: Rest) -> None:  # noqa: C901  one loop: a call per record costs too much
        """Reads whole records; `data` ends with a line end.

        Each turn has one record, from its head (`start`, with the mark) to where the next valid head begins. What
        comes before the first mark, and a mark in the middle of a text, make a turn without a stream (`found`).
        """
        heads, durations = self._heads, self._durations
        cut, times = self._cut, self._times
        build, execution = tuple.__new__, Execution
        head, at, next_at = b"", 0, 0
        found: _Head | None = None
        next_found: _Head | None
        carried: list[bytes] = []
        for piece in data.split(_MARK):
            body, _, following = piece.rpartition(b"\n")
            if following == head and found is not None:
                next_found = found
            else:
                next_found = heads[following[cut:]]
                if next_found is not None:
                    if next_found[1] != times.zone:
                        times.enter(next_found[1])
                    next_at = times[following[:cut]]
                    if next_at < 0:
                        next_found = None
            if next_found is None and following:
                if head and not carried:
                    carried += (head, _MARK)
                carried += (piece, _MARK)
                found = None
                continue
            if found is None:
                if body or carried:
                    rest((b"".join(carried) or (head and head + _MARK)) + body + b"\n")
                head, found, at, carried = following, next_found, next_at, []
                continue
            stream = found[0]
            written, _, message = body.partition(b" ms  ")
            duration = durations[written]
            if message.startswith(STEPS):
                if duration >= 0 and (b"\n" not in message or _is_whole(message, head)):
                    if stream.busy:
                        stream.step(duration)
                    else:
                        stream.session.steps_us += duration
                else:
                    rest(head + _MARK + body + b"\n")
                head, found, at = following, next_found, next_at
                continue
            detail = None
            if b"\n" in message:
                message, detail, whole = _lines(message, head, heads, cut)
                if not whole:
                    duration = -1
            known = None
            if duration >= 0 and len(message) <= OVERSIZED_BYTES:
                known = (
                    stream.shapes.get(message.translate(ZERO)) or stream.texts.get(message) or stream.recognise(message)
                )
            if known is None:
                rest(head + _MARK + body + b"\n")
            elif stream.busy:
                stream.execution(known, at, duration, message, detail)
            else:
                session = stream.session
                if session.steps_us:
                    duration = session.with_steps(message, duration)
                done = build(execution, (known, at, duration, message, detail, stream.context, None))
                stream.append(done)
                known.totals.append(done)
            head, found, at = following, next_found, next_at


def _is_whole(message: bytes, head: bytes) -> bool:
    """Whether the lines of a step are all its own: its text's, and the DETAIL with its parameters."""
    others = message.count(b"\n") - message.count(b"\n\t")
    return others == 0 or (others == 1 and b"\n" + head + _DETAIL in message)


def _lines(message: bytes, head: bytes, heads: _Heads, cut: int) -> tuple[bytes, bytes | None, bool]:
    """A message of several lines: its text, the DETAIL that was written with it, and whether that is all there is."""
    message, _, detail = message.partition(b"\n" + head + _DETAIL)
    if not detail and _DETAIL in message:
        # A DETAIL repeats the head of its record, but for the line number (%l).
        text, _, detail = message.rpartition(_DETAIL)
        message, _, again = text.rpartition(b"\n")
        if heads[again[cut:]] is None:
            return message, None, False
    whole = True
    if detail:
        if b"\n" in detail:
            whole = detail.count(b"\n") == detail.count(b"\n\t")
            detail = detail.replace(b"\n\t", b"\n")
        whole = whole and detail.startswith(_PARAMETERS)
    if b"\n" in message:
        whole = whole and message.count(b"\n") == message.count(b"\n\t")
        message = message.replace(b"\n\t", b"\n")
    return message, detail or None, whole
