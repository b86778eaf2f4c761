"""How the values of each column are believed to be distributed."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from statistics import median

from advisor.engine.profile_plans import KeptShare, predicates_of
from advisor.engine.profile_samples import Constants
from advisor.model.catalog import Catalog, Column, Table
from advisor.model.profile import ColumnProfile
from advisor.model.usage import Predicate, Value

FEW_VALUES = 10
"""Distinct values of a column compared with only a few constants: a status or a kind. The constants in the workload
are rarely all of them, and a smaller number would call a rare value common."""

MANY_CONSTANTS = 5
MANY_SHARE = 0.8
"""A query that brought at least so many distinct constants, in this share of its samples, looks things up by key."""

ROWS_PER_KEY = 10
"""Rows for each distinct value of a key that is neither unique nor a declared foreign key: few, as a key has."""

KEY_NUMBER = 1_000
"""A whole number beyond this is an id rather than a code, so there are at least so many values as it says."""

KEY_TEXT = re.compile(r"@|^(?=.*\d)[\w.:/+-]{8,}$|^[0-9a-fA-F-]{32,36}$")
"""A text with an @, or a long one of letters and digits, is an address, a reference or a UUID: it names one thing."""

KEY_NAME = re.compile(r"(?:^|_)id$|[a-z]I[dD]$")
"""A whole number in a column called so refers to something, declared as a foreign key or not."""

PLAIN_WORD = re.compile(r"[A-Za-z]+(?:[ _-][A-Za-z]+)*")
"""A text of words alone is a status or a kind until more of the column's values were seen."""

DEFAULT_DISTINCT = 200
"""What PostgreSQL's planner assumes of a column it knows nothing about (`DEFAULT_NUM_DISTINCT`, utils/selfuncs.h)."""

COMMON_SHARE = 0.01
"""A value that a plan shows in this share of the rows or more is one of a column's common values."""

ASKED_NULLS = 0.5
"""NULLs of a column that statements test for NULL. `deleted_at` is NULL in nearly every row, `locked_at` in few: where
neither statistics nor a plan tell, the test is not taken for one that finds few rows."""

TIME_SPAN = timedelta(days=365)
"""What the timestamps of a table span where nothing else is known: a year up to the end of the input."""

SEEN_VALUES = 100
"""Constants kept for each column, most frequent first: what synthesised rows must contain."""

_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_TIMES = frozenset({"timestamptz", "timestamp", "date"})
_INTEGERS = frozenset({"int2", "int4", "int8"})
_NUMBERS = _INTEGERS | {"numeric", "float4", "float8"}
_CHECK = re.compile(r"^CHECK \((?P<expression>.*)\)(?: NO INHERIT| NOT VALID)*$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnEvidence:
    """All that is known of one column. `parent_rows`: of the table a foreign key refers to, None without one."""

    table: Table
    column: Column
    rows: int
    unique: bool = False
    parent_rows: int | None = None
    constants: Constants = field(default_factory=Constants)
    shares: Sequence[KeptShare] = ()
    checks: Sequence[Predicate] = ()
    end: datetime | None = None


def column_profile(evidence: ColumnEvidence) -> ColumnProfile:
    """The distribution believed in: the statistics, else plans, the schema, and the workload's constants."""
    seen = tuple(text for text, _ in evidence.constants.equal.most_common(SEEN_VALUES))
    if evidence.column.statistics is not None:
        return _by_statistics(evidence, seen)
    profile = replace(_by_schema(evidence) or _by_plans(evidence) or _by_constants(evidence), seen=seen)
    if evidence.column.not_null:
        profile = replace(profile, null_fraction=0.0)
    elif profile.null_fraction is None and evidence.constants.nulls:
        profile = replace(profile, null_fraction=ASKED_NULLS)
    low, high = _ends(evidence)
    return replace(profile, low=profile.low or low, high=profile.high or high)


def check_predicates(table: Table, catalog: Catalog) -> dict[str, tuple[Predicate, ...]]:
    """What the table's CHECK constraints say of single columns, by column."""
    found: dict[str, list[Predicate]] = {}
    for constraint in table.constraints:
        match = _CHECK.match(constraint.definition) if constraint.kind == "check" else None
        if match:
            for predicate in predicates_of(match["expression"], table, None, catalog):
                if predicate.column is not None:
                    found.setdefault(predicate.column, []).append(predicate)
    return {column: tuple(predicates) for column, predicates in found.items()}


def _by_statistics(evidence: ColumnEvidence, seen: tuple[str, ...]) -> ColumnProfile:
    statistics = evidence.column.statistics
    assert statistics is not None
    share = statistics.distinct
    return ColumnProfile(
        distinct=share if share >= 0 else -share * evidence.rows,
        null_fraction=statistics.null_fraction,
        common=statistics.most_common,
        seen=seen,
        histogram=statistics.histogram,
        low=statistics.histogram[0] if statistics.histogram else None,
        high=statistics.histogram[-1] if statistics.histogram else None,
        correlation=statistics.correlation,
        average_width_bytes=statistics.average_width_bytes or None,
        basis="catalog",
    )


def _by_schema(evidence: ColumnEvidence) -> ColumnProfile | None:
    rows, column = evidence.rows, evidence.column
    if evidence.unique:
        return ColumnProfile(distinct=float(rows), basis="catalog")
    if evidence.parent_rows is not None:
        return ColumnProfile(distinct=float(min(rows, evidence.parent_rows)), basis="catalog")
    if evidence.shares:
        return None
    if column.base_type == "bool":
        return ColumnProfile(distinct=2.0, basis="catalog")
    labels = column.enum_labels or _listed(evidence.checks)
    if labels:
        common = tuple((label, 1.0 / len(labels)) for label in labels)
        return ColumnProfile(distinct=float(len(labels)), common=common, basis="catalog")
    if column.base_type in _INTEGERS and evidence.checks:
        low, high = _bounds_of(evidence.checks)
        if low is not None and high is not None and high >= low:
            return ColumnProfile(distinct=high - low + 1, low=f"{low:.0f}", high=f"{high:.0f}", basis="catalog")
    return None


def _by_plans(evidence: ColumnEvidence) -> ColumnProfile | None:
    """Shares of equalities that plans show: large ones are common values, small ones tell the distinct count."""
    shares: dict[str, list[float]] = {}
    nulls: list[float] = []
    for kept in evidence.shares:
        predicate = kept.predicate
        if predicate.kind == "is_null":
            nulls.append(kept.share)
        elif predicate.kind == "equality" and predicate.value.kind == "constant" and predicate.value.text is not None:
            shares.setdefault(predicate.value.text, []).append(kept.share)
    mean = {text: sum(each) / len(each) for text, each in shares.items()}
    # Their sum may pass 1 where the table changed between the plans.
    scale = max(1.0, sum(share for share in mean.values() if share >= COMMON_SHARE))
    common = sorted(((text, share / scale) for text, share in mean.items() if share >= COMMON_SHARE), key=_descending)
    rare = [share for share in mean.values() if 0 < share < COMMON_SHARE]
    if not common and not rare:
        return None
    left = max(0.0, 1.0 - sum(share for _, share in common))
    return ColumnProfile(
        distinct=len(common) + _others(evidence, dict(common), rare, left),
        null_fraction=median(nulls) if nulls else None,
        common=tuple(common),
        basis="plan",
    )


def _descending(item: tuple[str, float]) -> float:
    return -item[1]


def _others(evidence: ColumnEvidence, common: Mapping[str, float], rare: Sequence[float], left: float) -> float:
    """How many values share what the common ones leave over."""
    unseen = len(set(evidence.constants.equal) - set(common))
    if rare:
        return min(float(evidence.rows), max(unseen, left / median(rare)))
    if left < COMMON_SHARE / 10:
        return float(unseen)
    # None of them need be rarer than the rarest common one; a column with common values has few others.
    return float(max(unseen, FEW_VALUES - len(common), 1))


def _by_constants(evidence: ColumnEvidence) -> ColumnProfile:
    constants = evidence.constants
    distinct, values = constants.most_diverse
    if not values:
        return ColumnProfile()
    rows = float(evidence.rows)
    if (distinct >= MANY_CONSTANTS and distinct >= MANY_SHARE * values) or _key_like(evidence.column, constants.equal):
        return ColumnProfile(distinct=min(rows, max(distinct, rows / ROWS_PER_KEY)))
    few = values >= MANY_CONSTANTS or all(map(_code_like, constants.equal))
    return ColumnProfile(distinct=min(rows, float(max(len(constants.equal), FEW_VALUES if few else DEFAULT_DISTINCT))))


def _code_like(text: str) -> bool:
    """Whether a constant is a word or a small number: one of a few values, if it has to stand for itself."""
    number = _number(text)
    return PLAIN_WORD.fullmatch(text) is not None if number is None else number <= KEY_NUMBER


def _key_like(column: Column, values: Counter[str]) -> bool:
    if column.base_type == "uuid":
        return True
    if column.base_type in _INTEGERS:
        large = any((number := _number(text)) is not None and number > KEY_NUMBER for text in values)
        return large or KEY_NAME.search(column.name) is not None
    return column.base_type in ("text", "varchar", "bpchar", "citext") and any(map(KEY_TEXT.search, values))


def _ends(evidence: ColumnEvidence) -> tuple[str | None, str | None]:
    base_type = evidence.column.base_type
    if base_type in _TIMES:
        return _time_ends(evidence)
    if base_type not in _NUMBERS:
        return None, None
    constants = evidence.constants
    numbers = [n for text in (*constants.equal, *constants.bounds) if (n := _number(text)) is not None]
    if evidence.unique and base_type in _INTEGERS:
        return "1", f"{max([float(evidence.rows), *numbers]):.0f}"
    low, high = _bounds_of(evidence.checks)
    if constants.bounds and numbers:
        low = min(numbers) if low is None else low
        high = max(numbers) if high is None else high
        span = _span(evidence.shares, _number, high)
        low = high - span if span else low
    return _number_text(low), _number_text(high)


def _number_text(number: float | None) -> str | None:
    return None if number is None else f"{number:.15g}"


def _time_ends(evidence: ColumnEvidence) -> tuple[str | None, str | None]:
    constants = evidence.constants
    texts = (*constants.equal, *constants.bounds, *(t for t in constants.open_ends if not evidence.end))
    moments = [moment for text in texts if (moment := _moment(text)) is not None]
    end = max([*moments, *([evidence.end] if evidence.end else [])], default=None)
    if end is None:
        return None, None
    span = _span(evidence.shares, _seconds, end.timestamp())
    # Of a range without a start nobody knows how much lies before its end: as much as after it.
    ends = [moment for text in constants.open_ends if (moment := _moment(text)) is not None]
    before = [moment - min(max(TIME_SPAN, end - moment), moment - _EARLIEST) for moment in ends]
    earliest = end - timedelta(seconds=span) if span else min([end - TIME_SPAN, *moments, *before])
    return _time_text(earliest, evidence.column.base_type), _time_text(end, evidence.column.base_type)


def _span(shares: Sequence[KeptShare], read: Callable[[str], float | None], high: float) -> float | None:
    """The width of the whole range, values taken as evenly spread, from the shares that parts of it keep."""
    spans = []
    for kept in shares:
        if kept.predicate.kind != "range" or not 0 < kept.share < 1:
            continue
        start = _read(kept.predicate, read) if kept.predicate.operator in (">", ">=") else None
        end = _read(kept.upper, read) if kept.upper is not None else high
        if start is not None and end is not None and start < end:
            spans.append((end - start) / kept.share)
    return median(spans) if spans else None


def _read(predicate: Predicate, read: Callable[[str], float | None]) -> float | None:
    text = _constant(predicate.value)
    return read(text) if text is not None else None


def _listed(predicates: Sequence[Predicate]) -> tuple[str, ...]:
    """The values of a CHECK that lists them."""
    for predicate in predicates:
        if predicate.kind == "equality" and predicate.value.kind == "list":
            return tuple(text for item in predicate.value.items if (text := _constant(item)) is not None)
    return ()


def _bounds_of(predicates: Sequence[Predicate]) -> tuple[float | None, float | None]:
    """The lower and upper bound of a CHECK, whole numbers' open bounds made closed ones."""
    low = high = None
    for predicate in predicates:
        number = _number(_constant(predicate.value) or "")
        if predicate.kind != "range" or number is None:
            continue
        if predicate.operator in (">", ">="):
            low = number + (predicate.operator == ">")
        elif predicate.operator in ("<", "<="):
            high = number - (predicate.operator == "<")
    return low, high


def _constant(value: Value) -> str | None:
    return value.text if value.kind == "constant" else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _seconds(text: str) -> float | None:
    moment = _moment(text)
    return moment.timestamp() if moment else None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time_text(moment: datetime, base_type: str) -> str:
    utc = moment.astimezone(UTC)
    if base_type == "date":
        return utc.strftime("%Y-%m-%d")
    return utc.strftime("%Y-%m-%d %H:%M:%S") + ("+00" if base_type == "timestamptz" else "")
