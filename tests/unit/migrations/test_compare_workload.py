"""What becomes of a query: labelled pairs of plans, and look-alikes."""

import pytest

from advisor.migrations.workload import FileEffects, PlannedQuery, compare_workload
from advisor.model.migration import WorkloadChange

BY_INDEX = PlannedQuery(
    cost=8.0,
    ms=0.1,
    buffers=4,
    rows=1,
    indexes=("t_a",),
    relations=("public.t",),
    shape="Index Scan using t_a on t",
)
BY_SCAN = PlannedQuery(
    cost=900.0, ms=9.0, buffers=500, rows=1, seq_scans=("public.t",), relations=("public.t",), shape="Seq Scan on t"
)


def compared(
    before: PlannedQuery,
    after: PlannedQuery,
    analyzed: PlannedQuery | None = None,
    effects: FileEffects | None = None,
) -> WorkloadChange:
    (change,) = compare_workload({"q": before}, {"q": after}, {"q": analyzed} if analyzed else {}, effects)
    return change


def but(query: PlannedQuery, **values: object) -> PlannedQuery:
    fields = {name: getattr(query, name) for name in query.__slots__}
    return PlannedQuery(**{**fields, **values})


def test_slower_where_cost_and_execution_agree() -> None:
    change = compared(BY_INDEX, BY_SCAN, BY_SCAN, FileEffects(dropped_indexes=frozenset({"t_a"})))
    assert (change.change, change.lost_indexes) == ("slower", ("t_a",))
    assert change.reason == "cost 8 -> 900, 4 -> 500 blocks, 0.10 -> 9.00 ms"


def test_an_index_that_stays_is_not_lost() -> None:
    assert compared(BY_INDEX, BY_SCAN, BY_SCAN).lost_indexes == ()


@pytest.mark.parametrize(
    "after",
    [
        but(BY_SCAN, cost=9.0),
        but(BY_SCAN, buffers=4, ms=0.1),
        but(BY_INDEX, ms=50.0),
        but(BY_INDEX, cost=900.0, buffers=500, ms=9.0),
        but(BY_SCAN, cost=17.0),
    ],
    ids=["cost says no", "execution says no", "time alone", "same plan on more rows", "below the floor"],
)
def test_not_slower(after: PlannedQuery) -> None:
    assert compared(BY_INDEX, after, after).change == "same"


def test_not_measured_on_one_side_is_judged_by_cost() -> None:
    after = but(BY_SCAN, ms=None, buffers=None)
    assert compared(BY_INDEX, after, after).change == "slower"


def test_slower_only_until_analyze() -> None:
    assert compared(BY_INDEX, BY_SCAN, BY_INDEX).change == "stale_statistics"


def test_faster() -> None:
    assert compared(BY_SCAN, BY_INDEX).change == "faster"


@pytest.mark.parametrize(
    ("after", "effects"),
    [
        (but(BY_INDEX, rows=0), FileEffects()),
        (BY_INDEX, FileEffects(shrunk=frozenset({"public.t"}))),
        (but(BY_INDEX, relations=("public.t_part",)), FileEffects()),
    ],
    ids=["fewer rows come back", "rows were deleted", "a partition is gone"],
)
def test_never_faster_because_rows_vanished(after: PlannedQuery, effects: FileEffects) -> None:
    assert compared(BY_SCAN, after, None, effects).change == "same"


def test_broken_needs_to_have_been_whole() -> None:
    gone = PlannedQuery(error='column "a" does not exist', sqlstate="42703")
    assert compared(BY_INDEX, gone).change == "broken"
    assert compared(gone, gone).change == "same"
    assert compared(gone, BY_INDEX).change == "same"


@pytest.mark.parametrize("state", ["57014", "53200", None])
def test_trouble_of_the_throwaway_server_breaks_nothing(state: str | None) -> None:
    assert compared(BY_INDEX, PlannedQuery(error="no", sqlstate=state)).change == "same"


def test_tables_whose_rows_were_removed_are_not_compared() -> None:
    change = compared(BY_INDEX, BY_SCAN, BY_SCAN, FileEffects(repaired=frozenset({"public.t"})))
    assert change.change == "same"
    assert "not compared" in change.reason
