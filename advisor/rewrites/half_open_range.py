"""`date_trunc('month', x) = '2026-03-01'` into `x >= '2026-03-01' AND x < '2026-04-01'`, wherever it stands."""

from advisor.model.advice import Rewrite, RewriteProposal
from advisor.model.workload import Sample
from advisor.sql.date_ranges import DateRange, date_ranges, with_half_open_ranges
from advisor.sql.pretty import pretty

KIND = "half_open_range"


def boundaries(proposal: RewriteProposal, sample: Sample) -> tuple[str, ...]:
    """The ends of the ranges: where a wrong range would return other rows."""
    found = [r for r in date_ranges(sample.sql) if r.column == proposal.column]
    return tuple(dict.fromkeys(end for r in found for end in (r.low, r.high) if end is not None))


def rewrite(proposal: RewriteProposal, sample: Sample) -> Rewrite | None:
    """The sample with every condition of the proposal's column replaced; None where there is none."""

    def wanted(found: DateRange) -> bool:
        return found.column == proposal.column and found.alias == proposal.detail.get("alias")

    rewritten = with_half_open_ranges(sample.sql, wanted)
    if rewritten is None:
        return None
    return Rewrite(
        kind=KIND,
        query_id=proposal.query_id,
        original_sql=sample.sql,
        rewritten_sql=pretty(rewritten),
        notes=("Both ends are read in the session's time zone, as the original's constant was.",),
    )
