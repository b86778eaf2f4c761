"""What a log shows besides statements, summed up: errors, sessions, lock waits, temporary files, checkpoints, …"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from advisor.model.incident import Severity
from advisor.model.sketch import LatencySketch


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorClass:
    """Errors of one class.

    Attributes:
        sqlstate: None where the log does not say and the message does not settle it.
        message: without its values (see `Failure.message`).
        first_us, last_us: microseconds since the epoch; None where the log has no times.
    """

    severity: Severity
    sqlstate: str | None
    message: str
    count: int
    first_us: int | None = None
    last_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """All ERROR, FATAL and PANIC records.

    Attributes:
        count: all of them.
        by_sqlstate: counts; the key is None where the state is not known.
        by_cause: counts of those that were the server's doing: cancelled statements, refused connections, …
        by_conflict: counts of the recovery conflicts among them by what they were about.
        classes: the most frequent first; a bounded number, picked without regard to their frequency.
        in_other_classes: errors of the classes that were not kept.
    """

    count: int = 0
    by_sqlstate: Mapping[str | None, int] = field(default_factory=dict)
    by_cause: Mapping[str, int] = field(default_factory=dict)
    by_conflict: Mapping[str, int] = field(default_factory=dict)
    classes: tuple[ErrorClass, ...] = ()
    in_other_classes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Connections of one user to one database, from one host where the log says (the end of a session does)."""

    user: str | None
    database: str | None
    host: str | None
    sessions: int
    duration_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """Sessions that came and went (`log_connections`, `log_disconnections`).

    `duration`, `duration_us` and `max_us` are of the sessions that ended; `clients` those with the most sessions first,
    a bounded number, and `other_sessions` those of the others.
    """

    received: int = 0
    authorized: int = 0
    replication: int = 0
    ended: int = 0
    duration_us: int = 0
    max_us: int | None = None
    duration: LatencySketch = field(default_factory=LatencySketch)
    clients: tuple[Client, ...] = ()
    other_sessions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LongWait:
    """One wait for a lock. `object` is in PostgreSQL's words; `relation` its name where the log tells it.

    `acquired` is False where the log does not show that the lock was got.
    """

    at_us: int | None
    waited_us: int
    mode: str
    object: str
    relation: str | None
    database: str | None
    user: str | None
    query_id: str | None
    acquired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitedFor:
    """Waits for one thing: a relation's name (`public.` or not is not known), `relation 16385`, `transaction`, …"""

    database: str | None
    object: str
    waits: int
    waited_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWaits:
    """Waits longer than `deadlock_timeout` (`log_lock_waits`).

    `waits` began, `acquired` ended with the lock, `failed` without it, `not_obtained` did not wait (NOWAIT, from 18
    on); `waited_us` is of those that ended. `longest` and `objects` are the largest first, a bounded number.
    """

    waits: int = 0
    acquired: int = 0
    failed: int = 0
    not_obtained: int = 0
    waited_us: int = 0
    longest: tuple[LongWait, ...] = ()
    objects: tuple[WaitedFor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeFile:
    """One temporary file."""

    at_us: int | None
    size_bytes: int
    database: str | None
    user: str | None
    query_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryFiles:
    """Temporary files of at least `log_temp_files`, the largest first (a bounded number)."""

    files: int = 0
    bytes: int = 0
    queries: int = 0
    largest: tuple[LargeFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """Checkpoints and, on a standby, restartpoints (`log_checkpoints`).

    `by_reason` counts the flags of their starts (one may have several); buffers, WAL files and times are sums of those
    that completed; `too_frequent` how often PostgreSQL warned that WAL fills `max_wal_size` too fast.
    """

    completed: int = 0
    restartpoints: int = 0
    too_frequent: int = 0
    by_reason: Mapping[str, int] = field(default_factory=dict)
    buffers: int = 0
    wal_added: int = 0
    wal_removed: int = 0
    wal_recycled: int = 0
    distance_bytes: int = 0
    write_us: int = 0
    sync_us: int = 0
    total_us: int = 0
    max_total_us: int | None = None
    max_sync_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableUpkeep:
    """What autovacuum did to one table (`log_autovacuum_min_duration`).

    `max_dead_tuples` is the most that one run found dead but not yet removable; `cancelled` counts runs that gave way
    to somebody who wanted a lock.
    """

    database: str
    table: str
    vacuums: int = 0
    analyzes: int = 0
    cancelled: int = 0
    wraparound_vacuums: int = 0
    elapsed_us: int = 0
    max_elapsed_us: int | None = None
    index_scans: int = 0
    tuples_removed: int = 0
    max_dead_tuples: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """Autovacuum as a whole, and the tables with the most time first (a bounded number)."""

    vacuums: int = 0
    analyzes: int = 0
    cancelled: int = 0
    elapsed_us: int = 0
    tables: tuple[TableUpkeep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryWaits:
    """Waits of a standby's replay for sessions (`log_recovery_conflict_waits`); times are of those that ended."""

    waits: int = 0
    ended: int = 0
    waited_us: int = 0
    max_us: int | None = None
    by_conflict: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterChange:
    """A configuration parameter that a reload changed: how often, and to which value first and last.

    A value is None where the parameter was taken out of its file, or where it may be a secret.
    """

    name: str
    count: int
    first_us: int | None
    first_value: str | None
    last_us: int | None
    last_value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEvents:
    """What happened to executions of one query (`Query.id`); `cancelled` are errors, too."""

    query_id: str
    errors: int = 0
    cancelled: int = 0
    lock_waits: int = 0
    lock_wait_us: int = 0
    temp_files: int = 0
    temp_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHour:
    """Counts of one hour; `start_us` is microseconds since the epoch, UTC."""

    start_us: int
    errors: int = 0
    lock_waits: int = 0
    deadlocks: int = 0
    temp_bytes: int = 0
    checkpoints: int = 0
    connections: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvents:
    """Everything of a log that is neither a statement nor a plan.

    `occurrences` counts what the server says of itself (`ready`, `process_crashed`, `client_lost`, …; see
    `incident.Occurrence`); `imitations` counts messages that only a background process writes but came from a session,
    which are therefore an application's own (`RAISE LOG`) and are not in any other number.
    """

    errors: Errors = field(default_factory=Errors)
    connections: Connections = field(default_factory=Connections)
    lock_waits: LockWaits = field(default_factory=LockWaits)
    deadlocks: int = 0
    temporary_files: TemporaryFiles = field(default_factory=TemporaryFiles)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    upkeep: Upkeep = field(default_factory=Upkeep)
    recovery_waits: RecoveryWaits = field(default_factory=RecoveryWaits)
    parameters: tuple[ParameterChange, ...] = ()
    queries: tuple[QueryEvents, ...] = ()
    hours: tuple[EventHour, ...] = ()
    occurrences: Mapping[str, int] = field(default_factory=dict)
    imitations: int = 0
