"""Synthesised rows on a real server: constraints hold, and the planner's statistics come out as they were asked for."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.catalog.read import read_catalog
from advisor.model.catalog import Catalog
from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile, DataProfile, TableProfile
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.rows.synthesise import adversarial, clear, fill
from advisor.sandbox.server import Sandbox

Connection = psycopg.Connection[Any]

SHOP = """
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, country char(2) NOT NULL,
    created_at timestamptz NOT NULL, vip bool);
CREATE TABLE orders (
    id serial PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers (id),
    status text NOT NULL CHECK (status IN ('new', 'paid', 'sent', 'lost')), total numeric(10,2) CHECK (total > 0),
    created_at timestamptz NOT NULL, score float8, note varchar(30));
CREATE TABLE items (
    order_id int REFERENCES orders (id), line int, qty int CHECK (qty BETWEEN 1 AND 9), PRIMARY KEY (order_id, line));
CREATE INDEX ON orders (customer_id); CREATE INDEX on_time ON orders (created_at DESC);
"""

RULES = r"""
CREATE TABLE staff (id int PRIMARY KEY, boss int REFERENCES staff (id));
CREATE TABLE one (id int PRIMARY KEY, other int);
CREATE TABLE two (id int PRIMARY KEY, other int NOT NULL REFERENCES one (id));
ALTER TABLE one ADD FOREIGN KEY (other) REFERENCES two (id);
CREATE TABLE tenant (id int PRIMARY KEY);
CREATE TABLE person (tenant int REFERENCES tenant (id), id int, PRIMARY KEY (tenant, id));
CREATE TABLE project (tenant int REFERENCES tenant (id), id int, PRIMARY KEY (tenant, id));
CREATE TABLE task (
    tenant int NOT NULL, person int NOT NULL, project int NOT NULL, n int, PRIMARY KEY (tenant, project, n),
    FOREIGN KEY (tenant, person) REFERENCES person, FOREIGN KEY (tenant, project) REFERENCES project);
CREATE TABLE tags (a int REFERENCES staff (id), b int REFERENCES one (id), PRIMARY KEY (a, b));
CREATE DOMAIN email AS text CHECK (VALUE ~ '^[^@ ]+@[^@ ]+\.[a-z]+$');
CREATE TABLE checked (
    a int NOT NULL, b int NOT NULL, CHECK (a < b), day date CHECK (day >= '2020-01-01' AND day < '2021-01-01'),
    code text NOT NULL CHECK (code ~ '^[A-Z]{3}$'), mail email NOT NULL, five text NOT NULL CHECK (length(five) = 5));
CREATE TABLE "Odd ""T" (
    "Größe x" int PRIMARY KEY CHECK ("Größe x" > 0), "select" text UNIQUE, "a b" int REFERENCES "Odd ""T" ("Größe x"));
CREATE SCHEMA other;
CREATE TABLE other.staff (id int REFERENCES public.staff (id), v text, UNIQUE (id, v));
CREATE TABLE folded (a text, b int);
CREATE UNIQUE INDEX ON folded (lower(a));
CREATE UNIQUE INDEX ON folded (b) WHERE b IS NOT NULL;
CREATE TABLE computed (
    id bigint PRIMARY KEY REFERENCES "Odd ""T" ("Größe x"), flag bool NOT NULL,
    twice int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE event (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, PRIMARY KEY (id, at))
    PARTITION BY RANGE (at);
CREATE TABLE event1 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE event4 PARTITION OF event FOR VALUES FROM ('2024-04-01') TO ('2024-05-01');
CREATE TABLE listed (a text, b int) PARTITION BY LIST (a);
CREATE TABLE listed1 PARTITION OF listed FOR VALUES IN ('x', 'it''s');
CREATE TABLE hashed (a int PRIMARY KEY) PARTITION BY HASH (a);
CREATE TABLE hashed0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE deep (a text, d date) PARTITION BY LIST (a);
CREATE TABLE deep1 PARTITION OF deep FOR VALUES IN ('q') PARTITION BY RANGE (d);
CREATE TABLE deep11 PARTITION OF deep1 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE watched (a int);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'refused'; END$$;
CREATE TRIGGER refuse BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE MATERIALIZED VIEW tally AS SELECT count(*) FROM event;
"""

TYPES = [
    "int2",
    "int4",
    "int8",
    "oid",
    "numeric",
    "numeric(5,2)",
    "numeric(20,0)",
    "numeric(4,4)",
    "float4",
    "float8",
    "money",
    "bool",
    "text",
    "varchar",
    "varchar(3)",
    "char(5)",
    '"char"',
    "name",
    "bytea",
    "uuid",
    "json",
    "jsonb",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "bit(7)",
    "varbit",
    "bit varying(12)",
    "date",
    "timestamp",
    "timestamptz(3)",
    "time",
    "timetz",
    "interval",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "daterange",
    "int4multirange",
    "tsvector",
    "tsquery",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "pg_lsn",
    "xid",
    "xid8",
    "cid",
    "tid",
    "regclass",
    "jsonpath",
    "int4[]",
    "text[]",
    "uuid[]",
    "timestamptz[]",
    "numeric(6,2)[][]",
    "mood",
    "mood[]",
    "pair",
    "natural_number",
    "natural_number[]",
    "regtype",
]


_NEW_ORDER = "INSERT INTO orders (customer_id, status, created_at) VALUES (42, 'new', now()) RETURNING id"
_CHILDLESS = "SELECT count(*) FROM customers c WHERE NOT EXISTS (SELECT FROM orders WHERE customer_id = c.id)"


def _name(table: str) -> QualifiedName:
    return QualifiedName("public", table)


def _load(
    connection: Connection, ddl: str, profile: DataProfile | None = None, *, rows: int = 2_000, **options: Any
) -> tuple[Catalog, Mapping[QualifiedName, int]]:
    connection.execute(ddl.encode())
    catalog = read_catalog(connection)
    connection.commit()
    everything = {name: TableProfile(rows=rows, basis="flag") for name in catalog.tables}
    return catalog, fill(connection, catalog, {**everything, **(profile or {})}, **{"row_budget": 10**7, **options})


def _one(connection: Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _check_everything(connection: Connection) -> None:
    """Every check and foreign key once more, from nothing: what is not valid is an error."""
    found = connection.execute(
        "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype IN ('c', 'f') AND conrelid <> 0 AND conparentid = 0 AND coninhcount = 0 "
        "AND connamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')"
    ).fetchall()
    assert found
    for table, name, definition in found:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
        connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}".encode())
    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    assert _one(connection, invalid) == 0
    connection.rollback()


def test_pages_are_all_visible() -> None:
    # On a server of its own: other sessions' commits and a checkpoint under way keep pages out of the visibility map.
    with open_sandbox("embedded") as own, own.connect() as connection:
        _load(connection, SHOP, rows=20_000)
        pages = "SELECT relpages, relallvisible FROM pg_class WHERE relname = 'orders'"
        found = connection.execute(pages).fetchone()
    assert found is not None
    assert found[0] == found[1] > 0


def test_a_shop_comes_out_as_asked_for(sandbox: Sandbox, database: str) -> None:
    profile = {
        _name("customers"): TableProfile(
            rows=5_000,
            basis="flag",
            columns={
                "email": ColumnProfile(seen=("ann@example.com",)),
                "country": ColumnProfile(common=(("DE", 0.5), ("FR", 0.3)), distinct=10),
                "vip": ColumnProfile(null_fraction=0.4, common=(("t", 0.06),), distinct=2),
            },
        ),
        _name("orders"): TableProfile(
            rows=60_000,
            basis="flag",
            columns={
                "customer_id": ColumnProfile(common=(("42", 0.2),), distinct=3_000, seen=("42", "77")),
                "status": ColumnProfile(common=(("paid", 0.9),), distinct=4),
                "created_at": ColumnProfile(low="2024-01-01", high="2024-12-31", seen=("2024-06-01 12:00:00+00",)),
                "score": ColumnProfile(histogram=("0", "1", "100"), null_fraction=0.0, correlation=0.5),
                "total": ColumnProfile(distinct=500, null_fraction=0.25, low="1", high="1000"),
                "note": ColumnProfile(histogram=("ann@a.example", "mia@b.example", "zoe@c.example"), distinct=900),
            },
        ),
    }
    with sandbox.connect(database) as connection:
        _, rows = _load(connection, SHOP, profile, rows=50_000)
        assert rows[_name("orders")] == 60_000
        assert _one(connection, "SELECT count(*) FROM orders") == 60_000
        assert rows[_name("items")] == 50_000
        _check_everything(connection)
        stats = {
            (table, column): (nulls, distinct, correlation)
            for table, column, nulls, distinct, correlation in connection.execute(
                "SELECT tablename, attname, null_frac, n_distinct, correlation FROM pg_stats "
                "WHERE schemaname = 'public'"
            )
        }
        share = "SELECT count(*)::float8 / (SELECT count(*) FROM {0}) FROM {0} WHERE {1}"
        assert _one(connection, share.format("customers", "country = 'DE'")) == pytest.approx(0.5, abs=0.03)
        assert _one(connection, share.format("customers", "vip IS NULL")) == pytest.approx(0.4, abs=0.03)
        assert _one(connection, share.format("customers", "vip")) == pytest.approx(0.06, abs=0.02)
        assert _one(connection, share.format("orders", "status = 'paid'")) == pytest.approx(0.9, abs=0.01)
        assert _one(connection, share.format("orders", "customer_id = 42")) == pytest.approx(0.2, abs=0.01)
        assert _one(connection, share.format("orders", "score < 1")) == pytest.approx(0.5, abs=0.01)
        assert _one(connection, share.format("orders", "note < 'b'")) == pytest.approx(0.95 / 2, abs=0.02)
        assert _one(connection, "SELECT count(*) FROM customers WHERE email = 'ann@example.com'") == 1
        assert _one(connection, "SELECT count(*) FROM orders WHERE customer_id = 77") >= 1
        assert _one(connection, "SELECT count(*) FROM orders WHERE created_at = '2024-06-01 12:00:00+00'") >= 1
        assert _one(connection, "SELECT count(DISTINCT customer_id) FROM orders") == pytest.approx(3_000, rel=0.05)
        assert _one(connection, "SELECT count(DISTINCT country) FROM customers") == 10
        assert _one(
            connection, "SELECT min(created_at) >= '2024-01-01' AND max(created_at) <= '2025-01-01' FROM orders"
        )
        assert stats["orders", "total"][0] == pytest.approx(0.25, abs=0.02)
        assert stats["orders", "total"][1] == pytest.approx(500, rel=0.1)
        assert stats["orders", "score"][2] == pytest.approx(0.5, abs=0.1)
        assert stats["orders", "id"][2] > 0.99
        assert stats["orders", "created_at"][2] > 0.99
        assert (
            _one(
                connection,
                _NEW_ORDER,
            )
            > 60_000
        )


def test_scaling_keeps_small_tables_and_few_values(sandbox: Sandbox, database: str) -> None:
    ddl = (
        "CREATE TABLE kind (id int PRIMARY KEY);"
        "CREATE TABLE big (id int PRIMARY KEY, kind int REFERENCES kind, city text, code text)"
    )
    profile = {
        _name("kind"): TableProfile(rows=20, basis="flag"),
        _name("big"): TableProfile(
            rows=10_000_000,
            basis="flag",
            columns={"city": ColumnProfile(distinct=50), "code": ColumnProfile(distinct=5_000_000)},
        ),
    }
    with sandbox.connect(database) as connection:
        _, rows = _load(connection, ddl, profile, row_budget=20_000)
        assert rows[_name("kind")] == 20
        assert rows[_name("big")] == pytest.approx(20_000, rel=0.01)
        assert _one(connection, "SELECT count(DISTINCT city) FROM big") == 50
        assert _one(connection, "SELECT count(DISTINCT code) FROM big") > 5_000
        assert _one(connection, "SELECT count(DISTINCT kind) FROM big") == 20


def test_every_rule_holds(sandbox: Sandbox, database: str) -> None:
    warnings: list[str] = []
    with sandbox.connect(database) as connection:
        catalog, rows = _load(
            connection, RULES, {_name("tenant"): TableProfile(rows=10, basis="flag")}, warn=warnings.append
        )
        short = {str(name): count for name, count in rows.items() if count < 1_900}
        assert short == {"public.tenant": 10}
        assert warnings == []
        _check_everything(connection)
        assert _one(connection, "SELECT count FROM tally") == 2_000
        assert _one(connection, "SELECT count(DISTINCT tableoid) FROM event") == 2
        assert _one(connection, "SELECT count(*) FROM pg_trigger WHERE tgname = 'refuse' AND tgenabled = 'O'") == 1
        assert _one(connection, "SELECT count(DISTINCT boss) FROM staff") > 100
        assert _one(connection, "SELECT count(DISTINCT (person, project)) FROM task") > 1_000
        for variant in range(4):
            made = adversarial(connection, catalog, {}, variant=variant)
            _check_everything(connection)
            assert any(made.values())


@pytest.mark.parametrize("not_null", [True, False])
def test_every_type(sandbox: Sandbox, database: str, not_null: bool) -> None:
    suffix = " NOT NULL" if not_null else ""
    columns = ", ".join(f"c{n} {name}{suffix}" for n, name in enumerate(TYPES))
    ddl = (
        "CREATE TYPE mood AS ENUM ('sad', 'it''s \"ok\"', 'Ü'); CREATE TYPE pair AS (a int, b text); "
        f"CREATE DOMAIN natural_number AS int CHECK (VALUE > 0); CREATE TABLE every (id int PRIMARY KEY, {columns})"
    )
    with sandbox.connect(database) as connection:
        _, rows = _load(connection, ddl)
        assert rows[_name("every")] == 2_000
        for n, name in enumerate(TYPES):
            found = _one(connection, f"SELECT count(DISTINCT c{n}::text) FROM every")
            few = {"bool": 2, '"char"': 26, "mood": 3, "mood[]": 3, "bit(7)": 100}
            single = {"pair", "regclass", "regtype"}
            assert found >= (1 if name in single else few.get(name, 100)), name


def test_every_type_as_a_key(sandbox: Sandbox, database: str) -> None:
    unordered = {"json", "point", "box", "lseg", "line", "path", "polygon", "circle", "pair", "jsonpath", "xid", "cid"}
    small = {"bool": 2, '"char"': 26, "mood": 3, "mood[]": 3, "bit(7)": 128, "regclass": 1, "regtype": 1}
    keyed = {f"k{n}": name for n, name in enumerate(TYPES) if name not in unordered}
    ddl = "CREATE TYPE mood AS ENUM ('a', 'b', 'c'); CREATE DOMAIN natural_number AS int CHECK (VALUE > 0);" + ";".join(
        f"CREATE TABLE {table} (k {name} PRIMARY KEY)" for table, name in keyed.items()
    )
    with sandbox.connect(database) as connection:
        _, rows = _load(connection, ddl, rows=500)
    assert {keyed[name.name]: count for name, count in rows.items() if count < 500} == small


def test_the_same_seed_makes_the_same_rows(sandbox: Sandbox, database: str) -> None:
    digest = "SELECT md5(string_agg(r::text, ',' ORDER BY id)) FROM orders r"
    with sandbox.connect(database) as connection:
        catalog, _ = _load(connection, SHOP)
        profile = {name: TableProfile(rows=2_000, basis="flag") for name in catalog.tables}
        found = [_one(connection, digest)]
        for seed in (0, 1):
            clear(connection)
            assert _one(connection, "SELECT count(*) FROM orders") == 0
            fill(connection, catalog, profile, row_budget=10**6, seed=seed)
            found.append(_one(connection, digest))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_percent_signs_in_names_are_no_placeholders(sandbox: Sandbox, database: str) -> None:
    ddl = """CREATE DOMAIN "per%cent" AS int; CREATE TABLE "t%s" ("%id" serial PRIMARY KEY, "a%b" "per%cent")"""
    seen = ColumnProfile(seen=("4711",))
    profile = {_name("t%s"): TableProfile(rows=2_000, basis="flag", columns={"a%b": seen})}
    said: list[str] = []
    with sandbox.connect(database) as connection:
        _, rows = _load(connection, ddl, profile, warn=said.append)
        assert (rows, said) == ({_name("t%s"): 2_000}, [])
        assert _one(connection, 'SELECT count(*) FROM "t%s" WHERE "a%b" = 4711') > 0
        assert _one(connection, 'INSERT INTO "t%s" ("a%b") VALUES (1) RETURNING "%id"') > 2_000


def test_rows_that_are_there_stay(sandbox: Sandbox, database: str) -> None:
    ddl = (
        "CREATE TABLE state (code text PRIMARY KEY); INSERT INTO state VALUES ('open'), ('done');"
        "CREATE TABLE job (id int, state text REFERENCES state)"
    )
    with sandbox.connect(database) as connection:
        _, rows = _load(connection, ddl)
        assert rows == {_name("job"): 2_000, _name("state"): 2}
        assert _one(connection, "SELECT count(DISTINCT state) FROM job") == 2


def test_what_cannot_be_filled_is_said(sandbox: Sandbox, database: str) -> None:
    warnings: list[str] = []
    ddl = (
        "CREATE TABLE never (a int CHECK (false)); CREATE TABLE child (a int NOT NULL);"
        "CREATE TABLE room (r int4range, EXCLUDE USING gist (r WITH &&)); CREATE TABLE flags (b bool PRIMARY KEY)"
    )
    with sandbox.connect(database) as connection:
        _, rows = _load(connection, ddl, warn=warnings.append)
        assert rows[_name("never")] == 0
        assert rows[_name("flags")] == 2
        assert 0 < rows[_name("room")] < 2_000
        assert rows[_name("child")] == 2_000
    assert [warning.split()[0] for warning in sorted(warnings)] == ["public.flags", "public.never", "public.room"]


def test_constants_without_an_offset_are_in_the_target_s_time_zone(sandbox: Sandbox, database: str) -> None:
    profile = {
        _name("t"): TableProfile(
            rows=100, basis="flag", columns={"at": ColumnProfile(seen=("2024-03-15 10:00:00", "2024-07-01"))}
        )
    }
    with sandbox.connect(database) as connection:
        connection.execute("CREATE TABLE t (at timestamptz)")
        connection.execute("SET TimeZone = 'Europe/Berlin'")
        catalog = read_catalog(connection)
        assert catalog.settings["TimeZone"] == "Europe/Berlin"
        fill(connection, catalog, profile, row_budget=1_000)
        assert _one(connection, "SELECT count(*) FROM t WHERE at = '2024-03-15 09:00:00+00'") == 1
        adversarial(connection, catalog, profile, variant=0)
        for moment in ("2024-03-01 00:00", "2024-07-01 00:00", "2024-06-30 23:59:59.999999", "2025-01-01 00:00"):
            assert _one(connection, f"SELECT count(*) FROM t WHERE at = '{moment} Europe/Berlin'") > 1, moment


def test_adversarial_rows_hold_nulls_ties_and_boundaries(sandbox: Sandbox, database: str) -> None:
    seen = {"created_at": ColumnProfile(seen=("2024-03-15 10:00:00+00",)), "note": ColumnProfile(seen=("Ann",))}
    profile = {_name("orders"): TableProfile(rows=10**6, basis="flag", columns=seen)}
    with sandbox.connect(database) as connection:
        catalog, _ = _load(connection, SHOP, rows=10)
        adversarial(connection, catalog, profile, variant=0)
        _check_everything(connection)
        for moment in ("2024-03-01", "2024-02-29 23:59:59.999999", "2024-03-15 10:00:00.000001", "2025-01-01"):
            assert _one(connection, f"SELECT count(*) FROM orders WHERE created_at = '{moment}+00'") > 1, moment
        for text in ("Ann", "ANN", "ann", ""):
            assert _one(connection, f"SELECT count(*) FROM orders WHERE note = '{text}'") > 1, text
        assert _one(connection, "SELECT count(*) FROM orders WHERE note IS NULL AND total IS NULL") > 1
        assert (
            _one(
                connection,
                _CHILDLESS,
            )
            > 0
        )
        adversarial(connection, catalog, profile, variant=1)
        assert _one(connection, "SELECT count(*) FROM orders") <= 10
        assert _one(connection, "SELECT count(*) FROM items") in (0, 7)


_COLUMN = st.sampled_from(["int", "text", "date", "numeric(6,2)", "uuid", "bool", "varchar(4)"])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tables=st.lists(
        st.tuples(
            st.lists(st.tuples(_COLUMN, st.booleans()), min_size=1, max_size=4),
            st.booleans(),
            st.sampled_from(["none", "self", "previous", "previous not null"]),
        ),
        min_size=1,
        max_size=4,
    ),
    rows=st.integers(min_value=0, max_value=400),
    seed=st.integers(min_value=0, max_value=3),
)
def test_any_small_schema(sandbox: Sandbox, database: str, tables: Any, rows: int, seed: int) -> None:
    ddl = []
    for n, (columns, unique_pair, reference) in enumerate(tables):
        parts = ["id int PRIMARY KEY CHECK (id <> 0)"]
        parts += [f"c{m} {kind}{' NOT NULL' if needed else ''}" for m, (kind, needed) in enumerate(columns)]
        if reference != "none":
            parent = n if reference == "self" or n == 0 else n - 1
            needed = " NOT NULL" if reference.endswith("not null") and n else ""
            parts.append(f"up int{needed} REFERENCES t{parent} (id)")
            parts += ["UNIQUE (up, c0)"] if unique_pair else []
        ddl.append(f"CREATE TABLE t{n} ({', '.join(parts)})")
    with sandbox.connect(database) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        warnings: list[str] = []
        _, made = _load(connection, "; ".join(ddl), rows=rows, seed=seed, warn=warnings.append)
        for name, count in made.items():
            assert _one(connection, f"SELECT count(*) FROM {name.name}") == count
            assert count <= rows
        _check_everything(connection)
        assert made[_name("t0")] == rows or warnings


def test_constants_that_the_server_refuses_are_left_out(sandbox: Sandbox, database: str) -> None:
    odd = (
        "1_000",
        "0x1F",
        "abc",
        "'; DROP TABLE t; --",
        "2024-13-45",
        "2024-W07-1",
        "1,000",
        "NaN",
        "infinity",
        "\\",
        "{",
        "",
    )
    types = (
        "int",
        "int2",
        "numeric",
        "float8",
        "date",
        "timestamptz",
        "time",
        "uuid",
        "inet",
        "bool",
        "jsonb",
        "int[]",
    )
    columns = ", ".join(f"c{n} {name}" for n, name in enumerate(types))
    profile = ColumnProfile(seen=odd, common=(("abc", 0.1), ("\\", 0.1)), histogram=odd)
    table = TableProfile(rows=200, basis="flag", columns={f"c{n}": profile for n in range(len(types))})
    with sandbox.connect(database) as connection:
        _, rows = _load(connection, f"CREATE TABLE t ({columns}, x text)", {_name("t"): table})
        assert rows == {_name("t"): 200}
