"""A dropped index is one that the workload uses, and its queries get slower.

## What it does

Plans and runs the recorded workload before and after each migration file. Where a query's plan used an index that the
file drops, and the query is dearer without it, the drop is reported with those queries.

## Why it matters

`pg_stat_user_indexes` on one server does not show what replicas and rare jobs use. A dropped index comes back only by
building it again, while the queries that need it read the whole table.

## When it is fine

Where another index serves the query as well (then nothing is reported), or the query goes with the same release.

## Example

    DROP INDEX CONCURRENTLY orders_user_id_idx;  -- SELECT … FROM orders WHERE user_id = $1

## Use instead

Keep the index, or create its replacement in an earlier migration and drop the old one after that.

## Evidence it needs

The migration's traced run and a workload (a log or a `.sql` file of queries).

## References

- https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ALL-INDEXES-VIEW
"""

from collections.abc import Iterator
from itertools import islice

from advisor.engine.migration_causes import statements_dropping
from advisor.engine.migration_facts import file_key, place, rows_words, severity_for
from advisor.engine.rule import rule
from advisor.model.advice import Advice, Finding, Subject
from advisor.model.evidence import Evidence
from advisor.model.migration import Migration, TracedStatement, WorkloadChange

_Drop = tuple[Migration, TracedStatement, dict[str, WorkloadChange]]


@rule(code="MIG003", name="drop-index-in-use", severity="error", scope="workload", needs={"migrations"})
def drop_index_in_use(_: Evidence, evidence: Evidence) -> Iterator[Finding]:
    for (index, table), (migration, statement, changes) in _missed(evidence).items():
        queries = tuple(changes)
        example = changes[queries[0]]
        yield drop_index_in_use.finding(
            objects=[table, index, file_key(migration)],
            severity=severity_for(evidence, [table], "error"),
            title=f"{index} is in use: without it {_count(len(queries))} slower",
            message=(
                f"The file drops an index on {rows_words(evidence, table)} that the workload reads by."
                f" For example: {example.reason}; before: {example.plan_before}; after: {example.plan_after}."
            ),
            subject=Subject(tables=(table,), indexes=(index,), queries=queries),
            location=place(migration, statement),
            evidence={"queries": queries, "reasons": tuple(change.reason for change in changes.values())},
            remedies=[Advice(kind="safe_migration", notes=("Keep the index, or build its replacement first.",))],
        )


def _missed(evidence: Evidence) -> dict[tuple[str, str], _Drop]:
    """By (index, table): where it is dropped, and what became of the queries that read by it."""
    found: dict[tuple[str, str], _Drop] = {}
    slower = [c for migration in evidence.migrations for c in migration.workload if c.change == "slower"]
    for change in slower:
        for name in change.lost_indexes:
            for migration, statement, index, table in islice(statements_dropping(evidence, name), 1):
                drop = found.setdefault((index, table), (migration, statement, {}))
                drop[2].setdefault(change.query_id, change)
    return found


def _count(queries: int) -> str:
    return "a query of the workload gets" if queries == 1 else f"{queries} queries of the workload get"
