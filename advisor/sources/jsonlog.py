"""The JSON log. Source: PostgreSQL manual, "Using JSON-Format Log Output" (15 and later): one object per line."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from advisor.model.event import Event
from advisor.sources.blocks import lines_of
from advisor.sources.joiner import Joiner, Record
from advisor.sources.messages import timestamp_us
from advisor.sources.tally import Tally

_FIELDS = (
    *("session_id", "vxid", "dbname", "user", "application_name"),
    *("error_severity", "message", "detail", "statement", "state_code"),
)
_TEXTS = frozenset((str, type(None)))


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
    get = entry.get
    values: list[Any] = [get(field) or None for field in _FIELDS]
    if not _TEXTS.issuperset(map(type, values)):
        values = [str(value) if value is not None else None for value in values]
    session, transaction, database, user, application, severity, message, detail, statement, sqlstate = values
    if session is None:
        session = str(get("pid") or "")
    head = (at, session, transaction, database, user, application, number)
    return Record._make((*head, severity or "", message or "", detail, statement, sqlstate))


def _repaired(line: bytes) -> Any:
    """A line in another encoding than UTF-8, which orjson refuses."""
    try:
        return orjson.loads(line.decode("latin-1"))
    except orjson.JSONDecodeError:
        return None
