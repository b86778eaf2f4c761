"""Keyed hashes (BLAKE2b) that stand for values, in a form that the value's own type takes."""

import hashlib
from collections.abc import Callable, Mapping

from advisor.sql.literals import map_elements

DIGITS = 16
"""64 bits: among a million values two get the same token with a chance of 3 in 100 million."""

_DIGEST_BYTES = 16
"""As many as an address takes, the longest form. BLAKE2b takes a key of its own and a third of HMAC-SHA256's time."""

LEAST_DIGITS = 8
"""A column too narrow for so many gets no tokens: with 32 bits an unrelated literal meets one of a hundred tokens
once in 40 million."""


def _text(hashed: str) -> str:
    return hashed[:DIGITS]


def _address(hashed: str) -> str:
    """Of the unique local addresses (RFC 4193), so that it is nobody's."""
    return "fd" + hashed[:2] + "".join(f":{hashed[at : at + 4]}" for at in range(4, 32, 4))


def _hardware(hashed: str, size_bytes: int) -> str:
    """A locally administered, unicast address."""
    return ":".join(["02", *(hashed[at : at + 2] for at in range(0, 2 * size_bytes - 2, 2))])


FORMS: Mapping[str, Callable[[str], str]] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext", "ltree", "xml"), _text),
    "bytea": lambda hashed: "\\x" + hashed[:DIGITS],
    **dict.fromkeys(("json", "jsonb"), lambda hashed: f'"{hashed[:DIGITS]}"'),
    "inet": _address,
    "cidr": lambda hashed: f"{_address(hashed)}/128",
    "macaddr": lambda hashed: _hardware(hashed, 6),
    "macaddr8": lambda hashed: _hardware(hashed, 8),
    "hstore": lambda hashed: f'"{hashed[:DIGITS]}"=>NULL',
    "tsvector": lambda hashed: f"'{hashed[:DIGITS]}'",
}
"""A token's text from a digest, by the type's catalog name; a type that is not here has none."""


def tokeniser(key: str, base_type: str, limit: int | None = None) -> Callable[[str], str | None] | None:
    """What gives a value of that type its token, at most `limit` characters long; arrays element by element.

    It gives None for what is not the text of an array. None where the type has no tokens, or the limit leaves too few
    digits.
    """
    form = FORMS.get(base_type.removeprefix("_"))
    if form is None or (limit is not None and limit < LEAST_DIGITS):
        return None
    secret, make, padded = bytes.fromhex(key), form, base_type.removeprefix("_") == "bpchar"

    def one(value: str) -> str:
        # A char(n) comes padded with blanks that mean nothing.
        text = value.rstrip(" ") if padded else value
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES, key=secret)
        return make(digest.hexdigest())[:limit]

    return one if not base_type.startswith("_") else lambda value: map_elements(value, one)


def token(key: str, value: str, base_type: str, limit: int | None = None) -> str | None:
    """The token of one value; None where it has none."""
    make = tokeniser(key, base_type, limit)
    return make(value) if make is not None else None
