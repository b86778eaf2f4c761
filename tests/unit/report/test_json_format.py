"""Every document is as its schema has it, and the schema is as the contract has it."""

import json
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator

from advisor.model import advice, migration
from advisor.model.report import Report
from advisor.report import json_format, schemas
from tests.unit.report.values import CHECKED, MIGRATION, finding, recommendation, report, reports, verdict

SCHEMA = schemas.load("report")
VALIDATOR = Draft202012Validator(SCHEMA)


def rendered(value: Report) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json_format.render(value, "1.2.3"))
    return document


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_schema_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        schemas.load("nothing")


@given(reports)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_report_gives_a_valid_document(value: Report) -> None:
    VALIDATOR.validate(rendered(value))


@pytest.mark.parametrize("broken", [{"complete": None}, {"surplus": 1}, {"schema_version": 2}])
def test_the_schema_refuses(broken: dict[str, Any]) -> None:
    assert list(VALIDATOR.iter_errors(rendered(report()) | broken))


def objects(schema: dict[str, Any]) -> list[dict[str, Any]]:
    below = [schema] if schema.get("type") == "object" and "properties" in schema else []
    for part in schema.values():
        for item in part if isinstance(part, list) else [part]:
            below += objects(item) if isinstance(item, dict) else []
    return below


def test_no_field_may_be_missing() -> None:
    ours = [item for item in objects(SCHEMA) if "required" in item]
    assert len(ours) > 20
    for item in ours:
        assert sorted(item["required"]) == sorted(item["properties"])


@pytest.mark.parametrize(
    ("path", "literal"),
    [
        (("finding", "severity"), advice.Severity),
        (("finding", "confidence"), advice.Confidence),
        (("recommendation", "kind"), advice.RecommendationKind),
        (("recommendation", "safety"), advice.Safety),
        (("verdict", "status"), advice.VerdictStatus),
        (("migration", "transaction"), migration.TransactionMode),
        (("workload_change", "change"), migration.WorkloadChangeKind),
    ],
)
def test_words_are_the_models(path: tuple[str, str], literal: Any) -> None:
    definition, field = path
    assert tuple(SCHEMA["$defs"][definition]["properties"][field]["enum"]) == get_args(literal)


def test_findings_and_recommendations_name_each_other() -> None:
    other = finding(key="other", title="another")
    document = rendered(report(findings=(finding(), other)))
    assert document["findings"][0]["recommendations"] == ["R1"]
    assert document["findings"][1]["recommendations"] == []
    assert document["recommendations"][0]["findings"] == [document["findings"][0]["key"]]


def test_a_verdict_keeps_its_proof() -> None:
    proof = rendered(report(recommendations=(recommendation(verdict=verdict(equivalence=CHECKED)),)))
    shown = proof["recommendations"][0]["verdict"]
    assert shown["equivalence"] == {"status": "checked", "datasets": 3}
    assert shown["per_query"][0]["before"] == {"cost": 718.4, "ms": 0.68, "buffers": 340}


def test_what_was_not_traced_is_null_and_not_empty() -> None:
    document = rendered(report(command="check", migrations=(MIGRATION,)))
    VALIDATOR.validate(document)
    traced, untraced = document["migrations"][0]["statements"]
    assert traced["locks"] == [{"relation": "public.orders", "mode": "ShareLock"}]
    assert traced["rewrites"] == []
    assert [untraced[field] for field in ("locks", "rewrites", "scans", "max_lock", "blocks_reads")] == [None] * 5


def test_a_file_name_that_is_no_text() -> None:
    name = b"caf\xe9.log".decode("utf-8", "surrogateescape")
    document = rendered(report(findings=(finding(title=name),)))
    assert document["findings"][0]["title"] == "caf?.log"
