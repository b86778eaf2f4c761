import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import SqlError
from advisor.sql.bind import count_parameters, has_parameters, inline_parameters
from advisor.sql.constants import constants


@pytest.mark.parametrize(
    ("sql", "values", "types", "expected"),
    [
        ("SELECT $1", ["x"], None, "SELECT 'x'"),
        ("SELECT $1", [None], None, "SELECT NULL"),
        ("SELECT $2, $1, $2", ["a", "b"], None, "SELECT 'b', 'a', 'b'"),
        ("SELECT $1, $10", list("abcdefghij"), None, "SELECT 'a', 'j'"),
        ("SELECT '$1', $1", ["it's"], None, "SELECT '$1', 'it''s'"),
        ('SELECT "$1" /* $1 */ -- $1', ["x"], None, 'SELECT "$1" /* $1 */ -- $1'),
        ("SELECT $q$ $1 $q$, $1", ["x"], None, "SELECT $q$ $1 $q$, 'x'"),
        ("SELECT $1", ["5"], ["integer"], "SELECT '5'::integer"),
        ("SELECT $1, $2", ["5", None], ["", "text"], "SELECT '5', NULL::text"),
        ("SELECT $1[1]", ["{1}"], ["int[]"], "SELECT ('{1}'::int[])[1]"),
        ("SELECT 'é', $1", ["ü"], None, "SELECT 'é', 'ü'"),
    ],
)
def test_inline(sql: str, values: list[str | None], types: list[str] | None, expected: str) -> None:
    assert inline_parameters(sql, values, types) == expected


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(SqlError, match=r"\$2"):
        inline_parameters("SELECT $1, $2", ["a"])


@pytest.mark.parametrize(("sql", "count"), [("SELECT 1", 0), ("SELECT $3, $1", 3), ("SELECT '$1' -- $2", 0)])
def test_count(sql: str, count: int) -> None:
    assert count_parameters(sql) == count


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_value_cannot_leave_its_quotes(value: str) -> None:
    assert constants(inline_parameters("SELECT $1 FROM t", [value])) == (value,)


def test_parameters_are_seen_outside_of_strings_only() -> None:
    assert has_parameters("SELECT * FROM t WHERE a = $0")
    assert has_parameters("SELECT $12")
    assert not has_parameters("SELECT '$1', \"$1\" /* $1 */")
