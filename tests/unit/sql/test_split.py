import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.sql.lexer import lex
from advisor.sql.split import StatementText, split

_DUMP = r"""--
-- PostgreSQL database dump
--

\restrict it's

SET client_encoding = 'UTF8';
COPY public.t (a, b) FROM stdin;
1	it's
2	; -- \N
\.

COPY public.u (a) FROM stdin;
\.


ALTER TABLE ONLY public.t ADD CONSTRAINT p PRIMARY KEY (a);
\unrestrict x
"""


def _texts(text: str) -> list[str]:
    return [statement.sql for statement in split(text)]


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        (" ;; -- nothing\n /* ; */", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; SELECT 2 ;", ["SELECT 1", "SELECT 2"]),
        (
            "SELECT ';', \";\", $$;$$, $a$;$$;$a$, E'\\';'; SELECT 2",
            ["SELECT ';', \";\", $$;$$, $a$;$$;$a$, E'\\';'", "SELECT 2"],
        ),
        ("SELECT 1 -- ;\n + 1; SELECT 2", ["SELECT 1 -- ;\n + 1", "SELECT 2"]),
        ("SELECT 1 /* ; /* ; */ ; */ + 1; SELECT 2", ["SELECT 1 /* ; /* ; */ ; */ + 1", "SELECT 2"]),
        (
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
            ["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3"],
        ),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END; SELECT 3",
            [
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END",
                "SELECT 3",
            ],
        ),
        ("BEGIN; SELECT 1; END; SELECT 2", ["BEGIN", "SELECT 1", "END", "SELECT 2"]),
        ("SELECT 1 \\gset x_\nSELECT 2;", ["SELECT 1", "\\gset x_", "SELECT 2"]),
        ("SELECT $1; SELECT a$b$ FROM t; SELECT 2", ["SELECT $1", "SELECT a$b$ FROM t", "SELECT 2"]),
    ],
)
def test_statements(text: str, statements: list[str]) -> None:
    found = split(text)
    assert [statement.sql for statement in found] == statements
    assert [statement.error for statement in found] == [None] * len(found)


@pytest.mark.parametrize(
    ("text", "whole", "broken"),
    [
        ("SELECT 1; SELECT FROM WHERE; SELECT 2;", ["SELECT 1", "SELECT 2"], ["SELECT FROM WHERE"]),
        ("SELECT (1; SELECT 2;", ["SELECT 2"], ["SELECT (1"]),
        ("SELECT 'open;\nSELECT 2;", ["SELECT 2"], ["SELECT 'open"]),
        ("SELECT 1;\n/* open\nSELECT 2;", ["SELECT 1"], ["/* open\nSELECT 2"]),
        ("SELECT 1 FROM t WHERE a = :id; SELECT 2", ["SELECT 2"], ["SELECT 1 FROM t WHERE a = :id"]),
        ("FOO; BAR", [], ["FOO", "BAR"]),
    ],
)
def test_a_broken_statement_does_not_hide_the_others(text: str, whole: list[str], broken: list[str]) -> None:
    found = split(text)
    assert [statement.sql for statement in found if statement.error is None] == whole
    assert [statement.sql for statement in found if statement.error is not None] == broken


@pytest.mark.parametrize("variable", [":id", ":'id'", ':"id"'])
def test_a_psql_variable_is_named_in_the_error(variable: str) -> None:
    (statement,) = split(f"SELECT 1 FROM t WHERE a = {variable}")
    assert statement.error is not None
    assert variable in statement.error.what


def test_a_slice_is_no_psql_variable() -> None:
    assert split("SELECT a[1:b], '10:30', a::int FROM t")[0].error is None


def test_a_dump() -> None:
    found = split(_DUMP)
    assert [statement.kind for statement in found] == ["meta", "statement", "copy", "copy", "statement", "meta"]
    assert [statement.data for statement in found if statement.kind == "copy"] == ["1\tit's\n2\t; -- \\N\n", ""]
    assert found[2].sql == "COPY public.t (a, b) FROM stdin"
    assert all(statement.error is None for statement in found)


def test_places_and_comments() -> None:
    text = "-- header\n\n-- calls: 5\n/* b */ SELECT 1,\n  2; -- trailing\n\n  SELECT 3"
    first, second = split(text)
    assert (first.line, first.column, first.end_line, first.comments) == (4, 9, 5, ("calls: 5", "b"))
    assert (second.line, second.column, second.end_line, second.comments) == (7, 3, 7, ())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    found = split(f"SELECT 1;{end}{end}-- b{end}SELECT 2;")
    assert [statement.line for statement in found] == [1, 4]
    assert found[1].comments == ("b",)


def test_many_broken_statements_stay_quick() -> None:
    assert len(split("SELECT (1;\n" * 2000)) > 100


_PIECES = st.lists(
    st.sampled_from(
        [
            "SELECT 1",
            "SELECT 'a;b'",
            ";",
            "'",
            '"',
            "$$",
            "$a$",
            "--",
            "\n",
            "/*",
            "*/",
            "(",
            ")",
            "[",
            "\\",
            "\\.",
            "\r",
            "COPY t FROM stdin;\n",
            "BEGIN ATOMIC ",
            " END",
            " CASE ",
            "é",
            " ",
            ":x",
            "E'\\",
            "\x00",
            "U&'",
            "\\gset",
        ]
    ),
    max_size=25,
).map("".join)


@given(_PIECES)
def test_every_character_is_accounted_for(text: str) -> None:
    position = 0
    for statement in split(text):
        _assert_nothing_lost(text[position : statement.start])
        assert text[statement.start :].startswith(statement.sql)
        if statement.kind != "copy":
            assert text[statement.start : statement.end] == statement.sql
        assert statement.end > statement.start >= position
        _assert_placed(text, statement)
        position = statement.end
    _assert_nothing_lost(text[position:])


def _assert_nothing_lost(between: str) -> None:
    assert {lexeme.kind for lexeme in lex(between)} <= {"blank", "comment", "semicolon"}


def _assert_placed(text: str, statement: StatementText) -> None:
    before = text[: statement.start].replace("\r\n", "\n").replace("\r", "\n")
    assert statement.line == before.count("\n") + 1
    assert statement.end_line >= statement.line


@given(_PIECES)
def test_the_lexer_leaves_no_gaps(text: str) -> None:
    position = 0
    for lexeme in lex(text):
        assert lexeme.start == position
        position = lexeme.end
    assert position == len(text)
