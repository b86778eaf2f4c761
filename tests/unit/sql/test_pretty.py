"""A layout never changes what a statement means."""

import pytest

from advisor.sql.pretty import pretty
from advisor.sql.tree import same_statement

STATEMENTS = [
    "SELECT id, full_name, email FROM customers WHERE id = ANY($1) AND status <> 'closed' ORDER BY full_name",
    (
        "SELECT a.x, b.y FROM a JOIN b USING (id) LEFT JOIN LATERAL (SELECT 1) c ON true"
        " WHERE a.x IS NOT DISTINCT FROM b.y"
    ),
    (
        "WITH w AS MATERIALIZED (SELECT 1 AS one) SELECT CASE WHEN one > 0 THEN interval '1"
        " day' END FROM w FOR UPDATE SKIP LOCKED"
    ),
    (
        "SELECT data ->> 'k', data @> '{\"a\": 1}', E'a\\nb', U&'d\\0061t', x::numeric(10, 2)"
        ' FROM "Odd"."T able" AS t (x)'
    ),
    ("UPDATE t SET (a, b) = (SELECT 1, 2) WHERE ctid = '(0,1)' AND extract(epoch FROM now()) > 10 RETURNING t.*, xmax"),
]


@pytest.mark.parametrize("sql", STATEMENTS)
def test_same_tree(sql: str) -> None:
    assert same_statement(sql, pretty(sql))


def test_laid_out_over_lines() -> None:
    assert pretty(STATEMENTS[0]).splitlines() == [
        "SELECT id, full_name, email",
        "FROM customers",
        "WHERE",
        "  id = ANY($1)",
        "  AND status <> 'closed'",
        "ORDER BY full_name",
    ]


def test_short_and_broken_ones_stay() -> None:
    assert pretty("SELECT   1") == "SELECT   1"
    broken = "SELECT FROM WHERE " * 9
    assert pretty(broken) == broken
