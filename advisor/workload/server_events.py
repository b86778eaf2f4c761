"""The totals of a log's incidents as values: what `IncidentTotals` counted, under its names and in its order."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from advisor.model.incident import Severity
from advisor.model.server_events import (
    Checkpoints,
    Client,
    Connections,
    ErrorClass,
    Errors,
    EventHour,
    LargeFile,
    LockWaits,
    LongWait,
    ParameterChange,
    QueryEvents,
    RecoveryWaits,
    ServerEvents,
    TableUpkeep,
    TemporaryFiles,
    Upkeep,
    WaitedFor,
)
from advisor.model.sketch import LatencySketch
from advisor.workload.bounded import BoundedSums, Largest

_CLOCK_US = 1_000_000
"""Two stages of one wait began at the same time, within a second: the times of a log may be whole seconds."""


_SEVERITIES: dict[str, Severity] = {"ERROR": "ERROR", "FATAL": "FATAL", "PANIC": "PANIC"}


class Parts(NamedTuple):
    """The bounded parts of the totals; the columns of their rows are in `freeze` below."""

    errors: BoundedSums
    sqlstates: BoundedSums
    clients: BoundedSums
    lock_objects: BoundedSums
    tables: BoundedSums
    queries: BoundedSums
    parameters: BoundedSums
    longest: Largest
    largest: Largest


def freeze(
    counts: Counter[str],
    maxima: Mapping[str, int],
    buckets: Mapping[int, int],
    hours: Iterable[tuple[int, dict[str, int]]],
    parts: Parts,
) -> ServerEvents:
    """The events as a value. Hours are given in order."""
    return ServerEvents(
        errors=_errors(counts, parts),
        connections=_connections(counts, maxima, buckets, parts),
        lock_waits=_lock_waits(counts, parts),
        deadlocks=counts["cause deadlock"],
        temporary_files=_temporary_files(counts, parts),
        checkpoints=_checkpoints(counts, maxima),
        upkeep=_upkeep(counts, parts),
        recovery_waits=RecoveryWaits(
            waits=counts["recovery waiting"],
            ended=counts["recovery ended"],
            waited_us=counts["recovery_us"],
            max_us=maxima.get("recovery_us"),
            by_conflict=_named(counts, "recovery conflict "),
        ),
        parameters=tuple(_parameter(str(name), *row) for (name,), row in parts.parameters.items()),
        queries=tuple(
            QueryEvents(
                query_id=str(query_id),
                errors=row[0],
                cancelled=row[1],
                lock_waits=row[2],
                lock_wait_us=row[3],
                temp_files=row[4],
                temp_bytes=row[5],
            )
            for (query_id,), row in parts.queries.items()
        ),
        hours=tuple(EventHour(start_us=start_us, **row) for start_us, row in hours),
        occurrences=_named(counts, "occurrence "),
        imitations=counts["imitations"],
    )


def _named(counts: Counter[str], prefix: str) -> dict[str, int]:
    """The counts under a prefix, the largest first."""
    found = [(name.removeprefix(prefix), count) for name, count in counts.items() if name.startswith(prefix) and count]
    return dict(sorted(found, key=lambda item: (-item[1], item[0])))


def _errors(counts: Counter[str], parts: Parts) -> Errors:
    classes = [
        ErrorClass(
            severity=_SEVERITIES[str(severity)],
            sqlstate=state,
            message=message or "",
            count=count,
            first_us=first,
            last_us=last,
        )
        for (severity, state, message), (count, first, last) in parts.errors.items()
    ]
    states = sorted(((state, row[0]) for (state,), row in parts.sqlstates.items()), key=lambda item: -item[1])
    return Errors(
        count=counts["errors"],
        by_sqlstate=dict(states),
        by_cause=_named(counts, "cause "),
        by_conflict=_named(counts, "conflict "),
        classes=tuple(sorted(classes, key=lambda each: -each.count)),
        in_other_classes=parts.errors.other[0],
    )


def _connections(
    counts: Counter[str], maxima: Mapping[str, int], buckets: Mapping[int, int], parts: Parts
) -> Connections:
    clients = [
        Client(user=user, database=database, host=host, sessions=sessions, duration_us=duration_us)
        for (user, database, host), (sessions, duration_us) in parts.clients.items()
    ]
    return Connections(
        received=counts["received"],
        authorized=counts["authorized"],
        replication=counts["replication"],
        ended=counts["ended"],
        duration_us=counts["session_us"],
        max_us=maxima.get("session_us"),
        duration=LatencySketch(dict(sorted(buckets.items()))),
        clients=tuple(sorted(clients, key=lambda client: -client.sessions)),
        other_sessions=parts.clients.other[0],
    )


def _lock_waits(counts: Counter[str], parts: Parts) -> LockWaits:
    objects = [
        WaitedFor(database=database, object=str(label), waits=waits, waited_us=waited_us)
        for (database, label), (waits, waited_us) in parts.lock_objects.items()
    ]
    return LockWaits(
        waits=counts["lock waiting"],
        acquired=counts["lock acquired"],
        failed=counts["lock failed"],
        not_obtained=counts["lock not_obtained"],
        waited_us=counts["lock_wait_us"],
        longest=tuple(_longest(parts.longest)),
        objects=tuple(sorted(objects, key=lambda each: (-each.waited_us, -each.waits))),
    )


def _longest(kept: Largest) -> list[LongWait]:
    """The longest waits, each at its last stage: where its end is there, so is its beginning, and that is less."""
    entries = kept.entries()
    ended = [entry for entry in entries if entry[9] != "waiting"]
    shown = [entry for entry in entries if entry[9] != "waiting" or not any(_same(entry, end) for end in ended)]
    return [
        LongWait(
            at_us=at_us,
            waited_us=waited_us,
            mode=mode,
            object=thing,
            relation=relation,
            database=database,
            user=user,
            query_id=query_id,
            acquired=stage == "acquired",
        )
        for waited_us, at_us, mode, thing, relation, database, user, query_id, _, stage in shown
    ]


def _same(wait: tuple[Any, ...], end: tuple[Any, ...]) -> bool:
    """Whether both are stages of one wait: the same process, mode and object, and begun at the same time."""
    if (wait[2], wait[3], wait[8]) != (end[2], end[3], end[8]):
        return False
    if wait[1] is None or end[1] is None:
        return True
    apart_us: int = (wait[1] - wait[0]) - (end[1] - end[0])
    return -_CLOCK_US <= apart_us <= _CLOCK_US


def _temporary_files(counts: Counter[str], parts: Parts) -> TemporaryFiles:
    return TemporaryFiles(
        files=counts["temp_files"],
        bytes=counts["temp_bytes"],
        queries=sum(1 for _, row in parts.queries.items() if row[4]),
        largest=tuple(
            LargeFile(at_us=at_us, size_bytes=size_bytes, database=database, user=user, query_id=query_id)
            for size_bytes, at_us, database, user, query_id in parts.largest.entries()
        ),
    )


def _checkpoints(counts: Counter[str], maxima: Mapping[str, int]) -> Checkpoints:
    return Checkpoints(
        completed=counts["checkpoints"],
        restartpoints=counts["restartpoints"],
        too_frequent=counts["too_frequent"],
        by_reason=_named(counts, "reason "),
        buffers=counts["checkpoint buffers"],
        wal_added=counts["checkpoint wal_added"],
        wal_removed=counts["checkpoint wal_removed"],
        wal_recycled=counts["checkpoint wal_recycled"],
        distance_bytes=counts["checkpoint distance_bytes"],
        write_us=counts["checkpoint write_us"],
        sync_us=counts["checkpoint sync_us"],
        total_us=counts["checkpoint total_us"],
        max_total_us=maxima.get("checkpoint_us"),
        max_sync_us=maxima.get("checkpoint_sync_us"),
    )


def _upkeep(counts: Counter[str], parts: Parts) -> Upkeep:
    tables = [
        TableUpkeep(
            database=str(database),
            table=str(table),
            vacuums=row[0],
            analyzes=row[1],
            cancelled=row[2],
            wraparound_vacuums=row[3],
            elapsed_us=row[4],
            max_elapsed_us=row[5],
            index_scans=row[6],
            tuples_removed=row[7],
            max_dead_tuples=row[8],
        )
        for (database, table), row in parts.tables.items()
    ]
    return Upkeep(
        vacuums=counts["vacuums"],
        analyzes=counts["analyzes"],
        cancelled=counts["cause autovacuum_cancelled"],
        elapsed_us=counts["upkeep_us"],
        tables=tuple(sorted(tables, key=lambda each: -each.elapsed_us)),
    )


def _parameter(name: str, count: int, first: list[Any], last: list[Any]) -> ParameterChange:
    return ParameterChange(
        name=name, count=count, first_us=first[0], first_value=first[1], last_us=last[0], last_value=last[1]
    )
