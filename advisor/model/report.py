"""The result of a command, as the writers of reports see it."""

from dataclasses import dataclass, field
from typing import Literal

from advisor.model.advice import Finding, Recommendation
from advisor.model.migration import Migration
from advisor.model.plan import Plan
from advisor.model.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxUse:
    """A throwaway server that a verdict rests on. `id` is `S1`, `S2`, …"""

    id: str
    provider: str
    server_version: str
    same_major_as_target: bool | None
    use: Literal["twin", "rows"]
    rows: Literal["none", "synthesised", "sampled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedPlan:
    """A plan in the report. `id` is `P1`, `P2`, …"""

    id: str
    plan: Plan
    query_id: str | None
    origin: Literal["input", "log", "twin", "built"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRule:
    """A rule that did not run, and why."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """Something the user should know about the run itself; an `error` makes the exit code 2."""

    level: Literal["error", "warning", "info"]
    message: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How the set of indexes was chosen; costs are the planner's, weighted by calls."""

    budget_bytes: int | None = None
    chosen_bytes: int = 0
    base_cost: float = 0.0
    chosen_cost: float = 0.0
    lower_bound_cost: float | None = None
    gap_ratio: float | None = None
    what_if_calls: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole run. `complete` is False where it was interrupted or a rule crashed."""

    command: Literal["analyze", "check", "demo"]
    complete: bool = True
    workload: Workload = field(default_factory=Workload)
    rules_run: tuple[str, ...] = ()
    rules_skipped: tuple[SkippedRule, ...] = ()
    sandboxes: tuple[SandboxUse, ...] = ()
    plans: tuple[ReportedPlan, ...] = ()
    findings: tuple[Finding, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    selection: Selection = field(default_factory=Selection)
    migrations: tuple[Migration, ...] = ()
    assumptions: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
