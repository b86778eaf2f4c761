import pytest

from advisor.errors import SqlError
from advisor.sql.parse import MAX_BYTES, nesting_bound, parse, parse_one, scan, walk
from advisor.sql.tree import deparse


@pytest.mark.parametrize(
    ("label", "sql"),
    [
        ("operators", "SELECT " + "1+" * 300 + "1"),
        ("UNION branches", "SELECT 1" + " UNION ALL SELECT 1" * 300),
        ("joins", "SELECT 1 FROM a" + " CROSS JOIN a" * 300),
        ("a long OR", "SELECT 1 WHERE " + " OR ".join(["a = 1"] * 5000)),
        ("a long IN", f"SELECT 1 WHERE a IN ({','.join(map(str, range(20_000)))})"),
        ("many rows", f"INSERT INTO t VALUES {','.join(['(1, -1, now() - 1)'] * 5000)}"),
        ("many CASEs", "SELECT " + ",".join(["CASE WHEN a THEN 1 END"] * 1200)),
        ("a long string", f"SELECT '{'(' * 100_000}'"),
    ],
)
def test_large_statements_are_read(label: str, sql: str) -> None:
    assert len(parse(sql).stmts) == 1, label


@pytest.mark.parametrize(
    ("label", "sql"),
    [
        ("operators", "SELECT " + "1+" * 100_000 + "1"),
        ("casts", "SELECT 1" + "::int" * 50_000),
        ("arrays", "SELECT array" + "[" * 9000 + "1" + "]" * 9000),
        ("UNION with columns", "SELECT 1, 2" + " UNION ALL SELECT 1, 2" * 50_000),
        ("joins", "SELECT 1 FROM a" + " JOIN a ON x = 1 AND y = 2" * 50_000),
        ("negations", "SELECT " + "NOT " * 9000 + "a"),
        ("nested subqueries", "SELECT * FROM " + "(SELECT * FROM " * 3000 + "a" + ") x" * 3000),
        ("chain around chains", "SELECT " + "(" * 3 + "1" + ("+1" * 20_000 + ")") * 3),
        ("chain behind a false string", r"SELECT E'\'', " + "1+" * 100_000 + "1 -- '"),
        ("chain behind a nested comment", "SELECT /* /* */ ' */ " + "1+" * 100_000 + "1 -- '"),
    ],
)
def test_what_would_overflow_the_stack_is_refused(label: str, sql: str) -> None:
    with pytest.raises(SqlError):
        parse(sql)


def test_deep_statements_can_be_written_back() -> None:
    sql = "SELECT " + "1 + " * 400 + "1"
    tree = parse(sql)
    assert sum(1 for _ in walk(tree)) > 400
    assert deparse(tree).count("+") == 400


@pytest.mark.parametrize(
    ("sql", "position"),
    [
        ("SELECT 'éé' FROM WHERE", 17),
        ("SELECT 1 \0 FROM t", 9),
        ("SELECT '\udc80'", 8),
        ("SELECT 'open", 7),
    ],
)
def test_errors_say_where(sql: str, position: int) -> None:
    with pytest.raises(SqlError) as caught:
        parse(sql)
    assert caught.value.position == position


def test_oversize_is_refused() -> None:
    with pytest.raises(SqlError, match="limit"):
        parse(f"SELECT '{'x' * MAX_BYTES}'")


def test_one_statement() -> None:
    assert parse_one("SELECT 1;").DESCRIPTOR.name == "SelectStmt"
    for sql in ("", "SELECT 1; SELECT 2"):
        with pytest.raises(SqlError):
            parse_one(sql)


def test_the_scanner_needs_no_grammar_but_closed_strings() -> None:
    assert len(scan("FROM ) 'x' ::")) == 4
    with pytest.raises(SqlError):
        scan("'open")


def test_the_bound_is_above_the_depth() -> None:
    assert nesting_bound("SELECT " + "(" * 3 + "1" + ("+1" * 500 + ")") * 3) >= 1500
