"""A migration as it was traced on the throwaway server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from advisor.model.advice import Measure
from advisor.model.names import QualifiedName

TransactionMode = Literal["file", "none", "explicit"]
WorkloadChangeKind = Literal["broken", "slower", "faster", "stale_statistics", "same"]


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock on a relation that existed before the migration; `mode` is `pg_locks.mode`."""

    relation: QualifiedName
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedStatement:
    """One statement of a migration and what it did.

    Where `traced` is False (no sandbox, or it could not run), the facts are None, which never means "none".

    Attributes:
        line, column, end_line: 1-based, of the statement's first and last character in its file.
        kind: the parse tree's name without `Stmt`: `CreateIndex` is reported for `IndexStmt`, see `migrations.read`.
        existing: names of relations that existed before the migration began and are named by the statement.
        details: what the rules need of the parse tree, put there by `migrations.describe`.
    """

    line: int
    column: int
    end_line: int
    sql: str
    kind: str
    traced: bool = False
    ms: float | None = None
    error: str | None = None
    sqlstate: str | None = None
    locks: tuple[Lock, ...] | None = None
    max_lock: str | None = None
    blocks_reads: bool | None = None
    blocks_writes: bool | None = None
    rewrites: tuple[QualifiedName, ...] | None = None
    rebuilt_indexes: tuple[QualifiedName, ...] | None = None
    scans: tuple[QualifiedName, ...] | None = None
    rows_written: Mapping[str, int] | None = None
    estimated_hold_ms: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadChange:
    """A query of the workload before and after a migration file."""

    query_id: str
    change: WorkloadChangeKind
    before: Measure = field(default_factory=Measure)
    after: Measure = field(default_factory=Measure)
    reason: str = ""
    plan_before: str | None = None
    """The indexes and scans of the plan, in words, for the message."""
    plan_after: str | None = None
    lost_indexes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration file, in the order of execution."""

    file: str
    framework: str
    transaction: TransactionMode
    statements: tuple[TracedStatement, ...] = ()
    error: str | None = None
    invalid_indexes: tuple[str, ...] = ()
    workload: tuple[WorkloadChange, ...] = ()
