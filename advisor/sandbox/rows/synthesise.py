"""Rows for a throwaway database, drawn inside the server from what is known about the real ones.

What is assumed where nothing is known: an integer key ascends with the order of insertion, and so does a moment
named like the row's creation (`created_at`, `inserted_on`, `timestamp`…); 200 distinct values of a text, as the
planner itself assumes; 5 % NULLs of a nullable column; moments within the two years up to today; children spread
evenly over their parents.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg

from advisor.model.catalog import Catalog
from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile, DataProfile, TableProfile
from advisor.sandbox.rows.adversarial import adversarial_profile
from advisor.sandbox.rows.facts import profile_of, scaled_rows
from advisor.sandbox.rows.load import Connection, Guard, Load, Warn, must_not_be_null, plan_table, unguarded
from advisor.sandbox.rows.shape import ForeignKey, TableShape, read_shapes
from advisor.sandbox.rows.table import insert
from advisor.sql.quote import quote_identifier, quote_literal, quote_name

ASSUMED_ROWS = 1_000
"""Rows of a table that neither the profile nor the catalog knows: enough to have statistics, too few to matter."""

SHORTFALL = 0.9
"""Fewer rows than this share of the wanted ones are worth a word."""

LOAD_TIMEOUT_MS = 120_000
"""Of one statement: a check of the user's own that never ends must not hang the run."""


def fill(
    connection: Connection,
    catalog: Catalog,
    profile: DataProfile,
    *,
    row_budget: int,
    seed: int = 0,
    warn: Warn | None = None,
    without: Collection[str] = (),
    guard: Guard = unguarded,
) -> Mapping[QualifiedName, int]:
    """Puts rows into the empty tables of the connected throwaway database; rows by table (partition roots only).

    Give the login that owns the tables: user code (checks, policies, index expressions) runs in it. Foreign keys are
    taken off and put back, which checks every row; tables that have rows already keep them. All tables together get
    at most about `row_budget` rows. `warn` gets one sentence for each thing that could not be had, user code that
    fails among them. Ends with VACUUM ANALYZE. The same seed, profile and schema make the same rows (on the same day,
    where moments are assumed).

    `guard` is entered around the work on each table or view, with its name as SQL; those of `without` are left as
    they are. Raises psycopg.Error when the session is lost: nothing was done then, or all but the last steps.
    """
    complain = warn or (lambda _: None)
    with _autocommit(connection):
        with connection.transaction():
            _prepare(connection, catalog)
            load = _start(connection, catalog, profile, row_budget, seed, complain)
            load.without, load.guard = without, guard
            _look(load)
            _run(load)
        _settle(load)
    return load.filled


def adversarial(
    connection: Connection,
    catalog: Catalog,
    profile: DataProfile,
    *,
    variant: int,
    seed: int = 0,
    warn: Warn | None = None,
    without: Collection[str] = (),
    guard: Guard = unguarded,
) -> Mapping[QualifiedName, int]:
    """Replaces all rows by a small data set on which a wrong rewrite shows; rows by table.

    Even variants: NULLs wherever allowed, duplicates, ties and values at, just before and just after the workload's
    constants and the days, months and years around them. Odd variants: few rows, and every other table empty where
    no foreign key needs it. Each number of the same parity is another draw. The rest is as for `fill`.
    """
    clear(connection)
    tables = adversarial_profile(catalog, profile, variant)
    budget = sum(table.rows for table in tables.values()) + 1
    return fill(
        connection,
        catalog,
        tables,
        row_budget=budget,
        seed=seed + 1 + variant,
        warn=warn,
        without=without,
        guard=guard,
    )


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
    # The commit is waited for: VACUUM calls no page all visible whose rows' commit is not in the log's file yet.
    connection.execute(
        f"SET LOCAL search_path = {path}; SET LOCAL jit = off; SET LOCAL synchronous_commit = on; "
        f"SET LOCAL statement_timeout = {LOAD_TIMEOUT_MS}; SET LOCAL DateStyle = 'ISO, YMD'; "
        "SET LOCAL IntervalStyle = 'postgres'; SET LOCAL TimeZone = 'UTC'; "
        "SET LOCAL maintenance_work_mem = '128MB'; "
        "SET LOCAL work_mem = '64MB'; SET LOCAL row_security = on; SET LOCAL client_min_messages = error".encode()
    )
    # A zone that this server's own tables lack leaves UTC in place.
    with suppress(psycopg.DataError), connection.transaction():
        connection.execute(f"SET LOCAL TimeZone = {quote_literal(catalog.settings.get('TimeZone', 'UTC'))}".encode())


def _start(
    connection: Connection, catalog: Catalog, profile: DataProfile, row_budget: int, seed: int, warn: Warn
) -> Load:
    shapes, foreign_keys = read_shapes(connection)
    profiles = {name: _profile(catalog, profile, name) for name in shapes}
    wanted = scaled_rows({name: table.rows for name, table in profiles.items()}, row_budget)
    return Load(
        connection=connection,
        shapes=shapes,
        profiles=_with_children_constants(profiles, foreign_keys),
        foreign_keys=foreign_keys,
        wanted=wanted,
        seed=seed,
        warn=warn,
    )


def _look(load: Load) -> None:
    """Notes the rows that are there; a table that its own login cannot read (its policy fails) gets none."""
    for name, shape in load.shapes.items():
        if shape.sql in load.without:
            load.filled[name] = 0
            continue
        with _named(load, shape.sql, f"No rows could be made for {name}") as done:
            query = f"SELECT count(*) FROM (SELECT FROM {shape.sql} LIMIT 1) r"
            row = load.connection.execute(query.encode()).fetchone()
            if row and row[0]:
                kept = load.connection.execute(f"SELECT count(*) FROM {shape.sql}".encode()).fetchone()
                load.filled[name] = int(kept[0]) if kept else 0
        if not done:
            load.filled[name] = 0


@contextmanager
def _named(load: Load, name: str, problem: str) -> Iterator[list[None]]:
    """A step in a savepoint: what the server has against it is told. The list has an element where it worked out."""
    done: list[None] = []
    try:
        with load.guard(name), load.connection.transaction():
            yield done
        done.append(None)
    except psycopg.Error as error:
        if load.connection.broken:
            raise
        load.warn(f"{problem}: {' '.join(str(error).split())}.")


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


def _run(load: Load) -> None:
    connection = load.connection
    for key in load.foreign_keys:
        connection.execute(key.drop.encode())
    for name in [name for name in _parents_first(load) if name not in load.filled]:
        shape = load.shapes[name]
        for statement in shape.pause:
            connection.execute(statement.encode())
        load.filled[name] = _fill_table(load, shape)
        with _named(load, shape.sql, f"The sequences of {name} were not set"):
            _advance_sequences(connection, shape)
        for statement in shape.resume:
            connection.execute(statement.encode())
    _put_back_foreign_keys(load)


def _parents_first(load: Load) -> list[QualifiedName]:
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


def _fill_table(load: Load, shape: TableShape) -> int:
    """Rows put into the table; none, with a warning, where its rules cannot be met."""
    wanted, rows = load.wanted[shape.name], 0
    with _named(load, shape.sql, f"No rows could be made for {shape.name}") as done:
        plan = plan_table(load, shape, wanted)
        for drop, _ in shape.indexes:
            load.connection.execute(drop.encode())
        rows = insert(load.connection, plan)
        for _, create in shape.indexes:
            load.connection.execute(create.encode())
    if not done:
        return 0
    if rows < SHORTFALL * wanted:
        load.warn(f"{shape.name} has {rows} of {wanted} rows: its constraints leave no room for more.")
    return rows


def _advance_sequences(connection: Connection, shape: TableShape) -> None:
    for column in shape.columns:
        if column.sequence is not None and column.base_name in ("int2", "int4", "int8"):
            name, sequence = quote_identifier(column.name), quote_literal(column.sequence)
            query = f"SELECT setval({sequence}::regclass, max({name})) FROM {shape.sql} HAVING max({name}) > 0"
            connection.execute(query.encode())


def _put_back_foreign_keys(load: Load) -> None:
    """Adds the keys again, which checks them; rows that point nowhere (circles, shared columns) are mended first.

    A key that cannot be checked at all is left off and named.
    """
    keys, turns = list(load.foreign_keys), 3 * len(load.foreign_keys)
    while keys:
        failed = keys[0]
        try:
            with load.connection.transaction():
                for failed in keys:
                    with load.guard(quote_name(failed.table)):
                        load.connection.execute(failed.add.encode())
            return
        except psycopg.errors.ForeignKeyViolation as error:
            turns -= 1
            if turns >= 0 and _mended(load, failed):
                continue
            reason = str(error)
        except psycopg.Error as error:
            if load.connection.broken:
                raise
            reason = str(error)
        keys.remove(failed)
        load.warn(f"The foreign key {failed.name} of {failed.table} was left off: {' '.join(reason.split())}.")


def _mended(load: Load, key: ForeignKey) -> bool:
    changes: list[bool] = []
    with _named(load, quote_name(key.table), f"The rows of {key.table} could not be mended"):
        changes.append(_mend(load, key))
    return any(changes)


def _mend(load: Load, key: ForeignKey) -> bool:
    """Sets a dangling key to NULL where a column of it allows that, else removes the row; whether anything changed."""
    shape = load.shapes[key.table]
    pairs = " AND ".join(
        f"p.{quote_identifier(theirs)} = c.{quote_identifier(ours)}"
        for ours, theirs in zip(key.columns, key.parent_columns, strict=True)
    )
    present = " AND ".join(f"c.{quote_identifier(name)} IS NOT NULL" for name in key.columns)
    parent = quote_name(key.parent)
    dangling = f"{present} AND NOT EXISTS (SELECT FROM {parent} p WHERE {pairs})"
    free = [quote_identifier(name) for name in key.columns if not must_not_be_null(shape, name)]
    if free:
        nulls = ", ".join(f"{name} = NULL" for name in free)
        changed = load.connection.execute(f"UPDATE {shape.sql} c SET {nulls} WHERE {dangling}".encode()).rowcount
    else:
        changed = load.connection.execute(f"DELETE FROM {shape.sql} c WHERE {dangling}".encode()).rowcount
        load.filled[key.table] -= changed
        load.warn(f"{changed} rows of {key.table} had no row of {key.parent} to belong to and were left out.")
    return changed > 0


def _settle(load: Load) -> None:
    """Materialized views refreshed, statistics gathered, pages marked all-visible."""
    connection = load.connection
    views = connection.execute(
        "SELECT format('%I.%I', schemaname, matviewname) FROM pg_catalog.pg_matviews "
        "WHERE schemaname <> 'information_schema' AND schemaname !~ '^pg_'"
    ).fetchall()
    names = [name for (name,) in views if name not in load.without]
    todo = names
    for attempt in range(len(names)):
        todo = [name for name in todo if not _refreshed(load, name, last=attempt == len(names) - 1)]
    # Transactions share their commit's place in the log by 32: an ANALYZE that is not flushed keeps the rows of
    # the tables after it from being seen as committed, and their pages from being all visible.
    connection.execute("SET synchronous_commit = on")
    for table in (*(shape.sql for shape in load.shapes.values() if shape.sql not in load.without), *names):
        told = _outside(load, table, f"VACUUM (ANALYZE) {table}")
        if told is not None:
            # A statistics object or an index expression fails: the visibility map needs neither.
            _outside(load, table, f"VACUUM {table}")
            load.warn(f"The statistics of {table} could not be gathered: {told}.")
    connection.execute("RESET synchronous_commit")


def _outside(load: Load, name: str, statement: str) -> str | None:
    """Runs a statement on a table or view outside of a transaction; what the server has against it."""
    try:
        with load.guard(name):
            load.connection.execute(statement.encode())
    except psycopg.Error as error:
        if load.connection.broken:
            raise
        return " ".join(str(error).split())
    return None


def _refreshed(load: Load, name: str, *, last: bool) -> bool:
    """Whether the view could be filled; one that reads another, still empty one, gets another turn."""
    told = _outside(load, name, f"REFRESH MATERIALIZED VIEW {name}")
    if told is not None and last:
        load.warn(f"The materialized view {name} could not be filled: {told}.")
    return told is None
