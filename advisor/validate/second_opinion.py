"""What production's planner, on the twin, makes of the indexes that were tried on rows."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from advisor.indexes.ddl import plain_create
from advisor.model.advice import IndexCandidate, Measure, QueryMeasure, Verdict
from advisor.model.catalog import Table
from advisor.model.evidence import Evidence
from advisor.model.names import QualifiedName
from advisor.model.snapshot import Snapshot
from advisor.sandbox.gone import is_loss
from advisor.sandbox.twin.open import Twin
from advisor.sandbox.twin.what_if import WhatIf, WhatIfIndex
from advisor.validate.gain import compare, gains
from advisor.validate.indexes import GOOD, IndexTrial, mean_of
from advisor.validate.lab import Lab
from advisor.validate.measure import Measured, plan_only
from advisor.validate.planning import Planned, plan_queries
from advisor.validate.state import RunState
from advisor.validate.target import TWIN_ID, Target
from advisor.validate.twin_gaps import gap


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinOpinions:
    """The twin, its id in the report, the queries as planned on it, and their weights (calls).

    `tables` are those that each query names; `snapshot` is what the twin was made of, None where it was a database.
    """

    twin: Twin
    id: str
    planned: Mapping[str, Planned]
    weights: Mapping[str, float]
    tables: Mapping[str, tuple[QualifiedName, ...]]
    snapshot: Snapshot | None = None

    def on(
        self, trials: Sequence[IndexTrial], lab: Lab | None, *, deadline: float | None = None
    ) -> tuple[IndexTrial, ...]:
        """The trials with what production's planner says of each.

        An index that it would not use for any of its queries is withdrawn, where the twin knows all that decides on it;
        one that could not be tried on rows is `predicted`. `deadline` is of `time.monotonic()`; later ones are not
        looked at. Raises psycopg.OperationalError where the server is lost.
        """
        wanted = [trial for trial in trials if trial.verdict.status in (*GOOD, "not_tested")]
        if not wanted:
            return tuple(trials)
        try:
            judged = self._asked(wanted, lab, deadline)
        except (psycopg.Error, OSError) as error:
            if isinstance(error, psycopg.Error) and is_loss(error):
                raise
            note = f"Production's planner was not asked: {' '.join(str(error).split())}."
            judged = {trial.candidate: replace(trial, notes=(*trial.notes, note)) for trial in wanted}
        return tuple(judged.get(trial.candidate, trial) for trial in trials)

    def _asked(
        self, wanted: Sequence[IndexTrial], lab: Lab | None, deadline: float | None
    ) -> dict[IndexCandidate, IndexTrial]:
        with WhatIf(self.twin) as what_if, self.twin.watched() as connection:
            added = what_if.add([self._what_if(trial.candidate, trial.verdict, lab) for trial in wanted])
            made = {one.name: one.names for one in added if one.refused is None}
            good = [t.candidate.name for t in wanted if t.candidate.name in made and t.verdict.status in GOOD]
            judged: dict[IndexCandidate, IndexTrial] = {}
            for trial in wanted:
                name = trial.candidate.name
                if deadline is not None and time.monotonic() > deadline:
                    break
                # Alone, then beside the others: the branches of an OR need all of theirs.
                for on in ([name], {name, *good}) if name in made else ():
                    what_if.switch(on)
                    opinion = self._judge(trial, made[name], connection)
                    judged[trial.candidate] = opinion
                    if opinion.verdict.status != "no_gain":
                        break
        return judged

    def _what_if(self, candidate: IndexCandidate, verdict: Verdict, lab: Lab | None) -> WhatIfIndex:
        table = self.twin.catalog.tables.get(candidate.table)
        return WhatIfIndex(
            name=candidate.name,
            table=candidate.table,
            definition=plain_create(candidate),
            size_bytes=_scaled(verdict.size_bytes, table, lab),
        )

    def _judge(self, trial: IndexTrial, names: frozenset[str], connection: psycopg.Connection) -> IndexTrial:
        """The trial after planning its queries with the index switched on."""
        queries = [
            planned
            for planned in self.planned.values()
            if planned.statements and planned.query_id in trial.candidate.query_ids
        ]
        if not queries:
            return _noted(trial, "Production's planner was not asked: no query could be planned.")
        after = {q.query_id: [plan_only(connection, text) for text in q.statements] for q in queries}
        answer = self._answer(names, queries, after)
        if trial.verdict.status == "not_tested":
            return self._predicted(trial, answer, queries)
        if answer.used:
            return _noted(trial, f"At production's size the planner takes it: {answer.prices}.")
        doubt = self._doubt(trial.candidate, after, connection)
        if doubt is not None:
            return _noted(trial, f"The planner twin does not take it ({answer.prices}), but may be wrong: {doubt}.")
        reason = "with production's statistics and sizes the planner does not use it"
        return replace(trial, verdict=replace(trial.verdict, status="no_gain", reason=reason), used_by=frozenset())

    def _answer(
        self, names: frozenset[str], queries: Sequence[Planned], after: Mapping[str, Sequence[Measured]]
    ) -> "_Answer":
        before = {q.query_id: mean_of([_measured(plan.root.total_cost) for plan in q.plans]).measure for q in queries}
        after_measures = {name: mean_of(answers).measure for name, answers in after.items()}
        total_before, total_after, per_query = compare(before, after_measures, self.weights)
        one_before, one_after, _ = compare(before, after_measures, dict.fromkeys(self.weights, 1.0))
        return _Answer(
            used=any(names & answer.indexes for answers in after.values() for answer in answers),
            before=total_before,
            after=total_after,
            per_query=per_query,
            prices=f"cost {_price(one_before)} without it, {_price(one_after)} with it",
        )

    def _predicted(self, trial: IndexTrial, answer: "_Answer", queries: Sequence[Planned]) -> IndexTrial:
        """What could not be tried on rows, by the twin's word where that is a gain."""
        if not answer.used or not gains(answer.before, answer.after):
            return trial
        verdict = Verdict(
            status="predicted",
            method="what-if",
            sandbox=self.id,
            reason=f"not run: {trial.verdict.reason}" if trial.verdict.reason else None,
            before=answer.before,
            after=answer.after,
            per_query=answer.per_query,
            size_bytes=trial.verdict.size_bytes,
        )
        return replace(trial, verdict=verdict, used_by=frozenset(q.query_id for q in queries))

    def _doubt(
        self, candidate: IndexCandidate, after: Mapping[str, Sequence[Measured]], connection: psycopg.Connection
    ) -> str | None:
        """Why production's planner may take the index although the twin's does not; None where it decides."""
        if not set(candidate.query_ids) <= after.keys():
            return "not all of its queries could be planned there"
        if any(answer.plan is None for answers in after.values() for answer in answers):
            return "a query could not be planned with it"
        tables = [table for query_id in candidate.query_ids for table in self.tables.get(query_id, ())]
        return gap(self.twin, self.snapshot, candidate, tables, connection)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What the twin's planner makes of an index: whether any plan has it, and the costs without and with it."""

    used: bool
    before: Measure
    after: Measure
    per_query: tuple[QueryMeasure, ...]
    prices: str


def _noted(trial: IndexTrial, note: str) -> IndexTrial:
    return replace(trial, notes=(*trial.notes, note))


def _scaled(size_bytes: int | None, table: Table | None, lab: Lab | None) -> int | None:
    """The size of an index built on a lab's rows, at production's."""
    built_on = lab.rows.get(table.name) if lab and table else None
    if size_bytes is None or not built_on or table is None or table.rows is None:
        return None
    return round(size_bytes * max(table.rows, 1.0) / built_on)


def _measured(cost: float | None) -> Measured:
    return Measured(measure=Measure(cost=cost))


def _price(measure: Measure) -> str:
    return "unknown" if measure.cost is None else f"{measure.cost:,.0f}"


def twin_opinions(
    target: Target, state: RunState, evidence: Evidence, *, deadline: float | None = None
) -> TwinOpinions | None:
    """Opens the twin of a server that is the target and plans the workload there; None where there is no such server.

    Queries that cannot be planned are counted in the report, with the first reason. `deadline` is of
    `time.monotonic()`; queries not reached by then are not planned.
    """
    queries = evidence.workload.queries
    twin = target.twin(state, evidence.catalog) if queries else None
    if twin is None:
        return None
    planned = {one.query_id: one for one in plan_queries(twin, queries, evidence.usages, deadline=deadline)}
    failed = [one.reason for one in planned.values() if one.plan is None]
    if failed:
        share = f"{len(failed)} of {len(planned)} queries"
        state.diagnose("info", [f"{share} could not be planned on the planner twin; the first: {failed[0]}"])
    weights = {query.id: float(max(query.calls, 1)) for query in queries}
    tables = {query_id: usage.tables for query_id, usage in evidence.usages.items()}
    return TwinOpinions(
        twin=twin, id=TWIN_ID, planned=planned, weights=weights, tables=tables, snapshot=target.snapshot
    )
