"""What one input covers: which hours, from which duration on, with which share of its statements."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from advisor.model.difference import Side
from advisor.model.workload import Workload
from advisor.workload.edge import EDGE_NEAR, lower_edge_us
from advisor.workload.hourly import HOUR_US

_SETTING = re.compile(
    r"\b(log_min_duration_statement|log_min_duration_sample|log_statement_sample_rate|log_transaction_sample_rate)"
    r" was set to ([^\s:,;]+)"
)
"""As the readers of logs word it in `Workload.warnings`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One input's frame.

    Attributes:
        hours: the covered part (0 to 1) of each hour in which anything ran, by its start; empty without times.
        covered_hours: their sum, or the time from the first statement to the last; None where unknown.
        floor_us: nothing faster is in the log; None: no sign of that.
        settings: settings for sampling or thresholds that the log mentions, with their values.
    """

    workload: Workload
    hours: dict[int, float]
    covered_hours: float | None
    floor_us: float | None
    settings: frozenset[tuple[str, str]]
    total_us: int
    calls: int

    @property
    def hours_of_day(self) -> frozenset[int]:
        """UTC."""
        return frozenset(start // HOUR_US % 24 for start in self.hours)


def frame_of(workload: Workload) -> Frame:
    """The frame of a workload."""
    starts = {hour.start_us for query in workload.queries for hour in query.hours if hour.calls}
    hours = {start: _covered(start, workload.from_us, workload.to_us) for start in sorted(starts)}
    covered = sum(hours.values()) or None
    if covered is None and workload.from_us is not None and workload.to_us is not None:
        covered = (workload.to_us - workload.from_us) / HOUR_US or None
    return Frame(
        workload=workload,
        hours=hours,
        covered_hours=covered,
        floor_us=lower_edge_us(workload.queries),
        settings=frozenset(_SETTING.findall("\n".join(workload.warnings))),
        total_us=round(sum(query.estimated_total_ms or 0.0 for query in workload.queries) * 1000),
        calls=sum(query.calls for query in workload.queries),
    )


def side_of(frame: Frame) -> Side:
    """For the report."""
    workload = frame.workload
    return Side(
        inputs=workload.inputs,
        from_us=workload.from_us,
        to_us=workload.to_us,
        hours=len(frame.hours),
        covered_us=None if frame.covered_hours is None else round(frame.covered_hours * HOUR_US),
        queries=len(workload.queries),
        calls=frame.calls,
        total_us=frame.total_us,
        warnings=workload.warnings,
    )


def same_sampling(old: Frame, new: Frame) -> bool:
    """Whether both leave out the same: else numbers of calls are not comparable."""
    if old.settings != new.settings:
        return False
    if old.floor_us is None or new.floor_us is None:
        return old.floor_us is new.floor_us
    return max(old.floor_us, new.floor_us) <= EDGE_NEAR * min(old.floor_us, new.floor_us)


def sampling_notes(old: Frame, new: Frame) -> Sequence[str]:
    """What thresholds and sampling do to the comparison."""
    notes = []
    for name, frame in (("OLD", old), ("NEW", new)):
        said = ", ".join(f"{setting} = {value}" for setting, value in sorted(frame.settings))
        if said:
            notes.append(f"{name} was logged with {said}.")
        elif frame.floor_us is not None:
            notes.append(
                f"{name} has no statement under {frame.floor_us / 1000:.3g} ms: it looks as if"
                " log_min_duration_statement was set."
            )
    if not same_sampling(old, new):
        notes.append(
            "The inputs leave out different statements: numbers of calls, new and vanished queries cannot be compared,"
            " and times only of queries that neither input leaves out."
        )
    elif old.floor_us is not None:
        notes.append(
            "Both inputs hold slow executions only: a query that got slower may show as more calls, and one that got"
            " faster as vanished."
        )
    return notes


def _covered(start_us: int, from_us: int | None, to_us: int | None) -> float:
    begin = start_us if from_us is None else max(start_us, from_us)
    end = start_us + HOUR_US if to_us is None else min(start_us + HOUR_US, to_us)
    # At least a second: a single statement has no length of its own.
    return min(max((end - begin) / HOUR_US, 1 / 3600), 1.0)
