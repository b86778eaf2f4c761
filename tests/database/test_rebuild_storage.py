"""What a planner sees besides columns and keys: inheritance, options, tablespaces, statistics objects."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.model.catalog import Catalog
from advisor.model.names import QualifiedName
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.programs.binaries import local
from advisor.sandbox.schema.load import load_schema
from advisor.sandbox.schema.rebuild import rebuild
from advisor.sandbox.schema.tablespaces import make_tablespaces
from advisor.sandbox.server import Sandbox
from tests.database.test_rebuild import assert_same, catalog_of

PLAIN = """
CREATE TABLE parent (id int NOT NULL, body text DEFAULT 'x', CONSTRAINT positive CHECK (id > 0),
    CONSTRAINT own CHECK (id < 100) NO INHERIT);
CREATE TABLE other (z int, CHECK (z > 1));
CREATE TABLE child (kind int) INHERITS (parent, other) WITH (fillfactor = 70, parallel_workers = 3);
CREATE TABLE grandchild () INHERITS (child);
ALTER TABLE parent ADD COLUMN late int DEFAULT 3;
ALTER TABLE child ALTER COLUMN late SET DEFAULT 4;
CREATE INDEX child_kind ON child (kind) WITH (fillfactor = 60, deduplicate_items = off) WHERE kind > 1;
CREATE UNLOGGED TABLE fast (id int PRIMARY KEY WITH (fillfactor = 50), tags text[], at timestamptz)
    WITH (autovacuum_enabled = off);
CREATE INDEX fast_tags ON fast USING gin (tags) WITH (fastupdate = off, gin_pending_list_limit = 128);
CREATE INDEX fast_at ON fast USING brin (at) WITH (pages_per_range = 8, autosummarize = on);
CREATE TABLE secret (id int); ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE VIEW barrier WITH (security_barrier) AS SELECT id FROM secret;
CREATE MATERIALIZED VIEW mat WITH (fillfactor = 90) AS SELECT id, body FROM parent;
CREATE SCHEMA "Stats"; CREATE STATISTICS "Stats"."On ""2"" cols" (ndistinct, mcv) ON id, body FROM parent;
CREATE STATISTICS expr ON (lower(body)), (id % 7) FROM parent;
CREATE STATISTICS dep (dependencies) ON id, body FROM mat;
ALTER STATISTICS expr SET STATISTICS 0;
"""

PARTITIONS = """
CREATE TABLE p (id int NOT NULL, at date NOT NULL, note text DEFAULT 'a', twice int GENERATED ALWAYS AS (id * 2) STORED,
    PRIMARY KEY (id, at), CONSTRAINT noted CHECK (note <> '')) PARTITION BY RANGE (at);
CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') WITH (fillfactor = 40);
CREATE TABLE odd (note text DEFAULT 'b', at date NOT NULL, id int NOT NULL,
    twice int GENERATED ALWAYS AS (id * 2) STORED, CONSTRAINT noted CHECK (note <> ''), CONSTRAINT own CHECK (id > 5));
CREATE UNIQUE INDEX its_own_name ON odd (id, at); CREATE INDEX a_name_of_its_own ON odd (note, id);
ALTER TABLE odd ADD CONSTRAINT "Odd pkey" PRIMARY KEY USING INDEX its_own_name;
CREATE INDEX by_note ON p (note, id); CREATE INDEX by_note_too ON p (note, id);
ALTER TABLE p ATTACH PARTITION odd FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX odd_only ON odd (twice);
CREATE TABLE rest PARTITION OF p DEFAULT PARTITION BY HASH (id);
CREATE TABLE rest_0 PARTITION OF rest FOR VALUES WITH (modulus 2, remainder 0);
CREATE TABLE rest_1 PARTITION OF rest FOR VALUES WITH (modulus 2, remainder 1);
CREATE INDEX middle ON rest (note text_pattern_ops);
CREATE TABLE numbered (id int GENERATED ALWAYS AS IDENTITY, k int) PARTITION BY LIST (k);
CREATE TABLE numbered_1 PARTITION OF numbered FOR VALUES IN (1, NULL);
CREATE TABLE refers (id int, at date, FOREIGN KEY (id, at) REFERENCES p);
"""


@pytest.fixture
def copy(sandbox: Sandbox) -> Iterator[str]:
    """The name of another empty database."""
    sandbox.create_database("copy_of_storage")
    yield "copy_of_storage"
    sandbox.drop_database("copy_of_storage")


def test_inheritance_options_and_statistics_objects(sandbox: Sandbox, database: str, copy: str) -> None:
    assert load_schema(sandbox, PLAIN, database=database) == ()
    read = catalog_of(sandbox, database)
    assert rebuild(sandbox, copy, read) == (
        "Row security policies are not there on the throwaway server, plans are the owner's: public.secret.",
    )
    assert_same(read, catalog_of(sandbox, copy))


def test_partitions_keep_their_columns_and_the_names_of_their_indexes(
    sandbox: Sandbox, database: str, copy: str
) -> None:
    assert load_schema(sandbox, PARTITIONS, database=database) == ()
    read = catalog_of(sandbox, database)
    assert rebuild(sandbox, copy, read) == ()
    assert_same(read, catalog_of(sandbox, copy))


def test_a_dropped_column_changes_no_order(sandbox: Sandbox, database: str, copy: str) -> None:
    schema = "CREATE TABLE t (a int, gone int, b text, c int); ALTER TABLE t DROP COLUMN gone"
    load_schema(sandbox, schema, database=database)
    read = catalog_of(sandbox, database)
    assert rebuild(sandbox, copy, read) == ()
    again = catalog_of(sandbox, copy)
    columns = again.tables[QualifiedName("public", "t")].columns
    assert [(c.name, c.type) for c in columns] == [("a", "integer"), ("b", "text"), ("c", "integer")]


def test_tablespaces_have_their_costs(sandbox: Sandbox, database: str, copy: str) -> None:
    schema = "CREATE TABLE t (id int CONSTRAINT pk PRIMARY KEY, b int); CREATE INDEX i ON t (b)"
    load_schema(sandbox, schema, database=database)
    read = catalog_of(sandbox, database)
    name = QualifiedName("public", "t")
    fast, plain = 'Fast "disk"', "without_options"
    table = replace(
        read.tables[name],
        tablespace=fast,
        indexes=tuple(replace(i, tablespace=plain if i.name == "pk" else fast) for i in read.tables[name].indexes),
    )
    costs = ("random_page_cost=1.1", "seq_page_cost=0.5e0")
    wanted = replace(read, tables={name: table}, tablespace_options={fast: costs, "": ("random_page_cost=3.5",)})
    folder = Path(sandbox.data_directory or "").parent / "tablespaces"
    before = set(folder.iterdir()) if folder.is_dir() else set()
    assert make_tablespaces(sandbox, wanted) == ()
    try:
        assert rebuild(sandbox, copy, wanted) == ()
        with sandbox.admin(copy) as admin:
            options = dict(admin.execute("SELECT spcname, spcoptions FROM pg_tablespace WHERE spcoptions IS NOT NULL"))
            places = dict(
                admin.execute(
                    "SELECT relname, spcname FROM pg_class c LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace"
                    " WHERE relname IN ('t', 'i', 'pk')"
                )
            )
        assert options == {fast: list(costs), "pg_default": ["random_page_cost=3.5"]}
        assert places == {"t": fast, "i": fast, "pk": None}
        assert len(set(folder.iterdir()) - before) == 1
    finally:
        sandbox.drop_database(copy)
        with sandbox.admin() as admin:
            admin.autocommit = True
            admin.execute("ALTER TABLESPACE pg_default RESET (random_page_cost)")
            admin.execute('DROP TABLESPACE IF EXISTS "Fast ""disk"""')


@pytest.mark.parametrize("option", ["random_page_cost=1) ; DROP TABLE x", "no_such_cost=1", "seq_page_cost=-1"])
def test_an_option_that_is_none_is_not_run(sandbox: Sandbox, option: str) -> None:
    wanted = Catalog(
        server_version_num=0, server_version="", database="x", tables={}, tablespace_options={"": (option,)}
    )
    assert make_tablespaces(sandbox, wanted) == ()
    with sandbox.admin() as admin:
        rows = admin.execute("SELECT spcname FROM pg_tablespace WHERE spcoptions IS NOT NULL").fetchall()
    assert rows == []


@pytest.mark.parametrize("schema", [PLAIN, PARTITIONS], ids=["plain", "partitions"])
def test_an_older_server(schema: str) -> None:
    if local() is None:
        pytest.skip("no PostgreSQL server is installed on this machine")
    with open_sandbox("local") as older:
        assert load_schema(older, schema, database=older.database) == ()
        read = catalog_of(older, older.database)
        older.create_database("copy")
        assert [w for w in rebuild(older, "copy", read) if "Row security" not in w] == []
        assert_same(read, catalog_of(older, "copy"))
