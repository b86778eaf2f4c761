"""The result columns of a query, and the ORDER BY and GROUP BY terms that may mean them."""

from collections.abc import Iterable, Iterator, Sequence

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from advisor.model.usage import OrderTerm
from advisor.sql.parse import strings
from advisor.sql.scopes import Columns, Level, Relation, names_of, resolve_here
from advisor.sql.terms import level_text, term_of, text_of


def star_relations(level: Level, node: pb.Node) -> Sequence[Relation] | None:
    """The relations a `*` or `alias.*` stands for; None where it is none."""
    fields = node.column_ref.fields if node.HasField("column_ref") else ()
    if not fields or not fields[-1].HasField("a_star"):
        return None
    names = strings(fields)
    if not names:
        return level.relations
    return [relation for relation in level.relations if relation.visible == names[-1]]


def output_name(node: pb.Node) -> str:
    names = names_of(node.column_ref) if node.HasField("column_ref") else None
    if names:
        return names[-1]
    if node.HasField("func_call"):
        return strings(node.func_call.funcname)[-1]
    return "?column?"


def plain_outputs(query: Message) -> Columns:
    """The result names of a query that its text alone tells; None with a star."""
    while isinstance(query, pb.SelectStmt) and query.op != pb.SETOP_NONE:
        query = query.larg
    if not isinstance(query, pb.SelectStmt) or query.values_lists:
        return None
    targets = [node.res_target for node in query.target_list]
    if any(field.HasField("a_star") for target in targets for field in target.val.column_ref.fields):
        return None
    return tuple(target.name or output_name(target.val) for target in targets)


def target_named(name: str, targets: Sequence[pb.Node]) -> pb.Node | None:
    return next((node.res_target.val for node in targets if node.res_target.name == name), None)


def _meant(level: Level, node: pb.Node, targets: Sequence[pb.Node], *, grouping: bool) -> pb.Node | None:
    """What an ORDER BY or GROUP BY term means: an output by number or name, else itself; None for a bad number.

    ORDER BY takes an output's name before a column's, GROUP BY the other way round
    (`findTargetlistEntrySQL92`, `src/backend/parser/parse_clause.c`).
    """
    if node.HasField("a_const") and node.a_const.HasField("ival"):
        position = node.a_const.ival.ival
        return targets[position - 1].res_target.val if 0 < position <= len(targets) else None
    names = names_of(node.column_ref) if node.HasField("column_ref") else None
    if names and len(names) == 1:
        target = target_named(names[0], targets)
        if target is not None and not (grouping and resolve_here(level, names)):
            return target
    return node


def order_terms(
    level: Level, parts: Iterable[pb.Node], targets: Sequence[pb.Node], *, grouping: bool
) -> Iterator[OrderTerm]:
    """The terms of an ORDER BY or GROUP BY; `nulls_first` is what holds, said or by default."""
    for part in parts:
        node = part.sort_by.node if part.HasField("sort_by") else part
        if part.HasField("grouping_set"):
            yield OrderTerm(reference=None, expression="GROUPING SETS")
            continue
        meant = _meant(level, node, targets, grouping=grouping)
        sort = part.sort_by
        using = strings(sort.use_op)[-1:] if sort.use_op else ()
        descending = sort.sortby_dir == pb.SORTBY_DESC or using == (">",)
        first = descending if sort.sortby_nulls in (0, pb.SORTBY_NULLS_DEFAULT) else None
        nulls_first = sort.sortby_nulls == pb.SORTBY_NULLS_FIRST if first is None else first
        term = term_of(level, meant) if meant is not None else None
        reference = term.reference if term else None
        text = None if reference else level_text(level, meant) if meant is not None else text_of(node)
        yield OrderTerm(reference=reference, expression=text, descending=descending, nulls_first=nulls_first)


def names_output(level: Level, node: pb.Node, targets: Sequence[pb.Node], *, grouping: bool) -> bool:
    """Whether an ORDER BY or GROUP BY term is the name of an output, and so mentions no column itself."""
    return _meant(level, node, targets, grouping=grouping) is not node
