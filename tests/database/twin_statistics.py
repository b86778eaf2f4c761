"""Originals with every kind of statistics, and `pg_statistic` itself, to compare with."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from advisor.catalog.read import read_catalog
from advisor.model.catalog import Catalog, ColumnStatistics
from advisor.model.names import QualifiedName
from advisor.sandbox.server import Sandbox

Seen = dict[Any, Any]

TYPES = r"""
CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"', E'back\\slash');
CREATE DOMAIN amount AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE DOMAIN words AS text[];
CREATE DOMAIN document AS tsvector;
CREATE TYPE pair AS (x int, y text);
CREATE TYPE spans AS RANGE (SUBTYPE = numeric);
"""

COLUMNS = {
    "i int": "n % 40",
    "b bigint": "n * 1000003",
    "s smallint": "n % 3",
    "oid_ oid": "n % 30",
    "num numeric": "round(n / 7.0, 3)",
    "odd numeric": "CASE n % 4 WHEN 0 THEN 'NaN' ELSE n / 7.0 END",
    "f4 real": "n / 3.0",
    "f8 double precision": "CASE WHEN n % 9 = 0 THEN 'Infinity' WHEN n % 9 = 1 THEN 'NaN' ELSE sin(n) END",
    "money_ money": "n % 50 * 1.5",
    "t text": "CASE WHEN n % 5 = 0 THEN NULL ELSE E'it''s \"{\\\\,}\" ' || n % 90 END",
    't_c text COLLATE "C"': "'Ä' || n % 30",
    "v varchar(20)": "'v ' || n % 30",
    "c char(5)": "'c' || n % 20",
    'ch "char"': "chr(97 + n % 26)",
    "nam name": "'n' || n % 26",
    "bo boolean": "n % 3 = 0",
    "u uuid": "md5((n % 60)::text)::uuid",
    "ip inet": "'10.0.0.0'::inet + n % 70",
    "net cidr": "('10.' || n % 70 || '.0.0/16')::cidr",
    "mac macaddr": "lpad(to_hex(n % 70), 12, '0')::macaddr",
    "d date": "date '2024-01-01' + n % 200",
    "dinf date": "CASE n % 3 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' ELSE date '0044-03-15 BC' + n END",
    "ts timestamp": "timestamp '2024-01-01' + n * interval '1 hour 0.000001 s'",
    "tz timestamptz": "timestamptz '2024-01-01 00:00+00' + n * interval '1 hour'",
    "ti time": "time '00:00' + n * interval '1 s'",
    "tt timetz": "time '00:00' + n % 30 * interval '1 s'",
    "iv interval": "n % 60 * interval '1 mon -3 days 00:00:01'",
    "js jsonb": """jsonb_build_object('k "q"', n % 30, 'a', ARRAY[1, 2])""",
    "js_text json": "'{}'",
    "by bytea": "decode(md5((n % 30)::text), 'hex')",
    "ai int[]": "ARRAY[n % 10, n % 7, NULL, n % 3]",
    "at text[]": r"""ARRAY['q"' || n % 10, E'b\\' || n % 5, NULL, '', 'NULL', '{}']""",
    "am mood[]": "ARRAY['sad', CASE WHEN n % 2 = 0 THEN E'back\\\\slash' END]::mood[]",
    "abox box[]": "ARRAY[box(point(n % 5, 0), point(1, 1))]",
    "aa int[]": "ARRAY[[n % 5, 1], [2, 3]]",
    "w words": "ARRAY['w' || n % 9]",
    "m mood": r"""(ARRAY['sad', 'it''s "fine"', E'back\\slash'])[1 + n % 3]::mood""",
    "am_ amount": "n % 30",
    "p pair": "ROW(n % 5, 'y ' || n % 3)::pair",
    "r int4range": "CASE WHEN n % 6 = 0 THEN 'empty' ELSE int4range(n, n + n % 11) END",
    "rs spans": "spans(n / 7.0, n)",
    "re int4range": "'empty'",
    "rt tstzrange": "tstzrange('2024-01-01'::timestamptz + n * interval '1 h', NULL)",
    "tsv tsvector": "to_tsvector('simple', 'word' || n % 9 || ' other''s ' || n % 4)",
    "doc document": "to_tsvector('simple', 'word' || n % 9)",
    "bi bit(4)": "(n % 16)::bit(4)",
    "vb varbit": "(n % 16)::bit(6)::varbit",
    "po point": "point(n, 0)",
    "bx box": "box(point(n % 3, 0), point(1, 1))",
    "x xid": "(n % 30)::text::xid",
    "lsn pg_lsn": "('0/' || to_hex(n))::pg_lsn",
    "cls regclass": "(ARRAY['pg_class', 'pg_type'])[1 + n % 2]::regclass",
    "nul int": "NULL",
    "one text": "'same'",
    "long text": "repeat('long', 500) || n % 3",
    '"Größe ""q"", \'x\'" text': "'g' || n % 8",
}
"""Columns and how row n fills them; the types have every statistics slot that there is."""

MULTIRANGE = {"mr int4multirange": "int4multirange(int4range(n, n + 5), int4range(n + 10, n + 20))"}
"""Since PostgreSQL 14."""

ROWS = 1500


def everything(version_num: int) -> str:
    """A schema with rows: all types, partitions, inheritance, a materialised view, expressions, statistics objects."""
    columns = COLUMNS | MULTIRANGE if version_num >= 140000 else COLUMNS
    names, values = ", ".join(columns), ", ".join(columns.values())
    expressions = "(i + 1), lower(t), i" if version_num >= 140000 else "i, t"
    return f"""
{TYPES}
CREATE TABLE wide (gone int, {names});
ALTER TABLE wide DROP COLUMN gone;
INSERT INTO wide SELECT {values} FROM generate_series(1, {ROWS}) AS n;
CREATE INDEX on_expressions ON wide (lower(t), i, (i * 2) DESC, ((t || v) COLLATE "C"));
CREATE INDEX on_document ON wide USING gin (to_tsvector('simple', t));
CREATE INDEX on_mood ON wide ((m = 'sad'), (am_ + 1));
CREATE TABLE part (k int, v text, d date, PRIMARY KEY (k, d)) PARTITION BY RANGE (d);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2024-01-01') TO ('2024-03-01');
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM ('2024-03-01') TO ('2024-12-01');
INSERT INTO part SELECT n, 'v' || n % 5, date '2024-01-01' + n % 200 FROM generate_series(1, {ROWS}) AS n;
CREATE INDEX ON part_1 (upper(v));
CREATE TABLE parent (k int, v text);
CREATE TABLE child (extra int) INHERITS (parent);
INSERT INTO parent SELECT n % 10, 'parent' FROM generate_series(1, 400) AS n;
INSERT INTO child SELECT n % 30, 'child', n FROM generate_series(1, 400) AS n;
CREATE MATERIALIZED VIEW mat AS SELECT i, count(*) AS n FROM wide GROUP BY i;
CREATE TABLE never (a int, b text);
CREATE STATISTICS plain ON i, s, t, m, am_ FROM wide;
CREATE STATISTICS "Odd ""name" (mcv) ON f8, tz, iv, bo, c, d, js, ip FROM wide;
CREATE STATISTICS enums (mcv, dependencies) ON m, bo, c, nam FROM wide;
CREATE STATISTICS only_distinct (ndistinct) ON d, bo, c FROM wide;
CREATE STATISTICS by_expression ON {expressions} FROM wide;
CREATE STATISTICS of_parts ON k, v FROM part;
CREATE STATISTICS of_parent ON k, v FROM parent;
CREATE STATISTICS unused ON a, b FROM never;
ANALYZE wide; ANALYZE part; ANALYZE part_1; ANALYZE part_2; ANALYZE parent; ANALYZE child; ANALYZE mat; ANALYZE never;
"""


_OPERATORS = ", ".join(
    f"s.stakind{n}, s.staop{n}, s.stacoll{n}, s.stanumbers{n}::text, s.stavalues{n}::text" for n in range(1, 6)
)


def raw(connection: psycopg.Connection[Any]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """`pg_statistic` of the users' relations by ("column", relation, column, inherited), numbers and values as text."""
    query = f"""
SELECT c.relname, a.attname, s.stainherit, s.stanullfrac::text, s.stawidth, s.stadistinct::text, {_OPERATORS}
FROM pg_statistic s JOIN pg_class c ON c.oid = s.starelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = s.staattnum
WHERE c.oid >= 16384"""
    return {("column", *row[:3]): row[3:] for row in connection.execute(query.encode()).fetchall()}


def raw_extended(connection: psycopg.Connection[Any]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """The data of statistics objects by ("object", name, inherited): ndistinct and dependencies with the names of
    columns, the size of the list of most common combinations and its items, the expressions' rows."""
    version = connection.info.server_version
    inherited = "d.stxdinherit" if version >= 150000 else "NULL"
    expressions = "d.stxdexpr::text" if version >= 140000 else "NULL"
    query = f"""
SELECT s.stxname, {inherited}, d.stxdndistinct::text, d.stxddependencies::text,
       (SELECT json_object_agg(a.attnum, a.attname) FROM pg_attribute a WHERE a.attrelid = s.stxrelid),
       length(d.stxdmcv::bytea), {expressions},
       (SELECT array_agg(i::text ORDER BY i.index) FROM pg_mcv_list_items(d.stxdmcv) i)
FROM pg_statistic_ext s LEFT JOIN pg_statistic_ext_data d ON d.stxoid = s.oid"""
    return {
        ("object", *row[:2]): (*(_by_name(text, row[4]) for text in row[2:4]), *row[5:])
        for row in connection.execute(query.encode()).fetchall()
    }


def _by_name(text: str | None, names: dict[str, str]) -> list[tuple[str, Any]] | None:
    """In the order of the list, the numbers of columns replaced by names."""
    if text is None:
        return None
    return [(re.sub(r"-?\d+", lambda m: names.get(m[0], m[0]), key), value) for key, value in json.loads(text).items()]


@contextmanager
def other_database(sandbox: Sandbox, name: str) -> Iterator[str]:
    sandbox.create_database(name)
    try:
        yield name
    finally:
        sandbox.drop_database(name)


def fill(sandbox: Sandbox, database: str, script: str) -> None:
    with sandbox.connect(database) as connection:
        connection.execute(script.encode())


def catalog_of(sandbox: Sandbox, database: str) -> Catalog:
    with sandbox.admin(database) as connection:
        return read_catalog(connection)


def stored(sandbox: Sandbox, database: str) -> Seen:
    with sandbox.admin(database) as connection:
        return raw(connection) | raw_extended(connection)


def columns_of(catalog: Catalog, table: str) -> dict[str, ColumnStatistics | None]:
    """The statistics of a table of the schema public, by column."""
    return {column.name: column.statistics for column in catalog.tables[QualifiedName("public", table)].columns}
