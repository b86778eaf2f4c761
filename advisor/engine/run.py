"""One walk over the evidence that feeds every rule what it asked for."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from advisor.engine.rule import Need, Rule, Scope
from advisor.engine.subjects import SUBJECTS, PlanNodeSubject
from advisor.model.advice import Finding
from advisor.model.evidence import Evidence
from advisor.model.report import Diagnostic, SkippedRule

_WITHOUT_SESSIONS = frozenset({"sql", "explain", "pg_stat_statements"})
"""Formats of inputs that are no logs; all others are, whatever is around them."""
"""Input formats whose records name their session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRun:
    """What the rules found: findings without duplicates of one key, and which rules ran, were skipped or crashed."""

    findings: tuple[Finding, ...] = ()
    rules_run: tuple[str, ...] = ()
    rules_skipped: tuple[SkippedRule, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def missing_evidence(rule: Rule, evidence: Evidence) -> str | None:
    """Why the rule cannot run on this evidence; None where it can."""
    workload = evidence.workload
    reasons: dict[Need, tuple[bool, str]] = {
        "catalog": (evidence.catalog is not None, "no catalog: give --dsn, --snapshot or --schema"),
        "workload": (bool(workload.queries), "no statements in the input"),
        "plans": (bool(workload.plans), "no plans in the input"),
        "timings": (any(query.timed_calls for query in workload.queries), "no durations in the input"),
        "sessions": (
            any(i.format not in _WITHOUT_SESSIONS for i in workload.inputs),
            "no log with sessions in the input",
        ),
        "migrations": (bool(evidence.migrations), "no migrations in the input"),
        "tables": (
            bool(workload.plans) or (evidence.catalog is not None and bool(workload.queries)),
            "neither plans nor statements with a catalog (--dsn, --snapshot or --schema)",
        ),
    }
    return next((reasons[need][1] for need in sorted(rule.needs) if not reasons[need][0]), None)


def run_rules(rules: Sequence[Rule], evidence: Evidence) -> RuleRun:
    """Runs every rule that has its evidence, each thing of the evidence visited once per scope.

    A rule that raises becomes an `error` diagnostic; the others still report.
    """
    skipped = {rule.code: reason for rule in rules if (reason := missing_evidence(rule, evidence)) is not None}
    ready = [rule for rule in rules if rule.code not in skipped]
    by_scope: dict[Scope, list[Rule]] = defaultdict(list)
    for rule in ready:
        by_scope[rule.scope].append(rule)
    found: list[Finding] = []
    crashed: dict[str, Diagnostic] = {}
    for scope, scoped in by_scope.items():
        for subject in SUBJECTS[scope](evidence):
            for rule in scoped:
                if rule.code in crashed or not _wanted(rule, subject):
                    continue
                try:
                    found.extend(rule.check(subject, evidence))
                except Exception as error:  # noqa: BLE001 - one broken rule must not silence the others
                    text = f"rule {rule.code} crashed: {type(error).__name__}: {error}"
                    crashed[rule.code] = Diagnostic(level="error", message=text)
    return RuleRun(
        findings=tuple(unique_findings(found)),
        rules_run=tuple(rule.code for rule in ready if rule.code not in crashed),
        rules_skipped=tuple(SkippedRule(rule=code, reason=reason) for code, reason in sorted(skipped.items())),
        diagnostics=tuple(crashed.values()),
    )


def unique_findings(findings: Iterable[Finding]) -> list[Finding]:
    """One finding per key; the same hazard again in one migration file is numbered, since each place is one to mend."""
    seen: Counter[str] = Counter()
    unique: list[Finding] = []
    for finding in findings:
        seen[finding.key] += 1
        if seen[finding.key] == 1:
            unique.append(finding)
        elif finding.location is not None:
            unique.append(replace(finding, key=f"{finding.key}#{seen[finding.key]}"))
    return unique


def _wanted(rule: Rule, subject: object) -> bool:
    if not rule.matches or not isinstance(subject, PlanNodeSubject):
        return True
    return subject.node.node_type in rule.matches
