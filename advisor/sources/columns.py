"""Heads of a log laid side by side: where they agree is literal text, where they do not is a field.

They are read from left to right, all at once. At each place the kind of token that most heads have decides; those that
have another one are left aside (they may come from another program, or lack an optional field).
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from advisor.sources.escapes import DATE
from advisor.sources.heads import Head, Names

Kind = Literal["m", "t", "n", "c", "v", "e", "address", "number", "word"]
"""Of a field: those of one letter are the escape; a time may still be that of the session's start."""

KEPT_SHARE = 0.5
"""Of the heads, how many must be laid out to the end: with fewer the layout is a chance."""

_ZONE = r"(?:[A-Z][A-Za-z]{1,4}|<?[+-]\d\d(?:\d\d)?>?)"
_TYPES = (
    "client backend|autovacuum (?:launcher|worker)|logical replication (?:launcher|(?:(?:parallel )?apply |tablesync )?"
    "worker)|parallel worker|background (?:writer|worker)|checkpointer|postmaster|startup|walreceiver|walsender|"
    "walwriter|walsummarizer|archiver|logger|slotsync worker|io worker|dead-end client backend|standalone backend"
)
"""`%b`. Source: src/backend/utils/init/miscinit.c, GetBackendTypeDesc."""
_COMMANDS = (
    "(?:SELECT|INSERT|UPDATE|DELETE|MERGE|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|PREPARE|EXECUTE|DEALLOCATE|FETCH|"
    "DECLARE|CLOSE|COPY|CREATE|ALTER|DROP|TRUNCATE|VACUUM|ANALYZE|EXPLAIN|SET|SHOW|RESET|DISCARD|GRANT|REVOKE|LOCK|"
    "CALL|DO|REINDEX|CLUSTER|REFRESH|LISTEN|NOTIFY|UNLISTEN|CHECKPOINT|LOAD|COMMENT|PARSE|BIND|IMPORT|START|ABORT)"
    r"(?: [A-Z]+){0,3}(?: waiting)?(?![\w.-])|idle(?: in transaction(?: \(aborted\))?)?(?![\w.-])|"
    r"authentication(?: waiting)?(?![\w.-])"
)
"""`%i`. Source: src/include/tcop/cmdtaglist.h and the callers of set_ps_display."""
_GROUPS = r"[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*"
_IP = (
    rf"\d{{1,3}}(?:\.\d{{1,3}}){{3}}|(?:{_GROUPS})?::(?:{_GROUPS})(?!-\d)(?:\.\d{{1,3}}){{0,3}}"
    r"|[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){7}"
)


_APPLICATIONS = (
    r"PostgreSQL JDBC Driver|DBeaver [\d.]+ - [A-Z]\w+(?: <[^>]*>)?|pgAdmin 4 - \w+:\w+|DataGrip [\d.]+"
    r"|Azure Data Studio"
)
"""Names that clients give themselves and that have blanks in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Literal text between fields. `uneven`: how many blanks each head has, where not all have as many; else None."""

    text: str
    uneven: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field with its value on each head that was kept; "" where it is empty. `special`: most values are of one list:
    kinds of process (`b`), commands (`i`)."""

    kind: Kind
    values: tuple[str, ...]
    special: str = ""

    @property
    def constant(self) -> bool:
        """Whether it has one value on all heads."""
        return len(set(self.values)) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Pieces from left to right, the heads that follow them, those that end early, and those of another shape."""

    pieces: tuple[Text | Field, ...]
    heads: tuple[Head, ...]
    stopped: tuple[Head, ...]
    aside: tuple[Head, ...]


def tokens(names: Names, unknown: str) -> re.Pattern[str]:
    """What a head is read by, with the names that the log speaks of."""
    known = "|".join([*map(re.escape, sorted(names.all, key=len, reverse=True)), _APPLICATIONS])
    return re.compile(
        rf"(?P<m>{DATE}\.\d{{3}} {_ZONE})|(?P<t>{DATE} {_ZONE})|(?P<n>\d{{10}}\.\d{{3}}(?!\d))"
        r"|(?P<c>[0-9a-f]{8}\.[0-9a-f]{1,8}(?![\w.]))"
        rf"|(?P<address>(?:{_IP})(?:\(\d+\))?(?![\w.])|\[(?:local|none)\])"
        rf"|(?P<v>-?\d+/(?:0|[1-9]\d*)(?!\w|-\d\d-\d))|(?P<unknown>\[unknown\]|{re.escape(unknown)})"
        rf"|(?P<known>(?:{known})(?![\w]))|(?P<b>(?:{_TYPES})(?![\w.-]))|(?P<i>{_COMMANDS})"
        r"|(?P<number>-?\d+(?!\w))|(?P<word>[\w$]+(?:[.-][\w$]+)*)|(?P<blanks> +)|(?P<mark>[^\n])",
    )


_WORDS = frozenset(("word", "known", "unknown", "b", "i"))
_ACCEPTED = {"word": frozenset((*_WORDS, "address")), "address": frozenset((*_WORDS, "address"))}


@dataclass(slots=True)
class _Table:
    """Heads on their way through, with the place each one is at."""

    token: re.Pattern[str]
    heads: list[Head]
    places: list[int]
    long_names: bool
    pieces: list[str | dict[int, int] | tuple[Kind, dict[int, str]]] = field(default_factory=list)
    """Literals, blanks by row, fields with values by row."""

    rows: list[int] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)
    special: list[Counter[str]] = field(default_factory=list)

    def matches(self) -> dict[int, re.Match[str]]:
        found = {}
        for row in self.rows:
            match = self.token.match(self.heads[row].text, self.places[row])
            if match:
                found[row] = match
        return found

    def literal(self, text: str) -> None:
        last = self.pieces[-1] if self.pieces else None
        if isinstance(last, str):
            self.pieces[-1] = last + text
        else:
            self.pieces.append(text)


def lay_out(heads: Sequence[Head], token: re.Pattern[str], *, long_names: bool) -> Layout | None:
    """The pieces that most heads have in common; None where too few have.

    `long_names`: a name goes on to what follows where it is not known yet; else it is one word.
    """
    table = _Table(token, list(heads), [0] * len(heads), long_names, rows=list(range(len(heads))))
    while table.rows:
        found = table.matches()
        ended = [row for row in table.rows if row not in found]
        if 2 * len(ended) >= len(table.rows):
            table.rows = ended
            break
        table.stopped += ended
        table.rows = [row for row in table.rows if row in found]
        _step(table, found)
    if len(table.rows) < KEPT_SHARE * (len(heads) - len(table.stopped)) or not table.rows:
        return None
    kept = set(table.rows)
    stopped = set(table.stopped)
    return Layout(
        pieces=tuple(_piece(piece, table) for piece in table.pieces),
        heads=tuple(heads[row] for row in table.rows),
        stopped=tuple(heads[row] for row in table.stopped),
        aside=tuple(head for row, head in enumerate(heads) if row not in kept and row not in stopped),
    )


def _piece(piece: str | dict[int, int] | tuple[Kind, dict[int, str]], table: _Table) -> Text | Field:
    if isinstance(piece, str):
        return Text(text=piece)
    if isinstance(piece, dict):
        blanks = tuple(piece.get(row, 0) for row in table.rows)
        return Text(text=" " * min(blanks), uneven=blanks)
    kind, found = piece
    values = tuple(found[row] for row in table.rows)
    return Field(kind=kind, values=values, special=_special(values, table.token))


def _special(values: Sequence[str], token: re.Pattern[str]) -> str:
    kinds = Counter(match.lastgroup for value in values if value and (match := token.fullmatch(value)))
    total = sum(kinds.values())
    return next((kind for kind in ("b", "i") if total and kinds[kind] > _SPECIAL_SHARE * total), "")


_SPECIAL_SHARE = 0.6
"""Of a word's values: a user may be called `startup`, but not most of them."""


def _step(table: _Table, found: dict[int, re.Match[str]]) -> None:
    states = _states(table)
    if states:
        _take(table, "e", states, found)
        return
    kinds = {row: _kind(match) for row, match in found.items()}
    common, _ = Counter(kinds.values()).most_common(1)[0]
    if common != " " and _skip_blanks(table, found, kinds, common):
        _step(table, table.matches())
        return
    if common == "number" and all(match[0].startswith("-") for match in found.values()):
        table.rows = list(found)
        table.literal("-")
        _advance(table, dict.fromkeys(table.rows, 1))
    elif common == " ":
        _take_blanks(table, found, kinds)
    elif len(common) == 1 and not common.isalnum():
        table.rows = [row for row in table.rows if kinds[row] == common]
        table.literal(common)
        _advance(table, dict.fromkeys(table.rows, 1))
    else:
        accepted = _ACCEPTED.get(common, frozenset((common,)))
        values = {row: match[0] for row, match in found.items() if (match.lastgroup or "") in accepted}
        if common == "word" and table.long_names:
            values = _whole(table, found, values)
        _take(table, common, values, found)  # type: ignore[arg-type]


def _kind(match: re.Match[str]) -> str:
    """A kind of field, or the character of a literal."""
    group = match.lastgroup or ""
    if group == "blanks":
        return " "
    if group == "mark":
        return match[0]
    return "word" if group in _WORDS else group


def _states(table: _Table) -> dict[int, str] | None:
    """SQLSTATEs, where all heads have five letters here that are 00000 for whatever is no error."""
    states: dict[int, str] = {}
    successful = 0
    for row in table.rows:
        match = _STATE.match(table.heads[row].text, table.places[row])
        if not match:
            continue
        severity = table.heads[row].severity
        if severity == "LOG":
            if match[0] != "00000":
                continue
            successful += 1
        states[row] = match[0]
    return states if successful and len(states) >= _STATES_SHARE * len(table.rows) else None


_STATE = re.compile(r"[0-9A-Z]{5}(?!\d)")
_STATES_SHARE = 0.7
"""Of the heads: a third may be another program's. Five zeros are no process, and no line's number."""


def _whole(table: _Table, found: dict[int, re.Match[str]], values: dict[int, str]) -> dict[int, str]:
    """Names up to what follows where the name is not known yet (`[unknown]`): they may hold blanks and other marks."""
    ends = [table.heads[row].text[match.end() :] for row, match in found.items() if match.lastgroup == "unknown"]
    end = re.split(r"\d|\[[^\s\d\]]+\]| {2}", _common_start(ends).lstrip(" "))[0] if ends else ""
    for length in range(min(len(end), _LONGEST_END), 0, -1):
        # What follows an unknown name may be an empty field, and another one's value elsewhere.
        mark = end[:length]
        whole = {row: name for row in values if (name := _up_to(table, row, mark, len(values[row]))) is not None}
        if len(whole) >= _ENDED * len(values):
            return whole
    return values


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:length]


def _up_to(table: _Table, row: int, mark: str, length: int) -> str | None:
    text, place = table.heads[row].text, table.places[row]
    at = text.find(mark, place + length)
    return text[place:at].rstrip(" ") if at >= 0 else None


_ENDED = 0.9
"""Share of the heads that must have what ends the unknown ones' name."""

_LONGEST_END = 4
"""Letters that end a name: more might already be a value that all lines have."""


def _take(table: _Table, kind: Kind, values: dict[int, str], found: dict[int, re.Match[str]]) -> None:
    """A field: heads without a value stay if they go on with the character that follows the others' values."""
    following = Counter(table.heads[row].text[table.places[row] + len(value) :][:1] for row, value in values.items())
    after = following.most_common(1)[0][0]
    for row in table.rows:
        if row not in values and after and found[row][0][0] == after:
            values[row] = ""
    table.rows = [row for row in table.rows if row in values]
    _advance(table, {row: len(values[row]) for row in table.rows})
    table.pieces.append((kind, values))


def _skip_blanks(table: _Table, found: dict[int, re.Match[str]], kinds: dict[int, str], common: str) -> bool:
    """Whether some heads had blanks before what most have here: a value that is mostly longer than its padding."""
    alike = {row: match for row, match in found.items() if kinds[row] == common}
    # Behind a name that has a blank is no end of the field, behind an unknown one is.
    alike = {row: match for row, match in alike.items() if match.lastgroup == "unknown"} or alike
    ends = Counter(table.heads[row].text[match.end() :][:1] for row, match in alike.items())
    end = ends.most_common(1)[0][0]
    skipped = {}
    for row, match in found.items():
        text, place = table.heads[row].text, match.end()
        behind = table.token.match(text, place) if kinds[row] == " " else None
        # A blank may be what follows the field, which is empty there: then another thing follows.
        if behind and _kind(behind) == common and (end != " " or text[behind.end() :][:1] == end):
            skipped[row] = len(match[0])
    for row, length in skipped.items():
        table.places[row] += length
    if skipped:
        table.pieces.append(skipped)
    return bool(skipped)


def _behind(table: _Table, row: int, length: int) -> str:
    """The kind of what stands some letters further on; empty at the end."""
    match = table.token.match(table.heads[row].text, table.places[row] + length)
    return _kind(match) if match else ""


def _take_blanks(table: _Table, found: dict[int, re.Match[str]], kinds: dict[int, str]) -> None:
    """Blanks: literal where all heads have as many, else one of the fields beside them is padded."""
    lengths = {row: len(match[0]) if kinds[row] == " " else 0 for row, match in found.items()}
    behind = {row: _behind(table, row, length) for row, length in lengths.items()}
    common = Counter(behind[row] for row in table.rows if kinds[row] == " ").most_common(1)[0][0]
    rows = [row for row in table.rows if kinds[row] == " " or behind[row] == common]
    counts = Counter(lengths[row] for row in rows if behind[row] == common)
    usual = counts.most_common(1)[0][0]
    uneven = len(counts) > 1
    table.rows = rows
    if not uneven:
        table.literal(" " * usual)
        # A head with more blanks has an empty field between them: only the common ones are passed over.
        _advance(table, {row: min(lengths[row], usual) for row in rows})
        return
    table.pieces.append(lengths)
    # An empty field is followed by its own literal, which is the last blank.
    _advance(table, {row: lengths[row] - (behind[row] != common and lengths[row] > 1) for row in rows})


def _advance(table: _Table, lengths: dict[int, int]) -> None:
    for row in table.rows:
        table.places[row] += lengths[row]


def parted(pieces: Sequence[Text | Field], number: int) -> tuple[Text | Field, ...]:
    """The pieces with a field of two numbers and a stroke as three: it only looks like a virtual transaction."""
    whole = pieces[number]
    assert isinstance(whole, Field)
    halves = [value.partition("/") for value in whole.values]
    first, second = (Field(kind="number", values=tuple(half[at] for half in halves)) for at in (0, 2))
    return (*pieces[:number], first, Text(text="/"), second, *pieces[number + 1 :])


def merged(pieces: Sequence[Text | Field], start: int, end: int) -> tuple[Text | Field, ...]:
    """The pieces with those from `start` to `end` (both words) as one word, with the text between them."""
    parts = pieces[start : end + 1]
    count = next(len(part.values) for part in parts if isinstance(part, Field))
    values = tuple(
        "".join(part.values[row] if isinstance(part, Field) else part.text for part in parts) for row in range(count)
    )
    first = parts[0]
    assert isinstance(first, Field)
    return (*pieces[:start], replace(first, values=values, special=""), *pieces[end + 1 :])
