"""The main job on the logged web shop: every labelled fault is found and proven, nothing else is reported."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from advisor.api import analyze
from advisor.model.advice import Finding
from advisor.model.report import Report
from advisor.sql.identify import identify

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
SCHEMA = FIXTURES / "schemas" / "shop.sql"
LOG = FIXTURES / "logs" / "shop"
LABELS: dict[str, Any] = json.loads((LOG / "labels.json").read_text())
NAMES: dict[str, str] = {identify(text, "shop").sql: name for name, text in LABELS["statements"].items()}
PROVABLE = {"IDX001": "create_index", "NPO001": "batch_queries", "QRY001": "rewrite_query"}


@cache
def report_of(kind: str) -> Report:
    return analyze([str(LOG / f"postgresql.{kind}")], schema=str(SCHEMA))


@cache
def name_of(query_id: str) -> str | None:
    """The label's name of a statement, by its text with `$n`: some came with values, some with parameters."""
    query = report_of("log").workload.query(query_id)
    return NAMES.get(query.sql) if query is not None else None


def about(finding: Finding) -> str | None:
    """The label's name of the statement that a finding is about."""
    return name_of(finding.subject.queries[0])


def published(rule: str) -> list[Finding]:
    return [f for f in report_of("log").findings if f.rule == rule and f.refuted_by is None]


@pytest.mark.parametrize("fault", LABELS["faults"], ids=lambda fault: fault["id"])
def test_fault_is_found(fault: dict[str, Any]) -> None:
    found = [f for f in published(fault["rule"]) if about(f) in fault["statements"]]
    assert len(found) == 1
    (finding,) = found
    assert fault["table"] in finding.subject.tables
    assert [column.rsplit(".", 1)[1] for column in finding.subject.columns] == fault["columns"]
    if fault["rule"] == "NPO001":
        assert name_of(finding.subject.queries[1]) in fault.get("parents_allowed", [fault["parent"]])
    if fault["rule"] in PROVABLE:
        advice = [r for r in report_of("log").recommendations if finding.key in r.findings]
        assert [(r.kind, r.verdict.status) for r in advice] == [(PROVABLE[fault["rule"]], "proven")]


def test_ranges_of_the_rewrites() -> None:
    for fault in LABELS["faults"]:
        if "range" not in fault:
            continue
        (finding,) = [f for f in published("QRY001") if about(f) in fault["statements"]]
        (advice,) = [r for r in report_of("log").recommendations if finding.key in r.findings]
        assert advice.rewritten_sql is not None
        assert all(f"'{bound}'" in advice.rewritten_sql for bound in fault["range"])


def test_nothing_else_is_reported() -> None:
    expected = {(f["rule"], name) for f in LABELS["faults"] for name in f["statements"]}
    allowed = {(f["rule"], name) for f in LABELS["optional"] for name in f["statements"]}
    found = {(f.rule, about(f)) for rule in ("IDX001", "NPO001", "SCN001", "QRY001") for f in published(rule)}
    assert found - expected - allowed == set()


@pytest.mark.parametrize(
    "kind", [pytest.param("csv", marks=pytest.mark.slow), "json", pytest.param("log.gz", marks=pytest.mark.slow)]
)
def test_formats_agree(kind: str) -> None:
    first, other = report_of("log"), report_of(kind)
    assert [(q.id, q.calls, q.total_us) for q in other.workload.queries] == [
        (q.id, q.calls, q.total_us) for q in first.workload.queries
    ]
    assert {(f.key, f.refuted_by) for f in other.findings} == {(f.key, f.refuted_by) for f in first.findings}
    assert {(r.kind, r.statements, r.rewritten_sql, r.verdict.status) for r in other.recommendations} == {
        (r.kind, r.statements, r.rewritten_sql, r.verdict.status) for r in first.recommendations
    }


def test_every_byte_is_accounted_for() -> None:
    coverage = report_of("log").workload.coverage
    assert coverage.bytes_classified == coverage.bytes_total == (LOG / "postgresql.log").stat().st_size
    assert coverage.statements_unparsed == 0
