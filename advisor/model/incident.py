"""What a record of a server's log reports besides statements and plans: one value per record.

Tuples, not dataclasses: a log can hold millions of these records.
"""

from typing import Literal, NamedTuple

Severity = Literal["ERROR", "FATAL", "PANIC"]

LockStage = Literal["waiting", "acquired", "failed", "deadlock", "reordered", "not_obtained"]

LockTarget = Literal[
    "relation", "extension", "page", "tuple", "transaction", "virtualxid", "speculative token", "object", "userlock",
    "advisory", "frozenid", "applytransaction",
]  # fmt: skip
"""What is waited for, in the words of `pg_locks.locktype`."""

Cause = Literal[
    "deadlock", "statement_timeout", "lock_timeout", "user_request", "recovery_conflict",
    "idle_in_transaction_timeout", "idle_session_timeout", "transaction_timeout", "administrator",
    "autovacuum_cancelled", "background_worker_terminated", "crash_of_another_process", "lock_not_available",
    "serialization", "too_many_connections", "authentication", "authentication_timeout", "not_accepting_connections",
    "client_lost", "temp_file_limit", "disk_full", "out_of_memory",
]  # fmt: skip
"""Why a statement was cancelled or a connection refused or ended, where that is the server's doing."""

Occurrence = Literal[
    "starting", "ready", "ready_read_only", "shutdown_requested", "stopped", "crash_recovery", "process_crashed",
    "reinitializing", "promoted", "streaming_started", "replication_lost", "client_lost", "archive_failed",
    "configuration_reloaded", "autovacuum_asked_to_yield", "wraparound_warning", "routine",
]  # fmt: skip
"""`routine` is what every server says in passing and nobody has to act on."""


class ConnectionReceived(NamedTuple):
    """A client came in. `host` is an address, a name or `[local]`."""

    host: str


class ConnectionAuthorized(NamedTuple):
    """A client was let in. A replication connection has no database unless it is a logical one."""

    user: str
    database: str | None
    replication: bool


class Disconnection(NamedTuple):
    """A session ended by itself, after `duration_us`."""

    duration_us: int
    user: str
    database: str
    host: str


class LockWait(NamedTuple):
    """A stage of a wait for a lock that took longer than `deadlock_timeout`.

    Attributes:
        mode: `AccessExclusiveLock`, `ShareLock`, …
        target: what kind of thing; `object` is it in PostgreSQL's words (`relation 16385 of database 16384`).
        relation: its name, without a schema, where the CONTEXT tells it.
        waited_us: up to this stage; None for `not_obtained` (NOWAIT).
        holders, queue: process ids, where the DETAIL tells them.
    """

    stage: LockStage
    pid: int
    mode: str
    target: LockTarget | None
    object: str
    relation: str | None
    waited_us: int | None
    holders: tuple[int, ...]
    queue: tuple[int, ...]


class TemporaryFile(NamedTuple):
    """A temporary file was removed; `size_bytes` is what it had grown to."""

    size_bytes: int


class CheckpointStarted(NamedTuple):
    """`reasons` are the flags that PostgreSQL prints: `time`, `wal` (`xlog` in old logs), `immediate`, `force`, …"""

    restartpoint: bool
    reasons: tuple[str, ...]


class CheckpointCompleted(NamedTuple):
    """What a checkpoint (on a standby: a restartpoint) wrote. `wal_*` are files; `distance_bytes` is WAL."""

    restartpoint: bool
    buffers: int
    wal_added: int
    wal_removed: int
    wal_recycled: int
    write_us: int
    sync_us: int
    total_us: int
    longest_sync_us: int | None
    distance_bytes: int | None


class CheckpointsTooFrequent(NamedTuple):
    """WAL filled `max_wal_size` faster than `checkpoint_warning` likes."""

    seconds: int


class TableMaintained(NamedTuple):
    """Autovacuum finished a table.

    Attributes:
        database, table: the table with its schema, as `public.orders`.
        dead_tuples: dead but not yet removable.
        index_scans, pages_*, tuples_*, dead_tuples: None for an analyze.
        elapsed_us: None where the record was cut off before it.
    """

    operation: Literal["vacuum", "analyze"]
    database: str
    table: str
    elapsed_us: int | None
    aggressive: bool
    prevents_wraparound: bool
    index_scans: int | None
    pages_removed: int | None
    pages_remain: int | None
    tuples_removed: int | None
    tuples_remain: int | None
    dead_tuples: int | None


class RecoveryWait(NamedTuple):
    """Replay on a standby waits (or waited, where `finished`) for sessions. `reason` is `lock`, `snapshot`, …"""

    finished: bool
    waited_us: int
    reason: str


class ParameterChanged(NamedTuple):
    """A reload of the configuration changed a parameter.

    `value` is None where it was taken out of the file, and where it may hold a secret or a command.
    """

    name: str
    value: str | None


class ServerNotice(NamedTuple):
    """Something that the server says of itself."""

    occurrence: Occurrence


class Failure(NamedTuple):
    """An ERROR, FATAL or PANIC.

    Attributes:
        sqlstate: the log's own; where it has none, what the message stands for if that is certain.
        message: its class: the message with numbers (`N`) and quoted values (`"…"`) taken out.
        cause: why, where it was the server's doing.
        relation: of a deadlock or a cancelled autovacuum, where the CONTEXT names it.
        reason: of a recovery conflict, `lock`, `snapshot`, …
    """

    severity: Severity
    sqlstate: str | None
    message: str
    cause: Cause | None
    relation: str | None
    reason: str | None


Incident = (
    ConnectionReceived
    | ConnectionAuthorized
    | Disconnection
    | LockWait
    | TemporaryFile
    | CheckpointStarted
    | CheckpointCompleted
    | CheckpointsTooFrequent
    | TableMaintained
    | RecoveryWait
    | ParameterChanged
    | ServerNotice
    | Failure
)
