"""The FROM list of a level: its relations, its joins and the conditions they hold."""

from collections.abc import Callable, Sequence

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from advisor.model.usage import ColumnReference
from advisor.sql.parse import strings, unwrap
from advisor.sql.predicates import conjuncts
from advisor.sql.scopes import Columns, Condition, Level, Relation, relation_of

BuildQuery = Callable[[Message, Level, Level | None], Columns]
"""Builds a subquery's levels: its tree, the level it stands in, the level its names are looked for in."""
Visit = Callable[[Level, Message], object]


class FromList:
    """Adds FROM items to one level. `build` and `visit` are those of `usage`, which knows all statements."""

    def __init__(self, level: Level, build: BuildQuery, visit: Visit) -> None:
        self._level = level
        self._build = build
        self._visit = visit
        self._expressions: list[Message] = []

    def add_all(self, items: Sequence[pb.Node]) -> None:
        """Take in all items of a FROM list, then look at the ON conditions: names may come from any join's sides."""
        for item in items:
            self._item(unwrap(item))
        self.visit_conditions()

    def add_range_var(self, name: pb.RangeVar, *, target: bool = False) -> Relation:
        """Take in a table by its name; a target is never a CTE."""
        level = self._level
        if target:
            table = level.catalog.resolve(name.relname, name.schemaname or None)
            columns = tuple(c.name for c in table.columns) if table else None
            relation = Relation(alias=name.relname, table=table, columns=columns, target=True)
            relation.schema = table.name.schema if table else name.schemaname or None
        else:
            relation = relation_of(level, name.schemaname or None, name.relname)
        _rename(relation, name.alias)
        return level.add(relation)

    def visit_conditions(self) -> None:
        """Look at the expressions of the joins, once all relations are there."""
        for expression in self._expressions:
            self._visit(self._level, expression)
        self._expressions.clear()

    def _item(self, node: Message) -> list[Relation]:
        if isinstance(node, pb.RangeVar):
            return [self.add_range_var(node)]
        if isinstance(node, pb.JoinExpr):
            return self._join(node)
        if isinstance(node, pb.RangeSubselect):
            return [self._subselect(node)]
        if isinstance(node, pb.RangeTableSample):
            return self._item(unwrap(node.relation))
        return [self._computed(node)]

    def _subselect(self, node: pb.RangeSubselect) -> Relation:
        names = self._level if node.lateral else self._level.parent
        columns = self._build(unwrap(node.subquery), self._level, names)
        relation = Relation(alias=node.alias.aliasname or "unnamed_subquery", table=None, columns=columns)
        _rename(relation, node.alias)
        return self._level.add(relation)

    def _computed(self, node: Message) -> Relation:
        """A function, JSON_TABLE or XMLTABLE: rows that no table has."""
        self._visit(self._level, node)
        alias = node.alias.aliasname
        columns: Columns = None
        if isinstance(node, pb.RangeFunction):
            alias = alias or _function_name(node)
            defined = tuple(item.column_def.colname for item in node.coldeflist)
            columns = defined or strings(node.alias.colnames) or None
        scalar = isinstance(node, pb.RangeFunction) and columns is None
        return self._level.add(Relation(alias=alias or "unnamed_table", table=None, columns=columns, scalar=scalar))

    def _join(self, node: pb.JoinExpr) -> list[Relation]:
        before = len(self._level.conditions)
        left = self._item(unwrap(node.larg))
        middle = len(self._level.conditions)
        right = self._item(unwrap(node.rarg))
        end = len(self._level.conditions)
        if node.jointype in (pb.JOIN_RIGHT, pb.JOIN_FULL):
            self._make_nullable(left, before, middle)
        if node.jointype in (pb.JOIN_LEFT, pb.JOIN_FULL):
            self._make_nullable(right, middle, end)
        self._using(node, left, right)
        if node.HasField("quals"):
            quals = unwrap(node.quals)
            self._expressions.append(quals)
            self._level.conditions += [_condition(part, node.jointype, left, right) for part in conjuncts(quals)]
        if node.HasField("alias"):
            self._alias_join(node.alias.aliasname, [*left, *right])
        return [*left, *right]

    def _make_nullable(self, relations: Sequence[Relation], start: int, end: int) -> None:
        """What is on the null-supplying side: its own inner joins now hold only for matched rows."""
        for relation in relations:
            relation.nullable = True
        for condition in self._level.conditions[start:end]:
            if not condition.only_when and condition.default is None:
                condition.only_when = {relation.alias: relation.alias for relation in relations}

    def _using(self, node: pb.JoinExpr, left: Sequence[Relation], right: Sequence[Relation]) -> None:
        names = _common(left, right) if node.is_natural else strings(node.using_clause)
        for name in names:
            pair = (_column(left, name), _column(right, name))
            if None in pair:
                continue
            kept: ColumnReference | None = pair[1] if node.jointype == pb.JOIN_RIGHT else pair[0]
            self._level.merged[name] = None if node.jointype == pb.JOIN_FULL else kept
            condition = _condition(pb.A_Expr(kind=pb.AEXPR_OP), node.jointype, left, right)
            condition.using = pair
            self._level.conditions.append(condition)
            for reference in pair:
                if reference is not None:
                    self._level.used.setdefault(reference)

    def _alias_join(self, alias: str, relations: Sequence[Relation]) -> None:
        """`(a JOIN b …) AS j`: j.x is the x of whichever has it."""
        self._level.join_aliases[alias] = tuple(relations)


def _condition(node: Message, jointype: int, left: Sequence[Relation], right: Sequence[Relation]) -> Condition:
    """An ON condition: it filters the null-supplying side only, and neither side of a FULL join."""
    if jointype == pb.JOIN_LEFT:
        return Condition(node, {r.alias: r.alias for r in right}, right[0].alias)
    if jointype == pb.JOIN_RIGHT:
        return Condition(node, {r.alias: r.alias for r in left}, left[0].alias)
    if jointype == pb.JOIN_FULL:
        sides = {r.alias: right[0].alias for r in left} | {r.alias: left[0].alias for r in right}
        return Condition(node, sides, right[0].alias)
    return Condition(node)


def _rename(relation: Relation, alias: pb.Alias) -> None:
    """Apply `AS alias (column, …)`."""
    if alias.aliasname:
        relation.alias = alias.aliasname
    names = strings(alias.colnames)
    if names and relation.columns is not None:
        own = relation.columns
        relation.columns = names + own[len(names) :]
        if relation.table is not None:
            relation.renamed = dict(zip(names, own, strict=False))
    elif names:
        relation.columns = names


def _function_name(node: pb.RangeFunction) -> str:
    for item in node.functions:
        for part in item.list.items:
            if part.HasField("func_call"):
                return strings(part.func_call.funcname)[-1]
    return ""


def _column(relations: Sequence[Relation], name: str) -> ColumnReference | None:
    """The column of that name on one side of a join; None where it is on none, or which one is not known."""
    certain = [relation for relation in relations if relation.has(name)]
    if len(certain) > 1:
        return certain[0].reference(name)
    possible = certain or [relation for relation in relations if relation.has(name) is None]
    return possible[0].reference(name) if len(possible) == 1 else None


def _common(left: Sequence[Relation], right: Sequence[Relation]) -> tuple[str, ...]:
    """The columns a NATURAL join compares; none where a side's columns are not known."""
    if any(relation.columns is None for relation in (*left, *right)):
        return ()
    others = {name for relation in right for name in relation.columns or ()}
    return tuple(dict.fromkeys(n for relation in left for n in relation.columns or () if n in others))
