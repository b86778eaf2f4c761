"""Parts of messages: parameters, times, plans, languages."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.sources.messages import localised_line, parse_parameters, root_rows, split_plan, timestamp_us


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


def test_a_localised_line_is_found() -> None:
    assert localised_line("2026 UTC [1] LOG:  Dauer: 0.1 ms  Anweisung: SELECT 1\n")
    assert localised_line("2026 UTC [1] FEHLER:  Spalte existiert nicht\n")
    assert localised_line("2026 UTC [1] LOG:  duration: 0.1 ms  statement: SELECT 1\n") is None
