"""From a text to PostgreSQL's own parse tree, and the few helpers that walk it.

The tree is libpg_query's protobuf (`postgast.pg_query_pb2`): the raw parse tree of PostgreSQL's `gram.y`, its node
names are those of `src/include/nodes/parsenodes.h`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import postgast
from google.protobuf.message import DecodeError, EncodeError, Message
from postgast import pg_query_pb2 as pb

from advisor.errors import SqlError

try:
    from google._upb._message import SetAllowOversizeProtos
except ImportError:  # the pure Python protobuf has no limit of its own
    pass
else:
    # Else a chain of 50 operators or 34 UNION branches is "too deep" to be read. MAX_NESTING bounds it instead.
    SetAllowOversizeProtos(True)

MAX_BYTES = 4 * 1024 * 1024
"""Longer statements are bulk loads: their trees would take seconds and gigabytes, and say nothing new."""

MAX_NESTING = 1_000
"""Levels of a tree. libpg_query recurses without a check: it crashed between 3,000 and 9,000 levels on a stack
of 8 MiB, so a third of the smaller number is let in."""

MAX_SIGNS = 2_000
"""Characters of operators in a row: at each `/*` among them the scanner takes all that follow, and gives them back
(`xcstart` in PostgreSQL's scan.l), so that a megabyte of `/*/` would take it hours."""

_SIGNS = re.compile(rf"[-+*/<>=~!@#%^&|`?]{{{MAX_SIGNS}}}")

_DEEPENS = re.compile(
    r"[-+*/<>=~!@#%^&|`?:\[({]+|\b(?:not|case|union|intersect|except|join|is|isnull|notnull|collate|at|like|ilike"
    r"|similar|between|in|overlaps|operator)\b",
    re.IGNORECASE,
)
_OPENING = frozenset({pb.ASCII_40, pb.ASCII_91, pb.CASE})
_CLOSING = frozenset({pb.ASCII_41, pb.ASCII_93, pb.END_P})
_SEPARATING = frozenset({pb.ASCII_44, pb.ASCII_59, pb.AND, pb.OR})
_CHAINING = frozenset({pb.UNION, pb.INTERSECT, pb.EXCEPT, pb.JOIN})
_FLAT = frozenset(
    {pb.IDENT, pb.UIDENT, pb.ICONST, pb.FCONST, pb.SCONST, pb.USCONST, pb.BCONST, pb.XCONST, pb.PARAM, pb.ASCII_46}
    | {pb.SELECT, pb.FROM, pb.WHERE, pb.AS, pb.ALL, pb.ON}
)
"""Tokens that never deepen a tree. Keywords and operators not named here are taken to."""

_Answer = TypeVar("_Answer")


def parse(sql: str) -> pb.ParseResult:
    """The parse tree of a text of any number of statements.

    Raises SqlError (with the 0-based character position where known) where it is not PostgreSQL's grammar, longer
    than `MAX_BYTES`, nested deeper than `MAX_NESTING`, or holds NULs, lone surrogates or `MAX_SIGNS`.
    """
    return guarded(postgast.parse, sql)


def parse_one(sql: str) -> Message:
    """The tree of the only statement of a text: a `SelectStmt`, `UpdateStmt`, …; SqlError for none or several."""
    statements = parse(sql).stmts
    if len(statements) != 1:
        found = "no statement" if not statements else f"{len(statements)} statements"
        raise SqlError(f"One statement was expected, the text has {found}.")
    return unwrap(statements[0].stmt)


def guarded(function: Callable[[str], _Answer], sql: str) -> _Answer:
    """Call one of libpg_query's functions on a text, once it is known to survive it; SqlError else."""
    check_text(sql)
    try:
        return function(sql)
    except postgast.PgQueryError as error:
        raise _grammar_error(error) from None
    except (DecodeError, EncodeError, RecursionError) as error:
        raise SqlError("The statement is nested too deeply to be read.", why=str(error)) from None


def scan(sql: str) -> Sequence[pb.ScanToken]:
    """The tokens of a text, comments included; their `start` and `end` count UTF-8 bytes. SqlError where it breaks off.

    Unlike `parse` it does not recurse, so any text is safe; it needs neither grammar nor balance.
    """
    _check_characters(sql)
    try:
        tokens: Sequence[pb.ScanToken] = postgast.scan(sql).tokens
    except postgast.PgQueryError as error:
        raise _grammar_error(error) from None
    return tokens


def _grammar_error(error: postgast.PgQueryError) -> SqlError:
    position = error.cursorpos - 1 if error.cursorpos and error.cursorpos > 0 else None
    return SqlError(f"Not a statement PostgreSQL understands: {error.message}", position=position)


def check_text(sql: str) -> None:
    """Refuse what libpg_query cuts short or crashes on: NULs, invalid Unicode, oversize and extreme nesting."""
    _check_characters(sql)
    if len(sql) > MAX_BYTES:
        raise SqlError(f"The statement has {len(sql):,} characters; the limit is {MAX_BYTES:,}.")
    if len(sql) > MAX_NESTING and nesting_bound(sql) > MAX_NESTING:
        raise SqlError(f"The statement is nested deeper than {MAX_NESTING} levels.")


def _check_characters(sql: str) -> None:
    if "/*" in sql and (signs := _SIGNS.search(sql)) is not None:
        raise SqlError(f"The statement has more than {MAX_SIGNS:,} signs in a row.", position=signs.start())
    if (position := sql.find("\0")) >= 0:
        raise SqlError("The statement contains a NUL character.", position=position)
    if not sql.isascii():
        try:
            sql.encode()
        except UnicodeEncodeError as error:
            raise SqlError("The statement is not valid Unicode.", position=error.start) from None


def nesting_bound(sql: str) -> int:
    """An upper bound of the depth of a text's tree, without parsing it.

    A tree deepens only by a bracket, an operator or one of a few words. Operators add up from one comma (AND, OR) of
    their bracket (or CASE) to the next, set operations and joins over the whole bracket.
    """
    # Strings hold few such signs, so this count usually settles it without looking closer.
    rough = sum(1 if match.isalpha() else len(match) for match in _DEEPENS.findall(sql))
    if rough <= MAX_NESTING:
        return rough
    levels = [_Level()]
    for token in scan(sql):
        kind = token.token
        if kind in _FLAT:
            continue
        if kind in _OPENING:
            levels.append(_Level())
        elif kind in _CLOSING:
            if len(levels) > 1:
                _close(levels)
        elif kind in _SEPARATING:
            levels[-1].end_segment(statement=kind == pb.ASCII_59)
        elif kind in _CHAINING:
            levels[-1].chain += 1
        else:
            levels[-1].operators += 1
    while len(levels) > 1:
        _close(levels)
    return levels[0].depth()


@dataclass(slots=True)
class _Level:
    """One open bracket: its operators since the last comma, the deepest bracket since then, the deepest before,
    and its set operations and joins."""

    operators: int = 0
    nested: int = 0
    before: int = 0
    chain: int = 0

    def end_segment(self, *, statement: bool) -> None:
        self.before = max(self.before, self.operators + self.nested)
        self.operators = self.nested = 0
        if statement:
            self.before = self.depth()
            self.chain = 0

    def depth(self) -> int:
        return max(self.before, self.operators + self.nested) + self.chain


def _close(levels: list[_Level]) -> None:
    inner = levels.pop().depth() + 1
    levels[-1].nested = max(levels[-1].nested, inner)


def unwrap(node: Message) -> Message:
    """The message within a `Node` wrapper; any other message as it is."""
    if isinstance(node, pb.Node):
        kind = node.WhichOneof("node")
        if kind is not None:
            inner: Message = getattr(node, kind)
            return inner
    return node


def children(message: Message) -> Iterator[tuple[str, Message]]:
    """The (field, message) pairs directly below a message, `Node` wrappers taken off, in the order of the fields."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if isinstance(value, Message):
            yield field.name, unwrap(value)
        else:
            for item in value:
                yield field.name, unwrap(item)


def walk(message: Message) -> Iterator[Message]:
    """Every message of a tree, parents first, without recursion."""
    stack = [unwrap(message)]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed([child for _, child in children(current)]))


def strings(nodes: Iterable[pb.Node]) -> tuple[str, ...]:
    """The texts of a list of `String` nodes: the parts of a name; other nodes (`*`) are left out."""
    return tuple(node.string.sval for node in nodes if node.HasField("string"))
