"""String literals replaced in place; arrays' texts taken apart and put together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import SqlError
from advisor.sql.constants import constants
from advisor.sql.literals import map_elements, replace_literals
from advisor.sql.parse import parse
from advisor.sql.tree import strip_locations


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 'a', 'b'", "SELECT 'x', 'b'"),
        ("SELECT 'a'::text /* 'a' */ -- 'a'", "SELECT 'x'::text /* 'a' */ -- 'a'"),
        ("SELECT E'a', $$a$$, $q$a$q$", "SELECT 'x', 'x', 'x'"),
        ("SELECT \"a\" FROM a WHERE a = 'a' AND b = B'1'", "SELECT \"a\" FROM a WHERE a = 'x' AND b = B'1'"),
        ("SELECT 'Größe', 'a'", "SELECT 'Größe', 'x'"),
        ("SELECT 'aa', 1", "SELECT 'aa', 1"),
    ],
)
def test_only_literals_are_replaced(sql: str, expected: str) -> None:
    assert replace_literals(sql, lambda value: "x" if value == "a" else None) == expected


def test_an_open_string_is_an_error() -> None:
    with pytest.raises(SqlError):
        replace_literals("SELECT 'a", lambda _: "x")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
def test_any_value_stays_one_literal(value: str) -> None:
    """The rest of the parse tree is the same, and the literal says what it was told to."""
    sql = "SELECT f('a', 1) FROM t WHERE b = 'c'"
    replaced = replace_literals(sql, lambda old: value if old == "a" else None)
    assert constants(replaced) == (value, "1", "c")
    trees = [parse(text) for text in (sql, replaced)]
    for tree in trees:
        strip_locations(tree)
    trees[0].stmts[0].stmt.select_stmt.target_list[0].res_target.val.func_call.args[0].a_const.sval.sval = value
    assert trees[0] == trees[1]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ("{}", "{}"),
        ('{a,"b c",NULL}', '{"A","B C",NULL}'),
        ('{a,"NULL", null }', '{"A","NULL",NULL}'),
        ("[0:1]={a,b}", '[0:1]={"A","B"}'),
        ("{{a,b},{c,d}}", '{{"A","B"},{"C","D"}}'),
        (r'{"x\"y","\\"}', r'{"X\"Y","\\"}'),
    ],
)
def test_elements_are_changed_one_by_one(array: str, expected: str) -> None:
    assert map_elements(array, str.upper) == expected


@pytest.mark.parametrize("text", ["", "a", "{a", "{a,}", "{,a}", "{a}b", "{}{}", '{"a": 1}', '{"a"b}', "}", '{"a}'])
def test_what_is_no_array(text: str) -> None:
    assert map_elements(text, str.upper) is None
