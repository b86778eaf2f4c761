"""Query levels under construction: what a FROM list brings into sight and which column a name means.

The rules are those of PostgreSQL's parser (`src/backend/parser/parse_relation.c`): a qualified name is looked for by
alias from the innermost level outwards; a bare one in all relations of a level before the next outer one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from advisor.model.catalog import Catalog, Table
from advisor.model.usage import ColumnReference, OrderTerm, Predicate, Scope, TableUse, Value

SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})
"""Columns that every table has and no index can serve."""

Columns = tuple[str, ...] | None
"""The names of a relation's columns; None where they are not known."""


@dataclass(slots=True)
class Relation:
    """A relation of a FROM list. `renamed` maps the names an alias list gives to the table's own."""

    alias: str
    table: Table | None
    columns: Columns
    schema: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    nullable: bool = False
    target: bool = False
    scalar: bool = False
    """A function of one column, which goes by the alias: `generate_series(1, 3) AS n`."""
    visible: str = ""
    """The name it goes by in the text; `alias` is that, made unique."""

    def has(self, column: str) -> bool | None:
        """Whether it has a column of that visible name; None where that is not known."""
        if self.columns is not None and column in self.columns:
            return True
        if self.table is not None and column in SYSTEM_COLUMNS:
            return True
        return None if self.columns is None else False

    def reference(self, column: str) -> ColumnReference:
        """The reference to a visible column by the table's own name for it."""
        return ColumnReference(self.alias, self.renamed.get(column, column))


@dataclass(slots=True)
class Condition:
    """A conjunct as written. `only_when` maps aliases to the one whose outer join's ON holds it; empty for WHERE."""

    node: Message
    only_when: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    """The `only_when` of any other alias."""
    using: tuple[ColumnReference | None, ColumnReference | None] | None = None
    """The two columns of a USING or NATURAL join, which has no condition of its own."""

    def when(self, alias: str) -> str | None:
        """The `only_when` of a predicate about that alias."""
        return self.only_when.get(alias, self.default)


@dataclass(slots=True)
class Level:
    """A `Scope` being built. `parent` is where names not found here are looked for."""

    depth: int
    parent: "Level | None"
    catalog: Catalog
    ctes: Mapping[str, Columns] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)
    hidden: list[Relation] = field(default_factory=list)
    """Seen by name resolution only (`excluded` of ON CONFLICT, siblings of a LATERAL level)."""
    merged: dict[str, ColumnReference | None] = field(default_factory=dict)
    join_aliases: dict[str, tuple[Relation, ...]] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    predicates: list[Predicate] = field(default_factory=list)
    alternatives: list[tuple[tuple[Predicate, ...], ...]] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    order_by: tuple[OrderTerm, ...] = ()
    group_by: tuple[OrderTerm, ...] = ()
    distinct: bool = False
    aggregates: bool = False
    windows: bool = False
    limit: bool = False
    limit_value: Value | None = None
    offset: bool = False
    locking: bool = False
    correlated: bool = False
    reached: int = 0
    """How often a level below mentioned a column of this one."""
    row_subqueries: set[int] = field(default_factory=set)
    """The locations of subqueries that depend on this level's rows."""
    star: bool = False
    outputs: dict[ColumnReference, None] = field(default_factory=dict)
    used: dict[ColumnReference, None] = field(default_factory=dict)

    def add(self, relation: Relation) -> Relation:
        """Take a relation in, its alias made unique within the level."""
        relation.visible = relation.alias
        taken = {other.alias for other in self.relations}
        if relation.alias in taken and relation.schema:
            relation.alias = f"{relation.schema}.{relation.alias}"
        number = 1
        while relation.alias in taken:
            number += 1
            relation.alias = f"{relation.visible}_{number}"
        self.relations.append(relation)
        return relation

    def lineage(self) -> Iterator["Level"]:
        """This level and those around it, innermost first."""
        level: Level | None = self
        while level is not None:
            yield level
            level = level.parent

    def scope(self) -> Scope:
        """The finished value."""
        return Scope(
            depth=self.depth,
            tables=tuple(_table_use(relation) for relation in self.relations),
            predicates=tuple(dict.fromkeys(self.predicates)),
            alternatives=tuple(self.alternatives),
            unresolved=tuple(self.unresolved),
            order_by=self.order_by,
            group_by=self.group_by,
            distinct=self.distinct,
            aggregates=self.aggregates,
            windows=self.windows,
            limit=self.limit,
            limit_value=self.limit_value,
            offset=self.offset,
            locking=self.locking,
            correlated=self.correlated,
            star=self.star,
            outputs=tuple(self.outputs),
            columns_used=tuple(self.used),
        )


def _table_use(relation: Relation) -> TableUse:
    name = relation.table.name if relation.table else None
    return TableUse(alias=relation.alias, table=name, nullable=relation.nullable, target=relation.target)


@dataclass(frozen=True, slots=True)
class Found:
    """A column and the level it belongs to."""

    level: Level
    reference: ColumnReference


def names_of(column: pb.ColumnRef) -> tuple[str, ...] | None:
    """The parts of a column's name; None for a star."""
    if any(not part.HasField("string") for part in column.fields):
        return None
    return tuple(part.string.sval for part in column.fields)


def resolve(level: Level, names: tuple[str, ...]) -> Found | None:
    """Which column a name means: None where it is nowhere, ambiguous, or a whole row."""
    for candidate in level.lineage():
        found, stop = _within(candidate, names)
        if found is not None:
            return Found(candidate, found)
        if stop:
            return None
    return None


def resolve_here(level: Level, names: tuple[str, ...]) -> ColumnReference | None:
    """Which column of this very level a name means."""
    return _within(level, names)[0]


def _within(level: Level, names: tuple[str, ...]) -> tuple[ColumnReference | None, bool]:
    """The column of that name in one level; and, where there is none, whether looking further out would be wrong."""
    relations = [*level.relations, *level.hidden]
    if len(names) == 1:
        return _unqualified(level, relations, names[0])
    schema = names[-3] if len(names) > 2 else None
    for relation in qualified(relations, names[-2], schema):
        return (relation.reference(names[-1]) if relation.has(names[-1]) is not False else None), True
    if len(names) == 2 and names[0] in level.join_aliases:
        owners = [relation for relation in level.join_aliases[names[0]] if relation.has(names[1])]
        return (owners[0].reference(names[1]) if owners else None), True
    # `alias.column.field` of a composite column.
    if len(names) == 3:
        for relation in qualified(relations, names[0], None):
            if relation.has(names[1]):
                return None, True
    return None, False


def _unqualified(level: Level, relations: list[Relation], name: str) -> tuple[ColumnReference | None, bool]:
    if name in level.merged:
        return level.merged[name], True
    certain = [relation for relation in relations if relation.has(name)]
    if certain:
        # Twice is an error for the server (or the merged column of a join with unknown columns).
        return (certain[0].reference(name) if len(certain) == 1 else None), True
    for relation in relations:
        if relation.visible == name:
            return (relation.reference(name) if relation.scalar else None), True
    possible = [relation for relation in relations if relation.has(name) is None]
    if not possible:
        return None, False
    outside = any(
        relation.has(name) is not False for outer in list(level.lineage())[1:] for relation in outer.relations
    )
    return (possible[0].reference(name) if len(possible) == 1 and not outside else None), True


def qualified(relations: Iterable[Relation], alias: str, schema: str | None) -> Iterator[Relation]:
    """The relations that a qualifier names."""
    for relation in relations:
        if relation.visible == alias and (schema is None or schema == relation.schema):
            yield relation


def whole_row(level: Level, names: tuple[str, ...]) -> tuple[Level, Relation] | None:
    """The relation that a bare name means as a row (`SELECT t FROM t`)."""
    if len(names) != 1:
        return None
    for candidate in level.lineage():
        for relation in candidate.relations:
            if relation.visible == names[0] and not relation.has(names[0]):
                return candidate, relation
    return None


def mention(level: Level, found: Found) -> None:
    """Note that a level mentions a column: it is used where it belongs, and the levels between are correlated."""
    found.level.used.setdefault(found.reference)
    if found.level is not level:
        found.level.reached += 1
    for inner in level.lineage():
        if inner is found.level:
            return
        inner.correlated = True


def relation_of(level: Level, schema: str | None, relname: str) -> Relation:
    """A relation for a name of a FROM list: a CTE of the level, else what the catalog has, else an unknown one."""
    if schema is None and relname in level.ctes:
        return Relation(alias=relname, table=None, columns=level.ctes[relname])
    table = level.catalog.resolve(relname, schema)
    columns = tuple(column.name for column in table.columns) if table else None
    return Relation(alias=relname, table=table, columns=columns, schema=table.name.schema if table else schema)
