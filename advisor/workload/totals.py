"""What is summed up for one query while a log is read: small, mergeable, and independent of the order of calls."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from advisor.model.execution import Execution
from advisor.model.sketch import LatencySketch, bucket_of
from advisor.model.workload import Hour, PlanTotals, Query
from advisor.sql.identify import Identity
from advisor.sql.secrets import without_literals
from advisor.workload.bounded import BoundedSums
from advisor.workload.named import Named, named
from advisor.workload.samples import Samples

MAX_TAG_VALUES = 64
"""Names and values of a query's tags that are kept."""

CODE_TAGS = frozenset(
    ("action", "application", "component", "controller", "db_driver", "framework", "function", "handler", "job",
     "method", "namespace", "operation", "route", "service", "task", "template", "view")
)  # fmt: skip
"""Tags of sqlcommenter, marginalia and their like whose values name the application's own code."""

_CODE = re.compile(r"(?!.*\d{3})[A-Za-z_/<{:^][\w./:#<>{}()\[\]^$?*+|\\ -]{0,199}")
"""A name or a route; one with a number in it may be an id."""

HOUR_US = 3_600_000_000
Role = Literal["work", "begin", "end", "noise"]

_NO_WORK = ("SET", "SHOW", "RESET", "DISCARD", "DEALLOCATE", "SAVEPOINT", "RELEASE", "LISTEN", "UNLISTEN", "CLOSE")


class QueryTotals:
    """One query's calls so far. `role` says what it means for a unit of work; `append` takes an `Execution`.

    Without an identity it stands for texts that do not parse, or hold no statement: those are only counted.
    """

    __slots__ = (
        *("_batch", "_buckets", "_hours", "_samples", "_tags", "append", "calls", "database", "errors", "first_us"),
        *("id", "identity", "last_us", "max_us", "plans", "role", "rows", "temp_bytes", "temp_files", "timed"),
        *("total_us", "users"),
    )

    def __init__(self, identity: Identity | Named | None, database: str | None, query_id: str) -> None:
        self.id = query_id
        self.identity = identity
        self.database = database
        self.role: Role = role_of(identity) if identity is not None else "noise"
        self._batch: list[Execution] = []
        self.append: Callable[[Execution], None] = self._batch.append
        self.calls = self.timed = self.total_us = self.errors = self.temp_files = self.temp_bytes = 0
        self.max_us: int | None = None
        self.rows: int | None = None
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.users: tuple[str, ...] = ()
        self.plans: list[int] = [0, 0, 0, 0, 0]
        self._tags: BoundedSums | None = None
        self._buckets: dict[int, int] = {}
        self._hours: dict[int, list[int]] = {}
        self._samples = Samples()

    def add_summary(self, calls: int, timed: int, total_us: int, max_us: int | None, rows: int | None) -> None:
        """Calls of which only the sums are known (`-- calls: N`, `pg_stat_statements`)."""
        self.calls += calls
        self.timed += timed
        self.total_us += total_us
        self.max_us = _greatest(self.max_us, max_us)
        self.add_rows(rows)

    def add_rows(self, rows: int | None) -> None:
        """Rows that an execution counted elsewhere returned."""
        if rows is not None:
            self.rows = (self.rows or 0) + rows

    def add_plan(self, blocks: Sequence[int]) -> None:
        """One plan: shared blocks hit and read, temporary blocks read and written, by its root."""
        self.plans = [total + one for total, one in zip(self.plans, (1, *blocks), strict=True)]

    def add_text(self, sql: str, calls: int, tags: Mapping[str, str] | None) -> None:
        """Calls of a text that is no log's."""
        self.calls += calls
        if tags:
            self.seen_with(tags, calls)
        self._samples.add_text(f"statement: {sql}".encode("utf-8", "replace"))

    def shown_as(self, identity: Identity | Named) -> None:
        """Another text of the same query: of all of them the shortest is shown (`END` for `COMMIT`)."""
        mine = self.identity
        if mine is not None and mine is not identity and _shown_order(identity.sql) < _shown_order(mine.sql):
            self.identity = identity

    def seen_by(self, user: str | None) -> None:
        """Notes who ran it; of several users two are kept, which is enough to know that there is not one."""
        if user is not None and user not in self.users:
            self.users = tuple(sorted((*self.users, user))[:2])

    def seen_with(self, tags: Mapping[str, str], calls: int = 1) -> None:
        """Notes the tags of its comments."""
        if self._tags is None:
            self._tags = BoundedSums(MAX_TAG_VALUES, [0])
        for name, value in tags.items():
            self._tags.add((name, value), [calls])

    def fold(self) -> None:
        """Adds up what was appended. Loops over columns cost less than work per execution."""
        batch = self._batch
        if not batch:
            return
        self.calls += len(batch)
        if self.identity is not None:
            known, times, durations, messages, details, contexts, rows = zip(*batch, strict=True)
            if None in durations:
                durations = tuple([duration for duration in durations if duration is not None])
            if durations:
                self._add_durations(durations)
                if max(durations) > self._samples.slow_limit:
                    self._samples.add_slow(batch)
            self._add_times(batch, times, durations)
            self._samples.add_rare(batch, messages, details)
            for context in set(contexts):
                self.seen_by(context.user)
            tagged = [each.tags for each in known if each.tags]
            if tagged:
                by_id = {id(tags): tags for tags in tagged}
                for key, calls in Counter(map(id, tagged)).items():
                    self.seen_with(by_id[key], calls)
            if any(rows):
                self.add_rows(sum(filter(None, rows)))
        batch.clear()

    def _add_durations(self, durations: Sequence[int]) -> None:
        self.timed += len(durations)
        self.total_us += sum(durations)
        self.max_us = _greatest(self.max_us, max(durations))
        buckets = self._buckets
        for duration, count in Counter(durations).items():
            bucket = bucket_of(duration)
            buckets[bucket] = buckets.get(bucket, 0) + count

    def _add_times(self, batch: Sequence[Execution], times: Sequence[int | None], durations: Sequence[int]) -> None:
        known = [at for at in times if at is not None]
        if not known:
            return
        first, last = min(known), max(known)
        self.first_us = first if self.first_us is None or first < self.first_us else self.first_us
        self.last_us = last if self.last_us is None or last > self.last_us else self.last_us
        if first // HOUR_US == last // HOUR_US and len(known) == len(times):
            self._add_hour(first // HOUR_US, (len(known), len(durations), sum(durations)))
        elif first // HOUR_US == last // HOUR_US:
            timed = [each[2] for each in batch if each[2] is not None and each[1] is not None]
            self._add_hour(first // HOUR_US, (len(known), len(timed), sum(timed)))
        else:
            for each in batch:
                if each.at_us is not None:
                    timed_one = each.duration_us is not None
                    self._add_hour(each.at_us // HOUR_US, (1, int(timed_one), each.duration_us or 0))
        self._samples.add_typical(batch, known)

    def _add_hour(self, hour: int, row: Sequence[int]) -> None:
        known = self._hours.get(hour)
        if known is None:
            self._hours[hour] = list(row)
        else:
            known[0] += row[0]
            known[1] += row[1]
            known[2] += row[2]

    def merge(self, other: "QueryTotals") -> None:
        """Adds what another digest knows of the same query."""
        self.fold()
        other.fold()
        self.add_summary(other.calls, other.timed, other.total_us, other.max_us, other.rows)
        self.errors += other.errors
        self.temp_files += other.temp_files
        self.temp_bytes += other.temp_bytes
        self.plans = [one + more for one, more in zip(self.plans, other.plans, strict=True)]
        for user in other.users:
            self.seen_by(user)
        if other._tags is not None:
            self._tags = self._tags or BoundedSums(MAX_TAG_VALUES, [0])
            self._tags.merge(other._tags)
        for bucket, count in other._buckets.items():
            self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        for hour, row in other._hours.items():
            self._add_hour(hour, row)
        self._samples.restore(other._samples.state())
        self.first_us = _least(self.first_us, other.first_us)
        self.last_us = _greatest(self.last_us, other.last_us)

    def redact(self) -> None:
        """Drops the samples, the literals that are left in the text, and all tags but names of code."""
        self.fold()
        self._samples.clear()
        if self.identity is not None:
            kept = named(self.identity)
            self.identity = replace(kept, sql=without_literals(kept.sql))
        if self._tags is not None:
            tags, self._tags = self._tags, BoundedSums(MAX_TAG_VALUES, [0])
            for (name, value), row in tags.items():
                if name in CODE_TAGS and value is not None and _CODE.fullmatch(value):
                    self._tags.add((name, value), row)

    def state(self) -> list[Any]:
        """Everything but the identity as plain values; equal for equal contents."""
        self.fold()
        return [
            [self.calls, self.timed, self.total_us, self.max_us, self.rows, self.errors],
            [self.temp_files, self.temp_bytes, self.first_us, self.last_us],
            list(self.users),
            self.plans,
            self._tags.state() if self._tags is not None else None,
            sorted(self._buckets.items()),
            sorted([hour, *row] for hour, row in self._hours.items()),
            self._samples.state(),
        ]

    def restore(self, state: Sequence[Any]) -> None:
        """Takes over what `state` told; only for one that is empty."""
        counts, more, users, plans, tags, buckets, hours, samples = state
        self.calls, self.timed, self.total_us, self.max_us, self.rows, self.errors = counts
        self.temp_files, self.temp_bytes, self.first_us, self.last_us = more
        self.users = tuple(users)
        self.plans = list(plans)
        if tags is not None:
            self._tags = BoundedSums(MAX_TAG_VALUES, [0])
            self._tags.restore(tags)
        self._buckets = dict(buckets)
        self._hours = {hour: list(row) for hour, *row in hours}
        self._samples.restore(samples)

    def freeze(self) -> Query:
        """The query as a value."""
        self.fold()
        identity = self.identity
        assert identity is not None
        tags = self._tag_calls()
        plans, hit, read, temp_read, temp_written = self.plans
        return Query(
            id=self.id,
            sql=identity.sql,
            fingerprint=identity.fingerprint,
            database=self.database,
            user=self.users[0] if len(self.users) == 1 else None,
            calls=self.calls,
            timed_calls=self.timed,
            total_us=self.total_us,
            max_us=self.max_us,
            latency=LatencySketch(dict(sorted(self._buckets.items()))),
            rows=self.rows,
            tables=identity.tables,
            tags={name: max(values, key=lambda value: (values[value], value)) for name, values in tags.items()},
            tag_calls=tags,
            hours=tuple(
                Hour(start_us=hour * HOUR_US, calls=row[0], timed_calls=row[1], total_us=row[2])
                for hour, row in sorted(self._hours.items())
            ),
            plan_totals=PlanTotals(
                plans=plans,
                shared_hit_blocks=hit,
                shared_read_blocks=read,
                temp_read_blocks=temp_read,
                temp_written_blocks=temp_written,
            )
            if plans
            else None,
            temp_files=self.temp_files,
            temp_bytes=self.temp_bytes,
            errors=self.errors,
            samples=self._samples.freeze(),
            first_us=self.first_us,
            last_us=self.last_us,
        )

    def _tag_calls(self) -> dict[str, dict[str, int]]:
        tags: dict[str, dict[str, int]] = {}
        for (name, value), (calls,) in self._tags.items() if self._tags is not None else ():
            tags.setdefault(name or "", {})[value or ""] = calls
        return tags


def _shown_order(sql: str) -> tuple[int, str]:
    return len(sql), sql


def _least(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else min(one, other)


def _greatest(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else max(one, other)


def role_of(identity: Identity | Named) -> Role:
    """What a query means for the unit of work around it."""
    if not identity.is_transaction_control and identity.kind != "utility":
        return "work"
    words = identity.sql.upper().split(None, 2)
    first = words[0].rstrip(";") if words else ""
    if not identity.is_transaction_control:
        return "noise" if first in _NO_WORK else "work"
    if first in ("BEGIN", "START"):
        return "begin"
    if first in ("COMMIT", "END", "ABORT") or (first == "ROLLBACK" and "TO" not in words[1:2]):
        return "end" if words[1:2] != ["PREPARED"] else "noise"
    return "noise"
