"""Times of envelopes as `%m` writes them, `2026-11-21 14:31:00.123 UTC`, in bytes."""

import re
from datetime import UTC, datetime, timedelta

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))? ?(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_LEGACY = re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)(?:\.(\d+))?", re.ASCII)
_MONTHS = {
    name: number
    for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)  # noqa: SIM905
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso_stamp(text: str) -> bytes | None:
    """An ISO 8601 time of any precision, in UTC unless it has an offset; None where it is none."""
    found = _ISO.match(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        at = datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{second}+00:00")
        return _stamp(at - _offset(zone), fraction)
    except (ValueError, OverflowError):
        return None


def epoch_stamp(at_us: int) -> bytes | None:
    """Microseconds since the epoch."""
    try:
        at = _EPOCH + timedelta(microseconds=at_us)
    except OverflowError:
        return None
    return _stamp(at, f"{at.microsecond:06d}")


class LegacyTimes:
    """RFC 3164's `Nov 21 14:31:00`, which has no year: it goes on from the first line's, over a New Year."""

    __slots__ = ("_month", "_year")

    def __init__(self, year: int | None) -> None:
        self._year = year if year is not None else datetime.now(UTC).year
        self._month: int | None = None

    def stamp(self, text: str) -> bytes | None:
        """The time in UTC; None where it is none."""
        found = _LEGACY.match(text)
        if found is None or found[1] not in _MONTHS:
            return None
        month = _MONTHS[found[1]]
        if self._month is not None and self._month - month > _NEW_YEAR_MONTHS:
            self._year += 1
        self._month = month
        clock = ":".join(found.group(4, 5, 6))
        try:
            at = datetime.fromisoformat(
                f"{int(found[3] or self._year):04d}-{month:02d}-{int(found[2]):02d}T{clock}+00:00"
            )
        except ValueError:
            return None
        return _stamp(at, found[7])


_NEW_YEAR_MONTHS = 6
"""A month that falls back by more is the next year's; by less, a line that came late."""


def first_year(text: str, first_time: str, now: datetime) -> int:
    """The year of a log's first line: one that its text names with the day, else the latest that is not to come."""
    found = _LEGACY.match(first_time)
    if found is None or found[1] not in _MONTHS:
        return now.year
    month, day = _MONTHS[found[1]], int(found[2])
    named = re.search(rf"(?<!\d)(20\d\d)-{month:02d}-{day:02d}(?!\d)", text)
    if named:
        return int(named[1])
    latest = now + timedelta(days=1)
    return latest.year - ((month, day) > (latest.month, latest.day))


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone[0] not in "+-":
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if zone[0] == "-" else offset


def _stamp(at: datetime, fraction: str | None) -> bytes:
    return f"{at:%Y-%m-%d %H:%M:%S}.{(fraction or '').ljust(3, '0')[:3]} UTC".encode()
