"""What a statement's parameters stand for, as far as its text tells: a page's size, a unit of time, a new value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from advisor.sql.parse import parse, strings, unwrap, walk
from advisor.sql.tree import deparse

_TAKES_UNIT = frozenset({"date_trunc", "date_part", "extract"})
UNIT = "day"
"""Stands for a unit of time that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterUses:
    """A statement whose parameters are in places where the server takes them, and what those are.

    Attributes:
        text: the statement. `pg_stat_statements` writes `interval $1` and `extract($1 FROM x)`, which no server reads:
            the first became a cast, the unit of time of the second `day`.
        limits, offsets: numbers n of the `$n` that are a LIMIT or an OFFSET.
        units: numbers of those that were a unit of time, which `text` does not have any more.
        assigned: the column that an UPDATE or INSERT sets to `$n`, by n.
    """

    text: str
    limits: frozenset[int] = frozenset()
    offsets: frozenset[int] = frozenset()
    units: frozenset[int] = frozenset()
    assigned: Mapping[int, str] = field(default_factory=dict)


def parameter_uses(sql: str) -> ParameterUses:
    """The uses of the parameters of a text; SqlError where it does not parse or cannot be written back."""
    tree = parse(sql)
    limits: set[int] = set()
    offsets: set[int] = set()
    units: set[int] = set()
    assigned: dict[int, str] = {}
    for message in walk(tree):
        if isinstance(message, pb.SelectStmt):
            limits.update(_number(message.limit_count))
            offsets.update(_number(message.limit_offset))
        elif isinstance(message, pb.FuncCall):
            units.update(_put_unit(message))
        elif isinstance(message, pb.UpdateStmt | pb.InsertStmt):
            assigned.update(_assigned(message))
    return ParameterUses(
        text=deparse(tree),
        limits=frozenset(limits),
        offsets=frozenset(offsets),
        units=frozenset(units),
        assigned=assigned,
    )


def _number(node: pb.Node) -> Iterator[int]:
    """The parameter's number where the node is one, under any casts."""
    message: Message = unwrap(node)
    while isinstance(message, pb.TypeCast):
        message = unwrap(message.arg)
    if isinstance(message, pb.ParamRef):
        yield message.number


def _put_unit(call: pb.FuncCall) -> Iterator[int]:
    """Replaces a parameter that is a unit of time; its number."""
    if len(call.args) < 2 or strings(call.funcname)[-1] not in _TAKES_UNIT:
        return
    for number in _number(call.args[0]):
        yield number
        constant = pb.Node()
        constant.a_const.sval.sval = UNIT
        call.args[0].CopyFrom(constant)


def _assigned(statement: pb.UpdateStmt | pb.InsertStmt) -> Iterator[tuple[int, str]]:
    if isinstance(statement, pb.UpdateStmt):
        for target in statement.target_list:
            yield from ((number, target.res_target.name) for number in _number(target.res_target.val))
        return
    names = [column.res_target.name for column in statement.cols]
    for row in statement.select_stmt.select_stmt.values_lists:
        for name, value in zip(names, row.list.items, strict=False):
            yield from ((number, name) for number in _number(value))
