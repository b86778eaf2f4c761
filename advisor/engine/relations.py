"""How two queries hang together: whether the one looks up what the rows of the other refer to."""

from collections.abc import Iterator
from dataclasses import dataclass

from advisor.model.catalog import Catalog, Constraint, Table
from advisor.model.names import QualifiedName
from advisor.model.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """The column by which a query finds its rows: `column = one value`, and a key or a foreign key of the table.

    `parameter` is the number of the value's `$n` in the normalised text.
    """

    table: QualifiedName
    column: str
    parameter: int
    unique: bool


def look_up(usage: Usage, catalog: Catalog) -> LookUp | None:
    """The look-up a SELECT of one level is, keys before foreign keys; None where it is none."""
    if usage.kind != "select" or not usage.scopes:
        return None
    scope = next(scope for scope in usage.scopes if scope.depth == 0)
    if scope.limit and scope.order_by:
        return None
    tables = {use.alias: catalog.tables.get(use.table) for use in scope.tables if use.table is not None}
    found: list[LookUp] = []
    for predicate in scope.predicates:
        table = tables.get(predicate.alias)
        number = predicate.value.number if predicate.value.kind == "parameter" else None
        if predicate.kind != "equality" or predicate.operator != "=" or predicate.implied or table is None:
            continue
        if predicate.column is None or number is None:
            continue
        unique = is_unique(table, predicate.column)
        if unique or is_reference(table, predicate.column):
            found.append(LookUp(table=table.name, column=predicate.column, parameter=number, unique=unique))
    return max(found, key=lambda each: each.unique, default=None)


def related(parent: Usage, child: LookUp, catalog: Catalog) -> bool:
    """Whether a row of the parent's tables names a key of the child.

    So it is where a foreign key leads from the parent's table to the child's column or the other way round, and where
    both refer to the same third table (an order's customer and an address's customer).
    """
    parents = [catalog.tables[name] for name in parent.tables if name in catalog.tables]
    own = [c for c in _foreign_keys(catalog.tables[child.table]) if child.column in c.columns]
    theirs = [constraint for table in parents for constraint in _foreign_keys(table)]
    down = any(c.referenced_table == child.table and child.column in c.referenced_columns for c in theirs)
    up = any(c.referenced_table == table.name for c in own for table in parents)
    beside = any(c.referenced_table == other.referenced_table for c in own for other in theirs)
    return down or up or beside


def is_unique(table: Table, column: str) -> bool:
    """Whether the column alone is a key."""
    return any(c.kind in ("primary_key", "unique") and c.columns == (column,) for c in table.constraints) or any(
        i.unique and i.valid and i.predicate is None and [k.column for k in i.keys] == [column] for i in table.indexes
    )


def is_reference(table: Table, column: str) -> bool:
    """Whether the column is (the first column of) a foreign key."""
    return any(constraint.columns[:1] == (column,) for constraint in _foreign_keys(table))


def _foreign_keys(table: Table) -> Iterator[Constraint]:
    return (constraint for constraint in table.constraints if constraint.kind == "foreign_key")
