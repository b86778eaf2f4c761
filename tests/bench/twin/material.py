"""TPC-H and TPC-DS: rows as CSV files, queries, keys. Schemas and queries come from a folder of the user's."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

SCALE = 0.2

_FACTS = {
    "store_sales": ("ss_item_sk", "ss_ticket_number"),
    "store_returns": ("sr_item_sk", "sr_ticket_number"),
    "catalog_sales": ("cs_item_sk", "cs_order_number"),
    "catalog_returns": ("cr_item_sk", "cr_order_number"),
    "web_sales": ("ws_item_sk", "ws_order_number"),
    "web_returns": ("wr_item_sk", "wr_order_number"),
    "inventory": ("inv_date_sk", "inv_item_sk", "inv_warehouse_sk"),
}
"""TPC-DS's fact tables by their primary keys; every other table's is its first column (specification, section 2)."""

_TPCH_INDEXES = (
    "CREATE INDEX ON lineitem (l_partkey, l_suppkey)",
    "CREATE INDEX ON lineitem (l_shipdate)",
    "CREATE INDEX ON orders (o_custkey)",
    "CREATE INDEX ON orders (o_orderdate)",
    "CREATE INDEX ON customer (c_nationkey)",
    "CREATE INDEX ON supplier (s_nationkey)",
    "CREATE INDEX ON partsupp (ps_suppkey)",
)
"""What an application would have beside the keys: foreign keys and the two dates that queries filter by."""

_TPCDS_GROWTH = tuple(
    f"INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object('{keys[-1]}',"
    f" {keys[-1]} + 100000000))).* FROM {table} t WHERE {keys[-1]} % 10 < 3"
    for table, keys in _FACTS.items()
)


def rows_folder(work: Path) -> Path:
    """The folder of `tpch/TABLE.csv` and `tpcds/TABLE.csv`, made by DuckDB 0.9.2's generators on the first call."""
    folder = work / "csv"
    for suite, call in (("tpch", "dbgen"), ("tpcds", "dsdgen")):
        if (folder / suite / "done").exists():
            continue
        (folder / suite).mkdir(parents=True, exist_ok=True)
        # Only this bench needs it, so that it is no dependency: pip install duckdb==0.9.2
        connection = importlib.import_module("duckdb").connect()
        connection.execute(f"CALL {call}(sf={SCALE})")
        tables = connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
        for (table,) in tables:
            connection.execute(f"COPY {table} TO '{folder / suite / table}.csv' (FORMAT csv, HEADER false)")
        connection.close()
        (folder / suite / "done").touch()
    return folder


def schema_statements(corpus: Path, suite: str) -> list[str]:
    """`CREATE TABLE` statements in the order of their references."""
    text = (corpus / "tpc" / f"{suite}_schema.sql").read_text()
    return [part.strip() for part in text.split(";") if part.strip()]


def created_tables(statements: list[str]) -> list[str]:
    """Their names, in order."""
    matches = (re.match(r"create table (\w+)", statement, re.IGNORECASE) for statement in statements)
    return [match[1] for match in matches if match]


def index_statements(corpus: Path, suite: str) -> Iterator[str]:
    """What is built after loading: TPC-H's schema has its keys, TPC-DS's has none."""
    if suite == "tpch":
        yield from _TPCH_INDEXES
        return
    for statement in schema_statements(corpus, suite):
        match = re.match(r"create table (\w+)\s*\((\w+)", statement, re.IGNORECASE)
        assert match is not None
        yield f"ALTER TABLE {match[1]} ADD PRIMARY KEY ({', '.join(_FACTS.get(match[1], (match[2],)))})"


def growth_statements(suite: str) -> tuple[str, ...]:
    """30 % more rows, newer than all before, as applications append them."""
    if suite == "tpcds":
        return _TPCDS_GROWTH
    text = Path(__file__).with_name("tpch_growth.sql").read_text()
    return tuple(part.strip() for part in text.split(";") if part.strip())


def queries(corpus: Path, suite: str) -> dict[str, str]:
    """The benchmark's queries by name ("Q1"), each one statement without its semicolon."""
    text = (corpus / "tpc" / f"{suite}_queries.sql").read_text()
    parts = re.split(r"^-- TPC-(?:H|DS) (Q\w+)[^\n]*$", text, flags=re.MULTILINE)
    return {name: body.strip().rstrip(";") for name, body in zip(parts[1::2], parts[2::2], strict=True)}
