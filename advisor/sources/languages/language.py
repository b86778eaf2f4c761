"""One language of a server log: its marks, and its messages in English."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

import orjson

from advisor.sources.languages.marks import ENGLISH_MARKS, MARKS, UNKNOWN

_FIELD = re.compile(r"\{(\d)([no]?)\}")
_PATTERNS = {"": "(.*?)", "n": r"(-?[\d.,:]{1,40})", "o": "(.+?)"}
"""Of the fields of a format: text, a number (with the language's decimal sign), an object that has a lock."""

_STATE = re.compile(r"[0-9A-Z]{5}: ")
_ON_SEVERAL_LINES = ("automatic ", "Process ")
"""Messages and details of which every line is a format of its own."""


@dataclass(frozen=True)
class _Form:
    """A message as it stands in the log (a pattern) and in English (text between numbered fields)."""

    pattern: re.Pattern[str]
    english: tuple[str, ...]
    """Text, field, text, …: fields as `group:kind`."""


class Language:
    """A language of PostgreSQL's messages, for a log whose `lc_messages` is not English.

    name: of PostgreSQL's catalogue, such as `de` or `pt_BR`.
    marks: what stands between prefix and message, colon and blanks included -> LOG, ERROR, DETAIL, STATEMENT and so on.
    severities: the same, without the ending colon and blanks: `ANWEISUNG` -> `STATEMENT`.
    unknown: what the prefix says for a user, database or application that is not known yet.

    Source: `src/backend/po/<name>.po` of PostgreSQL 15 (pt_BR: 9.4). What auto_explain writes is never translated.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.marks: Mapping[str, str] = MARKS[name]
        self.severities: Mapping[str, str] = {mark.rstrip(" ").rstrip(":"): mean for mark, mean in self.marks.items()}
        self.unknown = UNKNOWN[name]

    def __repr__(self) -> str:
        return f"Language({self.name!r})"

    @cached_property
    def formats(self) -> Mapping[str, str]:
        """English format -> the language's own, with numbered fields: `{1}` text, `{1n}` number, `{1o}` object."""
        text = (files("advisor.sources.languages") / f"{self.name}.json").read_bytes()
        found: dict[str, str] = orjson.loads(text)
        return found

    @cached_property
    def own_marks(self) -> tuple[str, ...]:
        """Those that English has not, longest first."""
        return tuple(sorted(set(self.marks) - ENGLISH_MARKS, key=len, reverse=True))

    @cached_property
    def duration_mark(self) -> bytes:
        """What the log writes for `LOG:  duration: ` of a statement, in UTF-8."""
        log = next(mark for mark, mean in self.marks.items() if mean == "LOG")
        return (log + self.formats["duration: {1n} ms  statement: {2}"].partition("{")[0]).encode()

    @cached_property
    def steps(self) -> Mapping[str, str]:
        """The word behind a duration -> statement, parse, bind, execute, plan. A word may stand behind the name."""
        found = {"plan": "plan"}
        for step in ("statement", "parse", "bind", "execute"):
            english = next(
                key
                for key in self.formats
                if key.startswith((f"duration: {{1n}} ms  {step} {{", f"duration: {{1n}} ms  {step}:"))
            )
            behind = self.formats[english].partition("{1n}")[2]
            words = re.sub(r"\{\d\w?\}", "\0", behind.replace(": {2}", "").replace(": {3}", ""))
            word = re.sub(r"^\s*\S+\s+", "", words).replace("\0", "").strip(" :,")
            found[word] = step
        return found

    @cached_property
    def message_heads(self) -> tuple[str, ...]:
        """How the messages of the severity LOG begin, up to their first field: they tell the language."""
        found = {local.partition("{")[0] for english, local in self.formats.items() if english[0].islower()}
        return tuple(sorted(head for head in found if len(head) > 1 and not head.startswith(self._english_heads)))

    @cached_property
    def _english_heads(self) -> tuple[str, ...]:
        return tuple({english.partition("{")[0] for english in self.formats} - {""})

    @cached_property
    def _forms(self) -> Mapping[str, tuple[_Form, ...]]:
        """By the first letter of the message ("" where it begins with a field); those with most text first."""
        forms: dict[str, list[_Form]] = {}
        for english, local in sorted(self.formats.items(), key=lambda item: -len(_FIELD.sub("", item[1]))):
            form = _Form(_pattern(local), _parts(english, local))
            forms.setdefault("" if local.startswith("{") else local[0], []).append(form)
        return {first: tuple(found) for first, found in forms.items()}

    def english(self, message: str) -> str:
        """A message or detail as an English server would have written it; unchanged where it is not one of `formats`.

        With `log_error_verbosity = verbose`, an SQLSTATE before it stays.
        """
        state = _STATE.match(message)
        head, body = (state[0], message[state.end() :]) if state else ("", message)
        return head + (self._line(body) or self._lines(body) or self._other_case(body) or body)

    def _line(self, message: str) -> str | None:
        for first in (message[:1], ""):
            for form in self._forms.get(first, ()):
                found = form.pattern.fullmatch(message)
                if found:
                    return self._filled(form.english, found)
        return None

    def _lines(self, message: str) -> str | None:
        first, *others = message.split("\n")
        english = self._line(first) if others else None
        if english is None or not english.startswith(_ON_SEVERAL_LINES):
            return None
        return "\n".join((english, *(self._line(line) or line for line in others)))

    def _other_case(self, message: str) -> str | None:
        """Since PostgreSQL 16 the detail with the parameters is a sentence, and begins with a capital."""
        if not message[:1].isupper():
            return None
        english = self._line(message[0].lower() + message[1:])
        return english if english and english.startswith("parameters: ") else None

    def _filled(self, english: tuple[str, ...], found: re.Match[str]) -> str:
        parts = []
        for number, part in enumerate(english):
            if number % 2 == 0:
                parts.append(part)
                continue
            group, _, kind = part.partition(":")
            value = found[int(group)]
            if kind == "n":
                value = value.replace(",", ".")
            elif kind == "o":
                value = self._line(value) or value
            parts.append(value)
        return "".join(parts)


def _pattern(local: str) -> re.Pattern[str]:
    """Of a whole message."""
    pieces = _FIELD.split(local)
    parts = [re.escape(_plain(pieces[0]))]
    for position in range(1, len(pieces), 3):
        kind, text = pieces[position + 1], re.escape(_plain(pieces[position + 2]))
        if kind != "n":
            parts.append("")
        parts[-1] += _PATTERNS[kind] + text
    # A field of any text ends where what follows it is first met, for good: else the fields of a message that is none
    # of these would be tried at each of their places with each place of the others.
    first, *texts = parts
    return re.compile("".join((first, *(f"(?>{text})" for text in texts[:-1]), *texts[-1:])), re.DOTALL)


def _parts(english: str, local: str) -> tuple[str, ...]:
    order = [number for number, _ in _FIELD.findall(local)]
    pieces = _FIELD.split(english)
    parts = [_plain(pieces[0])]
    for position in range(1, len(pieces), 3):
        group = order.index(pieces[position]) + 1
        parts += [f"{group}:{pieces[position + 1]}", _plain(pieces[position + 2])]
    return tuple(parts)


def _plain(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")
