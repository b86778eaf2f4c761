"""What of a database's own texts is not for a file that others may read: bodies, arguments, passwords."""

import re

from postgast import pg_query_pb2 as pb

from advisor.errors import SqlError
from advisor.sql.comments import COMMENT_TOKENS
from advisor.sql.constants import constants
from advisor.sql.identify import identify
from advisor.sql.literals import replace_literals
from advisor.sql.parse import parse, scan
from advisor.sql.quote import quote_literal

HIDDEN = "***"
"""Stands for a literal that looks like a secret."""

_SECRET = re.compile(
    r"pass(?:word|wd|phrase)?\s*[=:]|(?:secret|api[_-]?key|token|credential)s?\s*[=:]|bearer\s+\S|private\s+key-"
    r"|://[^/\s:@]+:[^/\s@]+@|\bAKIA[0-9A-Z]{16}\b|\beyJ[\w-]{8,}\.|\b(?:sk|rk)_live_|\bgh[pousr]_\w{20}|\bxox[abp]-",
    re.IGNORECASE,
)
"""Passwords of connection strings and URLs, and the tokens that tell themselves by their form."""

_STRINGS = frozenset({pb.SCONST, pb.USCONST, pb.BCONST, pb.XCONST})
_NUMBERS = frozenset({pb.ICONST, pb.FCONST})

_QUERIES = frozenset({"select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"})

_BODY = re.compile(r"^(?:AS [$'\"]|BEGIN ATOMIC$|RETURN\s)", re.MULTILINE)
_LANGUAGE = re.compile(r"^ LANGUAGE \S+", re.MULTILINE)
_SETTING = re.compile(r"^ (?:SET|SUPPORT) .*\n", re.MULTILINE)
_RETURNS = re.compile(r"^ RETURNS (?P<type>.*)$", re.MULTILINE)
_OUT = re.compile(r"[(,]\s*(?:OUT|INOUT)\s")
_NAME = r'(?:"(?:[^"]|"")+"|[^\s".(]+)'
_TRIGGER_CALL = re.compile(rf" EXECUTE (?:FUNCTION|PROCEDURE) (?:{_NAME}\.)?{_NAME}\(")


def without_secrets(text: str) -> str:
    """An expression or a definition with `'***'` for each literal that looks like a password or an access token."""
    if not _SECRET.search(text):
        return text
    try:
        return replace_literals(text, lambda value: HIDDEN if _SECRET.search(value) else None)
    except SqlError:
        return ""


def without_literals(sql: str) -> str:
    """A statement with `$n` for its constants, without the literals that are left: those of utility statements, and
    what is part of a query's identity. Strings become `'***'`, numbers of utility statements 0; comments go.

    Where it cannot be taken apart nothing but its first word remains.
    """
    try:
        kinds = {statement.stmt.WhichOneof("node") or "" for statement in parse(sql).stmts}
        text = _without_comments(sql)
        hidden = _STRINGS if kinds <= _QUERIES else _STRINGS | _NUMBERS
        data = text.encode("utf-8", "replace")
        parts, end = [], 0
        for token in scan(text):
            if token.token in hidden:
                parts += [data[end : token.start], b"0" if token.token in _NUMBERS else quote_literal(HIDDEN).encode()]
                end = token.end
        return b"".join((*parts, data[end:])).decode()
    except SqlError:
        return f"{sql.split(None, 1)[0][:20]} …" if sql[:1].isalpha() else "…"


def has_text(expression: str) -> bool:
    """Whether an expression holds a string literal; true where that cannot be told."""
    try:
        return any(token.token in _STRINGS for token in scan(expression))
    except SqlError:
        return True


def function_stub(definition: str) -> str:
    """`pg_get_functiondef`'s text with a body that returns nothing: same signature, volatility, strictness and cost.

    The stub is PL/pgSQL, which the planner cannot inline: a condition on it stays a call with the function's cost. It
    returns NULL (no rows, a trigger's own row), so that indexes and defaults that use it can still be built. The
    header's form is that of `pg_get_functiondef` in `src/backend/utils/adt/ruleutils.c`: a line per clause, the body
    last and alone at a line's start.
    """
    body = _BODY.search(definition)
    header = definition[: body.start()] if body else definition.rstrip() + "\n"
    header = _SETTING.sub("", _LANGUAGE.sub(" LANGUAGE plpgsql", header, count=1))
    returns = _RETURNS.search(header)
    kind = returns["type"].upper() if returns else ""
    signature = header[: returns.start()] if returns else header
    if kind == "TRIGGER":
        answer = "RETURN coalesce(NEW, OLD)"
    elif kind.startswith(("SETOF ", "TABLE(")) or kind in ("VOID", "") or _OUT.search(signature):
        answer = "RETURN"
    else:
        answer = "RETURN NULL"
    return f"{header}AS 'BEGIN {answer}; END'"


def trigger_without_arguments(definition: str) -> str:
    """`pg_get_triggerdef`'s text without what the function is called with: webhooks keep their tokens there."""
    call = _TRIGGER_CALL.search(definition)
    return f"{definition[: call.end()]})" if call else ""


def shareable_statement(sql: str, *, with_values: bool) -> str | None:
    """A statement of `pg_stat_statements` as it may be kept; None where it has to be left out.

    Left out are texts that do not parse and all utility statements: no plan is theirs, and passwords, connection
    strings and programs stand in them. Without values, comments go and constants that the server left become `$n`.
    """
    try:
        statements = parse(sql).stmts
        kinds = {statement.stmt.WhichOneof("node") or "" for statement in statements}
        if not kinds or kinds - _QUERIES:
            return None
        if with_values:
            return without_secrets(sql) or None
        text = _without_comments(sql)
        return identify(text).sql if constants(text) else text
    except SqlError:
        return None


def _without_comments(sql: str) -> str:
    if "--" not in sql and "/*" not in sql:
        return sql
    data = sql.encode("utf-8", "replace")
    parts = []
    end = 0
    for token in scan(sql):
        if token.token in COMMENT_TOKENS:
            parts.append(data[end : token.start].decode())
            end = token.end
    return " ".join(filter(None, (part.strip() for part in [*parts, data[end:].decode()])))
