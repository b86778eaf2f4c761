"""Files, counters, collations, tablespaces, settings and what is left out, in the catalog of a live database."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from advisor.catalog.connect import connect
from advisor.catalog.foreign import why_foreign
from advisor.catalog.read import read_catalog
from advisor.model.catalog import Catalog, Collation, Index, Storage, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.server import Sandbox

SCHEMA = """
CREATE COLLATION mine (provider = libc, locale = 'C.UTF-8'); CREATE DOMAIN word AS text COLLATE mine;
CREATE TABLE t (id int PRIMARY KEY, gone int, big text, word text COLLATE mine, plain text COLLATE "C", tags text[])
    WITH (fillfactor = 70, parallel_workers = 3);
ALTER TABLE t DROP COLUMN gone; ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
INSERT INTO t SELECT n, CASE WHEN n < 10 THEN repeat('x', 10000) END, 'w', 'p', ARRAY['a' || n % 9]
FROM generate_series(1, 2000) n;
CREATE INDEX filled ON t (word) WITH (fillfactor = 50); CREATE INDEX tagged ON t USING gin (tags);
CREATE UNLOGGED TABLE fast (id int); CREATE TABLE cut (id int) PARTITION BY HASH (id);
CREATE TABLE cut_0 PARTITION OF cut FOR VALUES WITH (MODULUS 1, REMAINDER 0); CREATE INDEX ON cut (id);
CREATE VIEW looked AS SELECT id FROM t; CREATE MATERIALIZED VIEW kept AS SELECT id FROM t;
ALTER TABLE fast ENABLE ROW LEVEL SECURITY;
"""


@pytest.fixture
def url(sandbox: Sandbox, database: str) -> str:
    with sandbox.connect(database) as connection:
        connection.execute(SCHEMA.encode())
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE t")
        connection.execute("INSERT INTO t SELECT n FROM generate_series(5001, 9000) n")
    return sandbox.url_of(database)


@pytest.fixture
def admin(sandbox: Sandbox, database: str, url: str) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection; nothing that it does is kept."""
    with sandbox.admin(database) as connection:
        yield connection
        connection.rollback()


def _read(url: str) -> Catalog:
    with connect(url) as connection:
        return read_catalog(connection)


def _table(catalog: Catalog, name: str) -> Table:
    return catalog.tables[QualifiedName("public", name)]


def _index(catalog: Catalog, name: str, table: str = "t") -> Index:
    return next(index for index in _table(catalog, table).indexes if index.name == name)


def test_files_as_analysed_and_as_they_are_now(url: str, admin: psycopg.Connection[Any]) -> None:
    catalog = _read(url)
    row = admin.execute(
        "SELECT relpages, reltuples::float8, relallvisible, pg_relation_size(oid) / 8192, "
        "pg_relation_size(reltoastrelid) FROM pg_class WHERE relname = 't'"
    ).fetchone()
    assert row is not None
    analysed_pages, analysed_rows, all_visible_pages, pages, toast_size_bytes = row
    table = _table(catalog, "t")
    assert table.storage == Storage(
        analysed_pages=analysed_pages, analysed_rows=analysed_rows, all_visible_pages=all_visible_pages, pages=pages
    )
    assert analysed_rows == 2000
    assert pages > analysed_pages > 0
    assert all_visible_pages > 0
    assert table.toast_size_bytes == toast_size_bytes > 0
    index = _index(catalog, "t_pkey").storage
    assert index is not None
    assert index.analysed_rows == 2000
    assert (index.pages or 0) > index.analysed_pages


def test_what_has_no_file_has_no_pages(url: str) -> None:
    catalog = _read(url)
    assert _table(catalog, "looked").storage is None
    assert _table(catalog, "cut").storage == Storage()
    assert _index(catalog, "cut_id_idx", "cut").storage is None
    kept = _table(catalog, "kept")
    assert kept.storage == Storage(pages=(kept.size_bytes or 0) // 8192)
    assert (kept.size_bytes or 0) > 0
    assert _table(catalog, "fast").storage == Storage(pages=0)
    assert (_table(catalog, "fast").toast_size_bytes, _table(catalog, "looked").toast_size_bytes) == (None, None)


def test_what_a_table_was_made_with(url: str) -> None:
    catalog = _read(url)
    table, fast = _table(catalog, "t"), _table(catalog, "fast")
    assert table.options == ("fillfactor=70", "parallel_workers=3")
    assert _index(catalog, "filled").options == ("fillfactor=50",)
    assert {column.name: column.number for column in table.columns} == {
        "id": 1, "big": 3, "word": 4, "plain": 5, "tags": 6
    }  # fmt: skip
    assert (table.unlogged, table.row_security, fast.unlogged, fast.row_security) == (False, False, True, True)


def test_collations(url: str) -> None:
    catalog = _read(url)
    word, plain = _table(catalog, "t").column("word"), _table(catalog, "t").column("plain")
    assert word is not None
    assert plain is not None
    assert (word.collation_schema, word.collation) == ("public", "mine")
    assert (plain.collation_schema, plain.collation) == ("pg_catalog", "C")
    mine = Collation(name=QualifiedName("public", "mine"), provider="c", locale="C.UTF-8")
    assert catalog.collations == (mine,)
    assert catalog.default_collation is not None
    assert catalog.default_collation.name == QualifiedName("pg_catalog", "default")
    assert catalog.default_collation.provider in ("b", "c")
    assert catalog.default_collation.locale == catalog.settings["lc_collate"]


def test_activity(url: str, admin: psycopg.Connection[Any]) -> None:
    catalog = _read(url)
    activity = _table(catalog, "t").activity
    assert activity is not None
    seen = admin.execute(
        "SELECT n_live_tup, n_dead_tup, n_tup_hot_upd, n_mod_since_analyze FROM pg_stat_all_tables WHERE relname = 't'"
    ).fetchone()
    assert seen == (
        *(activity.rows_live, activity.rows_dead, activity.rows_hot_updated),
        activity.rows_changed_since_analyze,
    )
    assert activity.rows_changed_since_analyze >= 4000
    (now_us,) = admin.execute("SELECT (extract(epoch FROM now()) * 1000000)::bigint").fetchone() or (0,)
    for moment in (activity.last_vacuum_us, activity.last_analyze_us):
        assert moment is not None
        assert now_us - 600_000_000 < moment < now_us + 60_000_000
    never = _table(catalog, "fast").activity
    assert never is not None
    assert (never.last_vacuum_us, never.last_analyze_us) == (None, None)
    assert not catalog.standby
    admin.execute("SELECT pg_stat_reset()")
    reset = read_catalog(admin).counters_reset_us
    assert reset is not None
    assert now_us - 1_000_000 < reset < now_us + 60_000_000


def test_metapages_where_they_may_be_read(url: str, admin: psycopg.Connection[Any]) -> None:
    admin.execute("CREATE EXTENSION pageinspect SCHEMA public")
    catalog = read_catalog(admin)
    assert (_index(catalog, "t_pkey").height, _index(catalog, "filled").height) == (1, 1)
    assert _index(catalog, "tagged").height is None
    gin = _index(catalog, "tagged").gin
    assert gin is not None
    assert (gin.total_pages, gin.entries) == (gin.entry_pages + gin.data_pages + 1, 9)
    assert gin.pending_pages > 0
    assert all(index.height is None and index.gin is None for index in _table(_read(url), "t").indexes)


def test_the_planners_settings_are_all_there(
    sandbox: Sandbox, database: str, url: str, admin: psycopg.Connection[Any]
) -> None:
    names = admin.execute("SELECT name FROM pg_settings WHERE category LIKE 'Query Tuning%'").fetchall()
    with sandbox.admin(database) as setting:
        setting.execute(f"ALTER DATABASE {setting.info.dbname} SET random_page_cost = 1.5")
    settings = _read(url).settings
    assert len(names) > 40
    assert {name for (name,) in names} - settings.keys() == set()
    assert {"work_mem", "hash_mem_multiplier", "effective_io_concurrency", "row_security"} <= settings.keys()
    assert settings["random_page_cost"] == "1.5"


def test_tablespaces(sandbox: Sandbox, database: str, url: str) -> None:
    with sandbox.admin(database) as admin:
        admin.autocommit = True
        admin.execute("SET allow_in_place_tablespaces = on")
        admin.execute("CREATE TABLESPACE \"s low\" LOCATION '' WITH (random_page_cost = 9, seq_page_cost = 3)")
        try:
            admin.execute('CREATE TABLE public.far (id int PRIMARY KEY USING INDEX TABLESPACE "s low")')
            admin.execute('ALTER TABLE public.far SET TABLESPACE "s low"')
            catalog = read_catalog(admin)
        finally:
            admin.execute("DROP TABLE IF EXISTS public.far")
            admin.execute('DROP TABLESPACE "s low"')
    far = _table(catalog, "far")
    assert (far.tablespace, far.indexes[0].tablespace, _table(catalog, "t").tablespace) == ("s low", "s low", None)
    assert catalog.tablespace_options == {"s low": ("random_page_cost=9", "seq_page_cost=3")}


def test_the_databases_own_tablespace_has_no_name(admin: psycopg.Connection[Any]) -> None:
    admin.execute("ALTER TABLESPACE pg_default SET (random_page_cost = 7)")
    assert read_catalog(admin).tablespace_options == {"": ("random_page_cost=7",)}


def test_what_is_foreign_is_left_out_by_name(admin: psycopg.Connection[Any]) -> None:
    admin.execute("CREATE ACCESS METHOD columnar TYPE TABLE HANDLER heap_tableam_handler")
    admin.execute("CREATE TABLE public.packed (id int PRIMARY KEY) USING columnar")
    admin.execute("CREATE TABLE public.parted (id int) PARTITION BY LIST (id)")
    admin.execute("CREATE TABLE public.part_1 PARTITION OF public.parted FOR VALUES IN (1) USING columnar")
    admin.execute("CREATE SCHEMA _timescaledb_internal; CREATE TABLE _timescaledb_internal.chunk (id int)")
    admin.execute(
        "CREATE ROLE rdsadmin; CREATE TABLE public.theirs (id int); ALTER TABLE public.theirs OWNER TO rdsadmin"
    )
    admin.execute("CREATE STATISTICS public.of_packed (mcv) ON (id + 1), (id + 2) FROM public.packed")
    catalog = read_catalog(admin)
    names = {str(name) for name in catalog.tables}
    assert "public.parted" in names
    assert not names & {"public.packed", "public.part_1", "_timescaledb_internal.chunk", "public.theirs"}
    assert catalog.extended_statistics == ()
    heap = "they are stored by another access method than heap"
    assert sorted(warning for warning in catalog.warnings if "left out" in warning) == [
        "1 relations are left out, because they are an extension's own: _timescaledb_internal.chunk.",
        "1 relations are left out, because they are the hosting provider's own: public.theirs.",
        f"2 relations are left out, because {heap}: public.packed, public.part_1.",
    ]


@pytest.mark.parametrize("schema", ["timescaledb_internal", "auth", "storage", "citus"])
def test_everyday_names_are_not_foreign(schema: str) -> None:
    row = {"owner": "app", "schema": schema, "kind": "r", "access_method": "heap"}
    assert why_foreign(row) is None
