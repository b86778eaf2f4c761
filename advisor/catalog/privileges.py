"""What the role may read of its target, what that is worth, and the script that gives the rest.

Seen by experiment on PostgreSQL 14 to 18 (`tests/database/test_catalog_privileges.py`); "own": a member of the owner.

| read                           | SELECT on a table | pg_monitor | pg_read_all_data | own | superuser |
|--------------------------------|-------------------|------------|------------------|-----|-----------|
| schema, sizes, activity        | yes               | yes        | yes              | yes | yes       |
| column statistics              | that table's      | no         | yes              | yes | yes       |
| statistics of index expressions| no                | no         | yes              | yes | yes       |
| range statistics before 17     | no                | no         | yes              | no  | yes       |
| extended statistics            | no                | no         | yes (1)          | yes | yes       |
| end points of indexed columns  | that table's (2)  | no         | yes              | yes | yes       |
| pg_stat_statements: texts      | its own           | all        | its own          | its own | all   |
| system identifier              | yes (3)           | yes (3)    | yes (3)          | yes (3) | yes   |
| heights of btrees, GIN counts  | no                | no         | no               | no  | with pageinspect |

1. Not in the views `pg_stats_ext*`, which want ownership, but in `pg_statistic_ext_data`, a table like any other to it.
2. Also USAGE on the table's schema. The statistics do not want that.
3. Unless EXECUTE on `pg_control_system()` was taken away from PUBLIC, as hosted servers may do.

Where row security applies to the role, a table's column and extended statistics and end points are hidden from it:
from pg_read_all_data, too, but not from the owner (unless it is forced), BYPASSRLS and superusers. The statistics of
index expressions are not hidden: `pg_stats` asks whether the index has row security, and no index has.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import psycopg

from advisor.catalog.connect import connection_lost
from advisor.catalog.rows import Row, ask
from advisor.model.snapshot import Privilege
from advisor.sql.quote import quote_identifier

_ROLE = """
SELECT current_user AS name, current_setting('server_version_num')::int AS version_num,
       current_setting('is_superuser') = 'on' AS superuser,
       EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = 'pg_read_all_data'
               AND pg_has_role(r.oid, 'USAGE')) AS reads_all_data,
       pg_has_role('pg_read_all_stats', 'USAGE') AS reads_all_stats,
       has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_identify,
       has_table_privilege('pg_catalog.pg_statistic', 'SELECT') AS reads_pg_statistic,
       has_table_privilege('pg_catalog.pg_statistic_ext_data', 'SELECT') AS reads_extended_data,
       EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pageinspect') AS has_pageinspect"""

_TABLES = """
SELECT n.nspname AS schema, c.relname AS name, has_table_privilege(c.oid, 'SELECT') AS readable,
       has_schema_privilege(n.oid, 'USAGE') AS reachable, pg_has_role(c.relowner, 'USAGE') AS owned,
       c.relrowsecurity AND row_security_active(c.oid) AS filtered,
       EXISTS (SELECT FROM pg_catalog.pg_index i
               WHERE i.indrelid = c.oid AND i.indexprs IS NOT NULL) AS has_expressions,
       EXISTS (SELECT FROM pg_catalog.pg_statistic_ext e WHERE e.stxrelid = c.oid) AS has_extended,
       EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND t.typtype = 'r') AS has_ranges
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                  AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname"""

_READ_ALL_DATA_SINCE = 140000
_RANGES_IN_VIEW_SINCE = 170000


def read_privileges(connection: psycopg.Connection[Any]) -> tuple[Privilege, ...]:
    """What matters to a snapshot, most important first; what no table has a use for is left out.

    Raises ConnectionFailed when the server goes away.
    """
    try:
        (role,) = ask(connection, _ROLE)
        tables = ask(connection, _TABLES)
    except psycopg.Error as error:
        raise connection_lost(error) from None
    of_tables = (privilege for build in _OF_TABLES for privilege in build(role, tables))
    return (*of_tables, *_of_the_server(role))


def grant_script(privileges: Iterable[Privilege], role: str) -> str:
    """The statements that give `role` what it lacks, and as comments what no GRANT can give; empty if it has all.

    `privileges` are those of that role.
    """
    lacking = [privilege for privilege in privileges if not privilege.held]
    if not lacking:
        return ""
    heading = f"-- For role {_one_line(role)}, to be run by a superuser or the hosting provider's administrator."
    statements = dict.fromkeys(privilege.grant for privilege in lacking if privilege.grant)
    rest = [f"-- {_one_line(p.name)}: no GRANT gives it. {_one_line(p.lacking)}" for p in lacking if not p.grant]
    return "\n".join([heading, *statements, *rest]) + "\n"


def _one_line(text: str) -> str:
    """So that a line break in a name does not end the comment."""
    return " ".join(text.split())


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _share(missing: int, total: int, what: str) -> str:
    """What of it is lacking, else all of it."""
    return f"{missing or total} of {_counted(total, what)}"


def _select(role: Row, tables: Sequence[Row]) -> Iterator[Privilege]:
    missing = [row for row in tables if not row["readable"]]
    if tables:
        yield Privilege(
            name=f"SELECT on {_share(len(missing), len(tables), 'table')}",
            held=not missing,
            gives="distribution of values in columns, real ends of indexed columns",
            lacking=f"{_counted(len(missing), 'table')} get default selectivities: their column statistics are hidden.",
            grant=_read_grant(role, missing),
        )


def _usage(role: Row, tables: Sequence[Row]) -> Iterator[Privilege]:
    schemas = {row["schema"] for row in tables}
    missing = [row for row in tables if not row["reachable"]]
    closed = {row["schema"] for row in missing}
    if missing:
        yield Privilege(
            name=f"USAGE on {_share(len(closed), len(schemas), 'schema')}",
            held=False,
            gives="real ends of indexed columns",
            lacking=f"Conditions beyond the last ANALYZE are estimated less well on {_counted(len(missing), 'table')}.",
            grant=_read_grant(role, missing),
        )


def _row_security(role: Row, tables: Sequence[Row]) -> Iterator[Privilege]:
    filtered = [row for row in tables if row["filtered"]]
    if filtered:
        yield Privilege(
            name="BYPASSRLS",
            held=False,
            gives="column statistics of tables with row security",
            lacking=f"Row security hides the column statistics of {_counted(len(filtered), 'table')} from this role.",
            grant=f"ALTER ROLE {quote_identifier(role['name'])} BYPASSRLS;",
        )


def _index_expressions(role: Row, tables: Sequence[Row]) -> Iterator[Privilege]:
    concerned = [row for row in tables if row["has_expressions"]]
    missing = [row for row in concerned if not (row["owned"] or role["reads_all_data"] or role["superuser"])]
    if concerned:
        yield Privilege(
            name=f"pg_read_all_data or ownership, for {_counted(len(concerned), 'table')} with expression indexes",
            held=not missing,
            gives="distribution of the values of index expressions",
            lacking=f"Indexed expressions of {_counted(len(missing), 'table')} get default selectivities.",
            grant=_read_all_data(role),
        )


def _extended(role: Row, tables: Sequence[Row]) -> Iterator[Privilege]:
    concerned = [row for row in tables if row["has_extended"]]
    missing = [row for row in concerned if not (row["owned"] or role["reads_extended_data"])]
    if concerned:
        yield Privilege(
            name=f"pg_read_all_data or ownership, for {_counted(len(concerned), 'table')} with statistics objects",
            held=not missing,
            gives="extended statistics (CREATE STATISTICS)",
            lacking=f"Columns of {_counted(len(missing), 'table')} count as independent: their objects are hidden.",
            grant=_read_all_data(role),
        )


def _ranges(role: Row, tables: Sequence[Row]) -> Iterator[Privilege]:
    concerned = [row for row in tables if row["has_ranges"]]
    if concerned and role["version_num"] < _RANGES_IN_VIEW_SINCE:
        yield Privilege(
            name="SELECT on pg_statistic",
            held=role["reads_pg_statistic"],
            gives="statistics of range columns, which pg_stats shows from PostgreSQL 17 on",
            lacking=f"Conditions on range columns of {_counted(len(concerned), 'table')} get default selectivities.",
            grant=_read_all_data(role)
            or f"GRANT SELECT ON pg_catalog.pg_statistic TO {quote_identifier(role['name'])};",
        )


def _of_the_server(role: Row) -> Iterator[Privilege]:
    grantee = quote_identifier(role["name"])
    yield Privilege(
        name="pg_read_all_stats",
        held=role["reads_all_stats"],
        gives="the statements of all roles in pg_stat_statements",
        lacking="Statements of other roles are seen without their text, so they are not looked at.",
        grant=f"GRANT pg_read_all_stats TO {grantee};",
    )
    yield Privilege(
        name="EXECUTE on pg_control_system()",
        held=role["may_identify"],
        gives="the system identifier, which tells one cluster from another",
        lacking="That a sandbox is not on the same cluster as the target cannot be checked.",
        grant=f"GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO {grantee};",
    )
    yield Privilege(
        name="the extension pageinspect" if role["superuser"] else "superuser, with the extension pageinspect",
        held=role["superuser"] and role["has_pageinspect"],
        gives="heights of btrees, counts of GIN indexes",
        lacking="Both are estimated from the sizes of the indexes.",
    )


def _read_grant(role: Row, missing: Sequence[Row]) -> str | None:
    """One statement where there is a role for it, else two per schema."""
    if (grant := _read_all_data(role)) is not None:
        return grant
    grantee = quote_identifier(role["name"])
    schemas = [quote_identifier(name) for name in sorted({row["schema"] for row in missing})]
    statements = (
        f"GRANT USAGE ON SCHEMA {name} TO {grantee}; GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {grantee};"
        for name in schemas
    )
    return " ".join(statements) or None


def _read_all_data(role: Row) -> str | None:
    if role["version_num"] < _READ_ALL_DATA_SINCE:
        return None
    return f"GRANT pg_read_all_data TO {quote_identifier(role['name'])};"


_OF_TABLES: tuple[Callable[[Row, Sequence[Row]], Iterator[Privilege]], ...] = (
    _select,
    _usage,
    _index_expressions,
    _extended,
    _ranges,
    _row_security,
)
