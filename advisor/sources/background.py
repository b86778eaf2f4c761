"""Lines of processes without a client, read by the layout of the sessions' lines: where `%q` ends them."""

import re
from collections import Counter
from collections.abc import Sequence

from advisor.sources.columns import Field, Layout, Text
from advisor.sources.counters import Background
from advisor.sources.escapes import DATE, ZONE
from advisor.sources.heads import Head

MOST_BACKGROUND = 12
"""Shapes of lines of processes without a client that are looked at."""


def followed(layout: Layout, heads: Sequence[Head]) -> list[Background]:
    """Lines that follow the layout, one of each shape."""
    shapes = {re.sub(r"\d", "0", head.text): head.text for head in reversed(heads)}
    return [line for head in list(shapes.values())[:MOST_BACKGROUND] if (line := _follow(layout, head))]


def _follow(layout: Layout, head: str) -> Background | None:
    """How far a head follows the layout, and its values; None where it does not, or ends within a field."""
    for blank in ("", " *?"):
        # A name is empty; one that is padded is all blanks.
        parts = [_piece_pattern(piece, blank) for piece in layout.pieces]
        for stop in range(len(parts) + 1):
            rest = text_of(layout.pieces[stop]) if stop < len(parts) else ""
            found = re.fullmatch(f"{''.join(parts[:stop])}({_partial(rest)})", head)
            if found:
                numbers = [number for number, piece in enumerate(layout.pieces[:stop]) if isinstance(piece, Field)]
                *values, text = found.groups()
                whole = bool(rest) and len(text) == len(rest)
                kept = dict(zip(numbers, values, strict=True))
                return Background(values=kept, stop=stop + whole, letters=0 if whole else len(text))
    return None


def _partial(text: str) -> str:
    """The pattern of a beginning of a text."""
    pattern = ""
    for letter in reversed(text):
        pattern = f"(?:{re.escape(letter)}{pattern})?"
    return pattern


def _piece_pattern(piece: Text | Field, blank: str) -> str:
    """Of a piece on the line of a process without a client: names and addresses are empty there."""
    if isinstance(piece, Text):
        # Beside a padded field that is empty there are more blanks.
        return " *" if piece.uneven else re.sub(r"(?:\\ ){2,}", " *", re.escape(piece.text))
    if piece.kind == "word" and piece.special == "b":
        return r"([\w ./-]*?)"
    if piece.kind == "word":
        return rf"({blank}|{re.escape(piece.values[0])})" if piece.constant else f"({blank})"
    return rf"({blank}|\[none\])" if piece.kind == "address" else _VALUES[piece.kind]


_VALUES = {
    "m": rf"({DATE}\.\d{{3}} (?:{ZONE}))",
    "t": rf"({DATE} (?:{ZONE}))",
    "number": r"( *-?\d+)",
    "c": r"([0-9a-f.]+)",
    "n": r"([\d.]+)",
    "v": r"((?:-?\d+/\d+)?)",
    "e": r"(\w{5})",
}


def stop_of(layout: Layout, background: Sequence[Background]) -> tuple[int, int] | None:
    """In which piece, and before which of its letters, `%q` stands; None without it."""
    stops = Counter((line.stop, line.letters) for line in background)
    common = stops.most_common(1)[0][0] if stops else (len(layout.pieces), 0)
    return common if common[0] < len(layout.pieces) else None


def text_of(piece: Text | Field) -> str:
    return piece.text if isinstance(piece, Text) else ""
