"""Loads the originals' databases; each is made once and found again by the next run."""

from collections.abc import Iterable
from pathlib import Path

from tests.bench.twin.material import (
    created_tables,
    growth_statements,
    index_statements,
    rows_folder,
    schema_statements,
)
from tests.bench.twin.originals import Original

SUITES = ("tpch", "tpcds")
_CHUNK_BYTES = 1 << 20


def prepare(original: Original, corpus: Path, work: Path) -> None:
    """The databases tpch, tpcds and their grown copies, tpch_grown and tpcds_grown."""
    there = original.databases()
    for suite in SUITES:
        if suite not in there:
            _load_suite(original, suite, corpus, rows_folder(work) / suite)
        if f"{suite}_grown" not in there:
            make_database(original, f"{suite}_grown", growth_statements(suite), create=f"TEMPLATE {suite}")


def make_database(
    original: Original, name: str, statements: Iterable[str], *, create: str = "TEMPLATE template1"
) -> None:
    """A database, by statements; it has its name only when all are done."""
    draft = f"{name}_draft"
    with original.connect("postgres") as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {draft}".encode())
        connection.execute(f"CREATE DATABASE {draft} {create}".encode())
    with original.connect(draft) as connection:
        for statement in statements:
            connection.execute(statement.encode())
    rename_database(original, draft, name)


def rename_database(original: Original, old: str, new: str) -> None:
    with original.connect("postgres") as connection:
        connection.execute(f"ALTER DATABASE {old} RENAME TO {new}".encode())


def _load_suite(original: Original, suite: str, corpus: Path, rows: Path) -> None:
    draft = f"{suite}_loading"
    schema = schema_statements(corpus, suite)
    with original.connect("postgres") as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {draft}".encode())
    make_database(original, draft, schema)
    with original.connect(draft) as connection:
        for table in created_tables(schema):
            with (
                (rows / f"{table}.csv").open("rb") as file,
                connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv)".encode()) as copy,
            ):
                while chunk := file.read(_CHUNK_BYTES):
                    copy.write(chunk)
        for statement in index_statements(corpus, suite):
            connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE")
    rename_database(original, draft, suite)
