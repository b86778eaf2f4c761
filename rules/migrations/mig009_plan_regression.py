"""A query of the workload gets a worse plan by the migration.

## What it does

Plans and runs the recorded workload before and after each migration file, with fresh statistics. A query whose plan
changed and is dearer, by the planner's cost and by what it reads or takes, is reported. Where only the statistics are
missing (a changed type loses them), it says so and asks for ANALYZE.

## Why it matters

A changed type, collation, view or policy can make an index unusable for a query without any error.

## When it is fine

Where the query is rare, or goes away with the same release. A query that lost a dropped index is MIG003's.

## Example

    ALTER TABLE users ALTER COLUMN id TYPE text;  -- a join with a bigint column loses its index

## Use instead

Change both sides of the comparison, or build the index that the new form needs before the change.

## Evidence it needs

The migration's traced run and a workload (a log or a `.sql` file of queries).

## References

- https://www.postgresql.org/docs/current/using-explain.html
"""

from collections.abc import Iterator

from advisor.engine.migration_facts import culprit, file_key, missed_indexes, place, subcommands
from advisor.engine.rule import rule
from advisor.model.advice import Advice, Finding, Subject
from advisor.model.evidence import Evidence

_ANALYZE = Advice(kind="safe_migration", statements=("ANALYZE;",), notes=("Right after the migration.",), safety="safe")
_LOOK = Advice(kind="safe_migration", notes=("Give the query the index its new form needs before the change.",))


@rule(code="MIG009", name="plan-regression", severity="error", scope="workload", needs={"migrations"})
def plan_regression(subject: Evidence, evidence: Evidence) -> Iterator[Finding]:
    missed = missed_indexes(subject)
    for migration in subject.migrations:
        loses_statistics = any(subcommands(s, "AlterColumnType") for s in migration.statements)
        for change in migration.workload:
            stale = change.change == "stale_statistics" and loses_statistics
            if not stale and (change.change != "slower" or missed & set(change.lost_indexes)):
                continue
            statement = culprit(migration, "")
            query = evidence.workload.query(change.query_id)
            yield plan_regression.finding(
                objects=[file_key(migration)],
                query_id=change.query_id,
                severity="warning" if stale else "error",
                title="A query of the workload gets a worse plan" + (" until ANALYZE has run" if stale else ""),
                message=(
                    f"{change.reason}. Before: {change.plan_before}; after: {change.plan_after}."
                    + (f" It is: {query.sql}" if query else "")
                ),
                subject=Subject(tables=query.tables if query else (), queries=(change.query_id,)),
                location=place(migration, statement) if statement else None,
                evidence={"plan_before": change.plan_before, "plan_after": change.plan_after},
                remedies=[_ANALYZE if stale else _LOOK],
            )
