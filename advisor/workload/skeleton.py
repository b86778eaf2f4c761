"""A statement's skeleton: its text with the literals taken out, exactly and in about a microsecond.

Two texts with one skeleton differ in nothing but the values of their literals. What those values mean for the
identity (a type's length, `ORDER BY 2`) is for `recognise` to find out.
"""

import re

NUMBER = re.compile(r'[0-9](?<![0-9A-Za-z_$"\x80-\U0010ffff][0-9])[0-9]*')
"""A run of digits that no identifier, parameter (`$1`) or quoted name runs into. It begins with a plain character
class on purpose: only then does `re` skip ahead to the next digit at the speed of a scan."""

_DOLLAR_QUOTE = re.compile(r"\$(?:[A-Za-z_\x80-\U0010ffff][\w]*)?\$")

_TOKEN = re.compile(
    r"""(?P<escape>(?<![\w$"])[eE]'(?:[^'\\]|\\.|'')*')
    |(?P<string>'(?:[^']|'')*')
    |(?P<keep>"(?:[^"]|"")*")
    |(?P<dollar>(?<![\w$])\$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff]\w*)?)\$.*?\$(?P=tag)\$)
    |(?P<number>[0-9](?<![\w$][0-9])[0-9]*)""",
    re.VERBOSE | re.DOTALL,
)


def has_comment(sql: str) -> bool:
    """Whether the text may hold a comment (or a string that looks like one)."""
    return "--" in sql or "/*" in sql


def skeleton(sql: str) -> str | None:
    """The text with every string as `'` and every number as NUL; None where that cannot be done safely.

    `sql` must have no comments (see `has_comment`).
    """
    if "\\" in sql or ("$" in sql and _DOLLAR_QUOTE.search(sql)):
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
    return NUMBER.sub("\0", code)


def literals(sql: str) -> list[str]:
    """The literals of a text without comments, as written, in order."""
    return [found[0] for found in _TOKEN.finditer(sql) if found.lastgroup != "keep" and not found["keep"]]


def replace_literals(sql: str, values: list[str]) -> str:
    """The text with its literals replaced, in order."""
    queue = iter(values)
    return _TOKEN.sub(lambda found: found[0] if found["keep"] else next(queue), sql)


def _tokenised(sql: str) -> str | None:
    ambiguous = False

    def blank(found: re.Match[str]) -> str:
        nonlocal ambiguous
        if found["keep"]:
            return found[0]
        if found["number"]:
            return "\0"
        if found["string"] and "\\'" in found[0]:
            # With standard_conforming_strings off the string goes on behind this quote.
            ambiguous = True
        return "e'" if found["escape"] else "$'" if found["dollar"] else "'"

    code = _TOKEN.sub(blank, sql)
    return None if ambiguous or code.count("'") != _marks(sql) or has_comment(code) else "\1" + code


def _marks(sql: str) -> int:
    """How many string marks a clean tokenisation leaves: more would be an unfinished string or a quoted quote."""
    kept = sum(found[0].count("'") for found in _TOKEN.finditer(sql) if found["keep"])
    strings = sum(1 for found in _TOKEN.finditer(sql) if not found["keep"] and not found["number"])
    return kept + strings
