"""What the parse tree of a migration statement says."""

from typing import Any

import pytest

from advisor.migrations.describe import describe, kind_of
from advisor.sql.parse import parse_one


def facts(sql: str) -> dict[str, Any]:
    return describe(parse_one(sql))


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("CREATE INDEX ON t (a)", "CreateIndex"),
        ("DROP INDEX a", "DropIndex"),
        ("DROP TABLE a", "DropTable"),
        ("DROP TYPE a", "Drop"),
        ("ALTER TABLE t ADD a int", "AlterTable"),
        ("ALTER INDEX i SET (fillfactor = 70)", "AlterIndex"),
        ("CREATE TABLE t (a int)", "CreateTable"),
        ("DO 'BEGIN END'", "Do"),
        ("COMMIT", "Transaction"),
        ("SET lock_timeout = 1", "VariableSet"),
        ("UPDATE t SET a = 1", "Update"),
        ("TRUNCATE t", "Truncate"),
        ("VACUUM FULL t", "Vacuum"),
        ("CREATE EXTENSION pg_trgm", "CreateExtension"),
    ],
)
def test_kinds(sql: str, kind: str) -> None:
    assert kind_of(parse_one(sql)) == kind


def test_create_index() -> None:
    assert facts('CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I" ON s.t USING btree (a, lower(b))') == {
        "relation": ("s", "t"),
        "only": False,
        "index": "I",
        "columns": ("a", None),
        "unique": True,
        "method": "btree",
        "concurrently": True,
        "if_not_exists": True,
    }


def test_alter_table_names_its_parts() -> None:
    parts = facts("ALTER TABLE t ALTER a TYPE bigint, ALTER b SET NOT NULL, ADD c uuid, ADD UNIQUE (d, e)")[
        "subcommands"
    ]
    assert [(p["kind"], p["name"], p.get("column"), p.get("columns")) for p in parts] == [
        ("AlterColumnType", "a", "a", None),
        ("SetNotNull", "b", None, None),
        ("AddColumn", "", "c", None),
        ("AddConstraint", "", None, ("d", "e")),
    ]


@pytest.mark.parametrize(
    ("sql", "keys"),
    [
        ("ALTER TABLE t ADD FOREIGN KEY (a, b) REFERENCES s.u NOT VALID", ((("a", "b"), ("s", "u")),)),
        ("ALTER TABLE t ADD COLUMN a int REFERENCES u", ((("a",), (None, "u")),)),
        (
            "CREATE TABLE t (a int REFERENCES u, b int, FOREIGN KEY (b) REFERENCES v)",
            ((("a",), (None, "u")), (("b",), (None, "v"))),
        ),
        ("CREATE TABLE t (a int)", ()),
    ],
)
def test_foreign_keys_inline_and_apart(sql: str, keys: object) -> None:
    assert facts(sql)["foreign_keys"] == keys


def test_drops_and_maintenance() -> None:
    assert facts("DROP INDEX CONCURRENTLY IF EXISTS s.a, b") == {
        "objects": (("s", "a"), ("b",)),
        "concurrently": True,
        "if_exists": True,
    }
    assert facts("REINDEX (CONCURRENTLY) INDEX s.i") == {"objects": (("s", "i"),), "concurrently": True}
    assert facts("REINDEX TABLE t") == {"relation": (None, "t"), "concurrently": False}
    assert facts("VACUUM (FULL) t") == {"relation": (None, "t"), "full": True}
    assert facts("TRUNCATE s.t, u") == {"relation": ("s", "t")}
    assert facts("ALTER TABLE p DETACH PARTITION q CONCURRENTLY")["concurrently"] is True


@pytest.mark.parametrize(("sql", "word"), [("START TRANSACTION", "begin"), ("END", "commit"), ("ABORT", "rollback")])
def test_transaction_words(sql: str, word: str) -> None:
    assert facts(sql) == {"transaction": word}
