"""The escapes of `log_line_prefix`: from a setting to the pattern of the lines that it starts.

Source: PostgreSQL manual, "Error Reporting and Logging"; `src/backend/utils/error/elog.c`, log_status_format.
"""

import re

from advisor.errors import InputError

SEVERITIES = (
    "LOG|DETAIL|STATEMENT|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|HINT|CONTEXT|QUERY|LOCATION|BACKTRACE|DEBUG[1-5]?"
)

DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
ZONE = r"[A-Za-z]+(?:[+-]\d{1,2})?|<?[+-]\d\d(?:\d\d)?>?"
"""What strftime's `%Z` prints: `UTC`, `CEST`, `+02`, `-0330`, `<+03>`."""

# Named groups are the fields the readers ask for. A process that serves no client (the checkpointer, an autovacuum
# worker, a parallel worker) prints nothing for %a %u %d %r %h %i, one without a slot in shared memory nothing for %v,
# a leader nothing for %P. %x and %Q print 0 where there is none.
_FIXED = {
    "m": rf"(?P<second>{DATE})\.(?P<fraction>\d{{3}}) (?P<zone>{ZONE})",
    "t": rf"(?P<second>{DATE})(?:\.(?P<fraction>\d{{3}}))? (?P<zone>{ZONE})",
    "n": r"(?P<epoch>\d{9,11}(?:\.\d+)?)",
    "s": rf"(?:{DATE} (?:{ZONE}))?",
    "p": r"(?P<pid>\d+)",
    "P": r"\d*",
    "c": r"(?P<session>[0-9a-f]+\.[0-9a-f]+)",
    "l": r"\d+",
    "v": r"(?P<transaction>(?:-?\d+/\d+)?)",
    "x": r"\d*",
    "e": r"(?P<sqlstate>[0-9A-Z]{5})",
    "Q": r"(?P<query_id>(?:-?\d+)?)",
}
_GROUPS = r"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*"
_IP = (
    rf"\d{{1,3}}(?:\.\d{{1,3}}){{3}}|(?:{_GROUPS})?::(?:{_GROUPS})(?:\.\d{{1,3}}){{0,3}}(?:%\w+)?"
    r"|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7}|\[local\]|\[none\]"
)
_ADDRESSES = {"h": _IP, "L": _IP, "r": rf"(?:{_IP})(?:\(\d+\))?"}
_NAMES = {"u": "user", "d": "database"}
_TEXTS = {"a": "(?P<application>", "b": "(?:", "i": "(?:"}
"""May hold blanks, and whatever stands behind them in the prefix: as short as the rest of the pattern allows."""

_UNKNOWN = r"\[[^\n\[\]\d]+\]"
"""What stands for a name before the client has told it, in any language: it may hold the bracket that follows it."""

_LONGEST_TEXT = 120
"""Of an application's name, a kind of process or a command: NAMEDATALEN bounds them to 63 bytes."""

_ESCAPE = re.compile(r"%(-?\d*)([a-zA-Z%])")


def compile_prefix(prefix: str) -> str:
    """The pattern (as text, with named groups) of the lines that a `log_line_prefix` starts.

    Groups: second, fraction, zone or epoch; pid, session, transaction, sqlstate, query_id, application, user, database.
    Of an escape that stands there twice the first one counts, of `%m` and `%t` the former. Behind `%q` all is optional.

    Raises:
        InputError: an escape that PostgreSQL does not have.
    """
    parts: list[str] = []
    precise = any(letter == "m" for _, letter in _ESCAPE.findall(prefix))
    seen: set[str] = set()
    optional = False
    position = 0
    for escape in _ESCAPE.finditer(prefix):
        parts.append(re.escape(prefix[position : escape.start()]))
        position = escape.end()
        padding, letter = escape.groups()
        if letter == "q":
            if not optional:
                parts.append("(?:")
                optional = True
            continue
        pattern = _escape_pattern(letter, prefix, position, padded=bool(padding))
        names = set(re.findall(r"\?P<(\w+)>", pattern))
        if names & seen or (precise and letter == "t"):
            pattern = re.sub(r"\?P<\w+>", "?:", pattern)
        else:
            seen |= names
        parts.append(rf" *{pattern} *" if padding and letter != "%" else pattern)
    parts.append(re.escape(prefix[position:]))
    if optional:
        parts.append(")?")
    return "".join(parts)


def _escape_pattern(letter: str, prefix: str, position: int, *, padded: bool) -> str:
    if letter == "%":
        return "%"
    if letter in _FIXED:
        return _FIXED[letter]
    if letter in _TEXTS:
        return rf"{_TEXTS[letter]}[^\n]{{0,{_LONGEST_TEXT}}}?)"
    if letter not in _NAMES and letter not in _ADDRESSES:
        raise InputError(
            f"The log line prefix {prefix!r} has %{letter}, which PostgreSQL does not know.",
            hint="Give --prefix exactly as SHOW log_line_prefix prints it, with its trailing space.",
        )
    following = _following(prefix, position)
    # A name cannot be told from what comes after it but by the literal that follows: it must not hold that.
    text = rf"[^\n{re.escape(following)}]*" if following else rf"[^\n]{{0,{_LONGEST_TEXT}}}?"
    if padded and following:
        text += "?"
    if letter in _NAMES:
        return rf"(?P<{_NAMES[letter]}>{_UNKNOWN}|{text})"
    return rf"(?:{_ADDRESSES[letter]}|{text})"


def _following(prefix: str, position: int) -> str:
    """The literal character that comes next; empty where another field does, or nothing."""
    rest = prefix[position:].removeprefix("%q")
    if rest.startswith("%%"):
        return "%"
    return "" if rest.startswith("%") else rest[:1]
