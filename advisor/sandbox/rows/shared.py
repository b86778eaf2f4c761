"""Foreign keys that share a column with another one, as every table of a multi-tenant schema has them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from advisor.sandbox.rows.columns import Draw, salted, uniform
from advisor.sandbox.rows.facts import Facts
from advisor.sandbox.rows.keys import Parents
from advisor.sandbox.rows.shape import ForeignKey, TableShape
from advisor.sql.quote import quote_identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedKey:
    """A foreign key some of whose columns are decided elsewhere.

    Attributes:
        shared, own: its columns that are decided, and those that follow; by their place from 1.
        rows, groups: temporary tables: the parent's keys (o, c1, …) in the order of the shared columns, and for each
            combination of those (c…, low, n) where its run starts and how long it is.
    """

    key: ForeignKey
    shared: tuple[int, ...]
    own: tuple[int, ...]
    rows: str
    groups: str

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The names of the columns that follow."""
        return tuple(self.key.columns[n - 1] for n in self.own)


def chosen_keys(shape: TableShape, facts: Mapping[str, Facts], keys: Sequence[ForeignKey]) -> list[ForeignKey]:
    """Foreign keys that share no column, long ones first: a shorter one over the same columns mostly follows."""
    chosen: list[ForeignKey] = []
    taken: set[str] = {column.name for column in shape.columns if column.computed}
    for key in sorted(keys, key=lambda k: -len(k.columns)):
        if taken.isdisjoint(key.columns) and not all(facts[name].nulls >= 1 for name in key.columns):
            chosen.append(key)
            taken.update(key.columns)
    return chosen


def prepare_shared(
    connection: psycopg.Connection[Any],
    shape: TableShape,
    facts: Mapping[str, Facts],
    keys: Sequence[ForeignKey],
    parents: Mapping[str, Parents],
) -> list[SharedKey]:
    """The keys that follow others, each with its two tables made."""
    usable = [key for key in keys if parents[key.name].count > 0]
    chosen = chosen_keys(shape, facts, usable)
    taken = {name for key in chosen for name in key.columns}
    found = []
    for key in usable:
        places = range(1, len(key.columns) + 1)
        shared = tuple(n for n in places if key.columns[n - 1] in taken)
        own = tuple(n for n in places if n not in shared)
        if key in chosen or not shared or not own:
            continue
        taken.update(key.columns)
        table = parents[key.name].keys
        made = SharedKey(key=key, shared=shared, own=own, rows=f"{table}_o", groups=f"{table}_g")
        _make_tables(connection, made, table)
        found.append(made)
    return found


def _make_tables(connection: psycopg.Connection[Any], made: SharedKey, keys: str) -> None:
    shared = ", ".join(f"c{n}" for n in made.shared)
    every = ", ".join(f"c{n}" for n in (*made.shared, *made.own))
    for statement in (
        (
            f"CREATE TEMPORARY TABLE {made.rows} ON COMMIT DROP AS "
            f"SELECT row_number() OVER (ORDER BY {shared}, j) AS o, {every} FROM {keys}"
        ),
        f"CREATE UNIQUE INDEX ON {made.rows} (o)",
        (
            f"CREATE TEMPORARY TABLE {made.groups} ON COMMIT DROP AS "
            f"SELECT {shared}, min(o) AS low, count(*) AS n FROM {made.rows} GROUP BY {shared}"
        ),
        f"CREATE INDEX ON {made.groups} ({shared})",
        f"ANALYZE {made.rows}, {made.groups}",
    ):
        connection.execute(statement.encode())


def shared_draws(
    shape: TableShape, facts: Mapping[str, Facts], made: SharedKey, draws: Mapping[str, Draw], seed: int
) -> Iterable[tuple[str, Draw]]:
    """The columns that follow: of the parents with the shared values any one, the same for all of them."""
    salt = salted(seed, str(shape.name), *made.own_columns)
    same = " AND ".join(f"g.c{n} = ({draws[made.key.columns[n - 1]].value})" for n in made.shared)
    place = f"SELECT g.low + floor({uniform(salt, 's.i')} * g.n)::int8 FROM {made.groups} g WHERE {same}"
    for n in made.own:
        column = next(c for c in shape.columns if c.name == made.key.columns[n - 1])
        value = f"((SELECT q.c{n} FROM {made.rows} q WHERE q.o = ({place})))::{column.base}"
        if facts[column.name].nulls > 0:
            value = f"CASE WHEN {uniform(salt + 2, 's.i')} < {facts[column.name].nulls:.9f} THEN NULL ELSE {value} END"
        yield column.name, Draw(places=(), value=value)


def presence(shape: TableShape, made: SharedKey) -> Iterable[str]:
    """Conditions: a column that follows and may not be NULL has found a parent."""
    for name in made.own_columns:
        if any(column.not_null for column in shape.columns if column.name == name):
            yield f"{quote_identifier(name)} IS NOT NULL"
