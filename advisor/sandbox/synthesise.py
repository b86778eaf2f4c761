"""Rows for a throwaway database, drawn inside the server from what is known about the real ones.

What is assumed where nothing is known: an integer key ascends with the order of insertion, and so does a moment
named like the row's creation (`created_at`, `inserted_on`, `timestamp`…); 200 distinct values of a text, as the
planner itself assumes; 5 % NULLs of a nullable column; moments within the two years up to today; children spread
evenly over their parents.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from advisor.model.catalog import Catalog
from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile, DataProfile, TableProfile
from advisor.sandbox.synth_adversarial import adversarial_profile
from advisor.sandbox.synth_bounds import within_bounds
from advisor.sandbox.synth_facts import Facts, profile_of, raw_facts, scaled_rows, within_checks
from advisor.sandbox.synth_keys import Parents
from advisor.sandbox.synth_shape import ForeignKey, TableShape, read_shapes
from advisor.sandbox.synth_table import (
    LEAST_YIELD,
    Plan,
    eased,
    insert,
    key_numbers,
    make_keys,
    make_plan,
    sample_of_unknown,
    valid_facts,
    yields,
)
from advisor.sandbox.synth_types import is_known
from advisor.sql.quote import quote_identifier

Connection = psycopg.Connection[Any]
Warn = Callable[[str], None]

ASSUMED_ROWS = 1_000
"""Rows of a table that neither the profile nor the catalog knows: enough to have statistics, too few to matter."""

SHORTFALL = 0.9
"""Fewer rows than this share of the wanted ones are worth a word."""

LOAD_TIMEOUT_MS = 600_000
"""A check of the user's own that never ends must not hang the run."""

_CREATED = re.compile(
    r"(created|inserted|added|placed|ordered|occurred|logged|recorded|posted|published|received|registered|event)"
    r"_?(at|on|time|date|ts)?|timestamp|ts|time|date|creation_(date|time)|date_(created|added)",
    re.IGNORECASE,
)


@dataclass(slots=True, kw_only=True)
class _Load:
    """What one load knows; it lives as long as the load's transaction."""

    connection: Connection
    shapes: Mapping[QualifiedName, TableShape]
    profiles: Mapping[QualifiedName, TableProfile]
    foreign_keys: Sequence[ForeignKey]
    wanted: Mapping[QualifiedName, int]
    seed: int
    warn: Warn
    filled: dict[QualifiedName, int] = field(default_factory=dict)
    key_tables: int = 0


def fill(
    connection: Connection,
    catalog: Catalog,
    profile: DataProfile,
    *,
    row_budget: int,
    seed: int = 0,
    warn: Warn | None = None,
) -> Mapping[QualifiedName, int]:
    """Puts rows into the empty tables of the connected throwaway database; rows by table (partition roots only).

    Give the login that owns the tables: user code (checks, index expressions) runs in it. Foreign keys are taken
    off and put back, which checks every row; tables that have rows already keep them. All tables together get at
    most about `row_budget` rows. `warn` gets one sentence for each thing that could not be had. Ends with VACUUM
    ANALYZE. The same seed, profile and schema make the same rows (on the same day, where moments are assumed).
    Raises psycopg.Error when the server fails.
    """
    complain = warn or (lambda _: None)
    with _autocommit(connection):
        with connection.transaction():
            _prepare(connection, catalog)
            load = _start(connection, catalog, profile, row_budget, seed, complain)
            _run(load)
        _settle(connection, load, complain)
    return load.filled


def adversarial(
    connection: Connection,
    catalog: Catalog,
    profile: DataProfile,
    *,
    variant: int,
    seed: int = 0,
    warn: Warn | None = None,
) -> Mapping[QualifiedName, int]:
    """Replaces all rows by a small data set on which a wrong rewrite shows; rows by table.

    Even variants: NULLs wherever allowed, duplicates, ties and values at, just before and just after the workload's
    constants and the days, months and years around them. Odd variants: few rows, and every other table empty where
    no foreign key needs it. Each number of the same parity is another draw.
    """
    clear(connection)
    tables = adversarial_profile(catalog, profile, variant)
    budget = sum(table.rows for table in tables.values()) + 1
    return fill(connection, catalog, tables, row_budget=budget, seed=seed + 1 + variant, warn=warn)


def clear(connection: Connection) -> None:
    """Empties every user table of the connected throwaway database. Raises psycopg.Error."""
    with _autocommit(connection), connection.transaction():
        shapes, _ = read_shapes(connection)
        if shapes:
            names = ", ".join(shape.sql for shape in shapes.values())
            connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE".encode())


@contextmanager
def _autocommit(connection: Connection) -> Iterator[None]:
    """A connection outside of any transaction, as VACUUM needs it; what was open is committed."""
    before = connection.autocommit
    connection.commit()
    connection.autocommit = True
    try:
        yield
    finally:
        if not connection.closed:
            connection.autocommit = before


def _prepare(connection: Connection, catalog: Catalog) -> None:
    path = ", ".join(map(quote_identifier, catalog.search_path)) or "pg_catalog"
    connection.execute(
        f"SET LOCAL search_path = {path}; SET LOCAL jit = off; SET LOCAL synchronous_commit = off; "
        f"SET LOCAL statement_timeout = {LOAD_TIMEOUT_MS}; SET LOCAL DateStyle = 'ISO, YMD'; "
        "SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC'; SET LOCAL maintenance_work_mem = '128MB'; "
        "SET LOCAL work_mem = '64MB'; SET LOCAL row_security = on; SET LOCAL client_min_messages = error".encode()
    )


def _start(
    connection: Connection, catalog: Catalog, profile: DataProfile, row_budget: int, seed: int, warn: Warn
) -> _Load:
    shapes, foreign_keys = read_shapes(connection)
    profiles = {name: _profile(catalog, profile, name) for name in shapes}
    wanted = scaled_rows({name: table.rows for name, table in profiles.items()}, row_budget)
    load = _Load(
        connection=connection,
        shapes=shapes,
        profiles=_with_children_constants(profiles, foreign_keys),
        foreign_keys=foreign_keys,
        wanted=wanted,
        seed=seed,
        warn=warn,
    )
    for name, shape in shapes.items():
        row = connection.execute(f"SELECT count(*) FROM (SELECT FROM {shape.sql} LIMIT 1) r".encode()).fetchone()
        if row and row[0]:
            kept = connection.execute(f"SELECT count(*) FROM {shape.sql}".encode()).fetchone()
            load.filled[name] = int(kept[0]) if kept else 0
    return load


def _profile(catalog: Catalog, profile: DataProfile, name: QualifiedName) -> TableProfile:
    """The table's profile, what it lacks filled in from the catalog's statistics."""
    given = profile.get(name)
    table = catalog.tables.get(name)
    known = table.rows if table is not None else None
    parts = [
        profile[part.name].rows
        for part in catalog.tables.values()
        if part.partition_of == name and part.name in profile
    ]
    rows = given.rows if given else sum(parts) if parts else int(ASSUMED_ROWS if known is None else known)
    columns: dict[str, ColumnProfile] = {
        column.name: profile_of(column.statistics, known if known else rows)
        for column in (table.columns if table else ())
        if column.statistics is not None
    }
    return TableProfile(
        rows=max(rows, 0),
        basis=given.basis if given else "catalog" if known is not None else "assumed",
        columns={**columns, **(given.columns if given else {})},
    )


def _with_children_constants(
    profiles: Mapping[QualifiedName, TableProfile], foreign_keys: Sequence[ForeignKey]
) -> dict[QualifiedName, TableProfile]:
    """Constants and common values of a foreign key's column must exist in the parent's, too."""
    found = dict(profiles)
    for key in (*foreign_keys, *foreign_keys):
        if len(key.columns) != 1 or key.parent not in found or key.table not in found:
            continue
        child = found[key.table].columns.get(key.columns[0])
        if child is None or not (child.seen or child.common):
            continue
        parent, column = found[key.parent], key.parent_columns[0]
        known = parent.columns.get(column, ColumnProfile())
        seen = tuple(dict.fromkeys((*known.seen, *child.seen, *(value for value, _ in child.common))))
        found[key.parent] = replace(parent, columns={**parent.columns, column: replace(known, seen=seen)})
    return found


def _run(load: _Load) -> None:
    connection = load.connection
    for key in load.foreign_keys:
        connection.execute(key.drop.encode())
    todo = [name for name in _parents_first(load) if name not in load.filled]
    for name in todo:
        for statement in load.shapes[name].pause:
            connection.execute(statement.encode())
    for name in todo:
        load.filled[name] = _fill_table(load, load.shapes[name])
    for name in todo:
        for statement in load.shapes[name].resume:
            connection.execute(statement.encode())
        _advance_sequences(connection, load.shapes[name])
    _put_back_foreign_keys(load)


def _parents_first(load: _Load) -> list[QualifiedName]:
    """The tables, parents before children as far as foreign keys form no circle."""
    needs = {
        name: {key.parent for key in load.foreign_keys if key.table == name and key.parent in load.shapes} - {name}
        for name in load.shapes
    }
    order: list[QualifiedName] = []
    while needs:
        ready = [name for name in needs if not needs[name] & needs.keys()]
        # In a circle the table that waits for the fewest others goes first.
        ready = ready or [min(needs, key=lambda name: (len(needs[name] & needs.keys()), name))]
        order += ready
        for name in ready:
            del needs[name]
    return order


def _fill_table(load: _Load, shape: TableShape) -> int:
    """Rows put into the table; none, with a warning, where its rules cannot be met."""
    wanted = load.wanted[shape.name]
    try:
        with load.connection.transaction():
            plan = _plan(load, shape, wanted)
            for drop, _ in shape.indexes:
                load.connection.execute(drop.encode())
            rows = insert(load.connection, plan)
            for _, create in shape.indexes:
                load.connection.execute(create.encode())
    except psycopg.Error as error:
        if isinstance(error, psycopg.OperationalError) and not isinstance(error, psycopg.errors.ProgramLimitExceeded):
            raise
        load.warn(f"No rows could be made for {shape.name}: {' '.join(str(error).split())}.")
        return 0
    if rows < SHORTFALL * wanted:
        load.warn(f"{shape.name} has {rows} of {wanted} rows: its constraints leave no room for more.")
    return rows


def _facts(load: _Load, shape: TableShape) -> dict[str, Facts]:
    profile = load.profiles[shape.name]
    rows = load.wanted[shape.name]
    facts = {}
    for column in shape.columns:
        known = profile.columns.get(column.name, ColumnProfile())
        raw = valid_facts(load.connection, column, raw_facts(column, known, profile.rows, rows))
        if raw.correlation is None and column.base_name in ("timestamp", "timestamptz", "date"):
            raw = replace(raw, correlation=1.0 if _CREATED.fullmatch(column.name) else None)
        if not is_known(column) and not raw.common:
            raw = replace(raw, allowed=sample_of_unknown(load.connection, column))
        raw = within_checks(column, raw, (*shape.checks, *column.checks))
        facts[column.name] = within_bounds(shape, column, raw)
    return facts


def _plan(load: _Load, shape: TableShape, wanted: int) -> Plan:
    """The plan, drawn wider where checks let only a part of the rows pass."""
    facts = _facts(load, shape)
    keys = [key for key in load.foreign_keys if key.table == shape.name]
    keys = [key for key in keys if key.parent in load.filled or key.parent in load.shapes or _exists(load, key)]
    parents = {key.name: _parents(load, key, facts) for key in keys}
    wanted = _without_parents(shape, keys, parents, wanted)
    for key in keys:
        if parents[key.name].count == 0:
            facts |= {
                name: replace(facts[name], nulls=1.0) for name in key.columns if not _column_not_null(shape, name)
            }
    plan = make_plan(shape, facts, keys, parents, wanted, load.seed)
    share = yields(load.connection, plan)[-1]
    if share < LEAST_YIELD:
        facts = eased(load.connection, plan, facts, load.seed)
        plan = make_plan(shape, facts, keys, parents, wanted, load.seed)
        share = yields(load.connection, plan)[-1]
    if share >= 1 - 1e-9 or share == 0 or wanted == 0:
        return plan
    drawn = int(wanted / max(share, LEAST_YIELD) * 1.1) + 50
    return make_plan(shape, facts, keys, parents, drawn, load.seed, keep=wanted)


def _column_not_null(shape: TableShape, name: str) -> bool:
    return any(column.not_null for column in shape.columns if column.name == name)


def _without_parents(shape: TableShape, keys: Sequence[ForeignKey], parents: Mapping[str, Parents], wanted: int) -> int:
    """No rows where a foreign key that may not be NULL has nothing to point to."""
    for key in keys:
        if parents[key.name].count == 0 and all(_column_not_null(shape, name) for name in key.columns):
            return 0
    return wanted


def _exists(load: _Load, key: ForeignKey) -> bool:
    row = load.connection.execute(
        "SELECT to_regclass(%s) IS NOT NULL",
        [f"{quote_identifier(key.parent.schema)}.{quote_identifier(key.parent.name)}"],
    ).fetchone()
    return bool(row and row[0])


def _parents(load: _Load, key: ForeignKey, facts: Mapping[str, Facts]) -> Parents:
    """The rows the key may point to: those that are there, or, in a circle, those that will be."""
    load.key_tables += 1
    table = f"synth_keys_{load.key_tables}"
    if key.parent in load.filled or key.parent not in load.shapes:
        name = f"{quote_identifier(key.parent.schema)}.{quote_identifier(key.parent.name)}"
        count = make_keys(load.connection, table, key.parent_columns, name)
    else:
        plan = _future(load, key)
        if plan is None:
            return Parents(keys=table, count=0)
        count = make_keys(
            load.connection,
            table,
            key.parent_columns,
            f"({plan.select(key.parent_columns)}) r",
            order="ORDER BY synth_row",
        )
    values: list[str] = []
    if len(key.columns) == 1:
        known = facts[key.columns[0]]
        values = [*(value for value, _ in known.common), *known.seen]
    return Parents(keys=table, count=count, numbers=key_numbers(load.connection, table, values) if count else {})


def _future(load: _Load, key: ForeignKey) -> Plan | None:
    """The plan of a table that is not filled yet, for its key; None where that is a foreign key itself."""
    shape = load.shapes[key.parent]
    bound = {name for other in load.foreign_keys if other.table == key.parent for name in other.columns}
    if not bound.isdisjoint(key.parent_columns):
        return None
    plan = make_plan(shape, _facts(load, shape), (), {}, load.wanted[key.parent], load.seed)
    return plan if all(name in plan.draws for name in key.parent_columns) else None


def _advance_sequences(connection: Connection, shape: TableShape) -> None:
    for column in shape.columns:
        if column.sequence is not None and column.base_name in ("int2", "int4", "int8"):
            name = quote_identifier(column.name)
            connection.execute(
                f"SELECT setval(%s::regclass, max({name})) FROM {shape.sql} HAVING max({name}) > 0".encode(),
                [column.sequence],
            )


def _put_back_foreign_keys(load: _Load) -> None:
    """Adds the keys again, which checks them; rows that point nowhere (circles, shared columns) are mended first."""
    for _ in range(3 * len(load.foreign_keys) + 1):
        failed = None
        try:
            with load.connection.transaction():
                for key in load.foreign_keys:
                    failed = key
                    load.connection.execute(key.add.encode())
                return
        except psycopg.errors.ForeignKeyViolation:
            if failed is None or not _mend(load, failed):
                raise


def _mend(load: _Load, key: ForeignKey) -> bool:
    """Sets a dangling key to NULL where a column of it allows that, else removes the row; whether anything changed."""
    shape = load.shapes[key.table]
    pairs = " AND ".join(
        f"p.{quote_identifier(theirs)} = c.{quote_identifier(ours)}"
        for ours, theirs in zip(key.columns, key.parent_columns, strict=True)
    )
    present = " AND ".join(f"c.{quote_identifier(name)} IS NOT NULL" for name in key.columns)
    parent = f"{quote_identifier(key.parent.schema)}.{quote_identifier(key.parent.name)}"
    dangling = f"{present} AND NOT EXISTS (SELECT FROM {parent} p WHERE {pairs})"
    free = [quote_identifier(name) for name in key.columns if not _column_not_null(shape, name)]
    if free:
        nulls = ", ".join(f"{name} = NULL" for name in free)
        changed = load.connection.execute(f"UPDATE {shape.sql} c SET {nulls} WHERE {dangling}".encode()).rowcount
    else:
        changed = load.connection.execute(f"DELETE FROM {shape.sql} c WHERE {dangling}".encode()).rowcount
        load.filled[key.table] -= changed
        load.warn(f"{changed} rows of {key.table} had no row of {key.parent} to belong to and were left out.")
    return changed > 0


def _settle(connection: Connection, load: _Load, warn: Warn) -> None:
    """Materialized views refreshed, statistics gathered, pages marked all-visible."""
    views = connection.execute(
        "SELECT format('%I.%I', schemaname, matviewname) FROM pg_catalog.pg_matviews "
        "WHERE schemaname <> 'information_schema' AND schemaname !~ '^pg_'"
    ).fetchall()
    todo = [name for (name,) in views]
    for attempt in range(len(todo)):
        todo = [name for name in todo if not _refreshed(connection, name, warn, last=attempt == len(views) - 1)]
    tables = ", ".join([*(shape.sql for shape in load.shapes.values()), *(name for (name,) in views)])
    if tables:
        connection.execute(f"VACUUM (ANALYZE) {tables}".encode())


def _refreshed(connection: Connection, name: str, warn: Warn, *, last: bool) -> bool:
    """Whether the view could be filled; one that reads another, still empty one, gets another turn."""
    try:
        connection.execute(f"REFRESH MATERIALIZED VIEW {name}".encode())
    except (psycopg.DataError, psycopg.ProgrammingError, psycopg.IntegrityError, psycopg.NotSupportedError) as error:
        if last:
            warn(f"The materialized view {name} could not be filled: {' '.join(str(error).split())}.")
        return False
    return True
