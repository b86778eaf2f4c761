"""What is drawn for a column: its profile, scaled to the rows at hand, within what its checks allow."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from advisor.model.catalog import ColumnStatistics
from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile
from advisor.sandbox.rows.shape import ColumnShape
from advisor.sandbox.rows.types import Ordinal, ordinal, parsed

WHOLE_ROWS = 1_000
"""A table of up to so many rows is kept whole: it costs nothing, and a look-up table cut down is no look-up table."""

WHOLE_DISTINCT = 200
"""So many distinct values stay when rows are scaled down: states, countries, categories do not shrink with a table."""

GROWING_SHARE = 0.1
"""From this share of distinct values on, their number grows with the table (PostgreSQL's own rule, analyze.c)."""

DEFAULT_DISTINCT = 200
"""Distinct values when nothing is known: the planner's own DEFAULT_NUM_DISTINCT (utils/selfuncs.h)."""

DEFAULT_NULLS = 0.05
"""NULLs of a nullable column when nothing is known: enough to be met, too few to change a plan."""

SEEN_LIMIT = 50
"""Constants of the workload that are put into a column; the most frequent ones come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A column's distribution at the number of rows that is drawn; values as text, valid for the type.

    Attributes:
        distinct: of the non-NULL values, in the drawn rows; None: not known.
        common: (value, share of all rows).
        allowed: all values that a check admits; empty: no such check.
        low, high: the line's ends for an ordered type, where known.
        known: something stands behind it, so that no assumption about order is made.
    """

    distinct: float | None = None
    nulls: float = 0.0
    common: tuple[tuple[str, float], ...] = ()
    seen: tuple[str, ...] = ()
    histogram: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    low: float | int | None = None
    high: float | int | None = None
    correlation: float | None = None
    width: int | None = None


def scaled_rows(wanted: Mapping[QualifiedName, int], row_budget: int) -> dict[QualifiedName, int]:
    """Rows per table: one factor for all, but tables of up to WHOLE_ROWS stay whole, and none falls below that."""
    if sum(wanted.values()) <= row_budget:
        return dict(wanted)
    floor = min(WHOLE_ROWS, row_budget // max(1, len(wanted)))
    low, high = 0.0, 1.0
    for _ in range(50):
        factor = (low + high) / 2
        total = sum(_scaled(rows, factor, floor) for rows in wanted.values())
        low, high = (factor, high) if total <= row_budget else (low, factor)
    return {name: _scaled(rows, low, floor) for name, rows in wanted.items()}


def _scaled(rows: int, factor: float, floor: int) -> int:
    return min(rows, max(floor, int(rows * factor)))


def scaled_distinct(distinct: float, full: int, rows: int) -> float:
    """Distinct values among `rows` of a table with `distinct` among its `full` rows."""
    if full <= 0 or rows >= full:
        return min(distinct, max(rows, 1))
    share = distinct / full
    if share >= GROWING_SHARE:
        return max(1.0, share * rows)
    return min(float(rows), max(share * rows, min(distinct, WHOLE_DISTINCT)))


def profile_of(statistics: ColumnStatistics, rows: float) -> ColumnProfile:
    """The profile that planner statistics of a table of `rows` rows amount to."""
    distinct = statistics.distinct if statistics.distinct >= 0 else -statistics.distinct * rows
    return ColumnProfile(
        distinct=distinct or None,
        null_fraction=statistics.null_fraction,
        common=statistics.most_common,
        histogram=statistics.histogram,
        correlation=statistics.correlation,
        average_width_bytes=statistics.average_width_bytes,
        basis="catalog",
    )


def raw_facts(column: ColumnShape, profile: ColumnProfile, full: int, rows: int) -> Facts:
    """The profile at `rows` of `full` rows, before its values are checked against the type."""
    nulls = profile.null_fraction
    if nulls is None:
        nulls = DEFAULT_NULLS
    return Facts(
        distinct=None if profile.distinct is None else scaled_distinct(profile.distinct, full, rows),
        nulls=0.0 if column.not_null else min(max(nulls, 0.0), 1.0),
        common=profile.common,
        seen=tuple(dict.fromkeys(profile.seen))[:SEEN_LIMIT],
        histogram=profile.histogram,
        low=_number(column, profile.low),
        high=_number(column, profile.high),
        correlation=profile.correlation,
        width=profile.average_width_bytes,
    )


def _number(column: ColumnShape, text: str | None) -> float | int | None:
    line = ordinal(column)
    return None if text is None or line is None else parsed(line, text)


def fitting(column: ColumnShape, values: Iterable[str]) -> tuple[str, ...]:
    """Those values that the type can hold, as far as this can be told without the server."""
    line = ordinal(column)
    if line is not None:
        return tuple(value for value in values if parsed(line, value) is not None)
    if column.kind == "e":
        return tuple(value for value in values if value in column.labels)
    if column.base_name == "bool":
        words = {"t", "f", "true", "false", "on", "off", "yes", "no", "1", "0"}
        return tuple(value for value in values if value.lower() in words)
    if column.base_name in ("varchar", "bpchar") and column.length is not None:
        return tuple(value for value in values if len(value) <= column.length)
    return tuple(values)


def restricted(facts: Facts, keep: frozenset[str]) -> Facts:
    """The facts without the values that are not in `keep`; the others' shares are kept."""
    return replace(
        facts,
        common=tuple((value, share) for value, share in facts.common if value in keep),
        seen=tuple(value for value in facts.seen if value in keep),
        histogram=tuple(value for value in facts.histogram if value in keep),
    )


def within_checks(column: ColumnShape, facts: Facts, checks: Sequence[str]) -> Facts:
    """The facts narrowed to what simple conditions on this column alone admit: lists and ranges.

    Reads the canonical text that PostgreSQL prints: `(c = ANY (ARRAY['a'::text, 'b'::text]))`, `((c)::text = 'a'`,
    `(c >= (0)::numeric)`. What it does not understand stays to be filtered.
    """
    line = ordinal(column)
    for check in checks:
        if re.search(r"\bOR\b|\bNOT\b|\bCASE\b", check):
            continue
        allowed = _listed_values(column.name, check)
        if allowed:
            facts = replace(_keeping(facts, allowed), allowed=allowed)
        if line is not None:
            facts = _clamped(facts, line, _limits(column.name, check, line))
    return facts


def _keeping(facts: Facts, allowed: tuple[str, ...]) -> Facts:
    common = tuple((value, share) for value, share in facts.common if value in allowed)
    seen = tuple(value for value in facts.seen if value in allowed)
    return replace(facts, common=common, seen=seen, histogram=())


def _reference(name: str) -> str:
    plain, inner = re.escape(name), re.escape(name.replace('"', '""'))
    return rf'\(?(?:\b{plain}\b|"{inner}")\)?(?:::[\w ]+)?'


def _listed_values(name: str, check: str) -> tuple[str, ...]:
    found = re.search(_reference(name) + r"\s*=\s*ANY\s*\(+ARRAY\[(.*?)\]\)", check, re.DOTALL)
    if not found:
        return ()
    items = re.findall(r"'((?:[^']|'')*)'|(?<![\w.'])(-?\d+(?:\.\d+)?)", found[1])
    return tuple(dict.fromkeys(text.replace("''", "'") or number for text, number in items))


def _limits(name: str, check: str, line: Ordinal) -> tuple[float | int | None, float | int | None]:
    """The interval that the comparisons of the column with constants leave."""
    low: float | int | None = None
    high: float | int | None = None
    step = 1 if line.whole else 0.01
    constant = r"\(*'?(-?[\d.:\- +]+?)'?\)*(?:::[\w ]+)?\)"
    for operator, text in re.findall(_reference(name) + rf"\s*(>=|<=|>|<)\s*{constant}", check):
        number = parsed(line, text)
        if number is None:
            continue
        if operator[0] == ">":
            bound = number if operator == ">=" else number + step
            low = bound if low is None else max(low, bound)
        else:
            bound = number if operator == "<=" else number - step
            high = bound if high is None else min(high, bound)
    return low, high


def _clamped(facts: Facts, line: Ordinal, limits: tuple[float | int | None, float | int | None]) -> Facts:
    low, high = limits
    if low is None and high is None:
        return facts

    def admitted(text: str) -> bool:
        number = parsed(line, text)
        return number is not None and (low is None or number >= low) and (high is None or number <= high)

    return replace(
        facts,
        low=low if facts.low is None else facts.low if low is None else max(low, facts.low),
        high=high if facts.high is None else facts.high if high is None else min(high, facts.high),
        common=tuple(item for item in facts.common if admitted(item[0])),
        seen=tuple(value for value in facts.seen if admitted(value)),
        histogram=tuple(value for value in facts.histogram if admitted(value)),
    )


def same_value(column: ColumnShape, text: str) -> str:
    """A form in which equal values of the column are equal texts: to keep constants of a unique column apart."""
    line = ordinal(column)
    if line is None:
        return text.casefold().rstrip(" ") if column.kind == "b" else text
    number = parsed(line, text)
    return str(Decimal(str(number)).normalize()) if number is not None else text
