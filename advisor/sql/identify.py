"""Who is a query: one id for all executions of a statement, constants aside.

libpg_query's fingerprint merges what must stay apart (`a.t` and `b.t`, `t10` and `t11`, `a, b` and `b, a`), so it
is for display only. The id here follows the server's own `query_id` (`src/backend/nodes/queryjumblefuncs.c`):
constants and parameters are one placeholder, lists of constants count once, everything else is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import postgast
from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from advisor.errors import SqlError
from advisor.model.usage import StatementKind
from advisor.sql.comments import split_comments
from advisor.sql.constants import constants
from advisor.sql.parse import children, guarded, parse, unwrap
from advisor.sql.tree import LOCATION_FIELDS, strip_locations

__all__ = ["Identity", "constants", "identify"]

_KINDS: dict[str, StatementKind] = {
    "select_stmt": "select",
    "insert_stmt": "insert",
    "update_stmt": "update",
    "delete_stmt": "delete",
    "merge_stmt": "merge",
}
_PLACEHOLDER = "param_ref"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a statement is.

    Attributes:
        id: 16 hex digits of database + normalised parse tree.
        fingerprint: libpg_query's, in hex; for display.
        sql: the text with constants as `$n`, without comments around it and without a closing semicolon.
        tables: the relations as the text names them (`schema.name` or `name`), each once, without CTE names.
        kind: of the first statement that is not transaction control.
        is_transaction_control: BEGIN, COMMIT, ROLLBACK, SAVEPOINT, … and nothing else.
    """

    id: str
    fingerprint: str
    sql: str
    tables: tuple[str, ...]
    kind: StatementKind
    is_transaction_control: bool


def identify(sql: str, database: str | None = None) -> Identity:
    """The identity of a text, normally one statement; SqlError where it does not parse or holds no statement."""
    tree = parse(sql)
    if not tree.stmts:
        raise SqlError("There is no statement in the text.")
    kinds = [raw.stmt.WhichOneof("node") or "" for raw in tree.stmts]
    work = [kind for kind in kinds if kind != "transaction_stmt"]
    tables = _tables(tree)
    text = split_comments(sql)[0].rstrip().rstrip(";").rstrip()
    return Identity(
        id=_digest(tree, database),
        fingerprint=guarded(postgast.fingerprint, sql).hex,
        sql=guarded(postgast.normalize, text),
        tables=tables,
        kind=_KINDS.get(work[0], "utility") if work else "utility",
        is_transaction_control=not work,
    )


def _digest(tree: pb.ParseResult, database: str | None) -> str:
    digest = blake2b(digest_size=8, person=b"advisor.query")
    digest.update(b"\0" if database is None else b"\1" + database.encode("utf-8", "surrogatepass") + b"\0")
    for raw in tree.stmts:
        _normalise(raw)
        digest.update(raw.SerializeToString(deterministic=True))
    return digest.hexdigest()


def _normalise(root: Message) -> None:
    """Strip locations and constants of a tree in place, then fold its lists from the leaves upwards."""
    order = []
    stack = [root]
    while stack:
        message = stack.pop()
        if isinstance(message, pb.Node):
            if message.WhichOneof("node") in ("a_const", "param_ref"):
                message.param_ref.CopyFrom(pb.ParamRef())
                continue
        elif isinstance(message, pb.TypeName):
            # `varchar(10)` is another type than `varchar(20)`: what looks like constants there is kept.
            strip_locations(message)
            continue
        elif isinstance(message, pb.SelectStmt):
            _drop_limit_all(message)
        order.append(message)
        stack.extend(_normalisable(message))
    for message in reversed(order):
        if fold := _FOLDS.get(message.DESCRIPTOR.name):
            fold(message)


def _normalisable(message: Message) -> Iterator[Message]:
    positional = _POSITIONAL.get(message.DESCRIPTOR.name, ())
    for field, value in message.ListFields():
        if field.message_type is None:
            if field.name in LOCATION_FIELDS:
                message.ClearField(field.name)
        elif isinstance(value, Message):
            yield value
        else:
            for item in value:
                if field.name in positional and _is_position(item):
                    strip_locations(item)
                else:
                    yield item


_POSITIONAL = {"SelectStmt": ("sort_clause", "group_clause", "distinct_clause"), "GroupingSet": ("content",)}
"""Fields where an integer is the number of an output column (`ORDER BY 2`), not a value."""


def _is_position(node: pb.Node) -> bool:
    inner = node.sort_by.node if node.HasField("sort_by") else node
    return bool(inner.HasField("a_const") and inner.a_const.HasField("ival"))


def _fold_select(select: pb.SelectStmt) -> None:
    _keep_distinct(select, "values_lists")


def _drop_limit_all(select: pb.SelectStmt) -> None:
    """LIMIT ALL, LIMIT NULL and no LIMIT are the same."""
    if select.limit_count.HasField("a_const") and select.limit_count.a_const.isnull:
        select.ClearField("limit_count")
        select.limit_option = pb.LIMIT_OPTION_DEFAULT


def _fold_in_list(expression: pb.A_Expr) -> None:
    if expression.kind == pb.AEXPR_IN and expression.rexpr.HasField("list"):
        _keep_distinct(expression.rexpr.list, "items")


def _fold_array(array: pb.A_ArrayExpr) -> None:
    if all(_is_constant(element) for element in array.elements):
        _keep_distinct(array, "elements")


def _fold_set(statement: pb.VariableSetStmt) -> None:
    _keep_distinct(statement, "args")


def _fold_transaction(statement: pb.TransactionStmt) -> None:
    # Drivers number their savepoints; the server's query_id ignores the name, too.
    statement.ClearField("savepoint_name")
    statement.ClearField("gid")


def _fold_deallocate(statement: pb.DeallocateStmt) -> None:
    statement.ClearField("name")


_FOLDS: dict[str, Callable[[Message], None]] = {
    "SelectStmt": _fold_select,
    "A_Expr": _fold_in_list,
    "A_ArrayExpr": _fold_array,
    "VariableSetStmt": _fold_set,
    "TransactionStmt": _fold_transaction,
    "DeallocateStmt": _fold_deallocate,
}


def _is_constant(node: pb.Node) -> bool:
    while node.HasField("type_cast"):
        node = node.type_cast.arg
    return bool(node.WhichOneof("node") == _PLACEHOLDER)


def _keep_distinct(message: Message, field: str) -> None:
    """Leave one of each kind of element of a list, in order of first appearance."""
    elements: Sequence[Message] = getattr(message, field)
    if len(elements) < 2:
        return
    kept = {element.SerializeToString(deterministic=True): element for element in reversed(elements)}
    if len(kept) < len(elements):
        distinct = [pb.Node.FromString(data) for data in reversed(kept)]
        message.ClearField(field)
        getattr(message, field).extend(distinct)


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
    for field, child in children(message):
        if field != "with_clause" and not (field == "relation" and message.DESCRIPTOR.name in _WRITERS):
            yield child, inner
