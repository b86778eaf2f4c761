"""Parts of messages: parameters, times, plans, languages."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.sources.messages import (
    parameters_text,
    parse_parameters,
    root_blocks,
    root_rows,
    split_plan,
    timestamp_us,
)


def written(values: list[str | None]) -> str:
    """As PostgreSQL's errdetail_params writes them."""
    parts = [
        f"${number} = " + ("NULL" if value is None else "'" + value.replace("'", "''") + "'")
        for number, value in enumerate(values, 1)
    ]
    return "Parameters: " + ", ".join(parts)


@given(st.lists(st.none() | st.text(alphabet="ab'$,= 12\n\tNUL"), min_size=1, max_size=6))
def test_parameters_round_trip(values: list[str | None]) -> None:
    assert parse_parameters(written(values)) == tuple(values)


def test_both_spellings_of_the_label() -> None:
    assert parse_parameters("parameters: $1 = '42', $2 = NULL") == ("42", None)
    assert parse_parameters("Key (id)=(1) already exists.") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20 23:09:59.815 UTC", "2026-11-20T23:09:59.815+00:00"),
        ("2026-11-20 23:09:59 CET", "2026-11-20T23:09:59+01:00"),
        ("2026-11-20 23:09:59.001 -03", "2026-11-20T23:09:59.001-03:00"),
        ("2026-11-20 23:09:59.001 +0530", "2026-11-20T23:09:59.001+05:30"),
    ],
)
def test_times(text: str, expected: str) -> None:
    assert timestamp_us(text) == round(datetime.fromisoformat(expected).timestamp() * 1_000_000)


@pytest.mark.parametrize("text", ["", "2026-13-20 23:09:59 UTC", "now", "2026-11-20"])
def test_what_is_no_time(text: str) -> None:
    assert timestamp_us(text) is None


def test_a_text_plan_is_parted_from_its_query() -> None:
    body = (
        "\nQuery Text: SELECT *\n  FROM t WHERE a = $1;\nQuery Parameters: $1 = 'x'\n"
        "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.001..0.002 rows=7.00 loops=1)\n"
        "  Filter: (a = 1)"
    )
    sql, parameters, plan, plan_format = split_plan(body)
    assert (sql, parameters, plan_format) == ("SELECT *\n  FROM t WHERE a = $1", ("x",), "text")
    assert plan.startswith("Seq Scan on t")
    assert root_rows(plan) == 7


@given(st.lists(st.none() | st.text(alphabet="ab'$,= 12\n\tNUL"), min_size=1, max_size=6))
def test_parameters_are_written_as_the_server_writes_them(values: list[str | None]) -> None:
    assert parameters_text(values) == written(values)


SORT = """Sort  (cost=1.0..2.0 rows=1 width=4) (actual time=0.1..0.2 rows=1 loops=1)
  Buffers: shared hit=7 read=5, local hit=9 read=8, temp read=3 written=4
  ->  Seq Scan on t  (cost=0.0..1.0 rows=1 width=4)
        Buffers: shared hit=1
"""
SORT_JSON = """{"Plan": {"Shared Hit Blocks": 7, "Shared Read Blocks": 5, "Temp Read Blocks": 3,
 "Temp Written Blocks": 4, "Plans": [{"Shared Hit Blocks": 1, "Shared Read Blocks": 1}]}}
"""


@pytest.mark.parametrize(
    ("plan", "blocks"),
    [
        (SORT, (7, 5, 3, 4)),
        (SORT_JSON, (7, 5, 3, 4)),
        ("<Shared-Hit-Blocks>7</Shared-Hit-Blocks><Shared-Read-Blocks>5</Shared-Read-Blocks>", (7, 5, 0, 0)),
        ("Result  (cost=0.00..0.26 rows=1 width=4)\n  Buffers: shared hit=2\n", (2, 0, 0, 0)),
        ("Result  (cost=0.00..0.26 rows=1 width=4)\n", (0, 0, 0, 0)),
    ],
)
def test_blocks_are_those_of_the_root(plan: str, blocks: tuple[int, int, int, int]) -> None:
    assert root_blocks(plan) == blocks
