"""Samples are the same in whatever order executions come, and however they are shared out."""

from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.model.execution import Context, Execution
from advisor.workload.samples import Samples

CONTEXT = Context("1", "shop", "app", None)
TICK_US = 1 << 17
EXECUTIONS = st.lists(
    st.builds(
        lambda tick, within, duration, value: Execution(
            None,
            tick * TICK_US + within,
            duration,
            b"execute S_1: SELECT $1",
            b"Parameters: $1 = '%d'" % value,
            CONTEXT,
        ),
        tick=st.integers(0, 6),
        within=st.integers(0, 3),
        duration=st.integers(0, 5),
        value=st.integers(0, 9),
    ),
    max_size=40,
)


def filled(batches: list[list[Execution]]) -> Samples:
    samples = Samples()
    for batch in batches:
        if batch:
            samples.add_slow(batch)
            samples.add_typical(batch, [each.at_us for each in batch if each.at_us is not None])
            samples.add_rare(batch, [each.message for each in batch], [each.detail for each in batch])
    return samples


@settings(max_examples=300, deadline=None)
@given(executions=EXECUTIONS, size=st.integers(1, 10), data=st.data())
def test_neither_order_nor_batches_matter(executions: list[Execution], size: int, data: st.DataObject) -> None:
    mixed = data.draw(st.permutations(executions))
    batches = [mixed[start : start + size] for start in range(0, len(mixed), size)]
    expected = filled([executions])
    assert filled(batches).state() == expected.state()
    added = Samples()
    for batch in batches:
        added.restore(filled([batch]).state())
    assert added.state() == expected.state()
    assert added.freeze() == expected.freeze()
