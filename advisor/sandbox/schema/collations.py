"""Collations on the throwaway server: the same where its libraries know them, else one that is planned like it.

A collation decides plans: `LIKE 'x%'` uses a plain btree only under one that compares bytes (C, POSIX, the built-in
provider's). So that is what stands in for such a one, and never for another.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from advisor.model.catalog import Catalog, Collation
from advisor.model.names import QualifiedName, listed
from advisor.sandbox.server import Sandbox
from advisor.sql.quote import quote_identifier, quote_literal, quote_name

_EVERYWHERE = frozenset({"default", "C", "POSIX", "ucs_basic"})
_PROVIDERS: Mapping[str, str] = {"b": "builtin", "c": "libc", "i": "icu"}
_BYTEWISE_LOCALES = frozenset({"C", "POSIX"})
_LIKE_A_LANGUAGE = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "en_US.utf8")
"""Locales of libc that are planned like a language's; the first needs no language to be installed."""

_PROVIDER_CLAUSE = 150000
"""From here on, CREATE DATABASE names the provider."""
_BUILTIN = 170000


def compares_bytes(provider: str, locale: str) -> bool:
    """Whether the planner takes it for C (`collate_is_c` of pg_locale.c; the built-in provider's all are)."""
    return provider == "b" or (provider == "c" and locale in _BYTEWISE_LOCALES)


def database_options(catalog: Catalog, sandbox: Sandbox) -> tuple[str, str | None]:
    """What CREATE DATABASE says, after the name, for a database with the catalog's own default collation.

    Also a sentence where another one stands in. The text is "" where the server's own default will do.
    """
    wanted = catalog.default_collation
    if wanted is None:
        return "", None
    ctype = catalog.settings.get("lc_ctype")
    with sandbox.admin(sandbox.database) as connection:
        version = connection.info.server_version
        bytewise = compares_bytes(wanted.provider, wanted.locale)
        if (wanted.provider != "b" or version >= _BUILTIN) and _is_available(connection, wanted):
            known = ctype if ctype and _is_available(connection, _libc(ctype)) else None
            return _options(wanted, known, version), None
        for locale in ("C",) if bytewise else _LIKE_A_LANGUAGE:
            stand_in = _libc(locale)
            if _is_available(connection, stand_in):
                sentence = f"{_described(wanted)}, the database's own collation, is not there on the throwaway server: "
                return _options(stand_in, None, version), f"{sentence}{locale} stands in for it."
    return "", (
        f"{_described(wanted)}, the database's own collation, is not there on the throwaway server, and nothing "
        "that is planned like it: LIKE and ORDER BY on texts may be planned otherwise."
    )


def _libc(locale: str) -> Collation:
    return Collation(name=QualifiedName("pg_catalog", "default"), provider="c", locale=locale)


def _described(collation: Collation) -> str:
    return f"{collation.locale or collation.name.name} ({_PROVIDERS.get(collation.provider, 'unknown provider')})"


def _options(collation: Collation, ctype: str | None, version: int) -> str:
    locale = quote_literal(collation.locale)
    if collation.provider == "c":
        provider = "LOCALE_PROVIDER libc " if version >= _PROVIDER_CLAUSE else ""
        return f"TEMPLATE template0 {provider}LC_COLLATE {locale} LC_CTYPE {quote_literal(ctype or collation.locale)}"
    if collation.provider == "i":
        return f"TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE {locale} LC_COLLATE 'C' LC_CTYPE 'C'"
    return f"TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale} LC_COLLATE 'C' LC_CTYPE 'C'"


def make_collations(
    sandbox: Sandbox, database: str, catalog: Catalog
) -> tuple[dict[QualifiedName, str | None], tuple[str, ...]]:
    """Makes the catalog's collations in a database whose schemas are there.

    Gives what COLLATE is to say for each that a column names (None: nothing), and a sentence for each stand-in.
    """
    wanted = {collation.name: collation for collation in catalog.collations}
    used = _users(catalog)
    texts: dict[QualifiedName, str | None] = {}
    told: list[str] = []
    with sandbox.connect(database) as owner, sandbox.admin(database) as admin:
        owner.autocommit = admin.autocommit = True
        for name in sorted(wanted.keys() | used.keys()):
            if name.schema == "pg_catalog" and name.name in _EVERYWHERE:
                texts[name] = quote_identifier(name.name)
                continue
            connections = (admin, owner) if name.schema == "pg_catalog" else (owner,)
            texts[name], difference = _make(connections, name, wanted.get(name))
            if difference:
                columns = used.get(name, ())
                told.append(f"{difference} (of {listed(columns)})." if columns else f"{difference}.")
    return texts, tuple(told)


def _users(catalog: Catalog) -> dict[QualifiedName, list[str]]:
    """The columns of each collation, as a warning names them."""
    users: dict[QualifiedName, list[str]] = {}
    for table in catalog.tables.values():
        for column in table.columns:
            if column.collation and table.kind != "view":
                name = QualifiedName(column.collation_schema or "pg_catalog", column.collation)
                users.setdefault(name, []).append(f"{table.name}.{column.name}")
    return users


def _make(
    connections: Sequence[psycopg.Connection[Any]], name: QualifiedName, wanted: Collation | None
) -> tuple[str | None, str | None]:
    """Makes one; what COLLATE is to say, and how it differs.

    One of the server's own is made in pg_catalog where that may be done, so that it has the same name in queries.
    """
    if wanted is None:
        if _exists(connections[-1], name):
            return quote_name(name), None
        return None, f"The throwaway database's own collation stands in for {name}"
    if _exists(connections[-1], name) and _has(connections[-1], wanted):
        return quote_name(name), None
    public = QualifiedName("public", name.name)
    places = [(connection, name) for connection in connections[:1]]
    places += [(connection, public) for connection in connections[1:]]
    for candidate in _candidates(wanted):
        for connection, place in places:
            if _create(connection, place, candidate):
                same = (candidate.provider, candidate.locale, candidate.deterministic) == (
                    wanted.provider,
                    wanted.locale,
                    wanted.deterministic,
                )
                return quote_name(place), None if same else _difference(wanted, candidate)
    return None, f"The throwaway database's own collation stands in for {name}, {_described(wanted)}"


def _candidates(wanted: Collation) -> Iterator[Collation]:
    yield wanted
    locales = ("C",) if compares_bytes(wanted.provider, wanted.locale) else _LIKE_A_LANGUAGE
    for locale in locales:
        yield Collation(name=wanted.name, provider="c", locale=locale)


def _difference(wanted: Collation, made: Collation) -> str:
    text = f"{made.locale} stands in for the collation {wanted.name}, {_described(wanted)}"
    if not wanted.deterministic:
        return f"{text}, which takes different texts for equal; LIKE works there and may not on the target"
    return text


def _exists(connection: psycopg.Connection[Any], name: QualifiedName) -> bool:
    query = (
        "SELECT 1 FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace"
        " WHERE n.nspname = %s AND c.collname = %s"
        " AND c.collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding()))"
    )
    return connection.execute(query, (name.schema, name.name)).fetchone() is not None


def _has(connection: psycopg.Connection[Any], wanted: Collation) -> bool:
    """Whether a collation that is there is of the wanted provider, and so planned alike."""
    query = (
        "SELECT c.collprovider::text, c.collisdeterministic FROM pg_catalog.pg_collation c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace WHERE n.nspname = %s AND c.collname = %s"
    )
    found = connection.execute(query, (wanted.name.schema, wanted.name.name)).fetchall()
    return (wanted.provider, wanted.deterministic) in found


def _create(connection: psycopg.Connection[Any], name: QualifiedName, collation: Collation) -> bool:
    try:
        connection.execute(_statement(name, collation))
    except psycopg.Error:
        return False
    return True


def _statement(name: QualifiedName, collation: Collation) -> sql.Composed:
    provider = _PROVIDERS.get(collation.provider, "libc")
    place = sql.Identifier(name.schema, name.name)
    # 13 to 15 know no other way than two locales, which every later one takes, too, from libc.
    fields = "LC_COLLATE = {locale}, LC_CTYPE = {locale}" if provider == "libc" else "LOCALE = {locale}"
    if not collation.deterministic:
        fields += ", DETERMINISTIC = false"
    text = f"CREATE COLLATION {{name}} (PROVIDER = {provider}, {fields})"
    return sql.SQL(text).format(name=place, locale=sql.Literal(collation.locale))


def _is_available(connection: psycopg.Connection[Any], collation: Collation) -> bool:
    """Tries to make it, and takes that back."""
    probe = QualifiedName("pg_temp", "advisor_probe")
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(_statement(probe, collation))
    except psycopg.Error:
        return False
    return True
