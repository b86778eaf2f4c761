"""Which index a statement wants, by its text."""

import pytest

from advisor.engine.access import Access, accesses
from advisor.engine.access_gaps import key_text, need_keys
from advisor.model.catalog import Catalog, Column, Constraint, Index, IndexKey, RelationKind, Table
from advisor.model.names import QualifiedName
from advisor.model.profile import ColumnProfile, TableProfile
from advisor.sql.usage import usage_of

ORDERS = QualifiedName("public", "orders")
CUSTOMERS = QualifiedName("public", "customers")
ROWS = {ORDERS: 1_000_000, CUSTOMERS: 50_000}
TYPES = {
    ORDERS: {
        "id": "int8", "customer_id": "int8", "status": "text", "total": "numeric", "note": "text", "meta": "json",
        "created_at": "timestamptz", "shipped_at": "timestamptz", "paid": "bool",
    },
    CUSTOMERS: {"id": "int8", "email": "text", "country": "text"},
}  # fmt: skip
DISTINCT = {"customer_id": 50_000.0, "status": 4.0, "note": 900_000.0, "email": 50_000.0, "country": 100.0}


def table(name: QualifiedName, *indexes: Index, kind: RelationKind = "table") -> Table:
    columns = tuple(
        Column(name=column, type=base, base_type=base, not_null=column != "shipped_at")
        for column, base in TYPES[name].items()
    )
    pk = Constraint(name=f"{name.name}_pkey", kind="primary_key", table=name, columns=("id",), definition="")
    index = Index(name=pk.name, table=name, method="btree", keys=(IndexKey(column="id"),), unique=True, primary=True)
    return Table(name=name, kind=kind, columns=columns, indexes=(index, *indexes), constraints=(pk,))


def wanted(sql: str, *indexes: Index, kind: RelationKind = "table") -> list[str]:
    """`table(keys)` of each index wanted and not there."""
    return [
        f"{need.table.name}({','.join(map(key_text, need_keys(need)))})"
        for access in judged(sql, *indexes, kind=kind)
        if access.served_by is None
        for need in access.needs
    ]


def judged(sql: str, *indexes: Index, kind: RelationKind = "table") -> list[Access]:
    tables = {ORDERS: table(ORDERS, *indexes, kind=kind), CUSTOMERS: table(CUSTOMERS)}
    catalog = Catalog(server_version_num=180000, server_version="18", database="d", tables=tables)
    profile = {
        name: TableProfile(
            rows=rows,
            basis="catalog",
            columns={c: ColumnProfile(distinct=DISTINCT[c]) for c in TYPES[name] if c in DISTINCT},
        )
        for name, rows in ROWS.items()
    }
    return list(accesses("q", usage_of(sql, catalog), catalog, profile))


def index(*keys: str) -> Index:
    return Index(name="i", table=ORDERS, method="btree", keys=tuple(IndexKey(column=key) for key in keys))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM orders WHERE customer_id = $1", ["orders(customer_id)"]),
        ("SELECT * FROM orders WHERE customer_id = ANY($1)", ["orders(customer_id)"]),
        ("SELECT * FROM orders WHERE customer_id = $1 AND status = 'x'", ["orders(customer_id,status)"]),
        ("SELECT * FROM orders WHERE paid AND customer_id = $1", ["orders(customer_id)"]),
        (
            "SELECT * FROM orders WHERE total > 5 AND created_at BETWEEN $1 AND $2 AND customer_id = 7",
            ["orders(customer_id,created_at)"],
        ),
        ("SELECT * FROM orders WHERE note LIKE 'abc%'", ["orders(note)"]),
        ("SELECT * FROM orders ORDER BY total DESC LIMIT 5", ["orders(total)"]),
        ("SELECT * FROM orders ORDER BY total, created_at DESC LIMIT 5", ["orders(total,created_at desc)"]),
        ("SELECT * FROM orders WHERE customer_id = 7 ORDER BY total LIMIT 5", ["orders(customer_id,total)"]),
        ("SELECT * FROM orders WHERE customer_id IN (7, 8) ORDER BY total LIMIT 5", ["orders(customer_id)"]),
        ("SELECT * FROM orders WHERE customer_id = 7 ORDER BY total", ["orders(customer_id)"]),
        ("UPDATE orders SET paid = true WHERE note = 'x'", ["orders(note)"]),
        ("DELETE FROM orders WHERE customer_id = 7", ["orders(customer_id)"]),
        (
            "SELECT * FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = 7",
            ["orders(customer_id)"],
        ),
        (
            "SELECT * FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE c.id = 7",
            ["orders(customer_id)"],
        ),
        (
            "SELECT * FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.email = 'a'",
            ["customers(email)", "orders(customer_id)"],
        ),
        ("SELECT * FROM orders WHERE customer_id = 7 OR note = 'x'", ["orders(customer_id)", "orders(note)"]),
        ("SELECT id FROM orders WHERE note = 'x' UNION ALL SELECT id FROM customers WHERE email = 'a'",
         ["orders(note)", "customers(email)"]),
        ("WITH o AS (SELECT * FROM orders WHERE note = 'x') SELECT * FROM o", ["orders(note)"]),
    ],
)  # fmt: skip
def test_wants(sql: str, expected: list[str]) -> None:
    assert sorted(wanted(sql)) == sorted(expected)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM orders",
        "SELECT * FROM orders WHERE id = 7",
        "SELECT * FROM orders WHERE id = 7 AND note = 'x'",
        "SELECT * FROM orders WHERE status = 'x'",
        "SELECT * FROM orders WHERE status = 'x' LIMIT 10",
        "SELECT * FROM orders WHERE total > 5",
        "SELECT * FROM orders WHERE note LIKE '%abc'",
        "SELECT * FROM orders WHERE note ILIKE 'abc%'",
        "SELECT * FROM orders WHERE note <> 'x'",
        "SELECT * FROM orders WHERE customer_id = NULL",
        "SELECT * FROM orders WHERE md5(note) = 'x'",
        "SELECT * FROM orders WHERE created_at::date = '2026-01-01'",
        "SELECT * FROM orders WHERE meta::text = 'x'",
        "SELECT * FROM orders WHERE random() < 0.1",
        "SELECT * FROM orders WHERE customer_id = 7 OR total > 5",
        "SELECT * FROM orders ORDER BY id DESC LIMIT 10",
        "SELECT * FROM orders ORDER BY total LIMIT 500000",
        "SELECT * FROM orders ORDER BY total + 1 LIMIT 10",
        "SELECT status, count(*) FROM orders GROUP BY status ORDER BY status LIMIT 10",
        "SELECT * FROM orders WHERE note ILIKE '%x%' ORDER BY total LIMIT 10",
        "SELECT * FROM orders WHERE status = ANY(SELECT country FROM customers)",
        "SELECT * FROM orders o JOIN customers c ON c.id = o.customer_id",
        "SELECT * FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND c.id = 7",
        "SELECT * FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id)",
        "INSERT INTO orders (id) SELECT id FROM customers",
        "SELECT o.id FROM orders o, LATERAL (SELECT 1 FROM customers c WHERE c.id = o.customer_id) x",
    ],
)
def test_wants_nothing(sql: str) -> None:
    assert wanted(sql) == []


def test_views_and_foreign_tables_have_no_indexes_and_partitioned_ones_do() -> None:
    sql = "SELECT * FROM orders WHERE customer_id = 7"
    assert wanted(sql, kind="view") == []
    assert wanted(sql, kind="foreign_table") == []
    assert wanted(sql, kind="partitioned_table") == ["orders(customer_id)"]


@pytest.mark.parametrize(
    ("sql", "existing", "served"),
    [
        ("SELECT * FROM orders WHERE customer_id = 7", index("customer_id", "total"), True),
        ("SELECT * FROM orders WHERE customer_id = 7", index("total", "customer_id"), False),
        ("SELECT * FROM orders WHERE customer_id = 7 AND note = 'x'", index("note"), True),
        ("SELECT * FROM orders WHERE customer_id = 7 AND note = 'x'", index("status"), False),
        ("SELECT * FROM orders WHERE status = 'a' ORDER BY total DESC LIMIT 5", index("status", "total"), True),
        ("SELECT * FROM orders WHERE status = 'a' ORDER BY total DESC LIMIT 5", index("status"), False),
        ("SELECT * FROM orders WHERE status = 'a' ORDER BY total DESC LIMIT 5", index("total"), True),
        ("SELECT * FROM orders WHERE customer_id = 7 ORDER BY total LIMIT 5", index("customer_id"), True),
        ("SELECT * FROM orders WHERE customer_id = 7 ORDER BY total LIMIT 5", index("total"), False),
        ("SELECT * FROM orders ORDER BY shipped_at DESC NULLS LAST LIMIT 5", index("shipped_at"), False),
        ("SELECT * FROM orders ORDER BY shipped_at DESC LIMIT 5", index("shipped_at"), True),
        ("SELECT * FROM orders ORDER BY total DESC NULLS LAST LIMIT 5", index("total"), True),
    ],
)
def test_knows_the_indexes_that_are_there(sql: str, existing: Index, served: bool) -> None:
    assert (wanted(sql, existing) == []) is served


def test_a_prefix_search_says_which_operator_class() -> None:
    (access,) = judged("SELECT * FROM orders WHERE note LIKE 'abc%'", index("note"))
    assert access.served_by is None
    assert access.needs[0].range == (IndexKey(column="note", operator_class="text_pattern_ops"),)
