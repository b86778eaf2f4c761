"""Moments as the report writes them."""

from datetime import UTC, datetime


def instant_text(at_us: int | None) -> str | None:
    """Microseconds since the epoch as ISO 8601 in UTC with milliseconds, `2026-03-05T10:00:00.123Z`; None for None."""
    if at_us is None:
        return None
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
