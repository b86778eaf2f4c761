"""What serves for an extension that is not installed: a few functions, and opaque types.

Everything here that the superuser runs is fixed text around quoted names: nothing that came from a catalog.
"""

from collections.abc import Collection, Mapping
from typing import Any

import psycopg
from psycopg import sql

from advisor.model.names import QualifiedName
from advisor.sandbox.server import Sandbox

# PL/pgSQL at a C function's cost: the planner puts nothing else in their place, as it would with SQL's.
_HEAD = "LANGUAGE plpgsql PARALLEL SAFE COST 1"
_RANDOM = f"RETURNS uuid {_HEAD} VOLATILE AS 'BEGIN RETURN pg_catalog.gen_random_uuid(); END'"
_HASHED = f"""RETURNS uuid {_HEAD} IMMUTABLE STRICT
    AS 'BEGIN RETURN pg_catalog.md5($1::pg_catalog.text || $2)::pg_catalog.uuid; END'"""
_DIGEST = f"RETURNS bytea {_HEAD} IMMUTABLE STRICT AS 'BEGIN RETURN pg_catalog.sha256(%s); END'"
_DIGEST_OF_TEXT = _DIGEST % "pg_catalog.convert_to($1, ''UTF8'')"
_DIGEST_OF_BYTES = _DIGEST % "$1"
_SAME_BYTES = f"RETURNS bytea {_HEAD} %s STRICT AS 'BEGIN RETURN $1; END'"
_BYTES = f"""RETURNS bytea {_HEAD} VOLATILE STRICT AS $$ BEGIN RETURN (
    SELECT pg_catalog.substring(pg_catalog.decode(pg_catalog.string_agg(
        pg_catalog.replace(pg_catalog.gen_random_uuid()::pg_catalog.text, '-', ''), ''), 'hex'), 1, $1)
    FROM pg_catalog.generate_series(0, $1 / 16)); END $$"""
_HASH_OF_PASSWORD = f"RETURNS text {_HEAD} IMMUTABLE STRICT AS 'BEGIN RETURN $2 || pg_catalog.md5($1); END'"
_SALT = (
    f"RETURNS text {_HEAD} VOLATILE STRICT AS 'BEGIN RETURN ''$1$'' || pg_catalog.md5(pg_catalog.random()::text); END'"
)


def _constant(value: str) -> str:
    return f"RETURNS uuid {_HEAD} IMMUTABLE STRICT AS 'BEGIN RETURN ''{value}''::pg_catalog.uuid; END'"


FUNCTIONS: Mapping[str, Mapping[str, str]] = {
    "uuid-ossp": {
        "uuid_generate_v1()": _RANDOM,
        "uuid_generate_v1mc()": _RANDOM,
        "uuid_generate_v3(namespace uuid, name text)": _HASHED,
        "uuid_generate_v4()": _RANDOM,
        "uuid_generate_v5(namespace uuid, name text)": _HASHED,
        "uuid_nil()": _constant("00000000-0000-0000-0000-000000000000"),
        "uuid_ns_dns()": _constant("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        "uuid_ns_oid()": _constant("6ba7b812-9dad-11d1-80b4-00c04fd430c8"),
        "uuid_ns_url()": _constant("6ba7b811-9dad-11d1-80b4-00c04fd430c8"),
        "uuid_ns_x500()": _constant("6ba7b814-9dad-11d1-80b4-00c04fd430c8"),
    },
    "pgcrypto": {
        "gen_random_uuid()": _RANDOM,
        "gen_random_bytes(integer)": _BYTES,
        "digest(text, text)": _DIGEST_OF_TEXT,
        "digest(bytea, text)": _DIGEST_OF_BYTES,
        "hmac(text, text, text)": _DIGEST_OF_TEXT,
        "hmac(bytea, bytea, text)": _DIGEST_OF_BYTES,
        "crypt(text, text)": _HASH_OF_PASSWORD,
        "gen_salt(text)": _SALT,
        "gen_salt(text, integer)": _SALT,
        "encrypt(bytea, bytea, text)": _SAME_BYTES % "IMMUTABLE",
        "decrypt(bytea, bytea, text)": _SAME_BYTES % "IMMUTABLE",
        "pgp_sym_encrypt(text, text)": f"RETURNS bytea {_HEAD} VOLATILE STRICT"
        " AS 'BEGIN RETURN pg_catalog.convert_to($1, ''UTF8''); END'",
        "pgp_sym_decrypt(bytea, text)": f"RETURNS text {_HEAD} IMMUTABLE STRICT"
        " AS 'BEGIN RETURN pg_catalog.convert_from($1, ''UTF8''); END'",
    },
}
"""By extension, signature and body: of the same volatility and cost, so that plans do not change by them. Values are of
the right kind, not the right ones."""

_PURE = "LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE"
_BEGIN = (
    "CREATE TYPE {type}",
    f"CREATE FUNCTION {{input}}(pg_catalog.cstring) RETURNS {{type}} AS 'textin' {_PURE}",
    f"CREATE FUNCTION {{output}}({{type}}) RETURNS pg_catalog.cstring AS 'textout' {_PURE}",
    "CREATE TYPE {type} (INPUT = {input}, OUTPUT = {output}, INTERNALLENGTH = VARIABLE, STORAGE = extended)",
    "CREATE CAST ({type} AS pg_catalog.text) WITHOUT FUNCTION AS ASSIGNMENT",
    "CREATE CAST (pg_catalog.text AS {type}) WITHOUT FUNCTION AS ASSIGNMENT",
    f"CREATE FUNCTION {{compare}}({{type}}, {{type}}) RETURNS pg_catalog.int4 AS 'byteacmp' {_PURE}",
    f"CREATE FUNCTION {{hash}}({{type}}) RETURNS pg_catalog.int4 AS 'hashvarlena' {_PURE}",
)
"""bytea's functions compare: they take any value and, other than text's, need no collation."""

_OPERATORS = (
    ("<", "bytealt", "COMMUTATOR = OPERATOR({schema}.>), NEGATOR = OPERATOR({schema}.>=)", "scalarlt"),
    ("<=", "byteale", "COMMUTATOR = OPERATOR({schema}.>=), NEGATOR = OPERATOR({schema}.>)", "scalarle"),
    ("=", "byteaeq", "COMMUTATOR = OPERATOR({schema}.=), NEGATOR = OPERATOR({schema}.<>), HASHES, MERGES", "eq"),
    (">=", "byteage", "COMMUTATOR = OPERATOR({schema}.<=), NEGATOR = OPERATOR({schema}.<)", "scalarge"),
    (">", "byteagt", "COMMUTATOR = OPERATOR({schema}.<), NEGATOR = OPERATOR({schema}.<=)", "scalargt"),
    ("<>", "byteane", "COMMUTATOR = OPERATOR({schema}.<>), NEGATOR = OPERATOR({schema}.=)", "neq"),
)
"""Operator, function, clauses and the stem of its selectivity estimators."""

_FUNCTION = f"CREATE FUNCTION {{function}}({{type}}, {{type}}) RETURNS pg_catalog.bool AS '%s' LEAKPROOF {_PURE}"
_OPERATOR = (
    "CREATE OPERATOR {schema}.%s"
    " (LEFTARG = {type}, RIGHTARG = {type}, FUNCTION = {function}, RESTRICT = %ssel, JOIN = %sjoinsel, %s)"
)

_END = (
    """CREATE OPERATOR CLASS {family} DEFAULT FOR TYPE {type} USING btree AS
        OPERATOR 1 {schema}.<, OPERATOR 2 {schema}.<=, OPERATOR 3 {schema}.=, OPERATOR 4 {schema}.>=,
        OPERATOR 5 {schema}.>, FUNCTION 1 {compare}({type}, {type})""",
    """CREATE OPERATOR CLASS {family} DEFAULT FOR TYPE {type} USING hash AS
        OPERATOR 1 {schema}.=, FUNCTION 1 {hash}({type})""",
)


def stand_in_functions(connection: psycopg.Connection[Any], extension: str, schema: str) -> str | None:
    """Makes an extension's stand-ins as the owner; the sentence's end that names them, None where there are none."""
    functions = FUNCTIONS.get(extension)
    if not functions:
        return None
    made = []
    for signature, body in functions.items():
        head = sql.SQL("CREATE OR REPLACE FUNCTION {}.").format(sql.Identifier(schema)).as_string(connection)
        try:
            with connection.transaction():
                connection.execute(f"{head}{signature} {body}".encode())
        except psycopg.Error as error:
            return f"{error.diag.message_primary or error}"
        made.append(signature.partition("(")[0])
    return f"stand-ins serve for {', '.join(dict.fromkeys(made))}, what else depends on it is left out"


def missing_types(sandbox: Sandbox, database: str, names: Collection[QualifiedName]) -> frozenset[QualifiedName]:
    """Those of the types that a database does not have. Those of the system's schemas are passed over."""
    ours = [name for name in names if not name.schema.startswith("pg_") and name.schema != "information_schema"]
    with sandbox.connect(database) as connection:
        rows = connection.execute(
            "SELECT n.nspname, t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n"
            " ON n.oid = t.typnamespace WHERE t.typisdefined AND t.typname = ANY (%s)",
            ([name.name for name in ours],),
        )
        there = {QualifiedName(*row) for row in rows}
    return frozenset(ours) - there


def make_opaque_types(
    sandbox: Sandbox, database: str, names: Collection[QualifiedName]
) -> dict[QualifiedName, str | None]:
    """Makes types that hold any text: columns, literals, equality and order work, and nothing else.

    By the superuser; where the login that should be one is not (a given server), domains over text. Their schemas
    are there. Gives the reason for each that cannot be made, None for each that is.
    """
    made: dict[QualifiedName, str | None] = {}
    with sandbox.admin(database) as admin, sandbox.connect(database) as owner:
        admin.autocommit = owner.autocommit = True
        for name in sorted(names):
            try:
                try:
                    with admin.transaction():
                        _make_opaque(admin, name)
                except psycopg.errors.InsufficientPrivilege:
                    domain = sql.SQL("CREATE DOMAIN {} AS pg_catalog.text")
                    owner.execute(domain.format(sql.Identifier(name.schema, name.name)))
                made[name] = None
            except psycopg.Error as error:
                made[name] = error.diag.message_primary or f"{error}"
    return made


def _make_opaque(connection: psycopg.Connection[Any], name: QualifiedName) -> None:
    names = {"type": sql.Identifier(name.schema, name.name), "schema": sql.Identifier(name.schema)}
    connection.execute(sql.SQL(_BEGIN[0]).format(**names))
    row = connection.execute(
        "SELECT t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
        " WHERE n.nspname = %s AND t.typname = %s",
        (name.schema, name.name),
    ).fetchone()
    # A number tells one type's functions from another's: a name of 63 bytes leaves no room for an ending.
    number = row[0] if row else 0
    for part in ("input", "output", "compare", "hash", "family"):
        names[part] = sql.Identifier(name.schema, f"opaque_{part}_{number}")
    for statement in _BEGIN[1:]:
        connection.execute(sql.SQL(statement).format(**names))
    for position, (operator, function, clauses, stem) in enumerate(_OPERATORS):
        names["function"] = sql.Identifier(name.schema, f"opaque_operator_{number}_{position}")
        connection.execute(sql.SQL(_FUNCTION % function).format(**names))
        connection.execute(sql.SQL(_OPERATOR % (operator, stem, stem, clauses)).format(**names))
    for statement in _END:
        connection.execute(sql.SQL(statement).format(**names))
