"""Findings into recommendations: every remedy is tried on the lab, and its verdict goes with it."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TypeVar

import psycopg

from advisor.engine.relations import is_unique
from advisor.errors import SqlError
from advisor.indexes.candidates import candidates
from advisor.indexes.ddl import create_index
from advisor.model.advice import (
    Advice,
    BatchProposal,
    Finding,
    IndexCandidate,
    IndexNeed,
    Recommendation,
    Remedy,
    Rewrite,
    RewriteProposal,
    Verdict,
)
from advisor.model.catalog import Catalog
from advisor.model.evidence import Evidence
from advisor.model.names import QualifiedName
from advisor.model.options import Progress
from advisor.model.report import Selection
from advisor.model.workload import Query, Sample
from advisor.rewrites.batch import Batch, batch
from advisor.rewrites.half_open_range import boundaries, rewrite
from advisor.sql.pretty import pretty
from advisor.validate.batches import try_batch
from advisor.validate.indexes import GOOD, IndexTrial, try_indexes
from advisor.validate.lab import Boundaries, Lab, datasets
from advisor.validate.rewrites import RewriteTrial, try_rewrite
from advisor.validate.second_opinion import TwinOpinions
from advisor.validate.statements import MAX_SAMPLES, Runnable, probes, runnables

_R = TypeVar("_R", bound=Remedy)

NO_SCHEMA = Verdict(status="not_tested", reason="no schema to try it on: give --dsn, --snapshot or --schema")
_UNKNOWN_DATABASE = Catalog(server_version_num=0, server_version="", database="", tables={})

NO_SANDBOX = Verdict(status="not_tested", reason="no throwaway server was used (--sandbox off)")
_ADVICE = Verdict(status="not_tested", reason="a change of the application cannot be tried on a throwaway server")
_STEPS = Verdict(status="not_tested", reason="these steps were not run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """Recommendations without ids, with what choosing the indexes took."""

    recommendations: tuple[Recommendation, ...]
    selection: Selection


def try_findings(
    lab: Lab | None,
    findings: Sequence[Finding],
    evidence: Evidence,
    *,
    opinions: TwinOpinions | None = None,
    deadline: float | None = None,
    progress: Progress = lambda _what, _done, _total: None,
) -> Trials:
    """Tries every remedy of every finding. Without a lab all of them come back `not_tested`.

    `opinions`: indexes are put to production's planner, too, as it is on the twin.
    """
    needs = _remedies(findings, IndexNeed)
    queries: Mapping[str, Runnable] = {}
    if lab is not None:
        with lab.connect() as connection:
            queries = runnables(evidence.workload.queries, evidence.usages, connection)
        queries = {**queries, **probes(need for _, need in needs)}
    indexes = _index_recommendations(lab, needs, queries, evidence, opinions, deadline, progress)
    others: list[tuple[Finding, Remedy]] = [
        *_remedies(findings, RewriteProposal),
        *_remedies(findings, BatchProposal),
        *_remedies(findings, Advice),
    ]
    found = list(indexes.recommendations)
    compared = any(not isinstance(remedy, Advice) for _, remedy in others)
    with ExitStack() as stack:
        bench = None
        if lab is not None and compared:
            bench = _Bench(lab, stack.enter_context(datasets(lab, _boundaries(findings, evidence))))
        for number, (finding, remedy) in enumerate(others):
            progress("Trying rewrites", number, len(others))
            found.extend(_recommendation(bench, finding, remedy, evidence))
    return Trials(recommendations=tuple(_merged(found)), selection=indexes.selection)


@dataclass(frozen=True, slots=True)
class _Bench:
    """The lab and connections to the data sets on which results are compared."""

    lab: Lab
    connections: Sequence[psycopg.Connection]


def _boundaries(findings: Sequence[Finding], evidence: Evidence) -> Boundaries:
    """The values at which the proposed rewrites would return other rows if they were wrong."""
    found: dict[tuple[QualifiedName, str], set[str]] = {}
    for _, proposal in _remedies(findings, RewriteProposal):
        query = evidence.workload.query(proposal.query_id)
        for sample in query.samples[:MAX_SAMPLES] if query else ():
            found.setdefault((proposal.table, proposal.column), set()).update(boundaries(proposal, sample))
    return {place: sorted(values) for place, values in found.items()}


def _remedies(findings: Iterable[Finding], kind: type[_R]) -> list[tuple[Finding, _R]]:
    return [(finding, remedy) for finding in findings for remedy in finding.remedies if isinstance(remedy, kind)]


def _index_recommendations(
    lab: Lab | None,
    needs: Sequence[tuple[Finding, IndexNeed]],
    queries: Mapping[str, Runnable],
    evidence: Evidence,
    opinions: TwinOpinions | None,
    deadline: float | None,
    progress: Progress,
) -> Trials:
    wanted = candidates([need for _, need in needs], evidence.catalog or _UNKNOWN_DATABASE)
    if lab is None:
        verdict = NO_SCHEMA if evidence.catalog is None else NO_SANDBOX
        trials = tuple(IndexTrial(candidate=candidate, verdict=verdict) for candidate in wanted)
        selection = Selection()
    else:
        progress("Building and running indexes", 0, len(wanted))
        started = time.monotonic()
        tried = try_indexes(lab, wanted, queries, deadline=deadline)
        trials = tried.trials if opinions is None else opinions.on(tried.trials, lab, deadline=deadline)
        selection = Selection(
            chosen_bytes=sum(t.verdict.size_bytes or 0 for t in trials if t.verdict.status in GOOD),
            base_cost=tried.base_cost,
            chosen_cost=tried.chosen_cost,
            what_if_calls=tried.plans_asked,
            seconds=round(time.monotonic() - started, 3),
        )
    return Trials(
        recommendations=tuple(_index_recommendation(trial, needs, evidence) for trial in trials), selection=selection
    )


def _index_recommendation(
    trial: IndexTrial, needs: Sequence[tuple[Finding, IndexNeed]], evidence: Evidence
) -> Recommendation:
    candidate = trial.candidate
    keys = [
        finding.key
        for finding, need in needs
        if need.table == candidate.table and need.query_id in candidate.query_ids and _answers(candidate, need)
    ]
    ddl = create_index(candidate, evidence.catalog)
    return Recommendation(
        id="",
        kind="create_index",
        safety="safe",
        statements=ddl.statements,
        rollback=ddl.rollback,
        notes=(*ddl.notes, *trial.notes),
        size_bytes=trial.verdict.size_bytes,
        build_ms=trial.verdict.build_ms,
        findings=tuple(dict.fromkeys(keys)),
        verdict=trial.verdict,
    )


def _answers(candidate: IndexCandidate, need: IndexNeed) -> bool:
    """Whether the candidate begins with what the need compares by equality, or with its sort or range."""
    keys = {(key.column, key.expression) for key in candidate.keys}
    wanted = need.equality or need.order[:1] or need.range[:1]
    return all((key.column, key.expression) in keys for key in wanted)


def _recommendation(
    bench: _Bench | None, finding: Finding, remedy: Remedy, evidence: Evidence
) -> Iterator[Recommendation]:
    if isinstance(remedy, RewriteProposal):
        yield from _rewritten(bench, finding, remedy, evidence)
    elif isinstance(remedy, BatchProposal):
        yield from _batched(bench, finding, remedy, evidence)
    elif isinstance(remedy, Advice):
        yield Recommendation(
            id="",
            kind=remedy.kind,
            safety=remedy.safety,
            statements=remedy.statements,
            rollback=remedy.rollback,
            notes=remedy.notes,
            findings=(finding.key,),
            verdict=_ADVICE if remedy.kind == "application" else _STEPS,
        )


def _rewritten(
    bench: _Bench | None, finding: Finding, proposal: RewriteProposal, evidence: Evidence
) -> Iterator[Recommendation]:
    query = evidence.workload.query(proposal.query_id)
    samples = query.samples[:MAX_SAMPLES] if query else ()
    rewrites = [found for sample in samples if (found := _rewrite(proposal, sample)) is not None]
    if query is None or not rewrites:
        return
    needed = candidates([proposal.index], evidence.catalog) if proposal.index and evidence.catalog else ()
    index = needed[0] if needed else None
    if bench is None:
        trial = RewriteTrial(rewrite=rewrites[0], verdict=NO_SANDBOX, index=index)
    else:
        trial = try_rewrite(bench.lab, bench.connections, rewrites, float(max(query.calls, 1)), index)
    ddl = create_index(trial.index, evidence.catalog) if trial.index else None
    yield Recommendation(
        id="",
        kind="rewrite_query",
        safety="review",
        statements=ddl.statements if ddl else (),
        rollback=ddl.rollback if ddl else (),
        notes=(*trial.rewrite.notes, *(ddl.notes if ddl else ())),
        replaces=trial.rewrite.original_sql,
        rewritten_sql=trial.rewrite.rewritten_sql,
        size_bytes=trial.verdict.size_bytes,
        findings=(finding.key,),
        verdict=trial.verdict,
    )


def _rewrite(proposal: RewriteProposal, sample: Sample) -> Rewrite | None:
    """The sample rewritten; None where it cannot be written down safely."""
    try:
        return rewrite(proposal, sample)
    except SqlError:
        return None


def _batched(
    bench: _Bench | None, finding: Finding, proposal: BatchProposal, evidence: Evidence
) -> Iterator[Recommendation]:
    query = evidence.workload.query(proposal.query_id)
    if query is None:
        return
    form = _batch(proposal, query, evidence)
    if form is None:
        yield Recommendation(
            id="",
            kind="application",
            safety="review",
            notes=(_BATCH_BY_HAND.format(column=proposal.column),),
            findings=(finding.key,),
            verdict=_ADVICE,
        )
        return
    verdict = NO_SANDBOX if bench is None else try_batch(bench.lab, bench.connections, proposal, form, query.calls)
    notes = [f"${form.parameter} is the array of all keys that the page needs; run it once, before the loop."]
    if form.key_added:
        notes.append(f"{proposal.column} is returned as the last column, so that rows can be handed to their key.")
    yield Recommendation(
        id="",
        kind="batch_queries",
        safety="review",
        notes=tuple(notes),
        replaces=form.single_sql,
        rewritten_sql=pretty(form.batched_sql),
        findings=(finding.key,),
        verdict=verdict,
    )


_BATCH_BY_HAND = (
    "Ask once for all keys: a join with the query before it, or {column} = ANY($1) with GROUP BY {column} for counts"
    " and sums and DISTINCT ON ({column}) or a LATERAL join for the first rows of each key."
)


def _batch(proposal: BatchProposal, query: Query, evidence: Evidence) -> Batch | None:
    """The batched form of the query's first sample; None where there is none that is sure to be right."""
    table = evidence.catalog.tables.get(proposal.table) if evidence.catalog else None
    unique = table is not None and is_unique(table, proposal.column)
    try:
        return batch(proposal, query.samples[0], unique=unique) if query.samples else None
    except SqlError:
        return None


def _merged(recommendations: Iterable[Recommendation]) -> Iterator[Recommendation]:
    """One recommendation per thing to do; the findings that ask for the same one share it."""
    by_content: dict[object, Recommendation] = {}
    for one in recommendations:
        content = (one.kind, one.statements, one.rewritten_sql, one.notes)
        if content in by_content:
            first = by_content[content]
            one = replace(first, findings=tuple(dict.fromkeys((*first.findings, *one.findings))))
        by_content[content] = one
    yield from by_content.values()
