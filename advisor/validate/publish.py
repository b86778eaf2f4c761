"""Findings and verdicts into what the user reads: refuted ones withdrawn, the rest ranked by the time they save."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from advisor.model.advice import Finding, Recommendation, Severity, VerdictStatus

REFUTED: frozenset[VerdictStatus] = frozenset({"no_gain", "not_equivalent", "regressed"})
"""Verdicts after which a remedy is no advice."""

_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Findings in the order they are shown, and the recommendations they refer to, numbered `R1`, `R2`, …"""

    findings: tuple[Finding, ...]
    recommendations: tuple[Recommendation, ...]


def publish(findings: Sequence[Finding], recommendations: Iterable[Recommendation]) -> Published:
    """Withdraws, estimates what is saved, ranks and numbers.

    A finding whose every remedy was refuted becomes `info` and says by what. The refuted recommendations stay in the
    report with their verdicts (nothing is hidden), but no writer shows them as advice.
    """
    remedies: dict[str, list[Recommendation]] = {}
    everything = list(recommendations)
    for recommendation in everything:
        for key in recommendation.findings:
            remedies.setdefault(key, []).append(recommendation)
    judged = [_judged(finding, remedies.get(finding.key, [])) for finding in findings]
    ranked = sorted(judged, key=_rank)
    order = {finding.key: position for position, finding in enumerate(ranked)}
    everything.sort(key=lambda r: (r.verdict.status in REFUTED, min((order.get(k, 0) for k in r.findings), default=0)))
    numbered = tuple(replace(r, id=f"R{number}") for number, r in enumerate(everything, start=1))
    return Published(findings=tuple(ranked), recommendations=numbered)


def _judged(finding: Finding, remedies: Sequence[Recommendation]) -> Finding:
    refuted = [r for r in remedies if r.verdict.status in REFUTED]
    if remedies and len(refuted) == len(remedies):
        reasons = "; ".join(dict.fromkeys(f"{_deed(r)}: {r.verdict.reason}" for r in refuted))
        return replace(finding, severity="info", refuted_by=reasons)
    saved = [s for r in remedies if r.verdict.status not in REFUTED and (s := _saved_ms(finding, r)) is not None]
    if finding.impact.saved_ms is None and saved:
        return replace(finding, impact=replace(finding.impact, saved_ms=round(max(saved), 3)))
    return finding


def _saved_ms(finding: Finding, recommendation: Recommendation) -> float | None:
    """The input's time for the finding's queries times the share that the throwaway server saved on them."""
    total_ms = finding.impact.total_ms
    ours = [m for m in recommendation.verdict.per_query if m.query_id in finding.subject.queries]
    before: Mapping[str, float] = {m.query_id: m.before.ms or m.before.cost or 0.0 for m in ours}
    after = {m.query_id: (m.after.ms if m.before.ms else m.after.cost) or 0.0 for m in ours}
    if total_ms is None or not ours or sum(before.values()) <= 0:
        return None
    return max(total_ms * (1 - sum(after.values()) / sum(before.values())), 0.0)


def _rank(finding: Finding) -> tuple[object, ...]:
    impact = finding.impact
    weight = impact.saved_ms if impact.saved_ms is not None else (impact.total_ms or 0.0) / 2
    return (finding.refuted_by is not None, _SEVERITIES.index(finding.severity), -weight, finding.key)


def _deed(recommendation: Recommendation) -> str:
    return {"create_index": "an index", "rewrite_query": "a rewrite", "batch_queries": "a batch"}.get(
        recommendation.kind, recommendation.kind.replace("_", " ")
    )
