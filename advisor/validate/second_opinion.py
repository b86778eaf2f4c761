"""What production's planner, on the twin, makes of the indexes that were tried on rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from advisor.indexes.ddl import plain_create
from advisor.model.advice import IndexCandidate, Measure, Verdict
from advisor.model.catalog import Table
from advisor.model.evidence import Evidence
from advisor.sandbox.twin.open import Twin
from advisor.sandbox.twin.what_if import WhatIf, WhatIfIndex
from advisor.validate.gain import compare, gains
from advisor.validate.indexes import GOOD, IndexTrial, mean_of
from advisor.validate.lab import Lab
from advisor.validate.measure import Measured, plan_only
from advisor.validate.planning import Planned, plan_queries
from advisor.validate.state import RunState
from advisor.validate.target import TWIN_ID, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinOpinions:
    """The twin, its id in the report, the queries as planned on it, and their weights (calls)."""

    twin: Twin
    id: str
    planned: Mapping[str, Planned]
    weights: Mapping[str, float]

    def on(self, trials: Sequence[IndexTrial], lab: Lab | None) -> tuple[IndexTrial, ...]:
        """The trials with what production's planner says of each.

        An index that it would not use for any of its queries is withdrawn; one that could not be tried on rows is
        `predicted`. Raises SandboxError where the server is lost.
        """
        wanted = [trial for trial in trials if trial.verdict.status in (*GOOD, "not_tested")]
        if not wanted:
            return tuple(trials)
        with WhatIf(self.twin) as what_if, self.twin.watched() as connection:
            added = what_if.add([self._what_if(trial.candidate, trial.verdict, lab) for trial in wanted])
            made = {one.name: one.names for one in added if one.refused is None}
            good = [t.candidate.name for t in wanted if t.candidate.name in made and t.verdict.status in GOOD]
            judged: dict[IndexCandidate, IndexTrial] = {}
            for trial in wanted:
                name = trial.candidate.name
                # Alone, then beside the others: the branches of an OR need all of theirs.
                for on in ([name], {name, *good}) if name in made else ():
                    what_if.switch(on)
                    opinion = self._judge(trial, made[name], connection)
                    judged[trial.candidate] = opinion
                    if opinion.verdict.status != "no_gain":
                        break
        return tuple(judged.get(trial.candidate, trial) for trial in trials)

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
            return replace(
                trial, notes=(*trial.notes, "Production's planner was not asked: no query could be planned.")
            )
        after = {q.query_id: [plan_only(connection, text) for text in q.statements] for q in queries}
        used = any(names & answer.indexes for answers in after.values() for answer in answers)
        before = {q.query_id: mean_of([_measured(plan.root.total_cost) for plan in q.plans]).measure for q in queries}
        after_measures = {name: mean_of(answers).measure for name, answers in after.items()}
        total_before, total_after, per_query = compare(before, after_measures, self.weights)
        each = dict.fromkeys(self.weights, 1.0)
        one_before, one_after, _ = compare(before, after_measures, each)
        prices = f"cost {_price(one_before)} without it, {_price(one_after)} with it"
        if trial.verdict.status == "not_tested":
            if not used or not gains(total_before, total_after):
                return trial
            verdict = Verdict(
                status="predicted",
                method="what-if",
                sandbox=self.id,
                reason=f"not run: {trial.verdict.reason}" if trial.verdict.reason else None,
                before=total_before,
                after=total_after,
                per_query=per_query,
                size_bytes=trial.verdict.size_bytes,
            )
            return replace(trial, verdict=verdict, used_by=frozenset(q.query_id for q in queries))
        if used:
            return replace(trial, notes=(*trial.notes, f"At production's size the planner takes it: {prices}."))
        if not self._decides(trial.candidate):
            return replace(trial, notes=(*trial.notes, f"The planner twin does not take it: {prices}."))
        reason = "with production's statistics and sizes the planner does not use it"
        return replace(trial, verdict=replace(trial.verdict, status="no_gain", reason=reason), used_by=frozenset())

    def _decides(self, candidate: IndexCandidate) -> bool:
        """Whether the twin's planner is production's own and knows the table."""
        table = self.twin.catalog.tables.get(candidate.table)
        same = self.twin.sandbox.server_version_num // 10000 == self.twin.catalog.server_version_num // 10000
        return same and table is not None and table.rows is not None


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


def twin_opinions(target: Target, state: RunState, evidence: Evidence) -> TwinOpinions | None:
    """Opens the twin of a server that is the target and plans the workload there; None where there is no such server.

    Queries that cannot be planned are counted in the report, with the first reason.
    """
    queries = evidence.workload.queries
    twin = target.twin(state, evidence.catalog) if queries else None
    if twin is None:
        return None
    planned = {one.query_id: one for one in plan_queries(twin, queries, evidence.usages)}
    failed = [one.reason for one in planned.values() if one.plan is None]
    if failed:
        share = f"{len(failed)} of {len(planned)} queries"
        state.diagnose("info", [f"{share} could not be planned on the planner twin; the first: {failed[0]}"])
    weights = {query.id: float(max(query.calls, 1)) for query in queries}
    return TwinOpinions(twin=twin, id=TWIN_ID, planned=planned, weights=weights)
