"""What a log shows besides statements, in the JSON document and as one paragraph of the report for people."""

from collections.abc import Iterator
from typing import Any

from advisor.model.instants import instant_text
from advisor.model.server_events import Checkpoints, Connections, Errors, LockWaits, ServerEvents, Upkeep
from advisor.report.units import bytes_text, count_text, duration_text

Json = dict[str, Any]

_STATES_SHOWN = 3
"""SQLSTATEs in the paragraph; the JSON document has all."""

_CANCELLED = {
    "statement_timeout": "statement_timeout",
    "lock_timeout": "lock_timeout",
    "user_request": "a request",
    "recovery_conflict": "a conflict with recovery",
    "transaction_timeout": "transaction_timeout",
}


def server_events_document(events: ServerEvents) -> Json:
    """The events as dicts and lists (schema: `events` in `report/schemas/report.json`); times in milliseconds."""
    return {
        "errors": _errors(events.errors),
        "deadlocks": events.deadlocks,
        "lock_waits": _lock_waits(events.lock_waits),
        "temporary_files": {
            "files": events.temporary_files.files,
            "bytes": events.temporary_files.bytes,
            "queries": events.temporary_files.queries,
            "largest": [
                {
                    "at": instant_text(large.at_us),
                    "bytes": large.size_bytes,
                    "database": large.database,
                    "user": large.user,
                    "query": large.query_id,
                }
                for large in events.temporary_files.largest
            ],
        },
        "checkpoints": _checkpoints(events.checkpoints),
        "autovacuum": _upkeep(events.upkeep),
        "connections": _connections(events.connections),
        "recovery_waits": {
            "waits": events.recovery_waits.waits,
            "ended": events.recovery_waits.ended,
            "waited_ms": events.recovery_waits.waited_us / 1000,
            "max_ms": _ms(events.recovery_waits.max_us),
            "by_conflict": dict(events.recovery_waits.by_conflict),
        },
        "parameters": [
            {
                "name": change.name,
                "count": change.count,
                "first": {"at": instant_text(change.first_us), "value": change.first_value},
                "last": {"at": instant_text(change.last_us), "value": change.last_value},
            }
            for change in events.parameters
        ],
        "queries": [
            {
                "query": query.query_id,
                "errors": query.errors,
                "cancelled": query.cancelled,
                "lock_waits": query.lock_waits,
                "lock_wait_ms": query.lock_wait_us / 1000,
                "temp_files": query.temp_files,
                "temp_bytes": query.temp_bytes,
            }
            for query in events.queries
        ],
        "hours": [
            {
                "from": instant_text(hour.start_us),
                "errors": hour.errors,
                "lock_waits": hour.lock_waits,
                "deadlocks": hour.deadlocks,
                "temp_bytes": hour.temp_bytes,
                "checkpoints": hour.checkpoints,
                "connections": hour.connections,
            }
            for hour in events.hours
        ],
        "occurrences": dict(events.occurrences),
        "imitations": events.imitations,
    }


def _errors(errors: Errors) -> Json:
    return {
        "count": errors.count,
        "by_sqlstate": {state or "unknown": count for state, count in errors.by_sqlstate.items()},
        "by_cause": dict(errors.by_cause),
        "by_conflict": dict(errors.by_conflict),
        "classes": [
            {
                "severity": each.severity,
                "sqlstate": each.sqlstate,
                "message": each.message,
                "count": each.count,
                "first": instant_text(each.first_us),
                "last": instant_text(each.last_us),
            }
            for each in errors.classes
        ],
        "in_other_classes": errors.in_other_classes,
    }


def _lock_waits(waits: LockWaits) -> Json:
    return {
        "waits": waits.waits,
        "acquired": waits.acquired,
        "failed": waits.failed,
        "not_obtained": waits.not_obtained,
        "waited_ms": waits.waited_us / 1000,
        "longest": [
            {
                "at": instant_text(wait.at_us),
                "ms": wait.waited_us / 1000,
                "mode": wait.mode,
                "object": wait.object,
                "relation": wait.relation,
                "database": wait.database,
                "user": wait.user,
                "query": wait.query_id,
                "acquired": wait.acquired,
            }
            for wait in waits.longest
        ],
        "objects": [
            {"database": each.database, "object": each.object, "waits": each.waits, "waited_ms": each.waited_us / 1000}
            for each in waits.objects
        ],
    }


def _checkpoints(checkpoints: Checkpoints) -> Json:
    return {
        "completed": checkpoints.completed,
        "restartpoints": checkpoints.restartpoints,
        "too_frequent": checkpoints.too_frequent,
        "by_reason": dict(checkpoints.by_reason),
        "buffers": checkpoints.buffers,
        "wal_added": checkpoints.wal_added,
        "wal_removed": checkpoints.wal_removed,
        "wal_recycled": checkpoints.wal_recycled,
        "distance_bytes": checkpoints.distance_bytes,
        "write_ms": checkpoints.write_us / 1000,
        "sync_ms": checkpoints.sync_us / 1000,
        "total_ms": checkpoints.total_us / 1000,
        "max_total_ms": _ms(checkpoints.max_total_us),
        "max_sync_ms": _ms(checkpoints.max_sync_us),
    }


def _upkeep(upkeep: Upkeep) -> Json:
    return {
        "vacuums": upkeep.vacuums,
        "analyzes": upkeep.analyzes,
        "cancelled": upkeep.cancelled,
        "total_ms": upkeep.elapsed_us / 1000,
        "tables": [
            {
                "database": table.database,
                "table": table.table,
                "vacuums": table.vacuums,
                "analyzes": table.analyzes,
                "cancelled": table.cancelled,
                "wraparound_vacuums": table.wraparound_vacuums,
                "total_ms": table.elapsed_us / 1000,
                "max_ms": _ms(table.max_elapsed_us),
                "index_scans": table.index_scans,
                "tuples_removed": table.tuples_removed,
                "max_dead_tuples": table.max_dead_tuples,
            }
            for table in upkeep.tables
        ],
    }


def _connections(connections: Connections) -> Json:
    duration = connections.duration
    return {
        "received": connections.received,
        "authorized": connections.authorized,
        "replication": connections.replication,
        "ended": connections.ended,
        "total_ms": connections.duration_us / 1000,
        "p50_ms": _ms(duration.quantile_us(0.50)),
        "p95_ms": _ms(duration.quantile_us(0.95)),
        "max_ms": _ms(connections.max_us),
        "clients": [
            {
                "user": client.user,
                "database": client.database,
                "host": client.host,
                "sessions": client.sessions,
                "total_ms": client.duration_us / 1000,
            }
            for client in connections.clients
        ],
        "other_sessions": connections.other_sessions,
    }


def server_events_sentence(events: ServerEvents) -> str | None:
    """What of it somebody should look at, as one sentence; None where there is nothing.

    Sessions, checkpoints in time and tables that were vacuumed are how a server should be: they are left to JSON.
    """
    parts = list(_noteworthy(events))
    return f"The log also shows: {'; '.join(parts)}." if parts else None


def _noteworthy(events: ServerEvents) -> Iterator[str]:
    crashes = events.occurrences.get("process_crashed", 0)
    if crashes:
        yield f"{count_text(crashes, 'crash', 'crashes')} of a server process"
    if events.deadlocks:
        yield count_text(events.deadlocks, "deadlock")
    if events.lock_waits.waits:
        yield count_text(events.lock_waits.waits, "lock wait") + _longest(events.lock_waits)
    if events.temporary_files.files:
        files, queries = events.temporary_files, events.temporary_files.queries
        by = f" by {count_text(queries, 'query', 'queries')}" if queries else ""
        yield f"{bytes_text(files.bytes)} in {count_text(files.files, 'temporary file')}{by}"
    for cause, words in _CANCELLED.items():
        cancelled = events.errors.by_cause.get(cause, 0)
        if cancelled:
            yield f"{count_text(cancelled, 'statement')} cancelled by {words}"
    if events.upkeep.cancelled:
        yield f"{count_text(events.upkeep.cancelled, 'autovacuum')} cancelled"
    if events.checkpoints.too_frequent:
        yield f"checkpoints too frequent ({count_text(events.checkpoints.too_frequent, 'warning')})"
    refused = events.errors.by_cause.get("too_many_connections", 0)
    if refused:
        yield f"{count_text(refused, 'connection')} refused because there were too many"
    if events.errors.count:
        yield count_text(events.errors.count, "error") + _states(events.errors)


def _longest(waits: LockWaits) -> str:
    if not waits.longest:
        return ""
    wait = waits.longest[0]
    return f" (longest {duration_text(wait.waited_us / 1000)} on {wait.relation or wait.object})"


def _states(errors: Errors) -> str:
    known = [(state, count) for state, count in errors.by_sqlstate.items() if state is not None]
    if not known:
        return ""
    shown = ", ".join(f"{state}: {count:,}" for state, count in known[:_STATES_SHOWN])
    return f" ({shown}{', …' if len(known) > _STATES_SHOWN else ''})"


def _ms(duration_us: float | None) -> float | None:
    return None if duration_us is None else round(duration_us / 1000, 6)
