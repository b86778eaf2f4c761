import pytest

from advisor.sql.constants import constants


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1 FROM t WHERE a = 'x' AND b = 2.5", ("1", "x", "2.5")),
        ("SELECT -5, a-5, (-1.5e3), a = - 7, 3 - 2", ("-5", "5", "-1.5e3", "-7", "3", "2")),
        ("VALUES ('it''s', E'a\\n\\'b', $$x'y$$, $t$z$$t$)", ("it's", "a\n'b", "x'y", "z$")),
        ("SELECT NULL, true, FALSE", (None, "true", "false")),
        ("SELECT a IS NULL, a IS NOT NULL, a IS NOT TRUE", ()),
        ("SELECT 'a' -- 'b'\n /* 'c' */", ("a",)),
        ("SELECT '$1', $1", ("$1",)),
        ('SELECT "1" FROM "2"', ()),
        ("SELECT x'ff', b'01'", ("xff", "b01")),
        ("SELECT 'a'\n'b'", ("ab",)),
        (r"SELECT E'\x41\101\u0041'", ("AAA",)),
        ("SELECT t1.a2 FROM t10 AS t1", ()),
        ("SELECT 'é', 'x'", ("é", "x")),
    ],
)
def test_values_in_the_order_of_the_text(sql: str, expected: tuple[str | None, ...]) -> None:
    assert constants(sql) == expected
