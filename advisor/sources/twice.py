"""Logs that hold the same events of the same server: its stderr, csv and json logs, and copies of a log or a part.

With `log_destination = 'stderr,csvlog,jsonlog'` a server says everything up to three times. Evidence decides, never
names: of two inputs whose times overlap, samples of one are looked up in the other by time, process and message.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from advisor.errors import InputError
from advisor.sources.compression import head_of, open_input, open_range
from advisor.sources.inputs import without_compression
from advisor.sources.sightings import KINDS, Kind, Sighting, has_severities, kind_of_log, sightings
from advisor.sources.tally import Tally

SAMPLE_BYTES = 1 << 16
"""Some hundred records."""

MOST_BYTES = 1 << 20
"""Looked at in one place, where one record, or one instant, is that large."""

SAMPLED_RECORDS = 200
"""Of one place: more than enough to tell, and a millisecond's work."""

MOST_RECORDS = 20_000
"""Of the second that a sample of a log with `%t` ends in: more are told in no second that can be understood later."""

ENOUGH_COMMON = 20
"""Records. Fewer can be equal by chance: what every server says when it starts, in containers with equal processes."""

ENOUGH_OF_FEW = 5
"""Of a log that has fewer than `ENOUGH_COMMON`, all of which must be found."""

FOUND_SHARE = 0.9
"""Of the sampled records. The rest may lie at a sample's edge, or be stamped a second later by `%t`."""

DIFFERENT_SHARE = 0.5
"""Below this the two are certainly not the same."""

_SECOND_US = 1_000_000
_DURATION = re.compile(rb"\d\.\d{3}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Twice:
    """What of `name` is in the inputs `by`, too: its events with times in `ranges` (both ends belong to them).

    Ranges are in microseconds since the epoch, ordered, without overlap. `whole`: it has no others, and need not be
    read at all.
    """

    name: str
    by: tuple[str, ...]
    ranges: tuple[tuple[int, int], ...]
    whole: bool

    def covers(self, at_us: int) -> bool:
        """Whether an event of that time is in another input."""
        index = bisect_right(self.ranges, at_us, key=lambda each: each[0])
        return index > 0 and at_us <= self.ranges[index - 1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class SameEvents:
    """What stands in more than one input, and what the user should know about it."""

    twice: tuple[Twice, ...] = ()
    warnings: tuple[str, ...] = ()


class _File(NamedTuple):
    """`reach_us`: how far it can be sampled, to its last event; for compressed ones, to the end of the first sample."""

    name: str
    order: int
    kind: Kind
    plain: bool
    size: int
    first_us: int
    reach_us: int
    exact: bool

    @property
    def worth(self) -> tuple[int, int, int]:
        """Of two, the one with less of it is left out."""
        return KINDS.index(self.kind), self.size, -self.order


class _Tested(NamedTuple):
    """Sampled records of one input that are in the other (`same_process`: with the process, too), and that are not."""

    found: int
    same_process: int
    missing: int


def same_events(names: Sequence[str]) -> SameEvents:
    """Which of the inputs hold events that others hold as well, so that all are counted once.

    Compared are files, not pipes. Of two, a sample of some hundred records at the beginning, in the middle and towards
    the end of the time that both span is taken from the poorer (stderr, then csv, then json; of equals the smaller) and
    looked up in the other. They hold the same events where `FOUND_SHARE` of every sample is found with equal times and
    messages, and with equal processes if both have them, and it is at least `ENOUGH_COMMON` records; or, of a small
    file, all. Where this fails the richer is looked up in the poorer. Without processes the times must be exact, or the
    messages have durations.

    What cannot be known: prefixes without a time, too few records, and compressed logs whose first records are of
    different times (a compressed log can only be sampled at its head; if that is found, the other's last event is
    looked for, and all between is taken as found). Then both are read; where the names suggest a pair, with a warning.
    With `%t` a range begins with the whole second in which the other log begins.
    """
    files = [found for order, name in enumerate(names) if (found := _look(name, order)) is not None]
    covered: dict[str, list[_File]] = {}
    apart: set[frozenset[str]] = set()
    for one, other in _overlapping(files):
        if _is_covered(one, covered) or _is_covered(other, covered):
            continue
        poorer, richer = sorted((one, other), key=lambda each: each.worth)
        for inner, outer in ((poorer, richer), (richer, poorer)):
            verdict = _within(inner, outer)
            if verdict and not _leads(covered, outer.name, inner.name):
                covered.setdefault(inner.name, []).append(outer)
                break
            if verdict is False:
                apart.add(frozenset((inner.name, outer.name)))
    twice = tuple(_twice(file, covered[file.name]) for file in files if file.name in covered)
    warnings = [_said(each) for each in twice]
    warnings.extend(_unknown_pairs(names, files, covered, apart))
    return SameEvents(twice=twice, warnings=tuple(warnings))


def _look(name: str, order: int) -> _File | None:
    if not Path(name).is_file():
        return None
    try:
        with open_input(name, Tally(), block_bytes=SAMPLE_BYTES) as opened:
            plain, size = opened.is_plain_file, opened.size
            block = next(opened.blocks, b"")
    except InputError:
        return None
    head = _lines(block[:SAMPLE_BYTES], at_start=True, at_end=len(block) < SAMPLE_BYTES)
    kind = kind_of_log(head)
    if kind is None:
        return None
    seen = list(islice(sightings(kind, head), SAMPLED_RECORDS if plain else None))
    last = _last_of(name, kind, size) if plain else []
    exact = all(each.exact for each in seen)
    return _File(
        name=name,
        order=order,
        kind=kind,
        plain=plain,
        size=size,
        first_us=min(each.at_us for each in seen),
        reach_us=max(each.at_us for each in (*seen, *last)) + (0 if exact else _SECOND_US - 1),
        exact=exact,
    )


def _last_of(name: str, kind: Kind, size: int) -> list[Sighting]:
    """The last records of a plain file; none where its last mebibyte has none."""
    length = SAMPLE_BYTES
    while True:
        start = max(size - length, 0)
        sample = b"".join(open_range(name, start, size))
        found = list(sightings(kind, _lines(sample, at_start=start == 0, at_end=True)))
        if found or start == 0 or length >= MOST_BYTES:
            return found
        length *= 4


def _lines(sample: bytes, *, at_start: bool, at_end: bool) -> bytes:
    """Without the torn lines at its ends."""
    start = 0 if at_start else sample.find(b"\n") + 1 or len(sample)
    return sample[start : None if at_end else sample.rfind(b"\n") + 1]


def _overlapping(files: Iterable[_File]) -> Iterator[tuple[_File, _File]]:
    active: list[_File] = []
    for file in sorted(files, key=lambda each: (each.first_us, each.order)):
        active = [each for each in active if each.reach_us >= file.first_us]
        for each in active:
            yield each, file
        active.append(file)


def _within(inner: _File, outer: _File) -> bool | None:
    """Whether the events of `inner` are in `outer`, as far as their times overlap; None where it cannot be known."""
    low, high = max(inner.first_us, outer.first_us), min(inner.reach_us, outer.reach_us)
    small = inner.plain and inner.size <= SAMPLE_BYTES
    # Of a compressed log, and of a small one, a single sample is all there is.
    tenths = (0, 5, 9) if inner.plain and not small else (0,)
    tested = [_tested(inner, outer, low + (high - low) // 10 * tenth, high) for tenth in tenths]
    found, missing = sum(each.found for each in tested), sum(each.missing for each in tested)
    named = sum(each.same_process for each in tested) >= FOUND_SHARE * found
    enough = ENOUGH_OF_FEW if small and named and missing == 0 else ENOUGH_COMMON
    if found >= enough and not any(_differs(each) for each in tested):
        return True
    return False if found + missing >= ENOUGH_COMMON and found < DIFFERENT_SHARE * (found + missing) else None


def _differs(tested: _Tested) -> bool:
    return tested.found < FOUND_SHARE * (tested.found + tested.missing)


def _tested(inner: _File, outer: _File, from_us: int, until_us: int) -> _Tested:
    exact = inner.exact and outer.exact
    unit, slack = (1, _DISORDER_US) if exact else (_SECOND_US, _SECOND_US)
    first, last = from_us // unit * unit, until_us
    mine = [each for each in _window(inner, first, first)[0] if first <= each.at_us <= last][:SAMPLED_RECORDS]
    if not mine:
        return _Tested(0, 0, 0)
    theirs, complete = _window(outer, mine[0].at_us - slack, mine[-1].at_us + slack)
    index: dict[tuple[int, bytes], set[int]] = {}
    for each in theirs:
        index.setdefault((each.at_us // unit, each.text), set()).update(each.pids)
    if not complete:
        end = max((each.at_us // unit for each in theirs), default=0)
        mine = [each for each in mine if each.at_us // unit < end]
    pairs = [(each, index.get((each.at_us // unit, each.text))) for each in mine]
    return _count(pairs, exact=exact, by_process=_have_processes(inner, outer, pairs))


_DISORDER_US = 100_000
"""Processes write into a log in nearly the order of their times."""


def _have_processes(inner: _File, outer: _File, pairs: Sequence[tuple[Sighting, set[int] | None]]) -> bool:
    """Whether both show processes. A stderr log beside another format may not: then next to none of them agree."""
    if (inner.kind == "stderr") is (outer.kind == "stderr"):
        return any(each.pids for each, _ in pairs)
    alike = [not hit.isdisjoint(each.pids) for each, hit in pairs if hit is not None]
    return sum(alike) > len(alike) // 10


def _count(pairs: Sequence[tuple[Sighting, set[int] | None]], *, exact: bool, by_process: bool) -> _Tested:
    found = same = missing = 0
    for each, hit in pairs:
        agrees = hit is not None and not hit.isdisjoint(each.pids)
        if not by_process and not exact and not _DURATION.search(each.text):
            # `statement: COMMIT` in the same second says nothing.
            continue
        if agrees or (hit is not None and not by_process):
            found += 1
            same += agrees
        else:
            missing += 1
    return _Tested(found, same, missing)


def _window(file: _File, from_us: int, until_us: int) -> tuple[list[Sighting], bool]:
    """Records from about `from_us` on, and whether all up to `until_us` are among them; at least a sample of them."""
    if not file.plain:
        head = head_of(file.name, SAMPLE_BYTES)
        whole = len(head) < SAMPLE_BYTES
        seen = list(sightings(file.kind, _lines(head, at_start=True, at_end=whole)))
        return seen, whole or seen[-1].at_us > until_us
    start = _offset_of(file, from_us)
    length = SAMPLE_BYTES
    while True:
        sample = b"".join(open_range(file.name, start, start + length))
        at_end = start + length >= file.size
        each_seen = sightings(file.kind, _lines(sample, at_start=start == 0, at_end=at_end))
        seen, beyond = _until(each_seen, until_us)
        if at_end or beyond or length >= MOST_BYTES:
            return seen, at_end or beyond
        length *= 4


def _until(each_seen: Iterable[Sighting], until_us: int) -> tuple[list[Sighting], bool]:
    """A sample of them at least, and more up to `until_us`; whether one beyond it was met."""
    seen: list[Sighting] = []
    beyond = False
    for each in each_seen:
        beyond = beyond or each.at_us > until_us
        if len(seen) >= MOST_RECORDS or (beyond and len(seen) > SAMPLED_RECORDS):
            break
        seen.append(each)
    return seen, beyond


_PROBE_BYTES = 1 << 13


def _offset_of(file: _File, at_us: int) -> int:
    """An offset before which all records, but for a few of the same instant, are earlier; by bisection."""
    low, high = 0, file.size
    while high - low > _PROBE_BYTES:
        middle = (low + high) // 2
        seen = _first_after(file, middle, high)
        if seen is not None and seen.at_us < at_us:
            low = middle
        else:
            high = middle
    return low


def _first_after(file: _File, start: int, end: int) -> Sighting | None:
    length = _PROBE_BYTES
    while True:
        stop = min(start + length, file.size)
        sample = b"".join(open_range(file.name, start, stop))
        seen = next(sightings(file.kind, _lines(sample, at_start=False, at_end=stop == file.size)), None)
        if seen is not None or stop >= end or length >= MOST_BYTES:
            return seen
        length *= 8


def _is_covered(file: _File, covered: dict[str, list[_File]]) -> bool:
    """Whether one other input holds all of it, so that no more of them need to be looked at."""
    slack = 0 if file.exact else _SECOND_US - 1
    return file.plain and any(
        each.plain and each.first_us <= file.first_us + slack and file.reach_us - slack <= each.reach_us
        for each in covered.get(file.name, ())
    )


def _leads(covered: dict[str, list[_File]], start: str, goal: str) -> bool:
    """Whether `start` is itself left out in favour of `goal`, directly or not: then both would be."""
    return start == goal or any(_leads(covered, each.name, goal) for each in covered.get(start, ()))


def _twice(file: _File, others: Sequence[_File]) -> Twice:
    ranges: list[tuple[int, int]] = []
    for other in sorted(others, key=lambda each: each.first_us):
        start = other.first_us if file.exact else other.first_us // _SECOND_US * _SECOND_US
        end = _last_us(other)
        if ranges and (start <= ranges[-1][1] + 1 or _is_silent(file, ranges[-1][1], start)):
            ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
        else:
            ranges.append((start, end))
    # The readers take a time to the second for its beginning.
    last = _last_us(file) - (0 if file.exact else _SECOND_US - 1)
    return Twice(
        name=file.name,
        by=tuple(other.name for other in others),
        ranges=tuple(ranges),
        whole=len(ranges) == 1 and ranges[0][0] <= file.first_us and last <= ranges[0][1],
    )


def _last_us(file: _File) -> int:
    """The time of the last event; of a compressed log all is decompressed for it, which costs less than reading it."""
    if file.plain:
        return file.reach_us
    tail = b""
    with open_input(file.name, Tally()) as opened:
        for block in opened.blocks:
            tail = (tail + block)[-MOST_BYTES:]
    seen = sightings(file.kind, _lines(tail, at_start=False, at_end=True))
    return max((each.at_us for each in seen), default=file.reach_us) + (0 if file.exact else _SECOND_US - 1)


def _is_silent(file: _File, from_us: int, until_us: int) -> bool:
    """Whether a file has no event between two times, which do not belong to it."""
    if not file.plain:
        return False
    later = [each.at_us for each in _window(file, from_us, until_us)[0] if each.at_us > from_us]
    return not later or min(later) >= until_us


def _said(each: Twice) -> str:
    others = ", ".join(each.by)
    if each.whole:
        return f"{each.name} holds the same events as {others}: it was left out, so that none is counted twice."
    return f"{each.name} holds some of the events of {others}: these were counted once."


_SUFFIX = re.compile(r"\.(?:log|csv|json|txt)(?=$|\.|-)")


def _unknown_pairs(
    names: Sequence[str], files: Sequence[_File], covered: dict[str, list[_File]], apart: set[frozenset[str]]
) -> Iterator[str]:
    """Of names that differ in their endings alone, which suggests one server's log in two formats."""
    looked_at = {file.name for file in files}
    stems: dict[str, list[str]] = {}
    for name in names:
        stems.setdefault(_SUFFIX.sub("", without_compression(name)), []).append(name)
    for group in stems.values():
        for index, one in enumerate(group):
            for other in group[:index]:
                decided = frozenset((one, other)) in apart or covered.keys() & {one, other}
                if not decided and (one in looked_at or other in looked_at) and _is_log(one) and _is_log(other):
                    yield (
                        f"{other} and {one} may be one server's log in two formats, which cannot be told from them:"
                        " both were counted."
                    )


def _is_log(name: str) -> bool:
    """Whether there are enough records for a doubt: a stderr log may only say that the rest goes to the csv log."""
    try:
        head = head_of(name, SAMPLE_BYTES) if Path(name).is_file() else b""
    except InputError:
        return False
    kind = kind_of_log(head)
    if kind is None or kind == "stderr":
        return has_severities(head)
    return sum(1 for _ in sightings(kind, head)) >= ENOUGH_OF_FEW
