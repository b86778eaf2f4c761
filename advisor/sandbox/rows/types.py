"""Types as the synthesiser sees them: numbers on a line where a type has an order, else a value for every number k."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation

from advisor.sandbox.rows.shape import ColumnShape

Number = int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordinal:
    """A type whose values lie on a line.

    Attributes:
        array: the element type of the constant arrays that hold a segment's low ends.
        shift: SQL of a value `{low}` moved up by the float8 `{x}`; one unit is `parse`'s.
        whole: only whole units exist: integers, days, microseconds.
        lowest, highest: the ends of what is drawn; the type itself may go further.
    """

    array: str
    shift: str
    whole: bool
    lowest: Number
    highest: Number
    parse: Callable[[str], Number]
    render: Callable[[Number], str]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_US = 86_400_000_000


def _integer(text: str) -> int:
    number = Decimal(text.strip())
    if number != number.to_integral_value():
        raise ValueError(text)
    return int(number)


def _real(text: str) -> float:
    number = float(Decimal(text.strip().lstrip("$").replace(",", "")))
    if number in (float("inf"), float("-inf")) or number != number:
        raise ValueError(text)
    return number


def _day(text: str) -> int:
    return (date.fromisoformat(text.strip()[:10]) - _EPOCH.date()).days


def _moment(text: str) -> int:
    moment = datetime.fromisoformat(text.strip())
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _clock(text: str) -> int:
    clock = time.fromisoformat(text.strip())
    return ((clock.hour * 60 + clock.minute) * 60 + clock.second) * 1_000_000 + clock.microsecond


def _show_real(number: Number) -> str:
    return repr(float(number))


def _show_moment(number: Number) -> str:
    seconds, micro = divmod(int(number), 1_000_000)
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S") + f".{micro:06d}"


def _show_day(number: Number) -> str:
    return date.fromordinal(_EPOCH.date().toordinal() + int(number)).isoformat()


def _show_clock(number: Number) -> str:
    seconds, micro = divmod(int(number), 1_000_000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{micro:06d}"


_MICRO = "{low} + round({x}) * interval '1 microsecond'"
_CENTURY_US = 100 * 366 * DAY_US


def _whole(lowest: int, highest: int) -> Ordinal:
    return Ordinal(
        array="int8",
        shift="{low} + floor({x})::int8",
        whole=True,
        lowest=lowest,
        highest=highest,
        parse=_integer,
        render=lambda number: str(int(number)),
    )


def _decimal(digits: int, scale: int) -> Ordinal:
    limit = float(10 ** min(digits - scale, 15)) - 10.0**-scale
    return Ordinal(
        array="float8",
        shift=f"round(({{low}} + {{x}})::numeric, {scale})",
        whole=False,
        lowest=-limit,
        highest=limit,
        parse=_real,
        render=_show_real,
    )


def _moments(array: str, suffix: str) -> Ordinal:
    return Ordinal(
        array=array,
        shift=_MICRO,
        whole=True,
        lowest=-_CENTURY_US,
        highest=2 * _CENTURY_US,
        parse=_moment,
        render=lambda number: _show_moment(number) + suffix,
    )


_ORDINALS: Mapping[str, Ordinal] = {
    "int2": _whole(-(2**15), 2**15 - 1),
    "int4": _whole(-(2**31), 2**31 - 1),
    "int8": _whole(-(2**62), 2**62 - 1),
    "oid": _whole(0, 2**31 - 1),
    "float4": Ordinal(
        array="float8", shift="{low} + {x}", whole=False, lowest=-1e30, highest=1e30, parse=_real, render=_show_real
    ),
    "float8": Ordinal(
        array="float8", shift="{low} + {x}", whole=False, lowest=-1e300, highest=1e300, parse=_real, render=_show_real
    ),
    "money": _decimal(15, 2),
    "date": Ordinal(
        array="date",
        shift="{low} + floor({x})::int4",
        whole=True,
        lowest=-36_600,
        highest=73_200,
        parse=_day,
        render=_show_day,
    ),
    "timestamp": _moments("timestamp", ""),
    "timestamptz": _moments("timestamptz", "+00"),
    "time": Ordinal(
        array="time", shift=_MICRO, whole=True, lowest=0, highest=DAY_US - 1, parse=_clock, render=_show_clock
    ),
}

DEFAULT_SCALE = 2
"""Fraction digits of an unconstrained numeric: most are amounts."""


def ordinal(column: ColumnShape) -> Ordinal | None:
    """How values of the column lie on a line; None for text, uuid, json and all else."""
    if column.base_name == "numeric":
        digits, scale = column.precision or (15, DEFAULT_SCALE)
        return _decimal(digits, min(max(scale, 0), 15)) if digits >= scale >= 0 else _decimal(digits or 1, 0)
    return _ORDINALS.get(column.base_name) if column.kind == "b" else None


def parsed(kind: Ordinal, text: str) -> Number | None:
    """The value as a number; None where it is none of the type's or out of its drawn range."""
    try:
        number = kind.parse(text)
    except (ValueError, InvalidOperation, OverflowError):
        return None
    return number if kind.lowest <= number <= kind.highest else None


_BY_TYPE: Mapping[str, str] = {
    "bytea": "decode(md5({k}::text), 'hex')",
    "json": "json_build_object('id', {k}, 'name', left(md5({k}::text), 8))",
    "jsonb": "jsonb_build_object('id', {k}, 'name', left(md5({k}::text), 8))",
    "inet": "'10.0.0.0'::inet + {k}",
    "cidr": "('10.0.0.0'::inet + {k})::cidr",
    "macaddr": "lpad(to_hex({k}), 12, '0')::macaddr",
    "macaddr8": "lpad(to_hex({k}), 16, '0')::macaddr8",
    "char": "chr(97 + ({k} % 26)::int4)",
    "name": "'n' || {k}",
    "tsvector": "to_tsvector('pg_catalog.simple'::regconfig, 'word' || {k} || ' word' || {k} % 100)",
    "tsquery": "('word' || {k})::tsquery",
    "point": "point(({k})::float8, ({k} * 7 % 1000)::float8)",
    "box": "box(point(({k})::float8, 0), point(({k} + 1)::float8, 1))",
    "circle": "circle(point(({k})::float8, 0), 1)",
    "lseg": "lseg(point(0, 0), point(1, ({k})::float8))",
    "line": "line(point(0, 0), point(1, ({k})::float8))",
    "path": "('[(0,0),(1,' || {k} || ')]')::path",
    "polygon": "polygon(box(point(({k})::float8, 0), point(({k} + 1)::float8, 1)))",
    "interval": "({k}) * interval '1 minute'",
    "timetz": "(time '00:00' + ({k}) * interval '1 second')::timetz",
    "pg_lsn": "('0/' || to_hex({k}))::pg_lsn",
    "xid": "({k} % 4294967296)::text::xid",
    "xid8": "({k})::text::xid8",
    "cid": "({k} % 4294967296)::text::cid",
    "tid": "('(' || {k} || ',1)')::tid",
    "hstore": "('k=>' || {k})::{type}",
    "ltree": "('a.b' || {k})::{type}",
    "uuid": "md5('{salt}' || {k})::uuid",
    "bool": "({k}) % 2 = 0",
    "jsonpath": "('$.a' || {k})::jsonpath",
}

TEXTS = frozenset({"text", "varchar", "bpchar", "citext"})


def is_known(column: ColumnShape) -> bool:
    """Whether values of the type can be made up."""
    if column.kind in ("r", "m") or column.element is not None:
        return column.element is not None and is_known(column.element)
    named = column.base_name in {*_BY_TYPE, *TEXTS, "bit", "varbit", "vector"}
    return column.kind in ("e", "c") or named or ordinal(column) is not None


def generated_value(column: ColumnShape, k: str, salt: int) -> str:
    """SQL of the value number `k` (an int8 expression, 0 and up) of a type without a line, before the final cast.

    Different numbers give different values as far as the type has them. NULL for a type that is not known.
    """
    if column.kind in ("r", "m"):
        return _range(column, k, salt)
    if column.element is not None:
        parts = (generated_or_ordinal(column.element, f"({k} + {n})", salt) for n in (0, 1))
        return f"ARRAY[{', '.join(parts)}]"
    if column.kind == "e":
        labels = ", ".join(quoted(label) for label in column.labels)
        return f"(ARRAY[{labels}])[(1 + ({k}) % {max(1, len(column.labels))})::int4]"
    if column.kind == "c":
        return f"{quoted('(' + ',' * (max(1, column.attributes) - 1) + ')')}::{column.base}"
    if column.base_name == "bit":
        return f"({k})::bit({column.length or 1})"
    if column.base_name == "varbit":
        return f"({k})::bit({min(column.length or 32, 32)})::varbit"
    if column.base_name == "vector":
        return f"(array_fill((({k}) % 97)::float4, ARRAY[{column.length or 3}]))::{column.base}"
    template = _BY_TYPE.get(column.base_name)
    return template.format(k=k, salt=salt, type=column.base) if template else "NULL"


def generated_or_ordinal(column: ColumnShape, k: str, salt: int) -> str:
    """SQL of the value number `k` of any type, cast to the column's type."""
    line = ordinal(column)
    if line is not None:
        value = line.shift.format(
            low=f"{quoted(line.render(default_range(column)[0]))}::{line.array}", x=f"({k})::float8"
        )
    elif column.base_name in TEXTS:
        value = f"'v' || {k}"
    else:
        value = generated_value(column, k, salt)
    return f"({value})::{column.base}"


def _range(column: ColumnShape, k: str, salt: int) -> str:
    if column.element is None:
        return "NULL"
    low, high = (generated_or_ordinal(column.element, f"({k} + {n})", salt) for n in (0, 10))
    made = f"{column.range_function}({low}, {high})"
    return f"{column.base}({made})" if column.kind == "m" else made


def default_range(column: ColumnShape) -> tuple[Number, Number]:
    """Where values of an ordered type lie when nothing is known.

    Moments cover the two years up to the end of today (UTC), so that `now() - interval '7 days'` finds as much as
    it would in a table that is written to.
    """
    today = (datetime.now(UTC) - _EPOCH).days + 1
    name = column.base_name
    if name in ("timestamp", "timestamptz"):
        return (today - 730) * DAY_US, today * DAY_US - 1
    if name == "date":
        return today - 730, today - 1
    if name == "time":
        return 0, DAY_US - 1
    line = ordinal(column)
    top = 1_000_000 if line is None else min(1_000_000, line.highest)
    return (1, top) if line is not None and line.whole else (0.0, min(1_000.0, float(top)))


def quoted(text: str) -> str:
    """A string constant; characters that text cannot hold are dropped."""
    text = text.replace("\x00", "")
    body = text.replace("'", "''")
    return "'" + body + "'" if "\\" not in body else "E'" + body.replace("\\", "\\\\") + "'"


def array_constant(values: list[str], element: str) -> str:
    """A constant array of the given texts, folded once by the planner."""
    items = ",".join('"' + re.sub(r'(["\\])', r"\\\1", value) + '"' for value in values)
    return f"{quoted('{' + items + '}')}::{element}[]"
