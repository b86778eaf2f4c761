"""Rewrites into verdicts: rows compared first, then both run; with an index, where the rewrite is meant for one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql as pgsql

from advisor.indexes.ddl import plain_create
from advisor.model.advice import IndexCandidate, Rewrite, Verdict
from advisor.validate.compare import same_rows
from advisor.validate.gain import compare, gains
from advisor.validate.indexes import built_index, mean_of
from advisor.validate.lab import Lab
from advisor.validate.measure import Measured, execute


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteTrial:
    """A rewrite with its verdict; `index` is the one it needs to gain anything, None where it needs none."""

    rewrite: Rewrite
    verdict: Verdict
    index: IndexCandidate | None = None


def try_rewrite(
    lab: Lab,
    connections: Sequence[psycopg.Connection],
    rewrites: Sequence[Rewrite],
    weight: float,
    index: IndexCandidate | None = None,
) -> RewriteTrial:
    """Tries one query's rewrite, given once per sample of the query. All samples must return the same rows.

    `connections` lead to the data sets, the lab's own first. Where the rewrite alone gains nothing and an `index` is
    given, both are tried together.
    """
    first = rewrites[0]
    equivalence = same_rows(connections, [(r.original_sql, r.rewritten_sql) for r in rewrites])
    base = Verdict(status="not_tested", method="compared", sandbox=lab.sandbox.id, equivalence=equivalence)
    if equivalence.status == "different":
        reason = "the rewritten query returned other rows"
        return RewriteTrial(rewrite=first, verdict=replace(base, status="not_equivalent", reason=reason))
    if equivalence.status == "unknown":
        reason = "the query does not run on the throwaway server"
        return RewriteTrial(rewrite=first, verdict=replace(base, reason=reason))
    before = mean_of([execute(connections[0], r.original_sql) for r in rewrites])
    after = mean_of([execute(connections[0], r.rewritten_sql) for r in rewrites])
    alone = _judge(base, first.query_id, before, after, weight)
    if alone.status != "no_gain" or index is None:
        return RewriteTrial(rewrite=first, verdict=alone)
    return _with_index(connections[0], rewrites, index, base, before, weight)


def _with_index(
    connection: psycopg.Connection,
    rewrites: Sequence[Rewrite],
    index: IndexCandidate,
    base: Verdict,
    before: Measured,
    weight: float,
) -> RewriteTrial:
    name = pgsql.Identifier(index.table.schema, index.name)
    connection.execute(plain_create(index).encode())
    try:
        names, size_bytes = built_index(connection, name)
        measured = [execute(connection, r.rewritten_sql) for r in rewrites]
    finally:
        connection.execute(pgsql.SQL("DROP INDEX {}").format(name))
    verdict = _judge(base, rewrites[0].query_id, before, mean_of(measured), weight)
    if verdict.status == "proven" and not any(names & m.indexes for m in measured):
        verdict = replace(verdict, status="no_gain", reason="the planner does not use the index it needs")
    verdict = replace(verdict, size_bytes=size_bytes)
    return RewriteTrial(rewrite=rewrites[0], verdict=verdict, index=index)


def _judge(base: Verdict, query_id: str, before: Measured, after: Measured, weight: float) -> Verdict:
    old, new, each = compare({query_id: before.measure}, {query_id: after.measure}, {query_id: weight})
    verdict = replace(base, before=old, after=new, per_query=each)
    if before.error or after.error:
        return replace(verdict, reason=f"it could not be timed: {before.error or after.error}")
    if not gains(old, new):
        return replace(verdict, status="no_gain", reason="it saves less than 10 % of the blocks and of the time")
    return replace(verdict, status="proven")
