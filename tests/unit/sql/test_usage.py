"""Labelled statements and what they do with tables and columns.

A predicate is written as `alias.column operator value`; an expression stands in `«»`, an implied one ends in
`(implied)`, one of an outer join's ON in `(when alias)`.
"""

from pathlib import Path

import pytest
from postgast import pg_query_pb2 as pb

from advisor.errors import SqlError
from advisor.model.catalog import Catalog, Column, Table
from advisor.model.names import QualifiedName
from advisor.model.usage import Predicate, Scope, Value
from advisor.sql.parse import parse as parse_sql
from advisor.sql.parse import strings, unwrap
from advisor.sql.split import split
from advisor.sql.terms import canonical_expression
from advisor.sql.usage import usage_of

TPC = Path(__file__).parents[4] / "shared" / "corpus" / "tpc"


def _table(name: str, columns: str, schema: str = "public", kind: str = "table") -> Table:
    parts = [column.partition(":") for column in columns.split()]
    return Table(
        name=QualifiedName(schema, name),
        kind=kind,  # type: ignore[arg-type]
        columns=tuple(Column(name=n, type=t or "integer", base_type=t or "int4") for n, _, t in parts),
    )


def _catalog(*tables: Table, **more: object) -> Catalog:
    return Catalog(
        server_version_num=180000,
        server_version="18.0",
        database="shop",
        tables={table.name: table for table in tables},
        **more,  # type: ignore[arg-type]
    )


ORDERS = _table(
    "orders",
    "id:int8 customer_id status:text created_at:timestamptz total:numeric active:bool data:jsonb"
    " email:varchar tags:_text",
)
SHOP = _catalog(
    ORDERS,
    _table("customers", "id name:text email:varchar country:text"),
    _table("items", "id order_id product_id qty"),
    _table("big", "order_id value", kind="view"),
    _table("orders", "id x", "archive"),
    _table("only_there", "k", "archive"),
    functions={"my_stable": "s", "my_random": "v"},
)


def _value(value: Value) -> str:
    if value.kind == "list":
        return f"[{', '.join(_value(item) for item in value.items)}]"
    if value.kind == "column" and value.reference is not None:
        own = f"{value.reference.alias}.{value.reference.column}"
        return f"{own} by {value.text}" if value.text else own
    if value.kind == "parameter":
        return f"${value.number}"
    if value.kind == "subquery":
        return "subquery"
    return f"{{{value.text}}}" if value.kind == "expression" else str(value.text)


def _words(predicate: Predicate) -> str:
    subject = predicate.column or f"«{predicate.expression}»"
    text = f"{predicate.alias}.{subject} {predicate.operator} {_value(predicate.value)}"
    text = text.removesuffix(" None") if predicate.kind in ("is_null", "is_not_null") else text
    text += " (implied)" if predicate.implied else ""
    return text + (f" (when {predicate.only_when})" if predicate.only_when else "")


def _scopes(sql: str) -> list[list[str]]:
    return [[_words(predicate) for predicate in scope.predicates] for scope in usage_of(sql, SHOP).scopes]


def _scope(sql: str) -> Scope:
    return usage_of(sql, SHOP).scopes[0]


CONDITIONS = [
    ("constant", "status = 'x'", ["orders.status = x"]),
    ("commuted", "5 = total", ["orders.total = 5"]),
    ("commuted range", "5 < total", ["orders.total > 5"]),
    ("parameter", "id = $1", ["orders.id = $1"]),
    ("cast parameter", "id = $1::bigint", ["orders.id = $1"]),
    ("cast constant", "created_at >= date '2024-01-01'", ["orders.created_at >= 2024-01-01"]),
    ("IN", "id IN (1, $1)", ["orders.id in [1, $1]"]),
    ("NOT IN", "id NOT IN (1, 2)", ["orders.id not in [1, 2]"]),
    ("ANY of a parameter", "id = ANY ($1)", ["orders.id in $1"]),
    ("ANY of a literal", "id = ANY ('{1,2}')", ["orders.id in [1, 2]"]),
    ("ANY of an array", "id = ANY (ARRAY[1, 2])", ["orders.id in [1, 2]"]),
    ("ALL", "id <> ALL ('{1,2}')", ["orders.id not in [1, 2]"]),
    ("a value in an array column", "'x' = ANY (tags)", ["orders.tags = any x"]),
    ("BETWEEN", "total BETWEEN 1 AND 2", ["orders.total >= 1", "orders.total <= 2"]),
    ("NOT BETWEEN", "total NOT BETWEEN 1 AND 2", ["orders.total not between [1, 2]"]),
    ("row comparison", "(customer_id, id) > (1, 2)", ["orders.customer_id >= 1"]),
    ("row equality", "(customer_id, id) = (1, 2)", ["orders.customer_id = 1", "orders.id = 2"]),
    ("row IN", "(customer_id, id) IN ((1, 2), (3, 4))", ["orders.customer_id in [1, 3]", "orders.id in [2, 4]"]),
    ("prefix", "status LIKE 'ab%'", ["orders.status like ab%"]),
    ("IS NULL", "status IS NULL", ["orders.status is null"]),
    ("NOT IS NULL", "NOT status IS NULL", ["orders.status is not null"]),
    ("bare boolean", "active", ["orders.active = true"]),
    ("NOT boolean", "NOT active", ["orders.active = false"]),
    ("IS TRUE", "active IS TRUE", ["orders.active = true"]),
    ("NOT of a range", "NOT total > 5", ["orders.total <= 5"]),
    ("NOT of an OR", "NOT (status = 'a' OR total > 5)", ["orders.status <> a", "orders.total <= 5"]),
    ("not distinct", "status IS NOT DISTINCT FROM 'x'", ["orders.status is not distinct from x"]),
    ("not distinct from NULL", "status IS NOT DISTINCT FROM NULL", ["orders.status is null"]),
    ("OR of one column", "id = 1 OR id = 2 OR id IN (3)", ["orders.id in [1, 2, 3]"]),
    ("true", "1 = 1 AND true AND id = 1", ["orders.id = 1"]),
    ("stable value", "created_at > now() - interval '1 day'", ["orders.created_at > {now() - '1 day'::interval}"]),
    ("stable user function", "id = my_stable(1)", ["orders.id = {my_stable(1)}"]),
    ("lower", "lower(email) = $1", ["orders.«lower(email)» = $1"]),
    (
        "date_trunc",
        "date_trunc('day', created_at) = '2024-01-01'",
        ["orders.«date_trunc('day', created_at)» = 2024-01-01"],
    ),
    ("cast of a column", "created_at::date = '2024-01-01'", ["orders.«created_at::date» = 2024-01-01"]),
    ("arithmetic", "total + 1 = 5", ["orders.«total + 1» = 5"]),
    ("json", "data ->> 'k' = 'v'", ["orders.«data ->> 'k'» = v"]),
    ("containment", "data @> '{}'", ["orders.data @> {}"]),
    ("commuted containment", "'{}' <@ data", ["orders.data @> {}"]),
    ("cast that changes nothing", "email::text = 'x' AND id::bigint = 1", ["orders.email = x", "orders.id = 1"]),
    ("scalar subquery", "total > (SELECT avg(total) FROM orders)", ["orders.total > subquery"]),
    ("two columns of one row", "id = customer_id", ["orders.id = orders.customer_id"]),
]


@pytest.mark.parametrize(("condition", "expected"), [pytest.param(c, e, id=label) for label, c, e in CONDITIONS])
def test_conditions_on_one_table(condition: str, expected: list[str]) -> None:
    scope = _scope(f"SELECT 1 FROM orders WHERE {condition}")
    assert [_words(predicate) for predicate in scope.predicates] == expected
    assert scope.unresolved == ()
    assert scope.alternatives == ()


@pytest.mark.parametrize(
    ("condition", "kind"),
    [
        ("status = 'x'", "equality"),
        ("status LIKE 'x'", "equality"),
        ("status LIKE 'x%'", "prefix"),
        ("status LIKE '%x'", "pattern"),
        ("status LIKE $1", "pattern"),
        ("status ILIKE 'x%'", "pattern"),
        ("status NOT LIKE 'x%'", "other"),
        ("status ~ '^x'", "pattern"),
        ("status > 'x'", "range"),
        ("status <> 'x'", "not_equal"),
        ("data @> '{}'", "other"),
        ("id = customer_id", "other"),
        ("'x' = ANY (tags)", "other"),
        ("status IS DISTINCT FROM 'x'", "not_equal"),
        ("status IS NOT DISTINCT FROM $1", "other"),
        ("active IS NOT TRUE", "not_equal"),
        ("active IS UNKNOWN", "is_null"),
    ],
)
def test_kinds(condition: str, kind: str) -> None:
    (predicate,) = _scope(f"SELECT 1 FROM orders WHERE {condition}").predicates
    assert predicate.kind == kind


@pytest.mark.parametrize(
    ("condition", "function", "columns"),
    [
        ("lower(email) = 'x'", "lower", ("email",)),
        ("created_at::date = '2024-01-01'", "cast:date", ("created_at",)),
        ("extract(year FROM created_at) = 2024", "extract", ("created_at",)),
        ("coalesce(status, email) = 'x'", "coalesce", ("status", "email")),
        ("data ->> 'k' = 'v'", "->>", ("data",)),
    ],
)
def test_expressions_name_their_function(condition: str, function: str, columns: tuple[str, ...]) -> None:
    (predicate,) = _scope(f"SELECT 1 FROM orders o WHERE {condition}").predicates
    assert (predicate.function, predicate.expression_columns) == (function, columns)


@pytest.mark.parametrize(
    "condition",
    [
        "id = random()",
        "id = nextval('s')",
        "id = my_random()",
        "id = unheard_of(1)",
        "created_at > clock_timestamp()",
        "lower(email) = unheard_of(email)",
        "random() < 0.5",
        "orders.id + c.id = 5",
        "nosuch = 5",
        "email = 'x'",
        "orders.ctid = '(0,1)'",
        "orders.xmin = '5'",
        "nosuch.id = 5",
        "total > (SELECT sum(qty) FROM items WHERE order_id = orders.id)",
        "orders.id NOT IN (SELECT order_id FROM items)",
        "starts_with(status, 'x')",
        "CASE WHEN active THEN orders.id ELSE 0 END = c.id + orders.customer_id",
    ],
)
def test_what_is_not_understood_is_kept_as_text(condition: str) -> None:
    scope = _scope(f"SELECT 1 FROM orders, customers c WHERE {condition}")
    assert scope.predicates == ()
    assert len(scope.unresolved) == 1


JOINS = [
    (
        "both ways and implied",
        "SELECT 1 FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.id = 5",
        [["c.id = o.customer_id", "o.customer_id = c.id", "c.id = 5", "o.customer_id = 5 (implied)"]],
    ),
    (
        "comma",
        "SELECT 1 FROM orders o, items WHERE o.id = order_id",
        [["o.id = items.order_id", "items.order_id = o.id"]],
    ),
    (
        "three tables",
        "SELECT 1 FROM orders a, orders b, orders c WHERE a.id = b.id AND b.id = c.id",
        [
            [
                "a.id = b.id",
                "b.id = a.id",
                "b.id = c.id",
                "c.id = b.id",
                "a.id = c.id (implied)",
                "c.id = a.id (implied)",
            ]
        ],
    ),
    (
        "outer join: ON filters the inner side only, and implies nothing",
        (
            "SELECT 1 FROM orders o LEFT JOIN customers c ON c.id = o.customer_id AND c.country = 'x' AND o.active"
            " WHERE o.customer_id = 5"
        ),
        [
            [
                "c.id = o.customer_id (when c)",
                "o.customer_id = c.id (when c)",
                "c.country = x (when c)",
                "o.active = true (when c)",
                "o.customer_id = 5",
            ]
        ],
    ),
    (
        "right join",
        "SELECT 1 FROM orders o RIGHT JOIN customers c ON c.id = o.customer_id",
        [["c.id = o.customer_id (when o)", "o.customer_id = c.id (when o)"]],
    ),
    (
        "full join filters neither side",
        "SELECT 1 FROM orders o FULL JOIN customers c ON c.id = o.customer_id",
        [["c.id = o.customer_id (when o)", "o.customer_id = c.id (when c)"]],
    ),
    (
        "inner join on the null-supplying side",
        "SELECT 1 FROM customers c LEFT JOIN (orders o JOIN items i ON i.order_id = o.id) ON o.customer_id = c.id",
        [
            [
                "i.order_id = o.id (when i)",
                "o.id = i.order_id (when o)",
                "o.customer_id = c.id (when o)",
                "c.id = o.customer_id (when o)",
            ]
        ],
    ),
    (
        "USING",
        "SELECT 1 FROM orders JOIN items USING (id) WHERE id = 5",
        [["orders.id = items.id", "items.id = orders.id", "orders.id = 5", "items.id = 5 (implied)"]],
    ),
    (
        "NATURAL",
        "SELECT 1 FROM customers NATURAL JOIN items",
        [["customers.id = items.id", "items.id = customers.id"]],
    ),
    (
        "join on an expression",
        "SELECT 1 FROM orders o JOIN customers c ON lower(o.email) = c.name",
        [["o.«lower(email)» = c.name", "c.name = o.email by lower(email)"]],
    ),
    (
        "function in FROM",
        "SELECT 1 FROM unnest($1::int[]) AS u(k) JOIN orders o ON o.id = u.k",
        [["o.id = u.k", "u.k = o.id"]],
    ),
    (
        "function that goes by its alias",
        "SELECT 1 FROM generate_series(1, 3) AS n JOIN orders o ON o.id = n",
        [["o.id = n.n", "n.n = o.id"]],
    ),
    (
        "same table twice",
        "SELECT 1 FROM orders a JOIN orders b ON a.id = b.customer_id",
        [["a.id = b.customer_id", "b.customer_id = a.id"]],
    ),
]


@pytest.mark.parametrize(("sql", "expected"), [pytest.param(s, e, id=label) for label, s, e in JOINS])
def test_joins(sql: str, expected: list[list[str]]) -> None:
    assert _scopes(sql) == expected


LEVELS = [
    (
        "EXISTS",
        "SELECT 1 FROM customers c WHERE EXISTS (SELECT * FROM orders o WHERE o.customer_id = c.id AND active)",
        [[], ["o.customer_id = {c.id}", "o.active = true"]],
    ),
    (
        "NOT EXISTS",
        "SELECT 1 FROM customers c WHERE NOT EXISTS (SELECT 1 FROM orders WHERE customer_id = c.id)",
        [[], ["orders.customer_id = {c.id}"]],
    ),
    (
        "IN (SELECT) looks up both ways",
        "SELECT 1 FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE total > 5)",
        [["customers.id in subquery"], ["orders.total > 5", "orders.customer_id = {id} (implied)"]],
    ),
    (
        "IN of an aggregate looks up one way",
        "SELECT 1 FROM customers WHERE id IN (SELECT max(customer_id) FROM orders)",
        [["customers.id in subquery"], []],
    ),
    (
        "the inner table's column wins over the outer's",
        "SELECT 1 FROM customers WHERE EXISTS (SELECT 1 FROM orders WHERE id = 5)",
        [[], ["orders.id = 5"]],
    ),
    (
        "a column only the outer level has",
        "SELECT 1 FROM customers WHERE EXISTS (SELECT 1 FROM items WHERE order_id = country)",
        [[], ["items.order_id = {country}"]],
    ),
    (
        "a CTE shadows a table",
        "WITH orders AS (SELECT id FROM items WHERE qty = 1) SELECT 1 FROM orders WHERE id = 3",
        [["orders.id = 3"], ["items.qty = 1"]],
    ),
    (
        "a CTE's own body sees the table",
        "WITH orders AS (SELECT id FROM orders WHERE active) SELECT 1 FROM orders WHERE id = 3",
        [["orders.id = 3"], ["orders.active = true"]],
    ),
    (
        "recursive",
        (
            "WITH RECURSIVE r(n, p) AS (SELECT id, customer_id FROM orders WHERE id = 1 UNION ALL"
            " SELECT o.id, o.customer_id FROM orders o JOIN r ON r.n = o.customer_id) SELECT 1 FROM r WHERE p = 4"
        ),
        [["r.p = 4"], ["orders.id = 1"], ["r.n = o.customer_id", "o.customer_id = r.n"]],
    ),
    (
        "LATERAL",
        "SELECT 1 FROM orders o, LATERAL (SELECT count(*) FROM items WHERE order_id = o.id) l",
        [[], ["items.order_id = {o.id}"]],
    ),
    (
        "derived table",
        "SELECT 1 FROM (SELECT customer_id AS c FROM orders WHERE active) d WHERE c = 5",
        [["d.c = 5"], ["orders.active = true"]],
    ),
    (
        "UNION branches",
        "SELECT id FROM orders WHERE id = 1 UNION SELECT id FROM items WHERE qty = 2",
        [["orders.id = 1"], ["items.qty = 2"]],
    ),
    (
        "UNION with a LIMIT of its own",
        "SELECT id FROM orders UNION ALL SELECT id FROM items WHERE qty = 2 LIMIT 5",
        [[], [], ["items.qty = 2"]],
    ),
    ("column aliases", "SELECT 1 FROM orders AS o(a, b) WHERE b = 4", [["o.customer_id = 4"]]),
    ("alias of another table's name", "SELECT 1 FROM items AS orders WHERE orders.qty = 4", [["orders.qty = 4"]]),
    ("view", "SELECT 1 FROM big WHERE order_id = 4", [["big.order_id = 4"]]),
    ("unknown table", "SELECT 1 FROM nosuch WHERE y = 5", [["nosuch.y = 5"]]),
]


@pytest.mark.parametrize(("sql", "expected"), [pytest.param(s, e, id=label) for label, s, e in LEVELS])
def test_levels(sql: str, expected: list[list[str]]) -> None:
    assert _scopes(sql) == expected


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 1 FROM orders", ["public.orders"]),
        ("SELECT 1 FROM archive.orders", ["archive.orders"]),
        ("SELECT 1 FROM only_there", []),
        ("SELECT 1 FROM nosuch", []),
        ("WITH orders AS (SELECT 1) SELECT 1 FROM orders", []),
        ("WITH orders AS (SELECT 1) SELECT 1 FROM public.orders", ["public.orders"]),
        ("WITH orders AS (SELECT 1) DELETE FROM orders", ["public.orders"]),
        ("SELECT 1 FROM big b, customers", ["public.big", "public.customers"]),
        ("SELECT 1 FROM items WHERE EXISTS (SELECT 1 FROM orders, items)", ["public.items", "public.orders"]),
    ],
)
def test_tables(sql: str, tables: list[str]) -> None:
    assert [str(table) for table in usage_of(sql, SHOP).tables] == tables


def test_the_search_path_decides() -> None:
    catalog = _catalog(*SHOP.tables.values(), search_path=("archive", "public"))
    usage = usage_of("SELECT 1 FROM orders, customers, only_there WHERE x = 1", catalog)
    assert [str(table) for table in usage.tables] == ["archive.orders", "public.customers", "archive.only_there"]
    assert _words(usage.scopes[0].predicates[0]) == "orders.x = 1"


def test_equal_names_of_two_schemas_get_two_aliases() -> None:
    scope = _scope("SELECT 1 FROM public.orders, archive.orders WHERE archive.orders.x = 1 AND status = 'a'")
    aliases = {use.alias: str(use.table) for use in scope.tables}
    assert set(aliases.values()) == {"public.orders", "archive.orders"}
    assert {aliases[predicate.alias] for predicate in scope.predicates if predicate.column == "x"} == {"archive.orders"}


WRITES = [
    (
        "UPDATE t SET",
        "UPDATE orders SET status = 'x', total = 1 FROM items i WHERE i.order_id = orders.id AND orders.id = $1",
        "public.orders",
        ("status", "total"),
        [["i.order_id = orders.id", "orders.id = i.order_id", "orders.id = $1", "i.order_id = $1 (implied)"]],
    ),
    (
        "DELETE USING",
        "DELETE FROM items USING orders o WHERE o.id = order_id AND o.status LIKE 'ab%'",
        "public.items",
        (),
        [["o.id = items.order_id", "items.order_id = o.id", "o.status like ab%"]],
    ),
    (
        "INSERT SELECT ON CONFLICT",
        (
            "INSERT INTO orders (id) SELECT id FROM customers WHERE country = $1"
            " ON CONFLICT (id) DO UPDATE SET status = excluded.status WHERE orders.total > 5"
        ),
        "public.orders",
        ("status",),
        [[], ["customers.country = $1"]],
    ),
    ("INSERT VALUES", "INSERT INTO items VALUES (1)", "public.items", (), [[], []]),
    (
        "MERGE",
        "MERGE INTO orders t USING customers c ON t.customer_id = c.id WHEN MATCHED THEN UPDATE SET total = 1",
        "public.orders",
        ("total",),
        [["t.customer_id = c.id", "c.id = t.customer_id"]],
    ),
    (
        "MERGE that inserts",
        "MERGE INTO orders t USING customers c ON t.customer_id = c.id WHEN NOT MATCHED THEN INSERT VALUES (1)",
        "public.orders",
        (),
        [["t.customer_id = c.id (when t)", "c.id = t.customer_id (when t)"]],
    ),
    (
        "UPDATE from a row",
        "UPDATE orders SET (status, total) = (SELECT name, 1 FROM customers c WHERE c.id = customer_id) WHERE id = 5",
        "public.orders",
        ("status", "total"),
        [["orders.id = 5"], ["c.id = {customer_id}"]],
    ),
    (
        "a writing CTE",
        "WITH d AS (DELETE FROM items WHERE qty = 0 RETURNING order_id) SELECT 1 FROM d WHERE order_id = 5",
        "public.items",
        (),
        [["d.order_id = 5"], ["items.qty = 0"]],
    ),
]


@pytest.mark.parametrize(
    ("sql", "writes", "columns", "expected"), [pytest.param(*rest, id=label) for label, *rest in WRITES]
)
def test_writes(sql: str, writes: str, columns: tuple[str, ...], expected: list[list[str]]) -> None:
    usage = usage_of(sql, SHOP)
    assert (str(usage.writes), usage.set_columns) == (writes, columns)
    assert [[_words(predicate) for predicate in scope.predicates] for scope in usage.scopes] == expected


def test_the_target_of_a_write_is_marked() -> None:
    uses = _scope("UPDATE orders o SET total = 1 FROM items i WHERE i.order_id = o.id").tables
    assert [(use.alias, use.target) for use in uses] == [("o", True), ("i", False)]


@pytest.mark.parametrize(
    ("join", "nullable"),
    [
        ("orders o JOIN items i ON true", []),
        ("orders o LEFT JOIN items i ON true", ["i"]),
        ("orders o RIGHT JOIN items i ON true", ["o"]),
        ("orders o FULL JOIN items i ON true", ["o", "i"]),
        ("orders o LEFT JOIN (items i JOIN customers c ON true) ON true", ["i", "c"]),
    ],
)
def test_nullable_sides(join: str, nullable: list[str]) -> None:
    assert [use.alias for use in _scope(f"SELECT 1 FROM {join}").tables if use.nullable] == nullable


def test_alternatives() -> None:
    scope = _scope("SELECT 1 FROM orders WHERE (status = 'a' AND total > 5) OR customer_id = 3")
    assert scope.predicates == ()
    (branches,) = scope.alternatives
    assert [[_words(p) for p in branch] for branch in branches] == [
        ["orders.status = a", "orders.total > 5"],
        ["orders.customer_id = 3"],
    ]


def test_alternatives_with_an_unknown_branch_keep_its_place() -> None:
    (branches,) = _scope("SELECT 1 FROM orders WHERE random() < 1 OR customer_id = 3").alternatives
    assert [len(branch) for branch in branches] == [0, 1]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("created_at", [("created_at", None, False, False)]),
        ("created_at DESC", [("created_at", None, True, True)]),
        ("created_at DESC NULLS LAST, id", [("created_at", None, True, False), ("id", None, False, False)]),
        ("1", [("id", None, False, False)]),
        ("s", [("status", None, False, False)]),
        ("low", [(None, "lower(email)", False, False)]),
        ("total + 1", [(None, "total + 1", False, False)]),
        ("99", [(None, "99", False, False)]),
    ],
)
def test_order_by(order: str, expected: list[tuple[str | None, str | None, bool, bool]]) -> None:
    scope = _scope(f"SELECT id, status AS s, lower(email) AS low FROM orders ORDER BY {order}")
    found = [
        (term.reference.column if term.reference else None, term.expression, term.descending, term.nulls_first)
        for term in scope.order_by
    ]
    assert found == expected


def test_an_output_name_wins_in_order_by_and_loses_in_group_by() -> None:
    scope = _scope("SELECT customer_id AS id, count(*) FROM orders GROUP BY id ORDER BY id")
    assert [term.reference and term.reference.column for term in scope.group_by] == ["id"]
    assert [term.reference and term.reference.column for term in scope.order_by] == ["customer_id"]


@pytest.mark.parametrize(
    ("sql", "flags"),
    [
        ("SELECT id FROM orders", set()),
        ("SELECT * FROM orders", {"star"}),
        ("SELECT o FROM orders o", {"star"}),
        ("SELECT count(*) FROM orders", {"aggregates"}),
        ("SELECT id FROM orders GROUP BY id", {"aggregates"}),
        ("SELECT count(*) OVER () FROM orders", {"windows"}),
        ("SELECT DISTINCT id FROM orders", {"distinct"}),
        ("SELECT id FROM orders LIMIT 5", {"limit"}),
        ("SELECT id FROM orders LIMIT ALL", set()),
        ("SELECT id FROM orders LIMIT $1 OFFSET 5", {"limit", "offset"}),
        ("SELECT id FROM orders FOR SHARE", {"locking"}),
    ],
)
def test_flags(sql: str, flags: set[str]) -> None:
    scope = _scope(sql)
    names = ("star", "aggregates", "windows", "distinct", "limit", "offset", "locking", "correlated")
    assert {name for name in names if getattr(scope, name)} == flags


def test_correlated_levels() -> None:
    sql = (
        "SELECT 1 FROM orders o WHERE EXISTS (SELECT 1 FROM items WHERE EXISTS (SELECT FROM customers WHERE id = o.id))"
    )
    assert [(scope.depth, scope.correlated) for scope in usage_of(sql, SHOP).scopes] == [
        (0, False),
        (1, True),
        (2, True),
    ]


def test_outputs_and_columns_used() -> None:
    scope = _scope("SELECT o.id, lower(i.qty::text) FROM orders o JOIN items i ON i.order_id = o.id WHERE o.total > 1")
    assert [str(r.alias + "." + r.column) for r in scope.outputs] == ["o.id", "i.qty"]
    assert {f"{r.alias}.{r.column}" for r in scope.columns_used} == {"o.id", "i.qty", "i.order_id", "o.total"}


def test_an_inner_level_uses_the_outer_levels_columns() -> None:
    scope = _scope("SELECT 1 FROM orders o WHERE EXISTS (SELECT * FROM items i WHERE i.order_id = o.customer_id)")
    assert [reference.column for reference in scope.columns_used] == ["customer_id"]


@pytest.mark.parametrize(
    ("sql", "volatile"),
    [
        ("SELECT now(), lower('x'), my_stable(1), count(*) FROM orders", False),
        ("SELECT random()", True),
        ("SELECT my_random()", True),
        ("SELECT other.lower('x')", True),
        ("SELECT 1 WHERE EXISTS (SELECT unheard_of())", True),
    ],
)
def test_volatile(sql: str, volatile: bool) -> None:
    assert usage_of(sql, SHOP).volatile is volatile


def test_utility_statements_have_no_scopes() -> None:
    usage = usage_of("CREATE TABLE x AS SELECT 1", SHOP)
    assert (usage.kind, usage.scopes) == ("utility", ())


@pytest.mark.parametrize("sql", ["", "SELECT 1; SELECT 2", "SELECT FROM WHERE"])
def test_anything_but_one_statement_is_refused(sql: str) -> None:
    with pytest.raises(SqlError):
        usage_of(sql, SHOP)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("lower(email)", "lower((email)::text)"),
        ("date_trunc('day', created_at)", "date_trunc('day'::text, created_at)"),
        ("created_at::date", "((created_at)::date)"),
        ("extract(year FROM created_at)", "EXTRACT(year FROM created_at)"),
        ("data ->> 'k'", "(data ->> 'k'::text)"),
        ("total + 1", "(total + (1))"),
        ("pg_catalog.lower(status)", "lower(status)"),
        ("coalesce(status, '')", "COALESCE(status, ''::text)"),
    ],
)
def test_an_expression_compares_with_an_indexs(query: str, index: str) -> None:
    (predicate,) = _scope(f"SELECT 1 FROM orders o WHERE {query} = '1'").predicates
    assert predicate.expression == canonical_expression(index, ORDERS)


def test_other_expressions_stay_apart() -> None:
    assert canonical_expression("lower(email)", ORDERS) != canonical_expression("upper(email)", ORDERS)
    assert canonical_expression("(id)::text", ORDERS) != canonical_expression("id", ORDERS)
    assert canonical_expression("no (expression") == "no (expression"


def _tpc_catalog(path: Path) -> Catalog:
    tables = []
    for statement in split(path.read_text()):
        node = unwrap(parse_sql(statement.sql).stmts[0].stmt)
        if isinstance(node, pb.CreateStmt):
            columns = [e.column_def for e in node.table_elts if e.HasField("column_def")]
            text = " ".join(f"{c.colname}:{strings(c.type_name.names)[-1]}" for c in columns)
            tables.append(_table(node.relation.relname, text))
    return _catalog(*tables)


@pytest.mark.skipif(not TPC.is_dir(), reason="the TPC queries are not here")
@pytest.mark.parametrize("benchmark", ["tpch", "tpcds"])
def test_every_column_of_the_tpc_queries_is_found(benchmark: str) -> None:
    catalog = _tpc_catalog(TPC / f"{benchmark}_schema.sql")
    queries = split((TPC / f"{benchmark}_queries.sql").read_text())
    assert len(queries) >= 22
    for query in queries:
        usage = usage_of(query.sql, catalog)
        assert not usage.volatile, query.sql
        for scope in usage.scopes:
            known = {use.alias: catalog.tables[use.table] for use in scope.tables if use.table}
            for reference in scope.columns_used:
                if reference.alias in known:
                    assert known[reference.alias].column(reference.column), (reference, query.sql)
