"""Two workloads compared: what got slower, what is new, what vanished, and what is only chance.

How it is decided (constants with their reasons: `query_changes`, `hourly`, `judging`, `rates`):

- A query's durations are compared by their geometric means over all its calls, its tail by the 95th percentile. How far
  chance moves them is learned from the hours of both inputs, not from single calls (`hourly`).
- What all queries have in common is one statement, and each query is judged by what is left (`judging`).
- Benjamini and Hochberg's procedure over all queries keeps the share of false alarms among what is told at 5 %; on top
  of that a change must be at least 1.2-fold, and be worth time.
- Confidence is about what the inputs cover: both at least half a day, the same hours of the day, and nothing left out.
  No statistic of two logs can tell what else changed between them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import pvariance

from advisor.model.advice import Confidence
from advisor.model.difference import Common, Difference, QueryDifference, Ratio
from advisor.model.workload import Query, Workload
from advisor.workload.advised import AdvisedChange, outcomes
from advisor.workload.durations import durations
from advisor.workload.frame import Frame, frame_of, same_sampling, sampling_notes, side_of
from advisor.workload.hourly import (
    LEAST_QUERIES,
    Noise,
    Timed,
    Uncertainty,
    learn_noise,
    neighbours,
    uncertainty,
)
from advisor.workload.judging import Ensemble, Judged, Observed, half_width, interval, judge, observed
from advisor.workload.matching import Matched, match
from advisor.workload.plan_changes import new_indexes, plan_change, plans_by_query
from advisor.workload.query_changes import (
    FAIR_HOURS,
    LEAST_CALLS_RATIO,
    RANK,
    SURE_HOURS,
    Facts,
    Setting,
    difference_of,
    one_sided,
    weight,
)
from advisor.workload.rates import Counted, absence, changed_counts, observed_rates
from advisor.workload.significance import benjamini_hochberg

LEAST_CALLS = 30
"""Timed calls that a query needs in both inputs for its durations to be compared."""

LEAST_TAIL_CALLS = 200
"""... for its 95th percentile: ten calls beyond it."""

LEAST_COMMON = 1.1
"""A common ratio nearer to 1 is not worth a statement; for calls `LEAST_COMMON_CALLS`."""

LEAST_COMMON_CALLS = 1.25

LOAD_NEIGHBOURS = 6.0
"""The load goes by quarters of a day: so many neighbouring hours are worth one independent one, if not more."""

ASSUMED_LOAD_SD = 0.15
"""Of the load's part in durations, where there are too few hours to see it."""

NOTABLE_UNSEEN_SD = 0.1
"""What queries differ between the inputs beyond their hours' noise is told from 10 % on."""

LEAST_OVERLAP = 0.5
"""Of the hours of the day that either input covers, both must cover this share."""

_LEAST_BELOW = 0.01
"""A query with more of its calls under the other input's threshold is not comparable with it."""


def compare(
    old: Workload, new: Workload, *, advice: Sequence[AdvisedChange] = (), min_calls: int = LEAST_CALLS
) -> Difference:
    """Old against new. `advice`: recommendations of an earlier report, to be held against what came of them."""
    frames = frame_of(old), frame_of(new)
    matched = match(old, new)
    comparable = same_sampling(*frames)
    timed, untold = _timed(matched, frames, min_calls)
    noise = learn_noise(list(timed.values()))
    spans = {key: uncertainty(pair, noise) for key, pair in timed.items()}
    ensemble = judge([observed(timed[key], spans[key]) for key in timed])
    confidence, reasons = _confidence(frames, comparable, ensemble)
    setting = Setting(*frames, confidence)
    calls_judged, calls_common = _calls(matched, frames) if comparable else ({}, None)
    judged = _Judged(timed, untold, spans, dict(zip(timed, ensemble.judged, strict=True)), calls_judged)
    queries = [difference_of(facts, setting) for facts in _facts(matched, judged, (old, new))]
    queries += _one_sided(matched, setting, comparable)
    queries.sort(key=lambda found: (not found.matters, RANK.index(found.changes[0]), -weight(found), found.sql))
    old_ids = {after.id: before.id for before, after in matched.both}
    return Difference(
        old=side_of(frames[0]),
        new=side_of(frames[1]),
        matched_by=matched.by,
        confidence=confidence,
        confidence_reasons=reasons,
        calls_comparable=comparable,
        common=_common(ensemble, noise, calls_common, frames),
        queries=tuple(queries),
        indexes=new_indexes(old, new, old_ids),
        advice=outcomes(advice, old, new, matched, noise, ensemble, min_calls),
        notes=(*matched.notes, *sampling_notes(*frames)),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """What was found of the queries in both inputs, by their old ids."""

    timed: dict[str, Timed]
    untold: dict[str, str]
    spans: dict[str, Uncertainty]
    times: dict[str, Judged]
    calls: dict[str, Judged]


def _facts(matched: Matched, judged: _Judged, sides: tuple[Workload, Workload]) -> Iterator[Facts]:
    tails = _tails(judged.timed, judged.spans)
    counts = _counts(matched)
    plans = plans_by_query(sides[0]), plans_by_query(sides[1])
    for before, after in matched.both:
        pair = judged.timed.get(before.id)
        yield Facts(
            old=before,
            new=after,
            old_durations=pair.old_durations if pair is not None else None,
            new_durations=pair.new_durations if pair is not None else None,
            uncertainty=judged.spans.get(before.id),
            time=judged.times.get(before.id),
            tail=tails.get(before.id),
            calls=judged.calls.get(before.id),
            errors=counts["errors"].get(before.id),
            temp_files=counts["temp_files"].get(before.id),
            plan=plan_change(plans[0].get(before.id, ()), plans[1].get(after.id, ())),
            untold=judged.untold.get(before.id),
        )


def _timed(matched: Matched, frames: tuple[Frame, Frame], min_calls: int) -> tuple[dict[str, Timed], dict[str, str]]:
    """Pairs whose durations can be compared, and why others cannot; by the old id."""
    floor_us = max(frames[0].floor_us or 0.0, frames[1].floor_us or 0.0)
    alike = same_sampling(*frames)
    found, untold = {}, {}
    for before, after in matched.both:
        old, new = durations(before), durations(after)
        calls = (old.calls if old else 0), (new.calls if new else 0)
        if old is None or new is None or min(calls) < min_calls:
            untold[before.id] = f"not enough calls to tell: {calls[0]:,} and {calls[1]:,} with a duration"
        elif not alike and max(old.share_below(floor_us), new.share_below(floor_us)) > _LEAST_BELOW:
            untold[before.id] = "one of the inputs leaves out its fast executions"
        else:
            found[before.id] = Timed(before, after, old, new)
    return found, untold


def _tails(timed: dict[str, Timed], spans: dict[str, Uncertainty]) -> dict[str, Judged]:
    """The 95th percentiles' ratios, by the old id."""
    found = {key: seen for key, pair in timed.items() if (seen := _observed_tail(pair, spans[key])) is not None}
    return dict(zip(found, judge(list(found.values())).judged, strict=True))


def _observed_tail(pair: Timed, span: Uncertainty) -> Observed | None:
    """Each side's standard error is a quarter of the way between the quantiles two standard errors of the rank away."""
    variance, ratio = 0.0, 0.0
    sides = ((pair.old_durations, span.effective_old, -1), (pair.new_durations, span.effective_new, 1))
    for side, effective, sign in sides:
        middle, rank_error = side.quantile_us(0.95), math.sqrt(0.95 * 0.05 / effective)
        low, high = (side.quantile_us(0.95 + step * rank_error) for step in (-2, 2))
        if side.calls < LEAST_TAIL_CALLS or middle is None or low is None or high is None:
            return None
        ratio += sign * math.log(middle)
        # Beyond the last rank nothing is known: the way down then stands for the way up, too.
        way = max(math.log(high / low), 2 * math.log(middle / low) if 0.95 + 2 * rank_error >= 1 else 0.0)
        variance += (way / 4) ** 2 + span.variance / 2
    return Observed(ratio, span.levels, variance, span.degrees)


def _calls(matched: Matched, frames: tuple[Frame, Frame]) -> tuple[dict[str, Judged], Ensemble]:
    found = {
        before.id: seen for before, after in matched.both if (seen := observed_rates(before, after, frames)) is not None
    }
    ensemble = judge(list(found.values()), near=math.log(LEAST_CALLS_RATIO))
    return dict(zip(found, ensemble.judged, strict=True)), ensemble


def _counts(matched: Matched) -> dict[str, dict[str, tuple[float, float]]]:
    """(ratio, q-value) of errors and of temporary files per call, by the old id; only of queries that have some."""
    ways: dict[str, Callable[[Query], Counted]] = {
        "errors": lambda query: Counted(query.errors, query.calls + query.errors),
        "temp_files": lambda query: Counted(query.temp_files, query.calls),
    }
    found = {}
    for name, counted in ways.items():
        both = {before.id: (counted(before), counted(after)) for before, after in matched.both}
        tested = {key: changed_counts(*sides) for key, sides in both.items() if sides[0].events or sides[1].events}
        q_values = benjamini_hochberg([p for _, p in tested.values()])
        found[name] = {key: (tested[key][0], q) for key, q in zip(tested, q_values, strict=True)}
    return found


def _one_sided(matched: Matched, setting: Setting, comparable: bool) -> list[QueryDifference]:
    old, new = setting.old, setting.new
    sides = [(query, False, old, new) for query in matched.old_only]
    sides += [(query, True, new, old) for query in matched.new_only]
    chances = [absence(query, here, there) if comparable else None for query, _, here, there in sides]
    told = iter(benjamini_hochberg([chance for chance in chances if chance is not None]))
    return [
        one_sided(query, is_new=is_new, chance=None if chance is None else next(told), setting=setting)
        for (query, is_new, _, _), chance in zip(sides, chances, strict=True)
    ]


def _common(ensemble: Ensemble, noise: Noise, calls: Ensemble | None, frames: tuple[Frame, Frame]) -> Common:
    count = len(ensemble.judged)
    time = calls_ratio = None
    if ensemble.together:
        time = _shared(ensemble, [list(levels.values()) for levels in (noise.old_levels, noise.new_levels)])
    if calls is not None and calls.together:
        calls_ratio = _shared(calls, [_traffic(frame) for frame in frames])
    return Common(
        time=time,
        time_changed=time is not None and _changed(time.value, time.low, time.high, LEAST_COMMON),
        calls=calls_ratio,
        calls_changed=calls_ratio is not None
        and _changed(calls_ratio.value, calls_ratio.low, calls_ratio.high, LEAST_COMMON_CALLS),
        compared=count,
        agreeing=ensemble.agreeing,
    )


def _changed(value: float, low: float, high: float, least: float) -> bool:
    return (value >= least and low > 1) or (value <= 1 / least and high < 1)


def _shared(ensemble: Ensemble, sides: Sequence[Sequence[float]]) -> Ratio:
    """The ratio all have in common, with how far the load of each side's hours (log scale) could have moved it."""
    # pi / 2: the variance of a median over that of a mean.
    variance = math.pi / 2 * ensemble.scatter**2 / len(ensemble.judged)
    independent = 0.0
    for levels in sides:
        if len(levels) < FAIR_HOURS:
            variance += ASSUMED_LOAD_SD**2
            continue
        alike = max(LOAD_NEIGHBOURS, neighbours(levels))
        variance += pvariance(levels) / (len(levels) - 1) * alike
        independent += len(levels) / alike
    return interval(ensemble.common, half_width(variance, max(3.0, independent - 2)))


def _traffic(frame: Frame) -> list[float]:
    calls = dict.fromkeys(frame.hours, 0)
    for query in frame.workload.queries:
        for hour in query.hours:
            if hour.start_us in calls:
                calls[hour.start_us] += hour.calls
    return [math.log(n / frame.hours[start]) for start, n in calls.items() if n]


def _confidence(
    frames: tuple[Frame, Frame], comparable: bool, ensemble: Ensemble
) -> tuple[Confidence, tuple[str, ...]]:
    hours = min(len(frame.hours) for frame in frames)
    level: Confidence = "high" if hours >= SURE_HOURS else "medium" if hours >= FAIR_HOURS else "low"
    reasons = []
    if hours < SURE_HOURS:
        covered = f"lies within {hours} hour{'' if hours == 1 else 's'} of the clock" if hours else "has no known hours"
        reasons.append(f"one of the inputs {covered}: how much hours differ is seen from {SURE_HOURS} on")
    days = [frame.hours_of_day for frame in frames]
    if hours and len(days[0] & days[1]) < LEAST_OVERLAP * len(days[0] | days[1]):
        level = "low"
        reasons.append("the inputs cover different times of the day")
    if not comparable:
        level = "low"
        reasons.append("the inputs leave out different statements")
    if len(ensemble.judged) >= LEAST_QUERIES and not ensemble.together:
        level = "medium" if level == "high" else "low"
        reasons.append("many queries changed, each by another ratio: what they have in common cannot be told")
    elif 0 < len(ensemble.judged) < LEAST_QUERIES:
        level = "medium" if level == "high" else level
        reasons.append("too few queries to tell their own changes from those of the whole server")
    if ensemble.unseen > NOTABLE_UNSEEN_SD**2:
        share = math.expm1(math.sqrt(ensemble.unseen))
        reasons.append(
            f"queries differ by another {share:.0%} between the inputs than their hours explain, which all intervals"
            " allow for"
        )
    return level, tuple(reasons)
