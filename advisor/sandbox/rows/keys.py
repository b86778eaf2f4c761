"""Which rows differ in which columns: numbers for the columns of primary, unique and foreign keys."""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from advisor.sandbox.rows.columns import capacity, position, salted, uniform
from advisor.sandbox.rows.facts import Facts
from advisor.sandbox.rows.shape import ColumnShape, ForeignKey, TableShape

SHUFFLED = 0.5
"""Below this known correlation a key is numbered in scattered order."""

MOSTLY_DISTINCT = 0.5
"""A column with at least this share of distinct values may be made to differ in every row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parents:
    """The rows a foreign key may point to: in the temporary table `keys` as (j from 1, c1, c2, …).

    Attributes:
        count: how many there are.
        numbers: the number (from 0) of the row that holds a value, for values of a single-column key.
    """

    keys: str
    count: int
    numbers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Columns that one number decides: a single column, or the columns of a foreign key."""

    columns: tuple[str, ...]
    capacity: float
    distinct: float | None = None
    foreign_key: ForeignKey | None = None
    correlation: float | None = None
    may_differ: bool = False


def units_of(
    shape: TableShape,
    facts: Mapping[str, Facts],
    chosen: Sequence[ForeignKey],
    parents: Mapping[str, Parents],
    rows: int,
    following: Set[str],
) -> list[Unit]:
    """The table's units: its chosen foreign keys first, then every column that none of them holds or leads."""
    units = []
    bound: set[str] = set(following)
    for key in chosen:
        bound.update(key.columns)
        one = facts[key.columns[0]] if len(key.columns) == 1 else None
        units.append(
            Unit(
                columns=key.columns,
                capacity=parents[key.name].count,
                distinct=one.distinct if one else None,
                correlation=one.correlation if one else None,
                foreign_key=key,
            )
        )
    for column in shape.columns:
        if column.name not in bound and not column.computed:
            known = facts[column.name]
            units.append(
                Unit(
                    columns=(column.name,),
                    capacity=capacity(column, known),
                    distinct=known.distinct,
                    correlation=known.correlation,
                    may_differ=_may_differ(column, known, rows),
                )
            )
    return units


def _may_differ(column: ColumnShape, facts: Facts, rows: int) -> bool:
    unlike = facts.distinct is not None and facts.distinct < MOSTLY_DISTINCT * rows
    return not unlike and column.base_name in ("text", "varchar", "citext", "uuid", "timestamp", "timestamptz")


def room(shape: TableShape, units: Sequence[Unit], facts: Mapping[str, Facts], wanted: int) -> int:
    """As many of the wanted rows as the keys have different values for."""
    rows = float(wanted)
    for key in shape.keys:
        members, whole = _members(units, key)
        if whole and not any(facts[name].nulls >= 1 for name in key):
            rows = min(rows, math.prod(min(unit.capacity, 1e15) for unit in members))
    return int(rows)


def _members(units: Sequence[Unit], key: Sequence[str]) -> tuple[list[Unit], bool]:
    """The units that lie within a key, and whether they are all of it.

    A foreign key that reaches beyond the key is left out: its rows differ where the part inside may not.
    """
    found = [unit for name in key for unit in units if name in unit.columns and set(unit.columns) <= set(key)]
    return list(dict.fromkeys(found)), len(found) == len(key)


def numbers(
    shape: TableShape, units: Sequence[Unit], rows: int, seed: int
) -> tuple[dict[tuple[str, ...], tuple[str, int]], bool]:
    """(SQL of the number, count of numbers) by the columns of each unit that a key binds; whether that meets all keys.

    Short keys first: what they make distinct helps the longer ones.
    """
    bound: dict[tuple[str, ...], tuple[str, int]] = {}
    different: set[tuple[str, ...]] = set()
    complete = True
    for key in sorted(shape.keys, key=len):
        members, whole = _members(units, key)
        if any(unit.columns in different for unit in members):
            continue
        if not whole and math.prod(min(unit.capacity, 1e15) for unit in members) < rows:
            complete = False
            continue
        free = [unit for unit in members if unit.columns not in bound]
        alone = next((u for u in free if u.may_differ and u.capacity >= rows), None) if len(members) > 1 else None
        if alone is not None or (len(members) == 1 and free):
            unit = alone or free[0]
            bound[unit.columns] = (_one(unit, rows), max(rows, int(unit.capacity)) if unit.foreign_key else rows)
            different.add(unit.columns)
        elif members and len(free) == len(members):
            bound.update(_spread(free, rows, seed, shape))
        else:
            complete = False
    for key in shape.soft_keys:
        free = [u for u in _members(units, key)[0] if u.columns not in bound and u.foreign_key is None]
        if len(free) == len(key) and (one := next((u for u in free if u.capacity >= rows), None)):
            bound[one.columns] = (_one(one, rows), rows)
    return bound, complete


def _one(unit: Unit, rows: int) -> str:
    """A different number in every row, ascending unless the column is known to lie scattered."""
    row = _row(unit, rows)
    if unit.foreign_key is not None and unit.capacity > rows > 0:
        return f"({row} * {int(unit.capacity)} / {rows})"
    return row


def _row(unit: Unit, rows: int) -> str:
    if unit.correlation is None or abs(unit.correlation) >= SHUFFLED or rows < 3:
        return f"({rows} - i)" if unit.correlation is not None and unit.correlation < 0 else "(i - 1)"
    # A walk around the table in steps that share no factor with its length meets every number once.
    step = next(n for n in range(int(rows * 0.618034) | 1, 2 * rows) if math.gcd(n, rows) == 1)
    return f"((i - 1) * {step} % {rows})"


def _spread(units: Sequence[Unit], rows: int, seed: int, shape: TableShape) -> dict[tuple[str, ...], tuple[str, int]]:
    """Numbers that differ as a tuple: the first unit's in groups, the others' within each group (mixed radix)."""
    first, rest = units[0], units[1:]
    others = math.prod(min(unit.capacity, 1e15) for unit in rest)
    wanted = first.distinct or (first.capacity if first.foreign_key else math.sqrt(rows))
    outer = int(min(first.capacity, max(wanted, math.ceil(rows / others), 1), max(rows, 1)))
    group = max(1, math.ceil(rows / outer))
    row = _row(first, rows)
    count = int(first.capacity) if first.foreign_key else outer
    made = {
        first.columns: (f"({row} / {group} * {count} / {outer})" if count != outer else f"({row} / {group})", count)
    }
    inner, turn = f"({row} % {group})", f"({row} / {group})"
    for n, unit in enumerate(rest):
        left = math.prod(min(later.capacity, 1e15) for later in rest[n + 1 :])
        share = group if n == len(rest) - 1 else max(math.ceil(group ** (1 / (len(rest) - n))), math.ceil(group / left))
        share = int(min(share, unit.capacity))
        digit = f"({inner} % {share})"
        size = int(unit.capacity) if unit.foreign_key else int(min(max(unit.distinct or share, share), unit.capacity))
        if size > share:
            # Each group starts elsewhere, so that the groups together reach all the values.
            salt = salted(seed, str(shape.name), "turn", *unit.columns)
            digit = f"(({digit} + floor({uniform(salt, turn)} * {size})::int8) % {size})"
        made[unit.columns] = (digit, size)
        inner, group = f"({inner} / {share})", math.ceil(group / share)
    return made


def drawn_parent(unit: Unit, facts: Facts, parents: Parents, rows: int, salt: int) -> str:
    """SQL of a parent's number (from 0) for a foreign key no other key binds: its common values, then the rest.

    A common value that no parent has falls on some parent, so that the skew stays. `distinct` limits how many
    parents are pointed to; they lie evenly among all.
    """
    count = parents.count
    full = max(1.0 - facts.nulls, 1e-9)
    spread = min(count, int(facts.distinct)) if facts.distinct else count
    spread = max(1, spread - len(facts.common))
    place = f"floor({position(rows, facts.correlation, salt)} * {spread})::int8"
    number = place if spread == count else f"({place} * {count} / {spread})"
    if facts.common and len(unit.columns) == 1:
        stand_ins = [parents.numbers.get(value, salted(n, value) % count) for n, (value, _) in enumerate(facts.common)]
        total = max(full, sum(share for _, share in facts.common))
        if facts.distinct is not None and facts.distinct <= len(facts.common):
            total = sum(share for _, share in facts.common)
        weights = [sum(share for _, share in facts.common[: n + 1]) / total for n in range(len(facts.common))]
        u = uniform(salt + 3)
        bounds = ",".join(repr(weight) for weight in weights)
        pick = f"('{{{','.join(map(str, stand_ins))}}}'::int8[])[1 + width_bucket({u}, '{{{bounds}}}'::float8[])]"
        number = f"coalesce({pick}, {number})"
    present = [parents.numbers[value] for value in facts.seen if value in parents.numbers]
    if present and rows > len(present):
        step = max(1, rows // (len(present) + 1))
        chosen = f"('{{{','.join(map(str, present))}}}'::int8[])[(i / {step})::int4]"
        number = f"CASE WHEN i % {step} = 0 AND i / {step} BETWEEN 1 AND {len(present)} THEN {chosen} ELSE {number} END"
    return number
