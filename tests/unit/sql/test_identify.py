import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import SqlError
from advisor.sql.identify import identify

MERGED = [
    ("integers", "SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 2"),
    ("integer and text", "SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 'x'"),
    ("constant and parameter", "SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = $1"),
    ("parameters by number", "SELECT a FROM t WHERE b = $1", "SELECT a FROM t WHERE b = $2"),
    ("true and false", "SELECT a FROM t WHERE b = true", "SELECT a FROM t WHERE b = false"),
    ("NULL as a value", "UPDATE t SET a = NULL", "UPDATE t SET a = 1"),
    ("float and integer", "SELECT a FROM t WHERE b > 1.5", "SELECT a FROM t WHERE b > 1"),
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
    ("IN list of one", "SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (1, 2, 3)"),
    ("IN of parameters", "SELECT a FROM t WHERE b IN ($1, $2)", "SELECT a FROM t WHERE b IN (7)"),
    ("IN of casts", "SELECT 1 FROM t WHERE b IN ('1'::int)", "SELECT 1 FROM t WHERE b IN ('1'::int, '2'::int)"),
    ("IN of rows", "SELECT 1 FROM t WHERE (a, b) IN ((1, 2))", "SELECT 1 FROM t WHERE (a, b) IN ((1, 2), (3, 4))"),
    ("NOT IN lists", "SELECT a FROM t WHERE b NOT IN (1)", "SELECT a FROM t WHERE b NOT IN (1, 2)"),
    ("VALUES rows", "INSERT INTO t VALUES (1, 2)", "INSERT INTO t VALUES (1, 2), (3, 4), (5, 6)"),
    ("VALUES with DEFAULT", "INSERT INTO t VALUES (1, DEFAULT)", "INSERT INTO t VALUES (1, DEFAULT), (2, DEFAULT)"),
    ("ARRAY", "SELECT a FROM t WHERE b = ANY (ARRAY[1])", "SELECT a FROM t WHERE b = ANY (ARRAY[1, 2])"),
    ("dollar quotes", "SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = $q$x$q$"),
    ("escape string", "SELECT a FROM t WHERE b = 'x'", r"SELECT a FROM t WHERE b = E'\n'"),
    ("unicode string", "SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = U&'x'"),
    ("LIMIT values", "SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 20"),
    ("LIMIT ALL and none", "SELECT a FROM t LIMIT ALL", "SELECT a FROM t"),
    ("OFFSET values", "SELECT a FROM t LIMIT 1 OFFSET 10", "SELECT a FROM t LIMIT 1 OFFSET 20"),
    ("<> and !=", "SELECT a FROM t WHERE b <> 1", "SELECT a FROM t WHERE b != 1"),
    ("CAST and ::", "SELECT CAST(a AS int) FROM t", "SELECT a::integer FROM t"),
    ("interval", "SELECT now() - interval '1 day'", "SELECT now() - interval '2 days'"),
    ("normalised interval", "SELECT now() - interval '1 day'", "SELECT now() - interval $1"),
    ("LIMIT and FETCH", "SELECT a FROM t LIMIT 5", "SELECT a FROM t FETCH FIRST 5 ROWS ONLY"),
    ("INNER is optional", "SELECT 1 FROM a INNER JOIN b ON a.x = b.x", "SELECT 1 FROM a JOIN b ON a.x = b.x"),
    ("brackets", "SELECT a FROM t WHERE (b = 1)", "SELECT a FROM t WHERE b = 1"),
    ("SET values", "SET work_mem = '64MB'", "SET work_mem = '4MB'"),
    ("numbered savepoints", "SAVEPOINT sp_1", "SAVEPOINT sp_2"),
]

APART = [
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


_LITERALS = st.one_of(
    st.integers(-(2**40), 2**40).map(str),
    st.text(st.characters(exclude_characters="'\\\0", exclude_categories=["Cs"])).map(lambda text: f"'{text}'"),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-1000, max_value=1000).map(str),
    st.sampled_from(["NULL", "true", "$1", "$$a'b$$", "E'\\''"]),
)
_BLANKS = st.sampled_from([" ", "\n", "\t ", " /* ; ' */ ", " -- '\n"])


@given(literals=st.lists(_LITERALS, min_size=1, max_size=5), value=_LITERALS, blank=_BLANKS)
def test_the_id_does_not_depend_on_literals_and_blanks(literals: list[str], value: str, blank: str) -> None:
    text = "SELECT a FROM t WHERE b IN ({}) AND lower(c) = {}"
    varied = text.format(", ".join(literals), value).replace(" FROM ", f"{blank}FROM{blank}")
    assert identify(varied).id == identify(text.format("1", "'x'")).id
