"""A server's processes have a limit on their memory: one statement cannot take the machine's."""

import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from advisor.sandbox import cluster
from advisor.sandbox.open import open_sandbox
from advisor.sandbox.schema.load import load_schema
from advisor.sandbox.server import Sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process may allocate")

ATTACKS = {
    "an aggregate": "SELECT cardinality(array_agg(repeat('x', 10000000) || g)) FROM generate_series(1, 1000) g",
    "a hash": "SELECT set_config('work_mem', '2000000000', false);"
    " SELECT set_config('hash_mem_multiplier', '1000', false);"
    " CREATE TABLE t AS SELECT count(*) FROM (SELECT DISTINCT repeat(md5(g::text), 3000) FROM"
    " generate_series(1, 1000000) g) r",
}


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    """A server of its own with the least limit there is, so that an attack is over soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "MEMORY_LIMIT_BYTES", cluster.MEMORY_FLOOR_BYTES)
        with open_sandbox("embedded") as opened:
            yield opened


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_memory_attack_ends_and_the_load_goes_on(small: Sandbox, attack: str) -> None:
    small.create_database("attacked")
    try:
        warnings = load_schema(small, f"{attack};\nCREATE TABLE after (x int);", database="attacked")
        assert "out of memory" in " ".join(warnings)
        with small.connect("attacked") as connection:
            assert connection.execute("SELECT count(*) FROM after").fetchone() == (0,)
    finally:
        small.drop_database("attacked")


def test_the_limit_holds_for_a_session(small: Sandbox) -> None:
    with small.connect() as connection:
        backend = Path("/proc", str(connection.info.backend_pid), "limits").read_text()
    (line,) = [line for line in backend.splitlines() if line.startswith("Max address space")]
    assert line.split()[3] == str(cluster.MEMORY_FLOOR_BYTES)


def test_parallel_workers_start_under_the_limit(small: Sandbox) -> None:
    with small.connect() as connection:
        connection.execute("CREATE TABLE wide AS SELECT g AS x, repeat('x', 90) AS y FROM generate_series(1, 99000) g")
        for setting in ("parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0"):
            connection.execute(f"SET {setting}".encode())
        connection.execute("SET work_mem = '256MB'")
        (plan,) = connection.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) SELECT count(*) FROM wide a JOIN wide b USING (x, y)"
        ).fetchone() or ([],)
        connection.rollback()
    assert "'Workers Launched': 2" in str(plan)


def test_a_session_that_runs_out_of_memory_keeps_its_server(small: Sandbox) -> None:
    with small.connect() as connection:
        connection.autocommit = True
        with pytest.raises(psycopg.errors.OutOfMemory):
            connection.execute(ATTACKS["an aggregate"])
        assert connection.execute("SELECT 1").fetchone() == (1,)
