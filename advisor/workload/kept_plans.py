"""The plans of a log that are kept: of each query the first and the slowest, the same in any order."""

from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

from advisor.errors import AdvisorError
from advisor.model.workload import QueryPlan
from advisor.plans.parse import parse_plans

SLOWEST_PLANS = 2
"""Plans kept of one query besides the first: more would say the same."""

MAX_PLANS_WITHOUT_QUERY = 100
"""Plans kept that came without a statement, evenly picked by a hash."""

_Entry = tuple[int, int, str]
"""Time and duration in microseconds (0 where not known), text."""


class KeptPlans:
    """Texts until they are asked for: most plans of a log are never looked at."""

    __slots__ = ("_first", "_slowest", "_without", "seen")

    def __init__(self) -> None:
        self.seen = 0
        self._first: dict[str, _Entry] = {}
        self._slowest: dict[str, list[_Entry]] = {}
        self._without: list[tuple[int, _Entry]] = []

    @property
    def is_empty(self) -> bool:
        """Whether there was none."""
        return self.seen == 0

    def add(self, query_id: str | None, at_us: int | None, duration_us: int | None, text: str) -> None:
        """One plan, of a query or of none that is known."""
        self.seen += 1
        self._keep(query_id, (at_us or 0, duration_us or 0, text))

    def _keep(self, query_id: str | None, entry: _Entry) -> None:
        if query_id is None:
            self._without = sorted({*self._without, (crc32(repr(entry).encode("utf-8", "replace")), entry)})
            del self._without[MAX_PLANS_WITHOUT_QUERY:]
            return
        first = self._first.get(query_id)
        if first is None or entry < first:
            self._first[query_id] = entry
        slowest = self._slowest.setdefault(query_id, [])
        # One more than is shown: the first plan may be among them.
        if len(slowest) <= SLOWEST_PLANS or _slowness(entry) < _slowness(slowest[-1]):
            self._slowest[query_id] = sorted({*slowest, entry}, key=_slowness)[: SLOWEST_PLANS + 1]

    def state(self) -> list[Any]:
        """Everything as plain values."""
        kept = sorted((query, sorted({self._first[query], *slowest})) for query, slowest in self._slowest.items())
        return [self.seen, kept, [entry for _, entry in self._without]]

    def restore(self, state: list[Any]) -> None:
        """Adds what `state` told."""
        seen, kept, without = state
        self.seen += seen
        for query_id, entries in kept:
            for at, duration, text in entries:
                self._keep(query_id, (at, duration, text))
        for at, duration, text in without:
            self._keep(None, (at, duration, text))

    def redact(self) -> None:
        """Drops the texts: conditions of a plan hold literals."""
        self._first.clear()
        self._slowest.clear()
        self._without.clear()

    def freeze(self, source: str, warn: Callable[[str], None]) -> Iterator[QueryPlan]:
        """The plans, taken apart; one that cannot be is warned about."""
        for query_id in sorted(self._first):
            first = self._first[query_id]
            others = [entry for entry in self._slowest[query_id] if entry != first]
            yield from self._parsed(query_id, [first, *others[:SLOWEST_PLANS]], source, warn)
        yield from self._parsed(None, sorted(entry for _, entry in self._without), source, warn)

    def _parsed(
        self, query_id: str | None, entries: list[_Entry], source: str, warn: Callable[[str], None]
    ) -> Iterator[QueryPlan]:
        for _, duration, text in entries:
            try:
                plans = parse_plans(text)
            except AdvisorError as error:
                warn(
                    f"{source}: a plan could not be read: {error.what}"
                    if source
                    else f"A plan could not be read: {error.what}"
                )
                continue
            for plan in plans:
                yield QueryPlan(plan=plan, query_id=query_id, duration_us=duration or None, source=source)


def _slowness(entry: _Entry) -> tuple[int, int, str]:
    return -entry[1], entry[0], entry[2]
