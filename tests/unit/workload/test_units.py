"""Units of work and what repeats in them."""

from collections.abc import Sequence

import pytest

from advisor.model.workload import Repetition
from advisor.workload.repetition import Repetitions
from advisor.workload.units import SessionUnits
from tests.unit.workload.sessions import Line, Piece, execution

PARENT, CHILD, OTHER = "orders", "items", "users"


class Log:
    """Lines of sessions with a clock of its own, in microseconds."""

    def __init__(self) -> None:
        self.now = 1_795_216_200_000_123
        self.lines: list[Line] = []

    def say(
        self,
        query: str,
        value: str | None = None,
        *,
        after_us: int = 500,
        session: str = "1",
        rows: int | None = None,
        trace: str | None = None,
        application: str | None = None,
    ) -> None:
        self.now += after_us + 100
        self.lines.append(
            Line(
                session=session,
                query=query,
                at_us=self.now,
                duration_us=100,
                value=value,
                trace=trace,
                application=application,
                rows=rows,
            )
        )

    def plan(self, query: str, rows: int | None) -> None:
        self.lines.append(Line(kind="plan", session="1", query=query, duration_us=90, rows=rows))

    def freeze(self) -> tuple[Repetition, ...]:
        return Piece().read(self.lines).freeze()

    def the(self, query: str) -> Repetition:
        (found,) = (each for each in self.freeze() if each.query_id == query)
        return found


def test_a_transaction_is_a_unit_whatever_its_pauses() -> None:
    log = Log()
    log.say("BEGIN")
    log.say(PARENT, rows=3)
    for value in "abc":
        log.say(CHILD, value, after_us=700_000)
    log.say("COMMIT")
    found = log.the(CHILD)
    assert (found.units, found.units_repeated, found.calls, found.max_calls) == (1, 1, 3, 3)
    assert (found.distinct_parameters, found.parent_id) == (3, PARENT)
    instance = found.instances[0]
    assert (instance.keys, instance.parent_rows) == ((("a",), ("b",), ("c",)), 3)
    assert (instance.gap_us, instance.duration_us) == (1_400_000, 300)


def test_units_without_repetition_count_too() -> None:
    log = Log()
    for calls in (1, 4, 1):
        log.say("BEGIN")
        log.say(PARENT)
        for value in range(calls):
            log.say(CHILD, str(value))
        log.say("COMMIT")
    found = log.the(CHILD)
    assert (found.units, found.units_repeated, found.calls, found.max_calls) == (3, 1, 6, 4)
    assert (found.distinct_parameters, found.duration_us) == (6, 600)


def test_interleaved_children_name_each_other_and_their_ancestors() -> None:
    log = Log()
    log.say("BEGIN")
    log.say(PARENT)
    for value in "abc":
        log.say(OTHER)
        log.say(CHILD, value)
    log.say("COMMIT")
    found = log.the(CHILD)
    assert found.between == (OTHER,)
    assert [(each.query_id, each.calls) for each in found.ancestors] == [(PARENT, 1), (OTHER, 3)]


def test_set_and_show_are_no_parents() -> None:
    log = Log()
    log.say("BEGIN")
    log.say(PARENT)
    log.say("SET")
    for value in "ab":
        log.say(CHILD, value)
    log.say("COMMIT")
    assert log.the(CHILD).parent_id == PARENT


def test_requests_on_a_pooled_connection_are_told_apart_by_their_pauses() -> None:
    log = Log()
    for request in range(60):
        log.say(PARENT, after_us=400_000 + 1000 * (request % 7))
        log.say(CHILD, str(request), after_us=300)
    assert log.freeze() == ()


def test_a_set_at_the_start_of_a_request_does_not_hide_the_pause() -> None:
    log = Log()
    for request in range(60):
        log.say("SET", after_us=400_000)
        log.say(CHILD, str(request), after_us=300)
    assert log.freeze() == ()


def test_what_is_learned_late_holds_for_the_beginning() -> None:
    log = Log()
    for request in range(60):
        # Less than the default: only the whole log shows that these pauses separate.
        log.say(PARENT, after_us=20_000)
        log.say(CHILD, str(request), after_us=300)
    assert log.freeze() == ()


def test_a_poller_does_not_repeat() -> None:
    log = Log()
    for beat in range(200):
        log.say(CHILD, str(beat), after_us=100_000)
    assert log.freeze() == ()


def test_an_n_plus_one_outside_of_transactions_is_one_unit_per_request() -> None:
    log = Log()
    for request in range(30):
        log.say(PARENT, after_us=900_000)
        for child in range(8):
            log.say(CHILD, f"{request}-{child}", after_us=1500)
    found = log.the(CHILD)
    assert (found.units, found.units_repeated, found.max_calls, found.distinct_parameters) == (30, 30, 8, 240)


def test_a_trace_id_is_a_unit() -> None:
    log = Log()
    for trace in "tu":
        for child in range(3):
            log.say(CHILD, str(child), after_us=90_000, trace=trace)
    found = log.the(CHILD)
    assert (found.units_repeated, found.max_calls) == (2, 3)
    assert found.instances[0].keys == (("0",), ("1",), ("2",))


def test_another_application_is_another_unit() -> None:
    log = Log()
    for application in ("web", "web", "jobs", "jobs", "web"):
        log.say(CHILD, "1", application=application)
    assert [i.calls for i in log.the(CHILD).instances] == [2, 2]


def test_sessions_do_not_mix() -> None:
    log = Log()
    for child in range(6):
        log.say(PARENT, session=str(child))
        log.say(CHILD, "1", session=str(child))
    assert log.freeze() == ()


def test_a_commit_that_was_not_logged_makes_no_giant_unit() -> None:
    log = Log()
    log.say("BEGIN")
    for request in range(3):
        for child in range(2):
            log.say(CHILD, str(child), after_us=10_000_000 if child == 0 and request else 500)
    assert [i.calls for i in log.the(CHILD).instances] == [2, 2, 2]


def test_a_commit_whose_begin_is_not_in_the_log_ends_a_unit() -> None:
    log = Log()
    for query in (CHILD, CHILD, "COMMIT", CHILD, CHILD):
        log.say(query)
    assert [i.calls for i in log.the(CHILD).instances] == [2, 2]


def test_a_time_that_goes_back_is_another_session_of_that_name() -> None:
    log = Log()
    for after_us in (500, 500, -5_000_000, 500):
        log.say(CHILD, after_us=after_us)
    assert [i.calls for i in log.the(CHILD).instances] == [2, 2]


def test_without_times_only_transactions_and_traces_hold_together() -> None:
    lines = [Line(query=query) for query in ("BEGIN", CHILD, CHILD, "COMMIT", CHILD, CHILD, OTHER, OTHER)]
    lines += [Line(query=OTHER, trace="t")] * 3
    found = Piece().read(lines).freeze()
    assert [(each.query_id, each.calls, each.gap_us) for each in found] == [(OTHER, 3, 0), (CHILD, 2, 0)]


def test_a_long_unit_is_folded_on_the_way_and_stays_one() -> None:
    log = Log()
    log.say("BEGIN")
    log.say(PARENT)
    for child in range(1900):
        log.say(CHILD, str(child))
    log.say("COMMIT")
    found = log.the(CHILD)
    assert (found.units, found.calls, found.distinct_parameters) == (1, 1900, 1900)
    assert found.instances[0].keys == tuple((str(child),) for child in range(100))


def test_very_many_values_are_estimated() -> None:
    log = Log()
    log.say("BEGIN")
    for child in range(30_000):
        log.say(CHILD, str(child % 10_000))
    log.say("COMMIT")
    assert log.the(CHILD).distinct_parameters == pytest.approx(10_000, rel=0.1)


def test_values_are_of_the_detail_or_literals_of_the_text() -> None:
    line = Line(query=CHILD, at_us=1, duration_us=1)
    texts = (
        (b"execute S_1: SELECT 7", "Parameters: $1 = 'na\xefve', $2 = NULL".encode("latin-1")),
        (b"statement: SELECT a FROM t WHERE b = 'it''s' AND c = 12 /* 99 */", None),
        (b"execute stmt: SELECT a FROM t WHERE b = 'x: 5' AND c = 3", None),
    )
    item = execution(line, {}, {})
    units = SessionUnits("1", sink := Repetitions())
    units.extend([item._replace(message=message, detail=detail) for message, detail in texts])
    units.finish()
    (found,) = sink.freeze()
    assert found.instances[0].keys == (("na\xefve", None), ("it's", "12"), ("x: 5", "3"))


def rows_of_parent(lines: Sequence[Line], cut: int) -> int | None:
    first, second = Piece().read(lines[:cut]), Piece().read(lines[cut:])
    first.join(second)
    (found,) = (each for each in first.freeze() if each.query_id == CHILD)
    return found.instances[0].parent_rows


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_plan_gives_its_rows_to_one_of_the_last_two_executions(cut: int) -> None:
    log = Log()
    log.say("BEGIN")
    log.say(PARENT)
    log.say(CHILD, "a")
    log.plan(PARENT, rows=2)
    log.say(CHILD, "b")
    log.say(OTHER)
    log.plan(PARENT, rows=9)
    assert rows_of_parent(log.lines, cut) == 2


def test_a_plan_that_took_longer_than_the_execution_is_not_its_own() -> None:
    units = SessionUnits("1", Repetitions())
    units.extend([execution(Line(query=PARENT, at_us=1_000_000, duration_us=100), {}, {})])
    assert not units.attach_plan(PARENT, 50_000, 3)
    assert not units.attach_plan(CHILD, 100, 3)
    assert units.attach_plan(PARENT, 100, 3)
    assert not units.attach_plan(PARENT, 100, 3)


def test_a_session_that_began_and_ended_leaves_nothing_open() -> None:
    units = SessionUnits("1", Repetitions())
    units.begin()
    units.extend([execution(Line(query=PARENT, at_us=1_000_000), {}, {})])
    assert units.is_open
    units.end()
    assert not units.is_open
