"""`log_line_prefix`: from its setting to a pattern, and from a log's own lines to its setting.

Source: PostgreSQL manual, "Error Reporting and Logging", the escapes of `log_line_prefix`.
"""

import re
from collections.abc import Iterator, Sequence

from advisor.errors import InputError, UnknownPrefix

SAMPLE_LINES = 400
"""Lines on which candidates are tried: enough to meet background processes, a few milliseconds of work."""

ENOUGH_MATCHED = 0.6
"""Share of the lines with a severity that a prefix must match: the rest may come from another server or program."""

SEVERITIES = (
    "LOG|DETAIL|STATEMENT|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|HINT|CONTEXT|QUERY|LOCATION|BACKTRACE|DEBUG[1-5]?"
)

COMMON = (
    "%m [%p] ",
    "%m [%p] %q%u@%d ",
    "%m [%p] %q%u@%d/%a ",
    "%m [%p] %q%u@%d %a ",
    "%m [%p] %q[user=%u,db=%d,app=%a] ",
    "%m [%p] %quser=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: user=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: [%l-1] db=%d,user=%u,app=%a,client=%h ",
    "%m [%p] %c %v %e ",
    "%m %u@%d/%a [%p] ",
    "%t ",
    "%t [%p] ",
    "%t [%p]: ",
    "%t [%p]: [%l-1] ",
    "%t [%p]: user=%u,db=%d,app=%a,client=%h ",
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%t [%p]: [%l-1] user=%u,db=%d,client=%h ",
    "%t [%p]: [%l-1] user=%u,db=%d ",
    "%t [%p]: [%l-1] db=%d,user=%u,app=%a,client=%h ",
    "%t [%p]: [%l-1] %u@%d ",
    "%t [%p-%l] %q%u@%d ",
    "%t:%r:%u@%d:[%p]:",
    "%t:%h:%u@%d:[%p]:",
    "%m:%r:%u@%d:[%p]:",
    "%n [%p] ",
    "%n [%p] %q%u@%d ",
    "%c %l %m ",
    "",
)
"""Defaults of PostgreSQL, Debian, RDS, pgBadger's manual and the like; tried before anything is inferred."""

_DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_ZONE = r"[A-Za-z][A-Za-z_/+-]*\d*|[+-]\d\d(?::?\d\d)*"

# Without the literal that follows, the values of %a, %u and %d cannot be told from what comes after them:
# they are excluded from containing it (see `_free`). Named groups are the fields the reader asks for.
_FIXED = {
    "m": rf"(?P<second>{_DATE})\.(?P<fraction>\d{{3}}) (?P<zone>{_ZONE})",
    "t": rf"(?P<second>{_DATE})(?:\.(?P<fraction>\d{{3}}))? (?P<zone>{_ZONE})",
    "n": r"(?P<epoch>\d{9,11}(?:\.\d+)?)",
    "s": rf"(?:{_DATE} (?:{_ZONE}))?",
    "p": r"(?P<pid>\d+)",
    "P": r"\d*",
    "c": r"(?P<session>[0-9a-f]+\.[0-9a-f]+)",
    "l": r"\d+",
    "v": r"(?P<transaction>(?:-?\d+/\d+)?)",
    "x": r"\d*",
    "e": r"(?P<sqlstate>[0-9A-Z]{5})",
    "Q": r"-?\d*",
    "%": "%",
}
_FREE = {"a": "application", "u": "user", "d": "database", "r": "", "h": "", "L": "", "b": "", "i": ""}
_ESCAPE = re.compile(r"%(-?\d*)([a-zA-Z%])")


def compile_prefix(prefix: str) -> str:
    """The pattern (as text, with named groups) of the lines that a `log_line_prefix` starts.

    Groups: second, fraction, zone or epoch; pid, session, transaction, sqlstate, application, user, database.

    Raises:
        InputError: an escape that PostgreSQL does not have.
    """
    parts: list[str] = []
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
        pattern = _escape_pattern(letter, prefix[position:], prefix)
        name = re.search(r"\?P<(\w+)>", pattern)
        if name and name[1] in seen:
            pattern = re.sub(r"\?P<\w+>", "?:", pattern)
        elif name:
            seen.add(name[1])
        parts.append(rf" *{pattern} *" if padding else pattern)
    parts.append(re.escape(prefix[position:]))
    if optional:
        parts.append(")?")
    return "".join(parts)


def _escape_pattern(letter: str, rest: str, prefix: str) -> str:
    if letter in _FIXED:
        return _FIXED[letter]
    if letter not in _FREE:
        raise InputError(
            f"The log line prefix {prefix!r} has %{letter}, which PostgreSQL does not know.",
            hint="Give --prefix exactly as SHOW log_line_prefix prints it, with its trailing space.",
        )
    name = _FREE[letter]
    group = f"?P<{name}>" if name else "?:"
    following = rest[:1]
    if letter in "ai" or not following or following == "%":
        return rf"({group}[^\n]{{0,120}}?)"
    return rf"({group}[^\n{re.escape(following)}]*)"


def infer_prefix(text: str, name: str = "the log") -> str:
    """The `log_line_prefix` of a log, from its first lines.

    Raises:
        UnknownPrefix: nothing matches enough lines; names the first line, the best guess and the flag.
    """
    lines = [line for line in text.split("\n")[: 20 * SAMPLE_LINES] if line[:1] not in ("\t", "")][:SAMPLE_LINES]
    heads = list(_heads(lines))
    # Lines without a severity are foreign to the log: a wrapper's output, or what damage left.
    lines = [line for line in lines if _HEAD.match(line)] or lines
    best, score = _best(COMMON, lines)
    if score < 1:
        inferred, inferred_score = _best(tuple(dict.fromkeys(_structural(heads))), lines)
        if inferred_score > score + _TIE:
            best, score = inferred, inferred_score
    if score < ENOUGH_MATCHED:
        first = lines[0][:200] if lines else ""
        raise UnknownPrefix(
            f"The line prefix of {name} is not one that can be inferred.",
            why=f"Its first line is {first!r}; the best guess, {best!r}, fits {score:.0%} of the lines looked at.",
            hint="Run SHOW log_line_prefix on the server and give it: --prefix '%m [%p] '",
        )
    return best


_TIE = 0.002
"""Shares this close are equal: one odd line must not make a prefix with fewer fields win."""


def _best(candidates: Sequence[str], lines: Sequence[str]) -> tuple[str, float]:
    """The candidate that fits most lines, of equal ones the first with the most fields; and its share."""
    best, score, richness = "", 0.0, 0
    for candidate in candidates:
        matched, rich = _fit(candidate, lines)
        if matched > score + _TIE or (matched > score - _TIE and rich > richness):
            best, score, richness = candidate, matched, rich
    return best, score


def _fit(prefix: str, lines: Sequence[str]) -> tuple[float, int]:
    """Share (0 to 1) of the lines that `prefix` and a severity start, and how many fields they give."""
    pattern = re.compile(compile_prefix(prefix) + rf"(?:{SEVERITIES}):  ")
    found = [match for match in map(pattern.match, lines) if match]
    named = {name for match in found for name, value in match.groupdict().items() if value is not None}
    return len(found) / len(lines) if lines else 0.0, len(named)


_HEAD = re.compile(rf"^(.{{0,300}}?)(?:{SEVERITIES}):  ")


def _heads(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        head = _HEAD.match(line)
        if head:
            yield head[1]


_KEYS = {
    "user": "%u",
    "usr": "%u",
    "u": "%u",
    "db": "%d",
    "database": "%d",
    "d": "%d",
    "app": "%a",
    "application": "%a",
    "appname": "%a",
    "a": "%a",
    "client": "%h",
    "host": "%h",
    "remote": "%r",
    "h": "%h",
    "r": "%r",
    "pid": "%p",
    "p": "%p",
    "session": "%c",
    "sid": "%c",
    "line": "%l",
    "l": "%l",
    "vxid": "%v",
    "txid": "%x",
    "xid": "%x",
    "x": "%x",
    "tx": "%x",
    "error": "%e",
    "sqlstate": "%e",
    "state": "%e",
    "cmd": "%i",
    "tag": "%i",
    "backend": "%b",
    "type": "%b",
    "qid": "%Q",
    "query_id": "%Q",
    "queryid": "%Q",
}
_TOKEN = re.compile(
    rf"(?P<m>{_DATE}\.\d+ (?:{_ZONE}))|(?P<t>{_DATE} (?:{_ZONE}))|(?P<n>\d{{10}}\.\d{{3}})"
    r"|(?P<key>\b[A-Za-z_]+)=(?P<quote>[\"']?)(?P<value>[^,;|\]\)\"' ]*)(?P=quote)"
    r"|(?P<c>\b[0-9a-f]{8}\.[0-9a-f]+\b)|(?P<r>(?:\d+\.){3}\d+\(\d+\)|\[local\])|(?P<h>(?:\d+\.){3}\d+)"
    r"|(?P<v>\b-?\d+/\d+\b)|(?P<ud>[^\s@=,:\[\]|<>()]+@[^\s@=,:/\[\]|<>()]+)(?P<slash>/[^\s,:\[\]|<>()]+)?"
    r"|(?P<e>\b[0-9A-Z]{2}[0-9P]\d\d\b)|(?P<number>-?\b\d+\b)|(?P<word>\[unknown\]|[A-Za-z_][\w.-]*)"
)


def _structural(heads: Sequence[str]) -> Iterator[str]:
    """Prefixes read off the lines themselves: from the richest line, with `%q` wherever others may stop."""
    for head in sorted(dict.fromkeys(heads), key=lambda text: (-len(_TOKEN.findall(text)), text))[:3]:
        whole = _TOKEN.sub(_Namer(), head.replace("%", "%%"))
        if not any(f"%{letter}" in whole for letter in "mtnpc"):
            # Neither a time nor a process: these are words of something else.
            continue
        yield whole
        for escape in _ESCAPE.finditer(whole):
            if escape.start():
                yield whole[: escape.start()] + "%q" + whole[escape.start() :]
        for word in re.finditer(r"(?<= )\S", whole):
            yield whole[: word.start()] + "%q" + whole[word.start() :]


class _Namer:
    """Names the tokens of one line, left to right: the first bare number is the process, the next its line."""

    def __init__(self) -> None:
        self._numbers = iter(("%p", "%l", "%x", "%Q"))
        self._words = iter(("%u", "%d", "%a", "%b"))

    def __call__(self, token: re.Match[str]) -> str:
        kind = token.lastgroup or ""
        if token["key"]:
            escape = _KEYS.get(token["key"].lower())
            return f"{token['key']}={token['quote']}{escape}{token['quote']}" if escape else token[0]
        if token["ud"]:
            return "%u@%d/%a" if token["slash"] else "%u@%d"
        if kind == "number":
            return next(self._numbers, "%x") if not re.fullmatch(r"-?\d{15,}", token[0]) else "%Q"
        if kind == "word":
            return next(self._words, token[0])
        return f"%{kind}"
