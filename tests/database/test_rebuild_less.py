"""What the throwaway server lacks takes nothing along but itself, and is named."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from advisor.model.catalog import Catalog, Collation, Column, Constraint, SchemaObject, Table
from advisor.model.names import QualifiedName
from advisor.sandbox.schema.collations import database_options
from advisor.sandbox.schema.extensions import create_extension
from advisor.sandbox.schema.load import load_schema
from advisor.sandbox.schema.rebuild import rebuild
from advisor.sandbox.server import Sandbox
from tests.database.test_rebuild import catalog_of

T = QualifiedName("public", "t")
GERMAN = QualifiedName("pg_catalog", "de-AT-x-icu")


@pytest.fixture
def copy(sandbox: Sandbox) -> Iterator[str]:
    """The name of another empty database."""
    sandbox.create_database("copy_with_less")
    yield "copy_with_less"
    sandbox.drop_database("copy_with_less")


def column(name: str, type: str, **more: object) -> Column:  # noqa: A002 PostgreSQL's word
    return replace(Column(name=name, type=type, base_type=type), **more)  # type: ignore[arg-type]


def catalog(*tables: Table, **more: object) -> Catalog:
    plain = Catalog(server_version_num=150004, server_version="15.4", database="x", tables={t.name: t for t in tables})
    return replace(plain, **more)  # type: ignore[arg-type]


def table(*columns: Column, **more: object) -> Table:
    return replace(Table(name=T, kind="table", columns=columns), **more)  # type: ignore[arg-type]


def test_opaque_types_hold_values_and_are_indexed(sandbox: Sandbox, copy: str) -> None:
    columns = (
        column("area", 'gis."Geo metry"(Point,4326)', default="'POINT(1 2)'::gis.\"Geo metry\""),
        column("areas", 'gis."Geo metry"(Point,4326)[]'),
        column("kept", "integer"),
    )
    warnings = rebuild(sandbox, copy, catalog(table(*columns)))
    (warning,) = warnings
    assert warning.startswith("The type gis.Geo metry is not there on the throwaway PostgreSQL")
    with sandbox.connect(copy) as connection:
        connection.autocommit = True
        connection.execute("SET search_path = public, gis")
        connection.execute("CREATE INDEX ON t (area); CREATE INDEX ON t USING hash (area)")
        connection.execute("INSERT INTO t VALUES ('b', '{a,b}', 1), (DEFAULT, NULL, 2); ANALYZE t")
        rows = connection.execute(
            """SELECT area::text FROM t WHERE area < 'c' OR area = 'x' ORDER BY area"""
        ).fetchall()
        assert rows == [("POINT(1 2)",), ("b",)]
        types = connection.execute("SELECT typname FROM pg_type WHERE typname = 'Geo metry'").fetchall()
    assert types == [("Geo metry",)]


@pytest.mark.parametrize("schema", ["pg_catalog", "pg_toast", "information_schema"])
def test_no_opaque_type_among_the_systems(sandbox: Sandbox, copy: str, schema: str) -> None:
    warnings = rebuild(sandbox, copy, catalog(table(column("a", f"{schema}.nonsense"), column("b", "integer"))))
    assert [warning.partition(" (")[0] for warning in warnings] == [
        "Left out on the throwaway server: the type of public.t.a, which is text there"
    ]
    (built,) = catalog_of(sandbox, copy).tables.values()
    assert [(c.name, c.type) for c in built.columns] == [("a", "text"), ("b", "integer")]


def test_storage_parameters_of_another_version(sandbox: Sandbox, copy: str) -> None:
    wanted = table(column("a", "integer"), options=("fillfactor=70", "vacuum_magic=3", "parallel_workers=2"))
    warnings = rebuild(sandbox, copy, catalog(wanted))
    (warning,) = warnings
    assert warning.startswith("Left out on the throwaway server: the storage parameter vacuum_magic=3 of public.t (")
    assert catalog_of(sandbox, copy).tables[T].options == ("fillfactor=70", "parallel_workers=2")


def test_partitions_by_a_function_that_is_not_there(sandbox: Sandbox, copy: str) -> None:
    part = QualifiedName("public", "t_1")
    columns = (column("a", "integer"), column("b", "integer", default="7"))
    parent = table(*columns, kind="partitioned_table", partition_key="RANGE (public.lost(a))")
    check = Constraint(name="c", kind="check", table=T, columns=("a",), definition="CHECK (a > 0)")
    child = Table(
        name=part, kind="table", columns=columns, partition_of=T, partition_bound="FOR VALUES FROM (1) TO (2)"
    )
    warnings = rebuild(sandbox, copy, catalog(replace(parent, constraints=(check,)), child))
    assert [warning.partition(" (")[0] for warning in warnings] == [
        "Left out on the throwaway server: the partitioning of public.t",
        "public.t_1 is a child of public.t by plain inheritance on the throwaway server, not a partition",
    ]
    built = catalog_of(sandbox, copy).tables
    assert built[part].inherits == (T,)
    assert [c.name for c in built[part].constraints] == ["c"]
    assert [c.default for c in built[part].columns] == [None, "7"]


def test_functions_in_other_languages_are_stubs(sandbox: Sandbox, copy: str) -> None:
    definition = (
        "CREATE OR REPLACE FUNCTION public.f(a integer, b text DEFAULT 'x'::text)\n RETURNS integer\n"
        " LANGUAGE plpython3u\n IMMUTABLE STRICT COST 7\nAS $function$\nimport os\nreturn 1\n$function$"
    )
    rows = definition.replace("public.f", "public.g").replace("RETURNS integer", "RETURNS SETOF integer")
    things = [
        SchemaObject(kind="function", name=QualifiedName("public", name), definition=text)
        for name, text in (("f", definition), ("g", rows))
    ]
    indexed = table(column("a", "integer", default="public.f(1)"))
    warnings = rebuild(sandbox, copy, catalog(indexed, objects=tuple(things)))
    assert [warning.partition(" (")[0] for warning in warnings] == [
        f"A function that only returns NULL stands in for public.{name} on the throwaway server" for name in "fg"
    ]
    with sandbox.connect(copy) as connection:
        found = connection.execute("SELECT provolatile::text, proisstrict, procost FROM pg_proc WHERE proname = 'f'")
        assert found.fetchall() == [("i", True, 7.0)]
        assert connection.execute("SELECT f(1), count(g) FROM (SELECT g(1)) x").fetchall() == [(None, 0)]


def test_a_definition_is_one_statement_of_its_kind(sandbox: Sandbox, copy: str) -> None:
    things = (
        SchemaObject(kind="enum", name=T, definition="CREATE TYPE e AS ENUM ('a'); CREATE TABLE evil (a int)"),
        SchemaObject(kind="function", name=T, definition="DO $$ BEGIN CREATE TABLE evil (a int); END $$"),
        SchemaObject(
            kind="extension", name=QualifiedName("public", "file_fdw"), definition="CREATE EXTENSION file_fdw"
        ),
    )
    view = Table(name=T, kind="view", columns=(), definition="SELECT 1 AS a; CREATE TABLE evil (a int)")
    warnings = rebuild(sandbox, copy, catalog(view, objects=things))
    assert len(warnings) == 4
    assert sum("multiple commands" in warning for warning in warnings) == 2
    assert catalog_of(sandbox, copy).tables == {}
    with sandbox.connect(copy) as connection:
        assert connection.execute("SELECT to_regclass('evil'), to_regtype('e')").fetchone() == (None, None)


def test_a_query_that_does_not_end_is_not_run(sandbox: Sandbox, copy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.sandbox.schema.rebuild_run.STATEMENT_LIMIT_S", 1)
    slow = Table(name=T, kind="materialized_view", columns=(), definition="SELECT pg_sleep(1000)::text AS a")
    warnings = rebuild(sandbox, copy, catalog(slow))
    assert [w.partition(" (")[0] for w in warnings] == [
        "The query of the materialized view public.t was not run on the throwaway server"
    ]
    assert [t.kind for t in catalog_of(sandbox, copy).tables.values()] == ["materialized_view"]


def test_a_login_that_a_definition_changes_is_put_right(sandbox: Sandbox, copy: str) -> None:
    change = SchemaObject(
        kind="function",
        name=QualifiedName("public", "change"),
        definition="CREATE FUNCTION public.change() RETURNS int LANGUAGE plpgsql AS "
        "$$ BEGIN EXECUTE 'ALTER ROLE CURRENT_USER SET work_mem = 64'; RETURN 1; END $$",
    )
    view = Table(name=T, kind="materialized_view", columns=(), definition="SELECT public.change() AS a")
    assert rebuild(sandbox, copy, catalog(view, objects=(change,))) == ()
    with sandbox.connect(copy) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("4MB",)


def test_a_collation_that_is_not_there(sandbox: Sandbox, copy: str) -> None:
    """LIKE 'x%' may not use a plain btree under the stand-in: it is never C."""
    german = Collation(name=GERMAN, provider="i", locale="de-AT")
    loose = Collation(name=QualifiedName("app", "loose"), provider="i", locale="und", deterministic=False)
    bytewise = Collation(name=QualifiedName("app", "Bytes"), provider="c", locale="POSIX")
    columns = (
        column("a", "text", collation=GERMAN.name, collation_schema="pg_catalog"),
        column("b", "text", collation="loose", collation_schema="app"),
        column("c", "text", collation="Bytes", collation_schema="app"),
        column("d", "text", collation="POSIX", collation_schema="pg_catalog"),
    )
    wanted = catalog(table(*columns), collations=(loose, bytewise, german))
    first, second = sorted(rebuild(sandbox, copy, wanted))
    assert first == (
        "C.UTF-8 stands in for the collation app.loose, und (icu), which takes different texts for equal; LIKE works "
        "there and may not on the target (of public.t.b)."
    )
    assert second == "C.UTF-8 stands in for the collation pg_catalog.de-AT-x-icu, de-AT (icu) (of public.t.a)."
    built = catalog_of(sandbox, copy)
    assert [c.collation for c in built.tables[T].columns] == [GERMAN.name, "loose", "Bytes", "POSIX"]
    with sandbox.connect(copy) as connection:
        connection.autocommit = True
        connection.execute("SET enable_seqscan = off")
        for name, uses_index in (("a", False), ("b", False), ("c", True), ("d", True)):
            connection.execute(f"CREATE INDEX ON t ({name})".encode())
            plan = connection.execute(f"EXPLAIN SELECT 1 FROM t WHERE {name} LIKE 'x%'".encode()).fetchall()
            assert any("Index Cond" in line for (line,) in plan) == uses_index
        assert connection.execute("SELECT 'a' COLLATE \"de-AT-x-icu\"").fetchone() == ("a",)


@pytest.mark.parametrize(
    ("provider", "locale", "collate", "warned"),
    [
        ("c", "C", "C", False),
        ("c", "C.utf8", "C.utf8", False),
        ("c", "xx_XX.UTF-8", "C.UTF-8", True),
        ("i", "de-AT", "C.UTF-8", True),
        ("b", "C.UTF-8", "C", False),
    ],
)
def test_the_databases_own_collation(sandbox: Sandbox, provider: str, locale: str, collate: str, warned: bool) -> None:
    own = Collation(name=QualifiedName("pg_catalog", "default"), provider=provider, locale=locale)
    options, warning = database_options(catalog(default_collation=own, settings={"lc_ctype": "C.UTF-8"}), sandbox)
    assert (warning is not None and locale in warning) == warned
    with sandbox.admin() as admin:
        admin.autocommit = True
        admin.execute(f"CREATE DATABASE with_options {options}".encode())
        try:
            row = admin.execute("SELECT datcollate FROM pg_database WHERE datname = 'with_options'").fetchone()
        finally:
            admin.execute("DROP DATABASE with_options")
    assert row == (collate,)


def test_an_unknown_collation_needs_no_options(sandbox: Sandbox) -> None:
    assert database_options(catalog(), sandbox) == ("", None)


def test_stand_ins_in_the_extensions_own_schema(sandbox: Sandbox, database: str) -> None:
    """The embedded server has neither uuid-ossp nor pgcrypto."""
    load_schema(sandbox, 'CREATE SCHEMA "Ext"', database=database)
    for name in ("uuid-ossp", "pgcrypto"):
        warning = create_extension(sandbox, name, database=database, schema="Ext")
        assert warning is not None
        assert "stand-ins serve for" in warning
    with sandbox.connect(database) as connection:
        row = connection.execute("""
            SELECT "Ext".uuid_generate_v5("Ext".uuid_ns_url(), 'x') = "Ext".uuid_generate_v5("Ext".uuid_ns_url(), 'x'),
                   "Ext".uuid_generate_v4() <> "Ext".uuid_generate_v4(), length("Ext".gen_random_bytes(20)),
                   length("Ext".digest('abc', 'sha256')), length("Ext".digest('abc'::bytea, 'sha256')),
                   "Ext".crypt('x', 's') = "Ext".crypt('x', 's'), "Ext".gen_salt('bf', 8) LIKE '$1$%',
                   "Ext".pgp_sym_decrypt("Ext".pgp_sym_encrypt('text', 'k'), 'k')""").fetchone()
    assert row == (True, True, 20, 32, 32, True, True, "text")
