"""How a statement uses tables and columns: PostgreSQL's parse tree, resolved against a catalog."""

from collections.abc import Mapping, Sequence

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from advisor.errors import SqlError
from advisor.model.catalog import Catalog
from advisor.model.names import QualifiedName
from advisor.model.usage import ColumnReference, Predicate, StatementKind, Usage, Value
from advisor.sql.from_list import FromList
from advisor.sql.functions import is_aggregate, is_stable
from advisor.sql.implied import implied_equalities
from advisor.sql.outputs import names_output, order_terms, output_name, plain_outputs, star_relations
from advisor.sql.parse import children, parse_one, strings, unwrap, walk
from advisor.sql.predicates import judge
from advisor.sql.scopes import Columns, Condition, Found, Level, Relation, mention, names_of, resolve, whole_row
from advisor.sql.terms import term_of, text_of, value_of

_KINDS: Mapping[str, StatementKind] = {
    "SelectStmt": "select",
    "InsertStmt": "insert",
    "UpdateStmt": "update",
    "DeleteStmt": "delete",
    "MergeStmt": "merge",
}


def usage_of(sql: str, catalog: Catalog) -> Usage:
    """What one statement does with which tables and columns.

    Names are resolved like the server does: CTEs before tables, the search path, aliases, the level before the ones
    around it. A name that cannot be resolved leaves its condition in `unresolved`, it is never guessed. Of utility
    statements only the kind is told. A UNION (INTERSECT, EXCEPT) gives a scope per branch; where it has an
    ORDER BY or a LIMIT of its own, these stand in a scope without tables before the branches.

    Raises SqlError for anything but one statement that parses.
    """
    statement = parse_one(sql)
    kind = _KINDS.get(statement.DESCRIPTOR.name, "utility")
    if kind == "utility":
        return Usage(kind=kind)
    builder = _Builder(catalog)
    try:
        builder.query(statement, None, None)
        scopes = tuple(level.scope() for level in builder.levels)
    except RecursionError:
        raise SqlError("The statement is nested too deeply to be analysed.") from None
    return Usage(
        kind=kind,
        scopes=scopes,
        writes=builder.writes,
        set_columns=tuple(dict.fromkeys(builder.set_columns)),
        tables=tuple(dict.fromkeys(use.table for scope in scopes for use in scope.tables if use.table)),
        volatile=not _all_stable(statement, catalog),
    )


def _all_stable(statement: Message, catalog: Catalog) -> bool:
    calls = (message for message in walk(statement) if isinstance(message, pb.FuncCall))
    return all(is_stable(strings(call.funcname), catalog.functions) for call in calls)


class _Builder:
    """One run over one statement; `levels` are its scopes, outer ones before the inner ones."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.levels: list[Level] = []
        self.writes: QualifiedName | None = None
        self.set_columns: list[str] = []

    def query(self, node: Message, around: Level | None, names: Level | None) -> Columns:
        """Build the levels of a query or a write; the names of its result columns, None where not known.

        `around` gives depth and CTEs, `names` is where outer columns are looked for.
        """
        level = Level(
            depth=around.depth + 1 if around else 0,
            parent=names,
            catalog=self._catalog,
            ctes=around.ctes if around else {},
        )
        if isinstance(node, pb.SelectStmt):
            return self._select(node, level)
        self.levels.append(level)
        self._with(node.with_clause, level)
        if isinstance(node, pb.InsertStmt):
            self._insert(node, level)
        elif isinstance(node, pb.UpdateStmt):
            self._update(node, level)
        elif isinstance(node, pb.DeleteStmt):
            self._delete(node, level)
        elif isinstance(node, pb.MergeStmt):
            self._merge(node, level)
        self._finish(level)
        return self._outputs(level, node.returning_clause.exprs)

    # --- SELECT -----------------------------------------------------------------------------------------------------

    def _select(self, node: pb.SelectStmt, level: Level) -> Columns:
        if node.op != pb.SETOP_NONE:
            return self._set_operation(node, level)
        self.levels.append(level)
        self._with(node.with_clause, level)
        self._from(level).add_all(node.from_clause)
        self._where(level, node.where_clause)
        columns = self._outputs(level, node.target_list)
        self._grouping(node, level)
        for part in (*node.window_clause, *node.values_lists, *node.distinct_clause):
            self.visit(level, part)
        level.distinct = bool(node.distinct_clause)
        level.locking = bool(node.locking_clause)
        self._order_and_limit(node, level)
        self._finish(level)
        if node.values_lists:
            return tuple(f"column{i + 1}" for i in range(len(node.values_lists[0].list.items)))
        return columns

    def _set_operation(self, node: pb.SelectStmt, level: Level) -> Columns:
        """The branches at the level's own depth, or below one that holds the whole's ORDER BY and LIMIT."""
        whole = node.sort_clause or node.HasField("limit_count") or node.HasField("limit_offset")
        if whole:
            self.levels.append(level)
        self._with(node.with_clause, level)
        columns: Columns = None
        first = True
        for branch in _branches(node):
            below = Level(depth=level.depth + bool(whole), parent=level.parent, catalog=self._catalog, ctes=level.ctes)
            names = self._select(branch, below)
            level.correlated = level.correlated or below.correlated
            columns, first = (names, False) if first else (columns, False)
        if whole:
            self._order_and_limit(node, level)
        return columns

    def _grouping(self, node: pb.SelectStmt, level: Level) -> None:
        for part in node.group_clause:
            if not names_output(level, part, node.target_list, grouping=True):
                self.visit(level, part)
        self.visit(level, node.having_clause)
        level.group_by = tuple(order_terms(level, node.group_clause, node.target_list, grouping=True))
        level.aggregates = level.aggregates or bool(node.group_clause) or node.HasField("having_clause")

    def _order_and_limit(self, node: pb.SelectStmt, level: Level) -> None:
        for part in node.sort_clause:
            if not names_output(level, part.sort_by.node, node.target_list, grouping=False):
                self.visit(level, part)
        level.order_by = tuple(order_terms(level, node.sort_clause, node.target_list, grouping=False))
        for bound in (node.limit_count, node.limit_offset):
            self.visit(level, bound)
        level.offset = node.HasField("limit_offset")
        value = value_of(node.limit_count) if node.HasField("limit_count") else None
        if value is not None and (value.kind != "constant" or value.text is not None):
            level.limit = True
            level.limit_value = value if value.kind in ("constant", "parameter") else None

    # --- writes -----------------------------------------------------------------------------------------------------

    def _target(self, level: Level, name: pb.RangeVar) -> Relation:
        relation = self._from(level).add_range_var(name, target=True)
        if relation.table is not None:
            # The statement's own target goes before that of a CTE.
            self.writes = relation.table.name if level.depth == 0 else self.writes or relation.table.name
        return relation

    def _insert(self, node: pb.InsertStmt, level: Level) -> None:
        target = self._target(level, node.relation)
        if node.HasField("select_stmt"):
            self.query(unwrap(node.select_stmt), level, level.parent)
        if node.HasField("on_conflict_clause"):
            excluded = Relation(alias="excluded", table=None, columns=target.columns, visible="excluded")
            # A bare name means the target's column here, never the proposed row's.
            excluded.columns = () if target.columns is not None else None
            level.hidden.append(excluded)
            self._assign(level, node.on_conflict_clause.target_list)
            self.visit(level, node.on_conflict_clause.where_clause)

    def _update(self, node: pb.UpdateStmt, level: Level) -> None:
        self._target(level, node.relation)
        self._from(level).add_all(node.from_clause)
        self._assign(level, node.target_list)
        self._where(level, node.where_clause)

    def _delete(self, node: pb.DeleteStmt, level: Level) -> None:
        self._target(level, node.relation)
        self._from(level).add_all(node.using_clause)
        self._where(level, node.where_clause)

    def _merge(self, node: pb.MergeStmt, level: Level) -> None:
        target = self._target(level, node.relation)
        self._from(level).add_all([node.source_relation])
        self.visit(level, node.join_condition)
        clauses = [clause.merge_when_clause for clause in node.merge_when_clauses]
        kinds = {clause.match_kind for clause in clauses}
        if pb.MERGE_WHEN_NOT_MATCHED_BY_SOURCE in kinds:
            # Every target row is looked at, matched or not: the condition filters nothing.
            sides = {relation.alias: level.relations[-1].alias for relation in level.relations}
            condition = Condition(node.join_condition, sides | {level.relations[-1].alias: target.alias})
        elif pb.MERGE_WHEN_NOT_MATCHED_BY_TARGET in kinds:
            target.nullable = True
            condition = Condition(node.join_condition, {target.alias: target.alias}, target.alias)
        else:
            condition = Condition(node.join_condition)
        level.conditions.append(condition)
        for clause in clauses:
            self.visit(level, clause.condition)
            if clause.command_type == pb.CMD_UPDATE:
                self._assign(level, clause.target_list)
            for value in clause.values:
                self.visit(level, value)

    def _assign(self, level: Level, targets: Sequence[pb.Node]) -> None:
        """SET column = value, …"""
        top = level.depth == 0
        for node in targets:
            if top:
                self.set_columns.append(node.res_target.name)
            # `(a, b) = (SELECT …)` repeats its source for every column.
            if node.res_target.val.multi_assign_ref.colno <= 1:
                self.visit(level, node.res_target.val)

    # --- parts of a level -------------------------------------------------------------------------------------------

    def _from(self, level: Level) -> FromList:
        return FromList(level, self.query, self.visit)

    def _with(self, clause: pb.WithClause, level: Level) -> None:
        """The CTEs: each sees those before it; a recursive one also itself, with the columns its first branch has."""
        outside = level.ctes
        level.ctes = dict(outside)
        for node in clause.ctes:
            cte = node.common_table_expr
            named = strings(cte.aliascolnames) or None
            if clause.recursive:
                level.ctes[cte.ctename] = named or plain_outputs(unwrap(cte.ctequery))
            columns = self.query(unwrap(cte.ctequery), level, level.parent)
            if named and columns:
                named += columns[len(named) :]
            level.ctes[cte.ctename] = named or columns

    def _where(self, level: Level, condition: pb.Node) -> None:
        if unwrap(condition) is condition:
            return
        self.visit(level, condition)
        level.conditions.append(Condition(unwrap(condition)))

    def _outputs(self, level: Level, targets: Sequence[pb.Node]) -> Columns:
        """Note what a result list reads; the names of its columns, None where they are not known."""
        names: list[str] | None = []
        for node in targets:
            target = node.res_target
            level.outputs.update(dict.fromkeys(self.visit(level, target.val)))
            star = star_relations(level, target.val)
            if star is None:
                name = target.name or output_name(target.val)
                names = None if names is None else [*names, name]
                continue
            level.star = True
            expanded = self._expand(level, star)
            names = None if names is None or expanded is None else [*names, *expanded]
        return None if names is None else tuple(names)

    def _expand(self, level: Level, relations: Sequence[Relation]) -> Columns:
        names: list[str] | None = []
        for relation in relations:
            for column in relation.columns or ():
                reference = relation.reference(column)
                level.outputs.setdefault(reference)
                level.used.setdefault(reference)
            names = None if names is None or relation.columns is None else [*names, *relation.columns]
        return None if names is None else tuple(dict.fromkeys(names))

    def _finish(self, level: Level) -> None:
        for condition in level.conditions:
            judge(level, condition)
        level.predicates += implied_equalities(level.predicates)
        level.conditions.clear()

    # --- expressions ------------------------------------------------------------------------------------------------

    def visit(self, level: Level, node: Message) -> list[ColumnReference]:
        """Note every column an expression mentions and build its subqueries; the columns of this level."""
        mentioned: list[ColumnReference] = []
        stack = [unwrap(node)]
        while stack:
            message = stack.pop()
            if isinstance(message, pb.SubLink):
                self._sublink(level, message)
                stack += [unwrap(message.testexpr)] if message.HasField("testexpr") else []
                continue
            if isinstance(message, pb.ColumnRef):
                mentioned += self._column(level, message)
                continue
            if isinstance(message, pb.FuncCall):
                _note_call(level, message)
            stack += [child for _, child in children(message)][::-1]
        return mentioned

    def _column(self, level: Level, node: pb.ColumnRef) -> list[ColumnReference]:
        names = names_of(node)
        if names is None:
            return []
        found = resolve(level, names)
        if found is not None:
            mention(level, found)
            return [found.reference] if found.level is level else []
        row = whole_row(level, names)
        if row is not None:
            owner, relation = row
            owner.star = True
            references = [relation.reference(column) for column in relation.columns or ()]
            for reference in references:
                mention(level, Found(owner, reference))
            return references if owner is level else []
        return []

    def _sublink(self, level: Level, node: pb.SubLink) -> None:
        reached, first = level.reached, len(self.levels)
        query = unwrap(node.subselect)
        if node.sub_link_type == pb.EXISTS_SUBLINK:
            query = _without_stars(query)
        self.query(query, level, level)
        if level.reached != reached:
            level.row_subqueries.add(node.location)
        if first == len(self.levels):
            return
        inner = self.levels[first]
        if node.sub_link_type == pb.EXISTS_SUBLINK:
            inner.outputs.clear()
        elif node.sub_link_type == pb.ANY_SUBLINK:
            _imply_membership(level, node, inner)


def _without_stars(query: Message) -> Message:
    """What EXISTS asks of a query: it reads no column of the rows it looks for."""
    if not isinstance(query, pb.SelectStmt):
        return query
    copy = pb.SelectStmt()
    copy.CopyFrom(query)
    kept = [n for n in query.target_list if not any(f.HasField("a_star") for f in n.res_target.val.column_ref.fields)]
    del copy.target_list[:]
    copy.target_list.extend(kept)
    return copy


def _imply_membership(level: Level, node: pb.SubLink, inner: Level) -> None:
    """`x IN (SELECT y FROM t)`: a semijoin, which may look rows of t up by y = x."""
    select = node.subselect.select_stmt
    plain = select.op == pb.SETOP_NONE and not (inner.aggregates or inner.windows or inner.limit or inner.distinct)
    if not plain or len(select.target_list) != 1 or node.oper_name or isinstance(unwrap(node.testexpr), pb.RowExpr):
        return
    output = term_of(inner, select.target_list[0].res_target.val)
    outer = term_of(level, node.testexpr)
    if output is None or output.reference is None or outer is None or outer.alias is None:
        return
    inner.predicates.append(
        Predicate(
            alias=output.reference.alias,
            column=output.reference.column,
            kind="equality",
            operator="=",
            value=Value(kind="expression", text=text_of(node.testexpr)),
            implied=True,
        )
    )


def _branches(node: pb.SelectStmt) -> list[pb.SelectStmt]:
    """The branches of nested set operations, left to right; one with an ORDER BY, LIMIT or WITH of its own is whole."""
    found: list[pb.SelectStmt] = []
    stack = [node.rarg, node.larg]
    while stack:
        branch = stack.pop()
        nested = branch.op != pb.SETOP_NONE
        own = branch.sort_clause or branch.HasField("limit_count") or branch.HasField("with_clause")
        if nested and not own:
            stack += [branch.rarg, branch.larg]
        else:
            found.append(branch)
    return found


def _note_call(level: Level, call: pb.FuncCall) -> None:
    if call.HasField("over"):
        level.windows = True
    elif (
        is_aggregate(strings(call.funcname)[-1])
        or call.agg_star
        or call.agg_distinct
        or call.agg_within_group
        or call.agg_order
        or call.HasField("agg_filter")
    ):
        level.aggregates = True
