"""Conditions that cut a date column into days, months or years, and the half-open range that says the same.

`date_trunc('month', x) = '2026-03-01'` and `x >= '2026-03-01' AND x < '2026-04-01'` are true, false and NULL for the
same values of `x`, because the constant is the start of a month; only the second can use an index on `x`. A constant
that is not aligned to its unit is not matched (`date_trunc('day', x) = '2026-03-01 10:00'` is never true).

Both constants are read in the session's time zone, as the original's was, so nothing changes for `timestamptz`;
units below a day are matched too, but `sub_day` says so: on `timestamptz` they are not safe where clocks are turned
back. Source: https://www.postgresql.org/docs/current/functions-datetime.html#FUNCTIONS-DATETIME-TRUNC
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from advisor.sql.parse import parse
from advisor.sql.quote import quote_identifier
from advisor.sql.tree import deparse

_SUB_DAY = {"hour": timedelta(hours=1), "minute": timedelta(minutes=1), "second": timedelta(seconds=1)}
_UNITS = frozenset({"day", "week", "month", "quarter", "year", *_SUB_DAY})
_MIRRORED = {"=": "=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_LITERAL_TYPES = frozenset({"date", "timestamp", "timestamptz"})
# ISO 8601 without a zone: what any DateStyle reads the same way, and what does not name a zone of its own.
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DateRange:
    """One matched condition.

    Attributes:
        alias: as written before the column; None where it is bare.
        function: `date_trunc`, `extract` or `cast`; `unit` as of date_trunc.
        low, high: the half-open range as ISO text; one of them may be None.
        sub_day: the unit is shorter than a day.
    """

    alias: str | None
    column: str
    function: str
    unit: str
    low: str | None
    high: str | None

    @property
    def sub_day(self) -> bool:
        return self.unit in _SUB_DAY

    @property
    def sql(self) -> str:
        """The range as a condition."""
        column = ".".join(quote_identifier(part) for part in (self.alias, self.column) if part)
        bounds = ((">=", self.low), ("<", self.high))
        return " AND ".join(f"{column} {operator} '{value}'" for operator, value in bounds if value)


def date_ranges(sql: str) -> tuple[DateRange, ...]:
    """Every condition of a statement that a half-open range can replace, in no particular order.

    Raises:
        SqlError: the text does not parse.
    """
    return tuple(found for _, found in _matches(parse(sql)))


def with_half_open_ranges(sql: str, wanted: Callable[[DateRange], bool]) -> str | None:
    """The statement with every wanted condition replaced; None where there is none.

    Raises:
        SqlError: the text does not parse.
    """
    tree = parse(sql)
    replaced = False
    for node, found in list(_matches(tree)):
        if wanted(found):
            condition = parse(f"SELECT WHERE {found.sql}").stmts[0].stmt.select_stmt.where_clause
            node.CopyFrom(condition)
            replaced = True
    if replaced:
        _flatten(tree)
    return deparse(tree) if replaced else None


def _flatten(tree: Message) -> None:
    """An AND that stands directly in an AND becomes part of it, as the grammar has it."""
    for node in _nodes(tree):
        if not node.HasField("bool_expr") or node.bool_expr.boolop != pb.AND_EXPR:
            continue
        arguments = [
            inner for each in node.bool_expr.args for inner in (each.bool_expr.args if _is_and(each) else (each,))
        ]
        if len(arguments) != len(node.bool_expr.args):
            flat = pb.BoolExpr(boolop=pb.AND_EXPR, args=arguments)
            node.bool_expr.CopyFrom(flat)


def _is_and(node: pb.Node) -> bool:
    return bool(node.HasField("bool_expr") and node.bool_expr.boolop == pb.AND_EXPR)


def _matches(tree: Message) -> Iterator[tuple[pb.Node, DateRange]]:
    for node in _nodes(tree):
        if node.HasField("a_expr") and (found := _date_range(node.a_expr)) is not None:
            yield node, found


def _nodes(message: Message) -> Iterator[pb.Node]:
    pending: list[Message] = [message]
    while pending:
        current = pending.pop()
        if isinstance(current, pb.Node):
            yield current
        for field, value in current.ListFields():
            if field.message_type is not None:
                pending.extend([value] if isinstance(value, Message) else value)


def _date_range(expression: pb.A_Expr) -> DateRange | None:
    operator = expression.name[-1].string.sval if expression.name else ""
    if expression.kind == pb.AEXPR_BETWEEN:
        items = expression.rexpr.list.items
        return _build(expression.lexpr, "between", items[0], items[1]) if len(items) == 2 else None
    if expression.kind != pb.AEXPR_OP or operator not in _MIRRORED:
        return None
    return _build(expression.lexpr, operator, expression.rexpr) or _build(
        expression.rexpr, _MIRRORED[operator], expression.lexpr
    )


def _build(side: pb.Node, operator: str, constant: pb.Node, upper: pb.Node | None = None) -> DateRange | None:
    cut = _cut_column(side)
    if cut is None:
        return None
    function, unit, reference = cut
    read = _year_start if function == "extract" else _aligned
    first, last = read(constant, unit), read(upper if upper is not None else constant, unit)
    names = [field.string.sval for field in reference.fields]
    if first is None or last is None or not 1 <= len(names) <= 2 or not all(names):
        return None
    # `<` and `>=` keep the constant itself as the bound; `>` and `<=` begin or end one unit later.
    low = {"=": first, ">=": first, "between": first, ">": _next(first, unit)}.get(operator)
    high = {"=": _next(last, unit), "<": last, "between": _next(last, unit), "<=": _next(last, unit)}.get(operator)
    return DateRange(
        alias=names[0] if len(names) == 2 else None,
        column=names[-1],
        function=function,
        unit=unit,
        low=_text(low),
        high=_text(high),
    )


def _cut_column(node: pb.Node) -> tuple[str, str, pb.ColumnRef] | None:
    """(function, unit, column) of `date_trunc(unit, c)`, `c::date`, `date(c)`, `extract(year FROM c)`, `date_part`."""
    if node.HasField("type_cast") and _type_name(node.type_cast) == "date":
        inner = _cut_column(node.type_cast.arg)
        if inner is not None and inner[0] == "date_trunc" and inner[1] not in _SUB_DAY:
            return inner
        return _with_column("cast", "day", node.type_cast.arg)
    if not node.HasField("func_call"):
        return None
    name, arguments = node.func_call.funcname[-1].string.sval, node.func_call.args
    if name == "date" and len(arguments) == 1:
        return _with_column("cast", "day", arguments[0])
    if name not in ("date_trunc", "extract", "date_part") or len(arguments) != 2:
        return None
    named = arguments[0].type_cast.arg if arguments[0].HasField("type_cast") else arguments[0]
    unit = named.a_const.sval.sval.lower()
    if name == "date_trunc":
        return _with_column("date_trunc", unit, arguments[1]) if unit in _UNITS else None
    return _with_column("extract", unit, arguments[1]) if unit == "year" else None


def _with_column(function: str, unit: str, node: pb.Node) -> tuple[str, str, pb.ColumnRef] | None:
    return (function, unit, node.column_ref) if node.HasField("column_ref") else None


def _type_name(cast: pb.TypeCast) -> str:
    return cast.type_name.names[-1].string.sval if not cast.type_name.array_bounds else ""


def _aligned(node: pb.Node, unit: str) -> datetime | None:
    """The constant's instant where it is the very start of its unit."""
    if node.HasField("type_cast") and _type_name(node.type_cast) in _LITERAL_TYPES:
        node = node.type_cast.arg
    text = node.a_const.sval.sval if node.HasField("a_const") else ""
    if not _ISO.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at == _start(at, unit) and at.year < 9998 else None


def _year_start(node: pb.Node, unit: str) -> datetime | None:
    """The start of the year that an integer constant names."""
    del unit
    if node.HasField("type_cast") and _type_name(node.type_cast) == "numeric":
        # As plans print it: '2026'::numeric.
        text = node.type_cast.arg.a_const.sval.sval
        year = int(text) if re.fullmatch(r"[0-9]{4}", text) else 0
    elif node.HasField("a_const") and node.a_const.HasField("ival"):
        year = node.a_const.ival.ival
    else:
        return None
    return datetime(year, 1, 1) if 1 <= year < 9998 else None  # noqa: DTZ001 - the zone is the session's


def _start(at: datetime, unit: str) -> datetime:
    if unit == "second":
        return at.replace(microsecond=0)
    if unit == "minute":
        return at.replace(second=0, microsecond=0)
    if unit == "hour":
        return at.replace(minute=0, second=0, microsecond=0)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    if unit == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1) if unit == "year" else day


def _next(at: datetime, unit: str) -> datetime:
    """The start of the following unit."""
    if unit in _SUB_DAY:
        return at + _SUB_DAY[unit]
    if unit in ("day", "week"):
        return at + timedelta(days=7 if unit == "week" else 1)
    months = {"month": 1, "quarter": 3, "year": 12}[unit]
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    return at.replace(year=year, month=month + 1)


def _text(at: datetime | None) -> str | None:
    if at is None:
        return None
    midnight = (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0)
    return at.date().isoformat() if midnight else at.isoformat(sep=" ")
