"""Tables of a catalog as DDL: columns in their order, partitions, inheritance, storage parameters."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from advisor.model.catalog import Catalog, Column, Constraint, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.schema.rebuild_run import Listing, Part, Piece, Statement, plain
from advisor.sql.quote import quote_identifier, quote_literal, quote_name

_SERIAL = re.compile(r"nextval\('(?P<name>(?:[^']|'')+)'::(?:pg_catalog\.)?regclass\)")
_TYPE = re.compile(
    r'(?P<schema>"(?:[^"]|"")+"|[^\W\d][\w$]*)\.(?P<name>"(?:[^"]|"")+"|[^\W\d][\w$]*)'
    r"(?P<modifier>\(.*\))?(?P<array>(?:\[\])*)"
)
_IDENTITY_OF_PARTITIONS = 170000
"""From here on, partitions share their parent's identity columns."""
_NAMED_NOT_NULL = 180000
"""From here on, NOT NULL is a constraint with a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the throwaway server has to offer.

    Attributes:
        collations: what COLLATE says for a collation of the catalog; None: nothing, so that the type's own serves.
        tablespaces: those that the owner may use.
        opaque: types with a stand-in, which takes no type modifier.
    """

    version_num: int
    collations: Mapping[QualifiedName, str | None]
    tablespaces: frozenset[str] = frozenset()
    opaque: frozenset[QualifiedName] = frozenset()


def named_type(text: str) -> QualifiedName | None:
    """The schema and name of a type as `format_type` prints it; None for those of `pg_catalog`, printed without."""
    match = _TYPE.fullmatch(text)
    return QualifiedName(_unquoted(match["schema"]), _unquoted(match["name"])) if match else None


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def depth(table: Table, catalog: Catalog) -> int:
    """How many tables stand above a partition or an inheritance child, at most: parents are created first."""
    level, names, seen = 0, set(parents(table)), {table.name}
    while names := {name for name in names if name in catalog.tables} - seen:
        level += 1
        seen |= names
        names = {parent for name in names for parent in parents(catalog.tables[name])}
    return level


def parents(table: Table) -> tuple[QualifiedName, ...]:
    """Of a partition or an inheritance child."""
    return (table.partition_of,) if table.partition_of else table.inherits


def create_table(table: Table, catalog: Catalog, place: Place) -> Iterator[Statement]:
    """The statements that make one table, its parents being there."""
    parent = catalog.tables.get(table.partition_of) if table.partition_of else None
    if parent is None or not table.partition_bound:
        yield _standalone(table, catalog, place)
        yield from _inherit(table)
    elif _is_like(table, parent):
        name, above = quote_name(table.name), quote_name(parent.name)
        head = f"CREATE {_persistence(table)}TABLE {name} PARTITION OF {above} {table.partition_bound}"
        yield Statement(
            what=f"the partition {table.name}",
            pieces=(head, *_tail(table, place)),
            otherwise=(_standalone(table, catalog, place), _inherits(table, parent.name)),
            compromise=_plain_child(table, parent),
        )
    else:
        yield _standalone(table, catalog, place)
        name, above = quote_name(table.name), quote_name(parent.name)
        yield Statement(
            what=f"the place of the partition {table.name} under {parent.name}",
            pieces=(f"ALTER TABLE {above} ATTACH PARTITION {name} {table.partition_bound}",),
            otherwise=(_inherits(table, parent.name),),
            compromise=_plain_child(table, parent),
        )
    yield from _owned_sequences(table)
    if table.row_security:
        text = f"ALTER TABLE {quote_name(table.name)} ENABLE ROW LEVEL SECURITY"
        yield plain(f"the row security of {table.name}", text)


def _plain_child(table: Table, parent: Table) -> str:
    return f"{table.name} is a child of {parent.name} by plain inheritance on the throwaway server, not a partition"


def _inherit(table: Table) -> Iterator[Statement]:
    """After the table itself, so that its columns keep their order."""
    yield from (_inherits(table, parent) for parent in table.inherits)


def _inherits(table: Table, parent: QualifiedName) -> Statement:
    text = f"ALTER TABLE {quote_name(table.name)} INHERIT {quote_name(parent)}"
    return plain(f"the inheritance of {table.name} from {parent}", text)


def _standalone(table: Table, catalog: Catalog, place: Place) -> Statement:
    head = f"CREATE {_persistence(table)}TABLE {quote_name(table.name)} (\n  "
    pieces: list[Piece] = []
    for column in table.columns:
        pieces.extend((",\n  " if pieces else head, *_column(column, table, catalog, place)))
    return Statement(what=f"the table {table.name}", pieces=(*(pieces or [head]), "\n)", *_tail(table, place)))


def _persistence(table: Table) -> str:
    return "UNLOGGED " if table.unlogged and table.kind == "table" else ""


def _tail(table: Table, place: Place) -> Iterator[Piece]:
    if table.partition_key:
        yield Part(text=f" PARTITION BY {table.partition_key}", label=f"the partitioning of {table.name}")
    if table.kind != "foreign_table":
        yield options(table.options, f"{table.name}")
        yield from tablespace(table.tablespace, f"{table.name}", place)


def options(texts: tuple[str, ...], owner: str) -> Listing:
    """The storage parameters of a table, view or index."""
    parts = tuple(Part(text=_option(text), label=f"the storage parameter {text} of {owner}") for text in texts)
    return Listing(before=" WITH (", parts=parts)


def _option(text: str) -> str:
    """As `flatten_reloptions` of ruleutils.c prints it."""
    name, _, value = text.partition("=")
    quoted = value if quote_identifier(value) == value else quote_literal(value).strip()
    return f"{quote_identifier(name)}={quoted}"


def tablespace(name: str | None, owner: str, place: Place) -> Iterator[Piece]:
    """Nothing where the server has none of that name."""
    if name in place.tablespaces and name:
        yield Part(text=f" TABLESPACE {quote_identifier(name)}", label=f"the tablespace of {owner}")


def _column(column: Column, table: Table, catalog: Catalog, place: Place) -> Iterator[Piece]:
    name = f"{table.name}.{column.name}"
    yield f"{quote_identifier(column.name)} "
    yield Part(
        text=column_type(column, place), label=f"the type of {name}, which is text there", instead="text", first=True
    )
    collation = column_collation(column, place)
    if collation:
        yield Part(text=f" COLLATE {collation}", label=f"the collation of {name}")
    value = _value(column, table)
    if value:
        yield Part(text=f" {value}", label=f"the default of {name}")
    yield _not_null(column, table, catalog, place)


def column_type(column: Column, place: Place) -> str:
    """Without the modifier that a stand-in would not take."""
    match = _TYPE.fullmatch(column.type)
    if match is None or not match["modifier"] or named_type(column.type) not in place.opaque:
        return column.type
    return f"{match['schema']}.{match['name']}{match['array']}"


def column_collation(column: Column, place: Place) -> str | None:
    """What COLLATE says; None where the type's own serves."""
    if column.collation is None:
        return None
    name = QualifiedName(column.collation_schema or "pg_catalog", column.collation)
    return place.collations.get(name)


def _value(column: Column, table: Table) -> str | None:
    identity = table.partition_of is None
    if column.generated == "identity_always":
        return "GENERATED ALWAYS AS IDENTITY" if identity else None
    if column.generated == "identity_default":
        return "GENERATED BY DEFAULT AS IDENTITY" if identity else None
    if not column.default:
        return None
    if column.generated in ("stored", "virtual"):
        return f"GENERATED ALWAYS AS ({column.default}) {column.generated.upper()}"
    return f"DEFAULT {column.default}"


def _not_null(column: Column, table: Table, catalog: Catalog, place: Place) -> str:
    if not column.not_null:
        return ""
    if catalog.server_version_num >= _NAMED_NOT_NULL:
        named = _not_null_constraint(column, table)
        if named is None and column.type_kind == "d":
            # It is the domain that takes no NULL.
            return ""
        if named is not None and place.version_num >= _NAMED_NOT_NULL:
            if not named.validated:
                return ""
            own = " NO INHERIT" if named.definition.endswith(" NO INHERIT") else ""
            return f" CONSTRAINT {quote_identifier(named.name)} NOT NULL{own}"
    return " NOT NULL"


def _not_null_constraint(column: Column, table: Table) -> Constraint | None:
    return next((c for c in table.constraints if c.kind == "not_null" and c.columns == (column.name,)), None)


def _is_like(table: Table, parent: Table) -> bool:
    """Whether a partition's columns are what PARTITION OF would make of its parent's."""
    return [_signature(column) for column in table.columns] == [_signature(column) for column in parent.columns]


def _signature(column: Column) -> tuple[object, ...]:
    computed = column.generated if column.generated in ("stored", "virtual") else None
    return (
        column.name,
        column.type,
        column.collation,
        column.collation_schema,
        column.default,
        computed,
        column.not_null,
    )


def _owned_sequences(table: Table) -> Iterator[Statement]:
    """As `serial` does it: the sequence belongs to the column."""
    for column in table.columns:
        serial = _SERIAL.fullmatch(column.default or "")
        if serial and not table.partition_of:
            owner = f"{quote_name(table.name)}.{quote_identifier(column.name)}"
            sequence = serial["name"].replace("''", "'")
            yield plain(f"the owner of the sequence {sequence}", f"ALTER SEQUENCE {sequence} OWNED BY {owner}")
