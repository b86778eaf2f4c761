"""A catalog as DDL, in an order that works but for what depends on each other."""

import re
from collections.abc import Iterator, Mapping, Sequence

from advisor.model.catalog import Catalog, Constraint, Index, ObjectKind, SchemaObject, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.schema.rebuild_run import Statement, plain
from advisor.sandbox.schema.rebuild_tables import Place, create_table, depth, options, parents, tablespace
from advisor.sql.quote import quote_identifier, quote_name

STORED = frozenset({"table", "partitioned_table", "foreign_table"})
"""What is built as a table."""

_BACKED_BY_INDEX = frozenset({"primary_key", "unique", "exclusion"})

_FORMS: Mapping[ObjectKind | str, re.Pattern[str]] = {
    "enum": re.compile(r"\s*CREATE\s+TYPE\s", re.I),
    "composite": re.compile(r"\s*CREATE\s+TYPE\s", re.I),
    "range": re.compile(r"\s*CREATE\s+TYPE\s", re.I),
    "domain": re.compile(r"\s*CREATE\s+DOMAIN\s", re.I),
    "sequence": re.compile(r"\s*CREATE\s+SEQUENCE\s", re.I),
    "function": re.compile(r"\s*CREATE\s+(OR\s+REPLACE\s+)?FUNCTION\s", re.I),
    "trigger": re.compile(r"\s*CREATE\s+(OR\s+REPLACE\s+)?(CONSTRAINT\s+)?TRIGGER\s", re.I),
    "index": re.compile(r"\s*CREATE\s+(UNIQUE\s+)?INDEX\s", re.I),
    "statistics": re.compile(r"\s*CREATE\s+STATISTICS\s", re.I),
}
"""What a definition in a catalog may be: a snapshot is anybody's text."""

_LANGUAGE = re.compile(r"^ LANGUAGE (?!sql\b|plpgsql\b)(\S+)", re.M)
_RETURNS = re.compile(r"^ RETURNS (?P<set>SETOF |TABLE\()?(?P<type>.*)$", re.M)
_OUT_PARAMETER = re.compile(r"[(,]\s*(?:OUT|INOUT) ")


def is_form(kind: ObjectKind | str, text: str) -> bool:
    """Whether a definition is the statement that it is said to be."""
    return bool(_FORMS[kind].match(text))


def schemas(catalog: Catalog, types: frozenset[QualifiedName]) -> Iterator[Statement]:
    """All schemas that anything in the catalog lies in, and those of the types its columns have."""
    names = {name.schema for name in catalog.tables} | {thing.name.schema for thing in catalog.objects}
    names |= {name.schema for name in types} | {statistics.name.schema for statistics in catalog.extended_statistics}
    names |= {collation.name.schema for collation in catalog.collations}
    for schema in sorted(names - {"", "public", "information_schema"}):
        if schema.startswith("pg_"):
            continue
        yield plain(f"the schema {schema}", f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(schema)}")


def objects(catalog: Catalog) -> Iterator[Statement]:
    """Types, sequences and functions."""
    for thing in catalog.objects:
        if thing.kind not in ("extension", "trigger") and is_form(thing.kind, thing.definition):
            yield _object(thing)


def _object(thing: SchemaObject) -> Statement:
    what = f"the {thing.kind} {thing.name}"
    stub = _stub(thing.definition) if thing.kind == "function" else None
    if stub is None:
        return plain(what, thing.definition)
    compromise = f"A function that only returns NULL stands in for {thing.name} on the throwaway server"
    return Statement(what=what, pieces=(thing.definition,), otherwise=(plain(what, stub),), compromise=compromise)


def _stub(definition: str) -> str | None:
    """A function in another language as one in PL/pgSQL of the same signature, volatility, cost and rows."""
    head, mark, _ = definition.partition("\nAS ")
    language = _LANGUAGE.search(head)
    if not mark or language is None:
        return None
    returns = _RETURNS.search(head)
    if returns is None or returns["set"] or _OUT_PARAMETER.search(head[: returns.start()]):
        body = "RETURN;"
    else:
        body = {"void": "RETURN;", "trigger": "RETURN NEW;"}.get(returns["type"].strip(), "RETURN NULL;")
    return f"{head[: language.start()]} LANGUAGE plpgsql{head[language.end() :]}\nAS $stub$ BEGIN {body} END $stub$"


def table_groups(catalog: Catalog, place: Place) -> Iterator[Sequence[Statement]]:
    """Tables with their indexes and checks, in groups that do not need each other: a tree of tables is one group."""
    levels = {name: depth(table, catalog) for name, table in catalog.tables.items()}
    for names in _trees(catalog):
        tables = [catalog.tables[name] for name in sorted(names, key=lambda name: (levels[name], name))]
        yield [*_group(tables, catalog, place)]


def _group(tables: Sequence[Table], catalog: Catalog, place: Place) -> Iterator[Statement]:
    for table in tables:
        yield from create_table(table, catalog, place)
    # A parent's index takes in those of its partitions that are like it, under their own names; so those come first.
    for table in reversed(tables):
        yield from _indexes(table, catalog, place, inherited=True)
    for table in tables:
        yield from _indexes(table, catalog, place, inherited=False)
    for table in tables:
        yield from _constraints(table, {"check", "not_null"}, catalog, place)


def _trees(catalog: Catalog) -> Iterator[Sequence[QualifiedName]]:
    """The stored tables by what they inherit from each other, in the order of the first names."""
    group_of: dict[QualifiedName, list[QualifiedName]] = {
        name: [name] for name, table in sorted(catalog.tables.items()) if table.kind in STORED
    }
    for name in tuple(group_of):
        for parent in parents(catalog.tables[name]):
            mine, theirs = group_of[name], group_of.get(parent)
            if theirs is not None and theirs is not mine:
                theirs.extend(mine)
                group_of.update(dict.fromkeys(mine, theirs))
    seen: set[int] = set()
    for group in group_of.values():
        if id(group) not in seen:
            seen.add(id(group))
            yield group


def between_tables(catalog: Catalog, place: Place) -> Iterator[Statement]:
    """Foreign keys, views, statistics objects, triggers, for when the tables are there.

    Not in it: rules, policies, owners and grants, what ALTER COLUMN … SET STATISTICS said.
    """
    tables = [table for _, table in sorted(catalog.tables.items())]
    for table in tables:
        if table.kind in STORED:
            yield from _constraints(table, {"foreign_key"}, catalog, place)
    for table in tables:
        yield from _view(table, place)
    for table in tables:
        if table.kind == "materialized_view":
            yield from _indexes(table, catalog, place, inherited=False)
    yield from _on_tables(catalog)


def _on_tables(catalog: Catalog) -> Iterator[Statement]:
    for statistics in catalog.extended_statistics:
        if is_form("statistics", statistics.definition):
            yield plain(f"the statistics object {statistics.name}", statistics.definition)
    for thing in catalog.objects:
        if thing.kind == "trigger" and is_form("trigger", thing.definition):
            yield plain(f"the trigger {thing.name}", thing.definition)


def _view(table: Table, place: Place) -> Iterator[Statement]:
    if not table.definition or table.kind not in ("view", "materialized_view"):
        return
    kind = table.kind.replace("_", " ")
    query = table.definition.rstrip().rstrip(";")
    head, what = f"CREATE {kind.upper()} {quote_name(table.name)}", f"the {kind} {table.name}"
    if table.kind == "view":
        yield Statement(what=what, pieces=(head, options(table.options, f"{table.name}"), f" AS {query}"))
        return
    place_of = tuple(tablespace(table.tablespace, f"{table.name}", place))
    yield Statement(
        what=what,
        pieces=(head, options(table.options, f"{table.name}"), *place_of, f" AS {query}"),
        otherwise=(plain(what, f"{head} AS {query}\nWITH NO DATA"),),
        compromise=f"The query of {what} was not run on the throwaway server",
    )


def _indexes(table: Table, catalog: Catalog, place: Place, *, inherited: bool) -> Iterator[Statement]:
    """Those of the table's indexes and index-backed constraints that do (or do not) belong to the parent's."""
    backed = {index.constraint: index for index in table.indexes if index.constraint}
    for constraint in table.constraints:
        if constraint.kind in _BACKED_BY_INDEX:
            index = backed.get(constraint.name)
            if index is None and _inherited(constraint, table, catalog):
                continue
            if (index is not None and index.inherited) == inherited:
                yield _add_constraint(constraint)
                yield from _index_storage(index, place) if index else ()
    for index in table.indexes:
        if index.valid and not index.constraint and index.inherited == inherited and is_form("index", index.definition):
            yield _create_index(index, table)
            yield from _index_tablespace(index, place)


def _create_index(index: Index, table: Table) -> Statement:
    text, what = index.definition, f"the index {_index_name(index)}"
    if table.kind == "partitioned_table":
        # pg_get_indexdef says ONLY there, which would leave the partitions without theirs.
        name = quote_identifier(index.name)
        text = text.replace(f"INDEX {name} ON ONLY ", f"INDEX {name} ON ", 1)
    listing = options(index.options, f"{_index_name(index)}")
    clause = f"{listing.before}{', '.join(part.text for part in listing.parts)}{listing.after}"
    before, found, after = text.partition(clause)
    if not listing.parts or not found:
        return plain(what, text)
    return Statement(what=what, pieces=(before, listing, after))


def _index_name(index: Index) -> QualifiedName:
    return QualifiedName(index.table.schema, index.name)


def _index_storage(index: Index, place: Place) -> Iterator[Statement]:
    """Of an index that backs a constraint, whose definition tells neither."""
    name = _index_name(index)
    for part in options(index.options, f"{name}").parts:
        yield plain(part.label, f"ALTER INDEX {quote_name(name)} SET ({part.text})")
    yield from _index_tablespace(index, place)


def _index_tablespace(index: Index, place: Place) -> Iterator[Statement]:
    name = _index_name(index)
    for _ in tablespace(index.tablespace, "", place):
        text = f"ALTER INDEX {quote_name(name)} SET TABLESPACE {quote_identifier(index.tablespace or '')}"
        yield plain(f"the tablespace of {name}", text)


def _constraints(table: Table, kinds: set[str], catalog: Catalog, place: Place) -> Iterator[Statement]:
    for constraint in table.constraints:
        if constraint.kind not in kinds or _inherited(constraint, table, catalog):
            continue
        if constraint.kind != "not_null" or (not constraint.validated and place.version_num >= 180000):
            yield _add_constraint(constraint)


def _add_constraint(constraint: Constraint) -> Statement:
    table, name = quote_name(constraint.table), quote_identifier(constraint.name)
    text = f"ALTER TABLE {table} ADD CONSTRAINT {name} {constraint.definition}"
    return plain(f"the constraint {constraint.name} of {constraint.table}", text)


def _inherited(constraint: Constraint, table: Table, catalog: Catalog) -> bool:
    """Whether it comes by itself: a partition's from its parent, a child's checks, a reference to a partition."""
    if constraint.referenced_table and any(_covers(other, constraint, catalog) for other in table.constraints):
        return True
    if table.partition_of is None and constraint.kind != "check":
        return False
    parents = (table.partition_of,) if table.partition_of else table.inherits
    above = [parent for name in parents if (parent := catalog.tables.get(name))]
    return any(_alike(constraint, other) for parent in above for other in parent.constraints if not _is_own(other))


def _covers(reference: Constraint, other: Constraint, catalog: Catalog) -> bool:
    """Whether a foreign key is to a partitioned table that another one's table is a partition of."""
    if reference.columns != other.columns or reference.referenced_columns != other.referenced_columns:
        return False
    name, steps = other.referenced_table, 0
    while name is not None and steps <= len(catalog.tables):
        table = catalog.tables.get(name)
        name, steps = table.partition_of if table else None, steps + 1
        if name is not None and name == reference.referenced_table:
            return True
    return False


def _alike(constraint: Constraint, other: Constraint) -> bool:
    if constraint.kind == "check" and constraint.name != other.name:
        return False
    return (constraint.kind, constraint.columns) == (other.kind, other.columns)


def _is_own(constraint: Constraint) -> bool:
    return constraint.definition.endswith(" NO INHERIT")
