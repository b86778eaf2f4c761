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

from advisor.engine.migration_causes import missed_indexes, slowing_statement
from advisor.engine.migration_facts import file_key, place, subcommands
from advisor.engine.rule import rule
from advisor.model.advice import Advice, Finding, Subject
from advisor.model.evidence import Evidence
from advisor.model.migration import Migration, TracedStatement, WorkloadChange

_ANALYZE = Advice(kind="safe_migration", statements=("ANALYZE;",), notes=("Right after the migration.",), safety="safe")
_LOOK = Advice(kind="safe_migration", notes=("Give the query the index its new form needs before the change.",))


@rule(code="MIG009", name="plan-regression", severity="error", scope="workload", needs={"migrations"})
def plan_regression(subject: Evidence, evidence: Evidence) -> Iterator[Finding]:
    for migration in subject.migrations:
        for statement, stale, changes in _by_cause(migration, evidence):
            queries = tuple(change.query_id for change in changes)
            found = [query for query in map(evidence.workload.query, queries) if query]
            tables = tuple(dict.fromkeys(table for query in found for table in query.tables))
            table = statement.details.get("table") if statement else None
            who = "A query of the workload gets" if len(queries) == 1 else f"{len(queries)} queries of the workload get"
            worst = changes[0]
            yield plan_regression.finding(
                objects=[*([table] if table else tables[:1]), file_key(migration)],
                severity="warning" if stale else "error",
                title=f"{who} a worse plan" + (" until ANALYZE has run" if stale else ""),
                message=(
                    f"{worst.reason}. Before: {worst.plan_before}; after: {worst.plan_after}."
                    + (f" It is: {found[0].sql}" if found else "")
                ),
                subject=Subject(tables=tables, queries=queries),
                location=place(migration, statement) if statement else None,
                evidence={"queries": queries, "plan_before": worst.plan_before, "plan_after": worst.plan_after},
                remedies=[_ANALYZE if stale else _LOOK],
            )


def _by_cause(
    migration: Migration, evidence: Evidence
) -> Iterator[tuple[TracedStatement | None, bool, list[WorkloadChange]]]:
    """The queries with worse plans by the statement that caused them, and whether ANALYZE mends it."""
    missed = missed_indexes(evidence)
    loses_statistics = any(subcommands(statement, "AlterColumnType") for statement in migration.statements)
    found: dict[tuple[int | None, bool], tuple[TracedStatement | None, bool, list[WorkloadChange]]] = {}
    for change in migration.workload:
        stale = change.change == "stale_statistics" and loses_statistics
        if stale or (change.change == "slower" and not missed & set(change.lost_indexes)):
            query = evidence.workload.query(change.query_id)
            statement = slowing_statement(migration, change, query.tables if query else ())
            key = None if statement is None else migration.statements.index(statement)
            found.setdefault((key, stale), (statement, stale, []))[2].append(change)
    yield from found.values()
