"""What a server says of itself: starts, ends, lost clients, and the lines that every log has and nobody has to act on.

Source of the messages: PostgreSQL 9.6 to 18, `src/backend/postmaster`, `access/transam/xlog.c` and `xlogrecovery.c`,
`replication`, `libpq/pqcomm.c`, `access/transam/varsup.c`.
"""

import re

from advisor.model.incident import Occurrence, ServerNotice

NOTICES: tuple[tuple[str, Occurrence], ...] = (
    ("connection authenticated: ", "routine"),
    ("connection ready: ", "routine"),
    ("checkpoint skipped because system is idle", "routine"),
    ("recovery restart point at ", "routine"),
    ("recovery ", "routine"),
    ("starting PostgreSQL ", "starting"),
    ("starting ", "routine"),
    ("database system is ready to accept connections", "ready"),
    ("database system is ready to accept read", "ready_read_only"),
    ("database system is shut down", "stopped"),
    ("database system was shut down", "routine"),
    ("database system was ", "crash_recovery"),
    ("database system shutdown was interrupted", "crash_recovery"),
    ("received fast shutdown request", "shutdown_requested"),
    ("received smart shutdown request", "shutdown_requested"),
    ("received immediate shutdown request", "shutdown_requested"),
    ("received SIGHUP, reloading", "configuration_reloaded"),
    ("received promote request", "promoted"),
    ("received replication command: ", "routine"),
    ("all server processes terminated; reinitializing", "reinitializing"),
    ("terminating walsender process due to replication timeout", "replication_lost"),
    ("terminating any other active server processes", "routine"),
    ("terminating walsender process after promotion", "routine"),
    ("started streaming WAL from primary", "streaming_started"),
    ("replication terminated by primary server", "replication_lost"),
    ("could not receive data from client", "client_lost"),
    ("could not send data to client", "client_lost"),
    ("could not accept SSL connection", "client_lost"),
    ("unexpected EOF on client connection", "client_lost"),
    ("unexpected EOF on standby connection", "replication_lost"),
    ("could not receive data from WAL stream", "replication_lost"),
    ("archive command ", "archive_failed"),
    ("archive recovery complete", "routine"),
    ("archived write-ahead log file", "routine"),
    ("sending cancel to blocking autovacuum PID ", "autovacuum_asked_to_yield"),
    ("incomplete startup packet", "routine"),
    ("listening on ", "routine"),
    ("autovacuum launcher started", "routine"),
    ("autovacuum launcher shutting down", "routine"),
    ("logical replication launcher ", "routine"),
    ("logical replication apply worker for ", "routine"),
    ("logical replication table synchronization worker for ", "routine"),
    ("shutting down", "routine"),
    ("aborting any active transactions", "routine"),
    ("redo ", "routine"),
    ("consistent recovery state reached at ", "routine"),
    ("invalid record length at ", "routine"),
    ("invalid resource manager ID ", "routine"),
    ("entering standby mode", "routine"),
    ("selected new timeline ID: ", "routine"),
    ("last completed transaction was at log time ", "routine"),
    ("restored log file ", "routine"),
    ("waiting for WAL to become available at ", "routine"),
    ("ending log output to stderr", "routine"),
    ("MultiXact member wraparound protections are now enabled", "routine"),
    ("skipping vacuum of ", "routine"),
    ("skipping analyze of ", "routine"),
    ("configuration file ", "configuration_reloaded"),
)
"""The beginning of a LOG message and what it says; of two with the same beginning the longer one comes first."""

_ENDED_PROCESS = re.compile(
    r'(?:[\w -]{1,60} (?:process|worker|backend)|background worker "[^\n]{1,150}") \(PID \d+\) '
    r"(was terminated by (?:signal \d|exception 0x)|exited with (?:exit code \d|unrecognized status))"
)

_PROCESS_CHARACTERS = 220
"""Within so many the process id follows its name, which may hold that of a replication subscription."""


def end_of_process(message: str) -> ServerNotice | None:
    """The end of a process, whose name comes first: `server process (PID 123) was terminated by signal 9: Killed`."""
    if " (PID " not in message[:_PROCESS_CHARACTERS]:
        return None
    found = _ENDED_PROCESS.match(message)
    if found is None:
        return None
    crashed = found[1].startswith("was") or message.startswith("server process ")
    return ServerNotice("process_crashed" if crashed else "routine")


def warning(message: str) -> ServerNotice | None:
    """The WARNINGs that are the server's own and not a statement's."""
    if message.startswith("terminating connection because of crash of another server process"):
        return ServerNotice("routine")
    if message.startswith("database ") and " must be vacuumed within " in message:
        return ServerNotice("wraparound_warning")
    return ServerNotice("wraparound_warning") if message.startswith("oldest xmin is far in the past") else None
