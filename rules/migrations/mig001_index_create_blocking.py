"""An index is built while writers of its table wait.

## What it does

Finds statements that build an index on a table that was there before the migration, without CONCURRENTLY: CREATE
INDEX, UNIQUE and PRIMARY KEY constraints, and the same inside DO blocks and functions.

## Why it matters

CREATE INDEX takes SHARE on the table: every INSERT, UPDATE and DELETE waits until the last row is indexed. A constraint
takes ACCESS EXCLUSIVE, so that readers wait, too.

## When it is fine

On a table made by the same migrations, on a small one, or while the application is stopped.

## Example

    CREATE INDEX orders_user_id_idx ON orders (user_id);

## Use instead

    SET lock_timeout = '5s';
    CREATE INDEX CONCURRENTLY orders_user_id_idx ON orders (user_id);

outside a transaction. A CONCURRENTLY that fails leaves an invalid index behind: drop it before the next try.

## Evidence it needs

The migration's traced run: the lock on the table and the new index are seen, not guessed.

## References

- https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
- https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
"""

from collections.abc import Iterator

from advisor.engine.migration_facts import file_key, held_until, locks_on, place, rows_words, severity_for
from advisor.engine.rule import rule
from advisor.engine.safe_migration import safe_index
from advisor.engine.subjects import StatementSubject
from advisor.model.advice import Finding, Subject
from advisor.model.evidence import Evidence

_BLOCKING = ("AccessExclusiveLock", "ExclusiveLock", "ShareRowExclusiveLock", "ShareLock")


@rule(code="MIG001", name="index-create-blocking", severity="error", scope="statement", needs={"migrations"})
def index_create_blocking(subject: StatementSubject, evidence: Evidence) -> Iterator[Finding]:
    migration, statement = subject.migration, subject.statement
    scanned = {str(name) for name in statement.scans or ()}
    built = [new for new in statement.details.get("new_indexes", ()) if new["table"] in scanned]
    for new in built[:1]:
        table, index = new["table"], new["index"]
        mode = next((mode for mode in _BLOCKING if mode in locks_on(statement, table)), None)
        if mode is None:
            continue
        tables = tuple(dict.fromkeys(item["table"] for item in built))
        who = "reads and writes wait" if mode == "AccessExclusiveLock" else "INSERT, UPDATE and DELETE wait"
        yield index_create_blocking.finding(
            objects=[table, index, file_key(migration)],
            severity=severity_for(evidence, tables, "error"),
            title=f"Building {index} blocks {table}",
            message=(
                f"The index is built under {mode} on {rows_words(evidence, table)}, held {held_until(migration)}:"
                f" {who} for as long as the build takes."
            ),
            subject=Subject(tables=tables, indexes=(index,)),
            location=place(migration, statement),
            evidence={"lock": mode, "table": table, "index": index},
            remedies=[safe_index(statement, table, index, partitioned=len(built) > 1)],
        )
