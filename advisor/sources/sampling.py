"""Logs sampled where they lie: a few records at the beginning, at the end, or from some time on.

Plain files are searched by bisection, as records stand nearly in the order of their times; of compressed ones only the
beginning can be had at the price of a sample.
"""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from advisor.errors import InputError
from advisor.sources.compression import head_of, open_input, open_range
from advisor.sources.sightings import KINDS, Kind, Sighting, kind_of_log, sightings
from advisor.sources.tally import Tally

SECOND_US = 1_000_000

SAMPLE_BYTES = 1 << 16
"""Some hundred records."""

MOST_BYTES = 1 << 20
"""Looked at in one place, where one record, or one instant, is that large."""

MOST_RECORDS = 20_000
"""Of one window: a busy second of a log with `%t`, whose times cannot be told apart within it."""

_HEAD_RECORDS = 200
"""Of a plain file, among which the earliest is looked for."""


class LogFile(NamedTuple):
    """A log file, the `order`-th input, of `size` bytes on disk; times in microseconds since the epoch.

    `reach_us`: how far it can be sampled, to its last event; for compressed ones, to the end of the first sample.
    `exact`: its times have milliseconds; where they have not, `reach_us` is the end of the last second.
    """

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


def look(name: str, order: int) -> LogFile | None:
    """What a first look shows; None for what is no file, cannot be read, or is no log whose records have times."""
    try:
        if not Path(name).is_file():
            return None
        with open_input(name, Tally(), block_bytes=SAMPLE_BYTES) as opened:
            plain, size = opened.is_plain_file, opened.size
            block = next(opened.blocks, b"")
    except (InputError, OSError):
        return None
    head = _lines(block[:SAMPLE_BYTES], at_start=True, at_end=len(block) < SAMPLE_BYTES)
    kind = kind_of_log(head)
    if kind is None:
        return None
    seen = list(islice(sightings(kind, head), _HEAD_RECORDS if plain else None))
    last = _last_of(name, kind, size) if plain else []
    exact = all(each.exact for each in seen)
    return LogFile(
        name=name,
        order=order,
        kind=kind,
        plain=plain,
        size=size,
        first_us=min(each.at_us for each in seen),
        reach_us=max(each.at_us for each in (*seen, *last)) + (0 if exact else SECOND_US - 1),
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


def last_us(file: LogFile) -> int:
    """The time of the last event; of a compressed log all is decompressed for it, which costs less than reading it."""
    if file.plain:
        return file.reach_us
    tail = b""
    with open_input(file.name, Tally()) as opened:
        for block in opened.blocks:
            tail = (tail + block)[-MOST_BYTES:]
    seen = sightings(file.kind, _lines(tail, at_start=False, at_end=True))
    return max((each.at_us for each in seen), default=file.reach_us) + (0 if file.exact else SECOND_US - 1)


def window(file: LogFile, from_us: int, until_us: int, at_least: int = 0) -> tuple[list[Sighting], bool]:
    """Records from about `from_us` to `until_us`, then `at_least` more; and whether all up to `until_us` are there."""
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
        seen, beyond = _until(each_seen, until_us, at_least)
        if at_end or beyond or length >= MOST_BYTES:
            return seen, at_end or beyond
        length *= 4


def _until(each_seen: Iterable[Sighting], until_us: int, at_least: int) -> tuple[list[Sighting], bool]:
    seen: list[Sighting] = []
    left = at_least
    for each in each_seen:
        if each.at_us > until_us:
            left -= 1
            if left < 0:
                return seen, True
        elif len(seen) >= MOST_RECORDS:
            break
        seen.append(each)
    return seen, left < at_least


_PROBE_BYTES = 1 << 13


def _offset_of(file: LogFile, at_us: int) -> int:
    """An offset before which all records, but for a few of the same instant, are earlier; by bisection."""
    if at_us <= file.first_us:
        return 0
    low, high = 0, file.size
    with Path(file.name).open("rb", buffering=0) as stream:
        while high - low > _PROBE_BYTES:
            middle = (low + high) // 2
            seen = _first_after(stream, file, middle, high)
            if seen is not None and seen.at_us < at_us:
                low = middle
            else:
                high = middle
    return low


def _first_after(stream: BinaryIO, file: LogFile, start: int, end: int) -> Sighting | None:
    length = _PROBE_BYTES
    while True:
        stream.seek(start)
        sample = stream.read(length)
        stop = start + len(sample)
        seen = next(sightings(file.kind, _lines(sample, at_start=False, at_end=stop >= file.size)), None)
        if seen is not None or stop >= end or length >= MOST_BYTES:
            return seen
        length *= 8
