"""Supabase: rows of `postgres_logs` as its log explorer and its API give them.

Source: Supabase's documentation, "Logging" and "Logs explorer": `event_message` is the record's message, `timestamp` is
in microseconds, `metadata[].parsed[]` has csvlog's columns; a query may have put those beside the message.
"""

from typing import Any

from advisor.sources.envelopes.envelope import Layer
from advisor.sources.envelopes.fields import jsonlog_line
from advisor.sources.envelopes.stamps import epoch_stamp, iso_stamp


def extract(_: Layer, entry: dict[str, Any]) -> bytes | None:
    """A line of jsonlog; None where there is no message or no time."""
    message = entry.get("event_message")
    if not isinstance(message, str):
        return None
    fields = {**entry, **_parsed(entry)}
    at = _time(fields.get("timestamp")) or _time(entry.get("timestamp"))
    if at is None:
        return None
    if not fields.get("error_severity"):
        fields["error_severity"] = "LOG"
    return jsonlog_line(at, {**fields, "message": message})


def _parsed(entry: dict[str, Any]) -> dict[str, Any]:
    metadata = _first(entry.get("metadata"))
    return _first(metadata.get("parsed")) or _first(entry.get("parsed"))


def _first(value: Any) -> dict[str, Any]:
    found = value[0] if isinstance(value, list) and value else value
    return found if isinstance(found, dict) else {}


def _time(value: Any) -> str | None:
    stamp = epoch_stamp(value) if isinstance(value, int) else iso_stamp(str(value))
    return stamp.decode() if stamp else None
