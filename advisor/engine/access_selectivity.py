"""Which share of a table's rows a condition keeps, judged as PostgreSQL's planner would with the same knowledge.

The defaults are those of src/include/utils/selfuncs.h; the use of common values and histograms follows
https://www.postgresql.org/docs/current/row-estimation-examples.html
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from advisor.model.catalog import Table
from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile, DataProfile
from advisor.model.usage import Predicate, Value

DEFAULT_INEQUALITY = 1 / 3
"""`DEFAULT_INEQ_SEL`: one open range with an unknown bound."""
DEFAULT_RANGE = 0.005
"""`DEFAULT_RANGE_INEQ_SEL`: a range with two unknown bounds."""
DEFAULT_MATCH = 0.005
"""`DEFAULT_MATCH_SEL`: a LIKE prefix."""
DEFAULT_NULLS = 0.005
"""`DEFAULT_UNK_SEL`: IS NULL without statistics."""
DEFAULT_DISTINCT = 200
"""`DEFAULT_NUM_DISTINCT`: distinct values of a column nobody knows anything about."""
DEFAULT_LIST_ITEMS = 10
"""Items of an IN list or an array that comes as one parameter (`estimate_array_length` in selfuncs.c)."""


def kept_share(predicates: Iterable[Predicate], table: Table, rows: float, profile: DataProfile) -> float:
    """The share (0 to 1) of the table's rows that all predicates keep, taken as independent of one another."""
    share = 1.0
    by_key: dict[str, list[Predicate]] = defaultdict(list)
    for predicate in predicates:
        by_key[predicate.column or predicate.expression or ""].append(predicate)
    for grouped in by_key.values():
        share *= _column_share(grouped, table, rows, profile)
    return min(max(share, 0.0), 1.0)


def distinct_values(table: Table, column: str, rows: float, profile: DataProfile) -> float:
    """Distinct values of a column, at least 1: from the profile, else from its type, its keys, else the default."""
    known = _profile(table, column, profile)
    if known.distinct is not None:
        return max(1.0, known.distinct)
    if any(c.kind in {"primary_key", "unique"} and c.columns == (column,) for c in table.constraints):
        return max(1.0, rows)
    declared = table.column(column)
    if declared is not None and declared.base_type == "bool":
        return 2.0
    if declared is not None and declared.enum_labels:
        return float(len(declared.enum_labels))
    for constraint in table.constraints:
        if constraint.kind == "foreign_key" and constraint.columns == (column,):
            referenced = _rows(constraint.referenced_table, profile)
            if referenced is not None:
                return max(1.0, min(rows, referenced))
    return max(1.0, min(rows, DEFAULT_DISTINCT))


def _rows(name: QualifiedName | None, profile: DataProfile) -> float | None:
    table = profile.get(name) if name is not None else None
    return float(table.rows) if table is not None else None


def _profile(table: Table, column: str | None, profile: DataProfile) -> ColumnProfile:
    columns: Mapping[str, ColumnProfile] = profile[table.name].columns if table.name in profile else {}
    return columns.get(column or "") or ColumnProfile()


def _column_share(predicates: Sequence[Predicate], table: Table, rows: float, profile: DataProfile) -> float:
    """The share that the conditions on one column keep: the most selective equality, or else all ranges together."""
    known = _profile(table, predicates[0].column, profile)
    distinct = distinct_values(table, predicates[0].column or "", rows, profile)
    single = [_single_share(p, known, distinct) for p in predicates if p.kind != "range"]
    ranges = [p for p in predicates if p.kind == "range"]
    if ranges:
        single.append(_range_share(ranges, known))
    return min(single, default=1.0)


def _single_share(predicate: Predicate, known: ColumnProfile, distinct: float) -> float:
    nulls = known.null_fraction or 0.0
    if predicate.kind == "equality":
        return min(1.0, _value_share(predicate.value, known, distinct))
    if predicate.kind == "prefix":
        return DEFAULT_MATCH
    if predicate.kind == "is_null":
        return known.null_fraction if known.null_fraction is not None else DEFAULT_NULLS
    if predicate.kind == "is_not_null":
        return 1.0 - nulls
    if predicate.kind == "not_equal":
        return max(0.0, 1.0 - nulls - _value_share(predicate.value, known, distinct))
    return 1.0


def _value_share(value: Value, known: ColumnProfile, distinct: float) -> float:
    """The share of rows equal to a value; for a list, to any of its items."""
    if value.kind == "list":
        return sum(_value_share(item, known, distinct) for item in value.items) or _other_share(known, distinct)
    if value.kind == "constant" and value.text is not None:
        common = dict(known.common)
        return common.get(value.text, _other_share(known, distinct))
    # An unknown value: of the constants seen, the most frequent stand for it; else the planner's one over distinct.
    common = dict(known.common)
    seen = [common.get(text, _other_share(known, distinct)) for text in known.seen] if common else []
    return sum(seen) / len(seen) if seen else (1.0 - (known.null_fraction or 0.0)) / distinct


def _other_share(known: ColumnProfile, distinct: float) -> float:
    """The share of a value that is not among the common ones: what they leave over, evenly divided."""
    left = max(0.0, 1.0 - (known.null_fraction or 0.0) - sum(share for _, share in known.common))
    return left / max(1.0, distinct - len(known.common))


def _range_share(predicates: Sequence[Predicate], known: ColumnProfile) -> float:
    below = [p for p in predicates if p.operator in {"<", "<="}]
    above = [p for p in predicates if p.operator in {">", ">="}]
    upper = min((f for p in below if (f := _fraction_below(p.value, known)) is not None), default=None)
    lower = max((f for p in above if (f := _fraction_below(p.value, known)) is not None), default=None)
    present = 1.0 - (known.null_fraction or 0.0)
    if (below and upper is None) or (above and lower is None):
        return DEFAULT_RANGE if below and above else DEFAULT_INEQUALITY
    return present * max(0.0, (1.0 if upper is None else upper) - (0.0 if lower is None else lower))


def _fraction_below(value: Value, known: ColumnProfile) -> float | None:
    """The share of the non-null values below a constant; None where the constant or the distribution is unknown."""
    if value.kind != "constant" or value.text is None:
        return None
    bounds = known.histogram or tuple(end for end in (known.low, known.high) if end is not None)
    if len(bounds) < 2:
        return None
    at, numbers = _number(value.text), [_number(bound) for bound in bounds]
    if at is None or any(number is None for number in numbers):
        return None
    ordered = [number for number in numbers if number is not None]
    inside = _histogram_fraction(at, ordered)
    common = [(number, share) for text, share in known.common if (number := _number(text)) is not None]
    shared = sum(share for _, share in common)
    return sum(share for number, share in common if number < at) + (1.0 - shared) * inside


def _histogram_fraction(at: float, bounds: Sequence[float]) -> float:
    """Where a value falls among the bounds of equally full buckets, interpolated within its bucket."""
    if at <= bounds[0]:
        return 0.0
    if at >= bounds[-1]:
        return 1.0
    bucket = bisect_left(bounds, at)
    low, high = bounds[bucket - 1], bounds[bucket]
    return (bucket - 1 + (at - low) / (high - low)) / (len(bounds) - 1)


def _number(text: str) -> float | None:
    """A number or a point in time as a number; None for anything else, whose order depends on a collation."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
