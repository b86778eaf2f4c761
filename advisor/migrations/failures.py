"""Why a statement failed: because of the migration, because of the sandbox, or because of rows that are made up."""

import re
from dataclasses import dataclass

from advisor.migrations.files import FileStatement
from advisor.migrations.session import Outcome

_LIMITS = re.compile(r"57014|57P01|55P03|53...|58...|XX...")
"""Cancelled, terminated, lock not available, out of a resource, system and internal errors: the sandbox's own."""

_UNDEFINED = frozenset({"42704", "42883", "42P01", "42703", "3F000", "42P17"})
"""Something is not there: what follows from an earlier statement that did not run."""

_OF_THE_CLUSTER = re.compile(r"(role|tablespace|database|collation|language|publication|foreign-data wrapper) ")
"""Objects that a schema file does not hold or that the operating system provides."""

_ADDED = re.compile(r"Key \(([^)]*)\)=")
"""The columns that a unique violation's detail names."""

_ROWS = ("22", "23")
"""Data exceptions and integrity violations: SQLSTATE classes that depend on the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What did not load or run so far, one sentence each."""

    causes: tuple[str, ...] = ()

    def add(self, cause: str) -> "Trouble":
        return Trouble(causes=(*self.causes, cause))


def environment_reason(statement: FileStatement, outcome: Outcome, trouble: Trouble) -> str | None:
    """Why the failure says nothing about the migration; None where it does."""
    state, message = outcome.sqlstate or "", outcome.error or ""
    if outcome.lost or not state:
        return f"its session on the throwaway server ended: {message}"
    if _LIMITS.fullmatch(state):
        return f"the throwaway server's limits stopped it: {message}"
    if state == "42501":
        return f"the throwaway server's login may not do this: {message}"
    if statement.kind == "CreateExtension":
        return f"the throwaway server does not have the extension: {message}"
    if state in ("42704", "3D000", "22023") and _OF_THE_CLUSTER.match(message):
        return f"the throwaway server does not have it: {message}"
    if state in _UNDEFINED and trouble.causes:
        return f"{message}; it may follow from this: {trouble.causes[0]}"
    return None


def is_about_rows(statement: FileStatement, outcome: Outcome) -> bool:
    """Whether other rows could have let the statement through.

    Not where it complains of a column that it adds itself: NOT NULL without a default fails on any row, and one
    default for a UNIQUE column on any two.
    """
    if (outcome.sqlstate or "")[:2] not in _ROWS:
        return False
    added = {p.get("column") for p in statement.details.get("subcommands", ()) if p["kind"] == "AddColumn"}
    named = _ADDED.search(outcome.error or "") if outcome.sqlstate == "23505" else None
    return not (outcome.column in added or (named is not None and named[1].strip('"') in added))
