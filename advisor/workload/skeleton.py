"""A statement's skeleton: its text with the literals taken out, exactly and in about a microsecond.

Two texts with one skeleton differ in nothing but the values of their literals. What those values mean for the
identity (a type's length, `ORDER BY 2`) is for `recognise` to find out.
"""

import re

from advisor.sources.sink import ZERO

NUMBER = re.compile(r'[0-9](?<![0-9A-Za-z_$"\x80-\U0010ffff][0-9])[0-9]*')
"""A run of digits that no identifier, parameter (`$1`) or quoted name runs into. It begins with a plain character
class on purpose: only then does `re` skip ahead to the next digit at the speed of a scan."""

_LONG_NUMBER = re.compile(r"[0-9]{10}")
_LIMITS = (2**31, 2**63)
_LONGEST = 40
_TOO_LARGE = 2**64

_DOLLAR_QUOTE = re.compile(r"\$(?:[A-Za-z_\x80-\U0010ffff][0-9A-Za-z_\x80-\U0010ffff]*)?\$")

_NAMED = r"0-9A-Za-z_\x80-\U0010ffff"
"""What names are made of, to PostgreSQL's scanner: signs and blanks beyond ASCII, too."""

_TOKEN = re.compile(
    rf"""(?P<escape>(?<![{_NAMED}$"])[eE]'(?:[^'\\]++|\\.|'')*+')
    |(?P<string>'(?:[^']++|'')*+')
    |(?P<keep>"(?:[^"]++|"")*+")
    |(?P<comment>--[^\n\r]*+|/\*(?:[^*/]++|\*(?!/)|/(?!\*))*+\*/)
    |(?P<dollar>(?<![{_NAMED}$])\$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][{_NAMED}]*+)?)\$
        (?:.*?\$(?P=tag)\$|(?P<open>.*+)))
    |(?P<number>[0-9](?<![{_NAMED}$][0-9])[0-9]*)""",
    re.VERBOSE | re.DOTALL,
)
"""What has no end is tried once: nothing is given back, and a dollar quote that stays open (`open`) takes all."""


_UNCERTAIN = re.compile(r"[0-9]|--|/\*|\*/")
"""Outside of strings, numbers and comments: a digit is part of a name, and a comment is nested or has no end."""


def has_comment(sql: str) -> bool:
    """Whether the text may hold a comment (or a string that looks like one)."""
    return "--" in sql or "/*" in sql


def skeleton(sql: str) -> str | None:
    """The text with every string as `'` and every number as one sign; None where that cannot be done safely.

    Comments are left out of it.
    """
    if has_comment(sql) or "\\" in sql or ("$" in sql and _DOLLAR_QUOTE.search(sql)):
        return _tokenised(sql)
    code = sql
    if "'" in sql:
        parts = sql.split("'")
        if not len(parts) & 1:
            return None
        # The even parts lie outside of strings; a doubled quote only leaves an empty part between.
        code = "'".join(parts[::2])
    if '"' in code and not "".join(code.split('"')[1::2]).isidentifier():
        # A quoted name with blanks, dots or quotes: digits in it might pass for a number.
        return _tokenised(sql)
    return NUMBER.sub(_by_size if _LONG_NUMBER.search(code) else "\0", code)


def _by_size(number: re.Match[str]) -> str:
    """The type of a number is part of the identity: see `advisor.sql.identify.number_type`.

    The least integer is one that is too large, but for its sign.
    """
    value = int(number[0]) if len(number[0]) <= _LONGEST else _TOO_LARGE
    if value in _LIMITS:
        return "\5" + number[0]
    return "\0" if value < _LIMITS[0] else "\3" if value < _LIMITS[1] else "\4"


def zeroed(message: bytes) -> bytes | None:
    """A message that is told by its text with the strings taken out and every digit as 0; None where it is not.

    It is where what `without_strings` takes for strings are the strings, and all digits outside of them and of comments
    lie in numbers of less than ten digits. Then the same holds for every message with the same key: read from the left,
    what stands between two quotes begins and ends in the same state, and what stands on either side of a digit says
    what it belongs to, whichever digit it is. So two messages with one key differ in values (and comments) alone.
    """
    key = without_strings(message)
    if key is None or b"$" in key or b"0000000000" in key:
        return None
    text = message.decode("latin-1")
    code: list[str] = []
    names: list[str] = []
    position = len(text) - len(text.partition(": ")[2])
    code.append(text[:position])
    for found in _TOKEN.finditer(text, position):
        between = text[position : found.start()]
        names.append(between)
        code.append(between)
        if found["string"] or found["escape"]:
            code.append(found[0][: found[0].index("'") + 1])
        else:
            code.append(found[0])
            if found["keep"]:
                names.append(found[0])
        position = found.end()
    code.append(text[position:])
    names.append(text[position:])
    outside = "".join(names)
    if "".join(code).encode("latin-1").translate(ZERO) != key or _UNCERTAIN.search(outside):
        return None
    return key


def without_strings(message: bytes) -> bytes | None:
    """The text without what is between quotes, every digit as 0; None where a quote may be something else."""
    if b"'" not in message:
        return message.translate(ZERO)
    parts = message.split(b"'")
    if not len(parts) & 1 or b"\\" in message:
        return None
    return b"'".join(parts[::2]).translate(ZERO)


def literals(sql: str) -> list[str]:
    """The literals of a text without comments, as written, in order."""
    return [found[0] for found in _TOKEN.finditer(sql) if not found["keep"] and not found["comment"]]


def literal_spans(sql: str) -> list[tuple[int, int]]:
    """Where they stand."""
    return [found.span() for found in _TOKEN.finditer(sql) if not found["keep"] and not found["comment"]]


def _tokenised(sql: str) -> str | None:
    ambiguous = False

    def blank(found: re.Match[str]) -> str:
        nonlocal ambiguous
        if found["keep"]:
            return found[0]
        if found["comment"]:
            return " "
        if found["number"]:
            return _by_size(found)
        if found["open"] or (found["string"] and "\\'" in found[0]):
            # With standard_conforming_strings off a string goes on behind this quote.
            ambiguous = True
        return "e'" if found["escape"] else "$'" if found["dollar"] else "'"

    code = _TOKEN.sub(blank, sql)
    return None if ambiguous or code.count("'") != _marks(sql) or has_comment(code) else "\1" + code


def _marks(sql: str) -> int:
    """How many string marks a clean tokenisation leaves: more would be an unfinished string or a quoted quote."""
    found = list(_TOKEN.finditer(sql))
    kept = sum(each[0].count("'") for each in found if each["keep"])
    return kept + sum(1 for each in found if each["string"] or each["escape"] or each["dollar"])
