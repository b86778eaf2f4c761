"""The totals of a log's incidents: the same in any order and any pieces, and bounded."""

from collections.abc import Sequence

import orjson
from hypothesis import given
from hypothesis import strategies as st

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
    ParameterChanged,
    RecoveryWait,
    ServerNotice,
    TableMaintained,
    TemporaryFile,
)
from advisor.workload import incidents
from advisor.workload.bounded import BoundedSums, Largest
from advisor.workload.incidents import HOUR_US, IncidentTotals

Added = tuple[Incident, int | None, str | None, str | None, str | None]

NAMES = st.sampled_from(["orders", "customers", "items"])
TIMES = st.none() | st.integers(0, 5 * HOUR_US)
US = st.integers(0, 10_000_000)

WAITS = st.builds(
    LockWait,
    stage=st.sampled_from(["waiting", "acquired", "failed", "deadlock", "reordered", "not_obtained"]),
    pid=st.integers(1, 3),
    mode=st.sampled_from(["ShareLock", "ExclusiveLock"]),
    target=st.sampled_from(["relation", "transaction", "advisory"]),
    object=st.sampled_from(["relation 5 of database 1", "transaction 7", "advisory lock [1,2,3,4]"]),
    relation=st.none() | NAMES,
    waited_us=US,
    holders=st.just(()),
    queue=st.just(()),
)
FAILURES = st.builds(
    Failure,
    severity=st.sampled_from(["ERROR", "FATAL"]),
    sqlstate=st.none() | st.sampled_from(["23505", "57014", "40P01"]),
    message=st.sampled_from(["deadlock detected", "our own", "division by zero"]),
    cause=st.none() | st.sampled_from(["deadlock", "statement_timeout", "recovery_conflict", "autovacuum_cancelled"]),
    relation=st.none() | st.just("shop.public.orders"),
    reason=st.none() | st.just("lock"),
)
UPKEEP = st.builds(
    TableMaintained,
    operation=st.sampled_from(["vacuum", "analyze"]),
    database=st.just("shop"),
    table=NAMES,
    elapsed_us=st.none() | US,
    aggressive=st.booleans(),
    prevents_wraparound=st.booleans(),
    index_scans=st.none() | st.integers(0, 3),
    pages_removed=st.none(),
    pages_remain=st.none(),
    tuples_removed=st.none() | st.integers(0, 9),
    tuples_remain=st.none(),
    dead_tuples=st.none() | st.integers(0, 9),
)
INCIDENTS: st.SearchStrategy[Incident] = st.one_of(
    WAITS,
    FAILURES,
    UPKEEP,
    st.builds(TemporaryFile, US),
    st.builds(ConnectionReceived, st.just("[local]")),
    st.builds(ConnectionAuthorized, NAMES, st.none() | NAMES, st.booleans()),
    st.builds(Disconnection, US, NAMES, NAMES, NAMES),
    st.builds(CheckpointStarted, st.booleans(), st.just(("xlog",)) | st.just(("immediate", "wait"))),
    st.builds(CheckpointCompleted, st.booleans(), US, US, US, US, US, US, US, st.none() | US, st.none() | US),
    st.builds(CheckpointsTooFrequent, st.integers(1, 30)),
    st.builds(RecoveryWait, st.booleans(), US, st.just("lock")),
    st.builds(ParameterChanged, st.sampled_from(["work_mem", "log_statement"]), st.none() | st.sampled_from("abc")),
    st.builds(ServerNotice, st.sampled_from(["ready", "client_lost"])),
)
ADDED = st.lists(
    st.tuples(INCIDENTS, TIMES, st.none() | st.sampled_from(["q1", "q2", "q3"]), st.none() | NAMES, st.none() | NAMES),
    max_size=40,
)


def totals_of(added: Sequence[Added]) -> IncidentTotals:
    totals = IncidentTotals()
    for each in added:
        totals.add(*each)
    return totals


@given(ADDED, ADDED, ADDED)
def test_pieces_add_up_to_the_whole_in_any_order(a: list[Added], b: list[Added], c: list[Added]) -> None:
    whole = totals_of([*a, *b, *c])
    left, right, back = totals_of(a), totals_of(b), totals_of(c)
    left.merge(totals_of(b))
    left.merge(totals_of(c))
    right.merge(totals_of(c))
    nested = totals_of(a)
    nested.merge(right)
    back.merge(totals_of(b))
    back.merge(totals_of(a))
    assert whole.state() == left.state() == nested.state() == back.state() == totals_of([*c, *b, *a]).state()
    assert whole.freeze() == left.freeze() == back.freeze()


@given(ADDED)
def test_the_state_is_plain_and_comes_back(added: list[Added]) -> None:
    totals = totals_of(added)
    restored = IncidentTotals.restore(orjson.loads(orjson.dumps(totals.state())))
    assert restored.state() == totals.state()
    assert restored.freeze() == totals.freeze()


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 5))), st.lists(st.tuples(st.integers(0, 60), US)))
def test_bounded_sums_are_exact_in_pieces(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    def sums(rows: Sequence[tuple[int, int]]) -> BoundedSums:
        result = BoundedSums(7, [0])
        for key, count in rows:
            result.add((str(key),), [count])
        return result

    whole, one, other = sums([*a, *b]), sums(a), sums(b)
    one.merge(other)
    assert one.state() == whole.state()
    assert len(whole) <= 7
    kept = dict(whole.items())
    truth: dict[tuple[str | None, ...], int] = {
        (str(key),): sum(count for each, count in [*a, *b] if each == key) for key, _ in [*a, *b]
    }
    assert all(row == [truth[key]] for key, row in kept.items())
    assert sum(row[0] for row in kept.values()) + whole.other[0] == sum(truth.values())
    assert len(kept) == min(7, len(truth))


@given(st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 9), st.none() | st.sampled_from("ab"))))
def test_the_largest_are_the_largest(entries: list[tuple[int, int | None, str | None]]) -> None:
    kept = Largest(4)
    for entry in entries:
        kept.add(entry)
    again = Largest(4)
    for entry in reversed(entries):
        again.add(entry)
    assert kept.entries() == again.entries()
    assert [entry[0] for entry in kept.entries()] == sorted((entry[0] for entry in entries), reverse=True)[:4]


def error(message: str, sqlstate: str | None = None) -> Failure:
    return Failure("ERROR", sqlstate, message, None, None, None)


def test_a_million_classes_take_no_more_than_their_share() -> None:
    totals = IncidentTotals()
    classes = 5 * incidents.ERROR_CLASSES
    for number in range(classes):
        totals.add(error(f"class {number}"), number * HOUR_US, f"query {number}", None, "app")
    events = totals.freeze()
    assert events.errors.count == classes
    assert len(events.errors.classes) == incidents.ERROR_CLASSES
    assert events.errors.in_other_classes == classes - incidents.ERROR_CLASSES
    assert len(events.queries) == incidents.QUERIES


def test_only_the_latest_hours_are_kept() -> None:
    totals = IncidentTotals()
    for hour in range(incidents.HOURS + 5):
        totals.add(error("x"), hour * HOUR_US)
    hours = totals.freeze().hours
    assert len(hours) == incidents.HOURS
    assert hours[0].start_us == 5 * HOUR_US
    assert totals.freeze().errors.count == incidents.HOURS + 5


def wait(stage: str, waited_us: int, *, pid: int = 7, relation: str | None = "orders") -> LockWait:
    thing = "transaction 733"
    return LockWait(stage, pid, "ShareLock", "transaction", thing, relation, waited_us, (), ())  # type: ignore[arg-type]


def test_the_stages_of_a_wait_are_one_wait() -> None:
    totals = IncidentTotals()
    totals.add(wait("waiting", 1_000_000), 11_000_000, "q", "shop", "app")
    totals.add(wait("acquired", 5_200_000), 15_200_000, "q", "shop", "app")
    # Another process that was still waiting when the log ended.
    totals.add(wait("waiting", 1_000_000, pid=8), 15_900_000, "q", "shop", "app")
    # The first process again, an hour later.
    totals.add(wait("waiting", 1_000_000), HOUR_US, "q", "shop", "app")
    events = totals.freeze()
    assert [(each.waited_us, each.acquired) for each in events.lock_waits.longest] == [
        (5_200_000, True), (1_000_000, False), (1_000_000, False),
    ]  # fmt: skip
    assert (events.lock_waits.waits, events.lock_waits.acquired, events.lock_waits.waited_us) == (3, 1, 5_200_000)
    (waited_for,) = events.lock_waits.objects
    assert (waited_for.database, waited_for.object, waited_for.waits) == ("shop", "orders", 3)
    assert [(hour.start_us, hour.lock_waits) for hour in events.hours] == [(0, 2), (HOUR_US, 1)]
    assert (events.queries[0].lock_waits, events.queries[0].lock_wait_us) == (3, 5_200_000)


def test_locks_are_counted_by_what_stays_the_same() -> None:
    totals = IncidentTotals()
    for target, thing in (
        ("relation", "relation 16385 of database 5"),
        ("tuple", "tuple (0,1) of relation 16385 of database 5"),
        ("extension", "extension of relation 16385 of database 5"),
        ("transaction", "transaction 733"),
        ("transaction", "transaction 734"),
        ("advisory", "advisory lock [5,0,7,1]"),
    ):
        found = LockWait("waiting", 1, "ShareLock", target, thing, None, 1, (), ())  # type: ignore[arg-type]
        totals.add(found, None)
    objects = {each.object: each.waits for each in totals.freeze().lock_waits.objects}
    assert objects == {"relation 16385": 3, "transaction": 2, "advisory lock [5,0,7,1]": 1}


def test_a_checkpoint_with_a_user_is_an_application_s_text() -> None:
    completed = CheckpointCompleted(False, 1, 0, 0, 0, 1, 1, 1, None, None)
    totals = IncidentTotals()
    for user in (None, "", "[unknown]", "app"):
        totals.add(completed, 0, None, None, user)
    totals.add(ServerNotice("process_crashed"), 0, None, "shop", "app")
    totals.add(ServerNotice("client_lost"), 0, None, "shop", "app")
    events = totals.freeze()
    assert events.checkpoints.completed == 3
    assert events.imitations == 2
    assert dict(events.occurrences) == {"client_lost": 1}


def test_parameters_keep_their_first_and_last_value() -> None:
    totals = IncidentTotals()
    for at_us, value in ((30, "c"), (10, "a"), (20, None)):
        totals.add(ParameterChanged("log_statement", value), at_us)
    (change,) = totals.freeze().parameters
    assert (change.count, change.first_us, change.first_value, change.last_us, change.last_value) == (
        3, 10, "a", 30, "c",
    )  # fmt: skip


def test_sums_of_every_kind() -> None:
    totals = IncidentTotals()
    totals.add(TemporaryFile(500), 5, "q1", "shop", "app")
    totals.add(TemporaryFile(700), 6, "q2", "shop", "app")
    totals.add(Disconnection(2_000_000, "app", "shop", "[local]"), 7)
    totals.add(CheckpointStarted(False, ("xlog",)), 8)
    totals.add(CheckpointStarted(False, ("wal",)), 8)
    totals.add(Failure("ERROR", "57014", "x", "statement_timeout", None, None), 9, "q1", "shop", "app")
    totals.add(Failure("ERROR", "57014", "y", "autovacuum_cancelled", "shop.public.orders", None), 9)
    events = totals.freeze()
    assert (events.temporary_files.files, events.temporary_files.bytes, events.temporary_files.queries) == (2, 1200, 2)
    assert [each.size_bytes for each in events.temporary_files.largest] == [700, 500]
    assert (events.connections.ended, events.connections.max_us) == (1, 2_000_000)
    assert events.connections.clients[0].host == "[local]"
    assert dict(events.checkpoints.by_reason) == {"wal": 2}
    assert dict(events.errors.by_sqlstate) == {"57014": 2}
    assert (events.upkeep.cancelled, events.upkeep.tables[0].table) == (1, "public.orders")
    assert [(each.query_id, each.errors, each.cancelled, each.temp_bytes) for each in events.queries] == [
        ("q1", 1, 1, 500), ("q2", 0, 0, 700),
    ]  # fmt: skip


def test_redacted_totals_hold_no_words_of_an_application() -> None:
    totals = IncidentTotals()
    totals.add(error("Bob is not welcome", "P0001"), 1)
    totals.add(error("Alice is not welcome", "P0001"), 2)
    totals.add(error('duplicate key value violates unique constraint "orders_pkey"', "23505"), 3)
    totals.redact()
    assert b"welcome" not in orjson.dumps(totals.state())
    classes = {(each.sqlstate, each.message): each.count for each in totals.freeze().errors.classes}
    assert classes == {
        ("P0001", ""): 2,
        ("23505", 'duplicate key value violates unique constraint "orders_pkey"'): 1,
    }
