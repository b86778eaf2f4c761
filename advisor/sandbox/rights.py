"""What the two logins may do. One source for the embedded, the local and a given server."""

from collections.abc import Iterator
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


def setup_statements(major: int, password: str) -> Iterator[str]:
    """Makes the logins in a new cluster; run in template1, one statement per line.

    PostgreSQL's own defaults already keep the unprivileged login from files, programs, the network, untrusted
    languages and other sessions; what is added here closes the databases that are not its own.
    """
    yield f"ALTER ROLE {ADMIN} PASSWORD '{password}';"
    yield f"CREATE ROLE {USER} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;"
    for name, value in USER_LIMITS.items():
        yield f"ALTER ROLE {USER} SET {name} = '{value}';"
    yield "REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC;"
    if major >= 15:
        # Lets the owner load rows with its own triggers off; it could drop them anyway.
        yield f"GRANT SET ON PARAMETER session_replication_role TO {USER};"


def restore(admin: psycopg.Connection[Any], user: str, password: str) -> None:
    """Takes back what the unprivileged login may do to itself and to its databases, so that it gets in again.

    PostgreSQL lets every role change its own password and defaults, and an owner a database's settings, connection
    limit and privileges (ALTER ROLE, ALTER DATABASE, in a DO block as well). `admin` is in autocommit mode.
    """
    role = sql.Identifier(user)
    admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))
    admin.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(role))
    for name, value in USER_LIMITS.items():
        admin.execute(sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(name), value))
    for (database,) in admin.execute(_OWN_DATABASES, (user,)).fetchall():
        place = sql.Identifier(database)
        for statement in (
            "ALTER DATABASE {database} RESET ALL",
            "ALTER ROLE {role} IN DATABASE {database} RESET ALL",
            "ALTER DATABASE {database} ALLOW_CONNECTIONS true CONNECTION LIMIT -1",
            "GRANT ALL ON DATABASE {database} TO {role}",
        ):
            admin.execute(sql.SQL(statement).format(database=place, role=role))


_OWN_DATABASES = """
SELECT d.datname FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles r ON r.oid = d.datdba WHERE r.rolname = %s
"""
