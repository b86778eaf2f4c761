"""From a text to its query, parsing only what was not met before."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from advisor.errors import SqlError
from advisor.sql.comments import comment_tags, comment_text, split_comments
from advisor.sql.identify import Identity, identify
from advisor.workload.skeleton import has_comment, literals, replace_literals, skeleton

RECENT_TEXTS = 4096
"""Texts remembered as they are: those with `$n` recur to the letter. Emptied when full."""

RECENT_TEXT_CHARACTERS = 4096
"""Longer texts seldom recur; together with `RECENT_TEXTS` this bounds the memory."""

MAX_SKELETONS = 20_000
"""Skeletons remembered; generated texts (a new column list each time) must not fill the memory."""

MAX_PROBED_LITERALS = 64
"""Literals tried one by one for their meaning; a statement with more and a meaning in one is told by its text."""

FAILURES_BELIEVED = 8
"""Texts of one skeleton that did not parse, after which the next ones are not tried."""

_TRACE_TAGS = ("traceparent", "trace_id", "request_id", "correlation_id", "traceId", "requestId")
_VARYING_TAGS = frozenset((*_TRACE_TAGS, "tracestate", "span_id"))


class Recognised(NamedTuple):
    """A text's identity (None: it does not parse; `empty`: it holds no statement), its tags and its trace id."""

    identity: Identity | None
    tags: Mapping[str, str] | None = None
    trace: str | None = None
    empty: bool = False


_UNPARSED = Recognised(None)
_EMPTY = Recognised(None, empty=True)


class Recogniser:
    """Remembers texts and skeletons of one database. `texts` has what `recognise` would say of a recent text."""

    __slots__ = ("_database", "_failures", "_identities", "_significant", "_skeletons", "_tags", "texts")

    def __init__(self, database: str | None) -> None:
        self._database = database
        self.texts: dict[str, Recognised] = {}
        self._skeletons: dict[str, Recognised] = {}
        self._significant: dict[str, tuple[int, ...] | None] = {}
        self._failures: dict[str, int] = {}
        self._identities: dict[str, Identity] = {}
        self._tags: dict[str, tuple[Mapping[str, str], str | None]] = {}

    def recognise(self, sql: str) -> Recognised:
        """The identity of a text as it stands in a log."""
        return self.texts.get(sql) or self.recognise_new(sql)

    def recognise_new(self, sql: str) -> Recognised:
        """The same for a text that is not in `texts`, where it is put if it may recur."""
        shape = None if has_comment(sql) else skeleton(sql)
        known = self._skeletons.get(shape) if shape is not None else None
        if known is None:
            known = self._unseen(sql)
        elif shape != sql:
            # Its literals vary from call to call.
            return known
        if len(sql) <= RECENT_TEXT_CHARACTERS:
            if len(self.texts) >= RECENT_TEXTS:
                self.texts.clear()
            self.texts[sql] = known
        return known

    def _unseen(self, sql: str) -> Recognised:
        if not has_comment(sql):
            return self._bare(sql)
        body, tags, trace = self._without_comments(sql)
        if not body.strip("; \n\t\r"):
            return _EMPTY
        found = self._by_text(body) if has_comment(body) else self._bare(body)
        return Recognised(found.identity, tags or None, trace) if tags or trace else found

    def _without_comments(self, sql: str) -> tuple[str, Mapping[str, str], str | None]:
        start = sql.rfind("/*")
        if sql.endswith("*/") and start > 0:
            head = sql[:start]
            # Safe to cut only where the head is whole: an open quote would mean that this is no comment.
            if not has_comment(head) and "\\" not in head and "$" not in head and _balanced(head):
                tags, trace = self._tags_of(sql[start:])
                return head.rstrip().rstrip("; \n\t"), tags, trace
        body, found = split_comments(sql)
        return body, *_split_trace(found)

    def _tags_of(self, comment: str) -> tuple[Mapping[str, str], str | None]:
        known = self._tags.get(comment)
        if known is None:
            if len(self._tags) >= RECENT_TEXTS:
                self._tags.clear()
            known = self._tags[comment] = _split_trace(comment_tags(comment_text(comment)))
        return known

    def _bare(self, sql: str) -> Recognised:
        shape = skeleton(sql)
        if shape is None:
            return self._by_text(sql)
        known = self._skeletons.get(shape)
        if known is not None:
            return known
        if shape in self._significant:
            positions = self._significant[shape]
            if positions is None:
                return self._by_text(sql)
            values = literals(sql)
            key = "\2".join((shape, *(values[position] for position in positions)))
            known = self._skeletons.get(key)
            return known or self._remember(key, self._by_text(sql))
        if not sql.strip("; \n\t\r"):
            return _EMPTY
        return self._new_skeleton(shape, sql)

    def _new_skeleton(self, shape: str, sql: str) -> Recognised:
        found = self._by_text(sql)
        if found.identity is None:
            failures = self._failures[shape] = self._failures.get(shape, 0) + 1
            if failures >= FAILURES_BELIEVED:
                self._remember(shape, found)
            if len(self._failures) >= MAX_SKELETONS:
                self._failures.clear()
            return found
        positions = _significant_literals(sql, found.identity, self._database)
        if positions == ():
            return self._remember(shape, found)
        if len(self._significant) >= MAX_SKELETONS:
            self._significant.clear()
        self._significant[shape] = positions
        if positions is None:
            return found
        values = literals(sql)
        return self._remember("\2".join((shape, *(values[position] for position in positions))), found)

    def _remember(self, shape: str, found: Recognised) -> Recognised:
        if len(self._skeletons) >= MAX_SKELETONS:
            self._skeletons.clear()
        self._skeletons[shape] = found
        return found

    def _by_text(self, sql: str) -> Recognised:
        try:
            identity = identify(sql, self._database)
        except SqlError:
            return _UNPARSED
        # One object per identity, so that its owner can be found by address.
        return Recognised(self._identities.setdefault(identity.id, identity))


def _balanced(head: str) -> bool:
    return head.count("'") % 2 == 0 and head.count('"') % 2 == 0


def _split_trace(tags: Mapping[str, str]) -> tuple[Mapping[str, str], str | None]:
    trace = next((tags[name] for name in _TRACE_TAGS if tags.get(name)), None)
    if trace and trace.count("-") == 3:
        trace = trace.split("-")[1]  # https://www.w3.org/TR/trace-context/: version-trace-parent-flags
    return {name: value for name, value in tags.items() if name not in _VARYING_TAGS}, trace


def _significant_literals(sql: str, identity: Identity, database: str | None) -> tuple[int, ...] | None:
    """Positions of the literals whose value is part of the identity; None where only the whole text tells.

    Tried, not reasoned: each literal is given other values, and the identity must stay.
    """
    values = literals(sql)
    if not values or all(_same(sql, list(map(vary, values)), identity, database) for vary in _VARIATIONS):
        return ()
    if len(values) > MAX_PROBED_LITERALS:
        return None
    found = []
    for position, value in enumerate(values):
        for vary in _VARIATIONS:
            if not _same(sql, [*values[:position], vary(value), *values[position + 1 :]], identity, database):
                found.append(position)
                break
    return tuple(found) or None


def _same(sql: str, values: list[str], identity: Identity, database: str | None) -> bool:
    try:
        return identify(replace_literals(sql, values), database).id == identity.id
    except SqlError:
        return False


def _small(value: str) -> str:
    return "7" if value.isdigit() else _longer(value)


def _shifted(value: str) -> str:
    return value.translate(_NEXT_DIGIT) if value.isdigit() else _longer(value)


def _huge(value: str) -> str:
    return "98765432109876" if value.isdigit() else _longer(value)


def _longer(value: str) -> str:
    end = -1 if value.endswith("'") else value.rfind("$", 0, -1)
    return f"{value[:end]}x{value[end:]}"


_NEXT_DIGIT = str.maketrans("0123456789", "1234567892")
_VARIATIONS: tuple[Callable[[str], str], ...] = (_small, _shifted, _huge)
