"""The plain text log: `log_line_prefix`, a severity, a message, continuation lines that start with a tab."""

import re
from collections.abc import Iterable, Iterator

from advisor.errors import InputError
from advisor.model.event import Event
from advisor.sources.joiner import Joiner, Record
from advisor.sources.messages import localised_line, second_us
from advisor.sources.prefix import SEVERITIES, compile_prefix
from advisor.sources.tally import OVERSIZED_BYTES, Tally
from advisor.sources.timed import TimedReader

_HOT = ("step", "ms", "us", "body", "bound", "session", "pid", "transaction", "database", "user", "application")
_COLD = ("severity", "name", "state", "sqlstate")
_TIME = ("second", "zone", "fraction", "epoch")
"""Fields of a record, by when they are needed."""

_MAIN_SEVERITIES = "LOG|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|DEBUG[1-5]?"
"""Those that begin a record; a block is never cut between a record and its DETAIL."""

_PASSED_OVER = frozenset(("LOCATION", "HINT", "CONTEXT", "QUERY", "BACKTRACE"))
"""Parts of a record that say nothing about what ran."""

_LATIN1 = {0xDC00 + byte: byte for byte in range(128, 256)}
_KEEP_BYTES = 2 * OVERSIZED_BYTES
"""Of a record without end: enough for the first mebibyte of its statement in any encoding."""


def read(blocks: Iterable[bytes], tally: Tally, *, prefix: str) -> Iterator[Event]:
    """The events of a stderr log whose `log_line_prefix` is `prefix`; see `prefix.infer_prefix`.

    Every byte is counted in `tally`; lines that do not start with the prefix are counted as unknown.
    """
    joiner = Joiner(tally)
    reader = _Reader(joiner, tally, prefix)
    rest = b""
    skipped = False
    for block in blocks:
        data = rest + block
        cut = _record_boundary(data, reader.starts)
        if cut == 0 and len(data) > _KEEP_BYTES + len(block):
            # One record without end: its head is kept, its middle is counted as read and dropped.
            cut_off = data[_KEEP_BYTES : data.rfind(b"\n") + 1] or data[_KEEP_BYTES:]
            reader.drop(cut_off, part_of_record=reader.starts.match(data) is not None)
            tally.oversized += not skipped
            skipped = True
            rest = data[:_KEEP_BYTES] + data[_KEEP_BYTES + len(cut_off) :]
            continue
        rest = data[cut:]
        if cut:
            skipped = False
            reader.block(data[:cut])
            yield from joiner.events
            joiner.events.clear()
    if rest:
        reader.block(rest)
    joiner.finish()
    yield from joiner.events


def check_language(text: str, name: str) -> None:
    """Refuses a log in another language.

    Raises:
        InputError: it shows a line with a translated severity or duration, and none with English ones.
    """
    line = localised_line(text)
    if line and not re.search(r"(?:LOG|ERROR):  (?:[0-9A-Z]{5}: )?(?:duration|statement|execute|connection)", text):
        raise InputError(
            f"{name} is in another language than English.",
            why=f"Its messages are translated, as in {line!r}, and cannot be told apart reliably.",
            hint="Set lc_messages = 'C' in postgresql.conf and reload, or use log_destination = 'jsonlog' with it.",
        )


def _record_boundary(data: bytes, starts: re.Pattern[bytes]) -> int:
    """Where the last record begins: what is before it is complete. 0 where there is only one."""
    end = len(data)
    while True:
        newline = data.rfind(b"\n", 0, end)
        if newline < 0:
            return 0
        if starts.match(data, newline + 1):
            return newline + 1
        end = newline


class _Reader:
    """Hands blocks to the hot path; one regular expression finds, splits and classifies the records it leaves."""

    __slots__ = ("_cold", "_hot", "_joiner", "_pattern", "_tally", "_timed", "_times", "line", "starts")

    def __init__(self, joiner: Joiner, tally: Tally, prefix: str) -> None:
        head = compile_prefix(prefix)
        unnamed = re.sub(r"\?P<\w+>", "?:", head)
        # A DETAIL repeats the prefix of its record, time and all, but for the line number: comparing is quicker
        # than matching.
        again = unnamed if re.search(r"%-?\d*l", prefix) else "(?P=head)"
        self._pattern = re.compile(
            rf"^(?P<head>{head})(?P<severity>{SEVERITIES}):  (?:(?P<state>[0-9A-Z]{{5}}): )?"
            r"(?:duration: (?P<ms>\d+)\.(?P<us>\d{3}) ms(?:  (?=[a-z]))?)?"
            r"(?:(?P<step>statement|parse|bind|execute|plan)\b(?P<name>[^:\n]*):(?: |(?=\n)))?"
            r"(?P<body>[^\n]*(?:\n\t[^\n]*)*)(?:\n|\Z)"
            # A record's DETAIL is written together with it, so that it can only be the next line.
            rf"(?:{again}DETAIL:  (?P<bound>[Pp]arameters: [^\n]*(?:\n\t[^\n]*)*)(?:\n|\Z))?",
            re.MULTILINE,
        )
        names = self._pattern.groupindex
        # A field that the prefix lacks reads as the group after the last, which never takes part in a match.
        self._pattern = re.compile(self._pattern.pattern + r"(?:(?!)(x))?", re.MULTILINE)
        absent = self._pattern.groups
        self._hot = tuple(names.get(field, absent) for field in _HOT)
        self._cold = tuple(names.get(field, absent) for field in _COLD)
        self._times = tuple(names.get(field, absent) for field in _TIME)
        self._joiner = joiner
        self._tally = tally
        self._timed = TimedReader(prefix, joiner) if prefix.startswith(("%m ", "%t ")) else None
        self.starts = re.compile(rf"{unnamed}(?:{_MAIN_SEVERITIES}):  ".encode())
        self.line = 1

    def block(self, data: bytes) -> None:
        """Reads whole records."""
        raw = data.decode("utf-8", "surrogateescape")
        text = raw if raw.isascii() else _without_surrogates(raw)
        if "\r\n" in text:
            raw, text = raw.replace("\r\n", "\n"), text.replace("\r\n", "\n")
        unknown_before = self._tally.bytes_unknown

        def rest(start: int, end: int, line: int) -> int:
            self.line = line
            self._records(text, raw, start, end)
            return self.line

        if self._timed is None:
            rest(0, len(text), self.line)
        else:
            self.line = self._timed.read(text, self.line, rest)
        # Every byte that lies in no gap lies in a record.
        unknown = self._tally.bytes_unknown - unknown_before
        self._tally.classified(len(data) - unknown)

    def drop(self, data: bytes, *, part_of_record: bool) -> None:
        """Counts bytes that are not read: the middle of an oversized record, or of something that is none."""
        self.line += data.count(b"\n")
        if part_of_record:
            self._tally.classified(len(data))
        else:
            self._tally.not_understood(data[:1000].decode("utf-8", "replace"), len(data))

    def _gap(self, text: str, raw: str, start: int, end: int) -> None:
        gap = text[start:end]
        if gap.strip():
            self._tally.not_understood(gap, len(raw[start:end].encode("utf-8", "surrogateescape")))
        self.line += gap.count("\n")

    def _records(self, text: str, raw: str, start: int, end: int) -> None:
        """Feeds the joiner with the records of a span of `text`, which begins on a line."""
        groups, joiner = self._hot, self._joiner
        position = start
        for match in self._pattern.finditer(text, start, end):
            if match.start() != position:
                self._gap(text, raw, position, match.start())
            position = match.end()
            step, ms, us, body, bound, session, pid, transaction, database, user, application = match.group(*groups)
            line = self.line
            self.line = line + 1 if bound is None else line + 2 + bound.count("\n")
            if "\n" in body:
                self.line += body.count("\n")
                body = body.replace("\n\t", "\n")
            severity, name, state_code, sqlstate = match.group(*self._cold)
            key = session or pid or ""
            if severity == "DETAIL":
                joiner.detail(joiner.session(key), body)
                continue
            if severity in _PASSED_OVER:
                continue
            message = "" if ms is None else f"duration: {ms}.{us} ms" + ("  " if step else "")
            message += f"{step}{name or ''}: {body}" if step else body
            record = Record(
                at_us=self._time(match),
                session=key,
                transaction=transaction or None,
                database=database or None,
                user=user or None,
                application=application or None,
                line=line,
                severity=severity,
                message=message,
                detail=bound.replace("\n\t", "\n") if bound is not None else None,
                sqlstate=state_code or sqlstate or None,
            )
            joiner.feed(record)
            if ms is not None:
                # Its parameters came with it: nothing more is to be waited for.
                joiner.flush(joiner.session(key))
        if position < end:
            self._gap(text, raw, position, end)

    def _time(self, match: re.Match[str]) -> int | None:
        """Microseconds since the epoch, of a time or of an epoch with its fraction."""
        second, zone, fraction, epoch = match.group(*self._times)
        if second is None:
            return round(float(epoch) * 1_000_000) if epoch else None
        base = second_us(second, zone) if zone else None
        return base + int(fraction or 0) * 1000 if base is not None else None


def _without_surrogates(text: str) -> str:
    """Bytes that are not UTF-8 read as Latin-1, one character each, so that positions stay the same."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.translate(_LATIN1)
    return text
