"""Which escape the times and the numbers of a layout are: by how they change from line to line."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from advisor.sources.columns import Field
from advisor.sources.heads import CONTINUED, Head

LITERAL = ""
"""The label of a field that is literal text: a word that all lines have."""

MOST = 0.9
"""Share of the lines with evidence that must agree: the rest may be torn, or written by two processes at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """A head of a process without a client, read by a layout: its values up to piece `stop`, where it ends.

    `letters`: how many letters of that piece, a text, it still has.
    """

    values: Mapping[int, str]
    stop: int
    letters: int


def pairs_of(heads: Sequence[Head]) -> list[tuple[int, int]]:
    """Rows of a line and the next that belongs to the same record: one process wrote both, one after the other."""
    return [
        (row, row + 1)
        for row in range(len(heads) - 1)
        if heads[row + 1].severity in CONTINUED and heads[row + 1].row == heads[row].row + 1
    ]


def _share(hits: int, total: int) -> float:
    return hits / total if total else 0.0


def label_times(fields: Mapping[int, Field]) -> Iterator[tuple[int, str]]:
    """The time of a line never goes back; that of a session's start does, and is the same within a session."""
    precise = any(column.kind in ("m", "n") for column in fields.values())
    taken = False
    for number, column in fields.items():
        if column.kind == "m":
            yield number, "m"
        elif column.kind == "t":
            going_back = sum(one > other for one, other in pairwise(column.values))
            start = going_back > _GOING_BACK * len(column.values)
            second = precise and not _is_second_of(column, fields)
            yield number, "s" if start or second or taken else "t"
            taken = taken or not (start or second)


_GOING_BACK = 0.02
"""Of the lines: processes write side by side, and a clock is set back once in a while."""


def _is_second_of(column: Field, fields: Mapping[int, Field]) -> bool:
    """Whether it is the time that another field has with milliseconds; with equal ones it makes no difference."""
    for other in fields.values():
        if other.kind == "m":
            pairs = zip(column.values, other.values, strict=True)
            return all(one[:19] == two[:19] for one, two in pairs)
        if other.kind == "n":
            pairs = zip(column.values, other.values, strict=True)
            return all(
                _quarter(int(one[14:16]) * 60 + int(one[17:19])) == _quarter(int(two[:10])) for one, two in pairs
            )
    return True


def _quarter(second: int) -> int:
    """Seconds since the last quarter of an hour: the same in all time zones."""
    return second % 900


def label_numbers(
    fields: Mapping[int, Field],
    pairs: Sequence[tuple[int, int]],
    background: Sequence[Background],
    heads: Sequence[Head],
) -> tuple[dict[int, str], str | None]:
    columns = {number: column for number, column in fields.items() if column.kind == "number"}
    letters: dict[int, str] = {}
    for number, column in columns.items():
        values = [int(value) for value in column.values if value]
        if any(abs(value) > 1 << 32 for value in values):
            letters[number] = "Q"
        elif len(values) < len(column.values) / 2:
            letters[number] = "P"
        elif values.count(0) > _ZEROS * len(values):
            letters[number] = "x"
    rest = {number: column for number, column in columns.items() if number not in letters}
    session = next((column for column in fields.values() if column.kind == "c"), None)
    process, doubt = _process(rest, session, pairs, background, heads)
    if process is not None:
        letters[process] = "p"
    for number, column in rest.items():
        if number != process:
            same = process is not None and column.values == columns[process].values
            letters[number] = "p" if same else LITERAL if column.constant else _counter_or_id(column, pairs)
    return letters, doubt


_ZEROS = 0.1
"""Share of the lines: %x is 0 in whatever only reads; a process or a line's number never is."""


def _counter_or_id(column: Field, pairs: Sequence[tuple[int, int]]) -> str:
    return "l" if not pairs or _steps(column, pairs, 1) >= _steps(column, pairs, 0) else "x"


def _steps(column: Field, pairs: Sequence[tuple[int, int]], step: int) -> float:
    """Share of the pairs of lines between which the number grows by `step`."""
    values = column.values
    hits = sum(
        bool(values[one]) and bool(values[two]) and int(values[two]) - int(values[one]) == step for one, two in pairs
    )
    return _share(hits, len(pairs))


def _process(
    columns: Mapping[int, Field],
    session: Field | None,
    pairs: Sequence[tuple[int, int]],
    background: Sequence[Background],
    heads: Sequence[Head],
) -> tuple[int | None, str | None]:
    """Which column is %p, if any; and a value of those among which it cannot be told."""
    if session is not None:
        wanted = [str(int(value.partition(".")[2], 16)) if value else "" for value in session.values]
        for number, column in columns.items():
            equal = sum(one == two for one, two in zip(column.values, wanted, strict=True))
            if equal > MOST * len(wanted):
                return number, None
        return None, None
    candidates = {
        number: column
        for number, column in columns.items()
        if (_steps(column, pairs, 0) >= MOST if pairs else not _counts_lines(column))
    }
    if len(candidates) > 1:
        varying = {number: column for number, column in candidates.items() if not column.constant}
        candidates = varying or candidates
    if len(candidates) == 2:
        (one, first), (two, second) = candidates.items()
        if _grows_within(second, first) != _grows_within(first, second):
            return (one if _grows_within(second, first) else two), None
    if len({column.values for column in candidates.values()}) > 1:
        return None, next(iter(candidates.values())).values[0]
    for number, column in candidates.items():
        if column.constant and _shared(number, column, background, heads):
            return None, None
        return number, None
    return None, None


def _shared(number: int, column: Field, background: Sequence[Background], heads: Sequence[Head]) -> bool:
    """Whether several processes have the number, which then is none of theirs."""
    others = any(line.values.get(number, "").strip() == column.values[0] for line in background)
    return others or sum(head.received for head in heads) > 1


def _counts_lines(column: Field) -> bool:
    """Whether the numbers are 1, 2, 3 and so on, none of them oftener than the one before it: each session's lines."""
    counts: dict[int, int] = defaultdict(int)
    for value in column.values:
        counts[int(value or 0)] += 1
    ordered = [counts[number] for number in sorted(counts)]
    falling = all(one >= other for one, other in pairwise(ordered))
    return sorted(counts) == list(range(1, len(counts) + 1)) and falling


def _grows_within(column: Field, group: Field) -> bool:
    """Whether a number grows from line to line within each value of another column."""
    last: dict[str, int] = {}
    steps = grown = 0
    for value, key in zip(column.values, group.values, strict=True):
        if not value:
            continue
        if key in last:
            steps += 1
            grown += int(value) > last[key]
        last[key] = int(value)
    return steps > 0 and grown >= MOST * steps
