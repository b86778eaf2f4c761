"""Index probes: the real ends, through the index and nothing else, and never in anybody's way."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from advisor.catalog.connect import connect
from advisor.catalog.end_points import end_points
from advisor.catalog.read import read_catalog
from advisor.model.catalog import Catalog
from advisor.sandbox.server import Sandbox

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN counted AS bigint;
CREATE TABLE t (
    id int PRIMARY KEY, "format" timestamptz, "Odd ""% name" text COLLATE "C", kept char(8), down numeric, first int,
    last int, dull int, hidden int, mood mood, dom counted, flag bool);
INSERT INTO t SELECT n, '2024-01-01'::timestamptz + n * interval '1 h', 'w' || n, 'k' || n, n / 4.0, nullif(n, 7),
    nullif(n, 7), n % 3, n, (enum_range(NULL::mood))[1 + n % 2], n, n > 5 FROM generate_series(1, 1000) n;
CREATE INDEX ON t ("format"); CREATE INDEX odd ON t ("Odd ""% name", id); CREATE INDEX ON t (kept);
CREATE INDEX ON t (down DESC NULLS LAST); CREATE INDEX ON t (first NULLS FIRST);
CREATE INDEX last_down ON t (last DESC); CREATE INDEX dull ON t (dull);
CREATE INDEX partial ON t (hidden) WHERE hidden > 10; CREATE INDEX hashed ON t USING hash (hidden);
CREATE INDEX expressed ON t ((hidden + 1)); CREATE INDEX by_mood ON t (mood); CREATE INDEX ON t (dom);
CREATE INDEX pattern ON t ("Odd ""% name" text_pattern_ops); CREATE INDEX other_order ON t (kept COLLATE "POSIX");
CREATE TABLE cut (a int, b int) PARTITION BY LIST (b); CREATE TABLE cut_1 PARTITION OF cut FOR VALUES IN (1);
CREATE INDEX ON cut (a); INSERT INTO cut SELECT n, 1 FROM generate_series(1, 500) n;
CREATE MATERIALIZED VIEW seen AS SELECT id FROM t; CREATE INDEX ON seen (id);
ANALYZE t, cut, cut_1, seen;
SET TimeZone = 'UTC';
INSERT INTO t (id, "format", down) VALUES (-5, '2030-01-01Z', -0.25), (5000, '2020-01-01Z', NULL);
"""


@pytest.fixture
def url(sandbox: Sandbox, database: str) -> str:
    with sandbox.connect(database) as connection:
        connection.execute(SCHEMA.encode())
    return sandbox.url_of(database)


@pytest.fixture
def connection(url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(url) as opened:
        opened.execute("SET LOCAL TimeZone = 'UTC'")
        yield opened


def _ends(catalog: Catalog) -> dict[str, tuple[str, str]]:
    return {i.name: i.end_points for table in catalog.tables.values() for i in table.indexes if i.end_points}


def test_the_real_ends_also_beyond_the_histogram(connection: psycopg.Connection[Any]) -> None:
    catalog = read_catalog(connection)
    probed = end_points(connection, catalog)
    assert _ends(probed) == {
        "t_pkey": ("-5", "5000"),
        "t_format_idx": ("2020-01-01 00:00:00+00", "2030-01-01 00:00:00+00"),
        "odd": ("w1", "w999"),
        "t_kept_idx": ("k1      ", "k999    "),
        "t_down_idx": ("-0.25", "250.0000000000000000"),
        "t_first_idx": ("1", "1000"),
        "last_down": ("1", "1000"),
        "t_dom_idx": ("1", "1000"),
        "cut_1_a_idx": ("1", "500"),
        "seen_id_idx": ("1", "1000"),
    }
    assert probed.warnings == catalog.warnings


def test_the_transaction_and_its_settings_are_as_before(connection: psycopg.Connection[Any]) -> None:
    def settings() -> object:
        names = ["statement_timeout", "lock_timeout", "enable_seqscan", "enable_sort", "jit", "row_security"]
        return connection.execute("SELECT array_agg(current_setting(n)) FROM unnest(%s::text[]) n", [names]).fetchone()

    catalog, before = read_catalog(connection), settings()
    assert _ends(end_points(connection, catalog))
    assert settings() == before


def test_no_lock_is_kept(connection: psycopg.Connection[Any]) -> None:
    end_points(connection, read_catalog(connection))
    held = connection.execute(
        "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
        "WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'public'::regnamespace"
    ).fetchone()
    assert held == (0,)


def test_only_ends_of_indexes_are_read(sandbox: Sandbox, database: str, url: str) -> None:
    """As the server counts: no sequential scan of any table, and a few rows by index."""

    def counted() -> list[tuple[Any, ...]]:
        with sandbox.admin(database) as admin:
            return admin.execute(
                "SELECT relname, seq_scan, idx_scan > 0, idx_tup_fetch < 100 FROM pg_stat_user_tables "
                "WHERE relname IN ('t', 'cut_1', 'seen') ORDER BY 1"
            ).fetchall()

    with connect(url) as connection:
        catalog = read_catalog(connection)
    with sandbox.admin(database) as admin:
        admin.execute("SELECT pg_stat_reset()")
    with connect(url) as connection:
        assert _ends(end_points(connection, catalog))
    assert counted() == [(name, 0, True, True) for name in ("cut_1", "seen", "t")]


def test_a_locked_table_is_passed_over(connection: psycopg.Connection[Any], sandbox: Sandbox, database: str) -> None:
    catalog = read_catalog(connection)
    with sandbox.connect(database) as other:
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        probed = end_points(connection, catalog)
        assert time.monotonic() - started < 10
    assert _ends(probed).keys() == {"cut_1_a_idx", "seen_id_idx"}
    assert "The ends of 8 indexed columns could not be asked for" in probed.warnings[-1]
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_row_security_and_rights(connection: psycopg.Connection[Any], sandbox: Sandbox, database: str) -> None:
    """With statistics read by one who sees all, and probes by one who does not."""
    with connection:
        catalog = read_catalog(connection)
    with sandbox.admin(database) as admin, admin.transaction(force_rollback=True):
        admin.execute("CREATE ROLE onlooker; GRANT SELECT ON public.t, public.seen TO onlooker")
        admin.execute("ALTER TABLE public.t ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON public.t USING (id < 10)")
        admin.execute("SET LOCAL ROLE onlooker")
        probed = end_points(admin, catalog)
    assert _ends(probed).keys() == {"seen_id_idx"}
    assert "The ends of 9 indexed columns were not asked for" in probed.warnings[-1]


def test_a_table_that_is_gone_takes_no_other_with_it(connection: psycopg.Connection[Any], url: str) -> None:
    catalog = read_catalog(connection)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("DROP MATERIALIZED VIEW seen")
    probed = end_points(connection, catalog)
    assert "seen_id_idx" not in _ends(probed)
    assert len(_ends(probed)) == 9
