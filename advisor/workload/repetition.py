"""What repeated within units of work, after which parent: folded unit by unit, adds up in any order."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeVar
from zlib import crc32

from advisor.model.workload import Repetition
from advisor.workload.execution import Execution
from advisor.workload.gaps import APART, DEFAULT_LEVEL, LOWEST, GapModel
from advisor.workload.pair import Group, Pair, repetition_of
from advisor.workload.segments import Segment

MAX_PAIRS: Final = 20_000
"""Pairs of a child and its parent that are kept: with more of them, an even choice by a hash of their ids."""

MAX_PATTERNS: Final = 4_096
"""Sequences of queries whose units wait to be added up."""

MAX_PATTERN_DURATIONS: Final = 4_096
"""Durations of the units of one pattern that wait to be added up."""

MAX_PATTERN_QUERIES: Final = 64
"""Longer sequences seldom recur."""

WHOLE: Final[Group] = (LOWEST, APART)
"""The thresholds at which a unit between certain ends is one: all."""


class PairKey(NamedTuple):
    """A child after a parent. Units between certain ends have no application: its threshold does not matter."""

    application: str | None
    query_id: str
    parent_id: str | None


Pattern = tuple[Any, ...]
"""The queries (`QueryTotals`) of a unit in which none of them repeats, in order."""


class Repetitions:
    """All units of work so far.

    `whole` has the durations of units between certain ends in which no query repeats, by their pattern: what is
    appended to a list there is added up later.
    """

    __slots__ = ("_gaps", "_pairs", "_plain", "_waiting", "whole")

    def __init__(self) -> None:
        self._gaps: dict[str | None, GapModel] = {}
        self._pairs: dict[PairKey, Pair] = {}
        self._plain: dict[PairKey, dict[Group, list[int]]] = {}
        self.whole: dict[Pattern, list[int | None]] = {}
        self._waiting: dict[tuple[str | None, Group], dict[Pattern, list[int | None]]] = {(None, WHOLE): self.whole}

    def gaps(self, application: str | None) -> GapModel:
        """The pauses of an application."""
        model = self._gaps.get(application)
        if model is None:
            model = self._gaps[application] = GapModel()
        return model

    @property
    def is_coarse(self) -> bool:
        """Whether the times of some application are whole seconds."""
        return any(model.is_coarse for model in self._gaps.values())

    def fold(self, session: str, segment: Segment, group: Group) -> None:
        """Adds a unit of work at the thresholds from one level up to another."""
        children = segment.settled()
        application = None if group == WHOLE else segment.application
        for query, child in children.items():
            parent = child.before[0] if child.before else None
            key = PairKey(application, query, parent)
            if child.calls > 1:
                pair = self._pairs.get(key)
                if pair is None:
                    pair = self._pair(key)
                pair.add(session, child, children, group)
            elif parent is not None:
                self._add_plain(key, group, 1, child.duration_us)

    def pattern(self, queries: Pattern) -> list[int | None] | None:
        """A new pattern of `whole`; None where a query repeats."""
        work = [totals for totals in queries if totals.role == "work"]
        if len(set(work)) < len(work) or len(queries) > MAX_PATTERN_QUERIES:
            return None
        self._make_room()
        return self.whole.setdefault(queries, [])

    def fold_distinct(self, application: str | None, items: Sequence[Execution], group: Group) -> bool:
        """Adds a unit at some thresholds if no query repeats in it, else returns False."""
        queries = tuple([item[0][0] for item in items])
        if len(set(queries)) < len(queries) or len(queries) > MAX_PATTERN_QUERIES:
            return False
        if len(queries) > 1:
            self._make_room()
            patterns = self._waiting.setdefault((None if group == WHOLE else application, group), {})
            durations = patterns.setdefault(queries, [])
            durations += [item[2] for item in items]
            if len(durations) > MAX_PATTERN_DURATIONS:
                self.add_up()
        return True

    def _make_room(self) -> None:
        if sum(map(len, self._waiting.values())) >= MAX_PATTERNS:
            self.add_up()

    def add_up(self) -> None:
        """Adds up the units that wait with their pattern."""
        for (application, group), patterns in self._waiting.items():
            for queries, durations in patterns.items():
                units = len(durations) // len(queries) if queries else 0
                work = [(position, totals) for position, totals in enumerate(queries) if totals.role == "work"]
                for (_, parent), (position, child) in pairwise(work):
                    spent = sum([each for each in durations[position :: len(queries)] if each])
                    self._add_plain(PairKey(application, child.id, parent.id), group, units, spent)
            patterns.clear()

    def _add_plain(self, key: PairKey, group: Group, units: int, duration_us: int) -> None:
        """Units in which the child ran once after the parent."""
        groups = self._plain.get(key)
        if groups is None:
            if len(self._plain) >= 2 * MAX_PAIRS:
                self._plain = dict(_chosen(self._plain))
            groups = self._plain[key] = {}
        sums = groups.setdefault(group, [0, 0])
        sums[0] += units
        sums[1] += duration_us

    def _pair(self, key: PairKey) -> Pair:
        if len(self._pairs) >= 2 * MAX_PAIRS:
            self._pairs = dict(_chosen(self._pairs))
        return self._pairs.setdefault(key, Pair())

    def merge(self, other: "Repetitions") -> None:
        """Adds what another one saw."""
        self.add_up()
        other.add_up()
        for application, model in other._gaps.items():
            self.gaps(application).merge(model)
        for key, pair in other._pairs.items():
            self._pair(key).merge(pair)
        for key, groups in other._plain.items():
            for group, (units, duration) in groups.items():
                self._add_plain(key, group, units, duration)

    def freeze(self) -> tuple[Repetition, ...]:
        """Those with a repetition in some unit, most calls first."""
        self.add_up()
        levels = {application: model.level for application, model in self._gaps.items()}
        found: dict[tuple[str, str | None], tuple[list[tuple[Pair, int]], list[list[int]]]] = {}
        for key, pair in _chosen(self._pairs):
            level = levels.get(key.application, DEFAULT_LEVEL)
            found.setdefault(key[1:], ([], []))[0].append((pair, level))
        for key, groups in _chosen(self._plain):
            level = levels.get(key.application, DEFAULT_LEVEL)
            if key[1:] in found:
                found[key[1:]][1].extend(sums for (low, high), sums in groups.items() if low <= level < high)
        frozen = (repetition_of(query, parent, *parts) for (query, parent), parts in found.items())
        repeated = [each for each in frozen if each is not None]
        return tuple(sorted(repeated, key=lambda each: (-each.calls, each.query_id, each.parent_id or "")))

    def redact(self) -> None:
        """Drops the values of the units that are kept."""
        for pair in self._pairs.values():
            pair.redact()

    def state(self) -> list[Any]:
        """Plain values, equal for equal contents."""
        self.add_up()
        return [
            [[application, model.state()] for application, model in sorted(self._gaps.items(), key=_by_name)],
            [[*key, pair.state()] for key, pair in _chosen(self._pairs)],
            [[*key, [[*at, *sums] for at, sums in sorted(groups.items())]] for key, groups in _chosen(self._plain)],
        ]

    @classmethod
    def restore(cls, state: list[Any]) -> "Repetitions":
        """What `state` told."""
        found = cls()
        gaps, pairs, plain = state
        found._gaps = {application: GapModel.restore(model) for application, model in gaps}
        found._pairs = {PairKey(*key): Pair.restore(pair) for *key, pair in pairs}
        for *key, groups in plain:
            found._plain[PairKey(*key)] = {(low, high): sums for low, high, *sums in groups}
        return found


_Value = TypeVar("_Value")


def _chosen(pairs: Mapping[PairKey, _Value]) -> list[tuple[PairKey, _Value]]:
    """The pairs that are kept, in an order of their own: whatever was seen first, and whatever else was let go."""
    return sorted(pairs.items(), key=_by_hash)[:MAX_PAIRS]


def _by_hash(entry: tuple[PairKey, Any]) -> tuple[Any, ...]:
    application, query, parent = entry[0]
    spread = crc32(f"{application} {query} {parent}".encode("utf-8", "surrogatepass"))
    return spread, query, parent or "", application is not None, application or ""


def _by_name(entry: tuple[str | None, Any]) -> tuple[bool, str]:
    return entry[0] is not None, entry[0] or ""
