"""A bounded set of executions of one query that covers the distribution, the same in whatever order they came."""

from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

from advisor.model.execution import Execution
from advisor.model.workload import Sample
from advisor.sources.messages import parse_parameters
from advisor.sources.text import decoded

SLOW = 3
TYPICAL = 3
RARE = 2
"""Together at most 8: the slowest executions, some picked evenly over the executions by a hash of the time, and some
picked evenly over the distinct texts by a hash of the text, where a rare value is as likely as a common one."""

SAMPLE_BYTES = 100_000
"""Longer texts are kept only where there is no other: eight of them per query would fill the memory."""

TICK_BITS = 17
"""Times are hashed by ticks of 131 ms: of a tick the first execution stands for all."""

_MIX = 2_654_435_761
"""A prime near 2**32 over the golden ratio (Knuth, "The Art of Computer Programming", vol. 3, 6.4)."""

_ALL = 1 << 32

Text = tuple[bytes, bytes | None]
"""A message and its bind values, as logged."""


class Samples:
    """Each part is a top-k by an order of its own, so that two of them add up to what one would have kept."""

    __slots__ = ("_long", "_rare", "_rare_limit", "_slow", "_typical", "_typical_limit", "slow_limit")

    def __init__(self) -> None:
        self._slow: list[tuple[int, Text]] = []
        self.slow_limit = -1
        self._typical: list[tuple[int, int, int, Text]] = []
        self._typical_limit = _ALL
        self._rare: list[tuple[int, Text, int | None]] = []
        self._rare_limit = _ALL
        self._long: tuple[int, Text, int | None] | None = None

    def add_slow(self, batch: Iterable[Execution]) -> None:
        """Executions of which one takes longer than `slow_limit` microseconds."""
        for each in batch:
            if each.duration_us is not None and each.duration_us > self.slow_limit:
                self._keep_slow(each.duration_us, (each.message, each.detail))

    def add_typical(self, batch: Iterable[Execution], times: Sequence[int]) -> None:
        """Executions with the times that they have."""
        limit = self._typical_limit
        if any(tick * _MIX % _ALL <= limit for tick in {at >> TICK_BITS for at in times}):
            for each in batch:
                if each.at_us is not None:
                    mixed = (each.at_us >> TICK_BITS) * _MIX % _ALL
                    if mixed <= self._typical_limit:
                        self._keep_typical(mixed, each.at_us, each.duration_us or 0, (each.message, each.detail))

    def add_rare(self, batch: Sequence[Execution], messages: Sequence[bytes], details: Sequence[bytes | None]) -> None:
        """Executions with the columns of their texts."""
        if any(details):
            hashes = [crc32(detail or b"", crc32(message)) for message, detail in zip(messages, details, strict=True)]
        else:
            hashes = list(map(crc32, messages))
        if min(hashes) < self._rare_limit:
            for hashed, each in zip(hashes, batch, strict=True):
                if hashed < self._rare_limit:
                    self._keep_rare(hashed, (each.message, each.detail), each.duration_us)

    def add_text(self, message: bytes) -> None:
        """A text that is no log's."""
        self._keep_rare(crc32(message), (message, None), None)

    def _keep_slow(self, duration_us: int, text: Text) -> None:
        if _is_long(text):
            self._keep_long(text, duration_us)
            return
        slowest: dict[Text, int] = {}
        for duration, each in (*self._slow, (duration_us, text)):
            slowest[each] = max(duration, slowest.get(each, 0))
        ranked = sorted(slowest.items(), key=lambda entry: (-entry[1], _sortable(entry[0])))
        self._slow = [(duration, each) for each, duration in ranked[:SLOW]]
        if len(self._slow) == SLOW:
            # An equal one may still come before it in the order of the texts.
            self.slow_limit = self._slow[-1][0] - 1

    def _keep_typical(self, mixed: int, at_us: int, duration_us: int, text: Text) -> None:
        if _is_long(text):
            self._keep_long(text, duration_us)
            return
        first: dict[int, tuple[int, int, int, Text]] = {}
        for entry in (*self._typical, (mixed, at_us, duration_us, text)):
            known = first.get(entry[0])
            first[entry[0]] = entry if known is None else min(known, entry, key=_typical_order)
        self._typical = sorted(first.values(), key=_typical_order)[:TYPICAL]
        if len(self._typical) == TYPICAL:
            self._typical_limit = self._typical[-1][0]

    def _keep_rare(self, hashed: int, text: Text, duration_us: int | None) -> None:
        if _is_long(text):
            self._keep_long(text, duration_us)
            return
        slowest: dict[tuple[int, Text], int | None] = {}
        for known, each, duration in (*self._rare, (hashed, text, duration_us)):
            slowest[known, each] = _slower(slowest.get((known, each)), duration)
        ranked = sorted(slowest, key=lambda key: (key[0], _sortable(key[1])))[:RARE]
        self._rare = [(known, each, slowest[known, each]) for known, each in ranked]
        if len(self._rare) == RARE:
            self._rare_limit = self._rare[-1][0] + 1

    def _keep_long(self, text: Text, duration_us: int | None) -> None:
        entry = crc32(text[1] or b"", crc32(text[0])), text, duration_us
        if self._long is None or _long_order(entry) < _long_order(self._long):
            self._long = entry

    def clear(self) -> None:
        """Drops them all."""
        self._slow, self._typical, self._rare, self._long = [], [], [], None

    def state(self) -> list[Any]:
        """Plain values; equal for equal contents."""
        return [self._slow, self._typical, self._rare, self._long]

    def restore(self, state: Sequence[Any]) -> None:
        """Adds what another one's `state` told."""
        slow, typical, rare, long = state
        for duration, text in slow:
            self._keep_slow(duration, _text(text))
        for mixed, at, duration, text in typical:
            self._keep_typical(mixed, at, duration, _text(text))
        for hashed, text, maybe in rare:
            self._keep_rare(hashed, _text(text), maybe)
        if long is not None:
            self._keep_long(_text(long[1]), long[2])

    def freeze(self) -> tuple[Sample, ...]:
        """The samples, the slowest first."""
        found: dict[Text, int | None] = {text: duration for duration, text in self._slow}
        for _, _, duration, text in self._typical:
            found.setdefault(text, duration)
        for _, text, maybe in self._rare:
            found.setdefault(text, maybe)
        if not found and self._long is not None:
            found[self._long[1]] = self._long[2]
        samples: dict[tuple[str, tuple[str | None, ...] | None], Sample] = {}
        for (message, detail), duration_us in found.items():
            sql = decoded(message.partition(b": ")[2]).strip().rstrip("; \n\t")
            parameters = parse_parameters(decoded(detail)) if detail is not None else None
            samples.setdefault((sql, parameters), Sample(sql=sql, parameters=parameters, duration_us=duration_us))
        return tuple(samples.values())


def _text(state: Sequence[Any]) -> Text:
    return state[0], state[1]


def _is_long(text: Text) -> bool:
    return len(text[0]) + len(text[1] or b"") > SAMPLE_BYTES


def _sortable(text: Text) -> tuple[bytes, bytes]:
    return text[0], text[1] or b""


def _typical_order(entry: tuple[int, int, int, Text]) -> tuple[int, int, int, tuple[bytes, bytes]]:
    return entry[0], entry[1], entry[2], _sortable(entry[3])


def _long_order(entry: tuple[int, Text, int | None]) -> tuple[int, tuple[bytes, bytes], int]:
    return entry[0], _sortable(entry[1]), -(entry[2] or 0)


def _slower(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else max(one, other)
