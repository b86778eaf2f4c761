"""What the reader sees once the verdicts are in."""

from advisor.model.advice import (
    Finding,
    Impact,
    Measure,
    QueryMeasure,
    Recommendation,
    Subject,
    Verdict,
    VerdictStatus,
)
from advisor.validate.publish import publish


def finding(key: str, total_ms: float = 1000.0) -> Finding:
    return Finding(
        key=key,
        rule="IDX001",
        name="missing-index",
        severity="warning",
        confidence="high",
        title=key,
        message="",
        subject=Subject(queries=(key,)),
        impact=Impact(total_ms=total_ms, calls=10),
    )


def recommendation(status: VerdictStatus, *keys: str, after_ms: float = 1.0) -> Recommendation:
    each = tuple(QueryMeasure(query_id=k, before=Measure(ms=10.0), after=Measure(ms=after_ms)) for k in keys)
    verdict = Verdict(status=status, reason=f"{status} it is", per_query=each)
    return Recommendation(id="", kind="create_index", safety="safe", verdict=verdict, findings=keys)


def test_refuted_finding_is_withdrawn_with_the_reason() -> None:
    published = publish([finding("a"), finding("b")], [recommendation("no_gain", "a"), recommendation("proven", "b")])
    good, withdrawn = published.findings
    assert (good.key, good.refuted_by, good.severity) == ("b", None, "warning")
    assert (withdrawn.key, withdrawn.severity) == ("a", "info")
    assert withdrawn.refuted_by is not None
    assert "no_gain it is" in withdrawn.refuted_by


def test_one_good_remedy_keeps_a_finding() -> None:
    published = publish([finding("a")], [recommendation("no_gain", "a"), recommendation("proven", "a")])
    assert published.findings[0].refuted_by is None
    assert [(r.id, r.verdict.status) for r in published.recommendations] == [("R1", "proven"), ("R2", "no_gain")]


def test_untested_advice_refutes_nothing_and_saves_nothing() -> None:
    published = publish([finding("a")], [recommendation("not_tested", "a", after_ms=10.0)])
    assert published.findings[0].refuted_by is None
    assert published.findings[0].impact.saved_ms == 0.0


def test_ranked_by_the_time_saved() -> None:
    findings = [finding("small", 100.0), finding("large", 9000.0), finding("barely", 9000.0)]
    advice = [
        recommendation("proven", "small"),
        recommendation("proven", "large"),
        recommendation("proven", "barely", after_ms=9.9),
    ]
    published = publish(findings, advice)
    assert [(f.key, f.impact.saved_ms) for f in published.findings] == [
        ("large", 8100.0),
        ("barely", 90.0),
        ("small", 90.0),
    ]
