"""The JSON log. Source: PostgreSQL manual, "Using JSON-Format Log Output" (15 and later): one object per line."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from advisor.model.event import Event
from advisor.sources.blocks import lines_of
from advisor.sources.joiner import Joiner, Record
from advisor.sources.messages import timestamp_us
from advisor.sources.tally import Tally


def read(blocks: Iterable[bytes], tally: Tally) -> Iterator[Event]:
    """The events of a jsonlog; lines that are no log object are counted as unknown."""
    joiner = Joiner(tally)
    for number, line in enumerate(lines_of(blocks), 1):
        record = _record(line, number)
        if record is not None:
            tally.classified(len(line))
            joiner.feed(record)
            if joiner.events:
                yield from joiner.events
                joiner.events.clear()
        elif line.strip():
            tally.not_understood(line.decode("utf-8", "replace"), len(line))
        else:
            tally.classified(len(line))
    joiner.finish()
    yield from joiner.events


def is_log_object(entry: Any) -> bool:
    """Whether a decoded JSON value is a record of a jsonlog."""
    return isinstance(entry, dict) and "timestamp" in entry and ("error_severity" in entry or "message" in entry)


def _record(line: bytes, number: int) -> Record | None:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        entry = _repaired(line)
    if not is_log_object(entry):
        return None
    at = timestamp_us(str(entry["timestamp"]))
    if at is None:
        return None
    text = _Text(entry)
    return Record(
        at_us=at,
        session=text("session_id") or text("pid") or "",
        transaction=text("vxid"),
        database=text("dbname"),
        user=text("user"),
        application=text("application_name"),
        line=number,
        severity=text("error_severity") or "",
        message=text("message") or "",
        detail=text("detail"),
        statement=text("statement"),
        sqlstate=text("state_code"),
    )


def _repaired(line: bytes) -> Any:
    """A line in another encoding than UTF-8, which orjson refuses."""
    try:
        return orjson.loads(line.decode("latin-1"))
    except orjson.JSONDecodeError:
        return None


class _Text:
    """Reads fields as text: None where absent or empty."""

    __slots__ = ("_entry",)

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self._entry = entry

    def __call__(self, field: str) -> str | None:
        value = self._entry.get(field)
        return str(value) if value not in (None, "") else None
