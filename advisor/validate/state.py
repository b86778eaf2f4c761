"""What a run knows so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from advisor.model.report import Diagnostic, Report, SandboxUse
from advisor.workload.digest import Digest


@dataclass(slots=True, kw_only=True)
class RunState:
    """What is known so far: the one thing that changes during a run, so that a stopped one can still report."""

    command: Literal["analyze", "check"]
    digest: Digest = field(default_factory=Digest)
    parts: dict[str, object] = field(default_factory=dict)

    def report(self, *, complete: bool = True) -> Report:
        """The report as far as it goes."""
        parts = dict(self.parts)
        if "workload" not in parts:
            parts["workload"] = self.digest.freeze()
        return replace(Report(command=self.command, complete=complete), **parts)  # type: ignore[arg-type]

    def add(self, **parts: object) -> None:
        """Fields of the report that are known now."""
        self.parts.update(parts)

    def add_sandbox(self, use: SandboxUse) -> None:
        """Another use of a throwaway server."""
        known = self.parts.get("sandboxes", ())
        assert isinstance(known, tuple)
        self.parts["sandboxes"] = (*known, use)

    def diagnose(self, level: Literal["error", "warning", "info"], messages: Sequence[str]) -> None:
        """Something about the run itself, each sentence once."""
        known = self.parts.get("diagnostics", ())
        assert isinstance(known, tuple)
        new = tuple(Diagnostic(level=level, message=m) for m in dict.fromkeys(messages))
        self.parts["diagnostics"] = (*known, *(d for d in new if d not in known))
