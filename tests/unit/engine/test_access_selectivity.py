"""Selectivity, judged like the planner's selfuncs."""

from typing import Any

import pytest

from advisor.engine.access_selectivity import distinct_values, kept_share
from advisor.model.catalog import Column, Constraint, Table
from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile, TableProfile
from advisor.model.usage import Predicate, Value

NAME = QualifiedName("public", "t")
PARENT = QualifiedName("public", "parent")
TABLE = Table(
    name=NAME,
    kind="table",
    columns=(
        Column(name="id", type="bigint", base_type="int8"),
        Column(name="flag", type="boolean", base_type="bool"),
        Column(name="state", type="state", base_type="state", type_kind="e", enum_labels=("a", "b", "c", "d")),
        Column(name="parent_id", type="bigint", base_type="int8"),
        Column(name="x", type="integer", base_type="int4"),
    ),
    constraints=(
        Constraint(name="pk", kind="primary_key", table=NAME, columns=("id",), definition=""),
        Constraint(
            name="fk", kind="foreign_key", table=NAME, columns=("parent_id",), definition="", referenced_table=PARENT
        ),
    ),
)
ROWS = 100_000.0


def share(*predicates: Predicate, **column: Any) -> float:
    profile = {NAME: TableProfile(rows=100_000, basis="catalog", columns={"x": ColumnProfile(**column)})}
    return kept_share(predicates, TABLE, ROWS, profile)


def x(operator: str, text: str | None = None, kind: str = "range") -> Predicate:
    value = Value(kind="parameter", number=1) if text is None else Value(kind="constant", text=text)
    return Predicate(alias="t", kind=kind, operator=operator, value=value, column="x")  # type: ignore[arg-type]


def test_defaults_are_postgresqls() -> None:
    assert share(x("=", kind="equality")) == pytest.approx(1 / 200)
    assert share(x(">")) == pytest.approx(1 / 3)
    assert share(x(">"), x("<")) == pytest.approx(0.005)
    assert share(x("like", kind="prefix")) == pytest.approx(0.005)
    assert share(x("is null", kind="is_null")) == pytest.approx(0.005)


def test_common_values_and_what_they_leave_over() -> None:
    known = {"distinct": 12.0, "common": (("1", 0.7), ("2", 0.1)), "null_fraction": 0.1}
    assert share(x("=", "1", "equality"), **known) == pytest.approx(0.7)
    assert share(x("=", "9", "equality"), **known) == pytest.approx(0.1 / 10)
    assert share(x("<>", "1", "not_equal"), **known) == pytest.approx(0.2)


def test_a_list_adds_up() -> None:
    items = tuple(Value(kind="constant", text=text) for text in ("1", "2"))
    predicate = Predicate(alias="t", kind="equality", operator="in", value=Value(kind="list", items=items), column="x")
    assert share(predicate, distinct=100.0) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [("0", "50", 0.5), ("25", "75", 0.5), ("90", "95", 0.05), ("200", "300", 0.0), ("-5", "0", 0.0)],
)
def test_ranges_by_histogram(low: str, high: str, expected: float) -> None:
    bounds = tuple(str(n) for n in range(0, 101, 10))
    assert share(x(">=", low), x("<", high), histogram=bounds) == pytest.approx(expected)


def test_ranges_of_times_by_their_ends() -> None:
    ends = {"low": "2026-01-01 00:00:00+00", "high": "2026-01-11 00:00:00+00"}
    assert share(x(">=", "2026-01-10"), **ends) == pytest.approx(0.1)
    assert share(x(">=", "not a time"), **ends) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("column", "expected"), [("id", ROWS), ("flag", 2.0), ("state", 4.0), ("parent_id", 500.0), ("x", 200.0)]
)
def test_distinct_values_from_the_schema(column: str, expected: float) -> None:
    profile = {PARENT: TableProfile(rows=500, basis="flag")}
    assert distinct_values(TABLE, column, ROWS, profile) == expected
