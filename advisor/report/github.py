"""Workflow commands that GitHub shows as annotations on a pull request's lines.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

import re

from advisor.model.advice import Finding
from advisor.model.migration import Migration
from advisor.model.report import Report

_LEVELS = {"error": "error", "warning": "warning", "info": "notice"}
_REFUTED = frozenset({"no_gain", "not_equivalent", "regressed"})


def render(report: Report) -> str:
    """One line per finding that is neither withdrawn nor suppressed, and one per migration that cannot be judged and
    per diagnostic; empty where there is nothing."""
    shown = [f for f in report.findings if f.refuted_by is None and f.suppressed is None]
    lines = [_annotation(finding, report) for finding in shown]
    lines += [_unjudged(migration) for migration in report.migrations if migration.error]
    lines += [f"::{_LEVELS[d.level]}::{_data(d.message)}" for d in report.diagnostics if d.level != "info"]
    return "".join(f"{line}\n" for line in lines)


def _annotation(finding: Finding, report: Report) -> str:
    properties = {"title": f"{finding.rule} {finding.name}: {finding.title}"}
    if finding.location is not None:
        place = finding.location
        properties |= {"file": place.file, "line": str(place.line), "col": str(place.column)}
        if place.end_line is not None:
            properties["endLine"] = str(place.end_line)
    message = "\n".join((finding.message, *_steps(finding, report)))
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{_LEVELS[finding.severity]} {listed}::{_data(message)}"


def _unjudged(migration: Migration) -> str:
    error = migration.error or ""
    line = re.match(r"line (\d+)", error)
    place = f"file={_property(migration.file)},line={line[1] if line else 1}"
    return f"::error title=Cannot be judged,{place}::{_data(error)}"


def _steps(finding: Finding, report: Report) -> list[str]:
    steps = []
    for recommendation in report.recommendations:
        if finding.key not in recommendation.findings or recommendation.verdict.status in _REFUTED:
            continue
        tested = " (not tested)" if recommendation.verdict.status == "not_tested" else ""
        rewritten = (recommendation.rewritten_sql,) if recommendation.rewritten_sql else ()
        statements = [f"{s.rstrip().removesuffix(';')};" for s in (*rewritten, *recommendation.statements)]
        steps += [f"Instead{tested}:", *statements, *recommendation.notes]
    return steps


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
