"""The CSV log. Source: PostgreSQL manual, "Using CSV-Format Log Output"; 23 columns, 24 from 13, 26 from 14."""

import csv
from collections.abc import Iterable, Iterator, Sequence

from advisor.model.event import Event
from advisor.sources.blocks import lines_of
from advisor.sources.joiner import Joiner, Record
from advisor.sources.messages import timestamp_us
from advisor.sources.tally import Tally

COLUMN_COUNTS = range(22, 28)
"""22 before 9.0 (no application name); 23 to 26 since; one more is accepted for what may come."""

_AT, _USER, _DATABASE, _PID, _SESSION, _TRANSACTION, _SEVERITY, _SQLSTATE = 0, 1, 2, 3, 5, 9, 11, 12
_MESSAGE, _DETAIL, _QUERY, _APPLICATION = 13, 14, 19, 22

FIELD_LIMIT = 1 << 30
"""Of the csv module, whose default of 128 KiB is less than a long statement. The setting is the module's own."""


def read(blocks: Iterable[bytes], tally: Tally) -> Iterator[Event]:
    """The events of a csvlog; rows of another width are counted as unknown."""
    csv.field_size_limit(FIELD_LIMIT)
    joiner = Joiner(tally)
    source = lines_of(blocks)
    consumed: list[bytes] = []

    def lines() -> Iterator[str]:
        for line in source:
            consumed.append(line)
            yield line.decode("utf-8", "replace")

    rows = csv.reader(lines())
    line = 1
    while True:
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error:
            row = []
            rows = csv.reader(lines())
        size = sum(map(len, consumed))
        record = _record(row, line)
        if record is not None:
            tally.classified(size)
            joiner.feed(record)
            if joiner.events:
                yield from joiner.events
                joiner.events.clear()
        elif row:
            tally.not_understood(b"".join(consumed).decode("utf-8", "replace"), size)
        else:
            tally.classified(size)
        line += len(consumed)
        consumed.clear()
    if consumed:
        tally.not_understood(b"".join(consumed).decode("utf-8", "replace"), sum(map(len, consumed)))
    joiner.finish()
    yield from joiner.events


def _record(row: Sequence[str], line: int) -> Record | None:
    if len(row) not in COLUMN_COUNTS:
        return None
    at = timestamp_us(row[_AT])
    if at is None:
        return None
    return Record(
        at_us=at,
        session=row[_SESSION] or row[_PID],
        transaction=row[_TRANSACTION] or None,
        database=row[_DATABASE] or None,
        user=row[_USER] or None,
        application=(row[_APPLICATION] or None) if len(row) > _APPLICATION else None,
        line=line,
        severity=row[_SEVERITY],
        message=row[_MESSAGE],
        detail=row[_DETAIL] or None,
        statement=row[_QUERY] or None,
        sqlstate=row[_SQLSTATE] or None,
    )
