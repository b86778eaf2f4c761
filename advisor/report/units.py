"""Numbers for people: durations, sizes, counts and shares with their unit, three significant digits at most."""

_SIZES = ("bytes", "kB", "MB", "GB", "TB")


def duration_text(ms: float | None) -> str:
    """Milliseconds as `0.05 ms`, `12.3 ms`, `4.2 s`, `3 min 5 s` or `2 h 10 min`."""
    if ms is None:
        return "?"
    if ms < 999.5:
        return f"{_three_digits(ms)} ms"
    seconds = ms / 1000
    if seconds < 59.95:
        return f"{_three_digits(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def bytes_text(size: int) -> str:
    """Bytes in powers of 1024, as PostgreSQL's `pg_size_pretty` counts them: `8 kB`, `1.5 GB`."""
    value = float(size)
    for unit in _SIZES:
        if value < 1024 or unit == _SIZES[-1]:
            return f"{size} bytes" if unit == "bytes" else f"{_three_digits(value)} {unit}"
        value /= 1024
    raise AssertionError("unreachable: the last unit takes everything")


def count_text(number: int, noun: str, plural: str | None = None) -> str:
    """`1 call`, `2,000 calls`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def share_text(share: float) -> str:
    """A share as a percentage that says 100 % only when it is: `99.9 %`."""
    return "100 %" if share >= 1 else f"{min(share * 100, 99.9):.1f} %"


def _three_digits(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"
