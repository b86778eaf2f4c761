"""A catalog built again elsewhere is the same catalog."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.catalog.read import read_catalog
from advisor.model.catalog import Catalog, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.schema.load import load_schema
from advisor.sandbox.schema.rebuild import rebuild
from advisor.sandbox.server import Sandbox

SCHEMAS = Path(__file__).parents[2] / "fixtures" / "schemas"

EVERYTHING = r"""
CREATE SCHEMA app; CREATE SCHEMA "Größe"; CREATE SCHEMA only_types;
CREATE EXTENSION hstore SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'it''s "fine"', E'back\\slash');
CREATE TYPE only_types.unused AS ENUM ();
CREATE DOMAIN only_types.needed AS text COLLATE "C" NOT NULL; CREATE DOMAIN app.amount AS numeric(12, 2) DEFAULT 0
    CHECK (VALUE >= 0) CONSTRAINT "Most" CHECK (VALUE < 1e9);
CREATE DOMAIN app.feeling AS app.mood;
CREATE TYPE app.point3 AS (x int, "Y" numeric(5, 1), m app.mood);
CREATE TYPE app.amounts AS RANGE (SUBTYPE = numeric);
CREATE FUNCTION app.normal(x text) RETURNS text IMMUTABLE LANGUAGE sql AS $_$ SELECT lower($1) || ';$$' $_$;
CREATE SEQUENCE app."Odd seq" START 100 INCREMENT 10;
CREATE TABLE app.t (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    s serial, o int DEFAULT nextval('app."Odd seq"'), small smallserial,
    "Mixed ""q"" ü" text COLLATE "C", m app.mood DEFAULT 'it''s "fine"', ms app.mood[], f app.feeling,
    a app.amount, p app.point3, r app.amounts, h app.hstore, v varchar(20) DEFAULT app.normal('X'),
    ts timestamptz(3) NOT NULL DEFAULT now(), g int GENERATED ALWAYS AS (s * 2) STORED, bits bit(3), tags text[],
    CONSTRAINT "range" CHECK (s < 1000000 OR v LIKE '%;%'), UNIQUE NULLS NOT DISTINCT (v, ts),
    CONSTRAINT no_overlap EXCLUDE USING gist (r WITH &&));
CREATE TABLE "Größe".t (id bigint CONSTRAINT fk REFERENCES app.t (id) ON DELETE CASCADE, x numeric(10,2), y int,
    UNIQUE (id, x) INCLUDE (y) DEFERRABLE);
CREATE INDEX special ON app.t (app.normal(v) DESC NULLS LAST, ts DESC) INCLUDE (s) WHERE m = 'sad';
CREATE INDEX "odd "" ON ONLY name" ON app.t ("Mixed ""q"" ü" text_pattern_ops);
CREATE INDEX ON app.t USING gin (tags); CREATE INDEX ON app.t USING brin (ts); CREATE INDEX ON app.t USING hash (s);
CREATE TABLE app.part (id int, d date NOT NULL, k text DEFAULT 'a', PRIMARY KEY (id, d, k)) PARTITION BY RANGE (d);
CREATE TABLE app.part_1 PARTITION OF app.part FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE app."Part 2" PARTITION OF app.part FOR VALUES FROM ('2026-01-01') TO (MAXVALUE) PARTITION BY LIST (k);
CREATE TABLE app.part_2a PARTITION OF app."Part 2" FOR VALUES IN ('a', 'it''s');
CREATE TABLE app.part_2z PARTITION OF app."Part 2" DEFAULT;
CREATE INDEX part_k ON app.part (k); CREATE INDEX own ON app.part_1 (d, k);
CREATE TABLE app.parent (id int PRIMARY KEY, up int REFERENCES app.parent, other int);
CREATE TABLE app.child (id int PRIMARY KEY REFERENCES app.parent);
ALTER TABLE app.parent ADD FOREIGN KEY (other) REFERENCES app.child NOT VALID;
CREATE VIEW app.a_view AS SELECT b.id FROM app.z_view b; CREATE VIEW app.z AS SELECT 1 AS one;
CREATE MATERIALIZED VIEW app.mat AS SELECT id, count(*) AS n FROM app.part GROUP BY id;
CREATE UNIQUE INDEX mat_id ON app.mat (id);
CREATE FUNCTION app.later(app.t) RETURNS int LANGUAGE sql STABLE AS 'SELECT ($1).s';
CREATE FUNCTION app.trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER "on T" BEFORE UPDATE OF s ON app.t FOR EACH ROW WHEN (NEW.s > 1) EXECUTE FUNCTION app.trig('x');
CREATE TRIGGER parts AFTER INSERT ON app.part FOR EACH ROW EXECUTE FUNCTION app.trig();
CREATE UNLOGGED TABLE app.empty ();
""".replace("CREATE VIEW app.a_view", "CREATE VIEW app.z_view AS SELECT id FROM app.t; CREATE VIEW app.a_view")


@pytest.fixture
def copy(sandbox: Sandbox) -> Iterator[str]:
    """The name of another empty database."""
    sandbox.create_database("copy")
    yield "copy"
    sandbox.drop_database("copy")


def catalog_of(sandbox: Sandbox, database: str) -> Catalog:
    with sandbox.connect(database) as connection:
        return read_catalog(connection)


def comparable(catalog: Catalog) -> dict[QualifiedName, Table]:
    """The tables without what rows and time make of them."""
    return {
        name: replace(
            table,
            rows=None,
            size_bytes=None,
            toast_size_bytes=None,
            storage=None,
            activity=None,
            sequential_scans=None,
            index_scans=None,
            rows_inserted=None,
            rows_updated=None,
            rows_deleted=None,
            columns=tuple(replace(c, statistics=None, inherited_statistics=None) for c in table.columns),
            indexes=tuple(
                replace(i, size_bytes=None, scans=None, storage=None, height=None, gin=None, statistics=())
                for i in table.indexes
            ),
        )
        for name, table in catalog.tables.items()
    }


def assert_same(read: Catalog, again: Catalog) -> None:
    """Whether the second is the first one's schema."""
    for name, table in comparable(read).items():
        assert comparable(again)[name] == table
    assert again.tables.keys() == read.tables.keys()
    assert set(again.objects) == set(read.objects)
    assert again.functions == read.functions
    assert again.collations == read.collations
    assert [replace(s, data=()) for s in again.extended_statistics] == [
        replace(s, data=()) for s in read.extended_statistics
    ]


@pytest.mark.parametrize("schema", ["shop.sql", "odd_names.sql", "everything"])
def test_the_same_catalog(sandbox: Sandbox, database: str, copy: str, schema: str) -> None:
    assert load_schema(sandbox, EVERYTHING if schema == "everything" else SCHEMAS / schema, database=database) == ()
    read = catalog_of(sandbox, database)
    assert rebuild(sandbox, copy, read) == ()
    assert_same(read, catalog_of(sandbox, copy))


def test_a_domain_keeps_its_collation(sandbox: Sandbox, database: str, copy: str) -> None:
    load_schema(sandbox, "CREATE DOMAIN d AS text COLLATE \"C\" NOT NULL CHECK (VALUE < 'b')", database=database)
    (domain,) = catalog_of(sandbox, database).objects
    assert domain.definition.startswith('CREATE DOMAIN public.d AS text COLLATE "C" NOT NULL CONSTRAINT d_check CHECK')
    assert rebuild(sandbox, copy, catalog_of(sandbox, database)) == ()


def test_a_serial_is_a_serial_again(sandbox: Sandbox, database: str, copy: str) -> None:
    load_schema(sandbox, 'CREATE TABLE "T\'s" ("I d" serial PRIMARY KEY)', database=database)
    assert rebuild(sandbox, copy, catalog_of(sandbox, database)) == ()
    with sandbox.connect(copy) as connection:
        query = """SELECT pg_get_serial_sequence('"T''s"', 'I d')"""
        assert connection.execute(query).fetchone() == ("""public."T's_I d_seq\"""",)


def test_an_empty_catalog(sandbox: Sandbox, database: str, copy: str) -> None:
    assert rebuild(sandbox, copy, catalog_of(sandbox, database)) == ()


def test_an_invalid_index_is_not_built(sandbox: Sandbox, database: str, copy: str) -> None:
    load_schema(sandbox, "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)", database=database)
    with sandbox.connect(database) as connection:
        connection.autocommit = True
        with pytest.raises(Exception, match="duplicated"):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (a)")
    read = catalog_of(sandbox, database)
    assert [index.valid for index in read.tables[QualifiedName("public", "t")].indexes] == [False]
    assert rebuild(sandbox, copy, read) == ()
    assert catalog_of(sandbox, copy).tables[QualifiedName("public", "t")].indexes == ()


def test_a_missing_type_takes_nothing_else_along(sandbox: Sandbox, database: str, copy: str) -> None:
    """As when the target has an extension that is not there: its types, the tables of them, and views of those."""
    schema = """
        CREATE SCHEMA geo; CREATE TYPE geo.geometry AS ENUM ('a'); CREATE TABLE kept (id int PRIMARY KEY);
        CREATE FUNCTION geo.norm(geo.geometry) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1::text';
        CREATE TABLE places (id int PRIMARY KEY, area geo.geometry DEFAULT 'a', near int REFERENCES kept,
            name text DEFAULT geo.norm('a'), twice text GENERATED ALWAYS AS (geo.norm(area)) STORED,
            last int DEFAULT 7, CONSTRAINT places_check CHECK (geo.norm(area) <> ''));
        CREATE INDEX places_area ON places (area); CREATE INDEX places_norm ON places (geo.norm(area));
        CREATE VIEW areas AS SELECT area FROM places; CREATE VIEW normal AS SELECT geo.norm(area) AS n FROM places;
        CREATE VIEW of_view AS SELECT n FROM normal; CREATE INDEX kept_i ON kept ((id + 1));
    """
    load_schema(sandbox, schema, database=database)
    read = catalog_of(sandbox, database)
    warnings = rebuild(sandbox, copy, replace(read, objects=()))
    missing = "function geo.norm(geo.geometry) does not exist."
    assert [warning.partition(" (")[0] for warning in warnings[1:]] == [
        "Left out on the throwaway server: the default of public.places.name",
        "Left out on the throwaway server: the default of public.places.twice",
        f"Not built on the throwaway server: the index public.places_norm: {missing}",
        f"Not built on the throwaway server: the constraint places_check of public.places: {missing}",
        f"Not built on the throwaway server: the view public.normal: {missing}",
        'Not built on the throwaway server: the view public.of_view: relation "public.normal" does not exist.',
    ]
    assert warnings[0].startswith("The type geo.geometry is not there on the throwaway PostgreSQL")
    assert warnings[0].endswith("(of public.places.area).")
    again = catalog_of(sandbox, copy)
    places = QualifiedName("public", "places")
    assert [(c.name, c.type, c.default) for c in again.tables[places].columns] == [
        ("id", "integer", None),
        ("area", "geo.geometry", "'a'::geo.geometry"),
        ("near", "integer", None),
        ("name", "text", None),
        ("twice", "text", None),
        ("last", "integer", "7"),
    ]
    assert [i.name for i in again.tables[places].indexes] == ["places_area", "places_pkey"]
    assert {str(name) for name in again.tables} == {"public.kept", "public.places", "public.areas"}
