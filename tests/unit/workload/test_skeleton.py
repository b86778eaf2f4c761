"""Skeletons and the recogniser: fast, and never merging what differs."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from advisor.errors import SqlError
from advisor.sources.sink import STEPS, ZERO
from advisor.sql.comments import split_comments
from advisor.sql.identify import Identity, identify
from advisor.workload.known import Known
from advisor.workload.recognise import Recogniser
from advisor.workload.skeleton import literal_spans, literals, skeleton, without_strings, zeroed
from advisor.workload.totals import QueryTotals

SAME = [
    ("SELECT * FROM t WHERE a = 5", "SELECT * FROM t WHERE a = 1234"),
    ("SELECT * FROM t WHERE a = 'x'", "SELECT * FROM t WHERE a = 'some other -thing-'"),
    ('SELECT "t"."a" FROM "t" WHERE "t"."b" = 3', 'SELECT "t"."a" FROM "t" WHERE "t"."b" = 77'),
    ("SELECT * FROM t1 WHERE a = -5.25", "SELECT * FROM t1 WHERE a = -7.5"),
    (r"SELECT * FROM t WHERE a = E'it\'s'", r"SELECT * FROM t WHERE a = E'x\\'"),
    ("SELECT * FROM t WHERE a = $$x$$", "SELECT * FROM t WHERE a = $$it's 5$$"),
]

SAME_QUERY = [
    *SAME,
    ("SELECT * FROM t WHERE a = 'O''Hara'", "SELECT * FROM t WHERE a = 'Smith'"),
    ("SELECT * FROM t WHERE a = 'O''Hara'", "SELECT * FROM t WHERE a = ''''"),
    ("SELECT * FROM t WHERE a = 'O''Hara'", "SELECT * FROM t WHERE a = $$O'Hara$$"),
    ("SELECT * FROM t WHERE a = 2147483648", "SELECT * FROM t WHERE a = 9999999999"),
    ("SELECT * FROM t WHERE a = 2147483647", "SELECT * FROM t WHERE a = 1"),
    ("SELECT * FROM t WHERE a = 5", "SELECT  *\nFROM t /* it's 5 */ WHERE a = 6 -- 'x"),
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
    ("SELECT U&\"d!abcd\" UESCAPE '!' FROM t", "SELECT U&\"d!abcd\" UESCAPE '#' FROM t"),
    ("SELECT a FROM t /* 1 */ WHERE b = 1", "SELECT a FROM t /* 1 */ WHERE c = 1"),
    ("SELECT a FROM t -- ' \n WHERE b = 'x'", "SELECT a FROM t -- ' \n WHERE c = 'x'"),
    ("SELECT a AS é5 FROM t", "SELECT a AS é6 FROM t"),
    ("SELECT a AS ©5 FROM t", "SELECT a AS ©6 FROM t"),
    ("SELECT a AS \u00a05 FROM t", "SELECT a AS \u00a06 FROM t"),
    ("SELECT a --\r, b5 FROM t", "SELECT a --\r, b6 FROM t"),
    ("SELECT 5 -- x\r AS \u00a05", "SELECT 5 -- x\r AS \u00a06"),
]


class Readers:
    """A recogniser as readers ask it: by the zeroed message, by the message, and only then itself."""

    def __init__(self, database: str | None = None) -> None:
        self.recogniser = Recogniser(database, self._totals)
        self.empty, self.unparsed = self.recogniser.empty, self.recogniser.unparsed
        self.asked = 0

    def _totals(self, identity: Identity | None, name: str) -> QueryTotals:
        return QueryTotals(identity, None, identity.id if identity is not None else name)

    def message(self, message: bytes) -> Any:
        known = self.recogniser.shapes.get(message.translate(ZERO)) or self.recogniser.texts.get(message)
        if known is None:
            self.asked += 1
            known = self.recogniser.recognise(message)
        return known

    def statement(self, sql: str) -> Known:
        known = self.message(f"statement: {sql}".encode())
        assert isinstance(known, Known)
        return known

    def id(self, sql: str) -> str | None:
        known = self.statement(sql)
        return known.totals.id if known.totals.identity is not None else None


def id_of(sql: str, database: str | None = None) -> str | None:
    try:
        return identify(sql, database).id
    except SqlError:
        return None


@pytest.mark.parametrize(("left", "right"), SAME)
def test_texts_that_differ_in_values_share_a_skeleton(left: str, right: str) -> None:
    assert skeleton(left) is not None
    assert skeleton(left) == skeleton(right)


@pytest.mark.parametrize(("left", "right"), SAME_QUERY)
def test_texts_that_differ_in_values_are_one_query(left: str, right: str) -> None:
    assert identify(left).id == identify(right).id
    readers = Readers()
    assert readers.id(left) == readers.id(right) == id_of(left)


@pytest.mark.parametrize(("left", "right"), APART)
@pytest.mark.parametrize("swapped", [False, True])
def test_what_differs_is_recognised_apart(left: str, right: str, *, swapped: bool) -> None:
    readers = Readers("shop")
    first, second = (right, left) if swapped else (left, right)
    found = [readers.id(text) for text in (first, second, first, second)]
    assert found == [id_of(text, "shop") for text in (first, second, first, second)]
    assert found[0] != found[1]


def test_literals_are_found_in_order() -> None:
    sql = "SELECT \"c1\" FROM t2 WHERE a = 5 AND b = 'it''s' AND c = $1 AND d = $tag$ 7 $tag$ /* 8 */"
    assert literals(sql) == ["5", "'it''s'", "$tag$ 7 $tag$"]
    assert [sql[start:end] for start, end in literal_spans(sql)] == literals(sql)


PARTS = (
    *("SELECT ", "a", "a1", "t", "t2", " FROM ", " WHERE ", " = ", "5", "42", "3.5", "1e5", "'x'", "'it''s'", "''"),
    *(r"E'\''", r"'a\'", "$1", "$2", "$$q$$", "$t$ ' $t$", '"b c"', '"b1"', '"x\'y"', ", ", "(", ")", " AND "),
    *(" ORDER BY ", "1", "2", "::varchar(3)", "::varchar(4)", " LIMIT ", "/* 7 */", "-- 8\n", " IN ", "-", "B'01'"),
    *("0x1F", "0b1", "1_000", "2147483647", "2147483648", "9999999999", "12345678901234567890", "é5", "©5", "\u00a05"),
    *("a--b", "5 --x\n", "--'\n", "-- x\r", "/*'*/", "/* /* 6 */ */", "@-", "@-/* x */", "</*", "*/", "E'", "e5"),
    *("U&'\\0061'", 'U&"!abcd"', 'U&"!0061"', " UESCAPE '!'", " UESCAPE '#'", "'x'\n'y'", "date '2024-01-01'", ";"),
    *("::numeric(5,2)", "interval '1' day", " GROUP BY 1", " DISTINCT ON (1) ", '"a\'b"', '""', "'", '"', "$a$", "\\"),
)


def changed(sql: str, data: st.DataObject) -> str:
    """Other digits, and something else between the quotes."""
    digits = data.draw(st.integers(1, 9))
    out = "".join(str((int(each) * 7 + digits) % 10) if each in "0123456789" else each for each in sql)
    parts = out.split("'")
    values = st.sampled_from([None, "", "x", "5", "--", "/*", "*/", '"', "$1", "\n", "$$", ":", ";", "a -- b", "é"])
    parts[1::2] = [part if (other := data.draw(values)) is None else other for part in parts[1::2]]
    return "'".join(parts)


TEXTS = st.lists(st.sampled_from(PARTS), max_size=9).map("".join)


@settings(max_examples=400, deadline=None)
@given(start=st.sampled_from(["SELECT ", "SELECT a FROM t WHERE b = "]), text=TEXTS, data=st.data())
def test_messages_with_one_key_are_one_query(start: str, text: str, data: st.DataObject) -> None:
    """What the hot path looks up without any other question."""
    one = start + text
    key = zeroed(f"statement: {one}".encode())
    assume(key is not None)
    other = changed(one, data)
    if without_strings(f"statement: {other}".encode()) != key:
        return
    try:
        first, second = identify(one), identify(other)
    except SqlError:
        return
    # Where values count, no key is remembered, whichever of them came first.
    assert bool(first.significant) == bool(second.significant)
    assert first.significant or first.id == second.id


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(TEXTS.map("SELECT ".__add__), min_size=2, max_size=8), data=st.data())
def test_the_recogniser_says_what_the_parser_says(texts: list[str], data: st.DataObject) -> None:
    readers = Readers()
    for text in [each for one in texts for each in (one, changed(one, data), one)]:
        body = split_comments(text)[0]
        if body.strip("; \n\t\r"):
            # What does not parse was never executed: it may be taken for what looks like it.
            assert id_of(text) in (readers.id(text), None)
        else:
            assert readers.statement(text).totals.identity is None


TAG = "/*controller='orders',traceparent='00-{trace:032d}-1111111111111111-01'*/"


@pytest.mark.parametrize(
    "values", ["b = {n}", "b = '{n}'", "b = $1", "b = 'O''Hara {n}'", "b = $${n}$$", "b = E'\\n{n}'"]
)
@pytest.mark.parametrize("end", ["", ";", " ;\n"])
def test_tags_and_trace_do_not_make_a_new_query(values: str, end: str) -> None:
    readers = Readers()
    found = [
        readers.statement(f"SELECT a FROM t WHERE {values.format(n=n)} {TAG.format(trace=n)}{end}") for n in range(4)
    ]
    assert {each.totals.id for each in found} == {id_of(f"SELECT a FROM t WHERE {values.format(n=1)}")}
    assert [each.tags for each in found] == [{"controller": "orders"}] * 4
    assert [each.trace for each in found] == [f"{n:032d}" for n in range(4)]
    plain = readers.statement(f"SELECT a FROM t WHERE {values.format(n=9)}{end}")
    assert (plain.totals.id, plain.tags, plain.trace) == (found[0].totals.id, None, None)


@pytest.mark.parametrize("first", ["tagged", "plain"])
def test_what_follows_a_known_text_is_a_comment_only_where_the_server_sees_one(first: str) -> None:
    plain = "SELECT a FROM t WHERE b = 'x'"
    known = [plain, f"{plain} /*a='1'*/"]
    readers = Readers()
    for text in known if first == "plain" else reversed(known):
        readers.statement(text)
    for text in (
        "SELECT a FROM t WHERE b = 'x /*a=''1''*/'",
        "SELECT a FROM t WHERE b = 'x' || '/*c*/' /*a='1'*/",
        "SELECT a FROM t WHERE b = 'x' /*a='1'*/ AND c = 2 /*a='1'*/",
        "SELECT a FROM t WHERE b = 'x' -- /*a='1'*/",
        "SELECT a FROM t -- WHERE b = 'x' /*a='1'*/",
        "SELECT a FROM t WHERE b = \"x\" /*a='1'*/",
        "SELECT a FROM t WHERE b = 'x' /* /*a='1'*/ */",
        "SELECT a FROM t WHERE b = 'x' /*a='1'*/;",
        "SELECT a FROM t WHERE b = 'x'/*a='1'*/ ; ",
        "SELECT a FROM t WHERE b = 'x' /*a='1'*//*b='2'*/",
        "SELECT a FROM t WHERE b = 'x' /*a='1'*/ /*b='2'*/",
        "SELECT a FROM t WHERE b = 'x' /*a='1'*/ AND c = 2 -- */",
        "SELECT a FROM t WHERE b = 'x' /*/ a='1'*/",
        "SELECT a FROM t WHERE b @-/*a='1'*/ 5 /*a='1'*/",
    ):
        tags = split_comments(text)[1]
        for _ in range(3):
            assert readers.id(text) == id_of(text), text
            assert dict(readers.statement(text).tags or {}) == dict(tags), text


@pytest.mark.parametrize("middle", ["/* {n} */", "/* it's {n} */", "-- {n}\n", "-- it's {n}\n", "/* /* {n} */ ' */"])
def test_comments_in_the_middle_of_a_statement_do_not_matter(middle: str) -> None:
    readers = Readers()
    texts = [f"SELECT a {middle.format(n=n)} FROM t WHERE b = '{n}' AND c = {n}" for n in range(5)]
    assert {readers.id(text) for text in texts} == {id_of("SELECT a FROM t WHERE b = 'x' AND c = 1")}


@pytest.mark.parametrize(
    ("numbers", "kinds"),
    [
        (["1", "999999999", "2147483647", "0000000005"], 1),
        (["2147483648", "9999999999", "9223372036854775807"], 1),
        (["1", "2147483648", "9223372036854775808", "1.5"], 4),
    ],
)
def test_numbers_of_ten_digits_and_more(numbers: list[str], kinds: int) -> None:
    for order in (numbers, numbers[::-1]):
        readers = Readers()
        found = [readers.id(f"SELECT a FROM t WHERE b = {number}") for number in [*order, *order]]
        assert found == [id_of(f"SELECT a FROM t WHERE b = {number}") for number in [*order, *order]]
        assert len(set(found)) <= kinds


@pytest.mark.parametrize("sql", ["SELECT a FROM t WHERE b = {n}", "SELECT a FROM t WHERE b = 'x{n}' AND c = {n}"])
def test_a_known_shape_is_not_parsed_again(sql: str) -> None:
    readers = Readers()
    for name in ("statement", "execute S_1"):
        assert {readers.message(f"{name}: {sql.format(n=n)}".encode()).totals.id for n in range(50)} == {
            id_of(sql.format(n=1))
        }
    if "'" not in sql:
        assert readers.asked <= 6


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", [b"<unnamed>", b"S_1", b"S_1/C_2", b"_pg3_0"])
def test_parse_and_bind_are_no_executions(step: bytes, name: bytes) -> None:
    readers = Readers()
    sql = b": SELECT a FROM t WHERE b = $1"
    assert readers.message(step + name + sql) is None
    assert readers.message(b"execute " + name + sql).totals.id == id_of("SELECT a FROM t WHERE b = $1")
    assert readers.message(step + name + sql) is None


@pytest.mark.parametrize("message", [b"plan:\nQuery Text: SELECT 1", b"checkpoint starting: time", b"", b"statement"])
def test_what_is_no_statement_s_message(message: bytes) -> None:
    assert Readers().message(message) is None


def test_nothing_but_a_comment_is_no_statement() -> None:
    readers = Readers()
    for text in ("-- ping", ";", "/* ping */", "/* ping */;", " "):
        assert readers.statement(text) is readers.empty
    assert readers.statement("SELEC 1") is readers.unparsed


def test_what_did_not_parse_does_not_hide_what_does() -> None:
    readers = Readers()
    for number in range(20):
        assert readers.statement(f"SELEC {number}") is readers.unparsed
    assert readers.id("SELECT 1") == id_of("SELECT 1")
