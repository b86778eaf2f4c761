"""A lexer for whole files: it never fails, and knows what psql adds to SQL.

libpg_query's scanner gives up at the first open string and does not know `\\connect` or COPY's data. The rules for
strings, quotes and comments are those of `src/backend/parser/scan.l` and `src/fe_utils/psqlscan.l`.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

LexemeKind = Literal["blank", "comment", "word", "other", "open", "close", "semicolon", "backslash", "unterminated"]


class Lexeme(NamedTuple):
    """A stretch of a text. `unterminated` is a string, a quoted name or a comment that the text's end cuts off."""

    kind: LexemeKind
    start: int
    end: int


_LEXEME = re.compile(
    r"""(?P<blank>[ \t\r\n\f\v]+)
      | (?P<comment>--[^\r\n]*)
      | (?P<block>/\*)
      | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*(?P<escaped_end>')?)
      | (?P<string>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?P<string_end>')?)
      | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*(?P<quoted_end>")?)
      | (?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$)
      | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
      | (?P<number>\$?[0-9][A-Za-z0-9_.]*)
      | (?P<open>[(\[])
      | (?P<close>[)\]])
      | (?P<semicolon>;)
      | (?P<backslash>\\)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_BLOCK_MARK = re.compile(r"/\*|\*/")
_DIRECT: dict[str, LexemeKind] = {
    "blank": "blank",
    "comment": "comment",
    "word": "word",
    "open": "open",
    "close": "close",
    "semicolon": "semicolon",
    "backslash": "backslash",
}


def lex(text: str, start: int = 0) -> Iterator[Lexeme]:
    """The lexemes from `start` to the text's end; they join without gaps."""
    position = start
    while position < len(text):
        match = _LEXEME.match(text, position)
        assert match is not None  # the last alternative takes any character
        lexeme = _lexeme(text, match)
        yield lexeme
        position = lexeme.end


def _lexeme(text: str, match: re.Match[str]) -> Lexeme:
    start, end = match.span()
    if match["block"]:
        closed = _block_comment_end(text, end)
        return Lexeme("comment", start, closed) if closed else Lexeme("unterminated", start, len(text))
    if match["dollar"]:
        closing = text.find(match["dollar"], end)
        if closing < 0:
            return Lexeme("unterminated", start, len(text))
        return Lexeme("other", start, closing + len(match["dollar"]))
    for literal in ("escaped", "string", "quoted"):
        if match[literal]:
            return Lexeme("other" if match[literal + "_end"] else "unterminated", start, end)
    for group, kind in _DIRECT.items():
        if match[group]:
            return Lexeme(kind, start, end)
    return Lexeme("other", start, end)


def _block_comment_end(text: str, position: int) -> int | None:
    depth = 1
    for mark in _BLOCK_MARK.finditer(text, position):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return None
