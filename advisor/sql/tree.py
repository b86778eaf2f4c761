"""Parse trees compared and turned back into text: what rewriting a statement needs."""

import postgast
from google.protobuf.message import EncodeError, Message
from postgast import pg_query_pb2 as pb

from advisor.errors import SqlError
from advisor.sql.parse import parse, unwrap

LOCATION_FIELDS = frozenset(
    {"location", "stmt_location", "stmt_len", "list_start", "list_end", "rexpr_list_start", "rexpr_list_end"}
)
"""Fields that say where in the text a node stood, and nothing about its meaning."""


def same_statement(a: str, b: str) -> bool:
    """Whether two texts have the same parse trees, with nothing but locations stripped; SqlError for a broken one.

    Comments, blanks, and the case and quoting of what is not quoted by need do not matter; every constant does.
    """
    return canonical_bytes(parse(a)) == canonical_bytes(parse(b))


def canonical_bytes(tree: Message) -> bytes:
    """A tree's bytes without its locations: equal for equal trees. The tree is left as it is."""
    copy = type(tree)()
    copy.CopyFrom(tree)
    strip_locations(copy)
    data: bytes = copy.SerializeToString(deterministic=True)
    return data


def strip_locations(root: Message) -> None:
    """Clear every location of a tree, in place."""
    stack = [root]
    while stack:
        message = stack.pop()
        for field, value in message.ListFields():
            if field.message_type is None:
                if field.name in LOCATION_FIELDS:
                    message.ClearField(field.name)
            elif isinstance(value, Message):
                stack.append(value)
            else:
                stack.extend(value)


def deparse(tree: Message) -> str:
    """A tree's text: of a whole `ParseResult`, a statement, or an expression; SqlError where it has none.

    The text parses back to an equal tree, else it is refused: libpg_query's deparser is trusted no further.
    """
    if isinstance(tree, pb.ParseResult):
        return _checked(tree)
    node = unwrap(tree)
    if node.DESCRIPTOR.name.endswith("Stmt"):
        return _checked(_as_tree(node))
    return deparse_expression(node)


def deparse_expression(expression: Message) -> str:
    """The text of an expression that may stand in a SELECT list; SqlError where it has none."""
    select = pb.SelectStmt(limit_option=pb.LIMIT_OPTION_DEFAULT, op=pb.SETOP_NONE)
    select.target_list.add().res_target.val.CopyFrom(as_node(expression))
    return _checked(_as_tree(select)).removeprefix("SELECT ")


def as_node(message: Message) -> pb.Node:
    """A message in its `Node` wrapper."""
    if isinstance(message, pb.Node):
        return message
    field = next(f.name for f in pb.Node.DESCRIPTOR.fields if f.message_type is message.DESCRIPTOR)
    node = pb.Node()
    getattr(node, field).CopyFrom(message)
    return node


def _as_tree(statement: Message) -> pb.ParseResult:
    tree = pb.ParseResult(version=_VERSION)
    tree.stmts.add().stmt.CopyFrom(as_node(statement))
    return tree


_VERSION: int = postgast.parse("SELECT").version


def _checked(tree: pb.ParseResult) -> str:
    try:
        text: str = postgast.deparse(tree)
    except (postgast.PgQueryError, EncodeError) as error:
        raise SqlError("The statement cannot be written back as text.", why=str(error)) from None
    if canonical_bytes(parse(text)) != canonical_bytes(tree):
        raise SqlError("The statement does not survive being written back as text.")
    return text


def output_names(sql: str) -> tuple[str, ...] | None:
    """The names of a query's result columns as PostgreSQL gives them; None where only the catalog knows (`*`).

    Source: `FigureColname` of `src/backend/parser/parse_target.c`.
    """
    tree = parse(sql)
    if len(tree.stmts) != 1:
        raise SqlError("One statement was expected.")
    statement = unwrap(tree.stmts[0].stmt)
    while isinstance(statement, pb.SelectStmt) and statement.op != pb.SETOP_NONE:
        statement = statement.larg
    targets = statement.target_list if isinstance(statement, pb.SelectStmt) else statement.returning_clause.exprs
    names = []
    for node in targets:
        target = node.res_target
        if any(f.HasField("a_star") for f in target.val.column_ref.fields):
            return None
        names.append(target.name or _figure_name(target.val))
    return tuple(names)


def _figure_name(node: pb.Node) -> str:
    kind = node.WhichOneof("node")
    if kind in _NAMED_AFTER_KIND:
        return _NAMED_AFTER_KIND[kind]
    if kind == "column_ref":
        return next((f.string.sval for f in reversed(node.column_ref.fields) if f.HasField("string")), "?column?")
    if kind == "func_call":
        return str(node.func_call.funcname[-1].string.sval)
    if kind == "a_indirection":
        fields = [part.string.sval for part in node.a_indirection.indirection if part.HasField("string")]
        return fields[-1] if fields else _figure_name(node.a_indirection.arg)
    if kind == "collate_clause":
        return _figure_name(node.collate_clause.arg)
    return _figure_special(kind, node)


_NAMED_AFTER_KIND = {
    "coalesce_expr": "coalesce",
    "a_array_expr": "array",
    "row_expr": "row",
    "xml_serialize": "xmlserialize",
    "grouping_func": "grouping",
    "merge_support_func": "merge_action",
}


def _figure_special(kind: str | None, node: pb.Node) -> str:
    if kind == "type_cast":
        inner = _figure_name(node.type_cast.arg)
        return str(node.type_cast.type_name.names[-1].string.sval) if inner == "?column?" else inner
    if kind == "case_expr":
        default = _figure_name(node.case_expr.defresult) if node.case_expr.HasField("defresult") else "?column?"
        return "case" if default == "?column?" else default
    if kind == "min_max_expr":
        return "greatest" if node.min_max_expr.op == pb.IS_GREATEST else "least"
    if kind == "a_expr" and node.a_expr.kind == pb.AEXPR_NULLIF:
        return "nullif"
    if kind == "sqlvalue_function":
        operation: str = pb.SQLValueFunctionOp.Name(node.sqlvalue_function.op)
        return operation.removeprefix("SVFOP_").lower().removesuffix("_n")
    if kind == "sub_link":
        return _figure_sublink(node.sub_link)
    return "?column?"


def _figure_sublink(link: pb.SubLink) -> str:
    if link.sub_link_type == pb.EXISTS_SUBLINK:
        return "exists"
    if link.sub_link_type == pb.ARRAY_SUBLINK:
        return "array"
    if link.sub_link_type == pb.EXPR_SUBLINK:
        select = link.subselect.select_stmt
        if select.op == pb.SETOP_NONE and select.target_list:
            target = select.target_list[0].res_target
            return target.name or _figure_name(target.val)
    return "?column?"
