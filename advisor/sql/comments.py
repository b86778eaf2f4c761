"""Comments around a statement, and the tags that frameworks put there."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from postgast import pg_query_pb2 as pb

from advisor.errors import SqlError
from advisor.sql.parse import scan

COMMENT_TOKENS = frozenset({pb.SQL_COMMENT, pb.C_COMMENT})

# Nothing is given back (`*+`): what is no tag costs no more than it is long.
_PAIR = r"\s*+(?P<key>[\w.%-]++)\s*+=\s*+'(?P<value>(?:[^'\\]++|\\.)*+)'\s*+"
_SQLCOMMENTER_PAIR = re.compile(_PAIR)
_ANY_PAIR = re.sub(r"\?P<\w+>", "?:", _PAIR)
_SQLCOMMENTER = re.compile(rf"{_ANY_PAIR}(?:,{_ANY_PAIR})*+,?\s*+", re.DOTALL)
# No space after the colon: `-- note: slow` is prose, not a tag.
_MARGINALIA = re.compile(r"\s*+[A-Za-z_][\w.-]*+:[^\s,][^,]*+(?:,\s*+[A-Za-z_][\w.-]*+:[^,]*+)*+,?\s*+")


def split_comments(sql: str) -> tuple[str, Mapping[str, str]]:
    """The statement without the comments, semicolons and blanks around it, and the tags those comments hold.

    Understood are sqlcommenter (`key='url-encoded'`, https://google.github.io/sqlcommenter/spec/) and marginalia
    (`key:value,key:value`). Comments within the statement stay. A text that cannot be scanned (an open string)
    comes back as it is, but for blanks.
    """
    if "--" not in sql and "/*" not in sql:
        return sql.strip().rstrip(";").rstrip(), {}
    data = sql.encode("utf-8", "replace")
    try:
        tokens = scan(sql)
    except SqlError:
        return sql.strip(), {}
    body = [i for i, token in enumerate(tokens) if token.token not in COMMENT_TOKENS and token.token != pb.ASCII_59]
    first, last = (body[0], body[-1]) if body else (len(tokens), len(tokens))
    tags: dict[str, str] = {}
    for position, token in enumerate(tokens):
        if token.token in COMMENT_TOKENS and not first < position < last:
            tags.update(comment_tags(comment_text(data[token.start : token.end].decode())))
    if not body:
        return "", tags
    return data[tokens[first].start : tokens[last].end].decode(), tags


def comment_text(comment: str) -> str:
    """What a comment says, its markers and outer blanks taken off."""
    if comment.startswith("--"):
        return comment[2:].strip()
    return comment.removeprefix("/*").removesuffix("*/").strip()


def comment_tags(text: str) -> Mapping[str, str]:
    """The tags of one comment's text; empty where it is prose."""
    if _SQLCOMMENTER.fullmatch(text):
        pairs = _SQLCOMMENTER_PAIR.finditer(text)
        return {unquote(pair["key"]): unquote(re.sub(r"\\(.)", r"\1", pair["value"])) for pair in pairs}
    if _MARGINALIA.fullmatch(text):
        parts = (part.strip().partition(":") for part in text.split(","))
        return {key: value.strip() for key, _, value in parts if key}
    return {}
