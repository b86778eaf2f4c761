"""The SQL that draws a column: from a row number `i` to a value, by hashes, inside the server.

A row is made in two steps. The inner select gives each column's place: a position `p` in [0, 1) or the number `k`
of the value. The outer one turns places into values. No state is kept, so that the same seed makes the same rows.
"""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from advisor.sandbox.rows.facts import DEFAULT_DISTINCT, Facts
from advisor.sandbox.rows.shape import ColumnShape
from advisor.sandbox.rows.types import (
    TEXTS,
    Number,
    Ordinal,
    array_constant,
    default_range,
    generated_value,
    ordinal,
    parsed,
    quoted,
)

STRAIGHT = 0.98
"""A correlation from here on is drawn as perfect order."""

SEEN_SHARE = 0.5
"""Constants of the workload get at most this share of the rows that common values leave."""

TEXT_WIDTH = 12
"""Characters of a made-up text when the width is not known."""

WIDEST = 4_000
"""Characters of a made-up text at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How one column is drawn: (alias, SQL) pairs for the inner select, and the value's SQL for the outer one."""

    places: tuple[tuple[str, str], ...]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of the line, or a point (`width` 0), that `mass` of the positions fall into, on `steps` values."""

    low: Number
    width: float
    mass: float
    steps: float


def salted(seed: int, *names: str) -> int:
    """A number for `hashint8extended`, the same for the same seed and names."""
    digest = hashlib.blake2b("\x00".join((str(seed), *names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) // 2


def uniform(salt: int, of: str = "i") -> str:
    """SQL of a float8 in [0, 1) by row: 53 bits of a hash."""
    return f"(((hashint8extended({of}, {salt}) >> 11) & 9007199254740991)::float8 / 9007199254740992.0)"


def position(rows: int, correlation: float | None, salt: int) -> str:
    """SQL of a position in [0, 1) whose Pearson correlation with the row number is `correlation`.

    A share of |correlation| of the rows takes its place in the order, the others a random one: the correlation of
    such a mixture is that share.
    """
    rho = max(-1.0, min(1.0, correlation or 0.0))
    straight = f"((i - 0.5) / {rows}::float8)"
    if rho < 0:
        straight = f"(1 - {straight})"
    if abs(rho) >= STRAIGHT:
        return straight
    if abs(rho) < 1 - STRAIGHT:
        return uniform(salt)
    return f"(CASE WHEN {uniform(salt + 1)} < {abs(rho):.6f} THEN {straight} ELSE {uniform(salt)} END)"


def draw_freely(tag: int, column: ColumnShape, facts: Facts, rows: int, salt: int) -> Draw:
    """A column that no key binds, by its distribution."""
    line = ordinal(column)
    if line is not None and not facts.allowed:
        return _draw_on_line(tag, column, line, facts, rows, salt)
    return _draw_by_number(tag, column, facts, rows, salt)


def draw_numbered(tag: int, column: ColumnShape, facts: Facts, number: str, count: int, salt: int) -> Draw:
    """A column whose rows must differ where `number` (SQL, 0 to count - 1) differs: a key's column."""
    alias = f"k{tag}"
    place, k = ((alias, number),), f"s.{alias}"
    line = ordinal(column)
    if facts.allowed:
        value = _pick(column, facts.allowed, k)
    elif line is not None:
        value = _lattice(column, line, facts, k, count)
    else:
        fixed = facts.seen[:count]
        made = _made(column, facts, k if not fixed else f"({k} - {len(fixed)})", count, salt)
        value = _fixed_or(column, fixed, made, k)
    return Draw(places=place, value=_nullable(f"({value})::{column.base}", facts, salt, ""))


def stride(rows: int, seen: Sequence[str]) -> int:
    """Every so many rows one is set aside for a constant of the workload, so that each occurs; 0: none."""
    return max(1, rows // (len(seen) + 1)) if seen and rows > len(seen) else 0


def guard(rows: int, seen: Sequence[str], row: str = "i") -> str:
    """SQL: this row is one of those set aside; empty where there are none."""
    step = stride(rows, seen)
    return f"{row} % {step} = 0 AND {row} / {step} BETWEEN 1 AND {len(seen)}" if step else ""


def _nullable(value: str, facts: Facts, salt: int, aside: str) -> str:
    if facts.nulls <= 0:
        return value
    unless = f" AND NOT ({aside})" if aside else ""
    return f"CASE WHEN {uniform(salt + 2, 's.i')} < {facts.nulls:.9f}{unless} THEN NULL ELSE {value} END"


def _draw_on_line(tag: int, column: ColumnShape, line: Ordinal, facts: Facts, rows: int, salt: int) -> Draw:
    segments = line_segments(column, line, facts, rows)
    starts = [sum(s.mass for s in segments[:n]) for n in range(len(segments))]
    p, b = f"p{tag}", f"b{tag}"
    where = position(rows, facts.correlation, salt)
    bucket = f"1 + width_bucket({where}, {_floats(starts[1:])})" if len(segments) > 1 else "1"
    within = f"(s.{p} - ({_floats(starts)})[s.{b}]) * ({_floats([1 / s.mass for s in segments])})[s.{b}]"
    steps = f"({_floats([s.steps for s in segments])})[s.{b}]"
    widths = f"({_floats([s.width / s.steps for s in segments])})[s.{b}]"
    x = f"(floor(least({within}, 0.9999999999) * {steps}) * {widths})"
    if all(s.width == 0 for s in segments):
        x = "0::float8"
    lows = f"({array_constant([line.render(s.low) for s in segments], line.array)})[s.{b}]"
    value = f"({line.shift.format(low=lows, x=x)})::{column.base}"
    aside = guard(rows, facts.seen, "s.i")
    if aside:
        known = (parsed(line, text) for text in facts.seen)
        constants = array_constant([line.render(n) for n in known if n is not None], line.array)
        constant = f"({constants})[(s.i / {stride(rows, facts.seen)})::int4]::{column.base}"
        value = f"CASE WHEN {aside} THEN {constant} ELSE {value} END"
    return Draw(places=((p, where), (b, bucket)), value=_nullable(value, facts, salt, aside))


def line_segments(column: ColumnShape, line: Ordinal, facts: Facts, rows: int) -> list[Segment]:
    """The quantile function of the non-NULL values: points for single values, stretches for the buckets between."""
    points: dict[Number, float] = {}
    for text, share in facts.common:
        number = parsed(line, text)
        if number is not None and share > 0:
            points[number] = points.get(number, 0.0) + share
    full = max(1.0 - facts.nulls, 1e-9)
    rest = max(0.0, full - sum(points.values()))
    if facts.distinct is not None and facts.distinct <= len(points):
        rest = 0.0
    others = max(1.0, (facts.distinct if facts.distinct is not None else rows) - len(points))
    extra = [n for text in facts.seen if (n := parsed(line, text)) is not None and n not in points]
    if facts.distinct is not None and extra and rest > 0:
        each = min(rest / others, rest * SEEN_SHARE / len(extra))
        points.update(dict.fromkeys(extra, each))
        rest -= each * len(set(extra))
    bounds = _bounds(column, line, facts, [*points, *extra])
    pieces = [Segment(low=number, width=0.0, mass=mass, steps=1.0) for number, mass in points.items()]
    if rest > 1e-9 or not pieces:
        pieces += _stretches(bounds, rest or full, others, sorted(points), whole=line.whole)
    total = sum(piece.mass for piece in pieces)
    ordered = sorted(pieces, key=lambda piece: (piece.low, piece.width))
    return [Segment(low=s.low, width=s.width, mass=s.mass / total, steps=s.steps) for s in ordered]


def _bounds(column: ColumnShape, line: Ordinal, facts: Facts, known: Sequence[Number]) -> list[Number]:
    bounds: list[Number] = sorted(n for text in facts.histogram if (n := parsed(line, text)) is not None)
    if len(bounds) >= 2:
        return bounds
    low, high = default_range(column)
    if facts.low is None and facts.high is None and known:
        # Around the constants: a query's range should find some rows and leave some.
        span = max(max(known) - min(known), 1)
        default_low, default_high = low, high
        low, high = min(default_low, min(known) - span / 4), max(default_high, max(known) + span / 4)
    low = facts.low if facts.low is not None else min(low, facts.high) if facts.high is not None else low
    high = facts.high if facts.high is not None else max(high, low)
    low, high = max(low, line.lowest), min(high, line.highest)
    high = max(low, high)
    return [math.ceil(low), math.floor(high)] if line.whole else [low, high]


def _stretches(
    bounds: list[Number], mass: float, distinct: float, points: list[Number], *, whole: bool
) -> list[Segment]:
    """The histogram's buckets, cut where a point lies inside one, so that order by position is order by value."""
    pieces = []
    per_bucket = mass / (len(bounds) - 1)
    for low, high in pairwise(bounds):
        cuts = [low, *(point for point in points if low < point < high), high]
        for start, end in pairwise(cuts):
            share = (end - start) / (high - low) if high > low else 1.0
            width = float(end - start) + (1.0 if whole and end == bounds[-1] else 0.0)
            steps = max(1.0, round(distinct * per_bucket * share / mass))
            if whole and width >= 1:
                steps = min(steps, width)
            pieces.append(Segment(low=start, width=width, mass=per_bucket * share, steps=steps))
    return pieces


def _draw_by_number(tag: int, column: ColumnShape, facts: Facts, rows: int, salt: int) -> Draw:
    """Numbers below the count of fixed values (common, then seen) mean these, the others generated ones."""
    common, weights = _weighted(column, facts)
    listed = {value for value, _ in common}
    extra = tuple(value for value in facts.seen if value not in listed)
    distinct = facts.distinct if facts.distinct is not None else max(DEFAULT_DISTINCT, 4 * len(extra))
    others = max(len(extra), min(int(distinct), rows) - len(common), 1)
    fixed = (*(value for value, _ in common), *extra)
    alias = f"k{tag}"
    number = f"{len(common)} + floor({position(rows, facts.correlation, salt)} * {others})::int8"
    if weights:
        u = uniform(salt + 3)
        bucket = f"width_bucket({u}, {_floats(weights)})"
        number = (
            bucket if weights[-1] >= 1 - 1e-6 else f"CASE WHEN {u} < {weights[-1]:.12f} THEN {bucket} ELSE {number} END"
        )
    aside = guard(rows, extra)
    if aside:
        number = f"CASE WHEN {aside} THEN {len(common)} - 1 + i / {stride(rows, extra)} ELSE {number} END"
    made = _made(column, facts, f"(s.{alias} - {len(fixed)})", others, salt)
    value = f"({_fixed_or(column, fixed, made, f's.{alias}')})::{column.base}"
    aside = guard(rows, extra, "s.i")
    return Draw(places=((alias, number),), value=_nullable(value, facts, salt, aside))


def _weighted(column: ColumnShape, facts: Facts) -> tuple[tuple[tuple[str, float], ...], list[float]]:
    """The common values and their cumulative shares of the non-NULL rows.

    Types with few values (enum, bool) and columns with a list of allowed ones: what is not common shares the rest.
    """
    full = max(1.0 - facts.nulls, 1e-9)
    common = facts.common
    closed = facts.distinct is not None and facts.distinct <= len(common)
    domain = facts.allowed or column.labels or (("false", "true") if column.base_name == "bool" else ())
    if domain and not closed:
        spelled = {_canonical(column, value) for value, _ in common}
        missing = [value for value in domain if value not in spelled]
        each = max(full - sum(share for _, share in common), 0.0) / max(len(missing), 1)
        common = (*common, *((value, each) for value in missing if each > 0))
        closed = True
    total = sum(share for _, share in common)
    scale = max(total, 1e-9) if closed else max(total, full)
    weights = list(accumulate(share / scale for _, share in common))
    return common, weights


def _canonical(column: ColumnShape, value: str) -> str:
    if column.base_name == "bool":
        return "true" if value.lower() in ("t", "true", "on", "yes", "1") else "false"
    return value


def _fixed_or(column: ColumnShape, fixed: Sequence[str], made: str, k: str) -> str:
    if not fixed:
        return made
    return f"CASE WHEN {k} < {len(fixed)} THEN {_pick(column, fixed, k)} ELSE ({made})::{column.base} END"


def _pick(column: ColumnShape, values: Sequence[str], k: str) -> str:
    element = column.base
    if column.element is not None and column.kind == "b":
        # An array of arrays has no place for arrays of different lengths: keep them as texts.
        return f"(({array_constant(list(values), 'text')})[({k} + 1)::int4])::{element}"
    return f"({array_constant(list(values), element)})[({k} + 1)::int4]"


def _made(column: ColumnShape, facts: Facts, k: str, count: int, salt: int) -> str:
    if column.base_name in TEXTS:
        return text_value(column, facts, k, count, salt)
    return generated_value(column, k, salt)


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def text_value(column: ColumnShape, facts: Facts, k: str, count: int, salt: int) -> str:
    """SQL of a text for every number, different for each: a known value's head, the number, and its tail from @ on.

    So `ann@example.com` becomes `ann02f@example.com`, near its histogram bucket and still an address.
    """
    samples = (*facts.histogram, *(value for value, _ in facts.common), *facts.seen)
    room = column.length or WIDEST
    if samples and all(_UUID.fullmatch(value) for value in samples) and room >= 36:
        return f"md5('{salt}' || {k})::uuid::text"
    digits, number = _digits(k, count, room)
    # A bucket's values start at its lower bound; the last bound ends the last bucket.
    bounds = facts.histogram[:-1] or facts.histogram
    if bounds:
        cut = [value.partition("@") for value in bounds]
        tails = [at + tail if len(tail) + 1 + digits <= room else "" for _, at, tail in cut]
        heads = [head[: room - digits - len(tail)] for (head, _, _), tail in zip(cut, tails, strict=True)]
        bucket = f"(1 + greatest({k}, 0) * {len(bounds)} / {max(count, 1)})::int4"
        bucket = f"least({bucket}, {len(bounds)})"
        end = f" || ({array_constant(tails, 'text')})[{bucket}]" if any(tails) else ""
        return f"({array_constant(heads, 'text')})[{bucket}] || {number}{end}"
    width = min(max((facts.width or TEXT_WIDTH + 1) - 1, digits), room)
    filler = width - digits
    if filler <= 0:
        return number
    return f"left(repeat(md5('{salt}' || {k}), {math.ceil(filler / 32)}), {filler}) || {number}"


_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def _digits(k: str, count: int, room: int) -> tuple[int, str]:
    """The number as a text of fixed width: hexadecimal, or to the base 36 where there is little room."""
    width = max(1, math.ceil(math.log(max(count, 2), 16) - 1e-12))
    if width <= room:
        return width, f"lpad(to_hex({k}), {width}, '0')"
    width = max(1, min(room, math.ceil(math.log(max(count, 2), 36) - 1e-12)))
    parts = (f"substr('{_ALPHABET}', (1 + {k} / {36**n} % 36)::int4, 1)" for n in reversed(range(width)))
    return width, " || ".join(parts)


def capacity(column: ColumnShape, facts: Facts) -> float:
    """How many different values a key's column can take."""
    if facts.allowed:
        return len(facts.allowed)
    line = ordinal(column)
    if line is not None:
        low = line.lowest if facts.low is None else facts.low
        high = line.highest if facts.high is None else facts.high
        grain = 1.0 if line.whole else _grain(column)
        return max(1.0, (high - low) // grain + 1)
    if column.kind == "e":
        return max(1, len(column.labels))
    if column.base_name in ("bool", "char"):
        return 2 if column.base_name == "bool" else 26
    if column.base_name in TEXTS and column.length:
        return float(36 ** min(column.length, 10))
    if column.base_name in ("bit", "varbit"):
        return float(2 ** min(column.length or 32, 32))
    if column.element is not None:
        return capacity(column.element, Facts())
    return 1.0 if column.kind == "c" else 1e15


def _grain(column: ColumnShape) -> float:
    """The least difference that two keys of a type with fractions keep apart."""
    if column.precision is not None:
        return 10.0 ** -column.precision[1]
    return 0.01


def _lattice(column: ColumnShape, line: Ordinal, facts: Facts, k: str, count: int) -> str:
    """Equal steps from the low to the high end; constants of the workload take the place of their neighbours."""
    low, step = _steps(column, line, facts, count)
    if line.array == "int8":
        value = f"{int(low)} + {k} * {int(step)}"
    else:
        value = line.shift.format(low=f"{quoted(line.render(low))}::{line.array}", x=f"({k} * {step!r}::float8)")
    taken: dict[int, Number] = {}
    for text in facts.seen:
        number = parsed(line, text)
        if number is None or number in taken.values():
            continue
        nearest = min(max(round((number - low) / step), 0), count - 1)
        on_lattice = abs(low + nearest * step - number) < step * 1e-9
        if not on_lattice and nearest not in taken:
            taken[nearest] = number
    if not taken:
        return value
    cases = " ".join(f"WHEN {n} THEN {quoted(line.render(v))}::{line.array}" for n, v in taken.items())
    return f"CASE {k} {cases} ELSE ({value})::{line.array} END"


def _steps(column: ColumnShape, line: Ordinal, facts: Facts, count: int) -> tuple[Number, Number]:
    ends = [n for text in facts.histogram if (n := parsed(line, text)) is not None]
    low = facts.low if facts.low is not None else min(ends, default=None)
    high = facts.high if facts.high is not None else max(ends, default=None)
    grain: Number = 1 if line.whole else _grain(column)
    if low is None or high is None:
        start, end = default_range(column)
        dense = line.array in ("int8", "float8")
        low, high = (start if low is None else low), (high if high is not None else None if dense else end)
    if high is None:
        return low, 1 if low + count <= line.highest else grain
    span = high - low
    if span < (count - 1) * grain:
        # More rows than the known range has room for: keep the upper end for moments, the lower for numbers.
        low = low if line.array in ("int8", "float8") else max(line.lowest, high - (count - 1) * grain)
        return low, grain
    step = span / max(count - 1, 1)
    return low, max(1, int(step)) if line.whole else max(grain, math.floor(step / grain) * grain)


def _floats(numbers: Sequence[float]) -> str:
    return "'{" + ",".join(repr(float(number)) for number in numbers) + "}'::float8[]"
