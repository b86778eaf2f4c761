"""Every kind of statistics in the catalog, against what the server itself says of them."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.catalog.connect import connect
from advisor.catalog.read import read_catalog
from advisor.model.catalog import Catalog, ColumnStatistics, CommonCombination, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.server import Sandbox

SCHEMA = r"""
CREATE TYPE pair AS (a int, b text); CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"'); CREATE DOMAIN few AS int[];
CREATE TABLE t (
    id int PRIMARY KEY, word text, numbers int[], words text[], span int4range, spans int4multirange, lexemes tsvector,
    pair pair, mood mood, few few, kept char(5), raw bytea, price money, at timestamptz, doc jsonb, empty text);
INSERT INTO t SELECT n, CASE n % 4 WHEN 0 THEN 'a,"b' WHEN 1 THEN 'NULL' WHEN 2 THEN '{\x}' ELSE '' END,
    ARRAY[n % 3, n % 4, NULL], ARRAY['a"b', NULL, 'NULL', 'x,y', (n % 9)::text],
    CASE WHEN n % 10 = 0 THEN 'empty' ELSE int4range(n % 50, n % 50 + n % 7 + 1) END,
    int4multirange(int4range(n, n + 3)), to_tsvector('simple', 'foo bar' || n % 10),
    ROW(n % 7, 'q"''')::pair, (enum_range(NULL::mood))[1 + n % 2], ARRAY[n % 2], 'x' || n % 3, decode('00ff', 'hex'),
    (n % 10)::numeric::money, '2024-01-01'::timestamptz + n * interval '1 h', jsonb_build_object('k', n % 5), NULL
FROM generate_series(1, 3000) n;
CREATE INDEX by_expressions ON t (lower(word), id, (id % 5));
CREATE STATISTICS both_of (ndistinct, dependencies, mcv) ON word, kept FROM t;
CREATE STATISTICS of_expressions ON (id % 7), (id % 5), kept FROM t;
CREATE STATISTICS unbuilt ON word, mood FROM t;
CREATE TABLE parent (a int); CREATE TABLE other (c int); CREATE TABLE child (d int) INHERITS (parent, other);
INSERT INTO parent SELECT generate_series(1, 100); INSERT INTO child SELECT n, 1 FROM generate_series(1000, 1999) n;
CREATE TABLE cut (a int, b int) PARTITION BY LIST (b); CREATE TABLE cut_1 PARTITION OF cut FOR VALUES IN (1);
INSERT INTO cut SELECT n, 1 FROM generate_series(1, 500) n; CREATE STATISTICS of_cut ON a, b FROM cut;
ALTER STATISTICS unbuilt SET STATISTICS 0; ANALYZE t, parent, child, cut;
"""


@pytest.fixture
def catalog(sandbox: Sandbox, database: str) -> Catalog:
    with sandbox.connect(database) as connection:
        connection.execute(SCHEMA.encode())
    with connect(sandbox.url_of(database)) as connection:
        return read_catalog(connection)


@pytest.fixture
def admin(sandbox: Sandbox, database: str) -> Iterator[psycopg.Connection[Any]]:
    with sandbox.admin(database) as connection:
        yield connection


def _table(catalog: Catalog, name: str) -> Table:
    return catalog.tables[QualifiedName("public", name)]


def _statistics(catalog: Catalog, column: str, table: str = "t") -> ColumnStatistics:
    found = _table(catalog, table).column(column)
    assert found is not None
    assert found.statistics is not None
    return found.statistics


def test_every_column_is_as_the_server_prints_it(catalog: Catalog, admin: psycopg.Connection[Any]) -> None:
    """The server joins the elements itself, with a separator that no value has."""
    admin.execute("SET lc_monetary = 'C'")
    rows = admin.execute("""
        SELECT attname, null_frac::float8, avg_width, n_distinct::float8, correlation::float8,
               most_common_freqs::float8[], most_common_elem_freqs::float8[], elem_count_histogram::float8[],
               array_to_string(most_common_vals, '~|~'),
               array_to_string(histogram_bounds, '~|~'), array_to_string(most_common_elems, '~|~'),
               array_to_string(range_length_histogram, '~|~'), range_empty_frac::float8,
               array_to_string(range_bounds_histogram, '~|~')
        FROM pg_stats WHERE tablename = 't'""").fetchall()
    assert len(rows) == 16
    for name, *numbers, values, histogram, elements, lengths, empty, bounds in rows:
        found = _statistics(catalog, name)
        assert numbers[:3] == [found.null_fraction, found.average_width_bytes, found.distinct]
        assert (numbers[3], empty) == (found.correlation, found.range_empty_fraction)
        texts = (values, histogram, elements, lengths, bounds)
        lists = (
            tuple(value for value, _ in found.most_common),
            *(found.histogram, found.most_common_elements, found.range_lengths, found.range_bounds),
        )
        for text, parsed in zip(texts, lists, strict=True):
            assert (name, tuple(text.split("~|~")) if text is not None else ()) == (name, parsed)
        frequencies = (tuple(f for _, f in found.most_common), found.element_frequencies, found.element_counts)
        assert tuple(tuple(n or ()) for n in numbers[4:]) == frequencies


def test_slots_of_odd_types(catalog: Catalog) -> None:
    words = _statistics(catalog, "words")
    assert words.most_common_elements == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "NULL", 'a"b', "x,y")
    # Lowest, highest and that of NULL elements follow the elements' own.
    assert len(words.element_frequencies) == len(words.most_common_elements) + 3
    assert words.element_frequencies[-1] == 1.0
    assert words.most_common[0][0].startswith('{"a\\"b",NULL,"NULL","x,y",')
    assert _statistics(catalog, "span").range_empty_fraction == pytest.approx(0.1)
    assert _statistics(catalog, "spans").range_bounds[0] == "[1,4)"
    assert set(_statistics(catalog, "lexemes").most_common_elements) == {"foo", *(f"bar{n}" for n in range(10))}
    assert dict(_statistics(catalog, "pair").most_common).keys() == {f'({n},"q""\'")' for n in range(7)}
    assert dict(_statistics(catalog, "word").most_common).keys() == {'a,"b', "NULL", "{\\x}", ""}
    assert _statistics(catalog, "price").most_common[0][0].startswith("$")
    assert _statistics(catalog, "empty").null_fraction == 1.0


def test_expression_indexes(catalog: Catalog) -> None:
    (index,) = (i for i in _table(catalog, "t").indexes if i.name == "by_expressions")
    lowered, plain, rest = index.statistics
    assert plain is None
    assert lowered is not None
    assert dict(lowered.most_common).keys() == {'a,"b', "null", "{\\x}", ""}
    assert rest is not None
    assert {value for value, _ in rest.most_common} == {"0", "1", "2", "3", "4"}
    (key,) = (i for i in _table(catalog, "t").indexes if i.primary)
    assert key.statistics == ()


def test_a_parent_has_its_own_statistics_and_the_trees(catalog: Catalog) -> None:
    parent, child = _table(catalog, "parent"), _table(catalog, "child")
    (column,) = parent.columns
    assert column.statistics is not None
    assert column.inherited_statistics is not None
    assert (column.statistics.histogram[0], column.statistics.histogram[-1]) == ("1", "100")
    assert (column.inherited_statistics.histogram[0], column.inherited_statistics.histogram[-1]) == ("1", "1999")
    assert child.inherits == (QualifiedName("public", "parent"), QualifiedName("public", "other"))
    assert all(c.inherited_statistics is None for c in child.columns)
    assert parent.inherits == _table(catalog, "cut_1").inherits == ()


def test_a_partitioned_table_has_the_trees(catalog: Catalog) -> None:
    assert _statistics(catalog, "a", "cut").histogram[-1] == "500"
    assert all(column.inherited_statistics is None for column in _table(catalog, "cut").columns)


def test_extended_statistics(catalog: Catalog, admin: psycopg.Connection[Any]) -> None:
    found = {e.name.name: e for e in catalog.extended_statistics}
    assert found.keys() == {"both_of", "of_expressions", "unbuilt", "of_cut"}
    both, expressions = found["both_of"], found["of_expressions"]
    assert both.columns == ("word", "kept")
    assert both.definition == "CREATE STATISTICS public.both_of ON word, kept FROM public.t"
    (data,) = both.data
    row = admin.execute(
        "SELECT n_distinct::text, dependencies::text, most_common_vals, most_common_freqs, most_common_base_freqs "
        "FROM pg_stats_ext WHERE statistics_name = 'both_of'"
    ).fetchone()
    assert row is not None
    assert (data.distinct, data.dependencies) == row[:2]
    assert data.most_common == tuple(
        CommonCombination(values=tuple(values), frequency=frequency, base_frequency=base)
        for values, frequency, base in zip(*row[2:], strict=True)
    )
    assert ('a,"b', "x0   ") in {item.values for item in data.most_common}
    assert expressions.expressions == ("(id % 7)", "(id % 5)")
    assert [len(e.most_common) for e in expressions.data[0].expressions if e] == [7, 5]
    assert found["unbuilt"].data == ()
    assert [d.inherited for d in found["of_cut"].data] == [True]


def test_the_owner_reads_the_same_as_a_superuser(
    catalog: Catalog, sandbox: Sandbox, database: str, admin: psycopg.Connection[Any]
) -> None:
    """The owner goes through `pg_stats_ext`, the superuser reads the tables behind it."""
    everything = read_catalog(admin)
    assert everything.extended_statistics == catalog.extended_statistics
    assert _table(everything, "t").columns == _table(catalog, "t").columns


# No surrogates and no NUL: a PostgreSQL text in UTF-8 cannot hold them.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
LISTS = st.lists(st.none() | TEXTS, max_size=4)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    name=TEXTS.filter(lambda text: 0 < len(text.encode()) < 60),
    rows=st.lists(st.tuples(TEXTS, LISTS), min_size=1, max_size=12),
)
def test_what_was_analysed_is_read(
    sandbox: Sandbox, database: str, name: str, rows: list[tuple[str, list[str | None]]]
) -> None:
    quoted = '"' + name.replace('"', '""').replace("%", "%%") + '"'
    with sandbox.connect(database) as connection, connection.transaction(force_rollback=True):
        connection.execute(f"CREATE TABLE {quoted} ({quoted} text, words text[])".encode().replace(b"%%", b"%"))
        # Twice, so that all values are common ones: what is unique goes to the histogram alone.
        connection.cursor().executemany(f"INSERT INTO {quoted} VALUES (%s, %s::text[])".encode(), [*rows, *rows])
        connection.execute(f"ANALYZE {quoted}".encode().replace(b"%%", b"%"))
        catalog = read_catalog(connection)
    table = catalog.tables[QualifiedName("public", name)]
    column, words = table.columns
    assert column.name == name
    assert column.statistics is not None
    values = {text for text, _ in rows}
    assert {value for value, _ in column.statistics.most_common} | set(column.statistics.histogram) == values
    assert words.statistics is not None
    elements = {element for _, listed in rows for element in listed if element is not None}
    assert set(words.statistics.most_common_elements) == elements
