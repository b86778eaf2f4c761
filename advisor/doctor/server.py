"""The user's server, asked by catalog queries only: its log settings, its extensions, and what a twin of it needs."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from advisor.doctor.check import Check
from advisor.doctor.log_settings import Settings, add_library
from advisor.sandbox.programs.at_hand import Provider
from advisor.sandbox.programs.fetched import MAJORS
from advisor.sandbox.schema.extensions import ALLOWED, UNNEEDED
from advisor.sql.own import MARK

_STATEMENTS = "pg_stat_statements"

_IS_THE_EXTENSIONS = f"""
SELECT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
               WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
               AND e.extname = '{_STATEMENTS}' AND d.classid = 'pg_catalog.pg_class'::regclass
               AND d.objid = pg_catalog.to_regclass(%s)) {MARK}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What one look at a server gives.

    Attributes:
        extensions: name -> schema, of the connected database.
        available: names that CREATE EXTENSION would find.
        deallocations: how often pg_stat_statements dropped entries because it was full; None where it cannot be told.
        icu: whether the database's own collation or one of a column is ICU's.
    """

    role: str
    database: str
    version: str
    version_num: int
    settings: Settings
    extensions: dict[str, str]
    available: frozenset[str]
    deallocations: int | None
    icu: bool


def read_server(connection: psycopg.Connection[Any]) -> ServerFacts:
    """Asks the server. Raises psycopg.Error."""
    info = connection.info
    settings = connection.execute(f"SELECT name, setting FROM pg_catalog.pg_settings {MARK}".encode()).fetchall()
    extensions = connection.execute(
        "SELECT e.extname::text, n.nspname::text FROM pg_catalog.pg_extension e"
        f" JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace {MARK}".encode()
    ).fetchall()
    available = connection.execute(f"SELECT name::text FROM pg_catalog.pg_available_extensions {MARK}".encode())
    who = connection.execute(f"SELECT current_user::text, pg_catalog.current_database()::text {MARK}".encode())
    role, database = who.fetchone() or ("", "")
    return ServerFacts(
        role=role,
        database=database,
        version=(info.parameter_status("server_version") or "").split(" ")[0],
        version_num=info.server_version,
        settings=dict(settings),
        extensions=dict(extensions),
        available=frozenset(name for (name,) in available),
        deallocations=_deallocations(connection, dict(extensions).get(_STATEMENTS)),
        icu=_uses_icu(connection),
    )


def _deallocations(connection: psycopg.Connection[Any], schema: str | None) -> int | None:
    if schema is None or connection.info.server_version < 140000:
        return None
    view = sql.Identifier(schema, "pg_stat_statements_info")
    # Before 1.9 the extension has no such view, and anybody may have put another one there.
    own = connection.execute(_IS_THE_EXTENSIONS.encode(), (view.as_string(connection),)).fetchone()
    if own is None or not own[0]:
        return None
    try:
        with connection.transaction():
            row = connection.execute(sql.SQL("SELECT dealloc FROM {} " + MARK).format(view)).fetchone()
    except psycopg.Error:
        # A server that did not load the library refuses it.
        return None
    return int(row[0]) if row else None


def _uses_icu(connection: psycopg.Connection[Any]) -> bool:
    of_columns = (
        "SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation"
        " JOIN pg_catalog.pg_class r ON r.oid = a.attrelid WHERE c.collprovider = 'i' AND r.relkind IN ('r', 'p', 'm')"
    )
    queries = [of_columns]
    if connection.info.server_version >= 150000:
        queries.append("SELECT FROM pg_catalog.pg_database WHERE datname = current_database() AND datlocprovider = 'i'")
    found = " OR ".join(f"EXISTS ({query})" for query in queries)
    row = connection.execute(f"SELECT {found} {MARK}".encode()).fetchone()
    return bool(row and row[0])


def judge_statements(facts: ServerFacts) -> Check:
    """Whether pg_stat_statements counts, can be read, and is large enough."""
    loaded = "pg_stat_statements.max" in facts.settings
    create = ("CREATE EXTENSION pg_stat_statements;",) if _STATEMENTS not in facts.extensions else ()
    if not loaded:
        setting = "shared_preload_libraries"
        load = add_library(setting, facts.settings, _STATEMENTS)
        hidden = "" if setting in facts.settings else f" The role may not see {setting}: keep what is in it."
        absent = "" if _STATEMENTS in facts.available else "; not even its files (package postgresql-contrib)"
        return Check(
            name=_STATEMENTS,
            status="missing",
            found=f"not loaded{absent}",
            cost=f"Without a log there is no workload: nobody knows which queries take the time.{hidden}",
            fix=(load, *create),
            needs="restart",
        )
    if create:
        cost = f"It counts, but in the database {facts.database} nobody can read it."
        return Check(name=_STATEMENTS, status="missing", found="loaded, not created here", cost=cost, fix=create)
    if facts.settings.get("pg_stat_statements.track") == "none":
        fix = ("ALTER SYSTEM SET pg_stat_statements.track = 'top';",)
        cost = "It counts nothing: without a log there is no workload."
        return Check(name=_STATEMENTS, status="missing", found="track = none", cost=cost, fix=fix, needs="reload")
    if facts.deallocations:
        most = int(facts.settings["pg_stat_statements.max"])
        return Check(
            name=_STATEMENTS,
            status="weak",
            found=f"full: entries were dropped {facts.deallocations} times",
            cost="Rare queries are missing, and the calls of others are counted from their last return only.",
            fix=(f"ALTER SYSTEM SET pg_stat_statements.max = {2 * most};",),
            needs="restart",
        )
    return Check(name=_STATEMENTS, status="good", found="loaded and created")


def judge_sandboxes(facts: ServerFacts, at_hand: Collection[Provider]) -> Iterator[Check]:
    """Whether a throwaway server like this one is at hand: its major version, its extensions, its collations."""
    major = facts.version_num // 10000
    there = [each for each in at_hand if each.problem is None]
    same = [each for each in there if each.version and each.version.split(".")[0] == str(major)]
    if same:
        names = ", ".join(f"{each.name} {each.version}" for each in same)
        yield Check(name=f"PostgreSQL {major}", status="good", found=names)
    else:
        fix = (f"advisor sandbox install {major}",) if major in MAJORS else (f"apt install postgresql-{major}",)
        cost = "Advice is tried on another major version, whose planner may choose differently."
        yield Check(name=f"PostgreSQL {major}", status="missing", found="not at hand", cost=cost, fix=fix)
    yield from _extensions(facts, same or there)
    if facts.icu and not any(each.icu for each in same or there):
        cost = (
            "ICU's collations are replaced by another one: the order of texts, and plans that rest on it, may differ."
        )
        fix = (f"apt install postgresql-{major}",)
        yield Check(name="ICU collations", status="weak", found="in no throwaway server at hand", cost=cost, fix=fix)


def _extensions(facts: ServerFacts, at_hand: Collection[Provider]) -> Iterator[Check]:
    for name in sorted(facts.extensions):
        if name in UNNEEDED or name == "plpgsql":
            continue
        cost = "Tables with its types, and indexes of its kinds, are left out or get a stand-in."
        if name not in ALLOWED:
            found = "not on the list of those that reach nothing outside"
            yield Check(name=f"extension {name}", status="weak", found=found, cost=cost)
        elif any(each.extensions and name in each.extensions for each in at_hand):
            yield Check(name=f"extension {name}", status="good", found="in a throwaway server at hand")
        elif all(each.extensions is not None for each in at_hand):
            found = "in no throwaway server at hand"
            yield Check(name=f"extension {name}", status="missing", found=found, cost=cost)
