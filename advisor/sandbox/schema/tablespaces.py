"""Tablespaces of the target's names and costs on the throwaway server: their options are the planner's."""

import os
import re
from pathlib import Path

import psycopg
from psycopg import sql

from advisor.model.catalog import Catalog
from advisor.sandbox.rights import USER
from advisor.sandbox.server import Sandbox

_OPTION = re.compile(
    r"(?P<name>random_page_cost|seq_page_cost|effective_io_concurrency|maintenance_io_concurrency)"
    r"=(?P<value>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?)"
)
"""All options that a tablespace has (`tablespace_reloptions` of reloptions.c), each a number."""

_OWN = "pg_default"
"""Where the databases of a throwaway server lie."""


def make_tablespaces(sandbox: Sandbox, catalog: Catalog) -> tuple[str, ...]:
    """Makes the catalog's tablespaces that have options, in folders beside the server's data; sentences of failures.

    To be called once per server, before `rebuild`, which then puts into them what the target has there. Where the
    server's files are out of reach nothing is made, and all lies in the database's own tablespace.
    """
    wanted = {name: options for name, options in catalog.tablespace_options.items() if options}
    if not wanted or sandbox.data_directory is None:
        return tuple(_unmade(name) for name in sorted(wanted))
    told: list[str] = []
    with sandbox.admin(sandbox.database) as connection:
        connection.autocommit = True
        there = {row[0] for row in connection.execute("SELECT spcname FROM pg_tablespace")}
        for name, options in sorted(wanted.items()):
            try:
                if name and name not in there:
                    _make(connection, name, Path(sandbox.data_directory))
                _set(connection, name or _OWN, options)
            except (psycopg.Error, OSError) as error:
                reason = error.diag.message_primary if isinstance(error, psycopg.Error) else error.strerror
                told.append(f"{_unmade(name)[:-1]} ({reason or error}).")
    return tuple(told)


def _unmade(name: str) -> str:
    which = f"the tablespace {name}" if name else "the database's own tablespace"
    return f"The costs of {which} are not those of the target on the throwaway server."


def _make(connection: psycopg.Connection[tuple[object, ...]], name: str, data: Path) -> None:
    folder = data.parent / "tablespaces"
    owner = data.stat()
    for path in (folder, folder / f"{len(list(folder.iterdir())) if folder.is_dir() else 0}"):
        if not path.is_dir():
            path.mkdir(mode=0o700)
            if owner.st_uid != os.geteuid():
                os.chown(path, owner.st_uid, owner.st_gid)
    tablespace = sql.Identifier(name)
    connection.execute(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(tablespace, sql.Literal(str(path))))
    grant = sql.SQL("GRANT CREATE ON TABLESPACE {} TO {}")
    connection.execute(grant.format(tablespace, sql.Identifier(USER)))


def _set(connection: psycopg.Connection[tuple[object, ...]], name: str, options: tuple[str, ...]) -> None:
    for option in options:
        match = _OPTION.fullmatch(option)
        if match is not None:
            statement = sql.SQL("ALTER TABLESPACE {} SET ({} = {})")
            value = sql.SQL(match["value"])
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(match["name"]), value))
