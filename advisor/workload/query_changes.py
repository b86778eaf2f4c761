"""What is said of one query: which changes stand out, whether they matter, and how sure that is."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from advisor.model.advice import Confidence
from advisor.model.difference import Change, Numbers, PlanChange, QueryDifference
from advisor.model.workload import Query
from advisor.workload.durations import Durations
from advisor.workload.frame import Frame
from advisor.workload.hourly import Uncertainty
from advisor.workload.judging import Judged

FALSE_SHARE = 0.05
"""At most this share of the changes told is chance (q-value)."""

LEAST_RATIO = 1.2
"""Less is within what another day, another cache or a newer minor version do to a query."""

LEAST_TAIL_RATIO = 1.3
"""For the 95th percentile, which rests on a twentieth of the calls."""

SAME_MEDIAN = 1.2
"""A median within this of what all queries do is the same, where only the tail is told."""

LEAST_CALLS_RATIO = 1.5
"""For calls per hour: traffic moves more than durations do."""

LEAST_COUNT_RATIO = 2.0
"""For rows, blocks, errors and temporary files per call."""

ABSENT = 0.01
"""A query is told as new or vanished where its absence by chance is less likely than this."""

LEAST_SHARE = 0.001
"""Of the time of all queries: what costs less is not worth a line."""

LEAST_CALLS_SHARE = 0.01
"""Of all calls: for what is about calls, where their time is small."""

LEAST_MS = 0.05
"""Logged durations of less apart are the work of the logging as much as of the query."""

LEAST_ROW_CALLS = 100
LEAST_PLANS = 5
LEAST_BLOCKS = 100
LEAST_ERRORS = 3
"""Rows, blocks and errors are only compared from so many on: there are no hours to test them by."""

SURE_HOURS, FAIR_HOURS = 12, 4
SURE_CALLS = 200
"""Half a day, and so many calls, for high confidence; 4 hours for medium."""

RANK: tuple[Change, ...] = (
    *("slower", "slower_tail", "errors", "new", "more_calls", "plan", "temp_files", "blocks", "rows"),
    *("vanished", "fewer_calls", "faster", "faster_tail", "same", "unknown"),
)

_LEVELS: tuple[Confidence, ...] = ("low", "medium", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A query in both inputs with what the tests made of it; None: not tested. q-values of `errors` and `temp_files`
    come with their ratio."""

    old: Query
    new: Query
    old_durations: Durations | None = None
    new_durations: Durations | None = None
    uncertainty: Uncertainty | None = None
    time: Judged | None = None
    tail: Judged | None = None
    calls: Judged | None = None
    errors: tuple[float, float] | None = None
    temp_files: tuple[float, float] | None = None
    plan: PlanChange | None = None
    untold: str | None = None
    """Why its times were not tested."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What stands around the queries: both frames, and the confidence at best."""

    old: Frame
    new: Frame
    confidence: Confidence


def difference_of(facts: Facts, setting: Setting) -> QueryDifference:
    """A query that is in both inputs."""
    old = numbers(facts.old, facts.old_durations, setting.old)
    new = numbers(facts.new, facts.new_durations, setting.new)
    told = [*_times(facts), *_calls(facts), *_counts(facts, old, new)]
    if not told:
        told = [("same" if facts.untold is None else "unknown", "")]
    if facts.untold is not None:
        told.append((told[0][0], facts.untold))
    changes = tuple(sorted(dict(told), key=RANK.index))
    found = QueryDifference(
        sql=facts.new.sql,
        database=facts.new.database,
        tables=facts.new.tables,
        changes=changes,
        matters=False,
        confidence=_confidence(facts, setting.confidence),
        old=old,
        new=new,
        ratio=facts.time.ratio if facts.time else None,
        own_ratio=facts.time.own if facts.time else None,
        p95_ratio=facts.tail.ratio if facts.tail else None,
        calls_ratio=facts.calls.ratio if facts.calls else None,
        p_value=facts.time.p_value if facts.time else None,
        q_value=facts.time.q_value if facts.time else None,
        extra_ms_per_hour=_extra(old, new, setting),
        plan=facts.plan,
        reasons=tuple(reason for _, reason in told if reason),
    )
    return replace(found, matters=any(_matters(change, found, setting) for change in changes))


def one_sided(query: Query, *, is_new: bool, chance: float | None, setting: Setting) -> QueryDifference:
    """A query of one input only; `chance`: q-value of its absence from the other, None where it cannot be told."""
    frame = setting.new if is_new else setting.old
    side = numbers(query, None, frame)
    change: Change = "new" if is_new else "vanished"
    where = ("NEW", "OLD") if is_new else ("OLD", "NEW")
    reasons = []
    if chance is None:
        reasons = [f"it is in {where[0]} only, but the inputs do not cover the same times or statements"]
    elif chance > ABSENT:
        often = f"{side.calls:,} calls" if side.calls != 1 else "1 call"
        hours = f" in {side.hours} of {len(frame.hours)} hours" if frame.hours else ""
        reasons = [f"it is in {where[0]} only, but with {often}{hours} it may just not have run in {where[1]}"]
    if reasons:
        change = "unknown"
    per_hour = (side.total_ms or 0.0) / (frame.covered_hours or 1.0)
    found = QueryDifference(
        sql=query.sql,
        database=query.database,
        tables=query.tables,
        changes=(change,),
        matters=False,
        confidence=setting.confidence if change != "unknown" else "low",
        old=None if is_new else side,
        new=side if is_new else None,
        q_value=chance,
        extra_ms_per_hour=per_hour if is_new else -per_hour,
        reasons=tuple(reasons),
    )
    return replace(found, matters=_matters(change, found, setting))


def numbers(query: Query, times: Durations | None, frame: Frame) -> Numbers:
    """The query's numbers in one input."""
    total_ms = query.estimated_total_ms
    plans = query.plan_totals
    blocks = plans.shared_hit_blocks + plans.shared_read_blocks if plans is not None else 0
    quantile = times.quantile_us if times is not None else query.latency.quantile_us
    return Numbers(
        id=query.id,
        calls=query.calls,
        calls_per_hour=query.calls / frame.covered_hours if frame.covered_hours else None,
        total_ms=total_ms,
        mean_ms=query.mean_ms,
        p50_ms=_ms(quantile(0.5)),
        p95_ms=_ms(quantile(0.95)),
        share=total_ms * 1000 / frame.total_us if total_ms is not None and frame.total_us else None,
        hours=sum(1 for hour in query.hours if hour.calls),
        rows_per_call=query.rows / query.calls if query.rows is not None and query.calls else None,
        temp_bytes_per_call=query.temp_bytes / query.calls if query.calls else float(query.temp_bytes),
        blocks_per_plan=blocks / plans.plans if plans is not None and plans.plans and blocks else None,
        errors=query.errors,
    )


def beyond(judged: Judged, least: float) -> int:
    """1 where a ratio is up, -1 where it is down: as measured, and also beside what all have in common; else 0."""
    if judged.q_value > FALSE_SHARE:
        return 0
    if min(judged.ratio.value, judged.own.value) >= least:
        return 1
    return -1 if max(judged.ratio.value, judged.own.value) <= 1 / least else 0


def weight(found: QueryDifference) -> float:
    """How much a change is worth, in milliseconds per hour: for the order of a report."""
    extra = abs(found.extra_ms_per_hour or 0.0)
    if found.old is None or found.new is None or found.calls_ratio is None:
        return extra
    old, new = found.old.calls_per_hour or 0.0, found.new.calls_per_hour or 0.0
    return extra + abs(new - old) * (found.new.mean_ms or 0.0)


def _times(facts: Facts) -> Iterator[tuple[Change, str]]:
    time, old, new = facts.time, facts.old_durations, facts.new_durations
    if time is None or old is None or new is None:
        return
    way = beyond(time, LEAST_RATIO)
    # Its typical call and its mean must agree: else time went from one kind of its calls to another.
    if way and (new.log_of_mean - old.log_of_mean) * way > 0:
        yield ("slower" if way > 0 else "faster"), ""
        return
    medians = old.quantile_us(0.5), new.quantile_us(0.5)
    if facts.tail is None or medians[0] is None or medians[1] is None:
        return
    tail = beyond(facts.tail, LEAST_TAIL_RATIO)
    others = math.log(time.ratio.value / time.own.value)
    if tail and abs(math.log(medians[1] / medians[0]) - others) <= math.log(SAME_MEDIAN):
        yield ("slower_tail" if tail > 0 else "faster_tail"), "its slow calls changed, its median did not"


def _calls(facts: Facts) -> Iterator[tuple[Change, str]]:
    way = beyond(facts.calls, LEAST_CALLS_RATIO) if facts.calls is not None else 0
    if way:
        yield ("more_calls" if way > 0 else "fewer_calls"), ""


def _counts(facts: Facts, old: Numbers, new: Numbers) -> Iterator[tuple[Change, str]]:
    if _told(facts.errors) > 0 and new.errors >= LEAST_ERRORS:
        yield "errors", f"errors {old.errors:,} -> {new.errors:,}"
    if _told(facts.temp_files):
        files = f"temporary files {facts.old.temp_files:,} -> {facts.new.temp_files:,}"
        yield "temp_files", f"{files} in {old.calls:,} and {new.calls:,} calls"
    plans = [side.plan_totals.plans if side.plan_totals is not None else 0 for side in (facts.old, facts.new)]
    if min(plans) >= LEAST_PLANS and _apart(old.blocks_per_plan, new.blocks_per_plan, LEAST_BLOCKS):
        yield "blocks", f"blocks per logged plan {old.blocks_per_plan:,.0f} -> {new.blocks_per_plan:,.0f}"
    if min(old.calls, new.calls) >= LEAST_ROW_CALLS and _apart(old.rows_per_call, new.rows_per_call, 1):
        yield "rows", f"rows per call {old.rows_per_call:,.4g} -> {new.rows_per_call:,.4g}"
    if facts.plan is not None:
        yield "plan", ""


def _told(tested: tuple[float, float] | None) -> int:
    """1 where a tested ratio is up beyond chance, -1 where it is down, else 0."""
    if tested is None or tested[1] > FALSE_SHARE:
        return 0
    return 1 if tested[0] >= LEAST_COUNT_RATIO else -1 if tested[0] <= 1 / LEAST_COUNT_RATIO else 0


def _apart(old: float | None, new: float | None, least: float) -> bool:
    if old is None or new is None or abs(new - old) < least:
        return False
    return max(old, new) >= LEAST_COUNT_RATIO * min(old, new)


def _extra(old: Numbers, new: Numbers, setting: Setting) -> float | None:
    if old.mean_ms is None or new.mean_ms is None:
        return None
    return (new.mean_ms - old.mean_ms) * new.calls / (setting.new.covered_hours or 1.0)


def _matters(change: Change, found: QueryDifference, setting: Setting) -> bool:
    if change in ("same", "unknown"):
        return False
    if change == "errors":
        return True
    old, new = found.old, found.new
    total_ms = max(setting.old.total_us, setting.new.total_us) / 1000
    if change in ("slower", "slower_tail", "faster", "faster_tail") and old is not None and new is not None:
        apart = abs((new.mean_ms or 0.0) - (old.mean_ms or 0.0))
        most = max(abs((new.p95_ms or 0.0) - (old.p95_ms or 0.0)), apart) if "tail" in change else apart
        return most >= LEAST_MS and apart * max(old.calls, new.calls) >= LEAST_SHARE * total_ms
    sides = [(side, frame) for side, frame in ((old, setting.old), (new, setting.new)) if side is not None]
    if any((side.share or 0.0) >= LEAST_SHARE for side, _ in sides):
        return True
    about_calls = change in ("new", "vanished", "more_calls", "fewer_calls")
    return about_calls and any(side.calls >= LEAST_CALLS_SHARE * frame.calls for side, frame in sides)


def _confidence(facts: Facts, best: Confidence) -> Confidence:
    least = best
    if facts.uncertainty is None or facts.old_durations is None or facts.new_durations is None:
        return best
    if facts.uncertainty.hours < FAIR_HOURS:
        return "low"
    if facts.uncertainty.hours < SURE_HOURS * 0.75 or min(facts.old.calls, facts.new.calls) < SURE_CALLS:
        least = min(best, "medium", key=_LEVELS.index)
    return least


def _ms(duration_us: float | None) -> float | None:
    return None if duration_us is None else duration_us / 1000
