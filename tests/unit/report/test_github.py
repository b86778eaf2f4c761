"""Annotations: one line each, whatever the text."""

from hypothesis import HealthCheck, given, settings

from advisor.model.migration import Migration
from advisor.model.report import Diagnostic, Report
from advisor.report import github
from tests.unit.report.values import LOST, PLACE, finding, recommendation, report, reports, verdict


def test_a_finding_is_an_annotation_on_its_line() -> None:
    place = report(findings=(finding(location=PLACE, severity="error", title="50%, of: all"),), recommendations=())
    assert github.render(place) == (
        "::error title=IDX001 missing-index%3A 50%25%2C of%3A all,"
        "file=migrations/0001_orders_customer_index.sql,line=3,col=1,endLine=3::"
        "Each call reads about 200,000 rows to find about 9, taking 7.1 ms on average over 4,200 calls.\n"
    )


def test_the_remedy_is_in_the_message() -> None:
    line = github.render(report())
    assert line.startswith("::warning ")
    assert "%0AInstead:%0ASET lock_timeout = '15min';%0ACREATE INDEX CONCURRENTLY" in line


def test_what_was_not_tested_says_so() -> None:
    untested = recommendation(verdict=verdict(status="not_tested"))
    assert "%0AInstead (not tested):" in github.render(report(recommendations=(untested,)))


def test_refuted_advice_is_left_out() -> None:
    refuted = recommendation(verdict=verdict(status="no_gain"))
    assert "Instead" not in github.render(report(recommendations=(refuted,)))


def test_withdrawn_and_suppressed_findings_are_left_out() -> None:
    assert github.render(report(findings=(finding(refuted_by="no gain"), finding(suppressed="small")))) == ""


def test_diagnostics_are_annotations_without_a_place() -> None:
    known = (LOST, Diagnostic(level="info", message="not shown"))
    assert github.render(report(findings=(), diagnostics=known)) == "::error::rule IDX001 crashed\n"


@given(reports)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_no_text_can_begin_a_command_of_its_own(value: Report) -> None:
    for line in github.render(value).split("\n")[:-1]:
        assert line.startswith(("::error", "::warning", "::notice"))


def test_a_migration_that_cannot_be_judged_is_an_error_at_its_line() -> None:
    broken = Migration(file="db/2,a.sql", framework="sql", transaction="none", error="line 7: syntax error")
    assert github.render(report(findings=(), migrations=(broken,))) == (
        "::error title=Cannot be judged,file=db/2%2Ca.sql,line=7::line 7: syntax error\n"
    )
