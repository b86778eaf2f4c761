"""A query of the workload fails after the migration.

## What it does

Plans every recorded query before and after each migration file. A query that was understood before and is refused
after is reported with the server's message.

## Why it matters

While the migration is deployed the old application still runs: its queries fail from the moment the column or table is
gone until the last old process has stopped.

## When it is fine

Where the query's code is already gone from production and the recorded workload is older than that.

## Example

    ALTER TABLE users RENAME COLUMN name TO full_name;

## Use instead

Add the new column, let the application use it, and drop the old one in a later release.

## Evidence it needs

The migration's traced run and a workload (a log or a `.sql` file of queries).

## References

- https://www.postgresql.org/docs/current/sql-altertable.html
"""

from collections.abc import Iterator

from advisor.engine.migration_facts import culprit, file_key, place
from advisor.engine.rule import rule
from advisor.model.advice import Advice, Finding, Subject
from advisor.model.evidence import Evidence

_EXPAND_CONTRACT = Advice(
    kind="safe_migration",
    notes=(
        "Add the new name first and write both; let the application use it.",
        "Take the old one away in a later release.",
    ),
)


@rule(code="MIG008", name="breaks-workload-query", severity="error", scope="workload", needs={"migrations"})
def breaks_workload_query(subject: Evidence, evidence: Evidence) -> Iterator[Finding]:
    for migration in subject.migrations:
        for change in migration.workload:
            if change.change != "broken":
                continue
            statement = culprit(migration, change.reason)
            query = evidence.workload.query(change.query_id)
            yield breaks_workload_query.finding(
                objects=[file_key(migration)],
                query_id=change.query_id,
                title=f"A query of the workload fails after this file: {change.reason}",
                message=(
                    f"It ran before the file and does not after it: {change.reason}."
                    + (f" It is: {query.sql}" if query else "")
                ),
                subject=Subject(tables=query.tables if query else (), queries=(change.query_id,)),
                location=place(migration, statement) if statement else None,
                evidence={"reason": change.reason, "plan_before": change.plan_before},
                remedies=[_EXPAND_CONTRACT],
            )
