"""References that no foreign key declares: read from the names and types of columns."""

import re
from collections.abc import Iterator

from advisor.engine.relations import LookUp, is_reference
from advisor.model.catalog import Catalog, Column, Table
from advisor.model.usage import Usage

_REFERENCE = re.compile(r"(?P<stem>.+?)(?:_(?:id|uuid|guid)|(?<=[a-z0-9])I[dD])")
"""`author_id`, `authorId`: a column that is called so names a row of some table."""


def named_reference(parent: Usage, child: LookUp, catalog: Catalog, kinds: frozenset[str]) -> bool:
    """Whether names say that a row of the parent leads to a key of the child.

    So it is where a column of the parent is called after the child's table (`user_id`, `owner_user_id` for `users`),
    where the child's is called after one of the parent's tables, where both have the same name of such a kind, and
    where the row says by its `kinds` (the values beside the child's key, as in `commentable_type = 'Ticket'`) that it
    belongs to one of the parent's tables.
    """
    table, column = _column(child, catalog)
    tables = [catalog.tables[name] for name in parent.tables if name in catalog.tables]
    read = [(source, named) for source, named in read_columns(parent, catalog) if _same_type(named, column)]
    stem = stem_of(child.column)
    if stem is None:
        return any((own := stem_of(c.name)) is not None and _names(own, table) for _, c in read)
    if any(kind.rpartition("::")[2].casefold() in _singulars(t) for kind in kinds for t in tables):
        return True
    keys = [source for source, named in read if source.primary_key == (named.name,)]
    return any(_names(stem, source) for source in keys) or any(c.name == child.column for _, c in read)


def loose_reference(parent: Usage, child: LookUp, catalog: Catalog) -> bool:
    """Whether the parent's rows have a reference without a foreign key that fits the child's unique key by its type."""
    _, column = _column(child, catalog)
    return child.unique and any(
        stem_of(named.name) is not None and not is_reference(source, named.name) and _same_type(named, column)
        for source, named in read_columns(parent, catalog)
    )


def comparable(parent: Usage, child: LookUp, catalog: Catalog) -> bool:
    """Whether the parent's rows have a column of the key's type at all."""
    _, column = _column(child, catalog)
    return any(_same_type(named, column) for _, named in read_columns(parent, catalog))


def stem_of(column: str) -> str | None:
    """`author` of `author_id`; None for a column that is not called like a reference."""
    match = _REFERENCE.fullmatch(column)
    return match["stem"].casefold() if match else None


def read_columns(usage: Usage, catalog: Catalog) -> Iterator[tuple[Table, Column]]:
    """The columns of tables that are in the rows of a query's outermost level."""
    for scope in usage.scopes:
        if scope.depth:
            continue
        for use in scope.tables:
            table = catalog.tables.get(use.table) if use.table else None
            wanted = {reference.column for reference in scope.outputs if reference.alias == use.alias}
            for column in table.columns if table else ():
                if table is not None and (scope.star or column.name in wanted):
                    yield table, column


def _column(child: LookUp, catalog: Catalog) -> tuple[Table, Column]:
    table = catalog.tables[child.table]
    column = table.column(child.column)
    assert column is not None
    return table, column


def _same_type(one: Column, other: Column) -> bool:
    return _family(one.base_type) == _family(other.base_type)


def _family(base_type: str) -> str:
    if base_type in {"int2", "int4", "int8"}:
        return "integer"
    return "text" if base_type in {"varchar", "bpchar", "citext"} else base_type


def _names(stem: str, table: Table) -> bool:
    return any(stem == name or stem.endswith(f"_{name}") for name in _singulars(table))


def _singulars(table: Table) -> frozenset[str]:
    """The table's name and what it may be the plural of."""
    name = table.name.name.casefold()
    found = {name, name.removesuffix("s"), name.removesuffix("es")}
    if name.endswith("ies"):
        found.add(name.removesuffix("ies") + "y")
    return frozenset(found - {""})
