"""A big table is read in full to find a few rows, because no index serves the condition or the sort.

## What it does

Finds filters, joins, ORs and `ORDER BY … LIMIT` on big tables that no index serves, and proposes one: the columns
compared by equality first, then the sort or one range. It knows the indexes that are there: prefixes, primary keys,
unique constraints, partial indexes (where their predicate is one of the query's conditions) and invalid ones.

## Why it matters

A sequential scan reads and throws away every row of the table at every call; its time grows with the table.
An index reads the rows that are wanted and little else.

## When it is fine

On tables of less than 10,000 rows; where the condition keeps more than a tenth of the rows; in queries that take no
time; on tables that are written far more than read. The rule is quiet about conditions that no btree serves
(`LIKE '%x'`, jsonb containment) and about functions around a column, which are better rewritten (QRY001).

## Example

    SELECT * FROM orders WHERE customer_id = 42 ORDER BY created_at DESC LIMIT 20

## Use instead

    CREATE INDEX CONCURRENTLY orders_customer_id_created_at_idx ON public.orders (customer_id, created_at)

## Evidence it needs

A catalog (columns, indexes, sizes) and statements; or an analysed plan with a sequential scan. Confidence is high where
the table's size comes from the catalog or a plan, medium from `--table-rows`, low where it is assumed (and only an
`info` then, unless a measured time bears it out). The index is built on a throwaway server and shown only if the
planner uses it and the query gets cheaper.

## References

- https://www.postgresql.org/docs/current/indexes-multicolumn.html
- https://www.postgresql.org/docs/current/indexes-ordering.html
- https://www.postgresql.org/docs/current/indexes-bitmap-scans.html
"""

from collections.abc import Iterator

from advisor.engine.access_gaps import IndexGap, index_gaps
from advisor.engine.rule import rule
from advisor.model.advice import Finding, Subject
from advisor.model.evidence import Evidence

_WANTED = {
    "filter": "to find about {kept:,.0f}",
    "alternatives": "to find about {kept:,.0f}",
    "sort": "to return the first {kept:,.0f} in order",
    "join": "to find the partners of a few rows",
}


@rule(code="IDX001", name="missing-index", severity="warning", scope="workload", needs={"tables"})
def missing_index(evidence: Evidence, _: Evidence) -> Iterator[Finding]:
    for gap in index_gaps(evidence):
        table = str(gap.access.table.name)
        yield missing_index.finding(
            objects=gap.objects,
            query_id=gap.query_id or "",
            severity=gap.severity,
            confidence=gap.confidence,
            title=f"no index on {', '.join(gap.objects)}",
            message=_message(gap),
            subject=Subject(tables=(table,), columns=_columns(gap), queries=(gap.query_id,) if gap.query_id else ()),
            plan=gap.seen.number if gap.seen else None,
            plan_node=gap.seen.path if gap.seen else None,
            impact=gap.impact,
            evidence=gap.evidence,
            remedies=gap.access.needs,
        )


def _message(gap: IndexGap) -> str:
    access = gap.access
    wanted = _WANTED[access.reason].format(kept=access.kept)
    text = f"Each call reads about {access.read:,.0f} rows of {access.table.name} ({gap.basis}) {wanted}"
    if gap.query is not None and gap.query.mean_ms is not None:
        text += f", taking {gap.query.mean_ms:,.1f} ms on average over {gap.query.calls:,} calls"
    text += "."
    if access.reason == "alternatives":
        text += " Every branch of the OR needs an index; together they serve it."
    if access.table.kind == "partitioned_table":
        text += " The table is partitioned: the index is made on each partition."
    return text


def _columns(gap: IndexGap) -> tuple[str, ...]:
    keys = [key for need in gap.access.needs for key in (*need.equality, *need.range, *need.order)]
    return tuple(dict.fromkeys(f"{gap.access.table.name}.{key.column}" for key in keys if key.column))
