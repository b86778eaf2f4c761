"""Index candidates into verdicts: each is built on synthesised rows, and its queries run before and after."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql as pgsql

from advisor.indexes.ddl import plain_create
from advisor.model.advice import IndexCandidate, Measure, Verdict, VerdictStatus
from advisor.model.names import QualifiedName
from advisor.sandbox.gone import raise_if_gone
from advisor.validate.gain import compare, gains, regresses, saves_cost, tells_little, total
from advisor.validate.lab import Lab
from advisor.validate.measure import Measured, execute, plan_only
from advisor.validate.statements import Runnable

GOOD: frozenset[VerdictStatus] = frozenset({"proven", "predicted"})
"""Verdicts with which an index is advice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTrial:
    """A candidate with what the server made of it, the queries whose plans use it, and what else to say of it."""

    candidate: IndexCandidate
    verdict: Verdict
    used_by: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTrials:
    """All trials, with the planner's cost of the affected queries without and with the chosen set."""

    trials: tuple[IndexTrial, ...] = ()
    base_cost: float = 0.0
    chosen_cost: float = 0.0
    plans_asked: int = 0


def try_indexes(
    lab: Lab, candidates: Sequence[IndexCandidate], queries: Mapping[str, Runnable], *, deadline: float | None = None
) -> IndexTrials:
    """Tries each candidate alone, then all good ones together; one that the others make idle is withdrawn.

    `deadline` is of `time.monotonic()`; candidates not reached by then are `not_tested`.
    """
    if not candidates:
        return IndexTrials()
    with lab.connect() as connection:
        bench = _Bench(lab=lab, connection=connection, queries=queries)
        before = bench.measure(bench.affected({c.table for c in candidates}))
        alone = [_try_alone(bench, candidate, before, deadline) for candidate in candidates]
        together = _try_together(bench, alone, before)
        return _choose(bench, _try_beside(bench, together), before)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """The connection and the queries, so that they need not be handed through every function."""

    lab: Lab
    connection: psycopg.Connection
    queries: Mapping[str, Runnable]

    def affected(self, tables: set[QualifiedName]) -> list[Runnable]:
        """Runnable queries that name one of the tables."""
        return [q for q in self.queries.values() if q.statements and tables.intersection(q.tables)]

    def measure(self, queries: Iterable[Runnable]) -> dict[str, Measured]:
        """Each query's mean over its statements."""
        return {query.query_id: mean_of([execute(self.connection, s) for s in query.statements]) for query in queries}

    def using(self, candidate: IndexCandidate, queries: Iterable[Runnable]) -> list[Runnable]:
        """The queries of which some statement's plan uses the index."""
        names, _ = built_index(self.connection, self._name(candidate))
        return [q for q in queries if any(names & plan_only(self.connection, s).indexes for s in q.statements)]

    def build(self, candidate: IndexCandidate) -> tuple[float, int]:
        """Creates the index; (milliseconds, bytes)."""
        start = time.perf_counter()
        self.connection.execute(plain_create(candidate).encode())
        elapsed_ms = (time.perf_counter() - start) * 1000
        return round(elapsed_ms, 1), built_index(self.connection, self._name(candidate))[1]

    def drop(self, candidate: IndexCandidate) -> None:
        """Takes the index away again."""
        self.connection.execute(pgsql.SQL("DROP INDEX {}").format(self._name(candidate)))

    def _name(self, candidate: IndexCandidate) -> pgsql.Identifier:
        return pgsql.Identifier(candidate.table.schema, candidate.name)


def built_index(connection: psycopg.Connection, index: pgsql.Identifier) -> tuple[frozenset[str], int]:
    """(the names under which plans show an index, its bytes): on a partitioned table those of its partitions, too."""
    rows = connection.execute(
        "WITH RECURSIVE tree AS (SELECT %s::regclass::oid AS oid UNION ALL"
        " SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN tree ON i.inhparent = tree.oid)"
        " SELECT c.relname, pg_relation_size(c.oid) FROM tree JOIN pg_catalog.pg_class AS c USING (oid)",
        [index.as_string(connection)],
    ).fetchall()
    return frozenset(name for name, _ in rows), sum(size for _, size in rows)


def mean_of(measured: Sequence[Measured]) -> Measured:
    """The mean over a query's statements; its plan is the first's, its error the first there is."""
    share = 1 / len(measured)
    error = next((m.error for m in measured if m.error), None)
    return Measured(measure=total((m.measure, share) for m in measured), plan=measured[0].plan, error=error)


def _try_alone(
    bench: _Bench, candidate: IndexCandidate, before: Mapping[str, Measured], deadline: float | None
) -> IndexTrial:
    if deadline is not None and time.monotonic() > deadline:
        return _untested(candidate, "the time limit was reached before its turn")
    affected = [q for q in bench.affected({candidate.table}) if before[q.query_id].measure.cost is not None]
    if not affected:
        return _untested(candidate, _why_none(bench, candidate, before))
    try:
        build_ms, size_bytes = bench.build(candidate)
    except psycopg.Error as error:
        raise_if_gone(bench.connection, error)
        return _untested(candidate, f"it could not be built: {error.diag.message_primary}")
    try:
        using = bench.using(candidate, affected)
        after = bench.measure(using)
    finally:
        bench.drop(candidate)
    verdict = _judge(bench, before, after)
    return IndexTrial(
        candidate=candidate,
        verdict=replace(verdict, size_bytes=size_bytes, build_ms=build_ms),
        used_by=frozenset(after),
    )


def _try_together(bench: _Bench, trials: Sequence[IndexTrial], before: Mapping[str, Measured]) -> Sequence[IndexTrial]:
    """Indexes that are idle alone but were asked for by the same queries: the branches of an OR need all of theirs."""
    groups: dict[tuple[QualifiedName, tuple[str, ...]], list[IndexTrial]] = {}
    for trial in trials:
        if trial.verdict.status == "no_gain":
            groups.setdefault((trial.candidate.table, trial.candidate.query_ids), []).append(trial)
    better: dict[str, IndexTrial] = {}
    for (_, query_ids), group in groups.items():
        askers = [bench.queries[q] for q in query_ids if q in before and before[q].measure.cost is not None]
        if len(group) < 2 or not askers:
            continue
        for trial in group:
            bench.build(trial.candidate)
        try:
            used = [bench.using(trial.candidate, askers) for trial in group]
            after = bench.measure(askers) if all(used) else {}
        finally:
            for trial in group:
                bench.drop(trial.candidate)
        verdict = _judge(bench, before, after)
        for trial in group if verdict.status in GOOD else ():
            merged = replace(verdict, size_bytes=trial.verdict.size_bytes, build_ms=trial.verdict.build_ms)
            better[trial.candidate.name] = replace(trial, verdict=merged, used_by=frozenset(after))
    return [better.get(trial.candidate.name, trial) for trial in trials]


def _try_beside(bench: _Bench, trials: Sequence[IndexTrial]) -> Sequence[IndexTrial]:
    """Indexes whose gain is lost in what their query does otherwise, tried again beside the good ones it uses.

    A join that reads two tables in full gains little from an index on the smaller one, until the larger has its own.
    """
    good = [trial for trial in trials if trial.verdict.status in GOOD]
    served = frozenset(query_id for trial in good for query_id in trial.used_by)
    again = [t for t in trials if t.verdict.status == "no_gain" and served.intersection(t.candidate.query_ids)]
    if not again:
        return trials
    better: dict[str, IndexTrial] = {}
    for trial in good:
        bench.build(trial.candidate)
    try:
        for trial in again:
            askers = [bench.queries[q] for q in sorted(served.intersection(trial.candidate.query_ids))]
            better[trial.candidate.name] = _beside(bench, trial, askers)
    finally:
        for trial in good:
            bench.drop(trial.candidate)
    return [better.get(trial.candidate.name, trial) for trial in trials]


def _beside(bench: _Bench, trial: IndexTrial, askers: Sequence[Runnable]) -> IndexTrial:
    """The trial with the verdict it has beside the indexes that are there, if that is a good one."""
    before = bench.measure(askers)
    bench.build(trial.candidate)
    try:
        after = bench.measure(bench.using(trial.candidate, askers))
    finally:
        bench.drop(trial.candidate)
    verdict = _judge(bench, before, after)
    if verdict.status not in GOOD:
        return trial
    merged = replace(verdict, size_bytes=trial.verdict.size_bytes, build_ms=trial.verdict.build_ms)
    return replace(trial, verdict=merged, used_by=frozenset(after))


def _judge(bench: _Bench, before: Mapping[str, Measured], after: Mapping[str, Measured]) -> Verdict:
    sandbox = bench.lab.sandbox.id
    if not after:
        reason = "the planner does not use it for any query"
        return Verdict(status="no_gain", method="built", sandbox=sandbox, reason=reason)
    weights = {query_id: bench.queries[query_id].weight for query_id in after}
    old, new, each = compare(_measures(before), _measures(after), weights)
    verdict = Verdict(status="proven", method="built", sandbox=sandbox, before=old, after=new, per_query=each)
    slower = [m.query_id for m in each if regresses(m.before, m.after)]
    if slower:
        return replace(verdict, status="regressed", reason=f"it slows down query {', '.join(slower)}")
    if all(tells_little(before[query_id].measure) for query_id in after) and saves_cost(old, new):
        reason = "planned, not proven by running: its queries find nothing to do on the rows here"
        return replace(verdict, status="predicted", method="what-if", reason=reason)
    if not gains(old, new):
        return replace(verdict, status="no_gain", reason="it saves less than 10 % of the blocks and of the time")
    executed = new.ms is not None and old.ms is not None
    if not executed:
        reason = next((m.error for m in before.values() if m.error), None) or "its queries could not be executed"
        return replace(verdict, status="predicted", method="what-if", reason=f"planned, not timed: {reason}")
    return verdict


def _choose(bench: _Bench, trials: Sequence[IndexTrial], before: Mapping[str, Measured]) -> IndexTrials:
    """Builds all good candidates together and withdraws those that no plan uses beside the others."""
    good = [trial for trial in trials if trial.verdict.status in GOOD]
    built: list[IndexTrial] = []
    idle: set[str] = set()
    for trial in good:
        bench.build(trial.candidate)
        built.append(trial)
    try:
        for trial in built:
            users = [bench.queries[q] for q in sorted(trial.used_by)]
            if len(built) > 1 and not bench.using(trial.candidate, users):
                bench.drop(trial.candidate)
                idle.add(trial.candidate.name)
        costs = {q.query_id: _cost(bench, q) for q in bench.queries.values() if q.query_id in before}
    finally:
        for trial in built:
            if trial.candidate.name not in idle:
                bench.drop(trial.candidate)
    known = [q for q, m in before.items() if m.measure.cost is not None and costs[q] is not None]
    weights = {q: bench.queries[q].weight for q in known}
    return IndexTrials(
        trials=tuple(_withdrawn(trial) if trial.candidate.name in idle else trial for trial in trials),
        base_cost=round(sum((before[q].measure.cost or 0) * weights[q] for q in known), 2),
        chosen_cost=round(sum((costs[q] or 0) * weights[q] for q in known), 2),
        plans_asked=sum(len(q.statements) for q in bench.queries.values()) * (len(good) + 1),
    )


def _cost(bench: _Bench, query: Runnable) -> float | None:
    return mean_of([plan_only(bench.connection, s) for s in query.statements]).measure.cost


def _withdrawn(trial: IndexTrial) -> IndexTrial:
    reason = "another recommended index serves its queries"
    return replace(trial, verdict=replace(trial.verdict, status="no_gain", reason=reason))


def _untested(candidate: IndexCandidate, reason: str) -> IndexTrial:
    return IndexTrial(candidate=candidate, verdict=Verdict(status="not_tested", reason=reason))


def _why_none(bench: _Bench, candidate: IndexCandidate, before: Mapping[str, Measured]) -> str:
    for query_id in candidate.query_ids:
        query = bench.queries.get(query_id)
        if query is not None and query.reason:
            return f"its query cannot be run here: {query.reason}"
        if query_id in before and before[query_id].error:
            return f"its query fails here: {before[query_id].error}"
    return "none of its queries can be run here"


def _measures(measured: Mapping[str, Measured]) -> dict[str, Measure]:
    return {query_id: one.measure for query_id, one in measured.items()}
