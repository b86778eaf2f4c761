"""The cards: what is said, what is never said, and that it can be read and pasted."""

import re
from dataclasses import replace
from typing import Any, get_args

import postgast
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.model.advice import Measure, VerdictStatus
from advisor.model.migration import Migration
from advisor.model.report import Diagnostic, Report
from advisor.model.workload import Workload
from advisor.report import text
from tests.unit.report.values import (
    CHECKED,
    CREATE,
    LOST,
    MIGRATION,
    PLACE,
    QUERY,
    finding,
    recommendation,
    report,
    reports,
    verdict,
)

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \u202eright to left\u2066 \x00 \x9b1A \u2028 line\r over"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def words(shown: str) -> str:
    """Without line ends and indentation."""
    return " ".join(shown.split())


def with_verdict(**changes: Any) -> Report:
    return report(recommendations=(recommendation(verdict=verdict(**changes)),))


def test_a_card_has_why_do_and_proof() -> None:
    shown = words(text.render(report()))
    card = "1. warning IDX001 missing-index saves about 29.3 s of the 29.9 s in this input no index on"
    assert card in shown
    why, do, proof = (shown.index(f" {label} ") for label in ("why", "do", "proof"))
    assert why < do < proof
    assert "4,200 calls x 7.12 ms, id 763c999344b78295" in shown
    assert "proof proven on S1; 0.68 ms -> 0.01 ms; 340 -> 11 blocks; cost 718 -> 40; index of 944 kB there" in shown
    assert "Tried on S1: embedded PostgreSQL 18.6, synthesised rows" in shown
    assert "sure? medium confidence" in shown


def test_lines_fit_into_80_columns_and_have_no_blanks_at_their_ends() -> None:
    shown = text.render(report(migrations=(MIGRATION,), assumptions=("public.t: 10 rows assumed " * 6,)))
    assert max(map(len, shown.split("\n"))) <= 80
    assert [line for line in shown.split("\n") if line != line.rstrip()] == []
    assert "\x1b" not in shown


@pytest.mark.parametrize("width", [40, 80, 120])
def test_statements_can_be_pasted(width: int) -> None:
    lines = text.render(report(), width=width).split("\n")
    first = next(number for number, line in enumerate(lines) if "SET lock_timeout" in line)
    last = next(number for number, line in enumerate(lines) if "RESET" in line)
    pasted = postgast.parse("\n".join(lines[first : last + 1]))
    assert [postgast.deparse(postgast.parse(CREATE))] == [
        one for one in postgast.deparse(pasted).split("; ") if one.startswith("CREATE")
    ]


def test_a_statement_that_ends_in_a_comment_still_ends() -> None:
    advice = recommendation(statements=("ANALYZE;", "SELECT 1 -- one"), rollback=())
    lines = [line.strip() for line in text.render(report(recommendations=(advice,))).split("\n")]
    assert "ANALYZE;" in lines
    assert lines[lines.index("SELECT 1 -- one") + 1] == ";"


def test_a_rewrite_is_shown_before_its_index() -> None:
    advice = recommendation(kind="rewrite_query", safety="review", rewritten_sql="SELECT 1\nFROM t")
    shown = words(text.render(report(recommendations=(replace(advice, verdict=verdict(equivalence=CHECKED)),))))
    assert "do rewrite the query, after a review and create this index SELECT 1 FROM t; SET lock_timeout" in shown
    assert "same rows on 3 data sets" in shown


def test_only_what_was_proven_is_called_proven() -> None:
    for status in get_args(VerdictStatus):
        shown = text.render(with_verdict(status=status))
        assert ("proof  proven" in shown) == (status == "proven")


def test_not_tested_is_never_drawn_as_success() -> None:
    nothing = Measure()
    untested = with_verdict(status="not_tested", reason="--sandbox off", before=nothing, after=nothing, per_query=())
    shown = text.render(untested, colour=True)
    line = next(line for line in shown.split("\n") if "NOT TESTED" in line)
    assert "--sandbox off" in line
    assert "\x1b[33mNOT TESTED" in line
    assert "\x1b[32m" not in line


@pytest.mark.parametrize("status", ["no_gain", "regressed", "not_equivalent"])
def test_refuted_advice_is_not_shown_as_advice(status: Any) -> None:
    assert "CREATE INDEX CONCURRENTLY orders" not in text.render(with_verdict(status=status))


def test_a_withdrawn_finding_has_no_card_but_its_reason() -> None:
    withdrawn = finding(severity="info", refuted_by="an index: the planner does not use it")
    shown = text.render(report(findings=(withdrawn,)))
    assert "1. " not in shown
    assert "the planner does not use it" in words(shown)
    assert "Nothing found." in shown


def test_a_suppressed_finding_has_no_card_but_its_reason() -> None:
    shown = text.render(report(findings=(finding(suppressed="a table of ten rows"),)))
    assert "1. " not in shown
    assert "a table of ten rows" in words(shown)


def test_cards_beyond_the_top_are_counted() -> None:
    many = tuple(finding(key=str(number), title=f"number {number}") for number in range(30))
    assert "10 more: --top 30 shows all of them." in text.render(report(findings=many))
    assert "number 29" in text.render(report(findings=many), top=30)
    assert "number 1" not in text.render(report(findings=many), top=1)
    assert "Found: 30 warnings." in text.render(report(findings=many), top=1)


def test_coverage_is_never_rounded_up() -> None:
    assert "99.9 % of the input was understood." in text.render(report())


def test_a_stopped_run_says_so() -> None:
    shown = text.render(report(complete=False, findings=()))
    assert "Incomplete" in shown
    assert "Nothing found before it was stopped." in shown


def test_what_the_user_must_know_of_the_run() -> None:
    notes = Workload(warnings=("the log has no durations: set log_min_duration_statement",))
    shown = text.render(report(workload=notes, diagnostics=(LOST, Diagnostic(level="info", message="18, not 15"))))
    assert "Error: rule IDX001 crashed (2 times)" in shown
    assert "Note: 18, not 15" in shown
    assert "Note: the log has no durations" in shown
    assert "Not judged: PLN003 (no plans in the input)" in shown


def test_migrations_say_what_was_locked_and_what_is_not_known() -> None:
    placed = finding(rule="MIG001", name="index-create-blocking", location=PLACE)
    shown = words(text.render(report(command="check", migrations=(MIGRATION,), findings=(placed,))))
    assert "line 3: CREATE INDEX orders_customer ON orders (customer_id)" in shown
    assert "ShareLock on public.orders; blocks writes; scans public.orders" in shown
    assert "line 5: VACUUM orders not traced: its locks are not known; fails: it cannot be run" in shown
    assert f"query {QUERY.id}: slower; reads public.orders in full" in shown
    assert "where migrations/0001_orders_customer_index.sql:3" in shown


def test_a_migration_that_cannot_be_judged() -> None:
    broken = Migration(file="1.sql", framework="sql", transaction="none", error="line 2: syntax error", statements=())
    assert "cannot be judged: line 2: syntax error" in text.render(report(migrations=(broken,)))


@pytest.mark.parametrize("colour", [False, True])
def test_hostile_text_is_harmless(colour: bool) -> None:
    shown = text.render(
        report(
            findings=(finding(title=HOSTILE, message=HOSTILE),),
            recommendations=(recommendation(statements=(HOSTILE,), notes=(HOSTILE,)),),
            workload=Workload(queries=(replace(QUERY, sql=HOSTILE),), warnings=(HOSTILE,)),
        ),
        colour=colour,
    )
    assert STEERING.findall(re.sub("\x1b\\[[0-9;]*m", "", shown)) == []
    assert "\x1b[31mred" not in shown
    assert "take it from --format json" in words(re.sub("\x1b\\[[0-9;]*m", "", shown))


def test_markup_is_text() -> None:
    assert "[bold]x[/bold] :smile:" in text.render(report(findings=(finding(title="[bold]x[/bold] :smile:"),)))


def test_a_huge_query_is_cut_where_it_is_only_shown() -> None:
    shown = text.render(report(workload=Workload(queries=(replace(QUERY, sql="SELECT " + "x, " * 500_000),))))
    assert len(shown) < 10_000


@given(reports, st.sampled_from([40, 80]), st.booleans())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_report_can_be_shown(value: Report, width: int, colour: bool) -> None:
    shown = text.render(value, width=width, colour=colour)
    assert STEERING.findall(re.sub("\x1b\\[[0-9;]*m", "", shown)) == []
    assert shown.endswith("\n")
