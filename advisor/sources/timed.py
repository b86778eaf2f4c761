"""The hot path of the stderr log: records that begin with a duration, nearly all of a busy log.

A block is split where they begin, not line by line and not by a regular expression; what the log repeats (the head
behind its time, the step, the duration) is looked up in a table instead of being taken apart again. Whatever is not
of the usual shape is left to `stderr`, which knows every kind of record, as a span of the text.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from advisor.model.event import Event
from advisor.sources.joiner import Joiner, Session
from advisor.sources.messages import second_us
from advisor.sources.prefix import compile_prefix
from advisor.sources.tally import OVERSIZED_BYTES

_MARK = "LOG:  duration: "

_DETAIL = "DETAIL:  "
_MARK_LENGTH = len(_MARK)
_PARAMETERS = ("Parameters: ", "parameters: ")
_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)

_STEP = re.compile(r"(statement|parse|bind|execute)\b[^:\n]*")
_DURATION = re.compile(r"(\d+)\.(\d{3})")

_REMEMBERED = 1 << 14
"""Heads, steps and durations remembered. Emptied when full: transactions and prepared statements come and go."""

_FRACTIONS = {f".{number:03d}": number * 1000 for number in range(1000)}
_NO_FRACTION = {"": 0}


class _Context(NamedTuple):
    """What a head says behind its time."""

    state: Session
    zone: str | None
    session: str
    transaction: str | None
    database: str | None
    user: str | None
    application: str | None


class _Contexts(dict[str, _Context | None]):
    """By the head's text behind its time; None where that does not follow the prefix."""

    __slots__ = ("_joiner", "_pattern")

    def __init__(self, pattern: str, joiner: Joiner) -> None:
        super().__init__()
        self._pattern = re.compile(pattern)
        self._joiner = joiner

    def __missing__(self, tail: str) -> _Context | None:
        found = self._pattern.fullmatch(tail)
        if found is None:
            return None
        field = found.groupdict().get
        key = field("session") or field("pid") or ""
        context = _Context(
            self._joiner.session(key),
            field("zone"),
            key,
            field("transaction") or None,
            field("database") or None,
            field("user") or None,
            field("application") or None,
        )
        if len(self) >= _REMEMBERED:
            self.clear()
        self[tail] = context
        return context


class _Steps(dict[str, str]):
    """`execute <unnamed>` is an `execute`; what is no step is empty."""

    __slots__ = ()

    def __missing__(self, text: str) -> str:
        found = _STEP.fullmatch(text)
        if found is None:
            return ""
        if len(self) >= _REMEMBERED:
            self.clear()
        self[text] = found[1]
        return found[1]


class _Durations(dict[str, int]):
    """Microseconds of `12.345` (milliseconds); negative where it is no duration."""

    __slots__ = ()

    def __missing__(self, text: str) -> int:
        found = _DURATION.fullmatch(text)
        if found is None:
            return -1
        if len(self) >= _REMEMBERED:
            self.clear()
        duration = self[text] = int(found[1]) * 1000 + int(found[2])
        return duration


Rest = Callable[[int, int, int], int]
"""Reads a span of the text (start, end) that begins on a line; gives the number of the line after it."""


class TimedReader:
    """Reads blocks of a log whose prefix begins with `%m` or `%t`."""

    __slots__ = ("_base", "_contexts", "_cut", "_durations", "_fractions", "_joiner", "_second", "_steps", "_zone")

    def __init__(self, prefix: str, joiner: Joiner) -> None:
        with_fraction = prefix.startswith("%m")
        # Behind the time, whose place is known, the prefix goes on with the zone.
        tail = compile_prefix(prefix).partition(" (?P<zone>")
        self._cut = 23 if with_fraction else 19
        self._fractions = _FRACTIONS if with_fraction else _NO_FRACTION
        self._contexts = _Contexts(tail[1] + tail[2], joiner)
        self._steps = _Steps()
        self._durations = _Durations()
        self._joiner = joiner
        self._second = ""
        self._zone: str | None = None
        self._base: int | None = None

    def read(self, text: str, line: int, rest: Rest) -> int:  # noqa: C901  one loop: a call per record costs too much
        """Reads whole records, the first of which begins on `line`; gives the number of the line after them.

        Each turn knows the head of a record and finds its end, which is where the next valid head begins. Records of
        another shape make up a span, which the next one of the usual shape ends.
        """
        joiner, contexts, steps, durations = self._joiner, self._contexts, self._steps, self._durations
        cut, fractions, second, zone = self._cut, self._fractions, self._second, self._zone
        append, build, take_steps = joiner.events.append, tuple.__new__, joiner.take_steps
        span, start, position = -1, 0, -len(_MARK)
        following, next_at = "", 0
        next_context: _Context | None = None
        for piece in text.split(_MARK):
            head, context, at, begin = following, next_context, next_at, start
            body, _, following = piece.rpartition("\n")
            position += len(piece) + _MARK_LENGTH
            start = position - len(following)
            if following != head:
                next_context = contexts[following[cut:]]
                if next_context is not None:
                    if following[:19] != second or next_context[1] != zone:
                        second, zone = following[:19], next_context[1]
                        self._new_second(second, zone)
                    microseconds = fractions.get(following[19:cut])
                    if microseconds is None or self._base is None:
                        next_context = None
                    else:
                        next_at = self._base + microseconds
            written, _, message = body.partition(" ms  ")
            step, _, sql = message.partition(": ")
            step, duration = steps[step], durations[written]
            lines, bound = 1, None
            if "\n" in sql:
                if _DETAIL in sql:
                    sql, _, bound = sql.partition(_DETAIL)
                    # It repeats the head of its record, time and all.
                    end = -1 - len(head)
                    if not sql.endswith(head) or sql[end : end + 1] != "\n" or not bound.startswith(_PARAMETERS):
                        step = ""
                    sql = sql[:end]
                    lines = 2
                    if "\n" in bound:
                        lines += bound.count("\n")
                        if bound.count("\n\t") != lines - 2:
                            step = ""
                        bound = bound.replace("\n\t", "\n")
                if "\n" in sql:
                    count = sql.count("\n")
                    lines += count
                    if sql.count("\n\t") != count:
                        step = ""
                    sql = sql.replace("\n\t", "\n")
            if (
                context is None
                or not step
                or duration < 0
                or (next_context is None and following)
                or len(sql) > OVERSIZED_BYTES
            ):
                if span < 0:
                    span = begin
                continue
            if span >= 0:
                line = rest(span, begin, line)
                span = -1
            state, _, session, transaction, database, user, application = context
            if step == "parse" or step == "bind":
                joiner.step(state, duration)
            else:
                if state.steps_us or state.pending:
                    steps_us = take_steps(state)
                    if step == "execute":
                        duration += steps_us
                event = (
                    "statement", at, session, transaction, database, user, application,
                    sql.strip().rstrip("; \n\t"), bound, duration, None, None, None, line, None, None, 1,
                )  # fmt: skip
                append(build(Event, event))
            line += lines
        return rest(span, len(text), line) if span >= 0 else line

    def _new_second(self, second: str, zone: str | None) -> None:
        self._second, self._zone = second, zone
        self._base = second_us(second, zone) if zone is not None and _DATE.fullmatch(second) else None
