"""A table is read from end to end while everybody waits.

## What it does

Finds SET NOT NULL, a CHECK constraint and VALIDATE CONSTRAINT that read every row of a table that was there before,
while ACCESS EXCLUSIVE is held on it. That is also so for VALIDATE in the transaction that added the constraint.

## Why it matters

The statement itself changes no row, but reads and writes of the table wait until all rows have been looked at.

## When it is fine

On small tables, and where a validated CHECK (column IS NOT NULL) is there already: then SET NOT NULL reads nothing and
nothing is reported.

## Example

    ALTER TABLE users ALTER COLUMN email SET NOT NULL;

## Use instead

    ALTER TABLE users ADD CONSTRAINT users_email_not_null CHECK (email IS NOT NULL) NOT VALID;
    ALTER TABLE users VALIDATE CONSTRAINT users_email_not_null;
    ALTER TABLE users ALTER COLUMN email SET NOT NULL;
    ALTER TABLE users DROP CONSTRAINT users_email_not_null;

each in a transaction of its own.

## Evidence it needs

The migration's traced run: the scan and the lock are seen, not guessed.

## References

- https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL
"""

import re
from collections.abc import Iterator

from advisor.engine.migration_facts import (
    file_key,
    held_until,
    locks_on,
    place,
    rows_words,
    severity_for,
    subcommands,
)
from advisor.engine.rule import rule
from advisor.engine.safe_migration import safe_not_null, safe_validation
from advisor.engine.subjects import StatementSubject
from advisor.model.advice import Finding, Subject
from advisor.model.evidence import Evidence

_IN_A_BLOCK = re.compile(r"\bset\s+not\s+null\b|\bvalidate\s+constraint\b", re.IGNORECASE)


@rule(code="MIG005", name="set-not-null-scan", severity="error", scope="statement", needs={"migrations"})
def set_not_null_scan(subject: StatementSubject, evidence: Evidence) -> Iterator[Finding]:
    migration, statement = subject.migration, subject.statement
    parts = subcommands(statement, "SetNotNull", "ValidateConstraint", "AddConstraint")
    in_block = statement.kind == "Do" and _IN_A_BLOCK.search(statement.sql)
    indexed = {new["table"] for new in statement.details.get("new_indexes", ())}
    explained = indexed | {str(name) for name in statement.rewrites or ()}
    if not (parts or in_block) or statement.rebuilt_indexes:
        return
    scanned = [str(name) for name in statement.scans or () if str(name) not in explained]
    locked = [table for table in scanned if "AccessExclusiveLock" in locks_on(statement, table)]
    # Of a partitioned table or one with children, all parts are scanned: one cause, named by the table altered.
    named = statement.details.get("table")
    for table in [named] if named and locked and not in_block else locked:
        columns = [str(part["name"]) for part in parts if part["kind"] == "SetNotNull"]
        names = [str(part["name"]) for part in parts if part["name"]]
        yield set_not_null_scan.finding(
            objects=[table, *sorted(names), file_key(migration)],
            severity=severity_for(evidence, locked, "error"),
            title=f"Every row of {table} is read under a lock",
            message=(
                f"The statement reads all of {rows_words(evidence, table)} under AccessExclusiveLock, which is"
                f" held {held_until(migration)}: all reads and writes of the table wait for as long as that takes."
            ),
            subject=Subject(tables=(table,), columns=tuple(f"{table}.{column}" for column in columns)),
            location=place(migration, statement),
            evidence={"scans": tuple(locked) if table == named else (table,), "lock": "AccessExclusiveLock"},
            remedies=[safe_not_null(table, column) for column in columns] or [safe_validation()],
        )
