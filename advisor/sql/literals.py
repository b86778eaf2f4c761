"""String literals of a text, replaced in place."""

import re
from collections.abc import Callable

from postgast import pg_query_pb2 as pb

from advisor.sql.constants import string_value
from advisor.sql.parse import scan
from advisor.sql.quote import quote_literal

_PART = re.compile(
    r"""(?P<open>\{) | (?P<close>\}) | (?P<comma>,)
      | "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<bare>(?:[^{},"\\]|\\.)+)""",
    re.VERBOSE | re.DOTALL,
)
_BOUNDS = re.compile(r"(?:\[[-+\d]+:[-+\d]+\])+=")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def replace_literals(sql: str, change: Callable[[str], str | None]) -> str:
    """The text with every string literal for whose value `change` has another one; the rest is kept as it stands.

    Bit strings and `U&'…'` are left alone. Raises SqlError where the text cannot be scanned.
    """
    if "'" not in sql and "$" not in sql:
        return sql
    data = sql.encode("utf-8", "replace")
    parts = []
    end = 0
    for token in scan(sql):
        if token.token != pb.SCONST:
            continue
        changed = change(string_value(data[token.start : token.end].decode()))
        if changed is not None:
            parts += [data[end : token.start].decode(), quote_literal(changed)]
            end = token.end
    return "".join(parts) + data[end:].decode() if parts else sql


def map_elements(array: str, change: Callable[[str], str]) -> str | None:
    """An array's text (`{a,"b c",NULL}`, of any dimensions) with every element changed but NULL; None where it is none.

    The form is that of `array_in` and `array_out` in `src/backend/utils/adt/arrayfuncs.c`.
    """
    bounds = _BOUNDS.match(array)
    position = start = bounds.end() if bounds else 0
    parts = [array[:start]]
    depth, wants_element = 0, True
    while position < len(array):
        match = _PART.match(array, position)
        if match is None or (depth == 0 and (position > start or not match["open"])):
            return None
        position = match.end()
        if match["open"] and wants_element:
            depth += 1
        elif match["close"] and (not wants_element or parts[-1] == "{"):
            depth -= 1
            wants_element = False
        elif match["comma"] and not wants_element:
            wants_element = True
        elif wants_element and (match["quoted"] is not None or (match["bare"] or "").strip()):
            parts.append(_element(match, change))
            wants_element = False
            continue
        elif match["bare"] is None or match["bare"].strip():
            return None
        parts.append(match[0])
    return "".join(parts) if depth == 0 and position > start else None


def _element(match: re.Match[str], change: Callable[[str], str]) -> str:
    if match["quoted"] is None and match["bare"].strip().upper() == "NULL":
        return "NULL"
    text = match["bare"].strip() if match["quoted"] is None else match["quoted"]
    changed = change(_ESCAPED.sub(r"\1", text))
    return '"' + changed.replace("\\", "\\\\").replace('"', '\\"') + '"'
