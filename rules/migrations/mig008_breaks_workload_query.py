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

from advisor.engine.migration_causes import breaking_statement, missing_names
from advisor.engine.migration_facts import file_key, place
from advisor.engine.rule import rule
from advisor.model.advice import Advice, Finding, Subject
from advisor.model.evidence import Evidence
from advisor.model.migration import Migration, TracedStatement, WorkloadChange

_NAME_GOES = Advice(
    kind="safe_migration",
    notes=(
        "Add the new name first and write both; let the application use it.",
        "Take the old one away in a later release.",
    ),
)
_WRITE_REFUSED = Advice(
    kind="safe_migration",
    notes=("Keep a DEFAULT, or leave the column nullable, until the application writes it.",),
)


@rule(code="MIG008", name="breaks-workload-query", severity="error", scope="workload", needs={"migrations"})
def breaks_workload_query(subject: Evidence, evidence: Evidence) -> Iterator[Finding]:
    for migration in subject.migrations:
        for statement, changes in _by_cause(migration, evidence):
            queries = tuple(change.query_id for change in changes)
            found = [query for query in map(evidence.workload.query, queries) if query]
            reasons = tuple(dict.fromkeys(change.reason for change in changes))
            names = sorted({name for reason in reasons for name in missing_names(reason)[:1]})
            who = (
                "A query of the workload fails" if len(queries) == 1 else f"{len(queries)} queries of the workload fail"
            )
            yield breaks_workload_query.finding(
                objects=[*names, file_key(migration)],
                title=f"{who} after this file: {reasons[0]}",
                message=(
                    f"What ran before the file does not run after it: {'; '.join(reasons)}."
                    + (f" For example: {found[0].sql}" if found else "")
                ),
                subject=Subject(
                    tables=tuple(dict.fromkeys(table for query in found for table in query.tables)), queries=queries
                ),
                location=place(migration, statement) if statement else None,
                evidence={"queries": queries, "reasons": reasons},
                remedies=[_WRITE_REFUSED if all("not-null" in reason for reason in reasons) else _NAME_GOES],
            )


def _by_cause(
    migration: Migration, evidence: Evidence
) -> Iterator[tuple[TracedStatement | None, list[WorkloadChange]]]:
    """The queries that the file breaks, by the statement that does it."""
    found: dict[int | None, tuple[TracedStatement | None, list[WorkloadChange]]] = {}
    for change in migration.workload:
        if change.change == "broken":
            query = evidence.workload.query(change.query_id)
            statement = breaking_statement(migration, change, query.tables if query else ())
            key = None if statement is None else migration.statements.index(statement)
            found.setdefault(key, (statement, []))[1].append(change)
    yield from found.values()
