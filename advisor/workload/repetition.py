"""What repeated within units of work, after which parent: folded unit by unit, adds up in any order."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeVar
from zlib import crc32

from advisor.model.workload import Repetition
from advisor.workload.execution import Execution
from advisor.workload.gaps import APART, DEFAULT_LEVEL, LOWEST, GapModel
from advisor.workload.pair import Group, Pair, repetition_of
from advisor.workload.segments import MAX_QUERIES, WINDOW, Segment, calls_of

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


PairKey = tuple[str | None, str, str | None]
"""An application, and ids of a child and its parent. Units between certain ends have no application: its threshold
does not matter."""

Pattern = tuple[str, ...]
"""The ids of the queries of a unit, in order."""


class Repetitions:
    """All units of work so far."""

    __slots__ = ("_gaps", "_pairs", "_plain", "_waiting")

    def __init__(self) -> None:
        self._gaps: dict[str | None, GapModel] = {}
        self._pairs: dict[PairKey, Pair] = {}
        self._plain: dict[PairKey, dict[Group, list[int]]] = {}
        # The durations of units in which no query repeats, by their pattern: they are added up later.
        self._waiting: dict[tuple[str | None, Group], dict[Pattern, list[int | None]]] = {}

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
        if not segment.is_boiled:
            queries = tuple([item[0][0].id for item in segment.items])
            self.fold_items(session, segment.application, queries, segment.items, group)
            return
        self._fold_boiled(session, segment, group)

    def _fold_boiled(self, session: str, segment: Segment, group: Group) -> None:
        children = segment.settled()
        application = None if group == WHOLE else segment.application
        counts = {query: child.calls for query, child in children.items()}
        for query, child in children.items():
            parent = child.before[0] if child.before else None
            if child.calls > 1:
                self._pair((application, query, parent)).add(session, child.told(), counts, group)
            elif parent is not None:
                self._add_plain((application, query, parent), group, 1, child.duration_us)

    def fold_items(
        self, session: str, application: str | None, queries: Pattern, items: Sequence[Execution], group: Group
    ) -> None:
        """The same for a unit as a list of statements, with the ids of their queries."""
        if len(queries) < 2:
            return
        if group == WHOLE:
            application = None
        patterns = self._waiting.get((application, group))
        if patterns is None:
            patterns = self._waiting[application, group] = {}
        durations = patterns.get(queries)
        if durations is None:
            different = len(set(queries))
            if different > (MAX_QUERIES if different < len(queries) else MAX_PATTERN_QUERIES):
                self._fold_boiled(session, Segment(application, items), group)
                return
            if different < len(queries):
                self._fold_repeated(session, application, queries, items, group)
                return
            if sum(map(len, self._waiting.values())) >= MAX_PATTERNS:
                self.add_up()
            durations = patterns[queries] = []
        durations += [item[2] for item in items]
        if len(durations) > MAX_PATTERN_DURATIONS:
            self.add_up()

    def _fold_repeated(
        self, session: str, application: str | None, queries: Pattern, items: Sequence[Execution], group: Group
    ) -> None:
        """A unit of few queries, some of which repeat."""
        places: dict[str, list[int]] = {}
        for place, query in enumerate(queries):
            known = places.get(query)
            if known is None:
                places[query] = [place]
            else:
                known.append(place)
        if (
            len(places) > WINDOW
            and max(here - last for known in places.values() for last, here in pairwise(known)) > WINDOW
        ):
            # So many others between two calls are not all remembered.
            self._fold_boiled(session, Segment(application, items), group)
            return
        counts = {query: len(known) for query, known in places.items()}
        for query, known in places.items():
            first = known[0]
            parent = queries[first - 1] if first else None
            if len(known) > 1:
                before = tuple(dict.fromkeys(queries[:first][::-1])) if first else ()
                between = set(queries[first : known[-1]])
                between.discard(query)
                rows = items[first - 1][6] if first else None
                told = calls_of([items[place] for place in known], before, rows, between)
                self._pair((application, query, parent)).add(session, told, counts, group)
            elif first:
                self._add_plain((application, query, parent), group, 1, items[first][2] or 0)

    def add_up(self) -> None:
        """Adds up the units that wait with their pattern."""
        for (application, group), patterns in self._waiting.items():
            for queries, durations in patterns.items():
                size = len(queries)
                for place, (parent, child) in enumerate(pairwise(queries), 1):
                    spent = sum([each for each in durations[place::size] if each])
                    self._add_plain((application, child, parent), group, len(durations) // size, spent)
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
        pair = self._pairs.get(key)
        if pair is None:
            if len(self._pairs) >= 2 * MAX_PAIRS:
                self._pairs = dict(_chosen(self._pairs))
            pair = self._pairs[key] = Pair()
        return pair

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
            level = levels.get(key[0], DEFAULT_LEVEL)
            found.setdefault(key[1:], ([], []))[0].append((pair, level))
        for key, groups in _chosen(self._plain):
            level = levels.get(key[0], DEFAULT_LEVEL)
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
        for application, query, parent, pair in pairs:
            found._pairs[application, query, parent] = Pair.restore(pair)
        for application, query, parent, groups in plain:
            found._plain[application, query, parent] = {(low, high): sums for low, high, *sums in groups}
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
