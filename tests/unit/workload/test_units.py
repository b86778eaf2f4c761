"""Units of work and what repeats in them."""

from advisor.model.event import Event
from advisor.model.workload import Repetition, Workload
from advisor.workload.digest import Digest
from advisor.workload.gaps import DEFAULT_GAP_US, LONGEST_GAP_US, SHORTEST_GAP_US, GapModel

PARENT, CHILD, OTHER = "SELECT id FROM orders", "SELECT sku FROM items WHERE order_id = $1", "SELECT 1 FROM users"


class Log:
    """Builds events of sessions with a clock of its own, in microseconds."""

    def __init__(self) -> None:
        self.now = 1_795_216_200_000_123
        self.events: list[Event] = []

    def say(self, sql: str, *values: str, after_us: int = 500, session: str = "1", rows: int | None = None) -> None:
        self.now += after_us + 100
        head = Event(kind="statement", at_us=self.now, session=session, database="shop", user="app")
        self.events.append(head._replace(sql=sql, parameters=values or None, duration_us=100, rows=rows))

    def freeze(self) -> Workload:
        digest = Digest()
        digest.add_all(self.events)
        return digest.freeze()


def the(workload: Workload, sql: str) -> Repetition:
    (query,) = (query for query in workload.queries if query.sql == sql)
    (found,) = (each for each in workload.repetitions if each.query_id == query.id)
    return found


def name_of(workload: Workload, query_id: str | None) -> str | None:
    query = workload.query(query_id) if query_id else None
    return query.sql if query else None


def test_a_transaction_is_a_unit_whatever_its_pauses() -> None:
    log = Log()
    log.say("BEGIN")
    log.say(PARENT, rows=3)
    for value in "abc":
        log.say(CHILD, value, after_us=700_000)
    log.say("COMMIT")
    workload = log.freeze()
    found = the(workload, CHILD)
    assert (found.units, found.units_repeated, found.calls, found.max_calls, found.distinct_parameters) == (
        1,
        1,
        3,
        3,
        3,
    )
    assert name_of(workload, found.parent_id) == PARENT
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
    found = the(log.freeze(), CHILD)
    assert (found.units, found.units_repeated, found.calls, found.max_calls) == (3, 1, 6, 4)


def test_interleaved_children_name_each_other_and_their_ancestors() -> None:
    log = Log()
    log.say("BEGIN")
    log.say(PARENT)
    for value in "abc":
        log.say(OTHER)
        log.say(CHILD, value)
    log.say("COMMIT")
    workload = log.freeze()
    found = the(workload, CHILD)
    assert [name_of(workload, each) for each in found.between] == ["SELECT $1 FROM users"]
    assert [name_of(workload, each.query_id) for each in found.ancestors] == [PARENT, "SELECT $1 FROM users"]


def test_set_and_show_are_no_parents() -> None:
    log = Log()
    log.say("BEGIN")
    log.say(PARENT)
    log.say("SET statement_timeout = 0")
    log.say("SAVEPOINT s1")
    for value in "ab":
        log.say(CHILD, value)
    log.say("COMMIT")
    workload = log.freeze()
    assert name_of(workload, the(workload, CHILD).parent_id) == PARENT


def test_requests_on_a_pooled_connection_are_told_apart_by_their_pauses() -> None:
    log = Log()
    for request in range(60):
        log.say(PARENT, after_us=400_000 + 1000 * (request % 7))
        log.say(CHILD, str(request), after_us=300)
    assert log.freeze().repetitions == ()


def test_a_poller_does_not_repeat() -> None:
    log = Log()
    for beat in range(200):
        log.say(CHILD, str(beat), after_us=100_000)
    found = log.freeze().repetitions
    # Until the pauses were seen often enough, the default separates them, too.
    assert found == ()


def test_an_n_plus_one_outside_of_transactions_is_one_unit_per_request() -> None:
    log = Log()
    for request in range(30):
        log.say(PARENT, after_us=900_000)
        for child in range(8):
            log.say(CHILD, f"{request}-{child}", after_us=1500)
    found = the(log.freeze(), CHILD)
    assert (found.units, found.units_repeated, found.max_calls, found.distinct_parameters) == (30, 30, 8, 240)


def test_a_trace_id_is_a_unit() -> None:
    log = Log()
    for trace in range(2):
        for child in range(3):
            comment = f"/*traceparent='00-{trace:032d}-1111111111111111-01'*/"
            log.say(f"SELECT a FROM t WHERE b = {child} {comment}", after_us=90_000)
    (found,) = log.freeze().repetitions
    assert (found.units_repeated, found.max_calls) == (2, 3)
    assert found.instances[0].keys == (("0",), ("1",), ("2",))


def test_sessions_do_not_mix() -> None:
    log = Log()
    for child in range(6):
        log.say(PARENT, session=str(child))
        log.say(CHILD, "1", session=str(child))
    assert log.freeze().repetitions == ()


def test_a_long_unit_is_folded_on_the_way_and_stays_one() -> None:
    log = Log()
    log.say("BEGIN")
    log.say(PARENT)
    for child in range(3000):
        log.say(CHILD, str(child))
    log.say("COMMIT")
    found = the(log.freeze(), CHILD)
    assert (found.units, found.calls, found.distinct_parameters) == (1, 3000, 3000)
    assert len(found.instances[0].keys) == 100


def test_the_pause_is_learned() -> None:
    model = GapModel()
    assert model.threshold_us == DEFAULT_GAP_US
    for number in range(2000):
        model.add(20_000 if number % 5 else 1_500_000, 17)
    assert 20_000 < model.threshold_us < 1_500_000
    poller = GapModel()
    for _ in range(100):
        poller.add(100_000, 17)
    assert poller.threshold_us == SHORTEST_GAP_US
    even = GapModel()
    for number in range(4000):
        even.add(1 << (number % 30), 17)
    assert SHORTEST_GAP_US <= even.threshold_us <= LONGEST_GAP_US
