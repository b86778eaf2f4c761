"""Any table's statistics, read and put into another database, are the same: names, types and values at random."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.pg_statistic import array_literal
from advisor.sandbox.twin.statistics import put_statistics
from advisor.sql.quote import quote_identifier, quote_literal
from tests.database.twin_statistics import catalog_of, fill, other_database, stored

EXAMPLES = 30
"""As many as fit into a few seconds of a run of all tests."""

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["NULL", "", "{}", '{"a"}', "\\", '"', "'", " ", ",", "null", "\\N", "a\tb\nc", "%s", "(1,2)"]
)
names = texts.filter(lambda name: 0 < len(name.encode()) <= 63)
integers = st.integers(-(2**31), 2**31 - 1).map(str)
amounts = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**20), max_value=10**20)
numerics = amounts.map(str) | st.just("NaN")
days = st.dates().map(str) | st.sampled_from(["infinity", "-infinity", "4713-01-01 BC"])
moments = st.datetimes().map(str)
floats = st.floats().map(repr)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
).map(json.dumps)
ranges = st.tuples(st.integers(-99, 99), st.integers(0, 99)).map(lambda r: f"[{r[0]},{r[0] + r[1]})")


def arrays(of: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(of | st.none(), max_size=5).map(array_literal)


def lexeme(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


VALUES: dict[str, st.SearchStrategy[str]] = {
    "int": integers,
    "numeric": numerics,
    "numeric(30,5)": numerics,
    "real": st.floats(width=32).map(repr),
    "double precision": floats,
    "text": texts,
    'text COLLATE "C"': texts,
    "varchar(12)": texts,
    "char(12)": texts,
    "name": texts,
    "boolean": st.sampled_from(["t", "f"]),
    "uuid": st.uuids().map(str),
    "inet": st.ip_addresses().map(str),
    "date": days,
    "timestamptz": moments,
    "timestamp": moments,
    "interval": st.timedeltas().map(lambda delta: f"{delta.days} days {delta.seconds} s {delta.microseconds} us"),
    "jsonb": documents,
    "bytea": st.binary(max_size=8).map(lambda value: "\\x" + value.hex()),
    "bit(5)": st.text("01", min_size=5, max_size=5),
    "point": st.tuples(integers, integers).map(lambda p: f"({p[0]},{p[1]})"),
    "mood": st.sampled_from(["sad", 'o"k\\', "it's", "ü,{}"]),
    "small": st.integers(0, 20).map(str),
    "int4range": ranges | st.just("empty"),
    "int4multirange": st.lists(ranges, max_size=3).map(lambda several: "{" + ",".join(several) + "}"),
    "tsvector": st.lists(texts, max_size=3).map(
        lambda words: " ".join(quote_literal(w).strip(" E") for w in words if w)
    ),
    "int[]": arrays(integers),
    "text[]": arrays(texts),
    "jsonb[]": arrays(documents),
    "mood[]": arrays(st.sampled_from(["sad", 'o"k\\'])),
}
TYPES = "CREATE TYPE mood AS ENUM ('sad', 'o\"k\\', 'it''s', 'ü,{}'); CREATE DOMAIN small AS int CHECK (VALUE >= 0);"
WITHOUT_ORDER = {"point"}


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, str]:
    """DDL of a table with a statistics object, and statements that fill and analyse it."""
    column = st.tuples(names, st.sampled_from(sorted(VALUES)))
    columns = draw(st.lists(column, min_size=1, max_size=4, unique_by=lambda each: each[0]))
    listed = ", ".join(f"{quote_identifier(name)} {type_}" for name, type_ in columns)
    table = quote_identifier(draw(names))
    ddl = [f"CREATE TABLE public.{table} ({listed})"]
    ordered = [quote_identifier(name) for name, type_ in columns if type_ not in WITHOUT_ORDER]
    if len(ordered) > 1:
        statistics = quote_identifier(draw(names))
        ddl.append(f"CREATE STATISTICS public.{statistics} ON {', '.join(ordered)} FROM public.{table}")
    rows = draw(st.lists(st.tuples(*(st.none() | VALUES[type_] for _, type_ in columns)), min_size=2, max_size=12))
    fills = []
    for row in rows:
        values = ", ".join(quote_literal(value) for value in row)
        fills.append(f"INSERT INTO public.{table} SELECT {values} FROM generate_series(1, {draw(st.integers(1, 4))})")
    return "; ".join(ddl), "; ".join([*fills, f"ANALYZE public.{table}"])


@pytest.fixture(scope="module")
def places(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    with other_database(sandbox, "round_trip") as original, other_database(sandbox, "round_trip_twin") as twin:
        for database in (original, twin):
            fill(sandbox, database, TYPES)
        yield original, twin


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=tables())
def test_what_goes_in_comes_out(sandbox: Sandbox, places: tuple[str, str], script: tuple[str, str]) -> None:
    original, twin = places
    clean = "DO $$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relkind = 'r' AND oid >= 16384"
    for database in places:
        fill(sandbox, database, f"{clean} LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END $$")
    fill(sandbox, original, "; ".join(script))
    fill(sandbox, twin, script[0])
    assert put_statistics(sandbox, twin, catalog_of(sandbox, original)) == ()
    assert stored(sandbox, twin) == stored(sandbox, original)
    assert any(key[0] == "column" for key in stored(sandbox, twin))
