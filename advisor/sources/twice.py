"""Logs that hold the same events of the same server: its stderr, csv and json logs, and copies of a log or a part.

With `log_destination = 'stderr,csvlog,jsonlog'` a server says everything up to three times. Evidence decides, never
names: of two inputs whose times overlap, samples of one are looked up in the other by time, process and message.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from advisor.errors import InputError
from advisor.sources.compression import head_of
from advisor.sources.inputs import without_compression
from advisor.sources.sampling import SAMPLE_BYTES, SECOND_US, LogFile, last_us, look, window
from advisor.sources.sightings import Sighting, has_severities, kind_of_log, sightings

FIRST_RECORDS = 40
"""Looked up before anything else: of two servers none is found, and most pairs are two servers."""

SAMPLED_RECORDS = 200
"""Of one place: more than enough to tell, and a millisecond's work."""

ENOUGH_COMMON = 20
"""Records. Fewer can be equal by chance: what every server says when it starts, in containers with equal processes."""

ENOUGH_OF_FEW = 5
"""Of a log that has fewer than `ENOUGH_COMMON`, all of which must be found."""

FOUND_SHARE = 0.9
"""Of the sampled records. The rest may lie at a sample's edge, or be stamped a second later by `%t`."""

DIFFERENT_SHARE = 0.5
"""Below this the two are certainly not the same."""

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
    files = [found for order, name in enumerate(names) if (found := look(name, order)) is not None]
    covered: dict[str, list[LogFile]] = {}
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


def _overlapping(files: Iterable[LogFile]) -> Iterator[tuple[LogFile, LogFile]]:
    active: list[LogFile] = []
    for file in sorted(files, key=lambda each: (each.first_us, each.order)):
        active = [each for each in active if each.reach_us >= file.first_us]
        for each in active:
            yield each, file
        active.append(file)


def _within(inner: LogFile, outer: LogFile) -> bool | None:
    """Whether the events of `inner` are in `outer`, as far as their times overlap; None where it cannot be known."""
    low, high = max(inner.first_us, outer.first_us), min(inner.reach_us, outer.reach_us)
    small = inner.plain and inner.size <= SAMPLE_BYTES
    first = _tested(inner, outer, low, high, FIRST_RECORDS)
    if first.found == 0 and first.missing >= ENOUGH_COMMON:
        return False
    # Of a compressed log, and of a small one, a single sample is all there is.
    tenths = (0, 5, 9) if inner.plain and not small else (0,)
    tested = [_tested(inner, outer, low + (high - low) // 10 * tenth, high, SAMPLED_RECORDS) for tenth in tenths]
    found, missing = sum(each.found for each in tested), sum(each.missing for each in tested)
    named = sum(each.same_process for each in tested) >= FOUND_SHARE * found
    enough = ENOUGH_OF_FEW if small and named and missing == 0 else ENOUGH_COMMON
    if found >= enough and not any(_differs(each) for each in tested):
        return True
    return False if found + missing >= ENOUGH_COMMON and found < DIFFERENT_SHARE * (found + missing) else None


def _differs(tested: _Tested) -> bool:
    return tested.found < FOUND_SHARE * (tested.found + tested.missing)


def _tested(inner: LogFile, outer: LogFile, from_us: int, until_us: int, records: int) -> _Tested:
    exact = inner.exact and outer.exact
    unit, slack = (1, _DISORDER_US) if exact else (SECOND_US, SECOND_US)
    first = from_us // unit * unit
    sample, _ = window(inner, first, first, at_least=records)
    mine = [each for each in sample if first <= each.at_us <= until_us][:records]
    if not mine:
        return _Tested(0, 0, 0)
    theirs, complete = window(outer, mine[0].at_us - slack, mine[-1].at_us + slack)
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


def _have_processes(inner: LogFile, outer: LogFile, pairs: Sequence[tuple[Sighting, set[int] | None]]) -> bool:
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


def _is_covered(file: LogFile, covered: dict[str, list[LogFile]]) -> bool:
    """Whether one other input holds all of it, so that no more of them need to be looked at."""
    slack = 0 if file.exact else SECOND_US - 1
    return file.plain and any(
        each.plain and each.first_us <= file.first_us + slack and file.reach_us - slack <= each.reach_us
        for each in covered.get(file.name, ())
    )


def _leads(covered: dict[str, list[LogFile]], start: str, goal: str) -> bool:
    """Whether `start` is itself left out in favour of `goal`, directly or not: then both would be."""
    return start == goal or any(_leads(covered, each.name, goal) for each in covered.get(start, ()))


def _twice(file: LogFile, others: Sequence[LogFile]) -> Twice:
    ranges: list[tuple[int, int]] = []
    for other in sorted(others, key=lambda each: each.first_us):
        start = other.first_us if file.exact else other.first_us // SECOND_US * SECOND_US
        end = last_us(other)
        if ranges and (start <= ranges[-1][1] + 1 or _is_silent(file, ranges[-1][1], start)):
            ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
        else:
            ranges.append((start, end))
    # The readers take a time to the second for its beginning.
    last = last_us(file) - (0 if file.exact else SECOND_US - 1)
    return Twice(
        name=file.name,
        by=tuple(other.name for other in others),
        ranges=tuple(ranges),
        whole=len(ranges) == 1 and ranges[0][0] <= file.first_us and last <= ranges[0][1],
    )


def _is_silent(file: LogFile, from_us: int, until_us: int) -> bool:
    """Whether a file has no event between two times, which do not belong to it."""
    if not file.plain:
        return False
    later = [each.at_us for each in window(file, from_us, until_us)[0] if each.at_us > from_us]
    return not later or min(later) >= until_us


def _said(each: Twice) -> str:
    others = ", ".join(each.by)
    if each.whole:
        return f"{each.name} holds the same events as {others}: it was left out, so that none is counted twice."
    return f"{each.name} holds some of the events of {others}: these were counted once."


_SUFFIX = re.compile(r"\.(?:log|csv|json|txt)(?=$|\.|-)")


def _unknown_pairs(
    names: Sequence[str], files: Sequence[LogFile], covered: dict[str, list[LogFile]], apart: set[frozenset[str]]
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
    except (InputError, OSError):
        return False
    kind = kind_of_log(head)
    if kind is None or kind == "stderr":
        return has_severities(head)
    return sum(1 for _ in sightings(kind, head)) >= ENOUGH_OF_FEW
