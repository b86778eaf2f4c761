"""The JSON document of `diff`: every field is there, null where it does not apply."""

import dataclasses
import json
from typing import Any

from advisor.model.difference import AdviceOutcome, Difference, Numbers, QueryDifference, Ratio, Side
from advisor.model.instants import instant_text

SCHEMA_VERSION = 1

Json = dict[str, Any]


def render(difference: Difference, version: str) -> str:
    """The document as indented JSON text with a final newline."""
    text = json.dumps(document(difference, version), indent=2, ensure_ascii=False)
    # Bytes of a file's name that are no text become `?`.
    return text.encode("utf-8", "replace").decode() + "\n"


def document(difference: Difference, version: str) -> Json:
    """The document as dicts and lists (schema: `report/schemas/difference.json`)."""
    common = difference.common
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "pg-query-advisor", "version": version},
        "command": "diff",
        "complete": True,
        "old": _side(difference.old),
        "new": _side(difference.new),
        "matched_by": difference.matched_by,
        "confidence": difference.confidence,
        "confidence_reasons": list(difference.confidence_reasons),
        "calls_comparable": difference.calls_comparable,
        "common": {
            "time_ratio": _ratio(common.time),
            "time_changed": common.time_changed,
            "calls_ratio": _ratio(common.calls),
            "calls_changed": common.calls_changed,
            "queries_compared": common.compared,
            "queries_agreeing": common.agreeing,
        },
        "queries": [_query(query) for query in difference.queries],
        "indexes": [
            {"name": i.name, "table": i.table, "queries": list(i.queries), "old_has_plans": i.before}
            for i in difference.indexes
        ],
        "advice": [_advice(outcome) for outcome in difference.advice],
        "notes": list(difference.notes),
    }


def _side(side: Side) -> Json:
    return {
        "inputs": [dataclasses.asdict(source) for source in side.inputs],
        "from": instant_text(side.from_us),
        "to": instant_text(side.to_us),
        "hours": side.hours,
        "covered_seconds": None if side.covered_us is None else side.covered_us / 1_000_000,
        "queries": side.queries,
        "calls": side.calls,
        "total_ms": side.total_us / 1000,
        "warnings": list(side.warnings),
    }


def _query(query: QueryDifference) -> Json:
    return {
        "sql": query.sql,
        "database": query.database,
        "tables": list(query.tables),
        "changes": list(query.changes),
        "matters": query.matters,
        "confidence": query.confidence,
        "ratio": _ratio(query.ratio),
        "own_ratio": _ratio(query.own_ratio),
        "p95_ratio": _ratio(query.p95_ratio),
        "calls_ratio": _ratio(query.calls_ratio),
        "p_value": query.p_value,
        "q_value": query.q_value,
        "extra_ms_per_hour": query.extra_ms_per_hour,
        "plan": None
        if query.plan is None
        else {"lines": list(query.plan.lines), "new_indexes": list(query.plan.indexes)},
        "reasons": list(query.reasons),
        "old": _numbers(query.old),
        "new": _numbers(query.new),
    }


def _numbers(numbers: Numbers | None) -> Json | None:
    return None if numbers is None else dataclasses.asdict(numbers)


def _advice(outcome: AdviceOutcome) -> Json:
    return {
        "recommendation": outcome.recommendation,
        "kind": outcome.kind,
        "statements": list(outcome.statements),
        "rewritten_sql": outcome.rewritten_sql,
        "outcome": outcome.outcome,
        "reason": outcome.reason,
        "promised_by": outcome.promised_by,
        "index_in_use": outcome.in_use,
        "queries": [
            {
                "old_id": query.old_id,
                "new_id": query.new_id,
                "outcome": query.outcome,
                "promised_ratio": query.promised,
                "measured_ratio": _ratio(query.measured),
                "old_mean_ms": query.old_mean_ms,
                "new_mean_ms": query.new_mean_ms,
                "reason": query.reason,
            }
            for query in outcome.queries
        ],
    }


def _ratio(ratio: Ratio | None) -> Json | None:
    return None if ratio is None else dataclasses.asdict(ratio)
