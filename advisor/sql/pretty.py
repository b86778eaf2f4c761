"""SQL laid out over several lines, for people."""

from collections.abc import Callable

import postgast

from advisor.errors import SqlError
from advisor.sql.parse import guarded
from advisor.sql.tree import same_statement

_ONE_LINE = 60
"""Characters up to which a statement reads best as it is."""


def pretty(sql: str) -> str:
    """The statement over several lines; as it came where no layout leaves its parse tree as it was."""
    if len(sql) <= _ONE_LINE:
        return sql
    for lay_out in _LAYOUTS:
        try:
            laid_out = lay_out(sql)
            if same_statement(sql, laid_out):
                return laid_out
        except (SqlError, IndexError, RecursionError):
            continue
    return sql


def _by_libpg_query(sql: str) -> str:
    laid_out: str = guarded(postgast.format_sql, sql)
    return laid_out.rstrip().removesuffix(";")


def _by_sqlglot(sql: str) -> str:
    # Imported here: a quarter of a second, needed for the few texts that the other layout changes.
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        laid_out = sqlglot.transpile(sql, read="postgres", write="postgres", pretty=True, normalize_functions=False)[0]
    except SqlglotError as error:
        raise SqlError("It cannot be laid out.", why=str(error)) from None
    return str(laid_out)


_LAYOUTS: tuple[Callable[[str], str], ...] = (_by_libpg_query, _by_sqlglot)
