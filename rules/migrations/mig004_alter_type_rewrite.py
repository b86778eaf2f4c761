"""A table is written anew, or its indexes built anew, while everybody waits.

## What it does

Finds statements after which a table that was there before has a new file: ALTER COLUMN … TYPE, ADD COLUMN with a
default that differs per row, SET LOGGED, VACUUM FULL, CLUSTER; and changes of type or collation that build an index
anew.

## Why it matters

All rows are copied and all indexes built under ACCESS EXCLUSIVE: nobody reads or writes the table, and it needs its own
size again on disk. After a change of type the column has no statistics until ANALYZE.

## When it is fine

On small tables. Widening varchar or numeric, varchar to text, and constant defaults copy nothing and are not reported.

## Example

    ALTER TABLE orders ALTER COLUMN id TYPE bigint;

## Use instead

A new column, filled in batches while both are written; then the application moves over and the old one is dropped.

## Evidence it needs

The migration's traced run: the change of the file is seen, not guessed.

## References

- https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
"""

from collections.abc import Iterator

from advisor.engine.migration_facts import (
    file_key,
    held_until,
    locks_on,
    parse_name,
    place,
    rows_words,
    severity_for,
)
from advisor.engine.rule import rule
from advisor.engine.safe_migration import safe_rewrite
from advisor.engine.subjects import StatementSubject
from advisor.model.advice import Finding, Subject
from advisor.model.evidence import Evidence

_KINDS = frozenset({"AlterTable", "Do", "Call", "Select", "Vacuum", "Cluster"})


@rule(code="MIG004", name="alter-type-rewrite", severity="error", scope="statement", needs={"migrations"})
def alter_type_rewrite(subject: StatementSubject, evidence: Evidence) -> Iterator[Finding]:
    migration, statement = subject.migration, subject.statement
    rewritten = [str(name) for name in statement.rewrites or ()]
    rebuilt = [str(name) for name in statement.rebuilt_indexes or ()]
    if statement.kind not in _KINDS or statement.details.get("truncated"):
        return
    if not rewritten and statement.kind == "AlterTable" and rebuilt:
        rewritten = [statement.details["table"]] if "table" in statement.details else []
    for table in [table for table in rewritten if "AccessExclusiveLock" in locks_on(statement, table)][:1]:
        what = "copies every row of" if statement.rewrites else f"builds {', '.join(rebuilt)} anew, an index on"
        columns = [part.get("column") or part["name"] for part in statement.details.get("subcommands", ())]
        yield alter_type_rewrite.finding(
            objects=[table, *sorted({str(column) for column in columns if column}), file_key(migration)],
            severity=severity_for(evidence, rewritten, "error"),
            title=f"{parse_name(table).name} is {'rewritten' if statement.rewrites else 're-indexed'} under a lock",
            message=(
                f"The statement {what} {rows_words(evidence, table)} under AccessExclusiveLock, held"
                f" {held_until(migration)}: all reads and writes of the table wait for as long as that takes."
            ),
            subject=Subject(tables=tuple(rewritten), indexes=tuple(rebuilt)),
            location=place(migration, statement),
            evidence={"rewrites": tuple(rewritten), "rebuilt_indexes": tuple(rebuilt), "lock": "AccessExclusiveLock"},
            remedies=[safe_rewrite(statement)],
        )
