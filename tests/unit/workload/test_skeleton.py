"""Skeletons and the recogniser: fast, and never merging what differs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import SqlError
from advisor.sql.identify import identify
from advisor.workload.recognise import Recogniser
from advisor.workload.skeleton import literals, replace_literals, skeleton

SAME = [
    ("SELECT * FROM t WHERE a = 5", "SELECT * FROM t WHERE a = 1234"),
    ("SELECT * FROM t WHERE a = 'x'", "SELECT * FROM t WHERE a = 'some other -thing-'"),
    ('SELECT "t"."a" FROM "t" WHERE "t"."b" = 3', 'SELECT "t"."a" FROM "t" WHERE "t"."b" = 77'),
    ("SELECT * FROM t1 WHERE a = -5.25", "SELECT * FROM t1 WHERE a = -7.5"),
    (r"SELECT * FROM t WHERE a = E'it\'s'", r"SELECT * FROM t WHERE a = E'x\\'"),
    ("SELECT * FROM t WHERE a = $$x$$", "SELECT * FROM t WHERE a = $$it's 5$$"),
]

APART = [
    ("SELECT * FROM t1", "SELECT * FROM t2"),
    ("SELECT * FROM orders_2024_01 WHERE a = 1", "SELECT * FROM orders_2023_12 WHERE a = 1"),
    ('SELECT * FROM "order 66"', 'SELECT * FROM "order 67"'),
    ('SELECT * FROM "2024"', 'SELECT * FROM "2025"'),
    ("SELECT a1, a FROM t", "SELECT a, a1 FROM t"),
    ("SELECT a, b FROM t ORDER BY 1", "SELECT a, b FROM t ORDER BY 2"),
    ("SELECT a, b FROM t ORDER BY '1'", "SELECT a, b FROM t ORDER BY 1"),
    ("SELECT a::varchar(10) FROM t", "SELECT a::varchar(20) FROM t"),
    ("SELECT a FROM s1.t", "SELECT a FROM s2.t"),
    ("SELECT 1 FROM t", "SELECT  FROM t"),
    ("SELECT \"a'b\", 'x' FROM t", "SELECT \"a'c\", 'x' FROM t"),
    ("SELECT 'a' || \"x'1\", \"y'2\" FROM t", "SELECT 'a' || \"x'3\", \"y'4\" FROM t"),
    ("SELECT U&\"d!0061t\" UESCAPE '!' FROM t", "SELECT U&\"d!0062t\" UESCAPE '!' FROM t"),
    ("SELECT a FROM t /* 1 */ WHERE b = 1", "SELECT a FROM t /* 1 */ WHERE c = 1"),
    ("SELECT a FROM t -- ' \n WHERE b = 'x'", "SELECT a FROM t -- ' \n WHERE c = 'x'"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_texts_that_differ_in_values_share_a_skeleton(left: str, right: str) -> None:
    assert skeleton(left) is not None
    assert skeleton(left) == skeleton(right)
    assert identify(left).id == identify(right).id


@pytest.mark.parametrize(("left", "right"), APART)
@pytest.mark.parametrize("swapped", [False, True])
def test_what_differs_is_recognised_apart(left: str, right: str, *, swapped: bool) -> None:
    recogniser = Recogniser("shop")
    first, second = (right, left) if swapped else (left, right)
    ids = [recogniser.recognise(text).identity for text in (first, second)]
    assert [each and each.id for each in ids] == [identify(text, "shop").id for text in (first, second)]
    assert ids[0] != ids[1]


def test_literals_are_replaced_in_order() -> None:
    sql = "SELECT \"c1\" FROM t2 WHERE a = 5 AND b = 'it''s' AND c = $1 AND d = $tag$ 7 $tag$"
    assert literals(sql) == ["5", "'it''s'", "$tag$ 7 $tag$"]
    assert (
        replace_literals(sql, ["1", "''", "'z'"])
        == "SELECT \"c1\" FROM t2 WHERE a = 1 AND b = '' AND c = $1 AND d = 'z'"
    )


PIECES = st.sampled_from(
    [
        *("SELECT ", "a", "a1", "t", "t2", " FROM ", " WHERE ", " = ", "5", "42", "3.5", "1e5", "'x'", "'it''s'", "''"),
        *(r"E'\''", r"'a\'", "$1", "$2", "$$q$$", "$t$ ' $t$", '"b c"', '"b1"', '"x\'y"', ", ", "(", ")", " AND "),
        *(" ORDER BY ", "1", "2", "::varchar(3)", "::varchar(4)", " LIMIT ", "/* 7 */", "-- 8\n", " IN ", "-", "B'01'"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(st.lists(PIECES, max_size=9).map(lambda parts: "SELECT " + "".join(parts)), min_size=2, max_size=12)
)
def test_the_recogniser_says_what_the_parser_says(texts: list[str]) -> None:
    recogniser = Recogniser(None)
    for text in texts:
        try:
            expected: str | None = identify(text).id
        except SqlError:
            expected = None
        found = recogniser.recognise(text)
        assert (found.identity.id if found.identity else None) == expected


def test_a_trace_id_does_not_make_a_new_query() -> None:
    recogniser = Recogniser(None)
    found = [
        recogniser.recognise(
            f"SELECT a FROM t WHERE b = {n} /*route='%2Fx',traceparent='00-{n:032d}-1111111111111111-01'*/"
        )
        for n in range(3)
    ]
    assert len({each.identity.id for each in found if each.identity}) == 1
    assert found[0].tags == {"route": "/x"}
    assert [each.trace for each in found] == [f"{n:032d}" for n in range(3)]


def test_nothing_but_a_comment_is_no_statement() -> None:
    assert Recogniser(None).recognise("-- ping").empty
    assert Recogniser(None).recognise(";").empty
    assert Recogniser(None).recognise("SELEC 1").identity is None
