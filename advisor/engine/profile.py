"""What is believed about the tables' rows: the ground on which selectivity is judged and rows are synthesised."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from advisor.engine.profile_columns import FEW_VALUES, ColumnEvidence, check_predicates, column_profile
from advisor.engine.profile_plans import KeptShare, kept_shares
from advisor.engine.profile_rows import BelievedRows, believed_rows
from advisor.engine.profile_samples import ColumnName, Constants, constants_seen
from advisor.model.catalog import Catalog, Table
from advisor.model.names import QualifiedName
from advisor.model.profile import DataProfile, TableProfile
from advisor.model.usage import Usage
from advisor.model.workload import Workload


def believe(
    catalog: Catalog, workload: Workload, usages: Mapping[str, Usage], table_rows: Mapping[str, int]
) -> tuple[DataProfile, tuple[str, ...]]:
    """Every table's believed rows and columns, and the assumptions made for the tables that the workload uses.

    A table's row count comes from the first of these that has one:

    1. the catalog, where it knows the table's data (rows counted, or statistics of a column). A catalog of a
       schema that was loaded into an empty database knows nothing of any table;
    2. `--table-rows` (`table_rows`, by `name` or `schema.name`). It comes before plans, because the user said it
       explicitly, and is not used, saying so, where the catalog knows;
    3. plans in the input that read the whole table: rows counted, else the planner's estimate;
    4. an assumption: by the largest of the ids that the workload looks up, else `ASSUMED_ROWS`; made smaller where
       a query that must read the whole table is too fast for it.

    A column's distribution comes from its statistics; else from the schema (unique, foreign key, boolean, enum,
    CHECK), from the shares that conditions keep in plans, and from how many constants the workload compares it
    with. Raises UsageError where `table_rows` names an unknown table.
    """
    constants = constants_seen(catalog, workload, usages)
    rows = believed_rows(catalog, workload, usages, table_rows, constants)
    counts = {name: float(believed.rows) for name, believed in rows.items()}
    shares: dict[ColumnName, list[KeptShare]] = defaultdict(list)
    for kept in kept_shares(catalog, workload.plans, counts):
        if kept.predicate.column is not None:
            shares[kept.table, kept.predicate.column].append(kept)
    end = datetime.fromtimestamp(workload.to_us / 1e6, UTC) if workload.to_us is not None else None
    profile = {}
    for name, believed in rows.items():
        table = catalog.tables[name]
        checks = check_predicates(table, catalog)
        columns = {}
        for column in table.columns:
            evidence = ColumnEvidence(
                table=table,
                column=column,
                rows=believed.rows,
                unique=_is_unique(table, column.name),
                parent_rows=_parent_rows(table, column.name, rows),
                constants=constants.get((name, column.name), Constants()),
                shares=shares[name, column.name],
                checks=checks.get(column.name, ()),
                end=end,
            )
            columns[column.name] = column_profile(evidence)
        profile[name] = TableProfile(rows=believed.rows, basis=believed.basis, columns=columns)
    return profile, tuple(_assumptions(rows, profile, constants, usages))


def _is_unique(table: Table, column: str) -> bool:
    constrained = any(c.kind in ("primary_key", "unique") and c.columns == (column,) for c in table.constraints)
    return constrained or any(
        index.unique and index.valid and index.predicate is None and [key.column for key in index.keys] == [column]
        for index in table.indexes
    )


def _parent_rows(table: Table, column: str, rows: Mapping[QualifiedName, BelievedRows]) -> int | None:
    for constraint in table.constraints:
        if constraint.kind == "foreign_key" and constraint.columns == (column,):
            parent = rows.get(constraint.referenced_table) if constraint.referenced_table else None
            if parent is not None:
                return parent.rows
    return None


def _assumptions(
    rows: Mapping[QualifiedName, BelievedRows],
    profile: DataProfile,
    constants: Mapping[ColumnName, Constants],
    usages: Mapping[str, Usage],
) -> Iterator[str]:
    """One sentence for each assumed row count and distinct count, of the tables that the statements name."""
    used = dict.fromkeys(name for usage in usages.values() for name in usage.tables)
    for name in sorted(used):
        if name in rows and (sentence := rows[name].assumption):
            yield sentence
    for name, column in sorted(constants):
        known = profile[name].columns.get(column) if name in used and name in profile else None
        if known is not None and known.basis == "assumed" and known.distinct is not None:
            kind = "few" if known.distinct <= max(FEW_VALUES, len(known.seen)) else "many, or key-like,"
            yield (
                f"{name}.{column}: {known.distinct:,.0f} distinct values assumed "
                f"(no statistics; the input compares it with {kind} constants)"
            )
