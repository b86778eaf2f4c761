"""SQL in lines of a width, so that what is copied from a terminal is still the same statement."""

import re
from collections.abc import Iterator

_HANGING = "    "
"""Before the rest of a line that was too long."""

# https://www.postgresql.org/docs/current/sql-syntax-lexical.html
# A comment with another one inside, and whatever is not closed, goes on to the end: not broken at all.
_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    | --[^\n]*
    | /\*(?:(?!/\*).)*?\*/
    | /\*.*
    | [eE]'(?:[^'\\]|\\.|'')*+(?:'|.*)
    | '(?:[^']|'')*+(?:'|.*)
    | "(?:[^"]|"")*+(?:"|.*)
    | (?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?:(?P=tag)|\Z)
    | [\w$]+
    | .
    """,
    re.VERBOSE | re.DOTALL,
)


def sql_lines(sql: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most `width` characters where that can be had, each behind `indent`.

    Lines are broken only where white space stands between tokens: never within a literal, a quoted name or a comment;
    nothing is cut, so that a line may be longer. A literal with line ends of its own goes on at column 0, because an
    indentation would become part of it.
    """
    lines: list[str] = []
    line, begun = indent, False
    for space, word in _words(sql.strip()):
        first, *rest = word.split("\n")
        if "\n" in space:
            lines.append(line)
            line = indent + space.rpartition("\n")[2].expandtabs(4)
        elif begun and len(line) + 1 + len(first) > width:
            lines.append(line)
            line = indent + _HANGING
        elif begun:
            line += " "
        line += first
        begun = True
        if rest:
            lines += [line, *rest[:-1]]
            line = rest[-1]
    return [*lines, line]


def _words(sql: str) -> Iterator[tuple[str, str]]:
    """(white space before it, word); a word has white space only within quotes and comments."""
    space = word = ""
    for token in _TOKEN.finditer(sql):
        if token["space"] is None:
            word += token[0]
            continue
        if word:
            yield space, word
        space, word = token[0], ""
    if word:
        yield space, word
