"""Parameters of a statement: counted, and replaced by values for servers that only take plain text."""

from collections.abc import Sequence

from postgast import pg_query_pb2 as pb

from advisor.errors import SqlError
from advisor.sql.parse import scan
from advisor.sql.quote import quote_literal


def count_parameters(sql: str) -> int:
    """The highest n of the `$n` outside strings and comments; 0 where there is none."""
    data = sql.encode("utf-8", "replace")
    return max((_number(data, token) for token in scan(sql) if token.token == pb.PARAM), default=0)


def has_parameters(sql: str) -> bool:
    """Whether there is a `$n` outside strings and comments, `$0` of a plan included."""
    return any(token.token == pb.PARAM for token in scan(sql))


def inline_parameters(sql: str, values: Sequence[str | None], types: Sequence[str] | None = None) -> str:
    """The statement with every `$n` replaced by the n-th value as a literal (None: NULL), cast where `types` says so.

    `types` holds SQL type names, one per value; an empty one means no cast. Strings and comments are left alone.
    Raises SqlError where a value is missing or the text cannot be scanned.
    """
    data = sql.encode("utf-8", "replace")
    tokens = scan(sql)
    parts = []
    end = 0
    for position, token in enumerate(tokens):
        if token.token != pb.PARAM:
            continue
        number = _number(data, token)
        if number > len(values):
            raise SqlError(f"The statement has a parameter ${number}, but {len(values)} values came with it.")
        literal = quote_literal(values[number - 1])
        type_name = types[number - 1] if types and number <= len(types) else ""
        following = tokens[position + 1].token if position + 1 < len(tokens) else pb.NUL
        parts += [data[end : token.start].decode(), _cast(literal, type_name, following)]
        end = token.end
    return "".join(parts) + data[end:].decode()


def _cast(literal: str, type_name: str, following: int) -> str:
    if type_name:
        literal = f"{literal}::{type_name}"
    # `$1[2]` and `$1.field` bind tighter than a cast, and a literal takes neither.
    return f"({literal})" if following in (pb.ASCII_91, pb.ASCII_46) else literal


def _number(data: bytes, token: pb.ScanToken) -> int:
    return int(data[token.start + 1 : token.end])
