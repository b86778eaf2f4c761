"""What surrounds a plan when people paste it: psql's and other clients' frames, quotes, continuation marks.

psql draws them as its manual's `\\pset border`, `linestyle` and `unicode_*_linestyle` say.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

_RULE = re.compile(r"^[\s|+\-─━═│║╔╗╚╝╠╣╟╢╞╡┌┐└┘├┤┬┴┼╤╧╪]*$")
_BARS = "|│║"
_MARKS = "↵"
_MAJORITY = 0.5
"""A frame is believed where at least this share of the lines wears it: the first and last ones often get lost."""
_TAB = "    "
"""Pastes that mix tabs and spaces come from editors that put one for four."""
_PADDED_PLUS = re.compile(r"(?<!\s)\s{2,}\+$")


class Line(NamedTuple):
    """A line of the input, with its 1-based number."""

    number: int
    text: str


def unframe(text: str) -> list[Line]:
    """The lines of a paste without frames, rules, quotes and continuation marks. Blank lines stay."""
    lines = [Line(n, line.rstrip("\r")) for n, line in enumerate(text.lstrip("\ufeff").split("\n"), 1)]
    lines = _without_bars(lines)
    for quote in "\"'":
        lines = _without_quotes(lines, quote)
    return [
        Line(number, _PADDED_PLUS.sub("", line.replace("\t", _TAB).rstrip(_MARKS)))
        for number, line in lines
        if not line.strip() or not _RULE.match(line)
    ]


def unquoted_document(text: str) -> str:
    """The lines of a JSON paste, without frames, joined; a document quoted as one CSV field is unquoted."""
    stripped = text.strip()
    if '""Plan""' in stripped:
        start, end = stripped.find('"'), stripped.rfind('"')
        return stripped[start + 1 : end].replace('""', '"')
    lines = [
        re.sub(r"(?<!\s)\s*[+↵]$", "", line.rstrip("\r").strip().strip(_BARS).rstrip())
        for line in stripped.lstrip("\ufeff").split("\n")
        if not line.strip() or not _RULE.match(line)
    ]
    return "\n".join(lines)


def _without_bars(lines: list[Line]) -> list[Line]:
    trailing = _share(lines, lambda line: line.rstrip().endswith(tuple(_BARS))) >= _MAJORITY
    leading = _share(lines, lambda line: line.lstrip().startswith(tuple(_BARS))) >= _MAJORITY
    if not trailing and not leading:
        return lines
    cleaned = []
    for number, line in lines:
        bare = line.rstrip()
        if trailing and bare.endswith(tuple(_BARS)):
            bare = bare[:-1].rstrip()
        if leading and bare.lstrip().startswith(tuple(_BARS)):
            bare = bare.lstrip()[1:]
        cleaned.append(Line(number, bare))
    return cleaned


def _without_quotes(lines: list[Line], quote: str) -> list[Line]:
    if _share(lines, lambda line: line.rstrip().endswith(quote)) < _MAJORITY:
        return lines
    doubled = any(quote * 2 in line.strip().strip(quote) for _, line in lines)
    cleaned = []
    for number, line in lines:
        bare = line.rstrip()
        bare = bare.removesuffix(quote)
        if bare.lstrip().startswith(quote):
            bare = bare.lstrip()[1:]
        cleaned.append(Line(number, bare.replace(quote * 2, quote) if doubled else bare))
    return cleaned


def _share(lines: list[Line], test: Callable[[str], bool]) -> float:
    filled = [line for _, line in lines if line.strip()]
    return sum(map(test, filled)) / len(filled) if filled else 0.0
