"""What roles really see of a database, on PostgreSQL 18 and 15: the table in `advisor/catalog/privileges.py`."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import psycopg
import pytest

from advisor.catalog.connect import connect
from advisor.catalog.end_points import end_points
from advisor.catalog.privileges import grant_script, read_privileges
from advisor.catalog.read import read_catalog
from advisor.model.catalog import Catalog
from advisor.model.snapshot import Privilege
from advisor.sandbox.programs import binaries
from tests.database.live_server import PASSWORD, LiveServer, live_server

ROLES = f"""
CREATE ROLE owner LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE monitor LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor;
CREATE ROLE all_data LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data;
CREATE ROLE "Odd ""r"" " LOGIN PASSWORD '{PASSWORD}';
"""

TABLE = """
CREATE TABLE app.{0} (id int PRIMARY KEY, v text, r int4range);
INSERT INTO app.{0} SELECT n, 'V' || n, int4range(n, n + 5) FROM generate_series(1, 500) n;
CREATE INDEX ON app.{0} (lower(v)); CREATE STATISTICS app.{0}_both ON id, v FROM app.{0}; ANALYZE app.{0};
"""
SCHEMA = "CREATE SCHEMA app;" + "".join(TABLE.format(name) for name in ("granted", "hidden", "filtered"))
POLICY = "ALTER TABLE app.filtered ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON app.filtered USING (id < 10)"

TEXTS = "SELECT count(*) FROM public.pg_stat_statements WHERE query LIKE 'SELECT % AS owners_word'"

EVERY = {"granted", "hidden", "filtered"}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The tables whose … are seen; the last three are of the server."""

    sizes: set[str]
    columns: set[str]
    expressions: set[str]
    ranges: set[str]
    extended: set[str]
    ends: set[str]
    texts: bool
    identifier: bool
    heights: bool


@pytest.fixture(scope="module", params=[18, 15])
def server(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    found = binaries.embedded() if request.param == 18 else binaries.local(15)
    if found is None:
        pytest.skip("PostgreSQL 15 is not installed here")
    with live_server(found, filled=False) as running:
        with running.superuser("postgres") as connection:
            connection.execute(ROLES.encode())
            connection.execute("CREATE DATABASE shop OWNER owner")
        with running.superuser() as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pageinspect")
        with psycopg.connect(running.url("owner"), autocommit=True) as owner:
            owner.execute(SCHEMA.encode())
            owner.execute(POLICY.encode())
            owner.execute("GRANT USAGE ON SCHEMA app TO reader; GRANT SELECT ON app.granted, app.filtered TO reader")
            owner.execute("SELECT 1 AS owners_word")
        yield running


def _seen(server: LiveServer, role: str) -> Seen:
    with connect(server.url(role)) as connection:
        catalog = end_points(connection, read_catalog(connection))
        text = (
            "SELECT count(*) FROM public.pg_stat_statements WHERE query LIKE '%owners_word%' AND userid = %s::regrole"
        )
        (texts,) = connection.execute(text.replace("%o", "%%o").replace("d%'", "d%%'"), ["owner"]).fetchone() or (0,)
    tables = {name.name: table for name, table in catalog.tables.items()}
    indexes = {name: table.indexes for name, table in tables.items()}
    statistics = {name: [c.statistics for c in table.columns if c.statistics] for name, table in tables.items()}
    return Seen(
        sizes={name for name, table in tables.items() if table.storage and table.storage.pages and table.activity},
        columns={name for name, found in statistics.items() if any(s.histogram for s in found)},
        expressions={name for name, of_table in indexes.items() if any(any(i.statistics) for i in of_table)},
        ranges={name for name, found in statistics.items() if any(s.range_bounds for s in found)},
        extended={found.table.name for found in catalog.extended_statistics if found.data},
        ends={name for name, of_table in indexes.items() if any(i.end_points == ("1", "500") for i in of_table)},
        texts=texts > 0,
        identifier=catalog.system_identifier is not None,
        heights=all(i.height is not None for of_table in indexes.values() for i in of_table),
    )


def _expected(role: str, major: int) -> Seen:
    readable = {
        "owner": EVERY,
        "reader": {"granted"},
        "monitor": set(),
        "all_data": {"granted", "hidden"},
        "postgres": EVERY,
    }[role]
    beyond = set() if role == "reader" else readable
    # Row security is asked of the index, which has none.
    expressions = EVERY if role == "all_data" else beyond
    return Seen(
        sizes=EVERY,
        columns=readable,
        expressions=expressions,
        ranges=readable if major >= 17 or role in ("all_data", "postgres") else set(),
        extended=beyond,
        ends=readable,
        texts=role in ("owner", "monitor", "postgres"),
        identifier=True,
        heights=role == "postgres",
    )


@pytest.mark.parametrize("role", ["owner", "reader", "monitor", "all_data", "postgres"])
def test_what_a_role_sees(server: LiveServer, role: str) -> None:
    seen, expected = _seen(server, role), _expected(role, server.major)
    for field in fields(Seen):
        assert (field.name, getattr(seen, field.name)) == (field.name, getattr(expected, field.name))


def _privileges(server: LiveServer, role: str) -> dict[str, Privilege]:
    with connect(server.url(role)) as connection:
        return {privilege.name.partition(",")[0]: privilege for privilege in read_privileges(connection)}


@pytest.mark.parametrize(
    ("role", "held"),
    [
        ("owner", {"SELECT on 3 of 3 tables", "pg_read_all_data or ownership", "EXECUTE on pg_control_system()"}),
        ("reader", {"EXECUTE on pg_control_system()"}),
        ("monitor", {"pg_read_all_stats", "EXECUTE on pg_control_system()"}),
        ("all_data", {"SELECT on 3 of 3 tables", "pg_read_all_data or ownership", "EXECUTE on pg_control_system()"}),
    ],
)
def test_the_privileges_held(server: LiveServer, role: str, held: set[str]) -> None:
    found = _privileges(server, role)
    of_statistics = {"SELECT on pg_statistic"} if server.major < 17 else set()
    assert {name for name, privilege in found.items() if privilege.held} == held | (
        of_statistics if role == "all_data" else set()
    )
    assert ("SELECT on pg_statistic" in found) == (server.major < 17)
    assert ("BYPASSRLS" in found) == (role != "owner")


def test_a_superuser_lacks_nothing(server: LiveServer) -> None:
    with connect(server.url("postgres")) as connection:
        assert grant_script(read_privileges(connection), "postgres") == ""


@pytest.mark.parametrize("role", ["reader", 'Odd "r" '])
def test_the_script_gives_what_it_says(server: LiveServer, role: str) -> None:
    login = role.replace('"', "%22").replace(" ", "%20")
    with connect(server.url(login)) as connection:
        script = grant_script(read_privileges(connection), role)
    quoted = '"' + role.replace('"', '""') + '"'
    before = _seen(server, login)
    with server.superuser() as admin:
        admin.execute(script.encode())
    try:
        after = _seen(server, login)
    finally:
        with server.superuser() as admin:
            admin.execute(f"ALTER ROLE {quoted} NOBYPASSRLS".encode())
            admin.execute(f"REVOKE pg_read_all_data, pg_read_all_stats FROM {quoted}".encode())
    assert before.columns == ({"granted"} if role == "reader" else set())
    assert not before.texts
    for name in ("columns", "expressions", "ranges", "extended", "ends"):
        assert (name, getattr(after, name)) == (name, EVERY)
    assert after.texts
    assert script.count(";") == 3
    assert "-- superuser, with the extension pageinspect: no GRANT gives it." in script


def test_what_is_hidden_is_named(server: LiveServer) -> None:
    def warnings(catalog: Catalog) -> str:
        return " ".join(catalog.warnings)

    with connect(server.url("reader")) as connection:
        catalog = read_catalog(connection)
        probed = end_points(connection, catalog)
    assert "reader has no SELECT on 1 of 3 tables" in warnings(catalog)
    assert "app.hidden" in warnings(catalog)
    # What has no statistics to be seen is not asked for its ends.
    assert probed.warnings == catalog.warnings
