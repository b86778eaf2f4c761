"""The rule contract: a page, a generator function, and what it needs to see."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from advisor.errors import RuleError
from advisor.model.advice import Confidence, Finding, Impact, Location, Remedy, Severity, Subject
from advisor.model.evidence import Evidence

Scope = Literal["plan_node", "plan", "query", "unit", "table", "index", "statement", "workload"]
Need = Literal["catalog", "plans", "workload", "timings", "sessions", "migrations", "tables"]

PAGE_HEADINGS = (
    "What it does",
    "Why it matters",
    "When it is fine",
    "Example",
    "Use instead",
    "Evidence it needs",
    "References",
)
"""The headings of every rule's page, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule as the registry knows it.

    Attributes:
        scope: what the function is called with, one at a time (see `engine.subjects`).
        needs: kinds of evidence without which the rule is skipped.
        matches: node types a `plan_node` rule wants; empty: all.
        page: the module's docstring, shown by `advisor explain`.
        enabled: runs unless ignored; a disabled rule runs only when selected.
    """

    code: str
    name: str
    severity: Severity
    scope: Scope
    needs: frozenset[Need]
    matches: frozenset[str]
    check: Callable[[Any, Evidence], Iterator[Finding]]
    page: str
    enabled: bool = True

    @property
    def title(self) -> str:
        """The first line of the page."""
        return self.page.strip().splitlines()[0].strip()

    def finding(
        self,
        *,
        objects: Iterable[str],
        title: str,
        message: str,
        query_id: str = "",
        severity: Severity | None = None,
        confidence: Confidence = "high",
        subject: Subject | None = None,
        location: Location | None = None,
        plan: int | None = None,
        plan_node: str | None = None,
        impact: Impact | None = None,
        evidence: Mapping[str, Any] | None = None,
        remedies: Iterable[Remedy] = (),
    ) -> Finding:
        """A finding of this rule. `objects` and `query_id` make its key: never line numbers, costs or times."""
        parts = [self.code, ",".join(objects), query_id]
        return Finding(
            key=":".join(part for part in parts if part),
            rule=self.code,
            name=self.name,
            severity=severity or self.severity,
            confidence=confidence,
            title=title,
            message=message,
            subject=subject or Subject(),
            location=location,
            plan=plan,
            plan_node=plan_node,
            impact=impact or Impact(),
            evidence=evidence or {},
            remedies=tuple(remedies),
        )


def rule(
    *,
    code: str,
    name: str,
    severity: Severity,
    scope: Scope,
    needs: Iterable[Need],
    matches: Iterable[str] = (),
    enabled: bool = True,
) -> Callable[[Callable[[Any, Evidence], Iterator[Finding]]], Rule]:
    """Turns a generator function into the `Rule` of its module; the module's docstring is the rule's page.

    Within the function its own name is the rule: `yield missing_index.finding(…)`.

    Raises:
        RuleError: the module has no docstring.
    """

    def register(check: Callable[[Any, Evidence], Iterator[Finding]]) -> Rule:
        page = check.__globals__.get("__doc__")
        if not page:
            raise RuleError(f"rule {code} has no page", hint=f"Write {check.__module__}'s docstring.")
        return Rule(
            code=code,
            name=name,
            severity=severity,
            scope=scope,
            needs=frozenset(needs),
            matches=frozenset(matches),
            check=check,
            page=page,
            enabled=enabled,
        )

    return register
