"""A log that is badly understood, shows nothing or is read by several processes, from the command line."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import BROKEN, MIGRATIONS, SCHEMA, SHOP, Command

LINE = "2026-11-20 23:09:00.{:03d} UTC [7] LOG:  duration: 0.1{:02d} ms  statement: SELECT {}\n"
FOREIGN = "pgpool: health check {} done\n"


@pytest.fixture
def half(advisor: Command) -> Path:
    """A log of which about half is another program's."""
    path = advisor.home / "half.log"
    path.write_text("".join(LINE.format(n, n, n) + FOREIGN.format(n) * 3 for n in range(60)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "call",
    [
        ("analyze", "LOG", "--sandbox", "off"),
        ("check", MIGRATIONS / "first", "--schema", SCHEMA, "--workload", "LOG"),
        ("digest", "LOG", "-o", "log.digest"),
        ("diff", "LOG", SHOP / "postgresql.log"),
    ],
)
def test_too_little_understood_ends_with_2(advisor: Command, half: Path, call: tuple[Any, ...]) -> None:
    error = advisor(*(half if each == "LOG" else each for each in call)).error()
    assert "--min-coverage 90" in error
    assert "180 lines like 'pgpool: health check 0 done'" in error
    assert "--prefix" in error
    assert not (advisor.home / "log.digest").exists()


def test_a_lower_floor_lets_it_pass_and_says_what_is_lacking(advisor: Command, half: Path) -> None:
    ran = advisor("analyze", half, "--sandbox", "off", "--min-coverage", "40", "--format", "json")
    assert ran.code == 0
    assert "was understood; not: 180 lines like 'pgpool" in ran.err
    coverage = ran.document()["coverage"]
    assert coverage["bytes_total"] == half.stat().st_size
    assert coverage["bytes_total"] - coverage["bytes_classified"] == sum(len(FOREIGN.format(n)) * 3 for n in range(60))
    assert coverage["unknown"] == [{"sample": "pgpool: health check 0 done", "count": 180}]
    text = advisor("analyze", half, "--sandbox", "off", "--min-coverage", "40").out
    assert "180 lines like pgpool" in text


def test_a_log_that_is_understood_has_no_such_line(advisor: Command) -> None:
    assert "understood" not in advisor("analyze", SHOP / "postgresql.log", "--sandbox", "off").err


def test_the_doctor_names_it_and_goes_on(advisor: Command, half: Path) -> None:
    ran = advisor("doctor", half)
    assert ran.code == 0
    assert re.search(r"missing +understood: ", ran.out)
    assert "180 lines like 'pgpool" in " ".join(ran.out.split())


def test_no_statements_say_why_in_every_format(advisor: Command) -> None:
    log = advisor.home / "quiet.log"
    line = "2026-11-20 23:09:00.{:03d} UTC [3] LOG:  checkpoint starting: time\n"
    log.write_text("".join(line.format(n) for n in range(30)), encoding="utf-8")
    ran = advisor("analyze", log, "--format", "json")
    assert ran.code == 0
    (why,) = [each["message"] for each in ran.document()["diagnostics"] if "no statements" in each["message"]]
    assert "server's own processes" in why
    assert " ".join(why.split()) in " ".join(advisor("analyze", log).out.split())
    doctor = " ".join(advisor("doctor", log).out.split())
    assert doctor.count("server's own processes") == 1
    assert "statements: none" in doctor
    assert "durations: none" not in doctor


def test_the_doctor_agrees_about_sampling(advisor: Command) -> None:
    log = advisor.home / "sampled.log"
    changed = '2026-11-20 23:09:00.000 UTC [3] LOG:  parameter "log_min_duration_statement" changed to "250"\n'
    log.write_text(changed + "".join(LINE.format(n, n, n) for n in range(60)), encoding="utf-8")
    out = " ".join(advisor("doctor", log).out.split())
    assert out.count("log_min_duration_statement was set to 250") == 1
    assert "of every execution that is logged" in out


def test_a_log_without_durations_says_so_once(advisor: Command) -> None:
    out = advisor("analyze", BROKEN / "no_durations.log", "--sandbox", "off").out
    assert out.count("There are no durations") == 1


def test_jobs_change_nothing(advisor: Command) -> None:
    """Of a log that is large enough to be shared."""
    log = advisor.home / "large.log"
    hours = [
        f"2026-11-20 {hour:02d}:{minute:02d}:{n:02d}.{n:03d} UTC [{n}] LOG:  duration: {n}.1{n:02d} ms  statement: "
        f"SELECT * FROM orders WHERE id = {n} -- {'x' * 900}\n"
        for hour in range(20)
        for minute in range(60)
        for n in range(10, 28)
    ]
    log.write_text("".join(hours), encoding="utf-8")
    assert log.stat().st_size > 2 * (8 << 20)
    one, two = (advisor("analyze", log, "--sandbox", "off", "--format", "json", "--jobs", jobs) for jobs in ("1", "2"))
    assert one.code == two.code == 0
    assert two.out == one.out
    assert one.document()["coverage"]["statements"] == len(hours)
    assert advisor("analyze", log, "--sandbox", "off", "--format", "json", ADVISOR_JOBS="2").out == one.out


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_jobs_that_are_none(advisor: Command, jobs: str) -> None:
    assert "--jobs" in advisor("analyze", "x.log", "--jobs", jobs).refusal()


def test_jobs_may_stand_in_the_configuration(advisor: Command) -> None:
    (advisor.home / "advisor.toml").write_text("jobs = 0\n", encoding="utf-8")
    assert "--jobs" in advisor("analyze", SHOP / "postgresql.log").refusal()
