"""A range and the condition it replaces agree on a real server, for every value and in every time zone."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.sandbox.server import Sandbox
from advisor.sql.date_ranges import date_ranges

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
STARTS = {
    "day": datetime(2026, 3, 29),
    "week": datetime(2026, 3, 23),
    "month": datetime(2026, 3, 1),
    "quarter": datetime(2026, 10, 1),
    "year": datetime(2024, 1, 1),
}
OPERATORS = ["=", "<", "<=", ">", ">="]


def conditions() -> st.SearchStrategy[str]:
    truncated = st.builds(
        lambda unit, operator: f"date_trunc('{unit}', c) {operator} '{STARTS[unit]:%Y-%m-%d}'",
        st.sampled_from(sorted(STARTS)),
        st.sampled_from(OPERATORS),
    )
    cast = st.builds(lambda operator: f"c::date {operator} '2026-10-25'", st.sampled_from(OPERATORS))
    year = st.builds(lambda operator: f"extract(year FROM c) {operator} 2026", st.sampled_from(OPERATORS))
    between = st.just("date_trunc('month', c) BETWEEN '2026-03-01' AND '2026-10-01'")
    return st.one_of(truncated, cast, year, between)


def instants() -> st.SearchStrategy[datetime]:
    near = [*STARTS.values(), datetime(2026, 10, 25), datetime(2027, 1, 1), datetime(2026, 4, 1)]
    close = st.builds(
        lambda at, days, us: at + timedelta(days=days, microseconds=us),
        st.sampled_from(near),
        st.integers(-2, 2),
        st.sampled_from([-1, 0, 1, 3_600_000_000, 10_800_000_000 - 1]),
    )
    return st.one_of(close, st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)))


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=conditions(), values=st.lists(instants(), min_size=1, max_size=20), zone=st.sampled_from(ZONES))
def test_same_truth(
    sandbox: Sandbox, database: str, kind: str, condition: str, values: list[datetime], zone: str
) -> None:
    (found,) = date_ranges(f"SELECT 1 WHERE {condition}")
    listed = ", ".join(f"('{value.isoformat()}'::{kind})" for value in values)
    extremes = f"('infinity'::{kind}), ('-infinity'::{kind}), (NULL::{kind})"
    with sandbox.connect(database) as connection:
        assert different(connection, zone, f"({condition}) IS DISTINCT FROM ({found.sql})", listed, extremes) == []


def different(
    connection: psycopg.Connection[Any], zone: str, disagree: str, listed: str, extremes: str
) -> list[tuple[Any, ...]]:
    connection.execute(f"SET TimeZone = '{zone}'".encode())
    query = f"SELECT c::text FROM (VALUES {listed}, {extremes}) AS v (c) WHERE {disagree}"
    return connection.execute(query.encode()).fetchall()
