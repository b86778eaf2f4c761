"""What the two logins may do. One source for the embedded, the local and a given server."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql

ADMIN = "advisor_admin"
"""The superuser of our own servers: it only ever runs our statements."""

USER = "advisor_user"
"""Runs everything that came from a user, a log, a snapshot, a schema file or a migration."""

USER_LIMITS = {
    "statement_timeout": "5min",
    "idle_in_transaction_session_timeout": "15min",
}
"""Defaults of the unprivileged login. A session may change them; what it may not change (`temp_file_limit`) stands in
the server's settings. Five minutes: nothing on synthesised rows is worth more of a user's time."""


ON_DATABASE = "CREATE, CONNECT, TEMPORARY"
"""What the unprivileged login may do with a database. It is not the owner's: an owner may drop all the others of its
own, rename them, close them, and give them settings that lock it out."""


def setup_statements(major: int, password: str) -> Iterator[str]:
    """Makes the logins in a new cluster; run in template1, one statement per line.

    PostgreSQL's own defaults already keep the unprivileged login from files, programs, the network, untrusted
    languages and other sessions; what is added here closes the databases that are not made for it.
    """
    yield f"ALTER ROLE {ADMIN} PASSWORD '{password}';"
    yield f"CREATE ROLE {USER} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;"
    for name, value in USER_LIMITS.items():
        yield f"ALTER ROLE {USER} SET {name} = '{value}';"
    yield "REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC;"
    if major >= 15:
        yield f"{_TRIGGERS_OFF};"


_TRIGGERS_OFF = f"GRANT SET ON PARAMETER session_replication_role TO {USER}"
"""Lets the login load rows with its own triggers off; it could drop them anyway."""


def hand_over(admin: psycopg.Connection[Any], user: str) -> None:
    """Gives the unprivileged login the database that `admin` is in: all rights in it, none over it.

    `admin` is in autocommit mode.
    """
    names = {"database": sql.Identifier(admin.info.dbname), "role": sql.Identifier(user)}
    for statement in (
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        f"GRANT {ON_DATABASE} ON DATABASE {{database}} TO {{role}}",
        "CREATE SCHEMA IF NOT EXISTS public",
    ):
        admin.execute(sql.SQL(statement).format(**names))
    # A given server's login may not own the schema: before 15 it is the superuser's, and open to all.
    with suppress(psycopg.errors.InsufficientPrivilege):
        admin.execute(sql.SQL("ALTER SCHEMA public OWNER TO {role}").format(**names))


def is_unchanged(connection: psycopg.Connection[Any]) -> bool:
    """Whether the unprivileged login's own defaults are still ours; `connection` is a new one of it."""
    try:
        connection.autocommit = True
        found = connection.execute(_OWN_DEFAULTS).fetchall()
        connection.autocommit = False
    except psycopg.Error:
        # A default may end the session or the statement at once.
        return False
    return found == [([f"{name}={value}" for name, value in USER_LIMITS.items()],)]


_OWN_DEFAULTS = """
SELECT s.setconfig FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r
ON r.oid OPERATOR(pg_catalog.=) s.setrole WHERE r.rolname OPERATOR(pg_catalog.=) SESSION_USER"""
"""Nothing is looked up by name: a default of the login's may be `search_path`."""


def restore(admin: psycopg.Connection[Any], user: str, password: str, databases: Collection[str]) -> Sequence[str]:
    """Takes back what the unprivileged login may do to itself, so that it gets in again.

    PostgreSQL lets every role change its own password and defaults (ALTER ROLE, in a DO block as well). Those of
    `databases` that it may no longer enter come back: `hand_over` is for them. `admin` is in autocommit mode.
    """
    role = sql.Identifier(user)
    admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))
    admin.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(role))
    for (database,) in admin.execute(_DEFAULTS_IN, (user,)).fetchall():
        admin.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(role, sql.Identifier(database)))
    for name, value in USER_LIMITS.items():
        admin.execute(sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(name), value))
    lost = [database for (database,) in admin.execute(_CLOSED, (list(databases), user)).fetchall()]
    if lost and user == USER and admin.info.server_version >= 150000:
        admin.execute(_TRIGGERS_OFF)
    return lost


_DEFAULTS_IN = """
SELECT d.datname FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
JOIN pg_roles r ON r.oid = s.setrole WHERE r.rolname = %s"""
_CLOSED = """
SELECT datname FROM pg_database WHERE datname = ANY (%s) AND NOT has_database_privilege(%s, oid, 'CONNECT')"""
