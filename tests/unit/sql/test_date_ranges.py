"""Which conditions are matched, and that nothing else is."""

import pytest

from advisor.sql.date_ranges import date_ranges, with_half_open_ranges

MATCHED = [
    ("date_trunc('month', c) = '2026-03-01'", "2026-03-01", "2026-04-01"),
    ("date_trunc('month', c) = timestamp '2026-12-01'", "2026-12-01", "2027-01-01"),
    ("date_trunc('quarter', c) = '2026-10-01'", "2026-10-01", "2027-01-01"),
    ("date_trunc('week', c) = '2026-03-02'", "2026-03-02", "2026-03-09"),
    ("date_trunc('hour', c) = '2026-03-02 23:00'", "2026-03-02 23:00:00", "2026-03-03"),
    ("date_trunc('month', c) >= '2026-03-01'", "2026-03-01", None),
    ("date_trunc('month', c) > '2026-03-01'", "2026-04-01", None),
    ("date_trunc('month', c) <= '2026-03-01'", None, "2026-04-01"),
    ("date_trunc('month', c) < '2026-03-01'", None, "2026-03-01"),
    ("'2026-03-01' > date_trunc('month', c)", None, "2026-03-01"),
    ("date_trunc('month', c)::date = '2026-03-01'", "2026-03-01", "2026-04-01"),
    ("c::date = '2024-02-29'", "2024-02-29", "2024-03-01"),
    ("date(c) = date '2026-12-31'", "2026-12-31", "2027-01-01"),
    ("CAST(c AS date) BETWEEN '2026-03-01' AND '2026-03-31'", "2026-03-01", "2026-04-01"),
    ("extract(year FROM c) = 2026", "2026-01-01", "2027-01-01"),
    ("date_part('year', c) > 2026", "2027-01-01", None),
    ("2026 <= extract(year FROM c)", "2026-01-01", None),
    ("extract(year FROM c) BETWEEN 2024 AND 2025", "2024-01-01", "2026-01-01"),
]

LOOK_ALIKES = [
    "date_trunc('day', c) = '2026-03-05 10:00'",
    "date_trunc('month', c) = '2026-03-02'",
    "date_trunc('week', c) = '2026-03-01'",
    "date_trunc('month', c) = '2026-03-01 00:00+02'",
    "date_trunc('month', c) = '01/03/2026'",
    "date_trunc('month', c) = '2026-02-30'",
    "date_trunc('month', c) = $1",
    "date_trunc('month', c) <> '2026-03-01'",
    "date_trunc('month', c) IN ('2026-03-01', '2026-04-01')",
    "date_trunc('month', c, 'UTC') = '2026-03-01'",
    "date_trunc('month', c + interval '1 day') = '2026-03-01'",
    "date_trunc(unit, c) = '2026-03-01'",
    "date_trunc('fortnight', c) = '2026-03-01'",
    "extract(month FROM c) = 3",
    "extract(year FROM c) = 2026.5",
    "extract(year FROM c) = '2026'",
    "extract(year FROM c) = 0",
    "c::timestamp = '2026-03-01'",
    "c::date[] = '{2026-03-01}'",
    "c = date_trunc('month', now())",
    "c::date = d",
    "to_char(c, 'YYYY') = '2026'",
]


@pytest.mark.parametrize(("condition", "low", "high"), MATCHED)
def test_matched(condition: str, low: str | None, high: str | None) -> None:
    (found,) = date_ranges(f"SELECT 1 FROM t WHERE {condition}")
    assert (found.column, found.low, found.high) == ("c", low, high)


@pytest.mark.parametrize("condition", LOOK_ALIKES)
def test_look_alike(condition: str) -> None:
    statement = f"SELECT 1 FROM t WHERE {condition}"
    assert date_ranges(statement) == ()
    assert with_half_open_ranges(statement, lambda _found: True) is None


def test_replaced_where_it_stands_and_quoted() -> None:
    rewritten = with_half_open_ranges(
        """SELECT "Id" FROM "T" AS x WHERE NOT (x."At"::date = '2026-03-05' OR active) AND x.b::date = '2026-03-05'""",
        lambda found: found.column == "At",
    )
    assert rewritten is not None
    assert """NOT ((x."At" >= '2026-03-05' AND x."At" < '2026-03-06') OR active)""" in rewritten
    assert "x.b::date = '2026-03-05'" in rewritten


def test_range_takes_its_place_in_an_and() -> None:
    first = with_half_open_ranges("SELECT 1 FROM t WHERE extract(year FROM c) = 2024 AND k = 'D'", lambda _: True)
    assert first is not None
    assert first.endswith("WHERE c >= '2024-01-01' AND c < '2025-01-01' AND k = 'D'")
    branch = with_half_open_ranges("SELECT 1 FROM t WHERE a OR (c::date = '2024-01-01' AND k = 'D')", lambda _: True)
    assert branch is not None
    assert branch.endswith("WHERE a OR (c >= '2024-01-01' AND c < '2024-01-02' AND k = 'D')")
