"""A running throwaway PostgreSQL, as the other stages use it."""

import os
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from advisor.errors import SandboxError
from advisor.sandbox.fetched import MAJORS

ProviderName = Literal["embedded", "local", "fetched", "docker", "url"]
"""Where a server came from. `local`: programs installed on this machine; `fetched`: by `advisor sandbox install`."""

CONNECT_TIMEOUT_S = 10
_ADMIN_OPTIONS = "-c search_path=pg_catalog,pg_temp -c statement_timeout=0"
"""The superuser never looks a name up where the unprivileged owner can put one (CVE-2018-1058)."""


class Sandbox:
    """A throwaway PostgreSQL; a context manager that takes everything away again.

    Two logins, always. `admin()` may do everything and must only run statements of our own, which neither read nor
    write rows of the users' tables (that may run their functions, with the superuser's rights). Everything that came
    from outside runs over `connect()`: an owner of its databases without superuser, replication, role, file, program
    or network rights.

    Attributes:
        id: as the report names it: "S1".
        provider: "embedded", "local", "fetched", "docker" or "url".
        server_version, server_version_num: "18.6", 180006.
        database: the database that `connect()` uses when none is named; empty at the start.
        notice: what the user should know about this server (its planner is not the target's), or None.
        data_directory: the server's files as text; None where they are out of reach (a given URL).
    """

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 the report's word
        provider: ProviderName,
        admin: dict[str, Any],
        user: dict[str, Any],
        release: Callable[[], None],
        prefix: str = "",
        data_directory: str | None = None,
        notice: str | None = None,
    ) -> None:
        """`admin` and `user` are connection parameters; `prefix` keeps names apart on a server that others use."""
        self.id = id
        self.provider = provider
        self.notice = notice
        self.data_directory = data_directory
        self.database = "sandbox"
        self._admin = {"connect_timeout": CONNECT_TIMEOUT_S, **admin}
        self._user = {"connect_timeout": CONNECT_TIMEOUT_S, **user}
        self._prefix = prefix
        self._databases: set[str] = set()
        # Also runs at the interpreter's end; a forked child must not stop its parent's server.
        self._close = weakref.finalize(self, _release_in, os.getpid(), release)
        with self.admin() as connection:
            self.server_version_num = connection.info.server_version
            self.server_version = (connection.info.parameter_status("server_version") or "").split(" ")[0]
        self.create_database(self.database)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def admin(self, database: str | None = None) -> psycopg.Connection[Any]:
        """A superuser's connection, to the maintenance database or to one of ours; names resolve to pg_catalog only.

        Not in autocommit mode, as psycopg's default. Raises SandboxError where the server does not answer.
        On a given URL: the login of that URL.
        """
        name = self._admin["dbname"] if database is None else self._name(database)
        return open_connection({**self._admin, "dbname": name, "options": _ADMIN_OPTIONS})

    def connect(self, database: str | None = None) -> psycopg.Connection[Any]:
        """A connection of the unprivileged owner. Raises SandboxError where the server does not answer."""
        return open_connection({**self._user, "dbname": self._name(database or self.database)})

    @property
    def has_files(self) -> bool:
        """Whether the server's files can be reached: a planner twin writes to them, rows do not need it."""
        return self.data_directory is not None

    @property
    def url(self) -> str:
        """The unprivileged login's URL, with its password, to the default database."""
        return self.url_of(self.database)

    def url_of(self, database: str) -> str:
        """The unprivileged login's URL to a database, as libpq and SQLAlchemy read it."""
        user, password = (quote(str(self._user[key]), safe="") for key in ("user", "password"))
        where = {key: value for key, value in self._user.items() if key not in ("user", "password", "dbname")}
        return f"postgresql://{user}:{password}@/{quote(self._name(database), safe='')}?{urlencode(where)}"

    def create_database(self, name: str, options: str = "") -> None:
        """An empty database that the unprivileged login owns and nobody else may enter.

        `options` goes into CREATE DATABASE: a template and a locale; never a text from outside.
        """
        if name in self._databases:
            raise SandboxError(f"The throwaway PostgreSQL has a database {name} already.")
        full = sql.Identifier(self._name(name))
        with self.admin() as connection:
            connection.autocommit = True
            owner = sql.Identifier(str(self._user["user"]))
            try:
                statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(full, owner).as_string(connection)
                connection.execute(f"{statement} {options}".encode())
                self._databases.add(name)
                connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(full))
            except psycopg.Error as error:
                raise SandboxError(
                    f"The throwaway PostgreSQL cannot make a database {name}.",
                    why=f"{error}".strip(),
                    hint="Free some disk space, or use another --sandbox.",
                ) from error

    def drop_database(self, name: str) -> None:
        """Drops a database that `create_database` made, ending its sessions; any other name is left alone."""
        if name not in self._databases:
            return
        with self.admin() as connection:
            connection.autocommit = True
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self._name(name)))
            )
        self._databases.discard(name)

    def close(self) -> None:
        """Stops the server and removes its files (on a given URL: the databases and the login). May be repeated."""
        self._close()

    def _name(self, database: str) -> str:
        return f"{self._prefix}{database}"


def planner_notice(major: int, target_major: int | None) -> str | None:
    """What to say where the sandbox's planner is not the target's: that, and how to get the right one."""
    if target_major is None or target_major == major:
        return None
    fetch = f"advisor sandbox install {target_major}, or " if target_major in MAJORS else ""
    return (
        f"The target runs PostgreSQL {target_major}, the throwaway server {major}: their planners may choose "
        f"differently. For the same one: {fetch}install PostgreSQL {target_major}'s server on this machine, or use "
        "--sandbox docker."
    )


def _release_in(owner: int, release: Callable[[], None]) -> None:
    if os.getpid() == owner:
        release()


def open_connection(parameters: dict[str, Any]) -> psycopg.Connection[Any]:
    """A connection to a throwaway server; SandboxError where it does not answer."""
    try:
        return psycopg.connect(**parameters)
    except psycopg.OperationalError as error:
        raise SandboxError(
            "The throwaway PostgreSQL does not answer.",
            why=f"{error}".strip(),
            hint="It may have been stopped from outside, or run out of memory. Run the command again.",
        ) from error
