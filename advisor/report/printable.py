"""Text from outside, made harmless for a terminal."""

import unicodedata

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_KEPT = frozenset("\n\t")


def printable(text: str) -> str:
    """The text with control, format and surrogate characters replaced: no escape sequence, no reversed direction."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(c if c in _KEPT or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else _REPLACEMENT for c in text)
