"""What tables rest on (extensions, types, sequences, functions) and triggers, each as the statement that creates it."""

from collections.abc import Callable, Iterator, Mapping

from advisor.catalog.rows import Ask, Row
from advisor.model.catalog import ObjectKind, SchemaObject
from advisor.model.names import QualifiedName
from advisor.sql.quote import quote_identifier, quote_literal, quote_name

_OURS = """n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend e
    WHERE e.objid = {oid} AND e.classid = '{catalog}'::regclass AND e.deptype = 'e')"""

EXTENSIONS = """
SELECT e.extname AS name, n.nspname AS schema FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql' ORDER BY e.extname"""

# In the order of creation, so that a type comes after those it is made of. pg_get_constraintdef of a domain opens no
# relation.
TYPES = f"""
SELECT n.nspname AS schema, t.typname AS name, t.typtype::text AS kind, t.typnotnull AS not_null,
       t.typdefault AS "default", format_type(t.typbasetype, t.typtypmod) AS base,
       format_type(r.rngsubtype, NULL) AS subtype,
       (SELECT o.collname FROM pg_catalog.pg_collation o WHERE o.oid = t.typcollation AND o.collname IN ('C', 'POSIX')
        AND t.typtype = 'd') AS collation,
       (SELECT array_agg(l.enumlabel::text ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l
        WHERE l.enumtypid = t.oid) AS labels,
       (SELECT array_agg('CONSTRAINT ' || quote_ident(q.conname) || ' ' || pg_get_constraintdef(q.oid)
                         ORDER BY q.conname)
        FROM pg_catalog.pg_constraint q WHERE q.contypid = t.oid AND q.contype = 'c') AS checks,
       (SELECT array_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS parts
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
WHERE t.typtype IN ('e', 'd', 'c', 'r') AND (t.typtype <> 'c' OR c.relkind = 'c')
  AND {_OURS.format(oid="t.oid", catalog="pg_catalog.pg_type")} ORDER BY t.oid"""

# Without those of identity columns, which come with their column.
SEQUENCES = f"""
SELECT n.nspname AS schema, c.relname AS name, format_type(s.seqtypid, NULL) AS type, s.seqincrement AS step,
       s.seqmin AS lowest, s.seqmax AS highest, s.seqstart AS start, s.seqcycle AS cycles
FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend i WHERE i.objid = c.oid
      AND i.classid = 'pg_catalog.pg_class'::regclass AND i.deptype = 'i')
  AND {_OURS.format(oid="c.oid", catalog="pg_catalog.pg_class")} ORDER BY n.nspname, c.relname"""

# Without those that come with a range type.
FUNCTIONS = f"""
SELECT n.nspname AS schema, p.proname AS name, pg_get_functiondef(p.oid) AS definition
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind = 'f' AND p.prorettype <> 'pg_catalog.event_trigger'::regtype
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend i WHERE i.objid = p.oid
                  AND i.classid = 'pg_catalog.pg_proc'::regclass AND i.deptype = 'i')
  AND {_OURS.format(oid="p.oid", catalog="pg_catalog.pg_proc")} ORDER BY p.oid"""

# Without those that are switched off, of constraints, or a partition's share of its parent's.
TRIGGERS = f"""
SELECT n.nspname AS schema, g.tgname AS name, pg_get_triggerdef(g.oid) AS definition
FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgenabled <> 'D'
  AND {_OURS.format(oid="c.oid", catalog="pg_catalog.pg_class")} ORDER BY n.nspname, c.relname, g.tgname"""


def read_objects(ask: Ask) -> Iterator[SchemaObject]:
    """The connected database's own objects, without those that belong to an extension."""
    for row in ask(EXTENSIONS):
        place = quote_identifier(row["schema"])
        yield _object(
            "extension", row, f"CREATE EXTENSION IF NOT EXISTS {quote_identifier(row['name'])} SCHEMA {place}"
        )
    for row in ask(TYPES):
        kind, text = _TYPES[row["kind"]]
        yield _object(kind, row, text(row))
    for row in ask(SEQUENCES):
        yield _object("sequence", row, _sequence(row))
    for row in ask(FUNCTIONS):
        # Dropped by another session in this very moment.
        if row["definition"] is None:
            continue
        yield _object("function", row, row["definition"].rstrip())
    for row in ask(TRIGGERS):
        yield _object("trigger", row, row["definition"])


def _object(kind: ObjectKind, row: Row, definition: str) -> SchemaObject:
    return SchemaObject(kind=kind, name=QualifiedName(row["schema"], row["name"]), definition=definition)


def _name(row: Row) -> str:
    return quote_name(QualifiedName(row["schema"], row["name"]))


def _enum(row: Row) -> str:
    return f"CREATE TYPE {_name(row)} AS ENUM ({', '.join(map(quote_literal, row['labels'] or ()))})"


def _domain(row: Row) -> str:
    default = f"DEFAULT {row['default']}" if row["default"] else ""
    collation = f'COLLATE "{row["collation"]}"' if row["collation"] else ""
    parts = [collation, default, "NOT NULL" if row["not_null"] else "", *(row["checks"] or ())]
    return " ".join([f"CREATE DOMAIN {_name(row)} AS {row['base']}", *filter(None, parts)])


def _composite(row: Row) -> str:
    return f"CREATE TYPE {_name(row)} AS ({', '.join(row['parts'] or ())})"


def _range(row: Row) -> str:
    return f"CREATE TYPE {_name(row)} AS RANGE (SUBTYPE = {row['subtype']})"


def _sequence(row: Row) -> str:
    cycle = " CYCLE" if row["cycles"] else ""
    return (
        f"CREATE SEQUENCE {_name(row)} AS {row['type']} INCREMENT {row['step']} MINVALUE {row['lowest']} "
        f"MAXVALUE {row['highest']} START {row['start']}{cycle}"
    )


_TYPES: Mapping[str, tuple[ObjectKind, Callable[[Row], str]]] = {
    "e": ("enum", _enum),
    "d": ("domain", _domain),
    "c": ("composite", _composite),
    "r": ("range", _range),
}
