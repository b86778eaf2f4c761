"""A statement reads a large table whole, without a LIMIT or a selective condition.

## What it does

Finds statements that run repeatedly and read a table of 100,000 rows or more from end to end: to return most of it, to
count or sum over most of it, or to search it with a pattern that no btree index serves.

## Why it matters

The time, the memory of the client and the network grow with the table, and every call pushes other pages out of the
cache. No index helps, because most of the rows are wanted or nothing says which ones are.

## When it is fine

For exports and reports that run now and then, batches that walk along a key, and tables that stay small. A statement
seen only once is left alone, and so is one that an index would help (IDX001).

## Example

    SELECT * FROM orders

## Use instead

    SELECT id, status, total FROM orders WHERE id > 41000 ORDER BY id LIMIT 500

## Evidence it needs

A catalog, statements, and the table's size. Where the size is only assumed, the measured time must bear it out.

## References

- https://www.postgresql.org/docs/current/queries-limit.html
- https://www.postgresql.org/docs/current/sql-declare.html
- https://www.postgresql.org/docs/current/pgtrgm.html
"""

from collections.abc import Iterator

from advisor.engine.access_unbounded import UnboundedScan, unbounded_scans
from advisor.engine.rule import rule
from advisor.model.advice import Advice, Finding, Impact, Subject
from advisor.model.evidence import Evidence

_WHY = {
    "returns": "to return {kept:,.0f} of them",
    "aggregates": "to aggregate over {kept:,.0f} of them",
    "discards": "to search them with a pattern that no btree index serves",
}


@rule(code="SCN001", name="unbounded-scan", severity="warning", scope="workload", needs={"catalog", "workload"})
def unbounded_scan(evidence: Evidence, _: Evidence) -> Iterator[Finding]:
    for scan in unbounded_scans(evidence):
        table, query = str(scan.table.name), scan.query
        yield unbounded_scan.finding(
            objects=[table],
            query_id=query.id,
            confidence=scan.confidence,
            title=f"every call reads all of {table}",
            message=_message(scan),
            subject=Subject(tables=(table,), queries=(query.id,)),
            plan=scan.seen.number if scan.seen else None,
            plan_node=scan.seen.path if scan.seen else None,
            impact=Impact(total_ms=query.estimated_total_ms, calls=query.calls),
            evidence={
                "predicates": list(scan.predicates),
                "rows": round(scan.rows),
                "rows_basis": scan.basis,
                "kept_rows": round(scan.kept),
                "mean_ms": query.mean_ms,
                "calls": query.calls,
            },
            remedies=[Advice(kind="application", notes=tuple(_notes(scan)))],
        )


def _message(scan: UnboundedScan) -> str:
    why = _WHY[scan.reason].format(kept=scan.kept)
    rows, mean = f"{scan.rows:,.0f} rows of {scan.table.name} ({scan.basis})", scan.query.mean_ms
    text = f"Each of {scan.query.calls:,} calls reads about {rows} {why}"
    return f"{text}, taking {mean:,.1f} ms on average." if mean is not None else f"{text}."


def _notes(scan: UnboundedScan) -> Iterator[str]:
    key = ", ".join(scan.table.primary_key)
    if scan.reason == "returns":
        walk = f"WHERE ({key}) > (last one seen) ORDER BY {key} LIMIT n" if key else "ORDER BY a unique key LIMIT n"
        yield f"Fetch a page at a time: {walk}."
        yield "Where all rows are needed, stream them with a cursor (DECLARE … CURSOR, a server-side cursor) or COPY."
        if not scan.columns:
            yield "Name the columns that are used instead of *."
    elif scan.reason == "aggregates":
        yield "Keep the result: a summary table, a materialized view refreshed now and then, or a cache."
        yield "For a rough count, pg_class.reltuples costs nothing; for one page's worth, count over a LIMIT subquery."
    else:
        yield "Bound the search by a selective column, or anchor the pattern at the start (LIKE 'x%')."
        yield "A trigram index (pg_trgm, GIN) serves LIKE '%x%' of three characters or more; full text search, words."
