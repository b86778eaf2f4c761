"""Foreign keys and the indexes behind them, before and after a run of migrations."""

from collections.abc import Iterator

from advisor.model.catalog import Catalog, Constraint, Index, Table
from advisor.model.evidence import Evidence
from advisor.model.migration import Migration, TracedStatement
from advisor.model.names import QualifiedName


def newly_unindexed(evidence: Evidence) -> Iterator[Constraint]:
    """Foreign keys without an index after the run that were not there, or had one, before it.

    Partitions are left out: their keys and indexes are those of the partitioned table.
    """
    if evidence.catalog_after is None:
        return
    for table in evidence.catalog_after.tables.values():
        if table.partition_of is not None:
            continue
        for key in _foreign_keys(table):
            if not is_indexed(table, key.columns) and not _was_so(key, evidence.catalog):
                yield key


def is_indexed(table: Table, columns: tuple[str, ...]) -> bool:
    """Whether a valid index has the columns, in any order, as its first keys.

    A partial index counts where it only leaves out NULLs, which no referenced row matches.
    """
    return any(_serves(index, columns) for index in table.indexes)


def statement_of(key: Constraint, evidence: Evidence) -> tuple[Migration | None, TracedStatement | None]:
    """The statement that made the key, or that dropped an index of its table."""
    for migration in evidence.migrations:
        for statement in migration.statements:
            relation = statement.details.get("relation")
            made = [columns for columns, _ in statement.details.get("foreign_keys", ())]
            if relation and relation[1] == key.table.name and key.columns in made:
                return migration, statement
    for migration in evidence.migrations:
        for statement in migration.statements:
            if any(d["table"] == str(key.table) for d in statement.details.get("dropped_indexes", ())):
                return migration, statement
    return None, None


def _was_so(key: Constraint, before: Catalog | None) -> bool:
    table = before.tables.get(QualifiedName(key.table.schema, key.table.name)) if before else None
    if table is None:
        return False
    same = any(
        old.columns == key.columns and old.referenced_table == key.referenced_table for old in _foreign_keys(table)
    )
    return same and not is_indexed(table, key.columns)


def _foreign_keys(table: Table) -> list[Constraint]:
    return [constraint for constraint in table.constraints if constraint.kind == "foreign_key"]


def _serves(index: Index, columns: tuple[str, ...]) -> bool:
    leading = {key.column for key in index.keys[: len(columns)]}
    only_nulls_out = index.predicate is None or any(
        f"{column} IS NOT NULL" in index.predicate and " AND " not in index.predicate for column in columns
    )
    return index.valid and index.method in ("btree", "hash") and leading == set(columns) and only_nulls_out
