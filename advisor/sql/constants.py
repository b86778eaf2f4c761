"""The literal values of a statement, in the order of the text."""

import re

from postgast import pg_query_pb2 as pb

from advisor.sql.parse import scan

_NUMBERS = frozenset({pb.ICONST, pb.FCONST})
_WORDS = {pb.TRUE_P: "true", pb.FALSE_P: "false"}
_OPERANDS = frozenset(
    {pb.IDENT, pb.UIDENT, pb.PARAM, pb.ASCII_41, pb.ASCII_93, pb.SCONST, pb.USCONST, pb.BCONST, pb.XCONST, pb.ICONST}
    | {pb.FCONST, pb.NULL_P, pb.TRUE_P, pb.FALSE_P, pb.END_P, pb.CURRENT_DATE, pb.CURRENT_TIMESTAMP}
)
"""After one of these a minus subtracts; elsewhere it is the sign of the number behind it."""

_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))|''", re.DOTALL)
_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CONTINUATION = re.compile(r"'\s*\n\s*'")


def constants(sql: str) -> tuple[str | None, ...]:
    """The values of the literals outside comments, strings unquoted, numbers with their sign; None for NULL.

    NULL, TRUE and FALSE behind IS are tests, not values. Raises SqlError where the text cannot be scanned.
    """
    data = sql.encode("utf-8", "replace")
    found: list[str | None] = []
    before, sign = pb.NUL, ""
    testing = False
    for token in scan(sql):
        kind = token.token
        if kind in (pb.SQL_COMMENT, pb.C_COMMENT):
            continue
        if kind in _NUMBERS:
            found.append(sign + data[token.start : token.end].decode())
        elif kind in (pb.SCONST, pb.USCONST, pb.BCONST, pb.XCONST):
            found.append(string_value(data[token.start : token.end].decode()))
        elif (kind == pb.NULL_P or kind in _WORDS) and not testing:
            found.append(_WORDS.get(kind))
        sign = "-" if kind == pb.ASCII_45 and before not in _OPERANDS else ""
        testing = kind == pb.IS or (testing and kind in (pb.NOT, pb.NOT_LA))
        before = kind
    return tuple(found)


def string_value(literal: str) -> str:
    """What a string literal of any form (`'…'`, `E'…'`, `$tag$…$tag$`, `B'…'`, `X'…'`, `U&'…'`) says.

    Bit strings keep their letter, as they are no text; the escapes of `U&'…'` are kept as written.
    """
    if literal.startswith("$"):
        tag = literal[: literal.index("$", 1) + 1]
        return literal[len(tag) : -len(tag)]
    prefix, _, rest = literal.partition("'")
    body = _CONTINUATION.sub("", rest[:-1]) if "\n" in rest else rest[:-1]
    if prefix in ("E", "e"):
        return _ESCAPE.sub(_unescaped, body)
    body = body.replace("''", "'")
    return f"{prefix.lower()}{body}" if prefix in ("b", "B", "x", "X") else body


def _unescaped(match: re.Match[str]) -> str:
    octal, hexadecimal, short, long, single = match.groups()
    if octal:
        return chr(int(octal, 8) & 0xFF)
    code = hexadecimal or short or long
    if code:
        number = int(code, 16)
        return chr(number) if number < 0x110000 else "\ufffd"
    return _CONTROL.get(single, single) if single else "'"
