"""A running throwaway PostgreSQL, as the other stages use it."""

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from advisor.errors import SandboxError
from advisor.sandbox.programs.fetched import MAJORS
from advisor.sandbox.rights import hand_over, is_unchanged, restore

ProviderName = Literal["embedded", "local", "fetched", "docker", "url"]
"""Where a server came from. `local`: programs installed on this machine; `fetched`: by `advisor sandbox install`."""

CONNECT_TIMEOUT_S = 10
_OWN_TEXTS: Mapping[str, str] = {"client_encoding": "UTF8", "options": "-c standard_conforming_strings=on"}
"""What a database or the environment has for a default must not decide how a text of ours is taken apart."""

_ADMIN_OPTIONS = f"{_OWN_TEXTS['options']} -c search_path=pg_catalog,pg_temp -c statement_timeout=0"
"""The superuser never looks a name up where the unprivileged login can put one (CVE-2018-1058)."""


class Sandbox:
    """A throwaway PostgreSQL; a context manager that takes everything away again.

    Two logins, always. `admin()` may do everything and must only run statements of our own, which neither read nor
    write rows of the users' tables (that may run their functions, with the superuser's rights). Everything that came
    from outside runs over `connect()`: the databases are made for that login but are not its own, and it has no
    superuser's, replication, role, file, program or network rights.

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
        self._restoring = threading.Lock()
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
        return open_connection({**self._admin, **_OWN_TEXTS, "dbname": name, "options": _ADMIN_OPTIONS})

    def connect(self, database: str | None = None) -> psycopg.Connection[Any]:
        """A connection of the unprivileged login, whatever an earlier session of it did to its password and defaults.

        Not in autocommit mode, as psycopg's default. Raises SandboxError where the server does not answer.
        """
        parameters = {**self._user, **_OWN_TEXTS, "dbname": self._name(database or self.database)}
        with suppress(SandboxError):
            connection = open_connection(parameters)
            if is_unchanged(connection):
                return connection
            connection.close()
        self.restore_login()
        return open_connection(parameters)

    def restore_login(self) -> None:
        """Takes back what the unprivileged login did to itself. Raises SandboxError where the server does not answer.

        `connect()` does so by itself; this is for those who come over `url`.
        """
        names = {self._name(database): database for database in self._databases}
        user = str(self._user["user"])
        # Two sessions that change one role at a time get an error.
        with self._restoring, closing(self.admin()) as admin:
            admin.autocommit = True
            for name in restore(admin, user, str(self._user["password"]), names.keys()):
                self._hand_over(names[name])

    def _hand_over(self, database: str) -> None:
        with closing(self.admin(database)) as admin:
            admin.autocommit = True
            hand_over(admin, str(self._user["user"]))

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
        """An empty database for the unprivileged login, which nobody else may enter.

        `options` goes into CREATE DATABASE: a template and a locale; never a text from outside.
        """
        if name in self._databases:
            raise SandboxError(f"The throwaway PostgreSQL has a database {name} already.")
        full = sql.Identifier(self._name(name))
        with closing(self.admin()) as connection:
            connection.autocommit = True
            try:
                statement = sql.SQL("CREATE DATABASE {}").format(full).as_string(connection)
                connection.execute(f"{statement} {options}".encode())
                self._databases.add(name)
                self._hand_over(name)
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
        f"differently. For the same one: --sandbox auto where advisor sandbox list has PostgreSQL {target_major}; else "
        f"{fetch}install its server on this machine, or use --sandbox docker."
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
