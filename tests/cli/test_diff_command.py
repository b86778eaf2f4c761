"""`advisor diff` on logs made for it: what the server would have written, with a change whose size is known."""

import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from advisor.model.sketch import RELATIVE_ERROR
from advisor.report import schemas
from tests.cli.command import Command, Ran

VALIDATOR = Draft202012Validator(schemas.load("difference"))
SLOWER = 3
"""The query that is given another speed."""


def log(path: Path, seed: int, factor: float = 1.0, day: int = 1, queries: int = 12, hours: int = 14) -> Path:
    """A stderr log (`%m [%p] `) with 12 calls per hour of each query; `factor` on the durations of one of them."""
    dice = random.Random(seed)
    lines = []
    for hour in range(hours):
        load = math.exp(dice.gauss(0, 0.1))
        for call in range(12):
            for query in range(queries):
                ms = (query + 1) * load * math.exp(dice.gauss(0, 0.3)) * (factor if query == SLOWER else 1)
                at = f"2026-03-{day:02} {hour:02}:{call * 5 + query // 4:02}:{query % 4 * 15:02}.000 UTC"
                sql = f"SELECT c{query} FROM t{query} WHERE id = {dice.randrange(1000)}"
                lines.append(f"{at} [{100 + query}] LOG:  duration: {ms:.3f} ms  statement: {sql}\n")
    path.write_text("".join(lines))
    return path


@pytest.fixture
def logs(advisor: Command) -> tuple[Path, Path]:
    return log(advisor.home / "old.log", 1), log(advisor.home / "new.log", 2, factor=3.0, day=2)


def document(ran: Ran) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(ran.out)
    VALIDATOR.validate(value)
    return value


def test_the_schema_is_a_schema_without_optional_fields() -> None:
    schema = schemas.load("difference")
    Draft202012Validator.check_schema(schema)
    for part in (schema, *schema["$defs"].values()):
        assert part.get("required") == (list(part["properties"]) if "properties" in part else None)


def test_the_slower_query_is_found_and_fails_the_build(advisor: Command, logs: tuple[Path, Path]) -> None:
    ran = advisor("diff", *logs, "--format", "json", "--fail-on", "slower")
    assert ran.code == 1, ran.err
    found = document(ran)
    slower = [query for query in found["queries"] if "slower" in query["changes"]]
    assert [query["tables"] for query in slower] == [[f"t{SLOWER}"]]
    assert slower[0]["matters"]
    assert slower[0]["ratio"]["low"] < 3 * (1 + RELATIVE_ERROR)
    assert slower[0]["ratio"]["high"] > 3 * (1 - RELATIVE_ERROR)
    assert found["common"]["time_changed"] is False
    assert found["old"]["calls"] == found["new"]["calls"] == 12 * 12 * 14
    assert found["old"]["hours"] == 14


def test_the_text_says_it_first_and_fits(advisor: Command, logs: tuple[Path, Path]) -> None:
    ran = advisor("diff", *logs)
    assert ran.code == 0
    assert "Slower (1)" in ran.out
    assert "Confidence: high" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "read as stderr" in ran.err
    assert advisor("diff", *logs, "-q").err == ""


def test_the_same_log_twice_is_the_same(advisor: Command, logs: tuple[Path, Path]) -> None:
    ran = advisor("diff", logs[0], logs[0], "--format", "json", "--fail-on", "slower")
    assert ran.code == 0
    assert {tuple(query["changes"]) for query in document(ran)["queries"]} == {("same",)}


def test_both_formats_at_once(advisor: Command, logs: tuple[Path, Path]) -> None:
    ran = advisor("diff", *logs, "--format", "text", "--format", "json", "-o", "diff.json")
    assert "Slower (1)" in ran.out
    assert document(Ran(code=0, out=(advisor.home / "diff.json").read_text(), err=""))["command"] == "diff"


def report(advisor: Command, query: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Path:
    """As much of a report as is read."""
    measured: dict[str, Any] = {"cost": None, "ms": None, "buffers": None}
    recommendation = {
        "id": "R1",
        "kind": "create_index",
        "statements": [f"CREATE INDEX CONCURRENTLY t{SLOWER}_id_idx ON t{SLOWER} (id)"],
        "rewritten_sql": None,
        "findings": ["key"],
        "verdict": {"per_query": [{"query": query, "before": measured | {**before}, "after": measured | {**after}}]},
    }
    path = advisor.home / "report.json"
    finding = {"key": "key", "subject": {"queries": [query]}}
    path.write_text(json.dumps({"schema_version": 1, "findings": [finding], "recommendations": [recommendation]}))
    return path


def test_promised_beside_measured(advisor: Command, logs: tuple[Path, Path]) -> None:
    known = document(advisor("diff", *logs, "--format", "json"))
    query = next(query for query in known["queries"] if query["tables"] == [f"t{SLOWER}"])["old"]["id"]
    advice = report(advisor, query, {"ms": 8.0}, {"ms": 2.0})
    helped = document(advisor("diff", logs[1], logs[0], "--advice", advice, "--format", "json"))["advice"]
    assert [each["outcome"] for each in helped] == ["helped"]
    assert helped[0]["queries"][0]["promised_ratio"] == 0.25
    assert helped[0]["queries"][0]["measured_ratio"]["value"] == pytest.approx(1 / 3, rel=0.2)
    hurt = advisor("diff", *logs, "--advice", advice)
    assert "R1 create index: did not help" in " ".join(hurt.out.split())


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "is not JSON"), ("{}", "is not a report of analyze"), ('{"schema_version": 7}', "another version")],
)
def test_what_is_no_report(advisor: Command, logs: tuple[Path, Path], content: str, said: str) -> None:
    path = advisor.home / "report.json"
    path.write_text(content)
    assert said in advisor("diff", *logs, "--advice", path).error()


def test_what_cannot_be_read(advisor: Command, logs: tuple[Path, Path]) -> None:
    advisor("diff", logs[0], "nothing.log").error()
    advisor("diff", "-", "-").error()
    advisor("diff", logs[0]).refusal()
    assert not (advisor.home / "out.json").exists()
    advisor("diff", logs[0], "nothing.log", "--format", "json", "-o", "out.json").error()
    assert not (advisor.home / "out.json").exists()


def test_settings_of_analyze_are_none_of_its_own(advisor: Command, logs: tuple[Path, Path]) -> None:
    (advisor.home / "advisor.toml").write_text('fail-on = "warning"\nmin-calls = 0\nformat = "github"\n')
    assert advisor("diff", *logs).code == 0
    assert advisor("diff", *logs, ADVISOR_FAIL_ON="error", ADVISOR_MIN_CALLS="0").code == 0
