"""When a change counts as a gain or a loss."""

import pytest

from advisor.model.advice import Measure
from advisor.validate.gain import gains, regresses, total


def measure(ms: float | None, buffers: int | None, cost: float = 100.0) -> Measure:
    return Measure(cost=cost, ms=ms, buffers=buffers)


@pytest.mark.parametrize(
    ("before", "after", "gain", "loss"),
    [
        (measure(20.0, 2000), measure(0.1, 4), True, False),
        (measure(20.0, 2000), measure(19.0, 1900), False, False),
        (measure(20.0, 2000), measure(20.5, 2050), False, False),
        (measure(20.0, 2000), measure(5.0, 2000), True, False),
        (measure(0.9, 20), measure(0.2, 20), False, False),
        (measure(20.0, 2000), measure(40.0, 300), False, True),
        (measure(20.0, 2000), measure(25.0, 2600), False, True),
        (measure(0.10, 10), measure(0.12, 12), False, False),
        (measure(None, None, 1000.0), measure(None, None, 10.0), True, False),
        (measure(None, None, 1000.0), measure(None, None, 990.0), False, False),
        (measure(None, None, 1000.0), measure(None, None, 1100.0), False, True),
    ],
)
def test_judged(before: Measure, after: Measure, gain: bool, loss: bool) -> None:
    assert (gains(before, after), regresses(before, after)) == (gain, loss)


def test_unknown_part_makes_the_sum_unknown() -> None:
    summed = total([(measure(2.0, 10), 3.0), (measure(None, 5), 1.0)])
    assert (summed.cost, summed.ms, summed.buffers) == (400.0, None, 35)
