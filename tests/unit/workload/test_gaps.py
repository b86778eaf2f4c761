"""The pause that separates units is learned."""

from advisor.workload.gaps import COARSE_LEVEL, DEFAULT_LEVEL, HIGHEST, LEARN_AFTER, LOWEST, GapModel


def model(*gaps: int, at_us: int = 17) -> GapModel:
    found = GapModel()
    for gap in gaps:
        found.add([gap.bit_length()], [at_us])
    return found


def test_the_threshold_lies_between_two_groups_of_pauses() -> None:
    found = model(*[20_000 if number % 5 else 1_500_000 for number in range(2000)])
    assert 20_000 < 1 << found.level < 1_500_000


def test_few_pauses_teach_nothing() -> None:
    assert model().level == DEFAULT_LEVEL
    assert model(*[100_000] * (LEARN_AFTER - 1)).level == DEFAULT_LEVEL
    assert model(*[100_000] * LEARN_AFTER).level == LOWEST


def test_short_pauses_alone_leave_the_default() -> None:
    assert model(*[900] * 5000).level == DEFAULT_LEVEL


def test_pauses_of_all_lengths_stay_within_the_limits() -> None:
    assert LOWEST <= model(*[1 << (number % 21) for number in range(4000)]).level <= HIGHEST


def test_requests_far_apart_leave_their_own_pauses_alone() -> None:
    found = model(*[900, 900, 30_000, 900] * 100)
    for _ in range(100):
        found.add_long(17)
    assert 1 << found.level > 30_000


def test_whole_seconds_are_recognised() -> None:
    coarse = model(*[0, 1_000_000] * 50, at_us=3_000_000)
    assert (coarse.is_coarse, coarse.level) == (True, COARSE_LEVEL)
    assert 1_000_000 < 1 << COARSE_LEVEL < 2_000_000
    fine = model(5, at_us=3_000_001)
    coarse.merge(fine)
    assert not coarse.is_coarse
    assert not model(0, at_us=3_000_000).is_coarse


def test_pauses_add_up() -> None:
    one, other = model(1, 5_000, 70_000), model(3, 900_000, at_us=1_000_000)
    one.merge(other)
    assert one.state() == model(900_000, 70_000, 5_000, 3, 1).state()
    assert GapModel.restore(one.state()).state() == one.state()
