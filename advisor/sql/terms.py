"""The two sides of a comparison: a column, an expression over one table, or a value that stands still for the scan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from advisor.errors import SqlError
from advisor.model.catalog import Table
from advisor.model.usage import ColumnReference, Value
from advisor.sql.functions import is_stable
from advisor.sql.parse import children, parse_one, strings, unwrap, walk
from advisor.sql.scopes import Found, Level, names_of, resolve
from advisor.sql.tree import as_node, deparse_expression

_TEXT_TYPES = frozenset({"text", "varchar"})


@dataclass(frozen=True, slots=True)
class Term:
    """One side of a comparison.

    Attributes:
        value: what it is for a scan of another table; None where it changes from row to row by itself.
        reference: the bare column, where it is one of this level.
        alias: the one table of this level it is about; None for a value.
        expression, columns, function: of an expression over that table.
    """

    value: Value | None
    reference: ColumnReference | None = None
    alias: str | None = None
    expression: str | None = None
    columns: tuple[str, ...] = ()
    function: str | None = None


def term_of(level: Level, node: Message) -> Term | None:
    """What an operand is; None where it mixes tables, is volatile, or names what cannot be found."""
    node = bare(level, unwrap(node))
    if isinstance(node, pb.ColumnRef):
        found = _found(level, node)
        if found is None:
            return None
        if found.level is level:
            reference = found.reference
            return Term(Value(kind="column", reference=reference), reference, reference.alias)
        return Term(Value(kind="expression", text=text_of(node)))
    columns = local_columns(level, node)
    if columns is None or not _stable(level, node):
        return None
    if not columns:
        value = value_of(node)
        return Term(value) if value else None
    aliases = {reference.alias for reference in columns}
    if len(aliases) > 1:
        return None
    text = level_text(level, node)
    value = Value(kind="column", reference=columns[0], text=text)
    names = tuple(dict.fromkeys(reference.column for reference in columns))
    return Term(value, None, columns[0].alias, text, names, function_of(node))


def bare(level: Level, node: Message) -> Message:
    """A node without a cast that changes nothing: `varchar_column::text`, `bigint_column::bigint`.

    PostgreSQL relabels such a column, and an index on it still serves (`RelabelType`).
    """
    while isinstance(node, pb.TypeCast) and node.arg.HasField("column_ref"):
        found = _found(level, node.arg.column_ref)
        if found is None or not _changes_nothing(_base_type(found), node.type_name):
            return node
        node = node.arg.column_ref
    return node


def _changes_nothing(base_type: str | None, target: pb.TypeName) -> bool:
    if base_type is None or target.typmods or target.array_bounds:
        return False
    name = strings(target.names)[-1]
    return name == base_type or (name in _TEXT_TYPES and base_type in _TEXT_TYPES)


def _base_type(found: Found) -> str | None:
    table = next((r.table for r in found.level.relations if r.alias == found.reference.alias), None)
    column = table.column(found.reference.column) if table else None
    return column.base_type if column else None


def _found(level: Level, node: pb.ColumnRef) -> Found | None:
    names = names_of(node)
    return resolve(level, names) if names else None


def local_columns(level: Level, node: Message) -> list[ColumnReference] | None:
    """The columns of this level within a node; None where one cannot be found or a subquery depends on the row."""
    found: dict[ColumnReference, None] = {}
    for message in walk_level(node):
        if isinstance(message, pb.SubLink) and message.location in level.row_subqueries:
            return None
        if isinstance(message, pb.ColumnRef):
            column = _found(level, message)
            if column is None:
                return None
            if column.level is level:
                found.setdefault(column.reference)
    return list(found)


def walk_level(node: Message) -> Iterator[Message]:
    """The messages of a node that belong to its own level: a subquery is given, its inside is not."""
    stack = [unwrap(node)]
    while stack:
        message = stack.pop()
        yield message
        stack += [child for name, child in children(message) if name != "subselect"][::-1]


def _stable(level: Level, node: Message) -> bool:
    return all(
        is_stable(strings(message.funcname), level.catalog.functions)
        for message in walk(node)
        if isinstance(message, pb.FuncCall)
    )


def value_of(node: Message) -> Value | None:
    """A node without columns as a value; None for what is no value."""
    node = unwrap(node)
    if isinstance(node, pb.A_Const):
        return Value(kind="constant", text=constant_text(node))
    if isinstance(node, pb.ParamRef):
        return Value(kind="parameter", number=node.number)
    if isinstance(node, pb.TypeCast):
        inner = value_of(node.arg)
        if inner is None or inner.kind in ("constant", "parameter", "list"):
            return inner
    if isinstance(node, pb.A_ArrayExpr):
        return _list_of(node.elements) or Value(kind="expression", text=text_of(node))
    if isinstance(node, pb.SubLink):
        return Value(kind="subquery")
    return Value(kind="expression", text=text_of(node))


def _list_of(nodes: Sequence[pb.Node]) -> Value | None:
    items = [value_of(node) for node in nodes]
    if any(item is None or item.kind not in ("constant", "parameter") for item in items):
        return None
    return Value(kind="list", items=tuple(item for item in items if item))


def list_value(level: Level, nodes: Sequence[pb.Node]) -> Value | None:
    """The items of an IN list; None where one is not a value for a scan of its table."""
    items = []
    for node in nodes:
        term = term_of(level, node)
        if term is None or term.value is None or term.alias is not None:
            return None
        items.append(term.value)
    return Value(kind="list", items=tuple(items))


def constant_text(node: pb.A_Const) -> str | None:
    """The text of a constant; None for NULL."""
    if node.isnull:
        return None
    kind = node.WhichOneof("val")
    if kind == "boolval":
        return "true" if node.boolval.boolval else "false"
    if kind == "ival":
        return str(node.ival.ival)
    inner = getattr(node, kind or "sval")
    return str(getattr(inner, kind or "sval"))


def text_of(node: Message) -> str:
    """A node as SQL; `(…)` where libpg_query cannot write it back faithfully."""
    try:
        return deparse_expression(node)
    except SqlError:
        return "(…)"


def level_text(level: Level, node: Message) -> str:
    """An expression as SQL; over one table, by its own column names, and canonical (see `canonical_expression`)."""
    columns = local_columns(level, node) or []
    aliases = {reference.alias for reference in columns}
    if len(aliases) != 1:
        return text_of(node)
    copy = pb.Node()
    copy.CopyFrom(as_node(node))
    for message in list(walk_level(copy)):
        if isinstance(message, pb.ColumnRef) and (found := _found(level, message)) and found.level is level:
            del message.fields[:]
            message.fields.add().string.sval = found.reference.column
    alias = aliases.pop()
    table = next((relation.table for relation in level.relations if relation.alias == alias), None)
    _canonicalise(copy, table)
    return text_of(copy)


def canonical_expression(sql: str, table: Table | None = None) -> str:
    """An expression of an index in the form in which `Predicate.expression` is given; the text itself if broken.

    `pg_get_indexdef` writes `lower((email)::text)` and `date_trunc('day'::text, created_at)`: casts of string
    constants to text, and of `table`'s columns to their own type, are taken off, and brackets with them.
    """
    try:
        select = parse_one(f"SELECT {sql}")
    except SqlError:
        return sql
    if not isinstance(select, pb.SelectStmt) or len(select.target_list) != 1:
        return sql
    target = select.target_list[0].res_target.val
    _canonicalise(target, table)
    return text_of(target)


def _canonicalise(root: pb.Node, table: Table | None) -> None:
    wrappers = []
    stack: list[Message] = [root]
    while stack:
        message = stack.pop()
        if isinstance(message, pb.Node):
            wrappers.append(message)
        for descriptor, value in message.ListFields():
            if descriptor.message_type is not None:
                stack += [value] if isinstance(value, Message) else list(value)
    for node in reversed(wrappers):
        if node.HasField("type_cast") and _is_idle_cast(node.type_cast, table):
            inner = pb.Node()
            inner.CopyFrom(node.type_cast.arg)
            node.CopyFrom(inner)
        elif node.HasField("func_call") and node.func_call.funcformat == pb.COERCE_EXPLICIT_CALL:
            del node.func_call.funcname[:-1]


def _is_idle_cast(cast: pb.TypeCast, table: Table | None) -> bool:
    if cast.arg.HasField("a_const") and cast.arg.a_const.HasField("sval"):
        return strings(cast.type_name.names)[-1:] == ("text",) and not cast.type_name.array_bounds
    names = names_of(cast.arg.column_ref) if cast.arg.HasField("column_ref") else None
    column = table.column(names[-1]) if table and names else None
    return column is not None and _changes_nothing(column.base_type, cast.type_name)


def function_of(node: Message) -> str | None:
    """The outermost function, operator or `cast:TYPE` of an expression."""
    node = unwrap(node)
    if isinstance(node, pb.FuncCall):
        return strings(node.funcname)[-1]
    if isinstance(node, pb.TypeCast):
        return f"cast:{strings(node.type_name.names)[-1]}"
    if isinstance(node, pb.A_Expr):
        return strings(node.name)[-1]
    if isinstance(node, pb.CoalesceExpr):
        return "coalesce"
    if isinstance(node, pb.CaseExpr):
        return "case"
    return None
