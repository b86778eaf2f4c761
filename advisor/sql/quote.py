"""Names and values as PostgreSQL reads them back."""

import re
from functools import lru_cache

from postgast import pg_query_pb2 as pb

from advisor.model.names import QualifiedName
from advisor.sql.parse import scan

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)


def quote_identifier(name: str) -> str:
    """A name as an identifier, in double quotes only where PostgreSQL would need (or itself prints) them.

    Like `quote_identifier()` of `src/backend/utils/adt/ruleutils.c`: plain lower case ASCII, and no keyword other
    than an unreserved one, stays bare.
    """
    if _PLAIN.fullmatch(name) and not _is_keyword(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_name(name: QualifiedName) -> str:
    """A relation's name with its schema; without, where the schema is the empty text."""
    if not name.schema:
        return quote_identifier(name.name)
    return f"{quote_identifier(name.schema)}.{quote_identifier(name.name)}"


def quote_literal(value: str | None) -> str:
    """A value as a literal that reads the same under either setting of `standard_conforming_strings`."""
    if value is None:
        return "NULL"
    quoted = "'" + value.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in value else quoted


@lru_cache(maxsize=10_000)
def _is_keyword(name: str) -> bool:
    kind = scan(name)[0].keyword_kind
    return bool(kind not in (pb.NO_KEYWORD, pb.UNRESERVED_KEYWORD))
