"""How a catalog query is sent and its rows are taken."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import psycopg
from psycopg.rows import dict_row

from advisor.sql.own import MARK

Row = Mapping[str, Any]
Oid = int


class Ask(Protocol):
    """Sends a catalog query, gives its rows."""

    def __call__(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Row]: ...


def ask(connection: psycopg.Connection[Any], query: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
    """The rows of one of this package's queries, marked as ours. Raises psycopg.Error."""
    with connection.cursor(row_factory=dict_row) as cursor:
        # Encoded, because psycopg takes a computed text only as bytes; all texts are this package's own.
        return list(cursor.execute(f"{query} {MARK}".encode(), parameters).fetchall())


def grouped(rows: Iterable[Row], key: str) -> dict[Oid, list[Row]]:
    """The rows by one of their values."""
    groups: dict[Oid, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups
