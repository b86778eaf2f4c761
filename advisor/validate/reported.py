"""Parts of a report: its plans, numbered, and what of a finding or an assumption it shows."""

from collections.abc import Sequence
from dataclasses import replace

from advisor.model.advice import Finding
from advisor.model.options import Options
from advisor.model.report import ReportedPlan
from advisor.model.workload import Workload
from advisor.validate.second_opinion import TwinOpinions


def input_plans(workload: Workload) -> tuple[ReportedPlan, ...]:
    logs = {source.name for source in workload.inputs if source.format != "explain"}
    return tuple(
        ReportedPlan(id=f"P{number}", plan=p.plan, query_id=p.query_id, origin="log" if p.source in logs else "input")
        for number, p in enumerate(workload.plans, start=1)
    )


def twin_plans(opinions: TwinOpinions, known: int) -> tuple[ReportedPlan, ...]:
    """Each query's plan with the first of its values, numbered after the input's."""
    plans = ((query_id, planned.plan) for query_id, planned in opinions.planned.items())
    found = [(query_id, plan) for query_id, plan in plans if plan is not None]
    return tuple(
        ReportedPlan(id=f"P{number}", plan=plan, query_id=query_id, origin="twin")
        for number, (query_id, plan) in enumerate(found, start=known + 1)
    )


def relevant(assumptions: Sequence[str], findings: Sequence[Finding]) -> tuple[str, ...]:
    """The assumptions on which a finding rests: those that name one of its tables."""
    tables = {table for finding in findings for table in finding.subject.tables}
    return tuple(a for a in assumptions if any(a.startswith(f"{table}:") for table in tables))


def limited(findings: Sequence[Finding], options: Options) -> tuple[Finding, ...]:
    """Findings with at most `--max-instances` instances of their units of work."""
    limit = options.max_instances
    if not limit:
        return tuple(findings)
    return tuple(
        replace(f, evidence={**f.evidence, "instances": list(f.evidence["instances"])[:limit]})
        if "instances" in f.evidence
        else f
        for f in findings
    )
