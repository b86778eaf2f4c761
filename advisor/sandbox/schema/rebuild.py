"""A catalog back into a database, empty, so that a planner there cannot tell the difference."""

import re
from collections.abc import Iterable, Sequence

import psycopg

from advisor.model.catalog import Catalog
from advisor.model.names import QualifiedName, listed
from advisor.sandbox.schema.collations import make_collations
from advisor.sandbox.schema.extensions import create_extension
from advisor.sandbox.schema.rebuild_run import Failure, building, not_built, run, run_side_by_side, run_with_less
from advisor.sandbox.schema.rebuild_statements import STORED, between_tables, is_form, objects, schemas, table_groups
from advisor.sandbox.schema.rebuild_tables import Place, named_type
from advisor.sandbox.schema.stand_ins import make_opaque_types, missing_types
from advisor.sandbox.server import Sandbox

MAX_WARNINGS = 20
"""One missing type can fail a hundred statements: the first ones tell, the rest are counted."""

_MISSING_TYPE = re.compile(r'type "(?P<schema>[^".]+)\.(?P<name>[^"]+)" does not exist')


def rebuild(sandbox: Sandbox, database: str, catalog: Catalog) -> tuple[str, ...]:
    """Builds the catalog's schema, empty, as the unprivileged owner of a database of the sandbox.

    Columns keep their order but not their numbers: a dropped one leaves no gap. What cannot be built is left out, or
    something stands in for it; the sentences that come back name both. Raises SandboxError where the server is lost.
    """
    types = _column_types(catalog)
    told: list[str] = []
    with building(sandbox, database, catalog.search_path) as session:
        failures = run(session, list(schemas(catalog, types)))
        told.extend(_extensions(sandbox, database, catalog))
        collations, differences = make_collations(sandbox, database, catalog)
        told.extend(differences)
        failures += run(session, list(objects(catalog)))
        opaque, sentences = _opaque_types(sandbox, database, catalog, types, failures)
        told.extend(sentences)
        place = Place(
            version_num=sandbox.server_version_num,
            collations=collations,
            tablespaces=_tablespaces(session.connection),
            opaque=opaque,
        )
        again = [failure.statement for failure in failures]
        again += run_side_by_side(session, list(table_groups(catalog, place)))
        left, sentences = run_with_less(session, run(session, [*again, *between_tables(catalog, place)]))
    told.extend(sentences)
    told.extend(not_built(failure) for failure in left)
    told.extend(_not_ddl(catalog))
    if len(told) > MAX_WARNINGS:
        told[MAX_WARNINGS:] = [f"{len(told) - MAX_WARNINGS} more things are not as on the target."]
    return (*told, *_limits(catalog))


def _column_types(catalog: Catalog) -> frozenset[QualifiedName]:
    """The types of columns that are not the system's own."""
    stored = (table for table in catalog.tables.values() if table.kind in STORED)
    return frozenset(name for table in stored for column in table.columns if (name := named_type(column.type)))


def _extensions(sandbox: Sandbox, database: str, catalog: Catalog) -> Iterable[str]:
    for thing in catalog.objects:
        if thing.kind == "extension":
            problem = create_extension(sandbox, thing.name.name, database=database, schema=thing.name.schema)
            if problem:
                yield problem


def _opaque_types(
    sandbox: Sandbox,
    database: str,
    catalog: Catalog,
    types: frozenset[QualifiedName],
    failures: Sequence[Failure],
) -> tuple[frozenset[QualifiedName], list[str]]:
    """Types for what is neither there nor to come; those made, and what to say of them."""
    found = (_MISSING_TYPE.search(failure.error.diag.message_primary or "") for failure in failures)
    wanted = types | {QualifiedName(match["schema"], match["name"]) for match in found if match}
    to_come = catalog.tables.keys() | {thing.name for thing in catalog.objects if thing.kind != "function"}
    missing = missing_types(sandbox, database, wanted - to_come)
    if not missing:
        return frozenset(), []
    made = make_opaque_types(sandbox, database, missing)
    users = _users_of_types(catalog)
    return frozenset(name for name, problem in made.items() if problem is None), [
        f"The type {name} is not there on the throwaway PostgreSQL {sandbox.server_version}: "
        + (f"{problem}." if problem else f"an opaque one stands in for it{_of(users.get(name, []))}.")
        for name, problem in made.items()
    ]


def _users_of_types(catalog: Catalog) -> dict[QualifiedName, list[str]]:
    users: dict[QualifiedName, list[str]] = {}
    for table in catalog.tables.values():
        for column in table.columns if table.kind in STORED else ():
            name = named_type(column.type)
            if name is not None:
                users.setdefault(name, []).append(f"{table.name}.{column.name}")
    return users


def _of(columns: Sequence[str]) -> str:
    return f" (of {listed(columns)})" if columns else ""


def _tablespaces(owner: psycopg.Connection[tuple[str, ...]]) -> frozenset[str]:
    query = "SELECT spcname FROM pg_catalog.pg_tablespace WHERE has_tablespace_privilege(oid, 'CREATE')"
    return frozenset(row[0] for row in owner.execute(query))


def _not_ddl(catalog: Catalog) -> Iterable[str]:
    """A snapshot is anybody's text: what is not the statement it is said to be is not run."""
    definitions = [
        *((thing.kind, thing.name, thing.definition) for thing in catalog.objects if thing.kind != "extension"),
        *(("statistics", statistics.name, statistics.definition) for statistics in catalog.extended_statistics),
        *(
            ("index", QualifiedName(index.table.schema, index.name), index.definition)
            for table in catalog.tables.values()
            for index in table.indexes
            if index.valid and not index.constraint
        ),
    ]
    for kind, name, definition in definitions:
        if not is_form(kind, definition):
            yield f"Not built on the throwaway server: the {kind} {name}, whose definition is something else."


def _limits(catalog: Catalog) -> Iterable[str]:
    """What is built, but is not the same."""
    secured = [f"{table.name}" for table in catalog.tables.values() if table.row_security]
    if secured:
        yield f"Row security policies are not there on the throwaway server, plans are the owner's: {listed(secured)}."
    foreign = [f"{table.name}" for table in catalog.tables.values() if table.kind == "foreign_table"]
    if foreign:
        yield f"Foreign tables are plain ones on the throwaway server: {listed(foreign)}."
