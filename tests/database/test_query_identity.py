"""Who is a query, by the server's own word: the `query_id` that it writes into its JSON log.

Every text is only prepared, never run, so any statement may stand here. All labels are the server's.
"""

import itertools
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import pq

from advisor.sandbox.programs import binaries
from advisor.sql.identify import identify
from tests.database.live_server import LiveServer, live_server

SETTINGS = {
    "fsync": "off",
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_directory": "json",
    "log_filename": "log",
    "log_rotation_age": "0",
    "log_rotation_size": "0",
    "log_min_duration_statement": "0",
    "compute_query_id": "on",
}

SCHEMA = """
CREATE TABLE t (a int, b int, c text, d numeric, e bigint, f timestamptz, g int[], h uuid, i boolean, j jsonb);
CREATE TABLE u (a int PRIMARY KEY, b int, c text, e bigint);
CREATE SCHEMA s1; CREATE TABLE s1.t (a int, b int);
CREATE SCHEMA s2; CREATE TABLE s2.t (a int, b int);
CREATE TABLE t1 (a int); CREATE TABLE t2 (a int); CREATE TABLE t10 (a int); CREATE TABLE t11 (a int);
CREATE TABLE "T" (a int, "A" int); CREATE TABLE orders_2024_01 (a int); CREATE TABLE orders_2023_12 (a int);
CREATE PROCEDURE p(int) LANGUAGE sql AS 'SELECT 1';
"""

ONE, TWO, THREE = (f"'00000000-0000-0000-0000-00000000000{n}'::uuid" for n in "123")

MERGED = [
    ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 2"),
    ("SELECT a FROM t WHERE c = 'x'", "SELECT a FROM t WHERE c = 'it''s'"),
    ("SELECT a FROM t WHERE c = 'x'", "SELECT a FROM t WHERE c = E'\\n\\''"),
    ("SELECT a FROM t WHERE c = 'x'", "SELECT a FROM t WHERE c = $q$x'y$q$"),
    ("SELECT a FROM t WHERE c = 'x'", "SELECT a FROM t WHERE c = $$a -- b /* c$$"),
    ("SELECT a FROM t WHERE c = 'x'", "SELECT a FROM t WHERE c = U&'d\\0061t'"),
    ("SELECT a FROM t WHERE c = 'x'", "SELECT a FROM t WHERE c = U&'d!0061t' UESCAPE '!'"),
    ("SELECT a FROM t WHERE c = 'x'", "SELECT a FROM t WHERE c = 'x'\n  'y'"),
    ("SELECT a FROM t WHERE c = 'x'", "SELECT a FROM t WHERE c = NULL"),
    ("SELECT a FROM t WHERE d = 1.5", "SELECT a FROM t WHERE d = 2e10"),
    ("SELECT a FROM t WHERE e = 5000000000", "SELECT a FROM t WHERE e = -9223372036854775808"),
    ("SELECT a FROM t WHERE e = -2147483648", "SELECT a FROM t WHERE e = 1"),
    ("SELECT a FROM t WHERE b = - 5", "SELECT a FROM t WHERE b = 5"),
    ("SELECT a FROM t WHERE i = true", "SELECT a FROM t WHERE i = false"),
    ("SELECT B'101'", "SELECT X'1F'"),
    ("SELECT a FROM t", "select\n\ta\r\nfrom   t ;"),
    ("SELECT a FROM t", "SELECT a /* x /* y */ z */ FROM t -- w"),
    ("SELECT a FROM t", "/*route='x'*/ SELECT a FROM t /*traceparent='00-1'*/"),
    ("SELECT a FROM t", 'SELECT A FROM "t"'),
    ("SELECT a::int FROM t", "SELECT CAST(a AS integer) FROM t"),
    ("SELECT a FROM t WHERE b <> 1", "SELECT a FROM t WHERE b != 3"),
    ("SELECT a FROM t WHERE (b = 1)", "SELECT a FROM t WHERE ((b) = (4))"),
    ("SELECT 1 FROM t INNER JOIN u ON t.a = u.a", "SELECT 1 FROM t JOIN u ON t.a = u.a"),
    ("SELECT a FROM t LIMIT 1", "SELECT a FROM t FETCH FIRST 20 ROWS ONLY"),
    ("SELECT a FROM t LIMIT 1 OFFSET 2", "SELECT a FROM t OFFSET 20 LIMIT 7"),
    ("SELECT a FROM t WHERE f > now() - interval '1 day'", "SELECT a FROM t WHERE f > now() - interval '2 h'"),
    ("SELECT a FROM t WHERE f > date '2024-01-01'", "SELECT a FROM t WHERE f > date '2025-01-01'"),
    ("SELECT j->'a' FROM t", "SELECT j->'b' FROM t"),
    ("SELECT g[1:2] FROM t", "SELECT g[3:4] FROM t"),
    ("SELECT CASE a WHEN 1 THEN 'x' END FROM t", "SELECT CASE a WHEN 2 THEN 'y' END FROM t"),
    ("SELECT 1 UNION SELECT 2", "SELECT 3 UNION SELECT 4"),
    ("INSERT INTO u (a, b) VALUES (1, 2)", "INSERT INTO u (a, b) VALUES (3, NULL)"),
    ("UPDATE t SET a = 1, c = 'x'", "UPDATE t SET a = NULL, c = 'y'"),
    ("EXPLAIN SELECT a FROM t WHERE b = 1", "EXPLAIN SELECT a FROM t WHERE b = 2"),
    ("SELECT a FROM t WHERE b = $1 -- x", "SELECT a FROM t WHERE b = $1"),
]
"""Pairs that are one query on every server."""

MERGED_18 = [
    ("SELECT a FROM t WHERE b IN ($1, $2)", "SELECT a FROM t WHERE b IN ($1, $2, $3)"),
    ("SELECT a FROM t WHERE b IN (1, 2)", "SELECT a FROM t WHERE b IN (1, 2, 3)"),
    ("SELECT a FROM t WHERE c NOT IN ('x', 'y')", "SELECT a FROM t WHERE c NOT IN ('x', 'y', 'z', NULL)"),
    ("SELECT a FROM t WHERE d IN (1, 2.5)", "SELECT a FROM t WHERE d IN (2.5, 1, 3.5)"),
    ("SELECT a FROM t WHERE b = ANY (ARRAY[1, 2])", "SELECT a FROM t WHERE b = ANY (ARRAY[1, 2, 3])"),
    (f"SELECT a FROM t WHERE h IN ({ONE}, {TWO})", f"SELECT a FROM t WHERE h IN ({ONE}, {TWO}, {THREE})"),
    ("SELECT a FROM t WHERE e = 0x1F", "SELECT a FROM t WHERE e = 1_000"),
    ("SAVEPOINT a1", "SAVEPOINT a2"),
    ("SET work_mem = '1MB'", "SET work_mem = '2MB'"),
    ("SET search_path = a", "SET search_path = a, b"),
    ("DECLARE c CURSOR FOR SELECT 1", "DECLARE c CURSOR FOR SELECT 2"),
    ("CALL p(1)", "CALL p(2)"),
]
"""Pairs that are one query on a server of today."""

FOLDED = [
    ("INSERT INTO u VALUES (1, 2), (3, 4)", "INSERT INTO u VALUES (1, 2), (3, 4), (5, 6)"),
    ("INSERT INTO u VALUES ($1, $2), ($3, $4)", "INSERT INTO u VALUES ($1, $2), ($3, $4), ($5, $6)"),
    ("SELECT * FROM (VALUES (1), (2)) v", "SELECT * FROM (VALUES (1), (2), (3)) v"),
    ("SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4))", "SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4), (5, 6))"),
    ("INSERT INTO u (e) VALUES (1)", "INSERT INTO u (e) VALUES (NULL)"),
    ("UPDATE u SET e = 1", "UPDATE u SET e = NULL"),
]
"""What is one query on purpose although the server has two: the list in the docstring of `advisor.sql.jumble`."""

PAIRS = [
    ("SELECT a FROM t1", "SELECT a FROM t2"),
    ("SELECT a FROM t10", "SELECT a FROM t11"),
    ("SELECT a FROM orders_2024_01", "SELECT a FROM orders_2023_12"),
    ("SELECT a FROM s1.t", "SELECT a FROM s2.t"),
    ("SELECT a FROM s1.t", "SELECT a FROM t"),
    ('SELECT a FROM "T"', "SELECT a FROM t"),
    ('SELECT "A" FROM "T"', 'SELECT a FROM "T"'),
    ("SELECT a, b FROM t", "SELECT b, a FROM t"),
    ("SELECT coalesce(a, b) FROM t", "SELECT coalesce(b, a) FROM t"),
    ("SELECT min(a) FROM t", "SELECT max(a) FROM t"),
    ("SELECT a + b FROM t", "SELECT a - b FROM t"),
    ("SELECT a - b FROM t", "SELECT b - a FROM t"),
    ("SELECT a FROM t WHERE b < 1", "SELECT a FROM t WHERE b <= 1"),
    ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE a = 1"),
    ("SELECT a FROM t WHERE b = 1 AND a = 1", "SELECT a FROM t WHERE b = 1 OR a = 1"),
    ("SELECT a FROM t WHERE b = 1 AND a = 2 OR e = 3", "SELECT a FROM t WHERE b = 1 AND (a = 2 OR e = 3)"),
    ("SELECT a FROM t WHERE d = 1", "SELECT a FROM t WHERE d = 1.5"),
    ("SELECT a FROM t WHERE e = 1", "SELECT a FROM t WHERE e = 5000000000"),
    ("SELECT a FROM t WHERE e = 2147483647", "SELECT a FROM t WHERE e = 2147483648"),
    ("SELECT a FROM t WHERE e = 9223372036854775807", "SELECT a FROM t WHERE e = 9223372036854775808"),
    ("SELECT a FROM t WHERE e = 1", "SELECT a FROM t WHERE e = '1'"),
    ("SELECT a FROM t WHERE e = 1", "SELECT a FROM t WHERE e = NULL"),
    ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = '1'"),
    ("SELECT 1", "SELECT '1'"),
    ("SELECT 1", "SELECT true"),
    ("SELECT B'1'", "SELECT '1'"),
    ("SELECT j->'a' FROM t", "SELECT j->0 FROM t"),
    ("SELECT a IS DISTINCT FROM NULL FROM t", "SELECT a IS DISTINCT FROM '1' FROM t"),
    ("SELECT CASE WHEN i THEN 1 END FROM t", "SELECT CASE WHEN i THEN NULL END FROM t"),
    ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = $1"),
    ("SELECT a FROM t WHERE a = $1 AND b = $2", "SELECT a FROM t WHERE a = $2 AND b = $1"),
    ("SELECT a FROM t WHERE a = $1 AND b = $2", "SELECT a FROM t WHERE a = $1 AND b = $1"),
    ("SELECT a FROM t WHERE b IN ($1, $2) AND a = $3", "SELECT a FROM t WHERE b IN ($1, $2) AND a = $1"),
    ("SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (1, 2)"),
    ("SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b = 1"),
    ("SELECT a FROM t WHERE b IN (1, 2)", "SELECT a FROM t WHERE b NOT IN (1, 2)"),
    ("SELECT a FROM t WHERE b IN (1, 2)", "SELECT a FROM t WHERE b IN (1, 2.5)"),
    ("SELECT a FROM t WHERE b IN (1, 2, a)", "SELECT a FROM t WHERE b IN (1, a)"),
    ("SELECT a FROM t WHERE b IN (a, a)", "SELECT a FROM t WHERE b IN (a)"),
    ("SELECT a FROM t WHERE c IN (lower('x'), 'y')", "SELECT a FROM t WHERE c IN (lower('x'), 'y', 'z')"),
    ("SELECT a FROM t WHERE b = ANY (ARRAY[1])", "SELECT a FROM t WHERE b = ANY (ARRAY[1, 2])"),
    ("SELECT ARRAY[[1, 2], [3, 4]]", "SELECT ARRAY[[1, 2], [3, 4], [5, 6]]"),
    ("SELECT ARRAY[a] FROM t", "SELECT ARRAY[a, a] FROM t"),
    ("SELECT a FROM t WHERE d BETWEEN 1 AND 2", "SELECT a FROM t WHERE d BETWEEN 1 AND 2.5"),
    ("SELECT a FROM t WHERE d BETWEEN 1.5 AND 2", "SELECT a FROM t WHERE d BETWEEN 1 AND 2.5"),
    ("SELECT a FROM t WHERE d BETWEEN 1 AND 2", "SELECT a FROM t WHERE d IN (1, 2)"),
    ("INSERT INTO u VALUES (1, 2)", "INSERT INTO u VALUES (1, 2), (3, 4)"),
    ("INSERT INTO u VALUES (1)", "INSERT INTO u VALUES (1, 2)"),
    ("INSERT INTO u (a) VALUES (1)", "INSERT INTO u (b) VALUES (1)"),
    ("INSERT INTO u VALUES (1, DEFAULT)", "INSERT INTO u VALUES (1, 2)"),
    ("INSERT INTO u VALUES (1, $1)", "INSERT INTO u VALUES (1, 2)"),
    ("INSERT INTO u (c) VALUES (lower('x'))", "INSERT INTO u (c) VALUES (upper('x'))"),
    ("INSERT INTO u VALUES ($1, $2), ($3, $4)", "INSERT INTO u VALUES ($2, $1), ($4, $3)"),
    ("INSERT INTO u VALUES (1)", "INSERT INTO u VALUES (1) ON CONFLICT DO NOTHING"),
    ("INSERT INTO u SELECT 1, 2", "INSERT INTO u SELECT 1, 2.5"),
    ("SELECT * FROM (VALUES (1), (2)) v", "SELECT * FROM (VALUES (1.5), (2.5)) v"),
    ("SELECT * FROM (VALUES (1), (2.5)) v", "SELECT * FROM (VALUES (2.5), (1)) v"),
    ("UPDATE t SET a = b + 1", "UPDATE t SET a = b + 1.5"),
    ("UPDATE t SET a = (SELECT 1 AS x)", "UPDATE t SET a = (SELECT NULL::int AS x)"),
    ("UPDATE t SET a = 1", "UPDATE t SET b = 1"),
    ("UPDATE t SET a = 1", "UPDATE ONLY t SET a = 1"),
    ("DELETE FROM t", "DELETE FROM t RETURNING a"),
    ("SELECT a::int FROM t", "SELECT a::bigint FROM t"),
    ("SELECT '1'::int", "SELECT '1'::bigint"),
    ("SELECT c::varchar(10) FROM t", "SELECT c::varchar(20) FROM t"),
    ("SELECT d::numeric(10, 2) FROM t", "SELECT d::numeric(10, 3) FROM t"),
    ("SELECT interval '1' day", "SELECT interval '1' hour"),
    ("SELECT CURRENT_TIMESTAMP(3)", "SELECT CURRENT_TIMESTAMP(2)"),
    ("SELECT a, b FROM t ORDER BY 1", "SELECT a, b FROM t ORDER BY 2"),
    ("SELECT a, b FROM t ORDER BY 1", "SELECT a, b FROM t ORDER BY 1 DESC"),
    ("SELECT a, b FROM t ORDER BY 1", "SELECT a, b FROM t ORDER BY 1 NULLS FIRST"),
    ("SELECT a, b FROM t GROUP BY 1, 2", "SELECT a, b FROM t GROUP BY 2, 1"),
    ("SELECT a, b FROM t GROUP BY (1, 2)", "SELECT a, b FROM t GROUP BY (2, 1)"),
    (
        "SELECT a, b FROM t GROUP BY GROUPING SETS ((1, 2), (1))",
        "SELECT a, b FROM t GROUP BY GROUPING SETS ((1, 2), (2))",
    ),
    ("SELECT DISTINCT ON (1) a, b FROM t", "SELECT DISTINCT ON (2) a, b FROM t"),
    ("SELECT a FROM t", "SELECT DISTINCT a FROM t"),
    ("SELECT count(a) FROM t", "SELECT count(DISTINCT a) FROM t"),
    ("SELECT a FROM t LIMIT 1", "SELECT a FROM t"),
    ("SELECT a FROM t LIMIT ALL", "SELECT a FROM t"),
    ("SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT NULL"),
    ("SELECT a FROM t LIMIT 1", "SELECT a FROM t OFFSET 1"),
    ("SELECT a FROM t ORDER BY a FETCH FIRST 1 ROW WITH TIES", "SELECT a FROM t ORDER BY a LIMIT 1"),
    ("SELECT a FROM t", "SELECT a FROM t FOR UPDATE"),
    ("SELECT a FROM t FOR UPDATE", "SELECT a FROM t FOR UPDATE SKIP LOCKED"),
    ("SELECT 1 UNION SELECT 2", "SELECT 1 UNION ALL SELECT 2"),
    ("SELECT 1 FROM t JOIN u ON t.a = u.a", "SELECT 1 FROM t LEFT JOIN u ON t.a = u.a"),
    ("SELECT 1 FROM t JOIN u ON t.a = u.a", "SELECT 1 FROM t JOIN u USING (a)"),
    ("SELECT x.a FROM t x", "SELECT y.a FROM t y"),
    ("SELECT a AS x FROM t", "SELECT a AS y FROM t"),
    ("SELECT c FROM t WHERE c LIKE 'x'", "SELECT c FROM t WHERE c ILIKE 'x'"),
    ('SELECT c COLLATE "C" FROM t', 'SELECT c COLLATE "POSIX" FROM t'),
    ("SELECT a FROM t WHERE b IS NULL", "SELECT a FROM t WHERE b IS NOT NULL"),
    ("SELECT extract(year FROM f) FROM t", "SELECT extract(month FROM f) FROM t"),
    ("SELECT sum(a) OVER (ORDER BY a) FROM t", "SELECT sum(a) OVER (ORDER BY b) FROM t"),
    (
        "SELECT sum(a) OVER (ORDER BY a ROWS 1 PRECEDING) FROM t",
        "SELECT sum(a) OVER (ORDER BY a GROUPS 1 PRECEDING) FROM t",
    ),
    ("WITH x AS (SELECT 1 AS a) SELECT a FROM x", "WITH x AS MATERIALIZED (SELECT 1 AS a) SELECT a FROM x"),
    ("BEGIN", "COMMIT"),
    ("BEGIN", "BEGIN READ ONLY"),
    ("SAVEPOINT a1", "RELEASE a1"),
    ("SET work_mem = '1MB'", "SET LOCAL work_mem = '1MB'"),
    ("SET TIME ZONE 'UTC'", "SET TIME ZONE 'CET'"),
    ("SET timezone = 'UTC'", "SET timezone TO DEFAULT"),
    ("SHOW work_mem", "SHOW jit"),
    ("DO 'BEGIN END'", "DO 'BEGIN NULL; END'"),
    ("DO $$BEGIN END$$", "DO $$BEGIN PERFORM 1; END$$"),
    (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    ),
    ("CREATE TABLE x (a int DEFAULT 1)", "CREATE TABLE x (a int DEFAULT 2)"),
    ("CREATE VIEW x AS SELECT 1 AS a", "CREATE VIEW x AS SELECT 2 AS a"),
    ("COPY (SELECT 1) TO STDOUT", "COPY (SELECT 2) TO STDOUT"),
    ("COPY t TO STDOUT", "COPY u TO STDOUT"),
    ("PREPARE x AS SELECT 1", "PREPARE x AS SELECT 2"),
    ("DEALLOCATE x", "DEALLOCATE ALL"),
    ("FETCH 5 FROM c", "FETCH 6 FROM c"),
    ("FETCH 5 FROM c", "FETCH 5 FROM d"),
    ("NOTIFY a, 'x'", "NOTIFY a, 'y'"),
    ("EXPLAIN SELECT 1", "EXPLAIN (ANALYZE) SELECT 1"),
    ("VACUUM t", "VACUUM u"),
    ("CREATE INDEX ON t (a)", "CREATE INDEX ON t (b)"),
]
"""Pairs that look alike. Which of them are one query, the server says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A server that tells the `query_id` of a text."""

    server: LiveServer
    connection: psycopg.Connection

    def query_ids(self, texts: Sequence[str]) -> Mapping[str, int]:
        """The ids of those texts that the server takes."""
        (log,) = (self.server.folder / "data" / "json").glob("*.json")
        start = log.stat().st_size
        for text in (*texts, "SELECT 'the last one'"):
            self.connection.pgconn.prepare(b"", text.encode())
        found: dict[str, int] = {}
        deadline = time.monotonic() + 30
        while "SELECT 'the last one'" not in found:
            assert time.monotonic() < deadline, "the log stopped"
            time.sleep(0.02)
            lines = log.read_bytes()[start:].split(b"\n")[:-1]
            found = dict(_logged(record) for record in map(json.loads, lines) if _logged(record)[0])
        return {text: found[text] for text in texts if text in found}


def _logged(record: Mapping[str, object]) -> tuple[str, int]:
    duration, _, text = str(record["message"]).partition("  parse <unnamed>: ")
    query_id = record.get("query_id", 0)
    assert isinstance(query_id, int)
    return (text, query_id) if duration.startswith("duration: ") else ("", 0)


@pytest.fixture(scope="module", params=[18, 15])
def judge(request: pytest.FixtureRequest) -> Iterator[Judge]:
    found = binaries.embedded() if request.param == 18 else binaries.local(15)
    if found is None:
        pytest.skip("PostgreSQL 15 is not installed here")
    with live_server(found, settings=SETTINGS, filled=False) as server, server.superuser("postgres") as connection:
        connection.execute(SCHEMA)
        assert connection.pgconn.transaction_status == pq.TransactionStatus.IDLE
        yield Judge(server=server, connection=connection)


def _texts(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return list(dict.fromkeys(itertools.chain.from_iterable(pairs)))


def test_no_two_queries_of_the_server_share_an_id(judge: Judge) -> None:
    later = MERGED_18 if judge.server.major < 18 else []
    folded = {identify(text).id for text in _texts(FOLDED + later)}
    # Before 16 the server jumbles no utility statement: it hashes the text.
    texts = [text for text in _texts(MERGED + MERGED_18 + PAIRS) if judge.server.major >= 16 or _is_query(text)]
    query_ids = judge.query_ids(texts)
    assert len(query_ids) > len(texts) - 5
    sharing: dict[str, set[int]] = defaultdict(set)
    for text, query_id in query_ids.items():
        if identify(text).id not in folded:
            sharing[identify(text).id].add(query_id)
    assert {ours: theirs for ours, theirs in sharing.items() if len(theirs) > 1} == {}


def test_what_must_be_one_query_is_one(judge: Judge) -> None:
    pairs = [pair for pair in MERGED if judge.server.major >= 16 or _is_query(pair[0])]
    pairs += MERGED_18 if judge.server.major >= 18 else []
    query_ids = judge.query_ids(_texts(pairs))
    assert [pair for pair in pairs if query_ids[pair[0]] != query_ids[pair[1]]] == []
    assert [pair for pair in pairs if identify(pair[0]).id != identify(pair[1]).id] == []


def test_the_pairs_folded_on_purpose_are_those_that_are_named(judge: Judge) -> None:
    query_ids = judge.query_ids(_texts(FOLDED))
    assert [pair for pair in FOLDED if query_ids[pair[0]] == query_ids[pair[1]]] == []
    assert [pair for pair in FOLDED if identify(pair[0]).id != identify(pair[1]).id] == []


def test_few_pairs_that_the_server_merges_are_two_queries_here(judge: Judge) -> None:
    query_ids = judge.query_ids(_texts(PAIRS))
    one = [pair for pair in PAIRS if pair[0] in query_ids and query_ids[pair[0]] == query_ids.get(pair[1])]
    two = {first for first, second in one if identify(first).id != identify(second).id}
    if judge.server.major < 18:
        assert len(two) <= 12
        return
    # Types of constants that their context gives, schemas, result names, modifiers, IN of one, USING.
    assert two == {
        "SELECT 1 FROM t JOIN u ON t.a = u.a",
        "UPDATE t SET a = (SELECT 1 AS x)",
        "SELECT a FROM s1.t",
        "SELECT a FROM t WHERE b = 1",
        "SELECT a FROM t WHERE b IN (1)",
        "SELECT a AS x FROM t",
        "SELECT c::varchar(10) FROM t",
        "SELECT d::numeric(10, 2) FROM t",
        "SELECT interval '1' day",
    }


def _is_query(text: str) -> bool:
    return identify(text).kind != "utility"


_COLUMNS = st.sampled_from(["a", "b", "c", "e", "i", "t.a", "t.e"])
_OPERATORS = st.sampled_from(["=", "<", "<>", ">=", "IS DISTINCT FROM"])
_SLOT = st.just("{}")
"""Where a constant or a parameter will stand."""
_FILLINGS = st.lists(
    st.sampled_from(
        ["1", "-7", "2147483648", "1.5", "'1'", "NULL", "$1", "$2", "$3", "9223372036854775808", "'1'::int"]
    ),
    min_size=12,
    max_size=12,
)


def _lists(elements: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(elements, min_size=1, max_size=3).map(", ".join)


def _either(*forms: str) -> st.SearchStrategy[str]:
    return st.sampled_from(forms)


_OPERANDS = st.one_of(
    _SLOT,
    _COLUMNS,
    _either("a + {}", "coalesce(e, {})", "CASE WHEN a = {} THEN e END", "(SELECT a FROM u WHERE b = {} LIMIT 1)"),
)
_CONDITIONS = st.one_of(
    st.builds("{} {} {}".format, _COLUMNS, _OPERATORS, _OPERANDS),
    st.builds("{} IN ({})".format, _COLUMNS, _lists(_OPERANDS)),
    st.builds("{} BETWEEN {} AND {}".format, _COLUMNS, _SLOT, _SLOT),
    st.builds("{} = ANY (ARRAY[{}])".format, _COLUMNS, _lists(_SLOT)),
)
_TAILS = _either("", " ORDER BY 1", " GROUP BY 1, 2", " LIMIT 1", " LIMIT {}")
_TEMPLATES = st.one_of(
    st.builds("SELECT {}, {} FROM t WHERE {}{}".format, _COLUMNS, _OPERANDS, _CONDITIONS, _TAILS),
    st.builds("SELECT {} FROM t WHERE {} AND {}".format, _OPERANDS, _CONDITIONS, _CONDITIONS),
    st.builds("UPDATE t SET a = a + {} WHERE {}".format, _SLOT, _CONDITIONS),
    st.builds("INSERT INTO u (a, c) SELECT {}, c FROM t WHERE {}".format, _COLUMNS, _CONDITIONS),
    st.builds("DELETE FROM t WHERE {} RETURNING {}".format, _CONDITIONS, _OPERANDS),
)


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    templates=st.lists(_TEMPLATES, min_size=3, max_size=3),
    fillings=st.lists(_FILLINGS, min_size=30, max_size=30),
)
def test_no_two_random_queries_of_the_server_share_an_id(
    judge: Judge, templates: list[str], fillings: list[list[str]]
) -> None:
    if judge.server.major < 18:
        pytest.skip("lists of constants are one query on purpose, of which older servers make several")
    texts = list(dict.fromkeys(template.format(*filling) for template in templates for filling in fillings))
    sharing: dict[str, dict[int, str]] = defaultdict(dict)
    for text, query_id in judge.query_ids(texts).items():
        sharing[identify(text).id].setdefault(query_id, text)
    assert [list(theirs.values()) for theirs in sharing.values() if len(theirs) > 1] == []
