"""Statements of many shapes with UUID literals, over a wide schema: what an ORM with a query builder makes."""

import random
import uuid
from collections.abc import Iterator

SHAPES = 50_000
TABLES = 200
_WORDS = (
    *("account", "batch", "claim", "device", "entry", "folder", "group", "item"),
    *("journal", "key", "label", "member", "note", "offer", "parcel"),
)
_COLUMNS = (
    *("id", "tenant_id", "owner_id", "parent_id", "source_id", "target_id"),
    *(f"{word}_{kind}" for kind in ("name", "count", "at") for word in _WORDS[:6]),
)
"""Six of each kind: uuid, text, bigint, timestamptz."""


def schema() -> Iterator[str]:
    """The tables' DDL. They stay empty: planning is what a statement costs."""
    kinds = ["uuid"] * 6 + ["text"] * 6 + ["bigint"] * 6 + ["timestamptz"] * 6
    for number in range(TABLES):
        columns = ", ".join(f"{name} {kind}" for name, kind in zip(_COLUMNS, kinds, strict=True))
        yield f"CREATE TABLE {_table(number)} ({columns})"


def statements(seed: int, part: int, parts: int) -> Iterator[str]:
    """Endless statements: each shape of this part once, then the frequent ones more often, literals always new.

    Shape n is the same with every seed; `part` of `parts` takes every such shape.
    """
    rng = random.Random(f"{seed} {part}")
    mine = range(part, SHAPES, parts)
    for number in rng.sample(mine, len(mine)):
        yield _statement(number, rng)
    while True:
        # Half of the calls go to a tenth of the shapes.
        yield _statement(mine[int(len(mine) * rng.random() ** 3.3)], rng)


def _table(number: int) -> str:
    return f"{_WORDS[number % 15]}_{_WORDS[number // 15]}s"


def _statement(number: int, values: random.Random) -> str:
    """One call of a shape: the shape's own generator chooses its form, `values` its literals."""
    shape = random.Random(number)
    table = _table(shape.randrange(TABLES))
    where = " AND ".join(_predicate(table, name, shape, values) for name in shape.sample(_COLUMNS, shape.randint(1, 4)))
    kind = shape.random()
    if kind < 0.06:
        changes = ", ".join(f'"{name}" = {_literal(name, values)}' for name in shape.sample(_COLUMNS, 3))
        return f'UPDATE "{table}" SET {changes} WHERE ({where})'
    if kind < 0.09:
        return f'DELETE FROM "{table}" WHERE ({where})'
    columns = ", ".join(f'"{table}"."{name}"' for name in shape.sample(_COLUMNS, shape.randint(2, 9)))
    joined = ""
    if kind < 0.3:
        other = _table(shape.randrange(TABLES))
        joined = f' INNER JOIN "{other}" T2 ON ("{table}"."{shape.choice(_COLUMNS[:6])}" = T2."id")'
    break_ = "\n" if kind < 0.2 else " "
    order = f'"{table}"."{shape.choice(_COLUMNS)}" {shape.choice(("ASC", "DESC"))}'
    limit = f" LIMIT {values.randint(1, 100)}" if shape.random() < 0.6 else ""
    return f'SELECT {columns}{break_}FROM "{table}"{joined}{break_}WHERE ({where}){break_}ORDER BY {order}{limit}'


def _predicate(table: str, name: str, shape: random.Random, values: random.Random) -> str:
    column, form = f'"{table}"."{name}"', shape.random()
    if form < 0.15:
        return f"{column} IN ({', '.join(_literal(name, values) for _ in range(values.randint(1, 5)))})"
    if form < 0.25:
        return f"{column} IS NOT NULL"
    if form < 0.4 and not name.endswith("_id"):
        return f"{column} BETWEEN {_literal(name, values)} AND {_literal(name, values)}"
    return f"{column} {'>=' if name.endswith('_at') else '='} {_literal(name, values)}"


def _literal(name: str, values: random.Random) -> str:
    if name == "id" or name.endswith("_id"):
        return f"'{uuid.UUID(int=values.getrandbits(128), version=4)}'"
    if name.endswith("_count"):
        return str(values.randrange(10**6))
    if name.endswith("_at"):
        return f"'2026-{values.randint(1, 12):02}-{values.randint(1, 28):02} {values.randrange(24):02}:15:00+00:00'"
    return f"'{values.getrandbits(40):x} it''s {values.randrange(100)}'"
