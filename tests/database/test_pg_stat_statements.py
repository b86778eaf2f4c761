"""`pg_stat_statements`: the missing extension and the unloaded library are said, not raised."""

from advisor.sandbox.server import Sandbox
from advisor.sources.pg_stat_statements import Availability, read
from advisor.workload.digest import Digest
from advisor.workload.read import add_statistics


def test_without_the_extension_the_reason_is_given(sandbox: Sandbox, database: str) -> None:
    availability = Availability()
    with sandbox.admin(database) as connection:
        assert list(read(connection, availability)) == []
    assert "CREATE EXTENSION" in (availability.reason or "")


def test_where_the_library_is_not_loaded_the_reason_is_given_and_the_session_lives_on(
    sandbox: Sandbox, database: str
) -> None:
    availability = Availability()
    with sandbox.admin(database) as connection:
        connection.execute("CREATE SCHEMA stats")
        connection.execute("CREATE EXTENSION pg_stat_statements SCHEMA stats")
        assert list(read(connection, availability)) == []
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert "shared_preload_libraries" in (availability.reason or "")


def test_rows_become_queries_without_percentiles(sandbox: Sandbox, database: str) -> None:
    digest = Digest()
    availability = Availability()
    with sandbox.admin(database) as connection:
        # A table in the view's place: what counts is how columns of the view's names are read.
        connection.execute("CREATE SCHEMA stats")
        connection.execute("CREATE EXTENSION pg_stat_statements SCHEMA stats")
        connection.execute("ALTER EXTENSION pg_stat_statements DROP VIEW stats.pg_stat_statements")
        connection.execute("DROP VIEW stats.pg_stat_statements CASCADE")
        connection.execute(
            """
            CREATE TABLE stats.pg_stat_statements AS
            SELECT 10::oid AS userid, d.oid AS dbid, true AS toplevel, 7::bigint AS queryid, text AS query,
                   4::bigint AS calls, 8.5::float8 AS total_exec_time, 2.125::float8 AS mean_exec_time,
                   1.0::float8 AS min_exec_time, 5.0::float8 AS max_exec_time, 40::bigint AS rows
              FROM pg_database d, (VALUES ('SELECT a FROM t WHERE b = $1'), ('<insufficient privilege>')) v(text)
             WHERE d.datname = current_database()
            """
        )
        add_statistics(digest, read(connection, availability))
        name = connection.info.dbname
    (query,) = digest.freeze().queries
    assert (query.calls, query.total_us, query.max_us, query.rows) == (4, 8500, 5000, 40)
    assert query.database == name
    assert query.latency.quantile_us(0.5) is None
    assert query.samples == ()
    assert availability.hidden == 1
