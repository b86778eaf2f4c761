"""One table's rows: facts, keys and checks put together into a single INSERT … SELECT."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from advisor.model.names import QualifiedName
from advisor.sandbox.rows.bounds import gap_condition
from advisor.sandbox.rows.columns import Draw, draw_freely, draw_numbered, salted, uniform
from advisor.sandbox.rows.facts import Facts, fitting, restricted, same_value
from advisor.sandbox.rows.keys import Parents, Unit, drawn_parent, numbers, room, units_of
from advisor.sandbox.rows.shape import ColumnShape, ForeignKey, TableShape
from advisor.sandbox.rows.shared import SharedKey, chosen_keys, presence, shared_draws
from advisor.sandbox.rows.types import TEXTS, ordinal, quoted
from advisor.sql.quote import quote_identifier

Connection = psycopg.Connection[Any]

PROBED_ROWS = 1_000
"""Rows tried on a table's checks before the load."""

LEAST_YIELD = 0.02
"""Below this share of rows that pass a check, drawing more of the same is no use."""

SMALL_PARENT = 2_000
"""Up to so many keys of variable width are looked up in an array; beyond, walking it costs more than an index."""

_PATTERNS = (
    "user@example.com",
    "https://example.com/a",
    "abc",
    "ABC",
    "a-b",
    "15550100",
    "+15550100",
    "#a0b1c2",
    "A1",
    "0",
    "Ab1-",
    "127.0.0.1",
    "2024-01-01",
    "{}",
)
"""Texts that the usual checks of formats ask for: address, link, word, slug, number, telephone, colour, code."""


_TRIED = ("0", "1", "a", "{}", "[1,2,3]", "(1,1)", "POINT(1 1)", "int4", "pg_class", "0/0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a table's rows are made.

    Attributes:
        draws: by column; columns without one get their default.
        conditions: what a row must pass, as SQL over the columns.
        rows: rows drawn; keep: rows wanted of those that pass.
        careful: rows that meet another one in a unique or exclusion rule are left out by the server.
    """

    shape: TableShape
    draws: Mapping[str, Draw]
    conditions: tuple[str, ...]
    rows: int
    keep: int
    careful: bool

    def select(self, columns: Sequence[str], *, step: int = 1) -> str:
        """The query that makes the rows (every `step`-th), without checks: the row number `i` and the columns."""
        places = dict(place for name in self.draws for place in self.draws[name].places)
        inner = "".join(f", {sql} AS {alias}" for alias, sql in places.items())
        outer = "".join(f", {self.draws[name].value} AS {quote_identifier(name)}" for name in columns)
        return (
            f"SELECT s.i AS synth_row{outer} FROM (SELECT i{inner} "
            f"FROM generate_series(1::int8, {self.rows}::int8, {step}::int8) AS g(i) OFFSET 0) s OFFSET 0"
        )


def sample_of_unknown(connection: Connection, column: ColumnShape) -> tuple[str, ...]:
    """A value of a type that is not known here (an extension's), found by trying texts; empty where none is taken."""
    for text in _TRIED:
        if _taken_by_server(connection, column.base, [text]):
            return (text,)
    return ()


def valid_facts(connection: Connection, column: ColumnShape, facts: Facts) -> Facts:
    """The facts with only such values as the server takes for the column's type."""
    texts = [*(value for value, _ in facts.common), *facts.seen, *facts.histogram]
    keep = fitting(column, dict.fromkeys(texts))
    certain = (
        (ordinal(column) is not None and column.base_name != "timestamptz")
        or column.kind == "e"
        or column.base_name in {*TEXTS, "bool"}
    )
    if keep and not certain:
        keep = _taken_by_server(connection, column.base, keep)
    return restricted(facts, frozenset(keep)) if len(keep) < len(set(texts)) else facts


_SPELLED_IN_WAYS = frozenset(
    {"timestamptz", "uuid", "inet", "cidr", "macaddr", "macaddr8", "bytea", "interval", "jsonb"}
)
"""Types of which one value has several texts: a UUID without hyphens, a moment in the session's zone."""


def spelled_by_server(connection: Connection, column: ColumnShape, facts: Facts) -> Facts:
    """The facts with each value in the server's own spelling, so that equal values are equal texts.

    The values must be ones that the server takes.
    """
    texts = list(dict.fromkeys([*(value for value, _ in facts.common), *facts.seen, *facts.histogram]))
    if column.base_name not in _SPELLED_IN_WAYS or not texts:
        return facts
    query = (
        f"SELECT array_agg(v::{column.base_name}::text ORDER BY n) FROM unnest(%s::text[]) WITH ORDINALITY AS u(v, n)"
    )
    row = connection.execute(query.encode(), [texts]).fetchone()
    spelled = dict(zip(texts, row[0] if row else texts, strict=True))
    common: dict[str, float] = {}
    for value, share in facts.common:
        common[spelled[value]] = common.get(spelled[value], 0.0) + share
    return replace(
        facts,
        common=tuple(common.items()),
        seen=tuple(dict.fromkeys(spelled[value] for value in facts.seen)),
        histogram=tuple(spelled[value] for value in facts.histogram),
    )


def _taken_by_server(connection: Connection, type_sql: str, values: Sequence[str]) -> tuple[str, ...]:
    def takes(some: Sequence[str]) -> bool:
        try:
            with connection.transaction():
                # A % in a type's name is no placeholder.
                query = f"SELECT count(v::{type_sql.replace('%', '%%')}) FROM unnest(%s::text[]) AS v"
                connection.execute(query.encode(), [list(some)])
        except psycopg.Error:
            if connection.closed:
                raise
            return False
        return True

    return tuple(values) if takes(values) else tuple(value for value in values if takes([value]))


def make_plan(
    shape: TableShape,
    facts: Mapping[str, Facts],
    foreign_keys: Sequence[ForeignKey],
    parents: Mapping[str, Parents],
    wanted: int,
    seed: int,
    *,
    keep: int | None = None,
    shared: Sequence[SharedKey] = (),
) -> Plan:
    """The plan for a table, with the facts at hand; `keep` of the `wanted` rows are asked for."""
    chosen = chosen_keys(shape, facts, [key for key in foreign_keys if parents[key.name].count > 0])
    following = {name for made in shared for name in made.own_columns}
    units = units_of(shape, facts, chosen, parents, wanted, following)
    rows = room(shape, units, facts, wanted)
    bound, complete = numbers(shape, units, rows, seed)
    draws: dict[str, Draw] = {}
    for tag, unit in enumerate(units):
        number = bound.get(unit.columns)
        if unit.foreign_key is not None:
            draws.update(_foreign_draws(tag, shape, unit, facts, parents[unit.foreign_key.name], number, rows, seed))
            continue
        column = next(c for c in shape.columns if c.name == unit.columns[0])
        salt = salted(seed, str(shape.name), column.name)
        known = facts[column.name]
        if number is None:
            draws[column.name] = draw_freely(tag, column, known, rows, salt)
        else:
            draws[column.name] = draw_numbered(tag, column, _apart(column, known), number[0], number[1], salt)
    for made in shared:
        draws.update(shared_draws(shape, facts, made, draws, seed))
    return Plan(
        shape=shape,
        draws=draws,
        conditions=(*_conditions(shape), *(test for made in shared for test in presence(shape, made))),
        rows=rows,
        keep=min(rows, wanted if keep is None else keep),
        careful=shape.guarded or not complete,
    )


def _apart(column: ColumnShape, facts: Facts) -> Facts:
    """Constants that the column's type tells apart; of equal ones the first."""
    first = {same_value(column, value): value for value in reversed(facts.seen)}
    return replace(facts, seen=tuple(value for value in facts.seen if first[same_value(column, value)] == value))


def _foreign_draws(
    tag: int,
    shape: TableShape,
    unit: Unit,
    facts: Mapping[str, Facts],
    parents: Parents,
    number: tuple[str, int] | None,
    rows: int,
    seed: int,
) -> Iterable[tuple[str, Draw]]:
    salt = salted(seed, str(shape.name), *unit.columns)
    lead = facts[unit.columns[0]]
    k = number[0] if number else drawn_parent(unit, lead, parents, rows, salt)
    alias = f"k{tag}"
    for n, name in enumerate(unit.columns, start=1):
        column = next(c for c in shape.columns if c.name == name)
        if column.fixed_width or parents.count <= SMALL_PARENT:
            value = f"((SELECT array_agg(c{n} ORDER BY j) FROM {parents.keys}))[(s.{alias} + 1)::int4]"
        else:
            value = f"(SELECT c{n} FROM {parents.keys} WHERE j = s.{alias} + 1)"
        value = f"({value})::{column.base}"
        if facts[name].nulls > 0:
            value = f"CASE WHEN {uniform(salt + 2, 's.i')} < {facts[name].nulls:.9f} THEN NULL ELSE {value} END"
        yield name, Draw(places=((alias, k),), value=value)


def _conditions(shape: TableShape) -> Iterable[str]:
    computed = [column.name for column in shape.columns if column.computed]
    for condition in (*shape.checks, *(check for column in shape.columns for check in column.checks)):
        if not any(mentions(condition, name) for name in computed):
            yield condition
    if partition := shape.partition_filter or gap_condition(shape):
        yield f"({partition})"


def mentions(condition: str, name: str) -> bool:
    """Whether a printed condition names the column, outside of string constants."""
    text = re.sub(r"'(?:[^']|'')*'", "''", condition)
    quoted_name = re.escape(quote_identifier(name))
    edge = r"\b" if quote_identifier(name) == name else ""
    return re.search(rf"(?<![\w\"]){quoted_name}{edge}", text) is not None


def yields(connection: Connection, plan: Plan) -> list[float]:
    """The share of drawn rows that passes each condition, then that passes all; 0 where the condition fails to run."""
    if plan.rows == 0 or not plan.conditions:
        return [1.0] * (len(plan.conditions) + 1)
    rows = plan.select(list(plan.draws), step=max(1, plan.rows // PROBED_ROWS))
    tests = [f"({condition}) IS NOT FALSE" for condition in plan.conditions]
    tests.append(" AND ".join(tests))
    counts = ", ".join(f"count(*) FILTER (WHERE {test})::float8 / count(*)" for test in tests)
    try:
        with connection.transaction():
            row = connection.execute(f"SELECT {counts} FROM ({rows}) r".encode()).fetchone()
    except (psycopg.DataError, psycopg.ProgrammingError, psycopg.errors.RaiseException):
        return [0.0] * len(tests)
    return [float(share) for share in row or ()]


def eased(connection: Connection, plan: Plan, facts: Mapping[str, Facts], seed: int) -> dict[str, Facts]:
    """Facts changed so that conditions which hardly any row passes are met: usual formats, or NULL where it may be."""
    changed = dict(facts)
    for condition, share in zip(plan.conditions, yields(connection, plan), strict=False):
        if share >= LEAST_YIELD:
            continue
        columns = [c for c in plan.shape.columns if c.name in plan.draws and mentions(condition, c.name)]
        if len(columns) == 1 and columns[0].base_name in TEXTS:
            found = _formatted(connection, columns[0], changed[columns[0].name], condition, seed)
            if found is not None:
                changed[columns[0].name] = found
                continue
        for column in columns:
            if not column.not_null:
                changed[column.name] = replace(changed[column.name], nulls=1.0)
    return changed


def _formatted(connection: Connection, column: ColumnShape, facts: Facts, condition: str, seed: int) -> Facts | None:
    for text in _PATTERNS:
        for candidate in (
            replace(facts, histogram=(text, text), common=(), seen=(), distinct=None),
            replace(facts, allowed=(text,), histogram=(), common=(), seen=()),
        ):
            shape = TableShape(name=QualifiedName("", "r"), columns=(column,))
            draws = {column.name: draw_freely(0, column, candidate, 50, salted(seed, text))}
            plan = Plan(shape=shape, draws=draws, conditions=(condition,), rows=50, keep=50, careful=False)
            if yields(connection, plan)[-1] > 1 - LEAST_YIELD:
                return candidate
    return None


def insert(connection: Connection, plan: Plan) -> int:
    """Puts the plan's rows into the table; how many there are. Raises psycopg.Error."""
    if plan.keep <= 0:
        return 0
    names = list(plan.draws)
    columns = ", ".join(map(quote_identifier, names))
    where = " AND ".join(f"({condition}) IS NOT FALSE" for condition in plan.conditions)
    query = (
        f"INSERT INTO {plan.shape.sql} ({columns}) OVERRIDING SYSTEM VALUE "
        f"SELECT {columns} FROM ({plan.select(names)}) r"
        + (f" WHERE {where}" if where else "")
        + (f" LIMIT {plan.keep}" if plan.keep < plan.rows else "")
        + (" ON CONFLICT DO NOTHING" if plan.careful else "")
    )
    return max(connection.execute(query.encode()).rowcount, 0)


def make_keys(connection: Connection, name: str, columns: Sequence[str], source: str, *, order: str = "") -> int:
    """The temporary table `name` (j, c1, c2, …) of the distinct keys in `source`; how many there are."""
    listed = ", ".join(f"{quote_identifier(column)} AS c{n}" for n, column in enumerate(columns, start=1))
    present = " AND ".join(f"{quote_identifier(column)} IS NOT NULL" for column in columns)
    number = f"row_number() OVER ({order})"
    connection.execute(
        f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {number} AS j, {listed} FROM {source} "
        f"WHERE {present}".encode()
    )
    connection.execute(f"CREATE UNIQUE INDEX ON {name} (j)".encode())
    connection.execute(f"ANALYZE {name}".encode())
    row = connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()
    return int(row[0]) if row else 0


def key_numbers(connection: Connection, name: str, values: Sequence[str]) -> dict[str, int]:
    """The number (from 0) of the key that each of the texts is, of a single-column key; only those that exist."""
    if not values:
        return {}
    listed = ", ".join(map(quoted, values))
    found = connection.execute(
        f"SELECT c1::text, min(j) - 1 FROM {name} WHERE c1::text IN ({listed}) GROUP BY 1".encode()
    )
    return {str(text): int(number) for text, number in found}
