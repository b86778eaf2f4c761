"""A text of many statements, taken apart; what is broken does not hide what is whole."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import postgast

from advisor.errors import SqlError
from advisor.sql.comments import comment_text
from advisor.sql.lexer import Lexeme, lex
from advisor.sql.parse import guarded

StatementTextKind = Literal["statement", "copy", "meta"]

MAX_RECOVERIES = 100
"""Each recovery reads on from a broken statement, possibly to the text's end: a bound against quadratic time."""

_PSQL_VARIABLE = re.compile(r"(?<![:\w\]]):(?:'[^'\n]*'|\"[^\"\n]*\"|[A-Za-z_]\w*)")
_SENDS = re.compile(r"\\(?:g|gx|gset|gexec|gdesc|watch|crosstabview|bind)\b")
_COPY_FROM_STDIN = re.compile(r"copy\b.*\bfrom\s+stdin\b", re.IGNORECASE | re.DOTALL)
_COPY_END = re.compile(r"^\\\.[ \t]*\r?$", re.MULTILINE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_STATEMENT_BREAK = re.compile(r";[ \t]*(?:--[^\r\n]*)?(?:\r\n|\r|\n|\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementText:
    """One statement of a text, and where it stands.

    Attributes:
        sql: the statement without comments around it and without its semicolon.
        start, end: 0-based characters: `text[start:end]` is `sql` (of a `copy`, `end` lies behind its data).
        line, column, end_line: 1-based, of the first and the last character of `sql`.
        comments: the texts of the comments directly above (no blank line between), markers taken off.
        kind: `meta` is a psql command (`\\connect`), `copy` is COPY … FROM stdin with its lines in `data`.
        error: why it does not parse; None where it does, and for `meta`.
        data: the lines of a `copy`, without the closing `\\.`.
    """

    sql: str
    start: int
    end: int
    line: int
    column: int
    end_line: int
    comments: tuple[str, ...] = ()
    kind: StatementTextKind = "statement"
    error: SqlError | None = None
    data: str | None = None


@dataclass(slots=True)
class _Piece:
    """A statement as the lexer sees it: `inner` are semicolons it holds within brackets or a body."""

    start: int
    end: int
    after: int
    comments: tuple[str, ...]
    kind: StatementTextKind
    inner: tuple[int, ...] = ()
    cut_off: bool = False


def split(text: str) -> list[StatementText]:
    """The statements of a text in order. What lies between them is blanks, comments and semicolons only.

    A statement that does not parse comes with its `error`, and the next one is looked for behind its first
    semicolon. Raises nothing.
    """
    lines = [0, *(match.end() for match in _LINE_END.finditer(text))]
    return [_located(text, lines, piece, error) for piece, error in _pieces(text)]


def _pieces(text: str) -> Iterator[tuple[_Piece, SqlError | None]]:
    position = recoveries = 0
    while (piece := _next_piece(text, position)) is not None:
        error = None if piece.kind == "meta" else _error(text[piece.start : piece.end])
        if error and (piece.inner or piece.cut_off) and recoveries < MAX_RECOVERIES:
            recoveries += 1
            piece = _shortened(text, piece)
            error = _error(text[piece.start : piece.end]) or error
        if piece.kind == "statement" and not error and _COPY_FROM_STDIN.match(text, piece.start, piece.end):
            piece.kind = "copy"
            piece.after = _copy_data(text, piece.after)[2]
        yield piece, error
        position = piece.after


def _next_piece(text: str, position: int) -> _Piece | None:
    comments, start = _leading(text, position)
    if start is None:
        return None
    if text[start] == "\\":
        end = _line_end(text, start)
        return _Piece(start, len(text[:end].rstrip()), end, comments, "meta")
    return _statement(text, start, comments)


def _leading(text: str, position: int) -> tuple[tuple[str, ...], int | None]:
    """The comments directly above the next statement, and where it starts."""
    comments: list[str] = []
    # A comment behind a statement, on its line, is not about the next one.
    above = position == 0
    for lexeme in lex(text, position):
        if lexeme.kind == "blank":
            blank = text[lexeme.start : lexeme.end]
            above = above or "\n" in blank or "\r" in blank
            # A line comment ends before its line break, so two breaks are a blank line.
            if len(_LINE_END.findall(blank)) > 1:
                comments.clear()
        elif lexeme.kind == "comment":
            if above:
                comments.append(comment_text(text[lexeme.start : lexeme.end]))
        elif lexeme.kind == "semicolon":
            comments.clear()
        else:
            return tuple(comments), lexeme.start
    return (), None


def _statement(text: str, start: int, comments: tuple[str, ...]) -> _Piece:
    end = start
    body = _Body()
    inner: list[int] = []
    for lexeme in lex(text, start):
        if lexeme.kind in ("blank", "comment"):
            continue
        if lexeme.kind == "semicolon":
            if not body.open:
                return _Piece(start, end, lexeme.end, comments, "statement", tuple(inner))
            inner.append(lexeme.start)
        elif lexeme.kind == "backslash" and _SENDS.match(text, lexeme.start):
            return _Piece(start, end, lexeme.start, comments, "statement", tuple(inner))
        elif lexeme.kind == "unterminated":
            return _Piece(start, len(text.rstrip()), len(text), comments, "statement", tuple(inner), cut_off=True)
        body.see(lexeme, text)
        end = lexeme.end
    return _Piece(start, end, len(text), comments, "statement", tuple(inner))


class _Body:
    """Whether a semicolon would end the statement: not within brackets, nor within BEGIN ATOMIC … END."""

    def __init__(self) -> None:
        self._brackets = 0
        self._blocks = 0
        self._previous = ""

    @property
    def open(self) -> bool:
        return self._brackets > 0 or self._blocks > 0

    def see(self, lexeme: Lexeme, text: str) -> None:
        if lexeme.kind == "open":
            self._brackets += 1
        elif lexeme.kind == "close":
            self._brackets = max(0, self._brackets - 1)
        word = text[lexeme.start : lexeme.end].lower() if lexeme.kind == "word" else ""
        if (word == "atomic" and self._previous == "begin") or (word == "case" and self._blocks):
            self._blocks += 1
        elif word == "end" and self._blocks:
            self._blocks -= 1
        self._previous = word


def _shortened(text: str, piece: _Piece) -> _Piece:
    """A broken piece cut at its first semicolon, whatever is open there, so that the next statement is found."""
    if piece.inner:
        cut = piece.inner[0]
        return _Piece(
            piece.start, len(text[piece.start : cut].rstrip()) + piece.start, cut + 1, piece.comments, "statement"
        )
    match = _STATEMENT_BREAK.search(text, piece.start)
    if match is None:
        return piece
    return _Piece(piece.start, match.start(), match.start() + 1, piece.comments, "statement")


def _error(sql: str) -> SqlError | None:
    try:
        guarded(postgast.fingerprint, sql)
    except SqlError as error:
        variable = _PSQL_VARIABLE.search(sql)
        if variable is None:
            return error
        return SqlError(
            f"The statement uses the psql variable {variable[0]}, whose value is not in the text.",
            position=variable.start(),
            why=error.what,
            hint="Put the value in its place.",
        )
    return None


def _copy_data(text: str, position: int) -> tuple[int, int, int]:
    """Start and end of the data behind a COPY statement that ends at `position`, and where its end mark ends."""
    start = min(_line_end(text, position) + 1, len(text))
    mark = _COPY_END.search(text, start)
    return (start, mark.start(), mark.end()) if mark else (start, len(text), len(text))


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _located(text: str, lines: list[int], piece: _Piece, error: SqlError | None) -> StatementText:
    line = bisect_right(lines, piece.start)
    data = None
    if piece.kind == "copy":
        semicolon = text.index(";", piece.end) if ";" in text[piece.end : piece.after] else piece.end
        start, end, _ = _copy_data(text, semicolon)
        data = text[start:end]
    return StatementText(
        sql=text[piece.start : piece.end],
        start=piece.start,
        end=piece.after if piece.kind == "copy" else piece.end,
        line=line,
        column=piece.start - lines[line - 1] + 1,
        end_line=bisect_right(lines, max(piece.start, piece.end - 1)),
        comments=piece.comments,
        kind=piece.kind,
        error=error,
        data=data,
    )
