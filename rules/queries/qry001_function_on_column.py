"""A function around a date column hides the column's index.

## What it does

Finds conditions such as `date_trunc('month', created_at) = '2026-03-01'`, `created_at::date = '2026-03-05'` and
`extract(year FROM created_at) = 2026` on big tables, and proposes the half-open range that means the same.

## Why it matters

An index on `created_at` is sorted by `created_at`, not by what a function makes of it, so the whole table is read.
The planner also guesses how many rows match, because it has no statistics about the function's result.

## When it is fine

On small tables, in queries that take no time, with an index on that very expression, or when the constant is not the
start of its unit (then no range says the same). Units below a day are left alone on `timestamp with time zone`.

## Example

    SELECT * FROM orders WHERE date_trunc('month', created_at) = '2026-03-01'

## Use instead

    SELECT * FROM orders WHERE created_at >= '2026-03-01' AND created_at < '2026-04-01'

## Evidence it needs

A catalog (types and indexes) and the statements of a log or a `.sql` file. The rewrite is shown only after it has
returned the same rows on several data sets and was measured to be cheaper.

## References

- https://www.postgresql.org/docs/current/functions-datetime.html#FUNCTIONS-DATETIME-TRUNC
- https://www.postgresql.org/docs/current/indexes-expressional.html
"""

from collections.abc import Iterator

from advisor.engine.access_gaps import severity_of
from advisor.engine.date_columns import HiddenColumn, hidden_date_columns
from advisor.engine.rule import rule
from advisor.engine.subjects import QuerySubject
from advisor.model.advice import Finding, Impact, IndexNeed, RewriteProposal, Subject
from advisor.model.catalog import IndexKey
from advisor.model.evidence import Evidence


@rule(
    code="QRY001",
    name="function-on-column",
    severity="warning",
    scope="query",
    needs={"catalog", "workload"},
)
def function_on_column(subject: QuerySubject, evidence: Evidence) -> Iterator[Finding]:
    query = subject.query
    for hidden in hidden_date_columns(query, subject.usage, evidence):
        column = f"{hidden.table}.{hidden.column}"
        yield function_on_column.finding(
            objects=[column],
            query_id=query.id,
            severity=severity_of(hidden.basis, query),
            confidence=hidden.confidence,
            title=f"{hidden.condition} hides {hidden.column} from an index",
            message=(
                f"The condition wraps {column}, so an index on the column cannot be used and"
                f" {hidden.rows:,} rows ({hidden.basis}) are read. The same rows lie in a half-open range of the"
                " column itself."
            ),
            subject=Subject(tables=(str(hidden.table),), columns=(column,), queries=(query.id,)),
            impact=Impact(total_ms=query.estimated_total_ms, calls=query.calls),
            evidence={"condition": hidden.condition, "range": hidden.range_sql, "rows": hidden.rows},
            remedies=[_proposal(hidden, query.id)],
        )


def _proposal(hidden: HiddenColumn, query_id: str) -> RewriteProposal:
    need = IndexNeed(table=hidden.table, query_id=query_id, range=(IndexKey(column=hidden.column),))
    return RewriteProposal(
        kind="half_open_range",
        query_id=query_id,
        table=hidden.table,
        column=hidden.column,
        detail={"alias": hidden.alias},
        index=None if hidden.indexed else need,
    )
