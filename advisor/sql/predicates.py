"""From a condition of the grammar to predicates that rules understand."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from advisor.model.usage import ColumnReference, Predicate, PredicateKind, Value
from advisor.sql.parse import strings, unwrap
from advisor.sql.scopes import SYSTEM_COLUMNS, Condition, Level
from advisor.sql.terms import Term, list_value, term_of, text_of

_COMMUTED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<=", "@>": "<@", "<@": "@>"} | {
    "&&": "&&",
    "@@": "@@",
}
_NEGATED = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_KINDS: dict[str, PredicateKind] = {
    "=": "equality",
    "<>": "not_equal",
    "<": "range",
    "<=": "range",
    ">": "range",
    ">=": "range",
    "~": "pattern",
    "~*": "pattern",
    "^@": "prefix",
}
_LIKE = {"~~": "like", "!~~": "not like", "~~*": "ilike", "!~~*": "not ilike"}
_TRUE = Value(kind="constant", text="true")
_FALSE = Value(kind="constant", text="false")

Found = list[Predicate] | None
"""The predicates of a condition, which may be none (EXISTS); None where it is not understood."""


def conjuncts(node: Message) -> Iterator[Message]:
    """The conditions that an AND joins at the top, NOT (a OR b) counted as one."""
    stack = [unwrap(node)]
    while stack:
        current = stack.pop()
        if isinstance(current, pb.BoolExpr) and current.boolop == pb.AND_EXPR:
            stack.extend(unwrap(arg) for arg in reversed(current.args))
        elif (turned := _without_not(current)) is not None:
            stack.append(turned)
        else:
            yield current


def _without_not(node: Message) -> Message | None:
    """NOT (a OR b) as NOT a AND NOT b, NOT NOT a as a; None for anything else (De Morgan holds for NULLs, too)."""
    if not isinstance(node, pb.BoolExpr) or node.boolop != pb.NOT_EXPR:
        return None
    inner = unwrap(node.args[0])
    if not isinstance(inner, pb.BoolExpr):
        return None
    if inner.boolop == pb.NOT_EXPR:
        return unwrap(inner.args[0])
    turned = pb.BoolExpr(boolop=pb.AND_EXPR if inner.boolop == pb.OR_EXPR else pb.OR_EXPR)
    for arg in inner.args:
        negation = turned.args.add().bool_expr
        negation.boolop = pb.NOT_EXPR
        negation.args.add().CopyFrom(arg)
    return turned


def judge(level: Level, condition: Condition) -> None:
    """Sort one written condition of a level into its predicates, alternatives and unresolved conditions."""
    if condition.using is not None:
        level.predicates += _placed(_of_using(condition.using), condition)
        return
    for node in conjuncts(condition.node):
        if isinstance(node, pb.BoolExpr) and node.boolop == pb.OR_EXPR:
            _judge_or(level, node, condition)
            continue
        found = predicates_of(level, node)
        if found is None:
            level.unresolved.append(text_of(node))
        else:
            level.predicates += _placed(found, condition)


def _placed(found: Iterable[Predicate], condition: Condition) -> list[Predicate]:
    return [replace(predicate, only_when=condition.when(predicate.alias)) for predicate in found]


def _of_using(pair: tuple[ColumnReference | None, ColumnReference | None]) -> Iterator[Predicate]:
    for one, other in (pair, pair[::-1]):
        if one is not None and other is not None:
            value = Value(kind="column", reference=other)
            yield Predicate(alias=one.alias, kind="equality", operator="=", value=value, column=one.column)


def _judge_or(level: Level, node: pb.BoolExpr, condition: Condition) -> None:
    branches = tuple(tuple(_placed(_branch(level, arg), condition)) for arg in _disjuncts(node))
    merged = _as_in_list(branches)
    if merged is not None:
        level.predicates.append(merged)
    else:
        level.alternatives.append(branches)


def _disjuncts(node: pb.BoolExpr) -> Iterator[Message]:
    for arg in node.args:
        inner = unwrap(arg)
        if isinstance(inner, pb.BoolExpr) and inner.boolop == pb.OR_EXPR:
            yield from _disjuncts(inner)
        else:
            yield inner


def _branch(level: Level, node: Message) -> Iterator[Predicate]:
    for part in conjuncts(node):
        yield from predicates_of(level, part) or ()


def _as_in_list(branches: Sequence[Sequence[Predicate]]) -> Predicate | None:
    """`x = 1 OR x IN (2, 3)` as `x IN (1, 2, 3)`; None for any other alternatives."""
    if any(len(branch) != 1 for branch in branches):
        return None
    first = branches[0][0]
    items: list[Value] = []
    for (predicate,) in branches:
        same = (predicate.alias, predicate.column, predicate.expression) == (
            first.alias,
            first.column,
            first.expression,
        )
        if not same or predicate.operator not in ("=", "in") or predicate.kind != "equality":
            return None
        if predicate.value.kind in ("column", "subquery"):
            return None
        items += predicate.value.items if predicate.value.kind == "list" else (predicate.value,)
    return replace(first, operator="in", value=Value(kind="list", items=tuple(items)))


def predicates_of(level: Level, node: Message) -> Found:
    """The predicates that one condition without top-level AND and OR amounts to."""
    node = unwrap(node)
    if isinstance(node, pb.A_Expr):
        return _of_expression(level, node)
    if isinstance(node, pb.NullTest):
        kind: PredicateKind = "is_null" if node.nulltesttype == pb.IS_NULL else "is_not_null"
        return _about(term_of(level, node.arg), kind, kind.replace("_", " "), Value(kind="constant"))
    if isinstance(node, pb.BooleanTest):
        return _of_boolean_test(level, node)
    if isinstance(node, pb.ColumnRef):
        return _about(term_of(level, node), "equality", "=", _TRUE)
    if isinstance(node, pb.SubLink):
        return _of_sublink(level, node)
    if isinstance(node, pb.BoolExpr) and node.boolop == pb.NOT_EXPR:
        return _of_negation(level, unwrap(node.args[0]))
    if isinstance(node, pb.A_Const):
        return []
    return None


def _about(term: Term | None, kind: PredicateKind, operator: str, value: Value | None) -> Found:
    """One predicate on a column or expression; None where there is none, or no value to compare with."""
    if term is None or term.alias is None or value is None:
        return None
    if term.reference is not None and term.reference.column in SYSTEM_COLUMNS:
        return None
    return [
        Predicate(
            alias=term.alias,
            kind=kind,
            operator=operator,
            value=value,
            column=term.reference.column if term.reference else None,
            expression=term.expression,
            expression_columns=term.columns,
            function=term.function,
        )
    ]


def _of_expression(level: Level, node: pb.A_Expr) -> Found:
    operator = strings(node.name)[-1]
    if node.kind == pb.AEXPR_OP:
        return _of_comparison(level, operator, unwrap(node.lexpr), unwrap(node.rexpr))
    if node.kind == pb.AEXPR_IN:
        return _of_in(level, operator, unwrap(node.lexpr), node.rexpr.list.items)
    if node.kind in (pb.AEXPR_OP_ANY, pb.AEXPR_OP_ALL):
        return _of_any(level, node, operator)
    if node.kind in (pb.AEXPR_LIKE, pb.AEXPR_ILIKE):
        return _of_like(level, operator, node)
    if node.kind in (pb.AEXPR_BETWEEN, pb.AEXPR_NOT_BETWEEN, pb.AEXPR_BETWEEN_SYM, pb.AEXPR_NOT_BETWEEN_SYM):
        return _of_between(level, node)
    if node.kind in (pb.AEXPR_DISTINCT, pb.AEXPR_NOT_DISTINCT):
        return _of_distinct(level, node)
    if node.kind == pb.AEXPR_SIMILAR:
        return _about(term_of(level, node.lexpr), "other", "similar to", _still(level, node.rexpr))
    return None


def _of_comparison(level: Level, operator: str, left: Message, right: Message) -> Found:
    if isinstance(left, pb.RowExpr) and isinstance(right, pb.RowExpr):
        return _of_rows(level, operator, left, right)
    return _compare(operator, term_of(level, left), term_of(level, right))


def _compare(operator: str, left: Term | None, right: Term | None) -> Found:
    if left is None or right is None:
        return None
    if left.alias is None and right.alias is None:
        # `1 = 1`, or a condition on outer levels only: nothing is asked of this level's tables.
        return []
    if left.alias == right.alias:
        # Two columns of one row: a filter, and nothing to search by.
        return _about(left, "other", operator, right.value) if left.reference and right.reference else None
    kind = _KINDS.get(operator, "other")
    if kind == "prefix" and (right.value is None or right.value.kind != "constant"):
        kind = "pattern"
    found = _about(left, kind, operator, right.value) or []
    if operator in _COMMUTED:
        mirrored = _COMMUTED[operator]
        found += _about(right, _KINDS.get(mirrored, "other"), mirrored, left.value) or []
    return found or None


def _of_rows(level: Level, operator: str, left: pb.RowExpr, right: pb.RowExpr) -> Found:
    """`(a, b) = (x, y)` column by column; of `(a, b) > (x, y)` only what it says about a: a >= x."""
    pairs = list(zip(left.args, right.args, strict=False))
    if len(left.args) != len(right.args) or not pairs:
        return None
    if operator == "=":
        found: list[Predicate] = []
        for first, second in pairs:
            found += _compare("=", term_of(level, first), term_of(level, second)) or []
        return found or None
    if operator in ("<", "<=", ">", ">="):
        return _compare(operator[0] + "=", term_of(level, pairs[0][0]), term_of(level, pairs[0][1]))
    return None


def _of_in(level: Level, operator: str, left: Message, items: Sequence[pb.Node]) -> Found:
    if isinstance(left, pb.RowExpr):
        rows = [unwrap(item) for item in items]
        if operator != "=" or not all(isinstance(r, pb.RowExpr) and len(r.args) == len(left.args) for r in rows):
            return None
        found: list[Predicate] = []
        for position, column in enumerate(left.args):
            values = list_value(level, [row.args[position] for row in rows])
            found += _about(term_of(level, column), "equality", "in", values) or []
        return found or None
    kind: PredicateKind = "equality" if operator == "=" else "not_equal"
    return _about(term_of(level, left), kind, "in" if operator == "=" else "not in", list_value(level, items))


def _of_any(level: Level, node: pb.A_Expr, operator: str) -> Found:
    left, right = term_of(level, node.lexpr), term_of(level, node.rexpr)
    if left is None or right is None:
        return None
    quantifier = "any" if node.kind == pb.AEXPR_OP_ANY else "all"
    if left.alias is None and right.alias is not None:
        return _about(right, "other", f"{operator} {quantifier}", left.value)
    value = _array_items(right.value) if right.value else None
    if quantifier == "any" and operator == "=":
        return _about(left, "equality", "in", value)
    if quantifier == "all" and operator == "<>":
        return _about(left, "not_equal", "not in", value)
    if operator in _LIKE:
        return _about(left, "pattern", f"{_LIKE[operator]} {quantifier}", value)
    return _about(left, "other", f"{operator} {quantifier}", value)


def _array_items(value: Value) -> Value:
    """A simple array literal (`'{1,2}'`) as the list of its items."""
    text = value.text if value.kind == "constant" else None
    if text and text[0] == "{" and text[-1] == "}" and not set('"\\{}') & set(text[1:-1]):
        items = [item.strip() for item in text[1:-1].split(",")] if text[1:-1].strip() else []
        constants = (Value(kind="constant", text=None if i.upper() == "NULL" else i) for i in items)
        return Value(kind="list", items=tuple(constants))
    return value


def _of_like(level: Level, operator: str, node: pb.A_Expr) -> Found:
    value = _still(level, node.rexpr)
    word = _LIKE[operator]
    if word.startswith("not"):
        return _about(term_of(level, node.lexpr), "other", word, value)
    kind: PredicateKind = "pattern"
    if word == "like" and value and value.kind == "constant" and value.text is not None:
        literal = _literal_prefix(value.text)
        kind = "equality" if literal == value.text else "prefix" if literal else "pattern"
    return _about(term_of(level, node.lexpr), kind, word, value)


def _literal_prefix(pattern: str) -> str:
    """The characters before the first wildcard or escape; an escape ends it, as its meaning may be another's."""
    return next((pattern[:i] for i, character in enumerate(pattern) if character in "%_\\"), pattern)


def _of_between(level: Level, node: pb.A_Expr) -> Found:
    low, high = node.rexpr.list.items
    if node.kind != pb.AEXPR_BETWEEN:
        words = {pb.AEXPR_NOT_BETWEEN: "not between", pb.AEXPR_BETWEEN_SYM: "between symmetric"}
        bounds = list_value(level, [low, high])
        return _about(term_of(level, node.lexpr), "other", words.get(node.kind, "not between symmetric"), bounds)
    left = term_of(level, node.lexpr)
    found = (_compare(">=", left, term_of(level, low)) or []) + (_compare("<=", left, term_of(level, high)) or [])
    return found or None


def _of_distinct(level: Level, node: pb.A_Expr) -> Found:
    left, right = term_of(level, node.lexpr), term_of(level, node.rexpr)
    if left is None or right is None:
        return None
    if left.alias is None:
        left, right = right, left
    distinct = node.kind == pb.AEXPR_DISTINCT
    constant = right.value is not None and right.value.kind == "constant" and right.alias is None
    if constant and right.value and right.value.text is None:
        kind: PredicateKind = "is_not_null" if distinct else "is_null"
        return _about(left, kind, kind.replace("_", " "), right.value)
    if distinct:
        return _about(left, "not_equal", "is distinct from", right.value)
    return _about(left, "equality" if constant else "other", "is not distinct from", right.value)


def _of_boolean_test(level: Level, node: pb.BooleanTest) -> Found:
    term = term_of(level, node.arg)
    if node.booltesttype == pb.IS_TRUE:
        return _about(term, "equality", "=", _TRUE)
    if node.booltesttype == pb.IS_FALSE:
        return _about(term, "equality", "=", _FALSE)
    if node.booltesttype == pb.IS_UNKNOWN:
        return _about(term, "is_null", "is null", Value(kind="constant"))
    if node.booltesttype == pb.IS_NOT_UNKNOWN:
        return _about(term, "is_not_null", "is not null", Value(kind="constant"))
    word = "is not true" if node.booltesttype == pb.IS_NOT_TRUE else "is not false"
    return _about(term, "not_equal", word, _TRUE if word == "is not true" else _FALSE)


def _of_sublink(level: Level, node: pb.SubLink) -> Found:
    """`x IN (SELECT …)` is an equality of x; EXISTS says nothing here: its condition stands in its own level."""
    if node.sub_link_type == pb.EXISTS_SUBLINK:
        return []
    if node.sub_link_type != pb.ANY_SUBLINK or node.location in level.row_subqueries:
        return None
    if node.oper_name and strings(node.oper_name)[-1] != "=":
        return None
    test = unwrap(node.testexpr)
    columns = list(test.args) if isinstance(test, pb.RowExpr) else [test]
    found: list[Predicate] = []
    for column in columns:
        found += _about(term_of(level, column), "equality", "in", Value(kind="subquery")) or []
    return found or None


def _of_negation(level: Level, node: Message) -> Found:
    """NOT of one condition. NOT (x < 5) is x >= 5 also where x is NULL: neither is true then."""
    if isinstance(node, pb.SubLink):
        return [] if node.sub_link_type == pb.EXISTS_SUBLINK else None
    if isinstance(node, pb.ColumnRef):
        return _about(term_of(level, node), "equality", "=", _FALSE)
    if isinstance(node, pb.NullTest):
        turned = pb.NullTest()
        turned.CopyFrom(node)
        turned.nulltesttype = pb.IS_NOT_NULL if node.nulltesttype == pb.IS_NULL else pb.IS_NULL
        return predicates_of(level, turned)
    if isinstance(node, pb.A_Expr):
        return _of_negated_expression(level, node)
    return None


_NEGATED_KINDS = {
    pb.AEXPR_DISTINCT: pb.AEXPR_NOT_DISTINCT,
    pb.AEXPR_NOT_DISTINCT: pb.AEXPR_DISTINCT,
    pb.AEXPR_BETWEEN: pb.AEXPR_NOT_BETWEEN,
    pb.AEXPR_NOT_BETWEEN: pb.AEXPR_BETWEEN,
}


def _of_negated_expression(level: Level, node: pb.A_Expr) -> Found:
    operator = strings(node.name)[-1]
    turned = pb.A_Expr()
    turned.CopyFrom(node)
    if node.kind in _NEGATED_KINDS:
        turned.kind = _NEGATED_KINDS[node.kind]
    elif node.kind in (pb.AEXPR_OP, pb.AEXPR_IN) and operator in _NEGATED:
        turned.name[-1].string.sval = _NEGATED[operator]
    elif node.kind in (pb.AEXPR_LIKE, pb.AEXPR_ILIKE):
        turned.name[-1].string.sval = operator[1:] if operator[0] == "!" else "!" + operator
    else:
        return None
    return _of_expression(level, turned)


def _still(level: Level, node: Message) -> Value | None:
    """The value of an operand that depends on no table of the level."""
    term = term_of(level, node)
    return term.value if term is not None and term.alias is None else None
