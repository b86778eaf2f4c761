"""The committed fixtures agree with each other and with their labels."""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHOP = ROOT / "fixtures" / "logs" / "shop"
BROKEN = ROOT / "fixtures" / "logs" / "broken"
MIGRATIONS = ROOT / "fixtures" / "migrations"
LABELS: dict[str, Any] = json.loads((SHOP / "labels.json").read_text())
CASES: list[dict[str, Any]] = LABELS["faults"] + LABELS["quiet"] + LABELS["optional"]
EXECUTION = re.compile(r"duration: [\d.]+ ms  (?:statement|execute [^:]+): (.*)", re.DOTALL)
TRANSACTION = {"BEGIN", "COMMIT", "ROLLBACK"}


def by_session(records: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The executed statements of each process, from (process id, message)."""
    sessions: dict[str, list[str]] = {}
    for process, message in records:
        if match := EXECUTION.match(message):
            sessions.setdefault(process, []).append(match[1])
    return sessions


def sessions_in_stderr() -> dict[str, list[str]]:
    """Of the stderr log, whose continuation lines begin with a tab."""
    records = re.split(r"\n(?=20\d\d-)", (SHOP / "postgresql.log").read_text().rstrip("\n"))
    found = (re.search(r"\[(\d+)\] .*? LOG:  (duration: .*)", record, re.DOTALL) for record in records)
    return by_session((match[1], match[2].replace("\n\t", "\n")) for match in found if match)


def sessions_in_csv() -> dict[str, list[str]]:
    text = (SHOP / "postgresql.csv").read_text()
    return by_session((row[3], row[13]) for row in csv.reader(io.StringIO(text)))


def sessions_in_json() -> dict[str, list[str]]:
    records = map(json.loads, (SHOP / "postgresql.json").read_text().splitlines())
    return by_session((str(record["pid"]), record.get("message", "")) for record in records)


def executions() -> list[str]:
    return [statement for statements in sessions_in_json().values() for statement in statements]


def label_of(statement: str) -> str | None:
    """The name of the labelled statement that this logged text is an execution of."""
    bare = re.sub(r" /\*.*\*/$", "", statement)
    for name, sql in LABELS["statements"].items():
        if name in LABELS["literal"]:
            pattern = re.sub(r"\\\$\d+", lambda _: r"(?:\d+|'[^']*')", re.escape(sql))
            if re.fullmatch(pattern, bare):
                return str(name)
        elif bare == sql:
            return str(name)
    return None


def test_the_three_formats_hold_the_same_executions_per_session() -> None:
    in_json = sessions_in_json()
    assert len(in_json) > 10
    assert len(executions()) > 1000
    assert sessions_in_csv() == in_json
    assert sessions_in_stderr() == in_json


def test_every_logged_statement_is_labelled_and_every_label_is_logged() -> None:
    named = {statement: label_of(statement) for statement in set(executions()) - TRANSACTION}
    assert [statement for statement, name in named.items() if name is None] == []
    # An INSERT that fails every time leaves an error, not an execution.
    assert set(LABELS["statements"]) - set(named.values()) == {"insert_customer"}


def test_every_statement_is_part_of_a_case_and_every_case_names_statements() -> None:
    used = {name for case in CASES for name in case["statements"]} | {
        case["parent"] for case in CASES if "parent" in case
    }
    assert used == set(LABELS["statements"])
    assert len({case["id"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", LABELS["faults"] + LABELS["optional"], ids=lambda case: case["id"])
def test_a_fault_names_its_rule_and_object(case: dict[str, Any]) -> None:
    assert case["rule"] in {"IDX001", "NPO001", "SCN001", "QRY001"}
    schema, table = case["table"].split(".")
    written = f'"{table}"' if table != table.lower() else table
    prefix = "" if schema == "public" else f"{schema}."
    ddl = re.search(
        rf"^CREATE TABLE {prefix}{written} \((.*?)^\);", (ROOT / "fixtures/schemas/shop.sql").read_text(), re.M | re.S
    )
    assert ddl is not None
    assert all(re.search(rf'^ +"?{column}"? ', ddl[1], re.M) for column in case["columns"])
    assert (case["rule"] == "NPO001") == ("parent" in case)


@pytest.mark.parametrize("case", LABELS["quiet"], ids=lambda case: case["id"])
def test_a_look_alike_says_what_must_stay_quiet_and_why(case: dict[str, Any]) -> None:
    assert set(case["rules"]) <= {"IDX001", "NPO001", "SCN001", "QRY001"}
    assert case["reason"]
    expected = {(fault["rule"], name) for fault in LABELS["faults"] for name in fault["statements"]}
    assert not expected & {(rule, name) for rule in case["rules"] for name in case["statements"]}


def test_children_of_an_n_plus_one_run_several_times_per_parent() -> None:
    calls: dict[str | None, int] = {}
    for statement in executions():
        name = label_of(statement)
        calls[name] = calls.get(name, 0) + 1
    for case in LABELS["faults"]:
        if case["rule"] == "NPO001":
            assert calls[case["statements"][0]] >= 3 * calls[case["parent"]]


@pytest.mark.parametrize("kind", ["log", "csv", "json"])
def test_the_compressed_log_is_the_plain_one(kind: str) -> None:
    plain = (SHOP / f"postgresql.{kind}").read_bytes()
    assert gzip.decompress((SHOP / f"postgresql.{kind}.gz").read_bytes()) == plain


def test_the_demo_is_the_fixture() -> None:
    demo = ROOT / "advisor" / "demo"
    assert (demo / "shop.log.gz").read_bytes() == (SHOP / "postgresql.log.gz").read_bytes()
    assert (demo / "shop.sql").read_bytes() == (ROOT / "fixtures" / "schemas" / "shop.sql").read_bytes()


def test_a_broken_log_lacks_what_its_name_says() -> None:
    assert (BROKEN / "empty.log").read_bytes() == b""
    assert b"\0" in (BROKEN / "binary.log").read_bytes()
    with pytest.raises(EOFError):
        gzip.decompress((BROKEN / "truncated.log.gz").read_bytes())
    assert "duration:" not in (BROKEN / "no_durations.log").read_text()
    assert not re.search(r"^\d{4}-|\[\d+\]", (BROKEN / "unknown_prefix.log").read_text(), re.M)
    assert "WHERE (id = 7 AND\n" in (BROKEN / "unparsable.log").read_text()
    assert not re.search(r"duration:|statement:", (BROKEN / "only_errors.log").read_text())


def test_every_migration_is_labelled() -> None:
    files: dict[str, dict[str, Any]] = json.loads((MIGRATIONS / "first" / "labels.json").read_text())["files"]
    assert sorted(files) == sorted(path.name for path in (MIGRATIONS / "first").glob("*.sql"))
    for label in files.values():
        assert label["exit"] == (0 if label["safe"] else 1)
        assert label["safe"] or label["rules"]
        assert label["why"]
