"""Extensions in a sandbox's database: made by the superuser, from a list of those that reach nothing outside."""

from typing import Any

import psycopg
from psycopg import sql

from advisor.sandbox.schema.stand_ins import stand_in_functions
from advisor.sandbox.server import Sandbox

ALLOWED = frozenset(
    {
        "bloom",
        "btree_gin",
        "btree_gist",
        "citext",
        "cube",
        "dict_int",
        "dict_xsyn",
        "earthdistance",
        "fuzzystrmatch",
        "hstore",
        "intagg",
        "intarray",
        "isn",
        "lo",
        "ltree",
        "moddatetime",
        "pg_trgm",
        "pgcrypto",
        "plpgsql",
        "seg",
        "tablefunc",
        "tcn",
        "tsm_system_rows",
        "tsm_system_time",
        "unaccent",
        "uuid-ossp",
        "vector",
    }
)
"""Types, operators, index methods and functions on values. No files, programs, network or other sessions."""

UNNEEDED = frozenset(
    {
        "amcheck",
        "auto_explain",
        "hypopg",
        "pageinspect",
        "pg_buffercache",
        "pg_freespacemap",
        "pg_prewarm",
        "pg_stat_statements",
        "pg_visibility",
        "pgrowlocks",
        "pgstattuple",
    }
)
"""They watch a server: no schema depends on them and no plan changes by them."""


def create_extension(sandbox: Sandbox, name: str, *, database: str | None = None, schema: str = "public") -> str | None:
    """Makes an extension in a database (the default one, where None); None, or a sentence why it is not there.

    Where it is not installed, stand-ins for a few of its functions may be made instead; the sentence names them.
    """
    if name in UNNEEDED:
        return None
    if name not in ALLOWED:
        return f"The extension {name} is left out: it is not on the list of those that reach nothing outside."
    with sandbox.admin(database or sandbox.database) as connection:
        connection.autocommit = True
        if connection.execute("SELECT 1 FROM pg_extension WHERE extname = %s", (name,)).fetchone():
            return None
        if connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", (name,)).fetchone():
            return _create(connection, name, schema)
    return _stand_in(sandbox, name, database, schema)


def _create(connection: psycopg.Connection[Any], name: str, schema: str) -> str | None:
    statement = sql.SQL("CREATE EXTENSION {} SCHEMA {} CASCADE")
    try:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(schema)))
    except psycopg.Error as error:
        return f"The extension {name} cannot be made: {error.diag.message_primary or error}."
    return None


def _stand_in(sandbox: Sandbox, name: str, database: str | None, schema: str) -> str:
    missing = f"The extension {name} is not installed for the throwaway PostgreSQL {sandbox.server_version}"
    with sandbox.connect(database) as connection:
        serving = stand_in_functions(connection, name, schema)
    return f"{missing}: {serving or 'what depends on it is left out'}."
