"""Who is a query: one id for all executions of a statement, constants aside.

libpg_query's fingerprint merges what must stay apart (`a.t` and `b.t`, `t10` and `t11`, `a, b` and `b, a`), so it
is for display only. The id is made of `jumble`'s bytes, which follow the server's own `query_id`; what it tells
apart and what it does not stands there.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

import postgast
from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from advisor.errors import SqlError
from advisor.model.usage import StatementKind
from advisor.sql.comments import split_comments
from advisor.sql.constants import constants
from advisor.sql.json_tree import STRING, json_tree
from advisor.sql.jumble import jumble, number_type
from advisor.sql.parse import children, guarded, parse, scan, unwrap

__all__ = ["Identity", "constants", "identify", "number_type"]

_KINDS: dict[str, StatementKind] = {
    "SelectStmt": "select",
    "InsertStmt": "insert",
    "UpdateStmt": "update",
    "DeleteStmt": "delete",
    "MergeStmt": "merge",
}

_RELATION = re.compile(rb'"relname":(' + STRING + rb")")
_RELATION_IN_SCHEMA = re.compile(rb'(?:"schemaname":(' + STRING + rb'),)?+"relname":(' + STRING + rb")")
_LOCKED = re.compile(rb'"lockedRels":\[[^\[\]]*\]')

_QUOTED = re.compile(r"""'[^']*+'|"[^"]*+\"""")
_NUMBER = re.compile(r"[0-9](?<![\w$][0-9])[\w.]*", re.ASCII)
_DOLLAR = re.compile(r"\$(?![0-9])")
_LITERAL_TOKENS = frozenset({pb.ICONST, pb.FCONST, pb.SCONST, pb.USCONST, pb.BCONST, pb.XCONST})
_STARTS = frozenset(b"0123456789.-'$")
_MARKS = (b"'", b"&")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who a statement is.

    Attributes:
        id: 16 hex digits of database + jumbled parse tree; the same in every process and on every platform.
        kind: of the first statement that is not transaction control.
        is_transaction_control: BEGIN, COMMIT, ROLLBACK, SAVEPOINT, … and nothing else.
        significant: where the literals stand in the text that was given whose value is part of the id (`ORDER BY 2`,
            `varchar(10)`, most of utility statements): start and end in UTF-8 bytes, in order. A text that differs
            from it only in other literals has the same id, as long as each number keeps its `number_type`.
            What is no literal token (`$1`, TRUE, NULL) is not among them: another one is another text.
        text: the text that was given.
        fingerprint: libpg_query's, in hex; for display.
        sql: the text with constants as `$n`, without comments around it and without a closing semicolon.
        tables: the relations as the text names them (`schema.name` or `name`), each once, without CTE names.

    The last three are worked out when they are first asked for.
    """

    id: str
    kind: StatementKind
    is_transaction_control: bool
    significant: tuple[tuple[int, int], ...]
    text: str
    jumbled_tables: tuple[str, ...] | None = field(repr=False)

    @cached_property
    def fingerprint(self) -> str:
        fingerprint: str = guarded(postgast.fingerprint, self.text).hex
        return fingerprint

    @cached_property
    def sql(self) -> str:
        text = split_comments(self.text)[0].rstrip().rstrip(";").rstrip()
        normalised: str = guarded(postgast.normalize, text)
        return normalised

    @cached_property
    def tables(self) -> tuple[str, ...]:
        return self.jumbled_tables if self.jumbled_tables is not None else _tables(parse(self.text))


def identify(sql: str, database: str | None = None) -> Identity:
    """The identity of a text, normally one statement; SqlError where it does not parse or holds no statement."""
    jumbled, places, kinds = jumble(json_tree(sql))
    if not kinds:
        raise SqlError("There is no statement in the text.")
    work = [kind for kind in kinds if kind != "TransactionStmt"]
    return Identity(
        id=_digest(jumbled, database),
        kind=_KINDS.get(work[0], "utility") if work else "utility",
        is_transaction_control=not work,
        significant=_significant(sql, places) if work else (),
        text=sql,
        jumbled_tables=_tables_without_ctes(jumbled),
    )


def _digest(jumbled: bytes, database: str | None) -> str:
    digest = blake2b(digest_size=8, person=b"advisor.query")
    digest.update(b"\0" if database is None else b"\1" + database.encode("utf-8", "surrogatepass") + b"\0")
    digest.update(jumbled)
    return digest.hexdigest()


def _significant(sql: str, places: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The literals of a text but for those at `places`."""
    data = sql.encode()
    size = len(data)
    # The others are in the tree, but no literal in the text: TRUE, NULL, `year` of EXTRACT, what the grammar adds.
    literal = {at for at in places if 0 <= at < size and (data[at] in _STARTS or data[at + 1 : at + 2] in _MARKS)}
    if _count_literals(sql) == len(literal):
        return ()
    spans = [(token.start, token.end) for token in scan(sql) if token.token in _LITERAL_TOKENS]
    starts = [start for start, _ in spans]
    # A negative number's place is its sign.
    told = {bisect_left(starts, at) for at in literal}
    return tuple(span for position, span in enumerate(spans) if position not in told)


def _count_literals(sql: str) -> int | None:
    """How many literals a text has, or more, never fewer; None where only a scan tells."""
    if "--" in sql or "/*" in sql or "\\" in sql or ("$" in sql and _DOLLAR.search(sql)):
        return None
    # A doubled quote and a string that goes on in the next line count too much, which leads to a scan.
    strings = 0
    if '"' in sql:
        strings = sum(quoted[0] == "'" for quoted in _QUOTED.findall(sql))
        sql = _QUOTED.sub(" ", sql)
    elif "'" in sql:
        parts = sql.split("'")
        strings, sql = len(parts) // 2, " ".join(parts[::2])
    return strings + len(_NUMBER.findall(sql))


def _tables_without_ctes(jumbled: bytes) -> tuple[str, ...] | None:
    """The tables of a statement; None where it has CTEs, whose names look the same."""
    if b'"ctename":' in jumbled:
        return None
    if b'"lockedRels":' in jumbled:
        jumbled = _LOCKED.sub(b"", jumbled)
    if b'"schemaname":' in jumbled:
        pairs = _RELATION_IN_SCHEMA.findall(jumbled)
        names = [".".join(_unquoted(part) for part in pair if part) for pair in pairs]
    else:
        names = [_unquoted(name) for name in _RELATION.findall(jumbled)]
    return tuple(dict.fromkeys(names))


def _unquoted(string: bytes) -> str:
    return str(json.loads(string)) if b"\\" in string else string[1:-1].decode()


def _tables(tree: pb.ParseResult) -> tuple[str, ...]:
    found: dict[str, None] = {}
    stack: list[tuple[Message, frozenset[str]]] = [(raw.stmt, frozenset()) for raw in reversed(tree.stmts)]
    while stack:
        message, ctes = stack.pop()
        message = unwrap(message)
        name = message.DESCRIPTOR.name
        if name == "RangeVar":
            if message.schemaname or message.relname not in ctes:
                found.setdefault(".".join(part for part in (message.schemaname, message.relname) if part))
            continue
        if name == "LockingClause":
            continue
        stack.extend(reversed(list(_with_visible_ctes(message, ctes))))
        if name in _WRITERS:
            stack.append((message.relation, frozenset()))
    return tuple(found)


_WRITERS = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})


def _with_visible_ctes(message: Message, ctes: frozenset[str]) -> Iterator[tuple[Message, frozenset[str]]]:
    """The children of a message, each with the CTE names it sees: a CTE sees those before it, RECURSIVE all."""
    inner = ctes
    fields = {field.name for field, _ in message.ListFields()}
    if "with_clause" in fields and message.DESCRIPTOR.name != "WithClause":
        clause = message.with_clause
        names = [node.common_table_expr.ctename for node in clause.ctes]
        inner = ctes | frozenset(names)
        for position, node in enumerate(clause.ctes):
            visible = inner if clause.recursive else ctes | frozenset(names[:position])
            yield node.common_table_expr.ctequery, visible
    for name, child in children(message):
        if name != "with_clause" and not (name == "relation" and message.DESCRIPTOR.name in _WRITERS):
            yield child, inner
