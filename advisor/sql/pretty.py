"""SQL laid out over several lines, for people."""

import sqlglot
from sqlglot.errors import SqlglotError

from advisor.sql.tree import same_statement

_ONE_LINE = 60
"""Characters up to which a statement reads best as it is."""


def pretty(sql: str) -> str:
    """The statement over several lines; as it came where laying it out would change its parse tree."""
    if len(sql) <= _ONE_LINE:
        return sql
    try:
        laid_out = sqlglot.transpile(sql, read="postgres", write="postgres", pretty=True)[0]
    except (SqlglotError, IndexError, RecursionError):
        return sql
    return laid_out if same_statement(sql, laid_out) else sql
