"""What the rows of a table must satisfy, read from the sandbox itself: types, keys, checks, partitions, triggers."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from advisor.model.names import QualifiedName
from advisor.sql.quote import quote_identifier, quote_name

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnShape:
    """A column's type below any domain.

    Attributes:
        base, base_name: the type under the domains as SQL with its modifier (`numeric(10,2)`), and its catalog name.
        kind: `pg_type.typtype` of it: b base, e enum, c composite, r range, m multirange.
        length: the modifier of varchar, char, bit and alike; precision: (digits, scale) of a numeric.
        element: of an array its elements, of a range or multirange its bounds.
        range_function: the constructor of the range type.
        attributes: how many attributes a composite has.
        computed: the server computes it; fixed_width: values have one width in bytes.
        checks: the domains' conditions, with this column in the place of VALUE.
    """

    name: str
    base: str
    base_name: str
    kind: str = "b"
    length: int | None = None
    precision: tuple[int, int] | None = None
    labels: tuple[str, ...] = ()
    element: "ColumnShape | None" = None
    range_function: str = ""
    attributes: int = 0
    not_null: bool = False
    computed: bool = False
    fixed_width: bool = False
    sequence: str | None = None
    checks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key; `add` is the statement that makes it again."""

    name: str
    table: QualifiedName
    columns: tuple[str, ...]
    parent: QualifiedName
    parent_columns: tuple[str, ...]
    add: str
    drop: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """A table that rows go into: an ordinary one or the root of a partition tree.

    Attributes:
        keys: column sets that are unique (whole-table unique indexes on plain columns).
        soft_keys: column sets that unique indexes over expressions or some of the rows depend on.
        guarded: it has unique or exclusion rules that `keys` cannot tell: over expressions or some of the rows.
        checks: conditions over the columns, as SQL.
        bounds: the partitions' bounds as `pg_get_expr` prints them; partition_columns: the root's key columns.
        partition_filter: a condition that is true where some partition takes the row; empty where not needed.
        pause, resume: statements that switch triggers and rules off and on again.
        indexes: (drop, create) statements of the indexes that are made again after the load.
    """

    name: QualifiedName
    columns: tuple[ColumnShape, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    soft_keys: tuple[tuple[str, ...], ...] = ()
    guarded: bool = False
    checks: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    partition_columns: tuple[str, ...] = ()
    partition_filter: str = ""
    pause: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    indexes: tuple[tuple[str, str], ...] = ()

    @property
    def sql(self) -> str:
        """The table's name as SQL."""
        return quote_name(self.name)


_TARGETS = """
targets AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))"""

_COLUMNS = f"""
WITH RECURSIVE {_TARGETS},
base AS (
    SELECT a.attrelid, a.attnum, a.atttypid AS type, a.atttypmod AS typmod, ARRAY[a.atttypid] AS chain
    FROM pg_catalog.pg_attribute a JOIN targets r ON r.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT b.attrelid, b.attnum, t.typbasetype, t.typtypmod, b.chain || t.typbasetype
    FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
)
SELECT a.attrelid::bigint AS relation, a.attname AS name, b.type::bigint AS type, b.typmod,
       a.attnotnull OR EXISTS (SELECT FROM pg_catalog.pg_type d
                               WHERE d.oid = ANY (b.chain) AND d.typnotnull) AS not_null,
       a.attgenerated <> '' AS computed,
       CASE WHEN a.attidentity <> '' OR pg_get_expr(e.adbin, e.adrelid) ~ '^nextval' THEN
            coalesce(pg_get_serial_sequence(format('%I.%I', r.nspname, r.relname), a.attname),
                     substring(pg_get_expr(e.adbin, e.adrelid) FROM $$^nextval\\('(.*)'::regclass\\)$$))
            END AS sequence,
       (SELECT array_agg(pg_get_constraintdef(q.oid) ORDER BY q.conname) FROM pg_catalog.pg_constraint q
        WHERE q.contypid = ANY (b.chain) AND q.contype = 'c') AS checks
FROM base b
JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype <> 'd'
JOIN pg_catalog.pg_attribute a ON a.attrelid = b.attrelid AND a.attnum = b.attnum
JOIN targets r ON r.oid = a.attrelid
LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
ORDER BY a.attrelid, a.attnum"""

# Types that a column, an array or a range leads to; domains inside arrays and ranges are taken at their base.
_TYPES = """
SELECT t.oid::bigint AS oid, t.typname AS name, t.typtype::text AS kind, t.typlen, t.typcategory::text AS category,
       CASE WHEN t.typtype = 'd' THEN t.typbasetype::bigint
            WHEN t.typtype = 'r' THEN (SELECT g.rngsubtype::bigint FROM pg_catalog.pg_range g WHERE g.rngtypid = t.oid)
            WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem::bigint END AS element,
       format_type(t.oid, NULL) AS sql,
       (SELECT array_agg(l.enumlabel::text ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l
        WHERE l.enumtypid = t.oid) AS labels,
       (SELECT count(*)::int FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS attributes
FROM pg_catalog.pg_type t WHERE t.typtype IN ('b', 'e', 'r', 'm', 'd') OR t.typtype = 'c'"""

_MULTIRANGES = "SELECT rngmultitypid::bigint AS multirange, rngtypid::bigint AS range FROM pg_catalog.pg_range"

_RELATIONS = f"""
WITH {_TARGETS}
SELECT r.oid::bigint AS oid, r.nspname AS schema, r.relname AS name, r.relkind = 'p' AS partitioned,
       (SELECT array_agg(pg_get_constraintdef(q.oid) ORDER BY q.conname) FROM pg_catalog.pg_constraint q
        WHERE q.conrelid = r.oid AND q.contype = 'c') AS checks,
       (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_partitioned_table p
        CROSS JOIN unnest(p.partattrs::int2[]) k JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = k
        WHERE p.partrelid = r.oid AND k <> 0) AS partition_columns,
       (SELECT p.partnatts FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = r.oid) AS partition_keys,
       (SELECT array_agg(pg_get_expr(c.relpartbound, c.oid) ORDER BY c.oid) FROM pg_catalog.pg_inherits i
        JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = r.oid AND c.relispartition) AS bounds,
       CASE WHEN r.relkind = 'p' THEN
            (SELECT array_agg(pg_get_partition_constraintdef(t.relid)) FROM pg_partition_tree(r.oid) t WHERE t.isleaf
             AND t.level > 0) END AS leaves,
       CASE WHEN r.relkind = 'p' THEN (SELECT max(t.level) FROM pg_partition_tree(r.oid) t) END AS depth,
       (SELECT array_agg(ARRAY[g.tgname::text, g.tgenabled::text]) FROM pg_catalog.pg_trigger g
        WHERE g.tgrelid = r.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D') AS triggers,
       (SELECT array_agg(ARRAY[w.rulename::text, w.ev_enabled::text]) FROM pg_catalog.pg_rewrite w
        WHERE w.ev_class = r.oid AND w.ev_enabled <> 'D') AS rules
FROM targets r ORDER BY r.nspname, r.relname"""

_INDEXES = f"""
WITH {_TARGETS}
SELECT i.indrelid::bigint AS relation, i.indisunique AS is_unique, i.indisexclusion AS exclusion,
       i.indpred IS NOT NULL OR i.indexprs IS NOT NULL AS special, n.nspname AS schema, c.relname AS name,
       c.relkind = 'i' AND NOT i.indisclustered AND NOT i.indisreplident AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_constraint q WHERE q.conindid = i.indexrelid) AS loose,
       pg_get_indexdef(i.indexrelid) AS definition,
       (SELECT array_agg(DISTINCT a.attname::text) FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid
          AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0) AS depends,
       (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.n <= i.indnkeyatts) AS columns
FROM targets r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indislive ORDER BY c.relname"""

_FOREIGN_KEYS = f"""
WITH {_TARGETS}
SELECT q.conname AS name, r.nspname AS schema, r.relname AS table, n.nspname AS parent_schema, c.relname AS parent,
       pg_get_constraintdef(q.oid) AS definition,
       (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(q.conkey) WITH ORDINALITY k(attnum, n)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = q.conrelid AND a.attnum = k.attnum) AS columns,
       (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(q.confkey) WITH ORDINALITY k(attnum, n)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = q.confrelid AND a.attnum = k.attnum) AS parent_columns
FROM targets r JOIN pg_catalog.pg_constraint q ON q.conrelid = r.oid AND q.contype = 'f' AND q.conparentid = 0
JOIN pg_catalog.pg_class c ON c.oid = q.confrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY r.nspname, r.relname, q.conname"""


def read_shapes(connection: psycopg.Connection[Any]) -> tuple[dict[QualifiedName, TableShape], tuple[ForeignKey, ...]]:
    """The user's tables and foreign keys as they are in the sandbox. Raises psycopg.Error."""
    types = {row["oid"]: row for row in _rows(connection, _TYPES)}
    ranges = {}
    if connection.info.server_version >= 140000:
        ranges = {row["multirange"]: row["range"] for row in _rows(connection, _MULTIRANGES)}
    columns = _grouped(_rows(connection, _COLUMNS))
    indexes = _grouped(_rows(connection, _INDEXES))
    shapes = {}
    for row in _rows(connection, _RELATIONS):
        oid = row["oid"]
        made = tuple(_column(column, types, ranges) for column in columns.get(oid, ()))
        name = QualifiedName(row["schema"], row["name"])
        shapes[name] = _table(name, row, made, indexes.get(oid, ()))
    return shapes, tuple(_foreign_key(row) for row in _rows(connection, _FOREIGN_KEYS))


def _rows(connection: psycopg.Connection[Any], query: str) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return list(cursor.execute(query.encode()).fetchall())


def _grouped(rows: Iterable[Row]) -> dict[int, list[Row]]:
    groups: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["relation"]].append(row)
    return groups


def _table(name: QualifiedName, row: Row, columns: tuple[ColumnShape, ...], indexes: Sequence[Row]) -> TableShape:
    unique = [index for index in indexes if index["is_unique"]]
    loose = [index for index in indexes if index["loose"] and not index["is_unique"]]
    keyed_by_columns = len(row["partition_columns"] or ()) == (row["partition_keys"] or 0) == 1
    return TableShape(
        name=name,
        columns=columns,
        keys=tuple(dict.fromkeys(tuple(index["columns"]) for index in unique if not index["special"])),
        soft_keys=tuple(tuple(index["depends"]) for index in unique if index["special"] and index["depends"]),
        guarded=any(index["special"] for index in unique) or any(index["exclusion"] for index in indexes),
        checks=tuple(_condition(text) for text in row["checks"] or ()),
        bounds=tuple(bound for bound in row["bounds"] or () if bound),
        partition_columns=tuple(row["partition_columns"] or ()),
        partition_filter="" if keyed_by_columns and row["depth"] == 1 else _any_leaf(row["leaves"]),
        pause=tuple(_switches(name, row, on=False)),
        resume=tuple(_switches(name, row, on=True)),
        indexes=tuple(
            (f"DROP INDEX {quote_name(QualifiedName(index['schema'], index['name']))}", index["definition"])
            for index in loose
        ),
    )


def _any_leaf(conditions: Sequence[str | None] | None) -> str:
    """True where a partition takes the row; a leaf without a condition is a default partition that stands alone."""
    if not conditions or any(condition is None for condition in conditions):
        return ""
    return " OR ".join(f"({condition})" for condition in conditions)


def _switches(name: QualifiedName, row: Row, *, on: bool) -> Iterable[str]:
    enable = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}
    for kind, found in (("TRIGGER", row["triggers"]), ("RULE", row["rules"])):
        for item, state in found or ():
            verb = enable[state] if on else "DISABLE"
            yield f"ALTER TABLE {quote_name(name)} {verb} {kind} {quote_identifier(item)}"


def _column(row: Row, types: Mapping[int, Row], ranges: Mapping[int, int]) -> ColumnShape:
    shape = _type(row["name"], row["type"], row["typmod"], types, ranges)
    place = quote_identifier(row["name"])
    return ColumnShape(
        name=row["name"],
        base=shape.base,
        base_name=shape.base_name,
        kind=shape.kind,
        length=shape.length,
        precision=shape.precision,
        labels=shape.labels,
        element=shape.element,
        range_function=shape.range_function,
        attributes=shape.attributes,
        fixed_width=shape.fixed_width,
        not_null=row["not_null"],
        computed=row["computed"],
        sequence=row["sequence"],
        checks=tuple(_with_value(_condition(text), place) for text in row["checks"] or ()),
    )


def _type(name: str, oid: int, typmod: int, types: Mapping[int, Row], ranges: Mapping[int, int]) -> ColumnShape:
    found = types[oid]
    if found["kind"] == "d":
        return _type(name, found["element"], -1, types, ranges)
    array = found["category"] == "A" and found["element"] is not None
    ranged = ranges.get(oid, oid) if found["kind"] in ("r", "m") else None
    inner = types[ranged]["element"] if ranged else found["element"] if array else None
    sql, length, precision = _modified(found, typmod)
    return ColumnShape(
        name=name,
        base=sql,
        base_name=found["name"],
        kind=found["kind"],
        length=length,
        precision=precision,
        labels=tuple(found["labels"] or ()),
        element=_type(name, inner, typmod if array else -1, types, ranges) if inner else None,
        range_function=types[ranged]["sql"] if ranged else "",
        attributes=found["attributes"] or 0,
        fixed_width=found["typlen"] > 0,
    )


def _modified(row: Row, typmod: int) -> tuple[str, int | None, tuple[int, int] | None]:
    """The type as SQL, its length and its precision (backend/utils/adt: varchar.c, varbit.c, numeric.c)."""
    name, sql = row["name"], row["sql"]
    if name == "bpchar":
        length = typmod - 4 if typmod > 4 else None
        return (f"character({length})" if length else "bpchar"), length, None
    if typmod < 0:
        return sql, None, None
    if name == "varchar":
        return f"{sql}({typmod - 4})", typmod - 4, None
    if name in ("bit", "varbit", "vector"):
        return f"{sql}({typmod})", typmod, None
    if name == "numeric":
        digits, scale = (typmod - 4) >> 16 & 0xFFFF, (((typmod - 4) & 0x7FF) ^ 1024) - 1024
        return f"numeric({digits},{scale})", None, (digits, scale)
    return sql, None, None


def _condition(definition: str) -> str:
    """The expression of `CHECK (…) NO INHERIT NOT VALID`."""
    text = re.sub(r"^CHECK\s*", "", definition)
    return text[: text.rindex(")") + 1]


def _with_value(condition: str, column: str) -> str:
    """A domain's condition with VALUE, outside of quotes, replaced by the column."""
    parts = re.split(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")", condition)
    return "".join(part if n % 2 else re.sub(r"\bVALUE\b", lambda _: column, part) for n, part in enumerate(parts))


def _foreign_key(row: Row) -> ForeignKey:
    table = QualifiedName(row["schema"], row["table"])
    alter = f"ALTER TABLE {quote_name(table)}"
    name = quote_identifier(row["name"])
    return ForeignKey(
        name=row["name"],
        table=table,
        columns=tuple(row["columns"]),
        parent=QualifiedName(row["parent_schema"], row["parent"]),
        parent_columns=tuple(row["parent_columns"]),
        add=f"{alter} ADD CONSTRAINT {name} {row['definition']}",
        drop=f"{alter} DROP CONSTRAINT {name}",
    )
