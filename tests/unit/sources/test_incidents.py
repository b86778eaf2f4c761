"""Messages of PostgreSQL 9.6 to 18 as its source writes them, and texts that only look like them."""

import pytest

from advisor.model.incident import (
    CheckpointCompleted,
    CheckpointStarted,
    CheckpointsTooFrequent,
    ConnectionAuthorized,
    ConnectionReceived,
    Disconnection,
    Failure,
    LockWait,
    ParameterChanged,
    RecoveryWait,
    ServerNotice,
    TableMaintained,
    TemporaryFile,
)
from advisor.sources.failures import message_class
from advisor.sources.incidents import read_incident

RAISED = "PL/pgSQL function inline_code_block line 1 at RAISE"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("connection received: host=10.0.0.7 port=53124", ConnectionReceived("10.0.0.7")),
        ("connection received: host=[local]", ConnectionReceived("[local]")),
        # 9.6
        ("connection authorized: user=app database=shop", ConnectionAuthorized("app", "shop", False)),
        (
            "connection authorized: user=app database=shop SSL enabled (protocol=TLSv1.2, cipher=X, compression=off)",
            ConnectionAuthorized("app", "shop", False),
        ),
        # 14 to 18
        (
            "connection authorized: user=my app database=my shop application_name=a database=b SSL enabled (bits=256)",
            ConnectionAuthorized("my app", "my shop", False),
        ),
        (
            "replication connection authorized: user=standby application_name=walreceiver",
            ConnectionAuthorized("standby", None, True),
        ),
        (
            "disconnection: session time: 100:02:03.045 user=app database=shop host=10.0.0.7 port=53124",
            Disconnection(360_123_045_000, "app", "shop", "10.0.0.7"),
        ),
        (
            "disconnection: session time: 0:00:00.016 user=my app database=shop host=[local]",
            Disconnection(16_000, "my app", "shop", "[local]"),
        ),
    ],
)
def test_sessions(message: str, expected: object) -> None:
    assert read_incident("LOG", message) == expected


@pytest.mark.parametrize(
    ("message", "stage", "mode", "target", "waited_us"),
    [
        ("process 71 still waiting for ShareLock on transaction 733 after 1000.123 ms", "waiting", "ShareLock",
         "transaction", 1_000_123),
        ("process 71 acquired AccessExclusiveLock on relation 16385 of database 16384 after 5207.001 ms", "acquired",
         "AccessExclusiveLock", "relation", 5_207_001),
        ("process 71 acquired ExclusiveLock on tuple (0,12) of relation 16385 of database 16384 after 9.000 ms",
         "acquired", "ExclusiveLock", "tuple", 9_000),
        ("process 71 acquired ExclusiveLock on page 3 of relation 16385 of database 16384 after 9.000 ms", "acquired",
         "ExclusiveLock", "page", 9_000),
        ("process 71 still waiting for ExclusiveLock on extension of relation 16385 of database 16384 after 9.000 ms",
         "waiting", "ExclusiveLock", "extension", 9_000),
        ("process 71 still waiting for ShareLock on virtual transaction 3/5 after 9.000 ms", "waiting", "ShareLock",
         "virtualxid", 9_000),
        ("process 71 still waiting for ExclusiveLock on advisory lock [16384,0,7,1] after 9.000 ms", "waiting",
         "ExclusiveLock", "advisory", 9_000),
        ("process 71 detected deadlock while waiting for ShareLock on transaction 734 after 1001.000 ms", "deadlock",
         "ShareLock", "transaction", 1_001_000),
        ("process 71 avoided deadlock for ShareLock on transaction 734 by rearranging queue order after 1001.000 ms",
         "reordered", "ShareLock", "transaction", 1_001_000),
        ("process 71 failed to acquire ShareLock on transaction 734 after 1001.000 ms", "failed", "ShareLock",
         "transaction", 1_001_000),
        # The stderr log has the position, too, while a statement is being parsed.
        ("process 71 still waiting for RowShareLock on relation 16385 of database 16384 after 9.000 ms at character 15",
         "waiting", "RowShareLock", "relation", 9_000),
        # 18, log_lock_failures
        ("process 71 could not obtain ShareLock on relation 16385 of database 16384", "not_obtained", "ShareLock",
         "relation", None),
    ],
)  # fmt: skip
def test_lock_waits(message: str, stage: str, mode: str, target: str, waited_us: int | None) -> None:
    found = read_incident("LOG", message)
    assert isinstance(found, LockWait)
    assert (found.stage, found.pid, found.mode, found.target) == (stage, 71, mode, target)
    assert found.waited_us == waited_us
    assert found.object.startswith(("tra", "rel", "tup", "pag", "ext", "vir", "adv"))
    assert " after " not in found.object
    assert " by " not in found.object
    assert " at " not in found.object


@pytest.mark.parametrize(
    ("detail", "holders", "queue"),
    [
        ("Process holding the lock: 12. Wait queue: 71.", (12,), (71,)),
        ("Processes holding the lock: 12, 13. Wait queue: 71, 72.", (12, 13), (71, 72)),
        ("Process holding the lock: 12, Wait queue: .", (12,), ()),
        (None, (), ()),
    ],
)
def test_who_holds_a_lock_is_in_the_detail(
    detail: str | None, holders: tuple[int, ...], queue: tuple[int, ...]
) -> None:
    found = read_incident(
        "LOG",
        "process 71 still waiting for ShareLock on transaction 733 after 1000.123 ms",
        detail,
        "00000",
        'while updating tuple (0,1) in relation "orders"\nSQL statement "UPDATE orders …"',
    )
    assert isinstance(found, LockWait)
    assert (found.holders, found.queue, found.relation) == (holders, queue, "orders")


def test_temporary_files() -> None:
    message = 'temporary file: path "base/pgsql_tmp/pgsql_tmp29373.0", size 97517568'
    assert read_incident("LOG", message) == TemporaryFile(97_517_568)


COMPLETE_9_6 = (
    "checkpoint complete: wrote 44 buffers (0.3%); 0 transaction log file(s) added, 1 removed, 2 recycled;"
    " write=4.323 s, sync=0.006 s, total=4.342 s; sync files=25, longest=0.004 s, average=0.000 s;"
    " distance=283 kB, estimate=290 kB"
)
COMPLETE_10 = COMPLETE_9_6.replace("transaction log file", "WAL file")
COMPLETE_15 = COMPLETE_10 + "; lsn=0/1B8F3F0, redo lsn=0/1B8F3B8"
COMPLETE_18 = COMPLETE_15.replace("(0.3%);", "(0.3%), wrote 3 SLRU buffers;")


@pytest.mark.parametrize("message", [COMPLETE_9_6, COMPLETE_10, COMPLETE_15, COMPLETE_18])
@pytest.mark.parametrize("kind", ["checkpoint", "restartpoint"])
def test_checkpoints_of_every_version(kind: str, message: str) -> None:
    found = read_incident("LOG", message.replace("checkpoint", kind, 1))
    assert found == CheckpointCompleted(
        restartpoint=kind == "restartpoint",
        buffers=44,
        wal_added=0,
        wal_removed=1,
        wal_recycled=2,
        write_us=4_323_000,
        sync_us=6_000,
        total_us=4_342_000,
        longest_sync_us=4_000,
        distance_bytes=283 * 1024,
    )


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("checkpoint starting: xlog", CheckpointStarted(False, ("xlog",))),
        ("checkpoint starting: immediate force wait", CheckpointStarted(False, ("immediate", "force", "wait"))),
        ("checkpoint starting: end-of-recovery fast", CheckpointStarted(False, ("end-of-recovery", "fast"))),
        ("restartpoint starting: time", CheckpointStarted(True, ("time",))),
        ("checkpoints are occurring too frequently (1 second apart)", CheckpointsTooFrequent(1)),
        ("checkpoints are occurring too frequently (24 seconds apart)", CheckpointsTooFrequent(24)),
        ("checkpoint starting: soon, I promise", None),
        ("checkpoint complete: yes", None),
    ],
)  # fmt: skip
def test_the_beginning_of_checkpoints(message: str, expected: object) -> None:
    assert read_incident("LOG", message) == expected


VACUUM_9_6 = """automatic vacuum of table "shop.public.orders": index scans: 1
	pages: 2 removed, 443 remain, 1 skipped due to pins, 3 skipped frozen
	tuples: 50000 removed, 50001 remain, 7 are dead but not yet removable
	buffer usage: 1200 hits, 3 misses, 900 dirtied
	avg read rate: 0.095 MB/s, avg write rate: 28.484 MB/s
	system usage: CPU 0.00s/0.05u sec elapsed 0.24 sec"""
VACUUM_10 = VACUUM_9_6.replace("removable", "removable, oldest xmin: 740").replace(
    "CPU 0.00s/0.05u sec elapsed 0.24 sec", "CPU: user: 0.05 s, system: 0.00 s, elapsed: 0.24 s"
)
VACUUM_13 = VACUUM_10 + "\n\tWAL usage: 1800 records, 450 full page images, 1234567 bytes"
VACUUM_18 = """automatic vacuum of table "shop.public.orders": index scans: 1
pages: 2 removed, 443 remain, 445 scanned (100.00% of total), 0 eagerly scanned
tuples: 50000 removed, 50001 remain, 7 are dead but not yet removable
removable cutoff: 740, which was 1 XIDs old when operation ended
new relfrozenxid: 739, which is 3 XIDs ahead of previous value
frozen: 1 pages from table (0.23% of total) had 9 tuples frozen
visibility map: 443 pages set all-visible, 1 pages set all-frozen (0 were all-visible)
index scan needed: 222 pages from table (50.11% of total) had 50000 dead item identifiers removed
index "orders_pkey": pages: 276 in total, 135 newly deleted, 135 currently deleted, 0 reusable
delay time: 20.000 ms
avg read rate: 0.000 MB/s, avg write rate: 35.112 MB/s
buffer usage: 1700 hits, 0 reads, 900 dirtied
WAL usage: 1800 records, 450 full page images, 1234567 bytes, 0 buffers full
system usage: CPU: user: 0.05 s, system: 0.00 s, elapsed: 0.24 s"""


@pytest.mark.parametrize("message", [VACUUM_9_6, VACUUM_10, VACUUM_13, VACUUM_18])
@pytest.mark.parametrize(
    ("kind", "aggressive", "wraparound"),
    [
        ("vacuum of", False, False),
        ("aggressive vacuum of", True, False),
        ("vacuum to prevent wraparound of", False, True),
        ("aggressive vacuum to prevent wraparound of", True, True),
    ],
)
def test_autovacuum_of_every_version(message: str, kind: str, aggressive: bool, wraparound: bool) -> None:
    found = read_incident("LOG", message.replace("vacuum of", kind, 1))
    assert found == TableMaintained(
        operation="vacuum",
        database="shop",
        table="public.orders",
        elapsed_us=240_000,
        aggressive=aggressive,
        prevents_wraparound=wraparound,
        index_scans=1,
        pages_removed=2,
        pages_remain=443,
        tuples_removed=50_000,
        tuples_remain=50_001,
        dead_tuples=7,
    )


@pytest.mark.parametrize(
    "message",
    [
        'automatic analyze of table "shop.public.orders" system usage: CPU 0.01s/0.05u sec elapsed 0.24 sec',
        'automatic analyze of table "shop.public.orders" system usage: CPU: user: 0.05 s, elapsed: 0.24 s',
        'automatic analyze of table "shop.public.orders"\n\tavg read rate: 1\n\tsystem usage: CPU: elapsed: 0.24 s',
    ],
)
def test_autoanalyze_of_every_version(message: str) -> None:
    found = read_incident("LOG", message)
    assert isinstance(found, TableMaintained)
    assert (found.operation, found.database, found.table, found.elapsed_us) == (
        "analyze", "shop", "public.orders", 240_000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("severity", "message", "sqlstate", "cause"),
    [
        ("ERROR", "deadlock detected", "40P01", "deadlock"),
        ("ERROR", "canceling statement due to statement timeout", "57014", "statement_timeout"),
        ("ERROR", "canceling statement due to lock timeout", "55P03", "lock_timeout"),
        ("ERROR", "canceling statement due to user request", "57014", "user_request"),
        ("ERROR", "canceling autovacuum task", "57014", "autovacuum_cancelled"),
        ("FATAL", "terminating connection due to administrator command", "57P01", "administrator"),
        ("FATAL", "terminating connection due to idle-in-transaction timeout", "25P03", "idle_in_transaction_timeout"),
        ("FATAL", "terminating connection due to idle-session timeout", "57P05", "idle_session_timeout"),
        ("FATAL", "terminating connection due to transaction timeout", "25P04", "transaction_timeout"),
        ("FATAL", "sorry, too many clients already", "53300", "too_many_connections"),
        ("FATAL", 'password authentication failed for user "x"', "28P01", "authentication"),
    ],
)
def test_the_causes_are_certain_with_and_without_a_state(
    severity: str, message: str, sqlstate: str, cause: str
) -> None:
    for given in (sqlstate, None):
        found = read_incident(severity, message, sqlstate=given)
        assert isinstance(found, Failure)
        assert (found.sqlstate, found.cause) == (sqlstate, cause)


@pytest.mark.parametrize(
    ("severity", "message", "sqlstate", "cause"),
    [
        # 9.6 to 15, and 16
        ("FATAL", "remaining connection slots are reserved for non-replication superuser connections", None,
         "too_many_connections"),
        ("FATAL", "remaining connection slots are reserved for roles with the SUPERUSER attribute", "53300",
         "too_many_connections"),
        ("FATAL", 'Peer authentication failed for user "app"', None, "authentication"),
        ("FATAL", 'no pg_hba.conf entry for host "10.0.0.7", user "app", database "shop", SSL off', "28000",
         "authentication"),
        ("FATAL", 'role "app" is not permitted to log in', "28000", "authentication"),
        ("ERROR", "not allowed here", "28000", None),
        ("FATAL", "the database system is starting up", "57P03", "not_accepting_connections"),
        ("FATAL", "terminating autovacuum process due to administrator command", "57P01",
         "background_worker_terminated"),
        ("ERROR", 'could not extend file "base/1/2": No space left on device', "53100", "disk_full"),
        ("ERROR", 'could not obtain lock on relation "orders"', "55P03", "lock_not_available"),
        ("PANIC", 'could not write to file "pg_wal/xlogtemp.1": No space left on device', "53100", "disk_full"),
    ],
)  # fmt: skip
def test_more_causes(severity: str, message: str, sqlstate: str | None, cause: str | None) -> None:
    found = read_incident(severity, message, sqlstate=sqlstate)
    assert isinstance(found, Failure)
    assert (found.severity, found.cause) == (severity, cause)


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        ("User query might have needed to see row versions that must be removed.", "snapshot"),
        ("User was holding a relation lock for too long.", "lock"),
        ("User was holding shared buffer pin for too long.", "bufferpin"),
        ("User transaction caused buffer deadlock with recovery.", "deadlock"),
        ("User was or might have been using tablespace that must be dropped.", "tablespace"),
        ("User was using a logical replication slot that must be invalidated.", "logicalslot"),
        ("Something new.", None),
        (None, None),
    ],
)
def test_conflicts_with_recovery(detail: str | None, reason: str | None) -> None:
    found = read_incident("ERROR", "canceling statement due to conflict with recovery", detail, "40001")
    assert isinstance(found, Failure)
    assert (found.cause, found.reason) == ("recovery_conflict", reason)


def test_waits_of_recovery() -> None:
    still = read_incident("LOG", "recovery still waiting after 1001.234 ms: recovery conflict on snapshot")
    assert still == RecoveryWait(False, 1_001_234, "snapshot")
    done = read_incident("LOG", "recovery finished waiting after 7001.234 ms: recovery conflict on buffer pin")
    assert done == RecoveryWait(True, 7_001_234, "bufferpin")


def test_a_cancelled_autovacuum_names_its_table() -> None:
    context = 'while scanning block 3 of relation "public.orders"\nautomatic vacuum of table "shop.public.orders"'
    found = read_incident("ERROR", "canceling autovacuum task", None, None, context)
    assert isinstance(found, Failure)
    assert found.relation == "shop.public.orders"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('parameter "log_min_duration_statement" changed to "250"', ("log_min_duration_statement", "250")),
        ('parameter "log_statement" changed to "a "quoted" one"', ("log_statement", 'a "quoted" one')),
        ('parameter "auto_explain.log_analyze" changed to "on"', ("auto_explain.log_analyze", "on")),
        ('parameter "work_mem" removed from configuration file, reset to default', ("work_mem", None)),
        # A secret stays where it is.
        ('parameter "primary_conninfo" changed to "host=a password=b"', ("primary_conninfo", None)),
        ('parameter "archive_command" changed to "curl -u me:secret"', ("archive_command", None)),
        ('parameter "our.thing" changed to "b"', ("our.thing", None)),
    ],
)
def test_parameters(message: str, expected: tuple[str, str | None]) -> None:
    assert read_incident("LOG", message) == ParameterChanged(*expected)


@pytest.mark.parametrize(
    ("message", "occurrence"),
    [
        ("starting PostgreSQL 18.0 on x86_64-pc-linux-gnu", "starting"),
        ("database system is ready to accept connections", "ready"),
        ("database system is ready to accept read only connections", "ready_read_only"),
        ("database system is ready to accept read-only connections", "ready_read_only"),
        ("received fast shutdown request", "shutdown_requested"),
        ("database system is shut down", "stopped"),
        ("database system was interrupted; last known up at 2026-03-01 10:00:00 UTC", "crash_recovery"),
        ("database system was not properly shut down; automatic recovery in progress", "crash_recovery"),
        ("database system was shut down at 2026-03-01 10:00:00 UTC", "routine"),
        ("server process (PID 123) was terminated by signal 9: Killed", "process_crashed"),
        ("server process (PID 123) exited with exit code 2", "process_crashed"),
        ("checkpointer process (PID 123) was terminated by signal 11: Segmentation fault", "process_crashed"),
        ('background worker "logical replication launcher" (PID 123) exited with exit code 1', "routine"),
        ("all server processes terminated; reinitializing", "reinitializing"),
        ("unexpected EOF on client connection with an open transaction", "client_lost"),
        ("could not receive data from client: Connection reset by peer", "client_lost"),
        ("archive command failed with exit code 1", "archive_failed"),
        ("terminating walsender process due to replication timeout", "replication_lost"),
        ("sending cancel to blocking autovacuum PID 123", "autovacuum_asked_to_yield"),
        ("shutting down", "routine"),
    ],
)
def test_what_the_server_says_of_itself(message: str, occurrence: str) -> None:
    assert read_incident("LOG", message) == ServerNotice(occurrence)  # type: ignore[arg-type]


def test_warnings_of_the_server() -> None:
    wraparound = 'database "shop" must be vacuumed within 39985967 transactions'
    assert read_incident("WARNING", wraparound) == ServerNotice("wraparound_warning")
    assert read_incident("WARNING", 'database "shop" has a collation version mismatch') is None
    assert read_incident("WARNING", "there is no transaction in progress") is None


@pytest.mark.parametrize(
    "message",
    [
        "",
        " ",
        "statement: SELECT 'deadlock detected'",
        "duration: 0.100 ms  statement: SELECT 'checkpoint starting: time'",
        "execute <unnamed>: INSERT INTO notes VALUES ('temporary file: path \"x\", size 5')",
        "process 71 of the order is still waiting for ShareLock",
        "process 71 still waiting for ShareLock on transaction 733",
        "process 71 acquired the parcel",
        'temporary file: path "x", size unknown',
        "disconnection: session time: unknown",
        "the customer (PID 123) was terminated by signal",
        "recovery still waiting after lunch",
        "automatic vacuum cleaner sold",
        'parameter "x" was never changed',
    ],
)
def test_what_only_begins_like_a_message(message: str) -> None:
    found = read_incident("LOG", message)
    assert found is None


@pytest.mark.parametrize("severity", ["NOTICE", "INFO", "DEBUG", "HINT", "DETAIL"])
def test_other_severities_report_nothing(severity: str) -> None:
    assert read_incident(severity, "deadlock detected") is None
    assert read_incident(severity, "checkpoint starting: time") is None


@pytest.mark.parametrize("message", [COMPLETE_15, 'temporary file: path "x", size 5', "database system is shut down"])
def test_a_raise_log_is_not_the_server(message: str) -> None:
    assert read_incident("LOG", message, None, "00000", RAISED) is None
    # A real one from within a function is: its context does not begin with a RAISE.
    real = 'SQL statement "SELECT …"\nPL/pgSQL function report() line 3 at SQL statement'
    assert read_incident("LOG", message, None, "00000", real) is not None


def test_a_raise_exception_is_an_error_and_nothing_more() -> None:
    for sqlstate, context in (("P0001", None), ("40P01", RAISED), (None, RAISED)):
        found = read_incident("ERROR", "deadlock detected", None, sqlstate, context)
        assert found == Failure("ERROR", sqlstate, "deadlock detected", None, None, None)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('duplicate key value violates unique constraint "orders_2024_pkey"', None),
        ('invalid input syntax for type integer: "4"2"', 'invalid input syntax for type integer: "…"'),
        ('column "bob@example.com" does not exist', 'column "…" does not exist'),
        ('column "note" of relation "orders" does not exist', None),
        ("value too long for type character varying(20)", "value too long for type character varying(N)"),
        ("customer 'Bob' has -3.5 of 1,000", "customer '…' has N of N"),
        ("can't open 5 files, don't ask", "can't open N files, don't ask"),
        ("no row b3d9a1c2-1111-4222-8333-444455556666 here", "no row N here"),
        ("function md5(int4) does not exist", None),
        ("first line 1\nsecond line", "first line N"),
        ('syntax error at or near "FORM" at character 10', 'syntax error at or near "…"'),
        ("x" * 290 + " at character 1234", "x" * 290),
        ('unterminated quoted string at or near "\'secret', 'unterminated quoted string at or near "…"'),
    ],
)  # fmt: skip
def test_classes_hold_no_values(message: str, kind: str | None) -> None:
    assert message_class(message) == (kind or message)


@pytest.mark.parametrize(
    ("message", "sqlstate"),
    [
        ("invalid input syntax for integer: \"a\"", "22P02"),
        ('invalid input syntax for type uuid: "a"', "22P02"),
        ('invalid input syntax for type date: "a"', None),
        ('relation "orders" does not exist', "42P01"),
        ('role "bob" does not exist', None),
        ("permission denied for table orders", "42501"),
        ("null value in column \"a\" violates not-null constraint", "23502"),
        ("null value in column \"a\" of relation \"b\" violates not-null constraint", "23502"),
        ("our relation \"orders\" does not exist", None),
        ("deadlock detected by us", None),
    ],
)  # fmt: skip
def test_a_state_is_inferred_only_where_it_is_certain(message: str, sqlstate: str | None) -> None:
    found = read_incident("ERROR", message)
    assert isinstance(found, Failure)
    assert found.sqlstate == sqlstate
