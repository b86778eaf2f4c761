"""What sampling and thresholds leave out of a log, by the settings it mentions and by the durations it holds.

Source: PostgreSQL manual, "When to Log"; `src/backend/tcop/postgres.c` (check_log_duration, check_log_statement).
"""

import re
from collections.abc import Callable, Iterator

from advisor.model.instants import instant_text
from advisor.model.server_events import ParameterChange
from advisor.model.workload import Workload
from advisor.workload.edge import lower_edge_us, setting_ms

FAST = (
    "fast statements are missing, among them the children of N+1 patterns. Calls and total times are lower bounds and"
    " percentiles are those of slow executions; which executions are slow, and when, is right"
)
RANDOM = (
    "executions are left out by chance, so that N+1 patterns do not show. Calls and total times are lower bounds; means"
    " and percentiles are right"
)
WHOLE = (
    "whole transactions are left out by chance. Calls and total times are lower bounds; means, percentiles and N+1"
    " patterns within a transaction are right"
)

UNTIMED_SHARE = 0.05
UNTIMED_LEAST = 10
"""Executions without a duration that need no explanation: those that failed, or ran when the log ended."""

FEW_BARE = 10
STEPS = 3
"""Bare durations of one execution: its parse, bind and execute steps."""

_MILLISECONDS = {"": 1.0, "us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_DURATION = re.compile(r"\s*(-?[\d.]+)\s*(us|ms|s|min|h|d)?\s*")


def sampling_of(workload: Workload) -> tuple[str, ...]:
    """What is left out of the workload's logs and what that means, a sentence or two for each cause."""
    changes = {change.name: change for change in workload.events.parameters}
    if not workload.coverage.statements and not workload.plans:
        return ()
    said = [
        sentence
        for name, consequence in _SETTINGS.items()
        if name in changes and (workload.plans or not name.startswith("auto_explain."))
        for sentence in _of_change(changes[name], consequence)
    ]
    thresholds = ("log_min_duration_statement", "log_min_duration_sample")
    edge_us = lower_edge_us(workload.queries)
    if edge_us is not None and not any(each.startswith(thresholds) for each in said):
        said.append(
            f"No execution took less than {setting_ms(edge_us):g} ms and several queries begin right there: it looks as"
            f" if log_min_duration_statement was that high, and {FAST}."
        )
    return tuple(said)


def _of_change(change: ParameterChange, consequence: Callable[[float], str | None]) -> Iterator[str]:
    """A sentence for the first and the last value, where those leave something out."""
    seen = set()
    for at_us, value in ((change.first_us, change.first_value), (change.last_us, change.last_value)):
        number = _number(value)
        if value in seen or number is None or (said := consequence(number)) is None:
            continue
        seen.add(value)
        at = f" at {instant_text(at_us)}" if at_us is not None else ""
        # `frame` reads the setting and its value from these words.
        yield f"{change.name} was set to {value}{at}: {said}."


def _number(value: str | None) -> float | None:
    """Milliseconds of a duration as `postgresql.conf` has it, or a rate; None where it is neither."""
    found = _DURATION.fullmatch(value) if value is not None else None
    try:
        return float(found[1]) * _MILLISECONDS[found[2] or ""] if found is not None else None
    except ValueError:
        return None


def _threshold(milliseconds: float) -> str | None:
    if milliseconds < 0:
        return "what ran from then on has no duration, and is missing where nothing else logs it"
    return f"from then on {FAST}" if milliseconds else None


def _sample_threshold(milliseconds: float) -> str | None:
    return f"unless log_min_duration_statement is lower, {FAST}" if milliseconds > 0 else None


def _statement_rate(rate: float) -> str | None:
    return f"of statements above log_min_duration_sample only {rate:.4g} are logged, and {RANDOM}" if rate < 1 else None


def _transaction_rate(rate: float) -> str | None:
    # 0 is off: what is logged then is the other settings' choice.
    return f"only {rate:.4g} of all transactions are logged, and {WHOLE}" if 0 < rate < 1 else None


def _plan_threshold(milliseconds: float) -> str | None:
    return "plans of faster statements are missing; statements and durations are not" if milliseconds > 0 else None


def _plan_rate(rate: float) -> str | None:
    return f"only {rate:.4g} of all plans are logged; statements and durations are complete" if rate < 1 else None


_SETTINGS: dict[str, Callable[[float], str | None]] = {
    "log_min_duration_statement": _threshold,
    "log_min_duration_sample": _sample_threshold,
    "log_statement_sample_rate": _statement_rate,
    "log_transaction_sample_rate": _transaction_rate,
    "auto_explain.log_min_duration": _plan_threshold,
    "auto_explain.sample_rate": _plan_rate,
}


def durations_of(workload: Workload, bare: int) -> tuple[str, ...]:
    """What is to be known of the durations of a log where not every execution has one.

    `bare` durations had no text of their own line; they may belong to executions all the same.
    """
    calls = sum(query.calls for query in workload.queries)
    timed = sum(query.timed_calls for query in workload.queries)
    said = []
    if timed and calls - timed >= max(UNTIMED_LEAST, UNTIMED_SHARE * calls):
        said.append(
            f"Only {timed:,} of {calls:,} executions have a duration: log_statement logs the others, which"
            " log_min_duration_statement leaves out, without one. Calls are right; times and percentiles are those of"
            " the slow executions."
        )
    if timed and bare > STEPS * calls + FEW_BARE:
        said.append(
            f"{bare:,} durations have no text: log_duration logs them of statements that log_min_duration_statement"
            " leaves out. Calls and total times of the queries are lower bounds."
        )
    return tuple(said)
