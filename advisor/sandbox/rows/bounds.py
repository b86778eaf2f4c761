"""Partition bounds as limits of a column's values."""

import re
from collections.abc import Callable
from dataclasses import replace

from advisor.sandbox.rows.facts import Facts
from advisor.sandbox.rows.shape import ColumnShape, TableShape
from advisor.sandbox.rows.types import Number, ordinal, parsed, quoted
from advisor.sql.quote import quote_identifier


def within_bounds(shape: TableShape, column: ColumnShape, facts: Facts) -> Facts:
    """The facts narrowed to values that some partition takes, where a column alone decides; hash takes any.

    With a default partition everything has a place, and so nothing is narrowed.
    """
    if shape.partition_columns[:1] != (column.name,) or "DEFAULT" in shape.bounds:
        return facts
    if any(bound.startswith(("FOR VALUES IN", "FOR VALUES FROM")) for bound in shape.bounds):
        # Without a default partition hardly any table has a place for NULL.
        facts = replace(facts, nulls=0.0)
    lists = [found[1] for bound in shape.bounds if (found := re.fullmatch(r"FOR VALUES IN \((.*)\)", bound, re.DOTALL))]
    if lists:
        listed = tuple(dict.fromkeys(value for text in lists for value in _constants(text)))
        keep = tuple(value for value in listed if not facts.allowed or value in facts.allowed)
        return replace(
            facts,
            allowed=keep,
            common=tuple(item for item in facts.common if item[0] in keep),
            seen=tuple(value for value in facts.seen if value in keep),
            histogram=(),
        )
    return _within_ranges(shape, column, facts)


def _constants(text: str) -> list[str]:
    """The constants of a bound's list; NULL among them is left out."""
    found = re.findall(r"'((?:[^']|'')*)'|(?<![\w.'])(-?\d+(?:\.\d+)?)|\b(true|false)\b", text)
    return [quoted.replace("''", "'") or number or word for quoted, number, word in found]


def range_limits(shape: TableShape, column: ColumnShape) -> list[tuple[Number, Number]]:
    """The ranges [from, to) of the partitions in the first key column, joined where they touch, ascending."""
    line = ordinal(column)
    pattern = re.compile(r"FOR VALUES FROM \((.*)\) TO \((.*)\)", re.DOTALL)
    ranges = []
    for bound in shape.bounds:
        found = pattern.fullmatch(bound)
        if found is None or line is None:
            continue
        low, high = (_edge(text, line.lowest, line.highest, lambda t: parsed(line, t)) for text in found.groups())
        if low is not None and high is not None:
            ranges.append((low, high))
    joined: list[tuple[Number, Number]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _edge(text: str, lowest: Number, highest: Number, parse: Callable[[str], Number | None]) -> Number | None:
    first = text.split(",")[0].strip()
    if first in ("MINVALUE", "MAXVALUE"):
        return lowest if first == "MINVALUE" else highest
    return parse(first.strip("'"))


def _within_ranges(shape: TableShape, column: ColumnShape, facts: Facts) -> Facts:
    ranges = range_limits(shape, column)
    line = ordinal(column)
    if not ranges or line is None:
        return facts
    low, high = ranges[0][0], ranges[-1][1] - (1 if line.whole else 0)

    def taken(text: str) -> bool:
        number = parsed(line, text)
        return number is not None and any(start <= number < end for start, end in ranges)

    bounded_low = None if low <= line.lowest else low
    bounded_high = None if high >= line.highest - 1 else high
    lows = [n for n in (facts.low, bounded_low) if n is not None]
    highs = [n for n in (facts.high, bounded_high) if n is not None]
    return replace(
        facts,
        low=max(lows, default=None),
        high=min(highs, default=None),
        common=tuple(item for item in facts.common if taken(item[0])),
        seen=tuple(value for value in facts.seen if taken(value)),
        histogram=tuple(value for value in facts.histogram if taken(value)),
    )


def gap_condition(shape: TableShape) -> str:
    """A condition that is true in the ranges of the partitions; empty where they leave no gap between them."""
    column = next((c for c in shape.columns if (c.name,) == shape.partition_columns), None)
    line = ordinal(column) if column is not None else None
    if column is None or line is None or "DEFAULT" in shape.bounds:
        return ""
    ranges = range_limits(shape, column)
    if len(ranges) < 2:
        return ""
    name = quote_identifier(column.name)
    parts = (
        f"{name} >= {quoted(line.render(low))}::{column.base} AND {name} < {quoted(line.render(high))}::{column.base}"
        for low, high in ranges
    )
    return " OR ".join(f"({part})" for part in parts)
