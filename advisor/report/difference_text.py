"""The comparison for people at a terminal: what got slower first. Clean at 80 columns and in pipes."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence

from advisor.model.difference import (
    AdviceOutcome,
    AdvisedQuery,
    Change,
    Common,
    Difference,
    IndexUse,
    Numbers,
    QueryDifference,
    Ratio,
    Side,
)
from advisor.model.instants import instant_text
from advisor.report.printable import printable
from advisor.report.units import count_text, duration_text, share_text

WIDTH = 80

DEFAULT_TOP = 10
"""Queries shown of each kind; the JSON document has all."""

_SECTIONS: tuple[tuple[str, tuple[Change, ...]], ...] = (
    ("Slower", ("slower",)),
    ("Slower in the worst calls only (95th percentile)", ("slower_tail",)),
    ("More errors", ("errors",)),
    ("New", ("new",)),
    ("Called more often", ("more_calls",)),
    ("Another plan", ("plan",)),
    ("Other rows, blocks or temporary files per call (not tested for chance)", ("temp_files", "blocks", "rows")),
    ("Vanished", ("vanished",)),
    ("Called less often", ("fewer_calls",)),
    ("Faster", ("faster",)),
    ("Faster in the worst calls only (95th percentile)", ("faster_tail",)),
)
_OUTCOMES = {"helped": "helped", "not_helped": "did not help", "cannot_tell": "cannot tell"}
_LABEL = 9
_SQL_CHARACTERS = 200


def render(difference: Difference, *, top: int | None = None) -> str:
    """The whole comparison as text."""
    lines = _lines(difference, DEFAULT_TOP if top is None else top)
    return "".join(f"{line}\n" for line in lines)


def _lines(difference: Difference, top: int) -> Iterator[str]:
    yield from _row("OLD", _side(difference.old), indent="")
    yield from _row("NEW", _side(difference.new), indent="")
    yield ""
    yield from _confidence(difference)
    yield from (line for note in difference.notes for line in _wrapped(f"Note: {note}", hanging="  "))
    yield from _common(difference.common)
    for title, changes in _SECTIONS:
        found = [query for query in difference.queries if query.matters and query.changes[0] in changes]
        if found:
            yield ""
            yield f"{title} ({len(found)})"
            yield from _cards(found, top)
    yield from _advice(difference.advice)
    yield from _indexes(difference.indexes)
    yield ""
    yield from _wrapped(_rest(difference), hanging="  ")


def _side(side: Side) -> str:
    names = ", ".join(f"{source.name} ({source.format})" for source in side.inputs) or "(no input)"
    parts = [names, f"{count_text(side.calls, 'call')} of {count_text(side.queries, 'query', 'queries')}"]
    if side.total_us:
        parts.append(duration_text(side.total_us / 1000))
    if side.covered_us:
        parts.append(f"over {duration_text(side.covered_us / 1000)} from {instant_text(side.from_us)}")
    return "; ".join(parts)


def _confidence(difference: Difference) -> Iterator[str]:
    because = f": {'; '.join(difference.confidence_reasons)}" if difference.confidence_reasons else ""
    yield from _wrapped(f"Confidence: {difference.confidence}{because}.", hanging="  ")
    text = (
        "Ratios are new over old with their 95 % interval, from how much the hours differ among themselves. What is"
        " told would be chance in one case of twenty at most; that nothing else but your change happened between the"
        " inputs no statistic can tell."
    )
    yield from _wrapped(text, first="  ", hanging="  ")


def _common(common: Common) -> Iterator[str]:
    if common.time is not None and common.time_changed:
        yield ""
        text = (
            f"Everything is {_times(common.time)} {_word(common.time)}: {common.agreeing} of {common.compared} queries"
            " moved together. That is the load, the machine or a setting rather than a query; queries below"
            " changed beyond it."
        )
        yield from _wrapped(text, hanging="  ")
    elif common.time is not None:
        yield ""
        text = f"All queries in common: {_times(common.time)} {_word(common.time)}, which is within chance."
        yield from _wrapped(text, hanging="  ")
    if common.calls is not None and common.calls_changed:
        yield ""
        word = "more" if common.calls.value > 1 else "less"
        yield from _wrapped(f"Everything is called {_times(common.calls)} {word} often per hour.", hanging="  ")


def _cards(found: Sequence[QueryDifference], top: int) -> Iterator[str]:
    for query in found[:top]:
        yield from _card(query)
    if len(found) > top:
        yield f"  {len(found) - top} more: --top {len(found)} shows all of them."


def _card(query: QueryDifference) -> Iterator[str]:
    yield from _wrapped(_headline(query), first="- ", hanging="  ")
    shown = query.new or query.old
    assert shown is not None
    yield from _row("query", _shortened(query.sql))
    yield from _row("", f"id {shown.id}" + (f", {query.confidence} confidence" if query.confidence != "high" else ""))
    yield from _row("time", _both(query.old, query.new, _time))
    yield from _row("calls", _both(query.old, query.new, _calls))
    for line in query.plan.lines if query.plan is not None else ():
        yield from _row("plan", line)
    for reason in query.reasons:
        yield from _row("also" if len(query.changes) > 1 else "why", reason)


def _headline(query: QueryDifference) -> str:
    parts = [_change(change, query) for change in query.changes]
    extra = query.extra_ms_per_hour
    if extra and query.changes[0] in ("slower", "slower_tail", "faster", "faster_tail", "new", "vanished"):
        per = " per hour" if any(side and side.calls_per_hour is not None for side in (query.old, query.new)) else ""
        parts.append(f"{'+' if extra > 0 else '-'}{duration_text(abs(extra))}{per}")
    return "; ".join(parts)


def _change(change: Change, query: QueryDifference) -> str:
    if change in ("slower", "faster") and query.ratio is not None and query.own_ratio is not None:
        text = f"{_times(query.ratio)} {change}"
        # Only where it would be read differently: both round to two digits.
        if abs(query.own_ratio.value / query.ratio.value - 1) > 0.1:
            text += f", beside the other queries {_times(query.own_ratio, bounds=False)} {_word(query.own_ratio)}"
        return text
    if change in ("slower_tail", "faster_tail") and query.p95_ratio is not None:
        return f"95th percentile {_times(query.p95_ratio)} {change.removesuffix('_tail')}"
    if change in ("more_calls", "fewer_calls") and query.calls_ratio is not None:
        return f"called {_times(query.calls_ratio)} {'more' if change == 'more_calls' else 'less'} often"
    words: dict[Change, str] = {
        "errors": "more errors",
        "plan": "another plan",
        "temp_files": "temporary files changed",
        "blocks": "blocks changed",
        "rows": "rows changed",
    }
    return words.get(change, change)


def _times(ratio: Ratio, *, bounds: bool = True) -> str:
    """`1.52x (1.40 to 1.66)`; of a ratio below 1 its inverse, as `1.52x faster` is read."""
    value, low, high = ratio.value, ratio.low, ratio.high
    if value < 1:
        value, low, high = 1 / value, 1 / high, 1 / low
    return f"{_digits(value)}x" + (f" ({_digits(low)} to {_digits(high)})" if bounds else "")


def _word(ratio: Ratio) -> str:
    return "slower" if ratio.value > 1 else "faster"


def _digits(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _time(side: Numbers) -> str:
    if side.mean_ms is None:
        return "not known"
    parts = [f"mean {duration_text(side.mean_ms)}"]
    if side.p50_ms is not None:
        parts += [f"p50 {duration_text(side.p50_ms)}", f"p95 {duration_text(side.p95_ms)}"]
    share = f"; {share_text(side.share)} of all time" if side.share is not None else ""
    return ", ".join(parts) + share


def _calls(side: Numbers) -> str:
    if side.calls_per_hour is None:
        return f"{side.calls:,}"
    return f"{_digits(side.calls_per_hour)} per hour, {side.calls:,} in all"


def _both(old: Numbers | None, new: Numbers | None, shown: Callable[[Numbers], str]) -> str:
    """The old and the new, each on its line."""
    texts = [f"{name} {shown(side)}" for name, side in (("old", old), ("new", new)) if side is not None]
    return "\n".join(texts)


def _advice(advice: Sequence[AdviceOutcome]) -> Iterator[str]:
    if not advice:
        return
    yield ""
    yield f"Did the advice help? ({len(advice)})"
    for outcome in advice:
        head = f"{outcome.recommendation} {outcome.kind.replace('_', ' ')}: {_OUTCOMES[outcome.outcome]}"
        yield from _wrapped(f"{head} ({outcome.reason})", first="- ", hanging="  ")
        done = outcome.rewritten_sql or next((s for s in outcome.statements if "INDEX" in s), None)
        if done is not None:
            yield from _row("advice", _shortened(done))
        for query in outcome.queries:
            yield from _row("query", _advised(query, outcome))


def _advised(query: AdvisedQuery, outcome: AdviceOutcome) -> str:
    measures = {"ms": "measured", "buffers": "blocks", "cost": "planner's cost", None: ""}
    parts = [query.old_id if query.new_id in (None, query.old_id) else f"{query.old_id}, now {query.new_id}"]
    if query.promised is not None:
        parts.append(f"promised {_gain(query.promised)} ({measures[outcome.promised_by]})")
    if query.measured is not None:
        means = f"mean {duration_text(query.old_mean_ms)} -> {duration_text(query.new_mean_ms)}"
        parts.append(f"got {_gain(query.measured.value)} ({_bounds(query.measured)}), {means}")
    return "; ".join((*parts, f"{_OUTCOMES[query.outcome]}: {query.reason}"))


def _gain(ratio: float) -> str:
    if ratio <= 0:
        return "all of it saved"
    if _digits(max(ratio, 1 / ratio)) == _digits(1.0):
        return "neither faster nor slower"
    return f"{_digits(1 / ratio)}x faster" if ratio <= 1 else f"{_digits(ratio)}x slower"


def _bounds(ratio: Ratio) -> str:
    return f"new over old {ratio.low:.3g} to {ratio.high:.3g}"


def _indexes(indexes: Sequence[IndexUse]) -> Iterator[str]:
    if not indexes:
        return
    yield ""
    yield f"Indexes that only plans in NEW use ({len(indexes)})"
    for index in indexes:
        known = "" if index.before else "; OLD has no plans of these queries, so that this may not be new"
        users = f"{index.name} on {index.table}, by {', '.join(index.queries)}{known}"
        yield from _wrapped(users, first="- ", hanging="  ")


def _rest(difference: Difference) -> str:
    queries = difference.queries
    shown = sum(query.matters for query in queries)
    small = sum(not query.matters and query.changes[0] not in ("same", "unknown") for query in queries)
    same = sum(query.changes[0] == "same" for query in queries)
    unknown = sum(query.changes[0] == "unknown" for query in queries)
    parts = [
        f"{count_text(shown, 'query', 'queries')} changed",
        f"{small} changed by too little time to matter" if small else "",
        f"{same} the same within chance",
        f"{unknown} with too little to tell" if unknown else "",
    ]
    return "; ".join(part for part in parts if part) + "."


def _row(label: str, text: str, indent: str = "  ") -> Iterator[str]:
    """A paragraph beside its label; its own lines stay."""
    first = f"{indent}{label:<{_LABEL}}"
    for number, line in enumerate(printable(text).split("\n")):
        yield from _wrapped(line, first=first if number == 0 else " " * len(first), hanging=" " * len(first))


def _wrapped(text: str, *, first: str = "", hanging: str = "") -> Iterable[str]:
    return textwrap.wrap(
        printable(text).replace("\n", " "),
        WIDTH,
        initial_indent=first,
        subsequent_indent=hanging,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def _shortened(sql: str) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= _SQL_CHARACTERS else f"{line[: _SQL_CHARACTERS - 1]}…"
