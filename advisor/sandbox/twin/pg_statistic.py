"""Rows of `pg_statistic`, slot by slot as ANALYZE writes them.

The same way on every version, for `pg_restore_attribute_stats` of PostgreSQL 18 does less: it reads a domain's values
with the domain's own input function, so that its CHECKs run with the superuser's rights; it refuses domains over ranges
and tsvectors, a column of empty ranges alone, and values longer than the column's modifier allows (as stand-ins for a
hidden value are). `tests/database/test_twin_statistics.py` holds that both write the same where it does take them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from advisor.errors import SandboxError
from advisor.model.catalog import ColumnStatistics
from advisor.sandbox.twin.types import (
    FLOAT8,
    TSVECTOR,
    Oid,
    TypeFacts,
    Types,
    base_type,
    element_type,
    equality,
    is_harmless,
    less_than,
)

SLOTS = 5
"""`STATISTIC_NUM_SLOTS` of `src/include/catalog/pg_statistic.h`, which also numbers the kinds."""

_MOST_COMMON, _HISTOGRAM, _CORRELATION, _ELEMENTS, _ELEMENT_COUNTS, _RANGE_LENGTHS, _RANGE_BOUNDS = range(1, 8)
_NAMES = {
    _MOST_COMMON: "most common values",
    _HISTOGRAM: "histogram",
    _CORRELATION: "correlation",
    _ELEMENTS: "most common elements",
    _ELEMENT_COUNTS: "element counts",
    _RANGE_LENGTHS: "range lengths",
    _RANGE_BOUNDS: "range bounds",
}

_DEFAULT_COLLATION: Oid = 100
_FLOAT8_LESS: Oid = 672
"""`Float8LessOperator` of `src/include/catalog/pg_operator.dat`."""

_CHUNK = 250
"""Rows of one statement: enough to make round trips cheap, few enough to look for a bad value among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One statistic. `numbers` and `values` are array literals; `type` is the values' element type, 0 without."""

    kind: int
    operator: Oid = 0
    collation: Oid = 0
    numbers: str | None = None
    values: str | None = None
    type: Oid = 0


_EMPTY = Slot(kind=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticRow:
    """One row of `pg_statistic`; numbers as text, for the server to read as `real`. `label` names it to users."""

    relation: Oid
    number: int
    inherited: bool
    null_fraction: str
    width_bytes: int
    distinct: str
    slots: tuple[Slot, ...]
    label: str


def array_literal(values: Sequence[str | None], delimiter: str = ",") -> str:
    """The values as text that `array_in` reads."""
    quoted = ("NULL" if v is None else '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values)
    return "{" + delimiter.join(quoted) + "}"


def _numbers(values: Sequence[float]) -> str:
    return "{" + ",".join(map(repr, values)) + "}"


def statistic_row(
    types: Types,
    statistics: ColumnStatistics,
    *,
    relation: Oid,
    number: int,
    inherited: bool,
    type: Oid,  # noqa: A002 the column's, as everywhere
    collation: Oid,
    label: str,
    with_values: bool = True,
) -> tuple[StatisticRow, str | None]:
    """The row, and why values are left out of it (None where they are not).

    `with_values=False`: only what is true of any type (null fraction, width, distinct count).
    """
    facts = base_type(types, type) if with_values else None
    problem = None
    if facts is not None and not is_harmless(types, facts.oid):
        without = replace(statistics, most_common=(), histogram=(), most_common_elements=(), range_bounds=())
        if without != statistics:
            problem = f"no values, as to read those of type {facts.name} may run code of the schema's"
        statistics = without
    slots = tuple(_slots(types, facts, collation, statistics))[:SLOTS] if facts is not None else ()
    row = StatisticRow(
        relation=relation,
        number=number,
        inherited=inherited,
        null_fraction=repr(statistics.null_fraction),
        width_bytes=statistics.average_width_bytes,
        distinct=repr(statistics.distinct),
        slots=slots,
        label=label,
    )
    return row, problem


def _slots(types: Types, facts: TypeFacts, collation: Oid, statistics: ColumnStatistics) -> Iterator[Slot]:
    """In ANALYZE's order: `compute_scalar_stats` of `src/backend/commands/analyze.c`, then what
    `array_typanalyze.c`, `ts_typanalyze.c` and `rangetypes_typanalyze.c` add."""
    yield from _scalar_slots(types, facts, collation, statistics)
    yield from _element_slots(types, facts, collation, statistics)
    if facts.kind in ("r", "m"):
        yield from _range_slots(facts, statistics)


def _scalar_slots(types: Types, facts: TypeFacts, collation: Oid, statistics: ColumnStatistics) -> Iterator[Slot]:
    equal, less = equality(types, facts), less_than(types, facts)
    if statistics.most_common and equal:
        yield Slot(
            kind=_MOST_COMMON,
            operator=equal,
            collation=collation,
            numbers=_numbers([share for _, share in statistics.most_common]),
            values=array_literal([value for value, _ in statistics.most_common], facts.delimiter),
            type=facts.oid,
        )
    if statistics.histogram and less:
        literal = array_literal(statistics.histogram, facts.delimiter)
        yield Slot(kind=_HISTOGRAM, operator=less, collation=collation, values=literal, type=facts.oid)
    if statistics.correlation is not None and less:
        numbers = _numbers([statistics.correlation])
        yield Slot(kind=_CORRELATION, operator=less, collation=collation, numbers=numbers)


def _element_slots(types: Types, facts: TypeFacts, collation: Oid, statistics: ColumnStatistics) -> Iterator[Slot]:
    element = element_type(types, facts)
    equal = equality(types, element) if element else None
    if element is None or equal is None:
        return
    if facts.oid == TSVECTOR:
        collation = _DEFAULT_COLLATION
    if statistics.most_common_elements:
        yield Slot(
            kind=_ELEMENTS,
            operator=equal,
            collation=collation,
            numbers=_numbers(statistics.element_frequencies),
            values=array_literal(statistics.most_common_elements, element.delimiter),
            type=element.oid,
        )
    if statistics.element_counts:
        numbers = _numbers(statistics.element_counts)
        yield Slot(kind=_ELEMENT_COUNTS, operator=equal, collation=collation, numbers=numbers)


def _range_slots(facts: TypeFacts, statistics: ColumnStatistics) -> Iterator[Slot]:
    if statistics.range_bounds:
        literal = array_literal(statistics.range_bounds)
        yield Slot(kind=_RANGE_BOUNDS, values=literal, type=facts.range or facts.oid)
    if statistics.range_empty_fraction is not None:
        yield Slot(
            kind=_RANGE_LENGTHS,
            operator=_FLOAT8_LESS,
            numbers=_numbers([statistics.range_empty_fraction]),
            values=array_literal(statistics.range_lengths) if statistics.range_lengths else None,
            type=FLOAT8,
        )


_HEAD = (("relation", "oid"), ("number", "int2"), ("inherited", "bool"))
_NUMBERS = (("null_fraction", "float4"), ("width", "int4"), ("distinct_count", "float4"))
_OF_SLOT = (("kind", "int2"), ("operator", "oid"), ("collation", "oid"), ("numbers", "float4[]"))
_VALUES = (("values", "text"), ("type", "oid"))


def _each(template: str) -> str:
    return ", ".join(template.format(slot) for slot in range(SLOTS))


ROW_FIELDS = ", ".join(
    (
        *(f"r.{name}" for name, _ in _HEAD + _NUMBERS),
        *(_each(f"r.{name}{{0}}") for name, _ in _OF_SLOT),
        _each("array_in(textout(r.values{0}), r.type{0}, -1)"),
    )
)
"""The fields of a `pg_statistic` row, from `ROW_SOURCE`."""

ROW_SOURCE = (
    "json_to_recordset(%s::json) AS r(position int4, "
    + ", ".join(f"{name} {type_}" for name, type_ in _HEAD + _NUMBERS)
    + ", "
    + ", ".join(_each(f"{name}{{0}} {type_}") for name, type_ in _OF_SLOT + _VALUES)
    + ")"
)
"""A table function over the parameter that `row_parameter` gives."""

_INSERT = f"INSERT INTO pg_statistic SELECT {ROW_FIELDS} FROM {ROW_SOURCE}"


def row_parameter(rows: Sequence[StatisticRow | None]) -> str:
    """The rows for `ROW_SOURCE`, as one JSON text: it travels three times as fast as arrays of arrays' texts.

    One that is None has a position only.
    """
    return json.dumps(
        [{"position": position} | (_fields(row) if row else {}) for position, row in enumerate(rows)],
        ensure_ascii=False,
    )


def _fields(row: StatisticRow) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "relation": row.relation,
        "number": row.number,
        "inherited": row.inherited,
        "null_fraction": row.null_fraction,
        "width": row.width_bytes,
        "distinct_count": row.distinct,
    }
    for number in range(SLOTS):
        slot = row.slots[number] if number < len(row.slots) else _EMPTY
        fields[f"kind{number}"] = slot.kind
        fields[f"operator{number}"] = slot.operator
        fields[f"collation{number}"] = slot.collation
        fields[f"numbers{number}"] = slot.numbers
        fields[f"values{number}"] = slot.values
        fields[f"type{number}"] = slot.type
    return fields


def insert_rows(
    connection: psycopg.Connection[Any], rows: Sequence[StatisticRow]
) -> Iterator[tuple[StatisticRow, str]]:
    """Writes the rows, which must not be there yet; (row, problem) for each slot that had to be left out.

    Raises SandboxError where the server is lost.
    """
    for start in range(0, len(rows), _CHUNK):
        yield from _insert(connection, rows[start : start + _CHUNK])


def _insert(connection: psycopg.Connection[Any], rows: Sequence[StatisticRow]) -> Iterator[tuple[StatisticRow, str]]:
    if attempt(connection, _INSERT, [row_parameter(rows)]) is None:
        return
    if len(rows) > 1:
        half = len(rows) // 2
        yield from _insert(connection, rows[:half])
        yield from _insert(connection, rows[half:])
        return
    row, problems = without_unreadable(connection, rows[0])
    yield from problems
    reason = attempt(connection, _INSERT, [row_parameter([row])])
    if reason is not None:
        yield row, reason


def without_unreadable(
    connection: psycopg.Connection[Any], row: StatisticRow
) -> tuple[StatisticRow, list[tuple[StatisticRow, str]]]:
    """The row without slots whose values the server does not read, and (row, problem) for each of these."""
    kept, problems = [], []
    for slot in row.slots:
        parameters = [slot.numbers, slot.values, slot.type]
        reason = attempt(connection, "SELECT %s::float4[], array_in(textout(%s::text), %s::oid, -1)", parameters)
        if reason is None:
            kept.append(slot)
        else:
            problems.append((row, f"no {_NAMES[slot.kind]}: {reason}"))
    return replace(row, slots=tuple(kept)), problems


def attempt(connection: psycopg.Connection[Any], statement: str, parameters: Sequence[Any]) -> str | None:
    """Runs a statement in a savepoint; None, or why it failed. Raises SandboxError where the server is lost."""
    try:
        with connection.transaction():
            connection.execute(statement.encode(), parameters)
    except psycopg.Error as error:
        if connection.broken:
            raise SandboxError(
                "The throwaway PostgreSQL was lost while statistics were put in.", why=f"{error}".strip()
            ) from error
        return (error.diag.message_primary or f"{error}").strip()
    except UnicodeError:
        return "it holds what is no text"
    return None
