"""Which escape each field of a layout is: by its values, by what the messages say of the session, by convention.

Numbers and times tell themselves apart. Users, databases and applications look alike: a log that names them in its
connections tells which is which, else a key (`user=`) or the usual order (`user@database/application`) does. Where
neither does, the labels are in doubt, and that is said.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from advisor.sources.columns import Field, Layout, Text
from advisor.sources.heads import CONTINUED, Head, Names

LITERAL = ""
"""The label of a field that is literal text: a word that all lines have."""

MARGIN = 2.0
"""By how much the best labels must be better than others that would give a line another user or database."""

MOST = 0.9
"""Share of the lines with evidence that must agree: the rest may be torn, or written by two processes at once."""

KEYS: Mapping[str, str] = {
    **dict.fromkeys(("user", "usr", "u", "username", "role", "login"), "u"),
    **dict.fromkeys(("db", "database", "d", "dbname"), "d"),
    **dict.fromkeys(("app", "application", "appname", "a", "application_name", "program"), "a"),
    **dict.fromkeys(("client", "host", "remote", "h", "r", "ip", "addr", "from", "client_ip", "rhost"), "h"),
    **dict.fromkeys(("backend", "type", "b", "backend_type", "btype"), "b"),
    **dict.fromkeys(("cmd", "tag", "i", "command"), "i"),
}
"""Words before `=` or `:` that name the field behind them."""

_APPLICATIONS = re.compile(
    r"psql|pgbench|pg_(?:dump|dumpall|restore|basebackup|receivewal|isready)|walreceiver|"
    r"(?:PostgreSQL JDBC Driver|DBeaver|pgAdmin|DataGrip|Npgsql|pgbouncer|pgcli|Patroni|barman|pgbackrest).*",
    re.IGNORECASE,
)
_HOST = re.compile(r"(?![0-9a-f]{8}\.)[\w-]+(?:\.[\w-]+)+(?:\(\d+\))?|localhost(?:\(\d+\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """A head of a process without a client, read by a layout: its values up to piece `stop`, where it ends.

    `letters`: how many letters of that piece, a text, it still has.
    """

    values: Mapping[int, str]
    stop: int
    letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Escape letters by piece. `doubts`: values of a field whose escape cannot be told, None where all can."""

    letters: Mapping[int, str]
    doubt: str | None = None


def label(layout: Layout, background: Sequence[Background], names: Names, unknown: str) -> Labels:
    """The escape of each field of a layout."""
    fields = {number: piece for number, piece in enumerate(layout.pieces) if isinstance(piece, Field)}
    pairs = _pairs(layout.heads)
    letters: dict[int, str] = {}
    letters.update(_label_plain(fields))
    letters.update(_label_times(fields))
    numbers, doubt = _label_numbers(fields, pairs, background, layout.heads)
    letters.update(numbers)
    groups = _groups(fields, letters)
    words = {number: piece for number, piece in fields.items() if piece.kind == "word"}
    found = _label_words(words, layout, background, names, unknown, groups)
    letters.update(found.letters)
    return Labels(letters=letters, doubt=doubt or found.doubt)


def _label_plain(fields: Mapping[int, Field]) -> Iterator[tuple[int, str]]:
    for number, column in fields.items():
        if column.kind in ("n", "c", "v", "e"):
            yield number, column.kind
        elif column.kind == "address":
            yield number, "r"


def _pairs(heads: Sequence[Head]) -> list[tuple[int, int]]:
    """Rows of a line and the next that belongs to the same record: one process wrote both, one after the other."""
    return [
        (row, row + 1)
        for row in range(len(heads) - 1)
        if heads[row + 1].severity in CONTINUED and heads[row + 1].row == heads[row].row + 1
    ]


def _share(hits: int, total: int) -> float:
    return hits / total if total else 0.0


def _label_times(fields: Mapping[int, Field]) -> Iterator[tuple[int, str]]:
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


def _label_numbers(
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


def _groups(fields: Mapping[int, Field], letters: Mapping[int, str]) -> Sequence[str] | None:
    """The session of each row, as far as the layout tells it."""
    for wanted in ("c", "p"):
        for number, column in fields.items():
            if letters.get(number) == wanted:
                return column.values
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """What words are judged by. `lines`: the rows of each session, in their order."""

    layout: Layout
    background: Sequence[Background]
    names: Names
    unknown: frozenset[str]
    groups: Sequence[str] | None


def _label_words(
    words: Mapping[int, Field],
    layout: Layout,
    background: Sequence[Background],
    names: Names,
    unknown: str,
    groups: Sequence[str] | None,
) -> Labels:
    evidence = _Evidence(
        layout=layout,
        background=background,
        names=names,
        unknown=frozenset(("", "[unknown]", unknown)),
        groups=groups,
    )
    costs = {number: _costs(number, column, evidence) for number, column in words.items()}
    ranked = sorted(_assignments(list(costs.items())), key=lambda found: found[0])
    if not ranked:
        return Labels(letters={})
    best_cost, best = ranked[0]
    strange = next((number for number, letter in best.items() if letter == "?"), None)
    if strange is not None:
        return Labels(letters=best, doubt=max(words[strange].values))
    extracted = _extracted(best, words)
    for cost, other in ranked[1:]:
        if cost >= best_cost + MARGIN:
            break
        if _extracted(other, words) != extracted:
            differing = next(number for number in words if best[number] != other[number])
            return Labels(letters=best, doubt=words[differing].values[0])
    return Labels(letters=best)


def _extracted(letters: Mapping[int, str], words: Mapping[int, Field]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for number, letter in letters.items():
        if letter in ("u", "d", "a"):
            found.setdefault(letter, words[number].values)
    return found


def _assignments(costs: Sequence[tuple[int, Mapping[str, float]]]) -> Iterator[tuple[float, dict[int, str]]]:
    """Labels of all words with what they cost; user, database and application are given once each."""
    if not costs:
        yield 0.0, {}
        return
    number, choices = costs[0]
    for cost, others in _assignments(costs[1:]):
        for letter, price in choices.items():
            if letter not in ("u", "d", "a") or letter not in others.values():
                yield cost + price, {number: letter, **others}


def _costs(number: int, column: Field, evidence: _Evidence) -> dict[str, float]:
    """What each label costs: 0 where evidence is for it, 2 where nothing is for or against it; absent: impossible."""
    if column.special:
        return {column.special: 0.0}
    key = _key(number, evidence.layout)
    twice = any(
        other.values == column.values
        for at, other in enumerate(evidence.layout.pieces)
        if at < number and isinstance(other, Field)
    )
    costs = {"b" if twice else "?": 4.0}
    literal = _literal_cost(number, column, evidence, key)
    if literal is not None:
        costs[LITERAL] = literal
    prices = {
        "u": _name_cost("u", number, column, evidence, key),
        "d": _name_cost("d", number, column, evidence, key),
        "a": _application_cost(number, column, evidence, key),
    }
    costs |= {letter: price for letter, price in prices.items() if price is not None}
    values = set(column.values) - evidence.unknown
    if key == "h" or values <= evidence.names.hosts or (values and all(map(_HOST.fullmatch, values))):
        costs["h"] = 0.0
    if key in ("b", "i"):
        costs[key] = 0.0
    return costs


_KEY = re.compile(r"([A-Za-z_]+) ?[=:] ?[\"'(\[<{]?$")


def _key(number: int, layout: Layout) -> str | None:
    """The label that the text before a field names it by."""
    before = layout.pieces[number - 1] if number else None
    found = _KEY.search(before.text) if isinstance(before, Text) else None
    return KEYS.get(found[1].lower()) if found else None


def _literal_cost(number: int, column: Field, evidence: _Evidence, key: str | None) -> float | None:
    if not column.constant or not column.values[0] or column.values[0] in evidence.unknown:
        return None
    there = [line.values[number].strip() for line in evidence.background if line.stop > number]
    if any(value != column.values[0] for value in there):
        return None
    if key is not None or column.values[0] in evidence.names.all:
        return 3.0
    if there or any(head.received for head in evidence.layout.heads):
        return 0.0
    # A word before time and process is the name of the host or the cluster: nobody's prefix begins with a user but
    # as `user@database`.
    following = [piece for piece in evidence.layout.pieces[number + 1 :] if isinstance(piece, Field)]
    heading = (
        any(piece.kind in ("m", "t", "n") for piece in following) and _beside(number, evidence.layout, "@") is None
    )
    return 0.0 if heading else 1.0


def _beside(number: int, layout: Layout, sign: str) -> str | None:
    """`before` or `behind` where a sign joins this word with another one."""
    pieces = layout.pieces

    def joined(text: int, other: int) -> bool:
        if not (0 <= text < len(pieces) and 0 <= other < len(pieces)):
            return False
        between, word = pieces[text], pieces[other]
        return isinstance(between, Text) and between.text == sign and isinstance(word, Field) and word.kind == "word"

    if joined(number + 1, number + 2):
        return "behind"
    return "before" if joined(number - 1, number - 2) else None


def _name_cost(letter: str, number: int, column: Field, evidence: _Evidence, key: str | None) -> float | None:
    """Of a user or a database."""
    if _varies_within(column, evidence) or _known_too_early(column, evidence) or _on_background(number, evidence):
        return None
    wanted = [head.user if letter == "u" else head.database for head in evidence.layout.heads]
    hits = sum(value == name for value, name in zip(column.values, wanted, strict=True) if name)
    total = sum(map(bool, wanted))
    if total:
        return 0.0 if hits >= MOST * total else None
    own, other = evidence.names.users, evidence.names.databases
    if letter == "d":
        own, other = other, own
    values = set(column.values) - evidence.unknown
    if values and values <= own and not values & other:
        # A user may be called like a database: this alone decides nothing.
        return 1.0
    if key is not None:
        return 0.0 if key == letter else None
    if _beside(number, evidence.layout, "@") == ("behind" if letter == "u" else "before"):
        return 0.0
    return 2.0


def _application_cost(number: int, column: Field, evidence: _Evidence, key: str | None) -> float | None:
    if _known_too_early(column, evidence) or _on_background(number, evidence):
        return None
    connected = [value for head, value in zip(evidence.layout.heads, column.values, strict=True) if head.connected]
    if connected:
        unknown = sum(value in evidence.unknown for value in connected)
        return 0.0 if unknown >= MOST * len(connected) else None
    values = set(column.values) - evidence.unknown
    if _varies_within(column, evidence) or (values and all(map(_APPLICATIONS.fullmatch, values))):
        return 0.0
    if key is not None:
        return 0.0 if key == "a" else None
    slashed = _beside(number, evidence.layout, "/") == "before"
    return 0.0 if slashed and _beside(number - 2, evidence.layout, "@") == "before" else 2.0


def _known_too_early(column: Field, evidence: _Evidence) -> bool:
    """Whether it has a value when a connection has only been received."""
    early = [value for head, value in zip(evidence.layout.heads, column.values, strict=True) if head.received]
    return sum(value not in evidence.unknown for value in early) > (1 - MOST) * len(early)


def _on_background(number: int, evidence: _Evidence) -> bool:
    """Whether processes without a client have a value there."""
    return any(line.stop > number and line.values[number].strip() for line in evidence.background)


def _varies_within(column: Field, evidence: _Evidence) -> bool:
    """Whether it changes during sessions: a user and a database stay."""
    if evidence.groups is None:
        return False
    seen: dict[str, set[str]] = defaultdict(set)
    for group, value in zip(evidence.groups, column.values, strict=True):
        if value not in evidence.unknown:
            seen[group].add(value)
    changed = sum(len(values) > 1 for values in seen.values())
    return changed > (1 - MOST) * len(seen)
