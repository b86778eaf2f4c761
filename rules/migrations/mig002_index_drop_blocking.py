"""An index is dropped under a lock that everybody waits for.

## What it does

Finds DROP INDEX without CONCURRENTLY on a table that was there before the migration, also inside DO blocks and
functions.

## Why it matters

DROP INDEX takes ACCESS EXCLUSIVE on the table. It is quick once it has the lock, but it waits behind every transaction
that reads the table, and all other queries on the table queue up behind it.

## When it is fine

On a small or quiet table, or on one made by the same migrations. An index that backs a constraint goes with its
constraint, one on a dropped column with its column: for these there is no CONCURRENTLY.

## Example

    DROP INDEX orders_created_at_idx;

## Use instead

    SET lock_timeout = '5s';
    DROP INDEX CONCURRENTLY orders_created_at_idx;

## Evidence it needs

The migration's traced run.

## References

- https://www.postgresql.org/docs/current/sql-dropindex.html
"""

from collections.abc import Iterator

from advisor.engine.migration_facts import file_key, held_until, locks_on, place, rows_words, severity_for
from advisor.engine.rule import rule
from advisor.engine.safe_migration import safe_drop
from advisor.engine.subjects import StatementSubject
from advisor.model.advice import Finding, Subject
from advisor.model.evidence import Evidence
from advisor.model.migration import TracedStatement

_KINDS = ("DropIndex", "Do", "Call", "Select")


@rule(code="MIG002", name="index-drop-blocking", severity="error", scope="statement", needs={"migrations"})
def index_drop_blocking(subject: StatementSubject, evidence: Evidence) -> Iterator[Finding]:
    migration, statement = subject.migration, subject.statement
    if statement.kind not in _KINDS:
        return
    for dropped in statement.details.get("dropped_indexes", ()):
        table, index = dropped["table"], dropped["index"]
        goes_with_another = dropped["constraint"] or dropped["with_column"] or dropped["part_of"]
        if goes_with_another or "AccessExclusiveLock" not in locks_on(statement, table):
            continue
        yield index_drop_blocking.finding(
            objects=[table, index, file_key(migration)],
            severity=severity_for(evidence, [table], "error"),
            title=f"Dropping {index} blocks {table}",
            message=(
                f"DROP INDEX takes AccessExclusiveLock on {rows_words(evidence, table)}, held {held_until(migration)}."
                " It waits for every running query on the table, and every new read and write waits behind it."
            ),
            subject=Subject(tables=(table,), indexes=(index,)),
            location=place(migration, statement),
            evidence={"lock": "AccessExclusiveLock", "table": table, "index": index},
            remedies=[safe_drop(statement, index, partitioned=_has_parts(statement, index))],
        )


def _has_parts(statement: TracedStatement, index: str) -> bool:
    return any(dropped["part_of"] == index for dropped in statement.details.get("dropped_indexes", ()))
