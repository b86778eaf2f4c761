"""How two queries hang together: whether the one looks up what the rows of the other refer to."""

from collections.abc import Iterator
from dataclasses import dataclass

from advisor.model.catalog import Catalog, Constraint, Table
from advisor.model.names import QualifiedName
from advisor.model.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """A column by which a query finds its rows: `column = one value`.

    `parameter` is the number of the value's `$n` in the normalised text. `unique`: the column alone is a key;
    `declared`: it is a key or in a foreign key. `beside` are the numbers of the other values compared for equality.
    """

    table: QualifiedName
    column: str
    parameter: int
    unique: bool
    declared: bool = True
    beside: tuple[int, ...] = ()


def look_ups(usage: Usage, catalog: Catalog) -> tuple[LookUp, ...]:
    """The look-ups a SELECT is, by each column its outermost level compares: keys first, then foreign keys."""
    if usage.kind != "select" or not usage.scopes:
        return ()
    scope = next(scope for scope in usage.scopes if scope.depth == 0)
    tables = {use.alias: catalog.tables.get(use.table) for use in scope.tables if use.table is not None}
    compared = [
        (table, p.column, p.value.number)
        for p in scope.predicates
        if p.kind == "equality" and p.operator == "=" and not p.implied and p.value.kind == "parameter"
        if (table := tables.get(p.alias)) is not None and p.column is not None and p.value.number is not None
    ]
    found = [
        LookUp(
            table=table.name,
            column=column,
            parameter=number,
            unique=is_unique(table, column),
            declared=is_unique(table, column) or is_reference(table, column),
            beside=tuple(other for _, _, other in compared if other != number),
        )
        for table, column, number in compared
        if table.column(column) is not None
    ]
    return tuple(sorted(found, key=lambda each: (not each.unique, not each.declared)))


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
    """Whether the column is part of a foreign key."""
    return any(column in constraint.columns for constraint in _foreign_keys(table))


def _foreign_keys(table: Table) -> Iterator[Constraint]:
    return (constraint for constraint in table.constraints if constraint.kind == "foreign_key")
