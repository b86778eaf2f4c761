"""What happened on the server besides statements, added up record by record: bounded, and the same in any order."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from advisor.model.incident import (
    CheckpointCompleted,
    CheckpointStarted,
    CheckpointsTooFrequent,
    ConnectionAuthorized,
    ConnectionReceived,
    Disconnection,
    Failure,
    Incident,
    LockWait,
    Occurrence,
    ParameterChanged,
    RecoveryWait,
    ServerNotice,
    TableMaintained,
    TemporaryFile,
)
from advisor.model.server_events import ServerEvents
from advisor.model.sketch import bucket_of
from advisor.sources.failures import inferred_sqlstate
from advisor.workload.bounded import BoundedSums, Largest, Row, greater, lesser
from advisor.workload.server_events import Parts, freeze

ERROR_CLASSES = 500
SQLSTATES = 300
"""PostgreSQL itself has fewer than 270; an application may invent more."""
CLIENTS = 200
LOCK_OBJECTS = 500
TABLES = 1000
QUERIES = 2000
PARAMETERS = 500
"""Keys kept apart of each kind: more than a healthy server has, and together a few megabytes at most."""

LONGEST = 20
"""Waits and files shown one by one. Of waits twice as many are kept: a wait can be there at two of its stages."""

HOURS = 24 * 366 * 2
"""Two years; the latest are kept."""

HOUR_US = 3_600_000_000

_HOUR_FIELDS = ("errors", "lock_waits", "deadlocks", "temp_bytes", "checkpoints", "connections")
_HOUR_POSITIONS = {name: position for position, name in enumerate(_HOUR_FIELDS)}

_CANCELLED = frozenset(
    ("statement_timeout", "lock_timeout", "user_request", "recovery_conflict", "transaction_timeout")
)

_OF_NO_SESSION: frozenset[Occurrence] = frozenset(
    ("starting", "ready", "ready_read_only", "shutdown_requested", "stopped", "crash_recovery", "process_crashed",
     "reinitializing", "promoted", "streaming_started", "archive_failed", "configuration_reloaded")
)  # fmt: skip
_BACKGROUND = (
    CheckpointStarted, CheckpointCompleted, CheckpointsTooFrequent, TableMaintained, RecoveryWait, ParameterChanged,
)  # fmt: skip
"""Written by processes without a session: from a user it is an application's text."""

_NO_USER = frozenset((None, "", "[unknown]"))


class IncidentTotals:
    """Adds up incidents. `merge` is commutative and associative: pieces of a log give the same in any order.

    Bounded: at most the numbers of keys above, whatever the log; counts beyond them are in an `other` row each.
    """

    __slots__ = ("_buckets", "_counts", "_hours", "_maxima", "_parts")

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._maxima: dict[str, int] = {}
        self._buckets: Counter[int] = Counter()
        self._hours: dict[int, list[int]] = {}
        self._parts = Parts(
            errors=BoundedSums(ERROR_CLASSES, [0, None, None], _add_errors),
            sqlstates=BoundedSums(SQLSTATES, [0]),
            clients=BoundedSums(CLIENTS, [0, 0]),
            lock_objects=BoundedSums(LOCK_OBJECTS, [0, 0]),
            tables=BoundedSums(TABLES, [0, 0, 0, 0, 0, None, 0, 0, None], _add_upkeep),
            queries=BoundedSums(QUERIES, [0, 0, 0, 0, 0, 0]),
            parameters=BoundedSums(PARAMETERS, [0, None, None], _add_changes),
            longest=Largest(2 * LONGEST),
            largest=Largest(LONGEST),
        )

    def add(
        self,
        incident: Incident,
        at_us: int | None,
        query_id: str | None = None,
        database: str | None = None,
        user: str | None = None,
    ) -> None:
        """One incident.

        Args:
            incident: of `read_incident`.
            at_us: of the record, microseconds since the epoch (UTC); None where the log has no times.
            query_id: `Query.id` of the record's STATEMENT, where it has one that is understood.
            database, user: of the record's prefix or columns; None (or empty) for a process without a session. They
                tell what only looks like a message of the server: a checkpoint with a user is a RAISE LOG.
        """
        if user not in _NO_USER and _is_background(incident):
            self._counts["imitations"] += 1
            return
        _ADDERS[type(incident)](self, incident, at_us, query_id, database or None, user or None)

    def count(self, names: Iterable[str]) -> None:
        """Counts records of kinds that only tell what a log is made of; see `advisor.workload.honesty`."""
        for name in names:
            self._counts[name] += 1

    @property
    def counts(self) -> Mapping[str, int]:
        """All counts by name."""
        return self._counts

    def merge(self, other: "IncidentTotals") -> None:
        """Adds what another one has counted; `other` stays as it is."""
        self._counts.update(other._counts)
        self._buckets.update(other._buckets)
        for name, value in other._maxima.items():
            self._most(name, value)
        for hour, row in other._hours.items():
            self._add_hour(hour, row)
        parts: Iterable[tuple[Any, Any]] = zip(self._parts, other._parts, strict=True)
        for mine, more in parts:
            mine.merge(more)

    def redact(self) -> None:
        """Drops the words of every error that is not one of PostgreSQL's well-known ones: they may be an application's.

        What remains of those is their severity and SQLSTATE. Names of relations and constraints stay.
        """
        kept = BoundedSums(ERROR_CLASSES, [0, None, None], _add_errors)
        for (severity, state, message), row in self._parts.errors.items():
            known = message is not None and inferred_sqlstate(message) is not None
            kept.add((severity, state, message if known else ""), row)
        kept.restore([[], self._parts.errors.other])
        self._parts = self._parts._replace(errors=kept)

    def state(self) -> dict[str, Any]:
        """Plain lists, dicts, numbers and texts, for `restore`; equal for equal contents."""
        return {
            "counts": {name: count for name, count in sorted(self._counts.items()) if count},
            "maxima": dict(sorted(self._maxima.items())),
            "buckets": [list(item) for item in sorted(self._buckets.items())],
            "hours": [[hour, *row] for hour, row in sorted(self._hours.items())],
            "parts": [part.state() for part in self._parts],
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "IncidentTotals":
        """What `state` told, to be added to again."""
        totals = cls()
        totals._counts.update(state["counts"])
        totals._maxima.update(state["maxima"])
        totals._buckets.update(dict(state["buckets"]))
        for hour, *row in state["hours"]:
            totals._add_hour(hour, row)
        parts: Iterable[tuple[Any, Any]] = zip(totals._parts, state["parts"], strict=True)
        for part, kept in parts:
            part.restore(kept)
        return totals

    def freeze(self) -> ServerEvents:
        """Everything so far, as a value."""
        hours = [(hour * HOUR_US, dict(zip(_HOUR_FIELDS, row, strict=True))) for hour, row in self._hours.items()]
        return freeze(self._counts, self._maxima, self._buckets, sorted(hours, key=lambda hour: hour[0]), self._parts)

    def _most(self, name: str, value: int) -> None:
        self._maxima[name] = max(self._maxima.get(name, value), value)

    def _hour(self, name: str, at_us: int | None, count: int = 1) -> None:
        if at_us is None:
            return
        row = self._hours.get(at_us // HOUR_US)
        if row is None:
            self._add_hour(at_us // HOUR_US, [0] * len(_HOUR_FIELDS))
            row = self._hours.get(at_us // HOUR_US)
        if row is not None:
            row[_HOUR_POSITIONS[name]] += count

    def _add_hour(self, hour: int, row: list[int]) -> None:
        known = self._hours.setdefault(hour, [0] * len(_HOUR_FIELDS))
        for position, count in enumerate(row):
            known[position] += count
        if len(self._hours) > HOURS:
            del self._hours[min(self._hours)]

    def _failure(self, found: Failure, at_us: int | None, query: str | None, *_: Any) -> None:
        counts, parts = self._counts, self._parts
        counts["errors"] += 1
        self._hour("errors", at_us)
        parts.errors.add((found.severity, found.sqlstate, found.message), [1, at_us, at_us])
        parts.sqlstates.add((found.sqlstate,), [1])
        if found.cause is not None:
            counts["cause " + found.cause] += 1
        if found.cause == "deadlock":
            self._hour("deadlocks", at_us)
        elif found.cause == "recovery_conflict":
            counts[f"conflict {found.reason or 'unknown'}"] += 1
        elif found.cause == "autovacuum_cancelled" and found.relation is not None:
            parts.tables.add(tuple(found.relation.split(".", 1)), [0, 0, 1, 0, 0, None, 0, 0, None])
        if query is not None:
            parts.queries.add((query,), [1, 1 if found.cause in _CANCELLED else 0, 0, 0, 0, 0])

    def _received(self, *_: Any) -> None:
        self._counts["received"] += 1

    def _authorized(self, found: ConnectionAuthorized, at_us: int | None, *_: Any) -> None:
        self._counts["replication" if found.replication else "authorized"] += 1
        self._hour("connections", at_us)

    def _ended(self, found: Disconnection, *_: Any) -> None:
        self._counts["ended"] += 1
        self._counts["session_us"] += found.duration_us
        self._most("session_us", found.duration_us)
        self._buckets[bucket_of(found.duration_us)] += 1
        self._parts.clients.add((found.user, found.database or None, found.host), [1, found.duration_us])

    def _lock_wait(
        self, found: LockWait, at_us: int | None, query: str | None, database: str | None, user: str | None
    ) -> None:
        stage, waited_us = found.stage, found.waited_us or 0
        began, ended = stage == "waiting", stage in ("acquired", "failed")
        if began:
            self._hour("lock_waits", at_us)
        self._counts["lock " + stage] += 1
        if ended:
            self._counts["lock_wait_us"] += waited_us
        if began or ended:
            parts, ended_us = self._parts, waited_us if ended else 0
            parts.longest.add(
                (waited_us, at_us, found.mode, found.object, found.relation, database, user, query, found.pid, stage)
            )
            parts.lock_objects.add((database, _lock_label(found)), [int(began), ended_us])
            if query is not None:
                parts.queries.add((query,), [0, 0, int(began), ended_us, 0, 0])

    def _temporary_file(
        self, found: TemporaryFile, at_us: int | None, query: str | None, database: str | None, user: str | None
    ) -> None:
        self._counts["temp_files"] += 1
        self._counts["temp_bytes"] += found.size_bytes
        self._hour("temp_bytes", at_us, found.size_bytes)
        self._parts.largest.add((found.size_bytes, at_us, database, user, query))
        if query is not None:
            self._parts.queries.add((query,), [0, 0, 0, 0, 1, found.size_bytes])

    def _checkpoint_started(self, found: CheckpointStarted, *_: Any) -> None:
        for reason in found.reasons:
            self._counts["reason wal" if reason == "xlog" else "reason " + reason] += 1

    def _checkpoint_completed(self, found: CheckpointCompleted, at_us: int | None, *_: Any) -> None:
        counts = self._counts
        counts["restartpoints" if found.restartpoint else "checkpoints"] += 1
        self._hour("checkpoints", at_us)
        for name in ("buffers", "wal_added", "wal_removed", "wal_recycled", "write_us", "sync_us", "total_us"):
            counts["checkpoint " + name] += getattr(found, name)
        counts["checkpoint distance_bytes"] += found.distance_bytes or 0
        self._most("checkpoint_us", found.total_us)
        self._most("checkpoint_sync_us", found.sync_us)

    def _too_frequent(self, *_: Any) -> None:
        self._counts["too_frequent"] += 1

    def _maintained(self, found: TableMaintained, *_: Any) -> None:
        vacuum = found.operation == "vacuum"
        elapsed_us = found.elapsed_us or 0
        self._counts["vacuums" if vacuum else "analyzes"] += 1
        self._counts["upkeep_us"] += elapsed_us
        row = [
            int(vacuum), int(not vacuum), 0, int(found.prevents_wraparound), elapsed_us, found.elapsed_us,
            found.index_scans or 0, found.tuples_removed or 0, found.dead_tuples,
        ]  # fmt: skip
        self._parts.tables.add((found.database, found.table), row)

    def _recovery_wait(self, found: RecoveryWait, *_: Any) -> None:
        if not found.finished:
            self._counts["recovery waiting"] += 1
            self._counts["recovery conflict " + found.reason] += 1
            return
        self._counts["recovery ended"] += 1
        self._counts["recovery_us"] += found.waited_us
        self._most("recovery_us", found.waited_us)

    def _parameter(self, found: ParameterChanged, at_us: int | None, *_: Any) -> None:
        change = [at_us, found.value]
        self._parts.parameters.add((found.name,), [1, change, change])

    def _notice(self, found: ServerNotice, *_: Any) -> None:
        self._counts["occurrence " + found.occurrence] += 1


_ADDERS: dict[type, Callable[..., None]] = {
    Failure: IncidentTotals._failure,
    ConnectionReceived: IncidentTotals._received,
    ConnectionAuthorized: IncidentTotals._authorized,
    Disconnection: IncidentTotals._ended,
    LockWait: IncidentTotals._lock_wait,
    TemporaryFile: IncidentTotals._temporary_file,
    CheckpointStarted: IncidentTotals._checkpoint_started,
    CheckpointCompleted: IncidentTotals._checkpoint_completed,
    CheckpointsTooFrequent: IncidentTotals._too_frequent,
    TableMaintained: IncidentTotals._maintained,
    RecoveryWait: IncidentTotals._recovery_wait,
    ParameterChanged: IncidentTotals._parameter,
    ServerNotice: IncidentTotals._notice,
}


def _is_background(incident: Incident) -> bool:
    if isinstance(incident, ServerNotice):
        return incident.occurrence in _OF_NO_SESSION
    return isinstance(incident, _BACKGROUND)


def _lock_label(found: LockWait) -> str:
    """What was waited for, without what is another one each time: `orders`, `relation 16385`, `transaction`."""
    if found.relation is not None:
        return found.relation
    if found.target in ("relation", "tuple", "page", "extension"):
        return "relation " + found.object.rpartition("relation ")[2].partition(" ")[0]
    if found.target in ("transaction", "virtualxid", "speculative token", "applytransaction"):
        return found.target
    return found.object


def _add_errors(row: Row, more: Row) -> None:
    row[:] = [row[0] + more[0], lesser(row[1], more[1]), greater(row[2], more[2])]


def _add_upkeep(row: Row, more: Row) -> None:
    for position in (0, 1, 2, 3, 4, 6, 7):
        row[position] += more[position]
    row[5], row[8] = greater(row[5], more[5]), greater(row[8], more[8])


def _add_changes(row: Row, more: Row) -> None:
    """Count, first and last change; of two at the same time the greater value comes last."""
    changes = [list(change) for change in (*row[1:], *more[1:]) if change is not None]
    changes.sort(key=lambda change: [(part is not None, part if part is not None else "") for part in change])
    row[:] = [row[0] + more[0], *((changes[0], changes[-1]) if changes else (None, None))]
