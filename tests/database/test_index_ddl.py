"""The DDL of an index as a user runs it: pasted into psql, or statement by statement."""

import subprocess

import psycopg
import pytest

from advisor.catalog.read import read_catalog
from advisor.indexes.candidates import candidates
from advisor.indexes.ddl import create_index, plain_create
from advisor.model.advice import IndexCandidate, IndexNeed
from advisor.model.catalog import Catalog, IndexKey
from advisor.model.names import QualifiedName
from advisor.sandbox.programs.binaries import embedded
from advisor.sandbox.server import Sandbox

ODD = [
    ("public", "orders", "customer_id"),
    ("public", "Order", "User"),
    ("order", "select", "group"),
    ("my schema", 'a"b', "it's"),
    ("public", "ünïcödé_" * 5, "größe_" * 6),
    ("public", "back\\slash", "dollar$1"),
    ("public", "x" * 63, "y" * 63),
]


def psql(sandbox: Sandbox, database: str, text: str) -> subprocess.CompletedProcess[str]:
    """What psql makes of a text pasted into it, up to the first error."""
    program = embedded().bin_folder / "psql"
    command = [str(program), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", sandbox.url_of(database)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


def pasted(statements: tuple[str, ...]) -> str:
    return "".join(f"{statement};\n" for statement in statements)


def catalog_of(sandbox: Sandbox, database: str) -> Catalog:
    with sandbox.connect(database) as connection:
        return read_catalog(connection)


def execute(sandbox: Sandbox, database: str, *statements: str) -> None:
    with sandbox.connect(database) as connection:
        connection.autocommit = True
        for statement in statements:
            connection.execute(statement.encode())


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def candidate_on(table: QualifiedName, *keys: IndexKey, catalog: Catalog) -> IndexCandidate:
    (candidate,) = candidates([IndexNeed(table=table, query_id="q", equality=keys)], catalog)
    return candidate


@pytest.mark.parametrize(("schema", "table", "column"), ODD)
def test_runs_as_pasted_whatever_the_names(
    sandbox: Sandbox, database: str, schema: str, table: str, column: str
) -> None:
    full = f"{quoted(schema)}.{quoted(table)}"
    execute(
        sandbox,
        database,
        f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}",
        f"CREATE TABLE {full} ({quoted(column)} integer, b integer)",
    )
    catalog = catalog_of(sandbox, database)
    (name,) = catalog.tables
    keys = (IndexKey(column=catalog.tables[name].columns[0].name), IndexKey(column="b", descending=True))
    candidate = candidate_on(name, *keys, catalog=catalog)
    ddl = create_index(candidate, catalog)

    done = psql(sandbox, database, pasted(ddl.statements))
    assert (done.returncode, done.stderr) == (0, "")
    assert "valid" in done.stdout.splitlines()
    (index,) = catalog_of(sandbox, database).tables[name].indexes
    assert (index.name, index.valid, index.keys[0].column) == (candidate.name, True, keys[0].column)

    undone = psql(sandbox, database, pasted(ddl.rollback))
    assert (undone.returncode, undone.stderr) == (0, "")
    assert catalog_of(sandbox, database).tables[name].indexes == ()


def failed_build(sandbox: Sandbox, database: str, statement: str) -> None:
    """Lets a concurrent build give up waiting for an open transaction: what it leaves behind is INVALID."""
    with sandbox.connect(database) as reader:
        reader.execute("INSERT INTO orders VALUES (1, 1)")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            execute(sandbox, database, "SET lock_timeout = '100ms'", statement)


def test_an_invalid_leftover_is_replaced(sandbox: Sandbox, database: str) -> None:
    table = QualifiedName("public", "orders")
    execute(sandbox, database, "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint)")
    catalog = catalog_of(sandbox, database)
    first = create_index(candidate_on(table, IndexKey(column="customer_id"), catalog=catalog), catalog)
    failed_build(sandbox, database, next(s for s in first.statements if s.startswith("CREATE")))

    again = psql(sandbox, database, pasted(first.statements))
    assert again.returncode != 0
    assert "already exists" in again.stderr
    check = next(s for s in first.statements if s.startswith("SELECT"))
    assert psql(sandbox, database, f"{check};").stdout.startswith("INVALID: drop it and start again")

    catalog = catalog_of(sandbox, database)
    assert [i.valid for i in catalog.tables[table].indexes if not i.primary] == [False]
    second = create_index(candidate_on(table, IndexKey(column="customer_id"), catalog=catalog), catalog)
    done = psql(sandbox, database, pasted(second.statements))
    assert (done.returncode, "valid" in done.stdout.splitlines()) == (0, True)
    assert [i.valid for i in catalog_of(sandbox, database).tables[table].indexes if not i.primary] == [True]


def test_an_index_of_somebody_else_is_never_dropped(sandbox: Sandbox, database: str) -> None:
    table = QualifiedName("public", "orders")
    execute(sandbox, database, "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint)")
    catalog = catalog_of(sandbox, database)
    ddl = create_index(candidate_on(table, IndexKey(column="customer_id"), catalog=catalog), catalog)
    execute(sandbox, database, "CREATE INDEX orders_customer_id_idx ON orders (id, customer_id)")

    done = psql(sandbox, database, pasted(ddl.statements))
    assert "already exists" in done.stderr
    kept = [i for i in catalog_of(sandbox, database).tables[table].indexes if not i.primary]
    assert [[key.column for key in index.keys] for index in kept] == [["id", "customer_id"]]


def test_a_partitioned_table_gets_one_index_per_partition(sandbox: Sandbox, database: str) -> None:
    execute(
        sandbox,
        database,
        "CREATE TABLE events (id bigint, at date, kind text) PARTITION BY RANGE (at)",
        "CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        "CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"
        " PARTITION BY LIST (kind)",
        "CREATE TABLE events_2026_a PARTITION OF events_2026 FOR VALUES IN ('a')",
        "CREATE TABLE events_2026_rest PARTITION OF events_2026 DEFAULT",
    )
    catalog = catalog_of(sandbox, database)
    candidate = candidate_on(QualifiedName("public", "events"), IndexKey(column="id"), catalog=catalog)
    ddl = create_index(candidate, catalog)
    done = psql(sandbox, database, pasted(ddl.statements))
    assert (done.returncode, done.stderr) == (0, "")
    assert "valid" in done.stdout.splitlines()
    tables = catalog_of(sandbox, database).tables.values()
    assert {str(t.name): [i.valid for i in t.indexes] for t in tables} == {str(t.name): [True] for t in tables}
    assert psql(sandbox, database, pasted(ddl.rollback)).stderr == ""
    assert [t.indexes for t in catalog_of(sandbox, database).tables.values()] == [()] * 5


def test_every_kind_of_key_builds(sandbox: Sandbox, database: str) -> None:
    execute(sandbox, database, "CREATE TABLE t (a text, b integer, c integer)")
    keys = (
        IndexKey(column="a", operator_class="text_pattern_ops"),
        IndexKey(column="b", descending=True, nulls_first=False),
        IndexKey(column="c", nulls_first=True),
        IndexKey(expression="lower(a)"),
    )
    candidate = IndexCandidate(
        table=QualifiedName("public", "t"), name="t_odd_idx", keys=keys, include=("c",), predicate="b > 0"
    )
    execute(sandbox, database, plain_create(candidate))
    (index,) = catalog_of(sandbox, database).tables[candidate.table].indexes
    assert index.keys == keys
    assert (index.include, index.predicate) == (("c",), "(b > 0)")
