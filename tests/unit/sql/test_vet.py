import pytest

from advisor.sql.vet import vet_statement


@pytest.mark.parametrize(
    ("sql", "readonly"),
    [
        ("SELECT 1", True),
        ("VALUES (1)", True),
        ("TABLE t", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x", True),
        ("SELECT lower(a), log(b), length(c) FROM t", True),
        ("SELECT 'pg_read_file(1)' -- COPY", True),
        ('SELECT "pg_sleep" FROM t', True),
        ("SELECT l.lo_revenue, (l).lo_orderdate, l.bt_name, l.* FROM lineorder l", True),
        ("SELECT lo_discount(l.lo_price) FROM lineorder l", True),
        ("SELECT U&'\\0041', E'a\\'b', $q$; DROP TABLE t $q$ /* /* ; */ -- */", True),
        ("SELECT a FROM t FOR UPDATE", False),
        ("SELECT nextval('s')", False),
        ("WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x", False),
        ("INSERT INTO t VALUES (1)", False),
        ("UPDATE t SET a = 1", False),
        ("DELETE FROM t", False),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", False),
    ],
)
def test_allowed(sql: str, readonly: bool) -> None:
    vetted = vet_statement(sql)
    assert (vetted.allowed, vetted.reason, vetted.readonly) == (True, None, readonly)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELECT FROM WHERE",
        "SELECT 1; DROP TABLE t",
        "SELECT * INTO x FROM t",
        "WITH a AS (SELECT 1) SELECT * INTO x FROM a",
        "COPY t TO PROGRAM 'x'",
        "COPY (SELECT 1) TO STDOUT",
        "DO 'BEGIN END'",
        "CALL p()",
        "SET x = 1",
        "EXPLAIN ANALYZE DELETE FROM t",
        "CREATE TABLE x AS SELECT 1",
        "PREPARE p AS SELECT 1",
        "DECLARE c CURSOR FOR SELECT 1",
        "BEGIN",
        "VACUUM",
        "LOCK t",
        "SELECT pg_sleep(10)",
        "SELECT pg_catalog.pg_read_file('x')",
        "SELECT \"pg_read_binary_file\"('x')",
        "SELECT * FROM pg_ls_dir('.')",
        "SELECT a FROM t WHERE b = (SELECT lo_import('x'))",
        "SELECT lo_export(1, 'x')",
        "SELECT * FROM dblink('x', 'y') AS t(a int)",
        "SELECT public.dblink_exec('x')",
        "SELECT pg_terminate_backend(1)",
        "SELECT set_config('role', 'x', false)",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_xact_lock(1)",
        "SELECT query_to_xml('DELETE FROM t', true, true, '')",
        "SELECT pg_notify('a', 'b')",
        "INSERT INTO t SELECT pg_sleep(1)",
        "UPDATE t SET a = pg_sleep(1) RETURNING a",
        "SELECT * FROM otherdb.public.t",
        "SELECT (5::float8).pg_sleep",
        "SELECT ('/etc/passwd'::text).\"pg_read_file\"",
        "SELECT ((1).abs).pg_sleep",
        "SELECT x.pg_sleep FROM generate_series(1, 5) AS x",
        "SELECT x.lo_unlink FROM generate_series(1, 5) AS x",
        "SELECT 1 FROM t ORDER BY (5::float8).pg_sleep",
        'SELECT U&"pg\\005fsleep"(1)',
        "SELECT pg_stat_statements_reset()",
        "SELECT /* /* */ 1 */ pg_sleep(1) -- x",
        "SELECT 1 /* ; */; -- ;\nCOMMIT",
        "SELECT 'a\\'; COMMIT; --'",
        "SELECT E'\\''; COMMIT; --'",
        "SELECT $a$ $b$ $a$; COMMIT; -- $b$",
        "SELECT 1;\0 COMMIT",
        "SELECT 1\0; COMMIT",
    ],
)
def test_refused(sql: str) -> None:
    vetted = vet_statement(sql)
    assert not vetted.allowed
    assert vetted.reason


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
        "SELECT " + "-" * 3 + "1" + " + 1" * 50_000,
        "SELECT 1 WHERE " + "NOT " * 20_000 + "true",
        "SELECT '" + "x" * 20_000_000 + "'",
        "SELECT \ud800",
        "\0",
        ";;;;",
        "SELECT '",
        "SELECT /* /* */",
        "SELECT $a$",
    ],
    ids=range(10),
)
def test_it_never_raises(sql: str) -> None:
    vetted = vet_statement(sql)
    assert vetted.allowed == (vetted.reason is None)
