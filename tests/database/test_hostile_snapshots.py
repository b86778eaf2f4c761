"""Snapshots whose definitions are attacks, through the real file: into a whole run, and into a planner twin."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from psycopg import sql

from advisor.api import analyze
from advisor.catalog.snapshot import encode, read_snapshot
from advisor.model.catalog import Catalog, Column, ColumnStatistics, Index, IndexKey, SchemaObject, Storage, Table
from advisor.model.names import QualifiedName
from advisor.model.snapshot import Snapshot
from advisor.sandbox.host import server_account
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.open import open_twin
from tests.database.hostile import ATTACKS
from tests.database.test_hostile_runs import INNOCENT_QUERY, is_advised, log_of

ORDERS, TRAPPED = QualifiedName("public", "orders"), QualifiedName("public", "trapped")
PROGRAM = "COPY (SELECT 1) TO PROGRAM 'cat > {file}'"
SPRING = (
    "CREATE FUNCTION public.spring() RETURNS integer LANGUAGE plpgsql AS $f$ BEGIN BEGIN "
    f"EXECUTE $q${PROGRAM}$q$; EXCEPTION WHEN insufficient_privilege THEN NULL; END; RETURN 1; END $f$"
)
TRAP = (
    "CREATE FUNCTION public.trap(x integer DEFAULT 1) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $f$ "
    "BEGIN PERFORM public.spring(); RETURN x; END $f$"
)
STATISTICS = ColumnStatistics(distinct=-0.5, most_common=(("1", 0.2),), histogram=("1", "5", "9"), correlation=0.5)


def column(name: str = "id", type: str = "integer", base_type: str = "int4", **more: Any) -> Column:  # noqa: A002
    return replace(Column(name=name, type=type, base_type=base_type, statistics=STATISTICS), **more)


def table(name: QualifiedName, *columns: Column, **more: Any) -> Table:
    storage = Storage(analysed_pages=500, analysed_rows=50_000, pages=500)
    made = Table(name=name, kind="table", columns=columns, rows=50_000.0, size_bytes=500 << 13, storage=storage)
    return replace(made, **more)


def index(name: str, definition: str, expression: str | None = None) -> Index:
    return Index(
        name=name,
        table=TRAPPED,
        method="btree",
        keys=(IndexKey(column=None if expression else "id", expression=expression),),
        definition=definition,
        storage=Storage(analysed_pages=100, analysed_rows=50_000, pages=100),
    )


def function(definition: str, name: str = "f") -> SchemaObject:
    return SchemaObject(kind="function", name=QualifiedName("public", name), definition=definition)


def catalog(trapped: Table | None, *objects: SchemaObject, **more: Any) -> Catalog:
    orders = table(ORDERS, column("id"), column("customer_id"), column("note", "text", "text"))
    tables = {one.name: one for one in (orders, trapped) if one is not None}
    made = Catalog(
        server_version_num=180000,
        server_version="18.0",
        database="shop",
        tables=tables,
        objects=(function(SPRING, "spring"), function(TRAP, "trap"), *objects),
    )
    return replace(made, **more)


QUOTED = QualifiedName('pu"blic', "t'; COPY (SELECT 1) TO PROGRAM $$cat > {file}$$; --")
DOMAIN = "CREATE DOMAIN public.d AS integer CHECK (public.trap(VALUE) = 1)"
IN_PARTS: dict[str, Catalog] = {
    "an index expression": catalog(
        table(
            TRAPPED,
            column(),
            indexes=(
                index("i", "CREATE INDEX i ON public.trapped USING btree (trap(id))", "trap(id)"),
                index("j", f"CREATE INDEX j ON public.trapped USING btree (id); {PROGRAM}"),
            ),
        )
    ),
    "a default": catalog(table(TRAPPED, column(default="public.trap()"))),
    "a default that ends its statement": catalog(table(TRAPPED, column(default=f"1); {PROGRAM}; --"))),
    "a generated column": catalog(table(TRAPPED, column(), column("g", default="public.trap(id)", generated="stored"))),
    "a type": catalog(table(TRAPPED, column(type=f"integer); {PROGRAM}; --"))),
    "statistics of a user's type": catalog(
        table(TRAPPED, column(type="public.d", type_kind="d")),
        SchemaObject(kind="domain", name=QualifiedName("public", "d"), definition=DOMAIN),
    ),
    "values": catalog(
        table(
            TRAPPED,
            column(statistics=ColumnStatistics(distinct=5, most_common=((f"'); {PROGRAM}; --", 0.5), ("}','{", 0.1)))),
        )
    ),
    "names with quotes": catalog(table(QUOTED, column("a\"b'c"))),
    "a view": catalog(
        table(TRAPPED, column(statistics=None), kind="materialized_view", definition="SELECT public.trap() AS id")
    ),
    "a partition": catalog(
        table(TRAPPED, column(), kind="partitioned_table", partition_key=f"RANGE (id); {PROGRAM}; --")
    ),
    "storage parameters": catalog(table(TRAPPED, column(), options=(f"fillfactor=70); {PROGRAM}; --",))),
    "a tablespace": catalog(
        table(TRAPPED, column(), tablespace="pg_global"), tablespace_options={"t'; --": ("random_page_cost=1",)}
    ),
    "settings": catalog(
        None,
        settings={
            "session_preload_libraries": "{file}",
            "local_preload_libraries": "{file}",
            "role": "advisor_admin",
            "archive_command": PROGRAM,
            "statement_timeout": "1",
            "work_mem": f"1'; {PROGRAM}; --",
            f"x = 1; {PROGRAM}; --": "1",
        },
    ),
    "a search_path": catalog(table(TRAPPED, column()), search_path=(f'a"; {PROGRAM}; --', "public")),
    "extensions": catalog(
        None,
        *(
            SchemaObject(kind="extension", name=QualifiedName("public", name), definition="")
            for name in ("dblink", "file_fdw", "plpython3u", f'citext"; {PROGRAM}; --')
        ),
    ),
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where no file may appear."""
    with TemporaryDirectory(prefix="trap", dir="/tmp") as name:
        server_account().own(Path(name))
        yield Path(name)
        assert list(Path(name).iterdir()) == []


@pytest.fixture(autouse=True)
def no_tablespace_stays(sandbox: Sandbox) -> Iterator[None]:
    """They are the server's, and other files use it, too."""
    yield
    with sandbox.admin() as admin:
        admin.autocommit = True
        for (name,) in admin.execute("SELECT spcname FROM pg_tablespace WHERE spcname !~ '^pg_'").fetchall():
            admin.execute(sql.SQL("DROP TABLESPACE {}").format(sql.Identifier(name)))


def armed(value: object, folder: Path) -> object:
    """The value with every `{file}` in it replaced."""
    if isinstance(value, str):
        return value.replace("{file}", f"{folder}/file")
    if isinstance(value, QualifiedName):
        return QualifiedName(*(str(armed(part, folder)) for part in (value.schema, value.name)))
    if isinstance(value, tuple):
        return tuple(armed(one, folder) for one in value)
    if isinstance(value, dict):
        return {armed(key, folder): armed(one, folder) for key, one in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        fields = {name: armed(getattr(value, name), folder) for name in value.__dataclass_fields__}
        return type(value)(**fields)
    return value


def through_a_file(kept: Catalog, path: Path, folder: Path) -> Snapshot:
    """The snapshot, as the real file gives it."""
    made = armed(kept, folder)
    assert isinstance(made, Catalog)
    path.write_bytes(
        encode(Snapshot(taken_us=1_760_000_000_000_000, tool_version="1", values="included", catalog=made))
    )
    return read_snapshot(path)


@pytest.mark.parametrize("part", IN_PARTS)
def test_a_twin_of_a_hostile_snapshot(sandbox: Sandbox, part: str, folder: Path, tmp_path: Path) -> None:
    snapshot = through_a_file(IN_PARTS[part], tmp_path / "prod.snapshot", folder)
    try:
        twin = open_twin(sandbox, snapshot.catalog, database="hostile_twin")
        with twin.connect() as connection:
            plan = connection.execute("EXPLAIN SELECT * FROM public.orders WHERE customer_id = 1").fetchall()
            assert "orders" in str(plan)
            with sandbox.admin(twin.database) as admin:
                (mine,) = admin.execute("SELECT array_agg(extname::text) FROM pg_extension").fetchone() or ([],)
            assert mine == ["plpgsql"]
    finally:
        sandbox.drop_database("hostile_twin")


def test_a_run_over_a_snapshot_of_attacks(tmp_path: Path, folder: Path) -> None:
    """Every attack as an object's definition, and every part at once, in one file."""
    functions = [function(one.sql, f"attack_{number}") for number, one in enumerate(ATTACKS)]
    parts = list(IN_PARTS.values())
    objects = dict.fromkeys(thing for part in parts for thing in part.objects)
    tables = {
        name: replace(found, name=name)
        for number, part in enumerate(parts)
        for key, found in part.tables.items()
        for name in [key if key == ORDERS else QualifiedName(key.schema, f"{key.name}{number}")]
    }
    whole = replace(parts[0], tables=tables, objects=(*objects, *functions), settings=IN_PARTS["settings"].settings)
    through_a_file(whole, tmp_path / "prod.snapshot", folder)
    log = tmp_path / "postgresql.log"
    log.write_text(log_of([INNOCENT_QUERY.format(number) for number in range(20)]))
    report = analyze([str(log)], snapshot=str(tmp_path / "prod.snapshot"))
    assert is_advised(report)
