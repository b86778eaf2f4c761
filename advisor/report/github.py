"""Workflow commands that GitHub shows as annotations on a pull request's lines.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from advisor.model.advice import Finding
from advisor.model.report import Report

_LEVELS = {"error": "error", "warning": "warning", "info": "notice"}


def render(report: Report) -> str:
    """One line per finding that is not withdrawn, and one per diagnostic; empty where there is nothing."""
    lines = [_annotation(finding) for finding in report.findings if finding.refuted_by is None]
    lines += [f"::{_LEVELS[d.level]}::{_data(d.message)}" for d in report.diagnostics if d.level != "info"]
    return "".join(f"{line}\n" for line in lines)


def _annotation(finding: Finding) -> str:
    properties = {"title": f"{finding.rule} {finding.name}: {finding.title}"}
    if finding.location is not None:
        place = finding.location
        properties |= {"file": place.file, "line": str(place.line), "col": str(place.column)}
        if place.end_line is not None:
            properties["endLine"] = str(place.end_line)
    steps = [s for remedy in finding.remedies for s in getattr(remedy, "statements", ())]
    message = finding.message + ("\nInstead:\n" + "\n".join(f"{step};" for step in steps) if steps else "")
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{_LEVELS[finding.severity]} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
