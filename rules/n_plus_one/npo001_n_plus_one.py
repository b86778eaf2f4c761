"""One query per row of another: N+1 round trips instead of two.

## What it does

Finds a look-up by key that runs again and again within one unit of work (a transaction, a request's burst or a
trace), with other values each time, after a query whose rows name those keys.

## Why it matters

Each look-up is fast, so no slow-query log shows it, but every one costs a round trip, a parse and a lock. A page of
100 rows waits for 101 answers where two would do, and it grows with the data.

## When it is fine

Repeated look-ups of the *same* value (that wants a cache), pages and keyset batches, polling, retries, and sessions
that serve many small requests one after the other are left alone. So are fewer than five look-ups.

## Example

    SELECT id, customer_id FROM orders WHERE status = 'open';
    SELECT name FROM customers WHERE id = 17;   -- and again for 18, 23, 42, …

## Use instead

    SELECT id, name FROM customers WHERE id = ANY($1);   -- once, with all the ids; or a join

## Evidence it needs

A log of all statements with their session (`log_min_duration_statement = 0`), and a catalog for the keys.

## References

- https://www.postgresql.org/docs/current/functions-comparisons.html#FUNCTIONS-COMPARISONS-ANY-SOME
"""

from collections.abc import Iterator

from advisor.engine.repetitions import Loop, loop_of
from advisor.engine.rule import rule
from advisor.engine.subjects import UnitSubject
from advisor.model.advice import BatchProposal, Finding, Impact, Subject
from advisor.model.evidence import Evidence


@rule(
    code="NPO001",
    name="n-plus-one",
    severity="warning",
    scope="unit",
    needs={"catalog", "workload", "sessions"},
)
def n_plus_one(subject: UnitSubject, evidence: Evidence) -> Iterator[Finding]:
    loop = loop_of(subject.repetition, evidence)
    if loop is None:
        return
    found, key = subject.repetition, loop.key
    yield n_plus_one.finding(
        objects=[f"{key.table}.{key.column}", loop.parent.id],
        query_id=found.query_id,
        confidence=loop.confidence,
        title=f"{key.table.name} is looked up once per row: up to {found.max_calls} times in a row",
        message=(
            f"In {found.units_repeated:,} units of work this look-up ran {found.calls:,} times with"
            f" {found.distinct_parameters:,} different values of {key.column}, after: {loop.parent.sql}"
        ),
        subject=Subject(
            tables=(str(key.table),), columns=(f"{key.table}.{key.column}",), queries=(found.query_id, loop.parent.id)
        ),
        impact=Impact(total_ms=loop.total_ms, calls=found.calls, saved_ms=loop.saved_ms),
        evidence=_evidence(loop),
        remedies=[BatchProposal(query_id=found.query_id, parent_id=loop.parent.id, table=key.table, column=key.column)],
    )


def _evidence(loop: Loop) -> dict[str, object]:
    return {
        "proof": loop.proof,
        "calls_saved": loop.calls_saved,
        "parent_query": loop.parent.id,
        "instances_total": loop.repetition.units_repeated,
        "instances": loop.instances,
    }
