"""The safe way to write what a migration does: statements that can be pasted, or the steps in words."""

import re

from advisor.engine.migration_facts import LOCK_TIMEOUT, parse_name, quoted, short_name, subcommands
from advisor.model.advice import Advice
from advisor.model.migration import TracedStatement
from advisor.sql.quote import quote_identifier, quote_literal

_CREATE_INDEX = re.compile(r"^(CREATE\s+(?:UNIQUE\s+)?INDEX)\b", re.IGNORECASE)

_ALONE = "Run it outside a transaction: in a file of its own, without BEGIN."
_PARTITIONED = (
    "A partitioned table's index cannot be built CONCURRENTLY in one go: CREATE INDEX … ON ONLY the parent, then"
    " CREATE INDEX CONCURRENTLY on each partition, then ALTER INDEX … ATTACH PARTITION for each."
)
_PARTITIONED_DROP = (
    "A partitioned table's index cannot be dropped CONCURRENTLY: drop it with a lock_timeout, at a quiet moment, and"
    " try again where it could not have the lock."
)
EXPAND_CONTRACT = (
    "Add a new column of the new type (no default that has to be computed per row).",
    "Let the application write both columns, or keep them alike with a trigger.",
    "Fill the new column in batches of some thousand rows, each in its own transaction.",
    "Let the application read the new column; then drop the old one.",
)


def safe_index(statement: TracedStatement, table: str, index: str, *, partitioned: bool) -> Advice:
    """Building the same index without blocking writers, with a look for what a failed attempt leaves."""
    if partitioned:
        return Advice(kind="safe_migration", notes=(_PARTITIONED,))
    build = _concurrent_build(statement, table, index)
    if build is None:
        return Advice(kind="safe_migration", notes=("Build the index with CREATE INDEX CONCURRENTLY.", _ALONE))
    name = quote_literal(quoted(index))
    left = f"SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid AND indexrelid = to_regclass({name});"
    return Advice(
        kind="safe_migration",
        statements=(LOCK_TIMEOUT, *build, left),
        rollback=(LOCK_TIMEOUT, f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(index)};"),
        notes=(_ALONE, "If the last statement returns a row, the build failed: drop the index and build it again."),
        safety="safe",
    )


def _concurrent_build(statement: TracedStatement, table: str, index: str) -> tuple[str, ...] | None:
    head = _CREATE_INDEX.match(statement.sql) if statement.kind == "CreateIndex" else None
    if head is not None:
        # A name the server chose would be another one on the next try, beside an invalid leftover.
        named = "" if statement.details.get("index") else f" {quote_identifier(parse_name(index).name)}"
        return (f"{head[1]} CONCURRENTLY{named}{statement.sql[head.end() :]};",)
    keys = [c for c in subcommands(statement, "AddConstraint") if c.get("constraint") in ("unique", "primary")]
    columns = keys[0].get("columns") if len(keys) == 1 else None
    if not isinstance(columns, tuple) or not columns or len(statement.details["subcommands"]) > 1:
        return None
    name = quote_identifier(parse_name(index).name)
    listed = ", ".join(quote_identifier(column) for column in columns)
    clause = "PRIMARY KEY" if keys[0]["constraint"] == "primary" else "UNIQUE"
    return (
        f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {quoted(table)} ({listed});",
        f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {name} {clause} USING INDEX {name};",
    )


def safe_drop(statement: TracedStatement, index: str, *, partitioned: bool) -> Advice:
    """Dropping the index without an ACCESS EXCLUSIVE lock on the table, or why that cannot be."""
    exists = "IF EXISTS " if statement.details.get("if_exists") else ""
    if partitioned:
        return Advice(kind="safe_migration", notes=(_PARTITIONED_DROP,))
    drop = f"DROP INDEX CONCURRENTLY {exists}{quoted(index)};"
    return Advice(kind="safe_migration", statements=(LOCK_TIMEOUT, drop), notes=(_ALONE,), safety="safe")


def safe_not_null(table: str, column: str) -> Advice:
    """NOT NULL by way of a validated CHECK, which the server trusts since version 12."""
    check, target = short_name(parse_name(table).name, column, "not_null"), quoted(table)
    return Advice(
        kind="safe_migration",
        statements=(
            LOCK_TIMEOUT,
            f"ALTER TABLE {target} ADD CONSTRAINT {check} CHECK ({quote_identifier(column)} IS NOT NULL) NOT VALID;",
            f"ALTER TABLE {target} VALIDATE CONSTRAINT {check};",
            f"ALTER TABLE {target} ALTER COLUMN {quote_identifier(column)} SET NOT NULL;",
            f"ALTER TABLE {target} DROP CONSTRAINT {check};",
        ),
        rollback=(
            LOCK_TIMEOUT,
            f"ALTER TABLE {target} ALTER COLUMN {quote_identifier(column)} DROP NOT NULL;",
            f"ALTER TABLE {target} DROP CONSTRAINT IF EXISTS {check};",
        ),
        notes=("Each statement in a transaction of its own: else VALIDATE scans while the first one's lock is held.",),
        safety="safe",
    )


def safe_validation() -> Advice:
    """A constraint checked without locking readers out, in words."""
    return Advice(
        kind="safe_migration",
        notes=(
            "Add the constraint as NOT VALID in one transaction and VALIDATE CONSTRAINT in another.",
            "VALIDATE alone takes SHARE UPDATE EXCLUSIVE: reads and writes go on.",
        ),
    )


def safe_rewrite(statement: TracedStatement) -> Advice:
    """A column's type or volatile default changed without rewriting the table under a lock, in words."""
    if subcommands(statement, "AlterColumnType"):
        return Advice(kind="safe_migration", notes=EXPAND_CONTRACT)
    if subcommands(statement, "AddColumn"):
        return Advice(
            kind="safe_migration",
            notes=(
                "Add the column without its default, then ALTER COLUMN … SET DEFAULT: only new rows get it.",
                "Fill the old rows in batches of some thousand, each in its own transaction.",
            ),
        )
    return Advice(kind="safe_migration", notes=("Run it while nobody uses the table, or copy it in the background.",))


def index_on(table: str, columns: tuple[str, ...]) -> Advice:
    """An index with those columns in front, built without blocking."""
    name = short_name(parse_name(table).name, *columns, "idx")
    listed = ", ".join(quote_identifier(column) for column in columns)
    schema = quote_identifier(parse_name(table).schema)
    return Advice(
        kind="safe_migration",
        statements=(LOCK_TIMEOUT, f"CREATE INDEX CONCURRENTLY {name} ON {quoted(table)} ({listed});"),
        rollback=(LOCK_TIMEOUT, f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{name};"),
        notes=(_ALONE,),
        safety="safe",
    )
