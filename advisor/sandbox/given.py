"""A server that the user names by URL: a database and a login of our own making on it, for the run only."""

import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
from psycopg import conninfo, sql

from advisor.errors import SandboxError
from advisor.sandbox.interrupts import held_signals
from advisor.sandbox.rights import USER_LIMITS
from advisor.sandbox.server import CONNECT_TIMEOUT_S, Sandbox, planner_notice

_PREFIX = "advisor_sandbox_"
_OF_THE_LOGIN = frozenset({"user", "password", "dbname", "passfile", "options", "sslcert", "sslkey"})
_HINT = "Use --sandbox embedded, which needs no server."
_OLDEST = 130000
"""DROP DATABASE … WITH (FORCE) came with 13."""


def open_given(
    url: str,
    *,
    id: str,  # noqa: A002 the report's word
    target_major: int | None = None,
    target_system_identifier: str | None = None,
) -> Sandbox:
    """Makes a login and databases of random names on the server of a URL; all are dropped at the end.

    Raises SandboxError where the server does not answer, is the target itself, or its login may not make them.
    After `kill -9` the next run on the same server removes what was left: the databases without any session.
    """
    admin = _parameters(url)
    name = f"{_PREFIX}{secrets.token_hex(6)}"
    password = secrets.token_urlsafe(24)
    where = {key: value for key, value in admin.items() if key not in _OF_THE_LOGIN}
    keepers: list[psycopg.Connection[Any]] = []

    def release() -> None:
        with held_signals():
            for keeper in keepers:
                keeper.close()
            with closing(_connect(admin)) as connection:
                _drop(connection, name)

    with closing(_connect(admin)) as connection:
        if target_major is not None and target_system_identifier is None:
            raise SandboxError(
                "It cannot be told whether the server given as sandbox is the target itself.",
                why="The role may not read the target's system identifier.",
                hint="GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() to it, or use --sandbox embedded.",
            )
        _check(connection, target_system_identifier)
        _reap(connection)
        major = connection.info.server_version // 10000
        try:
            _make_login(connection, name, password)
            sandbox = Sandbox(
                id=id,
                provider="url",
                admin=admin,
                user={**where, "user": name, "password": password},
                release=release,
                prefix=f"{name}_",
                notice=planner_notice(major, target_major),
            )
            # As long as this session lasts, nobody else's tidying up can drop the databases.
            keepers.append(sandbox.connect())
        except BaseException:
            with held_signals():
                _drop(connection, name)
            raise
    return sandbox


def _parameters(url: str) -> dict[str, Any]:
    scheme, _, rest = url.partition("://")
    try:
        parameters = conninfo.conninfo_to_dict(f"{scheme.split('+')[0]}://{rest}")
    except psycopg.ProgrammingError as error:
        raise SandboxError("The sandbox's URL cannot be read.", why=f"{error}".strip()) from error
    return {"dbname": "postgres", **{key: value for key, value in parameters.items() if value is not None}}


def _connect(parameters: dict[str, Any]) -> psycopg.Connection[Any]:
    options = "-c search_path=pg_catalog,pg_temp"
    try:
        return psycopg.connect(
            **{"connect_timeout": CONNECT_TIMEOUT_S, **parameters, "options": options}, autocommit=True
        )
    except psycopg.OperationalError as error:
        raise SandboxError(
            "The server given as sandbox does not answer.", why=f"{error}".strip(), hint=_HINT
        ) from error


def _check(connection: psycopg.Connection[Any], target: str | None) -> None:
    if connection.info.server_version < _OLDEST:
        raise SandboxError("The server given as sandbox is older than PostgreSQL 13.", hint=_HINT)
    if target is not None:
        row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
        if row is None or row[0] == target:
            raise SandboxError(
                "The server given as sandbox is the target itself.",
                why="Nothing is ever built or run on the database that is analysed.",
                hint=_HINT,
            )
    row = connection.execute(
        "SELECT rolsuper OR rolcreaterole, rolsuper OR rolcreatedb, rolname FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    lacking = [
        right for right, there in zip(("CREATEROLE", "CREATEDB"), row or (False, False), strict=False) if not there
    ]
    if lacking:
        raise SandboxError(
            "The login of the server given as sandbox may not make a database and a login for it.",
            why=f"It lacks {' and '.join(lacking)}; without an unprivileged login nothing from outside is run.",
            hint=f"ALTER ROLE {row[2] if row else '…'} {' '.join(lacking)}; or use --sandbox embedded.",
        )


def _make_login(connection: psycopg.Connection[Any], name: str, password: str) -> None:
    role = sql.Identifier(name)
    connection.execute(
        sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {}").format(
            role, password
        )
    )
    for setting, value in USER_LIMITS.items():
        connection.execute(sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(setting), value))
    # A schema can only be given to a role one belongs to; a superuser belongs to all.
    superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if superuser is not None and not superuser[0]:
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))


def _reap(connection: psycopg.Connection[Any]) -> None:
    """Drops what killed runs left: our roles whose databases have no session at all."""
    rows = connection.execute(
        "SELECT r.rolname FROM pg_roles r WHERE starts_with(r.rolname, %s)"
        " AND EXISTS (SELECT FROM pg_database d WHERE starts_with(d.datname, r.rolname::text || '_'))"
        " AND NOT EXISTS (SELECT FROM pg_database d JOIN pg_stat_activity a ON a.datid = d.oid"
        " WHERE starts_with(d.datname, r.rolname::text || '_'))",
        (_PREFIX,),
    ).fetchall()
    for (name,) in rows:
        try:
            _drop(connection, name, force=False)
        except psycopg.Error:
            # Somebody is using it after all, or it is another login's.
            continue


def _drop(connection: psycopg.Connection[Any], name: str, *, force: bool = True) -> None:
    for database in _databases(connection, name):
        statement = "DROP DATABASE IF EXISTS {} WITH (FORCE)" if force else "DROP DATABASE IF EXISTS {}"
        connection.execute(sql.SQL(statement).format(sql.Identifier(database)))
    connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def _databases(connection: psycopg.Connection[Any], login: str) -> Iterator[str]:
    """Those that were made for the login: they carry its name, and are this login's own."""
    rows = connection.execute(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND pg_has_role(datdba, 'USAGE')",
        (f"{login}_",),
    ).fetchall()
    yield from (row[0] for row in rows)
