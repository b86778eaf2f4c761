"""Which conditions and sorts of a query level an index could take part in, table by table."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from advisor.model.catalog import Column, IndexKey, Table
from advisor.model.usage import Predicate, Scope, TableUse

UNORDERED_TYPES = frozenset({"json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "xid", "cid"})
"""Base types without a btree operator class."""

PATTERN_CLASSES = {"text": "text_pattern_ops", "varchar": "varchar_pattern_ops", "bpchar": "bpchar_pattern_ops"}
"""Operator classes under which a btree serves `LIKE 'x%'` in any collation.
https://www.postgresql.org/docs/current/indexes-opclass.html"""

BYTE_ORDER_COLLATIONS = frozenset({"C", "POSIX", "ucs_basic", "pg_c_utf8"})
"""Collations under which a plain btree serves `LIKE 'x%'`, too."""

SIMPLE_FUNCTIONS = frozenset({"lower", "upper"})
"""Immutable functions for which an index on the expression is the usual answer; others are better moved off the
column."""

_COLUMN = re.compile(r'(?:[\w$]+|"(?:[^"]|"")+")(?:\.(?:[\w$]+|"(?:[^"]|"")+"))*')


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The conditions that filter one table's scan in one query level.

    Attributes:
        equality: compared with something that stays the same during the scan.
        ranges: ranges and prefixes, likewise.
        joins: equal to a column of another table of the level.
        residual: those no btree index can take part in.
        unclear: the level has conditions that were not understood, or ORs, which filter no one knows what.
    """

    equality: tuple[Predicate, ...] = ()
    ranges: tuple[Predicate, ...] = ()
    joins: tuple[Predicate, ...] = ()
    residual: tuple[Predicate, ...] = ()
    unclear: bool = False

    @property
    def local(self) -> tuple[Predicate, ...]:
        """All but the joins."""
        return self.equality + self.ranges + self.residual


def conditions_of(scope: Scope, use: TableUse, table: Table, *, looked_up: bool = True) -> Conditions:
    """Sorts the level's conjuncts on one table by what an index could do with them.

    `looked_up` says whether a subquery is run for each row of the level around it, so that the outer level's columns
    are constants to it; else it is run once and joined, and they are nothing an index could use.
    """
    predicates = [
        p
        for p in scope.predicates
        if p.alias == use.alias and p.only_when in {None, use.alias} and (looked_up or not correlates(p, scope))
    ]
    aliases = {other.alias for other in scope.tables}
    return _sorted(predicates, table, aliases, use.nullable, bool(scope.unresolved or scope.alternatives))


def correlates(predicate: Predicate, scope: Scope) -> bool:
    """Whether the other side of a subquery's condition is a column of the level around it."""
    if scope.depth == 0 or predicate.value.kind != "expression":
        return False
    return predicate.implied or (scope.correlated and _COLUMN.fullmatch(predicate.value.text or "") is not None)


def branch_conditions(branch: tuple[Predicate, ...], scope: Scope, table: Table) -> Conditions:
    """The same for one branch of an OR, all of whose predicates are on the table."""
    return _sorted(list(branch), table, {use.alias for use in scope.tables}, False, False)


def _sorted(predicates: list[Predicate], table: Table, aliases: set[str], nullable: bool, unclear: bool) -> Conditions:
    equality, ranges, joins, residual = [], [], [], []
    for predicate in predicates:
        joined_subquery = predicate.value.kind == "subquery" and predicate.operator != "="
        # IS NULL above an outer join asks for rows without a partner, not for NULLs in the table.
        if joined_subquery or (predicate.kind == "is_null" and nullable):
            unclear = True
        elif key_of(predicate, table) is None:
            residual.append(predicate)
        elif predicate.kind == "equality" and predicate.value.kind == "column" and _is_partner(predicate, aliases):
            joins.append(predicate)
        elif predicate.kind in {"range", "prefix"} and predicate.value.kind != "column":
            ranges.append(predicate)
        elif predicate.kind in {"equality", "is_null"}:
            equality.append(predicate)
        else:
            residual.append(predicate)
    return Conditions(
        equality=tuple(equality), ranges=tuple(ranges), joins=tuple(joins), residual=tuple(residual), unclear=unclear
    )


def _is_partner(predicate: Predicate, aliases: set[str]) -> bool:
    """Whether the other side is a table of the same level; a column of an outer level is a constant here."""
    reference = predicate.value.reference
    return reference is None or reference.alias in aliases


def key_of(predicate: Predicate, table: Table) -> IndexKey | None:
    """The index key that would serve the predicate; None where a btree cannot, or where a NULL makes it empty."""
    if predicate.kind not in {"equality", "range", "prefix", "is_null"}:
        return None
    if predicate.value.kind == "constant" and predicate.value.text is None and predicate.kind != "is_null":
        return None
    if predicate.column is None:
        simple = predicate.kind == "equality" and predicate.function in SIMPLE_FUNCTIONS
        return IndexKey(expression=predicate.expression) if simple and len(predicate.expression_columns) == 1 else None
    column = table.column(predicate.column)
    if column is None or column.base_type in UNORDERED_TYPES:
        return None
    if predicate.kind == "prefix" and not _byte_order(column):
        return IndexKey(column=column.name, operator_class=PATTERN_CLASSES.get(column.base_type))
    return IndexKey(column=column.name)


def _byte_order(column: Column) -> bool:
    return column.collation in BYTE_ORDER_COLLATIONS


def sort_keys(scope: Scope, use: TableUse, table: Table, constant: set[str]) -> tuple[IndexKey, ...]:
    """The index keys that would return the level's rows in the order wanted, the first one ascending.

    Empty where the level has no ORDER BY … LIMIT or where one table's index cannot give its order. A scan backward
    returns the reverse, so an order is the same as its reverse. `constant` columns need no sorting.
    """
    if not (scope.order_by and scope.limit) or scope.aggregates or scope.group_by or scope.distinct or scope.windows:
        return ()
    keys: list[IndexKey] = []
    for term in scope.order_by:
        column = table.column(term.reference.column) if term.reference else None
        if term.reference is None or term.reference.alias != use.alias or column is None:
            return ()
        if column.base_type in UNORDERED_TYPES:
            return ()
        if column.name in constant or any(key.column == column.name for key in keys):
            continue
        nulls_first = term.descending if column.not_null else term.nulls_first
        keys.append(IndexKey(column=column.name, descending=term.descending, nulls_first=nulls_first))
    if keys and keys[0].descending:
        keys = [replace(key, descending=not key.descending, nulls_first=not key.nulls_first) for key in keys]
    return tuple(keys)


def stays_first(scope: Scope, use: TableUse) -> bool:
    """Whether reading this table in order and stopping early answers the level: no other table decides what remains."""
    others = [p for p in scope.predicates if p.alias != use.alias and p.value.kind != "column" and not p.implied]
    return not use.nullable and not others


def distinct_keys(keys: Iterator[IndexKey]) -> tuple[IndexKey, ...]:
    """The keys without repetition, in order."""
    return tuple(dict.fromkeys(keys))
