"""Small data sets on which a wrong rewrite shows: NULLs, duplicates, ties, values at and beside every boundary."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from advisor.model.catalog import Catalog, Column, Table
from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile, DataProfile, TableProfile

DENSE_ROWS = 600
"""Rows per table: a few of each boundary value beside each NULL, and joins of three tables still run at once."""

SPARSE_ROWS = 7
"""Rows per table of a sparse data set: groups of one, and parents without children."""

NULL_SHARE = 0.2
VALUES_LIMIT = 60
"""Boundary values per column, so that each occurs several times."""

_MOMENTS = {"timestamptz", "timestamp", "date"}
_NUMBERS = {"int2", "int4", "int8", "numeric", "float4", "float8"}
_TEXTS = {"text", "varchar", "bpchar", "citext"}
_DAY, _MICROSECOND = timedelta(days=1), timedelta(microseconds=1)


def adversarial_profile(catalog: Catalog, profile: DataProfile, variant: int) -> dict[QualifiedName, TableProfile]:
    """The profile of variant 0, 2, … (dense) or 1, 3, … (sparse)."""
    sparse = variant % 2 == 1
    tables = {}
    zone = _zone(catalog.settings.get("TimeZone", "UTC"))
    stored = [t for t in catalog.tables.values() if t.kind in ("table", "partitioned_table") and not t.partition_of]
    needed = {c.referenced_table for t in stored for c in t.constraints if c.kind == "foreign_key"}
    for ordinal, table in enumerate(sorted(stored, key=lambda t: t.name)):
        empty = sparse and table.name not in needed and (ordinal + variant // 2) % 2 == 0
        rows = 0 if empty else SPARSE_ROWS if sparse else DENSE_ROWS
        given = profile.get(table.name)
        columns = {
            column.name: _adversarial(table, column, given.columns.get(column.name) if given else None, zone)
            for column in table.columns
        }
        tables[table.name] = TableProfile(rows=rows, basis="assumed", columns=columns)
    return tables


def _adversarial(table: Table, column: Column, known: ColumnProfile | None, zone: tzinfo) -> ColumnProfile:
    seen = known.seen if known else ()
    common = tuple(value for value, _ in known.common[:5]) if known else ()
    values = tuple(dict.fromkeys(_boundaries(column.base_type, (*seen, *common), zone)))[:VALUES_LIMIT]
    nulls = 0.0 if column.not_null else NULL_SHARE
    bound = any(
        column.name in constraint.columns for constraint in table.constraints if constraint.kind == "foreign_key"
    )
    if bound:
        # Parents drawn with ties; some get no child at all.
        return ColumnProfile(distinct=DENSE_ROWS / 4, null_fraction=nulls, seen=seen, correlation=0.0)
    if not values:
        return ColumnProfile(distinct=20, null_fraction=nulls, correlation=0.0)
    share = (1.0 - nulls) * 0.8 / len(values)
    return ColumnProfile(
        distinct=len(values) + 20,
        null_fraction=nulls,
        common=tuple((value, share) for value in values),
        seen=values,
        correlation=0.0,
    )


def _zone(name: str) -> tzinfo:
    """The time zone that production's days begin in; UTC where Python does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _boundaries(base_type: str, constants: Iterable[str], zone: tzinfo) -> Iterable[str]:
    if base_type in _MOMENTS:
        for text in constants:
            yield from _moments(base_type, text, zone if base_type == "timestamptz" else UTC)
    elif base_type in _NUMBERS:
        yield from ("0", "1", "-1")
        for text in constants:
            yield from _numbers(text)
    elif base_type in _TEXTS:
        for text in constants:
            yield from (text, text.upper(), text.lower(), text + " ", text[:-1])
        yield from ("", " ", "a", "A", "%", "_")
    else:
        yield from constants


def _numbers(text: str) -> Iterable[str]:
    yield text
    try:
        number = int(text)
    except ValueError:
        return
    yield from (str(number - 1), str(number + 1), str(-number))


def _moments(base_type: str, text: str, zone: tzinfo) -> Iterable[str]:
    """The moment, the start of its day, month and year and of the next ones, each with its two neighbours."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return
    moment = moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
    if not 1900 < moment.year < 2100:
        return
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    month, year = day.replace(day=1), day.replace(month=1, day=1)
    following = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    step = _DAY if base_type == "date" else _MICROSECOND
    for edge in (moment, day, day + _DAY, month, following, year, year.replace(year=year.year + 1)):
        for value in (edge, edge - step, edge + step):
            yield _shown(base_type, value)


def _shown(base_type: str, moment: datetime) -> str:
    if base_type == "date":
        return moment.date().isoformat()
    if base_type == "timestamp":
        moment = moment.replace(tzinfo=None)
    return moment.isoformat(sep=" ")
