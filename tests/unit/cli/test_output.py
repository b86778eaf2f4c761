"""Where a report goes, and what the exit code says of it."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.cli.output import Output, exit_code
from advisor.errors import UsageError
from advisor.model.migration import Migration
from advisor.model.options import FailOn
from advisor.model.report import Diagnostic
from tests.unit.report.values import LOST, finding, report

UNPARSABLE = Migration(file="1.sql", framework="sql", transaction="none", error="line 2: syntax error")


@pytest.mark.parametrize(("fail_on", "code"), [("never", 0), ("error", 0), ("warning", 1), ("info", 1)])
def test_a_warning(fail_on: FailOn, code: int) -> None:
    assert exit_code(report(), fail_on) == code


def test_withdrawn_and_suppressed_findings_do_not_count() -> None:
    assert exit_code(report(findings=(finding(refuted_by="no gain"), finding(suppressed="small"))), "info") == 0


@pytest.mark.parametrize("changes", [{"diagnostics": (LOST,)}, {"migrations": (UNPARSABLE,)}])
def test_what_could_not_be_done_outranks_findings(changes: dict[str, object]) -> None:
    assert exit_code(report(**changes), "warning") == 2
    assert exit_code(report(**changes), "never") == 2


def test_a_warning_about_the_run_is_no_failure() -> None:
    assert exit_code(report(diagnostics=(replace(LOST, level="warning"),)), "never") == 0
    assert exit_code(report(diagnostics=(Diagnostic(level="info", message="18"),)), "never") == 0


def test_a_file_keeps_its_mode_and_a_link_its_target(tmp_path: Path) -> None:
    target, link = tmp_path / "report.txt", tmp_path / "link.txt"
    target.write_text("before")
    target.chmod(0o640)
    link.symlink_to(target)
    Output(pairs=[("text", str(link))]).write(report())
    assert "IDX001" in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.txt", "report.txt"]


def test_a_device_is_written_to_and_not_replaced() -> None:
    before = Path("/dev/null").stat()
    Output(pairs=[("json", "/dev/null")]).write(report())
    after = Path("/dev/null").stat()
    assert stat.S_ISCHR(after.st_mode)
    assert (after.st_ino, after.st_rdev) == (before.st_ino, before.st_rdev)


def test_a_pipe_gets_the_report(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as stream:
        Output(pairs=[("github", f"/dev/fd/{writing}")]).write(report())
        os.close(writing)
        assert stream.read().startswith("::warning ")


@pytest.mark.parametrize("name", ["nothing/here.txt", "."])
def test_files_that_cannot_be_written_are_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="cannot write"):
        Output(pairs=[("text", name)])
