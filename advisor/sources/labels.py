"""Which escape each field of a layout is: by its values, by what the messages say of the session, by convention.

Numbers and times tell themselves apart. Users, databases and applications look alike: a log that names them in its
connections tells which is which, else a key (`user=`) or the usual order (`user@database/application`) does. Where
neither does, the labels are in doubt, and that is said.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from advisor.sources.columns import Field, Layout, Text
from advisor.sources.counters import LITERAL, MOST, Background, label_numbers, label_times, pairs_of
from advisor.sources.heads import Names

MARGIN = 2.0
"""By how much the best labels must be better than others that would give a line another user or database."""

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
class Labels:
    """Escape letters by piece. `doubts`: values of a field whose escape cannot be told, None where all can."""

    letters: Mapping[int, str]
    doubt: str | None = None


def label(layout: Layout, background: Sequence[Background], names: Names, unknown: str) -> Labels:
    """The escape of each field of a layout."""
    fields = {number: piece for number, piece in enumerate(layout.pieces) if isinstance(piece, Field)}
    pairs = pairs_of(layout.heads)
    letters: dict[int, str] = {}
    letters.update(_label_plain(fields))
    letters.update(label_times(fields))
    numbers, doubt = label_numbers(fields, pairs, background, layout.heads)
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


def _groups(fields: Mapping[int, Field], letters: Mapping[int, str]) -> Sequence[str] | None:
    """The session of each row, as far as the layout tells it."""
    for wanted in ("c", "p"):
        for number, column in fields.items():
            if letters.get(number) == wanted:
                return column.values
    return None


MAX_ASSIGNMENTS = 1 << 12
"""Ways to label all words that are compared. Real prefixes have some dozens."""

_ONCE = frozenset(("u", "d", "a"))


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
    assignments = _assignments(list(costs.items()))
    if assignments is None:
        return Labels(letters={}, doubt=max(next(iter(words.values())).values))
    ranked = sorted(assignments, key=lambda found: found[0])
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


def _assignments(costs: Sequence[tuple[int, Mapping[str, float]]]) -> list[tuple[float, dict[int, str]]] | None:
    """Labels of all words with what they cost; user, database and application are given once each.

    Left out are those that cost `MARGIN` more than another. None where the others are too many: of each word several
    labels are as good, and a prefix has few words.
    """
    limit = _some_cost(costs) + MARGIN
    left = sum(min(choices.values()) for _, choices in costs)
    found: list[tuple[float, dict[int, str]]] = [(0.0, {})]
    for number, choices in reversed(costs):
        left -= min(choices.values())
        found = [
            (cost + price, {number: letter, **others})
            for cost, others in found
            for letter, price in choices.items()
            if cost + price + left <= limit and (letter not in _ONCE or letter not in others.values())
        ]
        if len(found) > MAX_ASSIGNMENTS:
            return None
    return found


def _some_cost(costs: Sequence[tuple[int, Mapping[str, float]]]) -> float:
    """What one choice of labels costs, not much more than the best; infinite where none was found."""
    given: set[str] = set()
    total = 0.0
    for _, choices in costs:
        free = {letter: price for letter, price in choices.items() if letter not in given}
        if not free:
            return float("inf")
        letter = min(free, key=free.__getitem__)
        given |= {letter} & _ONCE
        total += free[letter]
    return total


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
    # A word at the very beginning is the name of the host or the cluster: nobody's prefix begins with a user but as
    # `user@database`.
    before = evidence.layout.pieces[:number]
    heading = all(isinstance(piece, Text) or piece.constant for piece in before)
    heading = heading and _beside(number, evidence.layout, "@") is None
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
    users = _is_said(column, [head.user for head in evidence.layout.heads])
    databases = _is_said(column, [head.database for head in evidence.layout.heads])
    said, other_said = (users, databases) if letter == "u" else (databases, users)
    if said is False:
        return None
    # Where users are called like their databases, what connections say decides nothing between the two.
    if said and not other_said:
        return 0.0
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


def _is_said(column: Field, said: Sequence[str | None]) -> bool | None:
    """Whether a word is what the messages of its sessions' connections say; None where they say nothing."""
    hits = sum(value == name for value, name in zip(column.values, said, strict=True) if name)
    total = sum(map(bool, said))
    return hits >= MOST * total if total else None


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
