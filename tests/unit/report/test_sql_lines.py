"""SQL is broken into lines without becoming another statement."""

import postgast
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.report.sql_lines import sql_lines

LONG = (
    "CREATE INDEX CONCURRENTLY orders_customer_id_created_at_idx ON public.orders (customer_id, created_at DESC)"
    " WHERE status <> 'done   and   gone'"
)
pieces = st.sampled_from(
    [
        "a",
        "'two  words'",
        "'it''s   here'",
        "E'one\\'  two'",
        '"Odd   ""name"',
        "$$body  of\n  it$$",
        "$x$ $$ '  $x$",
        "/* a   note ' */",
        "-- the 'rest   of it\n",
        "'line\n   end'",
        "42",
        "U&'\\0041  b'",
        "::text",
        "b.c",
    ]
)
statements = st.lists(st.tuples(pieces, st.sampled_from([" ", "\n", "  ", "\n    "])), min_size=1, max_size=12).map(
    lambda parts: "SELECT " + "".join(f"{piece} ,{space}" for piece, space in parts)
)


def tokens(sql: str) -> list[str]:
    """The server's own tokens as they are written."""
    raw = sql.encode()
    return [raw[token.start : token.end].decode().rstrip() for token in postgast.scan(sql).tokens]


@given(statements, st.integers(1, 60), st.sampled_from(["", "          "]))
def test_tokens_stay_as_they_are(sql: str, width: int, indent: str) -> None:
    assert tokens("\n".join(sql_lines(sql, width, indent))) == tokens(sql)


@given(st.text(max_size=200), st.integers(1, 30))
def test_nothing_but_white_space_changes(sql: str, width: int) -> None:
    assert "".join("".join(sql_lines(sql, width, "  ")).split()) == "".join(sql.split())


@pytest.mark.parametrize("width", [50, 80])
def test_lines_fit(width: int) -> None:
    lines = sql_lines(LONG, width, "      ")
    assert len(lines) > 1
    assert max(map(len, lines)) <= width
    assert all(line.startswith("      ") for line in lines)


def test_a_literal_is_never_broken() -> None:
    assert any("'done   and   gone'" in line for line in sql_lines(LONG, 20))


def test_a_literal_with_line_ends_goes_on_at_the_margin() -> None:
    assert sql_lines("SELECT 'a\nb', c", 80, "    ") == ["    SELECT 'a", "b', c"]


def test_line_ends_and_indentation_of_the_statement_stay() -> None:
    assert sql_lines("SELECT a\nFROM t\nWHERE\n  b", 80, "  ") == ["  SELECT a", "  FROM t", "  WHERE", "    b"]


def test_a_huge_statement_takes_no_time() -> None:
    values = ", ".join(f"'it''s {number}'" for number in range(50_000))
    assert len(sql_lines(f"SELECT * FROM t WHERE a IN ({values}", 80)) > 5_000
