"""What a record of the log reports besides statements and plans: connections, lock waits, temporary files, …

Source of the messages: PostgreSQL 9.6 to 18, `src/backend/storage/lmgr/proc.c` and `lmgr.c` (lock waits),
`storage/file/fd.c` (temporary files), `access/transam/xlog.c` (checkpoints), `access/heap/vacuumlazy.c` and
`commands/analyze.c` (autovacuum), `storage/ipc/standby.c` (recovery conflicts), `tcop/postgres.c` and
`utils/init/postinit.c` (sessions), `utils/misc/guc-file.l` (parameters), `postmaster/postmaster.c`.
"""

import re
from collections.abc import Callable

from advisor.model.incident import (
    CheckpointCompleted,
    CheckpointStarted,
    CheckpointsTooFrequent,
    ConnectionAuthorized,
    ConnectionReceived,
    Disconnection,
    Incident,
    LockStage,
    LockTarget,
    LockWait,
    Occurrence,
    ParameterChanged,
    RecoveryWait,
    ServerNotice,
    Severity,
    TableMaintained,
    TemporaryFile,
)
from advisor.sources.failures import context_relation, is_raised, read_failure
from advisor.sources.notices import NOTICES, end_of_process, warning

_FAILURES: dict[str, Severity] = {"ERROR": "ERROR", "FATAL": "FATAL", "PANIC": "PANIC"}

_Reader = Callable[[str, str | None, str | None], Incident | None]
"""Message, DETAIL and CONTEXT to what they report; None where the message only begins like one."""


def read_incident(
    severity: str, message: str, detail: str | None = None, sqlstate: str | None = None, context: str | None = None
) -> Incident | None:
    """What one record reports; None where it is no incident (a statement, a duration, a plan, an application's text).

    Args:
        severity: `LOG`, `ERROR`, `FATAL`, `PANIC`, … as PostgreSQL writes it in English.
        message: without the severity, in English. Lines after the first may begin with the log's tab.
        detail, context: the record's DETAIL and CONTEXT, where it has them.
        sqlstate: five characters, where the log has them.

    Every ERROR, FATAL and PANIC is a `Failure`. A RAISE LOG of an application can imitate any message of the server;
    it is told apart by its CONTEXT (see `failures.is_raised`), by a SQLSTATE, and, where the message is one that only
    a process without a session writes, by the record's user: that one is left to `IncidentTotals.add`.
    A LOG message that is not known costs one look-up by its first word.
    """
    if severity == "LOG":
        known = _BY_FIRST_WORD.get(message[: message.find(" ")])
        if known is None:
            return end_of_process(message)
        for text, found in known:
            if message.startswith(text):
                if context is not None and is_raised(context):
                    return None
                return ServerNotice(found) if isinstance(found, str) else found(message, detail, context)
        return end_of_process(message)
    failure = _FAILURES.get(severity)
    if failure is not None:
        return read_failure(failure, message, detail, sqlstate, context)
    return warning(message) if severity == "WARNING" and not is_raised(context) else None


_CONNECTION_AUTHORIZED = re.compile(
    r"(?P<replication>replication )?connection authorized: user=(?P<user>.*?)(?: database=(?P<database>.*?))?"
    r"(?: application_name=.*?)?(?: (?:SSL|GSS) .*)?",
    re.DOTALL,
)
# Numbers are no longer than a server's, and names not much longer than its 63 bytes: what an application writes to look
# alike then costs no more than it is long, and sums stay in 64 bits.
_DISCONNECTION = re.compile(
    r"disconnection: session time: (\d{1,7}):(\d\d):(\d\d)\.(\d{3})"
    r" user=(.{0,256}) database=(.{0,256}) host=(\S{0,256})(?: port=\S{1,256})?",
    re.DOTALL,
)


def _connection_received(message: str, _: str | None, __: str | None) -> Incident | None:
    return ConnectionReceived(message[len("connection received: host=") :].partition(" port=")[0])


def _connection_authorized(message: str, _: str | None, __: str | None) -> Incident | None:
    found = _CONNECTION_AUTHORIZED.fullmatch(message)
    if found is None:
        return None
    return ConnectionAuthorized(found["user"], found["database"], found["replication"] is not None)


def _disconnection(message: str, _: str | None, __: str | None) -> Incident | None:
    found = _DISCONNECTION.fullmatch(message)
    if found is None:
        return None
    hours, minutes, seconds, ms, user, database, host = found.groups()
    duration_ms = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(ms)
    return Disconnection(duration_ms * 1000, user, database, host)


_LOCK_WAIT = re.compile(
    r"process (\d{1,15}) (still waiting for|acquired|failed to acquire|detected deadlock while waiting for"
    r"|avoided deadlock for|could not obtain) (\w+) on (.+?)(?: by rearranging queue order)?"
    r"(?: after (\d{1,11})\.(\d{3}) ms)?(?: at character \d+)?"
)
"""In the stderr log the position of the relation in the statement may follow, as that of an error does."""

_STAGES: dict[str, LockStage] = {
    "still waiting for": "waiting",
    "acquired": "acquired",
    "failed to acquire": "failed",
    "detected deadlock while waiting for": "deadlock",
    "avoided deadlock for": "reordered",
    "could not obtain": "not_obtained",
}
_LOCK_TARGETS: tuple[tuple[str, LockTarget], ...] = (
    ("relation ", "relation"),
    ("extension of ", "extension"),
    ("page ", "page"),
    ("tuple ", "tuple"),
    ("transaction ", "transaction"),
    ("virtual transaction ", "virtualxid"),
    ("speculative token ", "speculative token"),
    ("object ", "object"),
    ("user lock ", "userlock"),
    ("advisory lock ", "advisory"),
    ("pg_database.datfrozenxid of ", "frozenid"),
    ("remote transaction ", "applytransaction"),
)
_HOLDERS = re.compile(r"Process(?:es)? holding the lock: ([\d, ]*)[.,] Wait queue: ([\d, ]*)\.")


def _lock_wait(message: str, detail: str | None, context: str | None) -> Incident | None:
    found = _LOCK_WAIT.fullmatch(message)
    if found is None:
        return None
    pid, words, mode, thing, ms, us = found.groups()
    stage = _STAGES[words]
    if ms is None and stage != "not_obtained":
        return None
    target = next((target for text, target in _LOCK_TARGETS if thing.startswith(text)), None)
    processes = _HOLDERS.match(detail) if detail is not None else None
    return LockWait(
        stage,
        int(pid),
        mode,
        target,
        thing,
        context_relation(context),
        int(ms) * 1000 + int(us) if ms is not None else None,
        _process_ids(processes[1]) if processes else (),
        _process_ids(processes[2]) if processes else (),
    )


_PID_DIGITS = 10


def _process_ids(text: str) -> tuple[int, ...]:
    return tuple([int(pid) for pid in text.replace(" ", "").split(",") if 0 < len(pid) <= _PID_DIGITS])


_TEMPORARY_FILE = re.compile(r'temporary file: path "[^"\n]*", size (\d{1,15})')


def _temporary_file(message: str, _: str | None, __: str | None) -> Incident | None:
    found = _TEMPORARY_FILE.fullmatch(message)
    return TemporaryFile(int(found[1])) if found else None


_REASONS = frozenset(
    ("shutdown", "end-of-recovery", "immediate", "fast", "force", "wait", "wal", "xlog", "time", "flush-all",
     "flush-unlogged")
)  # fmt: skip
_CHECKPOINT = re.compile(
    r"(check|restart)point complete: wrote (\d{1,15}) buffers \([\d.]+%\)(?:, wrote \d+ SLRU buffers)?;"
    r" (\d{1,15}) (?:WAL|transaction log) file\(s\) added, (\d{1,15}) removed, (\d{1,15}) recycled;"
    r" write=(\d{1,11}\.\d{3}) s, sync=(\d{1,11}\.\d{3}) s, total=(\d{1,11}\.\d{3}) s"
    r"(?:; sync files=\d+, longest=(\d{1,11}\.\d{3}) s, average=\d+\.\d{3} s)?"
    r"(?:; distance=(\d{1,15}) kB, estimate=\d+ kB)?(?:; lsn=.*)?"
)
_TOO_FREQUENT = re.compile(r"checkpoints are occurring too frequently \((\d{1,15}) seconds? apart\)")


def _checkpoint_started(message: str, _: str | None, __: str | None) -> Incident | None:
    kind, _, flags = message.partition(" starting:")
    reasons = flags.split()
    return CheckpointStarted(kind == "restartpoint", tuple(reasons)) if _REASONS.issuperset(reasons) else None


def _checkpoint_completed(message: str, _: str | None, __: str | None) -> Incident | None:
    found = _CHECKPOINT.fullmatch(message)
    if found is None:
        return None
    kind, buffers, added, removed, recycled, write, sync, total, longest, distance = found.groups()
    return CheckpointCompleted(
        kind == "restart",
        int(buffers),
        int(added),
        int(removed),
        int(recycled),
        _seconds_us(write),
        _seconds_us(sync),
        _seconds_us(total),
        _seconds_us(longest) if longest is not None else None,
        int(distance) * 1024 if distance is not None else None,
    )


def _seconds_us(text: str) -> int:
    """Microseconds of `12.345` seconds."""
    return int(text.replace(".", "")) * 1000


def _too_frequent(message: str, _: str | None, __: str | None) -> Incident | None:
    found = _TOO_FREQUENT.fullmatch(message)
    return CheckpointsTooFrequent(int(found[1])) if found else None


_VACUUM = re.compile(
    r'automatic (aggressive )?vacuum (to prevent wraparound )?of table "([^\n]*)": index scans: (\d{1,15})(?:\n|$)'
)
_ANALYZE = re.compile(r'automatic analyze of table "([^\n]*?)"(?: system usage: .*|\n.*|$)', re.DOTALL)
_PAGES = re.compile(r"^[\t ]*pages: (\d{1,15}) removed, (\d{1,15}) remain", re.MULTILINE)
_TUPLES = re.compile(
    r"^[\t ]*tuples: (\d{1,15}) removed, (\d{1,15}) remain(?:, (\d{1,15}) are dead but not yet removable)?",
    re.MULTILINE,
)
_ELAPSED = re.compile(r" elapsed:? (\d{1,9})\.(\d\d) s")


def _vacuumed(message: str, _: str | None, __: str | None) -> Incident | None:
    found = _VACUUM.match(message)
    if found is None:
        return None
    database, _, table = found[3].partition(".")
    pages, tuples = _PAGES.search(message), _TUPLES.search(message)
    return TableMaintained(
        operation="vacuum",
        database=database,
        table=table,
        elapsed_us=_elapsed_us(message),
        aggressive=found[1] is not None,
        prevents_wraparound=found[2] is not None,
        index_scans=int(found[4]),
        pages_removed=int(pages[1]) if pages else None,
        pages_remain=int(pages[2]) if pages else None,
        tuples_removed=int(tuples[1]) if tuples else None,
        tuples_remain=int(tuples[2]) if tuples else None,
        dead_tuples=int(tuples[3]) if tuples and tuples[3] is not None else None,
    )


def _analyzed(message: str, _: str | None, __: str | None) -> Incident | None:
    found = _ANALYZE.fullmatch(message)
    if found is None:
        return None
    database, _, table = found[1].partition(".")
    return TableMaintained(
        "analyze", database, table, _elapsed_us(message), False, False, None, None, None, None, None, None
    )


def _elapsed_us(message: str) -> int | None:
    found = _ELAPSED.search(message.partition("system usage: CPU")[2].partition("\n")[0])
    return int(found[1] + found[2]) * 10_000 if found else None


_RECOVERY_WAIT = re.compile(
    r"recovery (still|finished) waiting after (\d{1,11})\.(\d{3}) ms: recovery conflict on (.+)"
)
_CONFLICTS = {
    "buffer deadlock": "deadlock",
    "buffer pin": "bufferpin",
    "database": "database",
    "lock": "lock",
    "replication slot": "logicalslot",
    "snapshot": "snapshot",
    "tablespace": "tablespace",
}


def _recovery_wait(message: str, _: str | None, __: str | None) -> Incident | None:
    found = _RECOVERY_WAIT.fullmatch(message)
    if found is None:
        return None
    waited_us = int(found[2]) * 1000 + int(found[3])
    return RecoveryWait(found[1] == "finished", waited_us, _CONFLICTS.get(found[4], "unknown reason"))


_PARAMETER_CHANGED = re.compile(r'parameter "([^"]*)" changed to "(.*)"', re.DOTALL)
_PARAMETER_REMOVED = re.compile(r'parameter "([^"]*)" removed from configuration file, reset to default')
_PRIVATE_PARAMETER = re.compile(
    r"conninfo|command|pass|secret|token|key|\.(?<!auto_explain\.)(?<!pg_stat_statements\.)"
)
"""Parameters whose value may hold a secret or a program's call, those of unknown extensions included."""

_VALUE_CHARACTERS = 200


def _parameter_changed(message: str, _: str | None, __: str | None) -> Incident | None:
    found = _PARAMETER_CHANGED.fullmatch(message)
    if found is not None:
        return ParameterChanged(found[1], None if _PRIVATE_PARAMETER.search(found[1]) else found[2][:_VALUE_CHARACTERS])
    removed = _PARAMETER_REMOVED.fullmatch(message)
    return ParameterChanged(removed[1], None) if removed else None


_READERS: tuple[tuple[str, _Reader], ...] = (
    ("connection received: host=", _connection_received),
    ("connection authorized: ", _connection_authorized),
    ("replication connection authorized: ", _connection_authorized),
    ("disconnection: session time: ", _disconnection),
    ("process ", _lock_wait),
    ("temporary file: path ", _temporary_file),
    ("checkpoint starting:", _checkpoint_started),
    ("restartpoint starting:", _checkpoint_started),
    ("checkpoint complete: ", _checkpoint_completed),
    ("restartpoint complete: ", _checkpoint_completed),
    ("checkpoints are occurring too frequently", _too_frequent),
    ("automatic vacuum ", _vacuumed),
    ("automatic aggressive vacuum ", _vacuumed),
    ("automatic analyze ", _analyzed),
    ("recovery still waiting after ", _recovery_wait),
    ("recovery finished waiting after ", _recovery_wait),
    ("parameter ", _parameter_changed),
)


def _by_first_word() -> dict[str, tuple[tuple[str, _Reader | Occurrence], ...]]:
    """The messages by their first word, those with something to read before the others."""
    known: tuple[tuple[str, _Reader | Occurrence], ...] = (*_READERS, *NOTICES)
    words = {text.split(" ", 1)[0] for text, _ in known}
    return {word: tuple(row for row in known if row[0].split(" ", 1)[0] == word) for word in words}


_BY_FIRST_WORD = _by_first_word()
