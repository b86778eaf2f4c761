"""Extensions in a sandbox's database: made by the superuser, from a list of those that reach nothing outside."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

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

_UUID = "AS 'SELECT gen_random_uuid()'"
_STAND_INS: Mapping[str, tuple[str, ...]] = {
    "uuid-ossp": (
        f"uuid_generate_v1() RETURNS uuid LANGUAGE sql VOLATILE {_UUID}",
        f"uuid_generate_v1mc() RETURNS uuid LANGUAGE sql VOLATILE {_UUID}",
        f"uuid_generate_v4() RETURNS uuid LANGUAGE sql VOLATILE {_UUID}",
        "uuid_nil() RETURNS uuid LANGUAGE sql IMMUTABLE AS $$SELECT '00000000-0000-0000-0000-000000000000'::uuid$$",
    ),
    "pgcrypto": (
        "gen_random_uuid() RETURNS uuid LANGUAGE sql VOLATILE AS 'SELECT pg_catalog.gen_random_uuid()'",
        (
            "gen_random_bytes(integer) RETURNS bytea LANGUAGE sql VOLATILE AS $$SELECT substring(decode(string_agg("
            "replace(gen_random_uuid()::text, '-', ''), ''), 'hex') FOR $1) FROM generate_series(0, $1 / 16)$$"
        ),
    ),
}
"""What column defaults call: with these a schema's tables load where the extension itself is not there."""


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
            statement = sql.SQL("CREATE EXTENSION {} SCHEMA {} CASCADE")
            try:
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(schema)))
            except psycopg.Error as error:
                return f"The extension {name} cannot be made: {error.diag.message_primary or error}."
            return None
    return _stand_in(sandbox, name, database, schema)


def _stand_in(sandbox: Sandbox, name: str, database: str | None, schema: str) -> str:
    missing = f"The extension {name} is not installed for the throwaway PostgreSQL {sandbox.server_version}"
    functions = _STAND_INS.get(name, ())
    if not functions:
        return f"{missing}: what depends on it is left out."
    with sandbox.connect(database) as connection:
        for function in functions:
            statement = sql.SQL("CREATE OR REPLACE FUNCTION {}.").format(sql.Identifier(schema)).as_string(connection)
            try:
                with connection.transaction():
                    connection.execute((statement + function).encode())
            except psycopg.Error as error:
                return f"{missing}: {error.diag.message_primary or error}."
    names = ", ".join(function.split("(")[0] for function in functions)
    return f"{missing}: stand-ins serve for {names}, what else depends on it is left out."
