"""From a message to its query, parsing only what was not met before.

Five tables, from the quickest to the most exact: the message with its digits as zeros, without its strings, its very
text, its skeleton, and libpg_query. Each is filled only with what the next one says and what it can never confuse.
"""

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from advisor.errors import SqlError
from advisor.sources.sink import ZERO
from advisor.sources.text import decoded
from advisor.sql.comments import comment_tags, comment_text, split_comments
from advisor.sql.identify import Identity, identify
from advisor.workload.known import Known
from advisor.workload.skeleton import has_comment, literal_spans, literals, skeleton, without_strings, zeroed
from advisor.workload.totals import QueryTotals

RECENT_TEXTS = 4096
"""Texts remembered as they are: those with `$n` recur to the letter. Emptied when full."""

RECENT_TEXT_BYTES = 4096
"""Longer texts seldom recur; together with `RECENT_TEXTS` this bounds the memory."""

MAX_SHAPES = 1 << 16
"""Messages remembered without their values. Emptied when full."""

MAX_SKELETONS = 1 << 18
"""Skeletons remembered, 16 bytes each; generated texts (a new column list each time) must not fill the memory."""

MAX_SIGNIFICANT = 64
"""A statement with more literals whose value matters is told by its text."""

FAILURES_BELIEVED = 8
"""Texts of one skeleton that did not parse, after which the next ones are not tried."""

_STEP = re.compile(rb"(?:statement|execute)\b[^:\n]*: ")

_TRACE = re.compile(rb"traceparent='(00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2})'")
"""https://www.w3.org/TR/trace-context/: version, trace id, parent, flags."""

_TRACE_TAGS = ("traceparent", "trace_id", "request_id", "correlation_id", "traceId", "requestId")
_VARYING_TAGS = frozenset((*_TRACE_TAGS, "tracestate", "span_id"))


def text_of(message: bytes) -> str:
    """The statement of a message, without the closing semicolon."""
    return decoded(message.partition(b": ")[2]).strip().rstrip("; \n\t")


class Recogniser:
    """Remembers the messages of one database.

    `shapes` and `texts` are what `recognise` would say of a message, by its zeroed text and by its text.
    """

    __slots__ = (
        *(
            "_database",
            "_failed",
            "_failures",
            "_identities",
            "_parsed",
            "_significant",
            "_skeletons",
            "_strings",
            "_tags",
            "_totals_of",
        ),
        *("empty", "shapes", "texts", "unparsed"),
    )

    def __init__(
        self,
        database: str | None,
        totals_of: Callable[[Identity | None, str], QueryTotals],
        failed: Callable[[str], None] = lambda _shape: None,
    ) -> None:
        """`failed` is told each text that does not parse, without its literals, at least once."""
        self._failed = failed
        self._database = database
        self._totals_of = totals_of
        self.shapes: dict[bytes, Any] = {}
        self.texts: dict[bytes, Any] = {}
        self._strings: dict[bytes, Known] = {}
        self._skeletons: dict[bytes, Known] = {}
        self._significant: dict[bytes, tuple[int, ...] | None] = {}
        self._failures: dict[bytes, int] = {}
        self._parsed = 0
        self._identities: dict[str, Known] = {}
        self._tags: dict[bytes, tuple[Mapping[str, str], str | None]] = {}
        self.unparsed = Known(totals_of(None, "unparsed"))
        self.empty = Known(totals_of(None, "empty"))

    def recognise(self, message: bytes) -> Any:
        """A message (`statement: SELECT 1`) that is not in `shapes` or `texts`: a `Known`, or None."""
        # As `without_strings`, without its calls: most statements of a log that has literals come this way.
        if b"'" in message and b"\\" not in message:
            parts = message.split(b"'")
            if len(parts) & 1:
                known = self._strings.get(b"'".join(parts[::2]).translate(ZERO))
                if known is not None:
                    return known
        step = _STEP.match(message)
        if step is None:
            return None
        if message.endswith((b"*/", b"*/;")):
            known = self._tagged(message)
            if known is not None:
                return known
        parsed = self._parsed
        known, varies = self._known(message[step.end() :])
        if self._parsed != parsed and varies:
            # The first of its kind: most of a generated workload's never come again, and their keys are long.
            return known
        key = zeroed(message) if known.tags is None and known.trace is None else None
        if key is not None and varies:
            self._remember_key(key, known)
        elif not varies or b"$" in message:
            self._remember_text(message, known)
        return known

    def _by_key(self, message: bytes) -> Known | None:
        """By the text without strings, or without numbers."""
        key = without_strings(message)
        if key is None:
            return None
        return self._strings.get(key) if b"'" in key else self.shapes.get(key)

    def _tagged(self, message: bytes) -> Known | None:
        """By the text before the comment at the end, and what that says; None where that text is not known yet.

        The text is known by a key or to the letter, so that it ends outside of strings and of comments (but for one
        to the end of the line), and what follows is a comment.
        """
        cut = message.rfind(b"/*")
        # The last `*/` belongs to the last `/*`, and is no part of it.
        if cut < 0 or message.find(b"*/", cut + 2) != message.rfind(b"*/"):
            return None
        body = message[:cut].rstrip()
        if b"--" in body:
            return None
        known = self._by_key(body) or self.texts.get(body)
        if known is None:
            # Once as if it had come without its tags: from then on it is known.
            self.recognise(body)
            known = self._by_key(body) or self.texts.get(body)
        if known is None or known.totals.identity is None or known.tags is not None or known.trace is not None:
            return None
        tags, trace = self._tags_of(message[cut:].rstrip(b"; \n\t"))
        return Known(known.totals, tags or None, trace) if tags or trace else known

    def _remember_key(self, key: bytes, known: Known) -> None:
        table = self._strings if b"'" in key else self.shapes
        if len(table) >= MAX_SHAPES:
            table.clear()
        table[key] = known

    def text(self, sql: str) -> Known:
        """The query of a text without a step before it."""
        return self._known(sql.encode("utf-8", "replace"))[0]

    def _remember_text(self, message: bytes, known: Any) -> None:
        if len(message) <= RECENT_TEXT_BYTES:
            if len(self.texts) >= RECENT_TEXTS:
                self.texts.clear()
            self.texts[message] = known

    def _known(self, data: bytes) -> tuple[Known, bool]:
        """A text's query; and whether other texts are it, too, whatever the values of the literals."""
        sql = decoded(data)
        if not has_comment(sql):
            return self._bare(sql)
        body, tags, trace = self._without_comments(sql)
        if not body.strip("; \n\t\r"):
            return self.empty, False
        known, varies = self._bare(body)
        return (Known(known.totals, tags or None, trace), False) if tags or trace else (known, varies)

    def _without_comments(self, sql: str) -> tuple[str, Mapping[str, str], str | None]:
        start = sql.rfind("/*")
        end = sql.rfind("*/")
        if start > 0 and sql.find("*/", start + 2) == end and not sql[end + 2 :].strip("; \n\t"):
            head = sql[:start]
            # Safe to cut only where the head is whole: an open quote would mean that this is no comment.
            if not has_comment(head) and "\\" not in head and "$" not in head and _balanced(head):
                tags, trace = self._tags_of(sql[start:].rstrip("; \n\t").encode("utf-8", "replace"))
                return head.rstrip("; \n\t\r\f\v"), tags, trace
        body, found = split_comments(sql)
        return body, *_split_trace(found)

    def _tags_of(self, comment: bytes) -> tuple[Mapping[str, str], str | None]:
        """The tags of a comment, and its trace id, which varies from request to request while the others recur."""
        known = self._tags.get(comment)
        if known is not None:
            return known
        trace = _TRACE.search(comment)
        if trace is not None:
            recurring = comment[: trace.start(1)] + comment[trace.end(1) :]
            tags, _ = self._tags.get(recurring) or self._remember_tags(recurring)
            return self._remember_tags(comment, (tags, trace[2].decode("ascii")))
        return self._remember_tags(comment)

    def _remember_tags(
        self, comment: bytes, found: tuple[Mapping[str, str], str | None] | None = None
    ) -> tuple[Mapping[str, str], str | None]:
        if len(self._tags) >= RECENT_TEXTS:
            self._tags.clear()
        known = found or _split_trace(comment_tags(comment_text(decoded(comment))))
        self._tags[comment] = known
        return known

    def _bare(self, sql: str) -> tuple[Known, bool]:
        shape = skeleton(sql)
        if shape is None:
            return self._by_text(sql), False
        key = _hash(shape)
        varies = shape != sql
        known = self._skeletons.get(key)
        if known is not None:
            return known, varies
        if key in self._significant:
            positions = self._significant[key]
            if positions is None or len(positions) > MAX_SIGNIFICANT:
                return self._by_text(sql), False
            values = literals(sql)
            key = _hash("\2".join((shape, *(values[position] for position in positions))))
            return self._skeletons.get(key) or self._remember(key, self._by_text(sql)), False
        if not sql.strip("; \n\t\r"):
            return self.empty, False
        return self._new_skeleton(shape, key, sql, varies)

    def _new_skeleton(self, shape: str, key: bytes, sql: str, varies: bool) -> tuple[Known, bool]:
        self._parsed += 1
        try:
            identity = identify(sql, self._database)
        except SqlError:
            self._failed(shape)
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            if failures >= FAILURES_BELIEVED:
                self._remember(key, self.unparsed)
            if len(self._failures) >= MAX_SKELETONS:
                self._failures.clear()
            return self.unparsed, False
        known = self._of(identity, sql)
        positions = _significant_literals(sql, identity)
        if positions == ():
            return self._remember(key, known), varies
        if len(self._significant) >= MAX_SKELETONS:
            self._significant.clear()
        self._significant[key] = positions
        if positions is None or len(positions) > MAX_SIGNIFICANT:
            return known, False
        values = literals(sql)
        told = _hash("\2".join((shape, *(values[position] for position in positions))))
        return self._remember(told, known), False

    def _remember(self, key: bytes, known: Known) -> Known:
        if len(self._skeletons) >= MAX_SKELETONS:
            self._skeletons.clear()
        self._skeletons[key] = known
        return known

    def _by_text(self, sql: str) -> Known:
        try:
            return self._of(identify(sql, self._database), sql)
        except SqlError:
            return self.unparsed

    def _of(self, identity: Identity, sql: str) -> Known:
        totals = self._totals_of(identity, sql)
        known = self._identities.get(identity.id)
        if known is None:
            known = self._identities[identity.id] = Known(totals)
        return known


def _hash(shape: str) -> bytes:
    return blake2b(shape.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _balanced(head: str) -> bool:
    return head.count("'") % 2 == 0 and head.count('"') % 2 == 0


def _split_trace(tags: Mapping[str, str]) -> tuple[Mapping[str, str], str | None]:
    trace = next((tags[name] for name in _TRACE_TAGS if tags.get(name)), None)
    if trace and trace.count("-") == 3:
        trace = trace.split("-")[1]  # https://www.w3.org/TR/trace-context/: version-trace-parent-flags
    return {name: value for name, value in tags.items() if name not in _VARYING_TAGS}, trace


def _significant_literals(sql: str, identity: Identity) -> tuple[int, ...] | None:
    """Positions, among the text's `literals`, of those whose value is part of the identity.

    None where only the whole text tells: one of them is not among the literals (a dollar quote within a comment).
    """
    if not identity.significant:
        return ()
    data = sql.encode("utf-8", "replace")
    spans = literal_spans(sql)
    found = []
    for start, end in identity.significant:
        first, last = len(data[:start].decode("utf-8", "ignore")), len(data[:end].decode("utf-8", "ignore"))
        met = [position for position, (left, right) in enumerate(spans) if left < last and first < right]
        if not met:
            return None
        found += met
    return tuple(sorted(set(found)))
