"""What parameters stand for, read from the text."""

import pytest

from advisor.errors import SqlError
from advisor.sql.parameters import parameter_uses


def test_pages() -> None:
    uses = parameter_uses("SELECT a FROM t WHERE b IN (SELECT c FROM u LIMIT $1) LIMIT $2::int OFFSET $3")
    assert uses.limits == {1, 2}
    assert uses.offsets == {3}


def test_assignments() -> None:
    uses = parameter_uses('UPDATE t SET a = $1, "B b" = $2::text, c = c + $3 WHERE d = $4')
    assert uses.assigned == {1: "a", 2: "B b"}
    uses = parameter_uses('INSERT INTO t (a, "B b") VALUES ($1, lower($2)), (DEFAULT, $3) RETURNING a')
    assert uses.assigned == {1: "a", 3: "B b"}
    assert parameter_uses("INSERT INTO t DEFAULT VALUES").assigned == {}
    assert parameter_uses("INSERT INTO t (a) SELECT $1 LIMIT $2").limits == {2}


@pytest.mark.parametrize(
    ("written", "readable", "units"),
    [
        ("SELECT extract($1 FROM x) = $2", "SELECT extract ('day' FROM x) = $2", {1}),
        ("SELECT date_trunc($1, x)", "SELECT date_trunc('day', x)", {1}),
        ("SELECT date_trunc($1::text, x)", "SELECT date_trunc('day', x)", {1}),
        ("SELECT pg_catalog.date_part($1, x)", "SELECT pg_catalog.date_part('day', x)", {1}),
        ("SELECT timestamp $1 + interval $2", "SELECT $1::timestamp + $2::interval", set()),
        ("SELECT date_trunc('month', $1)", "SELECT date_trunc('month', $1)", set()),
        ("SELECT a IN ($1 /*, ... */)", "SELECT a IN ($1)", set()),
    ],
)
def test_what_only_pg_stat_statements_writes(written: str, readable: str, units: set[int]) -> None:
    uses = parameter_uses(written)
    assert uses.text == readable
    assert uses.units == units


def test_not_sql() -> None:
    with pytest.raises(SqlError):
        parameter_uses("SELECT FROM WHERE $1")
