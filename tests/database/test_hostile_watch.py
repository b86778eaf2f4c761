"""The watch over the unprivileged login's sessions, and a load that goes on behind what it stopped."""

from collections.abc import Callable

import pytest

from advisor.sandbox import watch
from advisor.sandbox.schema import load
from advisor.sandbox.schema.load import load_schema
from advisor.sandbox.server import Sandbox

STUBBORN = (
    """DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(1000); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"""
)
INNOCENT = "CREATE SCHEMA s; SET search_path = s; CREATE TABLE before (x int);"


def tables(sandbox: Sandbox, database: str) -> set[str]:
    with sandbox.connect(database) as connection:
        rows = connection.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE tableowner = current_user"
        )
        return {name for (name,) in rows}


@pytest.mark.parametrize(
    "attack",
    [
        STUBBORN,
        f"SELECT set_config('statement_timeout', '0', false); {STUBBORN}",
        "SELECT set_config('statement_timeout', '0', false); SELECT pg_sleep(1000)",
    ],
)
def test_who_will_not_be_cancelled_is_ended(
    sandbox: Sandbox, database: str, monkeypatch: pytest.MonkeyPatch, attack: str
) -> None:
    monkeypatch.setattr(load, "STATEMENT_LIMIT_S", 0.5)
    (warning,) = load_schema(sandbox, f"{INNOCENT}\n{attack};\nCREATE TABLE after (x int);", database=database)
    assert warning.startswith("the schema:2: ")
    assert warning.endswith("its session was ended: it took longer than 0.5 s")
    assert tables(sandbox, database) == {"s.before", "s.after"}


@pytest.mark.parametrize("setting", ["idle_session_timeout", "idle_in_transaction_session_timeout"])
def test_a_session_that_is_set_to_end(sandbox: Sandbox, database: str, setting: str) -> None:
    text = f"{INNOCENT} SELECT set_config('{setting}', '1', false); SELECT pg_sleep(0.1); CREATE TABLE after (x int);"
    assert load_schema(sandbox, text, database=database) == ()
    assert tables(sandbox, database) == {"s.before", "s.after"}


def test_a_disk_that_fills(sandbox: Sandbox, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([1000] * 3)
    fake: Callable[[watch.Watch], int] = lambda _watch: next(free, 400)  # noqa: E731
    monkeypatch.setattr(watch.Watch, "_free", fake)
    text = f"{INNOCENT} CREATE TABLE big AS SELECT x FROM generate_series(1, 1000000000) x;"
    (warning,) = load_schema(sandbox, text, database=database)
    assert warning.endswith("its session was ended: it filled half of the disk that was free")
    assert tables(sandbox, database) == {"s.before"}


def test_a_file_as_a_whole_has_a_limit(sandbox: Sandbox, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "LOAD_LIMIT_S", 1)
    text = f"{INNOCENT} SELECT pg_sleep(1.2); CREATE TABLE after (x int);"
    (warning,) = load_schema(sandbox, text, database=database)
    assert warning.endswith("not run, because the file took longer than 1 s.")


def test_a_text_too_long_for_the_parser_reaches_no_role_or_database(sandbox: Sandbox, database: str) -> None:
    padding = f"/*{'x' * (5 << 20)}*/"
    other = f"{database}_other"
    sandbox.create_database(other)
    try:
        full = f"DROP {padding} DATABASE {other};\nALTER ROLE {padding} CURRENT_USER PASSWORD 'x';\nCREATE TABLE t ();"
        assert load_schema(sandbox, full, database=database) == ()
        with sandbox.connect(other) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        sandbox.drop_database(other)
