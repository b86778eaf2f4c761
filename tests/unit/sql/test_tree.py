import pytest

from advisor.errors import SqlError
from advisor.sql.parse import parse, parse_one
from advisor.sql.tree import deparse, deparse_expression, output_names, same_statement


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("SELECT 1 -- x", "select\n1;", True),
        ("SELECT a FROM t WHERE (b = 1)", "SELECT a FROM t WHERE b = 1", True),
        ("SELECT true", "SELECT false", False),
        ("SELECT interval '1 day'", "SELECT interval '1 month'", False),
        ("SELECT $1", "SELECT $2", False),
        ("SELECT a, b FROM t", "SELECT b, a FROM t", False),
        ("SELECT 1", "SELECT 1; SELECT 1", False),
    ],
)
def test_same_statement(a: str, b: str, same: bool) -> None:
    assert same_statement(a, b) is same


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT \"A\".b FROM \"A\" WHERE x LIKE $1 AND c AT TIME ZONE 'utc' > now() - interval '1 day'",
        "UPDATE t SET a = 1 FROM u WHERE t.b = u.b RETURNING *",
        "SELECT extract(year FROM a), a[1:2], (r).f, count(*) FILTER (WHERE b) OVER w FROM t WINDOW w AS (ORDER BY c)",
    ],
)
def test_deparse_round_trip(sql: str) -> None:
    assert same_statement(deparse(parse(sql)), sql)
    assert same_statement(deparse(parse_one(sql)), sql)


def test_deparse_of_an_expression() -> None:
    select = parse_one("SELECT lower( a ) || 'x'")
    assert deparse_expression(select.target_list[0].res_target.val) == "lower(a) || 'x'"


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT a.b, count(*), 1, x::int, 1::int4, now() AS n FROM a", ("b", "count", "?column?", "x", "int4", "n")),
        ("SELECT CASE WHEN a THEN b END, EXISTS (SELECT 1), (SELECT c FROM t)", ("case", "exists", "c")),
        (
            "SELECT current_date, coalesce(a, b), array[1], greatest(1, 2)",
            ("current_date", "coalesce", "array", "greatest"),
        ),
        ("SELECT a UNION SELECT b", ("a",)),
        ("UPDATE t SET a = 1 RETURNING id", ("id",)),
        ("SELECT * FROM t", None),
    ],
)
def test_output_names(sql: str, names: tuple[str, ...] | None) -> None:
    assert output_names(sql) == names


def test_a_broken_text_is_an_error() -> None:
    with pytest.raises(SqlError):
        same_statement("SELECT 1", "SELECT FROM WHERE")
