"""One look-up per row into one look-up for all rows: `key = $1` becomes `key = ANY($1)`."""

from dataclasses import dataclass, replace

from postgast import pg_query_pb2 as pb

from advisor.model.advice import BatchProposal
from advisor.model.workload import Sample
from advisor.sql.bind import count_parameters
from advisor.sql.parse import parse
from advisor.sql.quote import quote_identifier
from advisor.sql.tree import deparse

KIND = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A look-up and its batched form.

    Attributes:
        single_sql: the look-up by one key, `$parameter`.
        batched_sql: the same for an array of keys, `$parameter`.
        parameter: the number of the key's parameter; one of its own where the sample had the key as a constant.
        values: those of all parameters in the sample, the key's among them.
        key_position: 0-based output column of the batched form that holds the key.
        key_added: the key was not in the look-up's output and stands last in the batched form's.
    """

    single_sql: str
    batched_sql: str
    parameter: int
    values: tuple[str | None, ...]
    key_position: int | None
    key_added: bool


def batch(proposal: BatchProposal, sample: Sample, *, unique: bool = False) -> Batch | None:
    """The batched form of a look-up as it was sent; None where its rows could not be told apart by key afterwards.

    That is so for a LIMIT, DISTINCT, grouping, an aggregate, a set operation or a lock: each of those speaks of one
    key's rows alone. Where the key is `unique`, a LIMIT of one row or more says nothing and is left out.

    Raises:
        SqlError: the statement does not parse, or cannot be written back as text.
    """
    tree = parse(sample.sql)
    select = tree.stmts[0].stmt.select_stmt
    if unique and len(tree.stmts) == 1 and len(select.from_clause) == 1 and _is_idle_limit(select, sample):
        for name in ("limit_count", "limit_offset", "limit_option"):
            select.ClearField(name)
        select.limit_option = pb.LIMIT_OPTION_DEFAULT
        sample = replace(sample, sql=deparse(tree))
    if len(tree.stmts) != 1 or not tree.stmts[0].stmt.HasField("select_stmt") or not _row_by_row(select):
        return None
    condition = _key_condition(select.where_clause, proposal.column)
    if condition is None:
        return None
    node, reference, number = condition
    known = count_parameters(sample.sql)
    parameter = number or known + 1
    node.CopyFrom(_condition(f"{reference} = ${parameter}"))
    single_sql = deparse(tree)
    node.CopyFrom(_condition(f"{reference} = ANY(${parameter})"))
    position, star = _output_position(select, proposal.column)
    added = position is None and not star
    if added:
        select.target_list.add().CopyFrom(parse(f"SELECT {reference}").stmts[0].stmt.select_stmt.target_list[0])
        position = len(select.target_list) - 1
    given = (sample.parameters or ())[:known]
    return Batch(
        single_sql=single_sql,
        batched_sql=deparse(tree),
        parameter=parameter,
        values=(*given, *[None] * (max(known, parameter) - len(given))),
        key_position=position,
        key_added=added,
    )


def _condition(text: str) -> pb.Node:
    return parse(f"SELECT WHERE {text}").stmts[0].stmt.select_stmt.where_clause


def _is_idle_limit(select: pb.SelectStmt, sample: Sample) -> bool:
    """Whether the LIMIT lets one row through, at least,."""
    if not select.HasField("limit_count") or not select.from_clause[0].HasField("range_var"):
        return False
    offset = _limit_number(select.limit_offset, sample) if select.HasField("limit_offset") else 0
    limit = _limit_number(select.limit_count, sample)
    return offset == 0 and limit is not None and limit >= 1


def _limit_number(node: pb.Node, sample: Sample) -> int | None:
    if node.HasField("a_const"):
        return node.a_const.ival.ival if not node.a_const.isnull else None
    number = node.param_ref.number if node.HasField("param_ref") else 0
    text = sample.parameters[number - 1] if sample.parameters and 1 <= number <= len(sample.parameters) else None
    return int(text) if text is not None and text.isdecimal() else None


def _row_by_row(select: pb.SelectStmt) -> bool:
    one_level = select.op == pb.SETOP_NONE and not select.values_lists and not select.HasField("with_clause")
    unbounded = not select.HasField("limit_count") and not select.HasField("limit_offset")
    plain = not (select.distinct_clause or select.group_clause or select.window_clause or select.locking_clause)
    return one_level and unbounded and plain and not select.HasField("having_clause") and not _aggregates(select)


def _aggregates(select: pb.SelectStmt) -> bool:
    """Whether an output is computed over several rows; any function that is not known to be per row counts as one."""
    return any("func_call {" in str(target) or "sub_link {" in str(target) for target in select.target_list)


def _key_condition(where: pb.Node, column: str) -> tuple[pb.Node, str, int] | None:
    """(node, column as written, parameter number) of the one top-level conjunct `column = $n`; 0 for a constant."""
    boolean = where.bool_expr if where.HasField("bool_expr") else None
    conjuncts = boolean.args if boolean is not None and boolean.boolop == pb.AND_EXPR else [where]
    found = [(node, *read) for node in conjuncts if (read := _equality(node, column)) is not None]
    return found[0] if len(found) == 1 else None


def _equality(node: pb.Node, column: str) -> tuple[str, int] | None:
    expression = node.a_expr if node.HasField("a_expr") else None
    if expression is None or expression.kind != pb.AEXPR_OP or expression.name[-1].string.sval != "=":
        return None
    for side, other in ((expression.lexpr, expression.rexpr), (expression.rexpr, expression.lexpr)):
        names = [field.string.sval for field in side.column_ref.fields] if side.HasField("column_ref") else []
        if names and names[-1] == column and (other.HasField("param_ref") or other.HasField("a_const")):
            return ".".join(quote_identifier(name) for name in names), other.param_ref.number
    return None


def _output_position(select: pb.SelectStmt, column: str) -> tuple[int | None, bool]:
    """(0-based position of the bare column in the output, whether there is a `*` instead)."""
    star = False
    for position, target in enumerate(select.target_list):
        value = target.res_target.val
        if not value.HasField("column_ref"):
            continue
        last = value.column_ref.fields[-1]
        if last.HasField("a_star"):
            star = True
        elif last.string.sval == column and not star:
            return position, False
    return None, star
