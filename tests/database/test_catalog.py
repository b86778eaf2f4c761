"""The catalog of a live database, against what was created in it."""

import psycopg
import pytest

from advisor.catalog.connect import connect
from advisor.catalog.read import read_catalog
from advisor.errors import ConnectionFailed
from advisor.model.catalog import Catalog, IndexKey
from advisor.model.names import QualifiedName
from advisor.sandbox.server import Sandbox

SCHEMA = r"""
CREATE SCHEMA "Größe"; CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'it''s "fine"');
CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
CREATE DOMAIN app.needed AS app.positive NOT NULL;
CREATE FUNCTION app.f(x text) RETURNS text IMMUTABLE LANGUAGE sql AS 'select x';
CREATE FUNCTION app.g() RETURNS int VOLATILE LANGUAGE sql AS 'select 1';
CREATE FUNCTION app.g(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'select 1';
CREATE TABLE app.t (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Mixed ""q"" ü" text COLLATE "C", m app.mood,
    p app.needed, v varchar(20) DEFAULT 'x', ts timestamptz, g int GENERATED ALWAYS AS (p * 2) STORED, a int[],
    CONSTRAINT range CHECK (p < 1000000), UNIQUE (v, ts));
CREATE TABLE "Größe".t (id bigint REFERENCES app.t (id), x numeric(10,2));
CREATE INDEX special ON app.t (app.f(v) DESC NULLS LAST, ts DESC) INCLUDE (p) WHERE m = 'ok';
CREATE INDEX "odd "" name" ON app.t ("Mixed ""q"" ü" text_pattern_ops);
CREATE TABLE app.part (id int, d date NOT NULL) PARTITION BY RANGE (d);
CREATE TABLE app.part1 PARTITION OF app.part FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE app.part2 PARTITION OF app.part FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE INDEX ON app.part (id);
CREATE TABLE app.never (id int);
CREATE VIEW app.seen AS SELECT id FROM app.t;
CREATE MATERIALIZED VIEW app.counted AS SELECT count(*) FROM app.t;
CREATE TEMPORARY TABLE gone (id int);
INSERT INTO app.part SELECT i, date '2024-01-01' + i % 40 FROM generate_series(1, 10000) i;
INSERT INTO app.t ("Mixed ""q"" ü", m, p, v, ts, a)
    SELECT 'a' || i % 7, 'it''s "fine"', i, 'v' || i, now(), ARRAY[i % 3] FROM generate_series(1, 5000) i;
ANALYZE app.t; ANALYZE app.part; ANALYZE app.part1; ANALYZE app.part2; ANALYZE "Größe".t;
INSERT INTO app.part SELECT i, date '2024-01-01' + i % 40 FROM generate_series(1, 10000) i;
INSERT INTO app.never VALUES (1);
"""

T = QualifiedName("app", "t")


@pytest.fixture
def url(sandbox: Sandbox, database: str) -> str:
    with sandbox.connect(database) as connection:
        connection.execute(SCHEMA.encode())
    return sandbox.url_of(database)


def _read(url: str) -> Catalog:
    with connect(url) as connection:
        return read_catalog(connection)


def test_relations_of_every_kind(url: str) -> None:
    catalog = _read(url)
    kinds = {str(name): table.kind for name, table in catalog.tables.items()}
    assert kinds == {
        "Größe.t": "table",
        "app.t": "table",
        "app.never": "table",
        "app.part": "partitioned_table",
        "app.part1": "table",
        "app.part2": "table",
        "app.seen": "view",
        "app.counted": "materialized_view",
    }
    assert catalog.functions == {"f": "i", "g": "v"}
    assert catalog.settings["random_page_cost"] == "4"
    assert "TimeZone" in catalog.settings
    assert catalog.search_path == ("public",)


def test_columns(url: str) -> None:
    table = _read(url).tables[T]
    described = {
        column.name: (column.type, column.base_type, column.type_kind, column.not_null, column.generated)
        for column in table.columns
    }
    assert described == {
        "id": ("bigint", "int8", "b", True, "identity_always"),
        'Mixed "q" ü': ("text", "text", "b", False, None),
        "m": ("app.mood", "mood", "e", False, None),
        "p": ("app.needed", "int4", "d", True, None),
        "v": ("character varying(20)", "varchar", "b", False, None),
        "ts": ("timestamp with time zone", "timestamptz", "b", False, None),
        "g": ("integer", "int4", "b", False, "stored"),
        "a": ("integer[]", "_int4", "b", False, None),
    }
    mood, mixed, given = table.column("m"), table.column('Mixed "q" ü'), table.column("v")
    assert mood is not None
    assert mixed is not None
    assert given is not None
    assert mood.enum_labels == ("sad", "ok", 'it\'s "fine"')
    assert mixed.collation == "C"
    assert given.default == "'x'::character varying"
    assert mood.statistics is not None
    assert mood.statistics.most_common == (('it\'s "fine"', 1.0),)
    assert mixed.statistics is not None
    assert mixed.statistics.distinct == 7


def test_indexes(url: str) -> None:
    indexes = {index.name: index for index in _read(url).tables[T].indexes}
    special = indexes["special"]
    assert special.keys == (
        IndexKey(expression="app.f((v)::text)", descending=True),
        IndexKey(column="ts", descending=True, nulls_first=True),
    )
    assert special.include == ("p",)
    assert special.predicate == "(m = 'ok'::app.mood)"
    assert indexes['odd " name'].keys == (IndexKey(column='Mixed "q" ü', operator_class="text_pattern_ops"),)
    assert indexes["t_pkey"].primary
    assert indexes["t_pkey"].constraint == "t_pkey"
    assert indexes["t_v_ts_key"].unique
    assert not indexes["t_v_ts_key"].primary
    assert (special.size_bytes or 0) > 0


def test_constraints(url: str) -> None:
    catalog = _read(url)
    (foreign,) = (c for c in catalog.tables[QualifiedName("Größe", "t")].constraints if c.kind == "foreign_key")
    assert (foreign.columns, foreign.referenced_table, foreign.referenced_columns) == (("id",), T, ("id",))
    kinds = {(c.name, c.kind) for c in catalog.tables[T].constraints if c.kind != "not_null"}
    assert kinds == {("range", "check"), ("t_pkey", "primary_key"), ("t_v_ts_key", "unique")}
    assert catalog.tables[T].primary_key == ("id",)


def test_row_counts_follow_the_file(url: str) -> None:
    tables = _read(url).tables
    parent, part = tables[QualifiedName("app", "part")], tables[QualifiedName("app", "part1")]
    assert parent.rows == pytest.approx(20_000, rel=0.05)
    assert parent.partition_key == "RANGE (d)"
    assert part.partition_of == parent.name
    assert tables[T].rows == 5_000
    assert tables[QualifiedName("app", "never")].rows is None
    assert tables[QualifiedName("app", "seen")].rows is None
    assert (parent.size_bytes or 0) > (part.size_bytes or 0) > 0
    assert parent.indexes[0].size_bytes == sum(
        tables[QualifiedName("app", name)].indexes[0].size_bytes or 0 for name in ("part1", "part2")
    )
    assert part.indexes[0].inherited
    assert not parent.indexes[0].inherited


def test_a_role_that_may_read_nothing_gets_the_schema_and_a_warning(sandbox: Sandbox, database: str, url: str) -> None:
    with sandbox.admin(database) as admin, admin.transaction(force_rollback=True):
        admin.execute("CREATE ROLE onlooker")
        admin.execute("GRANT USAGE ON SCHEMA app TO onlooker; GRANT SELECT ON app.part TO onlooker")
        admin.execute("SET LOCAL ROLE onlooker")
        catalog = read_catalog(admin)
    hidden, shown = catalog.tables[T], catalog.tables[QualifiedName("app", "part")]
    assert hidden.rows == 5_000
    assert all(column.statistics is None for column in hidden.columns)
    assert any(column.statistics is not None for column in shown.columns)
    assert any("onlooker has no SELECT" in warning and "Größe.t" in warning for warning in catalog.warnings)


def test_a_table_under_an_exclusive_lock_does_not_hold_us_up(sandbox: Sandbox, database: str, url: str) -> None:
    with sandbox.connect(database) as other:
        other.execute("LOCK TABLE app.t IN ACCESS EXCLUSIVE MODE")
        catalog = _read(url)
    assert T not in catalog.tables
    assert QualifiedName("Größe", "t") in catalog.tables
    assert any("ACCESS EXCLUSIVE" in warning and "app.t" in warning for warning in catalog.warnings)


def test_the_session_cannot_write(url: str) -> None:
    with connect(url) as connection:
        timeout = connection.execute("SELECT current_setting('statement_timeout')").fetchone()
        assert timeout == ("30s",)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("INSERT INTO app.never VALUES (2)")
        connection.rollback()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE app.written (id int)")


def test_sqlalchemy_url(sandbox: Sandbox, database: str) -> None:
    url = sandbox.url_of(database).replace("postgresql://", "postgresql+psycopg://")
    with connect(url) as connection:
        assert connection.info.dbname == database


def test_no_such_database(sandbox: Sandbox, database: str) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        connect(sandbox.url_of(database).replace(database, "absent"))
    assert "no database of that name" in caught.value.why


def test_wrong_password(sandbox: Sandbox, database: str) -> None:
    with sandbox.connect(database) as good:
        password = good.info.password
    wrong = sandbox.url_of(database).replace(password, "hunter2")
    with pytest.raises(ConnectionFailed) as caught:
        connect(wrong)
    assert "user name or the password" in caught.value.why
    assert "hunter2" not in str(caught.value)


def test_the_server_goes_away(sandbox: Sandbox, database: str, url: str) -> None:
    connection = connect(url)
    with sandbox.admin() as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
    with connection, pytest.raises(ConnectionFailed) as caught:
        read_catalog(connection)
    assert "could not be read to the end" in caught.value.what
