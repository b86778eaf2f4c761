"""The JSON document of `analyze` and `check`: every field of the contract is there, null where it does not apply."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from advisor.model.advice import Finding, Measure, QueryMeasure, Recommendation, Verdict
from advisor.model.instants import instant_text
from advisor.model.migration import Migration, TracedStatement, WorkloadChange
from advisor.model.plan import Plan, PlanNode
from advisor.model.report import Diagnostic, Report
from advisor.model.workload import Query, Workload
from advisor.report.events import server_events_document

SCHEMA_VERSION = 1

Json = dict[str, Any]


def render(report: Report, version: str) -> str:
    """The document as indented JSON text with a final newline."""
    return orjson.dumps(_plain(document(report, version)), option=orjson.OPT_INDENT_2).decode() + "\n"


def document(report: Report, version: str) -> Json:
    """The document as dicts and lists (schema: `report/schemas/report.json`)."""
    plan_ids = {number: plan.id for number, plan in enumerate(report.plans) if plan.origin in ("input", "log")}
    remedies: dict[str, list[str]] = {finding.key: [] for finding in report.findings}
    for recommendation in report.recommendations:
        for key in recommendation.findings:
            remedies.setdefault(key, []).append(recommendation.id)
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "pg-query-advisor", "version": version},
        "command": report.command,
        "complete": report.complete,
        "inputs": [dataclasses.asdict(i) for i in report.workload.inputs],
        "coverage": _coverage(report),
        "workload": _workload(report.workload),
        "sandboxes": [dataclasses.asdict(sandbox) for sandbox in report.sandboxes],
        "plans": [{"id": p.id, "query": p.query_id, "origin": p.origin, **_plan(p.plan)} for p in report.plans],
        "findings": [_finding(finding, remedies[finding.key], plan_ids) for finding in report.findings],
        "recommendations": [_recommendation(recommendation) for recommendation in report.recommendations],
        "selection": dataclasses.asdict(report.selection),
        "migrations": [_migration(migration) for migration in report.migrations],
        "assumptions": list(report.assumptions),
        "diagnostics": [dataclasses.asdict(diagnostic) for diagnostic in _diagnostics(report)],
    }


def _diagnostics(report: Report) -> tuple[Diagnostic, ...]:
    """Those of the run, after what its inputs do not show."""
    return (*(Diagnostic(level="warning", message=each) for each in report.workload.warnings), *report.diagnostics)


def _coverage(report: Report) -> Json:
    coverage = dataclasses.asdict(report.workload.coverage)
    coverage["unknown"] = list(coverage["unknown"])
    return coverage | {
        "rules_run": list(report.rules_run),
        "rules_skipped": [dataclasses.asdict(skipped) for skipped in report.rules_skipped],
    }


def _workload(workload: Workload) -> Json:
    return {
        "from": instant_text(workload.from_us),
        "to": instant_text(workload.to_us),
        "queries": [_query(query) for query in workload.queries],
        "events": server_events_document(workload.events),
    }


def _query(query: Query) -> Json:
    return {
        "id": query.id,
        "fingerprint": query.fingerprint,
        "database": query.database,
        "user": query.user,
        "sql": query.sql,
        "calls": query.calls,
        "total_ms": query.total_us / 1000,
        "mean_ms": query.mean_ms,
        "p50_ms": _ms(query.latency.quantile_us(0.50)),
        "p95_ms": _ms(query.latency.quantile_us(0.95)),
        "p99_ms": _ms(query.latency.quantile_us(0.99)),
        "max_ms": _ms(query.max_us),
        "rows": query.rows,
        "tables": list(query.tables),
        "tags": dict(query.tags),
        "tag_calls": {name: dict(values) for name, values in query.tag_calls.items()},
        "hours": [
            {"from": instant_text(hour.start_us), "calls": hour.calls, "total_ms": hour.total_us / 1000}
            for hour in query.hours
        ],
        "plans": _plan_totals(query),
        "temp_files": query.temp_files,
        "temp_bytes": query.temp_bytes,
        "errors": query.errors,
    }


def _plan_totals(query: Query) -> Json | None:
    """Of the plans in the log; blocks of 8 KiB."""
    return dataclasses.asdict(query.plan_totals) if query.plan_totals is not None else None


def _plan(plan: Plan) -> Json:
    return {
        "analyzed": plan.analyzed,
        "planning_ms": plan.planning_ms,
        "execution_ms": plan.execution_ms,
        "root": _node(plan.root),
    }


def _node(node: PlanNode) -> Json:
    fields: Json = {
        field.name: getattr(node, field.name)
        for field in dataclasses.fields(node)
        if field.name not in ("relation", "buffers", "children", "conditions", "rows_removed", "extra")
    }
    return fields | {
        "relation": str(node.relation).removeprefix(".") if node.relation else None,
        "buffers": dataclasses.asdict(node.buffers) if node.buffers else None,
        "conditions": dict(node.conditions),
        "rows_removed": dict(node.rows_removed),
        "children": [_node(child) for child in node.children],
    }


def _finding(finding: Finding, recommendations: Sequence[str], plan_ids: Mapping[int, str]) -> Json:
    return {
        "key": finding.key,
        "rule": finding.rule,
        "name": finding.name,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "title": finding.title,
        "message": finding.message,
        "subject": dataclasses.asdict(finding.subject),
        "location": dataclasses.asdict(finding.location) if finding.location else None,
        "plan": plan_ids.get(finding.plan) if finding.plan is not None else None,
        "plan_node": finding.plan_node,
        "impact": dataclasses.asdict(finding.impact),
        "evidence": dict(finding.evidence),
        "recommendations": list(recommendations),
        "refuted_by": finding.refuted_by,
        "suppressed": finding.suppressed,
    }


def _recommendation(recommendation: Recommendation) -> Json:
    return {
        "id": recommendation.id,
        "kind": recommendation.kind,
        "safety": recommendation.safety,
        "statements": list(recommendation.statements),
        "rollback": list(recommendation.rollback),
        "notes": list(recommendation.notes),
        "replaces": recommendation.replaces,
        "rewritten_sql": recommendation.rewritten_sql,
        "size_bytes": recommendation.size_bytes,
        "build_ms": recommendation.build_ms,
        "write_overhead_ratio": recommendation.write_overhead_ratio,
        "findings": list(recommendation.findings),
        "verdict": _verdict(recommendation.verdict),
    }


def _verdict(verdict: Verdict) -> Json:
    equivalence = verdict.equivalence
    return {
        "status": verdict.status,
        "method": verdict.method,
        "sandbox": verdict.sandbox,
        "reason": verdict.reason,
        "equivalence": dataclasses.asdict(equivalence) if equivalence else None,
        "before": _measure(verdict.before),
        "after": _measure(verdict.after),
        "per_query": [_query_measure(measure) for measure in verdict.per_query],
    }


def _query_measure(measure: QueryMeasure) -> Json:
    return {"query": measure.query_id, "before": _measure(measure.before), "after": _measure(measure.after)}


def _measure(measure: Measure) -> Json:
    return {"cost": measure.cost, "ms": measure.ms, "buffers": measure.buffers}


def _migration(migration: Migration) -> Json:
    return {
        "file": migration.file,
        "framework": migration.framework,
        "transaction": migration.transaction,
        "error": migration.error,
        "statements": [_statement(statement) for statement in migration.statements],
        "invalid_indexes": list(migration.invalid_indexes),
        "workload": [_change(change) for change in migration.workload],
    }


def _statement(statement: TracedStatement) -> Json:
    def names(relations: Sequence[object] | None) -> list[str] | None:
        return None if relations is None else [str(relation) for relation in relations]

    locks = statement.locks
    return {
        "line": statement.line,
        "column": statement.column,
        "sql": statement.sql,
        "kind": statement.kind,
        "traced": statement.traced,
        "ms": statement.ms,
        "error": statement.error,
        "locks": None if locks is None else [{"relation": str(lock.relation), "mode": lock.mode} for lock in locks],
        "max_lock": statement.max_lock,
        "blocks_reads": statement.blocks_reads,
        "blocks_writes": statement.blocks_writes,
        "rewrites": names(statement.rewrites),
        "rebuilt_indexes": names(statement.rebuilt_indexes),
        "scans": names(statement.scans),
        "rows_written": None if statement.rows_written is None else dict(statement.rows_written),
        "estimated_hold_ms": statement.estimated_hold_ms,
    }


def _change(change: WorkloadChange) -> Json:
    return {
        "query": change.query_id,
        "change": change.change,
        "before": _measure(change.before),
        "after": _measure(change.after),
        "reason": change.reason,
    }


def _plain(value: Any) -> Any:
    """What JSON can say: bytes of a file name that are no text become `?`, values of a rule's own become their text."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return _plain(str(value))


def _ms(duration_us: float | None) -> float | None:
    return None if duration_us is None else round(duration_us / 1000, 6)
