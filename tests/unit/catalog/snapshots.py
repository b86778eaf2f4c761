"""Catalogs and snapshots for the tests: small ones by hand, odd ones by hypothesis."""

from typing import Any

from hypothesis import strategies as st

from advisor.model.catalog import (
    Catalog,
    Collation,
    Column,
    ColumnStatistics,
    CombinedStatistics,
    CommonCombination,
    ExtendedStatistics,
    Index,
    IndexKey,
    SchemaObject,
    Storage,
    Table,
)
from advisor.model.names import QualifiedName
from advisor.model.snapshot import Privilege, Snapshot, ValuesMode
from advisor.model.workload import StatementStatistics

TAKEN_US = 1_772_323_200_000_000
"""2026-03-01."""
DAY_US = 86_400_000_000
KEY = "00112233445566778899aabbccddeeff"


def column(
    name: str,
    type_name: str = "text",
    base_type: str = "text",
    *,
    statistics: ColumnStatistics | None = None,
    **more: Any,
) -> Column:
    return Column(name=name, type=type_name, base_type=base_type, statistics=statistics, **more)


def table(name: str, *columns: Column, rows: float | None = 10_000.0, **more: Any) -> Table:
    return Table(name=QualifiedName("public", name), kind="table", columns=columns, rows=rows, **more)


def catalog_of(*tables: Table, **more: Any) -> Catalog:
    return Catalog(
        server_version_num=150_004,
        server_version="15.4",
        database="shop",
        tables={each.name: each for each in tables},
        **more,
    )


def snapshot_of(catalog: Catalog, values: ValuesMode = "default", **more: Any) -> Snapshot:
    key = KEY if values == "default" else None
    return Snapshot(taken_us=TAKEN_US, tool_version="0.1.0", values=values, catalog=catalog, key=key, **more)


# What a server can hold: any character but NUL and surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NAMES = st.builds(
    lambda plain, odd: odd or plain,
    st.sampled_from(["id", "Größe (m²)", 'e"f', "it's", "$1", "select", "a.b", " "]),
    TEXTS,
)
VALUES = st.one_of(
    TEXTS, st.sampled_from(['{a,"b c",NULL}', '{"x\\"y",{}}', "NULL", "\\", "'", "{}", "[1,2)", "\\x00ff"])
)
SHARES = st.floats(0, 1)
NUMBERS = st.floats(0, 1e9)


def tuples(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(of, max_size=2).map(tuple)


STATISTICS = st.builds(
    ColumnStatistics,
    null_fraction=SHARES,
    average_width_bytes=st.integers(0, 10_000),
    distinct=st.floats(-1, 1e9),
    most_common=tuples(st.tuples(VALUES, SHARES)),
    histogram=tuples(VALUES),
    correlation=st.none() | st.floats(-1, 1),
    most_common_elements=tuples(VALUES),
    element_frequencies=tuples(SHARES),
    element_counts=tuples(NUMBERS),
    range_lengths=tuples(VALUES),
    range_empty_fraction=st.none() | SHARES,
    range_bounds=tuples(VALUES),
)
QUALIFIED = st.builds(QualifiedName, NAMES, NAMES)
STORAGE = st.builds(
    Storage,
    analysed_pages=st.integers(0, 2**32 - 1),
    analysed_rows=st.floats(-1, 1e12),
    all_visible_pages=st.integers(0, 2**32 - 1),
    pages=st.none() | st.integers(0, 2**32 - 1),
)
COLUMNS = st.builds(
    Column,
    name=NAMES,
    type=st.sampled_from(["text", "integer[]", "character varying(20)", "public.mood"]),
    base_type=st.sampled_from(["text", "_int4", "varchar", "mood", "daterange"]),
    type_kind=st.sampled_from("bedcr"),
    enum_labels=tuples(VALUES),
    default=st.none() | VALUES,
    generated=st.sampled_from([None, "stored", "virtual", "identity_always", "identity_default"]),
    statistics=st.none() | STATISTICS,
    inherited_statistics=st.none() | STATISTICS,
    number=st.none() | st.integers(1, 1600),
)
INDEXES = st.builds(
    Index,
    name=NAMES,
    table=QUALIFIED,
    method=st.sampled_from(["btree", "gin"]),
    keys=tuples(st.builds(IndexKey, column=st.none() | NAMES, expression=st.none() | VALUES)),
    predicate=st.none() | VALUES,
    definition=VALUES,
    storage=st.none() | STORAGE,
    height=st.none() | st.integers(0, 5),
    statistics=tuples(st.none() | STATISTICS),
    end_points=st.none() | st.tuples(VALUES, VALUES),
)
TABLES = st.builds(
    Table,
    name=QUALIFIED,
    kind=st.sampled_from(["table", "partitioned_table", "materialized_view", "view", "foreign_table"]),
    columns=tuples(COLUMNS),
    indexes=tuples(INDEXES),
    rows=st.none() | st.floats(0, 1e12),
    size_bytes=st.none() | st.integers(0, 2**50),
    partition_of=st.none() | QUALIFIED,
    storage=st.none() | STORAGE,
    inherits=tuples(QUALIFIED),
    options=tuples(VALUES),
)
COMBINED = st.builds(
    CombinedStatistics,
    distinct=st.none() | VALUES,
    most_common=tuples(
        st.builds(CommonCombination, values=tuples(st.none() | VALUES), frequency=SHARES, base_frequency=SHARES)
    ),
    expressions=tuples(st.none() | STATISTICS),
)
EXTENDED = st.builds(
    ExtendedStatistics,
    name=QUALIFIED,
    table=QUALIFIED,
    definition=VALUES,
    columns=tuples(NAMES),
    expressions=tuples(VALUES),
    data=tuples(COMBINED),
)
OBJECTS = st.builds(
    SchemaObject, kind=st.sampled_from(["enum", "domain", "sequence"]), name=QUALIFIED, definition=VALUES
)
STATEMENTS = st.builds(
    StatementStatistics,
    sql=VALUES,
    database=NAMES,
    user=st.none() | NAMES,
    calls=st.integers(0, 2**62),
    total_us=st.integers(0, 2**62),
    mean_us=NUMBERS,
    min_us=st.integers(0, 2**62),
    max_us=st.integers(0, 2**62),
    rows=st.integers(0, 2**62),
)


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """Any catalog that a server may have, and some that none has."""
    return catalog_of(
        *draw(st.lists(TABLES, max_size=2)),
        settings=draw(st.dictionaries(NAMES, VALUES, max_size=3)),
        objects=draw(tuples(OBJECTS)),
        tablespace_options=draw(st.dictionaries(NAMES, tuples(VALUES), max_size=2)),
        extended_statistics=draw(tuples(EXTENDED)),
        collations=draw(tuples(st.builds(Collation, name=QUALIFIED, provider=st.sampled_from("cibd"), locale=VALUES))),
        counters_reset_us=draw(st.none() | st.integers(0, 2**60)),
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Any snapshot, before anything was left out of it."""
    mode: ValuesMode = draw(st.sampled_from(["default", "included", "redacted"]))
    privileges = draw(tuples(st.builds(Privilege, name=VALUES, held=st.booleans(), gives=VALUES, lacking=VALUES)))
    statements = draw(st.none() | tuples(STATEMENTS))
    return snapshot_of(draw(catalogs()), mode, statements=statements, privileges=privileges)
