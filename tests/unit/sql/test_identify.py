import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import SqlError
from advisor.sql.identify import identify

MERGED = [
    ("integers", "SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 2"),
    ("ways to write an integer", "SELECT a FROM t WHERE b = 1_000", "SELECT a FROM t WHERE b = 0x1F"),
    ("numbers", "SELECT a FROM t WHERE b = 1.5", "SELECT a FROM t WHERE b = 1e10"),
    ("bigints", "SELECT a FROM t WHERE b = 5000000000", "SELECT a FROM t WHERE b = -9223372036854775808"),
    ("the least integer", "SELECT a FROM t WHERE b = -2147483648", "SELECT a FROM t WHERE b = 1"),
    ("string and NULL", "SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = NULL"),
    ("bit strings", "SELECT B'1'", "SELECT X'1F'"),
    ("true and false", "SELECT a FROM t WHERE b = true", "SELECT a FROM t WHERE b = false"),
    ("types where a column decides", "UPDATE t SET a = NULL, b = 'x'", "UPDATE t SET a = 1, b = 2.5"),
    ("types in rows", "INSERT INTO t VALUES (1, 'x', lower('a'))", "INSERT INTO t VALUES (NULL, 2, lower('b'))"),
    ("types in many rows", "INSERT INTO t VALUES (1), ('x')", "INSERT INTO t VALUES (NULL), (2.5), (3)"),
    (
        "types in ON CONFLICT",
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1",
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = NULL",
    ),
    (
        "types in MERGE",
        "MERGE INTO t USING u ON true WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT VALUES (1, 2)",
        "MERGE INTO t USING u ON true WHEN MATCHED THEN UPDATE SET a = '' WHEN NOT MATCHED THEN INSERT VALUES ('', 2)",
    ),
    ("sign", "SELECT a FROM t WHERE b = -5", "SELECT a FROM t WHERE b = 5"),
    ("spaced sign", "SELECT a FROM t WHERE b = - 5", "SELECT a FROM t WHERE b = 5"),
    ("blanks", "SELECT a FROM t", "select  a\n\tfrom   t"),
    ("keyword case", "SELECT a FROM t", "sElEcT a fRoM t"),
    ("unquoted name case", "SELECT A FROM T", "SELECT a FROM t"),
    ("needless quotes", 'SELECT "a" FROM "t"', "SELECT a FROM t"),
    ("line comment", "SELECT a -- x\nFROM t", "SELECT a FROM t"),
    ("trailing trace id", "SELECT a FROM t /*traceparent='00-1'*/", "SELECT a FROM t /*traceparent='00-2'*/"),
    ("semicolon", "SELECT a FROM t;", "SELECT a FROM t"),
    ("IN lists", "SELECT a FROM t WHERE b IN (1, 2)", "SELECT a FROM t WHERE b IN (1, 2, 3)"),
    ("IN lists of parameters", "SELECT a FROM t WHERE b IN ($1, $2)", "SELECT a FROM t WHERE b IN ($1, $2, $3)"),
    (
        "a parameter behind a list",
        "SELECT a FROM t WHERE b IN ($1, $2) AND c = $3 AND d = $4 AND e = $3",
        "SELECT a FROM t WHERE b IN ($1, $2, $3) AND c = $4 AND d = $5 AND e = $4",
    ),
    (
        "IN of casts",
        "SELECT 1 FROM t WHERE b IN ('1'::text::int, '3'::text::int)",
        "SELECT 1 FROM t WHERE b IN ('1'::text::int, '2'::text::int, '5'::text::int)",
    ),
    (
        "IN of rows",
        "SELECT 1 FROM t WHERE (a, b) IN ((1, 'x'), ($1, 'y'))",
        "SELECT 1 FROM t WHERE (a, b) IN ((1, 'x'), ($1, 'y'), (3, NULL))",
    ),
    ("IN by kinds", "SELECT a FROM t WHERE b IN (1, 2.5)", "SELECT a FROM t WHERE b IN (2.5, 3.5, 1)"),
    ("NOT IN lists", "SELECT a FROM t WHERE b NOT IN (1, 2)", "SELECT a FROM t WHERE b NOT IN (1, 2, 3)"),
    ("VALUES rows", "INSERT INTO t VALUES (1, 2), (3, 4)", "INSERT INTO t VALUES (1, 2), (3, 4), (5, 6)"),
    (
        "VALUES with DEFAULT",
        "INSERT INTO t VALUES (1, DEFAULT), (2, DEFAULT)",
        "INSERT INTO t VALUES (1, DEFAULT), (2, DEFAULT), (3, DEFAULT)",
    ),
    (
        "VALUES of parameters",
        "INSERT INTO t VALUES ($1, now(), $2), ($3, now(), $4) RETURNING $5",
        "INSERT INTO t VALUES ($1, now(), $2), ($3, now(), $4), ($5, now(), $6) RETURNING $7",
    ),
    ("ARRAY", "SELECT a FROM t WHERE b = ANY (ARRAY[1, 2, 3])", "SELECT a FROM t WHERE b = ANY (ARRAY[1, 2])"),
    ("dollar quotes", "SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = $q$x$q$"),
    ("escape string", "SELECT a FROM t WHERE b = 'x'", r"SELECT a FROM t WHERE b = E'\n'"),
    ("unicode string", "SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = U&'x'"),
    ("LIMIT values", "SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 20"),
    ("OFFSET values", "SELECT a FROM t LIMIT 1 OFFSET 10", "SELECT a FROM t LIMIT 1 OFFSET 20"),
    ("<> and !=", "SELECT a FROM t WHERE b <> 1", "SELECT a FROM t WHERE b != 1"),
    ("CAST and ::", "SELECT CAST(a AS int) FROM t", "SELECT a::integer FROM t"),
    ("interval", "SELECT now() - interval '1 day'", "SELECT now() - interval '2 days'"),
    ("LIMIT and FETCH", "SELECT a FROM t LIMIT 5", "SELECT a FROM t FETCH FIRST 5 ROWS ONLY"),
    ("INNER is optional", "SELECT 1 FROM a INNER JOIN b ON a.x = b.x", "SELECT 1 FROM a JOIN b ON a.x = b.x"),
    ("brackets", "SELECT a FROM t WHERE (b = 1)", "SELECT a FROM t WHERE b = 1"),
    ("SET values", "SET work_mem = '64MB'", "SET work_mem = '4MB'"),
    ("lists of settings", "SET search_path = a", "SET search_path = a, b"),
    ("numbered savepoints", "SAVEPOINT sp_1", "SAVEPOINT sp_2"),
    ("two-phase names", "PREPARE TRANSACTION 'a'", "PREPARE TRANSACTION 'b'"),
    ("DEALLOCATE", "DEALLOCATE a", "DEALLOCATE b"),
    ("EXPLAIN", "EXPLAIN SELECT 1", "EXPLAIN SELECT 2"),
    ("CALL", "CALL p(1, 'x')", "CALL p(2, 'y')"),
    ("EXECUTE", "EXECUTE p(1)", "EXECUTE p(2)"),
    ("statements of a text", "SELECT 1; SELECT 2", "SELECT 3;SELECT 4;"),
    ("a statement at the start", "WITH c AS (SELECT 1) TABLE c", " WITH c AS (SELECT 1) TABLE c"),
]

APART = [
    ("integer and text", "SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 'x'"),
    ("integer and number", "SELECT a FROM t WHERE b > 1", "SELECT a FROM t WHERE b > 1.5"),
    ("integer and bigint", "SELECT a FROM t WHERE b > 2147483647", "SELECT a FROM t WHERE b > 2147483648"),
    ("bigint and numeric", "SELECT 9223372036854775807", "SELECT 9223372036854775808"),
    ("integer and boolean", "SELECT 1", "SELECT true"),
    ("bits and text", "SELECT B'1'", "SELECT '1'"),
    ("constant and parameter", "SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = $1"),
    ("constant and parameter of a row", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES ($1)"),
    ("parameters swapped", "SELECT 1 FROM t WHERE a = $1 AND b = $2", "SELECT 1 FROM t WHERE a = $2 AND b = $1"),
    ("parameter used twice", "SELECT 1 FROM t WHERE a = $1 AND b = $2", "SELECT 1 FROM t WHERE a = $1 AND b = $1"),
    (
        "parameters swapped behind a list",
        "SELECT 1 FROM t WHERE a IN ($1, $2) AND b = $3 AND c = $4",
        "SELECT 1 FROM t WHERE a IN ($1, $2) AND b = $4 AND c = $3",
    ),
    (
        "a list's parameter behind the list",
        "SELECT 1 FROM t WHERE a IN ($1, $2) AND b = $3",
        "SELECT 1 FROM t WHERE a IN ($1, $2) AND b = $1",
    ),
    (
        "parameters swapped in rows",
        "INSERT INTO t VALUES ($1, $2), ($3, $4)",
        "INSERT INTO t VALUES ($2, $1), ($4, $3)",
    ),
    ("IN list of one", "SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (1, 2)"),
    ("ARRAY of one", "SELECT ARRAY[1]", "SELECT ARRAY[1, 2]"),
    ("VALUES of one row", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1), (2)"),
    ("VALUES by kind outside INSERT", "SELECT * FROM (VALUES (1), (2)) v", "SELECT * FROM (VALUES (1.5), (2.5)) v"),
    ("BETWEEN", "SELECT 1 FROM t WHERE a BETWEEN 1 AND 2.5", "SELECT 1 FROM t WHERE a BETWEEN 2.5 AND 1"),
    ("BETWEEN and IN", "SELECT 1 FROM t WHERE a BETWEEN 1 AND 2", "SELECT 1 FROM t WHERE a IN (1, 2)"),
    ("IN of calls", "SELECT 1 FROM t WHERE a IN (f(1), f(2))", "SELECT 1 FROM t WHERE a IN (f(1), f(2), f(3))"),
    ("brackets in names", """SELECT "{i},{i}]" FROM t""", """SELECT "{i}]" FROM t"""),
    ("types of a subquery in SET", "UPDATE t SET a = (SELECT 1 AS x)", "UPDATE t SET a = (SELECT 'y' AS x)"),
    ("types of an expression in SET", "UPDATE t SET a = b + 1", "UPDATE t SET a = b + 1.5"),
    ("types in a row's call", "INSERT INTO t VALUES (f(1))", "INSERT INTO t VALUES (f('x'))"),
    ("IS DISTINCT FROM NULL", "SELECT a IS DISTINCT FROM NULL FROM t", "SELECT a IS DISTINCT FROM 'x' FROM t"),
    ("LIMIT ALL and none", "SELECT a FROM t LIMIT ALL", "SELECT a FROM t"),
    (
        "GROUPING SETS positions",
        "SELECT a, b FROM t GROUP BY ROLLUP ((1, 2))",
        "SELECT a, b FROM t GROUP BY ROLLUP ((2, 1))",
    ),
    ("DISTINCT ON positions", "SELECT DISTINCT ON (1) a, b FROM t", "SELECT DISTINCT ON (2) a, b FROM t"),
    ("a later position", "SELECT a, b FROM t GROUP BY f(a, 1), 1", "SELECT a, b FROM t GROUP BY f(a, 1), 2"),
    ("aliases of tables", "SELECT x.a FROM t x", "SELECT y.a FROM t y"),
    ("later type modifiers", "SELECT a::numeric(10, 2) FROM t", "SELECT a::numeric(10, 3) FROM t"),
    ("interval fields", "SELECT interval '1' day", "SELECT interval '1' hour"),
    ("time zones", "SET TIME ZONE 'UTC'", "SET TIME ZONE 'CET'"),
    ("SET LOCAL", "SET work_mem = '1MB'", "SET LOCAL work_mem = '1MB'"),
    ("defaults", "CREATE TABLE t (a int DEFAULT 1)", "CREATE TABLE t (a int DEFAULT 2)"),
    ("COPY of a query", "COPY (SELECT 1) TO STDOUT", "COPY (SELECT 2) TO STDOUT"),
    ("PREPARE", "PREPARE p AS SELECT 1", "PREPARE p AS SELECT 2"),
    ("FETCH", "FETCH 5 FROM c", "FETCH 6 FROM c"),
    ("DEALLOCATE ALL", "DEALLOCATE a", "DEALLOCATE ALL"),
    ("number of statements", "SELECT 1", "SELECT 1; SELECT 1"),
    ("schemas", "SELECT 1 FROM a.t", "SELECT 1 FROM b.t"),
    ("schema or none", "SELECT 1 FROM a.t", "SELECT 1 FROM t"),
    ("digits of tables", "SELECT 1 FROM t10", "SELECT 1 FROM t11"),
    ("partitions by month", "SELECT 1 FROM orders_2024_01", "SELECT 1 FROM orders_2023_12"),
    ("quoted case", 'SELECT 1 FROM "T"', "SELECT 1 FROM t"),
    ("output order", "SELECT a, b FROM t", "SELECT b, a FROM t"),
    ("argument order", "SELECT coalesce(a, b) FROM t", "SELECT coalesce(b, a) FROM t"),
    ("functions", "SELECT min(a) FROM t", "SELECT max(a) FROM t"),
    ("operators", "SELECT a FROM t WHERE b < 1", "SELECT a FROM t WHERE b <= 1"),
    ("columns", "SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE c = 1"),
    ("IN and NOT IN", "SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b NOT IN (1)"),
    ("IN and =", "SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b = 1"),
    ("IN of a column", "SELECT a FROM t WHERE b IN (1, c)", "SELECT a FROM t WHERE b IN (1, 2)"),
    ("AND and OR", "SELECT a FROM t WHERE b = 1 AND c = 1", "SELECT a FROM t WHERE b = 1 OR c = 1"),
    ("cast types", "SELECT a::int FROM t", "SELECT a::bigint FROM t"),
    ("type modifiers", "SELECT a::varchar(10) FROM t", "SELECT a::varchar(20) FROM t"),
    ("LIMIT present", "SELECT a FROM t LIMIT 1", "SELECT a FROM t"),
    ("OFFSET present", "SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 1 OFFSET 1"),
    ("direction", "SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC"),
    ("NULLS FIRST", "SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a NULLS FIRST"),
    ("ORDER BY position", "SELECT a, b FROM t ORDER BY 1", "SELECT a, b FROM t ORDER BY 2"),
    ("GROUP BY position", "SELECT a, b, count(*) FROM t GROUP BY 1", "SELECT a, b, count(*) FROM t GROUP BY 2"),
    ("DISTINCT", "SELECT a FROM t", "SELECT DISTINCT a FROM t"),
    ("UNION ALL", "SELECT 1 UNION SELECT 2", "SELECT 1 UNION ALL SELECT 2"),
    ("join types", "SELECT 1 FROM a JOIN b ON a.x = b.x", "SELECT 1 FROM a LEFT JOIN b ON a.x = b.x"),
    ("FOR UPDATE", "SELECT a FROM t", "SELECT a FROM t FOR UPDATE"),
    ("SKIP LOCKED", "SELECT a FROM t FOR UPDATE", "SELECT a FROM t FOR UPDATE SKIP LOCKED"),
    ("row width", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1, 2)"),
    ("insert columns", "INSERT INTO t (a) VALUES (1)", "INSERT INTO t (b) VALUES (1)"),
    ("ON CONFLICT", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING"),
    ("RETURNING", "DELETE FROM t", "DELETE FROM t RETURNING a"),
    ("ONLY", "SELECT a FROM t", "SELECT a FROM ONLY t"),
    ("ARRAY of columns", "SELECT ARRAY[a] FROM t", "SELECT ARRAY[a, a] FROM t"),
    ("IS NULL", "SELECT a FROM t WHERE b IS NULL", "SELECT a FROM t WHERE b IS NOT NULL"),
    ("LIKE and ILIKE", "SELECT a FROM t WHERE b LIKE 'x'", "SELECT a FROM t WHERE b ILIKE 'x'"),
    ("count and count DISTINCT", "SELECT count(a) FROM t", "SELECT count(DISTINCT a) FROM t"),
    ("materialised CTE", "WITH c AS (SELECT 1) TABLE c", "WITH c AS MATERIALIZED (SELECT 1) TABLE c"),
    ("settings", "SET work_mem = '1MB'", "SET jit = 'off'"),
    ("BEGIN and COMMIT", "BEGIN", "COMMIT"),
    ("isolation", "BEGIN", "BEGIN READ ONLY"),
    ("transaction verbs", "SAVEPOINT a", "RELEASE a"),
    ("bodies of DO", "DO 'BEGIN END'", "DO 'BEGIN NULL; END'"),
]


@pytest.mark.parametrize(("first", "second"), [pytest.param(a, b, id=label) for label, a, b in MERGED])
def test_merges(first: str, second: str) -> None:
    assert identify(first).id == identify(second).id


@pytest.mark.parametrize(("first", "second"), [pytest.param(a, b, id=label) for label, a, b in APART])
def test_keeps_apart(first: str, second: str) -> None:
    assert identify(first).id != identify(second).id


def test_the_database_is_part_of_the_id() -> None:
    ids = {identify("SELECT 1", database).id for database in (None, "", "a", "b")}
    assert len(ids) == 4
    assert all(len(i) == 16 and int(i, 16) >= 0 for i in ids)


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 1 FROM a.t JOIN t ON true, a.t x", ("a.t", "t")),
        ("WITH c AS (SELECT 1 FROM t) SELECT 1 FROM c", ("t",)),
        ("WITH c AS (SELECT 1 FROM c) SELECT 1 FROM c", ("c",)),
        ("WITH RECURSIVE c AS (SELECT 1 FROM t UNION SELECT 1 FROM c) SELECT 1 FROM c", ("t",)),
        ("WITH c AS (SELECT 1) SELECT 1 FROM s.c", ("s.c",)),
        ("WITH a AS (SELECT 1), b AS (SELECT 1 FROM a, t) SELECT 1 FROM b", ("t",)),
        ("WITH t AS (SELECT 1) INSERT INTO t SELECT 1 FROM t", ("t",)),
        ("SELECT 1 FROM (WITH c AS (SELECT 1) SELECT 1 FROM c) x, c", ("c",)),
        ("SELECT 1 FROM t o WHERE EXISTS (SELECT 1 FROM u) FOR UPDATE OF o", ("t", "u")),
        ("UPDATE t SET a = 1 FROM u", ("t", "u")),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", ("t", "u")),
        ('SELECT 1 FROM "a\\b"."é""x", "schemaname" JOIN s.t ON true', ('a\\b.é"x', "schemaname", "s.t")),
        ("SELECT (SELECT 1 FROM a), (SELECT 1 FROM b FOR UPDATE OF b SKIP LOCKED) FROM c", ("a", "b", "c")),
    ],
)
def test_tables_leave_out_ctes(sql: str, tables: tuple[str, ...]) -> None:
    assert identify(sql).tables == tables


@pytest.mark.parametrize(
    ("sql", "kind", "control"),
    [
        ("BEGIN", "utility", True),
        ("BEGIN; COMMIT", "utility", True),
        ("SAVEPOINT x", "utility", True),
        ("SET x = 1", "utility", False),
        ("BEGIN; UPDATE t SET a = 1; COMMIT", "update", False),
        ("VALUES (1)", "select", False),
        ("TABLE t", "select", False),
        ("WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x", "select", False),
        ("EXPLAIN SELECT 1", "utility", False),
    ],
)
def test_kind(sql: str, kind: str, control: bool) -> None:
    identity = identify(sql)
    assert (identity.kind, identity.is_transaction_control) == (kind, control)


def test_the_normalised_text_has_no_constants_and_no_comments_around_it() -> None:
    identity = identify("/* a */ SELECT a FROM t WHERE b = 'secret' AND c IN (1, 2); -- x")
    assert identity.sql == "SELECT a FROM t WHERE b = $1 AND c IN ($2, $3)"


def test_a_password_is_not_in_the_normalised_text() -> None:
    assert "secret" not in identify("ALTER ROLE app PASSWORD 'secret'").sql


@pytest.mark.parametrize("sql", ["", "  -- nothing", "SELECT FROM WHERE", "SELECT 'open", "SELECT 1 \0"])
def test_what_is_no_statement_is_refused(sql: str) -> None:
    with pytest.raises(SqlError):
        identify(sql)


def test_statements_as_deep_as_the_parser_takes_them_have_an_identity() -> None:
    for text in (
        "SELECT " + "(" * 900 + "1" + ")" * 900,
        "SELECT 1" + " + 1" * 900,
        "SELECT " + "- (" * 450 + "a" + ")" * 450,
    ):
        assert identify(text).id == identify(text.replace("1", "2")).id
    nested = "VALUES (1, " + "(VALUES (1, " * 200 + "1" + "))" * 200 + ")"
    assert identify(nested).id != identify(nested.replace("VALUES (1, 1))", "VALUES (1, $1))")).id


def _significant(sql: str) -> list[str]:
    data = sql.encode()
    return [data[start:end].decode() for start, end in identify(sql).significant]


@pytest.mark.parametrize(
    ("sql", "literals"),
    [
        ("SELECT a FROM t WHERE b = 1 AND c = 'x' AND d IN (1, -2, .5) LIMIT 3", []),
        ('SELECT "a 1" FROM "t" WHERE b = $1 AND "c" = 7', []),
        ("SELECT 'é', a::varchar(10) FROM t WHERE b = 7 ORDER BY 2", ["10", "2"]),
        ("SELECT 'it''s', a::numeric(10, 2) FROM t GROUP BY 1, f(3), (4, 5)", ["10", "2", "1", "4", "5"]),
        ("SELECT .5, a::varchar(10)", ["10"]),
        ("SELECT extract(year FROM a::float(24))", ["24"]),
        ("UPDATE t SET (b, c) = (1, 2), d = d::bit(3)::varchar(4)", ["3", "4"]),
        ("SELECT interval '1' day, interval(3) '2', CURRENT_TIMESTAMP(4), a::int[5]", ["3", "4", "5"]),
        ("SELECT - /* 7 */ 5, $$x$$, E'\\'', U&'x', B'1' ORDER BY 1", ["1"]),
        ("SELECT NULL, true, 1 ORDER BY 3", ["3"]),
        ("SET work_mem = '1MB'", []),
        ("SET TIME ZONE 'UTC'", ["'UTC'"]),
        ("DO 'BEGIN END'", ["'BEGIN END'"]),
        ("EXPLAIN SELECT 1 ORDER BY 1", ["1"]),
        ("CREATE TABLE t (a varchar(5) DEFAULT 'x')", ["5", "'x'"]),
        ("PREPARE TRANSACTION 'a'", []),
    ],
)
def test_literals_whose_value_is_part_of_the_id_are_named(sql: str, literals: list[str]) -> None:
    assert _significant(sql) == literals


_TEMPLATES = [
    "SELECT a FROM t WHERE b = {} AND c::varchar({}) IN ({}, {}) ORDER BY {} LIMIT {}",
    "INSERT INTO t (a, b) VALUES ({}, {}), ({}, f({}, {}, {}))",
    "UPDATE t SET a = {}, b = a + {} WHERE c BETWEEN {} AND {} OR c = ANY (ARRAY[{}, {}])",
    "SELECT {}, count(*) FROM t GROUP BY {}, ROLLUP ({}, a + {}), ({}, {})",
    "CREATE TABLE t (a numeric({}, {}) DEFAULT {}, b int CHECK (b > {} AND b < {} - {}))",
    "SET a = {}, {}, {}, {}, {}, {}",
]


@given(
    template=st.sampled_from(_TEMPLATES),
    values=st.lists(st.integers(1, 9), min_size=6, max_size=6),
    position=st.integers(0, 5),
    other=st.integers(10, 99),
)
def test_a_literal_is_significant_just_where_another_value_is_another_id(
    template: str, values: list[int], position: int, other: int
) -> None:
    text = template.format(*values)
    changed = template.format(*values[:position], other, *values[position + 1 :])
    at = len("{".join(template.split("{")[: position + 1]).format(*values))
    significant = any(begin <= at < end for begin, end in identify(text).significant)
    assert (identify(changed).id != identify(text).id) == significant


_STRINGS = st.one_of(
    st.text(st.characters(exclude_characters="'\\\0", exclude_categories=["Cs"])).map(lambda text: f"'{text}'"),
    st.sampled_from(["NULL", "$$a'b$$", "E'\\''", "U&'x'", '\'"{}[],"val":{i}\'']),
)
_INTEGERS = st.integers(-(2**31), 2**31 - 1).map(str)
_BLANKS = st.sampled_from([" ", "\n", "\t ", " /* ; ' */ ", " -- '\n"])


@given(literals=st.lists(_INTEGERS, min_size=2, max_size=5), value=_STRINGS, blank=_BLANKS)
def test_the_id_does_not_depend_on_literals_and_blanks(literals: list[str], value: str, blank: str) -> None:
    text = "SELECT a FROM t WHERE b IN ({}) AND lower(c) = {}"
    varied = text.format(", ".join(literals), value).replace(" FROM ", f"{blank}FROM{blank}")
    assert identify(varied).id == identify(text.format("1, 2", "'x'")).id


@given(
    st.text(st.sampled_from('ab{}[]i,:"$\\'), min_size=1, max_size=12),
    st.text(st.sampled_from('ab{}[]i,:"$\\'), min_size=1, max_size=12),
)
def test_names_of_any_characters_stay_apart(first: str, second: str) -> None:
    ids = set()
    for name in {first, second}:
        quoted = '"' + name.replace('"', '""') + '"'
        ids.add(identify(f"SELECT {quoted} FROM {quoted} WHERE a IN (1, 2) AND {quoted} = 'x' GROUP BY 1").id)
    assert len(ids) == len({first, second})
