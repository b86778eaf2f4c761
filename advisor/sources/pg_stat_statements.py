"""`pg_stat_statements` of a live server: catalog queries only, the current database only.

Source: PostgreSQL manual, "pg_stat_statements"; `total_time` became `total_exec_time` in 13.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql as compose

from advisor.errors import ConnectionFailed
from advisor.model.workload import StatementStatistics
from advisor.sql.own import MARK

HIDDEN_TEXT = "<insufficient privilege>"

_NAMES_REPLACED = re.compile(
    r"(?:SAVEPOINT|RELEASE|ROLLBACK|DEALLOCATE|PREPARE\s+TRANSACTION|COMMIT\s+PREPARED)\b[^;]*\$\d", re.IGNORECASE
)
"""Transaction control of which 17 and later write the name as `$1`: no grammar reads that, and no table is in it."""


_NAMES_ARE_THE_SERVERS = f"SELECT pg_catalog.set_config('search_path', 'pg_catalog', true) {MARK}"
"""A database's own path can begin with a schema of functions and operators that have pg_catalog's names."""


@dataclass(slots=True, kw_only=True)
class Availability:
    """Filled in by `read`: whether the view could be read (`reason` says why not), and how many texts were hidden."""

    reason: str | None = None
    hidden: int = 0
    version: int = 0
    notes: list[str] = field(default_factory=list)


def read(connection: psycopg.Connection[Any], availability: Availability) -> Iterator[StatementStatistics]:
    """The statements of the current database but for our own, most time first; nothing where the view is not there.

    Rows of which the role may not see the text are counted in `availability.hidden`. Raises ConnectionFailed where
    the server goes away.
    """
    availability.version = connection.info.server_version // 10000
    try:
        # Taken back at the end: what the target's own search_path is, is not ours to change.
        with connection.transaction(force_rollback=True):
            connection.execute(_NAMES_ARE_THE_SERVERS)
            schema = _schema(connection)
            rows = _rows(connection, schema) if schema is not None else []
    except psycopg.Error as error:
        first = " ".join(str(error).split("\n", 1)[0].split())
        if connection.broken:
            raise ConnectionFailed(
                "The database could not be read to the end.",
                why=first,
                hint="Check that the server is up, and run it again.",
            ) from None
        availability.reason = f"pg_stat_statements cannot be read: {first}."
        return
    if schema is None:
        availability.reason = (
            f"The extension pg_stat_statements is not there in {connection.info.dbname}. It needs"
            " shared_preload_libraries = 'pg_stat_statements', a restart, and CREATE EXTENSION pg_stat_statements."
        )
    for text, database, user, calls, total, mean, lowest, highest, count in rows:
        if text is None or text == HIDDEN_TEXT:
            availability.hidden += 1
            continue
        if _NAMES_REPLACED.match(text):
            continue
        yield StatementStatistics(
            sql=text,
            database=database,
            user=user,
            calls=calls,
            total_us=round(total * 1000),
            mean_us=mean * 1000,
            min_us=round(lowest * 1000),
            max_us=round(highest * 1000),
            rows=count,
        )
    if availability.hidden:
        availability.notes.append(
            f"pg_stat_statements hides the texts of {availability.hidden} statements of other users:"
            " GRANT pg_read_all_stats to the role to see them."
        )


def _schema(connection: psycopg.Connection[Any]) -> str | None:
    """The schema the extension is in."""
    row = connection.execute(
        "SELECT n.nspname FROM pg_catalog.pg_extension e"
        " JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements' " + MARK
    ).fetchone()
    return row[0] if row else None


def _rows(connection: psycopg.Connection[Any], schema: str) -> list[tuple[Any, ...]]:
    view = compose.Identifier(schema, "pg_stat_statements")
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 " + MARK,
            [view.as_string(connection)],
        )
        names = {name for (name,) in cursor.fetchall()}
        middle = "exec_" if "total_exec_time" in names else ""
        columns = [compose.Identifier("s", f"{what}_{middle}time") for what in ("total", "mean", "min", "max")]
        toplevel = compose.SQL("AND s.toplevel") if "toplevel" in names else compose.SQL("")
        cursor.execute(
            compose.SQL(
                "SELECT s.query, d.datname::text, pg_catalog.pg_get_userbyid(s.userid)::text, s.calls, {}, s.rows"
                " FROM {} s JOIN pg_catalog.pg_database d ON d.oid = s.dbid"
                " WHERE d.datname = pg_catalog.current_database() AND s.calls > 0 {}"
                " AND pg_catalog.right(s.query, {}) <> {} ORDER BY {} DESC, s.queryid {}"
            ).format(
                compose.SQL(", ").join(columns),
                view,
                toplevel,
                compose.Literal(len(MARK)),
                compose.Literal(MARK),
                columns[0],
                compose.SQL(MARK),
            )
        )
        return cursor.fetchall()
