"""What is kept of repetitions is bounded, and an even or the best choice of them."""

import random

from advisor.workload.distinct import EXACT, Distinct
from advisor.workload.pair import INSTANCES_WITH_KEYS, MAX_INSTANCES
from advisor.workload.repetition import MAX_PAIRS, Repetitions
from advisor.workload.segments import LONG_KEY_BYTES, MAX_QUERIES, WINDOW, Segment
from advisor.workload.units import SessionUnits
from tests.unit.workload.sessions import Line, Piece, Totals, execution


def transaction(number: int, *queries: str) -> list[Line]:
    start = 1_795_216_200_000_123 + number * 1_000_000
    return [
        Line(query=query, at_us=start + 100 * place, duration_us=10, value=str(place))
        for place, query in enumerate(("BEGIN", *queries, "COMMIT"))
    ]


def test_the_largest_units_are_kept_and_the_values_of_the_very_largest() -> None:
    sizes = list(range(2, MAX_INSTANCES * 3))
    random.Random(4).shuffle(sizes)
    lines = [line for number, size in enumerate(sizes) for line in transaction(number, "p", *["c"] * size)]
    (found,) = Piece().read(lines).freeze()
    largest = sorted(sizes, reverse=True)
    assert [each.calls for each in found.instances] == largest[:MAX_INSTANCES]
    assert [bool(each.keys) for each in found.instances] == [True] * INSTANCES_WITH_KEYS + [False] * (
        MAX_INSTANCES - INSTANCES_WITH_KEYS
    )
    assert (found.units, found.calls) == (len(sizes), sum(sizes))


def test_long_texts_are_counted_but_not_kept_as_values() -> None:
    totals: dict[str, Totals] = {}
    items = [execution(line, totals, {}) for line in transaction(1, "c", "c", "c")]
    items[2] = items[2]._replace(detail=b"x" * (LONG_KEY_BYTES + 1))
    units = SessionUnits("1", sink := Repetitions())
    units.extend(items)
    units.finish()
    (found,) = sink.freeze()
    assert (found.distinct_parameters, found.instances[0].keys) == (3, (("1",), ("3",)))


def test_a_segment_of_very_many_queries_is_bounded() -> None:
    segment = Segment()
    line = Line(query="q", at_us=1, duration_us=1)
    segment.extend([execution(Line(query=f"{n % 7919:05}", at_us=n, duration_us=1), {}, {}) for n in range(30_000)])
    segment.extend([execution(line, {}, {})])
    assert sorted(segment.settled()) == [f"{n:05}" for n in range(MAX_QUERIES)]
    assert len(segment.recent) == WINDOW


def test_pairs_are_bounded() -> None:
    sink = Repetitions()
    units = SessionUnits("1", sink)
    totals: dict[str, Totals] = {}
    for number in range(3):
        queries = [f"{number}-{place}" for place in range(MAX_PAIRS)]
        for place in range(0, MAX_PAIRS, 50):
            lines = transaction(number * MAX_PAIRS + place, *queries[place : place + 50])
            units.extend([execution(line, totals, {}) for line in lines])
    _, repeated, plain = sink.state()
    assert (len(repeated), len(plain)) == (0, MAX_PAIRS)


def test_few_values_are_counted_exactly() -> None:
    numbers = random.Random(1).sample(range(1 << 32), EXACT - 1)
    found = Distinct()
    for number in [*numbers, *numbers]:
        found.add(number)
    assert found.count() == EXACT - 1
    halves = Distinct(numbers[: EXACT // 2])
    halves.merge(Distinct(numbers[EXACT // 4 :]))
    halves.add_all(numbers)
    assert halves.state() == found.state() == sorted(numbers)


def test_many_values_are_estimated_within_a_few_standard_errors() -> None:
    numbers = random.Random(2).sample(range(1 << 32), 100_000)
    parts = [Distinct(), Distinct()]
    for place in range(0, len(numbers), 1000):
        parts[place // 1000 % 2].add_all(numbers[place : place + 1000])
    parts[0].merge(parts[1])
    assert abs(parts[0].count() - len(numbers)) < 0.1 * len(numbers)
    assert parts[0].state() == sorted(numbers)[:EXACT]
