"""Which statement is to blame, by what the traced statements say of themselves."""

import pytest

from advisor.engine.migration_causes import breaking_statement, missing_names, slowing_statement
from advisor.model.migration import Lock, Migration, TracedStatement, WorkloadChange
from advisor.model.names import QualifiedName


def statement(line: int, kind: str, sql: str, table: str = "", **details: object) -> TracedStatement:
    locks = (Lock(QualifiedName("public", table), "AccessExclusiveLock"),) if table else ()
    return TracedStatement(
        line=line,
        column=1,
        end_line=line,
        sql=sql,
        kind=kind,
        traced=True,
        locks=locks,
        blocks_reads=bool(locks),
        details=details,
    )


def migration(*statements: TracedStatement) -> Migration:
    return Migration(file="0001.sql", framework="sql", transaction="none", statements=statements)


@pytest.mark.parametrize(
    ("reason", "names"),
    [
        ('column "full_name" does not exist (SQLSTATE 42703)', ("full_name",)),
        ("column u.full_name does not exist (SQLSTATE 42703)", ("full_name",)),
        ('relation "app.users" does not exist', ("users",)),
        ("function label(text) does not exist", ("label",)),
        ('column "a" of relation "t" does not exist', ("a", "t")),
        ("another plan", ()),
    ],
)
def test_the_names_in_a_message(reason: str, names: tuple[str, ...]) -> None:
    assert missing_names(reason) == names


def test_a_comment_that_names_the_column_breaks_nothing() -> None:
    file = migration(
        statement(1, "Comment", "COMMENT ON TABLE t IS 'a goes'"),
        statement(2, "AlterTable", "ALTER TABLE t ALTER a DROP NOT NULL", "t"),
        statement(3, "AlterTable", "ALTER TABLE t DROP a", "t"),
        statement(4, "AlterTable", "ALTER TABLE t ADD ab int", "t"),
    )
    change = WorkloadChange(query_id="q", change="broken", reason='column "a" does not exist')
    found = breaking_statement(file, change, ["t"])
    assert found is not None
    assert found.line == 3


def test_what_goes_by_cascade_is_found_by_its_lock() -> None:
    file = migration(
        statement(1, "AlterTable", "ALTER TABLE other ADD a int", "other"),
        statement(2, "DropTable", "DROP TABLE base CASCADE", "members"),
    )
    change = WorkloadChange(query_id="q", change="broken", reason='relation "members" does not exist')
    found = breaking_statement(file, change, ["members"])
    assert found is not None
    assert found.line == 2


def test_the_drop_of_the_index_that_the_plan_used_is_the_cause() -> None:
    drop = {"index": "public.t_key", "table": "public.t", "constraint": True, "with_column": False, "part_of": None}
    file = migration(
        statement(1, "AlterTable", "ALTER TABLE t ADD a int", "t"),
        statement(2, "AlterTable", "ALTER TABLE t DROP CONSTRAINT t_key", "t", dropped_indexes=(drop,)),
    )
    change = WorkloadChange(query_id="q", change="slower", lost_indexes=("t_key",), plan_before="Seq Scan on t")
    found = slowing_statement(file, change, ["t"])
    assert found is not None
    assert found.line == 2


def test_in_a_transaction_only_the_locks_that_a_statement_takes_itself_count() -> None:
    file = migration(
        statement(1, "AlterTable", "ALTER TABLE other ADD a int", "other"),
        statement(2, "AlterTable", "ALTER TABLE x ADD a int", "t", new_locks=(("public.x", "AccessExclusiveLock"),)),
        statement(3, "CreateView", "CREATE VIEW", "t", new_locks=(("public.t", "AccessExclusiveLock"),)),
    )
    change = WorkloadChange(query_id="q", change="slower", plan_before="Limit, Index Scan using i on t")
    found = slowing_statement(file, change, ["v"])
    assert found is not None
    assert found.line == 3
