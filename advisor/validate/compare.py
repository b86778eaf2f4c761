"""Whether two statements return the same rows, as multisets, on data where they would differ if they could."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg

from advisor.model.advice import Equivalence
from advisor.sandbox.gone import raise_if_gone
from advisor.sql.parse import parse
from advisor.sql.tree import deparse
from advisor.validate.measure import rolled_back


@dataclass(frozen=True, slots=True)
class RowSet:
    """What a statement returned: column names and types, and a multiset of rows as a count and two hash sums."""

    columns: tuple[tuple[str, int], ...]
    rows: tuple[object, ...]


def same_rows(connections: Sequence[psycopg.Connection], pairs: Iterable[tuple[str, str]]) -> Equivalence:
    """Compares each (original, replacement) on every data set.

    `checked` with the number of data sets on which all ran and agreed; `different` as soon as one pair disagrees;
    `unknown` where none could be compared.
    """
    todo = list(pairs)
    compared = 0
    for connection in connections:
        answers = [_agree(connection, original, replacement) for original, replacement in todo]
        if False in answers:
            return Equivalence(status="different", datasets=compared + 1)
        compared += bool(answers) and None not in answers
    return Equivalence(status="checked" if compared else "unknown", datasets=compared)


def _agree(connection: psycopg.Connection, original: str, replacement: str) -> bool | None:
    """Whether both return the same columns and rows; None where the original itself fails on these data."""
    try:
        expected = row_set(connection, without_limit(original))
    except psycopg.Error as error:
        raise_if_gone(connection, error)
        return None
    try:
        return row_set(connection, without_limit(replacement)) == expected
    except psycopg.Error as error:
        raise_if_gone(connection, error)
        return False


def row_set(connection: psycopg.Connection, statement: str) -> RowSet:
    """Runs a SELECT and hashes its rows on the server, whatever their order.

    Two 64-bit hashes of each row's text are summed as numerics: equal sums of different multisets are as good as
    impossible, and a large result costs no memory here.
    """
    with rolled_back(connection):
        described = connection.execute(f"SELECT * FROM ({statement}\n) AS result LIMIT 0".encode()).description or ()
        counted = connection.execute(
            f"SELECT count(*), sum(hashtextextended(result::text, 0)::numeric),"
            f" sum(hashtextextended(result::text, 1)::numeric) FROM ({statement}\n) AS result".encode()
        ).fetchone()
    return RowSet(columns=tuple((c.name, c.type_code) for c in described), rows=tuple(counted or ()))


def without_limit(statement: str) -> str:
    """The statement without its outermost LIMIT and OFFSET: equal without them is equal with them, ties aside."""
    tree = parse(statement)
    if not tree.stmts[0].stmt.HasField("select_stmt"):
        return statement
    select = tree.stmts[0].stmt.select_stmt
    if not select.HasField("limit_count") and not select.HasField("limit_offset"):
        return statement
    select.ClearField("limit_count")
    select.ClearField("limit_offset")
    select.ClearField("limit_option")
    return deparse(tree)
