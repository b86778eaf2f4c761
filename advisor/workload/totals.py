"""What is summed up for one query while a log is read: small, mergeable, and independent of the order of calls."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal
from zlib import crc32

from advisor.model.event import Bound, Event
from advisor.model.sketch import LatencySketch, bucket_of
from advisor.model.workload import Query, Sample
from advisor.sources.messages import bind_values
from advisor.sql.identify import Identity

SLOW_SAMPLES = 3
SPREAD_SAMPLES = 5
"""Together at most 8 samples: the slowest executions, and others picked evenly by a hash of time and duration."""

SAMPLE_CHARACTERS = 100_000
"""Longer texts are kept as samples only where there is no other: eight of them per query would fill the memory."""

FOLD_AT = 32
"""Executions of a query are added up in batches of this size: loops over a list cost less than calls, and the texts
of so few, of at most `LONG_CHARACTERS` each, do not fill the memory."""

LONG_CHARACTERS = 4096
"""A longer text does not wait in a batch."""

_COUNT_AT = 512
"""Durations are counted in batches of this size: many are equal."""

_AT, _DURATION = 1, 9
"""Positions in an `Event`."""

_HIGHEST_KEY = 1_000_003
"""A prime, so that times in whole milliseconds spread, too."""

Role = Literal["work", "begin", "end", "noise"]

_NO_WORK = ("SET", "SHOW", "RESET", "DISCARD", "DEALLOCATE", "SAVEPOINT", "RELEASE", "LISTEN", "UNLISTEN", "CLOSE")


class QueryTotals:
    """One query's calls so far. `role` says what it means for a unit of work."""

    __slots__ = (
        *(
            "_buckets",
            "_durations",
            "_slow",
            "_spread",
            "_timed",
            "_total_us",
            "_untimed",
            "batch",
            "database",
            "first_us",
        ),
        *("identity", "last_us", "max_us", "role", "rows", "slow_limit", "spread_limit", "tags", "user", "users"),
    )

    def __init__(self, identity: Identity, database: str | None) -> None:
        self.identity = identity
        self.database = database
        self.role: Role = role_of(identity)
        self.user: str | None = None
        self.users = 0
        self.tags: dict[str, str] = {}
        self.rows: int | None = None
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.max_us: int | None = None
        self.slow_limit = -1
        self.spread_limit = _HIGHEST_KEY
        self._untimed = 0
        self._timed = 0
        self._total_us = 0
        self._durations: list[int] = []
        self.batch: list[Event] = []
        self._buckets: dict[int, int] = {}
        self._slow: list[tuple[int, str, Bound]] = []
        self._spread: list[tuple[int, str, Bound, int | None]] = []

    def add(self, event: Event) -> None:
        """One execution, or the plan that stands for it."""
        self.batch.append(event)
        if len(self.batch) >= FOLD_AT:
            self.fold()

    def add_summary(self, calls: int, timed: int, total_us: int, max_us: int | None, rows: int | None) -> None:
        """Calls of which only the sums are known (`-- calls: N`, `pg_stat_statements`)."""
        self._untimed += calls - timed
        self._timed += timed
        self._total_us += total_us
        if max_us is not None:
            self.max_us = max(self.max_us or 0, max_us)
        self.add_rows(rows)

    def add_rows(self, rows: int | None) -> None:
        """Rows that an execution counted elsewhere returned."""
        if rows is not None:
            self.rows = (self.rows or 0) + rows

    def seen_by(self, user: str | None) -> None:
        """Notes who ran it; a query of several users has none."""
        if user != self.user and user is not None:
            self.users += 1
            self.user = user

    def seen_with(self, tags: Mapping[str, str]) -> None:
        """Notes the tags of its comments, the first value of each."""
        for name, value in tags.items():
            self.tags.setdefault(name, value)

    def fold(self) -> None:
        """Adds up the batch."""
        batch = self.batch
        if not batch:
            return
        columns = tuple(zip(*batch, strict=True))
        times, durations = columns[_AT], columns[_DURATION]
        if None in times or None in durations:
            keys = list(map(_spread_key, batch))
            times = tuple([at for at in times if at is not None])
            durations = tuple([duration for duration in durations if duration is not None])
        else:
            keys = [(at * 31 + duration) % _HIGHEST_KEY for at, duration in zip(times, durations, strict=True)]
        self._untimed += len(batch) - len(durations)
        if durations:
            self._durations += durations
            if len(self._durations) >= _COUNT_AT:
                self._count_durations()
            if max(durations) > self.slow_limit:
                self._keep_slowest(batch)
        if min(keys) < self.spread_limit:
            for key, event in zip(keys, batch, strict=True):
                if key < self.spread_limit:
                    self._keep_spread(key, event.sql or "", event.parameters, event.duration_us)
        if times:
            first, last = min(times), max(times)
            self.first_us = first if self.first_us is None or first < self.first_us else self.first_us
            self.last_us = last if self.last_us is None or last > self.last_us else self.last_us
        batch.clear()

    def _count_durations(self) -> None:
        durations = self._durations
        if not durations:
            return
        self._timed += len(durations)
        self._total_us += sum(durations)
        self.max_us = max(self.max_us or 0, max(durations))
        buckets = self._buckets
        for duration, count in Counter(durations).items():
            bucket = bucket_of(duration)
            buckets[bucket] = buckets.get(bucket, 0) + count
        durations.clear()

    def _keep_slowest(self, batch: list[Event]) -> None:
        for event in batch:
            if event.duration_us is not None and event.duration_us > self.slow_limit:
                self._keep_slow(event.duration_us, event.sql or "", event.parameters)

    def _keep_slow(self, duration_us: int, sql: str, parameters: Bound) -> None:
        if len(sql) > SAMPLE_CHARACTERS and self._slow:
            return
        ranked = sorted((*self._slow, (duration_us, sql, parameters)), key=lambda entry: (-entry[0], entry[1]))
        self._slow = _distinct(ranked)[:SLOW_SAMPLES]
        if len(self._slow) == SLOW_SAMPLES:
            self.slow_limit = self._slow[-1][0]

    def _keep_spread(self, key: int, sql: str, parameters: Bound, duration_us: int | None) -> None:
        if len(sql) > SAMPLE_CHARACTERS and self._spread:
            return
        if any((entry[1], entry[2]) == (sql, parameters) for entry in self._spread):
            return
        self._spread.append((key, sql, parameters, duration_us))
        self._spread.sort(key=lambda entry: (entry[0], entry[1]))
        del self._spread[SPREAD_SAMPLES:]
        if len(self._spread) == SPREAD_SAMPLES:
            self.spread_limit = self._spread[-1][0]

    def merge(self, other: "QueryTotals") -> None:
        """Adds what another digest knows of the same query; `other` must not be used any more."""
        for totals in (self, other):
            totals.fold()
            totals._count_durations()
        self.add_summary(other._untimed + other._timed, other._timed, other._total_us, other.max_us, other.rows)
        for bucket, count in other._buckets.items():
            self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        self.users += other.users - (1 if other.user == self.user and other.users else 0)
        self.user = self.user or other.user
        self.seen_with(other.tags)
        for duration, sql, parameters in other._slow:
            self._keep_slow(duration, sql, parameters)
        for key, sql, parameters, duration_us in other._spread:
            self._keep_spread(key, sql, parameters, duration_us)
        firsts = [at for at in (self.first_us, other.first_us) if at is not None]
        lasts = [at for at in (self.last_us, other.last_us) if at is not None]
        self.first_us, self.last_us = min(firsts, default=None), max(lasts, default=None)

    @property
    def timed(self) -> int:
        """Executions whose duration is known."""
        self.fold()
        return self._timed + len(self._durations)

    def freeze(self) -> Query:
        """The query as a value."""
        self.fold()
        self._count_durations()
        identity = self.identity
        return Query(
            id=identity.id,
            sql=identity.sql,
            fingerprint=identity.fingerprint,
            database=self.database,
            user=self.user if self.users == 1 else None,
            calls=self._timed + self._untimed,
            timed_calls=self._timed,
            total_us=self._total_us,
            max_us=self.max_us,
            latency=LatencySketch(dict(sorted(self._buckets.items()))),
            rows=self.rows,
            tables=identity.tables,
            tags=dict(sorted(self.tags.items())),
            samples=self._samples(),
            first_us=self.first_us,
            last_us=self.last_us,
        )

    def _samples(self) -> tuple[Sample, ...]:
        slow = [
            Sample(sql=sql, parameters=bind_values(bound), duration_us=duration) for duration, sql, bound in self._slow
        ]
        taken = {(sql, bound) for _, sql, bound in self._slow}
        spread = [
            Sample(sql=sql, parameters=bind_values(bound), duration_us=duration)
            for _, sql, bound, duration in self._spread
            if (sql, bound) not in taken
        ]
        return (*slow, *spread)


def _spread_key(event: Event) -> int:
    """Picks samples evenly: by time and duration, by the text where neither is known."""
    if event.at_us is None and event.duration_us is None:
        return crc32((event.sql or "").encode("utf-8", "surrogatepass")) % _HIGHEST_KEY
    return ((event.at_us or 0) * 31 + (event.duration_us or 0)) % _HIGHEST_KEY


def _distinct(
    entries: list[tuple[int, str, Bound]],
) -> list[tuple[int, str, Bound]]:
    slowest: dict[tuple[str, Bound], int] = {}
    for duration, sql, bound in entries:
        slowest.setdefault((sql, bound), duration)
    return [(duration, sql, bound) for (sql, bound), duration in slowest.items()]


def role_of(identity: Identity) -> Role:
    """What a query means for the unit of work around it."""
    words = identity.sql.upper().split(None, 2)
    first = words[0].rstrip(";") if words else ""
    if not identity.is_transaction_control:
        return "noise" if identity.kind == "utility" and first in _NO_WORK else "work"
    if first in ("BEGIN", "START"):
        return "begin"
    if first in ("COMMIT", "END", "ABORT") or (first == "ROLLBACK" and "TO" not in words[1:2]):
        return "end" if words[1:2] != ["PREPARED"] else "noise"
    return "noise"
